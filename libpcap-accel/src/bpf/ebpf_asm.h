/* SPDX-License-Identifier: BSD-3-Clause */
/* ebpf_asm.h - builds an extended BPF program from instructions and labels.
 *
 * Jumps go forward only, so every program ends. A jump that 16 bits cannot count goes over a long
 * one (Linux 6.6). What no jump and no fall reaches is left out: the kernel refuses unreachable
 * instructions, and generators may put in what is perhaps not needed.
 *
 * Errors are sticky: the functions in the middle return nothing, accel_easm_finish() reports the
 * first failure. Each carries the present mark into the program (struct accel_ebpf_prog).
 *
 * Operations are those of <linux/filter.h> and ebpf.h: BPF_ADD, ACCEL_BPF_MOV, BPF_JEQ, ... A name
 * that ends in 32 works on the lower halves, in 64 on whole registers; k is a number, x a register.
 *
 * Threads: an accel_easm belongs to its caller. */
#ifndef ACCEL_BPF_EBPF_ASM_H
#define ACCEL_BPF_EBPF_ASM_H

#include "bpf/ebpf.h"

#include <linux/filter.h>

struct accel_easm_item;

struct accel_easm {
	struct accel_easm_item *items;
	unsigned n_items, items_cap;
	unsigned *labels; /* label -> item that it stands before */
	unsigned n_labels, labels_cap;
	uint32_t mark; /* of what is added from now on */
	int error;     /* the first one, 0 or -errno */
};

void accel_easm_init(struct accel_easm *as);
void accel_easm_fini(struct accel_easm *as);

/* A new label, to be bound once, before accel_easm_finish(), if a jump names it. */
unsigned accel_easm_label(struct accel_easm *as);

/* The label stands before the next instruction that is added. */
void accel_easm_bind(struct accel_easm *as, unsigned label);

/* Any instruction but a jump. */
void accel_easm_insn(struct accel_easm *as, struct accel_ebpf_insn insn);

/* A jump: its `off` is the label's. Not taken, it goes on with the next instruction. */
void accel_easm_jump(struct accel_easm *as, struct accel_ebpf_insn insn, unsigned label);
void accel_easm_goto(struct accel_easm *as, unsigned label);

/* dst = the function that begins at the label, for ACCEL_HELPER_LOOP. A program has at most one; it
 * stands behind the program's own last exit, and no jump leads into it. */
void accel_easm_func(struct accel_easm *as, enum accel_ebpf_reg dst, unsigned label);

/* dst = dst OP k, dst = dst OP src. */
void accel_easm_alu32_k(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg dst, uint32_t k);
void accel_easm_alu32_x(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg dst,
			enum accel_ebpf_reg src);
void accel_easm_alu64_k(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg dst, int32_t k);
void accel_easm_alu64_x(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg dst,
			enum accel_ebpf_reg src);

/* if (reg OP k) goto label. */
void accel_easm_jump32_k(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg reg, uint32_t k,
			 unsigned label);
void accel_easm_jump32_x(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg reg,
			 enum accel_ebpf_reg other, unsigned label);
void accel_easm_jump64_k(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg reg, int32_t k,
			 unsigned label);
void accel_easm_jump64_x(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg reg,
			 enum accel_ebpf_reg other, unsigned label);

/* dst = *(size *)(src + off), *(size *)(dst + off) = src; size is BPF_B, BPF_H, BPF_W or
 * ACCEL_BPF_DW. */
void accel_easm_load(struct accel_easm *as, uint8_t size, enum accel_ebpf_reg dst,
		     enum accel_ebpf_reg src, int off);
void accel_easm_store(struct accel_easm *as, uint8_t size, enum accel_ebpf_reg dst, int off,
		      enum accel_ebpf_reg src);
void accel_easm_store_k(struct accel_easm *as, uint8_t size, enum accel_ebpf_reg dst, int off,
			int32_t k);

/* reg, as big endian of 16 or 32 bits, in the machine's order. */
void accel_easm_from_be(struct accel_easm *as, enum accel_ebpf_reg reg, unsigned bits);

void accel_easm_call(struct accel_easm *as, enum accel_ebpf_helper helper);
void accel_easm_call_kfunc(struct accel_easm *as, enum accel_ebpf_kfunc kfunc);
void accel_easm_map(struct accel_easm *as, enum accel_ebpf_reg dst, enum accel_ebpf_map map);
void accel_easm_map_value(struct accel_easm *as, enum accel_ebpf_reg dst, enum accel_ebpf_map map);
void accel_easm_exit(struct accel_easm *as);

/* The program; accel_ebpf_prog_fini() frees it. 0, -ENOMEM, -E2BIG (over a million instructions),
 * -EINVAL (a label that was not bound, or lies behind the jump to it, or the end is reached without
 * an exit: a fault of the caller). On failure *out is untouched. */
int accel_easm_finish(struct accel_easm *as, struct accel_ebpf_prog *out);

#endif
