/* SPDX-License-Identifier: BSD-3-Clause */
/* rtnl.h - questions to rtnetlink and their answers, message by message; what these mean, the
 * caller knows.
 *
 * Source: netlink(7), rtnetlink(7).
 * Threads: none of its own; a socket belongs to one. */
#ifndef ACCEL_KERN_RTNL_H
#define ACCEL_KERN_RTNL_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>

/* What each message of an answer is handed to. */
typedef void accel_rtnl_take(const struct nlmsghdr *nlh, void *ctx);

/* RTM_GETLINK of one interface. The result is that of all of these: 0 or -errno. */
int accel_rtnl_get_link(int fd, int ifindex, accel_rtnl_take *take, void *ctx);

/* RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE: all of the network namespace. */
int accel_rtnl_dump(int fd, uint16_t type, accel_rtnl_take *take, void *ctx);

/* RTM_GETROUTE: the one to an address, of AF_INET or AF_INET6. -ENETUNREACH and its like: none. */
int accel_rtnl_get_route(int fd, int family, const void *to, accel_rtnl_take *take, void *ctx);

/* 0 where the attribute is shorter. */
uint32_t accel_rtnl_u32(const struct rtattr *attr);

#endif
