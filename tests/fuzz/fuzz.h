/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz.h - what the fuzz targets share: a check that stops the fuzzer, and what a good error text
 * is.
 *
 * Threads: one. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/err.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* An invariant. abort() makes libFuzzer keep the input. */
#define FUZZ_CHECK(what)                                                                          \
	do {                                                                                      \
		if (!(what)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* A failure says something, in one printable line that begins with `where`. */
static inline void fuzz_check_error(int rc, const struct accel_err *err, const char *where)
{
	size_t len = strnlen(err->text, sizeof(err->text));

	FUZZ_CHECK(rc == -EINVAL || rc == -ERANGE || rc == -E2BIG || rc == -EFBIG ||
		   rc == -EILSEQ || rc == -ENAMETOOLONG);
	FUZZ_CHECK(len > 0 && len < sizeof(err->text));
	FUZZ_CHECK(!strncmp(err->text, where, strlen(where)));
	for (size_t i = 0; i < len; i++)
		FUZZ_CHECK((uint8_t)err->text[i] >= 0x20 && err->text[i] != 0x7f);
}

/* The input as a string of its own allocation: a read beyond is ASan's to find. NUL ends it. */
static inline char *fuzz_string(const uint8_t *data, size_t len)
{
	char *s = malloc(len + 1);

	FUZZ_CHECK(s);
	memcpy(s, data, len);
	s[len] = '\0';
	return s;
}

#endif
