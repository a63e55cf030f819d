/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_group.h - the programs of a device that several captures share, which only say whose program
 * (xdp_prog.h) a packet is for.
 *
 *     root:   context -> members[receive queue]
 *     steer:  context -> fanout program -> members[its value modulo places.n]
 *                        no program there: pass
 *
 * The root is attached to the device and never changes; members write programs into its map. Where
 * several share one queue the program in its place is the second one, with a map of its own. As it
 * reads n once for a packet, each packet is one member's, also while n changes: whoever comes puts
 * its program into place n and then adds one, whoever goes has the last one's put into its place
 * and then takes one away.
 *
 * Pure: no system call.
 * Threads: none of its own. */
#ifndef ACCEL_BPF_XDP_GROUP_H
#define ACCEL_BPF_XDP_GROUP_H

#include "bpf/ebpf.h"

#include <stdbool.h>
#include <stdint.h>

#define ACCEL_XDP_MAX_QUEUES 1024u /* of the root's map */

/* Shared with the members, which map it. */
struct accel_xdp_places {
	uint32_t n; /* of places of the map that have a program; 0: pass */
	uint32_t unused;
};

struct accel_xdp_steer {
	const struct sock_filter *fanout; /* has passed accel_bpf_validate(); 0 where it fails */
	unsigned n_fanout;
	bool has_fragments, by_helper, has_mac; /* as in struct accel_xdp_spec */
	uint8_t mac[6];
};

/* 0, -ENOMEM; of the second as accel_xdp_generate(). accel_ebpf_prog_fini() frees *out. */
int accel_xdp_root(struct accel_ebpf_prog *out);
int accel_xdp_steer(const struct accel_xdp_steer *spec, struct accel_ebpf_prog *out,
		    struct accel_err *err);

#endif
