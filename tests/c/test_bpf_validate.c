/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_validate.c - what is refused and with which words, and that accel_bpf_fits_kernel() has
 * the kernel's opinion on random damage. */
#include "test_bpf_kernel.h"

#include "base/err.h"
#include "bpf/op.h"

#define RET_A BPF_STMT(BPF_RET | BPF_A, 0)

/* One damage each. `kernel`: the kernel takes it. */
static const struct row {
	const char *name;
	const char *error; /* NULL: valid */
	bool kernel;
	unsigned n;
	struct sock_filter insns[4];
} rows[] = {
	{"a return", NULL, true, 1, {RET_A}},
	{"nothing", "filter: has no instructions", false, 0, {RET_A}},
	{"no return at the end",
	 "filter: instruction 1, the last, is no return",
	 false,
	 2,
	 {RET_A, BPF_STMT(BPF_LD | BPF_IMM, 1)}},
	{"an unknown code",
	 "filter: instruction 0 (code 0xffff, k 0x1) has a code that does not exist",
	 false,
	 2,
	 {BPF_STMT(0xffff, 1), RET_A}},
	{"ret x is not known to Linux",
	 "filter: instruction 0 (code 0xe, k 0) has a code that does not exist",
	 false,
	 1,
	 {BPF_STMT(BPF_RET | BPF_X, 0)}},
	{"a byte of the length",
	 "filter: instruction 0 (code 0x90, k 0) has a code that does not exist",
	 false,
	 2,
	 {BPF_STMT(BPF_LD | BPF_B | BPF_LEN, 0), RET_A}},
	{"ja to the last", NULL, true, 2, {BPF_STMT(BPF_JMP | BPF_JA, 0), RET_A}},
	{"ja out",
	 "filter: instruction 0 (code 0x5, k 0x1) jumps out of the program",
	 false,
	 2,
	 {BPF_STMT(BPF_JMP | BPF_JA, 1), RET_A}},
	{"ja to before the first",
	 "filter: instruction 0 (code 0x5, k 0xfffffffe) jumps out of the program",
	 false,
	 2,
	 {BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)-2), RET_A}},
	{"ja back", NULL, false, 2, {BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)-1), RET_A}},
	{"jt out",
	 "filter: instruction 0 (code 0x15, k 0) jumps out of the program",
	 false,
	 2,
	 {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), RET_A}},
	{"jf out",
	 "filter: instruction 0 (code 0x15, k 0) jumps out of the program",
	 false,
	 2,
	 {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), RET_A}},
	{"st M[15]", NULL, true, 2, {BPF_STMT(BPF_ST, 15), RET_A}},
	{"st M[16]",
	 "filter: instruction 0 (code 0x2, k 0x10) writes a scratch cell that does not exist"
	 " (there are 0 to 15)",
	 false,
	 2,
	 {BPF_STMT(BPF_ST, 16), RET_A}},
	{"stx M[16]",
	 "filter: instruction 0 (code 0x3, k 0x10) writes a scratch cell that does not exist"
	 " (there are 0 to 15)",
	 false,
	 2,
	 {BPF_STMT(BPF_STX, 16), RET_A}},
	{"ld M[16]",
	 "filter: instruction 0 (code 0x60, k 0x10) reads a scratch cell that does not exist"
	 " (there are 0 to 15)",
	 false,
	 2,
	 {BPF_STMT(BPF_LD | BPF_MEM, 16), RET_A}},
	{"ldx M[16]",
	 "filter: instruction 0 (code 0x61, k 0x10) reads a scratch cell that does not exist"
	 " (there are 0 to 15)",
	 false,
	 2,
	 {BPF_STMT(BPF_LDX | BPF_MEM, 16), RET_A}},
	{"div #0",
	 "filter: instruction 0 (code 0x34, k 0) divides by 0",
	 false,
	 2,
	 {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET_A}},
	{"mod #0",
	 "filter: instruction 0 (code 0x94, k 0) divides by 0",
	 false,
	 2,
	 {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 0), RET_A}},
	{"div x with k 0", NULL, true, 2, {BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RET_A}},
	{"lsh #31", NULL, true, 2, {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 31), RET_A}},
	{"lsh #32", NULL, false, 2, {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET_A}},
	{"rsh #32", NULL, false, 2, {BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 32), RET_A}},
	{"the last metadata",
	 NULL,
	 true,
	 2,
	 {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TPID)), RET_A}},
	{"no such metadata",
	 NULL,
	 false,
	 2,
	 {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_MAX)), RET_A}},
	{"a cell that was not written", NULL, false, 2, {BPF_STMT(BPF_LD | BPF_MEM, 3), RET_A}},
	{"a cell that was",
	 NULL,
	 true,
	 3,
	 {BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_MEM, 3), RET_A}},
	{"a cell that was written on one way only",
	 NULL,
	 false,
	 4,
	 {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), BPF_STMT(BPF_STX, 3),
	  BPF_STMT(BPF_LDX | BPF_MEM, 3), RET_A}},
};

static int ask_kernel(const struct sock_filter *insns, unsigned n)
{
	struct kernel kernel;
	int err;

	kernel_init(&kernel);
	err = attach_filter(kernel.rx, insns, n);
	kernel_fini(&kernel);
	return err;
}

static void test_row(void **state)
{
	const struct row *row = *state;
	struct accel_err err = {.text = "untouched"};
	int rc = accel_bpf_validate(row->insns, row->n, &err);

	assert_int_equal(rc, row->error ? -EINVAL : 0);
	assert_string_equal(err.text, row->error ? row->error : "untouched");
	assert_int_equal(accel_bpf_fits_kernel(row->insns, row->n), row->kernel);
	assert_int_equal(ask_kernel(row->insns, row->n), row->kernel ? 0 : -EINVAL);
}

static void test_longest(void **state)
{
	static struct sock_filter insns[ACCEL_BPF_MAX_INSNS + 1];

	(void)state;
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(insns); i++)
		insns[i] = (struct sock_filter)RET_A;
	assert_true(accel_bpf_fits_kernel(insns, ACCEL_BPF_MAX_INSNS));
	assert_int_equal(ask_kernel(insns, ACCEL_BPF_MAX_INSNS), 0);
	assert_false(accel_bpf_fits_kernel(insns, ACCEL_BPF_MAX_INSNS + 1));
	assert_int_equal(ask_kernel(insns, ACCEL_BPF_MAX_INSNS + 1), -EINVAL);
	assert_int_equal(accel_bpf_validate(insns, ACCEL_BPF_MAX_INSNS + 1, NULL), 0);
}

/* All 65536 codes, alone before a return. */
static void test_all_codes(void **state)
{
	struct kernel kernel;

	(void)state;
	kernel_init(&kernel);
	for (unsigned code = 0; code <= UINT16_MAX; code++) {
		/* A store before it, so that M[1] may be read; k 1 is right for every code. */
		const struct sock_filter insns[] = {BPF_STMT(BPF_ST, 1),
						    BPF_STMT((uint16_t)code, 1), RET_A, RET_A};
		bool takes = attach_filter(kernel.rx, insns, 4) == 0;

		if (takes != accel_bpf_fits_kernel(insns, 4))
			fail_msg("code %#x: the kernel %s it", code, takes ? "takes" : "refuses");
	}
	kernel_fini(&kernel);
}

static void test_all_metadata(void **state)
{
	struct kernel kernel;

	(void)state;
	kernel_init(&kernel);
	for (uint32_t at = (uint32_t)SKF_AD_OFF - 8; at < (uint32_t)SKF_AD_OFF + SKF_AD_MAX + 64;
	     at++) {
		const struct sock_filter insns[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, at), RET_A};
		bool takes = attach_filter(kernel.rx, insns, 2) == 0;

		if (takes != accel_bpf_fits_kernel(insns, 2))
			fail_msg("load of %#x: the kernel %s it", at, takes ? "takes" : "refuses");
	}
	kernel_fini(&kernel);
}

static void damage(struct rng *rng, struct sock_filter *insns, unsigned n)
{
	static const uint16_t codes[] = {BPF_LD | BPF_MEM, BPF_LDX | BPF_MEM, BPF_ST, BPF_STX,
					 BPF_JMP | BPF_JA};
	struct sock_filter *insn = &insns[rng_below(rng, n)];

	switch (rng_below(rng, 5)) {
	case 0:
		insn->code = (uint16_t)rng_below(rng, 256);
		return;
	case 1:
		insn->k = rng_number(rng);
		return;
	case 2:
		insn->k = rng_below(rng, 20);
		return;
	case 3:
		insn->jt = (uint8_t)rng_below(rng, n);
		insn->jf = (uint8_t)rng_below(rng, n);
		return;
	default:
		insn->code = codes[rng_below(rng, ACCEL_ARRAY_LEN(codes))];
		insn->k = rng_below(rng, BPF_MEMWORDS + 1);
		return;
	}
}

static void test_random_damage(void **state)
{
	struct rng rng = rng_from(__func__, 0xacce1b9f00000002);
	unsigned n_taken = 0, n_all = rounds(10000);
	struct kernel kernel;

	(void)state;
	kernel_init(&kernel);
	for (unsigned round = 0; round < n_all; round++) {
		struct sock_filter insns[RANDOM_PROGRAM_MAX];
		unsigned n = random_program(&rng, insns, 64);
		bool takes;

		for (unsigned i = rng_below(&rng, 4); i > 0; i--)
			damage(&rng, insns, n);
		takes = attach_filter(kernel.rx, insns, n) == 0;
		n_taken += takes;
		if (takes == accel_bpf_fits_kernel(insns, n))
			continue;
		print_program(insns, n);
		fail_msg("the kernel %s it", takes ? "takes" : "refuses");
	}
	kernel_fini(&kernel);
	print_message("%u programs, %u taken\n", n_all, n_taken);
	assert_in_range(n_taken, n_all / 4, n_all - n_all / 4);
}

int main(void)
{
	struct CMUnitTest tests[ACCEL_ARRAY_LEN(rows) + 4] = {
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_all_codes),
		cmocka_unit_test(test_all_metadata),
		cmocka_unit_test(test_random_damage),
	};

	for (size_t i = 0; i < ACCEL_ARRAY_LEN(rows); i++)
		tests[i + 4] = (struct CMUnitTest){.name = rows[i].name,
						   .test_func = test_row,
						   .initial_state = (void *)&rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
