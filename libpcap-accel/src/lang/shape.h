/* SPDX-License-Identifier: BSD-3-Clause */
/* shape.h - what a computation can do to a packet, found without running it: every way through the
 * tree is followed with what is known of the fan-out. The result decides which sockets a member
 * needs, and what the programs have to keep in their cells.
 *
 * Inside lang/ only. Source: reference of PFQ's semantics, "which program shape, which block".
 * Threads: none of its own. */
#ifndef ACCEL_LANG_SHAPE_H
#define ACCEL_LANG_SHAPE_H

#include "lang/node.h"

struct accel_lang_shape {
	unsigned makes; /* ACCEL_MAKES_*: fan-outs at the ends, and DROP */
	unsigned uses;	/* ACCEL_USES_* of all functions */
};

void accel_lang_find_shape(const struct accel_lang_node *tree, struct accel_lang_shape *out);

/* Of an action within: can it drop after it has changed the fan-out (then what was before must be
 * kept for the next alternative of a par)? Does it look at inner headers? */
bool accel_lang_drops_late(const struct accel_lang_node *n);
bool accel_lang_shifts(const struct accel_lang_node *n);

#endif
