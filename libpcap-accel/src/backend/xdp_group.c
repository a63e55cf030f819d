/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_group.c - several captures on one device. What is attached is a program that never changes
 * (bpf/xdp_group.h); it hands each packet to the member whose queue it came in on. A member puts
 * its own program there for its queues and replaces it there.
 *
 * Nobody owns the device: each member holds a descriptor of the link and of the table of programs,
 * and the kernel takes the program off behind the last of them, however they went. Of a member that
 * was killed, or closed unread, the program stays in its place until another comes for the queue;
 * its sockets are gone, so it passes everything on. So does one that steers (xdp_share.c).
 *
 * Threads: the handle's. */
#include "backend/xdp.h"

#include "base/err.h"

#include "bpf/xdp_group.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME_LEN     16 /* of a program */
#define JOIN_TRIES   100
#define JOIN_WAIT_MS 10

static const char root_name[] = "accel_g";

static void name_root(const struct xdp *x, char name[NAME_LEN])
{
	snprintf(name, NAME_LEN, "%s%d", root_name, x->group);
}

const char *xdp_group_of(const char *prog_name)
{
	size_t len = sizeof(root_name) - 1;

	return strncmp(prog_name, root_name, len) == 0 ? prog_name + len : NULL;
}

int xdp_put_in_force(const struct xdp *x, const struct xdp_device *d, int prog_fd)
{
	if (x->group < 0)
		return accel_bpf_link_update(d->link_fd, prog_fd);
	for (unsigned i = 0; i < d->n_sockets; i++) {
		const struct xdp_socket *s = &x->sockets[d->first + i];
		int r = s->share ? xdp_share_put(s->share, d, prog_fd)
				 : accel_bpf_map_set(d->members_fd, s->queue, &prog_fd);

		if (r < 0)
			return r;
	}
	return 0;
}

void xdp_group_leave(struct xdp *x)
{
	xdp_share_leave(x);
	for (unsigned i = 0; x->group >= 0 && i < x->n_sockets; i++) {
		const struct xdp_socket *s = &x->sockets[i];

		if (!s->share)
			accel_bpf_map_remove(x->devices[s->device].members_fd, s->queue);
	}
}

bool xdp_group_has_queue(const struct xdp_device *d, uint32_t queue)
{
	uint32_t prog_id;

	return d->members_fd >= 0 && accel_bpf_map_get(d->members_fd, queue, &prog_id) == 0;
}

/* ---- the first member ---- */

static int load_root(const struct xdp *x, int members_fd, struct accel_err *err)
{
	const int map_fds[ACCEL_N_MAPS] = {[ACCEL_MAP_MEMBERS] = members_fd};
	struct accel_ebpf_prog prog = {0};
	char name[NAME_LEN];
	struct accel_bpf_load load = {.name = x->rq.name,
				      .prog_name = name,
				      .prog = &prog,
				      .map_fds = map_fds,
				      .flags = x->has_frags ? ACCEL_PROG_HAS_FRAGS : 0};
	int r = accel_xdp_root(&prog);

	name_root(x, name);
	r = r < 0 ? accel_fail_sys(err, r, "%s", x->rq.name) : accel_bpf_prog_open(&load, err);
	accel_ebpf_prog_fini(&prog);
	return r;
}

/* The link's descriptor, or -errno without a text. */
static int attach_root(struct xdp *x, struct xdp_device *d, int prog_fd)
{
	struct accel_err why;
	int r = -EOPNOTSUPP;

	d->attach = ACCEL_ATTACH_NATIVE;
	if (x->opt.try_native)
		r = accel_bpf_link_open(prog_fd, d->link.ifindex, d->attach);
	if (r >= 0 || !x->opt.try_generic || r == -EBUSY || r == -EEXIST)
		return r;
	xdp_explain_attach(x, d, r, &why);
	d->attach = ACCEL_ATTACH_GENERIC;
	r = accel_bpf_link_open(prog_fd, d->link.ifindex, d->attach);
	if (r >= 0)
		xdp_tell_generic(x, &why);
	return r;
}

/* 0; -EBUSY: somebody was faster; else -errno with a text. */
static int found(struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	int map_fd = accel_bpf_map_open(x->rq.name, ACCEL_MAP_MEMBERS, ACCEL_XDP_MAX_QUEUES, err);
	int prog_fd, r;

	if (map_fd < 0)
		return map_fd;
	prog_fd = load_root(x, map_fd, err);
	r = prog_fd < 0 ? prog_fd : attach_root(x, d, prog_fd);
	if (prog_fd >= 0)
		close(prog_fd); /* the link has it */
	if (r < 0) {
		close(map_fd);
		if (r == -EBUSY || r == -EEXIST)
			return -EBUSY;
		return prog_fd < 0 ? r : xdp_explain_attach(x, d, r, err);
	}
	d->members_fd = map_fd;
	d->link_fd = r;
	return 0;
}

/* ---- the others ---- */

static int refuse_group(const struct xdp *x, const struct xdp_device *d, const char *number,
			struct accel_err *err)
{
	return accel_fail(err, -EBUSY,
			  "%s: '%s' is group %s's, and a device can be one group's only "
			  "(would be: group=%s, or pfq:%s?group=%d)",
			  x->rq.name, d->link.name, number, number, d->link.name, x->group);
}

static int refuse_program(const struct xdp *x, const struct xdp_device *d, uint32_t id,
			  const struct accel_bpf_info *info, struct accel_err *err)
{
	return accel_fail(err, -EBUSY,
			  "%s: '%s' has the XDP program %u '%s' of a process that is not in group "
			  "%d (end that process, 'ip link set dev %s xdp off', or use "
			  "pfq:%s?group=%d)",
			  x->rq.name, d->link.name, id, info->name, x->group, d->link.name,
			  d->link.name, x->group);
}

static int refuse_rights(const struct xdp *x, const struct xdp_device *d, struct accel_err *err)
{
	return accel_fail(err, -EPERM,
			  "%s: '%s' has an XDP program, and only with CAP_SYS_ADMIN can a process "
			  "join those who run it (run as root, or use pfq:%s?group=%d)",
			  x->rq.name, d->link.name, d->link.name, x->group);
}

/* Is the way that it is attached one of those that were asked for? */
static int check_mode(const struct xdp *x, const struct xdp_device *d, bool is_generic,
		      struct accel_err *err)
{
	const char *mode = is_generic ? "generic" : "native";

	if (is_generic ? x->opt.try_generic : x->opt.try_native)
		return 0;
	return accel_fail(err, -EBUSY,
			  "%s: the program of group %d is attached to '%s' with attach=%s, for all "
			  "members alike (would be: attach=%s, or pfq:%s?group=%d)",
			  x->rq.name, x->group, d->link.name, mode, mode, d->link.name, x->group);
}

/* 0; -ENOENT: the program or its link is going; else -errno with a text. */
static int join(struct xdp *x, struct xdp_device *d, const struct accel_host *host,
		struct accel_err *err)
{
	struct accel_bpf_info info = {.name = ""};
	char name[NAME_LEN];
	int r = accel_bpf_prog_info_by_id(host->xdp_prog_id, &info);
	const char *number = xdp_group_of(info.name);

	name_root(x, name);
	if (r == 0 && strcmp(info.name, name))
		return number ? refuse_group(x, d, number, err)
			      : refuse_program(x, d, host->xdp_prog_id, &info, err);
	if (r == 0 && check_mode(x, d, host->xdp_is_generic, err) < 0)
		return -EBUSY;
	if (r == 0)
		r = accel_bpf_adopt(host->xdp_prog_id, d->link.ifindex, &d->link_fd,
				    &d->members_fd);
	if (r == -EPERM)
		return refuse_rights(x, d, err);
	if (r == -EINVAL)
		return refuse_program(x, d, host->xdp_prog_id, &info, err);
	if (r < 0 && r != -ENOENT)
		return accel_fail_sys(err, r, "%s: cannot join group %d", x->rq.name, x->group);
	d->attach = host->xdp_is_generic ? ACCEL_ATTACH_GENERIC : ACCEL_ATTACH_NATIVE;
	return r;
}

/* -ENOENT: no handle of this process holds the program. */
static int join_own(const struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	int r = xdp_share_root(x, d);

	if (r == -ENOENT)
		return r;
	if (r < 0)
		return accel_fail_sys(err, r, "%s: cannot join group %d", x->rq.name, x->group);
	if (!accel_bpf_link_is_on(d->link_fd, d->link.ifindex))
		return accel_fail(err, -EBUSY,
				  "%s: somebody has taken the program of group %d off '%s' (close "
				  "the handles of this process that share queues of it)",
				  x->rq.name, x->group, d->link.name);
	return check_mode(x, d, d->attach == ACCEL_ATTACH_GENERIC, err);
}

/* 0; -EAGAIN: another was first, or the last member went, between the look and the deed; else
 * -errno with a text. */
static int try_to_join(struct xdp *x, struct xdp_device *d, struct accel_host *host,
		       struct accel_err *err)
{
	int r = join_own(x, d, err);

	if (r != -ENOENT || (r = accel_host_look(d->link.name, d->link.ifindex, host, err)) < 0)
		return r;
	if (host->xdp_prog_id) {
		r = join(x, d, host, err);
		return r == -ENOENT ? -EAGAIN : r;
	}
	r = found(x, d, err);
	return r == -EBUSY ? -EAGAIN : r;
}

int xdp_group_join(struct xdp *x, struct xdp_device *d, struct accel_err *err)
{
	const struct timespec wait = {.tv_nsec = JOIN_WAIT_MS * 1000000l};
	struct accel_host host = {.xdp_prog_id = 0};
	int r;

	for (unsigned i = 0; i < JOIN_TRIES; i++) {
		r = try_to_join(x, d, &host, err);
		/* The program may be that of a thread of ours which is about to share its queue. */
		if (r != -EAGAIN && !(r == -EPERM && x->steers && host.xdp_prog_id))
			return r;
		nanosleep(&wait, NULL);
	}
	if (r == -EPERM)
		return r;
	return accel_fail(err, -EBUSY,
			  "%s: the XDP program %u of '%s' belongs to nobody who could be joined "
			  "('ip link set dev %s xdp off', or use pfq:%s?group=%d)",
			  x->rq.name, host.xdp_prog_id, d->link.name, d->link.name, d->link.name,
			  x->group);
}

/* ---- what members cannot have ---- */

static int refuse(const struct xdp *x, const char *what, const char *instead, struct accel_err *err)
{
	return accel_fail(err, -EOPNOTSUPP,
			  "%s: %s, and in a group of xdp each packet is one member's (would be: "
			  "%s, or pfq:%s?group=%d)",
			  x->rq.name, what, instead, x->rq.dev->ifaces[0].name, x->group);
}

int xdp_group_refuse_sent(const struct xdp *x, struct accel_err *err)
{
	return refuse(x, "sent packets are of no queue, so all members would get them",
		      "direction=in", err);
}

int xdp_group_check(const struct xdp *x, struct accel_err *err)
{
	if (x->group >= 0 && x->opt.taps)
		return refuse(x, "tap=yes copies what others may take", "tap=no", err);
	if (x->group >= 0 && x->direction != ACCEL_DIR_IN)
		return xdp_group_refuse_sent(x, err);
	return 0;
}
