/* SPDX-License-Identifier: BSD-3-Clause */
/* ebpf_run.h - runs a generated XDP program over the bytes of a packet: what the kernel does, in
 * small and strict. A step that the kernel's verifier must have refused (a byte outside, a register
 * that was never set, a jump out of the program) is a finding.
 *
 * Knows what our generators make without kernel functions and with no map but the one that the
 * filter to interpret is in: ACCEL_XDP_TELL programs.
 *
 * Threads: one. */
#ifndef TESTS_EBPF_RUN_H
#define TESTS_EBPF_RUN_H

#include "fuzz.h"

#include "bpf/ebpf.h"
#include "bpf/translate.h"
#include "bpf/xdp_prog.h"

#define STACK_LEN 512
#define MAX_STEPS 2000000u

/* An address is a region and an offset in it. */
enum region {
	REGION_NONE,
	REGION_CTX,
	REGION_PACKET,
	REGION_CONTROL,
	REGION_STACK,
	REGION_INNER_STACK /* of the function that bpf_loop() calls */
};
#define ADDRESS(region, at) ((uint64_t)(region) << 32 | (uint32_t)(at))

struct ebpf_vm {
	const uint8_t *packet;
	uint32_t len, first_len;
	uint32_t ifindex, queue;
	const struct accel_xdp_control *control; /* NULL: the program has none */
	uint64_t r[11];
	unsigned set; /* bits of registers that hold something */
	unsigned n_steps;
	uint8_t stacks[2][STACK_LEN];
};

static inline uint64_t ebpf_get(const struct ebpf_vm *vm, unsigned reg)
{
	FUZZ_CHECK(vm->set & 1u << reg);
	return vm->r[reg];
}

static inline void ebpf_put(struct ebpf_vm *vm, unsigned reg, uint64_t value)
{
	FUZZ_CHECK(reg != ACCEL_R10);
	vm->r[reg] = value;
	vm->set |= 1u << reg;
}

static inline unsigned ebpf_size(uint8_t code)
{
	static const unsigned sizes[4] = {4, 2, 1, 8};

	return sizes[(code >> 3) & 3];
}

static inline uint64_t ebpf_load_ctx(const struct ebpf_vm *vm, uint32_t at)
{
	switch (at) {
	case ACCEL_MD_DATA:
		return ADDRESS(REGION_PACKET, 0);
	case ACCEL_MD_DATA_END:
		return ADDRESS(REGION_PACKET, vm->first_len);
	case ACCEL_MD_IFINDEX:
		return vm->ifindex;
	default:
		FUZZ_CHECK(at == ACCEL_MD_QUEUE);
		return vm->queue;
	}
}

static inline bool ebpf_is_stack(uint64_t address)
{
	return address >> 32 == REGION_STACK || address >> 32 == REGION_INNER_STACK;
}

static inline const uint8_t *ebpf_bytes(const struct ebpf_vm *vm, uint64_t address, unsigned size)
{
	uint32_t at = (uint32_t)address;

	if (address >> 32 == REGION_CONTROL) {
		FUZZ_CHECK(at < sizeof(*vm->control) && size <= sizeof(*vm->control) - at);
		return (const uint8_t *)vm->control + at;
	}

	if (address >> 32 == REGION_PACKET) {
		FUZZ_CHECK(at <= vm->first_len && size <= vm->first_len - at);
		return vm->packet + at;
	}
	FUZZ_CHECK(ebpf_is_stack(address) && at <= STACK_LEN && size <= STACK_LEN - at);
	return vm->stacks[address >> 32 == REGION_INNER_STACK] + at;
}

static inline void ebpf_memory(struct ebpf_vm *vm, const struct accel_ebpf_insn *insn)
{
	unsigned size = ebpf_size(insn->code);
	bool is_load = BPF_CLASS(insn->code) == BPF_LDX;
	uint64_t address = ebpf_get(vm, is_load ? insn->src : insn->dst) + (uint64_t)insn->off;
	uint64_t value = 0;

	if (is_load && address >> 32 == REGION_CTX) {
		FUZZ_CHECK(size == 4);
		ebpf_put(vm, insn->dst, ebpf_load_ctx(vm, (uint32_t)address));
	} else if (is_load) {
		memcpy(&value, ebpf_bytes(vm, address, size), size); /* little endian, as we are */
		ebpf_put(vm, insn->dst, value);
	} else {
		value = BPF_CLASS(insn->code) == BPF_ST ? (uint64_t)(int64_t)insn->imm
							: ebpf_get(vm, insn->src);
		FUZZ_CHECK(ebpf_is_stack(address));
		memcpy((uint8_t *)ebpf_bytes(vm, address, size), &value, size);
	}
}

static inline uint64_t ebpf_alu(uint8_t op, uint64_t a, uint64_t b, unsigned bits)
{
	FUZZ_CHECK((op != BPF_DIV && op != BPF_MOD) || b != 0);
	FUZZ_CHECK((op != BPF_LSH && op != BPF_RSH) || b < bits);
	switch (op) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_MOD:
		return a % b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << b;
	case BPF_RSH:
		return a >> b;
	case BPF_NEG:
		return -a;
	default:
		FUZZ_CHECK(op == ACCEL_BPF_MOV);
		return b;
	}
}

static inline void ebpf_compute(struct ebpf_vm *vm, const struct accel_ebpf_insn *insn)
{
	bool is_32 = BPF_CLASS(insn->code) == BPF_ALU;
	uint8_t op = BPF_OP(insn->code);
	uint64_t a = op == ACCEL_BPF_MOV ? 0 : ebpf_get(vm, insn->dst);
	uint64_t b = (uint64_t)(int64_t)insn->imm;

	if (insn->code == ACCEL_BPF_TO_BE) {
		FUZZ_CHECK(insn->imm == 16 || insn->imm == 32);
		a = insn->imm == 16 ? __builtin_bswap16((uint16_t)a)
				    : __builtin_bswap32((uint32_t)a);
		ebpf_put(vm, insn->dst, a);
		return;
	}
	if (BPF_SRC(insn->code) == BPF_X)
		b = ebpf_get(vm, insn->src);
	if (is_32)
		ebpf_put(vm, insn->dst, (uint32_t)ebpf_alu(op, (uint32_t)a, (uint32_t)b, 32));
	else
		ebpf_put(vm, insn->dst, ebpf_alu(op, a, b, 64));
}

static inline bool ebpf_is_taken(const struct ebpf_vm *vm, const struct accel_ebpf_insn *insn)
{
	uint64_t a = ebpf_get(vm, insn->dst), b = (uint64_t)(int64_t)insn->imm;

	if (BPF_SRC(insn->code) == BPF_X)
		b = ebpf_get(vm, insn->src);
	if (BPF_CLASS(insn->code) == ACCEL_BPF_JMP32) {
		a = (uint32_t)a;
		b = (uint32_t)b;
	}
	switch (BPF_OP(insn->code)) {
	case BPF_JEQ:
		return a == b;
	case ACCEL_BPF_JNE:
		return a != b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case ACCEL_BPF_JLT:
		return a < b;
	case ACCEL_BPF_JLE:
		return a <= b;
	default:
		FUZZ_CHECK(BPF_OP(insn->code) == BPF_JSET);
		return a & b;
	}
}

static inline uint64_t ebpf_load_bytes(struct ebpf_vm *vm)
{
	uint64_t at = ebpf_get(vm, ACCEL_R2), size = ebpf_get(vm, ACCEL_R4);
	uint8_t *to = (uint8_t *)ebpf_bytes(vm, ebpf_get(vm, ACCEL_R3), (unsigned)size);

	FUZZ_CHECK(ebpf_get(vm, ACCEL_R1) == ADDRESS(REGION_CTX, 0));
	FUZZ_CHECK(at <= UINT32_MAX && size >= 1 && size <= 4);
	if (at > 0xffff || at + size > vm->len)
		return (uint64_t)-EINVAL;
	memcpy(to, vm->packet + at, size);
	return 0;
}

static inline uint32_t ebpf_run_at(struct ebpf_vm *vm, const struct accel_ebpf_prog *prog,
				   int64_t pc);

/* bpf_loop(): how many calls of the function there were. It has registers and a stack of its own. */
static inline uint64_t ebpf_loop(struct ebpf_vm *vm, const struct accel_ebpf_prog *prog)
{
	uint64_t most = ebpf_get(vm, ACCEL_R1), func = ebpf_get(vm, ACCEL_R2), i;
	uint64_t ctx = ebpf_get(vm, ACCEL_R3), r[11], result = 0;
	unsigned set = vm->set;

	FUZZ_CHECK(most <= ACCEL_XDP_MAX_OPS && func == prog->func && func != 0);
	FUZZ_CHECK(ebpf_get(vm, ACCEL_R4) == 0 && vm->r[ACCEL_R10] >> 32 == REGION_STACK);
	memcpy(r, vm->r, sizeof(r));
	for (i = 0; i < most && result == 0; i++) {
		vm->r[ACCEL_R1] = i;
		vm->r[ACCEL_R2] = ctx;
		vm->r[ACCEL_R10] = ADDRESS(REGION_INNER_STACK, STACK_LEN);
		vm->set = 1u << ACCEL_R1 | 1u << ACCEL_R2 | 1u << ACCEL_R10;
		result = ebpf_run_at(vm, prog, (int64_t)func);
		FUZZ_CHECK(result <= 1);
	}
	memcpy(vm->r, r, sizeof(r));
	vm->set = set;
	return i;
}

/* What a call spoils is not there afterwards. */
static inline void ebpf_call(struct ebpf_vm *vm, const struct accel_ebpf_prog *prog,
			     const struct accel_ebpf_insn *insn)
{
	uint64_t result = 0;

	FUZZ_CHECK(insn->src == 0);
	if (insn->imm == ACCEL_HELPER_XDP_LOAD)
		result = ebpf_load_bytes(vm);
	else if (insn->imm == ACCEL_HELPER_XDP_LEN)
		result = vm->len;
	else if (insn->imm == ACCEL_HELPER_LOOP)
		result = ebpf_loop(vm, prog);
	else
		FUZZ_CHECK(insn->imm == ACCEL_HELPER_CPU || insn->imm == ACCEL_HELPER_RANDOM);
	vm->set &= ~0x3eu;
	ebpf_put(vm, ACCEL_R0, result);
}

/* The address of the map's value, or the function; in two instructions. */
static inline void ebpf_wide(struct ebpf_vm *vm, const struct accel_ebpf_prog *prog,
			     const struct accel_ebpf_insn *insn)
{
	FUZZ_CHECK(insn->code == ACCEL_BPF_IMM64 && insn + 1 < prog->insns + prog->n_insns);
	if (insn->src == ACCEL_PSEUDO_FUNC) {
		FUZZ_CHECK(insn->imm + (insn - prog->insns) + 1 == prog->func);
		ebpf_put(vm, insn->dst, prog->func);
		return;
	}
	FUZZ_CHECK(insn->src == ACCEL_PSEUDO_MAP_VALUE && insn->imm == ACCEL_MAP_CONTROL);
	FUZZ_CHECK(vm->control && insn[1].imm == 0);
	ebpf_put(vm, insn->dst, ADDRESS(REGION_CONTROL, 0));
}

/* Until the exit of the function at pc: its result. */
static inline uint32_t ebpf_run_at(struct ebpf_vm *vm, const struct accel_ebpf_prog *prog,
				   int64_t pc)
{
	while (vm->n_steps++ < MAX_STEPS) {
		const struct accel_ebpf_insn *insn = &prog->insns[pc];

		FUZZ_CHECK(pc >= 0 && pc < prog->n_insns);
		pc++;
		if (insn->code == ACCEL_BPF_EXIT)
			return (uint32_t)ebpf_get(vm, ACCEL_R0);
		switch (BPF_CLASS(insn->code)) {
		case BPF_LD:
			ebpf_wide(vm, prog, insn);
			pc++;
			break;
		case BPF_LDX:
		case BPF_ST:
		case BPF_STX:
			ebpf_memory(vm, insn);
			break;
		case BPF_ALU:
		case ACCEL_BPF_ALU64:
			ebpf_compute(vm, insn);
			break;
		default:
			if (insn->code == ACCEL_BPF_CALL)
				ebpf_call(vm, prog, insn);
			else if (insn->code == ACCEL_BPF_GOTO_L)
				pc += insn->imm;
			else if (insn->code == ACCEL_BPF_GOTO || ebpf_is_taken(vm, insn))
				pc += insn->off;
		}
	}
	FUZZ_CHECK(!"the program ends");
	return 0;
}

/* The program's result. */
static inline uint32_t ebpf_run(struct ebpf_vm *vm, const struct accel_ebpf_prog *prog)
{
	vm->r[ACCEL_R1] = ADDRESS(REGION_CTX, 0);
	vm->r[ACCEL_R10] = ADDRESS(REGION_STACK, STACK_LEN);
	vm->set = 1u << ACCEL_R1 | 1u << ACCEL_R10;
	return ebpf_run_at(vm, prog, 0);
}

#endif
