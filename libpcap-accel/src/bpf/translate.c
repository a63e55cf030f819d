/* SPDX-License-Identifier: BSD-3-Clause */
/* translate.c - see translate.h. Here: what is proved where, jumps, arithmetic, the two versions;
 * loads are translate_load.c's. */
#include "bpf/translate_private.h"

#include "base/err.h"

#include "bpf/cbpf.h"

#include <errno.h>
#include <stdlib.h>

#define A	  ACCEL_XLATE_A
#define X	  ACCEL_XLATE_X
#define UNREACHED ACCEL_XLATE_UNREACHED

int accel_xlate_cell(uint32_t cell)
{
	return ACCEL_SLOT_CELLS + 4 * (int)cell;
}

/* A way with `known` bytes proved leads to insns[to]. */
static void join(struct accel_xlating *x, unsigned to, uint32_t known)
{
	if (x->proven[to] > known)
		x->proven[to] = known;
}

static int join_targets(struct accel_xlating *x, unsigned i, uint32_t known, struct accel_err *err)
{
	const struct sock_filter *insn = &x->insns[i];

	if (BPF_OP(insn->code) != BPF_JA) {
		join(x, i + 1 + insn->jt, known);
		join(x, i + 1 + insn->jf, known);
		return 0;
	}
	if ((int32_t)insn->k < 0)
		return accel_fail(err, -EOPNOTSUPP,
				  "filter: instruction %u jumps back, and an XDP program has no "
				  "loops (would be: a filter without protochain)",
				  i);
	join(x, i + 1 + insn->k, known);
	return 0;
}

/* All jumps that are not refused go forward, so one pass is enough. */
int accel_xlate_analyse(struct accel_xlating *x, struct accel_err *err)
{
	x->proven[0] = 0;
	for (unsigned i = 1; i < x->n; i++)
		x->proven[i] = UNREACHED;
	for (unsigned i = 0; i < x->n; i++) {
		const struct sock_filter *insn = &x->insns[i];
		uint32_t known = x->proven[i], reach = accel_xlate_reach(x, i);
		unsigned class = BPF_CLASS(insn->code);
		const char *why = accel_xlate_refusal(x, i);
		int rc;

		if (known == UNREACHED)
			continue;
		if (why)
			return accel_fail(err, -EOPNOTSUPP, "filter: instruction %u reads %s", i,
					  why);
		if ((class == BPF_LD || class == BPF_LDX) && BPF_MODE(insn->code) == BPF_MEM)
			x->cells |= (uint16_t)(1u << insn->k);
		if (class == BPF_JMP) {
			rc = join_targets(x, i, known, err);
			if (rc < 0)
				return rc;
		} else if (class != BPF_RET) {
			join(x, i + 1, reach > known ? reach : known);
		}
	}
	return 0;
}

/* A shift by more than 31 leaves 0, as in libpcap. */
static void emit_shift(struct accel_xlating *x, const struct sock_filter *insn)
{
	unsigned far = accel_easm_label(x->as), done = accel_easm_label(x->as);

	if (BPF_SRC(insn->code) == BPF_K) {
		if (insn->k > 31)
			accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, A, 0);
		else
			accel_easm_alu32_k(x->as, BPF_OP(insn->code), A, insn->k);
		return;
	}
	accel_easm_jump32_k(x->as, BPF_JGT, X, 31, far);
	accel_easm_alu32_x(x->as, BPF_OP(insn->code), A, X);
	accel_easm_goto(x->as, done);
	accel_easm_bind(x->as, far);
	accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, A, 0);
	accel_easm_bind(x->as, done);
}

static void emit_alu(struct accel_xlating *x, const struct sock_filter *insn)
{
	uint8_t op = BPF_OP(insn->code);

	if (op == BPF_LSH || op == BPF_RSH) {
		emit_shift(x, insn);
	} else if (op == BPF_NEG) {
		accel_easm_alu32_k(x->as, op, A, 0);
	} else if (BPF_SRC(insn->code) == BPF_K) {
		accel_easm_alu32_k(x->as, op, A, insn->k);
	} else {
		if (op == BPF_DIV || op == BPF_MOD)
			accel_easm_jump32_k(x->as, BPF_JEQ, X, 0, x->opt->reject);
		accel_easm_alu32_x(x->as, op, A, X);
	}
}

/* The jump that is taken where `op` is not; 0 = there is none. */
static uint8_t opposite(uint8_t op)
{
	switch (op) {
	case BPF_JEQ:
		return ACCEL_BPF_JNE;
	case BPF_JGT:
		return ACCEL_BPF_JLE;
	case BPF_JGE:
		return ACCEL_BPF_JLT;
	default:
		return 0;
	}
}

static void emit_test(struct accel_xlating *x, uint8_t op, const struct sock_filter *insn,
		      unsigned to)
{
	if (BPF_SRC(insn->code) == BPF_X)
		accel_easm_jump32_x(x->as, op, A, X, to);
	else
		accel_easm_jump32_k(x->as, op, A, insn->k, to);
}

static void emit_jump(struct accel_xlating *x, unsigned i)
{
	const struct sock_filter *insn = &x->insns[i];
	uint8_t op = BPF_OP(insn->code);
	unsigned t, f;

	if (op == BPF_JA || insn->jt == insn->jf) {
		accel_easm_goto(x->as, x->labels[i + 1 + (op == BPF_JA ? insn->k : insn->jt)]);
		return;
	}
	t = x->labels[i + 1 + insn->jt];
	f = x->labels[i + 1 + insn->jf];
	if (insn->jt == 0 && opposite(op)) {
		emit_test(x, opposite(op), insn, f);
		return;
	}
	emit_test(x, op, insn, t);
	accel_easm_goto(x->as, f);
}

static void emit_ret(struct accel_xlating *x, const struct sock_filter *insn)
{
	if (BPF_RVAL(insn->code) == BPF_A) {
		accel_easm_alu32_x(x->as, ACCEL_BPF_MOV, ACCEL_R0, A);
		accel_easm_jump32_k(x->as, BPF_JEQ, ACCEL_R0, 0, x->opt->reject);
	} else if (insn->k == 0) {
		accel_easm_goto(x->as, x->opt->reject);
		return;
	} else {
		accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, ACCEL_R0, insn->k);
	}
	accel_easm_goto(x->as, x->opt->accept);
}

static void emit_insn(struct accel_xlating *x, unsigned i)
{
	const struct sock_filter *insn = &x->insns[i];
	bool to_x = insn->code == (BPF_MISC | BPF_TAX);

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		accel_xlate_ld(x, i);
		return;
	case BPF_LDX:
		accel_xlate_ldx(x, i);
		return;
	case BPF_ST:
		accel_easm_store(x->as, BPF_W, ACCEL_R10, accel_xlate_cell(insn->k), A);
		return;
	case BPF_STX:
		accel_easm_store(x->as, BPF_W, ACCEL_R10, accel_xlate_cell(insn->k), X);
		return;
	case BPF_ALU:
		emit_alu(x, insn);
		return;
	case BPF_JMP:
		emit_jump(x, i);
		return;
	case BPF_RET:
		emit_ret(x, insn);
		return;
	default:
		accel_easm_alu32_x(x->as, ACCEL_BPF_MOV, to_x ? X : A, to_x ? A : X);
	}
}

static void emit_version(struct accel_xlating *x)
{
	x->as->mark = x->opt->mark;
	accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, A, 0);
	accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, X, 0);
	for (uint32_t cell = 0; cell < BPF_MEMWORDS; cell++)
		if (x->cells & 1u << cell)
			accel_easm_store_k(x->as, BPF_W, ACCEL_R10, accel_xlate_cell(cell), 0);
	for (unsigned i = 0; i < x->n; i++)
		x->labels[i] = accel_easm_label(x->as);
	for (unsigned i = 0; i < x->n; i++) {
		if (x->proven[i] == UNREACHED)
			continue;
		x->as->mark = x->opt->mark | (i < UINT16_MAX ? i : UINT16_MAX);
		accel_easm_bind(x->as, x->labels[i]);
		emit_insn(x, i);
	}
}

int accel_translate(struct accel_easm *as, const struct sock_filter *insns, unsigned n,
		    const struct accel_xlate *opt, struct accel_err *err)
{
	struct accel_xlating x = {.as = as, .opt = opt, .insns = insns, .n = n, .slots = ACCEL_R10};
	int rc;

	x.proven = calloc(n, sizeof(*x.proven));
	x.labels = calloc(n, sizeof(*x.labels));
	rc = x.proven && x.labels ? accel_xlate_analyse(&x, err)
				  : accel_fail(err, -ENOMEM, "filter: out of memory");
	if (rc == 0) {
		x.miss = opt->has_fragments ? accel_easm_label(as) : opt->reject;
		emit_version(&x);
		if (opt->has_fragments) {
			accel_easm_bind(as, x.miss);
			x.is_slow = true;
			emit_version(&x);
		}
	}
	free(x.proven);
	free(x.labels);
	return rc;
}
