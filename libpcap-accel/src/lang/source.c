/* SPDX-License-Identifier: BSD-3-Clause */
/* source.c - places in a text, errors about them, and the error with a caret below it. See
 * source.h, and lang.h for accel_lang_explain_error(). Threads: none of its own. */
#include "lang/source.h"

#include "base/err.h"
#include "base/str.h"
#include "lang/lang.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct accel_lang_where place(const char *text, struct accel_lang_span span)
{
	struct accel_lang_where where = {.at = span.at, .len = span.len, .line = 1, .column = 1};

	for (size_t i = 0; i < span.at; i++) {
		where.column++;
		if (text[i] == '\n') {
			where.line++;
			where.column = 1;
		}
	}
	return where;
}

int accel_lang_fail(const struct accel_lang_source *src, struct accel_lang_span span, int code,
		    const char *fmt, ...)
{
	struct accel_lang_where where = place(src->text, span);
	struct accel_quote quote;
	char message[ACCEL_ERR_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (src->opt->where)
		*src->opt->where = where;
	return accel_fail(src->err, code, "%s:%u:%u: %s",
			  accel_quote(&quote, src->name, strlen(src->name)), where.line,
			  where.column, message);
}

int accel_lang_fail_memory(const struct accel_lang_source *src)
{
	struct accel_quote quote;

	return accel_fail(src->err, -ENOMEM, "%s: out of memory",
			  accel_quote(&quote, src->name, strlen(src->name)));
}

#define BEFORE_MAX 60u /* bytes of the line that are shown before the fault */
#define MARKED_MAX 60u
#define BEHIND_MAX 40u

/* The characters of text[from..to): what a terminal cannot show, and a tab, is one '?' or blank. */
static unsigned add_chars(struct accel_str *out, const char *text, size_t from, size_t to)
{
	struct accel_quote quote;
	unsigned n = 0;

	while (from < to) {
		size_t len = accel_utf8_len(text + from, to - from);

		len = len ? len : 1;
		if (text[from] == '\t')
			accel_str_add(out, " ");
		else
			accel_str_add(out, "%s", accel_quote(&quote, text + from, len));
		from += len;
		n++;
	}
	return n;
}

/* The first byte of a character, at or before `at`. */
static size_t char_start(const char *text, size_t len, size_t from, size_t at)
{
	while (at > from && at < len && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	return at;
}

size_t accel_lang_explain_error(const char *text, size_t len, const struct accel_err *err,
				const struct accel_lang_where *where, char *out, size_t size)
{
	size_t at = ACCEL_MIN(where->at, len), from = at, to = at, end;
	size_t marked_len = ACCEL_MIN(where->len, MARKED_MAX);
	struct accel_str str;
	unsigned before, marked;

	accel_str_init(&str, out, size);
	while (from > 0 && text[from - 1] != '\n')
		from--;
	if (at - from > BEFORE_MAX)
		from = char_start(text, len, from, at - BEFORE_MAX);
	while (to < len && text[to] != '\n' && to - at < marked_len + BEHIND_MAX)
		to++;
	end = char_start(text, len, at, ACCEL_MIN(at + marked_len, to));
	accel_str_add(&str, "%s\n    ", err->text);
	before = add_chars(&str, text, from, at);
	marked = add_chars(&str, text, at, end);
	if (to < len)
		to = char_start(text, len, end, to);
	add_chars(&str, text, end, to);
	accel_str_add(&str, "\n    %*s^", (int)before, "");
	for (unsigned i = 1; i < marked; i++)
		accel_str_add(&str, "~");
	accel_str_add(&str, "\n");
	return str.len;
}
