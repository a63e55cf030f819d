/* SPDX-License-Identifier: BSD-3-Clause */
/* ebpf_emit.c - the instructions of ebpf_asm.h, one function each.
 *
 * Threads: none of its own. */
#include "bpf/ebpf_asm.h"

static void add(struct accel_easm *as, uint8_t code, enum accel_ebpf_reg dst,
		enum accel_ebpf_reg src, int32_t imm)
{
	accel_easm_insn(as, (struct accel_ebpf_insn){
				    .code = code, .dst = dst & 15u, .src = src & 15u, .imm = imm});
}

void accel_easm_alu32_k(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg dst, uint32_t k)
{
	add(as, BPF_ALU | op | BPF_K, dst, ACCEL_R0, (int32_t)k);
}

void accel_easm_alu32_x(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg dst,
			enum accel_ebpf_reg src)
{
	add(as, BPF_ALU | op | BPF_X, dst, src, 0);
}

void accel_easm_alu64_k(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg dst, int32_t k)
{
	add(as, ACCEL_BPF_ALU64 | op | BPF_K, dst, ACCEL_R0, k);
}

void accel_easm_alu64_x(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg dst,
			enum accel_ebpf_reg src)
{
	add(as, ACCEL_BPF_ALU64 | op | BPF_X, dst, src, 0);
}

static struct accel_ebpf_insn test_k(uint8_t code, enum accel_ebpf_reg reg, int32_t k)
{
	return (struct accel_ebpf_insn){.code = code | BPF_K, .dst = reg & 15u, .imm = k};
}

static struct accel_ebpf_insn test_x(uint8_t code, enum accel_ebpf_reg reg,
				     enum accel_ebpf_reg other)
{
	return (struct accel_ebpf_insn){.code = code | BPF_X, .dst = reg & 15u, .src = other & 15u};
}

void accel_easm_jump32_k(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg reg, uint32_t k,
			 unsigned label)
{
	accel_easm_jump(as, test_k(ACCEL_BPF_JMP32 | op, reg, (int32_t)k), label);
}

void accel_easm_jump32_x(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg reg,
			 enum accel_ebpf_reg other, unsigned label)
{
	accel_easm_jump(as, test_x(ACCEL_BPF_JMP32 | op, reg, other), label);
}

void accel_easm_jump64_k(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg reg, int32_t k,
			 unsigned label)
{
	accel_easm_jump(as, test_k(BPF_JMP | op, reg, k), label);
}

void accel_easm_jump64_x(struct accel_easm *as, uint8_t op, enum accel_ebpf_reg reg,
			 enum accel_ebpf_reg other, unsigned label)
{
	accel_easm_jump(as, test_x(BPF_JMP | op, reg, other), label);
}

static void add_memory(struct accel_easm *as, struct accel_ebpf_insn insn, int off)
{
	insn.code |= BPF_MEM;
	insn.off = (int16_t)off;
	accel_easm_insn(as, insn);
}

void accel_easm_load(struct accel_easm *as, uint8_t size, enum accel_ebpf_reg dst,
		     enum accel_ebpf_reg src, int off)
{
	add_memory(as,
		   (struct accel_ebpf_insn){
			   .code = BPF_LDX | size, .dst = dst & 15u, .src = src & 15u},
		   off);
}

void accel_easm_store(struct accel_easm *as, uint8_t size, enum accel_ebpf_reg dst, int off,
		      enum accel_ebpf_reg src)
{
	add_memory(as,
		   (struct accel_ebpf_insn){
			   .code = BPF_STX | size, .dst = dst & 15u, .src = src & 15u},
		   off);
}

void accel_easm_store_k(struct accel_easm *as, uint8_t size, enum accel_ebpf_reg dst, int off,
			int32_t k)
{
	add_memory(as, (struct accel_ebpf_insn){.code = BPF_ST | size, .dst = dst & 15u, .imm = k},
		   off);
}

void accel_easm_from_be(struct accel_easm *as, enum accel_ebpf_reg reg, unsigned bits)
{
	add(as, ACCEL_BPF_TO_BE, reg, ACCEL_R0, (int32_t)bits);
}

void accel_easm_call(struct accel_easm *as, enum accel_ebpf_helper helper)
{
	add(as, ACCEL_BPF_CALL, ACCEL_R0, ACCEL_R0, (int32_t)helper);
}

void accel_easm_call_kfunc(struct accel_easm *as, enum accel_ebpf_kfunc kfunc)
{
	add(as, ACCEL_BPF_CALL, ACCEL_R0, ACCEL_PSEUDO_KFUNC, (int32_t)kfunc);
}

void accel_easm_map(struct accel_easm *as, enum accel_ebpf_reg dst, enum accel_ebpf_map map)
{
	add(as, ACCEL_BPF_IMM64, dst, ACCEL_PSEUDO_MAP, (int32_t)map);
}

void accel_easm_map_value(struct accel_easm *as, enum accel_ebpf_reg dst, enum accel_ebpf_map map)
{
	add(as, ACCEL_BPF_IMM64, dst, ACCEL_PSEUDO_MAP_VALUE, (int32_t)map);
}

void accel_easm_exit(struct accel_easm *as)
{
	add(as, ACCEL_BPF_EXIT, ACCEL_R0, ACCEL_R0, 0);
}
