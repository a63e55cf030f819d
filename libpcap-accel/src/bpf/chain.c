/* SPDX-License-Identifier: BSD-3-Clause */
/* chain.c - one filter behind another. See cbpf.h.
 *
 * Returns become jumps in their places, so that no other jump changes its length.
 *
 * Threads: none of its own. */
#include "bpf/cbpf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Behind `first`: "ret a" goes to TEST_A, "ret #k" to NEXT, unless k is 0. */
enum { TEST_A, DROP, NEXT, CLEAR_X, N_BETWEEN };

static void write_between(struct sock_filter *at)
{
	at[TEST_A] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, DROP - TEST_A - 1,
						  NEXT - TEST_A - 1);
	at[DROP] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	at[NEXT] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0);
	at[CLEAR_X] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 0);
}

static void redirect(struct sock_filter *insn, unsigned to_end)
{
	bool by_a = BPF_RVAL(insn->code) == BPF_A;

	if (BPF_CLASS(insn->code) != BPF_RET || (!by_a && insn->k == 0))
		return;
	*insn = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, to_end - 1 + (by_a ? TEST_A : NEXT));
}

int accel_bpf_chain(const struct sock_filter *first, unsigned n_first,
		    const struct sock_filter *second, unsigned n_second, struct sock_filter **out,
		    unsigned *n_out)
{
	unsigned n = n_first + N_BETWEEN + n_second;
	struct sock_filter *prog = calloc(n, sizeof(*prog));

	if (!prog)
		return -ENOMEM;
	memcpy(prog, first, n_first * sizeof(*prog));
	for (unsigned i = 0; i < n_first; i++)
		redirect(&prog[i], n_first - i);
	write_between(prog + n_first);
	memcpy(prog + n_first + N_BETWEEN, second, n_second * sizeof(*prog));
	*out = prog;
	*n_out = n;
	return 0;
}
