/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_nomem.c - each allocation of the program's generator fails in turn: -ENOMEM with a text,
 * nothing leaked, the caller's program as it was.
 *
 * Threads: one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "bpf/cbpf.h"
#include "bpf/xdp_prog.h"

#include "nomem.h"

#include <errno.h>
#include <stdlib.h>

static void test_generate(void **state)
{
	static const struct accel_xdp_local local;
	struct accel_xdp_spec spec = {
		.action = ACCEL_XDP_TELL, .has_fragments = true, .interprets = true};
	struct sock_filter *keep;
	unsigned n_failed = 0;
	int rc = -ENOMEM;
	long n_before;

	(void)state;
	fail_call = 0;
	assert_int_equal(accel_xdp_keep_rules(&local, &keep, &spec.n_keep), 0);
	spec.keep = spec.filter = keep;
	spec.n_filter = spec.n_keep;
	n_before = n_live;
	for (unsigned call = 1; rc < 0; call++) {
		struct accel_ebpf_prog prog = {.n_insns = 77};
		struct accel_err err = {0};

		n_calls = 0;
		fail_call = call;
		rc = accel_xdp_generate(&spec, &prog, &err);
		fail_call = 0;
		if (rc < 0) {
			n_failed++;
			assert_int_equal(rc, -ENOMEM);
			assert_int_equal(prog.n_insns, 77);
			assert_memory_equal(err.text, "filter: ", 8);
		} else {
			accel_ebpf_prog_fini(&prog);
		}
		assert_int_equal(n_live, n_before);
	}
	assert_true(n_failed >= 8); /* two a translation, two of the program, growing arrays */
	free(keep);
}

static void test_ops(void **state)
{
	static const struct sock_filter filter = BPF_STMT(BPF_RET | BPF_K, 1);
	struct accel_xdp_op op = {.k = 77};
	struct accel_err err;
	long n_before = n_live;

	(void)state;
	n_calls = 0;
	fail_call = 1;
	assert_int_equal(accel_xdp_ops(&filter, 1, &op, &err), -ENOMEM);
	fail_call = 0;
	assert_string_equal(err.text, "filter: out of memory");
	assert_int_equal(op.k, 77);
	assert_int_equal(accel_xdp_ops(&filter, 1, &op, &err), 0);
	assert_int_equal(n_live, n_before);
}

static void test_link(void **state)
{
	struct accel_ebpf_insn exit_only = {.code = ACCEL_BPF_EXIT};
	struct accel_ebpf_prog prog = {.insns = &exit_only, .n_insns = 1};

	(void)state;
	n_calls = 0;
	fail_call = 1;
	assert_null(accel_ebpf_link(&prog, NULL, NULL));
	fail_call = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generate),
		cmocka_unit_test(test_ops),
		cmocka_unit_test(test_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
