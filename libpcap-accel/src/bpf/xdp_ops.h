/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_ops.h - the interpreter: a filter as operations in a map, and the XDP program that runs them.
 *
 * Loading a program takes privileges, and programs such as tcpdump set their filter when they have
 * given those up. To write the memory of a map that was mapped before takes none. So a program that
 * was loaded in time runs what stands in struct accel_xdp_control: the classic instructions, each
 * with its meaning already looked up, in the order and with the jumps of the filter. What it says
 * is what translate.h says, in all corners.
 *
 * It walks through bpf_loop() (Linux 5.17), one call an operation: the kernel proves the one call,
 * so the length of the filter does not matter to it. Whatever stands in the map, the program ends
 * and stays within the packet.
 *
 * Pure: no system call.
 * Threads: none of its own. */
#ifndef ACCEL_BPF_XDP_OPS_H
#define ACCEL_BPF_XDP_OPS_H

#include "bpf/translate.h"

#define ACCEL_XDP_MAX_OPS 4096u /* BPF_MAXINSNS */

/* What an operation does with its operand: k, or X where by_x. Numbers that are not here reject the
 * packet, 0 among them: what nobody has written takes nothing. */
enum accel_xdp_opcode {
	ACCEL_XOP_REJECT,
	ACCEL_XOP_RET, /* verdict: operand */
	ACCEL_XOP_RET_A,
	ACCEL_XOP_LD,  /* A = operand */
	ACCEL_XOP_LDX, /* X = operand */
	ACCEL_XOP_TAX,
	ACCEL_XOP_LEN, /* A = the packet's length */
	ACCEL_XOP_LENX,
	ACCEL_XOP_ABS,			   /* A = 4 bytes at k; 2; 1 */
	ACCEL_XOP_IND = ACCEL_XOP_ABS + 3, /* the same at X + k */
	ACCEL_XOP_MSH = ACCEL_XOP_IND + 3, /* X = 4 times the lower half of the byte at k */
	ACCEL_XOP_CELL,			   /* A = M[k] */
	ACCEL_XOP_CELLX,
	ACCEL_XOP_ST, /* M[k] = A */
	ACCEL_XOP_STX,
	ACCEL_XOP_ALU,			    /* A = A op operand, by BPF_OP() >> 4 */
	ACCEL_XOP_JMP = ACCEL_XOP_ALU + 11, /* the same */
	ACCEL_XOP_AUX = ACCEL_XOP_JMP + 5,  /* A = metadata, by the table in xdp_ops.c */
	ACCEL_XOP_END = ACCEL_XOP_AUX + 8,
};

struct accel_xdp_op {
	uint8_t code; /* enum accel_xdp_opcode */
	uint8_t by_x; /* the operand is X */
	uint8_t jt, jf;
	uint32_t k;
};

/* The filter as operations: n of them, at most ACCEL_XDP_MAX_OPS, out of `insns`, which have passed
 * accel_bpf_validate(); n = 0: one that takes every packet whole. 0; -EOPNOTSUPP with the
 * instruction and the reason, as accel_translate(); -E2BIG; -ENOMEM. *out is untouched on
 * failure. */
int accel_xdp_ops(const struct sock_filter *insns, unsigned n, struct accel_xdp_op *out,
		  struct accel_err *err);

/* Into a program: where ACCEL_MAP_CONTROL names a filter, run it and leave through opt->accept (R0
 * is the verdict) or opt->reject, else go on behind this piece. `func` is the label of the function
 * that accel_xdp_add_function() adds behind the program's last exit. */
void accel_xdp_interpret(struct accel_easm *as, const struct accel_xlate *opt, unsigned func);
void accel_xdp_add_function(struct accel_easm *as, const struct accel_xlate *opt, unsigned func);

#endif
