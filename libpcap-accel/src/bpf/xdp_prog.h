/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_prog.h - the XDP program of a capture, made whole from a description of it.
 *
 *     context -> [armed?] -> [the device's VLAN tag] -> keep rules -> filter -> action
 *
 * XDP takes packets from the host where a packet socket copies them. So what the filter rejects is
 * passed on (or dropped, where that was asked for), what the keep rules know is passed on before
 * the filter is asked, and a program whose socket map is empty passes everything on.
 *
 * The slow twin: run the keep rules, then the filter, with accel_bpf_run().
 *
 * Pure: no system call; kern/bpf_sys.h loads what is made here.
 * Threads: none of its own. */
#ifndef ACCEL_BPF_XDP_PROG_H
#define ACCEL_BPF_XDP_PROG_H

#include "bpf/xdp_ops.h"

#include <stdbool.h>

/* What an XDP program returns, by the kernel's number. */
enum accel_xdp_verdict {
	ACCEL_XDP_ABORTED,
	ACCEL_XDP_DROP,
	ACCEL_XDP_PASS,
	ACCEL_XDP_TX,
	ACCEL_XDP_REDIRECT,
};

enum accel_xdp_action {
	ACCEL_XDP_DIVERT, /* redirect to the socket of its queue; pass on where none is */
	ACCEL_XDP_TAP,	  /* copy into the ring, pass on */
	ACCEL_XDP_TELL,	  /* return the filter's verdict itself, 0 for rejected: for tests */
};

/* When a packet came. */
enum accel_xdp_clock {
	ACCEL_XDP_CLOCK_NONE,
	ACCEL_XDP_CLOCK_MONOTONIC,
	ACCEL_XDP_CLOCK_TAI, /* Linux 6.1 */
};

/* With asks_stamp, this many bytes stand before what is known of a packet, its accel_xdp_meta or
 * accel_xdp_record: when it came by the device's clock, in ns; 0 = the device did not say. */
#define ACCEL_XDP_STAMP_LEN 8u

/* In front of a diverted packet's first byte, if there is anything to report. */
struct accel_xdp_meta {
	uint64_t time_ns; /* by the clock of the program; 0 = none */
	uint16_t tci;
	uint16_t tpid;	/* big endian; 0 = the device took no tag off */
	uint32_t magic; /* ACCEL_XDP_META_MAGIC. A packet for which the driver had no room has none:
			   the reader clears it behind itself, as frames are used again */
};

#define ACCEL_XDP_META_MAGIC 0x61786470u

/* A record of the tap's ring; `caplen` bytes follow. */
struct accel_xdp_record {
	uint64_t time_ns;
	uint32_t len; /* of the packet */
	uint32_t caplen;
	uint32_t queue;
	uint16_t tci;
	uint16_t tpid; /* big endian; 0 = no tag */
};

/* Shared with the program that captures, which maps it. */
struct accel_xdp_control {
	/* Flags of bpf_ringbuf_submit(). The reader writes 0 before it sleeps, so that the next
	 * record wakes it, and ACCEL_XDP_NO_WAKEUP while it is awake: waking costs half of the
	 * packets. It looks into the ring once more between writing and sleeping. */
	uint64_t submit_flags;
	/* 0: a gated program passes every packet on, as if it were not there. */
	uint32_t is_armed;
	/* The filter of an interpreting program: the index in ops[0], ops[1] seen as one array,
	 * where it begins; 2 * ACCEL_XDP_MAX_OPS is 0, and 0 is none: the program's own. Written
	 * last, with release: a packet meets one filter or the other. Half of ops[] may be written
	 * again when no program that had begun before this was written is still running. */
	uint32_t start;
	uint32_t zero; /* so that the verifier does not know it */
	uint32_t unused;
	struct accel_xdp_op ops[2][ACCEL_XDP_MAX_OPS];
};

#define ACCEL_XDP_NO_WAKEUP 1u	    /* BPF_RB_NO_WAKEUP */
#define ACCEL_XDP_MAX_TAP   0xffffu /* bytes of a packet that a record can hold */

#define ACCEL_XDP_MAX_ADDRS 64

/* The addresses of the host. Without any, every address counts as the host's. */
struct accel_xdp_local {
	unsigned n_v4, n_v6;
	uint32_t v4[ACCEL_XDP_MAX_ADDRS]; /* host order */
	uint8_t v6[ACCEL_XDP_MAX_ADDRS][16];
	uint16_t ssh_port; /* where its sshd listens too; 0: at 22 alone */
};

struct accel_xdp_spec {
	const struct sock_filter *filter; /* has passed accel_bpf_validate() */
	unsigned n_filter;		  /* 0: every packet */
	const struct sock_filter *keep;	  /* packets that it returns not 0 for are passed on */
	unsigned n_keep;		  /* 0: none */
	enum accel_xdp_action action;
	enum accel_xdp_verdict rest; /* of what the filter rejects: ACCEL_XDP_PASS or _DROP */
	enum accel_xdp_clock clock;
	bool is_gated;	    /* passes everything on until control.is_armed */
	bool interprets;    /* runs the filter in control.ops if control.start names one */
	bool asks_vlan;	    /* ask the device for the tag: kernel function */
	bool asks_stamp;    /* the same for its time stamp */
	bool is_member;	    /* others see to that it runs: see xdp_group.h */
	bool has_fragments; /* load with ACCEL_PROG_HAS_FRAGS */
	bool by_helper;	    /* the loader lacks CAP_PERFMON: see translate.h */
	bool has_mac;
	uint8_t mac[6];	  /* of the device: which frames are for the host */
	uint32_t snaplen; /* of the tap: bytes, 1 .. ACCEL_XDP_MAX_TAP */
};

/* The parts of a program, in its marks: part << 16 | number of the classic instruction. */
enum accel_xdp_part {
	ACCEL_XDP_PART_BEGIN,
	ACCEL_XDP_PART_KEEP,
	ACCEL_XDP_PART_FILTER,
	ACCEL_XDP_PART_ACCEPT,
	ACCEL_XDP_PART_REST,
	ACCEL_XDP_PART_INTERPRET,
};

/* 0; -EOPNOTSUPP: the filter cannot be translated, with the reason; -E2BIG; -ENOMEM. *out is
 * untouched on failure; accel_ebpf_prog_fini() frees it. */
int accel_xdp_generate(const struct accel_xdp_spec *spec, struct accel_ebpf_prog *out,
		       struct accel_err *err);

/* The rules that keep a host reachable, as a classic program that returns 1 for what it must get:
 * frames to 01:80:c2:00:00:00 to 0f (STP and its like); slow protocols (LACP); ARP; IPv6 neighbour
 * discovery (ICMPv6 133 to 137); DHCP and DHCPv6; TCP from and to port 22 and to local->ssh_port,
 * TCP and UDP from port 53, to one of the host's addresses, with the later fragments that have no
 * ports. Behind up to two VLAN tags in the frame. *out is malloc'ed, free() it. 0, -ENOMEM. */
int accel_xdp_keep_rules(const struct accel_xdp_local *local, struct sock_filter **out,
			 unsigned *n_out);

/* The program as text, a line an instruction, under the classic instructions that they were made
 * from. Writes at most size bytes with the NUL, returns what snprintf would. */
size_t accel_xdp_dump(const struct accel_xdp_spec *spec, const struct accel_ebpf_prog *prog,
		      char *out, size_t size);

#endif
