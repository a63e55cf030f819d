/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_interp.c - the XDP program that runs the operations of xdp_ops.h.
 *
 * The function that bpf_loop() calls has a stack of its own; it works on its caller's, which it is
 * given, at the slots of enum accel_xlate_slot.
 *
 * The kernel's verifier walks through the loop once more for each thing that it knows to be
 * different. So nothing is known to it: what is computed with begins as what stands in the map, and
 * it is kept in the upper halves of 8 bytes of stack, where the verifier remembers neither a value
 * nor that two are the same (check_stack_write_fixed_off(), Linux 5.17 to 6.18).
 *
 * Threads: none of its own. */
#include "bpf/translate_private.h"
#include "bpf/xdp_ops_private.h"
#include "bpf/xdp_prog.h"

#include "base/util.h"

#include <stddef.h>

#define R0	   ACCEL_R0
#define R1	   ACCEL_R1
#define R2	   ACCEL_R2
#define R3	   ACCEL_R3
#define R4	   ACCEL_R4
#define R5	   ACCEL_R5
#define SLOTS	   ACCEL_R6
#define A	   ACCEL_XLATE_A
#define X	   ACCEL_XLATE_X
#define OPERAND	   ACCEL_R9
#define OP	   ACCEL_R2 /* the operation; spoilt by calls */
#define CODE	   ACCEL_R3
#define MOV	   ACCEL_BPF_MOV
#define N_CELLS	   BPF_MEMWORDS
#define MAX_OFFSET ACCEL_XLATE_MAX_OFFSET

struct loop {
	struct accel_easm *as;
	struct accel_xlating x;		       /* for what the translator has too */
	unsigned put_a, put_x, go_on, rejects; /* labels: how an operation ends */
};

static int cell_slot(uint32_t cell)
{
	return ACCEL_SLOT_LOOP_CELLS + 8 * (int)cell;
}

void accel_xdp_interpret(struct accel_easm *as, const struct accel_xlate *opt, unsigned func)
{
	static const int slots[] = {ACCEL_SLOT_A, ACCEL_SLOT_X, ACCEL_SLOT_VERDICT};
	unsigned own = accel_easm_label(as);

	accel_easm_map_value(as, R1, ACCEL_MAP_CONTROL);
	accel_easm_load(as, BPF_W, R2, R1, offsetof(struct accel_xdp_control, start));
	accel_easm_jump32_k(as, BPF_JEQ, R2, 0, own);
	accel_easm_store(as, BPF_W, ACCEL_R10, ACCEL_SLOT_AT, R2);
	accel_easm_load(as, BPF_W, R3, R1, offsetof(struct accel_xdp_control, zero));
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(slots); i++)
		accel_easm_store(as, BPF_W, ACCEL_R10, slots[i], R3);
	for (uint32_t cell = 0; cell < N_CELLS; cell++)
		accel_easm_store(as, BPF_W, ACCEL_R10, cell_slot(cell), R3);
	accel_easm_alu32_k(as, MOV, R1, ACCEL_XDP_MAX_OPS);
	accel_easm_func(as, R2, func);
	accel_easm_alu64_x(as, MOV, R3, ACCEL_R10);
	accel_easm_alu32_k(as, MOV, R4, 0);
	accel_easm_call(as, ACCEL_HELPER_LOOP);
	accel_easm_load(as, BPF_W, R0, ACCEL_R10, ACCEL_SLOT_VERDICT);
	accel_easm_jump32_k(as, BPF_JEQ, R0, 0, opt->reject);
	accel_easm_goto(as, opt->accept);
	accel_easm_bind(as, own);
}

static void return_k(struct loop *l, uint32_t k)
{
	accel_easm_alu32_k(l->as, MOV, R0, k);
	accel_easm_exit(l->as);
}

/* OP, CODE, A, X and OPERAND of the operation whose turn it is; the next one's is after it. */
static void fetch(struct loop *l)
{
	unsigned by_k = accel_easm_label(l->as);

	accel_easm_alu64_x(l->as, MOV, SLOTS, R2);
	accel_easm_load(l->as, BPF_W, A, SLOTS, ACCEL_SLOT_A);
	accel_easm_load(l->as, BPF_W, X, SLOTS, ACCEL_SLOT_X);
	accel_easm_load(l->as, BPF_W, R1, SLOTS, ACCEL_SLOT_AT);
	accel_easm_alu32_k(l->as, BPF_AND, R1, 2 * ACCEL_XDP_MAX_OPS - 1);
	accel_easm_alu32_x(l->as, MOV, R3, R1);
	accel_easm_alu32_k(l->as, BPF_ADD, R3, 1);
	accel_easm_store(l->as, BPF_W, SLOTS, ACCEL_SLOT_AT, R3);
	accel_easm_alu32_k(l->as, BPF_LSH, R1, 3);
	accel_easm_map_value(l->as, OP, ACCEL_MAP_CONTROL);
	accel_easm_alu64_x(l->as, BPF_ADD, OP, R1);
	accel_easm_load(l->as, BPF_W, OPERAND, OP, offsetof(struct accel_xdp_control, ops[0][0].k));
	accel_easm_load(l->as, BPF_B, R4, OP, offsetof(struct accel_xdp_control, ops[0][0].by_x));
	accel_easm_load(l->as, BPF_B, CODE, OP, offsetof(struct accel_xdp_control, ops[0][0].code));
	accel_easm_jump32_k(l->as, BPF_JEQ, R4, 0, by_k);
	accel_easm_alu32_x(l->as, MOV, OPERAND, X);
	accel_easm_bind(l->as, by_k);
}

/* x.to = `size` bytes at the offset in R2. */
static void load_at(struct loop *l, unsigned size)
{
	unsigned miss = accel_easm_label(l->as), there = accel_easm_label(l->as);

	if (!l->x.opt->by_helper) {
		accel_easm_jump64_k(l->as, BPF_JGT, R2, (int32_t)(MAX_OFFSET - size), miss);
		accel_easm_load(l->as, ACCEL_BPF_DW, R1, SLOTS, ACCEL_SLOT_CTX);
		accel_easm_load(l->as, BPF_W, R3, R1, ACCEL_MD_DATA);
		accel_easm_load(l->as, BPF_W, R4, R1, ACCEL_MD_DATA_END);
		accel_easm_alu64_x(l->as, BPF_ADD, R3, R2);
		accel_easm_alu64_x(l->as, MOV, R5, R3);
		accel_easm_alu64_k(l->as, BPF_ADD, R5, (int32_t)size);
		accel_easm_jump64_x(l->as, BPF_JGT, R5, R4, miss);
		accel_xlate_bytes(&l->x, size, R3, 0);
		accel_easm_goto(l->as, there);
	}
	accel_easm_bind(l->as, miss);
	if (l->x.opt->by_helper || l->x.opt->has_fragments) {
		accel_easm_jump64_k(l->as, BPF_JGT, R2, MAX_OFFSET, l->rejects);
		accel_xlate_by_helper(&l->x, size);
	} else {
		accel_easm_goto(l->as, l->rejects);
	}
	accel_easm_bind(l->as, there);
}

static void load(struct loop *l, unsigned code)
{
	static const unsigned sizes[] = {4, 2, 1};
	bool by_x = code >= ACCEL_XOP_IND;

	l->x.to = A;
	accel_easm_alu32_x(l->as, MOV, R2, OPERAND);
	if (by_x)
		accel_easm_alu64_x(l->as, BPF_ADD, R2, X);
	load_at(l, sizes[code - (by_x ? ACCEL_XOP_IND : ACCEL_XOP_ABS)]);
	accel_easm_goto(l->as, l->put_a);
}

static void load_header_len(struct loop *l)
{
	l->x.to = X;
	accel_easm_alu32_x(l->as, MOV, R2, OPERAND);
	load_at(l, 1);
	accel_easm_alu32_k(l->as, BPF_AND, X, 15);
	accel_easm_alu32_k(l->as, BPF_LSH, X, 2);
	accel_easm_goto(l->as, l->put_x);
}

/* What needs no operand is the translator's: a classic instruction, and one that ends the filter
 * behind it. */
static void as_translated(struct loop *l, struct sock_filter insn)
{
	const struct sock_filter insns[2] = {insn, BPF_STMT(BPF_RET | BPF_A, 0)};
	bool is_ldx = BPF_CLASS(insn.code) == BPF_LDX;

	l->x.insns = insns;
	l->x.n = 2;
	if (accel_xlate_refusal(&l->x, 0))
		accel_easm_goto(l->as, l->rejects);
	else if (is_ldx)
		accel_xlate_ldx(&l->x, 0);
	else
		accel_xlate_ld(&l->x, 0);
	accel_easm_goto(l->as, is_ldx ? l->put_x : l->put_a);
	l->x.insns = NULL;
}

static void access_cell(struct loop *l, unsigned code, int slot)
{
	switch (code) {
	case ACCEL_XOP_CELL:
		accel_easm_load(l->as, BPF_W, A, SLOTS, slot);
		accel_easm_goto(l->as, l->put_a);
		return;
	case ACCEL_XOP_CELLX:
		accel_easm_load(l->as, BPF_W, X, SLOTS, slot);
		accel_easm_goto(l->as, l->put_x);
		return;
	default:
		accel_easm_store(l->as, BPF_W, SLOTS, slot, code == ACCEL_XOP_ST ? A : X);
		accel_easm_goto(l->as, l->go_on);
	}
}

/* The stack has no places by variable, for a loader without CAP_PERFMON: one way a cell. */
static void choose_cell(struct loop *l, unsigned code, uint32_t first, uint32_t end)
{
	uint32_t middle = first + (end - first) / 2;
	unsigned upper = accel_easm_label(l->as);

	if (end - first == 1) {
		access_cell(l, code, cell_slot(first));
		return;
	}
	accel_easm_jump32_k(l->as, BPF_JGE, OPERAND, middle, upper);
	choose_cell(l, code, first, middle);
	accel_easm_bind(l->as, upper);
	choose_cell(l, code, middle, end);
}

static void compute(struct loop *l, uint8_t op)
{
	unsigned done = accel_easm_label(l->as), far = accel_easm_label(l->as);

	switch (op) {
	case BPF_NEG:
		accel_easm_alu32_k(l->as, op, A, 0);
		break;
	case BPF_LSH:
	case BPF_RSH:
		accel_easm_jump32_k(l->as, BPF_JGT, OPERAND, 31, far);
		accel_easm_alu32_x(l->as, op, A, OPERAND);
		accel_easm_goto(l->as, done);
		accel_easm_bind(l->as, far);
		accel_easm_alu32_k(l->as, MOV, A, 0);
		break;
	case BPF_DIV:
	case BPF_MOD:
		accel_easm_jump32_k(l->as, BPF_JEQ, OPERAND, 0, l->rejects);
		accel_easm_alu32_x(l->as, op, A, OPERAND);
		break;
	default:
		accel_easm_alu32_x(l->as, op, A, OPERAND);
	}
	accel_easm_bind(l->as, done);
	accel_easm_goto(l->as, l->put_a);
}

/* The place of the next operation is R1 farther. */
static void jump(struct loop *l, uint8_t op)
{
	unsigned taken = accel_easm_label(l->as), far = accel_easm_label(l->as);

	if (op == BPF_JA) {
		accel_easm_alu32_x(l->as, MOV, R1, OPERAND);
	} else {
		accel_easm_jump32_x(l->as, op, A, OPERAND, taken);
		accel_easm_load(l->as, BPF_B, R1, OP,
				offsetof(struct accel_xdp_control, ops[0][0].jf));
		accel_easm_goto(l->as, far);
		accel_easm_bind(l->as, taken);
		accel_easm_load(l->as, BPF_B, R1, OP,
				offsetof(struct accel_xdp_control, ops[0][0].jt));
		accel_easm_bind(l->as, far);
	}
	accel_easm_load(l->as, BPF_W, R3, SLOTS, ACCEL_SLOT_AT);
	accel_easm_alu32_x(l->as, BPF_ADD, R3, R1);
	accel_easm_store(l->as, BPF_W, SLOTS, ACCEL_SLOT_AT, R3);
	accel_easm_goto(l->as, l->go_on);
}

static void finish(struct loop *l, enum accel_ebpf_reg verdict)
{
	accel_easm_store(l->as, BPF_W, SLOTS, ACCEL_SLOT_VERDICT, verdict);
	return_k(l, 1);
}

static void put(struct loop *l, enum accel_ebpf_reg reg, enum accel_ebpf_reg value)
{
	accel_easm_alu32_x(l->as, MOV, reg, value);
	accel_easm_goto(l->as, reg == A ? l->put_a : l->put_x);
}

static struct sock_filter aux_load(int field)
{
	return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					    (uint32_t)(SKF_AD_OFF + field));
}

static void add_small_op(struct loop *l, unsigned code)
{
	switch (code) {
	case ACCEL_XOP_RET:
		finish(l, OPERAND);
		return;
	case ACCEL_XOP_RET_A:
		finish(l, A);
		return;
	case ACCEL_XOP_LD:
		put(l, A, OPERAND);
		return;
	case ACCEL_XOP_LDX:
		put(l, X, OPERAND);
		return;
	case ACCEL_XOP_TAX:
		put(l, X, A);
		return;
	case ACCEL_XOP_LEN:
		as_translated(l, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0));
		return;
	case ACCEL_XOP_LENX:
		as_translated(l, (struct sock_filter)BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0));
		return;
	case ACCEL_XOP_MSH:
		load_header_len(l);
		return;
	default:
		accel_easm_goto(l->as, l->rejects);
	}
}

static void add_op(struct loop *l, unsigned code)
{
	if (code >= ACCEL_XOP_END)
		accel_easm_goto(l->as, l->rejects);
	else if (code >= ACCEL_XOP_AUX)
		as_translated(l, aux_load(accel_xdp_aux_fields[code - ACCEL_XOP_AUX]));
	else if (code >= ACCEL_XOP_JMP)
		jump(l, (uint8_t)((code - ACCEL_XOP_JMP) << 4));
	else if (code >= ACCEL_XOP_ALU)
		compute(l, (uint8_t)((code - ACCEL_XOP_ALU) << 4));
	else if (code >= ACCEL_XOP_CELL)
		choose_cell(l, code, 0, N_CELLS);
	else if (code >= ACCEL_XOP_ABS && code < ACCEL_XOP_MSH)
		load(l, code);
	else
		add_small_op(l, code);
}

/* By halves. */
static void choose_op(struct loop *l, unsigned first, unsigned end)
{
	unsigned middle = first + (end - first) / 2, upper = accel_easm_label(l->as);

	if (end - first == 1) {
		add_op(l, first);
		return;
	}
	accel_easm_jump32_k(l->as, BPF_JGE, CODE, middle, upper);
	choose_op(l, first, middle);
	accel_easm_bind(l->as, upper);
	choose_op(l, middle, end);
}

void accel_xdp_add_function(struct accel_easm *as, const struct accel_xlate *opt, unsigned func)
{
	struct accel_xlate of_loop = *opt;
	struct loop l = {.as = as};

	l.put_a = accel_easm_label(as);
	l.put_x = accel_easm_label(as);
	l.go_on = accel_easm_label(as);
	l.rejects = accel_easm_label(as);
	of_loop.reject = l.rejects;
	l.x = (struct accel_xlating){.as = as, .opt = &of_loop, .is_slow = true, .slots = SLOTS};
	accel_easm_bind(as, func);
	fetch(&l);
	choose_op(&l, 0, ACCEL_XOP_END + 1); /* the last is what no operation is */
	accel_easm_bind(as, l.rejects);
	accel_easm_alu32_k(as, MOV, R0, 0);
	finish(&l, R0);
	accel_easm_bind(as, l.put_a);
	accel_easm_store(as, BPF_W, SLOTS, ACCEL_SLOT_A, A);
	return_k(&l, 0);
	accel_easm_bind(as, l.put_x);
	accel_easm_store(as, BPF_W, SLOTS, ACCEL_SLOT_X, X);
	accel_easm_bind(as, l.go_on);
	return_k(&l, 0);
}
