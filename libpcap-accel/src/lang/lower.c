/* SPDX-License-Identifier: BSD-3-Clause */
/* lower.c - control flow, and what a program returns. See lower.h.
 *
 * A predicate jumps to one of two labels. An action falls through, or jumps to the drop label,
 * which within an alternative of par or inv is a place of theirs.
 * Threads: none of its own. */
#include "lang/lower.h"

#include "base/err.h"
#include "base/str.h"
#include "bpf/cbpf.h"
#include "lang/source.h"

#include <errno.h>
#include <string.h>

#define KEEP_ALL  UINT32_MAX
#define LANES_MAX 1024u /* instructions of a program with two lanes */

static void lower_test(struct accel_lang_lower *l, const struct accel_lang_node *n, unsigned yes,
		       unsigned no);

static void lower_and_or(struct accel_lang_lower *l, const struct accel_lang_node *n, unsigned yes,
			 unsigned no)
{
	for (const struct accel_lang_node *kid = n->kids; kid; kid = kid->next) {
		unsigned next = accel_lang_label(l);

		if (!kid->next)
			lower_test(l, kid, yes, no);
		else if (n->kind == ACCEL_NODE_AND)
			lower_test(l, kid, next, no);
		else
			lower_test(l, kid, yes, next);
		accel_lang_bind(l, next);
	}
}

/* Two copies of each operand but the first: one for an odd, one for an even number of true ones
 * before it. */
static void lower_xor(struct accel_lang_lower *l, const struct accel_lang_node *kid, unsigned yes,
		      unsigned no)
{
	unsigned odd = accel_lang_label(l), even = accel_lang_label(l);

	lower_test(l, kid, odd, even);
	for (kid = kid->next; kid; kid = kid->next) {
		unsigned next_odd = kid->next ? accel_lang_label(l) : yes;
		unsigned next_even = kid->next ? accel_lang_label(l) : no;

		accel_lang_bind(l, odd);
		lower_test(l, kid, next_even, next_odd);
		accel_lang_bind(l, even);
		lower_test(l, kid, next_odd, next_even);
		odd = next_odd;
		even = next_even;
	}
}

/* With the property in A. */
static void lower_comparison(struct accel_lang_lower *l, enum accel_lang_cmp cmp, uint32_t k,
			     unsigned yes, unsigned no)
{
	switch (cmp) {
	case ACCEL_CMP_LESS:
		accel_lang_jump(l, BPF_JGE, k, no, yes);
		return;
	case ACCEL_CMP_LESS_EQ:
		accel_lang_jump(l, BPF_JGT, k, no, yes);
		return;
	case ACCEL_CMP_EQUAL:
		accel_lang_jump(l, BPF_JEQ, k, yes, no);
		return;
	case ACCEL_CMP_NOT_EQUAL:
		accel_lang_jump(l, BPF_JEQ, k, no, yes);
		return;
	case ACCEL_CMP_GREATER:
		accel_lang_jump(l, BPF_JGT, k, yes, no);
		return;
	case ACCEL_CMP_GREATER_EQ:
		accel_lang_jump(l, BPF_JGE, k, yes, no);
		return;
	case ACCEL_CMP_ANY_BIT:
		accel_lang_jump(l, BPF_JSET, k, yes, no);
		return;
	case ACCEL_CMP_ALL_BIT:
		accel_lang_alu(l, BPF_AND, k);
		accel_lang_jump(l, BPF_JEQ, k, yes, no);
		return;
	}
}

/* Properties have 32 bits: of a number with more it is known how each compares. */
static void lower_compare(struct accel_lang_lower *l, const struct accel_lang_node *n, unsigned yes,
			  unsigned no)
{
	enum accel_lang_cmp cmp = n->cmp;
	uint32_t low = (uint32_t)n->num[0];

	accel_lang_lower_property(l, n->kids, no);
	if (n->num[0] <= UINT32_MAX || cmp == ACCEL_CMP_ANY_BIT)
		lower_comparison(l, cmp, low, yes, no);
	else if (cmp == ACCEL_CMP_LESS || cmp == ACCEL_CMP_LESS_EQ || cmp == ACCEL_CMP_NOT_EQUAL)
		accel_lang_goto(l, yes);
	else
		accel_lang_goto(l, no);
}

static void lower_test(struct accel_lang_lower *l, const struct accel_lang_node *n, unsigned yes,
		       unsigned no)
{
	if (accel_lang_is_full(l))
		return;
	l->at = n;
	switch (n->kind) {
	case ACCEL_NODE_TEST:
		n->prim->test->lower(l, n, yes, no);
		return;
	case ACCEL_NODE_PCAP:
		accel_lang_lower_pcap(l, n, yes, no);
		return;
	case ACCEL_NODE_COMPARE:
		lower_compare(l, n, yes, no);
		return;
	case ACCEL_NODE_NOT:
		lower_test(l, n->kids, no, yes);
		return;
	case ACCEL_NODE_XOR:
		lower_xor(l, n->kids, yes, no);
		return;
	default:
		lower_and_or(l, n, yes, no);
		return;
	}
}

static void lower_act(struct accel_lang_lower *l, const struct accel_lang_node *n);

static void lower_filter(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned pass = accel_lang_label(l);

	lower_test(l, n->kids, pass, l->drop);
	accel_lang_bind(l, pass);
}

static void lower_if(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned yes = accel_lang_label(l), no = accel_lang_label(l), end = accel_lang_label(l);
	const struct accel_lang_node *first = n->kids->next;

	lower_test(l, n->kids, yes, no);
	accel_lang_bind(l, yes);
	lower_act(l, first);
	if (first->next) {
		accel_lang_goto(l, end);
		accel_lang_bind(l, no);
		lower_act(l, first->next);
	} else {
		accel_lang_bind(l, no);
	}
	accel_lang_bind(l, end);
}

static const enum accel_lang_var fan_vars[] = {ACCEL_VAR_FAN, ACCEL_VAR_H, ACCEL_VAR_H2,
					       ACCEL_VAR_CLASS};

/* Copy the fan-out into cells of its own, or back. */
static void keep_fan(struct accel_lang_lower *l, uint8_t saved[ACCEL_ARRAY_LEN(fan_vars)])
{
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(fan_vars); i++) {
		if (!accel_lang_has_cell(l, fan_vars[i]))
			continue;
		saved[i] = accel_lang_take_cell(l);
		accel_lang_load(l, fan_vars[i]);
		accel_asm_insn(&l->as, BPF_ST, saved[i]);
	}
}

static void restore_fan(struct accel_lang_lower *l, const uint8_t saved[ACCEL_ARRAY_LEN(fan_vars)])
{
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(fan_vars); i++) {
		if (!accel_lang_has_cell(l, fan_vars[i]))
			continue;
		accel_asm_insn(&l->as, BPF_LD | BPF_MEM, saved[i]);
		accel_lang_store(l, fan_vars[i]);
	}
}

/* An alternative whose drop goes to where the next one begins. */
static void lower_alternative(struct accel_lang_lower *l, const struct accel_lang_node *n,
			      unsigned end)
{
	uint8_t saved[ACCEL_ARRAY_LEN(fan_vars)] = {0};
	unsigned outer_drop = l->drop, outer_level = l->level, outer_cells = l->n_cells;
	bool late = accel_lang_drops_late(n);

	l->drop = accel_lang_label(l);
	if (late)
		keep_fan(l, saved);
	lower_act(l, n);
	accel_lang_goto(l, end);
	accel_lang_bind(l, l->drop);
	l->drop = outer_drop;
	if (late)
		restore_fan(l, saved);
	l->n_cells = outer_cells;
	if (accel_lang_shifts(n))
		accel_lang_lower_to_level(l, outer_level);
}

static void lower_par(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned end = accel_lang_label(l);
	const struct accel_lang_node *kid = n->kids;

	for (; kid->next; kid = kid->next)
		lower_alternative(l, kid, end);
	lower_act(l, kid);
	accel_lang_bind(l, end);
}

static void lower_inv(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned outer_drop = l->drop, outer_level = l->level;

	l->drop = accel_lang_label(l);
	lower_act(l, n->kids);
	accel_lang_goto(l, outer_drop);
	accel_lang_bind(l, l->drop);
	l->drop = outer_drop;
	if (accel_lang_shifts(n->kids))
		accel_lang_lower_to_level(l, outer_level);
	accel_lang_set(l, ACCEL_VAR_FAN, ACCEL_MAKES_COPY);
}

static void lower_shift(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned outer = l->level;

	accel_lang_lower_to_level(l, outer + 1);
	lower_act(l, n->kids);
	accel_lang_lower_to_level(l, outer);
}

static void lower_act(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	if (accel_lang_is_full(l))
		return;
	l->at = n;
	switch (n->kind) {
	case ACCEL_NODE_FILTER:
		lower_filter(l, n);
		return;
	case ACCEL_NODE_CHAIN:
		for (const struct accel_lang_node *kid = n->kids; kid; kid = kid->next)
			lower_act(l, kid);
		return;
	case ACCEL_NODE_IF:
		lower_if(l, n);
		return;
	case ACCEL_NODE_PAR:
		lower_par(l, n);
		return;
	case ACCEL_NODE_INV:
		lower_inv(l, n);
		return;
	case ACCEL_NODE_SHIFT:
		lower_shift(l, n);
		return;
	case ACCEL_NODE_ENDS:
		lower_act(l, n->kids);
		return;
	default:
		n->prim->act->lower(l, n);
	}
}

/* Which cells does this program need? */
static void choose_cells(struct accel_lang_lower *l)
{
	const struct accel_lang_target *target = l->target;
	unsigned uses = l->shape.uses, fans = l->shape.makes & ACCEL_MAKES_FANOUT;
	const bool needs[ACCEL_N_VARS] = {
		[ACCEL_VAR_LEN] = uses & (ACCEL_USES_TYPE | ACCEL_USES_L4 | ACCEL_USES_LEN),
		[ACCEL_VAR_NET] = uses & ACCEL_USES_TYPE,
		[ACCEL_VAR_TYPE] = uses & ACCEL_USES_TYPE,
		[ACCEL_VAR_KIND] = uses & ACCEL_USES_TYPE,
		[ACCEL_VAR_L4] = uses & ACCEL_USES_L4,
		[ACCEL_VAR_ROOM] = uses & ACCEL_USES_L4,
		[ACCEL_VAR_FAN] = !target->fanout && (target->keeps & fans) != fans,
		[ACCEL_VAR_H] = (target->fanout && !target->second) || target->differ_of,
		[ACCEL_VAR_H2] = (target->fanout && target->second) || target->differ_of,
		[ACCEL_VAR_CLASS] = !target->fanout && uses & ACCEL_USES_CLASS,
		[ACCEL_VAR_MARK] = uses & ACCEL_USES_MARK,
		[ACCEL_VAR_STATE] = uses & ACCEL_USES_STATE,
		[ACCEL_VAR_TMP] = true,
		[ACCEL_VAR_TMP2] = true,
	};

	for (unsigned i = 0; i < ACCEL_N_VARS; i++)
		l->cell[i] = needs[i] ? accel_lang_take_cell(l) : ACCEL_NO_CELL;
}

static void init_fan(struct accel_lang_lower *l)
{
	accel_lang_set(l, ACCEL_VAR_FAN, ACCEL_MAKES_COPY);
	accel_lang_set(l, ACCEL_VAR_CLASS, 1);
	accel_lang_set(l, ACCEL_VAR_H, 0);
	accel_lang_set(l, ACCEL_VAR_H2, 0);
	accel_lang_set(l, ACCEL_VAR_MARK, 0);
	accel_lang_set(l, ACCEL_VAR_STATE, 0);
}

/* The tree, in one lane or two that meet behind it. */
static void lower_lanes(struct accel_lang_lower *l, const struct accel_lang_node *tree)
{
	unsigned slow = accel_lang_label(l), end = accel_lang_label(l);

	if (l->fast) {
		accel_lang_lower_fast_headers(l, slow);
		init_fan(l);
		lower_act(l, tree);
		accel_lang_goto(l, end);
	}
	accel_lang_bind(l, slow);
	l->fast = false;
	l->x_at = -1;
	accel_lang_lower_headers(l);
	init_fan(l);
	lower_act(l, tree);
	accel_lang_bind(l, end);
}

/* Member of a value. */
static void lower_member(struct accel_lang_lower *l, enum accel_lang_var var)
{
	accel_lang_load(l, var);
	accel_lang_lower_mix(l);
	accel_lang_alu(l, BPF_MOD, l->target->differ_of);
}

/* Behind the tree of a filter: keep, or to the drop label. */
static void lower_keep(struct accel_lang_lower *l)
{
	if (accel_lang_has_cell(l, ACCEL_VAR_CLASS)) {
		accel_lang_load(l, ACCEL_VAR_CLASS);
		accel_lang_jump(l, BPF_JEQ, 0, l->drop, ACCEL_ASM_NEXT);
	}
	if (accel_lang_has_cell(l, ACCEL_VAR_FAN)) {
		accel_lang_load(l, ACCEL_VAR_FAN);
		accel_lang_jump(l, BPF_JSET, l->target->keeps, ACCEL_ASM_NEXT, l->drop);
	}
	if (!l->target->differ_of)
		return;
	lower_member(l, ACCEL_VAR_H);
	accel_lang_store(l, ACCEL_VAR_TMP2);
	lower_member(l, ACCEL_VAR_H2);
	accel_lang_load_x(l, ACCEL_VAR_TMP2);
	accel_lang_jump_x(l, BPF_JEQ, l->drop, ACCEL_ASM_NEXT);
}

static void finish_filter(struct accel_lang_lower *l, bool with_tail)
{
	unsigned keep = accel_lang_label(l);

	lower_keep(l);
	accel_lang_goto(l, keep);
	accel_lang_bind(l, l->drop);
	accel_asm_insn(&l->as, BPF_RET | BPF_K, 0);
	accel_lang_bind(l, keep);
	if (with_tail) {
		accel_lang_imm(l, 0);
		accel_lang_tax(l);
	}
}

static void finish_fanout(struct accel_lang_lower *l)
{
	accel_lang_load(l, l->target->second ? ACCEL_VAR_H2 : ACCEL_VAR_H);
	accel_lang_lower_mix(l);
	accel_asm_insn(&l->as, BPF_RET | BPF_A, 0);
	accel_lang_bind(l, l->drop);
	accel_asm_insn(&l->as, BPF_RET | BPF_K, 0);
}

static int fail(const struct accel_lang_lower *l, int code, unsigned n_tail)
{
	unsigned n = l->as.n_items + n_tail; /* jumps that are too long need more */
	struct accel_quote quote;

	accel_quote(&quote, l->src->name, strlen(l->src->name));
	if (code == -E2BIG)
		return accel_fail(l->src->err, code,
				  "%s: needs a program of %u instructions or more (at most %u)",
				  quote.text, ACCEL_MAX(n, ACCEL_BPF_MAX_INSNS + 1u),
				  ACCEL_BPF_MAX_INSNS);
	return accel_fail(l->src->err, code, "%s: out of memory", quote.text);
}

/* Does the program keep every packet? */
static bool is_trivial(const struct accel_lang_lower *l)
{
	const struct accel_lang_target *target = l->target;

	return !target->fanout && !(l->shape.makes & ACCEL_MAKES_DROP) &&
	       !(l->shape.uses & ACCEL_USES_CLASS) && !target->differ_of &&
	       l->cell[ACCEL_VAR_FAN] == ACCEL_NO_CELL && l->shape.makes & ACCEL_MAKES_FANOUT;
}

/* Are two lanes too much of a good thing? The kernel charges a socket for its filter, and while it
 * is replaced for both. A jump may become three instructions. */
static bool is_wide(const struct accel_lang_lower *l, unsigned n_tail)
{
	return l->as.n_items > LANES_MAX || 3 * l->as.n_items + n_tail > ACCEL_BPF_MAX_INSNS;
}

/* With one lane or, if l->fast is set, two: then -E2BIG has no text. */
static int lower(struct accel_lang_lower *l, const struct accel_lang_node *tree,
		 const struct sock_filter *tail, unsigned n_tail, struct sock_filter **out,
		 unsigned *n_out)
{
	static const struct sock_filter keep = {.code = BPF_RET | BPF_K, .k = KEEP_ALL};
	bool fanout = l->target->fanout, two_lanes = l->fast;
	const struct sock_filter *end = fanout ? NULL : n_tail ? tail : &keep;
	unsigned n_end = fanout ? 0 : ACCEL_MAX(n_tail, 1u);
	int err;

	if (!is_trivial(l)) {
		l->drop = accel_lang_label(l);
		lower_lanes(l, tree);
		if (fanout)
			finish_fanout(l);
		else
			finish_filter(l, n_tail);
	}
	if (l->error)
		return l->error;
	if (two_lanes && is_wide(l, n_end))
		return -E2BIG;
	err = accel_lang_is_full(l) ? -E2BIG : accel_asm_finish(&l->as, end, n_end, out, n_out);
	return err ? fail(l, err, n_end) : 0;
}

int accel_lang_lower(const struct accel_lang_source *src, const struct accel_lang_node *tree,
		     const struct accel_lang_target *target, const struct sock_filter *tail,
		     unsigned n_tail, struct sock_filter **out, unsigned *n_out)
{
	struct accel_lang_lower l;
	bool two_lanes, tried = false;
	int err;

	do {
		l = (struct accel_lang_lower){.src = src, .target = target, .at = tree, .x_at = -1};
		accel_asm_init(&l.as);
		accel_lang_find_shape(tree, &l.shape);
		choose_cells(&l);
		if (is_trivial(&l) && !n_tail) {
			*out = NULL;
			*n_out = 0;
			return 0;
		}
		l.base = target->fanout ? (uint32_t)SKF_LL_OFF : 0;
		two_lanes = !tried && l.shape.uses & ACCEL_USES_TYPE && !accel_lang_shifts(tree);
		l.fast = two_lanes;
		err = lower(&l, tree, tail, n_tail, out, n_out);
		accel_asm_fini(&l.as);
		tried = true;
	} while (err == -E2BIG && two_lanes);
	return err;
}
