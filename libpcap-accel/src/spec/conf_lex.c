/* SPDX-License-Identifier: BSD-3-Clause */
/* conf_lex.c - comments, quotes, continued lines and bad bytes of a configuration file. What keys
 * mean is conf.c's.
 *
 * Threads: none of its own. */
#include "spec/conf_lex.h"

#include "base/str.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

void accel_conf_lex_init(struct accel_conf_lex *lex, const char *text, size_t len, char *scratch)
{
	bool mark = len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3); /* byte order mark */

	lex->text = text;
	lex->len = len;
	lex->pos = mark ? 3 : 0;
	lex->line_start = lex->pos;
	lex->line = 1;
	lex->scratch = scratch;
}

static struct accel_conf_pos here(const struct accel_conf_lex *lex)
{
	return (struct accel_conf_pos){lex->line, (unsigned)(lex->pos - lex->line_start) + 1};
}

static int fault_at(struct accel_conf_fault *fault, struct accel_conf_pos pos, int code,
		    const char *why)
{
	fault->pos = pos;
	fault->why = why;
	return code;
}

static bool at_end(const struct accel_conf_lex *lex)
{
	return lex->pos == lex->len;
}

/* The byte `ahead` of the cursor; a line's end at the end of the text and for CR LF. */
static char peek(const struct accel_conf_lex *lex, size_t ahead)
{
	size_t i = lex->pos + ahead;

	if (i >= lex->len)
		return '\n';
	if (lex->text[i] == '\r' && i + 1 < lex->len && lex->text[i + 1] == '\n')
		return '\n';
	return lex->text[i];
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void skip_blanks(struct accel_conf_lex *lex)
{
	while (is_blank(peek(lex, 0)))
		lex->pos++;
}

/* From a line's end to the start of the next line. */
static void next_line(struct accel_conf_lex *lex)
{
	if (at_end(lex))
		return;
	lex->pos += lex->text[lex->pos] == '\r' ? 2 : 1;
	lex->line_start = lex->pos;
	lex->line++;
}

/* Step over one character that is text. */
static int take_char(struct accel_conf_lex *lex, struct accel_conf_fault *fault)
{
	size_t n = accel_utf8_len(lex->text + lex->pos, lex->len - lex->pos);
	unsigned char c = (unsigned char)lex->text[lex->pos];

	if (!n)
		return fault_at(fault, here(lex), -EILSEQ, "not UTF-8 (is this a text file?)");
	if (!c)
		return fault_at(fault, here(lex), -EILSEQ, "a NUL byte (is this a text file?)");
	if ((c < ' ' && c != '\t') || c == 0x7f)
		return fault_at(fault, here(lex), -EINVAL, "a control byte (remove it)");
	lex->pos += n;
	return 0;
}

/* Step over what is left of the line: nothing, or a comment. */
static int take_comment(struct accel_conf_lex *lex, struct accel_conf_fault *fault)
{
	int rc = 0;

	while (!rc && peek(lex, 0) != '\n')
		rc = take_char(lex, fault);
	return rc;
}

static int take_key(struct accel_conf_lex *lex, struct accel_conf_item *item,
		    struct accel_conf_fault *fault)
{
	int rc = 0;

	item->key_pos = here(lex);
	item->key = lex->text + lex->pos;
	while (!rc && peek(lex, 0) != '=' && peek(lex, 0) != '\n')
		rc = take_char(lex, fault);
	if (rc)
		return rc;
	item->key_len = (size_t)(lex->text + lex->pos - item->key);
	while (item->key_len && is_blank(item->key[item->key_len - 1]))
		item->key_len--;
	if (peek(lex, 0) == '\n')
		return fault_at(fault, item->key_pos, -EINVAL, "no '=' in this line (KEY = VALUE)");
	if (!item->key_len)
		return fault_at(fault, item->key_pos, -EINVAL, "no key before '=' (KEY = VALUE)");
	lex->pos++;
	return 0;
}

/* Is the cursor on a backslash that ends its line? *out then loses its trailing blanks, and the
 * cursor stands on the next line's first byte that is not blank. 1, 0 if not, or -EINVAL. */
static int take_continuation(struct accel_conf_lex *lex, size_t *n_out,
			     struct accel_conf_fault *fault)
{
	struct accel_conf_pos pos = here(lex);
	size_t blanks = 0;

	if (peek(lex, 0) != '\\')
		return 0;
	while (is_blank(peek(lex, 1 + blanks)))
		blanks++;
	if (peek(lex, 1 + blanks) != '\n')
		return 0;
	if (blanks)
		return fault_at(fault, pos, -EINVAL, "blanks behind the backslash (remove them)");
	lex->pos++;
	if (at_end(lex))
		return fault_at(fault, pos, -EINVAL, "no line behind the backslash (remove it)");
	next_line(lex);
	skip_blanks(lex);
	while (*n_out && is_blank(lex->scratch[*n_out - 1]))
		--*n_out;
	if (*n_out)
		lex->scratch[(*n_out)++] = ' ';
	return 1;
}

static int take_plain(struct accel_conf_lex *lex, struct accel_conf_fault *fault)
{
	bool after_blank =
		is_blank(lex->text[lex->pos - 1]); /* what is before it is at least '=' */
	size_t n = 0, start;
	int rc;

	while (peek(lex, 0) != '\n' && !(peek(lex, 0) == '#' && after_blank)) {
		rc = take_continuation(lex, &n, fault);
		if (rc < 0)
			return rc;
		if (rc) {
			after_blank = true;
			continue;
		}
		start = lex->pos;
		rc = take_char(lex, fault);
		if (rc)
			return rc;
		memcpy(lex->scratch + n, lex->text + start, lex->pos - start);
		n += lex->pos - start;
		after_blank = is_blank(lex->text[start]);
	}
	while (n && is_blank(lex->scratch[n - 1]))
		n--;
	lex->scratch[n] = '\0';
	return take_comment(lex, fault);
}

static int take_quoted(struct accel_conf_lex *lex, struct accel_conf_fault *fault)
{
	struct accel_conf_pos opened = here(lex);
	size_t n = 0, start;
	int rc;

	lex->pos++;
	while (peek(lex, 0) != '"') {
		if (peek(lex, 0) == '\n')
			return fault_at(fault, opened, -EINVAL,
					"no closing quote in this line (\")");
		if (peek(lex, 0) == '\\') {
			if (peek(lex, 1) != '"' && peek(lex, 1) != '\\')
				return fault_at(fault, here(lex), -EINVAL,
						"unknown escape (\\\" or \\\\)");
			lex->pos++;
		}
		start = lex->pos;
		rc = take_char(lex, fault);
		if (rc)
			return rc;
		memcpy(lex->scratch + n, lex->text + start, lex->pos - start);
		n += lex->pos - start;
	}
	lex->pos++;
	lex->scratch[n] = '\0';
	start = lex->pos;
	skip_blanks(lex);
	if (peek(lex, 0) != '\n' && (peek(lex, 0) != '#' || lex->pos == start))
		return fault_at(fault, here(lex), -EINVAL,
				"text behind the closing quote (remove it)");
	return take_comment(lex, fault);
}

int accel_conf_next(struct accel_conf_lex *lex, struct accel_conf_item *item,
		    struct accel_conf_fault *fault)
{
	int rc;

	for (; !at_end(lex); next_line(lex)) {
		skip_blanks(lex);
		if (peek(lex, 0) != '\n' && peek(lex, 0) != '#')
			break;
		rc = take_comment(lex, fault);
		if (rc)
			return rc;
	}
	if (at_end(lex))
		return 0;
	rc = take_key(lex, item, fault);
	if (rc)
		return rc;
	skip_blanks(lex);
	item->value = lex->scratch;
	item->value_pos = here(lex);
	rc = peek(lex, 0) == '"' ? take_quoted(lex, fault) : take_plain(lex, fault);
	if (rc)
		return rc;
	next_line(lex);
	return 1;
}

void accel_conf_skip_line(struct accel_conf_lex *lex)
{
	bool goes_on;

	do {
		while (peek(lex, 0) != '\n')
			lex->pos++;
		goes_on = !at_end(lex) && lex->pos > 0 && lex->text[lex->pos - 1] == '\\';
		next_line(lex);
	} while (goes_on);
}
