/* SPDX-License-Identifier: BSD-3-Clause */
/* vectors.h - reads tests/vectors/ for the C tests. Not part of the library; aborts on a bad vector
 * file.
 *
 * A vector file is lines of fields parted by TAB. Empty lines and lines that begin with '#' are
 * skipped. "<HH>" (two upper-case hexadecimal digits) in a field is that byte.
 * Threads: one. */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VECTOR_FIELDS 8
#define VECTOR_LINE   16384

struct vectors {
	FILE *file;
	const char *name;
	unsigned line;
	char text[VECTOR_LINE];
	unsigned n;
	char *field[VECTOR_FIELDS]; /* those that are not there are "" */
};

static inline void vectors_open(struct vectors *v, const char *path)
{
	memset(v, 0, sizeof(*v));
	v->name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	v->file = fopen(path, "r");
	if (!v->file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		abort();
	}
}

static inline void vectors_close(struct vectors *v)
{
	fclose(v->file);
}

static inline int vectors_hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode "<HH>" in place. Returns the new length. */
static inline size_t vectors_decode(char *s)
{
	char *out = s, *start = s;

	while (*s) {
		if (s[0] == '<' && vectors_hex(s[1]) >= 0 && vectors_hex(s[2]) >= 0 &&
		    s[3] == '>') {
			*out++ = (char)(vectors_hex(s[1]) * 16 + vectors_hex(s[2]));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
	return (size_t)(out - start);
}

/* The next line as it is, without its newline; 0 at the end. */
static inline int vectors_line(struct vectors *v)
{
	if (!fgets(v->text, sizeof(v->text), v->file))
		return 0;
	v->line++;
	v->text[strcspn(v->text, "\n")] = '\0';
	return 1;
}

/* The next line that is a vector, as decoded fields; 0 at the end. */
static inline int vectors_next(struct vectors *v)
{
	static char none[] = "";
	char *rest;

	do {
		if (!vectors_line(v))
			return 0;
	} while (!v->text[0] || v->text[0] == '#');
	rest = v->text;
	for (v->n = 0; v->n < VECTOR_FIELDS && rest; v->n++)
		v->field[v->n] = strsep(&rest, "\t");
	for (unsigned i = 0; i < v->n; i++)
		vectors_decode(v->field[i]);
	for (unsigned i = v->n; i < VECTOR_FIELDS; i++)
		v->field[i] = none;
	return 1;
}

/* "EINVAL" -> -EINVAL, "0" -> 0. */
static inline int vectors_code(const char *name)
{
	for (int e = 0; e < 200; e++) {
		const char *known = e ? strerrorname_np(e) : "0";

		if (known && !strcmp(name, known))
			return -e;
	}
	fprintf(stderr, "unknown error name in a vector: '%s'\n", name);
	abort();
}

/* Compare and say where. */
#define assert_vector_string(v, is, want)                                                    \
	do {                                                                                 \
		if (strcmp((is), (want)))                                                    \
			fail_msg("%s:%u:\n  is   %s\n  want %s", (v)->name, (v)->line, (is), \
				 (want));                                                    \
	} while (0)
#define assert_vector_int(v, is, want)                                                         \
	do {                                                                                   \
		long long vector_is = (long long)(is), vector_want = (long long)(want);        \
		if (vector_is != vector_want)                                                  \
			fail_msg("%s:%u: is %lld, want %lld", (v)->name, (v)->line, vector_is, \
				 vector_want);                                                 \
	} while (0)

#endif
