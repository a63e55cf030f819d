/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_ops.c - from classic instructions to operations. See xdp_ops.h; the program that runs them is
 * xdp_interp.c's. */
#include "bpf/xdp_ops.h"

#include "bpf/translate_private.h"
#include "bpf/xdp_ops_private.h"

#include "base/err.h"
#include "base/util.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>

const int accel_xdp_aux_fields[ACCEL_XOP_END - ACCEL_XOP_AUX] = {
	SKF_AD_PKTTYPE,	 SKF_AD_IFINDEX,	  SKF_AD_QUEUE,	    SKF_AD_CPU, SKF_AD_RANDOM,
	SKF_AD_VLAN_TAG, SKF_AD_VLAN_TAG_PRESENT, SKF_AD_VLAN_TPID,
};

/* W, H, B: in the order of the operations. */
static unsigned size_idx(uint16_t code)
{
	return BPF_SIZE(code) >> 3;
}

static struct accel_xdp_op aux(const struct accel_xlating *x, unsigned i)
{
	int field = (int)(x->insns[i].k - (uint32_t)SKF_AD_OFF);

	if (accel_xlate_is_inbound(x, i))
		return (struct accel_xdp_op){.code = ACCEL_XOP_LD, .k = PACKET_HOST};
	if (field == SKF_AD_HATYPE)
		return (struct accel_xdp_op){.code = ACCEL_XOP_LD, .k = ARPHRD_ETHER};
	if (field == SKF_AD_ALU_XOR_X)
		return (struct accel_xdp_op){.code = ACCEL_XOP_ALU + (BPF_XOR >> 4), .by_x = 1};
	for (unsigned f = 0; f < ACCEL_ARRAY_LEN(accel_xdp_aux_fields); f++)
		if (field == accel_xdp_aux_fields[f])
			return (struct accel_xdp_op){.code = (uint8_t)(ACCEL_XOP_AUX + f)};
	return (struct accel_xdp_op){.code = ACCEL_XOP_REJECT};
}

static struct accel_xdp_op load(const struct accel_xlating *x, unsigned i)
{
	const struct sock_filter *insn = &x->insns[i];
	uint32_t offset = accel_xlate_offset(insn->k);
	unsigned size = size_idx(insn->code);

	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
		if (insn->k >= (uint32_t)SKF_AD_OFF)
			return aux(x, i);
		return (struct accel_xdp_op){.code = (uint8_t)(ACCEL_XOP_ABS + size), .k = offset};
	case BPF_IND:
		return (struct accel_xdp_op){.code = (uint8_t)(ACCEL_XOP_IND + size), .k = offset};
	case BPF_LEN:
		return (struct accel_xdp_op){.code = ACCEL_XOP_LEN};
	case BPF_MEM:
		return (struct accel_xdp_op){.code = ACCEL_XOP_CELL, .k = insn->k};
	default:
		return (struct accel_xdp_op){.code = ACCEL_XOP_LD, .k = insn->k};
	}
}

static struct accel_xdp_op load_x(const struct sock_filter *insn)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_MSH:
		return (struct accel_xdp_op){.code = ACCEL_XOP_MSH,
					     .k = accel_xlate_offset(insn->k)};
	case BPF_LEN:
		return (struct accel_xdp_op){.code = ACCEL_XOP_LENX};
	case BPF_MEM:
		return (struct accel_xdp_op){.code = ACCEL_XOP_CELLX, .k = insn->k};
	default:
		return (struct accel_xdp_op){.code = ACCEL_XOP_LDX, .k = insn->k};
	}
}

static struct accel_xdp_op operation(const struct accel_xlating *x, unsigned i)
{
	const struct sock_filter *insn = &x->insns[i];
	uint8_t op = BPF_OP(insn->code) >> 4, by_x = BPF_SRC(insn->code) == BPF_X;

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return load(x, i);
	case BPF_LDX:
		return load_x(insn);
	case BPF_ST:
		return (struct accel_xdp_op){.code = ACCEL_XOP_ST, .k = insn->k};
	case BPF_STX:
		return (struct accel_xdp_op){.code = ACCEL_XOP_STX, .k = insn->k};
	case BPF_ALU:
		return (struct accel_xdp_op){
			.code = ACCEL_XOP_ALU + op, .by_x = by_x, .k = insn->k};
	case BPF_JMP:
		return (struct accel_xdp_op){.code = ACCEL_XOP_JMP + op,
					     .by_x = by_x,
					     .jt = insn->jt,
					     .jf = insn->jf,
					     .k = insn->k};
	case BPF_RET:
		if (BPF_RVAL(insn->code) == BPF_A)
			return (struct accel_xdp_op){.code = ACCEL_XOP_RET_A};
		return (struct accel_xdp_op){.code = ACCEL_XOP_RET, .k = insn->k};
	default:
		if (insn->code == (BPF_MISC | BPF_TAX))
			return (struct accel_xdp_op){.code = ACCEL_XOP_TAX};
		return (struct accel_xdp_op){.code = ACCEL_XOP_LD, .by_x = 1};
	}
}

int accel_xdp_ops(const struct sock_filter *insns, unsigned n, struct accel_xdp_op *out,
		  struct accel_err *err)
{
	static const struct accel_xlate opt = {.has_mac = true};
	struct accel_xlating x = {.opt = &opt, .insns = insns, .n = n};
	int rc;

	if (n == 0) {
		*out = (struct accel_xdp_op){.code = ACCEL_XOP_RET, .k = UINT32_MAX};
		return 0;
	}
	if (n > ACCEL_XDP_MAX_OPS)
		return accel_fail(err, -E2BIG, "filter: has %u instructions (at most %u)", n,
				  ACCEL_XDP_MAX_OPS);
	x.proven = calloc(n, sizeof(*x.proven));
	if (!x.proven)
		return accel_fail(err, -ENOMEM, "filter: out of memory");
	rc = accel_xlate_analyse(&x, err);
	for (unsigned i = 0; rc == 0 && i < n; i++) {
		memset(&out[i], 0, sizeof(out[i]));
		if (x.proven[i] != ACCEL_XLATE_UNREACHED)
			out[i] = operation(&x, i);
	}
	free(x.proven);
	return rc;
}
