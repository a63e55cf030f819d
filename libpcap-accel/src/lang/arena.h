/* SPDX-License-Identifier: BSD-3-Clause */
/* arena.h - memory that is freed together. What a compilation makes lives in one arena.
 *
 * Inside lang/ only.
 * Threads: an arena belongs to its caller. */
#ifndef ACCEL_LANG_ARENA_H
#define ACCEL_LANG_ARENA_H

#include <stddef.h>

struct accel_lang_chunk;

/* Zeroed = empty. */
struct accel_lang_arena {
	struct accel_lang_chunk *first; /* the one that is being filled */
};

/* `size` zeroed bytes, aligned for anything; NULL: out of memory. */
void *accel_lang_alloc(struct accel_lang_arena *arena, size_t size);
void accel_lang_arena_fini(struct accel_lang_arena *arena);

#endif
