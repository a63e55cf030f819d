/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lang_expr.h - random computations, made from the table of functions.
 *
 * Threads: none. */
#ifndef TEST_LANG_EXPR_H
#define TEST_LANG_EXPR_H

#include "test_lang.h"

#include "lang/node.h"

#define MAX_KIDS  8
#define MAX_EXPRS 256
#define TEXT_LEN  16384

/* An expression as text around other expressions. */
struct expr {
	enum accel_lang_type type;
	char head[256]; /* "%" stands for a kid */
	struct expr *kids[MAX_KIDS];
	unsigned n_kids;
};

static struct expr pool[MAX_EXPRS];
static unsigned n_pool;

static struct expr *random_expr(struct rng *rng, enum accel_lang_type type, unsigned depth);

static ACCEL_PRINTF(2, 3) void add_text(struct expr *e, const char *fmt, ...)
{
	size_t n = strlen(e->head);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->head + n, sizeof(e->head) - n, fmt, ap);
	va_end(ap);
}

static void add_kid(struct rng *rng, struct expr *e, enum accel_lang_type type, unsigned depth)
{
	e->kids[e->n_kids++] = random_expr(rng, type, depth);
}

static const char *random_addr(struct rng *rng)
{
	static const char *const addrs[] = {"10.0.0.1", "10.0.0.0",    "192.168.1.5", "8.8.8.8",
					    "0.0.0.0",	"2001:db8::1", "2001:db8::",  "ff02::1"};

	return PICK(rng, addrs);
}

static unsigned random_prefix(struct rng *rng, const char *addr)
{
	static const unsigned prefixes[] = {0, 8, 24, 32, 31, 64, 127, 128};
	unsigned prefix = PICK(rng, prefixes);

	return prefix > 32 && !strchr(addr, ':') ? 24 : prefix;
}

static void add_number(struct rng *rng, struct expr *e, uint64_t max)
{
	static const uint64_t numbers[] = {0,	1,  6,	    17,	    26,	    53,		 80,
					   200, 64, 0x0800, 0x86dd, 0x4000, 0x1ffffffff, 5060};
	uint64_t number = PICK(rng, numbers);

	add_text(e, " %llu", (unsigned long long)(number > max ? number % (max + 1) : number));
}

static void add_vids(struct rng *rng, struct expr *e)
{
	unsigned n = rng_below(rng, 4);

	add_text(e, " [");
	for (unsigned i = 0; i < n; i++)
		add_text(e, "%s%u", i ? ", " : "", PICK(rng, some_vids));
	add_text(e, "%s]", rng_one_in(rng, 5) ? n ? ", -1" : "-1" : "");
}

static void add_addrs(struct rng *rng, struct expr *e)
{
	unsigned n = 1 + rng_below(rng, 3);

	add_text(e, " [");
	for (unsigned i = 0; i < n; i++)
		add_text(e, "%s\"10.0.0.%u\"", i ? ", " : "", rng_below(rng, 4));
	add_text(e, "]");
}

/* `addr`: the one before, for its prefix. */
static const char *add_argument(struct rng *rng, struct expr *e, enum accel_lang_arg arg,
				const char *addr, unsigned depth)
{
	switch (arg) {
	case ACCEL_ARG_U8:
		add_number(rng, e, 255);
		return addr;
	case ACCEL_ARG_U16:
		add_number(rng, e, 65535);
		return addr;
	case ACCEL_ARG_U32:
		add_number(rng, e, UINT32_MAX);
		return addr;
	case ACCEL_ARG_U64:
		add_number(rng, e, UINT64_MAX - 1);
		return addr;
	case ACCEL_ARG_CLASS:
		add_text(e, " %u", rng_below(rng, 3) * 31);
		return addr;
	case ACCEL_ARG_VID:
		add_text(e, " %u", PICK(rng, some_vids));
		return addr;
	case ACCEL_ARG_OFFSET:
		add_text(e, " %u", rng_below(rng, 60));
		return addr;
	case ACCEL_ARG_BYTES:
		add_text(e, " %u", 1 + rng_below(rng, 4));
		return addr;
	case ACCEL_ARG_KEY:
		add_text(e, " %u", rng_one_in(rng, 4) ? 56 : rng_next(rng) & 0x1eff);
		return addr;
	case ACCEL_ARG_PREFIX:
		add_text(e, " %u", random_prefix(rng, addr));
		return addr;
	case ACCEL_ARG_VIDS:
		add_vids(rng, e);
		return addr;
	case ACCEL_ARG_ADDR:
	case ACCEL_ARG_CIDR:
		addr = random_addr(rng);
		add_text(e, " \"%s", addr);
		if (arg == ACCEL_ARG_CIDR)
			add_text(e, "/%u", random_prefix(rng, addr));
		add_text(e, "\"");
		return addr;
	case ACCEL_ARG_ADDRS:
		add_addrs(rng, e);
		return "";
	case ACCEL_ARG_MAC:
		add_text(e, " \"02:00:00:00:00:0%u\"", rng_below(rng, 3));
		return addr;
	case ACCEL_ARG_STRING:
		add_text(e, " \"text\"");
		return addr;
	case ACCEL_ARG_PREDICATE:
	case ACCEL_ARG_PROPERTY:
	case ACCEL_ARG_ACTION:
		add_text(e, " (%%)");
		add_kid(rng, e,
			arg == ACCEL_ARG_PREDICATE  ? ACCEL_LANG_PREDICATE
			: arg == ACCEL_ARG_PROPERTY ? ACCEL_LANG_PROPERTY
						    : ACCEL_LANG_ACTION,
			depth + 1);
		return addr;
	default:
		fail_msg("an argument of kind %d is not made here", (int)arg);
		return addr;
	}
}

static bool is_leaf(const struct accel_lang_prim *prim)
{
	for (const enum accel_lang_arg *arg = prim->args; *arg; arg++)
		if (*arg >= ACCEL_ARG_PREDICATE)
			return false;
	return true;
}

/* A function of the type; where it is deep, one without functions as arguments. */
static const struct accel_lang_prim *random_prim(struct rng *rng, enum accel_lang_type type,
						 unsigned depth)
{
	const struct accel_lang_prim *prim;

	do {
		prim = &accel_lang_prims[rng_below(rng, accel_lang_n_prims)];
	} while (prim->type != type || prim->status == ACCEL_LANG_REFUSED ||
		 (depth > 4 && !is_leaf(prim)) ||
		 (prim->kind == ACCEL_NODE_SHIFT && !rng_one_in(rng, 4)));
	return prim;
}

static void random_operator(struct rng *rng, struct expr *e, unsigned depth)
{
	static const char *const logic[] = {"(%) .&&. (%)", "(%) .||. (%)", "(%) .^^. (%)",
					    "(%) .&&. (%) .||. (%)", "(%) .^^. (%) .^^. (%)"};
	static const char *const compare[] = {".<", ".<=", ".==", "./=", ".>", ".>="};
	static const char *const chains[] = {"(%) >-> (%)", "(%) >-> (%) >-> (%)",
					     "when (%) $ % >-> %", "if % then (%) else (%)"};

	if (e->type == ACCEL_LANG_PREDICATE && rng_one_in(rng, 3)) {
		add_text(e, "(%%) %s", PICK(rng, compare));
		add_number(rng, e, UINT64_MAX - 1);
		add_kid(rng, e, ACCEL_LANG_PROPERTY, depth + 1);
		return;
	}
	add_text(e, "%s", e->type == ACCEL_LANG_PREDICATE ? PICK(rng, logic) : PICK(rng, chains));
	for (const char *c = e->head; *c; c++)
		if (*c == '%')
			add_kid(rng, e,
				e->n_kids == 0 && (e->head[0] == 'w' || e->head[0] == 'i')
					? ACCEL_LANG_PREDICATE
					: e->type,
				depth + 1);
}

static struct expr *random_expr(struct rng *rng, enum accel_lang_type type, unsigned depth)
{
	struct expr *e = &pool[n_pool++];
	const struct accel_lang_prim *prim;
	const char *addr = "";

	assert_true(n_pool < MAX_EXPRS);
	memset(e, 0, sizeof(*e));
	e->type = type;
	if (n_pool > MAX_EXPRS / 2)
		depth = 10;
	if (type == ACCEL_LANG_PREDICATE && rng_one_in(rng, 10)) {
		add_text(e, "\"#%u\"", rng_below(rng, N_PROGRAMS));
		return e;
	}
	if (type != ACCEL_LANG_PROPERTY && depth <= 4 && rng_one_in(rng, depth ? 4 : 2)) {
		random_operator(rng, e, depth);
		return e;
	}
	prim = random_prim(rng, type, depth);
	add_text(e, "%s", prim->name);
	for (const enum accel_lang_arg *arg = prim->args; *arg; arg++)
		addr = add_argument(rng, e, *arg, addr, depth);
	return e;
}

static MAYBE size_t print_expr(const struct expr *e, char *out, size_t size)
{
	size_t n = 0;
	unsigned kid = 0;

	for (const char *c = e->head; *c; c++) {
		if (*c == '%')
			n += print_expr(e->kids[kid++], out + n, size - n);
		else if (n + 1 < size)
			out[n++] = *c;
	}
	out[n] = '\0';
	return n;
}

#endif
