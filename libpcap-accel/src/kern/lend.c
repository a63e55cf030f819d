/* SPDX-License-Identifier: BSD-3-Clause */
/* lend.c - see lend.h.
 *
 * A mapping of the ring is used until a block is to be lent whose place in it was taken by a copy;
 * then the ring is mapped anew, at most once a round. Of the old mapping only what is lent stays.
 *
 * The lock guards a lender and its loans that are in the ring, and is held while the packets of a
 * loan are taken, because their bytes still move then (VLAN tags). A loan that was parted from the
 * ring is its holder's alone and needs no lock: after a fork another thread may have held it.
 *
 * Threads: see lend.h. */
#include "kern/lend.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FEWEST_BLOCKS 8 /* of a ring that lends: a quarter of it may be lent, and the fence */

/* Shorter blocks are copied, several into one batch: lending costs a block, copying a byte.
 * Measured in immediate mode, a block a millisecond: from 16 to 30 KiB both cost the same. */
#define SHORT_BLOCK (32u * 1024)

#define FENCE	 (TP_STATUS_USER | ACCEL_RING_FENCE)
#define NO_BLOCK UINT32_MAX

enum place {
	IN_RING, /* the place shows the ring's block */
	APART,	 /* it holds a copy, and is the loan's own */
};

struct accel_loan {
	struct accel_lender *lender; /* a reference */
	struct accel_loan *older, *newer;
	uint8_t *at; /* block_len bytes */
	uint64_t seq;
	uint32_t idx;
	int place; /* enum place; IN_RING to APART with the lock */
	int n_refs;
	bool is_own; /* no mapping of the ring has `at` any more: to be unmapped with the loan */
};

struct accel_lender {
	pthread_mutex_t lock;
	int n_refs;	      /* of the ring, and of each loan */
	pid_t pid;	      /* whose fence it is: the process that reads */
	int fd;		      /* not ours */
	struct accel_ring at; /* geometry; map is NULL when the ring was closed */
	uint8_t *view;	      /* the mapping that blocks are lent in; NULL: none yet */
	struct accel_loan *oldest, *newest; /* in the ring */
	struct accel_loan *open;	    /* of the block that is being read */
	uint32_t fence;			    /* its block, or NO_BLOCK */
	bool is_spent[];		    /* a place in `view` that does not show the ring */
};

static size_t map_len(const struct accel_lender *l)
{
	return (size_t)l->at.block_len * l->at.n_blocks;
}

static uint32_t before(const struct accel_lender *l, uint32_t idx)
{
	return idx == 0 ? l->at.n_blocks - 1 : idx - 1;
}

/* In a child of the process that read, a thread that is not there may have held the lock at the
 * fork: then there is nobody to keep out, and the unlocking mends the child's copy. */
static void lock(struct accel_lender *l)
{
	if (l->pid == getpid())
		pthread_mutex_lock(&l->lock);
	else
		pthread_mutex_trylock(&l->lock);
}

static void unlock(struct accel_lender *l)
{
	pthread_mutex_unlock(&l->lock);
}

static void put_lender(struct accel_lender *l)
{
	if (__atomic_sub_fetch(&l->n_refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* The lender of a ring that can lend, made when it is first asked for. */
static struct accel_lender *lender_of(struct accel_ring *r)
{
	struct accel_lender *l = r->lender;

	if (l || r->fd < 0 || r->n_blocks < FEWEST_BLOCKS)
		return l;
	l = calloc(1, sizeof(*l) + r->n_blocks);
	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	l->n_refs = 1;
	l->fd = r->fd;
	l->at = *r;
	l->fence = NO_BLOCK;
	r->lender = l;
	return l;
}

/* ---- the fence ---- */

static bool exchange(const struct accel_lender *l, uint32_t idx, uint32_t from, uint32_t to)
{
	uint32_t *status = &accel_ring_block(&l->at, idx)->block_status;

	return __atomic_compare_exchange_n(status, &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

/* Keep the kernel from block idx, number seq, which is ours still. False: it may be past the fence
 * already, because the ring is full. */
static bool protect(struct accel_lender *l, uint32_t idx, uint64_t seq)
{
	uint32_t fence = before(l, idx);
	const struct tpacket_hdr_v1 *sooner = accel_ring_block(&l->at, before(l, fence));

	if (l->oldest)
		return true;
	if (!exchange(l, fence, TP_STATUS_KERNEL, FENCE))
		return false;
	/* In this order for all to see: our store of the fence, our load of the number of the block
	 * before it; the kernel's store of that number in prb_open_block() and, a packet or a timer
	 * and so a spin lock later, its load of the fence in prb_dispatch_next_block(). If we see
	 * the old number it sees the fence. */
	if (__atomic_load_n(&sooner->seq_num, __ATOMIC_SEQ_CST) >= seq + l->at.n_blocks - 2) {
		exchange(l, fence, FENCE, TP_STATUS_KERNEL);
		return false;
	}
	l->fence = fence;
	return true;
}

/* Bring the fence to what is lent. In a child the fence is its parent's. */
static void move_fence(struct accel_lender *l)
{
	uint32_t old = l->fence, fence = l->oldest ? before(l, l->oldest->idx) : NO_BLOCK;

	if (fence == old || !l->at.map || l->pid != getpid())
		return;
	/* The new one first: until the old one falls the kernel cannot get here. Exchanged, not
	 * stored: no block that the kernel has filled may ever be lost by this. */
	if (fence != NO_BLOCK)
		exchange(l, fence, TP_STATUS_KERNEL, FENCE);
	if (old != NO_BLOCK)
		exchange(l, old, FENCE, TP_STATUS_KERNEL);
	l->fence = fence;
}

/* ---- loans, with the lock ---- */

static void add_newest(struct accel_lender *l, struct accel_loan *loan)
{
	loan->older = l->newest;
	if (l->newest)
		l->newest->newer = loan;
	else
		l->oldest = loan;
	l->newest = l->open = loan;
}

static void remove_loan(struct accel_lender *l, struct accel_loan *loan)
{
	if (loan->older)
		loan->older->newer = loan->newer;
	else
		l->oldest = loan->newer;
	if (loan->newer)
		loan->newer->older = loan->older;
	else
		l->newest = loan->older;
	if (l->open == loan)
		l->open = NULL;
	move_fence(l);
}

/* Take a loan out of the ring; the copy appears in its place at once, for whoever looks at it at
 * this moment: mremap(2) lets no page fault in between. -ENOMEM: it stays. */
static int part(struct accel_lender *l, struct accel_loan *loan)
{
	const struct tpacket_hdr_v1 *block =
		&((const struct tpacket_block_desc *)loan->at)->hdr.bh1;
	size_t len = l->at.block_len;
	void *copy = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (copy == MAP_FAILED)
		return -ENOMEM;
	memcpy(copy, loan->at, ACCEL_MIN(block->blk_len, len));
	if (mprotect(copy, len, PROT_READ) < 0 ||
	    mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, loan->at) == MAP_FAILED) {
		munmap(copy, len);
		return -ENOMEM;
	}
	if (!loan->is_own)
		l->is_spent[loan->idx] = true;
	loan->is_own = true;
	remove_loan(l, loan);
	/* Release: pairs with the load in accel_loan_give_back(), which then needs no lock. */
	accel_store_release(&loan->place, APART);
	return 0;
}

/* Unmap what still shows the ring in the view, but the places of loans. */
static void drop_view(struct accel_lender *l)
{
	size_t len = l->at.block_len;
	uint32_t first = 0;

	for (struct accel_loan *loan = l->oldest; loan; loan = loan->newer) {
		if (!loan->is_own)
			l->is_spent[loan->idx] = true;
		loan->is_own = true;
	}
	for (uint32_t i = 0; l->view && i <= l->at.n_blocks; i++) {
		if (i < l->at.n_blocks && !l->is_spent[i])
			continue;
		if (i > first)
			munmap(l->view + first * len, (i - first) * len);
		first = i + 1;
	}
	l->view = NULL;
}

/* Where block idx is shown, or NULL: no memory. */
static uint8_t *place_of(struct accel_lender *l, uint32_t idx)
{
	void *view;

	if (!l->view || l->is_spent[idx]) {
		view = mmap(NULL, map_len(l), PROT_READ, MAP_SHARED, l->fd, 0);
		if (view == MAP_FAILED)
			return NULL;
		drop_view(l);
		memset(l->is_spent, 0, l->at.n_blocks);
		l->view = view;
	}
	return l->view + (size_t)idx * l->at.block_len;
}

/* Whoever reads looks after the fence: in a child of the process that did, too. */
static void adopt(struct accel_lender *l)
{
	pid_t pid = getpid();

	if (l->pid == pid)
		return;
	l->pid = pid;
	/* Where blocks are lent, the process that read may have lifted its fence by now. */
	if (l->oldest)
		l->fence = NO_BLOCK;
	move_fence(l);
}

/* A quarter of the ring may be lent. */
static bool is_overdue(const struct accel_lender *l, uint64_t seq)
{
	return l->oldest && seq - l->oldest->seq >= l->at.n_blocks / 4;
}

static struct accel_loan *lend_open_block(struct accel_lender *l, const struct accel_ring *r)
{
	uint64_t seq = accel_ring_seq(r);
	struct accel_loan *loan;

	/* There was no memory to part the oldest from the ring: then no more is lent. */
	if (is_overdue(l, seq))
		return NULL;
	loan = calloc(1, sizeof(*loan));
	if (!loan || !protect(l, r->block_idx, seq) || !(loan->at = place_of(l, r->block_idx))) {
		move_fence(l);
		free(loan);
		return NULL;
	}
	loan->lender = l;
	loan->idx = r->block_idx;
	loan->seq = seq;
	__atomic_add_fetch(&l->n_refs, 1, __ATOMIC_RELAXED);
	add_newest(l, loan);
	return loan;
}

/* ---- the ring's reader ---- */

struct accel_loan *accel_lend_begin(struct accel_ring *r, const uint8_t **data)
{
	struct accel_lender *l = lender_of(r);
	struct accel_loan *loan;

	if (!l || accel_ring_block(r, r->block_idx)->blk_len < SHORT_BLOCK)
		return NULL;
	lock(l);
	adopt(l);
	loan = l->open ? l->open : lend_open_block(l, r);
	if (!loan) {
		unlock(l);
		return NULL;
	}
	loan->n_refs++;
	*data = loan->at;
	return loan;
}

/* With the lock, which it drops. */
static void put_loan(struct accel_lender *l, struct accel_loan *loan)
{
	if (--loan->n_refs > 0) {
		unlock(l);
		return;
	}
	remove_loan(l, loan);
	if (loan->is_own)
		munmap(loan->at, l->at.block_len);
	unlock(l);
	free(loan);
	put_lender(l);
}

void accel_lend_end(struct accel_loan *loan, enum accel_lending what)
{
	struct accel_lender *l = loan->lender;

	if (what == ACCEL_LEND_PACKETS)
		unlock(l);
	else
		put_loan(l, loan);
}

void accel_lend_done(struct accel_ring *r)
{
	struct accel_lender *l = r->lender;

	lock(l);
	l->open = NULL;
	unlock(l);
}

void accel_lend_make_way(struct accel_ring *r)
{
	struct accel_lender *l = r->lender;

	lock(l);
	adopt(l);
	while (is_overdue(l, r->n_given + 1) && part(l, l->oldest) == 0)
		;
	unlock(l);
}

int accel_lend_close(struct accel_ring *r)
{
	struct accel_lender *l = r->lender;
	struct accel_loan *loan;
	int left = 0;

	if (!l)
		return 0;
	lock(l);
	l->at.map = NULL; /* the fence stays: what cannot be parted must not change either */
	while ((loan = l->oldest))
		if (part(l, loan) < 0) {
			left = l->pid == getpid() ? -ENOMEM : 0;
			l->is_spent[loan->idx] |= !loan->is_own;
			loan->is_own = true;
			remove_loan(l, loan);
			accel_store_release(&loan->place, APART);
		}
	drop_view(l);
	unlock(l);
	put_lender(l);
	r->lender = NULL;
	return left;
}

/* ---- the program ---- */

void accel_loan_give_back(struct accel_loan *loan)
{
	struct accel_lender *l = loan->lender;

	/* Acquire: pairs with part(). */
	if (accel_load_acquire(&loan->place) == IN_RING) {
		lock(l);
		if (loan->place == IN_RING) {
			put_loan(l, loan);
			return;
		}
		unlock(l);
	}
	if (__atomic_sub_fetch(&loan->n_refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	munmap(loan->at, l->at.block_len);
	free(loan);
	put_lender(l);
}

int accel_loan_keep(struct accel_loan *loan)
{
	struct accel_lender *l = loan->lender;
	int r = 0;

	if (accel_load_acquire(&loan->place) == APART)
		return 0;
	lock(l);
	if (loan->place == IN_RING)
		r = part(l, loan);
	unlock(l);
	return r;
}
