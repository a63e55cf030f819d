/* SPDX-License-Identifier: BSD-3-Clause */
/* dump.c - prints what the passes made, for people. See accel_lang_dump() in lang.h.
 *
 * Threads: none of its own. */
#include "lang/lang.h"

#include "base/str.h"
#include "bpf/cbpf.h"
#include "lang/lang_private.h"

#include <inttypes.h>
#include <stdlib.h>

static void add_source(const struct accel_lang *lang, const struct accel_lang_token *token,
		       struct accel_str *out)
{
	struct accel_quote quote;

	accel_str_add(out, "\t%s",
		      accel_quote(&quote, lang->src.text + token->span.at, token->span.len));
}

static void dump_tokens(const struct accel_lang *lang, struct accel_str *out)
{
	for (unsigned i = 0; i < lang->n_tokens; i++) {
		const struct accel_lang_token *token = &lang->tokens[i];

		accel_str_add(out, "%u+%u\t%s", token->span.at, token->span.len,
			      accel_lang_tok_name(token->kind));
		if (token->kind == ACCEL_TOK_NAME || token->kind == ACCEL_TOK_NUMBER ||
		    token->kind == ACCEL_TOK_STRING || token->kind == ACCEL_TOK_COMPARE)
			add_source(lang, token, out);
		accel_str_add(out, "\n");
	}
}

static void dump_syntax(const struct accel_lang *lang, const struct accel_lang_expr *expr,
			unsigned depth, struct accel_str *out)
{
	static const char *const names[] = {
		[ACCEL_SYN_APPLY] = "apply",	 [ACCEL_SYN_NUMBER] = "number",
		[ACCEL_SYN_STRING] = "string",	 [ACCEL_SYN_LIST] = "list",
		[ACCEL_SYN_CHAIN] = "chain",	 [ACCEL_SYN_OR] = "or",
		[ACCEL_SYN_XOR] = "xor",	 [ACCEL_SYN_AND] = "and",
		[ACCEL_SYN_COMPARE] = "compare", [ACCEL_SYN_IF] = "if",
	};

	accel_str_add(out, "%*s%u+%u\t%s", (int)(2 * depth), "", expr->span.at, expr->span.len,
		      names[expr->kind]);
	if (expr->kind <= ACCEL_SYN_STRING || expr->kind == ACCEL_SYN_COMPARE)
		add_source(lang, expr->token, out);
	accel_str_add(out, "\n");
	for (const struct accel_lang_expr *kid = expr->kids; kid; kid = kid->next)
		dump_syntax(lang, kid, depth + 1, out);
}

static const char *kind_name(const struct accel_lang_node *n)
{
	static const char *const names[] = {
		[ACCEL_NODE_DO] = "do",		  [ACCEL_NODE_FILTER] = "filter",
		[ACCEL_NODE_CHAIN] = "chain",	  [ACCEL_NODE_IF] = "if",
		[ACCEL_NODE_PAR] = "par",	  [ACCEL_NODE_INV] = "inv",
		[ACCEL_NODE_SHIFT] = "shift",	  [ACCEL_NODE_ENDS] = "ends",
		[ACCEL_NODE_TEST] = "test",	  [ACCEL_NODE_PCAP] = "pcap",
		[ACCEL_NODE_NOT] = "not",	  [ACCEL_NODE_AND] = "and",
		[ACCEL_NODE_OR] = "or",		  [ACCEL_NODE_XOR] = "xor",
		[ACCEL_NODE_COMPARE] = "compare", [ACCEL_NODE_FIELD] = "field",
		[ACCEL_NODE_MARK] = "register",	  [ACCEL_NODE_STATE] = "register",
	};

	return names[n->kind];
}

static void dump_net(const struct accel_lang_net *net, struct accel_str *out)
{
	const uint32_t *a = net->addr;

	if (net->family == ACCEL_IP4)
		accel_str_add(out, " %u.%u.%u.%u/%u", a[0] >> 24, a[0] >> 16 & 255, a[0] >> 8 & 255,
			      a[0] & 255, net->prefix);
	else
		accel_str_add(out, " %x:%x:%x:%x:%x:%x:%x:%x/%u", a[0] >> 16, a[0] & 0xffff,
			      a[1] >> 16, a[1] & 0xffff, a[2] >> 16, a[2] & 0xffff, a[3] >> 16,
			      a[3] & 0xffff, net->prefix);
}

static void dump_arguments(const struct accel_lang_node *n, struct accel_str *out)
{
	static const char *const compare[] = {
		".<", ".<=", ".==", "./=", ".>", ".>=", "any_bit", "all_bit"};
	unsigned n_numbers = 0;

	if (n->kind == ACCEL_NODE_COMPARE)
		accel_str_add(out, " %s %" PRIu64, compare[n->cmp], n->num[0]);
	if (n->kind == ACCEL_NODE_PCAP)
		accel_str_add(out, " \"%s\" (%u instructions)", n->string, n->n_insns);
	if (!n->prim || n->kind == ACCEL_NODE_FILTER || n->kind == ACCEL_NODE_COMPARE)
		return;
	for (const enum accel_lang_arg *arg = n->prim->args; *arg; arg++)
		if (*arg >= ACCEL_ARG_U8 && *arg <= ACCEL_ARG_KEY && *arg != ACCEL_ARG_PREFIX)
			accel_str_add(out, " %" PRIu64, n->num[n_numbers++]);
	for (unsigned i = 0; i < n->n_nets; i++)
		dump_net(&n->nets[i], out);
	for (unsigned i = 0; i < n->n_vids; i++)
		accel_str_add(out, " %u", n->vids[i]);
	if (n->string && n->kind != ACCEL_NODE_PCAP)
		accel_str_add(out, " \"%s\"", n->string);
}

static void dump_node(const struct accel_lang_node *n, unsigned depth, struct accel_str *out)
{
	accel_str_add(out, "%*s%s", (int)(2 * depth), "", kind_name(n));
	if (n->prim)
		accel_str_add(out, " %s", n->prim->name);
	dump_arguments(n, out);
	accel_str_add(out, " :: %s\n", accel_lang_type_name(n->type));
	for (const struct accel_lang_node *kid = n->kids; kid; kid = kid->next)
		dump_node(kid, depth + 1, out);
}

/* The filter of a part for two members; false: out of memory. */
static bool filter_of(const struct accel_lang *lang, unsigned part, struct sock_filter **out,
		      unsigned *n)
{
	return !accel_lang_filter(lang, part, 2, NULL, 0, out, n, NULL);
}

static void dump_goals(unsigned makes, struct accel_str *out)
{
	const char *const goals[] = {
		makes & ACCEL_MAKES_DROP || !(makes & ACCEL_MAKES_FANOUT) ? "nobody" : NULL,
		makes & ACCEL_MAKES_COPY ? "all members" : NULL,
		makes & ACCEL_MAKES_STEER ? "one member" : NULL,
		makes & ACCEL_MAKES_DOUBLE ? "two members" : NULL,
	};
	const char *before = "each packet goes to ";

	for (size_t i = 0; i < ACCEL_ARRAY_LEN(goals); i++) {
		if (!goals[i])
			continue;
		accel_str_add(out, "%s%s", before, goals[i]);
		before = " or ";
	}
	accel_str_add(out, "\n");
}

static void dump_blocks(const struct accel_lang *lang, struct accel_str *out)
{
	static const char *const blocks[] = {"copy", "steer", "mixed", "double"};

	accel_str_add(out, "block: %s\n", blocks[accel_lang_block(lang)]);
	dump_goals(lang->shape.makes, out);
	for (unsigned i = 0; i < lang->n_parts; i++) {
		struct sock_filter *filter = NULL;
		unsigned n = 0;

		if (!filter_of(lang, i, &filter, &n))
			return;
		accel_str_add(out, "part %u: %s, filter of %u instructions", i,
			      lang->parts[i].fanout ? "fanout" : "plain", n);
		if (lang->parts[i].second)
			accel_str_add(out, " (depends on the number of members)");
		if (lang->parts[i].fanout)
			accel_str_add(out, ", fanout program of %u", lang->n_programs[i]);
		accel_str_add(out, "\n");
		free(filter);
	}
}

static void dump_program(const struct sock_filter *insns, unsigned n, struct accel_str *out)
{
	char line[128];

	for (unsigned i = 0; i < n; i++) {
		accel_bpf_print(&insns[i], i, line, sizeof(line));
		accel_str_add(out, "%s\n", line);
	}
}

static void dump_code(const struct accel_lang *lang, struct accel_str *out)
{
	for (unsigned i = 0; i < lang->n_parts; i++) {
		struct sock_filter *filter = NULL;
		unsigned n = 0;

		if (!filter_of(lang, i, &filter, &n))
			return;
		accel_str_add(out, "part %u, filter:%s\n", i, n ? "" : " none is needed");
		dump_program(filter, n, out);
		free(filter);
		if (!lang->parts[i].fanout)
			continue;
		accel_str_add(out, "part %u, fanout program:\n", i);
		dump_program(lang->programs[i], lang->n_programs[i], out);
	}
}

/* The first node of the function, in the order of the text. */
static const struct accel_lang_node *find_use(const struct accel_lang_node *n,
					      const struct accel_lang_prim *prim)
{
	const struct accel_lang_node *found = n->prim == prim ? n : NULL;

	for (const struct accel_lang_node *kid = n->kids; kid && !found; kid = kid->next)
		found = find_use(kid, prim);
	return found;
}

static void dump_notes(const struct accel_lang *lang, const struct accel_lang_node *n,
		       struct accel_str *out)
{
	if (n->prim && n->prim->status == ACCEL_LANG_NOOP && find_use(lang->tree, n->prim) == n)
		accel_str_add(out, "%s does nothing here: %s\n", n->prim->name, n->prim->why);
	for (const struct accel_lang_node *kid = n->kids; kid; kid = kid->next)
		dump_notes(lang, kid, out);
}

size_t accel_lang_dump(const struct accel_lang *lang, enum accel_lang_form form, char *out,
		       size_t size)
{
	struct accel_str str;

	accel_str_init(&str, out, size);
	switch (form) {
	case ACCEL_LANG_TOKENS:
		dump_tokens(lang, &str);
		break;
	case ACCEL_LANG_SYNTAX:
		dump_syntax(lang, lang->expr, 0, &str);
		break;
	case ACCEL_LANG_TREE:
		dump_node(lang->tree, 0, &str);
		break;
	case ACCEL_LANG_BLOCKS:
		dump_blocks(lang, &str);
		break;
	case ACCEL_LANG_CODE:
		dump_code(lang, &str);
		break;
	case ACCEL_LANG_NOTES:
		dump_notes(lang, lang->tree, &str);
		break;
	}
	return str.len;
}
