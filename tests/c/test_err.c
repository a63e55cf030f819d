/* SPDX-License-Identifier: BSD-3-Clause */
/* test_err.c - base/err: the text, its length, its bytes, errno. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"

#include <errno.h>
#include <string.h>

static void test_text_and_code(void **state)
{
	struct accel_err err;

	(void)state;
	errno = EPIPE;
	assert_int_equal(accel_fail(&err, -EINVAL, "%s: bad %d", "x", 7), -EINVAL);
	assert_string_equal(err.text, "x: bad 7");
	assert_int_equal(accel_fail(NULL, -ENOMEM, "%s", "x"), -ENOMEM);
	assert_int_equal(accel_fail_sys(NULL, -ENOMEM, "%s", "x"), -ENOMEM);
	assert_int_equal(accel_fail_sys(&err, -ENOENT, "open %s", "/x"), -ENOENT);
	assert_string_equal(err.text, "open /x: No such file or directory");
	assert_int_equal(accel_fail_sys(&err, -99999, "x"), -99999);
	assert_string_equal(err.text, "x: unknown error");
	assert_int_equal(errno, EPIPE);
}

static void test_control_bytes_are_masked(void **state)
{
	struct accel_err err;

	(void)state;
	accel_fail(&err, -EINVAL, "a\x1b[2Jb\n\r\t\x7f%s", "\xc3\xa9");
	assert_string_equal(err.text, "a?[2Jb????\xc3\xa9");
}

static void test_long_text_is_cut(void **state)
{
	struct accel_err err;
	char s[ACCEL_ERR_LEN + 10];

	(void)state;
	memset(s, 'x', sizeof(s));
	s[ACCEL_ERR_LEN - 1] = '\0';
	accel_fail(&err, -EINVAL, "%s", s);
	assert_string_equal(err.text, s); /* just fits */
	s[ACCEL_ERR_LEN - 1] = 'x';
	s[sizeof(s) - 1] = '\0';
	accel_fail(&err, -EINVAL, "%s", s);
	assert_int_equal(strlen(err.text), ACCEL_ERR_LEN - 1);
	assert_string_equal(err.text + ACCEL_ERR_LEN - 5, "x...");
	accel_fail_sys(&err, -ENOENT, "%s", s);
	assert_int_equal(strlen(err.text), ACCEL_ERR_LEN - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_and_code),
		cmocka_unit_test(test_control_bytes_are_masked),
		cmocka_unit_test(test_long_text_is_cut),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
