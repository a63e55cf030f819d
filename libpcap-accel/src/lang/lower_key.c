/* SPDX-License-Identifier: BSD-3-Clause */
/* lower_key.c - steer_key as instructions: a value of any choice of fields. See lower.h, and
 * eval_steer.c for the same over bytes.
 *
 * Threads: none of its own. */
#include "lang/lower.h"

/* In this order: a packet whose source and destination change places has the same value. */
const struct accel_lang_key_group accel_lang_key_groups[ACCEL_LANG_N_KEY_GROUPS] = {
	{1, {ACCEL_KEY_ETH_SRC, ACCEL_KEY_IP_SRC, ACCEL_KEY_SRC_PORT}},
	{1, {ACCEL_KEY_ETH_DST, ACCEL_KEY_IP_DST, ACCEL_KEY_DST_PORT}},
	{0,
	 {ACCEL_KEY_ETH_TYPE, ACCEL_KEY_IP_PROTO, ACCEL_KEY_ECN, ACCEL_KEY_DSCP,
	  ACCEL_KEY_ICMP_TYPE, ACCEL_KEY_ICMP_CODE}},
};

static void load_addr_value(struct accel_lang_lower *l, enum accel_lang_ends end)
{
	unsigned is_ip4 = accel_lang_label(l), done = accel_lang_label(l);
	uint32_t offset = end == ACCEL_SRC ? 8 : 24;

	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_IP4, is_ip4, ACCEL_ASM_NEXT);
	accel_lang_load_x(l, ACCEL_VAR_NET);
	accel_lang_at_x(l, 4, offset);
	for (unsigned i = 1; i < 4; i++) {
		accel_lang_store(l, ACCEL_VAR_TMP);
		accel_lang_load_x(l, ACCEL_VAR_NET);
		accel_lang_at_x(l, 4, offset + 4 * i);
		accel_lang_load_x(l, ACCEL_VAR_TMP);
		accel_lang_alu_x(l, BPF_XOR);
	}
	accel_lang_goto(l, done);
	accel_lang_bind(l, is_ip4);
	accel_lang_load_x(l, ACCEL_VAR_NET);
	accel_lang_at_x(l, 4, end == ACCEL_SRC ? 12 : 16);
	accel_lang_bind(l, done);
}

/* The byte of the traffic class. */
static void load_tos(struct accel_lang_lower *l)
{
	unsigned is_ip4 = accel_lang_label(l), done = accel_lang_label(l);

	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_load_x(l, ACCEL_VAR_NET);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_IP4, is_ip4, ACCEL_ASM_NEXT);
	accel_lang_at_x(l, 2, 0);
	accel_lang_alu(l, BPF_RSH, 4);
	accel_lang_goto(l, done);
	accel_lang_bind(l, is_ip4);
	accel_lang_at_x(l, 1, 1);
	accel_lang_bind(l, done);
}

/* A = the field, which is there. */
static void load_key_field(struct accel_lang_lower *l, uint32_t bit)
{
	switch (bit) {
	case ACCEL_KEY_ETH_TYPE:
		accel_lang_load(l, ACCEL_VAR_TYPE);
		return;
	case ACCEL_KEY_ETH_SRC:
	case ACCEL_KEY_ETH_DST:
		accel_lang_load_mac(l, bit == ACCEL_KEY_ETH_SRC ? 6 : 0);
		return;
	case ACCEL_KEY_IP_SRC:
	case ACCEL_KEY_IP_DST:
		load_addr_value(l, bit == ACCEL_KEY_IP_SRC ? ACCEL_SRC : ACCEL_DST);
		return;
	case ACCEL_KEY_IP_PROTO:
		accel_lang_load(l, ACCEL_VAR_KIND);
		accel_lang_alu(l, BPF_AND, ACCEL_HAS_PROTOCOL);
		return;
	case ACCEL_KEY_ECN:
	case ACCEL_KEY_DSCP:
		load_tos(l);
		accel_lang_alu(l, BPF_AND, bit == ACCEL_KEY_ECN ? 0x3 : 0xfc);
		return;
	case ACCEL_KEY_SRC_PORT:
	case ACCEL_KEY_DST_PORT:
		accel_lang_load_x(l, ACCEL_VAR_L4);
		accel_lang_at_x(l, 2, bit == ACCEL_KEY_SRC_PORT ? 0 : 2);
		return;
	default:
		accel_lang_load_x(l, ACCEL_VAR_L4);
		accel_lang_at_x(l, 1, bit == ACCEL_KEY_ICMP_TYPE ? 0 : 1);
	}
}

/* To drop if the packet is a fragment or not of the kind. */
static void need_whole(struct accel_lang_lower *l, uint32_t kind)
{
	unsigned is_kind = accel_lang_label(l);

	accel_lang_lower_is_kind(l, kind, is_kind, l->drop);
	accel_lang_bind(l, is_kind);
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_FRAGMENT, l->drop, ACCEL_ASM_NEXT);
}

/* To drop if one of the fields is not in the packet. */
static void need_fields(struct accel_lang_lower *l, uint32_t bits)
{
	const uint32_t eth = ACCEL_KEY_ETH_TYPE | ACCEL_KEY_ETH_SRC | ACCEL_KEY_ETH_DST;
	const uint32_t ports = ACCEL_KEY_SRC_PORT | ACCEL_KEY_DST_PORT;
	const uint32_t icmp = ACCEL_KEY_ICMP_TYPE | ACCEL_KEY_ICMP_CODE;

	if (bits & eth)
		accel_lang_need(l, ACCEL_ETH_LEN, l->drop);
	if (bits & ~(eth | ports | icmp)) {
		accel_lang_load(l, ACCEL_VAR_KIND);
		accel_lang_jump(l, BPF_JSET, ACCEL_HAS_IP4 | ACCEL_HAS_IP6, ACCEL_ASM_NEXT,
				l->drop);
	}
	if (bits & ports)
		need_whole(l, ACCEL_KIND(ACCEL_IP, ACCEL_PROTO_TCP, ACCEL_PROTO_UDP));
	if (bits & icmp)
		need_whole(l, ACCEL_KIND(ACCEL_IP, ACCEL_PROTO_ICMP, ACCEL_PROTO_ICMP6));
}

/* TMP2 = the group's sum; H ^= it. */
static void add_group(struct accel_lang_lower *l, const struct accel_lang_key_group *group,
		      uint32_t bits)
{
	accel_lang_set(l, ACCEL_VAR_TMP2, group->start);
	for (const uint32_t *bit = group->bits; *bit; bit++) {
		if (!(bits & *bit))
			continue;
		load_key_field(l, *bit);
		accel_lang_store(l, ACCEL_VAR_TMP);
		accel_lang_load(l, ACCEL_VAR_TMP2);
		accel_lang_alu(l, BPF_MUL, 33);
		accel_lang_load_x(l, ACCEL_VAR_TMP);
		accel_lang_alu_x(l, BPF_ADD);
		accel_lang_store(l, ACCEL_VAR_TMP2);
	}
	accel_lang_load(l, ACCEL_VAR_H);
	accel_lang_load_x(l, ACCEL_VAR_TMP2);
	accel_lang_alu_x(l, BPF_XOR);
	accel_lang_store(l, ACCEL_VAR_H);
}

/* The two choices that PFQ has a quicker way for, and another value. */
static bool lower_usual(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned is_flow = accel_lang_label(l);

	if (n->num[0] != ACCEL_KEY_ADDRESSES && n->num[0] != ACCEL_KEY_5_TUPLE) {
		accel_lang_bind(l, is_flow);
		return false;
	}
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_IP4 | ACCEL_HAS_IP6, ACCEL_ASM_NEXT, l->drop);
	if (n->num[0] == ACCEL_KEY_ADDRESSES) {
		accel_lang_bind(l, is_flow);
		accel_lang_lower_set_addresses(l);
		return true;
	}
	accel_lang_alu(l, BPF_AND, ACCEL_HAS_PROTOCOL);
	accel_lang_jump(l, BPF_JEQ, ACCEL_PROTO_TCP, is_flow, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JEQ, ACCEL_PROTO_UDP, is_flow, l->drop);
	accel_lang_bind(l, is_flow);
	accel_lang_lower_flow(l, n);
	return true;
}

void accel_lang_lower_key(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	uint32_t bits = (uint32_t)n->num[0];

	if (lower_usual(l, n))
		return;
	need_fields(l, bits);
	accel_lang_set(l, ACCEL_VAR_H, 0);
	if (accel_lang_has_cell(l, ACCEL_VAR_H))
		for (unsigned i = 0; i < ACCEL_LANG_N_KEY_GROUPS; i++)
			add_group(l, &accel_lang_key_groups[i], bits);
	accel_lang_set(l, ACCEL_VAR_FAN, ACCEL_MAKES_STEER);
}
