/* SPDX-License-Identifier: BSD-3-Clause */
/* lower_link.c - actions on the link header, and on fields at offsets from it, as instructions:
 * what eval_steer.c does over bytes. See lower.h.
 *
 * Threads: none of its own. */
#include "lang/lower.h"

static bool has(const struct accel_lang_lower *l, enum accel_lang_var var)
{
	return accel_lang_has_cell(l, var);
}

static void need_frame(struct accel_lang_lower *l)
{
	accel_lang_need(l, ACCEL_ETH_LEN, l->drop);
}

void accel_lang_load_mac(struct accel_lang_lower *l, uint32_t offset)
{
	accel_lang_at(l, 2, offset);
	accel_lang_tax(l);
	accel_lang_at(l, 2, offset + 2);
	accel_lang_alu_x(l, BPF_XOR);
	accel_lang_tax(l);
	accel_lang_at(l, 2, offset + 4);
	accel_lang_alu_x(l, BPF_XOR);
	accel_lang_alu(l, BPF_LSH, 16);
}

static void set_mac(struct accel_lang_lower *l, enum accel_lang_var var, uint32_t offset)
{
	if (!has(l, var))
		return;
	accel_lang_load_mac(l, offset);
	accel_lang_store(l, var);
}

void accel_lang_set_macs(struct accel_lang_lower *l)
{
	if (!has(l, ACCEL_VAR_H))
		return;
	set_mac(l, ACCEL_VAR_H, 0);
	accel_lang_load_mac(l, 6);
	accel_lang_load_x(l, ACCEL_VAR_H);
	accel_lang_alu_x(l, BPF_XOR);
	accel_lang_store(l, ACCEL_VAR_H);
}

/* To `yes` if the address at the offset is this one. */
static void jump_mac(struct accel_lang_lower *l, uint32_t offset, const uint8_t mac[6],
		     unsigned yes)
{
	uint32_t head =
		(uint32_t)mac[0] << 24 | (uint32_t)mac[1] << 16 | (uint32_t)mac[2] << 8 | mac[3];
	unsigned no = accel_lang_label(l);

	accel_lang_at(l, 4, offset);
	accel_lang_jump(l, BPF_JEQ, head, ACCEL_ASM_NEXT, no);
	accel_lang_at(l, 2, offset + 4);
	accel_lang_jump(l, BPF_JEQ, (uint32_t)(mac[4] << 8 | mac[5]), yes, no);
	accel_lang_bind(l, no);
}

static void jump_broadcast_mac(struct accel_lang_lower *l, unsigned yes)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};

	jump_mac(l, 0, all, yes);
	jump_mac(l, 6, all, yes);
}

void accel_lang_lower_link(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned all = accel_lang_label(l);

	(void)n;
	need_frame(l);
	jump_broadcast_mac(l, all);
	accel_lang_set_macs(l);
	accel_lang_steer_one(l);
	accel_lang_or_broadcast(l, all);
}

void accel_lang_lower_double_mac(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned all = accel_lang_label(l);

	(void)n;
	need_frame(l);
	jump_broadcast_mac(l, all);
	set_mac(l, ACCEL_VAR_H, 0);
	set_mac(l, ACCEL_VAR_H2, 6);
	accel_lang_steer_two(l);
	accel_lang_or_broadcast(l, all);
}

void accel_lang_lower_local_link(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned all = accel_lang_label(l), to_gateway = accel_lang_label(l);
	unsigned from_gateway = accel_lang_label(l), done = accel_lang_label(l);

	need_frame(l);
	jump_broadcast_mac(l, all);
	jump_mac(l, 0, n->mac, to_gateway);
	jump_mac(l, 6, n->mac, from_gateway);
	set_mac(l, ACCEL_VAR_H, 0);
	set_mac(l, ACCEL_VAR_H2, 6);
	accel_lang_steer_two(l);
	accel_lang_goto(l, done);
	accel_lang_bind(l, to_gateway);
	set_mac(l, ACCEL_VAR_H, 6);
	accel_lang_steer_one(l);
	accel_lang_goto(l, done);
	accel_lang_bind(l, from_gateway);
	set_mac(l, ACCEL_VAR_H, 0);
	accel_lang_steer_one(l);
	accel_lang_bind(l, done);
	accel_lang_or_broadcast(l, all);
}

void accel_lang_lower_steer_vlan(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	(void)n;
	accel_lang_load_vid(l);
	accel_lang_jump(l, BPF_JEQ, 0, l->drop, ACCEL_ASM_NEXT);
	if (has(l, ACCEL_VAR_H))
		accel_lang_steer_raw(l);
	else
		accel_lang_steer_one(l);
}

/* var = `size` bytes as the upper part of a word. They are there. */
static void set_field(struct accel_lang_lower *l, enum accel_lang_var var, uint32_t offset,
		      unsigned size)
{
	if (!has(l, var))
		return;
	if (size == 3) {
		accel_lang_at(l, 2, offset);
		accel_lang_alu(l, BPF_LSH, 8);
		accel_lang_tax(l);
		accel_lang_at(l, 1, offset + 2);
		accel_lang_alu_x(l, BPF_OR);
	} else {
		accel_lang_at(l, size, offset);
	}
	if (size < 4)
		accel_lang_alu(l, BPF_LSH, 32 - 8 * size);
	accel_lang_store(l, var);
}

void accel_lang_lower_field(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	uint32_t offset = (uint32_t)n->num[0], size = (uint32_t)n->num[1];

	accel_lang_need(l, offset + size, l->drop);
	set_field(l, ACCEL_VAR_H, offset, size);
	accel_lang_steer_one(l);
}

void accel_lang_lower_field_symmetric(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	uint32_t size = (uint32_t)n->num[2];

	accel_lang_need(l, (uint32_t)ACCEL_MAX(n->num[0], n->num[1]) + size, l->drop);
	if (has(l, ACCEL_VAR_H)) {
		set_field(l, ACCEL_VAR_TMP2, (uint32_t)n->num[0], size);
		set_field(l, ACCEL_VAR_H, (uint32_t)n->num[1], size);
		accel_lang_load_x(l, ACCEL_VAR_TMP2);
		accel_lang_alu_x(l, BPF_XOR);
		accel_lang_store(l, ACCEL_VAR_H);
	}
	accel_lang_steer_one(l);
}

void accel_lang_lower_double_field(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	uint32_t size = (uint32_t)n->num[2];

	accel_lang_need(l, (uint32_t)ACCEL_MAX(n->num[0], n->num[1]) + size, l->drop);
	set_field(l, ACCEL_VAR_H, (uint32_t)n->num[0], size);
	set_field(l, ACCEL_VAR_H2, (uint32_t)n->num[1], size);
	accel_lang_steer_two(l);
}
