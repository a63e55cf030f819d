/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_pcap.c - the system's libpcap as a second oracle: its bpf_filter() for verdicts, its
 * bpf_image() for what tcpdump -d shows, its compiler for programs as users have them. */
#include "test_bpf_expressions.h"
#include "test_bpf_kernel.h"
#include "test_bpf_packets.h"

#include "bpf/op.h"

#include <pcap.h>

static const struct accel_bpf_aux no_aux;

static void compare(const char *expression, const struct bpf_program *program,
		    const struct packet *packet, unsigned cut)
{
	const struct sock_filter *insns = (const struct sock_filter *)program->bf_insns;
	uint8_t frame[PACKET_MAX + 14];
	unsigned len = wrap_ethernet(packet, frame);
	unsigned caplen = len > cut ? len - cut : 0;
	uint32_t want = bpf_filter(program->bf_insns, frame, len, caplen);
	uint32_t got = accel_bpf_run(insns, frame, caplen, len, &no_aux);

	if (want == got)
		return;
	print_program(insns, program->bf_len);
	print_bytes(frame, caplen);
	fail_msg("'%s' on %s: libpcap says %u, accel_bpf_run %u", expression, packet->name, want,
		 got);
}

static void test_expression(void **state)
{
	const char *expression = *state;
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, 262144);

	for (int optimize = 0; optimize < 2; optimize++) {
		struct bpf_program program;

		if (pcap_compile(dead, &program, expression, optimize, PCAP_NETMASK_UNKNOWN))
			fail_msg("'%s': %s", expression, pcap_geterr(dead));
		assert_int_equal(accel_bpf_validate((struct sock_filter *)program.bf_insns,
						    program.bf_len, NULL),
				 0);
		for (unsigned i = 0; i < ACCEL_ARRAY_LEN(packets); i++)
			for (unsigned cut = 0; cut < 60; cut += 7)
				compare(expression, &program, &packets[i], cut);
		pcap_freecode(&program);
	}
	pcap_close(dead);
}

/* The one known difference: shifted by X = 33, libpcap has 0, the kernel (and so we) 1 << 1. */
static void test_long_shift(void **state)
{
	const struct sock_filter insns[] = {
		BPF_STMT(BPF_LDX | BPF_IMM, 33), BPF_STMT(BPF_LD | BPF_IMM, 1),
		BPF_STMT(BPF_ALU | BPF_LSH | BPF_X, 0), BPF_STMT(BPF_RET | BPF_A, 0)};

	(void)state;
	assert_int_equal(bpf_filter((const struct bpf_insn *)insns, NULL, 0, 0), 0);
	assert_int_equal(accel_bpf_run(insns, NULL, 0, 0, &no_aux), 2);
}

/* tcpdump -d writes what bpf_image() writes. */
static void test_print(void **state)
{
	static const uint32_t operands[] = {0,	   1,	       12,	   15,
					    0x800, 0x7fffffff, 0x80000000, 0xffffffff};

	(void)state;
	for (unsigned code = 0; code < 256; code++) {
		/* libpcap's printer does not know ldx #pktlen. */
		if (!accel_bpf_op((uint16_t)code) || code == (BPF_LDX | BPF_W | BPF_LEN))
			continue;
		for (unsigned i = 0; i < ACCEL_ARRAY_LEN(operands); i++) {
			struct sock_filter insn = BPF_JUMP((uint16_t)code, operands[i], 3, 250);
			char line[128];

			accel_bpf_print(&insn, 7, line, sizeof(line));
			assert_string_equal(line, bpf_image((struct bpf_insn *)&insn, 7));
		}
	}
}

static void test_print_metadata(void **state)
{
	(void)state;
	for (uint32_t at = (uint32_t)SKF_AD_OFF; at <= (uint32_t)SKF_AD_OFF + SKF_AD_MAX; at++) {
		const struct sock_filter insn = BPF_STMT(BPF_LD | BPF_B | BPF_ABS, at);
		char line[128];

		accel_bpf_print(&insn, 0, line, sizeof(line));
		assert_string_equal(line, bpf_image((const struct bpf_insn *)&insn, 0));
	}
}

int main(void)
{
	enum { N = ACCEL_ARRAY_LEN(expressions), N_LOOPING = ACCEL_ARRAY_LEN(looping_expressions) };
	struct CMUnitTest tests[N + N_LOOPING + 3] = {
		cmocka_unit_test(test_long_shift),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_print_metadata),
	};

	for (unsigned i = 0; i < N + N_LOOPING; i++) {
		const char *expression = i < N ? expressions[i] : looping_expressions[i - N];

		tests[i + 3] = (struct CMUnitTest){.name = expression,
						   .test_func = test_expression,
						   .initial_state = (void *)expression};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
