/* SPDX-License-Identifier: BSD-3-Clause */
/* check.c - names and types. Arguments are check_args.c's. See check.h.
 *
 * Threads: none of its own. */
#include "lang/check.h"

#include "base/err.h"
#include "base/str.h"
#include "bpf/cbpf.h"
#include "lang/lang.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

static int new_node(const struct accel_lang_checker *c, enum accel_lang_kind kind,
		    struct accel_lang_span span, struct accel_lang_node **out)
{
	struct accel_lang_node *n = accel_lang_alloc(c->src->arena, sizeof(*n));

	if (!n)
		return accel_lang_fail_memory(c->src);
	n->kind = kind;
	n->span = span;
	n->ends = c->ends;
	*out = n;
	return 0;
}

/* Check all of expr's kids from `kid` on as `type` and hang them under n. */
static int check_kids(struct accel_lang_checker *c, const struct accel_lang_expr *kid,
		      enum accel_lang_type type, struct accel_lang_node *n)
{
	struct accel_lang_node **tail = &n->kids;
	int rc = 0;

	while (*tail)
		tail = &(*tail)->next;
	for (; !rc && kid; kid = kid->next, tail = &(*tail)->next) {
		rc = accel_lang_check_as(c, kid, type, tail);
		if (rc)
			return rc;
	}
	return rc;
}

static int fail_unknown(const struct accel_lang_checker *c, const struct accel_lang_token *token)
{
	const char *name = c->src->text + token->span.at;
	const char *like = accel_lang_prim_like(name, token->span.len);
	struct accel_quote quote;

	accel_quote(&quote, name, token->span.len);
	if (like)
		return accel_lang_fail(c->src, token->span, -EINVAL,
				       "unknown function '%s' (did you mean '%s'?)", quote.text,
				       like);
	return accel_lang_fail(c->src, token->span, -EINVAL,
			       "unknown function '%s' (pcap-accel-lang(7) lists all)", quote.text);
}

/* A function of the wrong type: what would make it fit. */
static int fail_type(const struct accel_lang_checker *c, struct accel_lang_span span,
		     const struct accel_lang_prim *prim, enum accel_lang_type wanted)
{
	char hint[80] = "";
	struct accel_str str;

	accel_str_init(&str, hint, sizeof(hint));
	if (prim->type == ACCEL_LANG_PREDICATE && wanted == ACCEL_LANG_ACTION)
		accel_str_add(&str, prim->args[0] ? " (filter (%s ...))" : " (filter %s)",
			      prim->name);
	else if (prim->type == ACCEL_LANG_PROPERTY && wanted != ACCEL_LANG_PROPERTY)
		accel_str_add(&str, " (%s%s .== 1%s)",
			      wanted == ACCEL_LANG_ACTION ? "filter (" : "", prim->name,
			      wanted == ACCEL_LANG_ACTION ? ")" : "");
	else if (prim->type == ACCEL_LANG_ACTION && prim->test && wanted == ACCEL_LANG_PREDICATE) {
		for (unsigned i = 0; i < accel_lang_n_prims; i++) {
			const struct accel_lang_prim *twin = &accel_lang_prims[i];

			if (twin->type == ACCEL_LANG_PREDICATE && twin->test == prim->test &&
			    twin->param == prim->param && !prim->negate && str.len == 0)
				accel_str_add(&str, " (%s)", twin->name);
		}
	}
	return accel_lang_fail(c->src, span, -EINVAL, "%s is %s where %s is needed%s", prim->name,
			       accel_lang_type_name(prim->type), accel_lang_type_name(wanted),
			       hint);
}

/* A filter is its predicate's node with a FILTER around. */
static int wrap_filter(const struct accel_lang_checker *c, struct accel_lang_node **n)
{
	struct accel_lang_node *test = *n, *inner = test;
	int rc = new_node(c, ACCEL_NODE_FILTER, test->span, n);

	if (rc)
		return rc;
	test->kind = ACCEL_NODE_TEST;
	test->type = ACCEL_LANG_PREDICATE;
	if (test->prim->negate) {
		rc = new_node(c, ACCEL_NODE_NOT, test->span, &inner);
		if (rc)
			return rc;
		inner->type = ACCEL_LANG_PREDICATE;
		inner->kids = test;
	}
	(*n)->prim = test->prim;
	(*n)->kids = inner;
	return 0;
}

/* unless p f -> if (not p) f; detour_if p -> if p drop. */
static int finish_if(const struct accel_lang_checker *c, struct accel_lang_node *n)
{
	struct accel_lang_node *negated = NULL;
	int rc;

	if (n->prim->act) {
		rc = new_node(c, ACCEL_NODE_DO, n->span, &n->kids->next);
		if (!rc)
			n->kids->next->prim = n->prim;
		return rc;
	}
	if (!n->prim->negate)
		return 0;
	rc = new_node(c, ACCEL_NODE_NOT, n->kids->span, &negated);
	if (rc)
		return rc;
	negated->type = ACCEL_LANG_PREDICATE;
	negated->kids = n->kids;
	negated->next = n->kids->next;
	n->kids->next = NULL;
	n->kids = negated;
	return 0;
}

/* A name with its arguments. */
static int check_apply(struct accel_lang_checker *c, const struct accel_lang_expr *expr,
		       enum accel_lang_type wanted, struct accel_lang_node **out)
{
	const struct accel_lang_token *token = expr->token;
	const struct accel_lang_prim *prim =
		accel_lang_prim_find(c->src->text + token->span.at, token->span.len);
	unsigned outer = c->ends;
	int rc;

	if (!prim)
		return fail_unknown(c, token);
	if (prim->status == ACCEL_LANG_REFUSED)
		return accel_lang_fail(c->src, token->span, -EOPNOTSUPP,
				       "'%s' cannot be done on a stock kernel: %s", prim->name,
				       prim->why);
	if (prim->type != wanted)
		return fail_type(c, token->span, prim, wanted);
	rc = new_node(c, prim->kind, expr->span, out);
	if (rc)
		return rc;
	(*out)->prim = prim;
	(*out)->type = prim->type;
	(*out)->cmp = prim->kind == ACCEL_NODE_COMPARE ? (enum accel_lang_cmp)prim->param : 0;
	if (prim->kind == ACCEL_NODE_ENDS)
		c->ends = prim->param;
	rc = accel_lang_check_args(c, expr, *out);
	c->ends = outer;
	if (!rc && prim->kind == ACCEL_NODE_IF)
		rc = finish_if(c, *out);
	if (!rc && prim->kind == ACCEL_NODE_FILTER && prim->test)
		rc = wrap_filter(c, out);
	return rc;
}

static int check_compare(struct accel_lang_checker *c, const struct accel_lang_expr *expr,
			 struct accel_lang_node **out)
{
	const struct accel_lang_expr *left = expr->kids, *right = left->next;
	bool swapped = expr->token->property_right;
	const struct accel_lang_expr *property = swapped ? right : left;
	const struct accel_lang_expr *number = swapped ? left : right;
	struct accel_quote quote;
	int rc;

	if (number->kind != ACCEL_SYN_NUMBER || number->token->negative)
		return accel_lang_fail(c->src, number->span, -EINVAL,
				       "no number on the %s of '%s' (property .< 5, 5 <. property)",
				       swapped ? "left" : "right",
				       accel_quote(&quote, c->src->text + expr->token->span.at,
						   expr->token->span.len));
	rc = new_node(c, ACCEL_NODE_COMPARE, expr->span, out);
	if (rc)
		return rc;
	(*out)->type = ACCEL_LANG_PREDICATE;
	(*out)->cmp = expr->token->cmp;
	(*out)->num[0] = number->token->number;
	return accel_lang_check_as(c, property, ACCEL_LANG_PROPERTY, &(*out)->kids);
}

/* Loads relative to the network or the MAC header do not occur in filters for Ethernet. */
static bool can_splice(const struct sock_filter *insns, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (BPF_CLASS(insns[i].code) == BPF_LD && BPF_MODE(insns[i].code) == BPF_ABS &&
		    insns[i].k >= (uint32_t)SKF_LL_OFF && insns[i].k < (uint32_t)SKF_AD_OFF)
			return false;
	return accel_bpf_fits_kernel(insns, n);
}

static int check_pcap(struct accel_lang_checker *c, const struct accel_lang_expr *expr,
		      struct accel_lang_node **out)
{
	const struct accel_lang_options *opt = c->src->opt;
	struct accel_err err = {""};
	struct sock_filter *insns = NULL, *kept;
	unsigned n = 0;
	int rc = new_node(c, ACCEL_NODE_PCAP, expr->span, out);

	if (rc)
		return rc;
	if (!opt->compile_pcap)
		return accel_lang_fail(c->src, expr->span, -EOPNOTSUPP,
				       "a pcap filter needs libpcap, which is not at hand here");
	rc = opt->compile_pcap(opt->pcap_ctx, expr->token->string, &insns, &n, &err);
	if (rc)
		return accel_lang_fail(c->src, expr->span, rc, "pcap filter: %s", err.text);
	if (!can_splice(insns, n)) {
		free(insns);
		return accel_lang_fail(c->src, expr->span, -EINVAL,
				       "pcap filter: the kernel cannot run it (no loops, no loads "
				       "relative to a header)");
	}
	kept = accel_lang_alloc(c->src->arena, n * sizeof(*insns));
	if (kept)
		memcpy(kept, insns, n * sizeof(*insns));
	free(insns);
	if (!kept)
		return accel_lang_fail_memory(c->src);
	(*out)->type = ACCEL_LANG_PREDICATE;
	(*out)->string = expr->token->string;
	(*out)->insns = kept;
	(*out)->n_insns = n;
	return 0;
}

static int check_logic(struct accel_lang_checker *c, const struct accel_lang_expr *expr,
		       struct accel_lang_node **out)
{
	static const enum accel_lang_kind kinds[] = {[ACCEL_SYN_OR] = ACCEL_NODE_OR,
						     [ACCEL_SYN_XOR] = ACCEL_NODE_XOR,
						     [ACCEL_SYN_AND] = ACCEL_NODE_AND};
	int rc = new_node(c, kinds[expr->kind], expr->span, out);

	if (rc)
		return rc;
	(*out)->type = ACCEL_LANG_PREDICATE;
	return check_kids(c, expr->kids, ACCEL_LANG_PREDICATE, *out);
}

static int check_chain(struct accel_lang_checker *c, const struct accel_lang_expr *expr,
		       struct accel_lang_node **out)
{
	int rc = new_node(c, ACCEL_NODE_CHAIN, expr->span, out);

	return rc ? rc : check_kids(c, expr->kids, ACCEL_LANG_ACTION, *out);
}

static int check_if(struct accel_lang_checker *c, const struct accel_lang_expr *expr,
		    struct accel_lang_node **out)
{
	int rc = new_node(c, ACCEL_NODE_IF, expr->span, out);

	if (!rc)
		rc = accel_lang_check_as(c, expr->kids, ACCEL_LANG_PREDICATE, &(*out)->kids);
	return rc ? rc : check_kids(c, expr->kids->next, ACCEL_LANG_ACTION, *out);
}

static int fail_expr(const struct accel_lang_checker *c, const struct accel_lang_expr *expr,
		     enum accel_lang_type wanted)
{
	static const char *const names[] = {
		[ACCEL_SYN_NUMBER] = "a number", [ACCEL_SYN_STRING] = "a string",
		[ACCEL_SYN_LIST] = "a list",	 [ACCEL_SYN_CHAIN] = "a chain of actions",
		[ACCEL_SYN_OR] = "a predicate",	 [ACCEL_SYN_XOR] = "a predicate",
		[ACCEL_SYN_AND] = "a predicate", [ACCEL_SYN_COMPARE] = "a predicate",
		[ACCEL_SYN_IF] = "an action",
	};
	bool logic = expr->kind == ACCEL_SYN_OR || expr->kind == ACCEL_SYN_XOR ||
		     expr->kind == ACCEL_SYN_AND || expr->kind == ACCEL_SYN_COMPARE;

	return accel_lang_fail(c->src, expr->span, -EINVAL, "%s where %s is needed%s",
			       names[expr->kind], accel_lang_type_name(wanted),
			       wanted != ACCEL_LANG_ACTION	? ""
			       : logic				? " (filter (...))"
			       : expr->kind == ACCEL_SYN_STRING ? " (filter \"...\")"
								: "");
}

int accel_lang_check_as(struct accel_lang_checker *c, const struct accel_lang_expr *expr,
			enum accel_lang_type type, struct accel_lang_node **out)
{
	switch (expr->kind) {
	case ACCEL_SYN_APPLY:
		return check_apply(c, expr, type, out);
	case ACCEL_SYN_CHAIN:
		return type == ACCEL_LANG_ACTION ? check_chain(c, expr, out)
						 : fail_expr(c, expr, type);
	case ACCEL_SYN_IF:
		return type == ACCEL_LANG_ACTION ? check_if(c, expr, out)
						 : fail_expr(c, expr, type);
	case ACCEL_SYN_OR:
	case ACCEL_SYN_XOR:
	case ACCEL_SYN_AND:
		return type == ACCEL_LANG_PREDICATE ? check_logic(c, expr, out)
						    : fail_expr(c, expr, type);
	case ACCEL_SYN_COMPARE:
		return type == ACCEL_LANG_PREDICATE ? check_compare(c, expr, out)
						    : fail_expr(c, expr, type);
	case ACCEL_SYN_STRING:
		return type == ACCEL_LANG_PREDICATE ? check_pcap(c, expr, out)
						    : fail_expr(c, expr, type);
	default:
		return fail_expr(c, expr, type);
	}
}

int accel_lang_check(const struct accel_lang_source *src, const struct accel_lang_expr *expr,
		     struct accel_lang_node **out)
{
	struct accel_lang_checker c = {.src = src, .ends = ACCEL_ENDS};

	return accel_lang_check_as(&c, expr, ACCEL_LANG_ACTION, out);
}
