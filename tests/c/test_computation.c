/* SPDX-License-Identifier: BSD-3-Clause */
/* test_computation.c - the public calls for computations: what they hand on is what the language's
 * own functions say, cut to the room that there is, and a frame is judged as the kernel would.
 *
 * Threads: one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "bpf/cbpf.h"
#include "lang/lang.h"

#include <pcap-accel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_MEMBERS 5

static struct pcap_accel_computation *compile(const char *text)
{
	struct pcap_accel_computation *c = NULL;
	char report[512] = "";

	if (pcap_accel_compile_computation(text, &c, report, sizeof(report)) != 0)
		fail_msg("%s", report);
	assert_non_null(c);
	return c;
}

/* ---- frames ---- */

/* A UDP packet from 10.0.0.1:1234 to 10.0.0.2:7777, behind these tags. Its length. */
static size_t make_frame(uint8_t frame[128], const uint8_t *tags, size_t tags_len)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
	static const uint8_t packet[] = {8,  0,	 0x45, 0,    0,	   28,	 0, 0, 0,  0,
					 64, 17, 0,    0,    10,   0,	 0, 1, 10, 0,
					 0,  2,	 4,    0xd2, 0x1e, 0x61, 0, 8, 0,  0};

	memcpy(frame, macs, sizeof(macs));
	if (tags_len)
		memcpy(frame + sizeof(macs), tags, tags_len);
	memcpy(frame + sizeof(macs) + tags_len, packet, sizeof(packet));
	return sizeof(macs) + tags_len + sizeof(packet);
}

static const uint8_t tag5[] = {0x81, 0, 0, 5}, qinq[] = {0x88, 0xa8, 0, 7, 0x81, 0, 0, 5},
		     old_qinq[] = {0x91, 0, 0, 7, 0x81, 0, 0, 5};

static struct pcap_accel_verdict run(const char *text, const void *frame, size_t len)
{
	struct pcap_accel_computation *c = compile(text);
	struct pcap_accel_verdict v = {.size = sizeof(v)};

	assert_int_equal(pcap_accel_run_computation(c, frame, len, N_MEMBERS, &v), 0);
	pcap_accel_free_computation(c);
	return v;
}

static bool passes(const char *text, const uint8_t *tags, size_t tags_len)
{
	uint8_t frame[128];

	return run(text, frame, make_frame(frame, tags, tags_len)).outcome != 0;
}

/* ---- compiling ---- */

static void test_report(void **state)
{
	static const char text
		[] = "ip >->\nsteer_flwo",
	    expected[] =
		    "computation:2:1: unknown function 'steer_flwo' (did you mean 'steer_flow'?)\n"
		    "    steer_flwo\n"
		    "    ^~~~~~~~~~\n";
	struct pcap_accel_computation *c = (void *)state;
	char report[512], cut[20];

	memset(cut, 'x', sizeof(cut));
	assert_int_equal(pcap_accel_compile_computation(text, &c, report, sizeof(report)), -1);
	assert_string_equal(report, expected);
	assert_ptr_equal(c, state);
	assert_int_equal(pcap_accel_compile_computation(text, &c, cut, 10), -1);
	assert_memory_equal(cut, "computati\0xxxxxxxxxx", sizeof(cut));
	assert_int_equal(pcap_accel_compile_computation(text, &c, cut, 0), -1);
	assert_int_equal(pcap_accel_compile_computation(text, &c, NULL, 0), -1);
	pcap_accel_free_computation(NULL);
}

/* What the real compiler says of a filter is handed on, with the filter's place. */
static void test_report_of_a_filter(void **state)
{
	struct pcap_accel_computation *c = NULL;
	char report[512];

	(void)state;
	assert_int_equal(pcap_accel_compile_computation("ip >-> filter \"tcp prot 80\"", &c, report,
							sizeof(report)),
			 -1);
	assert_non_null(strstr(report, "computation:1:15: pcap filter: filter \"tcp prot 80\": "));
	assert_null(c);
}

/* Texts that nobody should write: an error, and no memory that is not ours is touched. */
static void test_hostile_texts(void **state)
{
	static char huge[1 << 20], deep[4000];
	static const char *const texts[] = {huge,   deep,	 "",
					    " ",    "\xff\xfe",	 "ip >-> \x01",
					    "((((", "filter \"", "filter \"\"\"",
					    ">->",  "\x80",	 "if if if"};
	struct pcap_accel_computation *c = NULL;
	char report[256];

	(void)state;
	memset(huge, 'x', sizeof(huge) - 1);
	memset(deep, '(', sizeof(deep) - 1);
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(texts); i++) {
		report[0] = '\0';
		if (pcap_accel_compile_computation(texts[i], &c, report, sizeof(report)) == 0)
			fail_msg("compiled: %.40s", texts[i]);
		assert_memory_equal(report, "computation", strlen("computation"));
		assert_true(strlen(report) < sizeof(report));
	}
	assert_null(c);
}

/* ---- showing ---- */

static void test_dump(void **state)
{
	static const char text[] = "udp >-> steer_flow";
	struct pcap_accel_computation *c = compile(text);
	struct accel_lang *lang = NULL;
	static char ours[65536], theirs[65536];
	int n;

	(void)state;
	assert_int_equal(accel_lang_compile("computation", text, strlen(text), NULL, &lang, NULL),
			 0);
	for (int form = PCAP_ACCEL_FORM_TOKENS; form <= PCAP_ACCEL_FORM_SYNTAX; form++) {
		n = pcap_accel_dump_computation(c, form, ours, sizeof(ours));
		accel_lang_dump(lang, (enum accel_lang_form)form, theirs, sizeof(theirs));
		assert_string_equal(ours, theirs);
		assert_int_equal(n, strlen(ours));
		assert_int_equal(pcap_accel_dump_computation(c, form, NULL, 0), n);
	}
	assert_int_equal(pcap_accel_dump_computation(c, PCAP_ACCEL_FORM_SYNTAX + 1, ours, 10), -1);
	assert_int_equal(pcap_accel_dump_computation(c, (enum pcap_accel_form) - 1, ours, 10), -1);
	accel_lang_free(lang);
	pcap_accel_free_computation(c);
}

/* Each program is the language's own, written as far as there is room. */
static void test_programs(void **state)
{
	static const char text[] = "double_steer_ip";
	struct pcap_accel_computation *c = compile(text);
	struct sock_filter ours[BPF_MAXINSNS], *filter;
	const struct sock_filter *fanout;
	struct accel_lang *lang = NULL;
	unsigned n;

	(void)state;
	assert_int_equal(accel_lang_compile("computation", text, strlen(text), NULL, &lang, NULL),
			 0);
	for (unsigned part = 0; part < 3; part++) {
		assert_int_equal(
			accel_lang_filter(lang, part, N_MEMBERS, NULL, 0, &filter, &n, NULL), 0);
		memset(ours, 0x5a, sizeof(ours));
		assert_int_equal(pcap_accel_get_program(c, part, 0, N_MEMBERS, (void *)ours, 1), n);
		assert_int_equal(ours[1].code, 0x5a5a);
		assert_int_equal(
			pcap_accel_get_program(c, part, 0, N_MEMBERS, (void *)ours, BPF_MAXINSNS),
			n);
		assert_memory_equal(ours, filter, n * sizeof(*filter));
		free(filter);
		fanout = accel_lang_fanout(lang, part, &n);
		assert_int_equal(pcap_accel_get_program(c, part, 1, 1, (void *)ours, BPF_MAXINSNS),
				 fanout ? n : 0);
		if (fanout)
			assert_memory_equal(ours, fanout, n * sizeof(*fanout));
	}
	assert_int_equal(pcap_accel_get_program(c, 3, 0, 1, NULL, 0), 0);
	assert_int_equal(pcap_accel_get_program(c, 3, 1, 1, NULL, 0), 0);
	assert_int_equal(pcap_accel_get_program(c, UINT32_MAX, 0, 1, NULL, 0), 0);
	assert_int_equal(pcap_accel_get_program(c, 0, 2, 1, NULL, 0), -1);
	assert_int_equal(pcap_accel_get_program(c, 0, -1, 1, NULL, 0), -1);
	assert_int_equal(pcap_accel_get_program(c, 0, 0, 0, NULL, 0), -1);
	accel_lang_free(lang);
	pcap_accel_free_computation(c);
	c = compile("unit");
	assert_int_equal(pcap_accel_get_program(c, 0, 0, 1, NULL, 0), 0); /* no filter is needed */
	pcap_accel_free_computation(c);
}

/* ---- running ---- */

static void test_outcomes(void **state)
{
	struct pcap_accel_verdict v;
	uint8_t frame[128];
	size_t len = make_frame(frame, NULL, 0);

	(void)state;
	v = run("tcp", frame, len);
	assert_int_equal(v.outcome, 0);
	v = run("udp", frame, len);
	assert_int_equal(v.outcome, 1);
	assert_int_equal(v.member, 0);
	assert_int_equal(v.classes, 1);
	v = run("steer_rrobin", frame, len);
	assert_int_equal(v.outcome, 2);
	assert_int_equal(v.any_one, 1);
	v = run("double_steer_ip", frame, len);
	assert_int_equal(v.outcome, 3);
	assert_int_equal(v.member, v.value % N_MEMBERS);
	assert_int_equal(v.member2, v.value2 % N_MEMBERS);
	assert_int_not_equal(v.value, v.value2);
	assert_int_equal(v.any_one, 0);
}

/* The member is the one whom the fanout program names: the kernel's own arithmetic. */
static void test_member_is_the_programs(void **state)
{
	struct accel_bpf_aux aux = {.protocol = 0x800, .net_offset = 14, .hatype = 1};
	struct pcap_accel_computation *c = compile("steer_flow");
	struct pcap_accel_verdict v = {.size = sizeof(v)};
	struct sock_filter prog[BPF_MAXINSNS];
	unsigned homes = 0;
	uint8_t frame[128];
	size_t len = make_frame(frame, NULL, 0);

	(void)state;
	pcap_accel_get_program(c, 0, 1, N_MEMBERS, (void *)prog, BPF_MAXINSNS);
	for (int i = 0; i < 256; i++) {
		frame[29] = (uint8_t)i; /* of the source address */
		assert_int_equal(pcap_accel_run_computation(c, frame, len, N_MEMBERS, &v), 0);
		assert_int_equal(v.outcome, 2);
		assert_int_equal(v.value,
				 accel_bpf_run(prog, frame, (uint32_t)len, (uint32_t)len, &aux));
		assert_int_equal(v.member, v.value % N_MEMBERS);
		homes |= 1u << v.member;
	}
	assert_int_equal(homes, (1u << N_MEMBERS) - 1);
	pcap_accel_free_computation(c);
}

/* A tag is where the kernel has it: beside the packet, the outer one; a filter that asks for tags
 * finds them all the same. */
static void test_tags(void **state)
{
	static const char port[] = "filter \"udp port 7777\"", vlan5[] = "filter \"vlan 5\"",
			  vlan7[] = "filter \"ether host 2:0:0:0:0:1 and vlan 7\"";

	(void)state;
	assert_true(passes(port, NULL, 0));
	assert_true(passes(port, tag5, sizeof(tag5)));
	assert_false(passes(port, qinq, sizeof(qinq)));
	assert_false(passes(port, old_qinq, sizeof(old_qinq)));
	assert_false(passes(vlan5, NULL, 0));
	assert_true(passes(vlan5, tag5, sizeof(tag5)));
	assert_false(passes(vlan5, qinq, sizeof(qinq)));
	assert_true(passes(vlan7, qinq, sizeof(qinq)));
	assert_true(passes("vlan_id_filter [5]", tag5, sizeof(tag5)));
	assert_false(passes("vlan_id_filter [5]", qinq, sizeof(qinq)));
	assert_true(passes("vlan_id_filter [7]", qinq, sizeof(qinq)));
	assert_true(passes("udp", qinq, sizeof(qinq)));
}

static void test_whom_it_is_for(void **state)
{
	uint8_t frame[128];
	size_t len = make_frame(frame, NULL, 0);

	(void)state;
	assert_int_equal(run("incoming_host", frame, len).outcome, 1);
	memset(frame, 0xff, 6);
	assert_int_equal(run("filter is_broadcast", frame, len).outcome, 1);
}

/* Frames of every length, in memory of exactly that length: the sanitizers look on. */
static void test_short_frames(void **state)
{
	static const char *const texts[] = {"steer_flow", "filter \"vlan and udp\"", "ip6",
					    "shift steer_flow"};
	struct pcap_accel_verdict v = {.size = sizeof(v)};
	uint8_t frame[128], *exact;
	size_t len = make_frame(frame, qinq, sizeof(qinq));

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(texts); i++) {
		struct pcap_accel_computation *c = compile(texts[i]);

		for (size_t n = 0; n <= len; n++) {
			exact = malloc(n + !n);
			memcpy(exact, frame, n);
			assert_int_equal(pcap_accel_run_computation(c, exact, n, 1, &v), 0);
			free(exact);
		}
		pcap_accel_free_computation(c);
	}
}

static void test_run_refuses(void **state)
{
	struct pcap_accel_computation *c = compile("steer_flow");
	struct pcap_accel_verdict v = {.size = sizeof(v), .outcome = 77, .member = 77};
	uint8_t frame[128];
	size_t len = make_frame(frame, NULL, 0);

	(void)state;
	assert_int_equal(pcap_accel_run_computation(c, frame, len, 0, &v), -1);
	assert_int_equal(pcap_accel_run_computation(c, frame, (size_t)INT32_MAX + 1, 1, &v), -1);
	v.size = 8;
	assert_int_equal(pcap_accel_run_computation(c, frame, len, 1, &v), -1);
	assert_int_equal(v.outcome, 77);
	/* Of an older program, with fewer fields: what it does not know is not written. */
	v.size = offsetof(struct pcap_accel_verdict, member);
	assert_int_equal(pcap_accel_run_computation(c, frame, len, 1, &v), 0);
	assert_int_equal(v.outcome, 2);
	assert_int_equal(v.member, 77);
	assert_int_equal(v.size, offsetof(struct pcap_accel_verdict, member));
	pcap_accel_free_computation(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_report_of_a_filter),
		cmocka_unit_test(test_hostile_texts),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_member_is_the_programs),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_whom_it_is_for),
		cmocka_unit_test(test_short_frames),
		cmocka_unit_test(test_run_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
