/* SPDX-License-Identifier: BSD-3-Clause */
/* str.c - bounded text, UTF-8, quotations, edit distance. See str.h. */
#include "base/str.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void accel_str_init(struct accel_str *str, char *at, size_t size)
{
	str->at = at;
	str->size = size;
	str->len = 0;
	if (size)
		at[0] = '\0';
}

void accel_str_add(struct accel_str *str, const char *fmt, ...)
{
	size_t left = str->len < str->size ? str->size - str->len : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(left ? str->at + str->len : NULL, left, fmt, ap);
	va_end(ap);
	if (n > 0)
		str->len += (size_t)n;
}

/* The second byte decides whether a sequence is overlong, a surrogate, or beyond U+10FFFF. */
static bool second_is_valid(uint8_t first, uint8_t second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return second >= 0x80 && second <= 0xbf;
	}
}

size_t accel_utf8_len(const char *s, size_t len)
{
	const uint8_t *b = (const uint8_t *)s;
	size_t need;

	if (!len)
		return 0;
	if (b[0] < 0x80)
		return 1;
	if (b[0] < 0xc2 || b[0] > 0xf4)
		return 0;
	need = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
	if (len < need || !second_is_valid(b[0], b[1]))
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

/* The character at s, or '?' for what is no character or would disturb a terminal. U+0080..U+009F
 * are controls too (C2 80..9F). Returns the bytes taken from s. */
static size_t put_char(const char *s, size_t len, char *out, size_t *n_out)
{
	size_t n = accel_utf8_len(s, len);
	uint8_t first = (uint8_t)s[0];

	if (!n || first < 0x20 || first == 0x7f || (first == 0xc2 && (uint8_t)s[1] < 0xa0)) {
		out[0] = '?';
		*n_out = 1;
		return n ? n : 1;
	}
	memcpy(out, s, n);
	*n_out = n;
	return n;
}

const char *accel_quote(struct accel_quote *q, const char *s, size_t len)
{
	size_t used = 0, keep = 0, n;
	char one[4];

	for (size_t i = 0; i < len;) {
		i += put_char(s + i, len - i, one, &n);
		if (used + n > ACCEL_QUOTE_MAX) {
			memcpy(q->text + keep, "...", 4);
			return q->text;
		}
		memcpy(q->text + used, one, n);
		used += n;
		if (used <= ACCEL_QUOTE_MAX - 3)
			keep = used; /* up to here, if "..." must follow */
	}
	q->text[used] = '\0';
	return q->text;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool accel_word_is(const char *s, size_t len, const char *word)
{
	for (size_t i = 0; i < len; i++)
		if (!word[i] || lower(s[i]) != lower(word[i]))
			return false;
	return !word[len];
}

#define LONGEST_WORD 32 /* no name in our tables is longer */

/* One row of the table of distances: of the first `i` letters of s to each beginning of `word`.
 * before[] and before2[] are the two rows above. */
static void next_row(const char *s, size_t i, const char *word, const unsigned *before,
		     const unsigned *before2, unsigned *row)
{
	row[0] = (unsigned)i;
	for (size_t j = 1; word[j - 1]; j++) {
		unsigned other = lower(s[i - 1]) != lower(word[j - 1]);

		row[j] = ACCEL_MIN(before[j - 1] + other, ACCEL_MIN(before[j], row[j - 1]) + 1);
		if (i > 1 && j > 1 && lower(s[i - 1]) == lower(word[j - 2]) &&
		    lower(s[i - 2]) == lower(word[j - 1]))
			row[j] = ACCEL_MIN(row[j], before2[j - 2] + 1);
	}
}

unsigned accel_word_distance(const char *s, size_t len, const char *word)
{
	unsigned rows[3][LONGEST_WORD + 1];
	size_t word_len = strlen(word);
	unsigned d;

	if (word_len > LONGEST_WORD || len > word_len + ACCEL_LIKE_MAX)
		return ACCEL_LIKE_MAX + 1;
	for (size_t j = 0; j <= word_len; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= len; i++)
		next_row(s, i, word, rows[(i + 2) % 3], rows[(i + 1) % 3], rows[i % 3]);
	d = rows[len % 3][word_len];
	return d > ACCEL_LIKE_MAX || d >= len ? ACCEL_LIKE_MAX + 1 : d;
}
