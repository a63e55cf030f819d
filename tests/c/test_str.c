/* SPDX-License-Identifier: BSD-3-Clause */
/* test_str.c - base/str: the builder, UTF-8, quotations, likeness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/str.h"

#include <string.h>

static void test_builder_counts_what_it_cuts(void **state)
{
	struct accel_str str;
	char text[8];

	(void)state;
	memset(text, 'x', sizeof(text));
	accel_str_init(&str, text, 6);
	assert_string_equal(text, "");
	accel_str_add(&str, "%s", "abc");
	accel_str_add(&str, "%d", 1234);
	accel_str_add(&str, "%s", "tail");
	assert_string_equal(text, "abc12");
	assert_int_equal(str.len, 11);
	assert_int_equal(text[6], 'x');
	accel_str_init(&str, NULL, 0);
	accel_str_add(&str, "%s", "abc");
	assert_int_equal(str.len, 3);
}

static void test_utf8(void **state)
{
	static const struct {
		const char *s;
		size_t len, want;
	} cases[] = {
		{"", 0, 0},
		{"a", 1, 1},
		{"\0", 1, 1},
		{"\x7f", 1, 1},
		{"\x80", 1, 0},
		{"\xc1\xbf", 2, 0},
		{"\xc2\x80", 2, 2},
		{"\xc2", 1, 0},
		{"\xc2"
		 "a",
		 2, 0},
		{"\xdf\xbf", 2, 2},
		{"\xe0\x9f\xbf", 3, 0},
		{"\xe0\xa0\x80", 3, 3},
		{"\xed\x9f\xbf", 3, 3},
		{"\xed\xa0\x80", 3, 0},
		{"\xef\xbf\xbf", 3, 3},
		{"\xe2\x82", 2, 0},
		{"\xe2\x82"
		 "a",
		 3, 0},
		{"\xf0\x8f\xbf\xbf", 4, 0},
		{"\xf0\x90\x80\x80", 4, 4},
		{"\xf4\x8f\xbf\xbf", 4, 4},
		{"\xf4\x90\x80\x80", 4, 0},
		{"\xf0\x90\x80", 3, 0},
		{"\xf5\x80\x80\x80", 4, 0},
		{"\xff", 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(cases); i++)
		if (accel_utf8_len(cases[i].s, cases[i].len) != cases[i].want)
			fail_msg("case %zu", i);
}

static const char *quote(const char *s)
{
	static struct accel_quote q;

	return accel_quote(&q, s, strlen(s));
}

#define TEN "0123456789"

static void test_quote(void **state)
{
	(void)state;
	assert_string_equal(quote(""), "");
	assert_string_equal(quote("eth0"), "eth0");
	assert_string_equal(quote("a\x1b[31m\n\x7f"), "a?[31m??");
	assert_string_equal(quote("\xc3\xa9\xff\xc2\x9b."), "\xc3\xa9??.");
	assert_string_equal(quote(TEN TEN TEN TEN TEN TEN), TEN TEN TEN TEN TEN TEN);
	assert_string_equal(quote(TEN TEN TEN TEN TEN TEN "x"), TEN TEN TEN TEN TEN "0123456...");
	/* A character that would be cut in two goes as a whole. */
	assert_string_equal(quote(TEN TEN TEN TEN TEN "012345"
						      "\xc3\xa9" TEN),
			    TEN TEN TEN TEN TEN "012345...");
	assert_string_equal(quote(TEN TEN TEN TEN TEN "012345"
						      "\xc3\xa9"
						      "89"),
			    TEN TEN TEN TEN TEN "012345"
						"\xc3\xa9"
						"89");
	assert_string_equal(quote(TEN TEN TEN TEN TEN "012345678"
						      "\xc3\xa9"),
			    TEN TEN TEN TEN TEN "0123456...");
}

static void test_word_is(void **state)
{
	(void)state;
	assert_true(accel_word_is("BuFFer", 6, "buffer"));
	assert_true(accel_word_is("bufferx", 6, "buffer"));
	assert_false(accel_word_is("buffe", 5, "buffer"));
	assert_false(accel_word_is("buffers", 7, "buffer"));
	assert_false(accel_word_is("buffer\0", 7, "buffer"));
	assert_true(accel_word_is("", 0, ""));
	assert_false(accel_word_is("[", 1, "{")); /* 0x20 apart, and no letters */
}

static void test_distance(void **state)
{
	static const struct {
		const char *s, *word;
		unsigned want;
	} cases[] = {
		{"buffer", "buffer", 0},
		{"BUFFER", "buffer", 0},
		{"buffr", "buffer", 1},
		{"bufffer", "buffer", 1},
		{"bugfer", "buffer", 1},
		{"bufefr", "buffer", 1},
		{"gorup", "group", 1},
		{"ufbfre", "buffer", 3},
		{"buff", "buffer", 2},
		{"buf", "buffer", 3},
		{"bfufre", "buffer", 2},
		{"xxx", "buffer", 3},
		{"", "buffer", 3},
		{"va", "vlan", 3},
		{"vn", "vlan", 3},
		{"vla", "vlan", 1},
		{"a", "ab", 3},
		{"buffer and more", "buffer", 3},
		{"x123456789012345678901234567890123", "x12345678901234567890123456789012", 3},
	};

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(cases); i++) {
		unsigned is = accel_word_distance(cases[i].s, strlen(cases[i].s), cases[i].word);

		if (is != cases[i].want)
			fail_msg("%s, %s: is %u, want %u", cases[i].s, cases[i].word, is,
				 cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builder_counts_what_it_cuts),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_word_is),
		cmocka_unit_test(test_distance),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
