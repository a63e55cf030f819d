/* SPDX-License-Identifier: BSD-3-Clause */
/* nomem.h - allocators that fail when they are told to, for a test_*_nomem.c: its program is linked
 * with --wrap for them (tests/c/CMakeLists.txt). One file of a program includes this.
 *
 * Threads: one; the counters are for it alone. */
#ifndef TEST_NOMEM_H
#define TEST_NOMEM_H

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>

static unsigned n_calls;   /* allocations since the start of the attempt */
static unsigned fail_call; /* this one fails, from 1; 0 = none */
static long n_live;	   /* pointers that were given out and not freed */
static size_t live_len;	   /* bytes of them */
static size_t most_len;	   /* the most that they ever were; whoever asks sets it to 0 before */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
void __wrap_free(void *p);

static bool fails_now(void)
{
	return ++n_calls == fail_call;
}

static void *count(void *p)
{
	n_live += p != NULL;
	live_len += malloc_usable_size(p);
	most_len = live_len > most_len ? live_len : most_len;
	return p;
}

static void uncount(void *p)
{
	n_live -= p != NULL;
	live_len -= malloc_usable_size(p);
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : count(__real_calloc(n, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	if (fails_now())
		return NULL;
	uncount(old);
	return count(__real_realloc(old, size));
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	if (fails_now())
		return NULL;
	uncount(old);
	return count(__real_reallocarray(old, n, size));
}

char *__wrap_strdup(const char *s)
{
	return fails_now() ? NULL : count(__real_strdup(s));
}

char *__wrap_strndup(const char *s, size_t n)
{
	return fails_now() ? NULL : count(__real_strndup(s, n));
}

void __wrap_free(void *p)
{
	uncount(p);
	__real_free(p);
}

#endif
