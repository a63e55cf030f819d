/* SPDX-License-Identifier: BSD-3-Clause */
/* util.h - the handful of macros that every layer uses. Not a place for functions.
 *
 * Threads: nothing here has state. */
#ifndef ACCEL_UTIL_H
#define ACCEL_UTIL_H

#include <stddef.h>

#define ACCEL_ARRAY_LEN(a)	 (sizeof(a) / sizeof((a)[0]))
#define ACCEL_MIN(a, b)		 ((a) < (b) ? (a) : (b))
#define ACCEL_MAX(a, b)		 ((a) > (b) ? (a) : (b))
#define ACCEL_ALIGN_UP(n, to)	 (((n) + (to)-1) / (to) * (to))
#define ACCEL_LIKELY(c)		 __builtin_expect(!!(c), 1)
#define ACCEL_UNLIKELY(c)	 __builtin_expect(!!(c), 0)
#define ACCEL_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* Shared with another thread, a signal handler or the kernel. The comment at each use names the
 * other side. */
#define accel_load_acquire(p)	  __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define accel_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define accel_load_relaxed(p)	  __atomic_load_n((p), __ATOMIC_RELAXED)
#define accel_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

#endif
