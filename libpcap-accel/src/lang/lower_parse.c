/* SPDX-License-Identifier: BSD-3-Clause */
/* lower_parse.c - finds the headers of a packet with instructions: what view.c does in C, branch
 * for branch. See lower.h.
 *
 * Source: RFC 791, RFC 8200, IEEE 802.1Q; SKF_AD_* in linux/filter.h.
 * Threads: none of its own. */
#include "lang/lower.h"

#include <linux/if_packet.h>

static bool wants_l4(const struct accel_lang_lower *l)
{
	return l->shape.uses & ACCEL_USES_L4;
}

static void load_aux(struct accel_lang_lower *l, int32_t field)
{
	accel_asm_insn(&l->as, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + field));
}

/* KIND |= bits, from any A. */
static void add_kind(struct accel_lang_lower *l, uint32_t bits)
{
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_alu(l, BPF_OR, bits);
	accel_lang_store(l, ACCEL_VAR_KIND);
}

/* X = the cell, or to `no` if there are not `len` bytes from that offset on. */
static void need_from(struct accel_lang_lower *l, enum accel_lang_var var, uint32_t len,
		      unsigned no)
{
	accel_lang_load(l, var);
	accel_lang_alu(l, BPF_ADD, len);
	accel_lang_load_x(l, ACCEL_VAR_LEN);
	accel_lang_jump_x(l, BPF_JGT, no, ACCEL_ASM_NEXT);
	accel_lang_load_x(l, var);
}

/* ROOM = LEN - L4 if that is positive. */
static void find_room(struct accel_lang_lower *l, unsigned end)
{
	accel_lang_load_x(l, ACCEL_VAR_L4);
	accel_lang_load(l, ACCEL_VAR_LEN);
	accel_lang_jump_x(l, BPF_JGE, ACCEL_ASM_NEXT, end);
	accel_lang_alu_x(l, BPF_SUB);
	accel_lang_store(l, ACCEL_VAR_ROOM);
}

static void look_at_ip4(struct accel_lang_lower *l, unsigned end)
{
	unsigned first = accel_lang_label(l), room = accel_lang_label(l);

	need_from(l, ACCEL_VAR_NET, ACCEL_IP4_LEN, end);
	if (!wants_l4(l)) {
		accel_lang_set(l, ACCEL_VAR_KIND, ACCEL_HAS_IP4);
		accel_lang_goto(l, end);
		return;
	}
	accel_lang_at_x(l, 1, 9);
	accel_lang_alu(l, BPF_OR, ACCEL_HAS_IP4);
	accel_lang_store(l, ACCEL_VAR_KIND);
	accel_lang_at_x(l, 1, 0);
	accel_lang_alu(l, BPF_AND, 0xf);
	accel_lang_alu(l, BPF_LSH, 2);
	accel_lang_alu_x(l, BPF_ADD);
	accel_lang_store(l, ACCEL_VAR_L4);
	accel_lang_at_x(l, 2, 6);
	accel_lang_jump(l, BPF_JSET, 0x3fff, ACCEL_ASM_NEXT, room);
	accel_lang_jump(l, BPF_JSET, 0x1fff, ACCEL_ASM_NEXT, first);
	add_kind(l, ACCEL_HAS_FRAGMENT | ACCEL_HAS_LATER);
	accel_lang_goto(l, end);
	accel_lang_bind(l, first);
	add_kind(l, ACCEL_HAS_FRAGMENT);
	accel_lang_bind(l, room);
	find_room(l, end);
	accel_lang_goto(l, end);
}

/* With L4 in X, before and behind: the protocol in KIND = byte at L4. */
static void take_next_protocol(struct accel_lang_lower *l)
{
	accel_lang_at_x(l, 1, 0);
	accel_lang_store(l, ACCEL_VAR_TMP);
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_alu(l, BPF_AND, ~(uint32_t)ACCEL_HAS_PROTOCOL);
	accel_lang_load_x(l, ACCEL_VAR_TMP);
	accel_lang_alu_x(l, BPF_OR);
	accel_lang_store(l, ACCEL_VAR_KIND);
	accel_lang_load_x(l, ACCEL_VAR_L4);
}

static void step_over_fragment(struct accel_lang_lower *l, unsigned end, unsigned stepped)
{
	unsigned whole = accel_lang_label(l), first = accel_lang_label(l);

	need_from(l, ACCEL_VAR_L4, 8, end);
	take_next_protocol(l);
	accel_lang_at_x(l, 2, 2);
	accel_lang_jump(l, BPF_JSET, 0xfff9, ACCEL_ASM_NEXT, whole);
	accel_lang_jump(l, BPF_JSET, 0xfff8, ACCEL_ASM_NEXT, first);
	add_kind(l, ACCEL_HAS_FRAGMENT | ACCEL_HAS_LATER);
	accel_lang_goto(l, end);
	accel_lang_bind(l, first);
	add_kind(l, ACCEL_HAS_FRAGMENT);
	accel_lang_bind(l, whole);
	accel_lang_load(l, ACCEL_VAR_L4);
	accel_lang_alu(l, BPF_ADD, 8);
	accel_lang_store(l, ACCEL_VAR_L4);
	accel_lang_goto(l, stepped);
}

static void step_over(struct accel_lang_lower *l, unsigned room, unsigned end)
{
	unsigned option = accel_lang_label(l), fragment = accel_lang_label(l);
	unsigned stepped = accel_lang_label(l);

	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_alu(l, BPF_AND, ACCEL_HAS_PROTOCOL);
	accel_lang_jump(l, BPF_JEQ, ACCEL_PROTO_FRAG, fragment, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JEQ, ACCEL_PROTO_HOP, option, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JEQ, ACCEL_PROTO_ROUTE, option, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JEQ, ACCEL_PROTO_OPTS, option, room);
	accel_lang_bind(l, fragment);
	step_over_fragment(l, end, stepped);
	accel_lang_bind(l, option);
	need_from(l, ACCEL_VAR_L4, 8, end);
	take_next_protocol(l);
	accel_lang_at_x(l, 1, 1);
	accel_lang_alu(l, BPF_ADD, 1);
	accel_lang_alu(l, BPF_LSH, 3);
	accel_lang_alu_x(l, BPF_ADD);
	accel_lang_store(l, ACCEL_VAR_L4);
	accel_lang_bind(l, stepped);
}

static void look_at_ip6(struct accel_lang_lower *l, unsigned end)
{
	unsigned room = accel_lang_label(l);

	need_from(l, ACCEL_VAR_NET, ACCEL_IP6_LEN, end);
	if (!wants_l4(l)) {
		accel_lang_set(l, ACCEL_VAR_KIND, ACCEL_HAS_IP6);
		accel_lang_bind(l, room);
		return;
	}
	accel_lang_at_x(l, 1, 6);
	accel_lang_alu(l, BPF_OR, ACCEL_HAS_IP6);
	accel_lang_store(l, ACCEL_VAR_KIND);
	accel_lang_txa(l);
	accel_lang_alu(l, BPF_ADD, ACCEL_IP6_LEN);
	accel_lang_store(l, ACCEL_VAR_L4);
	for (unsigned i = 0; i < ACCEL_LANG_MAX_EXT; i++)
		step_over(l, room, end);
	accel_lang_bind(l, room);
	find_room(l, end);
}

static void forget_ip(struct accel_lang_lower *l)
{
	accel_lang_imm(l, 0);
	accel_lang_store(l, ACCEL_VAR_KIND);
	accel_lang_store(l, ACCEL_VAR_L4);
	accel_lang_store(l, ACCEL_VAR_ROOM);
}

static void jump_tag(struct accel_lang_lower *l, unsigned no)
{
	unsigned tag = accel_lang_label(l);

	accel_lang_jump(l, BPF_JEQ, ACCEL_ETH_8021Q, tag, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JEQ, ACCEL_ETH_8021AD, tag, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JEQ, ACCEL_ETH_9100, tag, no);
	accel_lang_bind(l, tag);
}

/* TYPE and NET behind the tags. */
static void look_at_tags(struct accel_lang_lower *l, unsigned end)
{
	unsigned done = accel_lang_label(l);

	accel_lang_imm(l, 0);
	accel_lang_store(l, ACCEL_VAR_NET);
	accel_lang_store(l, ACCEL_VAR_TYPE);
	accel_lang_need(l, ACCEL_ETH_LEN, end);
	accel_lang_set(l, ACCEL_VAR_NET, ACCEL_ETH_LEN);
	accel_lang_at(l, 2, 12);
	accel_lang_store(l, ACCEL_VAR_TYPE);
	for (unsigned i = 0; i < ACCEL_LANG_MAX_TAGS; i++) {
		uint32_t net = ACCEL_ETH_LEN + 4 * i;

		jump_tag(l, done);
		accel_lang_need(l, net + 4, done);
		accel_lang_set(l, ACCEL_VAR_NET, net + 4);
		accel_lang_at(l, 2, net + 2);
		accel_lang_store(l, ACCEL_VAR_TYPE);
	}
	accel_lang_bind(l, done);
}

static void look_at_outer(struct accel_lang_lower *l)
{
	unsigned ip4 = accel_lang_label(l), ip6 = accel_lang_label(l), end = accel_lang_label(l);

	forget_ip(l);
	look_at_tags(l, end);
	accel_lang_load(l, ACCEL_VAR_TYPE);
	accel_lang_jump(l, BPF_JEQ, ACCEL_ETH_IP4, ip4, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JEQ, ACCEL_ETH_IP6, ip6, end);
	accel_lang_bind(l, ip4);
	look_at_ip4(l, end);
	accel_lang_bind(l, ip6);
	look_at_ip6(l, end);
	accel_lang_bind(l, end);
}

static void look_at_inner(struct accel_lang_lower *l)
{
	unsigned ip4 = accel_lang_label(l), ip6 = accel_lang_label(l), end = accel_lang_label(l);
	unsigned none = accel_lang_label(l);

	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_FRAGMENT, none, ACCEL_ASM_NEXT);
	accel_lang_alu(l, BPF_AND, ACCEL_HAS_PROTOCOL);
	accel_lang_jump(l, BPF_JEQ, ACCEL_PROTO_IPIP, ip4, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JEQ, ACCEL_PROTO_IP6, ip6, ACCEL_ASM_NEXT);
	accel_lang_bind(l, none);
	forget_ip(l);
	accel_lang_goto(l, end);
	accel_lang_bind(l, ip4);
	accel_lang_load(l, ACCEL_VAR_L4);
	accel_lang_store(l, ACCEL_VAR_NET);
	forget_ip(l);
	look_at_ip4(l, end);
	accel_lang_bind(l, ip6);
	accel_lang_load(l, ACCEL_VAR_L4);
	accel_lang_store(l, ACCEL_VAR_NET);
	forget_ip(l);
	look_at_ip6(l, end);
	accel_lang_bind(l, end);
}

void accel_lang_lower_to_level(struct accel_lang_lower *l, unsigned level)
{
	if (!(l->shape.uses & ACCEL_USES_TYPE))
		return;
	if (level != l->level + 1) {
		look_at_outer(l);
		l->level = 0;
	}
	for (; l->level < level; l->level++)
		look_at_inner(l);
}

void accel_lang_lower_headers(struct accel_lang_lower *l)
{
	unsigned sent = accel_lang_label(l), known = accel_lang_label(l);

	if (l->target->fanout && accel_lang_has_cell(l, ACCEL_VAR_LEN)) {
		/* Of a received packet data, and so the length, begin behind the MAC header. */
		load_aux(l, SKF_AD_PKTTYPE);
		accel_lang_jump(l, BPF_JEQ, PACKET_OUTGOING, sent, ACCEL_ASM_NEXT);
		accel_asm_insn(&l->as, BPF_LD | BPF_W | BPF_LEN, 0);
		accel_lang_alu(l, BPF_ADD, ACCEL_ETH_LEN);
		accel_lang_goto(l, known);
	}
	accel_lang_bind(l, sent);
	if (accel_lang_has_cell(l, ACCEL_VAR_LEN))
		accel_asm_insn(&l->as, BPF_LD | BPF_W | BPF_LEN, 0);
	accel_lang_bind(l, known);
	accel_lang_store(l, ACCEL_VAR_LEN);
	l->level = 0;
	if (l->shape.uses & ACCEL_USES_TYPE)
		look_at_outer(l);
}

/* The fragment bits of a packet in the fast lane. */
static void look_at_fast_fragment(struct accel_lang_lower *l)
{
	unsigned first = accel_lang_label(l), whole = accel_lang_label(l);

	accel_lang_at(l, 2, ACCEL_ETH_LEN + 6);
	accel_lang_jump(l, BPF_JSET, 0x3fff, ACCEL_ASM_NEXT, whole);
	accel_lang_jump(l, BPF_JSET, 0x1fff, ACCEL_ASM_NEXT, first);
	accel_lang_set(l, ACCEL_VAR_ROOM, 0);
	add_kind(l, ACCEL_HAS_LATER);
	accel_lang_bind(l, first);
	add_kind(l, ACCEL_HAS_FRAGMENT);
	accel_lang_bind(l, whole);
}

void accel_lang_lower_fast_headers(struct accel_lang_lower *l, unsigned slow)
{
	if (l->target->fanout) {
		load_aux(l, SKF_AD_PKTTYPE);
		accel_lang_jump(l, BPF_JEQ, PACKET_OUTGOING, slow, ACCEL_ASM_NEXT);
	}
	accel_asm_insn(&l->as, BPF_LD | BPF_W | BPF_LEN, 0);
	if (l->target->fanout)
		accel_lang_alu(l, BPF_ADD, ACCEL_ETH_LEN);
	accel_lang_jump(l, BPF_JGE, ACCEL_ETH_LEN + ACCEL_IP4_LEN, ACCEL_ASM_NEXT, slow);
	accel_lang_store(l, ACCEL_VAR_LEN);
	if (wants_l4(l)) {
		accel_lang_alu(l, BPF_SUB, ACCEL_ETH_LEN + ACCEL_IP4_LEN);
		accel_lang_store(l, ACCEL_VAR_ROOM);
	}
	accel_lang_at(l, 2, 12);
	accel_lang_jump(l, BPF_JEQ, ACCEL_ETH_IP4, ACCEL_ASM_NEXT, slow);
	accel_lang_at(l, 1, ACCEL_ETH_LEN);
	accel_lang_jump(l, BPF_JEQ, 0x45, ACCEL_ASM_NEXT, slow);
	accel_lang_set(l, ACCEL_VAR_TYPE, ACCEL_ETH_IP4);
	if (!wants_l4(l)) {
		accel_lang_set(l, ACCEL_VAR_KIND, ACCEL_HAS_IP4);
		return;
	}
	accel_lang_at(l, 1, ACCEL_ETH_LEN + 9);
	accel_lang_alu(l, BPF_OR, ACCEL_HAS_IP4);
	accel_lang_store(l, ACCEL_VAR_KIND);
	look_at_fast_fragment(l);
}

void accel_lang_load_vid(struct accel_lang_lower *l)
{
	unsigned bare = accel_lang_label(l), mask = accel_lang_label(l);
	unsigned none = accel_lang_label(l);

	load_aux(l, SKF_AD_VLAN_TAG_PRESENT);
	accel_lang_jump(l, BPF_JEQ, 0, bare, ACCEL_ASM_NEXT);
	load_aux(l, SKF_AD_VLAN_TAG);
	accel_lang_goto(l, mask);
	accel_lang_bind(l, bare);
	accel_lang_need(l, ACCEL_ETH_LEN + 2, none);
	accel_lang_at(l, 2, 12);
	jump_tag(l, none);
	accel_lang_at(l, 2, ACCEL_ETH_LEN);
	accel_lang_goto(l, mask);
	accel_lang_bind(l, none);
	accel_lang_imm(l, 0);
	accel_lang_bind(l, mask);
	accel_lang_alu(l, BPF_AND, 0xfff);
}
