/* SPDX-License-Identifier: BSD-3-Clause */
/* source.h - the text that is being compiled, and how a pass says what is wrong with it.
 *
 * Inside lang/ only.
 * Threads: belongs to one compilation. */
#ifndef ACCEL_LANG_SOURCE_H
#define ACCEL_LANG_SOURCE_H

#include "base/util.h"
#include "lang/arena.h"

#include <stddef.h>
#include <stdint.h>

struct accel_err;
struct accel_lang_options;

/* Bytes at .. at + len of the text. Kept from the first token to the last error. */
struct accel_lang_span {
	uint32_t at, len;
};

struct accel_lang_source {
	const char *name;
	const char *text;
	size_t len;
	const struct accel_lang_options *opt; /* never NULL */
	struct accel_lang_arena *arena;
	struct accel_err *err;
};

/* Write "NAME:LINE:COLUMN: ..." and opt->where, return `code`. */
int accel_lang_fail(const struct accel_lang_source *src, struct accel_lang_span span, int code,
		    const char *fmt, ...) ACCEL_PRINTF(4, 5);

/* The same for an allocation that failed. */
int accel_lang_fail_memory(const struct accel_lang_source *src);

#endif
