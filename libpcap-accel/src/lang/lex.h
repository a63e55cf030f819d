/* SPDX-License-Identifier: BSD-3-Clause */
/* lex.h - a text becomes tokens, each with its place.
 *
 *     name     := [A-Za-z_] [A-Za-z0-9_']*         a number may not run into one: 8021q is no token
 *     number   := base/num.h's, also "-" digits    (-1 stands for "any" in a list of VLAN ids)
 *     string   := '"' characters with \" and \\ '"'        on one line
 *     operator := >->  .&&.  .||.  .^^.  $  =  ( ) [ ] ,
 *               | .<  .<=  .==  ./=  .>  .>=  <.  <=.  ==.  /=.  >.  >=.
 *     comment  := "--" to the end of the line | "{-" ... "-}", which may hold others
 *
 * Inside lang/ only.
 * Threads: none of its own. */
#ifndef ACCEL_LANG_LEX_H
#define ACCEL_LANG_LEX_H

#include "lang/source.h"

#include <stdbool.h>

enum accel_lang_tok {
	ACCEL_TOK_END,
	ACCEL_TOK_NAME,
	ACCEL_TOK_NUMBER,
	ACCEL_TOK_STRING,
	ACCEL_TOK_ARROW,
	ACCEL_TOK_AND,
	ACCEL_TOK_OR,
	ACCEL_TOK_XOR,
	ACCEL_TOK_COMPARE,
	ACCEL_TOK_DOLLAR,
	ACCEL_TOK_ASSIGN,
	ACCEL_TOK_OPEN,
	ACCEL_TOK_CLOSE,
	ACCEL_TOK_OPEN_LIST,
	ACCEL_TOK_CLOSE_LIST,
	ACCEL_TOK_COMMA,
	ACCEL_TOK_IF,
	ACCEL_TOK_THEN,
	ACCEL_TOK_ELSE,
};

enum accel_lang_cmp {
	ACCEL_CMP_LESS,
	ACCEL_CMP_LESS_EQ,
	ACCEL_CMP_EQUAL,
	ACCEL_CMP_NOT_EQUAL,
	ACCEL_CMP_GREATER,
	ACCEL_CMP_GREATER_EQ,
	ACCEL_CMP_ANY_BIT,
	ACCEL_CMP_ALL_BIT,
};

struct accel_lang_token {
	enum accel_lang_tok kind;
	struct accel_lang_span span;
	uint64_t number; /* of a number; of "-N", N */
	bool negative;
	enum accel_lang_cmp cmp; /* of a comparison: what it asks of the property ... */
	bool property_right;	 /* ... which stands on its right */
	const char *string;	 /* of a string: unescaped, NUL-terminated, without NUL inside */
};

/* What the kind is called in errors and dumps. */
const char *accel_lang_tok_name(enum accel_lang_tok kind);

/* All tokens of the text, ACCEL_TOK_END last, into the arena. 0, -EINVAL, -ERANGE, -EILSEQ, -EFBIG,
 * -ENOMEM. */
int accel_lang_lex(const struct accel_lang_source *src, struct accel_lang_token **out,
		   unsigned *n_out);

#endif
