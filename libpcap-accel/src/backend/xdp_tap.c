/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_tap.c - packets that were copied instead of taken: the program writes each into the ring of
 * its device and passes it on to the host.
 *
 * The ring's memory is the kernel's, and programs may write to what they are given: so a packet is
 * copied once more, which also makes room for the tag. Its place is free from then on.
 *
 * Threads: the handle's. */
#include "backend/xdp.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_LEN  (UINT64_C(64) << 20)
#define SHORTEST_LEN (64u << 10)
#define LONGEST_LEN  (1u << 30)
#define RECORD_LEN   136 /* bytes of a short packet's */

/* Of each device, bytes. */
static uint32_t ring_len(const struct xdp *x)
{
	uint64_t whole = x->opt.n_frames     ? x->opt.n_frames * RECORD_LEN
			 : x->opt.buffer_len ? x->opt.buffer_len
					     : DEFAULT_LEN;
	uint32_t len = SHORTEST_LEN;

	if (x->opt.memory_len)
		whole = ACCEL_MIN(whole, x->opt.memory_len);
	while (len < LONGEST_LEN && (uint64_t)len * 2 <= whole / x->rq.dev->n_ifaces)
		len *= 2;
	return len;
}

int xdp_tap_open(struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	uint32_t len = ring_len(x);
	int r;

	while ((r = accel_tap_open(&d->tap, x->rq.name, len, x->control, err)) == -ENOMEM &&
	       !x->opt.n_must_fit && len > SHORTEST_LEN)
		len /= 2;
	return r;
}

bool xdp_tap_is_ready(const struct xdp *x)
{
	for (unsigned i = 0; x->opt.taps && i < x->n_devices; i++)
		if (x->devices[i].record || accel_tap_has_any(&x->devices[i].tap))
			return true;
	return false;
}

struct xdp_device *xdp_tap_oldest(struct xdp *x)
{
	struct xdp_device *best = NULL;

	for (unsigned i = 0; x->opt.taps && i < x->n_devices; i++) {
		struct xdp_device *d = &x->devices[i];

		if (!d->record)
			d->record = accel_tap_peek(&d->tap);
		if (d->record && (!best || d->record->time_ns < best->record->time_ns))
			best = d;
	}
	return best;
}

static bool is_of_queues(const struct accel_iface *iface, uint32_t queue)
{
	for (unsigned i = 0; i < iface->n_queues; i++)
		if (queue >= iface->queues[i].first && queue <= iface->queues[i].last)
			return true;
	return iface->n_queues == 0;
}

static bool is_wanted(struct xdp *x, const struct xdp_device *d,
		      const struct accel_xdp_record *record, uint32_t *keep)
{
	struct xdp_origin from = {d, record->queue, record->tci, record->tpid};
	const uint8_t *data = (const uint8_t *)(record + 1);

	*keep = ACCEL_MIN(record->caplen, x->rq.snaplen);
	if (x->direction == ACCEL_DIR_OUT || !is_of_queues(&d->iface, record->queue))
		return false;
	if (ACCEL_UNLIKELY(xdp_must_judge(x, record->time_ns)) && x->filter)
		*keep = ACCEL_MIN(*keep, xdp_judge(x, &from, data, record->caplen, record->len));
	return *keep > 0;
}

static void give_back(struct xdp *x, struct xdp_device *d)
{
	d->record = NULL;
	accel_tap_take(&d->tap);
	if (++d->n_behind < x->opt.batch && !accel_tap_is_behind(&d->tap))
		return;
	accel_tap_publish(&d->tap);
	d->n_behind = 0;
}

bool xdp_tap_take(struct xdp *x, struct xdp_device *d, struct accel_pkthdr *hdr, uint8_t **data)
{
	const struct accel_xdp_record *record = d->record;
	struct xdp_origin from = {d, record->queue, record->tci, record->tpid};
	uint32_t keep;
	bool wanted = is_wanted(x, d, record, &keep);

	if (wanted) {
		*data = x->whole + XDP_TAG_LEN;
		memcpy(*data, record + 1, record->caplen);
		hdr->caplen = keep;
		hdr->len = record->len;
		xdp_set_time(x, record->time_ns, record, hdr);
	}
	give_back(x, d);
	if (wanted && from.tpid && hdr->caplen >= XDP_ADDRS_LEN) {
		xdp_insert_tag(data, &from);
		hdr->caplen = ACCEL_MIN(hdr->caplen + XDP_TAG_LEN, x->rq.snaplen);
		hdr->len += XDP_TAG_LEN;
	}
	return wanted;
}

void xdp_tap_publish(struct xdp *x)
{
	for (unsigned i = 0; x->opt.taps && i < x->n_devices; i++) {
		struct xdp_device *d = &x->devices[i];

		if (d->n_behind)
			accel_tap_publish(&d->tap);
		d->n_behind = 0;
	}
}

void xdp_tap_set_wakeups(struct xdp *x, enum accel_tap_wakeups how)
{
	for (unsigned i = 0; x->opt.taps && i < x->n_devices; i++)
		accel_tap_set_wakeups(&x->devices[i].tap, how);
}
