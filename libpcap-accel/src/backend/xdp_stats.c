/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_stats.c - what is counted, in all and by queue.
 *
 * Threads: any, and signal handlers: the reader's counters are each written by one relaxed store,
 * the kernel's are asked for. */
#include "backend/xdp.h"

#include <string.h>

/* As with packet sockets, what was lost counts as received. */
void xdp_stats(void *st, struct accel_stats *out)
{
	struct xdp *x = st;
	uint64_t delivered = accel_load_relaxed(&x->n_delivered), dropped = 0, drops = 0;

	for (unsigned i = 0; i < x->n_sockets; i++) {
		struct accel_xsk_counts counts;

		if (accel_xsk_count(&x->sockets[i].xsk, &counts) == 0)
			dropped += counts.dropped + counts.ring_full;
	}
	for (unsigned i = 0; i < x->n_devices; i++) {
		drops += accel_link_drops(x->devices[i].link.name);
		dropped += x->opt.taps ? accel_tap_lost(&x->devices[i].tap) : 0;
	}
	if (accel_load_acquire(&x->sent.is_open))
		dropped += accel_psock_count(&x->side).drops;
	*out = (struct accel_stats){
		.received = delivered + dropped,
		.dropped = dropped,
		.if_dropped = drops > x->first_drops ? drops - x->first_drops : 0,
		.delivered = delivered,
		.delivered_len = accel_load_relaxed(&x->delivered_len),
		.injected = accel_load_relaxed(&x->n_sent),
		.inject_failed = accel_load_relaxed(&x->n_send_failed),
	};
}

/* Packets that wait in the receive ring; asked on any thread, so the reader's own copy of the
 * kernel's index is of no use. */
static uint32_t waiting(const struct xdp_socket *s)
{
	uint32_t n =
		accel_load_relaxed(s->xsk.rx.producer) - accel_load_relaxed(s->xsk.rx.consumer);

	return ACCEL_MIN(n, s->xsk.rx.mask + 1);
}

static struct accel_queue_stats count_queue(const struct xdp *x, const struct xdp_socket *s)
{
	const struct xdp_device *d = &x->devices[s->device];
	struct accel_queue_stats q = {
		.queue = s->queue,
		.ring_used = waiting(s),
		.ring_len = s->xsk.rx.mask + 1,
		.n_tx_frames = s->xsk.n_tx_frames,
		.is_native = d->attach == ACCEL_ATTACH_NATIVE,
		.is_zero_copy = s->xsk.is_zero_copy,
	};
	struct accel_xsk_counts c = {0};

	accel_xsk_count(&s->xsk, &c);
	q.dropped = c.dropped;
	q.ring_full = c.ring_full;
	q.invalid = c.invalid;
	q.received = accel_load_relaxed(&s->n_delivered) + c.dropped + c.ring_full;
	memcpy(q.ifname, d->link.name, sizeof(q.ifname));
	return q;
}

unsigned xdp_queue_stats(void *st, unsigned first, struct accel_queue_stats *out, unsigned n)
{
	const struct xdp *x = st;

	for (unsigned i = 0; i < n && first + i < x->n_sockets; i++)
		out[i] = count_queue(x, &x->sockets[first + i]);
	return x->n_sockets;
}

/* In packets; of taps, whose records differ, in KiB. */
void xdp_ring_fill(void *st, uint32_t *n_used, uint32_t *n_all)
{
	const struct xdp *x = st;

	*n_used = 0;
	*n_all = 0;
	for (unsigned i = 0; i < x->n_sockets; i++) {
		*n_used += waiting(&x->sockets[i]);
		*n_all += x->sockets[i].xsk.rx.mask + 1;
	}
	for (unsigned i = 0; x->opt.taps && i < x->n_devices; i++) {
		*n_used += (uint32_t)(accel_tap_used(&x->devices[i].tap) >> 10);
		*n_all += (uint32_t)((x->devices[i].tap.mask + 1) >> 10);
	}
}
