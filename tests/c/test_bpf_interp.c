/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_interp.c - accel_bpf_run against the kernel: a row for every instruction and every edge,
 * then random programs over random packets. */
#include "test_bpf_kernel.h"

#include "bpf/op.h"

#define ROW_MAX 12
#define LEN	40u

#define LD_IMM(v)	     BPF_STMT(BPF_LD | BPF_IMM, v)
#define LDX_IMM(v)	     BPF_STMT(BPF_LDX | BPF_IMM, v)
#define TAX		     BPF_STMT(BPF_MISC | BPF_TAX, 0)
#define TXA		     BPF_STMT(BPF_MISC | BPF_TXA, 0)
#define RET_A		     BPF_STMT(BPF_RET | BPF_A, 0)
#define RET(v)		     BPF_STMT(BPF_RET | BPF_K, v)
#define ALU_K(op, v)	     BPF_STMT(BPF_ALU | (op) | BPF_K, v)
#define ALU_X(op)	     BPF_STMT(BPF_ALU | (op) | BPF_X, 0)
#define LOAD(size, mode, k)  BPF_STMT(BPF_LD | (size) | (mode), k)
#define JMP_K(op, v, jt, jf) BPF_JUMP(BPF_JMP | (op) | BPF_K, v, jt, jf)
#define JMP_X(op, jt, jf)    BPF_JUMP(BPF_JMP | (op) | BPF_X, 0, jt, jf)

/* Behind a jump: 1 if it was taken, 2 if not. */
#define TAKEN_OR_NOT RET(1), RET(2)

/* A is the value? then 1, else 2: shows all 32 bits of a verdict that the kernel would cut. */
#define EXPECT_A(v) JMP_K(BPF_JEQ, v, 0, 1), TAKEN_OR_NOT

/* The packet is the bytes 1, 2, 3 ... 40. */
static const struct row {
	const char *name;
	uint32_t verdict;
	struct sock_filter insns[ROW_MAX];
} rows[] = {
	/* returns */
	{"ret #0", 0, {RET(0)}},
	{"ret #7", 7, {RET(7)}},
	{"ret #len", LEN, {RET(LEN)}},
	{"ret a", 9, {LD_IMM(9), RET_A}},
	{"a starts at 0", 1, {EXPECT_A(0)}},
	{"x starts at 0", 1, {LD_IMM(5), TXA, EXPECT_A(0)}},

	/* loads from the packet */
	{"ld [k]", 1, {LOAD(BPF_W, BPF_ABS, 3), EXPECT_A(0x04050607)}},
	{"ldh [k]", 1, {LOAD(BPF_H, BPF_ABS, 3), EXPECT_A(0x0405)}},
	{"ldb [k]", 4, {LOAD(BPF_B, BPF_ABS, 3), RET_A}},
	{"ld [last]", 1, {LOAD(BPF_W, BPF_ABS, LEN - 4), EXPECT_A(0x25262728)}},
	{"ld one byte out", 0, {LOAD(BPF_W, BPF_ABS, LEN - 3), RET(7)}},
	{"ldh [last]", 1, {LOAD(BPF_H, BPF_ABS, LEN - 2), EXPECT_A(0x2728)}},
	{"ldh one byte out", 0, {LOAD(BPF_H, BPF_ABS, LEN - 1), RET(7)}},
	{"ldb [last]", 40, {LOAD(BPF_B, BPF_ABS, LEN - 1), RET_A}},
	{"ldb out", 0, {LOAD(BPF_B, BPF_ABS, LEN), RET(7)}},
	{"ldb far out", 0, {LOAD(BPF_B, BPF_ABS, 0x7fffffff), RET(7)}},
	{"ldb [x + k]", 8, {LDX_IMM(3), LOAD(BPF_B, BPF_IND, 4), RET_A}},
	{"ldh [x + k]", 1, {LDX_IMM(3), LOAD(BPF_H, BPF_IND, 4), EXPECT_A(0x0809)}},
	{"ld [x + k]", 1, {LDX_IMM(3), LOAD(BPF_W, BPF_IND, 4), EXPECT_A(0x08090a0b)}},
	{"ldb [x + k] wraps", 3, {LDX_IMM(0xfffffffe), LOAD(BPF_B, BPF_IND, 4), RET_A}},
	{"ldb [x + k] out", 0, {LDX_IMM(LEN - 4), LOAD(BPF_B, BPF_IND, 4), RET(7)}},
	{"ldb [x + k] below 0", 0, {LDX_IMM(0), LOAD(BPF_B, BPF_IND, 0xffffffff), RET(7)}},
	{"[x + k] in the metadata's place is no metadata",
	 0,
	 {LDX_IMM(4), LOAD(BPF_B, BPF_IND, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE) - 4), RET(7)}},
	{"ldb below SKF_LL_OFF", 0, {LOAD(BPF_B, BPF_ABS, (uint32_t)SKF_LL_OFF - 1), RET(7)}},
	{"ldxb 4*([k]&0xf)", 36, {BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 24), TXA, RET_A}},
	{"ldxb leaves a", 5, {LD_IMM(5), BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 24), RET_A}},
	{"ldxb out", 0, {BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, LEN), RET(7)}},

	/* other loads and stores */
	{"ld #k", 1, {LD_IMM(0xfedcba98), EXPECT_A(0xfedcba98)}},
	{"ldx #k", 1, {LDX_IMM(0xfedcba98), TXA, EXPECT_A(0xfedcba98)}},
	{"ld #pktlen", LEN, {LOAD(BPF_W, BPF_LEN, 0), RET_A}},
	{"ldx #pktlen", LEN, {BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0), TXA, RET_A}},
	{"st, ld M[0]",
	 8,
	 {LD_IMM(8), BPF_STMT(BPF_ST, 0), LD_IMM(1), BPF_STMT(BPF_LD | BPF_MEM, 0), RET_A}},
	{"stx, ldx M[15]",
	 8,
	 {LDX_IMM(8), BPF_STMT(BPF_STX, 15), LDX_IMM(1), BPF_STMT(BPF_LDX | BPF_MEM, 15), TXA,
	  RET_A}},
	{"cells are apart",
	 3,
	 {LD_IMM(3), BPF_STMT(BPF_ST, 6), LD_IMM(4), BPF_STMT(BPF_ST, 7),
	  BPF_STMT(BPF_LD | BPF_MEM, 6), RET_A}},
	{"tax, txa", 6, {LD_IMM(6), TAX, LD_IMM(0), TXA, RET_A}},
	{"metadata: xor with x",
	 1,
	 {LD_IMM(0xf0f0), LDX_IMM(0xff00),
	  LOAD(BPF_W, BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_ALU_XOR_X)), EXPECT_A(0x0ff0)}},

	/* arithmetic */
	{"add #k wraps", 1, {LD_IMM(0xffffffff), ALU_K(BPF_ADD, 6), EXPECT_A(5)}},
	{"add x", 11, {LD_IMM(5), LDX_IMM(6), ALU_X(BPF_ADD), RET_A}},
	{"sub #k wraps", 1, {LD_IMM(5), ALU_K(BPF_SUB, 6), EXPECT_A(0xffffffff)}},
	{"sub x", 3, {LD_IMM(5), LDX_IMM(2), ALU_X(BPF_SUB), RET_A}},
	{"mul #k wraps", 1, {LD_IMM(0x10001), ALU_K(BPF_MUL, 0x10001), EXPECT_A(0x20001)}},
	{"mul x", 30, {LD_IMM(5), LDX_IMM(6), ALU_X(BPF_MUL), RET_A}},
	{"div #k is unsigned", 1, {LD_IMM(0xfffffffe), ALU_K(BPF_DIV, 2), EXPECT_A(0x7fffffff)}},
	{"div x", 6, {LD_IMM(20), LDX_IMM(3), ALU_X(BPF_DIV), RET_A}},
	{"div x of 0 drops", 0, {LD_IMM(20), ALU_X(BPF_DIV), RET(7)}},
	{"mod #k is unsigned", 1, {LD_IMM(0xffffffff), ALU_K(BPF_MOD, 16), EXPECT_A(15)}},
	{"mod x", 2, {LD_IMM(20), LDX_IMM(3), ALU_X(BPF_MOD), RET_A}},
	{"mod x of 0 drops", 0, {LD_IMM(20), ALU_X(BPF_MOD), RET(7)}},
	{"and #k", 8, {LD_IMM(12), ALU_K(BPF_AND, 10), RET_A}},
	{"and x", 8, {LD_IMM(12), LDX_IMM(10), ALU_X(BPF_AND), RET_A}},
	{"or #k", 14, {LD_IMM(12), ALU_K(BPF_OR, 10), RET_A}},
	{"or x", 14, {LD_IMM(12), LDX_IMM(10), ALU_X(BPF_OR), RET_A}},
	{"xor #k", 6, {LD_IMM(12), ALU_K(BPF_XOR, 10), RET_A}},
	{"xor x", 6, {LD_IMM(12), LDX_IMM(10), ALU_X(BPF_XOR), RET_A}},
	{"lsh #31", 1, {LD_IMM(3), ALU_K(BPF_LSH, 31), EXPECT_A(0x80000000)}},
	{"lsh x", 24, {LD_IMM(3), LDX_IMM(3), ALU_X(BPF_LSH), RET_A}},
	{"lsh x of 33 is 1", 6, {LD_IMM(3), LDX_IMM(33), ALU_X(BPF_LSH), RET_A}},
	{"lsh x of 32 is 0", 3, {LD_IMM(3), LDX_IMM(32), ALU_X(BPF_LSH), RET_A}},
	{"rsh #k is logical", 1, {LD_IMM(0x80000000), ALU_K(BPF_RSH, 31), EXPECT_A(1)}},
	{"rsh x", 3, {LD_IMM(24), LDX_IMM(3), ALU_X(BPF_RSH), RET_A}},
	{"rsh x of 0xffffffff is 31",
	 1,
	 {LD_IMM(0x80000000), LDX_IMM(0xffffffff), ALU_X(BPF_RSH), EXPECT_A(1)}},
	{"neg", 1, {LD_IMM(1), BPF_STMT(BPF_ALU | BPF_NEG, 0), EXPECT_A(0xffffffff)}},

	/* jumps */
	{"ja #0", 1, {BPF_STMT(BPF_JMP | BPF_JA, 0), TAKEN_OR_NOT}},
	{"ja #1", 2, {BPF_STMT(BPF_JMP | BPF_JA, 1), TAKEN_OR_NOT}},
	{"jeq #k, equal", 1, {LD_IMM(5), JMP_K(BPF_JEQ, 5, 0, 1), TAKEN_OR_NOT}},
	{"jeq #k, not", 2, {LD_IMM(5), JMP_K(BPF_JEQ, 6, 0, 1), TAKEN_OR_NOT}},
	{"jeq x, equal", 1, {LD_IMM(5), LDX_IMM(5), JMP_X(BPF_JEQ, 0, 1), TAKEN_OR_NOT}},
	{"jeq x, not", 2, {LD_IMM(5), LDX_IMM(6), JMP_X(BPF_JEQ, 0, 1), TAKEN_OR_NOT}},
	{"jgt #k, greater (unsigned)",
	 1,
	 {LD_IMM(0x80000000), JMP_K(BPF_JGT, 5, 0, 1), TAKEN_OR_NOT}},
	{"jgt #k, equal", 2, {LD_IMM(5), JMP_K(BPF_JGT, 5, 0, 1), TAKEN_OR_NOT}},
	{"jgt x, greater", 1, {LD_IMM(6), LDX_IMM(5), JMP_X(BPF_JGT, 0, 1), TAKEN_OR_NOT}},
	{"jgt x, equal", 2, {LD_IMM(5), LDX_IMM(5), JMP_X(BPF_JGT, 0, 1), TAKEN_OR_NOT}},
	{"jge #k, equal", 1, {LD_IMM(5), JMP_K(BPF_JGE, 5, 0, 1), TAKEN_OR_NOT}},
	{"jge #k, less (unsigned)", 2, {LD_IMM(5), JMP_K(BPF_JGE, 0x80000000, 0, 1), TAKEN_OR_NOT}},
	{"jge x, equal", 1, {LD_IMM(5), LDX_IMM(5), JMP_X(BPF_JGE, 0, 1), TAKEN_OR_NOT}},
	{"jge x, less", 2, {LD_IMM(4), LDX_IMM(5), JMP_X(BPF_JGE, 0, 1), TAKEN_OR_NOT}},
	{"jset #k, a bit",
	 1,
	 {LD_IMM(0x80000001), JMP_K(BPF_JSET, 0x80000000, 0, 1), TAKEN_OR_NOT}},
	{"jset #k, none", 2, {LD_IMM(5), JMP_K(BPF_JSET, 2, 0, 1), TAKEN_OR_NOT}},
	{"jset x, a bit", 1, {LD_IMM(5), LDX_IMM(4), JMP_X(BPF_JSET, 0, 1), TAKEN_OR_NOT}},
	{"jset x, none", 2, {LD_IMM(5), LDX_IMM(2), JMP_X(BPF_JSET, 0, 1), TAKEN_OR_NOT}},
	{"a jump over both", 2, {LD_IMM(5), JMP_K(BPF_JEQ, 5, 1, 0), TAKEN_OR_NOT}},
};

static const struct accel_bpf_aux no_aux;

static unsigned row_len(const struct row *row)
{
	unsigned n = ROW_MAX;

	while (n > 1 && row->insns[n - 1].code == 0)
		n--;
	return n;
}

static void test_row(void **state)
{
	const struct row *row = *state;
	unsigned n = row_len(row);
	struct kernel kernel;
	uint8_t packet[LEN];

	for (unsigned i = 0; i < LEN; i++)
		packet[i] = (uint8_t)(i + 1);
	assert_int_equal(accel_bpf_validate(row->insns, n, NULL), 0);
	assert_int_equal(accel_bpf_run(row->insns, packet, LEN, LEN, &no_aux), row->verdict);

	kernel_init(&kernel);
	assert_int_equal(attach_filter(kernel.rx, row->insns, n), 0);
	assert_int_equal(kernel_keeps(&kernel, packet, LEN), verdict_keeps(row->verdict, LEN));
	kernel_fini(&kernel);
}

/* Every code of the table has a row: a new one without a test fails here. */
static void test_rows_cover_all_codes(void **state)
{
	(void)state;
	for (unsigned code = 0; code <= UINT16_MAX; code++) {
		bool tested = false;

		if (!accel_bpf_op((uint16_t)code))
			continue;
		for (unsigned i = 0; i < ACCEL_ARRAY_LEN(rows); i++)
			for (unsigned j = 0; j < ROW_MAX; j++)
				tested |= rows[i].insns[j].code == code;
		if (!tested)
			fail_msg("no row has the code %#x (%s)", code,
				 accel_bpf_op((uint16_t)code)->name);
	}
}

/* What the kernel refuses, so that there is nobody to ask: libpcap's answer. */
static void test_shift_by_constant_over_31(void **state)
{
	const struct sock_filter left[] = {LD_IMM(3), ALU_K(BPF_LSH, 32), RET_A};
	const struct sock_filter right[] = {LD_IMM(3), ALU_K(BPF_RSH, 33), RET_A};

	(void)state;
	assert_int_equal(accel_bpf_run(left, NULL, 0, 0, &no_aux), 0);
	assert_int_equal(accel_bpf_run(right, NULL, 0, 0, &no_aux), 0);
}

static void test_cells_start_at_0(void **state)
{
	const struct sock_filter insns[] = {BPF_STMT(BPF_LD | BPF_MEM, 9), EXPECT_A(0)};

	(void)state;
	assert_int_equal(accel_bpf_run(insns, NULL, 0, 0, &no_aux), 1);
}

/* caplen bounds the loads, len is what the program is told. */
static void test_cut_packet(void **state)
{
	const struct sock_filter length[] = {LOAD(BPF_W, BPF_LEN, 0), RET_A};
	const struct sock_filter length_x[] = {BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0), TXA, RET_A};
	const struct sock_filter last[] = {LOAD(BPF_B, BPF_ABS, 3), RET(7)};
	const struct sock_filter behind[] = {LOAD(BPF_B, BPF_ABS, 4), RET(7)};
	const uint8_t packet[4] = {1, 2, 3, 4};

	(void)state;
	assert_int_equal(accel_bpf_run(length, packet, 4, 1500, &no_aux), 1500);
	assert_int_equal(accel_bpf_run(length_x, packet, 4, 1500, &no_aux), 1500);
	assert_int_equal(accel_bpf_run(last, packet, 4, 1500, &no_aux), 7);
	assert_int_equal(accel_bpf_run(behind, packet, 4, 1500, &no_aux), 0);
}

static uint32_t run_to(uint64_t steps)
{
	/* A loop of three steps a round, four around it. */
	const struct sock_filter insns[] = {LD_IMM((uint32_t)((steps - 4) / 3)),
					    ALU_K(BPF_SUB, 1),
					    JMP_K(BPF_JEQ, 0, 1, 0),
					    BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)-3),
					    LD_IMM(7),
					    RET_A};

	assert_int_equal(accel_bpf_validate(insns, 6, NULL), 0);
	return accel_bpf_run(insns, NULL, 0, 0, &no_aux);
}

static void test_loops_end(void **state)
{
	const struct sock_filter forever[] = {BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)-1), RET(7)};

	(void)state;
	assert_int_equal(accel_bpf_run(forever, NULL, 0, 0, &no_aux), 0);
	assert_int_equal(run_to(10), 7);
	assert_int_equal(run_to(999997), 7);
	assert_int_equal(run_to(1000300), 0);
}

static void compare(const struct kernel *kernel, const struct sock_filter *insns, unsigned n,
		    const uint8_t *packet, unsigned len)
{
	uint32_t verdict = accel_bpf_run(insns, packet, len, len, &no_aux);
	int kept = kernel_keeps(kernel, packet, len);

	if (kept == verdict_keeps(verdict, len))
		return;
	print_program(insns, n);
	print_bytes(packet, len);
	fail_msg("the kernel keeps %d bytes of %u, accel_bpf_run %d", kept, len,
		 verdict_keeps(verdict, len));
}

static void test_random_programs(void **state)
{
	struct rng rng = rng_from(__func__, 0xacce1b9f00000001);
	unsigned n_kept = 0, n_pairs = 0;
	struct kernel kernel;

	(void)state;
	kernel_init(&kernel);
	for (unsigned round = rounds(2500); round > 0; round--) {
		struct sock_filter insns[RANDOM_PROGRAM_MAX];
		unsigned len = 8 + rng_below(&rng, 120);
		unsigned n = random_program(&rng, insns, len);
		int err = attach_filter(kernel.rx, insns, n);

		if (err || accel_bpf_validate(insns, n, NULL)) {
			print_program(insns, n);
			fail_msg("the generator made what is no program (kernel: %d)", err);
		}
		for (unsigned i = 0; i < 4; i++, n_pairs++) {
			uint8_t packet[128];

			random_bytes(&rng, packet, len);
			compare(&kernel, insns, n, packet, len);
			n_kept += accel_bpf_run(insns, packet, len, len, &no_aux) != 0;
		}
	}
	kernel_fini(&kernel);
	print_message("%u pairs, %u kept\n", n_pairs, n_kept);
	assert_in_range(n_kept, n_pairs / 4, n_pairs - n_pairs / 8);
}

int main(void)
{
	struct CMUnitTest tests[ACCEL_ARRAY_LEN(rows) + 6] = {
		cmocka_unit_test(test_rows_cover_all_codes),
		cmocka_unit_test(test_shift_by_constant_over_31),
		cmocka_unit_test(test_cells_start_at_0),
		cmocka_unit_test(test_cut_packet),
		cmocka_unit_test(test_loops_end),
		cmocka_unit_test(test_random_programs),
	};

	for (size_t i = 0; i < ACCEL_ARRAY_LEN(rows); i++)
		tests[i + 6] = (struct CMUnitTest){.name = rows[i].name,
						   .test_func = test_row,
						   .initial_state = (void *)&rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
