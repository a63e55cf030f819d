/* SPDX-License-Identifier: BSD-3-Clause */
/* lang_private.h - what is in a compiled computation: for lang.c and dump.c.
 *
 * Threads: constant once compiled. */
#ifndef ACCEL_LANG_PRIVATE_H
#define ACCEL_LANG_PRIVATE_H

#include "lang/arena.h"
#include "lang/lang.h"
#include "lang/lower.h"
#include "lang/parse.h"
#include "lang/shape.h"
#include "lang/source.h"

struct accel_lang {
	struct accel_lang_arena arena; /* tokens, trees, text */
	struct accel_lang_options opt;
	struct accel_lang_source src; /* err is NULL after the compilation */
	struct accel_lang_token *tokens;
	unsigned n_tokens;
	struct accel_lang_expr *expr;
	struct accel_lang_node *tree;
	struct accel_lang_shape shape;
	struct accel_lang_target parts[ACCEL_LANG_MAX_PARTS];
	unsigned n_parts;
	struct sock_filter *programs[ACCEL_LANG_MAX_PARTS]; /* of fanout parts; malloc'ed */
	unsigned n_programs[ACCEL_LANG_MAX_PARTS];
};

#endif
