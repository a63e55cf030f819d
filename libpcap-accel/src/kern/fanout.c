/* SPDX-License-Identifier: BSD-3-Clause */
/* fanout.c - see fanout.h. */
#include "kern/fanout.h"

#include "base/err.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000 /* Linux 5.12 */
#endif

static const char *const mode_names[] = {"hash", "lb", "cpu",  "rollover",
					 "rnd",	 "qm", "cbpf", "ebpf"};

const char *accel_fanout_mode_name(enum accel_fanout_mode mode)
{
	return mode_names[mode];
}

static unsigned kernel_flags(unsigned flags)
{
	unsigned k = 0;

	if (flags & ACCEL_JOIN_DEFRAG)
		k |= PACKET_FANOUT_FLAG_DEFRAG;
	if (flags & ACCEL_JOIN_IF_FULL)
		k |= PACKET_FANOUT_FLAG_ROLLOVER;
	if (flags & ACCEL_JOIN_IGNORE_OUTGOING)
		k |= PACKET_FANOUT_FLAG_IGNORE_OUTGOING;
	if (flags & ACCEL_JOIN_UNIQUE)
		k |= PACKET_FANOUT_FLAG_UNIQUEID;
	return k;
}

/* struct fanout_args is younger (5.15) than the plain integer that older kernels take. */
static int join(int sock_fd, const struct accel_fanout *rq)
{
	unsigned id = rq->flags & ACCEL_JOIN_UNIQUE ? 0 : rq->group;
	unsigned type_flags = (unsigned)rq->mode | kernel_flags(rq->flags);
	struct {
		uint32_t id_type_flags;
		uint32_t max_num_members;
	} args = {id | type_flags << 16, rq->max_members};
	socklen_t len = rq->max_members ? sizeof(args) : sizeof(args.id_type_flags);

	return setsockopt(sock_fd, SOL_PACKET, PACKET_FANOUT, &args, len) < 0 ? -errno : 0;
}

static int explain_refusal(int r, const char *name, const struct accel_fanout *rq,
			   struct accel_err *err)
{
	enum accel_fanout_mode mode;
	unsigned n;

	if (r == -ENOSPC)
		return accel_fail(err, r,
				  "%s: fanout group %u is full (raise max_members for its first "
				  "member, or use another group)",
				  name, rq->group);
	if (r != -EINVAL || accel_fanout_find(rq->group, &mode, &n) < 0)
		return accel_fail_sys(err, r, "%s: cannot join fanout group %u as %s", name,
				      rq->group, mode_names[rq->mode]);
	if (mode != rq->mode)
		return accel_fail(err, r,
				  "%s: fanout group %u has mode %s, not %s (use fanout=%s, or "
				  "another group)",
				  name, rq->group, mode_names[mode], mode_names[rq->mode],
				  mode_names[mode]);
	return accel_fail(err, r,
			  "%s: fanout group %u exists with other devices, fanout_flags or "
			  "max_members (use the same as its %u member%s, or another group)",
			  name, rq->group, n, n == 1 ? "" : "s");
}

int accel_fanout_join(int sock_fd, const char *name, struct accel_fanout *rq, struct accel_err *err)
{
	uint32_t got = 0;
	socklen_t len = sizeof(got);
	int r = join(sock_fd, rq);

	if (r < 0)
		return explain_refusal(r, name, rq, err);
	if (getsockopt(sock_fd, SOL_PACKET, PACKET_FANOUT, &got, &len) < 0)
		return accel_fail_sys(err, -errno, "%s: cannot read the fanout group's number",
				      name);
	rq->group = got & 0xffff;
	return 0;
}

int accel_fanout_set_program(int sock_fd, const char *name, const struct sock_fprog *cbpf,
			     int prog_fd, struct accel_err *err)
{
	const void *value = cbpf ? (const void *)cbpf : &prog_fd;
	socklen_t len = cbpf ? sizeof(*cbpf) : sizeof(prog_fd);

	if (setsockopt(sock_fd, SOL_PACKET, PACKET_FANOUT_DATA, value, len) < 0)
		return accel_fail_sys(err, -errno, "%s: the kernel refused the fanout program",
				      name);
	return 0;
}

/* One packet_diag_msg: is it a member of `group`? */
static int match_member(const struct nlmsghdr *nlh, unsigned group, enum accel_fanout_mode *mode)
{
	const struct packet_diag_msg *msg = NLMSG_DATA(nlh);
	int left = (int)nlh->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*msg));
	const struct rtattr *attr = (const void *)(msg + 1);
	uint32_t fanout;

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type != PACKET_DIAG_FANOUT || RTA_PAYLOAD(attr) < sizeof(fanout))
			continue;
		memcpy(&fanout, RTA_DATA(attr), sizeof(fanout));
		if ((fanout & 0xffff) != group)
			return 0;
		*mode = (enum accel_fanout_mode)((fanout >> 16) & 7);
		return 1;
	}
	return 0;
}

static int send_dump_request(int fd)
{
	struct {
		struct nlmsghdr nlh;
		struct packet_diag_req req;
	} msg;

	memset(&msg, 0, sizeof(msg));
	msg.nlh.nlmsg_len = sizeof(msg);
	msg.nlh.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	msg.nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	msg.req.sdiag_family = AF_PACKET;
	msg.req.pdiag_show = PACKET_SHOW_FANOUT;
	return send(fd, &msg, sizeof(msg), 0) < 0 ? -errno : 0;
}

static int count_members(int fd, unsigned group, enum accel_fanout_mode *mode, unsigned *n_members)
{
	char buf[16384] __attribute__((aligned(8)));
	const struct nlmsghdr *nlh;
	ssize_t n;

	for (;;) {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n < 0)
			return -errno;
		for (nlh = (const void *)buf; NLMSG_OK(nlh, (size_t)n); nlh = NLMSG_NEXT(nlh, n)) {
			if (nlh->nlmsg_type == NLMSG_DONE)
				return 0;
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return -EPROTO;
			*n_members += (unsigned)match_member(nlh, group, mode);
		}
	}
}

int accel_fanout_find(unsigned group, enum accel_fanout_mode *mode, unsigned *n_members)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int r;

	if (fd < 0)
		return -errno;
	*n_members = 0;
	r = send_dump_request(fd);
	r = r ? r : count_members(fd, group, mode, n_members);
	close(fd);
	if (r < 0)
		return r;
	return *n_members ? 0 : -ENOENT;
}
