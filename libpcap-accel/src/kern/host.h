/* SPDX-License-Identifier: BSD-3-Clause */
/* host.h - does this host live on an interface? Addresses, default route, master, the ssh session
 * that we run in, of the interface and of what lies on it; and the XDP program that is there
 * already: what has to be known before packets are taken from it.
 *
 * Asks rtnetlink in this thread's network namespace; changes nothing, needs no privilege. What has
 * been moved to another namespace (a macvlan of a container) nobody tells.
 *
 * Source: rtnetlink(7), linux/if_link.h.
 * Threads: none of its own. */
#ifndef ACCEL_KERN_HOST_H
#define ACCEL_KERN_HOST_H

#include "bpf/xdp_prog.h"

#include <stdbool.h>
#include <stdint.h>

struct accel_err;

/* What a host has there, the weightiest first. */
enum accel_host_why {
	ACCEL_HOST_ADDRESS, /* IPv4 or global IPv6 */
	ACCEL_HOST_ROUTE,   /* the default route */
	ACCEL_HOST_MASTER,  /* bridge, bond, team */
	ACCEL_HOST_SSH,	    /* the client of SSH_CONNECTION */
	ACCEL_HOST_NOTHING,
};

struct accel_host {
	/* The host's addresses, on whatever interface, as packets for them may come in here; of
	 * link-local ones those of the interface and of what lies on it. None where these have no
	 * others yet, or where the host's are too many. */
	struct accel_xdp_local local;
	/* Why it lives there; on the interface itself, or on this one, which lies on it. */
	enum accel_host_why why;
	char on[16];	/* "" = itself */
	char whose[46]; /* the address, or the client's */
	bool has_mac;
	uint8_t mac[6];
	uint32_t xdp_prog_id; /* 0 = no program is attached */
	bool xdp_is_generic;  /* and in the stack, not in the driver */
	uint32_t n_rx_queues; /* that were made; not all need be in use */
};

/* 0; -ENODEV; any other -errno of netlink(7). With a text that begins with `name`. */
int accel_host_look(const char *name, int ifindex, struct accel_host *out, struct accel_err *err);

/* Why packets should not be taken from it, as the end of a sentence: "it has the address 10.0.0.1".
 * Writes at most len bytes with the NUL. False, and nothing is written: there is no reason. */
bool accel_host_lives_there(const struct accel_host *host, char *out, size_t len);

#endif
