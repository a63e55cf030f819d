/* SPDX-License-Identifier: BSD-3-Clause */
/* fanout.h - PACKET_FANOUT: several sockets, of any processes of the network namespace, share the
 * packets.
 *
 * A group is a number. The first member makes it, with its mode, flags and device binding; every
 * other must bring the same. There is no ownership: the network namespace is the border of trust.
 *
 * Source: packet(7); af_packet.c fanout_add() of Linux 6.18; the table in which every refusal was
 * tried is reproduced by tests/live/.
 * Threads: none of its own. */
#ifndef ACCEL_FANOUT_H
#define ACCEL_FANOUT_H

#include <stdint.h>

struct accel_err;

/* As the words of the option "fanout"; the values are the kernel's. */
enum accel_fanout_mode {
	ACCEL_MODE_HASH,
	ACCEL_MODE_LB,
	ACCEL_MODE_CPU,
	ACCEL_MODE_ROLLOVER,
	ACCEL_MODE_RND,
	ACCEL_MODE_QM,
	ACCEL_MODE_CBPF,
	ACCEL_MODE_EBPF,
};

/* As the bits of the option "fanout_flags". */
enum accel_join_flag {
	ACCEL_JOIN_DEFRAG = 1 << 0,
	ACCEL_JOIN_IF_FULL = 1 << 1, /* "rollover": to the next member when one is full */
	ACCEL_JOIN_IGNORE_OUTGOING = 1 << 2,
	ACCEL_JOIN_UNIQUE = 1 << 3,
};

struct accel_fanout {
	unsigned group; /* 0 .. 65535; ignored with ACCEL_JOIN_UNIQUE */
	enum accel_fanout_mode mode;
	unsigned flags;	      /* enum accel_join_flag, or-ed */
	unsigned max_members; /* 0 = the kernel's 256 */
};

const char *accel_fanout_mode_name(enum accel_fanout_mode mode); /* "hash" */

/* Make a bound socket, with its ring, a member. On success rq->group is the group's number (chosen
 * by the kernel with ACCEL_JOIN_UNIQUE). 0; -EINVAL: the group has another mode, other flags or
 * another device; -ENOSPC: it is full; other -errno. The text says which and how the present
 * members joined. A member leaves by closing. */
int accel_fanout_join(int sock_fd, const char *name, struct accel_fanout *rq,
		      struct accel_err *err);

/* Replace the group's program: classic (struct sock_fprog behind `cbpf`) or, if that is NULL, the
 * eBPF program of descriptor prog_fd. 0 or -errno with a text. */
struct sock_fprog;
int accel_fanout_set_program(int sock_fd, const char *name, const struct sock_fprog *cbpf,
			     int prog_fd, struct accel_err *err);

/* The mode of an existing group, or -ENOENT. Asks sock_diag; needs no privilege. */
int accel_fanout_find(unsigned group, enum accel_fanout_mode *mode, unsigned *n_members);

#endif
