/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lend.c - blocks of a real ring, lent and held: their bytes against what was sent.
 *
 * Packets are UDP of 9000 bytes on `lo`, each filled from its number, so that a block holds seven
 * and any byte of any packet can be told to be right. Blocks are handed over when they are full,
 * never by the clock.
 *
 * Threads: one, but where a test starts others. */
#include "test_lo.h"

#include "base/err.h"
#include "kern/lend.h"
#include "kern/psock.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PAYLOAD	  9000 /* bytes */
#define BLOCK_LEN (64 * 1024)
#define PER_BLOCK 7 /* packets */

struct held {
	struct accel_loan *loan;
	const uint8_t *data;
	uint32_t offset, number; /* of one of its packets */
};

static void fill_payload(uint32_t *words, uint32_t number)
{
	for (uint32_t i = 0; i < PAYLOAD / 4; i++)
		words[i] = i == 0 ? number : number * 2654435761u + i;
}

static void send_payload(uint32_t number)
{
	uint32_t words[PAYLOAD / 4];

	fill_payload(words, number);
	assert_int_equal(send(lo_fd, words, sizeof(words), 0), sizeof(words));
}

static void check_held(const struct held *h)
{
	uint32_t words[PAYLOAD / 4];

	fill_payload(words, h->number);
	assert_memory_equal(h->data + h->offset, words, sizeof(words));
}

static void give_back(struct held *h)
{
	check_held(h);
	accel_loan_give_back(h->loan);
	h->loan = NULL;
}

static void open_retiring_ring(struct accel_psock *s, uint32_t n_blocks, uint32_t retire_ms)
{
	struct accel_ring_request rq = {.buffer_len = (uint64_t)n_blocks * BLOCK_LEN,
					.block_len = BLOCK_LEN,
					.retire_ms = retire_ms};

	need_lo();
	assert_int_equal(accel_psock_open(s, SOCK_DGRAM, NULL), 0);
	assert_int_equal(accel_psock_set_ring(s, "lo", &rq, NULL), 0);
	assert_int_equal(accel_psock_set_option(s, PACKET_IGNORE_OUTGOING, 1), 0);
	assert_int_equal(accel_psock_bind(s, 1, ETH_P_IP), 0);
}

static void open_ring(struct accel_psock *s, uint32_t n_blocks)
{
	open_retiring_ring(s, n_blocks, 60000);
}

static bool is_readable(const struct accel_psock *s)
{
	return poll(&(struct pollfd){.fd = s->fd, .events = POLLIN}, 1, 0) == 1;
}

static void wait_readable(const struct accel_psock *s)
{
	assert_int_equal(poll(&(struct pollfd){.fd = s->fd, .events = POLLIN}, 1, 10000), 1);
}

/* Borrow the open block, at most max packets of it, which go on from *seen. *h is its first. False:
 * no block is ready. */
static bool borrow(struct accel_psock *s, uint32_t max, uint32_t *seen, struct held *h)
{
	const struct tpacket3_hdr *p;
	const uint8_t *block, *first;
	uint32_t number, n = 0;

	if (!accel_ring_open(&s->ring))
		return false;
	first = s->ring.map + (uint64_t)s->ring.block_idx * s->ring.block_len;
	h->loan = accel_lend_begin(&s->ring, &block);
	for (; s->ring.n_left > 0 && n < max; n++) {
		p = accel_ring_take(&s->ring);
		memcpy(&number, (const uint8_t *)p + p->tp_mac + 28, sizeof(number));
		assert_int_equal(number, (*seen)++);
		if (n > 0)
			continue;
		h->number = number;
		h->offset = (uint32_t)((const uint8_t *)p + p->tp_mac + 28 - first);
		h->data = h->loan ? block : NULL;
	}
	if (h->loan)
		accel_lend_end(h->loan, ACCEL_LEND_PACKETS);
	if (s->ring.n_left == 0)
		accel_ring_give_back(&s->ring);
	return true;
}

/* As many packets as fill a block and begin the next. */
static void send_block(uint32_t *sent)
{
	for (int i = 0; i <= PER_BLOCK; i++)
		send_payload((*sent)++);
}

/* Read on until everything that was sent until now has come. */
static void read_rest(struct accel_psock *s, uint32_t seen, uint32_t sent)
{
	struct held h;

	for (uint32_t all = sent; seen < all; send_block(&sent))
		while (borrow(s, UINT32_MAX, &seen, &h))
			if (h.loan)
				give_back(&h);
	assert_int_equal(accel_psock_count(s).drops, 0);
}

struct maps {
	int n;
	uint64_t len; /* bytes */
};

/* What /proc/self/maps has, of it the mappings whose line has `of`. */
static struct maps count_maps(const char *of)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	struct maps maps = {0};
	char line[512];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (!strstr(line, of))
			continue;
		assert_int_equal(sscanf(line, "%lx-%lx", &from, &to), 2);
		maps.n++;
		maps.len += to - from;
	}
	fclose(file);
	return maps;
}

static uint64_t mapped_blocks(void)
{
	return count_maps("socket:[").len / BLOCK_LEN;
}

/* A hundred rounds of the ring: everything that was sent is read once and in order, nothing is
 * dropped, and what is held, of each block or of few, for long or for ever, is as it was. */
static void check_rounds(uint32_t n_blocks, unsigned n_held, uint32_t max)
{
	struct held *held = calloc(n_held, sizeof(*held));
	uint32_t sent = 0, seen = 0, n = 0, n_lent = 0;
	struct accel_psock s;
	struct held h;

	open_ring(&s, n_blocks);
	while (sent < 100 * n_blocks * PER_BLOCK) {
		send_block(&sent);
		while (borrow(&s, max, &seen, &h)) {
			if (!h.loan)
				continue;
			n_lent++;
			check_held(&h);
			n = (n * 1103515245 + 12345) % n_held;
			if (held[n].loan && n % 16)
				give_back(&held[n]);
			if (held[n].loan)
				give_back(&h);
			else
				held[n] = h;
		}
	}
	assert_true(n_lent >= sent / PER_BLOCK - 1);
	read_rest(&s, seen, sent);
	accel_psock_close(&s);
	assert_int_equal(mapped_blocks(), 0);
	for (n = 0; n < n_held; n++)
		if (held[n].loan)
			give_back(&held[n]);
	free(held);
}

static void test_held_while_the_ring_wraps(void **state)
{
	(void)state;
	check_rounds(8, 1, UINT32_MAX);
	check_rounds(8, 3, UINT32_MAX);
	check_rounds(8, 64, UINT32_MAX);
	check_rounds(8, 64, 3); /* several loans of a block */
}

/* Whoever holds the newest block is not told that there is one: not even once. */
static void test_held_block_is_not_readable(void **state)
{
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h, next;

	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	wait_readable(&s);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	assert_non_null(h.loan);
	assert_false(is_readable(&s));
	assert_false(borrow(&s, UINT32_MAX, &seen, &next));
	send_block(&sent);
	assert_true(is_readable(&s));
	assert_true(borrow(&s, 1, &seen, &next));
	assert_true(is_readable(&s)); /* it is not read to its end */
	give_back(&h);
	give_back(&next);
	read_rest(&s, seen, sent);
	accel_psock_close(&s);
}

/* No copy for who keeps up, one for who does not: of the ring a quarter is lent. */
static void test_a_quarter_is_lent(void **state)
{
	struct held held[16] = {0};
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;

	(void)state;
	open_ring(&s, 16);
	for (int i = 0; i < 16; i++) {
		send_block(&sent);
		assert_true(borrow(&s, UINT32_MAX, &seen, &held[i]));
		/* The reader's mapping, and that of the loans, where copies take their places. */
		assert_int_equal(mapped_blocks(), 32 - (i < 4 ? 0 : i - 3));
	}
	for (int i = 0; i < 16; i++)
		give_back(&held[i]);
	read_rest(&s, seen, sent);
	accel_psock_close(&s);
	assert_int_equal(mapped_blocks(), 0);
}

/* Nothing is left of a ring that was closed and of its loans, whichever goes first. */
static void test_nothing_is_left(void **state)
{
	int n_maps = 0, fd;

	(void)state;
	for (int round = 0; round < 4; round++) {
		struct held held[32] = {0};
		uint32_t sent = 0, seen = 0;
		struct accel_psock s;

		open_ring(&s, 8);
		for (int i = 0; i < 32; i++) {
			send_block(&sent);
			assert_true(borrow(&s, UINT32_MAX, &seen, &held[i]));
		}
		for (int i = round % 2; i < 32; i += 2)
			give_back(&held[i]);
		accel_psock_close(&s);
		/* A mapping would keep the socket, and what it does to the device. */
		assert_int_equal(mapped_blocks(), 0);
		for (int i = 0; i < 32; i++)
			if (held[i].loan)
				give_back(&held[i]);
		if (round == 1) /* by then every allocator has what it keeps */
			n_maps = count_maps("").n;
	}
	assert_in_range(count_maps("").n, n_maps - 2, n_maps + 2);
	fd = dup(lo_fd);
	assert_true(fd >= 0 && fd < 32);
	close(fd);
}

/* A block that is parted while it is being read: what is taken later is a loan of its own. */
static void test_kept_in_the_middle(void **state)
{
	struct held first, second;
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;

	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, 2, &seen, &first));
	assert_int_equal(accel_loan_keep(first.loan), 0);
	assert_int_equal(accel_loan_keep(first.loan), 0);
	assert_true(borrow(&s, 2, &seen, &second));
	assert_ptr_not_equal(first.data, second.data);
	give_back(&second);
	for (int i = 0; i < 40; i++) {
		send_block(&sent);
		while (borrow(&s, UINT32_MAX, &seen, &second))
			if (second.loan)
				give_back(&second);
	}
	give_back(&first);
	read_rest(&s, seen, sent);
	accel_psock_close(&s);
}

/* Short blocks and small rings are copied by whoever asks. */
static void test_not_lent(void **state)
{
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h;

	(void)state;
	open_ring(&s, 7);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	assert_null(h.loan);
	accel_psock_close(&s);
	sent = seen = 0;
	open_retiring_ring(&s, 8, 1);
	send_payload(sent++);
	wait_readable(&s);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	assert_null(h.loan);
	accel_psock_close(&s);
}

/* A ring that was full is read to its end; what of it is held stays. */
static void test_full_ring(void **state)
{
	struct held held[64] = {0};
	uint32_t n = 0, seen = 0, sent = 0, number;
	const struct tpacket3_hdr *p;
	struct accel_psock s;

	(void)state;
	open_ring(&s, 8);
	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < 12; i++)
			send_block(&sent);
		assert_true(accel_psock_count(&s).drops > 0);
		while (borrow(&s, UINT32_MAX, &seen, &held[n]))
			n += held[n].loan != NULL;
		/* What comes now is the first behind the gap. */
		send_block(&sent);
		assert_true(accel_ring_open(&s.ring));
		p = (const struct tpacket3_hdr *)s.ring.pkt;
		memcpy(&number, (const uint8_t *)p + p->tp_mac + 28, sizeof(number));
		assert_in_range(number, seen, sent - 1);
		seen = number;
	}
	assert_true(n > 6);
	accel_psock_close(&s);
	while (n-- > 0)
		give_back(&held[n]);
}

/* Without memory for the copy a block stays where it is: the capture stops before it, says so and
 * goes on when it is given back. */
static void test_no_memory_for_the_copy(void **state)
{
	struct rlimit none, before;
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h, next;

#ifdef ACCEL_SANITIZED
	skip(); /* no limit of address space */
#endif
	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	none = (struct rlimit){1, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	for (int i = 0; i < 12; i++) {
		send_block(&sent);
		while (borrow(&s, UINT32_MAX, &seen, &next))
			if (next.loan)
				give_back(&next);
	}
	check_held(&h);
	assert_int_equal(accel_loan_keep(h.loan), -ENOMEM);
	assert_true(accel_ring_is_fenced(&s.ring));
	assert_true(accel_psock_count(&s).drops > 0);
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	give_back(&h);
	assert_false(accel_ring_is_fenced(&s.ring));
	send_block(&sent);
	assert_true(accel_ring_open(&s.ring));
	accel_psock_close(&s);
}

/* What cannot be parted at the end shows the ring for as long as it is held, and nobody writes
 * there. */
static void test_no_memory_at_the_end(void **state)
{
	struct rlimit none, before;
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h;

#ifdef ACCEL_SANITIZED
	skip(); /* no limit of address space */
#endif
	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	none = (struct rlimit){1, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	accel_psock_close(&s);
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	for (int i = 0; i < 20; i++)
		send_block(&sent);
	assert_int_equal(mapped_blocks(), 1);
	give_back(&h);
	assert_int_equal(mapped_blocks(), 0);
}

/* A child reads what was kept before the fork while its parent's ring goes round, and what it does
 * with its copy of a loan is nothing to the parent. */
static void test_fork(void **state)
{
	struct held kept, held, next;
	uint32_t sent = 0, seen = 0;
	int status, pipe_fds[2];
	struct accel_psock s;
	char byte = 0;
	pid_t child;

	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &kept));
	assert_int_equal(accel_loan_keep(kept.loan), 0);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &held));
	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	if (child == 0) {
		accel_loan_give_back(held.loan); /* the parent's fence stays */
		accel_psock_close(&s);
		byte = (char)read(pipe_fds[0], &byte, 1);
		check_held(&kept);
		accel_loan_give_back(kept.loan);
		_exit(mapped_blocks() == 0 && byte == 1 ? 0 : 1);
	}
	/* Only the child's close can have been seen by then if it was before; both orders are right. */
	for (int i = 0; i < 20; i++) {
		send_block(&sent);
		while (borrow(&s, UINT32_MAX, &seen, &next))
			if (next.loan)
				give_back(&next);
	}
	check_held(&held);
	assert_int_equal(write(pipe_fds[1], "x", 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	give_back(&held);
	give_back(&kept);
	read_rest(&s, seen, sent);
	accel_psock_close(&s);
}

/* A child that goes on reading in its parent's place takes the fence over. */
static void test_child_reads_on(void **state)
{
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h, next;
	int status;
	pid_t child;

	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	child = fork();
	if (child == 0) {
		accel_loan_give_back(h.loan);
		for (int i = 0; i < 20; i++) {
			send_block(&sent);
			while (borrow(&s, UINT32_MAX, &seen, &next))
				if (next.loan)
					give_back(&next);
		}
		read_rest(&s, seen, sent);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	accel_psock_close(&s);
	accel_loan_give_back(h.loan);
}

/* ---- threads ---- */

#define N_SLOTS 64

static struct held *slots[N_SLOTS];
static bool is_over;

/* Takes loans from the reader, looks at them and gives them back or keeps them. */
static void *hold_and_give_back(void *arg)
{
	uint32_t random = (uint32_t)(uintptr_t)arg;
	struct held *h;

	do {
		random = random * 1103515245 + 12345;
		h = __atomic_exchange_n(&slots[random >> 16 & (N_SLOTS - 1)], NULL,
					__ATOMIC_ACQ_REL);
		if (!h)
			continue;
		if (random & 1 << 24)
			assert_int_equal(accel_loan_keep(h->loan), 0);
		give_back(h);
		free(h);
	} while (!accel_load_acquire(&is_over));
	return NULL;
}

static void test_threads(void **state)
{
	uint32_t sent = 0, seen = 0, n = 0;
	pthread_t threads[3];
	struct accel_psock s;
	struct held *h;

	(void)state;
	open_ring(&s, 16);
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, hold_and_give_back, (void *)(i + 1));
	while (sent < 16 * PER_BLOCK * 30) {
		send_block(&sent);
		h = calloc(1, sizeof(*h));
		while (borrow(&s, 4, &seen, h)) {
			if (!h->loan)
				continue;
			h = __atomic_exchange_n(&slots[n++ % N_SLOTS], h, __ATOMIC_ACQ_REL);
			if (h)
				give_back(h);
			else
				h = calloc(1, sizeof(*h));
		}
		free(h);
	}
	read_rest(&s, seen, sent);
	accel_psock_close(&s); /* beside those who hold */
	accel_store_release(&is_over, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	for (n = 0; n < N_SLOTS; n++)
		if (slots[n]) {
			give_back(slots[n]);
			free(slots[n]);
		}
}

/* A socket that is given up while some of its ring is unread and some is lent. */
static void test_unread_is_kept_beside_loans(void **state)
{
	static const struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h, next;

	(void)state;
	open_ring(&s, 8);
	for (int i = 0; i < 3; i++)
		send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	assert_int_equal(accel_psock_attach(&s, &drop, 1), 0);
	assert_int_equal(accel_psock_keep_unread(&s), 0);
	assert_int_equal(mapped_blocks(), 0);
	while (borrow(&s, UINT32_MAX, &seen, &next))
		assert_null(next.loan);
	assert_int_equal(seen, sent);
	accel_psock_close(&s);
	give_back(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held_while_the_ring_wraps),
		cmocka_unit_test(test_held_block_is_not_readable),
		cmocka_unit_test(test_a_quarter_is_lent),
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_kept_in_the_middle),
		cmocka_unit_test(test_not_lent),
		cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_no_memory_for_the_copy),
		cmocka_unit_test(test_no_memory_at_the_end),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_child_reads_on),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_unread_is_kept_beside_loans),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
