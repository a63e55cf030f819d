/* SPDX-License-Identifier: BSD-3-Clause */
/* rtnl.c - see rtnl.h. */
#include "kern/rtnl.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

struct question {
	struct nlmsghdr nlh;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct {
			struct rtmsg msg;
			struct rtattr attr;
			uint8_t to[16];
		} route;
	} of;
};

static int ask(int fd, struct question *q, uint16_t type, uint16_t flags, size_t len)
{
	q->nlh.nlmsg_type = type;
	q->nlh.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	q->nlh.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	return send(fd, q, q->nlh.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* A message of an answer: 1 = it was the last one. A dump that failed halfway says so at its end:
 * netlink_dump_done() in net/netlink/af_netlink.c. */
static int judge(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = NLMSG_DATA(nlh);

	if (nlh->nlmsg_type == NLMSG_DONE)
		return nlh->nlmsg_len >= NLMSG_LENGTH(sizeof(e->error)) && e->error < 0 ? e->error
											: 1;
	if (nlh->nlmsg_type == NLMSG_ERROR)
		return e->error ? e->error : 1;
	return 0;
}

/* Hand the messages of an answer to `take`. A question that is no dump has one message. */
static int answer(int fd, bool is_dump, accel_rtnl_take *take, void *ctx)
{
	char buf[32768] __attribute__((aligned(8)));

	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		const struct nlmsghdr *nlh = (const void *)buf;

		if (n < 0)
			return -errno;
		for (; NLMSG_OK(nlh, (size_t)n); nlh = NLMSG_NEXT(nlh, n)) {
			int r = judge(nlh);

			if (r != 0)
				return r < 0 ? r : 0;
			take(nlh, ctx);
			if (!is_dump)
				return 0;
		}
	}
}

int accel_rtnl_get_link(int fd, int ifindex, accel_rtnl_take *take, void *ctx)
{
	struct question q;
	int r;

	memset(&q, 0, sizeof(q));
	q.of.link.ifi_index = ifindex;
	r = ask(fd, &q, RTM_GETLINK, 0, sizeof(q.of.link));
	return r < 0 ? r : answer(fd, false, take, ctx);
}

int accel_rtnl_dump(int fd, uint16_t type, accel_rtnl_take *take, void *ctx)
{
	size_t len = type == RTM_GETLINK   ? sizeof(struct ifinfomsg)
		     : type == RTM_GETADDR ? sizeof(struct ifaddrmsg)
					   : sizeof(struct rtmsg);
	struct question q;
	int r;

	memset(&q, 0, sizeof(q));
	r = ask(fd, &q, type, NLM_F_DUMP, len);
	return r < 0 ? r : answer(fd, true, take, ctx);
}

int accel_rtnl_get_route(int fd, int family, const void *to, accel_rtnl_take *take, void *ctx)
{
	size_t len = family == AF_INET ? 4 : 16;
	struct question q;
	int r;

	memset(&q, 0, sizeof(q));
	q.of.route.msg.rtm_family = (uint8_t)family;
	q.of.route.msg.rtm_dst_len = (uint8_t)(len * 8);
	q.of.route.attr.rta_type = RTA_DST;
	q.of.route.attr.rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(q.of.route.to, to, len);
	r = ask(fd, &q, RTM_GETROUTE, 0, offsetof(__typeof__(q.of.route), to) + len);
	return r < 0 ? r : answer(fd, false, take, ctx);
}

uint32_t accel_rtnl_u32(const struct rtattr *attr)
{
	uint32_t v = 0;

	if (RTA_PAYLOAD(attr) >= sizeof(v))
		memcpy(&v, RTA_DATA(attr), sizeof(v));
	return v;
}
