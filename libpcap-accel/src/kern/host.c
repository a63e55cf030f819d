/* SPDX-License-Identifier: BSD-3-Clause */
/* host.c - see host.h. Some questions through one netlink socket. */
#include "kern/host.h"

#include "base/err.h"
#include "base/num.h"
#include "base/util.h"
#include "kern/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_STACK 256 /* of the interfaces on one, as many are looked at */

/* An interface, and what lies on it: VLANs, macvlans, the bridge it is a part of, and so on. */
struct stack {
	unsigned n;
	struct {
		int ifindex;
		char name[IFNAMSIZ];
	} at[MAX_STACK];
};

struct look {
	struct stack stack; /* the interface itself first */
	struct accel_host *host;
	unsigned why_at; /* where in the stack host->why was found */
	bool has_near;	 /* some interface of the stack has an address */
	bool has_too_many;
};

/* Where in the stack, or -1. */
static int find(const struct stack *stack, int ifindex)
{
	for (unsigned i = 0; i < stack->n; i++)
		if (stack->at[i].ifindex == ifindex)
			return (int)i;
	return -1;
}

static int add(struct stack *stack, int ifindex)
{
	int i = find(stack, ifindex);

	if (i >= 0 || stack->n == MAX_STACK)
		return i;
	stack->at[stack->n].ifindex = ifindex;
	stack->at[stack->n].name[0] = '\0';
	return (int)stack->n++;
}

/* The nearest to the interface counts, and of that the weightiest. */
static void note(struct look *look, int at, enum accel_host_why why, const char *whose)
{
	struct accel_host *host = look->host;

	if (host->why != ACCEL_HOST_NOTHING &&
	    (look->why_at < (unsigned)at || (look->why_at == (unsigned)at && host->why <= why)))
		return;
	look->why_at = (unsigned)at;
	host->why = why;
	snprintf(host->on, sizeof(host->on), "%s", at ? look->stack.at[at].name : "");
	snprintf(host->whose, sizeof(host->whose), "%s", whose);
}

static void take_xdp(const struct rtattr *nest, struct accel_host *host)
{
	int left = (int)RTA_PAYLOAD(nest);

	for (const struct rtattr *a = RTA_DATA(nest); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		int type = a->rta_type & NLA_TYPE_MASK;

		if (type == IFLA_XDP_PROG_ID && !host->xdp_prog_id)
			host->xdp_prog_id = accel_rtnl_u32(a);
		if (type == IFLA_XDP_ATTACHED && RTA_PAYLOAD(a) >= 1)
			host->xdp_is_generic = *(uint8_t *)RTA_DATA(a) == XDP_ATTACHED_SKB;
	}
}

static void take_link(const struct nlmsghdr *nlh, void *ctx)
{
	struct look *look = ctx;
	const struct ifinfomsg *msg = NLMSG_DATA(nlh);
	int left = (int)nlh->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*msg));
	const struct rtattr *a = IFLA_RTA(msg);
	struct accel_host *host = look->host;

	if (msg->ifi_index != look->stack.at[0].ifindex)
		return;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		switch (a->rta_type & NLA_TYPE_MASK) {
		case IFLA_ADDRESS:
			host->has_mac = msg->ifi_type == ARPHRD_ETHER &&
					RTA_PAYLOAD(a) == sizeof(host->mac);
			if (host->has_mac)
				memcpy(host->mac, RTA_DATA(a), sizeof(host->mac));
			break;
		case IFLA_NUM_RX_QUEUES:
			host->n_rx_queues = accel_rtnl_u32(a);
			break;
		case IFLA_XDP:
			take_xdp(a, host);
			break;
		}
	}
}

/* What these call their link is the other end. */
static bool is_pair(const struct rtattr *info)
{
	static const char *const pairs[] = {"veth", "netkit", "vxcan"};
	int left = (int)RTA_PAYLOAD(info);

	for (const struct rtattr *a = RTA_DATA(info); RTA_OK(a, left); a = RTA_NEXT(a, left))
		for (size_t i = 0; a->rta_type == IFLA_INFO_KIND && i < ACCEL_ARRAY_LEN(pairs); i++)
			if (strncmp(RTA_DATA(a), pairs[i], RTA_PAYLOAD(a)) == 0)
				return true;
	return false;
}

/* Does it lie on another one, or is it a part of one? */
static void take_neighbour(const struct nlmsghdr *nlh, void *ctx)
{
	struct look *look = ctx;
	const struct ifinfomsg *msg = NLMSG_DATA(nlh);
	int left = (int)nlh->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*msg)), at;
	int lower = 0, master = 0;
	bool is_far = false;
	const char *name = "";

	for (const struct rtattr *a = IFLA_RTA(msg); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		uint16_t type = a->rta_type & NLA_TYPE_MASK;

		if (type == IFLA_LINK)
			lower = (int)accel_rtnl_u32(a);
		else if (type == IFLA_MASTER)
			master = (int)accel_rtnl_u32(a);
		else if (type == IFLA_IFNAME)
			name = RTA_DATA(a);
		is_far |= type == IFLA_LINK_NETNSID || (type == IFLA_LINKINFO && is_pair(a));
	}
	if (lower && !is_far && find(&look->stack, lower) >= 0)
		add(&look->stack, msg->ifi_index);
	at = find(&look->stack, msg->ifi_index);
	if (at < 0)
		return;
	snprintf(look->stack.at[at].name, IFNAMSIZ, "%s", name);
	if (!master)
		return;
	add(&look->stack, master);
	note(look, at, ACCEL_HOST_MASTER, "");
}

static bool is_link_local(const uint8_t *v6)
{
	return v6[0] == 0xfe && (v6[1] & 0xc0) == 0x80;
}

static void list_v4(struct look *look, const struct rtattr *a)
{
	struct accel_xdp_local *l = &look->host->local;

	if (l->n_v4 < ACCEL_XDP_MAX_ADDRS)
		l->v4[l->n_v4++] = ntohl(accel_rtnl_u32(a));
	else
		look->has_too_many = true;
}

static void list_v6(struct look *look, const struct rtattr *a)
{
	struct accel_xdp_local *l = &look->host->local;

	if (l->n_v6 < ACCEL_XDP_MAX_ADDRS)
		memcpy(l->v6[l->n_v6++], RTA_DATA(a), sizeof(l->v6[0]));
	else
		look->has_too_many = true;
}

/* One of the host's; `at`: on the stack, or -1. */
static void use_addr(struct look *look, int at, int family, const struct rtattr *a)
{
	bool is_v4 = family == AF_INET;
	char text[INET6_ADDRSTRLEN] = "";

	if (RTA_PAYLOAD(a) < (is_v4 ? 4u : 16u) || (!is_v4 && at < 0 && is_link_local(RTA_DATA(a))))
		return;
	if (is_v4)
		list_v4(look, a);
	else
		list_v6(look, a);
	if (at < 0 || (!is_v4 && is_link_local(RTA_DATA(a))))
		return;
	look->has_near = true;
	inet_ntop(family, RTA_DATA(a), text, sizeof(text));
	note(look, at, ACCEL_HOST_ADDRESS, text);
}

/* Of IPv4 the interface's own address is IFA_LOCAL, as IFA_ADDRESS may be its peer's; IPv6 has
 * IFA_LOCAL only where there is a peer. */
static void take_addr(const struct nlmsghdr *nlh, void *ctx)
{
	struct look *look = ctx;
	const struct ifaddrmsg *msg = NLMSG_DATA(nlh);
	int left = (int)nlh->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*msg));
	const struct rtattr *a = IFA_RTA(msg), *local = NULL, *address = NULL;
	int at = find(&look->stack, (int)msg->ifa_index);

	if (at < 0 && msg->ifa_scope == RT_SCOPE_HOST)
		return;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFA_LOCAL)
			local = a;
		else if (a->rta_type == IFA_ADDRESS)
			address = a;
	}
	local = local ? local : address;
	if (local && (msg->ifa_family == AF_INET || msg->ifa_family == AF_INET6))
		use_addr(look, at, msg->ifa_family, local);
}

static void use_route(struct look *look, int ifindex)
{
	int at = find(&look->stack, ifindex);

	if (at >= 0)
		note(look, at, ACCEL_HOST_ROUTE, "");
}

static void take_route(const struct nlmsghdr *nlh, void *ctx)
{
	struct look *look = ctx;
	const struct rtmsg *msg = NLMSG_DATA(nlh);
	int left = (int)nlh->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*msg));

	if (msg->rtm_dst_len != 0)
		return;
	for (const struct rtattr *a = RTM_RTA(msg); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		const struct rtnexthop *hop = RTA_DATA(a);
		int hops = a->rta_type == RTA_MULTIPATH ? (int)RTA_PAYLOAD(a) : 0;

		if (a->rta_type == RTA_OIF)
			use_route(look, (int)accel_rtnl_u32(a));
		for (; RTNH_OK(hop, hops);
		     hops -= (int)RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
			use_route(look, hop->rtnh_ifindex);
	}
}

/* ---- the ssh session ---- */

/* The first word of SSH_CONNECTION, without a zone; "": there is no session. */
static void client_of_ssh(char *out, size_t len)
{
	const char *session = secure_getenv("SSH_CONNECTION");

	snprintf(out, len, "%.*s", session ? (int)strcspn(session, " %") : 0,
		 session ? session : "");
}

/* The last word, where our sshd listens; 0: it is none. */
static uint16_t port_of_ssh(void)
{
	const char *session = secure_getenv("SSH_CONNECTION");
	const char *word = session ? strrchr(session, ' ') : NULL;
	uint64_t port;

	if (!word || accel_parse_number(word + 1, strlen(word + 1), &port) < 0 || port > UINT16_MAX)
		return 0;
	return (uint16_t)port;
}

static void take_ssh(const struct nlmsghdr *nlh, void *ctx)
{
	struct look *look = ctx;
	const struct rtmsg *msg = NLMSG_DATA(nlh);
	int left = (int)nlh->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*msg)), at;
	char client[INET6_ADDRSTRLEN];

	client_of_ssh(client, sizeof(client));
	for (const struct rtattr *a = RTM_RTA(msg); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == RTA_OIF &&
		    (at = find(&look->stack, (int)accel_rtnl_u32(a))) >= 0)
			note(look, at, ACCEL_HOST_SSH, client);
}

/* Whose packets come from where there is no route is not our session. */
static void look_for_ssh(int fd, struct look *look)
{
	char client[INET6_ADDRSTRLEN];
	uint8_t to[16];
	int family;

	look->host->local.ssh_port = port_of_ssh();
	client_of_ssh(client, sizeof(client));
	family = strchr(client, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(family, client, to) == 1)
		accel_rtnl_get_route(fd, family, to, take_ssh, look);
}

/* The kernel tells interfaces by number: one that lies on another may come before it. */
static int find_stack(int fd, struct look *look)
{
	unsigned n;
	int r;

	do {
		n = look->stack.n;
		if ((r = accel_rtnl_dump(fd, RTM_GETLINK, take_neighbour, look)) < 0)
			return r;
	} while (look->stack.n > n);
	return 0;
}

static int look_around(int fd, int ifindex, struct look *look)
{
	int r;

	add(&look->stack, ifindex);
	if ((r = accel_rtnl_get_link(fd, ifindex, take_link, look)) < 0 ||
	    (r = find_stack(fd, look)) < 0 ||
	    (r = accel_rtnl_dump(fd, RTM_GETADDR, take_addr, look)) < 0 ||
	    (r = accel_rtnl_dump(fd, RTM_GETROUTE, take_route, look)) < 0)
		return r;
	look_for_ssh(fd, look);
	if (!look->has_near || look->has_too_many)
		look->host->local.n_v4 = look->host->local.n_v6 = 0;
	return 0;
}

int accel_host_look(const char *name, int ifindex, struct accel_host *out, struct accel_err *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), r;
	struct accel_host host;
	struct look look;

	if (fd < 0 && errno == EACCES)
		return accel_fail(err, -EPERM,
				  "%s: this process is denied netlink sockets (AppArmor: 'network "
				  "netlink raw,' in its profile, see pcap-accel(7))",
				  name);
	if (fd < 0)
		return accel_fail_sys(err, -errno, "%s: cannot open a netlink socket", name);
	memset(&host, 0, sizeof(host));
	memset(&look, 0, sizeof(look));
	host.why = ACCEL_HOST_NOTHING;
	look.host = &host;
	r = look_around(fd, ifindex, &look);
	close(fd);
	if (r < 0)
		return accel_fail_sys(err, r, "%s: cannot ask who lives on it", name);
	*out = host;
	return 0;
}

bool accel_host_lives_there(const struct accel_host *host, char *out, size_t len)
{
	char on[sizeof(host->on) + 24] = "it";

	if (host->on[0])
		snprintf(on, sizeof(on), "'%s', which lies on it,", host->on);
	switch (host->why) {
	case ACCEL_HOST_ADDRESS:
		snprintf(out, len, "%s has the address %s", on, host->whose);
		break;
	case ACCEL_HOST_ROUTE:
		snprintf(out, len, "%s has the default route", on);
		break;
	case ACCEL_HOST_MASTER:
		snprintf(out, len, "%s is a part of a bridge or bond", on);
		break;
	case ACCEL_HOST_SSH:
		snprintf(out, len, "the ssh session of %s comes through it", host->whose);
		break;
	default:
		return false;
	}
	return true;
}
