/* SPDX-License-Identifier: BSD-3-Clause */
/* validate.c - what may run: by the interpreter (accel_bpf_validate), and by the kernel
 * (accel_bpf_fits_kernel).
 *
 * Source: the rules of SO_ATTACH_FILTER, Documentation/networking/filter.rst; the tests ask the
 * kernel for its opinion on random programs.
 * Threads: none of its own. */
#include "bpf/cbpf.h"
#include "bpf/op.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_inside(unsigned idx, int64_t skip, unsigned n)
{
	int64_t target = (int64_t)idx + 1 + skip;

	return target >= 0 && target < n;
}

static const char *jump_fault(const struct sock_filter *insn, unsigned idx, unsigned n)
{
	if (BPF_OP(insn->code) == BPF_JA)
		return is_inside(idx, (int32_t)insn->k, n) ? NULL : "jumps out of the program";
	if (!is_inside(idx, insn->jt, n) || !is_inside(idx, insn->jf, n))
		return "jumps out of the program";
	return NULL;
}

/* What is wrong with one instruction whose code is known; NULL if nothing. */
static const char *fault(const struct sock_filter *insn, unsigned idx, unsigned n)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
	case BPF_LDX:
		if (BPF_MODE(insn->code) == BPF_MEM && insn->k >= BPF_MEMWORDS)
			return "reads a scratch cell that does not exist (there are 0 to 15)";
		return NULL;
	case BPF_ST:
	case BPF_STX:
		if (insn->k >= BPF_MEMWORDS)
			return "writes a scratch cell that does not exist (there are 0 to 15)";
		return NULL;
	case BPF_ALU:
		if (BPF_SRC(insn->code) == BPF_K && insn->k == 0 &&
		    (BPF_OP(insn->code) == BPF_DIV || BPF_OP(insn->code) == BPF_MOD))
			return "divides by 0";
		return NULL;
	case BPF_JMP:
		return jump_fault(insn, idx, n);
	default:
		return NULL;
	}
}

int accel_bpf_validate_as(const char *what, const struct sock_filter *insns, unsigned n,
			  struct accel_err *err)
{
	if (n == 0)
		return accel_fail(err, -EINVAL, "%s: has no instructions", what);
	for (unsigned i = 0; i < n; i++) {
		const char *wrong = "has a code that does not exist";

		if (accel_bpf_op(insns[i].code))
			wrong = fault(&insns[i], i, n);
		if (wrong)
			return accel_fail(err, -EINVAL, "%s: instruction %u (code %#x, k %#x) %s",
					  what, i, insns[i].code, insns[i].k, wrong);
	}
	if (BPF_CLASS(insns[n - 1].code) != BPF_RET)
		return accel_fail(err, -EINVAL, "%s: instruction %u, the last, is no return", what,
				  n - 1);
	return 0;
}

int accel_bpf_validate(const struct sock_filter *insns, unsigned n, struct accel_err *err)
{
	return accel_bpf_validate_as("filter", insns, n, err);
}

/* What the kernel refuses beyond accel_bpf_validate(), one instruction alone. */
static bool kernel_takes(const struct sock_filter *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return BPF_MODE(insn->code) != BPF_ABS || insn->k < (uint32_t)SKF_AD_OFF ||
		       accel_bpf_aux_name(insn->k);
	case BPF_ALU:
		if (insn->code == (BPF_ALU | BPF_LSH | BPF_K) ||
		    insn->code == (BPF_ALU | BPF_RSH | BPF_K))
			return insn->k < 32;
		return true;
	case BPF_JMP:
		return BPF_OP(insn->code) != BPF_JA || (int32_t)insn->k >= 0;
	default:
		return true;
	}
}

/* Is every scratch cell written on all ways to where it is read? set[i] has a bit for each cell
 * that is written on all jumps to i seen so far; as no jump goes back, one pass is enough. A return
 * does not end the way, as it does not in the kernel's own check: the verdicts must be the same. */
static bool cells_are_set(const struct sock_filter *insns, unsigned n)
{
	uint16_t set[ACCEL_BPF_MAX_INSNS];
	uint16_t now = 0;

	memset(set, 0xff, sizeof(set));
	for (unsigned i = 0; i < n; i++) {
		const struct sock_filter *insn = &insns[i];

		now &= set[i];
		switch (BPF_CLASS(insn->code)) {
		case BPF_ST:
		case BPF_STX:
			now |= 1u << insn->k;
			break;
		case BPF_LD:
		case BPF_LDX:
			if (BPF_MODE(insn->code) == BPF_MEM && !(now & 1u << insn->k))
				return false;
			break;
		case BPF_JMP:
			if (BPF_OP(insn->code) == BPF_JA) {
				set[i + 1 + insn->k] &= now;
			} else {
				set[i + 1 + insn->jt] &= now;
				set[i + 1 + insn->jf] &= now;
			}
			now = 0xffff;
			break;
		}
	}
	return true;
}

struct sock_filter *accel_bpf_copy(const struct sock_filter *insns, unsigned n)
{
	struct sock_filter *copy = malloc(n * sizeof(*copy));

	if (copy)
		memcpy(copy, insns, n * sizeof(*copy));
	return copy;
}

bool accel_bpf_fits_kernel(const struct sock_filter *insns, unsigned n)
{
	if (n > ACCEL_BPF_MAX_INSNS || accel_bpf_validate(insns, n, NULL) < 0)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!kernel_takes(&insns[i]))
			return false;
	return cells_are_set(insns, n);
}
