/* SPDX-License-Identifier: BSD-3-Clause */
/* lower_emit.c - the words of the lowering: instructions on cells, and the arithmetic of steering
 * values. See lower.h.
 *
 * Threads: none of its own. */
#include "lang/lower.h"

#include "lang/source.h"

#include <errno.h>

#define SIZE_LIMIT 65536u /* instructions; a longer program is given up */

bool accel_lang_is_full(const struct accel_lang_lower *l)
{
	return l->as.n_items > SIZE_LIMIT;
}

static void emit(struct accel_lang_lower *l, uint16_t code, uint32_t k)
{
	accel_asm_insn(&l->as, code, k);
}

bool accel_lang_has_cell(const struct accel_lang_lower *l, enum accel_lang_var var)
{
	return l->cell[var] != ACCEL_NO_CELL;
}

uint8_t accel_lang_take_cell(struct accel_lang_lower *l)
{
	if (l->n_cells < BPF_MEMWORDS)
		return (uint8_t)l->n_cells++;
	if (!l->error)
		l->error = accel_lang_fail(l->src, l->at->span, -ENOSPC,
					   "needs more than the %u scratch cells that a program "
					   "has (less of par within par, or of arithmetic)",
					   BPF_MEMWORDS);
	return 0;
}

void accel_lang_load(struct accel_lang_lower *l, enum accel_lang_var var)
{
	emit(l, BPF_LD | BPF_MEM, l->cell[var]);
}

/* Offsets of the headers in the fast lane. */
static int fast_place(const struct accel_lang_lower *l, enum accel_lang_var var)
{
	if (l->fast && var == ACCEL_VAR_NET)
		return ACCEL_ETH_LEN;
	return l->fast && var == ACCEL_VAR_L4 ? ACCEL_ETH_LEN + ACCEL_IP4_LEN : -1;
}

void accel_lang_load_x(struct accel_lang_lower *l, enum accel_lang_var var)
{
	l->x_at = fast_place(l, var);
	if (l->x_at >= 0)
		return;
	emit(l, BPF_LDX | BPF_MEM, l->cell[var]);
}

void accel_lang_store(struct accel_lang_lower *l, enum accel_lang_var var)
{
	if (accel_lang_has_cell(l, var))
		emit(l, BPF_ST, l->cell[var]);
}

void accel_lang_set(struct accel_lang_lower *l, enum accel_lang_var var, uint32_t k)
{
	if (!accel_lang_has_cell(l, var))
		return;
	accel_lang_imm(l, k);
	accel_lang_store(l, var);
}

void accel_lang_imm(struct accel_lang_lower *l, uint32_t k)
{
	emit(l, BPF_LD | BPF_IMM, k);
}

void accel_lang_alu(struct accel_lang_lower *l, uint16_t op, uint32_t k)
{
	emit(l, BPF_ALU | op | BPF_K, k);
}

void accel_lang_alu_x(struct accel_lang_lower *l, uint16_t op)
{
	emit(l, BPF_ALU | op | BPF_X, 0);
}

void accel_lang_tax(struct accel_lang_lower *l)
{
	l->x_at = -1;
	emit(l, BPF_MISC | BPF_TAX, 0);
}

void accel_lang_txa(struct accel_lang_lower *l)
{
	emit(l, BPF_MISC | BPF_TXA, 0);
}

static uint16_t size_code(unsigned size)
{
	return size == 4 ? BPF_W : size == 2 ? BPF_H : BPF_B;
}

void accel_lang_at(struct accel_lang_lower *l, unsigned size, uint32_t offset)
{
	/* The fast lane of a fanout program is for received packets: data is the network header. */
	if (l->fast && l->target->fanout && offset >= ACCEL_ETH_LEN)
		emit(l, BPF_LD | size_code(size) | BPF_ABS, offset - ACCEL_ETH_LEN);
	else
		emit(l, BPF_LD | size_code(size) | BPF_ABS, l->base + offset);
}

void accel_lang_at_x(struct accel_lang_lower *l, unsigned size, uint32_t offset)
{
	if (l->x_at >= 0)
		accel_lang_at(l, size, (uint32_t)l->x_at + offset);
	else
		emit(l, BPF_LD | size_code(size) | BPF_IND, l->base + offset);
}

void accel_lang_jump(struct accel_lang_lower *l, uint16_t op, uint32_t k, unsigned yes, unsigned no)
{
	accel_asm_jump(&l->as, BPF_JMP | op | BPF_K, k, yes, no);
}

void accel_lang_jump_x(struct accel_lang_lower *l, uint16_t op, unsigned yes, unsigned no)
{
	accel_asm_jump(&l->as, BPF_JMP | op | BPF_X, 0, yes, no);
}

void accel_lang_goto(struct accel_lang_lower *l, unsigned label)
{
	accel_asm_goto(&l->as, label);
}

unsigned accel_lang_label(struct accel_lang_lower *l)
{
	return accel_asm_label(&l->as);
}

void accel_lang_bind(struct accel_lang_lower *l, unsigned label)
{
	accel_asm_bind(&l->as, label);
}

/* Halves change places, then the bytes within them. */
void accel_lang_swap_bytes(struct accel_lang_lower *l)
{
	accel_lang_tax(l);
	accel_lang_alu(l, BPF_LSH, 16);
	accel_lang_store(l, ACCEL_VAR_TMP);
	accel_lang_txa(l);
	accel_lang_alu(l, BPF_RSH, 16);
	accel_lang_load_x(l, ACCEL_VAR_TMP);
	accel_lang_alu_x(l, BPF_OR);
	accel_lang_tax(l);
	accel_lang_alu(l, BPF_AND, 0xff00ff);
	accel_lang_alu(l, BPF_LSH, 8);
	accel_lang_store(l, ACCEL_VAR_TMP);
	accel_lang_txa(l);
	accel_lang_alu(l, BPF_RSH, 8);
	accel_lang_alu(l, BPF_AND, 0xff00ff);
	accel_lang_load_x(l, ACCEL_VAR_TMP);
	accel_lang_alu_x(l, BPF_OR);
}

/* A = A op (A shifted) */
static void with_shifted(struct accel_lang_lower *l, uint16_t op, uint16_t shift, uint32_t by)
{
	accel_lang_tax(l);
	accel_lang_alu(l, shift, by);
	accel_lang_alu_x(l, op);
}

/* What accel_lang_mix() computes. */
void accel_lang_lower_mix(struct accel_lang_lower *l)
{
	bool v3 = l->target->hash == ACCEL_LANG_HASH_V3;

	accel_lang_swap_bytes(l);
	accel_lang_tax(l);
	if (v3)
		accel_lang_alu(l, BPF_RSH, 8);
	else
		accel_lang_alu(l, BPF_XOR, 0xdeadbeef);
	if (v3)
		accel_lang_alu_x(l, BPF_XOR);
	accel_lang_store(l, ACCEL_VAR_TMP);
	accel_lang_txa(l);
	accel_lang_alu(l, v3 ? BPF_RSH : BPF_LSH, v3 ? 16 : 4);
	accel_lang_load_x(l, ACCEL_VAR_TMP);
	accel_lang_alu_x(l, v3 ? BPF_XOR : BPF_ADD);
	if (v3)
		return;
	with_shifted(l, BPF_XOR, BPF_RSH, 10);
	with_shifted(l, BPF_ADD, BPF_LSH, 7);
	with_shifted(l, BPF_XOR, BPF_RSH, 13);
}

void accel_lang_need(struct accel_lang_lower *l, uint32_t len, unsigned no)
{
	accel_lang_load(l, ACCEL_VAR_LEN);
	accel_lang_jump(l, BPF_JGE, len, ACCEL_ASM_NEXT, no);
}
