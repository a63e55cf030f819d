/* SPDX-License-Identifier: BSD-3-Clause */
/* translate_private.h - what the two files of the translator and the interpreter share.
 *
 * Inside translate*.c and xdp_op*.c only.
 * Threads: an xlate belongs to one translation. */
#ifndef ACCEL_BPF_TRANSLATE_PRIVATE_H
#define ACCEL_BPF_TRANSLATE_PRIVATE_H

#include "bpf/translate.h"

/* No packet pointer may be moved farther: MAX_PACKET_OFF of the kernel's verifier. */
#define ACCEL_XLATE_MAX_OFFSET 0xffffu

#define ACCEL_XLATE_UNREACHED UINT32_MAX /* in proven[] */

struct accel_xlating {
	struct accel_easm *as;
	const struct accel_xlate *opt;
	const struct sock_filter *insns;
	unsigned n;
	uint32_t
		*proven; /* before insns[i], on all ways: this many bytes are in the first buffer */
	unsigned *labels;	   /* of insns[i], in the present version */
	unsigned miss;		   /* label: a load is behind the first buffer */
	bool is_slow;		   /* the version that loads through the helper */
	enum accel_ebpf_reg to;	   /* where a load puts what it loads: A or X */
	enum accel_ebpf_reg slots; /* what enum accel_xlate_slot counts from */
	uint16_t cells;		   /* that are read */
};

/* The bytes that are proved to be in the first buffer once insns[i] has been run; 0 = none by it.
 * */
uint32_t accel_xlate_reach(const struct accel_xlating *x, unsigned i);

/* Why the program cannot load this, NULL if it can. */
const char *accel_xlate_refusal(const struct accel_xlating *x, unsigned i);

/* Fill proven[] (n entries, of which [0] is 0) and cells; refuse what is reached and cannot be
 * translated. 0, -EOPNOTSUPP. */
int accel_xlate_analyse(struct accel_xlating *x, struct accel_err *err);

/* Offsets from SKF_LL_OFF count from the frame's first byte, as the others do. */
uint32_t accel_xlate_offset(uint32_t k);

/* Does insns[i] ask for the packet's type, only to know whether it is an outgoing one? */
bool accel_xlate_is_inbound(const struct accel_xlating *x, unsigned i);

/* x->to = `size` bytes, big endian, at base + off. */
void accel_xlate_bytes(struct accel_xlating *x, unsigned size, enum accel_ebpf_reg base, int off);

/* x->to = `size` bytes of the packet at the offset in R2, which is at most
 * ACCEL_XLATE_MAX_OFFSET. */
void accel_xlate_by_helper(struct accel_xlating *x, unsigned size);

/* The load insns[i]. */
void accel_xlate_ld(struct accel_xlating *x, unsigned i);
void accel_xlate_ldx(struct accel_xlating *x, unsigned i);

/* Place of a scratch cell on the stack. */
int accel_xlate_cell(uint32_t cell);

#endif
