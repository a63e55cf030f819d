/* SPDX-License-Identifier: BSD-3-Clause */
/* parse.h - tokens become a syntax tree. What names mean is check.h's.
 *
 *     computation := [ "main" "=" ] chain
 *     chain       := either { ">->" either }              one after the other
 *     either      := odd { ".||." odd }
 *     odd         := both { ".^^." both }
 *     both        := comparison { ".&&." comparison }
 *     comparison  := application [ COMPARE application ]
 *     application := "if" chain "then" chain "else" chain
 *                  | NAME { argument } [ "$" chain ]      what is behind $ is the last argument
 *                  | argument
 *     argument    := NAME | NUMBER | STRING | "(" chain ")" | "[" [ argument { "," argument } ] "]"
 *
 * PFQ's own language is Haskell; there a comparison binds looser than .&&., so its users put
 * parentheses around it, which do no harm here. The branch behind "else" reaches as far as it can.
 *
 * Chains and logic are lists of any length rather than trees, so that the depth of the tree is
 * bounded by the nesting of the text (ACCEL_LANG_MAX_DEPTH).
 *
 * Inside lang/ only.
 * Threads: none of its own. */
#ifndef ACCEL_LANG_PARSE_H
#define ACCEL_LANG_PARSE_H

#include "lang/lex.h"

enum accel_lang_syntax {
	ACCEL_SYN_APPLY, /* token: the name; kids: arguments */
	ACCEL_SYN_NUMBER,
	ACCEL_SYN_STRING,
	ACCEL_SYN_LIST,
	ACCEL_SYN_CHAIN, /* at least two kids */
	ACCEL_SYN_OR,
	ACCEL_SYN_XOR,
	ACCEL_SYN_AND,
	ACCEL_SYN_COMPARE, /* token: the operator; two kids */
	ACCEL_SYN_IF,	   /* three kids */
};

struct accel_lang_expr {
	enum accel_lang_syntax kind;
	struct accel_lang_span span; /* of the whole expression */
	const struct accel_lang_token *token;
	struct accel_lang_expr *kids, *next;
	unsigned n_kids;
};

/* The tree of the tokens, in the arena. 0, -EINVAL, -ENOMEM. */
int accel_lang_parse(const struct accel_lang_source *src, const struct accel_lang_token *tokens,
		     struct accel_lang_expr **out);

#endif
