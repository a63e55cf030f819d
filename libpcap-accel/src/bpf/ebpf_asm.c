/* SPDX-License-Identifier: BSD-3-Clause */
/* ebpf_asm.c - labels to jump offsets. See ebpf_asm.h. */
#include "bpf/ebpf_asm.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define UNBOUND	  UINT32_MAX
#define REACH	  INT16_MAX
#define MAX_INSNS 1000000u /* what the kernel's verifier walks */

struct accel_easm_item {
	struct accel_ebpf_insn insn;
	uint32_t mark;
	unsigned label; /* of a jump, of a function's address */
	bool is_jump;
	bool is_func;
	bool is_far;	 /* goes over a GOTO_L */
	bool is_reached; /* else it is left out */
	unsigned pc;	 /* where layout() puts it */
};

void accel_easm_init(struct accel_easm *as)
{
	memset(as, 0, sizeof(*as));
}

void accel_easm_fini(struct accel_easm *as)
{
	free(as->items);
	free(as->labels);
	memset(as, 0, sizeof(*as));
}

/* Room for one more of `size` bytes in *array. False: out of memory, noted. */
static bool make_room(struct accel_easm *as, void **array, unsigned n, unsigned *cap, size_t size)
{
	unsigned larger = *cap ? *cap * 2 : 128;
	void *moved;

	if (n < *cap)
		return true;
	moved = realloc(*array, larger * size);
	if (!moved) {
		as->error = -ENOMEM;
		return false;
	}
	*array = moved;
	*cap = larger;
	return true;
}

unsigned accel_easm_label(struct accel_easm *as)
{
	if (as->error || !make_room(as, (void **)&as->labels, as->n_labels, &as->labels_cap,
				    sizeof(*as->labels)))
		return 0;
	as->labels[as->n_labels] = UNBOUND;
	return as->n_labels++;
}

void accel_easm_bind(struct accel_easm *as, unsigned label)
{
	if (!as->error)
		as->labels[label] = as->n_items;
}

static void add_item(struct accel_easm *as, const struct accel_easm_item *item)
{
	if (as->error ||
	    !make_room(as, (void **)&as->items, as->n_items, &as->items_cap, sizeof(*as->items)))
		return;
	as->items[as->n_items] = *item;
	as->items[as->n_items++].mark = as->mark;
}

void accel_easm_insn(struct accel_easm *as, struct accel_ebpf_insn insn)
{
	struct accel_easm_item item = {.insn = insn};

	add_item(as, &item);
}

void accel_easm_jump(struct accel_easm *as, struct accel_ebpf_insn insn, unsigned label)
{
	struct accel_easm_item item = {.insn = insn, .label = label, .is_jump = true};

	add_item(as, &item);
}

void accel_easm_goto(struct accel_easm *as, unsigned label)
{
	accel_easm_jump(as, (struct accel_ebpf_insn){.code = ACCEL_BPF_GOTO}, label);
}

void accel_easm_func(struct accel_easm *as, enum accel_ebpf_reg dst, unsigned label)
{
	struct accel_easm_item item = {
		.insn = {.code = ACCEL_BPF_IMM64, .dst = dst & 15u, .src = ACCEL_PSEUDO_FUNC},
		.label = label,
		.is_func = true};

	add_item(as, &item);
}

static bool is_wide(const struct accel_easm_item *item)
{
	return item->insn.code == ACCEL_BPF_IMM64;
}

static bool is_goto(const struct accel_easm_item *item)
{
	return item->insn.code == ACCEL_BPF_GOTO;
}

/* The item that a jump goes to, through the gotos there; UNBOUND if that is none ahead. */
static unsigned target(const struct accel_easm *as, unsigned from)
{
	unsigned at = from, to;

	do {
		to = as->labels[as->items[at].label];
		if (to <= at || to >= as->n_items)
			return UNBOUND;
		at = to;
	} while (is_goto(&as->items[to]));
	return to;
}

/* As jumps go forward, one pass is enough. */
static int mark_reached(struct accel_easm *as)
{
	if (as->n_items == 0)
		return -EINVAL;
	as->items[0].is_reached = true;
	for (unsigned i = 0; i < as->n_items; i++) {
		const struct accel_easm_item *item = &as->items[i];
		unsigned to;

		if (!item->is_reached || item->insn.code == ACCEL_BPF_EXIT)
			continue;
		if (item->is_jump || item->is_func) {
			to = target(as, i);
			if (to == UNBOUND)
				return -EINVAL;
			as->items[to].is_reached = true;
		}
		if (is_goto(item))
			continue;
		if (i + 1 == as->n_items)
			return -EINVAL;
		as->items[i + 1].is_reached = true;
	}
	return 0;
}

/* A goto that leads to the next instruction is no instruction. */
static bool leads_on(const struct accel_easm *as, unsigned i)
{
	unsigned to;

	if (!is_goto(&as->items[i]))
		return false;
	to = target(as, i);
	for (unsigned between = i + 1; between < to; between++)
		if (as->items[between].is_reached)
			return false;
	return true;
}

/* Instructions that the item becomes. */
static unsigned width(const struct accel_easm *as, unsigned i)
{
	const struct accel_easm_item *item = &as->items[i];

	if (!item->is_reached || leads_on(as, i))
		return 0;
	if (is_wide(item))
		return 2;
	return item->is_far && !is_goto(item) ? 3 : 1;
}

/* Give every item its place. Returns the length of the program. */
static unsigned layout(struct accel_easm *as)
{
	unsigned pc = 0;

	for (unsigned i = 0; i < as->n_items; i++) {
		as->items[i].pc = pc;
		pc += width(as, i);
	}
	return pc;
}

/* Widen the jumps that do not reach. Each widening may push another target out of reach, so it
 * repeats until nothing changes; as nothing shrinks, it ends. */
static unsigned widen(struct accel_easm *as)
{
	unsigned end = 0;
	bool changed = true;

	while (changed) {
		changed = false;
		end = layout(as);
		for (unsigned i = 0; i < as->n_items; i++) {
			struct accel_easm_item *item = &as->items[i];

			if (!item->is_jump || !item->is_reached || item->is_far)
				continue;
			if (as->items[target(as, i)].pc - (item->pc + 1) <= REACH)
				continue;
			item->is_far = true;
			changed = true;
		}
	}
	return end;
}

static void emit_jump(const struct accel_easm *as, unsigned i, struct accel_ebpf_insn *out)
{
	const struct accel_easm_item *item = &as->items[i];
	unsigned pc = item->pc, to = as->items[target(as, i)].pc;

	out[pc] = item->insn;
	if (!item->is_far) {
		out[pc].off = (int16_t)(to - (pc + 1));
		return;
	}
	if (!is_goto(item)) {
		out[pc].off = 1;
		out[pc + 1] = (struct accel_ebpf_insn){.code = ACCEL_BPF_GOTO, .off = 1};
		pc += 2;
	}
	out[pc] = (struct accel_ebpf_insn){.code = ACCEL_BPF_GOTO_L, .imm = (int32_t)(to - pc - 1)};
}

/* It counts from the instruction's second half. */
static void emit_func(const struct accel_easm *as, unsigned i, struct accel_ebpf_prog *prog)
{
	const struct accel_easm_item *item = &as->items[i];

	prog->func = as->items[target(as, i)].pc;
	prog->insns[item->pc] = item->insn;
	prog->insns[item->pc].imm = (int32_t)(prog->func - (item->pc + 1));
}

static void emit(const struct accel_easm *as, struct accel_ebpf_prog *prog)
{
	for (unsigned i = 0; i < as->n_items; i++) {
		const struct accel_easm_item *item = &as->items[i];
		unsigned n = width(as, i);

		for (unsigned k = 0; k < n; k++)
			prog->marks[item->pc + k] = item->mark;
		if (n && item->is_jump)
			emit_jump(as, i, prog->insns);
		else if (n && item->is_func)
			emit_func(as, i, prog);
		else if (n)
			prog->insns[item->pc] = item->insn;
	}
}

int accel_easm_finish(struct accel_easm *as, struct accel_ebpf_prog *out)
{
	int err = as->error ? as->error : mark_reached(as);
	struct accel_ebpf_prog prog = {0};

	if (err < 0)
		return err;
	prog.n_insns = widen(as);
	if (prog.n_insns > MAX_INSNS)
		return -E2BIG;
	prog.insns = calloc(prog.n_insns, sizeof(*prog.insns));
	prog.marks = calloc(prog.n_insns, sizeof(*prog.marks));
	if (!prog.insns || !prog.marks) {
		accel_ebpf_prog_fini(&prog);
		return -ENOMEM;
	}
	emit(as, &prog);
	*out = prog;
	return 0;
}
