/* SPDX-License-Identifier: BSD-3-Clause */
/* bpf_sys.h - bpf(2): load programs, make maps, attach by link, run for a test. No libbpf.
 *
 * Programs are attached by link only: a link is a descriptor, and when its last holder has gone, in
 * whatever way, the kernel takes the program off the device.
 *
 * Who may: CAP_BPF and CAP_NET_ADMIN (before Linux 5.8 CAP_SYS_ADMIN); -EPERM says so.
 *
 * Source: bpf(2), linux/bpf.h (Linux 6.18).
 * Threads: none of its own. */
#ifndef ACCEL_KERN_BPF_SYS_H
#define ACCEL_KERN_BPF_SYS_H

#include "bpf/ebpf.h"

#include <stdbool.h>

struct accel_err;

/* A map of the capture's table, with n_entries where the table leaves it open (of the ring: bytes,
 * a power of two of at least a page). `name` opens the error's text. The descriptor
 * (close-on-exec), or -EPERM, -ENOMEM, -EINVAL, -E2BIG, ... */
int accel_bpf_map_open(const char *name, enum accel_ebpf_map map, uint32_t n_entries,
		       struct accel_err *err);

/* Set, remove, read the value of a u32 key. A map of one value a processor gives accel_bpf_cpus()
 * of them, 8 bytes each. 0 or -errno: -ENOENT, -E2BIG (no such key), -EOPNOTSUPP (the value is no
 * AF_XDP socket). */
int accel_bpf_map_set(int map_fd, uint32_t key, const void *value);
int accel_bpf_map_remove(int map_fd, uint32_t key);
int accel_bpf_map_get(int map_fd, uint32_t key, void *value);

/* The first `len` bytes of the values of a map with ACCEL_MAP_MMAPABLE, shared with the programs
 * that name it: whoever has them mapped needs no privilege to write them. munmap() it. NULL: no
 * memory. */
void *accel_bpf_map_memory(int map_fd, size_t len);

/* Return when every XDP program that had begun before has ended. */
void accel_bpf_wait_for_programs(void);

/* Processors that a map of one value a processor has values for; 0: sysfs does not say. */
unsigned accel_bpf_cpus(void);

/* How to get the capabilities that were refused; to stand behind their names. Root may have given
 * them up, as dumpcap does before it opens anything. */
const char *accel_bpf_remedy(void);

#define ACCEL_PROG_HAS_FRAGS (1u << 5) /* BPF_F_XDP_HAS_FRAGS: Linux 5.18 */
#define ACCEL_PROG_DEV_BOUND (1u << 6) /* BPF_F_XDP_DEV_BOUND_ONLY: Linux 6.3; with ifindex */

struct accel_bpf_load {
	const char *name;      /* of the device, opens the error's text */
	const char *prog_name; /* at most 15 bytes: what bpftool shows; NULL: "pcap_accel" */
	const struct accel_ebpf_prog *prog;
	const int *map_fds;	  /* ACCEL_N_MAPS; NULL if the program names none */
	const int32_t *kfunc_ids; /* ACCEL_N_KFUNCS; NULL if the program names none */
	unsigned flags;		  /* ACCEL_PROG_* */
	int ifindex;		  /* with ACCEL_PROG_DEV_BOUND, else 0 */
};

/* Load an XDP program. The descriptor, or -EPERM, -ENOMEM, -EINVAL and -EACCES (the verifier
 * refused it: its last words are in the text), -E2BIG. */
int accel_bpf_prog_open(const struct accel_bpf_load *load, struct accel_err *err);

enum accel_xdp_attach { ACCEL_ATTACH_NATIVE, ACCEL_ATTACH_GENERIC };

/* Attach to a device of this network namespace. The link's descriptor, or -errno without a text, as
 * what it means depends on the mode: -EBUSY and -EEXIST (another program is there), -EOPNOTSUPP
 * (the driver has no XDP), -ERANGE and -EINVAL (MTU, program), -ENOSPC (queues of a veth's peer),
 * -EPERM. */
int accel_bpf_link_open(int prog_fd, int ifindex, enum accel_xdp_attach attach);

/* Replace the link's program at once: each packet meets the old or the new one. 0 or -errno. */
int accel_bpf_link_update(int link_fd, int prog_fd);

/* Is the link's program attached to this device? */
bool accel_bpf_link_is_on(int link_fd, int ifindex);

struct accel_bpf_info {
	uint32_t id;
	char name[16];
};

/* Of the program behind an id or a descriptor. 0 or -errno. */
int accel_bpf_prog_info(int prog_fd, struct accel_bpf_info *out);
int accel_bpf_prog_info_by_id(uint32_t id, struct accel_bpf_info *out);

/* What others have attached to a device, found by the numbers of the kernel, which takes
 * CAP_SYS_ADMIN: a descriptor of our own of the link of program prog_id to a device of this network
 * namespace, and of the one map that the program names. 0; -EPERM; -ENOENT: it has gone, or is
 * about to; -EINVAL: it is not attached by a link, or has not one map. */
int accel_bpf_adopt(uint32_t prog_id, int ifindex, int *link_fd, int *map_fd);

union bpf_attr;

/* bpf(2): the result, or -errno. */
int accel_bpf_call(int command, union bpf_attr *attr);

struct accel_bpf_test {
	const void *data;	 /* the packet */
	uint32_t len;		 /* at least 14 */
	uint32_t ifindex, queue; /* where it came in; 0: somewhere */
	uint32_t first_len;	 /* bytes in the first buffer, 0: as many as it holds. Linux 6.18 */
	void *out;		 /* what of it is left, metadata in front; NULL: of no interest */
	uint32_t out_len;	 /* room; afterwards what is there */
	uint32_t retval;	 /* afterwards */
};

/* Run a program once over a packet that is nobody's. 0 or -errno. */
int accel_bpf_prog_test(int prog_fd, struct accel_bpf_test *test);

/* May this process add a variable to a packet pointer, which the kernel allows holders of
 * CAP_PERFMON? Loads a small program to find out. */
bool accel_bpf_may_move_pointers(void);

/* Does the kernel take ACCEL_PROG_HAS_FRAGS, and the helper for lengths? Asks in the same way. */
bool accel_bpf_has_frags(void);

/* The BTF ids of the kernel functions that our programs may call, for accel_bpf_load. 0; -ENOENT
 * (an older kernel: ids[] are 0 where there is none); any other -errno: the kernel does not say. */
int accel_bpf_kfunc_ids(int32_t ids[ACCEL_N_KFUNCS]);

#endif
