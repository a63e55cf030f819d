/* SPDX-License-Identifier: BSD-3-Clause */
/* test_num.c - base/num against tests/vectors/num.txt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/num.h"
#include "vectors.h"

#define UNTOUCHED 0x5a5a5a5a5a5a5a5aull

static int parse_bool(const char *s, size_t len, uint64_t *out)
{
	bool value = false;
	int rc = accel_parse_bool(s, len, &value);

	if (!rc)
		*out = value;
	return rc;
}

static const struct {
	const char *kind;
	int (*parse)(const char *s, size_t len, uint64_t *out);
} parsers[] = {
	{"number", accel_parse_number},
	{"size", accel_parse_size},
	{"time", accel_parse_time},
	{"bool", parse_bool},
};

static void check_parser(struct vectors *v, int (*parse)(const char *, size_t, uint64_t *))
{
	bool good = v->field[2][0] >= '0' && v->field[2][0] <= '9';
	uint64_t want = good ? strtoull(v->field[2], NULL, 10) : UNTOUCHED;
	int code = good ? 0 : vectors_code(v->field[2]);
	size_t len = strlen(v->field[1]);
	char *exact = malloc(len + 1); /* no NUL behind it: a read beyond is ASan's to find */
	uint64_t out = UNTOUCHED;

	exact = realloc(exact, len ? len : 1);
	memcpy(exact, v->field[1], len);
	assert_vector_int(v, parse(exact, len, &out), code);
	if (out != want)
		fail_msg("%s:%u: value %llu, want %llu", v->name, v->line, (unsigned long long)out,
			 (unsigned long long)want);
	free(exact);
}

static void check_print(struct vectors *v)
{
	uint64_t n = strtoull(v->field[1], NULL, 10);
	char out[ACCEL_NUM_LEN];

	if (!strcmp(v->field[0], "print_size"))
		assert_vector_string(v, accel_print_size(n, out), v->field[2]);
	else if (!strcmp(v->field[0], "print_time"))
		assert_vector_string(v, accel_print_time(n, out), v->field[2]);
	else
		fail_msg("%s:%u: unknown kind", v->name, v->line);
}

static void test_vectors(void **state)
{
	struct vectors v;
	unsigned n = 0;

	(void)state;
	vectors_open(&v, VECTORS_DIR "/num.txt");
	for (; vectors_next(&v); n++) {
		size_t i = 0;

		while (i < 4 && strcmp(v.field[0], parsers[i].kind))
			i++;
		if (i < 4)
			check_parser(&v, parsers[i].parse);
		else
			check_print(&v);
	}
	vectors_close(&v);
	assert_true(n > 80);
}

/* What is printed is read as the same value. */
static void test_round_trip(void **state)
{
	(void)state;
	for (unsigned shift = 0; shift < 64; shift++)
		for (int64_t d = -1; d <= 1; d++) {
			uint64_t n = (1ull << shift) + (uint64_t)d, us = n / 1000 * 1000, back = 1;
			char out[ACCEL_NUM_LEN];

			accel_print_size(n, out);
			assert_int_equal(accel_parse_size(out, strlen(out), &back), 0);
			assert_true(back == n);
			accel_print_time(n, out);
			assert_int_equal(accel_parse_time(out, strlen(out), &back), 0);
			assert_true(back == us);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests_name("num", tests, NULL, NULL);
}
