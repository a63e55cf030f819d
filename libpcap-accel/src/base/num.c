/* SPDX-License-Identifier: BSD-3-Clause */
/* num.c - strict numbers, sizes, times and truth values. See num.h for what is one. */
#include "base/num.h"

#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Each printed unit first, the largest first; then what is only read. */
static const struct unit size_units[] = {
	{"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"", 1},
	{"G", 1ull << 30},   {"M", 1ull << 20},	  {"K", 1ull << 10},   {NULL, 0},
};
static const struct unit time_units[] = {
	{"s", ACCEL_NS_PER_S},
	{"ms", ACCEL_NS_PER_MS},
	{"us", ACCEL_NS_PER_US},
	{NULL, 0},
};

/* The digit's value, or 16 if it is none. */
static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A') + 10;
	return 16;
}

/* The number that s begins with: *used bytes of it, at least 1. The digits are read to their end
 * even if the value is lost, so that "99999999999999999999x" is none rather than a large one. */
static int parse_prefix(const char *s, size_t len, uint64_t *out, size_t *used)
{
	bool hex = len > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	unsigned base = hex ? 16 : 10;
	size_t start = hex ? 2 : 0, i;
	bool lost = false;
	uint64_t n = 0;

	for (i = start; i < len && digit_value(s[i]) < base; i++)
		lost |= __builtin_mul_overflow(n, base, &n) ||
			__builtin_add_overflow(n, digit_value(s[i]), &n);
	if (i == start || (!hex && s[0] == '0' && i > 1))
		return -EINVAL;
	*used = i;
	*out = n;
	return lost ? -ERANGE : 0;
}

static int parse_with_unit(const char *s, size_t len, const struct unit *units, uint64_t *out)
{
	uint64_t n = 0, scaled;
	size_t used = 0;
	int rc = parse_prefix(s, len, &n, &used);

	if (rc == -EINVAL)
		return rc;
	for (; units->name; units++) {
		if (!accel_word_is(s + used, len - used, units->name))
			continue;
		if (rc || __builtin_mul_overflow(n, units->factor, &scaled))
			return -ERANGE;
		*out = scaled;
		return 0;
	}
	return -EINVAL;
}

int accel_parse_number(const char *s, size_t len, uint64_t *out)
{
	static const struct unit none[] = {{"", 1}, {NULL, 0}};

	return parse_with_unit(s, len, none, out);
}

int accel_parse_size(const char *s, size_t len, uint64_t *out)
{
	return parse_with_unit(s, len, size_units, out);
}

int accel_parse_time(const char *s, size_t len, uint64_t *out)
{
	if (len == 1 && s[0] == '0') {
		*out = 0;
		return 0;
	}
	return parse_with_unit(s, len, time_units, out);
}

int accel_parse_bool(const char *s, size_t len, bool *out)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{"yes", true}, {"no", false},  {"true", true}, {"false", false},
		{"on", true},  {"off", false}, {"1", true},    {"0", false},
	};

	for (size_t i = 0; i < ACCEL_ARRAY_LEN(words); i++)
		if (accel_word_is(s, len, words[i].word)) {
			*out = words[i].value;
			return 0;
		}
	return -EINVAL;
}

static const char *print_with_unit(uint64_t n, const struct unit *units, char *out)
{
	while (n % units->factor)
		units++;
	snprintf(out, ACCEL_NUM_LEN, "%" PRIu64 "%s", n / units->factor, units->name);
	return out;
}

const char *accel_print_size(uint64_t bytes, char out[ACCEL_NUM_LEN])
{
	return bytes ? print_with_unit(bytes, size_units, out)
		     : print_with_unit(0, &size_units[3], out);
}

const char *accel_print_time(uint64_t ns, char out[ACCEL_NUM_LEN])
{
	uint64_t whole = ns - ns % ACCEL_NS_PER_US;

	if (!whole) {
		snprintf(out, ACCEL_NUM_LEN, "0");
		return out;
	}
	return print_with_unit(whole, time_units, out);
}
