/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_program.c - the public call that shows an XDP program: what it prints is what the engine
 * makes of the same filter, cut to the room that there is, and a failure writes nothing but a report.
 *
 * Threads: one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "bpf/cbpf.h"
#include "bpf/xdp_prog.h"

#include <pcap-accel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LEN (1 << 18)

static char text[TEXT_LEN];

static int dump(struct pcap_accel_xdp *what)
{
	char report[512] = "";
	int len;

	what->size = sizeof(*what);
	len = pcap_accel_dump_xdp(what, text, sizeof(text), report, sizeof(report));
	if (len < 0)
		fail_msg("%s", report);
	assert_int_equal(len, strlen(text));
	return len;
}

static unsigned count_lines(const char *begin)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, begin)); at++)
		n += at == text || at[-1] == '\n';
	return n;
}

/* The classic program that it gives back, put into the engine's own functions, prints the same. */
static void test_is_the_engines(void **state)
{
	struct sock_filter insns[ACCEL_BPF_MAX_INSNS];
	static char expected[TEXT_LEN];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		bool taps = i & 1, drops = i == 2;
		struct pcap_accel_xdp what = {.filter = "udp port 53",
					      .computation = i == 3 ? "ip >-> udp" : NULL,
					      .taps = taps,
					      .drops_rest = drops,
					      .snaplen = taps ? 96 : 0,
					      .insns = (struct bpf_insn *)insns,
					      .max_insns = ACCEL_BPF_MAX_INSNS};
		struct accel_xdp_spec spec = {.filter = insns,
					      .action = taps ? ACCEL_XDP_TAP : ACCEL_XDP_DIVERT,
					      .rest = drops ? ACCEL_XDP_DROP : ACCEL_XDP_PASS,
					      .clock = ACCEL_XDP_CLOCK_MONOTONIC,
					      .is_gated = true,
					      .snaplen = taps ? 96 : 65535};
		struct accel_ebpf_prog prog;

		dump(&what);
		spec.n_filter = what.n_insns;
		assert_int_equal(accel_xdp_generate(&spec, &prog, NULL), 0);
		accel_xdp_dump(&spec, &prog, expected, sizeof(expected));
		assert_string_equal(text, expected);
		assert_int_equal(what.n_extended, prog.n_insns);
		assert_int_equal(what.n_keep, 0);
		accel_ebpf_prog_fini(&prog);
	}
}

/* A filter alone is what libpcap made, as long as the capture's snaplen says. */
static void test_filter_is_libpcaps(void **state)
{
	struct bpf_insn *no_room = NULL;
	struct sock_filter insns[3] = {{0}, {0}, {0xffff, 1, 2, 3}};
	struct pcap_accel_xdp what = {
		.filter = "ip", .snaplen = 100, .insns = (struct bpf_insn *)insns, .max_insns = 2};

	(void)state;
	dump(&what);
	assert_int_equal(what.n_insns, 4);
	assert_int_equal(insns[0].code, BPF_LD | BPF_H | BPF_ABS);
	assert_int_equal(insns[1].k, 0x800);
	assert_int_equal(insns[2].code, 0xffff);
	assert_int_equal(count_lines("; filter (002) ret      #100\n"), 1);
	what.insns = no_room;
	what.filter = NULL;
	what.snaplen = 0;
	dump(&what);
	assert_int_equal(what.n_insns, 0);
	assert_int_equal(count_lines("; filter\n"), 1);
}

static void test_keep_rules(void **state)
{
	struct pcap_accel_xdp what = {.filter = "udp", .keeps = 1};

	(void)state;
	dump(&what);
	assert_true(what.n_keep > 0);
	assert_int_equal(count_lines("; keep (000) "), 1);
	what.taps = 1;
	dump(&what);
	assert_int_equal(what.n_keep, 0);
	assert_int_equal(count_lines("; keep "), 0);
}

static void test_cut(void **state)
{
	struct pcap_accel_xdp what = {.filter = "udp"};
	int len = dump(&what);
	char few[11] = "xxxxxxxxxx";

	(void)state;
	assert_int_equal(pcap_accel_dump_xdp(&what, NULL, 0, NULL, 0), len);
	assert_int_equal(pcap_accel_dump_xdp(&what, few, 8, NULL, 0), len);
	assert_memory_equal(few, "; begin\0xx", sizeof(few));
}

/* Each failure: its sentence, and nothing else is touched. */
static void test_refusals(void **state)
{
	static const struct {
		struct pcap_accel_xdp what;
		const char *sentence;
	} rows[] = {
		{{.filter = "udp prot 53"},
		 "filter \"udp prot 53\": can't parse filter expression: syntax error\n"},
		{{.computation = "ip >->\nupd"},
		 "computation:2:1: unknown function 'upd' (did you mean 'udp'?)\n    upd\n    "
		 "^~~\n"},
		{{.computation = "ip >-> steer_flow"},
		 "computation: divides packets among members, which is another program's of their "
		 "group (would be: predicates alone)\n"},
		{{.filter = "ip6 protochain 6"},
		 "filter: instruction 18 jumps back, and an XDP program has no loops (would be: a "
		 "filter without protochain)\n"},
		{{.taps = 1, .drops_rest = 1},
		 "xdp: tap=yes copies, the host gets everything (would be: rest=drop without "
		 "tap)\n"},
	};
	char report[512], few[9];

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(rows); i++) {
		struct pcap_accel_xdp what = rows[i].what;

		what.size = sizeof(what);
		what.n_extended = 77;
		strcpy(text, "untouched");
		assert_int_equal(
			pcap_accel_dump_xdp(&what, text, sizeof(text), report, sizeof(report)), -1);
		assert_string_equal(report, rows[i].sentence);
		assert_string_equal(text, "untouched");
		assert_int_equal(what.n_extended, 77);
		assert_int_equal(pcap_accel_dump_xdp(&what, text, sizeof(text), NULL, 0), -1);
		assert_int_equal(pcap_accel_dump_xdp(&what, NULL, 0, few, sizeof(few)), -1);
		assert_int_equal(strlen(few), 8);
		what.size--;
		assert_int_equal(pcap_accel_dump_xdp(&what, NULL, 0, report, sizeof(report)), -1);
		assert_string_equal(report, "pcap_accel_dump_xdp: size is too small\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_the_engines), cmocka_unit_test(test_filter_is_libpcaps),
		cmocka_unit_test(test_keep_rules),     cmocka_unit_test(test_cut),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
