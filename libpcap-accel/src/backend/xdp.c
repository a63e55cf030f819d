/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp.c - the AF_XDP engine: open, close, the ops table. See xdp.h.
 *
 * Source: Documentation/networking/af_xdp.rst; measurements behind the defaults: README.md.
 * Threads: see backend.h. */
#include "backend/xdp.h"

#include "backend/request.h"
#include "base/err.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINK_EN10MB    1
#define LINK_DOCSIS    143
#define DEFAULT_FRAMES 16384u /* of 2 KiB: 10 ms at 1.6 million packets a second */
#define MIN_FRAMES     64u
#define MAX_FRAMES     (1u << 20)
#define SEND_TRIES     100

/* Words of the option table, by index. */
enum { DIVERT_FORCE = 1, REST_DROP = 1, ATTACH_NATIVE = 1, ATTACH_GENERIC = 2 };

static int check_list(const struct accel_request *rq, struct accel_err *err)
{
	const struct accel_device *dev = rq->dev;

	if (dev->n_ifaces == 0)
		return accel_fail(err, -EINVAL, "%s: names no interface (would be: xdp:eth0)",
				  rq->name);
	if (dev->pairs)
		return accel_fail(err, -EINVAL,
				  "%s: pairs are for forwarding, which xdp does not do (separate "
				  "the interfaces by one colon)",
				  rq->name);
	for (unsigned i = 0; i < dev->n_ifaces; i++) {
		if (strcmp(dev->ifaces[i].name, "any") == 0)
			return accel_fail(err, -EINVAL,
					  "%s: 'any' is for copies; XDP takes packets away (name "
					  "the interfaces, or use afpacket:any)",
					  rq->name);
		for (unsigned j = 0; j < i; j++)
			if (strcmp(dev->ifaces[i].name, dev->ifaces[j].name) == 0)
				return accel_fail(err, -EINVAL,
						  "%s: '%s' is named twice (name it once)",
						  rq->name, dev->ifaces[i].name);
	}
	return 0;
}

static int xdp_resolve(const struct accel_request *rq, char model[ACCEL_IFNAME_LEN],
		       struct accel_err *err)
{
	struct accel_link links[ACCEL_MAX_IFACES];
	struct accel_psock sock;
	int r = check_list(rq, err);

	if (r < 0 || (r = accel_psock_open(&sock, SOCK_RAW, err)) < 0)
		return r;
	r = accel_rq_links(rq, sock.fd, links, err);
	accel_psock_close(&sock);
	if (r == 0)
		snprintf(model, ACCEL_IFNAME_LEN, "%s", links[0].name);
	return r;
}

static uint32_t power_of_2_below(uint64_t n)
{
	uint32_t p = MIN_FRAMES;

	while (p < MAX_FRAMES && (uint64_t)p * 2 <= n)
		p *= 2;
	return p;
}

/* Frames of a socket: what was asked for in packets, else in bytes. */
void xdp_read_options(struct xdp *x)
{
	const struct accel_request *rq = &x->rq;
	bool by_slots = accel_rq_given(rq, ACCEL_OPT_RX_SLOTS) && !rq->buffer_must_fit;
	uint64_t attach = accel_rq_value(rq, ACCEL_OPT_ATTACH)->num;

	x->opt = (struct xdp_choices){
		.force = accel_rq_value(rq, ACCEL_OPT_DIVERT)->num == DIVERT_FORCE,
		.rest = accel_rq_value(rq, ACCEL_OPT_REST)->num == REST_DROP ? ACCEL_XDP_DROP
									     : ACCEL_XDP_PASS,
		.try_native = attach != ATTACH_GENERIC,
		.try_generic = attach != ATTACH_NATIVE,
		.zc = (enum accel_xsk_zc)accel_rq_value(rq, ACCEL_OPT_ZC)->num,
		.frame_len = accel_rq_given(rq, ACCEL_OPT_FRAME_SIZE)
				     ? (uint32_t)accel_rq_value(rq, ACCEL_OPT_FRAME_SIZE)->num
				     : 0,
		.n_frames = DEFAULT_FRAMES,
		.n_must_fit = rq->buffer_must_fit || by_slots,
		.n_tx_frames = power_of_2_below(
			ACCEL_MIN(accel_rq_value(rq, ACCEL_OPT_TX_SLOTS)->num, 2048u)),
	};
	if (by_slots)
		x->opt.n_frames = power_of_2_below(accel_rq_value(rq, ACCEL_OPT_RX_SLOTS)->num);
	else if (rq->buffer_len)
		x->opt.n_frames = power_of_2_below(rq->buffer_len /
						   (x->opt.frame_len ? x->opt.frame_len : 2048));
}

static void set_vlans(struct xdp *x)
{
	const struct accel_value *v = accel_rq_value(&x->rq, ACCEL_OPT_VLAN);

	if (!v->list)
		return;
	x->guard.n_vlans = (unsigned)v->num;
	memcpy(x->guard.vlans, v->list, v->num * sizeof(*v->list));
	x->guard.vlan_in_band = true;
}

/* One descriptor that is readable when one of the sockets is. */
static int make_epoll(struct xdp *x)
{
	x->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (x->epoll_fd < 0)
		return -errno;
	for (unsigned i = 0; i < x->n_sockets; i++) {
		struct epoll_event event = {.events = EPOLLIN};

		if (epoll_ctl(x->epoll_fd, EPOLL_CTL_ADD, x->sockets[i].xsk.fd, &event) < 0)
			return -errno;
	}
	return 0;
}

static void xdp_close(void *st)
{
	struct xdp *x = st;

	xdp_disarm(x);
	for (unsigned i = 0; i < x->n_devices; i++)
		xdp_device_close(x, &x->devices[i]);
	if (x->epoll_fd >= 0)
		close(x->epoll_fd);
	accel_psock_close(&x->side);
	free(x->sockets);
	free(x->filter);
	free(x->whole);
}

static int open_steps(struct xdp *x, struct accel_err *err)
{
	int r;

	if (x->rq.link_type != LINK_EN10MB)
		return accel_fail(
			err, -EOPNOTSUPP,
			"%s: link type %d is not for xdp (would be: an Ethernet interface)",
			x->rq.name, x->rq.link_type);
	x->sockets = calloc(XDP_MAX_SOCKETS, sizeof(*x->sockets));
	x->whole = malloc(XDP_MAX_PACKET);
	if (!x->sockets || !x->whole)
		return accel_fail(err, -ENOMEM, "%s: out of memory", x->rq.name);
	if ((r = accel_psock_open(&x->side, SOCK_RAW, err)) < 0)
		return r;
	x->by_helper = !accel_bpf_may_move_pointers();
	x->has_frags = accel_bpf_has_frags();
	if (accel_bpf_kfunc_ids(x->kfunc_ids) < 0)
		memset(x->kfunc_ids, 0, sizeof(x->kfunc_ids));
	set_vlans(x);
	r = accel_bpf_compose(&x->guard, NULL, 0, x->rq.snaplen, &x->filter, &x->n_filter);
	if (r < 0)
		return accel_fail_sys(err, r, "%s: the filter", x->rq.name);
	for (unsigned i = 0; i < x->rq.dev->n_ifaces; i++) {
		if ((r = xdp_device_open(x, i, err)) < 0)
			return r;
		x->first_drops += accel_link_drops(x->devices[i].link.name);
	}
	r = make_epoll(x);
	return r < 0 ? accel_fail_sys(err, r, "%s: epoll", x->rq.name) : 0;
}

static int xdp_open(void *st, const struct accel_request *rq, struct accel_err *err)
{
	struct xdp *x = st;
	int r;

	x->rq = *rq;
	x->side = ACCEL_PSOCK_NONE;
	x->epoll_fd = -1;
	xdp_read_options(x);
	r = open_steps(x, err);
	if (r < 0)
		xdp_close(x);
	return r;
}

/* XDP sees what arrives. */
static int xdp_set_direction(void *st, int direction, struct accel_err *err)
{
	const struct xdp *x = st;

	if (direction != ACCEL_DIR_OUT)
		return 0;
	return accel_fail(err, -EOPNOTSUPP, "%s: XDP sees no sent packets (would be: afpacket:%s)",
			  x->rq.name, x->devices[0].link.name);
}

/* libpcap offers DOCSIS for every Ethernet interface: the same bytes under another name. */
static int xdp_set_link_type(void *st, int link_type)
{
	(void)st;
	return link_type == LINK_EN10MB || link_type == LINK_DOCSIS ? 0 : -EOPNOTSUPP;
}

/* Through the first device's first queue. The kernel takes some frames a call. */
static int xdp_inject(void *st, const void *frame, size_t len, struct accel_err *err)
{
	struct xdp *x = st;
	int r = -ENOBUFS;

	for (unsigned i = 0; r == -ENOBUFS && i < SEND_TRIES; i++)
		r = accel_xsk_send(&x->sockets[0].xsk, frame, len);
	if (r < 0) {
		__atomic_fetch_add(&x->n_send_failed, 1, __ATOMIC_RELAXED);
		return accel_fail_sys(err, r, "send");
	}
	__atomic_fetch_add(&x->n_sent, 1, __ATOMIC_RELAXED);
	return (int)len;
}

/* As with packet sockets, what was lost counts as received. */
static void xdp_stats(void *st, struct accel_stats *out)
{
	struct xdp *x = st;
	uint64_t delivered = accel_load_relaxed(&x->n_delivered), dropped = 0, drops = 0;

	for (unsigned i = 0; i < x->n_sockets; i++) {
		struct accel_xsk_counts counts;

		if (accel_xsk_count(&x->sockets[i].xsk, &counts) == 0)
			dropped += counts.dropped + counts.ring_full;
	}
	for (unsigned i = 0; i < x->n_devices; i++)
		drops += accel_link_drops(x->devices[i].link.name);
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

static unsigned xdp_queue_stats(void *st, struct accel_queue_stats *out, unsigned n)
{
	const struct xdp *x = st;

	for (unsigned i = 0; i < ACCEL_MIN(n, x->n_sockets); i++) {
		const struct xdp_socket *s = &x->sockets[i];
		struct accel_xsk_counts c = {0};

		accel_xsk_count(&s->xsk, &c);
		out[i] = (struct accel_queue_stats){
			.queue = s->queue,
			.ring_used = waiting(s),
			.ring_len = s->xsk.rx.mask + 1,
			.received = accel_load_relaxed(&s->n_taken) + c.dropped + c.ring_full,
			.dropped = c.dropped,
			.ring_full = c.ring_full,
		};
		memcpy(out[i].ifname, x->devices[s->device].link.name, sizeof(out[i].ifname));
	}
	return x->n_sockets;
}

static void xdp_ring_fill(void *st, uint32_t *n_used, uint32_t *n_all)
{
	const struct xdp *x = st;

	*n_used = 0;
	*n_all = 0;
	for (unsigned i = 0; i < x->n_sockets; i++) {
		*n_used += waiting(&x->sockets[i]);
		*n_all += x->sockets[i].xsk.rx.mask + 1;
	}
}

static int xdp_poll_fd(void *st)
{
	struct xdp *x = st;

	xdp_arm(x);
	return x->epoll_fd;
}

static int xdp_sock_fd(void *st)
{
	const struct xdp *x = st;

	return x->sockets[0].xsk.fd;
}

static int xdp_required_timeout_ms(void *st)
{
	(void)st;
	return 1000; /* an interface that disappears wakes nobody */
}

static int xdp_describe(void *st, char *out, size_t len)
{
	const struct xdp *x = st;
	const struct xdp_device *d = &x->devices[0];
	const struct accel_xsk *xsk = &x->sockets[0].xsk;

	return snprintf(out, len, "%s XDP, %s, %u queue%s of %u frames of %u bytes%s",
			d->attach == ACCEL_ATTACH_NATIVE ? "native" : "generic",
			xsk->is_zero_copy ? "zero copy" : "copied", x->n_sockets,
			x->n_sockets == 1 ? "" : "s", xsk->rx.mask + 1, xsk->frame_len,
			d->asks_vlan ? ", tags from the device" : "");
}

const struct accel_backend accel_backend_xdp = {
	.name = "xdp",
	.engine = ACCEL_XDP,
	.state_size = sizeof(struct xdp),
	.resolve = xdp_resolve,
	.open = xdp_open,
	.close = xdp_close,
	.read = xdp_read,
	.next = xdp_next,
	.wait = xdp_wait,
	.set_filter = xdp_set_filter,
	.set_direction = xdp_set_direction,
	.set_link_type = xdp_set_link_type,
	.inject = xdp_inject,
	.stats = xdp_stats,
	.queue_stats = xdp_queue_stats,
	.ring_fill = xdp_ring_fill,
	.poll_fd = xdp_poll_fd,
	.sock_fd = xdp_sock_fd,
	.required_timeout_ms = xdp_required_timeout_ms,
	.describe = xdp_describe,
};
