/* SPDX-License-Identifier: BSD-3-Clause */
/* ebpf_text.c - extended BPF instructions as a person reads them: lines of C, as the kernel's own
 * listings have them.
 *
 * Source: RFC 9669; the tests compare with what the kernel's verifier prints.
 * Threads: constant data. */
#include "bpf/ebpf.h"

#include "base/util.h"

#include <linux/filter.h>
#include <stdio.h>

/* clang-format off */
static const struct {
	enum accel_ebpf_helper helper;
	const char *name;
} helpers[] = {
	{ ACCEL_HELPER_MAP_LOOKUP,		"bpf_map_lookup_elem" },
	{ ACCEL_HELPER_KTIME,			"bpf_ktime_get_ns" },
	{ ACCEL_HELPER_RANDOM,			"bpf_get_prandom_u32" },
	{ ACCEL_HELPER_CPU,			"bpf_get_smp_processor_id" },
	{ ACCEL_HELPER_TAIL_CALL,		"bpf_tail_call" },
	{ ACCEL_HELPER_REDIRECT_MAP,		"bpf_redirect_map" },
	{ ACCEL_HELPER_ADJUST_META,		"bpf_xdp_adjust_meta" },
	{ ACCEL_HELPER_RINGBUF_RESERVE,		"bpf_ringbuf_reserve" },
	{ ACCEL_HELPER_RINGBUF_SUBMIT,		"bpf_ringbuf_submit" },
	{ ACCEL_HELPER_RINGBUF_DISCARD,		"bpf_ringbuf_discard" },
	{ ACCEL_HELPER_LOOP,			"bpf_loop" },
	{ ACCEL_HELPER_XDP_LEN,			"bpf_xdp_get_buff_len" },
	{ ACCEL_HELPER_XDP_LOAD,		"bpf_xdp_load_bytes" },
	{ ACCEL_HELPER_KTIME_TAI,		"bpf_ktime_get_tai_ns" },
};

/* By operation >> 4. */
static const char *const alu_ops[16] = {
	"+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "neg", "%=", "^=", "=", "s>>=",
};

static const char *const jump_ops[16] = {
	NULL, "==", ">", ">=", "&", "!=", "s>", "s>=", NULL, NULL, "<", "<=", "s<", "s<=",
};
/* clang-format on */

static const char *size_name(uint8_t code)
{
	static const char *const names[4] = {"u32", "u16", "u8", "u64"};

	return names[(code >> 3) & 3];
}

static int print_alu(const struct accel_ebpf_insn *insn, char *out, size_t len)
{
	char bits = BPF_CLASS(insn->code) == BPF_ALU ? 'w' : 'r';
	const char *op = alu_ops[insn->code >> 4];

	if (insn->code == ACCEL_BPF_TO_BE)
		return snprintf(out, len, "r%u = be%d r%u", insn->dst, insn->imm, insn->dst);
	if (!op)
		return snprintf(out, len, "unknown 0x%02x", insn->code);
	if (BPF_OP(insn->code) == BPF_NEG)
		return snprintf(out, len, "%c%u = -%c%u", bits, insn->dst, bits, insn->dst);
	if (BPF_SRC(insn->code) == BPF_X)
		return snprintf(out, len, "%c%u %s %c%u", bits, insn->dst, op, bits, insn->src);
	return snprintf(out, len, "%c%u %s %d", bits, insn->dst, op, insn->imm);
}

static int print_call(const struct accel_ebpf_insn *insn, char *out, size_t len)
{
	if (insn->src == ACCEL_PSEUDO_KFUNC && insn->imm >= 0 && insn->imm < ACCEL_N_KFUNCS)
		return snprintf(out, len, "call %s",
				accel_ebpf_kfunc_name((enum accel_ebpf_kfunc)insn->imm));
	for (size_t i = 0; insn->src == 0 && i < ACCEL_ARRAY_LEN(helpers); i++)
		if (insn->imm == (int32_t)helpers[i].helper)
			return snprintf(out, len, "call %s", helpers[i].name);
	return snprintf(out, len, "call #%d", insn->imm);
}

static int print_jump(const struct accel_ebpf_insn *insn, unsigned idx, char *out, size_t len)
{
	char bits = BPF_CLASS(insn->code) == ACCEL_BPF_JMP32 ? 'w' : 'r';
	const char *op = jump_ops[insn->code >> 4];
	long to = (long)idx + 1 + insn->off;

	if (insn->code == ACCEL_BPF_CALL)
		return print_call(insn, out, len);
	if (insn->code == ACCEL_BPF_EXIT)
		return snprintf(out, len, "exit");
	if (insn->code == ACCEL_BPF_GOTO)
		return snprintf(out, len, "goto %ld", to);
	if (insn->code == ACCEL_BPF_GOTO_L)
		return snprintf(out, len, "gotol %ld", (long)idx + 1 + insn->imm);
	if (!op)
		return snprintf(out, len, "unknown 0x%02x", insn->code);
	if (BPF_SRC(insn->code) == BPF_X)
		return snprintf(out, len, "if %c%u %s %c%u goto %ld", bits, insn->dst, op, bits,
				insn->src, to);
	return snprintf(out, len, "if %c%u %s 0x%x goto %ld", bits, insn->dst, op,
			(uint32_t)insn->imm, to);
}

static int print_imm64(const struct accel_ebpf_insn *insn, unsigned idx, char *out, size_t len)
{
	uint64_t upper = (uint32_t)insn[1].imm;
	const char *name = "?";

	if (insn->src == 0)
		return snprintf(out, len, "r%u = 0x%llx", insn->dst,
				(unsigned long long)(upper << 32 | (uint32_t)insn->imm));
	if (insn->src == ACCEL_PSEUDO_FUNC)
		return snprintf(out, len, "r%u = function %ld", insn->dst,
				(long)idx + 1 + insn->imm);
	if (insn->imm >= 0 && insn->imm < ACCEL_N_MAPS)
		name = accel_ebpf_map_spec((enum accel_ebpf_map)insn->imm)->name;
	return snprintf(out, len, insn->src == ACCEL_PSEUDO_MAP ? "r%u = map %s" : "r%u = &%s[0]",
			insn->dst, name);
}

int accel_ebpf_print(const struct accel_ebpf_insn *insn, unsigned idx, char *out, size_t len)
{
	const char *size = size_name(insn->code);

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case ACCEL_BPF_ALU64:
		return print_alu(insn, out, len);
	case BPF_JMP:
	case ACCEL_BPF_JMP32:
		return print_jump(insn, idx, out, len);
	case BPF_LDX:
		return snprintf(out, len, "r%u = *(%s *)(r%u %+d)", insn->dst, size, insn->src,
				insn->off);
	case BPF_ST:
		return snprintf(out, len, "*(%s *)(r%u %+d) = %d", size, insn->dst, insn->off,
				insn->imm);
	case BPF_STX:
		return snprintf(out, len, "*(%s *)(r%u %+d) = r%u", size, insn->dst, insn->off,
				insn->src);
	default:
		if (insn->code == ACCEL_BPF_IMM64)
			return print_imm64(insn, idx, out, len);
		return snprintf(out, len, "unknown 0x%02x", insn->code);
	}
}
