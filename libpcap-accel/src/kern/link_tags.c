/* SPDX-License-Identifier: BSD-3-Clause */
/* link_tags.c - see link_tags.h. */
#include "kern/link_tags.h"

#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of linux/netdev.h, which Debian 12 does not have. */
#define NETDEV_FAMILY	  "netdev"
#define CMD_DEV_GET	  1
#define DEV_IFINDEX	  1
#define DEV_RX_METADATA	  5
#define ANSWER_LEN	  8192
#define LARGEST_FIELD_LEN 16

struct question {
	struct nlmsghdr nlh;
	struct genlmsghdr genl;
	struct nlattr attr;
	uint8_t value[LARGEST_FIELD_LEN];
};

bool accel_link_takes_tags(int sock_fd, const char *name)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq ifr;

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return false;
	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	ifr.ifr_data = (void *)&flags;
	return ioctl(sock_fd, SIOCETHTOOL, &ifr) == 0 && flags.data & ETH_FLAG_RXVLAN;
}

/* The attribute `type` of an answer of n bytes into out, which is zero where there is none. */
static void find(const uint8_t *answer, size_t n, uint16_t type, void *out, size_t len)
{
	const struct nlmsghdr *nlh = (const void *)answer;
	size_t at = NLMSG_LENGTH(GENL_HDRLEN), end = n < nlh->nlmsg_len ? n : nlh->nlmsg_len;

	memset(out, 0, len);
	while (at + NLA_HDRLEN <= end && nlh->nlmsg_type != NLMSG_ERROR) {
		const struct nlattr *a = (const void *)(answer + at);

		if (a->nla_len < NLA_HDRLEN || at + a->nla_len > end)
			return;
		if ((a->nla_type & NLA_TYPE_MASK) == type && a->nla_len >= NLA_HDRLEN + len)
			memcpy(out, answer + at + NLA_HDRLEN, len);
		at += NLA_ALIGN(a->nla_len);
	}
}

/* Ask with one attribute, and find one in the answer. */
static bool ask(int fd, struct question *q, uint16_t wanted, void *out, size_t len)
{
	uint8_t answer[ANSWER_LEN] __attribute__((aligned(8)));
	ssize_t n;

	q->nlh.nlmsg_flags = NLM_F_REQUEST;
	q->nlh.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN) + NLA_ALIGN(q->attr.nla_len);
	q->genl.version = 1;
	if (send(fd, q, q->nlh.nlmsg_len, 0) < 0)
		return false;
	n = recv(fd, answer, sizeof(answer), 0);
	if (n < (ssize_t)NLMSG_LENGTH(GENL_HDRLEN))
		return false;
	find(answer, (size_t)n, wanted, out, len);
	return true;
}

static uint16_t family_of(int fd)
{
	struct question q;
	uint16_t id = 0;

	memset(&q, 0, sizeof(q));
	q.nlh.nlmsg_type = GENL_ID_CTRL;
	q.genl.cmd = CTRL_CMD_GETFAMILY;
	q.attr.nla_type = CTRL_ATTR_FAMILY_NAME;
	q.attr.nla_len = NLA_HDRLEN + sizeof(NETDEV_FAMILY);
	memcpy(q.value, NETDEV_FAMILY, sizeof(NETDEV_FAMILY));
	ask(fd, &q, CTRL_ATTR_FAMILY_ID, &id, sizeof(id));
	return id;
}

unsigned accel_link_tells(int ifindex)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	uint32_t index = (uint32_t)ifindex;
	uint64_t features = 0;
	struct question q;

	if (fd < 0)
		return 0;
	memset(&q, 0, sizeof(q));
	q.nlh.nlmsg_type = family_of(fd);
	q.genl.cmd = CMD_DEV_GET;
	q.attr.nla_type = DEV_IFINDEX;
	q.attr.nla_len = NLA_HDRLEN + sizeof(index);
	memcpy(q.value, &index, sizeof(index));
	if (q.nlh.nlmsg_type)
		ask(fd, &q, DEV_RX_METADATA, &features, sizeof(features));
	close(fd);
	return (unsigned)features;
}
