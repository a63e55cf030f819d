/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_group.h - the program of a device that several captures share: it hands each packet to the
 * program of the member whose queue it came in on.
 *
 *     context -> members[receive queue] -> that member's own program (xdp_prog.h)
 *                 none there: pass
 *
 * It never changes, so it can stay attached while members come, go and set filters: they write
 * their programs into ACCEL_MAP_MEMBERS.
 *
 * Pure: no system call.
 * Threads: none of its own. */
#ifndef ACCEL_BPF_XDP_GROUP_H
#define ACCEL_BPF_XDP_GROUP_H

#include "bpf/ebpf.h"

#define ACCEL_XDP_MAX_QUEUES 1024u /* of ACCEL_MAP_MEMBERS */

/* 0, -ENOMEM. accel_ebpf_prog_fini() frees *out. */
int accel_xdp_root(struct accel_ebpf_prog *out);

#endif
