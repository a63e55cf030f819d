/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_chain.c - one filter behind another: the chain keeps what both keep, with the second's
 * verdict, and the kernel takes it where it takes both.
 *
 * Threads: one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "bpf/cbpf.h"

#include <stdlib.h>
#include <string.h>

#define N_PACKETS 40
#define MAX_INSNS 12

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static uint32_t run(const struct sock_filter *insns, const uint8_t *data, uint32_t len)
{
	static const struct accel_bpf_aux aux = {.net_offset = 14};

	return accel_bpf_run(insns, data, len, len, &aux);
}

/* The chain of two against each alone, over random packets. How many both kept. */
static unsigned compare(const struct sock_filter *first, unsigned n_first,
			const struct sock_filter *second, unsigned n_second, uint32_t *seed)
{
	struct sock_filter *chain;
	unsigned n, kept = 0;
	uint32_t expected, len;
	uint8_t data[64];

	assert_int_equal(accel_bpf_chain(first, n_first, second, n_second, &chain, &n), 0);
	assert_int_equal(n, n_first + n_second + 4);
	assert_int_equal(accel_bpf_validate(chain, n, NULL), 0);
	if (accel_bpf_fits_kernel(first, n_first) && accel_bpf_fits_kernel(second, n_second))
		assert_true(accel_bpf_fits_kernel(chain, n));
	for (int i = 0; i < N_PACKETS; i++) {
		len = next_random(seed) % sizeof(data);
		for (uint32_t at = 0; at < len; at++)
			data[at] = (uint8_t)(next_random(seed) % 3);
		expected = run(first, data, len) ? run(second, data, len) : 0;
		if (run(chain, data, len) != expected)
			fail_msg("%u instead of %u", run(chain, data, len), expected);
		kept += expected != 0;
	}
	free(chain);
	return kept;
}

/* Returns of each kind; the second looks at A, X and what is left of them. */
static void test_returns(void **state)
{
	static const struct sock_filter keep[] = {BPF_STMT(BPF_RET | BPF_K, 77)},
					drop[] = {BPF_STMT(BPF_RET | BPF_K, 0)},
					ret_a[] = {BPF_STMT(BPF_LDX | BPF_IMM, 5),
						   BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
						   BPF_STMT(BPF_RET | BPF_A, 0)},
					show_a[] = {BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 9),
						    BPF_STMT(BPF_RET | BPF_A, 0)},
					show_x[] = {BPF_STMT(BPF_MISC | BPF_TXA, 0),
						    BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 9),
						    BPF_STMT(BPF_RET | BPF_A, 0)};
	static const struct {
		const struct sock_filter *insns;
		unsigned n;
	} all[] = {{keep, 1}, {drop, 1}, {ret_a, 3}, {show_a, 2}, {show_x, 3}};
	uint32_t seed = 1;
	unsigned kept;

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(all); i++)
		for (size_t j = 0; j < ACCEL_ARRAY_LEN(all); j++) {
			kept = compare(all[i].insns, all[i].n, all[j].insns, all[j].n, &seed);
			assert_int_equal(kept == 0, i == 1 || j == 1);
		}
}

static struct sock_filter random_insn(uint32_t *seed)
{
	static const uint16_t codes[] = {
		BPF_LD | BPF_B | BPF_ABS,
		BPF_LD | BPF_H | BPF_IND,
		BPF_LD | BPF_IMM,
		BPF_LDX | BPF_IMM,
		BPF_LDX | BPF_B | BPF_MSH,
		BPF_MISC | BPF_TAX,
		BPF_MISC | BPF_TXA,
		BPF_JMP | BPF_JEQ | BPF_K,
		BPF_JMP | BPF_JGT | BPF_X,
		BPF_JMP | BPF_JA,
		BPF_ALU | BPF_ADD | BPF_X,
		BPF_ALU | BPF_DIV | BPF_X,
		BPF_RET | BPF_K,
		BPF_RET | BPF_A,
		BPF_ST,
		BPF_LD | BPF_MEM,
		BPF_JMP | BPF_JSET | BPF_K,
		BPF_ALU | BPF_AND | BPF_K,
	};
	struct sock_filter insn = {.code = codes[next_random(seed) % ACCEL_ARRAY_LEN(codes)],
				   .k = next_random(seed) % 4};

	if (BPF_CLASS(insn.code) == BPF_JMP) {
		insn.jt = (uint8_t)(next_random(seed) % 3);
		insn.jf = (uint8_t)(next_random(seed) % 3);
	}
	return insn;
}

/* A program that the kernel takes. */
static unsigned random_program(struct sock_filter *insns, uint32_t *seed)
{
	unsigned n;

	do {
		n = 1 + next_random(seed) % MAX_INSNS;
		for (unsigned i = 0; i < n; i++)
			insns[i] = random_insn(seed);
		insns[n - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	} while (!accel_bpf_fits_kernel(insns, n));
	return n;
}

static void test_random(void **state)
{
	struct sock_filter first[MAX_INSNS], second[MAX_INSNS];
	uint32_t seed = 0x9e3779b9;
	unsigned n_first, kept = 0;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		n_first = random_program(first, &seed);
		kept += compare(first, n_first, second, random_program(second, &seed), &seed);
	}
	assert_true(kept > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_returns),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
