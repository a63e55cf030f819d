/* SPDX-License-Identifier: BSD-3-Clause */
/* num.h - numbers as people write them, read strictly: the whole text or nothing.
 *
 *     number := decimal without leading zeros | "0x" hexadecimal     no sign, no blanks
 *     size   := number [ KiB | MiB | GiB | K | M | G ]               powers of 1024; alone: bytes
 *     time   := number ( us | ms | s ) | "0"
 *     bool   := yes | no | true | false | on | off | 1 | 0
 *
 * Letter case is of no matter. KB and MB are refused: they mean two things.
 * Pure. Threads: none of its own. */
#ifndef ACCEL_NUM_H
#define ACCEL_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCEL_NS_PER_US 1000ull
#define ACCEL_NS_PER_MS 1000000ull
#define ACCEL_NS_PER_S	1000000000ull

/* Read s[0..len), which need not end in NUL. 0; -EINVAL if it is not one; -ERANGE if it is one that
 * 64 bits cannot hold. *out is untouched on failure. */
int accel_parse_number(const char *s, size_t len, uint64_t *out);
int accel_parse_size(const char *s, size_t len, uint64_t *out); /* bytes */
int accel_parse_time(const char *s, size_t len, uint64_t *out); /* ns */
int accel_parse_bool(const char *s, size_t len, bool *out);	/* 0 or -EINVAL */

#define ACCEL_NUM_LEN 24 /* 20 digits, a unit, the NUL */

/* Write in the largest unit that divides it, so that the parser above reads the same value again:
 * 67108864 -> "64MiB". A time is written in whole microseconds, rounded down. Returns out. */
const char *accel_print_size(uint64_t bytes, char out[ACCEL_NUM_LEN]);
const char *accel_print_time(uint64_t ns, char out[ACCEL_NUM_LEN]);

#endif
