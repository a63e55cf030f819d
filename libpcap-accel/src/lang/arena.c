/* SPDX-License-Identifier: BSD-3-Clause */
/* arena.c - chunks of memory, filled from the front. See arena.h. */
#include "lang/arena.h"

#include "base/util.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_LEN 8192u

struct accel_lang_chunk {
	struct accel_lang_chunk *next;
	size_t size, used;
	_Alignas(max_align_t) unsigned char bytes[];
};

static struct accel_lang_chunk *add_chunk(struct accel_lang_arena *arena, size_t at_least)
{
	size_t size = ACCEL_MAX(at_least, CHUNK_LEN);
	struct accel_lang_chunk *chunk = malloc(sizeof(*chunk) + size);

	if (!chunk)
		return NULL;
	chunk->next = arena->first;
	chunk->size = size;
	chunk->used = 0;
	arena->first = chunk;
	return chunk;
}

void *accel_lang_alloc(struct accel_lang_arena *arena, size_t size)
{
	struct accel_lang_chunk *chunk = arena->first;
	void *p;

	size = ACCEL_ALIGN_UP(size, _Alignof(max_align_t));
	if (!chunk || size > chunk->size - chunk->used)
		chunk = add_chunk(arena, size);
	if (!chunk)
		return NULL;
	p = chunk->bytes + chunk->used;
	chunk->used += size;
	return memset(p, 0, size);
}

void accel_lang_arena_fini(struct accel_lang_arena *arena)
{
	while (arena->first) {
		struct accel_lang_chunk *next = arena->first->next;

		free(arena->first);
		arena->first = next;
	}
}
