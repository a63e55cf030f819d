/* SPDX-License-Identifier: BSD-3-Clause */
/* assemble.h - builds a classic BPF program from instructions and labels, so that nobody counts
 * jumps.
 *
 * A conditional jump reaches 255 instructions; where its label is farther away, the assembler sends
 * it over a JA next to it. Jumps go forward only. Not an optimiser: what is put in comes out in the
 * same order.
 *
 * Errors are sticky: the functions in the middle return nothing, accel_asm_finish() reports the
 * first failure.
 *
 *     struct accel_asm as;
 *     accel_asm_init(&as);
 *     unsigned keep = accel_asm_label(&as);
 *     accel_asm_jump(&as, BPF_JMP | BPF_JEQ | BPF_K, 7, keep, ACCEL_ASM_NEXT);
 *     accel_asm_insn(&as, BPF_RET | BPF_K, 0);
 *     accel_asm_bind(&as, keep);
 *     err = accel_asm_finish(&as, tail, n_tail, &out, &n_out);
 *     accel_asm_fini(&as);
 *
 * Threads: an accel_asm belongs to its caller. */
#ifndef ACCEL_BPF_ASSEMBLE_H
#define ACCEL_BPF_ASSEMBLE_H

#include <linux/filter.h>
#include <stdint.h>

#define ACCEL_ASM_NEXT 0u /* the label of the instruction that follows */

struct accel_asm_item;

struct accel_asm {
	struct accel_asm_item *items;
	unsigned n_items, items_cap;
	unsigned *labels; /* label -> item that it stands before */
	unsigned n_labels, labels_cap;
	int error; /* the first one, 0 or -errno */
};

void accel_asm_init(struct accel_asm *as);
void accel_asm_fini(struct accel_asm *as);

/* A new label, to be bound once, before accel_asm_finish(). */
unsigned accel_asm_label(struct accel_asm *as);

/* The label stands before the next instruction that is added, or before the tail. */
void accel_asm_bind(struct accel_asm *as, unsigned label);

/* Any instruction but a jump. */
void accel_asm_insn(struct accel_asm *as, uint16_t code, uint32_t k);

/* A conditional jump. */
void accel_asm_jump(struct accel_asm *as, uint16_t code, uint32_t k, unsigned if_true,
		    unsigned if_false);

void accel_asm_goto(struct accel_asm *as, unsigned label);

/* The program, with the finished instructions of `tail` (whose jumps are its own) behind it.
 * *out is malloc'ed, free() it. 0, -ENOMEM, -E2BIG (over ACCEL_BPF_MAX_INSNS), -EINVAL (a label
 * that was not bound, or lies behind the jump to it: a fault of the caller). On failure *out and
 * *n_out are untouched. */
int accel_asm_finish(struct accel_asm *as, const struct sock_filter *tail, unsigned n_tail,
		     struct sock_filter **out, unsigned *n_out);

#endif
