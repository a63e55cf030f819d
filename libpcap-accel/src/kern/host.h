/* SPDX-License-Identifier: BSD-3-Clause */
/* host.h - does this host live on an interface? Addresses, default route, master, and the XDP
 * program that is there already: what has to be known before packets are taken from it.
 *
 * Asks rtnetlink in this thread's network namespace; changes nothing, needs no privilege.
 *
 * Source: rtnetlink(7), linux/if_link.h.
 * Threads: none of its own. */
#ifndef ACCEL_KERN_HOST_H
#define ACCEL_KERN_HOST_H

#include "bpf/xdp_prog.h"

#include <stdbool.h>
#include <stdint.h>

struct accel_err;

struct accel_host {
	struct accel_xdp_local local; /* the interface's addresses, link-local ones too; as many as
					 fit */
	bool has_v4, has_global_v6;
	bool has_default_route;
	int master; /* interface that it is a part of (bridge, bond, team), 0 = none */
	bool has_mac;
	uint8_t mac[6];
	uint32_t xdp_prog_id; /* 0 = no program is attached */
	uint32_t n_rx_queues; /* that were made; not all need be in use */
};

/* 0; -ENODEV; any other -errno of netlink(7). With a text that begins with `name`. */
int accel_host_look(const char *name, int ifindex, struct accel_host *out, struct accel_err *err);

/* Why packets should not be taken from it, as the end of a sentence: "it has the address 10.0.0.1".
 * Writes at most len bytes with the NUL. False, and nothing is written: there is no reason. */
bool accel_host_lives_there(const struct accel_host *host, char *out, size_t len);

#endif
