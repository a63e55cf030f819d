/* SPDX-License-Identifier: BSD-3-Clause */
/* link_tags.h - what becomes of VLAN tags at an interface, for who reads before the stack does:
 * a device may take it off a packet, and its driver may tell XDP programs which one it was, and
 * when the packet came.
 *
 * Source: ethtool(8) rxvlan; Documentation/netlink/specs/netdev.yaml, Linux 6.18.
 * Threads: none of its own. */
#ifndef ACCEL_LINK_TAGS_H
#define ACCEL_LINK_TAGS_H

#include <stdbool.h>

/* Does the interface take tags off? false where it does not say. `sock_fd` is a socket of any
 * family. */
bool accel_link_takes_tags(int sock_fd, const char *name);

/* What XDP programs bound to the interface may learn of a packet: bits. Every driver takes such a
 * program; one that does not know then tells it so with each packet. 0 before Linux 6.3, and before
 * 6.8 no tags. */
enum accel_link_tells { ACCEL_TELLS_STAMP = 1, ACCEL_TELLS_TAG = 4 };

unsigned accel_link_tells(int ifindex);

#endif
