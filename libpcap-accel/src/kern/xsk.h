/* SPDX-License-Identifier: BSD-3-Clause */
/* xsk.h - one AF_XDP socket on one queue of a device: its memory, its four rings, its counters.
 *
 * The memory (UMEM) is cut into frames of the same size. A frame is in one place at a time: in the
 * fill ring (the kernel may write a packet into it), in the receive ring (a packet is in it), with
 * us, and of the frames for sending in the transmit ring, the completion ring or our stack of free
 * ones. So no ring ever overflows that has room for all frames of its kind.
 *
 * Knows nothing of programs and filters: packets come when a program redirects them here through a
 * map that has `fd` at the queue's index. The memory is shared with children of a fork, which read
 * what the kernel writes; a private one would show them the bytes of the day of the fork.
 *
 * Source: Documentation/networking/af_xdp.rst, linux/if_xdp.h; net/xdp/xsk*.c (Linux 6.18).
 * Threads: one for receiving and one for sending; accel_xsk_count() on any, in a signal handler
 * too. */
#ifndef ACCEL_KERN_XSK_H
#define ACCEL_KERN_XSK_H

#include "base/util.h"

#include <linux/if_xdp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct accel_err;
struct accel_xsk_pool;

#define ACCEL_XSK_CONTINUES 1u	 /* XDP_PKT_CONTD in a descriptor: the packet goes on in the next */
#define ACCEL_XSK_HEADROOM  256u /* bytes of a frame that the kernel keeps: metadata */

/* One ring. The other side is the kernel: whoever produces writes *producer, whoever consumes
 * *consumer. Indices run through all 32 bits. */
struct accel_xsk_ring {
	uint32_t *producer, *consumer;
	const uint32_t *flags; /* XDP_RING_NEED_WAKEUP; written by the kernel */
	void *entries;	       /* struct xdp_desc; of fill and completion ring uint64_t */
	uint32_t mask;	       /* entries - 1 */
	uint32_t mine;	       /* our index: of what we produce or consume next */
	uint32_t theirs;       /* the kernel's index when we last looked */
	void *map;
	size_t map_len;
};

enum accel_xsk_zc { ACCEL_XSK_ZC_AUTO, ACCEL_XSK_ZC_REQUIRE, ACCEL_XSK_ZC_NO };

struct accel_xsk_request {
	const char *name; /* opens the error's text */
	int ifindex;
	uint32_t queue;
	uint32_t frame_len;   /* bytes: 2048 or 4096 */
	uint32_t n_rx_frames; /* powers of two */
	uint32_t n_tx_frames; /* 0: no sending */
	/* Entries, powers of two; 0: one for each frame. The fill ring has room for all frames for
	 * receiving, the completion ring for all for sending, or else they are made larger. */
	uint32_t n_rx_ring, n_fill_ring, n_done_ring;
	enum accel_xsk_zc zc;
	bool has_fragments;	 /* packets of several frames: Linux 6.6 */
	bool huge_pages;	 /* of 2 MiB; the memory is rounded up to them */
	bool no_wakeups;	 /* the driver never sleeps: it need not be woken */
	uint32_t busy_us;	 /* prefer busy polling, for so long; 0: no. Linux 5.11 */
	uint32_t n_busy_packets; /* with busy_us: at a time */
	/* Memory and fill ring that it uses instead of its own; n_rx_frames are the pool's. What is
	 * said here of these and of the queue is passed over (frame_len, huge_pages, has_fragments,
	 * no_wakeups), but that zc = REQUIRE must be true of it. Such a socket sends nothing. */
	struct accel_xsk_pool *pool;
};

struct accel_xsk {
	int fd;
	uint8_t *umem;
	size_t umem_len;
	uint32_t frame_len, n_rx_frames; /* with a pool: the pool's */
	bool is_zero_copy;
	bool no_wakeups; /* as asked for */
	struct accel_xsk_ring rx, tx, fill, done;
	uint64_t *free_tx; /* addresses of frames for sending that are ours */
	uint32_t n_free_tx;
	uint32_t n_tx_frames;
	struct accel_xsk_pool *pool; /* NULL: the memory is its own */
	uint64_t *staged;	     /* entries of `fill`, on their way to the pool's; owned */
};

#define ACCEL_XSK_NONE ((struct accel_xsk){.fd = -1})

/* Make socket, memory and rings, hand all receive frames to the kernel and bind; with a pool, make
 * socket and receive ring, and bind. Where a socket that was closed a moment ago still holds the
 * queue, waits up to a second for it; with a pool it does not. 0 or -errno with a text: -EPERM;
 * -ENOBUFS (RLIMIT_MEMLOCK); -ENOMEM; -EBUSY (the queue has another's socket); -EINVAL (no such
 * queue, frame size); -EOPNOTSUPP (no zero copy, no AF_XDP). accel_xsk_close() is right in every
 * state. */
int accel_xsk_open(struct accel_xsk *x, const struct accel_xsk_request *rq, struct accel_err *err);
void accel_xsk_close(struct accel_xsk *x);

/* Bytes of frames that this process may have in all its sockets; UINT64_MAX: as much as there is.
 * Others of the same user may use up some of it. */
uint64_t accel_xsk_memory_limit(void);

struct accel_xsk_counts {
	uint64_t dropped;   /* no frame was free, or it was too small */
	uint64_t ring_full; /* the receive ring was */
	uint64_t invalid;   /* descriptors that we sent and the kernel refused */
};

/* 0 or -errno. Async-signal-safe. */
int accel_xsk_count(const struct accel_xsk *x, struct accel_xsk_counts *out);

/* Ask a driver that sleeps for it to look into the fill ring; with busy polling, have it receive
 * now. */
void accel_xsk_wake(const struct accel_xsk *x);

/* Queue a frame of at most accel_xsk_room() bytes and have the kernel send it. 0; -EMSGSIZE;
 * -ENOBUFS: all frames are on their way; -ENETDOWN, ... */
int accel_xsk_send(struct accel_xsk *x, const void *frame, size_t len);

/* Bytes that one frame holds. */
static inline uint32_t accel_xsk_room(const struct accel_xsk *x)
{
	return x->frame_len - ACCEL_XSK_HEADROOM;
}

/* Descriptors that can be taken, at least one if there is any. */
static inline uint32_t accel_xsk_ready(struct accel_xsk *x)
{
	/* Acquire: the descriptors up to the index, and the packets behind them, are complete.
	 * Pairs with the kernel's store-release of it in __xskq_prod_submit(). */
	if (x->rx.theirs == x->rx.mine)
		x->rx.theirs = accel_load_acquire(x->rx.producer);
	return x->rx.theirs - x->rx.mine;
}

/* The descriptor at the reader's place, `ahead` behind it; only while accel_xsk_ready() > ahead. */
static inline const struct xdp_desc *accel_xsk_desc(const struct accel_xsk *x, uint32_t ahead)
{
	const struct xdp_desc *descs = x->rx.entries;

	return &descs[(x->rx.mine + ahead) & x->rx.mask];
}

static inline uint8_t *accel_xsk_data(const struct accel_xsk *x, const struct xdp_desc *desc)
{
	return x->umem + desc->addr;
}

/* Take n descriptors: their frames are the caller's until they are given back. The order is free;
 * the frame is named by any address in it. */
static inline void accel_xsk_take(struct accel_xsk *x, uint32_t n)
{
	x->rx.mine += n;
	/* Release: our reads of the descriptors are done before the kernel may write new ones.
	 * Pairs with the kernel's load-acquire in xskq_prod_is_full() and its kin. */
	accel_store_release(x->rx.consumer, x->rx.mine);
}

/* For xsk.c: with x->pool set, make x->fill, a ring that only we see. 0, -ENOMEM. */
int accel_xsk_stage(struct accel_xsk *x);

/* accel_xsk_submit() of a socket with a pool: what was given back goes to the pool's fill ring,
 * under its lock. */
void accel_xsk_submit_shared(struct accel_xsk *x);

/* Put a frame into the fill ring, by any address in it, as the kernel rounds down; it sees it at
 * the next accel_xsk_submit(). */
static inline void accel_xsk_give_back(struct accel_xsk *x, uint64_t addr)
{
	uint64_t *addrs = x->fill.entries;

	addrs[x->fill.mine++ & x->fill.mask] = addr;
}

static inline void accel_xsk_submit(struct accel_xsk *x)
{
	if (ACCEL_UNLIKELY(x->pool != NULL)) {
		accel_xsk_submit_shared(x);
		return;
	}
	/* Release: the addresses are written, and our reads of the packets done, before the kernel
	 * uses the frames. Pairs with its load-acquire in __xskq_cons_peek(). */
	accel_store_release(x->fill.producer, x->fill.mine);
	if (ACCEL_UNLIKELY(accel_load_relaxed(x->fill.flags) & XDP_RING_NEED_WAKEUP))
		accel_xsk_wake(x);
}

#endif
