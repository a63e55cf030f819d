/* SPDX-License-Identifier: BSD-3-Clause */
/* translate.h - classic BPF to extended BPF over the packet of an XDP program.
 *
 * The verdict is that of libpcap's bpf_filter() over the whole packet, in all corners:
 *
 *     a load beyond the packet, a division by an X of 0     drop
 *     [x + k]: the sum does not wrap; over 65535            drop
 *     a shift by more than 31                               0
 *     A, X and scratch cells                                begin as 0
 *     the packet's length                                   all fragments of it
 *
 * What only the kernel's filters can load (SKF_AD_OFF, SKF_LL_OFF), which bpf_filter() cannot, is
 * what the kernel would have said, as far as an XDP program can know it:
 *
 *     vlan_tci, vlanp, vlan_tpid    the tag that the device took off, where the program can ask for
 *                                   it; else none is there, and the tag is in the packet
 *     type                          of the frame's destination; never "outgoing"
 *     ifidx, queue, hatype, cpu, random, xor_x
 *     [SKF_LL_OFF + k]              [k]
 *     proto, mark, rxhash, poff, nla, nlan, SKF_NET_OFF     refused
 *
 * Backward jumps (libpcap's "protochain") are refused: XDP programs have to end.
 *
 * Every load is proved to the kernel's verifier: a packet pointer is compared with the end of the
 * packet once, and what that comparison has shown is not asked again on the ways behind it. Where
 * the packet may have fragments, a load behind the first buffer starts the program once more, in a
 * second version that loads through bpf_xdp_load_bytes().
 *
 * Pure: no system call.
 * Source: Documentation/networking/filter.rst, RFC 9669; measured on Linux 6.18.
 * Threads: none of its own. */
#ifndef ACCEL_BPF_TRANSLATE_H
#define ACCEL_BPF_TRANSLATE_H

#include "bpf/ebpf_asm.h"

#include <stdbool.h>

/* Between the parts of a generated program: where its parts find things. R0 to R5 are free. */
#define ACCEL_XLATE_DATA ACCEL_R6 /* the packet's first byte */
#define ACCEL_XLATE_A	 ACCEL_R7 /* upper half 0 */
#define ACCEL_XLATE_X	 ACCEL_R8 /* upper half 0 */
#define ACCEL_XLATE_END	 ACCEL_R9 /* behind the last byte of the first buffer */

/* On the stack, from R10. */
enum accel_xlate_slot {
	ACCEL_SLOT_CTX = -8,	     /* u64: the program's context */
	ACCEL_SLOT_VLAN_FOUND = -12, /* u32: did the device take a tag off */
	ACCEL_SLOT_VLAN_TCI = -16,   /* u16, upper half 0 */
	ACCEL_SLOT_VLAN_TPID = -20,  /* u16, big endian, upper half 0 */
	ACCEL_SLOT_SCRATCH = -24,    /* 4 bytes for anybody */
	ACCEL_SLOT_CELLS = -88,	     /* M[0] to M[15], u32 each */
	/* Of the interpreter, u32 each: see xdp_interp.c */
	ACCEL_SLOT_A = -92,
	ACCEL_SLOT_X = -100,
	ACCEL_SLOT_AT = -108, /* place of the operation that comes next */
	ACCEL_SLOT_VERDICT = -116,
	ACCEL_SLOT_LOOP_CELLS = -244, /* 8 bytes apart */
};

/* Offsets in struct xdp_md. */
enum accel_xdp_md {
	ACCEL_MD_DATA = 0,
	ACCEL_MD_DATA_END = 4,
	ACCEL_MD_DATA_META = 8,
	ACCEL_MD_IFINDEX = 12,
	ACCEL_MD_QUEUE = 16
};

struct accel_xlate {
	bool has_fragments; /* the packet may have more than its first buffer */
	bool by_helper;	    /* variable offsets may not be added to packet pointers: the loader
			       lacks CAP_PERFMON */
	bool has_vlan;	    /* the slots of the tag are filled */
	bool has_mac;	    /* mac[] is the device's; else frames to others are not known as such */
	uint8_t mac[6];
	uint32_t mark;	 /* of the instructions: | the number of the classic one */
	unsigned accept; /* label: R0 is the verdict, not 0 */
	unsigned reject; /* label */
};

/* Add the n instructions of `insns` as one piece that is entered at its top and left through one of
 * the two labels. `insns` must have passed accel_bpf_validate().
 * 0; -EOPNOTSUPP with the instruction and the reason; -ENOMEM. The assembler's errors are its own.
 * */
int accel_translate(struct accel_easm *as, const struct sock_filter *insns, unsigned n,
		    const struct accel_xlate *opt, struct accel_err *err);

#endif
