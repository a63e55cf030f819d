/* SPDX-License-Identifier: BSD-3-Clause */
/* conf_lex.h - reads "key = value" pairs out of a file's text. For conf.c alone; conf.h has the
 * grammar.
 *
 * Never allocates: a value is built in scratch memory that the caller lends.
 * Threads: none of its own. */
#ifndef ACCEL_CONF_LEX_H
#define ACCEL_CONF_LEX_H

#include <stddef.h>

struct accel_conf_pos {
	unsigned line, column; /* from 1; columns count bytes */
};

struct accel_conf_lex {
	const char *text;
	size_t len;
	size_t pos;	   /* of the next byte */
	size_t line_start; /* of the line that pos is in */
	unsigned line;	   /* from 1 */
	char *scratch;
};

struct accel_conf_item {
	const char *key; /* in the text, not NUL-terminated */
	size_t key_len;
	char *value; /* in the scratch memory, NUL-terminated, until the next item is read */
	struct accel_conf_pos key_pos, value_pos;
};

struct accel_conf_fault {
	struct accel_conf_pos pos;
	const char *why; /* constant text: "what (what would be right)" */
};

/* `text` and `scratch`, of len + 1 bytes, must outlive the reading. */
void accel_conf_lex_init(struct accel_conf_lex *lex, const char *text, size_t len, char *scratch);

/* Read the next pair. 1; 0 at the end; -EINVAL or, for bytes that are no text, -EILSEQ, with *fault
 * set. */
int accel_conf_next(struct accel_conf_lex *lex, struct accel_conf_item *item,
		    struct accel_conf_fault *fault);

/* After a fault: go on behind its line, and behind those that the line goes on with. */
void accel_conf_skip_line(struct accel_conf_lex *lex);

#endif
