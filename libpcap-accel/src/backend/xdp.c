/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp.c - the AF_XDP engine: open, close, the ops table. See xdp.h.
 *
 * Source: Documentation/networking/af_xdp.rst; measurements behind the defaults: README.md.
 * Threads: see backend.h. */
#include "backend/xdp.h"

#include "backend/request.h"
#include "base/err.h"

#include <errno.h>
#include <limits.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINK_EN10MB 1
#define LINK_DOCSIS 143
#define SEND_TRIES  100

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
	if (strcmp(dev->ifaces[0].name, "any") == 0)
		return accel_fail(err, -EINVAL,
				  "%s: 'any' is for copies; XDP takes packets away (name "
				  "the interfaces, or use afpacket:any)",
				  rq->name);
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

static void set_vlans(struct xdp *x)
{
	const struct accel_value *v = accel_rq_value(&x->rq, ACCEL_OPT_VLAN);

	if (!v->list)
		return;
	x->guard.n_vlans = (unsigned)v->num;
	memcpy(x->guard.vlans, v->list, v->num * sizeof(*v->list));
	x->guard.vlan_in_band = true;
}

/* One descriptor that is readable when something came. The sockets are in it only if a program
 * sleeps on it: otherwise the kernel would look at it for each flush of the driver, which with
 * ordinary senders is each packet, and costs a tenth of them. */
static int make_epoll(struct xdp *x)
{
	struct epoll_event event = {.events = EPOLLIN};

	x->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (x->epoll_fd < 0)
		return -errno;
	for (unsigned i = 0; x->opt.taps && i < x->n_devices; i++)
		if (epoll_ctl(x->epoll_fd, EPOLL_CTL_ADD, x->devices[i].tap.ring_fd, &event) < 0)
			return -errno;
	return 0;
}

static int watch_sockets(struct xdp *x)
{
	struct epoll_event event = {.events = EPOLLIN};

	for (unsigned i = 0; i < x->n_sockets; i++)
		if (epoll_ctl(x->epoll_fd, EPOLL_CTL_ADD, x->sockets[i].xsk.fd, &event) < 0 &&
		    errno != EEXIST)
			return -errno;
	return 0;
}

/* A group's program stays, and what we have put there with it. That goes first: who shares a queue
 * with us loses nothing to a program that passes it on. */
static void leave(struct xdp *x)
{
	xdp_group_leave(x);
	xdp_disarm(x);
}

static void xdp_close(void *st)
{
	struct xdp *x = st;

	if (x->pid == getpid())
		leave(x);
	xdp_close_own_programs(x);
	xdp_forget_expected(x);
	for (unsigned i = 0; i < x->n_devices; i++)
		xdp_device_close(x, &x->devices[i]);
	if (x->epoll_fd >= 0)
		close(x->epoll_fd);
	xdp_tell_close(x);
	accel_psock_close(&x->side);
	xdp_sent_close(x);
	accel_lang_free(x->lang);
	free(x->computation);
	free(x->sockets);
	free(x->filter);
	free(x->whole);
}

/* "What is there now" must end under full load. */
static int most_a_read(const struct xdp *x)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < x->n_sockets; i++)
		n += x->sockets[i].xsk.rx.mask + UINT64_C(1);
	for (unsigned i = 0; x->opt.taps && i < x->n_devices; i++)
		n += x->devices[i].tap.mask / XDP_SHORTEST_RECORD;
	return (int)ACCEL_MIN(n, (uint64_t)INT_MAX);
}

static int open_steps(struct xdp *x, struct accel_err *err)
{
	struct xdp_filter first;
	int r;

	if (x->rq.link_type != LINK_EN10MB)
		return accel_fail(
			err, -EOPNOTSUPP,
			"%s: link type %d is not for xdp (would be: an Ethernet interface)",
			x->rq.name, x->rq.link_type);
	if (x->opt.taps && x->opt.rest != ACCEL_XDP_PASS)
		return accel_fail(err, -EINVAL,
				  "%s: tap=yes copies, the host gets everything (would be: "
				  "rest=drop without tap)",
				  x->rq.name);
	if ((r = xdp_group_check(x, err)) < 0)
		return r;
	x->sockets = calloc(XDP_MAX_SOCKETS, sizeof(*x->sockets));
	x->whole = malloc(XDP_MAX_PACKET);
	if (!x->sockets || !x->whole)
		return accel_fail(err, -ENOMEM, "%s: out of memory", x->rq.name);
	if ((r = accel_psock_open(&x->side, SOCK_RAW, err)) < 0)
		return r;
	x->by_helper = !accel_bpf_may_move_pointers();
	x->has_frags = accel_bpf_has_frags();
	accel_bpf_kfunc_ids(x->kfunc_ids);
	set_vlans(x);
	if ((r = xdp_compile_computation(x, err)) < 0 ||
	    (r = xdp_compose(x, &x->guard, NULL, 0, &first, err)) < 0)
		return r;
	x->filter = first.insns;
	x->n_filter = first.n;
	for (unsigned i = 0; i < x->rq.dev->n_ifaces; i++)
		if ((r = xdp_device_look(x, i, err)) < 0)
			return r;
	if ((r = xdp_tell_open(x, err)) < 0)
		return r;
	for (unsigned i = 0; i < x->n_devices; i++)
		if ((r = xdp_device_open(x, i, err)) < 0)
			return r;
	if ((r = xdp_tell_sockets(x, err)) < 0)
		return r;
	xdp_prefer_own_programs(x);
	xdp_plan_naps(x);
	x->has_copies = x->opt.taps;
	x->most_a_read = most_a_read(x);
	if ((r = make_epoll(x)) < 0)
		return accel_fail_sys(err, r, "%s: epoll", x->rq.name);
	return xdp_turn(x, x->direction, err);
}

static int xdp_open(void *st, const struct accel_request *rq, struct accel_err *err)
{
	struct xdp *x = st;
	int r;

	x->rq = *rq;
	x->side = ACCEL_PSOCK_NONE;
	x->epoll_fd = x->control_fd = -1;
	xdp_read_options(x);
	r = open_steps(x, err);
	if (r == 0)
		return 0;
	leave(x);
	xdp_close(x);
	return r;
}

static int xdp_set_direction(void *st, int direction, struct accel_err *err)
{
	struct xdp *x = st;

	if (accel_rq_given(&x->rq, ACCEL_OPT_DIRECTION))
		return 0;
	return xdp_turn(x, (enum accel_direction)direction, err);
}

/* For sent packets too, and for them first: that can be undone without a privilege. */
static int set_filter(void *st, const struct sock_filter *insns, unsigned n, struct accel_err *err)
{
	struct xdp *x = st;
	struct xdp_filter sent = {n ? accel_bpf_copy(insns, n) : NULL, n};
	int r = n && !sent.insns ? -ENOMEM : xdp_sent_swap_filter(x, &sent);

	if (r < 0) {
		free(sent.insns);
		return accel_fail_sys(err, r, "%s: the filter of sent packets", x->rq.name);
	}
	r = xdp_set_filter(x, insns, n, err);
	if (r < 0)
		xdp_sent_swap_filter(x, &sent);
	free(sent.insns);
	return r;
}

/* libpcap offers DOCSIS for every Ethernet interface: the same bytes under another name. */
static int xdp_set_link_type(void *st, int link_type)
{
	(void)st;
	return link_type == LINK_EN10MB || link_type == LINK_DOCSIS ? 0 : -EOPNOTSUPP;
}

/* Through the first device's first queue, whose driver takes some frames a call; a tap has no
 * queue, and one that is shared sends nothing. */
static int send_frame(struct xdp *x, const void *frame, size_t len)
{
	int r = -ENOBUFS;

	if (x->n_sockets == 0 || x->sockets[0].share) {
		r = accel_psock_send(&x->side, x->devices[0].link.ifindex, frame, len);
		return r < 0 ? r : 0;
	}
	for (unsigned i = 0; r == -ENOBUFS && i < SEND_TRIES; i++)
		r = accel_xsk_send(&x->sockets[0].xsk, frame, len);
	return r;
}

static int xdp_inject(void *st, const void *frame, size_t len, struct accel_err *err)
{
	struct xdp *x = st;
	int r = send_frame(x, frame, len);

	if (r < 0) {
		__atomic_fetch_add(&x->n_send_failed, 1, __ATOMIC_RELAXED);
		return accel_fail_sys(err, r, "send");
	}
	__atomic_fetch_add(&x->n_sent, 1, __ATOMIC_RELAXED);
	return (int)len;
}

static int xdp_poll_fd(void *st)
{
	struct xdp *x = st;

	xdp_arm(x);
	if (!x->is_watched && watch_sockets(x) < 0)
		return -1;
	x->is_watched = true;
	xdp_tap_set_wakeups(x, ACCEL_TAP_WAKES);
	return x->epoll_fd;
}

static int xdp_sock_fd(void *st)
{
	const struct xdp *x = st;

	return x->n_sockets ? x->sockets[0].xsk.fd : x->side.fd;
}

static int xdp_required_timeout_ms(void *st)
{
	(void)st;
	return 1000; /* an interface that disappears wakes nobody */
}

/* All of one kind, of the other, or both. */
static const char *choose(unsigned n_first, unsigned n, const char *first, const char *second,
			  const char *both)
{
	return n_first == n ? first : n_first == 0 ? second : both;
}

static const char *how_attached(const struct xdp *x)
{
	unsigned n = 0;

	for (unsigned i = 0; i < x->n_devices; i++)
		n += x->devices[i].attach == ACCEL_ATTACH_NATIVE;
	return choose(n, x->n_devices, "native", "generic", "native and generic");
}

static const char *how_received(const struct xdp *x)
{
	unsigned n = 0;

	for (unsigned i = 0; i < x->n_sockets; i++)
		n += x->sockets[i].xsk.is_zero_copy;
	return choose(n, x->n_sockets, "zero copy", "copied", "partly zero copy");
}

static const char *whose_tags(const struct xdp *x)
{
	unsigned n = 0;

	for (unsigned i = 0; i < x->n_devices; i++)
		n += x->devices[i].asks_vlan;
	return choose(n, x->n_devices, ", tags from the device", "", ", tags from some devices");
}

static int xdp_describe(void *st, char *out, size_t len)
{
	const struct xdp *x = st;
	const struct xdp_device *d = &x->devices[0];
	const struct accel_xsk *xsk = &x->sockets[0].xsk;
	char group[48] = "";
	int n, more;

	if (x->opt.taps)
		n = snprintf(out, len, "%s XDP, tapped, %u ring%s of %u KiB", how_attached(x),
			     x->n_devices, x->n_devices == 1 ? "" : "s",
			     (unsigned)((d->tap.mask + 1) >> 10));
	else
		n = snprintf(out, len, "%s XDP, %s, %u queue%s of %u frames of %u bytes",
			     how_attached(x), how_received(x), x->n_sockets,
			     x->n_sockets == 1 ? "" : "s", xsk->rx.mask + 1, xsk->frame_len);
	if (n < 0)
		return n;
	if (x->group >= 0)
		snprintf(group, sizeof(group), ", group %d%s", x->group,
			 x->steers ? ", queues shared by steering" : "");
	more = snprintf((size_t)n < len ? out + n : NULL, (size_t)n < len ? len - (size_t)n : 0,
			"%s%s%s%s%s", group, whose_tags(x),
			d->asks_stamp ? ", time stamps from the device" : "",
			x->sent.is_open ? ", sent packets" : "", xdp_filter_kind(x));
	return more < 0 ? more : n + more;
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
	.set_filter = set_filter,
	.expect_filter = xdp_expect_filter,
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
