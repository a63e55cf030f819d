/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_nomem.c - each allocation of the program's generator fails in turn: -ENOMEM with a text,
 * nothing leaked, the caller's program as it was. And each of a filter change of the engine.
 *
 * The latter needs root; without it, it is skipped and says why.
 *
 * Threads: one. */
#define VETH_QUEUES "1"

#include "test_xdp_capture.h"

#include "nomem.h"

#include <pcap-accel.h>

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

/* What the public call makes of all its parts. */
static void test_dump(void **state)
{
	struct pcap_accel_xdp what = {.size = sizeof(what),
				      .filter = "udp port 53",
				      .computation = "ip >-> filter \"udp\"",
				      .keeps = 1};
	int len = pcap_accel_dump_xdp(&what, NULL, 0, NULL, 0), r = -1;
	uint64_t n_extended = what.n_extended;
	unsigned n_failed = 0;
	long n_before = n_live;

	(void)state;
	assert_true(len > 0);
	for (unsigned call = 1; r < 0; call++) {
		char report[256] = "";

		what.n_extended = 77;
		n_calls = 0;
		fail_call = call;
		r = pcap_accel_dump_xdp(&what, NULL, 0, report, sizeof(report));
		fail_call = 0;
		if (r < 0) {
			n_failed++;
			assert_int_equal(r, -1);
			assert_int_equal(what.n_extended, 77);
			assert_non_null(strstr(report, "emory\n"));
		}
		assert_int_equal(n_live, n_before);
	}
	assert_int_equal(r, len);
	assert_int_equal(what.n_extended, n_extended);
	assert_true(n_failed > 20);
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

/* The next frame that the host sent and the filter took. */
static uint8_t next_protocol(struct capture *c)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	uint8_t frame[60];

	make_frame(frame, sizeof(frame), 1);
	for (unsigned i = 0; i < sizeof(protocols); i++) {
		frame[23] = protocols[i];
		assert_int_equal(send(c->host, frame, sizeof(frame), 0), sizeof(frame));
	}
	assert_int_equal(read_n(c, 1, WAIT_MS), 1);
	return c->seen[0].data[23];
}

/* Sent packets meet the filter that was there, or the new one, never none. */
static void test_filter(void **state)
{
	struct sock_filter tcp_only[ACCEL_ARRAY_LEN(udp_only)];
	unsigned n_failed = 0;
	struct capture c;
	bool ends = false;

	(void)state;
	need_veth();
	memcpy(tcp_only, udp_only, sizeof(tcp_only));
	tcp_only[1].k = IPPROTO_TCP;
	open_capture(&c, "xdp:accelx?direction=out");
	for (unsigned call = 1; !ends; call++) {
		int r;

		set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
		n_calls = 0;
		fail_call = call;
		r = (BE)->set_filter(c.st, tcp_only, ACCEL_ARRAY_LEN(tcp_only), &c.err);
		fail_call = 0;
		ends = n_calls < call;
		if (r < 0) {
			n_failed++;
			assert_int_equal(r, -ENOMEM);
			assert_memory_equal(c.err.text, "xdp:accelx?direction=out: ", 26);
		}
		assert_int_equal(next_protocol(&c), r < 0 ? IPPROTO_UDP : IPPROTO_TCP);
	}
	assert_true(n_failed >= 2);
	close_capture(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generate), cmocka_unit_test(test_dump),
		cmocka_unit_test(test_ops),	 cmocka_unit_test(test_link),
		cmocka_unit_test(test_filter),
	};

	return cmocka_run_group_tests(tests, make_veth, NULL);
}
