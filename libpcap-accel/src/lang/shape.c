/* SPDX-License-Identifier: BSD-3-Clause */
/* shape.c - abstract interpretation. See shape.h.
 *
 * Conditions are taken to go either way: a computation that is called mixed here may be less, never
 * more.
 * Threads: none of its own. */
#include "lang/shape.h"

/* What is known behind an action. */
struct ends {
	unsigned fans; /* bits of ACCEL_MAKES_FANOUT; none: nothing gets here */
	bool drops;    /* some do not get here */
	bool writes;   /* the fan-out may have been decided anew */
	bool late;     /* may drop after that */
};

static struct ends follow(const struct accel_lang_node *n, unsigned in);

static struct ends follow_act(unsigned makes, unsigned uses, unsigned in)
{
	struct ends e = {.fans = in, .drops = makes & ACCEL_MAKES_DROP};

	if (makes & ACCEL_MAKES_FANOUT)
		e.fans = makes & ACCEL_MAKES_FANOUT;
	if (makes & ACCEL_MAKES_NEVER_PASS)
		e.fans = 0;
	e.writes = makes & ACCEL_MAKES_FANOUT || uses & ACCEL_USES_CLASS;
	return e;
}

static struct ends follow_chain(const struct accel_lang_node *kid, unsigned in)
{
	struct ends all = {.fans = in};

	for (; kid && all.fans; kid = kid->next) {
		struct ends e = follow(kid, all.fans);

		all.fans = e.fans;
		all.drops |= e.drops;
		all.late |= e.late || (all.writes && e.drops);
		all.writes |= e.writes;
	}
	return all;
}

static struct ends follow_if(const struct accel_lang_node *yes, unsigned in)
{
	struct ends a = follow(yes, in), b = {.fans = in};

	if (yes->next)
		b = follow(yes->next, in);
	return (struct ends){.fans = a.fans | b.fans,
			     .drops = a.drops || b.drops,
			     .writes = a.writes || b.writes,
			     .late = a.late || b.late};
}

/* An alternative that is tried after another finds the fan-out as it was before that one. */
static struct ends follow_par(const struct accel_lang_node *kid, unsigned in)
{
	struct ends all = {.drops = true};

	for (; kid && all.drops; kid = kid->next) {
		struct ends e = follow(kid, in);

		all.fans |= e.fans;
		all.drops = e.drops;
		all.writes |= e.writes;
		all.late = e.late; /* of the last: it is the one that ends in a drop */
	}
	return all;
}

static struct ends follow_inv(const struct accel_lang_node *kid, unsigned in)
{
	struct ends e = follow(kid, in);

	return (struct ends){.fans = e.drops ? ACCEL_MAKES_COPY : 0,
			     .drops = e.fans != 0,
			     .writes = true,
			     .late = e.fans && e.writes};
}

static struct ends follow(const struct accel_lang_node *n, unsigned in)
{
	switch (n->kind) {
	case ACCEL_NODE_FILTER:
		return (struct ends){.fans = in, .drops = true};
	case ACCEL_NODE_CHAIN:
		return follow_chain(n->kids, in);
	case ACCEL_NODE_IF:
		return follow_if(n->kids->next, in);
	case ACCEL_NODE_PAR:
		return follow_par(n->kids, in);
	case ACCEL_NODE_INV:
		return follow_inv(n->kids, in);
	case ACCEL_NODE_SHIFT:
	case ACCEL_NODE_ENDS:
		return follow(n->kids, in);
	default:
		return follow_act(n->prim->act->makes, n->prim->uses, in);
	}
}

static unsigned uses_of(const struct accel_lang_node *n)
{
	unsigned uses = 0;

	if (n->prim)
		uses = n->prim->uses;
	if (n->kind == ACCEL_NODE_PCAP)
		uses = ACCEL_USES_LEN;
	for (const struct accel_lang_node *kid = n->kids; kid; kid = kid->next)
		uses |= uses_of(kid);
	return uses;
}

void accel_lang_find_shape(const struct accel_lang_node *tree, struct accel_lang_shape *out)
{
	struct ends e = follow(tree, ACCEL_MAKES_COPY);

	out->makes = e.fans | (e.drops ? ACCEL_MAKES_DROP : 0);
	out->uses = uses_of(tree);
}

bool accel_lang_drops_late(const struct accel_lang_node *n)
{
	return follow(n, ACCEL_MAKES_COPY).late;
}

bool accel_lang_shifts(const struct accel_lang_node *n)
{
	if (n->kind == ACCEL_NODE_SHIFT)
		return true;
	for (const struct accel_lang_node *kid = n->kids; kid; kid = kid->next)
		if (accel_lang_shifts(kid))
			return true;
	return false;
}
