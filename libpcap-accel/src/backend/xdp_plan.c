/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_plan.c - what a person may choose, and what becomes of it: how many frames each queue gets.
 *
 * What was asked for in bytes or packets is for the whole handle, so the queues share it; what was
 * not asked for is the default of each of them, as one alone may carry all the traffic.
 *
 * Threads: none of its own. */
#include "backend/xdp.h"

#include "backend/request.h"
#include "base/err.h"

#define DEFAULT_FRAMES	  16384u /* of 2 KiB: 10 ms at 1.6 million packets a second */
#define MIN_FRAMES	  64u
#define MAX_FRAMES	  (1u << 20)
#define DEFAULT_TX_FRAMES 2048u

#define SMALL_FRAME 2048u
#define LARGE_FRAME 4096u

/* Words of the option table, by index. */
enum { DIVERT_FORCE = 1, REST_DROP = 1, ATTACH_NATIVE = 1, ATTACH_GENERIC = 2 };

static uint64_t number(const struct accel_request *rq, enum accel_opt opt)
{
	return accel_rq_value(rq, opt)->num;
}

/* 0: the program decides, or what is sensible. */
static uint64_t if_given(const struct accel_request *rq, enum accel_opt opt)
{
	return accel_rq_given(rq, opt) ? number(rq, opt) : 0;
}

static uint32_t power_of_2_below(uint64_t n)
{
	uint32_t p = MIN_FRAMES;

	while (p < MAX_FRAMES && (uint64_t)p * 2 <= n)
		p *= 2;
	return p;
}

/* XDP sees what arrives: sent packets are for who asks for them. */
static enum accel_direction named_direction(const struct accel_request *rq)
{
	static const enum accel_direction words[] = {ACCEL_DIR_IN, ACCEL_DIR_OUT, ACCEL_DIR_INOUT};

	return accel_rq_given(rq, ACCEL_OPT_DIRECTION) ? words[number(rq, ACCEL_OPT_DIRECTION) % 3]
						       : ACCEL_DIR_IN;
}

/* Where nobody named a size, the queues share what may be locked too: the first one would take all
 * of it. */
static uint64_t memory_len(const struct accel_request *rq, bool must_fit)
{
	uint64_t named = number(rq, ACCEL_OPT_MEMORY_LIMIT);
	uint64_t limit = must_fit ? UINT64_MAX : accel_xsk_memory_limit();

	if (named)
		return ACCEL_MIN(named, limit);
	return limit == UINT64_MAX ? 0 : limit;
}

void xdp_read_options(struct xdp *x)
{
	const struct accel_request *rq = &x->rq;
	bool by_slots = accel_rq_given(rq, ACCEL_OPT_RX_SLOTS) && !rq->buffer_must_fit;
	bool must_fit = rq->buffer_must_fit || by_slots;
	uint64_t attach = number(rq, ACCEL_OPT_ATTACH);

	x->opt = (struct xdp_choices){
		.force = number(rq, ACCEL_OPT_DIVERT) == DIVERT_FORCE,
		.taps = number(rq, ACCEL_OPT_TAP),
		.rest = number(rq, ACCEL_OPT_REST) == REST_DROP ? ACCEL_XDP_DROP : ACCEL_XDP_PASS,
		.try_native = attach != ATTACH_GENERIC,
		.try_generic = attach != ATTACH_NATIVE,
		.zc = (enum accel_xsk_zc)number(rq, ACCEL_OPT_ZC),
		.frame_len = (uint32_t)if_given(rq, ACCEL_OPT_FRAME_SIZE),
		.n_frames = by_slots ? number(rq, ACCEL_OPT_RX_SLOTS) : 0,
		.buffer_len = by_slots ? 0 : rq->buffer_len,
		.memory_len = memory_len(rq, must_fit || number(rq, ACCEL_OPT_TAP)),
		.n_must_fit = must_fit,
		.n_tx_frames = if_given(rq, ACCEL_OPT_TX_SLOTS),
		.queue = number(rq, ACCEL_OPT_QUEUE),
		.n_rx_ring = (uint32_t)if_given(rq, ACCEL_OPT_RX_RING),
		.n_fill_ring = (uint32_t)if_given(rq, ACCEL_OPT_FILL_RING),
		.n_done_ring = (uint32_t)if_given(rq, ACCEL_OPT_COMP_RING),
		.batch = (uint32_t)number(rq, ACCEL_OPT_BATCH),
		.busy_us = (uint32_t)((number(rq, ACCEL_OPT_BUSY_POLL) + 999) / 1000),
		.n_busy_packets = (uint32_t)number(rq, ACCEL_OPT_BUSY_BUDGET),
		.no_wakeups = !number(rq, ACCEL_OPT_NEED_WAKEUP),
		.huge_pages = number(rq, ACCEL_OPT_HUGE_PAGES),
	};
	x->direction = named_direction(rq);
	x->group = accel_rq_given(rq, ACCEL_OPT_GROUP) ? (int)number(rq, ACCEL_OPT_GROUP) : -1;
}

uint32_t xdp_frame_len(const struct xdp *x, unsigned mtu)
{
	if (x->opt.frame_len)
		return x->opt.frame_len;
	return mtu + XDP_LINK_LEN + ACCEL_XSK_HEADROOM <= SMALL_FRAME ? SMALL_FRAME : LARGE_FRAME;
}

unsigned xdp_count_queues(const struct xdp_device *d)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->iface.n_queues; i++)
		n += d->iface.queues[i].last - d->iface.queues[i].first + 1u;
	if (d->iface.n_queues)
		return n;
	return d->n_used ? ACCEL_MIN(d->n_used, d->host.n_rx_queues) : d->host.n_rx_queues;
}

/* Of the first queue, through which the handle sends. */
static uint32_t n_tx_frames(const struct xdp *x, uint32_t n_rx_frames)
{
	if (x->opt.n_tx_frames)
		return power_of_2_below(ACCEL_MIN(x->opt.n_tx_frames, MAX_FRAMES));
	return ACCEL_MIN(DEFAULT_TX_FRAMES, n_rx_frames);
}

struct xdp_plan xdp_plan(const struct xdp *x, const struct xdp_device *d)
{
	uint32_t frame_len = xdp_frame_len(x, d->link.mtu);
	uint64_t n = x->opt.n_frames	 ? x->opt.n_frames / x->n_queues
		     : x->opt.buffer_len ? x->opt.buffer_len / x->n_queues / frame_len
					 : DEFAULT_FRAMES;
	uint64_t limit = x->opt.memory_len ? x->opt.memory_len / frame_len : UINT64_MAX;
	struct xdp_plan plan = {.frame_len = frame_len, .n_rx_frames = power_of_2_below(n)};

	if (x->opt.n_fill_ring)
		plan.n_rx_frames = ACCEL_MIN(plan.n_rx_frames, x->opt.n_fill_ring);
	plan.n_hoped = plan.n_rx_frames;
	plan.n_tx_frames = n_tx_frames(x, plan.n_rx_frames);
	while (plan.n_rx_frames > MIN_FRAMES &&
	       (uint64_t)plan.n_rx_frames * x->n_queues + plan.n_tx_frames > limit) {
		plan.n_rx_frames /= 2;
		plan.n_tx_frames = ACCEL_MIN(plan.n_tx_frames, plan.n_rx_frames);
	}
	return plan;
}
