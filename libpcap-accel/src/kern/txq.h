/* SPDX-License-Identifier: BSD-3-Clause */
/* txq.h - frames that wait to be sent together by one sendmmsg(2).
 *
 * For programs that asked for it (tx_batch): a system call a frame is a third dearer. The price is
 * that a frame's failure is known only after the call that queued it has returned: failures are
 * counted.
 *
 * Threads: one. */
#ifndef ACCEL_TXQ_H
#define ACCEL_TXQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ACCEL_TXQ_MAX_FRAMES 1024

struct accel_txq {
	unsigned n_max; /* frames a batch; 0 = no queue */
	unsigned n;	/* frames waiting */
	pid_t pid;	/* whose they are */
	size_t used;	/* bytes of `data` in use */
	size_t data_len;
	uint8_t *data;	   /* the frames, one behind the other */
	size_t *ends;	   /* where frame i ends in `data` */
	uint64_t n_sent;   /* this and the next: written by the sender, read by stats() */
	uint64_t n_failed; /* refused by the kernel; dropped */
};

/* Room for n_max frames (1 .. ACCEL_TXQ_MAX_FRAMES). 0 or -ENOMEM. Zeroed = no queue; fini is
 * right. */
int accel_txq_init(struct accel_txq *q, unsigned n_max);
void accel_txq_fini(struct accel_txq *q);

/* Does anything wait that this process has queued? A forked child has its parent's frames too. */
bool accel_txq_has_ours(const struct accel_txq *q);

/* Copy a frame into the queue; a full queue is flushed first to sock_fd / ifindex (0 = as bound).
 * 0; -EMSGSIZE if the frame is longer than 256 KiB; -EAGAIN if a non-blocking socket has no
 * room. */
int accel_txq_add(struct accel_txq *q, int sock_fd, int ifindex, const void *frame, size_t len);

/* Send what waits. A frame that the kernel refuses is dropped and counted, and the next is tried.
 * 0, or -EAGAIN with the rest still waiting: the socket, non-blocking or not, has no room. */
int accel_txq_flush(struct accel_txq *q, int sock_fd, int ifindex);

#endif
