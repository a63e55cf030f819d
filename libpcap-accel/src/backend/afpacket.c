/* SPDX-License-Identifier: BSD-3-Clause */
/* afpacket.c - the AF_PACKET engine: TPACKET_V3 rings, several devices in one handle, fanout
 * groups.
 *
 * One socket a handle. One device: bound to it. Several: bound to all devices of the namespace,
 * with the devices' indices in the filter, so that there is one ring in order of arrival and one
 * descriptor, and so that a fanout group has the same members for all of them.
 *
 * Source: packet(7), packet_mmap.rst; measurements behind the defaults: libpcap-accel/README.md.
 * Threads: see backend.h. */
#include "backend/afpacket.h"

#include "backend/request.h"
#include "base/err.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Link types, of https://www.tcpdump.org/linktypes.html */
enum {
	LINK_EN10MB = 1,
	LINK_SLL = 113,
	LINK_DOCSIS = 143,
	LINK_IRDA = 144,
	LINK_LAPD = 177,
	LINK_CAN = 227,
	LINK_NETLINK = 253,
	LINK_SLL2 = 276,
};

/* ---- the devices ---- */

static bool is_any(const struct accel_device *dev)
{
	return dev->n_ifaces == 1 && strcmp(dev->ifaces[0].name, "any") == 0;
}

static int check_list(const struct accel_request *rq, struct accel_err *err)
{
	const struct accel_device *dev = rq->dev;

	if (dev->n_ifaces == 0)
		return accel_fail(err, -EINVAL,
				  "%s: names no interface (afpacket:eth0, afpacket:any)", rq->name);
	if (dev->pairs)
		return accel_fail(
			err, -EINVAL,
			"%s: pairs are for forwarding, which afpacket does not do (separate "
			"the interfaces by one colon)",
			rq->name);
	return 0;
}

/* The link type of one of them serves all, or that of cooked packets does. */
static const char *choose_model(const struct accel_link *links, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		if (links[i].hatype != links[0].hatype &&
		    !(accel_link_is_ethernet(&links[i]) && accel_link_is_ethernet(&links[0])))
			return "any";
	return links[0].name;
}

static int afpacket_resolve(const struct accel_request *rq, char model[ACCEL_IFNAME_LEN],
			    struct accel_err *err)
{
	struct accel_link links[ACCEL_MAX_IFACES];
	struct accel_psock sock;
	int r;

	if ((r = check_list(rq, err)) < 0)
		return r;
	/* A packet socket to ask through: who may not have one learns it here, in our words. */
	if ((r = accel_psock_open(&sock, SOCK_RAW, err)) < 0)
		return r;
	r = is_any(rq->dev) ? 0 : accel_rq_links(rq, sock.fd, links, err);
	accel_psock_close(&sock);
	if (r == 0)
		snprintf(model, ACCEL_IFNAME_LEN, "%s",
			 is_any(rq->dev) ? "any" : choose_model(links, rq->dev->n_ifaces));
	return r;
}

/* ---- what the handle wants of the kernel ---- */

static int set_framing(struct afpacket *a, int link_type)
{
	switch (link_type) {
	case LINK_EN10MB:
	case LINK_DOCSIS:
		a->reader.framing = ACCEL_FRAMING_ETHERNET;
		break;
	case LINK_SLL:
		a->reader.framing = ACCEL_FRAMING_SLL;
		break;
	case LINK_SLL2:
		a->reader.framing = ACCEL_FRAMING_SLL2;
		break;
	case LINK_IRDA:
	case LINK_LAPD:
	case LINK_CAN:
	case LINK_NETLINK:
		return -EOPNOTSUPP;
	default:
		a->reader.framing = ACCEL_FRAMING_RAW;
	}
	a->link_type = link_type;
	a->is_cooked = a->reader.framing >= ACCEL_FRAMING_SLL;
	return 0;
}

static int add_queues(struct accel_guard *g, const struct accel_iface *iface, int ifindex)
{
	for (unsigned i = 0; i < iface->n_queues; i++) {
		if (g->n_queues == ACCEL_GUARD_MAX_QUEUES)
			return -E2BIG;
		g->queues[g->n_queues].ifindex = (uint32_t)ifindex;
		g->queues[g->n_queues].first = iface->queues[i].first;
		g->queues[g->n_queues].last = iface->queues[i].last;
		g->n_queues++;
	}
	return 0;
}

_Static_assert(ACCEL_GUARD_MAX_VLANS >= ACCEL_MAX_NUMBERS, "a list fits");

static void set_vlans(struct afpacket *a, const struct accel_request *rq)
{
	const struct accel_value *v = accel_rq_value(rq, ACCEL_OPT_VLAN);
	struct accel_guard *g = &a->guard;

	if (!v->list)
		return;
	g->n_vlans = (unsigned)v->num;
	memcpy(g->vlans, v->list, v->num * sizeof(*v->list));
	g->vlan_in_band = a->reader.framing == ACCEL_FRAMING_ETHERNET;
}

static int set_guard(struct afpacket *a, const struct accel_request *rq, struct accel_err *err)
{
	struct accel_guard *g = &a->guard;

	a->direction_named = accel_rq_given(rq, ACCEL_OPT_DIRECTION);
	if (a->direction_named) /* words: in, out, inout */
		g->direction = (const enum accel_direction[]){
			ACCEL_DIR_IN, ACCEL_DIR_OUT,
			ACCEL_DIR_INOUT}[accel_rq_value(rq, ACCEL_OPT_DIRECTION)->num % 3];
	for (unsigned i = 0; i < a->n_links; i++) {
		if (a->links[i].is_loopback)
			g->lo_ifindex = (uint32_t)a->links[i].ifindex;
		if (a->bound_ifindex == 0)
			g->ifindex[g->n_ifindex++] = (uint32_t)a->links[i].ifindex;
		if (add_queues(g, &rq->dev->ifaces[i], a->links[i].ifindex) < 0)
			return accel_fail(err, -E2BIG, "%s: too many queue ranges (at most %d)",
					  rq->name, ACCEL_GUARD_MAX_QUEUES);
	}
	set_vlans(a, rq);
	return 0;
}

/* "any" holds lo too, whose packets are to be seen once. */
static void find_loopback(struct afpacket *a)
{
	struct accel_link lo;

	if (accel_link_get(a->sock.fd, "lo", &lo, NULL) == 0)
		a->guard.lo_ifindex = (uint32_t)lo.ifindex;
}

static int make_ring(struct afpacket *a, const struct accel_request *rq, struct accel_err *err)
{
	struct accel_ring_request ring;
	int r = accel_rq_ring(rq, a->n_links ? a->links[0].mtu : 1500, &ring, err);

	if (r < 0)
		return r;
	a->wanted_len = ring.buffer_len;
	a->retire_ms = ring.retire_ms;
	return accel_psock_set_ring(&a->sock, rq->name, &ring, err);
}

static int set_promisc(struct afpacket *a, const struct accel_request *rq, struct accel_err *err)
{
	int r;

	a->promisc = rq->promisc;
	for (unsigned i = 0; i < a->n_links; i++) {
		if (!rq->promisc)
			continue;
		if ((r = accel_psock_set_promisc(&a->sock, a->links[i].ifindex)) < 0)
			return accel_fail_sys(err, r, "%s: cannot be made promiscuous",
					      a->links[i].name);
		a->first_drops += accel_link_drops(a->links[i].name);
	}
	return 0;
}

static int set_transmit(struct afpacket *a, const struct accel_request *rq, struct accel_err *err)
{
	int r = 0;

	if (accel_rq_value(rq, ACCEL_OPT_QDISC_BYPASS)->num)
		r = accel_psock_set_option(&a->sock, PACKET_QDISC_BYPASS, 1);
	if (r < 0)
		return accel_fail_sys(err, r, "%s: qdisc_bypass", rq->name);
	if (accel_rq_value(rq, ACCEL_OPT_TX_BATCH)->num > 1)
		r = accel_txq_init(&a->txq, (unsigned)accel_rq_value(rq, ACCEL_OPT_TX_BATCH)->num);
	return r < 0 ? accel_fail_sys(err, r, "%s: tx_batch", rq->name) : 0;
}

/* ---- open and close ---- */

static int begin(struct afpacket *a, const struct accel_request *rq, struct accel_err *err)
{
	static const struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
	int r;

	/* A member of a group must be bound before it can join, and would meanwhile receive what
	 * the others receive too. */
	r = a->in_group ? accel_psock_attach(&a->sock, &drop_all, 1) : afpacket_install_filter(a);
	if (r < 0)
		return accel_fail_sys(err, r, "%s: the kernel refused the filter", rq->name);
	if (a->guard.direction == ACCEL_DIR_IN && !a->in_group)
		accel_psock_set_option(&a->sock, PACKET_IGNORE_OUTGOING, 1);
	r = accel_psock_bind(&a->sock, a->bound_ifindex, rq->protocol ? rq->protocol : ETH_P_ALL);
	if (r < 0)
		return accel_fail_sys(err, r, "%s: cannot bind", rq->name);
	if (!a->in_group)
		return 0;
	if ((r = afpacket_join_group(a, rq, err)) < 0)
		return r;
	r = afpacket_install_filter(a);
	return r < 0 ? accel_fail_sys(err, r, "%s: the kernel refused the filter", rq->name) : 0;
}

static int open_steps(struct afpacket *a, const struct accel_request *rq, struct accel_err *err)
{
	int r;

	if (set_framing(a, rq->link_type) < 0)
		return accel_fail(err, -EOPNOTSUPP,
				  "%s: link type %d is not for afpacket (capture on the interface "
				  "itself, without 'afpacket:')",
				  rq->name, rq->link_type);
	if ((r = afpacket_set_group(a, rq, err)) < 0)
		return r;
	if ((r = accel_psock_open(&a->sock, a->is_cooked ? SOCK_DGRAM : SOCK_RAW, err)) < 0)
		return r;
	if (!is_any(rq->dev)) {
		if ((r = accel_rq_links(rq, a->sock.fd, a->links, err)) < 0)
			return r;
		a->n_links = rq->dev->n_ifaces;
	} else {
		find_loopback(a);
	}
	a->bound_ifindex = a->n_links == 1 ? a->links[0].ifindex : 0;
	if ((r = set_guard(a, rq, err)) < 0 ||
	    (r = accel_rq_stamps(rq, &a->sock, a->links, a->n_links, err)) < 0 ||
	    (r = make_ring(a, rq, err)) < 0 || (r = set_transmit(a, rq, err)) < 0 ||
	    (r = set_promisc(a, rq, err)) < 0)
		return r;
	a->reader.ring = &a->sock.ring;
	a->reader.lo_ifindex = a->guard.lo_ifindex;
	return begin(a, rq, err);
}

static void release(struct afpacket *a)
{
	accel_txq_fini(&a->txq);
	free(a->user);
	accel_psock_close(&a->sock);
}

static int afpacket_open(void *st, const struct accel_request *rq, struct accel_err *err)
{
	struct afpacket *a = st;
	int r;

	a->sock = ACCEL_PSOCK_NONE;
	a->reader.nano = rq->nano;
	a->reader.snaplen = rq->snaplen;
	a->reader.stop = rq->stop;
	a->reader.host_stamps = rq->tstamp == ACCEL_TSTAMP_HOST;
	r = open_steps(a, rq, err);
	if (r < 0)
		release(a);
	return r;
}

/* Where packets are sent: 0 = where the socket is bound, else the first of several devices. */
static int send_ifindex(const struct afpacket *a)
{
	return a->bound_ifindex ? 0 : a->links[0].ifindex;
}

static void afpacket_close(void *st)
{
	struct afpacket *a = st;

	if (accel_txq_has_ours(&a->txq))
		accel_txq_flush(&a->txq, a->sock.fd, send_ifindex(a));
	release(a);
}

/* ---- packets ---- */

/* A batch does not outlive the program's attention: whoever reads has stopped sending. */
static void flush_batch(struct afpacket *a)
{
	if (ACCEL_UNLIKELY(a->txq.n > 0))
		accel_txq_flush(&a->txq, a->sock.fd, send_ifindex(a));
}

static int afpacket_read(void *st, int max, accel_sink sink, unsigned char *user)
{
	struct afpacket *a = st;

	flush_batch(a);
	return accel_reader_read(&a->reader, max, sink, user);
}

static int afpacket_next(void *st, struct accel_pkthdr *hdr, const unsigned char **data)
{
	struct afpacket *a = st;

	flush_batch(a);
	return accel_reader_next(&a->reader, hdr, data);
}

static int afpacket_borrow(void *st, struct accel_borrowed *b)
{
	struct afpacket *a = st;

	flush_batch(a);
	return accel_reader_borrow(&a->reader, b);
}

static int afpacket_inject(void *st, const void *frame, size_t len, struct accel_err *err)
{
	struct afpacket *a = st;
	int r;

	if (a->n_links == 0)
		return accel_fail(err, -EOPNOTSUPP,
				  "Sending packets isn't supported on the \"any\" device");
	if (a->is_cooked)
		return accel_fail(err, -EOPNOTSUPP,
				  "Sending packets isn't supported in cooked mode");
	if (a->txq.n_max > 0) {
		r = accel_txq_add(&a->txq, a->sock.fd, send_ifindex(a), frame, len);
		return r < 0 ? accel_fail_sys(err, r, "send") : (int)len;
	}
	r = accel_psock_send(&a->sock, send_ifindex(a), frame, len);
	if (r < 0)
		return accel_fail_sys(err, r, "send");
	__atomic_fetch_add(&a->n_sent, 1, __ATOMIC_RELAXED);
	return r;
}

/* ---- questions ---- */

static void afpacket_stats(void *st, struct accel_stats *out)
{
	struct afpacket *a = st;
	struct accel_psock_counts counts = accel_psock_count(&a->sock);
	uint64_t drops = 0;

	for (unsigned i = 0; i < a->n_links && a->promisc; i++)
		drops += accel_link_drops(a->links[i].name);
	*out = (struct accel_stats){
		.received = counts.packets,
		.dropped = counts.drops,
		/* Less than at the start: the device is another, or sysfs is out of reach. */
		.if_dropped = drops > a->first_drops ? drops - a->first_drops : 0,
		.freezes = counts.freezes,
		.delivered = accel_load_relaxed(&a->reader.n_delivered),
		.delivered_len = accel_load_relaxed(&a->reader.delivered_len),
		.injected = accel_load_relaxed(&a->n_sent) + accel_load_relaxed(&a->txq.n_sent),
		.inject_failed = accel_load_relaxed(&a->txq.n_failed),
	};
}

static void afpacket_ring_fill(void *st, uint32_t *n_used, uint32_t *n_all)
{
	const struct accel_ring *ring = ((struct afpacket *)st)->reader.ring;

	*n_used = accel_ring_used(ring);
	*n_all = ring->n_blocks;
}

static int afpacket_set_link_type(void *st, int link_type)
{
	struct afpacket *a = st;
	bool was_cooked = a->is_cooked;
	int old = a->link_type, r;

	r = set_framing(a, link_type);
	/* The socket's type is for life. */
	if (r == 0 && a->is_cooked != was_cooked) {
		set_framing(a, old);
		r = -EOPNOTSUPP;
	}
	return r;
}

static int afpacket_fd(void *st)
{
	const struct afpacket *a = st;

	return a->sock.fd;
}

static int afpacket_describe(void *st, char *out, size_t len)
{
	const struct afpacket *a = st;
	const struct accel_ring *ring = &a->sock.ring;
	char group[64] = "";

	if (a->in_group)
		snprintf(group, sizeof(group), ", fanout group %u by %s", a->fanout.group,
			 accel_fanout_mode_name(a->fanout.mode));
	return snprintf(out, len, "ring of %zu KiB%s in blocks of %u KiB, retired after %u ms%s%s",
			a->sock.map_len >> 10,
			a->sock.map_len < a->wanted_len ? " (less than asked: memory is short)"
							: "",
			ring->block_len >> 10, a->retire_ms, group,
			a->reader.filter_always ? ", filter run by the library" : "");
}

const struct accel_backend accel_backend_afpacket = {
	.name = "afpacket",
	.engine = ACCEL_AFPACKET,
	.state_size = sizeof(struct afpacket),
	.resolve = afpacket_resolve,
	.open = afpacket_open,
	.close = afpacket_close,
	.read = afpacket_read,
	.next = afpacket_next,
	.borrow = afpacket_borrow,
	.wait = afpacket_wait,
	.set_filter = afpacket_set_filter,
	.set_direction = afpacket_set_direction,
	.set_link_type = afpacket_set_link_type,
	.inject = afpacket_inject,
	.stats = afpacket_stats,
	.ring_fill = afpacket_ring_fill,
	.poll_fd = afpacket_fd,
	.sock_fd = afpacket_fd,
	.required_timeout_ms = afpacket_required_timeout_ms,
	.describe = afpacket_describe,
};
