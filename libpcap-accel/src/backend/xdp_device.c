/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_device.c - one device of a capture: who lives there, its sockets, its program.
 *
 * Source: net/core/dev.c, net/xdp/xsk.c (Linux 6.18) for what the errors mean.
 * Threads: the handle's. */
#include "backend/xdp.h"

#include "backend/request.h"
#include "base/err.h"
#include "kern/link_tags.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int check_host(struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	char reason[128];

	if (d->link.is_loopback)
		return accel_fail(err, -EINVAL,
				  "%s: nothing arrives at a loopback interface before the stack "
				  "(would be: afpacket:%s)",
				  x->rq.name, d->link.name);
	if (!d->host.has_mac)
		return accel_fail(err, -EOPNOTSUPP,
				  "%s: '%s' is no Ethernet interface (would be: afpacket:%s)",
				  x->rq.name, d->link.name, d->link.name);
	if (x->opt.force || x->opt.taps ||
	    !accel_host_lives_there(&d->host, reason, sizeof(reason)))
		return 0;
	return accel_fail(err, -EBUSY,
			  "%s: would take packets from this host's own '%s': %s (would be: an "
			  "interface without one, afpacket:%s, or divert=force)",
			  x->rq.name, d->link.name, reason, d->link.name);
}

/* ---- sockets ---- */

static int refuse_queue(const struct xdp *x, const struct xdp_device *d, uint32_t queue,
			struct accel_err *err)
{
	return accel_fail(err, -EBUSY,
			  "%s: queue %u of '%s' belongs to another member of group %d (would be: "
			  "queues of its own, xdp:%s@q%u?group=%d; in one process also a "
			  "computation that steers; or pfq:%s?group=%d, which shares packets)",
			  x->rq.name, queue, d->link.name, x->group, d->link.name, queue + 1,
			  x->group, d->link.name, x->group);
}

/* Once a handle: its queues share what may be locked. */
static void warn_of_memory(const struct xdp *x, uint32_t n_frames, uint32_t n_hoped)
{
	if (x->rq.log && x->n_sockets == 0 && n_frames < n_hoped &&
	    !accel_rq_given(&x->rq, ACCEL_OPT_MEMORY_LIMIT))
		x->rq.log(ACCEL_LOG_WARNING,
			  "%s: the limit of locked memory leaves %u frames a queue instead of %u "
			  "(raise it with 'ulimit -l', or give CAP_IPC_LOCK)",
			  x->rq.name, n_frames, n_hoped);
}

/* The same of what somebody asked for who was not the first on the queue. */
static void warn_of_share(const struct xdp *x, const struct xdp_socket *s,
			  const struct accel_xsk_request *rq)
{
	const struct accel_xsk *xsk = &s->xsk;

	if (x->rq.log && x->n_sockets == 0 &&
	    (xsk->frame_len != rq->frame_len || xsk->n_rx_frames != rq->n_rx_frames))
		x->rq.log(ACCEL_LOG_WARNING,
			  "%s: queue %u is shared and has %u frames of %u bytes, as whoever came "
			  "first (would be %u of %u)",
			  x->rq.name, s->queue, xsk->n_rx_frames, xsk->frame_len, rq->n_rx_frames,
			  rq->frame_len);
}

/* What the errors of a socket mean here; those that have a text already keep it. */
static int explain_socket(const struct xdp *x, const struct xdp_device *d, uint32_t queue, int r,
			  struct accel_err *err)
{
	/* virtio_net says so where it has no IOMMU; a queue that is not there is refused alike. */
	if (r == -EINVAL && x->opt.zc == ACCEL_XSK_ZC_REQUIRE && queue < d->n_used)
		return accel_fail(err, -EOPNOTSUPP,
				  "%s: the driver has no zero copy (would be: zc=auto)",
				  x->rq.name);
	if (r == -EBUSY && xdp_group_has_queue(d, queue))
		return refuse_queue(x, d, queue, err);
	if (r == -EACCES)
		return accel_fail(err, -EPERM,
				  "%s: this process is denied AF_XDP sockets (AppArmor: 'network "
				  "xdp,' in its profile, see pcap-accel(7))",
				  x->rq.name);
	if (r == -EINVAL && d->n_used && queue >= d->n_used)
		return accel_fail(err, r, "%s: '%s' has no receive queue %u (would be: below %u)",
				  x->rq.name, d->link.name, queue, d->n_used);
	return r;
}

/* With as many frames as the limit of locked memory lets, unless somebody named their number. */
static int open_socket(struct xdp *x, struct xdp_device *d, uint32_t queue, struct accel_err *err)
{
	struct xdp_socket *s = &x->sockets[x->n_sockets];
	struct xdp_plan plan = xdp_plan(x, d);
	struct accel_xsk_request rq = {
		.name = x->rq.name,
		.ifindex = d->link.ifindex,
		.queue = queue,
		.frame_len = plan.frame_len,
		.n_rx_frames = plan.n_rx_frames,
		.n_tx_frames = x->n_sockets == 0 ? plan.n_tx_frames : 0,
		.n_rx_ring = x->opt.n_rx_ring,
		.n_fill_ring = x->opt.n_fill_ring,
		.n_done_ring = x->opt.n_done_ring,
		.zc = x->opt.zc,
		.has_fragments = d->has_fragments,
		.huge_pages = x->opt.huge_pages,
		.no_wakeups = x->opt.no_wakeups,
		.busy_us = x->opt.busy_us,
		.n_busy_packets = x->opt.n_busy_packets,
	};
	int r;

	if (x->n_sockets == XDP_MAX_SOCKETS)
		return accel_fail(err, -E2BIG, "%s: has over %d queues (name some: %s@q0-7)",
				  x->rq.name, XDP_MAX_SOCKETS, x->rq.name);
	memset(s, 0, sizeof(*s));
	s->queue = queue;
	s->device = (unsigned)(d - x->devices);
	while ((r = x->steers ? xdp_share_open(x, d, s, &rq, err)
			      : accel_xsk_open(&s->xsk, &rq, err)) == -ENOBUFS &&
	       !x->opt.n_must_fit && rq.n_rx_frames > 64)
		rq.n_rx_frames /= 2;
	if (r < 0)
		return explain_socket(x, d, queue, r, err);
	if (s->share)
		warn_of_share(x, s, &rq);
	else
		warn_of_memory(x, rq.n_rx_frames, plan.n_hoped);
	/* A batch that the kernel misses is to be a small part of its frames. */
	s->batch = ACCEL_MIN(x->opt.batch, (s->share ? s->xsk.rx.mask + 1 : rq.n_rx_frames) / 8);
	x->n_sockets++;
	d->n_sockets++;
	return 0;
}

static int open_named_queues(struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	const struct accel_iface *iface = &d->iface;

	for (unsigned i = 0; i < iface->n_queues; i++)
		for (uint32_t q = iface->queues[i].first; q <= iface->queues[i].last; q++) {
			int r = open_socket(x, d, q, err);

			if (r < 0)
				return r;
		}
	return 0;
}

/* More queues may have been made than are in use: the kernel refuses the first that is not. */
static int open_sockets(struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	d->first = x->n_sockets;
	if (d->iface.n_queues)
		return open_named_queues(x, d, err);
	for (uint32_t q = 0; q < d->host.n_rx_queues; q++) {
		int r = open_socket(x, d, q, err);

		if (r == -EINVAL && q > 0)
			return 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the program ---- */

/* Somebody's program is there: whose? */
static int explain_occupied(struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	struct accel_bpf_info info = {.name = "?"};
	struct accel_host host = d->host;
	const char *group;

	accel_host_look(d->link.name, d->link.ifindex, &host, NULL);
	accel_bpf_prog_info_by_id(host.xdp_prog_id, &info);
	if ((group = xdp_group_of(info.name)))
		return accel_fail(err, -EBUSY,
				  "%s: '%s' is group %s's (would be: queues of its own, "
				  "xdp:%s@q0?group=%s, or afpacket:%s)",
				  x->rq.name, d->link.name, group, d->link.name, group,
				  d->link.name);
	if (strcmp(info.name, "xdp_dispatcher") == 0)
		return accel_fail(err, -EBUSY,
				  "%s: '%s' has programs behind libxdp's dispatcher ('xdp-loader "
				  "unload %s --all', or use afpacket:%s)",
				  x->rq.name, d->link.name, d->link.name, d->link.name);
	return accel_fail(err, -EBUSY,
			  "%s: '%s' has the XDP program %u '%s' of another process (end that "
			  "process, 'ip link set dev %s xdp off', or use afpacket:%s)",
			  x->rq.name, d->link.name, host.xdp_prog_id, info.name, d->link.name,
			  d->link.name);
}

int xdp_explain_attach(struct xdp *x, struct xdp_device *d, int r, struct accel_err *err)
{
	if (r == -EBUSY || r == -EEXIST)
		return explain_occupied(x, d, err);
	if (r == -ENOSPC)
		return accel_fail(err, r,
				  "%s: the peer of '%s' has more transmit queues than '%s' has "
				  "receive queues (ethtool -L, or numtxqueues of the peer)",
				  x->rq.name, d->link.name, d->link.name);
	if (r == -ERANGE)
		return accel_fail(
			err, r,
			"%s: the MTU of %u is too large for the driver's XDP (ip link set "
			"%s mtu 1500, or attach=generic)",
			x->rq.name, d->link.mtu, d->link.name);
	if (r == -EOPNOTSUPP && d->attach == ACCEL_ATTACH_NATIVE)
		return accel_fail(err, r,
				  "%s: the driver of '%s' has no XDP of its own (would be: "
				  "attach=generic)",
				  x->rq.name, d->link.name);
	return accel_fail_sys(err, r, "%s: cannot attach an XDP program to '%s'", x->rq.name,
			      d->link.name);
}

/* Load for this way of attaching, and attach. */
static int try_attach(struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	int r = xdp_load_program(x, d, err);

	if (r < 0)
		return r;
	d->prog_fd = r;
	d->link_fd = accel_bpf_link_open(d->prog_fd, d->link.ifindex, d->attach);
	if (d->link_fd >= 0)
		return 0;
	close(d->prog_fd);
	d->prog_fd = -1;
	return xdp_explain_attach(x, d, d->link_fd, err);
}

/* The kernel lets a program that asks the device for tags be called by no other. */
static int attach_in_group(struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	int r = xdp_load_program(x, d, err);

	if (r < 0)
		return r;
	d->prog_fd = r;
	return xdp_group_join(x, d, err);
}

void xdp_tell_generic(const struct xdp *x, const struct accel_err *why)
{
	if (x->opt.try_native && x->rq.log)
		x->rq.log(ACCEL_LOG_WARNING, "%s (attached generically, which is slower)",
			  why->text);
}

static int attach_generic(struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	struct accel_err why = *err;
	int r;

	d->attach = ACCEL_ATTACH_GENERIC;
	r = try_attach(x, d, err);
	if (r == 0)
		xdp_tell_generic(x, &why);
	return r;
}

/* The driver with its knowledge of tags, the driver without, the stack's own XDP. */
static int attach(struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	int r = -EOPNOTSUPP;

	if (x->group >= 0)
		return attach_in_group(x, d, err);
	d->attach = ACCEL_ATTACH_NATIVE;
	d->asks_vlan = x->opt.try_native && x->kfunc_ids[ACCEL_KFUNC_VLAN_TAG] &&
		       accel_link_tells(d->link.ifindex) & ACCEL_TELLS_TAG;
	if ((d->asks_vlan || d->asks_stamp) && (r = try_attach(x, d, err)) == 0)
		return 0;
	if (d->asks_stamp)
		return r;
	d->asks_vlan = false;
	if (x->opt.try_native && r != -EBUSY && (r = try_attach(x, d, err)) == 0)
		return 0;
	return x->opt.try_generic && r != -EBUSY ? attach_generic(x, d, err) : r;
}

/* Where the program wants the device's time stamps: has it any for XDP? Most devices have to be
 * told to make them, as for packet sockets. */
static int prepare_stamps(struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	int r;

	if (x->rq.tstamp == ACCEL_TSTAMP_HOST)
		return 0;
	d->asks_stamp = x->opt.try_native && x->group < 0 && x->kfunc_ids[ACCEL_KFUNC_TIMESTAMP] &&
			accel_link_tells(d->link.ifindex) & ACCEL_TELLS_STAMP;
	if (!d->asks_stamp)
		return accel_fail(err, -EOPNOTSUPP,
				  "%s: '%s' gives XDP no time stamps of its own (would be: type "
				  "host%s)",
				  x->rq.name, d->link.name,
				  x->group >= 0	       ? ", or no group"
				  : !x->opt.try_native ? ", or attach=native"
						       : ", or afpacket");
	r = accel_link_set_hwtstamp(x->side.fd, d->link.name);
	return r < 0 && r != -EOPNOTSUPP
		       ? accel_fail_sys(err, r, "%s: cannot have the adapter stamp packets",
					d->link.name)
		       : 0;
}

/* A tag that is beside the packet, and that nobody tells, is not seen. */
static void warn_of_tags(const struct xdp *x, const struct xdp_device *d)
{
	if (x->rq.log && !d->asks_vlan && accel_link_takes_tags(x->side.fd, d->link.name))
		x->rq.log(ACCEL_LOG_WARNING,
			  "%s: '%s' takes VLAN tags off and %s, so they are not seen (ethtool -K "
			  "%s rxvlan off)",
			  x->rq.name, d->link.name,
			  x->group >= 0 ? "a group's programs may not ask it for them"
			  : d->attach == ACCEL_ATTACH_GENERIC ? "is attached generically"
							      : "its driver does not tell them",
			  d->link.name);
}

/* What comes on the other queues is the host's: that may be forgotten. */
static void warn_of_queues(const struct xdp *x, const struct xdp_device *d)
{
	if (x->rq.log && !x->opt.taps && x->group < 0 && d->n_sockets < d->n_used)
		x->rq.log(ACCEL_LOG_WARNING,
			  "%s: '%s' has %u receive queues, of which %u %s captured", x->rq.name,
			  d->link.name, d->n_used, d->n_sockets, d->n_sockets == 1 ? "is" : "are");
}

int xdp_device_look(struct xdp *x, unsigned i, struct accel_err *err)
{
	struct xdp_device *d = &x->devices[i];
	int r;

	d->sockets_fd = d->prog_fd = d->own_fd = d->link_fd = d->members_fd = -1;
	d->tap = ACCEL_TAP_NONE;
	x->n_devices = i + 1;
	d->iface = x->rq.dev->ifaces[i];
	if (d->iface.n_queues == 0 && x->opt.queue != ACCEL_NONE) {
		d->iface.n_queues = 1;
		d->iface.queues[0].first = d->iface.queues[0].last = (uint16_t)x->opt.queue;
	}
	if ((r = accel_link_get(x->side.fd, d->iface.name, &d->link, err)) < 0)
		return r;
	if (!d->link.is_up)
		return accel_fail(err, -ENETDOWN, "%s: That device is not up (ip link set %s up)",
				  d->link.name, d->link.name);
	if ((r = accel_host_look(d->iface.name, d->link.ifindex, &d->host, err)) < 0 ||
	    (r = check_host(x, d, err)) < 0)
		return r;
	d->n_used = accel_link_queues(x->side.fd, d->link.name);
	x->n_queues += xdp_count_queues(d);
	x->first_drops += accel_link_drops(d->link.name);
	return 0;
}

int xdp_device_open(struct xdp *x, unsigned i, struct accel_err *err)
{
	struct xdp_device *d = &x->devices[i];
	uint32_t room = xdp_frame_len(x, d->link.mtu) - ACCEL_XSK_HEADROOM;
	int r;

	d->has_fragments = x->has_frags && d->link.mtu + XDP_LINK_LEN > room;
	if ((r = prepare_stamps(x, d, err)) < 0)
		return r;
	d->sockets_fd = accel_bpf_map_open(x->rq.name, ACCEL_MAP_SOCKETS,
					   ACCEL_MAX(d->host.n_rx_queues, 256u), err);
	if (d->sockets_fd < 0)
		return d->sockets_fd;
	if (x->opt.taps && (r = xdp_tap_open(x, d, err)) < 0)
		return r;
	d->tap.stamp_len = d->asks_stamp ? ACCEL_XDP_STAMP_LEN : 0;
	/* Before the sockets: a driver may rebuild its queues for a program. */
	if ((r = attach(x, d, err)) < 0 || (!x->opt.taps && (r = open_sockets(x, d, err)) < 0))
		return r;
	/* Behind them: whose queue it is may write its program. */
	if (x->group >= 0 && (r = xdp_put_in_force(x, d, d->prog_fd)) < 0)
		return accel_fail_sys(err, r, "%s: cannot run its program in group %d", x->rq.name,
				      x->group);
	warn_of_tags(x, d);
	warn_of_queues(x, d);
	if (!x->rq.promisc)
		return 0;
	r = accel_psock_set_promisc(&x->side, d->link.ifindex);
	return r < 0 ? accel_fail_sys(err, r, "%s: cannot be made promiscuous", d->link.name) : 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The program first: no packet is on its way to a socket that closes. Where a queue is shared the
 * link stays; from there xdp_group_leave() has taken it away, or it is disarmed. */
void xdp_device_close(struct xdp *x, struct xdp_device *d)
{
	close_fd(&d->link_fd);
	close_fd(&d->members_fd);
	close_fd(&d->prog_fd);
	close_fd(&d->sockets_fd);
	accel_tap_close(&d->tap);
	for (unsigned i = 0; i < d->n_sockets; i++) {
		struct xdp_socket *s = &x->sockets[d->first + i];

		if (s->share)
			xdp_share_close(s);
		else
			accel_xsk_close(&s->xsk);
	}
	d->n_sockets = 0;
}
