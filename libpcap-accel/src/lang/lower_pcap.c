/* SPDX-License-Identifier: BSD-3-Clause */
/* lower_pcap.c - a pcap filter's program as a predicate within a larger one.
 *
 * Its returns become jumps, its scratch cells become others, and before each load and division a
 * test is put, because what ends its program (a load outside of the packet) must only make the
 * predicate false here. A computed offset that would be relative to a header is outside, too. See
 * lower.h.
 *
 * Threads: none of its own. */
#include "lang/lower.h"

#include "bpf/cbpf.h"
#include "lang/source.h"

#include <errno.h>

#define FARTHEST 0xfffffu /* no packet is longer */

struct splice {
	struct accel_lang_lower *l;
	uint8_t cells[BPF_MEMWORDS]; /* the program's -> ours */
	uint8_t save;		     /* a register's cell */
	unsigned *labels;	     /* of each instruction; 0: nobody jumps to it */
	unsigned yes, no;
};

static int find_cells(struct splice *s, const struct accel_lang_node *n)
{
	unsigned used = 0;

	for (unsigned i = 0; i < n->n_insns; i++) {
		uint16_t code = n->insns[i].code, class = BPF_CLASS(code);

		if (class == BPF_ST || class == BPF_STX ||
		    ((class == BPF_LD || class == BPF_LDX) && BPF_MODE(code) == BPF_MEM))
			used |= 1u << n->insns[i].k;
	}
	s->save = accel_lang_take_cell(s->l);
	for (unsigned i = 0; i < BPF_MEMWORDS; i++)
		if (used & 1u << i)
			s->cells[i] = accel_lang_take_cell(s->l);
	return s->l->error;
}

static unsigned size_of(uint16_t code)
{
	return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

static void save_x(struct splice *s)
{
	accel_asm_insn(&s->l->as, BPF_STX, s->save);
}

static void restore_x(struct splice *s)
{
	accel_asm_insn(&s->l->as, BPF_LDX | BPF_MEM, s->save);
}

static void save_a(struct splice *s)
{
	accel_asm_insn(&s->l->as, BPF_ST, s->save);
}

static void restore_a(struct splice *s)
{
	accel_asm_insn(&s->l->as, BPF_LD | BPF_MEM, s->save);
}

static void splice_abs(struct splice *s, const struct sock_filter *insn)
{
	if (insn->k >= (uint32_t)SKF_AD_OFF) {
		accel_asm_insn(&s->l->as, insn->code, insn->k);
		return;
	}
	if (insn->k > FARTHEST) {
		accel_lang_goto(s->l, s->no);
		return;
	}
	accel_lang_need(s->l, insn->k + size_of(insn->code), s->no);
	accel_lang_at(s->l, size_of(insn->code), insn->k);
}

static void splice_ind(struct splice *s, const struct sock_filter *insn)
{
	struct accel_lang_lower *l = s->l;

	/* x + k wraps, as it does in the kernel. */
	accel_lang_txa(l);
	accel_lang_alu(l, BPF_ADD, insn->k);
	accel_lang_jump(l, BPF_JGT, FARTHEST, s->no, ACCEL_ASM_NEXT);
	accel_lang_alu(l, BPF_ADD, size_of(insn->code));
	save_x(s);
	accel_lang_load_x(l, ACCEL_VAR_LEN);
	accel_lang_jump_x(l, BPF_JGT, s->no, ACCEL_ASM_NEXT);
	restore_x(s);
	accel_lang_at_x(l, size_of(insn->code), insn->k);
}

static void splice_ld(struct splice *s, const struct sock_filter *insn)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
		splice_abs(s, insn);
		return;
	case BPF_IND:
		splice_ind(s, insn);
		return;
	case BPF_LEN:
		accel_lang_load(s->l, ACCEL_VAR_LEN);
		return;
	case BPF_MEM:
		accel_asm_insn(&s->l->as, insn->code, s->cells[insn->k]);
		return;
	default:
		accel_asm_insn(&s->l->as, insn->code, insn->k);
	}
}

static void splice_ldx(struct splice *s, const struct sock_filter *insn)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_MSH:
		if (insn->k > FARTHEST) {
			accel_lang_goto(s->l, s->no);
			return;
		}
		save_a(s);
		accel_lang_need(s->l, insn->k + 1, s->no);
		restore_a(s);
		accel_asm_insn(&s->l->as, insn->code, s->l->base + insn->k);
		return;
	case BPF_LEN:
		accel_lang_load_x(s->l, ACCEL_VAR_LEN);
		return;
	case BPF_MEM:
		accel_asm_insn(&s->l->as, insn->code, s->cells[insn->k]);
		return;
	default:
		accel_asm_insn(&s->l->as, insn->code, insn->k);
	}
}

static void splice_alu(struct splice *s, const struct sock_filter *insn)
{
	bool divides = BPF_OP(insn->code) == BPF_DIV || BPF_OP(insn->code) == BPF_MOD;

	if (divides && BPF_SRC(insn->code) == BPF_X) {
		save_a(s);
		accel_lang_txa(s->l);
		accel_lang_jump(s->l, BPF_JEQ, 0, s->no, ACCEL_ASM_NEXT);
		restore_a(s);
	}
	accel_asm_insn(&s->l->as, insn->code, insn->k);
}

static void splice_ret(struct splice *s, const struct sock_filter *insn)
{
	if (BPF_RVAL(insn->code) == BPF_A)
		accel_lang_jump(s->l, BPF_JEQ, 0, s->no, s->yes);
	else
		accel_lang_goto(s->l, insn->k ? s->yes : s->no);
}

static unsigned label_of(struct splice *s, unsigned idx)
{
	if (!s->labels[idx])
		s->labels[idx] = accel_lang_label(s->l);
	return s->labels[idx];
}

static void splice_jmp(struct splice *s, const struct sock_filter *insn, unsigned idx)
{
	if (BPF_OP(insn->code) == BPF_JA)
		accel_lang_goto(s->l, label_of(s, idx + 1 + insn->k));
	else
		accel_asm_jump(&s->l->as, insn->code, insn->k, label_of(s, idx + 1 + insn->jt),
			       label_of(s, idx + 1 + insn->jf));
}

static void splice_insn(struct splice *s, const struct sock_filter *insn, unsigned idx)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		splice_ld(s, insn);
		return;
	case BPF_LDX:
		splice_ldx(s, insn);
		return;
	case BPF_ST:
	case BPF_STX:
		accel_asm_insn(&s->l->as, insn->code, s->cells[insn->k]);
		return;
	case BPF_ALU:
		splice_alu(s, insn);
		return;
	case BPF_JMP:
		splice_jmp(s, insn, idx);
		return;
	case BPF_RET:
		splice_ret(s, insn);
		return;
	default:
		accel_asm_insn(&s->l->as, insn->code, insn->k);
	}
}

void accel_lang_lower_pcap(struct accel_lang_lower *l, const struct accel_lang_node *n,
			   unsigned yes, unsigned no)
{
	struct splice s = {.l = l, .yes = yes, .no = no};
	unsigned outer_cells = l->n_cells;

	if (l->error)
		return;
	s.labels = accel_lang_alloc(l->src->arena, n->n_insns * sizeof(*s.labels));
	if (!s.labels) {
		l->error = accel_lang_fail_memory(l->src);
		return;
	}
	if (find_cells(&s, n))
		return;
	accel_lang_imm(l, 0);
	accel_lang_tax(l);
	for (unsigned i = 0; i < n->n_insns; i++) {
		if (s.labels[i])
			accel_lang_bind(l, s.labels[i]);
		splice_insn(&s, &n->insns[i], i);
	}
	l->n_cells = outer_cells;
}
