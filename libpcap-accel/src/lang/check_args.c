/* SPDX-License-Identifier: BSD-3-Clause */
/* check_args.c - reads the arguments of a function as its row in the table wants them. See check.h.
 *
 * Threads: none of its own. */
#include "lang/check.h"

#include "base/num.h"
#include "base/str.h"
#include "lang/address.h"
#include "lang/ops.h"

#include <errno.h>
#include <string.h>

struct reader {
	struct accel_lang_checker *c;
	struct accel_lang_node *n;
	const struct accel_lang_expr *at; /* the argument that is read, or NULL */
	unsigned n_num;
};

/* What an argument of the kind is called, and the range of a number. */
static const struct {
	const char *name, *example;
	uint64_t min, max;
} kinds[] = {
	[ACCEL_ARG_U8] = {"a number", "6", 0, UINT8_MAX},
	[ACCEL_ARG_U16] = {"a number", "80", 0, UINT16_MAX},
	[ACCEL_ARG_U32] = {"a number", "1", 0, UINT32_MAX},
	[ACCEL_ARG_U64] = {"a number", "1", 0, UINT64_MAX},
	[ACCEL_ARG_CLASS] = {"the number of a class", "0", 0, 63},
	[ACCEL_ARG_VID] = {"a VLAN id", "100", 0, 4095},
	[ACCEL_ARG_OFFSET] = {"an offset", "12", 0, UINT16_MAX},
	[ACCEL_ARG_BYTES] = {"a number of bytes", "4", 1, 4},
	[ACCEL_ARG_PREFIX] = {"a prefix length", "24", 0, 128},
	[ACCEL_ARG_KEY] = {"a sum of fields", "56", 0, ACCEL_KEY_ALL},
	[ACCEL_ARG_VIDS] = {"a list of VLAN ids", "[1, 2]", 0, 0},
	[ACCEL_ARG_ADDR] = {"an address", "\"10.0.0.0\"", 0, 0},
	[ACCEL_ARG_ADDRS] = {"a list of addresses", "[\"10.0.0.1\"]", 0, 0},
	[ACCEL_ARG_CIDR] = {"a network", "\"10.0.0.0/8\"", 0, 0},
	[ACCEL_ARG_MAC] = {"a MAC address", "\"02:00:00:00:00:01\"", 0, 0},
	[ACCEL_ARG_STRING] = {"a string", "\"text\"", 0, 0},
	[ACCEL_ARG_PREDICATE] = {"a predicate", "is_tcp", 0, 0},
	[ACCEL_ARG_PROPERTY] = {"a property", "ip_ttl", 0, 0},
	[ACCEL_ARG_ACTION] = {"an action", "steer_flow", 0, 0},
};

static int fail_kind(const struct reader *r, const struct accel_lang_expr *expr,
		     enum accel_lang_arg arg)
{
	const char *text = r->c->src->text + expr->span.at;
	const char *mark = expr->kind == ACCEL_SYN_STRING ? "" : "'";
	struct accel_quote quote;

	return accel_lang_fail(r->c->src, expr->span, -EINVAL, "%s: %s%s%s is not %s (%s)",
			       r->n->prim->name, mark, accel_quote(&quote, text, expr->span.len),
			       mark, kinds[arg].name, kinds[arg].example);
}

static int read_ranged(const struct reader *r, const struct accel_lang_expr *expr,
		       enum accel_lang_arg arg, uint64_t *out)
{
	if (expr->kind != ACCEL_SYN_NUMBER || expr->token->negative)
		return fail_kind(r, expr, arg);
	if (expr->token->number < kinds[arg].min || expr->token->number > kinds[arg].max)
		return accel_lang_fail(
			r->c->src, expr->span, -ERANGE, "%s: %llu is out of range (%llu to %llu)",
			r->n->prim->name, (unsigned long long)expr->token->number,
			(unsigned long long)kinds[arg].min, (unsigned long long)kinds[arg].max);
	if (arg == ACCEL_ARG_KEY && expr->token->number & ~(uint64_t)ACCEL_KEY_ALL)
		return accel_lang_fail(r->c->src, expr->span, -ERANGE,
				       "%s: 256 is no field (pcap-accel-lang(7) lists them)",
				       r->n->prim->name);
	*out = expr->token->number;
	return 0;
}

static int read_vids(struct reader *r)
{
	const struct accel_lang_expr *kid = r->at->kids;
	uint64_t vid = 0;
	int rc;

	if (r->at->kind != ACCEL_SYN_LIST)
		return fail_kind(r, r->at, ACCEL_ARG_VIDS);
	r->n->vids = accel_lang_alloc(r->c->src->arena, r->at->n_kids * sizeof(*r->n->vids));
	if (!r->n->vids)
		return accel_lang_fail_memory(r->c->src);
	for (; kid; kid = kid->next) {
		if (kid->kind == ACCEL_SYN_NUMBER && kid->token->negative &&
		    kid->token->number == 1) {
			r->n->any_vid = true;
			continue;
		}
		rc = read_ranged(r, kid, ACCEL_ARG_VID, &vid);
		if (rc)
			return rc;
		r->n->vids[r->n->n_vids++] = (uint16_t)vid;
	}
	return 0;
}

static int add_net(struct reader *r, const struct accel_lang_expr *expr, const char *text,
		   size_t len)
{
	if (accel_lang_read_addr(text, len, &r->n->nets[r->n->n_nets]))
		return fail_kind(r, expr, ACCEL_ARG_ADDR);
	r->n->n_nets++;
	return 0;
}

static int alloc_nets(struct reader *r, size_t n)
{
	r->n->nets = accel_lang_alloc(r->c->src->arena, n * sizeof(*r->n->nets));
	return r->n->nets ? 0 : accel_lang_fail_memory(r->c->src);
}

/* Addresses; a single one is a list of one. Their prefix is the next argument. */
static int read_addrs(struct reader *r, enum accel_lang_arg arg)
{
	bool list = arg == ACCEL_ARG_ADDRS;
	const struct accel_lang_expr *kid = list ? r->at->kids : r->at;
	int rc;

	if (list && r->at->kind != ACCEL_SYN_LIST)
		return fail_kind(r, r->at, arg);
	rc = alloc_nets(r, list ? r->at->n_kids : 1);
	for (; !rc && kid; kid = list ? kid->next : NULL) {
		if (kid->kind != ACCEL_SYN_STRING)
			return fail_kind(r, kid, ACCEL_ARG_ADDR);
		rc = add_net(r, kid, kid->token->string, strlen(kid->token->string));
	}
	return rc;
}

static int set_prefix(struct reader *r, const struct accel_lang_expr *expr,
		      struct accel_lang_net *net, uint64_t prefix)
{
	if (accel_lang_set_prefix(net, prefix))
		return accel_lang_fail(r->c->src, expr->span, -ERANGE,
				       "%s: a prefix of %llu bits is out of range (0 to %u)",
				       r->n->prim->name, (unsigned long long)prefix,
				       net->family == ACCEL_IP4 ? 32 : 128);
	return 0;
}

/* The prefix of the addresses before; of a second one, the mask for steering. */
static int read_prefix(struct reader *r)
{
	struct accel_lang_net second;
	uint64_t prefix = 0;
	int rc = read_ranged(r, r->at, ACCEL_ARG_PREFIX, &prefix);

	if (rc)
		return rc;
	if (r->n->prim->args[1] == ACCEL_ARG_PREFIX && r->n_num++ == 1) {
		second = r->n->nets[0];
		rc = set_prefix(r, r->at, &second, prefix);
		memcpy(r->n->sub, second.mask, sizeof(second.mask));
		return rc;
	}
	for (unsigned i = 0; !rc && i < r->n->n_nets; i++)
		rc = set_prefix(r, r->at, &r->n->nets[i], prefix);
	return rc;
}

/* "10.0.0.0/8", or "10.0.0.0" with the prefix as the next argument. */
static int read_cidr(struct reader *r)
{
	const char *text, *slash;
	uint64_t prefix = 0;
	size_t len;
	int rc;

	if (r->at->kind != ACCEL_SYN_STRING)
		return fail_kind(r, r->at, ACCEL_ARG_CIDR);
	text = r->at->token->string;
	len = strlen(text);
	slash = memchr(text, '/', len);
	rc = alloc_nets(r, 1);
	if (!rc)
		rc = add_net(r, r->at, text, slash ? (size_t)(slash - text) : len);
	if (rc)
		return rc;
	if (slash) {
		if (accel_parse_number(slash + 1, len - 1 - (size_t)(slash - text), &prefix))
			return fail_kind(r, r->at, ACCEL_ARG_CIDR);
		return set_prefix(r, r->at, &r->n->nets[0], prefix);
	}
	if (!r->at->next || r->at->next->kind != ACCEL_SYN_NUMBER)
		return accel_lang_fail(r->c->src, r->at->span, -EINVAL,
				       "%s: no prefix length (\"%s/%u\" is the one address)",
				       r->n->prim->name, text,
				       r->n->nets[0].family == ACCEL_IP4 ? 32 : 128);
	r->at = r->at->next;
	return read_prefix(r);
}

static int read_string(struct reader *r, enum accel_lang_arg arg)
{
	if (r->at->kind != ACCEL_SYN_STRING)
		return fail_kind(r, r->at, arg);
	r->n->string = r->at->token->string;
	if (arg == ACCEL_ARG_MAC && accel_lang_read_mac(r->n->string, r->n->mac))
		return fail_kind(r, r->at, arg);
	return 0;
}

static int read_function(struct reader *r, enum accel_lang_arg arg)
{
	static const enum accel_lang_type types[] = {
		[ACCEL_ARG_PREDICATE] = ACCEL_LANG_PREDICATE,
		[ACCEL_ARG_PROPERTY] = ACCEL_LANG_PROPERTY,
		[ACCEL_ARG_ACTION] = ACCEL_LANG_ACTION,
	};
	struct accel_lang_node **tail = &r->n->kids;

	while (*tail)
		tail = &(*tail)->next;
	return accel_lang_check_as(r->c, r->at, types[arg], tail);
}

static int read_argument(struct reader *r, enum accel_lang_arg arg)
{
	switch (arg) {
	case ACCEL_ARG_VIDS:
		return read_vids(r);
	case ACCEL_ARG_ADDR:
	case ACCEL_ARG_ADDRS:
		return read_addrs(r, arg);
	case ACCEL_ARG_PREFIX:
		return read_prefix(r);
	case ACCEL_ARG_CIDR:
		return read_cidr(r);
	case ACCEL_ARG_MAC:
	case ACCEL_ARG_STRING:
		return read_string(r, arg);
	case ACCEL_ARG_PREDICATE:
	case ACCEL_ARG_PROPERTY:
	case ACCEL_ARG_ACTION:
		return read_function(r, arg);
	default:
		return read_ranged(r, r->at, arg, &r->n->num[r->n_num++]);
	}
}

static int fail_count(const struct reader *r, struct accel_lang_span span, const char *what)
{
	char signature[200];

	accel_lang_signature(r->n->prim, signature, sizeof(signature));
	return accel_lang_fail(r->c->src, span, -EINVAL, "%s: %s (%s)", r->n->prim->name, what,
			       signature);
}

int accel_lang_check_args(struct accel_lang_checker *c, const struct accel_lang_expr *expr,
			  struct accel_lang_node *n)
{
	struct reader r = {.c = c, .n = n, .at = expr->kids};
	const enum accel_lang_arg *args = n->prim->args;
	char what[64];
	struct accel_str str;
	int rc;

	for (unsigned i = 0; i < ACCEL_LANG_MAX_ARGS && args[i]; i++) {
		if (!r.at) {
			accel_str_init(&str, what, sizeof(what));
			accel_str_add(&str, "argument %u is missing", i + 1);
			return fail_count(&r, expr->span, what);
		}
		rc = read_argument(&r, args[i]);
		if (rc)
			return rc;
		r.at = r.at->next;
	}
	if (r.at)
		return fail_count(&r, r.at->span, "an argument too many");
	return 0;
}
