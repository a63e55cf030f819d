/* SPDX-License-Identifier: BSD-3-Clause */
/* link.h - facts of network interfaces, asked of the kernel by ioctl and sysfs.
 *
 * Changes nothing, except accel_link_set_hwtstamp(). Each call takes a socket of any family and
 * uses the network namespace that it was made in.
 *
 * Source: netdevice(7); linux/ethtool.h, linux/net_tstamp.h.
 * Threads: none of its own. accel_link_drops() is async-signal-safe. */
#ifndef ACCEL_LINK_H
#define ACCEL_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct accel_err;

struct accel_link {
	char name[16];
	int ifindex;
	unsigned hatype; /* ARPHRD_* */
	unsigned mtu;	 /* bytes, without the link header */
	bool is_up;
	bool is_loopback;
};

/* Fill *out. 0; -ENODEV with a text naming the interface; any other -errno of the ioctl. */
int accel_link_get(int sock_fd, const char *name, struct accel_link *out, struct accel_err *err);

/* Is there still an interface with this index: 1, 0, or -errno. */
int accel_link_exists(int sock_fd, int ifindex);

/* Up and running: 1, 0, or -ENODEV. By index: a device may be renamed while it is down. */
int accel_link_is_up(int sock_fd, int ifindex);

/* Does this name belong to an interface of this process's network namespace? If so *hatype (may be
 * NULL) is its ARPHRD_*. Opens and closes a socket of its own; needs no privilege. */
bool accel_link_name_exists(const char *name, unsigned *hatype);

/* Packets that the interface lost for want of buffers (rx_missed_errors + rx_fifo_errors) since it
 * was made. 0 where sysfs does not say: after a chroot, say. Async-signal-safe. */
uint64_t accel_link_drops(const char *name);

/* Bits of SOF_TIMESTAMPING_* that the interface can stamp every received packet with; 0 = unknown
 * or only some packets. */
unsigned accel_link_timestamping(int sock_fd, const char *name);

/* Receive queues in use; 0: the driver does not say. */
unsigned accel_link_queues(int sock_fd, const char *name);

/* Have the interface stamp all received packets. Needs CAP_NET_ADMIN. 0 or -errno. */
int accel_link_set_hwtstamp(int sock_fd, const char *name);

#endif
