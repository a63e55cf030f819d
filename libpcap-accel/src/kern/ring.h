/* SPDX-License-Identifier: BSD-3-Clause */
/* ring.h - reader of one TPACKET_V3 receive ring.
 *
 * Knows the layout of the ring and who owns each block; knows nothing of sockets, filters or link
 * types. The memory belongs to whoever mapped it and must outlive the reader.
 *
 * A block belongs to the kernel until it sets TP_STATUS_USER, and to us until we clear it. The
 * reader keeps its place in memory, not on the stack: a callback may come back in, or never return.
 *
 * Source: Documentation/networking/packet_mmap.rst; net/packet/af_packet.c, prb_*() (Linux 6.18).
 * Threads: one reader, one thread. */
#ifndef ACCEL_RING_H
#define ACCEL_RING_H

#include "base/util.h"

#include <linux/if_packet.h>
#include <stdbool.h>
#include <stdint.h>

/* Beside TP_STATUS_USER, of a block that is kept from the kernel though its packets were all taken:
 * see lend.h. The kernel tests TP_STATUS_USER alone, and writes the whole word. */
#define ACCEL_RING_FENCE (1u << 16)

struct accel_lender;

struct accel_ring {
	uint8_t *map;	    /* first block */
	uint32_t block_len; /* bytes, a power of two >= the page size */
	uint32_t n_blocks;
	uint32_t block_idx;	     /* block being read or waited for, 0 .. n_blocks - 1 */
	uint32_t n_left;	     /* packets of that block not yet taken */
	bool is_open;		     /* block_idx is ours and not given back yet */
	uint64_t n_given;	     /* number of the block that was given back last; 0: none */
	uint8_t *pkt;		     /* header of the next packet; valid while n_left > 0 */
	int fd;			     /* the socket, to map the ring once more; -1: cannot be lent */
	struct accel_lender *lender; /* NULL: nothing was lent yet */
};

static inline void accel_ring_init(struct accel_ring *r, void *map, uint32_t block_len,
				   uint32_t n_blocks)
{
	*r = (struct accel_ring){
		.map = map, .block_len = block_len, .n_blocks = n_blocks, .fd = -1};
}

/* What the ring's reader tells who lends its blocks (lend.h); only with a lender. */
void accel_lend_done(struct accel_ring *r);	/* the open block is about to be given back */
void accel_lend_make_way(struct accel_ring *r); /* another block is asked for */

/* Before the ring is unmapped: what is lent is parted from it and stays the program's. 0; -ENOMEM:
 * some of it still shows the ring, which nobody changes any more, and keeps the socket; 0 in a
 * child, whose parent goes on reading. Also without a lender. */
int accel_lend_close(struct accel_ring *r);

static inline struct tpacket_hdr_v1 *accel_ring_block(const struct accel_ring *r, uint32_t idx)
{
	return &((struct tpacket_block_desc *)(r->map + (uint64_t)idx * r->block_len))->hdr.bh1;
}

/* Number of the open block, counted by the kernel from 1; the blocks of a ring are numbered in the
 * order in which they are filled. Only while is_open. */
static inline uint64_t accel_ring_seq(const struct accel_ring *r)
{
	return accel_ring_block(r, r->block_idx)->seq_num;
}

/* Give the open block, all of whose packets are done with, to the kernel. */
static inline void accel_ring_give_back(struct accel_ring *r)
{
	r->n_given = accel_ring_seq(r);
	if (ACCEL_UNLIKELY(r->lender != NULL))
		accel_lend_done(r);
	/* Release: our reads of the block are done before the kernel may refill it. Pairs with the
	 * kernel's read of block_status in prb_dispatch_next_block(). */
	accel_store_release(&accel_ring_block(r, r->block_idx)->block_status, TP_STATUS_KERNEL);
	r->is_open = false;
	if (++r->block_idx == r->n_blocks)
		r->block_idx = 0;
}

/* Has the kernel handed this block over? Acquire: then its packets are complete. Pairs with the
 * kernel's write of block_status in prb_flush_block(). */
static inline bool accel_ring_is_ready(const struct tpacket_hdr_v1 *block)
{
	uint32_t status = accel_load_acquire(&block->block_status);

	return (status & (TP_STATUS_USER | ACCEL_RING_FENCE)) == TP_STATUS_USER;
}

/* Has the reader come round to what is lent, and cannot go on? */
static inline bool accel_ring_is_fenced(const struct accel_ring *r)
{
	return accel_load_relaxed(&accel_ring_block(r, r->block_idx)->block_status) &
	       ACCEL_RING_FENCE;
}

/* Make sure that a packet can be taken: gives back a finished block and opens the next that the
 * kernel has handed over. Never blocks. Returns whether n_left > 0 now. */
static inline bool accel_ring_open(struct accel_ring *r)
{
	struct tpacket_hdr_v1 *block;

	while (r->n_left == 0) {
		if (r->is_open)
			accel_ring_give_back(r);
		if (ACCEL_UNLIKELY(r->lender != NULL))
			accel_lend_make_way(r);
		block = accel_ring_block(r, r->block_idx);
		if (!accel_ring_is_ready(block))
			return false;
		r->is_open = true;
		r->n_left = block->num_pkts;
		r->pkt = (uint8_t *)block - offsetof(struct tpacket_block_desc, hdr) +
			 block->offset_to_first_pkt;
	}
	return true;
}

/* The packet at the reader's place, which moves on. Only while n_left > 0. The packet stays valid
 * until the block is given back: by the next accel_ring_open() that finds n_left == 0, or by
 * accel_ring_give_back(). */
static inline struct tpacket3_hdr *accel_ring_take(struct accel_ring *r)
{
	struct tpacket3_hdr *h = (void *)r->pkt;

	r->pkt += h->tp_next_offset;
	r->n_left--;
	return h;
}

/* The sender's and receiver's addresses, packet type and protocol of a packet. */
static inline const struct sockaddr_ll *accel_ring_addr(const struct tpacket3_hdr *h)
{
	return (const void *)((const uint8_t *)h + TPACKET_ALIGN(sizeof(*h)));
}

/* Blocks that the kernel has handed over and that were not given back. */
static inline uint32_t accel_ring_used(const struct accel_ring *r)
{
	uint32_t n = 0, idx = r->block_idx;

	/* Filled in order, so the first that is the kernel's ends them. Relaxed: nothing is read of
	 * them. */
	while (n < r->n_blocks &&
	       accel_load_relaxed(&accel_ring_block(r, idx)->block_status) & TP_STATUS_USER) {
		n++;
		idx = idx + 1 == r->n_blocks ? 0 : idx + 1;
	}
	return n;
}

/* The highest block number that the kernel has begun to fill. */
static inline uint64_t accel_ring_newest(const struct accel_ring *r)
{
	uint64_t newest = 0;

	for (uint32_t i = 0; i < r->n_blocks; i++)
		newest = ACCEL_MAX(newest, accel_load_relaxed(&accel_ring_block(r, i)->seq_num));
	return newest;
}

#endif
