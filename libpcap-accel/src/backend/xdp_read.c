/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_read.c - from descriptors to packets, in order of time.
 *
 * The place is kept in the state, not on the stack: a callback may come back in, or never return. A
 * packet that the program has is in a frame that is ours; it goes back to the kernel when the next
 * one is asked for.
 *
 * Threads: the handle's. */
#include "backend/xdp.h"

#include <errno.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#define CLOCK_GOOD_NS 1000
#define CLOCK_TRY_NS  100000
#define PREFETCH      8 /* packets ahead */

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The host's clock may be set or slewed: with each reading the difference is taken anew. Of three
 * tries the one counts during which the least time went by, as we may be interrupted between the
 * two clocks; where all took long, the old difference is better. */
static void set_clock(struct xdp *x)
{
	uint64_t best = x->clock_offset_ns ? CLOCK_TRY_NS : UINT64_MAX;

	for (unsigned i = 0; i < 3; i++) {
		uint64_t before = now_ns(CLOCK_MONOTONIC), real = now_ns(CLOCK_REALTIME);
		uint64_t took = now_ns(CLOCK_MONOTONIC) - before;

		x->looked_ns = before;
		if (took < best) {
			best = took;
			x->clock_offset_ns = real - before - took / 2;
		}
		if (took < CLOCK_GOOD_NS)
			return;
	}
}

static void submit(struct xdp_socket *s)
{
	if (s->n_behind)
		accel_xsk_submit(&s->xsk);
	s->n_behind = 0;
}

static void submit_all(struct xdp *x)
{
	for (unsigned i = 0; i < x->n_sockets; i++)
		submit(&x->sockets[i]);
	xdp_tap_publish(x);
}

/* The frames of the packet at the socket's place are done with. */
static void give_back(struct xdp_socket *s)
{
	for (uint32_t i = 0; i < s->n_descs; i++)
		accel_xsk_give_back(&s->xsk, accel_xsk_desc(&s->xsk, i)->addr);
	accel_xsk_take(&s->xsk, s->n_descs);
	s->n_behind += s->n_descs;
	s->is_peeked = false;
	if (s->n_behind >= s->batch)
		submit(s);
}

static void give_back_lent(struct xdp *x)
{
	struct xdp_socket *s = x->lent;

	x->lent = NULL;
	if (s)
		give_back(s);
}

static struct accel_xdp_meta *meta_of(const struct xdp_socket *s)
{
	uint8_t *data = accel_xsk_data(&s->xsk, accel_xsk_desc(&s->xsk, 0));

	return (struct accel_xdp_meta *)(data - sizeof(struct accel_xdp_meta));
}

/* What the kernel wrote on another processor takes as long to come here as eight packets to be
 * read. */
static void prefetch(const struct xdp_socket *s, uint32_t n_ready)
{
	const uint8_t *data;

	if (n_ready <= PREFETCH)
		return;
	data = accel_xsk_data(&s->xsk, accel_xsk_desc(&s->xsk, PREFETCH));
	__builtin_prefetch(data - sizeof(struct accel_xdp_meta));
	__builtin_prefetch(data);
}

/* The kernel publishes packets whole. Where it lost the end of one, whose parts wait for it, nobody
 * would ever come to it. */
static void give_up(struct xdp_socket *s, uint32_t n_descs)
{
	s->n_descs = n_descs;
	meta_of(s)->magic = 0;
	give_back(s);
}

/* Is a whole packet at the socket's place? If so its frames are counted and its time is known. */
static bool peek(struct xdp_socket *s)
{
	uint32_t n_ready = accel_xsk_ready(&s->xsk), n = 0;
	const struct accel_xdp_meta *meta;

	if (s->is_peeked)
		return true;
	if (n_ready == 0)
		return false;
	prefetch(s, n_ready);
	while (n < n_ready && accel_xsk_desc(&s->xsk, n)->options & ACCEL_XSK_CONTINUES)
		n++;
	if (ACCEL_UNLIKELY(n == n_ready)) {
		give_up(s, n);
		return false;
	}
	s->n_descs = n + 1;
	meta = meta_of(s);
	s->is_stamped = meta->magic == ACCEL_XDP_META_MAGIC;
	s->time_ns = s->is_stamped ? meta->time_ns : now_ns(CLOCK_MONOTONIC);
	s->is_peeked = true;
	return true;
}

bool xdp_is_ready(struct xdp *x)
{
	if (xdp_tap_is_ready(x) || xdp_sent_is_ready(x))
		return true;
	for (unsigned i = 0; i < x->n_sockets; i++)
		if (peek(&x->sockets[i]))
			return true;
	return false;
}

/* The socket with the oldest packet; NULL: there is none. */
static struct xdp_socket *oldest(struct xdp *x)
{
	struct xdp_socket *best = NULL;

	for (unsigned i = 0; i < x->n_sockets; i++) {
		struct xdp_socket *s = &x->sockets[i];

		if (peek(s) && (!best || s->time_ns < best->time_ns))
			best = s;
	}
	return best;
}

/* A packet of several frames, one behind the other. */
static uint8_t *put_together(struct xdp *x, const struct xdp_socket *s, uint32_t *len)
{
	uint8_t *at = x->whole + XDP_TAG_LEN;

	*len = 0;
	for (uint32_t i = 0; i < s->n_descs; i++) {
		const struct xdp_desc *desc = accel_xsk_desc(&s->xsk, i);

		if (*len + desc->len > XDP_MAX_PACKET - XDP_TAG_LEN)
			break;
		memcpy(at + *len, accel_xsk_data(&s->xsk, desc), desc->len);
		*len += desc->len;
	}
	return at;
}

static uint32_t packet_type(const struct xdp_device *d, const uint8_t *data)
{
	static const uint8_t all[ETH_ALEN] = {255, 255, 255, 255, 255, 255};

	if (data[0] & 1)
		return memcmp(data, all, ETH_ALEN) ? PACKET_MULTICAST : PACKET_BROADCAST;
	return memcmp(data, d->host.mac, ETH_ALEN) ? PACKET_OTHERHOST : PACKET_HOST;
}

uint32_t xdp_judge(struct xdp *x, const struct xdp_origin *from, const uint8_t *data,
		   uint32_t caplen, uint32_t len)
{
	struct accel_bpf_aux aux = {
		.ifindex = (uint32_t)from->device->link.ifindex,
		.pkttype = packet_type(from->device, data),
		.queue = from->queue + 1,
		.hatype = 1,
		.vlan_present = from->tpid != 0,
		.vlan_tci = from->tci,
		.vlan_tpid = ntohs(from->tpid),
		.net_offset = ETH_HLEN,
	};

	return accel_bpf_run(x->filter, data, caplen, len, &aux);
}

void xdp_insert_tag(uint8_t **data, const struct xdp_origin *from)
{
	uint16_t tag[2] = {from->tpid, htons(from->tci)};

	memmove(*data - XDP_TAG_LEN, *data, XDP_ADDRS_LEN);
	*data -= XDP_TAG_LEN;
	memcpy(*data + XDP_ADDRS_LEN, tag, sizeof(tag));
}

void xdp_set_time(const struct xdp *x, uint64_t time_ns, const void *facts,
		  struct accel_pkthdr *hdr)
{
	uint64_t real_ns = time_ns + x->clock_offset_ns, stamp_ns = 0;

	if (ACCEL_UNLIKELY(x->rq.tstamp != ACCEL_TSTAMP_HOST) && facts)
		memcpy(&stamp_ns, (const uint8_t *)facts - ACCEL_XDP_STAMP_LEN, sizeof(stamp_ns));
	if (stamp_ns)
		real_ns = stamp_ns;
	hdr->ts.tv_sec = (time_t)(real_ns / 1000000000u);
	hdr->ts.tv_usec = (suseconds_t)(real_ns % 1000000000u / (x->rq.nano ? 1 : 1000));
}

static struct xdp_origin origin_of(const struct xdp *x, const struct xdp_socket *s)
{
	const struct accel_xdp_meta *meta = meta_of(s);
	bool has_tag = meta->magic == ACCEL_XDP_META_MAGIC && meta->tpid;

	return (struct xdp_origin){&x->devices[s->device], s->queue, has_tag ? meta->tci : 0,
				   has_tag ? meta->tpid : 0};
}

/* Make *hdr and *data of the packet at the socket's place. False: it is not for the program. */
static bool make_packet(struct xdp *x, struct xdp_socket *s, struct accel_pkthdr *hdr,
			uint8_t **data)
{
	const struct xdp_desc *desc = accel_xsk_desc(&s->xsk, 0);
	struct xdp_origin from = origin_of(x, s);
	uint32_t len = desc->len, keep = x->rq.snaplen;

	*data = accel_xsk_data(&s->xsk, desc);
	if (ACCEL_UNLIKELY(s->n_descs > 1))
		*data = put_together(x, s, &len);
	if (ACCEL_UNLIKELY(x->direction == ACCEL_DIR_OUT))
		return false;
	if (ACCEL_UNLIKELY(xdp_must_judge(x, s->is_stamped ? s->time_ns : 0) || x->cuts)) {
		keep = x->filter ? ACCEL_MIN(xdp_judge(x, &from, *data, len, len), keep) : keep;
		if (keep == 0)
			return false;
	}
	/* Frames are used again: what is here now must not pass for the next packet's. */
	meta_of(s)->magic = 0;
	if (from.tpid && len >= XDP_ADDRS_LEN) {
		xdp_insert_tag(data, &from);
		len += XDP_TAG_LEN;
		keep = keep > UINT32_MAX - XDP_TAG_LEN ? keep : keep + XDP_TAG_LEN;
	}
	xdp_set_time(x, s->time_ns, s->is_stamped ? meta_of(s) : NULL, hdr);
	hdr->caplen = ACCEL_MIN(ACCEL_MIN(len, keep), x->rq.snaplen);
	hdr->len = len;
	return true;
}

/* The oldest copy, unless what was taken is older: 1, 0, -EAGAIN as take_oldest(). */
static int take_copy(struct xdp *x, uint64_t before_ns, struct accel_pkthdr *hdr, uint8_t **data)
{
	struct xdp_device *d = xdp_tap_oldest(x);
	uint64_t tapped_ns = d ? d->record->time_ns : UINT64_MAX;

	if (xdp_sent_peek(x) && x->sent.time_ns <= ACCEL_MIN(before_ns, tapped_ns))
		return xdp_sent_take(x, hdr, data) ? 1 : -EAGAIN;
	if (!d || tapped_ns > before_ns)
		return 0;
	return xdp_tap_take(x, d, hdr, data) ? 1 : -EAGAIN;
}

/* All rings are empty: what comes now has met the filter, if there was time enough. */
static void note_empty(struct xdp *x)
{
	if (x->settled_ns && x->looked_ns > x->settled_ns)
		x->settled_ns = 0;
}

/* The packet whose turn it is: 1, it is lent; -EAGAIN, it was not for the program; 0, there is
 * none. */
static int take_oldest(struct xdp *x, struct accel_pkthdr *hdr, uint8_t **data)
{
	struct xdp_socket *s = oldest(x);
	int r;

	if (ACCEL_UNLIKELY(x->has_copies) &&
	    (r = take_copy(x, s ? s->time_ns : UINT64_MAX, hdr, data)) != 0)
		return r;
	if (!s) {
		note_empty(x);
		return 0;
	}
	if (!make_packet(x, s, hdr, data)) {
		meta_of(s)->magic = 0;
		give_back(s);
		return -EAGAIN;
	}
	accel_store_relaxed(&s->n_delivered, s->n_delivered + 1);
	x->lent = s;
	return 1;
}

/* The next packet, lent: 1, 0 if none is there, -EINTR. Looks at no more than *left, which becomes
 * less: behind the last of them counts as none, and nobody naps over those that are there. */
static int take(struct xdp *x, int *left, struct accel_pkthdr *hdr, uint8_t **data)
{
	give_back_lent(x);
	while (--*left >= 0) {
		int r = take_oldest(x, hdr, data);

		if (r == 0)
			return 0;
		if (ACCEL_LIKELY(r == 1)) {
			accel_store_relaxed(&x->n_delivered, x->n_delivered + 1);
			accel_store_relaxed(&x->delivered_len, x->delivered_len + hdr->len);
			return 1;
		}
		if (accel_load_relaxed(x->rq.stop))
			return -EINTR;
	}
	x->was_busy = false;
	return 0;
}

/* At most as many as the rings hold: "what is there now" must end under full load. */
int xdp_read(void *st, int max, accel_sink sink, unsigned char *user)
{
	struct xdp *x = st;
	int left = x->most_a_read, room = max > 0 ? max : left, n = 0, r;
	struct accel_pkthdr hdr;
	uint8_t *data;

	if (accel_load_relaxed(x->rq.stop))
		return -EINTR;
	xdp_arm(x);
	set_clock(x);
	while (n < room && (r = take(x, &left, &hdr, &data)) != 0) {
		if (r < 0)
			return r;
		n++;
		sink(user, &hdr, data);
		/* Relaxed: pairs with the store in accel_handle_break(); only the flag is passed.
		 * */
		if (ACCEL_UNLIKELY(accel_load_relaxed(x->rq.stop)))
			return -EINTR;
	}
	give_back_lent(x);
	submit_all(x);
	x->was_busy |= n > 0;
	return n;
}

int xdp_next(void *st, struct accel_pkthdr *hdr, const unsigned char **data)
{
	struct xdp *x = st;
	int left = x->most_a_read, r;
	uint8_t *found;

	if (accel_load_relaxed(x->rq.stop))
		return -EINTR;
	xdp_arm(x);
	if (!x->lent)
		set_clock(x);
	r = take(x, &left, hdr, &found);
	if (r <= 0) {
		submit_all(x);
		return r;
	}
	*data = found;
	x->was_busy = true;
	return 1;
}
