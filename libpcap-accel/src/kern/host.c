/* SPDX-License-Identifier: BSD-3-Clause */
/* host.c - see host.h. Three questions through one netlink socket. */
#include "kern/host.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What an answer's message is handed to. */
typedef void take_fn(const struct nlmsghdr *nlh, int ifindex, struct accel_host *host);

union question {
	struct ifinfomsg link;
	struct ifaddrmsg addr;
	struct rtmsg route;
};

static int ask(int fd, uint16_t type, uint16_t flags, int ifindex)
{
	struct {
		struct nlmsghdr nlh;
		union question q;
	} msg;

	memset(&msg, 0, sizeof(msg));
	msg.nlh.nlmsg_len = sizeof(msg);
	msg.nlh.nlmsg_type = type;
	msg.nlh.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	if (type == RTM_GETLINK) {
		msg.nlh.nlmsg_len = NLMSG_LENGTH(sizeof(msg.q.link));
		msg.q.link.ifi_index = ifindex;
	}
	return send(fd, &msg, msg.nlh.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* A message of an answer: 1 = it was the last one. */
static int judge(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = NLMSG_DATA(nlh);

	if (nlh->nlmsg_type == NLMSG_DONE)
		return 1;
	if (nlh->nlmsg_type == NLMSG_ERROR)
		return e->error ? e->error : 1;
	return 0;
}

/* Hand the messages of an answer to `take`. A question that is no dump has one message. */
static int answer(int fd, bool is_dump, int ifindex, take_fn *take, struct accel_host *host)
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
			take(nlh, ifindex, host);
			if (!is_dump)
				return 0;
		}
	}
}

static uint32_t get_u32(const struct rtattr *attr)
{
	uint32_t v = 0;

	if (RTA_PAYLOAD(attr) >= sizeof(v))
		memcpy(&v, RTA_DATA(attr), sizeof(v));
	return v;
}

static void take_xdp(const struct rtattr *nest, struct accel_host *host)
{
	int left = (int)RTA_PAYLOAD(nest);

	for (const struct rtattr *a = RTA_DATA(nest); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) == IFLA_XDP_PROG_ID && !host->xdp_prog_id)
			host->xdp_prog_id = get_u32(a);
}

static void take_link(const struct nlmsghdr *nlh, int ifindex, struct accel_host *host)
{
	const struct ifinfomsg *msg = NLMSG_DATA(nlh);
	int left = (int)nlh->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*msg));
	const struct rtattr *a = IFLA_RTA(msg);

	if (msg->ifi_index != ifindex)
		return;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		switch (a->rta_type & NLA_TYPE_MASK) {
		case IFLA_ADDRESS:
			host->has_mac = msg->ifi_type == ARPHRD_ETHER &&
					RTA_PAYLOAD(a) == sizeof(host->mac);
			if (host->has_mac)
				memcpy(host->mac, RTA_DATA(a), sizeof(host->mac));
			break;
		case IFLA_MASTER:
			host->master = (int)get_u32(a);
			break;
		case IFLA_NUM_RX_QUEUES:
			host->n_rx_queues = get_u32(a);
			break;
		case IFLA_XDP:
			take_xdp(a, host);
			break;
		}
	}
}

static void add_v4(const struct rtattr *a, struct accel_host *host)
{
	struct accel_xdp_local *l = &host->local;

	host->has_v4 = true;
	if (l->n_v4 < ACCEL_XDP_MAX_ADDRS)
		l->v4[l->n_v4++] = ntohl(get_u32(a));
}

static void add_v6(const struct rtattr *a, bool is_global, struct accel_host *host)
{
	struct accel_xdp_local *l = &host->local;

	host->has_global_v6 |= is_global;
	if (l->n_v6 < ACCEL_XDP_MAX_ADDRS && RTA_PAYLOAD(a) == sizeof(l->v6[0]))
		memcpy(l->v6[l->n_v6++], RTA_DATA(a), sizeof(l->v6[0]));
}

/* Of IPv4 the interface's own address is IFA_LOCAL, as IFA_ADDRESS may be its peer's; IPv6 has
 * IFA_LOCAL only where there is a peer. */
static void take_addr(const struct nlmsghdr *nlh, int ifindex, struct accel_host *host)
{
	const struct ifaddrmsg *msg = NLMSG_DATA(nlh);
	int left = (int)nlh->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*msg));
	const struct rtattr *a = IFA_RTA(msg), *local = NULL, *address = NULL;

	if ((int)msg->ifa_index != ifindex)
		return;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFA_LOCAL)
			local = a;
		else if (a->rta_type == IFA_ADDRESS)
			address = a;
	}
	local = local ? local : address;
	if (local && msg->ifa_family == AF_INET)
		add_v4(local, host);
	else if (local && msg->ifa_family == AF_INET6)
		add_v6(local, msg->ifa_scope == RT_SCOPE_UNIVERSE, host);
}

static bool goes_through(const struct rtattr *multipath, int ifindex)
{
	const struct rtnexthop *hop = RTA_DATA(multipath);
	int left = (int)RTA_PAYLOAD(multipath);

	for (; RTNH_OK(hop, left); left -= (int)RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
		if (hop->rtnh_ifindex == ifindex)
			return true;
	return false;
}

static void take_route(const struct nlmsghdr *nlh, int ifindex, struct accel_host *host)
{
	const struct rtmsg *msg = NLMSG_DATA(nlh);
	int left = (int)nlh->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*msg));
	const struct rtattr *a = RTM_RTA(msg);

	if (msg->rtm_dst_len != 0)
		return;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_OIF && (int)get_u32(a) == ifindex)
			host->has_default_route = true;
		if (a->rta_type == RTA_MULTIPATH && goes_through(a, ifindex))
			host->has_default_route = true;
	}
}

static int look(int fd, int ifindex, struct accel_host *host)
{
	int r;

	if ((r = ask(fd, RTM_GETLINK, 0, ifindex)) < 0 ||
	    (r = answer(fd, false, ifindex, take_link, host)) < 0 ||
	    (r = ask(fd, RTM_GETADDR, NLM_F_DUMP, ifindex)) < 0 ||
	    (r = answer(fd, true, ifindex, take_addr, host)) < 0 ||
	    (r = ask(fd, RTM_GETROUTE, NLM_F_DUMP, ifindex)) < 0)
		return r;
	return answer(fd, true, ifindex, take_route, host);
}

int accel_host_look(const char *name, int ifindex, struct accel_host *out, struct accel_err *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), r;
	struct accel_host host;

	if (fd < 0)
		return accel_fail_sys(err, -errno, "%s: cannot open a netlink socket", name);
	memset(&host, 0, sizeof(host));
	r = look(fd, ifindex, &host);
	close(fd);
	if (r < 0)
		return accel_fail_sys(err, r, "%s: cannot ask who lives on it", name);
	*out = host;
	return 0;
}

static bool is_link_local(const uint8_t *v6)
{
	return v6[0] == 0xfe && (v6[1] & 0xc0) == 0x80;
}

static void name_address(const struct accel_host *host, char *out, size_t len)
{
	char text[INET6_ADDRSTRLEN] = "";
	uint32_t v4 = htonl(host->local.v4[0]);

	if (host->has_v4)
		inet_ntop(AF_INET, &v4, text, sizeof(text));
	for (unsigned i = 0; !host->has_v4 && i < host->local.n_v6 && !text[0]; i++)
		if (!is_link_local(host->local.v6[i]))
			inet_ntop(AF_INET6, host->local.v6[i], text, sizeof(text));
	snprintf(out, len, "it has the address %s", text);
}

bool accel_host_lives_there(const struct accel_host *host, char *out, size_t len)
{
	if (host->has_v4 || host->has_global_v6)
		name_address(host, out, len);
	else if (host->has_default_route)
		snprintf(out, len, "the default route goes through it");
	else if (host->master)
		snprintf(out, len, "it is a part of a bridge or bond");
	else
		return false;
	return true;
}
