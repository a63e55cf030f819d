/* SPDX-License-Identifier: BSD-3-Clause */
/* translate_load.c - the loads of classic BPF in an XDP program: bytes of the packet, proved or
 * through the helper, and what the kernel knows beside them.
 *
 * Threads: none of its own. */
#include "bpf/translate_private.h"

#include "bpf/op.h"

#include "base/util.h"

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#define A	   ACCEL_XLATE_A
#define X	   ACCEL_XLATE_X
#define DATA	   ACCEL_XLATE_DATA
#define END	   ACCEL_XLATE_END
#define MAX_OFFSET ACCEL_XLATE_MAX_OFFSET

/* Where metadata come from. */
enum source {
	FROM_NOWHERE,
	FROM_CONSTANT, /* value */
	FROM_CONTEXT,  /* offset in struct xdp_md, and what is added */
	FROM_HELPER,   /* number */
	FROM_VLAN,     /* slot */
	FROM_FRAME,    /* the frame's destination */
	FROM_X,
};

struct aux_row {
	int field; /* SKF_AD_* */
	enum source source;
	int value, plus;
	const char *refusal;
};

/* clang-format off */
static const struct aux_row aux_rows[] = {
	{ SKF_AD_PKTTYPE,	   FROM_FRAME,	  0, 0, NULL },
	{ SKF_AD_IFINDEX,	   FROM_CONTEXT,  ACCEL_MD_IFINDEX, 0, NULL },
	{ SKF_AD_QUEUE,		   FROM_CONTEXT,  ACCEL_MD_QUEUE, 1, NULL },
	{ SKF_AD_HATYPE,	   FROM_CONSTANT, ARPHRD_ETHER, 0, NULL },
	{ SKF_AD_CPU,		   FROM_HELPER,	  ACCEL_HELPER_CPU, 0, NULL },
	{ SKF_AD_RANDOM,	   FROM_HELPER,	  ACCEL_HELPER_RANDOM, 0, NULL },
	{ SKF_AD_ALU_XOR_X,	   FROM_X,	  0, 0, NULL },
	{ SKF_AD_VLAN_TAG,	   FROM_VLAN,	  ACCEL_SLOT_VLAN_TCI, 0, NULL },
	{ SKF_AD_VLAN_TAG_PRESENT, FROM_VLAN,	  ACCEL_SLOT_VLAN_FOUND, 0, NULL },
	{ SKF_AD_VLAN_TPID,	   FROM_VLAN,	  ACCEL_SLOT_VLAN_TPID, 0, NULL },
	{ SKF_AD_PROTOCOL,	   FROM_NOWHERE,  0, 0, "the socket buffer's protocol, which is not there before XDP (would be: [12:2] of the frame)" },
	{ SKF_AD_RXHASH,	   FROM_NOWHERE,  0, 0, "the receive hash, which is not there before XDP (would be: addresses and ports)" },
	{ SKF_AD_MARK,		   FROM_NOWHERE,  0, 0, "the mark, which is not there before XDP (would be: bytes of the packet)" },
	{ SKF_AD_PAY_OFFSET,	   FROM_NOWHERE,  0, 0, "the payload's offset, which is not there before XDP (would be: the headers' lengths)" },
	{ SKF_AD_NLATTR,	   FROM_NOWHERE,  0, 0, "a netlink attribute, and this is an Ethernet device" },
	{ SKF_AD_NLATTR_NEST,	   FROM_NOWHERE,  0, 0, "a netlink attribute, and this is an Ethernet device" },
};
/* clang-format on */

static bool is_aux(const struct sock_filter *insn)
{
	return BPF_CLASS(insn->code) == BPF_LD && BPF_MODE(insn->code) == BPF_ABS &&
	       insn->k >= (uint32_t)SKF_AD_OFF;
}

static const struct aux_row *aux_row(uint32_t k)
{
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(aux_rows); i++)
		if (k == (uint32_t)(SKF_AD_OFF + aux_rows[i].field))
			return &aux_rows[i];
	return NULL;
}

/* Is what A holds before this instruction of no matter? */
static bool forgets_a(const struct sock_filter *insn)
{
	if (insn->code == (BPF_RET | BPF_K))
		return true;
	return BPF_CLASS(insn->code) == BPF_LD &&
	       !(is_aux(insn) && insn->k == (uint32_t)(SKF_AD_OFF + SKF_AD_ALU_XOR_X));
}

/* Is the packet's type, as libpcap's "inbound" and "outbound" do, only compared with the one that
 * no packet here has? As a load is never the last instruction, and a jump neither, there are
 * others. */
static bool asks_outgoing(const struct accel_xlating *x, unsigned i)
{
	const struct sock_filter *next = &x->insns[i + 1];

	return next->code == (BPF_JMP | BPF_JEQ | BPF_K) && next->k == PACKET_OUTGOING &&
	       forgets_a(next + 1 + next->jt) && forgets_a(next + 1 + next->jf);
}

static bool needs_destination(const struct accel_xlating *x, unsigned i)
{
	const struct aux_row *row = is_aux(&x->insns[i]) ? aux_row(x->insns[i].k) : NULL;

	return row && row->source == FROM_FRAME && !asks_outgoing(x, i);
}

bool accel_xlate_is_inbound(const struct accel_xlating *x, unsigned i)
{
	const struct aux_row *row = is_aux(&x->insns[i]) ? aux_row(x->insns[i].k) : NULL;

	return row && row->source == FROM_FRAME && asks_outgoing(x, i);
}

const char *accel_xlate_refusal(const struct accel_xlating *x, unsigned i)
{
	const struct sock_filter *insn = &x->insns[i];
	const struct aux_row *row;

	if (BPF_CLASS(insn->code) != BPF_LD || BPF_MODE(insn->code) != BPF_ABS)
		return NULL;
	if (!is_aux(insn))
		return insn->k >= (uint32_t)SKF_NET_OFF ? "from the network header, which an XDP "
							  "program is not told (would be: "
							  "an offset in the frame)"
							: NULL;
	row = aux_row(insn->k);
	if (!row)
		return "metadata that do not exist";
	if (needs_destination(x, i) && !x->opt->has_mac)
		return "the packet's type, and the device has no Ethernet address";
	return row->source == FROM_NOWHERE ? row->refusal : NULL;
}

static unsigned size_of(uint16_t code)
{
	switch (BPF_SIZE(code)) {
	case BPF_W:
		return 4;
	case BPF_H:
		return 2;
	default:
		return 1;
	}
}

uint32_t accel_xlate_offset(uint32_t k)
{
	if (k >= (uint32_t)SKF_LL_OFF && k < (uint32_t)SKF_NET_OFF)
		return k - (uint32_t)SKF_LL_OFF;
	return k;
}

/* The byte behind a load at a constant offset; over MAX_OFFSET: no pointer gets there. */
static uint32_t end_of(uint32_t offset, unsigned size)
{
	return offset > MAX_OFFSET - size ? MAX_OFFSET + 1 : offset + size;
}

uint32_t accel_xlate_reach(const struct accel_xlating *x, unsigned i)
{
	const struct sock_filter *insn = &x->insns[i];

	if (needs_destination(x, i))
		return ETH_ALEN;
	if (is_aux(insn))
		return 0;
	if (insn->code == (BPF_LDX | BPF_B | BPF_MSH))
		return end_of(accel_xlate_offset(insn->k), 1);
	if (BPF_CLASS(insn->code) == BPF_LD && BPF_MODE(insn->code) == BPF_ABS)
		return end_of(accel_xlate_offset(insn->k), size_of(insn->code));
	return 0;
}

void accel_xlate_bytes(struct accel_xlating *x, unsigned size, enum accel_ebpf_reg base, int off)
{
	accel_easm_load(x->as, size == 4 ? BPF_W : size == 2 ? BPF_H : BPF_B, x->to, base, off);
	if (size > 1)
		accel_easm_from_be(x->as, x->to, size * 8);
}

void accel_xlate_by_helper(struct accel_xlating *x, unsigned size)
{
	accel_easm_load(x->as, ACCEL_BPF_DW, ACCEL_R1, x->slots, ACCEL_SLOT_CTX);
	accel_easm_alu64_x(x->as, ACCEL_BPF_MOV, ACCEL_R3, x->slots);
	accel_easm_alu64_k(x->as, BPF_ADD, ACCEL_R3, ACCEL_SLOT_SCRATCH);
	accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, ACCEL_R4, size);
	accel_easm_call(x->as, ACCEL_HELPER_XDP_LOAD);
	accel_easm_jump64_k(x->as, ACCEL_BPF_JNE, ACCEL_R0, 0, x->opt->reject);
	accel_xlate_bytes(x, size, x->slots, ACCEL_SLOT_SCRATCH);
}

/* The first `end` bytes are in the first buffer, or we are elsewhere. */
static void prove(struct accel_xlating *x, unsigned i, uint32_t end)
{
	if (x->proven[i] >= end)
		return;
	accel_easm_alu64_x(x->as, ACCEL_BPF_MOV, ACCEL_R1, DATA);
	accel_easm_alu64_k(x->as, BPF_ADD, ACCEL_R1, (int32_t)end);
	accel_easm_jump64_x(x->as, BPF_JGT, ACCEL_R1, END, x->miss);
}

/* x->to = `size` bytes at an offset that is proved. */
static void load_proved(struct accel_xlating *x, uint32_t offset, unsigned size)
{
	if (offset <= INT16_MAX) {
		accel_xlate_bytes(x, size, DATA, (int)offset);
		return;
	}
	accel_easm_alu64_x(x->as, ACCEL_BPF_MOV, ACCEL_R1, DATA);
	accel_easm_alu64_k(x->as, BPF_ADD, ACCEL_R1, (int32_t)offset);
	accel_xlate_bytes(x, size, ACCEL_R1, 0);
}

/* x->to = `size` bytes at an offset that the slow version asks the helper for, and the other has
 * proved. */
static void load_at(struct accel_xlating *x, uint32_t offset, unsigned size)
{
	if (!x->is_slow) {
		load_proved(x, offset, size);
		return;
	}
	accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, ACCEL_R2, offset);
	accel_xlate_by_helper(x, size);
}

static void load_abs(struct accel_xlating *x, unsigned i, uint32_t offset, unsigned size)
{
	if (x->is_slow && offset > MAX_OFFSET) {
		accel_easm_goto(x->as, x->opt->reject);
	} else if (x->is_slow) {
		load_at(x, offset, size);
	} else if (end_of(offset, size) > MAX_OFFSET) {
		accel_easm_goto(x->as, x->miss);
	} else {
		prove(x, i, offset + size);
		load_proved(x, offset, size);
	}
}

/* R2 = X + k without wrapping. */
static void add_offset(struct accel_xlating *x, uint32_t k)
{
	accel_easm_alu64_x(x->as, ACCEL_BPF_MOV, ACCEL_R2, X);
	if (k <= INT32_MAX) {
		if (k)
			accel_easm_alu64_k(x->as, BPF_ADD, ACCEL_R2, (int32_t)k);
		return;
	}
	accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, ACCEL_R1, k);
	accel_easm_alu64_x(x->as, BPF_ADD, ACCEL_R2, ACCEL_R1);
}

static void load_ind(struct accel_xlating *x, uint32_t k, unsigned size)
{
	add_offset(x, accel_xlate_offset(k));
	if (x->is_slow || x->opt->by_helper) {
		accel_easm_jump64_k(x->as, BPF_JGT, ACCEL_R2, MAX_OFFSET, x->opt->reject);
		accel_xlate_by_helper(x, size);
		return;
	}
	accel_easm_jump64_k(x->as, BPF_JGT, ACCEL_R2, (int32_t)(MAX_OFFSET - size), x->miss);
	accel_easm_alu64_x(x->as, BPF_ADD, ACCEL_R2, DATA);
	accel_easm_alu64_x(x->as, ACCEL_BPF_MOV, ACCEL_R1, ACCEL_R2);
	accel_easm_alu64_k(x->as, BPF_ADD, ACCEL_R1, (int32_t)size);
	accel_easm_jump64_x(x->as, BPF_JGT, ACCEL_R1, END, x->miss);
	accel_xlate_bytes(x, size, ACCEL_R2, 0);
}

/* A = PACKET_HOST, _BROADCAST, _MULTICAST or _OTHERHOST, as eth_type_trans() has it. */
static void load_pkttype(struct accel_xlating *x, unsigned i)
{
	const uint8_t *mac = x->opt->mac;
	unsigned group = accel_easm_label(x->as), many = accel_easm_label(x->as);
	unsigned other = accel_easm_label(x->as), done = accel_easm_label(x->as);
	uint32_t mac4 = (uint32_t)mac[0] << 24 | mac[1] << 16 | mac[2] << 8 | mac[3];

	if (!x->is_slow)
		prove(x, i, ETH_ALEN);
	load_at(x, 0, 4);
	accel_easm_jump32_k(x->as, BPF_JSET, A, 0x01000000, group);
	accel_easm_jump32_k(x->as, ACCEL_BPF_JNE, A, mac4, other);
	load_at(x, 4, 2);
	accel_easm_jump32_k(x->as, ACCEL_BPF_JNE, A, (uint32_t)mac[4] << 8 | mac[5], other);
	accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, A, PACKET_HOST);
	accel_easm_goto(x->as, done);
	accel_easm_bind(x->as, other);
	accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, A, PACKET_OTHERHOST);
	accel_easm_goto(x->as, done);
	accel_easm_bind(x->as, group);
	accel_easm_jump32_k(x->as, ACCEL_BPF_JNE, A, 0xffffffff, many);
	load_at(x, 4, 2);
	accel_easm_jump32_k(x->as, ACCEL_BPF_JNE, A, 0xffff, many);
	accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, A, PACKET_BROADCAST);
	accel_easm_goto(x->as, done);
	accel_easm_bind(x->as, many);
	accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, A, PACKET_MULTICAST);
	accel_easm_bind(x->as, done);
}

static void load_vlan(struct accel_xlating *x, int slot)
{
	if (!x->opt->has_vlan) {
		accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, A, 0);
		return;
	}
	accel_easm_load(x->as, BPF_W, A, x->slots, slot);
	if (slot == ACCEL_SLOT_VLAN_TPID)
		accel_easm_from_be(x->as, A, 16);
}

static void load_aux(struct accel_xlating *x, unsigned i)
{
	const struct aux_row *row = aux_row(x->insns[i].k);

	switch (row->source) {
	case FROM_NOWHERE:
		return;
	case FROM_CONSTANT:
		accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, A, (uint32_t)row->value);
		return;
	case FROM_CONTEXT:
		accel_easm_load(x->as, ACCEL_BPF_DW, ACCEL_R1, x->slots, ACCEL_SLOT_CTX);
		accel_easm_load(x->as, BPF_W, A, ACCEL_R1, row->value);
		if (row->plus)
			accel_easm_alu32_k(x->as, BPF_ADD, A, (uint32_t)row->plus);
		return;
	case FROM_HELPER:
		accel_easm_call(x->as, (enum accel_ebpf_helper)row->value);
		accel_easm_alu32_x(x->as, ACCEL_BPF_MOV, A, ACCEL_R0);
		return;
	case FROM_VLAN:
		load_vlan(x, row->value);
		return;
	case FROM_FRAME:
		if (needs_destination(x, i))
			load_pkttype(x, i);
		else
			accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, A, PACKET_HOST);
		return;
	case FROM_X:
		accel_easm_alu32_x(x->as, BPF_XOR, A, X);
		return;
	}
}

/* x->to = the whole packet's length, fragments included. */
static void load_len(struct accel_xlating *x)
{
	accel_easm_load(x->as, ACCEL_BPF_DW, ACCEL_R1, x->slots, ACCEL_SLOT_CTX);
	accel_easm_call(x->as, ACCEL_HELPER_XDP_LEN);
	accel_easm_alu32_x(x->as, ACCEL_BPF_MOV, x->to, ACCEL_R0);
}

void accel_xlate_ld(struct accel_xlating *x, unsigned i)
{
	const struct sock_filter *insn = &x->insns[i];

	x->to = A;
	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
		if (is_aux(insn))
			load_aux(x, i);
		else
			load_abs(x, i, accel_xlate_offset(insn->k), size_of(insn->code));
		return;
	case BPF_IND:
		load_ind(x, insn->k, size_of(insn->code));
		return;
	case BPF_LEN:
		load_len(x);
		return;
	case BPF_MEM:
		accel_easm_load(x->as, BPF_W, A, x->slots, accel_xlate_cell(insn->k));
		return;
	default:
		accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, A, insn->k);
	}
}

void accel_xlate_ldx(struct accel_xlating *x, unsigned i)
{
	const struct sock_filter *insn = &x->insns[i];

	x->to = X;
	switch (BPF_MODE(insn->code)) {
	case BPF_MSH:
		load_abs(x, i, accel_xlate_offset(insn->k), 1);
		accel_easm_alu32_k(x->as, BPF_AND, X, 15);
		accel_easm_alu32_k(x->as, BPF_LSH, X, 2);
		return;
	case BPF_LEN:
		load_len(x);
		return;
	case BPF_MEM:
		accel_easm_load(x->as, BPF_W, X, x->slots, accel_xlate_cell(insn->k));
		return;
	default:
		accel_easm_alu32_k(x->as, ACCEL_BPF_MOV, X, insn->k);
	}
}
