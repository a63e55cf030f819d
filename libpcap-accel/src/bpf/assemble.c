/* SPDX-License-Identifier: BSD-3-Clause */
/* assemble.c - labels to jump offsets. See assemble.h. */
#include "bpf/assemble.h"

#include "bpf/cbpf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNBOUND	  UINT32_MAX
#define REACH	  255u /* of a conditional jump */
#define GOTO_CODE (BPF_JMP | BPF_JA)

struct accel_asm_item {
	uint16_t code;
	uint32_t k;
	unsigned if_true, if_false; /* labels; of a goto if_true */
	bool far_true, far_false;   /* goes over a JA behind the jump */
	unsigned pc;		    /* where layout() puts it */
};

void accel_asm_init(struct accel_asm *as)
{
	memset(as, 0, sizeof(*as));
}

void accel_asm_fini(struct accel_asm *as)
{
	free(as->items);
	free(as->labels);
	memset(as, 0, sizeof(*as));
}

/* Room for one more of `size` bytes in *array. False: out of memory, noted. */
static bool make_room(struct accel_asm *as, void **array, unsigned n, unsigned *cap, size_t size)
{
	unsigned larger = *cap ? *cap * 2 : 64;
	void *moved;

	if (n < *cap)
		return true;
	moved = reallocarray(*array, larger, size);
	if (!moved) {
		as->error = -ENOMEM;
		return false;
	}
	*array = moved;
	*cap = larger;
	return true;
}

static bool add_label(struct accel_asm *as)
{
	if (!make_room(as, (void **)&as->labels, as->n_labels, &as->labels_cap,
		       sizeof(*as->labels)))
		return false;
	as->labels[as->n_labels++] = UNBOUND;
	return true;
}

unsigned accel_asm_label(struct accel_asm *as)
{
	/* Number 0 is ACCEL_ASM_NEXT and stays unbound. */
	if (as->error || (as->n_labels == 0 && !add_label(as)) || !add_label(as))
		return ACCEL_ASM_NEXT;
	return as->n_labels - 1;
}

void accel_asm_bind(struct accel_asm *as, unsigned label)
{
	if (!as->error)
		as->labels[label] = as->n_items;
}

static void add_item(struct accel_asm *as, const struct accel_asm_item *item)
{
	if (as->error ||
	    !make_room(as, (void **)&as->items, as->n_items, &as->items_cap, sizeof(*as->items)))
		return;
	as->items[as->n_items++] = *item;
}

void accel_asm_insn(struct accel_asm *as, uint16_t code, uint32_t k)
{
	struct accel_asm_item item = {.code = code, .k = k};

	add_item(as, &item);
}

void accel_asm_jump(struct accel_asm *as, uint16_t code, uint32_t k, unsigned if_true,
		    unsigned if_false)
{
	struct accel_asm_item item = {
		.code = code, .k = k, .if_true = if_true, .if_false = if_false};

	add_item(as, &item);
}

void accel_asm_goto(struct accel_asm *as, unsigned label)
{
	struct accel_asm_item item = {.code = GOTO_CODE, .if_true = label};

	add_item(as, &item);
}

/* Instructions that the item becomes. */
static unsigned width(const struct accel_asm_item *item)
{
	return 1 + item->far_true + item->far_false;
}

/* Give every item its place. Returns the length of the program. */
static unsigned layout(struct accel_asm *as)
{
	unsigned pc = 0;

	for (unsigned i = 0; i < as->n_items; i++) {
		as->items[i].pc = pc;
		pc += width(&as->items[i]);
	}
	return pc;
}

/* Where a label of items[from] is; `end` is the tail's place. UNBOUND if nowhere ahead. */
static unsigned place(const struct accel_asm *as, unsigned from, unsigned label, unsigned end)
{
	unsigned to = label == ACCEL_ASM_NEXT ? from + 1 : as->labels[label];

	if (to == UNBOUND || to <= from)
		return UNBOUND;
	return to < as->n_items ? as->items[to].pc : end;
}

/* Mark one side of a jump as far if it is. True if that is news. */
static bool stretch(bool *is_far, unsigned pc, unsigned target)
{
	if (*is_far || target - (pc + 1) <= REACH)
		return false;
	*is_far = true;
	return true;
}

/* Widen the jumps that do not reach. Each widening may push another label out of reach, so it
 * repeats until nothing changes; as nothing shrinks, it ends. */
static int widen(struct accel_asm *as, unsigned *end)
{
	bool changed = true;

	while (changed) {
		changed = false;
		*end = layout(as);
		for (unsigned i = 0; i < as->n_items; i++) {
			struct accel_asm_item *item = &as->items[i];
			unsigned t, f;

			if (BPF_CLASS(item->code) != BPF_JMP)
				continue;
			t = place(as, i, item->if_true, *end);
			f = place(as, i, item->if_false, *end);
			if (t == UNBOUND || f == UNBOUND)
				return -EINVAL;
			if (item->code == GOTO_CODE)
				continue;
			changed |= stretch(&item->far_true, item->pc, t);
			changed |= stretch(&item->far_false, item->pc, f);
		}
	}
	return 0;
}

static struct sock_filter ja(unsigned pc, unsigned target)
{
	return (struct sock_filter){.code = GOTO_CODE, .k = target - (pc + 1)};
}

static void emit_jump(const struct accel_asm *as, unsigned i, unsigned end, struct sock_filter *out)
{
	const struct accel_asm_item *item = &as->items[i];
	unsigned t = place(as, i, item->if_true, end);
	unsigned f = place(as, i, item->if_false, end);
	unsigned pc = item->pc, ja_pc = pc + 1;

	if (item->code == GOTO_CODE) {
		out[pc] = ja(pc, t);
		return;
	}
	out[pc] = (struct sock_filter){.code = item->code, .k = item->k};
	if (item->far_true) {
		out[ja_pc] = ja(ja_pc, t);
		t = ja_pc++;
	}
	if (item->far_false) {
		out[ja_pc] = ja(ja_pc, f);
		f = ja_pc;
	}
	out[pc].jt = (uint8_t)(t - (pc + 1));
	out[pc].jf = (uint8_t)(f - (pc + 1));
}

int accel_asm_finish(struct accel_asm *as, const struct sock_filter *tail, unsigned n_tail,
		     struct sock_filter **out, unsigned *n_out)
{
	struct sock_filter *insns;
	unsigned end = 0;
	int err = as->error ? as->error : widen(as, &end);

	if (err < 0)
		return err;
	if (n_tail > ACCEL_BPF_MAX_INSNS || end > ACCEL_BPF_MAX_INSNS - n_tail)
		return -E2BIG;
	insns = calloc(end + n_tail, sizeof(*insns));
	if (!insns)
		return -ENOMEM;
	for (unsigned i = 0; i < as->n_items; i++) {
		const struct accel_asm_item *item = &as->items[i];

		if (BPF_CLASS(item->code) == BPF_JMP)
			emit_jump(as, i, end, insns);
		else
			insns[item->pc] = (struct sock_filter){.code = item->code, .k = item->k};
	}
	if (n_tail)
		memcpy(insns + end, tail, n_tail * sizeof(*tail));
	*out = insns;
	*n_out = end + n_tail;
	return 0;
}
