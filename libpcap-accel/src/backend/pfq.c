/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq.c - the PFQ engine: groups of unrelated processes that share packets as a computation says,
 * on stock kernels. Without a computation every member gets every packet.
 *
 * What PFQ kept in the kernel is here a record in a runtime directory (kern/registry.h), packet
 * sockets, fanout groups and classic BPF; CAP_NET_RAW is enough.
 *
 * Source: the semantics of PFQ 3.8 to 6, as libpcap-accel/README.md has them.
 * Threads: see backend.h. */
#include "backend/pfq.h"

#include "backend/request.h"
#include "base/err.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FOLLOW_MS 500 /* how often what nobody tells is looked at, while it matters */

/* What lies in a block that is not retired yet is lost with its member. Programs ask for timeouts
 * of a second; ten blocks a second cost nothing. */
#define MAX_RETIRE_MS 100

/* ---- before opening: which interface is the handle like ---- */

static bool is_usable(int fd, const char *name)
{
	struct accel_link link;

	return accel_link_get(fd, name, &link, NULL) == 0 && link.is_up &&
	       accel_link_is_ethernet(&link);
}

static bool is_any(const struct accel_device *dev)
{
	return dev->n_ifaces == 1 && strcmp(dev->ifaces[0].name, "any") == 0;
}

/* A member that names no device has the group's, or, before there are any, any: all are
 * Ethernet. */
static int find_model(int fd, char model[ACCEL_IFNAME_LEN], struct accel_err *err)
{
	struct if_nameindex *all = if_nameindex();
	bool found = false;

	for (struct if_nameindex *i = all; i && i->if_index && !found; i++) {
		found = is_usable(fd, i->if_name);
		if (found)
			snprintf(model, ACCEL_IFNAME_LEN, "%s", i->if_name);
	}
	if (all)
		if_freenameindex(all);
	return found ? 0 : accel_fail(err, -ENETDOWN, "pfq: no Ethernet interface is up");
}

static int check_links(const struct accel_request *rq, int fd, char model[ACCEL_IFNAME_LEN],
		       struct accel_err *err)
{
	struct accel_link links[ACCEL_MAX_IFACES];
	int r = accel_rq_links(rq, fd, links, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < rq->dev->n_ifaces; i++)
		if (!accel_link_is_ethernet(&links[i]))
			return accel_fail(err, -EOPNOTSUPP,
					  "%s: %s is no Ethernet device (pfq serves Ethernet only)",
					  rq->name, links[i].name);
	snprintf(model, ACCEL_IFNAME_LEN, "%s", links[0].name);
	return 0;
}

static int pfq_resolve(const struct accel_request *rq, char model[ACCEL_IFNAME_LEN],
		       struct accel_err *err)
{
	struct accel_psock sock;
	int r;

	if (rq->dev->pairs)
		return accel_fail(
			err, -EINVAL,
			"%s: pairs are for forwarding, which is not there yet (separate the "
			"interfaces by one colon)",
			rq->name);
	if (rq->tstamp != ACCEL_TSTAMP_HOST)
		return accel_fail(err, -EOPNOTSUPP,
				  "%s: time stamps of adapters are not for groups (use the host's)",
				  rq->name);
	if ((r = accel_psock_open(&sock, SOCK_RAW, err)) < 0)
		return r;
	r = rq->dev->n_ifaces && !is_any(rq->dev) ? check_links(rq, sock.fd, model, err)
						  : find_model(sock.fd, model, err);
	accel_psock_close(&sock);
	return r;
}

/* ---- open and close ---- */

static int watch(struct pfq *p, int fd, struct accel_err *err)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return accel_fail_sys(err, -errno, "%s: epoll", p->name);
	return 0;
}

static int open_epoll(struct pfq *p, struct accel_err *err)
{
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (p->epoll_fd < 0 || p->timer_fd < 0)
		return accel_fail_sys(err, -errno, "%s: epoll", p->name);
	return watch(p, p->timer_fd, err);
}

static void release(struct pfq *p)
{
	pfq_leave(p);
	pfq_close_spares(p);
	accel_psock_close(&p->control);
	if (p->timer_fd >= 0)
		close(p->timer_fd);
	if (p->epoll_fd >= 0)
		close(p->epoll_fd);
	accel_txq_fini(&p->txq);
	free(p->user);
	free(p->chained);
}

static uint64_t count_if_drops(const struct pfq *p)
{
	uint64_t drops = 0;

	for (unsigned i = 0; i < p->n_links && p->promisc; i++)
		drops += accel_link_drops(p->links[i].name);
	return drops;
}

static int open_steps(struct pfq *p, const struct accel_request *rq, struct accel_err *err)
{
	uint64_t batch = accel_rq_value(rq, ACCEL_OPT_TX_BATCH)->num;
	int r;

	if ((r = accel_rq_ring(rq, 1500, &p->ring, err)) < 0 || (r = open_epoll(p, err)) < 0)
		return r;
	if (batch > 1 && (r = accel_txq_init(&p->txq, (unsigned)batch)) < 0)
		return accel_fail_sys(err, r, "%s: tx_batch", p->name);
	if ((r = accel_psock_open(&p->control, SOCK_RAW, err)) < 0 ||
	    (r = pfq_join(p, rq, err)) < 0 || (r = watch(p, p->registry.watch_fd, err)) < 0)
		return r;
	pfq_open_spares(p);
	if ((r = pfq_await_devices(p, rq, err)) < 0)
		return r;
	p->first_drops = count_if_drops(p);
	return 0;
}

static int pfq_open(void *st, const struct accel_request *rq, struct accel_err *err)
{
	struct pfq *p = st;
	int r;

	p->registry = ACCEL_REGISTRY_NONE;
	p->epoll_fd = p->timer_fd = -1;
	p->control = ACCEL_PSOCK_NONE;
	for (unsigned i = 0; i < PFQ_N_SPARES; i++)
		p->spares[i].fd = -1;
	snprintf(p->name, sizeof(p->name), "%s", rq->name);
	p->snaplen = rq->snaplen;
	p->nano = rq->nano;
	p->promisc = rq->promisc;
	p->sets_group_filter = accel_rq_value(rq, ACCEL_OPT_GROUP_FILTER)->num;
	p->max_retire_ms = accel_rq_given(rq, ACCEL_OPT_TIMEOUT) ? UINT32_MAX : MAX_RETIRE_MS;
	p->stop = rq->stop;
	p->log = rq->log;
	p->compile_filter = rq->compile_filter;
	p->compile_ctx = rq->compile_ctx;
	r = open_steps(p, rq, err);
	if (r < 0)
		release(p);
	return r;
}

static int send_ifindex(const struct pfq *p)
{
	return p->n_links ? p->links[0].ifindex : -1;
}

static void pfq_close(void *st)
{
	struct pfq *p = st;

	if (accel_txq_has_ours(&p->txq))
		accel_txq_flush(&p->txq, p->control.fd, send_ifindex(p));
	release(p);
}

/* ---- waiting, filters, sending ---- */

static int pfq_wait(void *st, int timeout_ms, int wake_fd, struct accel_err *err)
{
	struct pfq *p = st;
	struct pollfd fds[2] = {{.fd = p->epoll_fd, .events = POLLIN},
				{.fd = wake_fd, .events = POLLIN}};
	int ms = timeout_ms, r;

	if (pfq_must_look(p) && (ms < 0 || ms > FOLLOW_MS))
		ms = FOLLOW_MS;
	r = poll(fds, 2, ms);
	if (r < 0)
		return errno == EINTR ? -EINTR : accel_fail_sys(err, -errno, "poll");
	pfq_follow(p);
	/* A slice that ended early is "look again": the caller watches the time. */
	return r > 0 || ms != timeout_ms;
}

static int pfq_set_filter(void *st, const struct sock_filter *insns, unsigned n,
			  struct accel_err *err)
{
	struct pfq *p = st;
	struct sock_filter *old = p->user, *copy = NULL;
	unsigned n_old = p->n_user;
	int r;

	if (p->sets_group_filter)
		return pfq_set_group_filter(p, insns, n, err);
	if (n > 0) {
		copy = accel_bpf_copy(insns, n);
		if (!copy)
			return accel_fail_sys(err, -ENOMEM, "setfilter");
	}
	p->user = copy;
	p->n_user = n;
	r = pfq_attach_filters(p, err);
	if (r < 0) {
		p->user = old;
		p->n_user = n_old;
		pfq_attach_filters(p, NULL);
		free(copy);
		return r;
	}
	free(old);
	return 0;
}

static int pfq_set_direction(void *st, int direction, struct accel_err *err)
{
	(void)st;
	if (direction == ACCEL_DIR_OUT)
		return accel_fail(err, -EOPNOTSUPP,
				  "PFQ groups see received packets only (use afpacket:)");
	return 0;
}

static int pfq_set_link_type(void *st, int link_type)
{
	(void)st;
	return link_type == 1 || link_type == 143 ? 0 : -EOPNOTSUPP; /* EN10MB, DOCSIS */
}

static int pfq_inject(void *st, const void *frame, size_t len, struct accel_err *err)
{
	struct pfq *p = st;
	int r;

	if (p->n_links == 0)
		return accel_fail(err, -ENODEV, "send: the group has no device");
	if (p->txq.n_max > 0) {
		r = accel_txq_add(&p->txq, p->control.fd, send_ifindex(p), frame, len);
		return r < 0 ? accel_fail_sys(err, r, "send") : (int)len;
	}
	r = accel_psock_send(&p->control, send_ifindex(p), frame, len);
	if (r < 0)
		return accel_fail_sys(err, r, "send");
	__atomic_fetch_add(&p->n_sent, 1, __ATOMIC_RELAXED);
	return r;
}

/* ---- questions ---- */

/* What came into a ring and was another's is not received. */
static void add_stats(struct accel_stats *out, struct pfq_part *part)
{
	struct accel_psock_counts c = accel_psock_count(&part->sock);

	out->received += c.packets - accel_load_relaxed(&part->reader.n_skipped);
	out->dropped += c.drops;
	out->freezes += c.freezes;
	out->delivered += accel_load_relaxed(&part->reader.n_delivered);
	out->delivered_len += accel_load_relaxed(&part->reader.delivered_len);
}

static void pfq_stats(void *st, struct accel_stats *out)
{
	struct pfq *p = st;
	uint64_t drops = count_if_drops(p);

	*out = (struct accel_stats){
		.received = accel_load_relaxed(&p->past.packets),
		.dropped = accel_load_relaxed(&p->past.drops),
		.freezes = accel_load_relaxed(&p->past.freezes),
		.delivered = accel_load_relaxed(&p->past_delivered),
		.delivered_len = accel_load_relaxed(&p->past_delivered_len),
		.if_dropped = drops > p->first_drops ? drops - p->first_drops : 0,
		.injected = accel_load_relaxed(&p->n_sent) + accel_load_relaxed(&p->txq.n_sent),
		.inject_failed = accel_load_relaxed(&p->txq.n_failed),
	};
	for (unsigned i = 0; i < p->n_parts; i++)
		add_stats(out, &p->parts[i]);
	for (unsigned i = 0; i < p->n_old; i++)
		add_stats(out, &p->old[i]);
}

static void pfq_ring_fill(void *st, uint32_t *n_used, uint32_t *n_all)
{
	const struct pfq *p = st;

	*n_used = 0;
	*n_all = 0;
	for (unsigned i = 0; i < p->n_parts; i++) {
		*n_used += accel_ring_used(p->parts[i].reader.ring);
		*n_all += p->parts[i].reader.ring->n_blocks;
	}
}

static int pfq_poll_fd(void *st)
{
	const struct pfq *p = st;

	return p->epoll_fd;
}

static int pfq_sock_fd(void *st)
{
	const struct pfq *p = st;

	return p->control.fd;
}

static int pfq_required_timeout_ms(void *st)
{
	const struct pfq *p = st;

	return pfq_must_look(p) ? FOLLOW_MS : 0;
}

#define TELL_DEVICES 8 /* a log line has an end */

static int pfq_describe(void *st, char *out, size_t len)
{
	struct pfq *p = st;
	unsigned n_members = accel_registry_count(&p->registry);
	char devices[(TELL_DEVICES + 2) * ACCEL_IFNAME_LEN] = "none yet";
	size_t n = 0;

	for (unsigned i = 0; i < ACCEL_MIN(p->rec.n_devices, (unsigned)TELL_DEVICES); i++)
		n += (size_t)snprintf(devices + n, sizeof(devices) - n, "%s%s", i ? ":" : "",
				      p->rec.devices[i]);
	if (p->rec.n_devices > TELL_DEVICES)
		snprintf(devices + n, sizeof(devices) - n, "... (%u)", p->rec.n_devices);
	return snprintf(
		out, len,
		"group %u (%u member%s), devices %s, computation '%s' (%s), %u ring%s of %zu KiB",
		p->registry.group, n_members, n_members == 1 ? "" : "s", devices,
		p->rec.computation ? p->rec.computation : "", pfq_block_name(p->lang), p->n_parts,
		p->n_parts == 1 ? "" : "s", p->parts[0].sock.map_len >> 10);
}

const struct accel_backend accel_backend_pfq = {
	.name = "pfq",
	.engine = ACCEL_PFQ,
	.state_size = sizeof(struct pfq),
	.resolve = pfq_resolve,
	.open = pfq_open,
	.close = pfq_close,
	.read = pfq_read,
	.next = pfq_next,
	.borrow = pfq_borrow,
	.wait = pfq_wait,
	.set_filter = pfq_set_filter,
	.set_direction = pfq_set_direction,
	.set_link_type = pfq_set_link_type,
	.inject = pfq_inject,
	.stats = pfq_stats,
	.ring_fill = pfq_ring_fill,
	.poll_fd = pfq_poll_fd,
	.sock_fd = pfq_sock_fd,
	.required_timeout_ms = pfq_required_timeout_ms,
	.describe = pfq_describe,
};
