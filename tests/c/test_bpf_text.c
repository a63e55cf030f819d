/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_text.c - reading programs as numbers, and the errors of that. What accel_bpf_print writes
 * is compared with libpcap in test_bpf_pcap.c. */
#include "test_bpf_kernel.h"

#include "base/err.h"

/* One damage each; `error` NULL: read. */
static const struct row {
	const char *name;
	const char *text;
	int rc;
	const char *error;
} rows[] = {
	{"one instruction", "1\n6 0 0 262144\n", 0, NULL},
	{"no newline at the end", "1\n6 0 0 262144", 0, NULL},
	{"blanks, tabs, CR, blank lines", " 1 \r\n\n6\t0  0 262144 \r\n\n \n", 0, NULL},
	{"the greatest numbers", "2\n21 0 0 4294967295\n6 255 255 262144\n", 0, NULL},
	{"nothing", "", -EINVAL, "f: line 1: the number of instructions is no decimal number"},
	{"a word", "one\n", -EINVAL, "f: line 1: the number of instructions is no decimal number"},
	{"a sign", "+1\n6 0 0 0\n", -EINVAL,
	 "f: line 1: the number of instructions is no decimal number"},
	{"a negative k", "1\n6 0 0 -1\n", -EINVAL, "f: line 2: k is no decimal number"},
	{"hexadecimal", "1\n0x6 0 0 0\n", -EINVAL, "f: line 2: the code is no decimal number"},
	{"count 0", "0\n", -EINVAL, "f: has no instructions"},
	{"count over 4096", "4097\n6 0 0 0\n", -E2BIG, "f: has 4097 instructions (at most 4096)"},
	{"count over 32 bits", "4294967297\n", -EINVAL,
	 "f: line 1: the number of instructions is over 4294967295"},
	{"two counts", "1 1\n6 0 0 0\n", -EINVAL,
	 "f: line 1: something follows the number of instructions"},
	{"too few", "2\n6 0 0 0\n", -EINVAL, "f: ends after 1 of 2 instructions"},
	{"too many", "1\n6 0 0 0\n\n6 0 0 0\n", -EINVAL,
	 "f: line 4: follows the last of 1 instructions"},
	{"three fields", "1\n6 0 0\n", -EINVAL, "f: line 2: k is no decimal number"},
	{"five fields", "1\n6 0 0 0 0\n", -EINVAL,
	 "f: line 2: something follows k (would be: code jt jf k)"},
	{"a code over 16 bits", "1\n65536 0 0 0\n", -EINVAL, "f: line 2: the code is over 65535"},
	{"jt over 8 bits", "1\n6 256 0 0\n", -EINVAL, "f: line 2: jt is over 255"},
	{"jf over 8 bits", "1\n6 0 256 0\n", -EINVAL, "f: line 2: jf is over 255"},
	{"k over 32 bits", "1\n6 0 0 4294967296\n", -EINVAL, "f: line 2: k is over 4294967295"},
	{"k over 64 bits", "1\n6 0 0 18446744073709551617\n", -EINVAL,
	 "f: line 2: k is over 4294967295"},
	{"not a program", "1\n5 0 0 9\n", -EINVAL,
	 "f: instruction 0 (code 0x5, k 0x9) jumps out of the program"},
};

static void test_row(void **state)
{
	const struct row *row = *state;
	struct sock_filter untouched, *insns = &untouched;
	struct accel_err err = {.text = "untouched"};
	unsigned n = 77;
	/* A copy without a NUL, so that a sanitizer sees one step too far. */
	size_t len = strlen(row->text);
	char *text = malloc(len ? len : 1);

	assert_non_null(text);
	memcpy(text, row->text, len);
	assert_int_equal(accel_bpf_parse("f", text, len, &insns, &n, &err), row->rc);
	free(text);
	assert_string_equal(err.text, row->error ? row->error : "untouched");
	if (row->error) {
		assert_ptr_equal(insns, &untouched);
		assert_int_equal(n, 77);
		return;
	}
	assert_int_equal(insns[n - 1].code, BPF_RET | BPF_K);
	assert_int_equal(insns[n - 1].k, 262144);
	free(insns);
}

static void test_all_fields(void **state)
{
	static const char short_of_one[] = "3\n40 0 0 12\n21 0 1 2048\n6 0 0 65535\n";
	static const char good[] = "4\n40 0 0 12\n21 0 1 2048\n6 0 0 65535\n6 0 0 0";
	struct sock_filter *insns;
	unsigned n;

	(void)state;
	/* jf of instruction 1 leads to 3, which is out in the first. */
	assert_int_equal(
		accel_bpf_parse("f", short_of_one, sizeof(short_of_one) - 1, &insns, &n, NULL),
		-EINVAL);
	assert_int_equal(accel_bpf_parse("f", good, sizeof(good) - 1, &insns, &n, NULL), 0);
	assert_int_equal(n, 4);
	assert_int_equal(insns[0].code, 40);
	assert_int_equal(insns[0].k, 12);
	assert_int_equal(insns[1].jt, 0);
	assert_int_equal(insns[1].jf, 1);
	assert_int_equal(insns[1].k, 2048);
	free(insns);
}

static void test_print_cuts(void **state)
{
	const struct sock_filter insn = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x800, 0, 3);
	const char *whole = "(001) jeq      #0x800           jt 2\tjf 5";
	char out[64];

	(void)state;
	assert_int_equal(accel_bpf_print(&insn, 1, NULL, 0), strlen(whole));
	memset(out, '#', sizeof(out));
	assert_int_equal(accel_bpf_print(&insn, 1, out, 12), strlen(whole));
	assert_string_equal(out, "(001) jeq  ");
	assert_int_equal(out[12], '#');
	assert_int_equal(accel_bpf_print(&insn, 1, out, sizeof(out)), strlen(whole));
	assert_string_equal(out, whole);
}

static void test_print_unknown(void **state)
{
	const struct sock_filter insn = BPF_JUMP(0xffff, 4, 2, 3);
	char out[64];

	(void)state;
	accel_bpf_print(&insn, 1234, out, sizeof(out));
	assert_string_equal(out, "(1234) unknown  0xffff jt 2 jf 3 k 0x4");
}

int main(void)
{
	struct CMUnitTest tests[ACCEL_ARRAY_LEN(rows) + 3] = {
		cmocka_unit_test(test_all_fields),
		cmocka_unit_test(test_print_cuts),
		cmocka_unit_test(test_print_unknown),
	};

	for (size_t i = 0; i < ACCEL_ARRAY_LEN(rows); i++)
		tests[i + 3] = (struct CMUnitTest){.name = rows[i].name,
						   .test_func = test_row,
						   .initial_state = (void *)&rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
