/* SPDX-License-Identifier: BSD-3-Clause */
/* tap.h - the maps of a tapped device, and the reader of its ring of copied packets.
 *
 * The program in the kernel reserves a record, fills it and submits it; records are in the order in
 * which they were reserved, and one that is not submitted yet holds up those behind it. The ring's
 * pages are mapped twice, one behind the other, so that no record is ever in two pieces. We may not
 * write to them.
 *
 * Source: kernel/bpf/ringbuf.c (Linux 6.18); Documentation/bpf/ringbuf.rst.
 * Threads: one reader; accel_tap_lost() on any, in a signal handler too. */
#ifndef ACCEL_KERN_TAP_H
#define ACCEL_KERN_TAP_H

#include "base/util.h"
#include "bpf/xdp_prog.h"

#include <stdint.h>

struct accel_err;

struct accel_tap {
	int ring_fd, lost_fd;	  /* maps; -1: not open. ring_fd can be polled */
	uint64_t *consumer;	  /* bytes that we are done with; written by us */
	const uint64_t *producer; /* bytes that are reserved; written by the kernel */
	const uint8_t *records;
	uint64_t mask;			   /* bytes of the ring - 1 */
	uint64_t mine;			   /* *consumer, before it is published */
	uint32_t stamp_len;		   /* bytes before each record: ACCEL_XDP_STAMP_LEN, or 0 */
	struct accel_xdp_control *control; /* borrowed */
	uint64_t *lost;			   /* scratch of accel_tap_lost(): a counter a processor */
	unsigned n_cpus;
	int is_counting;   /* somebody is at `lost` */
	uint64_t n_lost;   /* what was counted last */
	void *maps[2];	   /* consumer page; producer page and records */
	size_t map_len[2]; /* bytes */
};

#define ACCEL_TAP_NONE ((struct accel_tap){.ring_fd = -1, .lost_fd = -1})

/* Make the maps, the ring with ring_len bytes, a power of two of at least a page, and map them.
 * `name` opens the error's text; `control` is what the program's ACCEL_MAP_CONTROL holds, mapped,
 * and outlives the tap. 0; -ENOMEM, -EPERM, ... accel_tap_close() is right in every state. */
int accel_tap_open(struct accel_tap *t, const char *name, uint32_t ring_len,
		   struct accel_xdp_control *control, struct accel_err *err);
void accel_tap_close(struct accel_tap *t);

enum accel_tap_wakeups { ACCEL_TAP_SILENT, ACCEL_TAP_WAKES };

/* Shall the next record wake who polls ring_fd? Look for records once more before sleeping. */
void accel_tap_set_wakeups(struct accel_tap *t, enum accel_tap_wakeups how);

/* Packets that found the ring full. Where somebody else is counting at this moment, what he counted
 * before. Async-signal-safe. */
uint64_t accel_tap_lost(struct accel_tap *t);

/* Is there anything, complete or not? */
static inline bool accel_tap_has_any(const struct accel_tap *t)
{
	/* Sequentially consistent, so that it is not done before the store of the flags in
	 * accel_tap_set_wakeups(); and an acquire, which pairs with the kernel's store-release in
	 * __bpf_ringbuf_reserve(): the head of the record says that it is busy. */
	return __atomic_load_n(t->producer, __ATOMIC_SEQ_CST) != t->mine;
}

/* Bytes in use. Any thread; async-signal-safe. */
static inline uint64_t accel_tap_used(const struct accel_tap *t)
{
	/* Consumer first: it never overtakes the producer that is read after it. */
	uint64_t consumed = accel_load_acquire(t->consumer);

	return accel_load_acquire(t->producer) - consumed;
}

/* The record at the reader's place, or NULL: none is complete. The bytes of the packet follow it;
 * nobody may write to them. The device's stamp is before it where stamp_len says so. */
const struct accel_xdp_record *accel_tap_peek(struct accel_tap *t);

/* Done with it: the kernel may use its place at the next accel_tap_publish(). */
void accel_tap_take(struct accel_tap *t);

/* Does what is taken and not published hold back an eighth of the ring? */
static inline bool accel_tap_is_behind(const struct accel_tap *t)
{
	return t->mine - *t->consumer > t->mask / 8;
}

/* To be called before sleeping, too: the kernel wakes for a record only who has taken all before
 * it. */
static inline void accel_tap_publish(struct accel_tap *t)
{
	/* Release: our reads of the records are done before the kernel writes there. Pairs with its
	 * load-acquire in __bpf_ringbuf_reserve(). */
	accel_store_release(t->consumer, t->mine);
}

#endif
