/* SPDX-License-Identifier: BSD-3-Clause */
/* xsk_pool.h - several AF_XDP sockets on one queue: they share its memory and its fill ring, and
 * each has a receive ring of its own. Which of them gets a packet, the XDP program says.
 *
 * The kernel takes any free frame for any of them, so one that does not read holds at most what its
 * own ring has room for. The memory is registered and bound by a socket that receives nothing, so
 * that each of the others may go first.
 *
 * Source: Documentation/networking/af_xdp.rst (XDP_SHARED_UMEM), xsk_bind() in net/xdp/xsk.c.
 * Threads: each socket has its reader; the fill ring has a lock. */
#ifndef ACCEL_KERN_XSK_POOL_H
#define ACCEL_KERN_XSK_POOL_H

#include "kern/pid_lock.h"
#include "kern/xsk.h"

struct accel_xsk_pool {
	struct accel_xsk base;
	struct accel_pid_lock lock; /* of the fill ring's producer, which is in its shared index */
};

/* As accel_xsk_open(); nothing is sent through these sockets. Then name it in the requests of
 * sockets on the same queue, and close it behind the last of them. */
int accel_xsk_pool_open(struct accel_xsk_pool *pool, const struct accel_xsk_request *rq,
			struct accel_err *err);
void accel_xsk_pool_close(struct accel_xsk_pool *pool); /* right in every state */

/* Give back all frames of a socket to which no program redirects any more. */
void accel_xsk_drain(struct accel_xsk *x);

#endif
