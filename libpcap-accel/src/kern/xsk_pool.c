/* SPDX-License-Identifier: BSD-3-Clause */
/* xsk_pool.c - see xsk_pool.h. */
#include "kern/xsk_pool.h"

#include <errno.h>
#include <stdlib.h>

#define FEWEST_ENTRIES 64u /* of a ring that nobody fills */

int accel_xsk_pool_open(struct accel_xsk_pool *pool, const struct accel_xsk_request *rq,
			struct accel_err *err)
{
	struct accel_xsk_request base = *rq;

	pool->lock = (struct accel_pid_lock){0};
	base.pool = NULL;
	base.n_rx_ring = FEWEST_ENTRIES;
	base.n_tx_frames = 0;
	return accel_xsk_open(&pool->base, &base, err);
}

void accel_xsk_pool_close(struct accel_xsk_pool *pool)
{
	accel_xsk_close(&pool->base);
}

/* A ring that only we see: accel_xsk_give_back() writes into it. */
int accel_xsk_stage(struct accel_xsk *x)
{
	uint32_t mask = x->pool->base.fill.mask;

	x->staged = calloc((size_t)mask + 1, sizeof(*x->staged));
	if (!x->staged)
		return -ENOMEM;
	x->fill = (struct accel_xsk_ring){.entries = x->staged, .mask = mask};
	return 0;
}

/* There is room: the ring has an entry for each frame. */
void accel_xsk_submit_shared(struct accel_xsk *x)
{
	struct accel_xsk_ring *fill = &x->pool->base.fill;
	uint64_t *addrs = fill->entries;
	uint32_t at;

	accel_pid_lock(&x->pool->lock);
	at = accel_load_relaxed(fill->producer);
	while (x->fill.theirs != x->fill.mine)
		addrs[at++ & fill->mask] = x->staged[x->fill.theirs++ & x->fill.mask];
	accel_store_release(fill->producer, at); /* as in accel_xsk_submit() */
	accel_pid_unlock(&x->pool->lock);
	if (ACCEL_UNLIKELY(accel_load_relaxed(fill->flags) & XDP_RING_NEED_WAKEUP))
		accel_xsk_wake(x);
}

void accel_xsk_drain(struct accel_xsk *x)
{
	uint32_t n;

	while ((n = accel_xsk_ready(x)) > 0) {
		for (uint32_t i = 0; i < n; i++)
			accel_xsk_give_back(x, accel_xsk_desc(x, i)->addr);
		accel_xsk_take(x, n);
	}
	accel_xsk_submit(x);
}
