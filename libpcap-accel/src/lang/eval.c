/* SPDX-License-Identifier: BSD-3-Clause */
/* eval.c - control: chains, branches, alternatives, logic, comparisons. Tests and actions are
 * eval_test.c's and eval_steer.c's. See eval.h.
 *
 * Source: the evaluation rules of PFQ 6: a chain ends where an action drops; what passes keeps the
 * fan-out that was decided last; at first that is "copy to class 0".
 * Threads: none of its own. */
#include "lang/eval.h"

#include "bpf/cbpf.h"

static bool compare(enum accel_lang_cmp cmp, uint64_t a, uint64_t b)
{
	switch (cmp) {
	case ACCEL_CMP_LESS:
		return a < b;
	case ACCEL_CMP_LESS_EQ:
		return a <= b;
	case ACCEL_CMP_EQUAL:
		return a == b;
	case ACCEL_CMP_NOT_EQUAL:
		return a != b;
	case ACCEL_CMP_GREATER:
		return a > b;
	case ACCEL_CMP_GREATER_EQ:
		return a >= b;
	case ACCEL_CMP_ANY_BIT:
		return (a & b) != 0;
	default:
		return (a & b) == b;
	}
}

/* A computed offset may by chance be one relative to the network header. In a program within ours
 * it is outside of the packet: here that header is made to be. */
static bool is_kept(const struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	struct accel_bpf_aux aux = *e->view.aux;

	aux.net_offset = UINT32_MAX;
	return accel_bpf_run(n->insns, e->view.data, e->view.len, e->view.len, &aux) != 0;
}

static bool is_true(const struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	const struct accel_lang_node *kid = n->kids;
	uint64_t value;
	bool odd = false;

	switch (n->kind) {
	case ACCEL_NODE_TEST:
		return n->prim->test->eval(e, n);
	case ACCEL_NODE_PCAP:
		return is_kept(e, n);
	case ACCEL_NODE_COMPARE:
		return accel_lang_eval_property(e, kid, &value) &&
		       compare(n->cmp, value, n->num[0]);
	case ACCEL_NODE_NOT:
		return !is_true(e, kid);
	case ACCEL_NODE_AND:
		while (kid && is_true(e, kid))
			kid = kid->next;
		return !kid;
	case ACCEL_NODE_OR:
		while (kid && !is_true(e, kid))
			kid = kid->next;
		return kid;
	default: /* ACCEL_NODE_XOR */
		for (; kid; kid = kid->next)
			odd ^= is_true(e, kid);
		return odd;
	}
}

static bool act(struct accel_lang_eval_state *e, const struct accel_lang_node *n);

static bool act_chain(struct accel_lang_eval_state *e, const struct accel_lang_node *kid)
{
	while (kid && act(e, kid))
		kid = kid->next;
	return !kid;
}

static bool act_if(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	const struct accel_lang_node *yes = n->kids->next;

	if (is_true(e, n->kids))
		return act(e, yes);
	return yes->next ? act(e, yes->next) : true;
}

/* The fan-out that was decided before an alternative is that of the next one; what it wrote into
 * the registers stays. */
static bool act_par(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	for (const struct accel_lang_node *kid = n->kids; kid; kid = kid->next) {
		struct accel_lang_eval_state before = *e;

		if (act(e, kid))
			return true;
		before.mark = e->mark;
		before.state = e->state;
		*e = before;
	}
	return false;
}

static bool act_inv(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	if (act(e, n->kids))
		return false;
	e->fan = ACCEL_LANG_TO_ALL;
	return true;
}

static bool act_shift(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	struct accel_lang_view outer = e->view;
	bool passed;

	accel_lang_view_shift(&e->view);
	passed = act(e, n->kids);
	e->view = outer;
	return passed;
}

static bool act(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	switch (n->kind) {
	case ACCEL_NODE_FILTER:
		return is_true(e, n->kids);
	case ACCEL_NODE_CHAIN:
		return act_chain(e, n->kids);
	case ACCEL_NODE_IF:
		return act_if(e, n);
	case ACCEL_NODE_PAR:
		return act_par(e, n);
	case ACCEL_NODE_INV:
		return act_inv(e, n);
	case ACCEL_NODE_SHIFT:
		return act_shift(e, n);
	case ACCEL_NODE_ENDS:
		return act(e, n->kids);
	default:
		return n->prim->act->eval(e, n);
	}
}

uint32_t accel_lang_mix(enum accel_lang_hash hash, uint32_t h)
{
	if (hash == ACCEL_LANG_HASH_V3)
		return h ^ h >> 8 ^ h >> 16;
	h = (h ^ 0xdeadbeef) + (h << 4);
	h ^= h >> 10;
	h += h << 7;
	return h ^ h >> 13;
}

void accel_lang_run(const struct accel_lang_node *tree, enum accel_lang_hash hash,
		    const struct accel_lang_view *view, struct accel_lang_verdict *out)
{
	struct accel_lang_eval_state e = {.view = *view, .fan = ACCEL_LANG_TO_ALL, .classes = 1};

	*out = (struct accel_lang_verdict){.outcome = ACCEL_LANG_TO_NOBODY};
	if (!act(&e, tree))
		return;
	out->outcome = e.fan;
	out->classes = e.classes;
	if (e.fan == ACCEL_LANG_TO_ALL)
		return;
	out->spread = e.spread;
	out->h = e.h;
	out->value = accel_lang_mix(hash, e.h);
	if (e.fan == ACCEL_LANG_TO_ONE)
		return;
	out->h2 = e.h2;
	out->value2 = accel_lang_mix(hash, e.h2);
}
