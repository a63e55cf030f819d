/* SPDX-License-Identifier: BSD-3-Clause */
/* str.h - the little that is done to text: a bounded builder, UTF-8, quoting strangers, likeness.
 *
 * Not a string type: nothing here allocates. Letter case is that of ASCII, whatever the locale.
 * Source: UTF-8 as in RFC 3629 section 4.
 * Threads: none of its own. */
#ifndef ACCEL_STR_H
#define ACCEL_STR_H

#include "base/util.h"

#include <stdbool.h>
#include <stddef.h>

/* Text built piece by piece into the caller's memory. `len` is what the whole text needs, as with
 * snprintf: what does not fit is not written, and what is written ends in NUL (if size > 0). */
struct accel_str {
	char *at;
	size_t size; /* bytes at `at` */
	size_t len;  /* of the whole text without the NUL; >= size means that it was cut */
};

void accel_str_init(struct accel_str *str, char *at, size_t size);
void accel_str_add(struct accel_str *str, const char *fmt, ...) ACCEL_PRINTF(2, 3);

#define ACCEL_QUOTE_MAX 60 /* bytes of a stranger's text that an error repeats */

/* Room for one quotation. */
struct accel_quote {
	char text[ACCEL_QUOTE_MAX + 1];
};

/* s[0..len) fit for an error text: control bytes and invalid UTF-8 become '?', more than 60 bytes
 * are cut at a character and end in "...". Returns q->text. */
const char *accel_quote(struct accel_quote *q, const char *s, size_t len);

/* Bytes (1 to 4) of the character at s[0], of `len` there are; 0 if it is not valid UTF-8. */
size_t accel_utf8_len(const char *s, size_t len);

/* Does s[0..len) equal the NUL-terminated word, letter case aside? */
bool accel_word_is(const char *s, size_t len, const char *word);

#define ACCEL_LIKE_MAX 2 /* more changes than this make another word */

/* How many letters must change to turn s[0..len) into `word`: one put in, taken out, replaced or
 * swapped with its neighbour counts 1, letter case counts nothing. More than ACCEL_LIKE_MAX, or as
 * many as s has letters, is reported as ACCEL_LIKE_MAX + 1. */
unsigned accel_word_distance(const char *s, size_t len, const char *word);

#endif
