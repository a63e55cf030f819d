/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_assemble.c - labels: near, far, at the edge of reach, at the tail, missing; then random
 * programs with labels against a walk over what was asked for. */
#include "test_bpf_kernel.h"

#include "bpf/assemble.h"

#define JEQ   (BPF_JMP | BPF_JEQ | BPF_K)
#define JSET  (BPF_JMP | BPF_JSET | BPF_K)
#define ADD   (BPF_ALU | BPF_ADD | BPF_K)
#define RET_K (BPF_RET | BPF_K)

static const struct accel_bpf_aux no_aux;
static const struct sock_filter ret_a = BPF_STMT(BPF_RET | BPF_A, 0);

static uint32_t run(const struct sock_filter *insns, unsigned n)
{
	assert_int_equal(accel_bpf_validate(insns, n, NULL), 0);
	assert_true(accel_bpf_fits_kernel(insns, n));
	return accel_bpf_run(insns, NULL, 0, 0, &no_aux);
}

/* A jump over `gap` additions of 1, then ret a: 0 if taken, gap if not. */
static void jump_over(unsigned gap, bool on_true, unsigned n_expected)
{
	struct sock_filter *insns;
	struct accel_asm as;
	unsigned n, there;

	for (uint32_t a_is = 0; a_is < 2; a_is++) {
		accel_asm_init(&as);
		there = accel_asm_label(&as);
		if (on_true)
			accel_asm_jump(&as, JEQ, a_is, there, ACCEL_ASM_NEXT);
		else
			accel_asm_jump(&as, JEQ, a_is, ACCEL_ASM_NEXT, there);
		for (unsigned i = 0; i < gap; i++)
			accel_asm_insn(&as, ADD, 1);
		accel_asm_bind(&as, there);
		assert_int_equal(accel_asm_finish(&as, &ret_a, 1, &insns, &n), 0);
		accel_asm_fini(&as);
		assert_int_equal(run(insns, n), (a_is == 0) == on_true ? 0 : gap);
		assert_int_equal(n, n_expected);
		free(insns);
	}
}

static void test_reach(void **state)
{
	(void)state;
	for (int on_true = 0; on_true < 2; on_true++) {
		jump_over(0, on_true, 2);
		jump_over(1, on_true, 3);
		jump_over(255, on_true, 257);
		jump_over(256, on_true, 259); /* one over the reach: a JA more */
		jump_over(4000, on_true, 4003);
	}
}

static void test_both_far(void **state)
{
	struct sock_filter *insns;
	struct accel_asm as;
	unsigned n, t, f;

	(void)state;
	for (uint32_t a_is = 0; a_is < 2; a_is++) {
		accel_asm_init(&as);
		t = accel_asm_label(&as);
		f = accel_asm_label(&as);
		accel_asm_jump(&as, JEQ, a_is, t, f);
		for (unsigned i = 0; i < 300; i++)
			accel_asm_insn(&as, RET_K, 9);
		accel_asm_bind(&as, t);
		accel_asm_insn(&as, RET_K, 1);
		accel_asm_bind(&as, f);
		accel_asm_insn(&as, RET_K, 2);
		assert_int_equal(accel_asm_finish(&as, NULL, 0, &insns, &n), 0);
		accel_asm_fini(&as);
		assert_int_equal(n, 305);
		assert_int_equal(run(insns, n), a_is == 0 ? 1 : 2);
		free(insns);
	}
}

/* A jump that just reaches, until the one within its gap needs a JA. */
static void test_widening_widens_another(void **state)
{
	struct sock_filter *insns;
	unsigned n, outer, inner;
	struct accel_asm as;

	(void)state;
	accel_asm_init(&as);
	outer = accel_asm_label(&as);
	inner = accel_asm_label(&as);
	accel_asm_jump(&as, JEQ, 0, outer, ACCEL_ASM_NEXT);
	accel_asm_jump(&as, JEQ, 0, inner, ACCEL_ASM_NEXT);
	for (unsigned i = 0; i < 254; i++)
		accel_asm_insn(&as, RET_K, 9);
	accel_asm_bind(&as, outer);
	accel_asm_insn(&as, RET_K, 1);
	accel_asm_insn(&as, RET_K, 9);
	accel_asm_bind(&as, inner);
	accel_asm_insn(&as, RET_K, 2);
	assert_int_equal(accel_asm_finish(&as, NULL, 0, &insns, &n), 0);
	accel_asm_fini(&as);
	assert_int_equal(n, 261);
	assert_int_equal(run(insns, n), 1);
	free(insns);
}

static void test_tail_is_verbatim(void **state)
{
	const struct sock_filter tail[] = {BPF_JUMP(JEQ, 7, 1, 0), BPF_STMT(RET_K, 1),
					   BPF_STMT(RET_K, 2)};
	struct sock_filter *insns;
	struct accel_asm as;
	unsigned n;

	(void)state;
	accel_asm_init(&as);
	accel_asm_insn(&as, ADD, 7);
	assert_int_equal(accel_asm_finish(&as, tail, 3, &insns, &n), 0);
	accel_asm_fini(&as);
	assert_int_equal(n, 4);
	assert_memory_equal(insns + 1, tail, sizeof(tail));
	assert_int_equal(run(insns, n), 2);
	free(insns);
}

/* A fault of the caller is an error, never a wrong program. */
static void test_faults(void **state)
{
	struct sock_filter untouched, *insns = &untouched;
	struct accel_asm as;
	unsigned n = 77, behind;

	(void)state;
	accel_asm_init(&as);
	accel_asm_goto(&as, accel_asm_label(&as));
	assert_int_equal(accel_asm_finish(&as, &ret_a, 1, &insns, &n), -EINVAL);
	accel_asm_fini(&as);

	accel_asm_init(&as);
	behind = accel_asm_label(&as);
	accel_asm_bind(&as, behind);
	accel_asm_jump(&as, JEQ, 0, ACCEL_ASM_NEXT, behind);
	assert_int_equal(accel_asm_finish(&as, &ret_a, 1, &insns, &n), -EINVAL);
	accel_asm_fini(&as);

	accel_asm_init(&as);
	for (unsigned i = 0; i < ACCEL_BPF_MAX_INSNS; i++)
		accel_asm_insn(&as, ADD, 1);
	assert_int_equal(accel_asm_finish(&as, &ret_a, 1, &insns, &n), -E2BIG);
	assert_ptr_equal(insns, &untouched);
	assert_int_equal(n, 77);
	assert_int_equal(accel_asm_finish(&as, NULL, 0, &insns, &n), 0);
	assert_int_equal(n, ACCEL_BPF_MAX_INSNS);
	accel_asm_fini(&as);
	free(insns);
}

/* What is asked for: additions, and jumps on a bit of A to any later item. */
struct wish {
	bool is_jump;
	uint32_t k;
	unsigned if_true, if_false; /* items */
};

static uint32_t walk(const struct wish *wishes, unsigned n)
{
	uint32_t a = 0;

	for (unsigned i = 0; i < n;) {
		if (!wishes[i].is_jump)
			a += wishes[i++].k;
		else
			i = a & wishes[i].k ? wishes[i].if_true : wishes[i].if_false;
	}
	return a;
}

static void build(struct accel_asm *as, const struct wish *wishes, unsigned n)
{
	unsigned labels[1001];

	for (unsigned i = 0; i <= n; i++)
		labels[i] = accel_asm_label(as);
	for (unsigned i = 0; i < n; i++) {
		accel_asm_bind(as, labels[i]);
		if (!wishes[i].is_jump)
			accel_asm_insn(as, ADD, wishes[i].k);
		else if (wishes[i].if_true == wishes[i].if_false)
			accel_asm_goto(as, labels[wishes[i].if_true]);
		else
			accel_asm_jump(as, JSET, wishes[i].k, labels[wishes[i].if_true],
				       labels[wishes[i].if_false]);
	}
	accel_asm_bind(as, labels[n]);
}

/* An item behind i, or the end. */
static unsigned ahead(struct rng *rng, unsigned i, unsigned n)
{
	unsigned room = n - i;

	return i + 1 + rng_below(rng, rng_one_in(rng, 2) ? ACCEL_MIN(room, 12u) : room);
}

static void test_random_labels(void **state)
{
	struct rng rng = rng_from(__func__, 0xacce1b9f00000003);
	static struct wish wishes[1000];

	(void)state;
	for (unsigned round = rounds(400); round > 0; round--) {
		unsigned n = 1 + rng_below(&rng, ACCEL_ARRAY_LEN(wishes)), n_out;
		struct sock_filter *insns;
		struct accel_asm as;

		for (unsigned i = 0; i < n; i++) {
			wishes[i].is_jump = rng_one_in(&rng, 3);
			wishes[i].k = wishes[i].is_jump ? 1u << rng_below(&rng, 8)
							: rng_below(&rng, 1000);
			wishes[i].if_true = ahead(&rng, i, n);
			wishes[i].if_false =
				rng_one_in(&rng, 5) ? wishes[i].if_true : ahead(&rng, i, n);
		}
		accel_asm_init(&as);
		build(&as, wishes, n);
		assert_int_equal(accel_asm_finish(&as, &ret_a, 1, &insns, &n_out), 0);
		accel_asm_fini(&as);
		assert_int_equal(run(insns, n_out), walk(wishes, n));
		free(insns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reach),
		cmocka_unit_test(test_both_far),
		cmocka_unit_test(test_widening_widens_another),
		cmocka_unit_test(test_tail_is_verbatim),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_random_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
