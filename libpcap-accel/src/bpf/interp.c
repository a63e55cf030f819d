/* SPDX-License-Identifier: BSD-3-Clause */
/* interp.c - runs a classic BPF program over the bytes of one packet: the kernel's slow twin.
 *
 * Not a checker: the program has passed accel_bpf_validate(). Where the kernel and libpcap's
 * bpf_filter() differ, this follows the kernel; where the kernel refuses a program, libpcap.
 *
 * Source: Documentation/networking/filter.rst, and the kernel itself, which the tests ask.
 * Threads: none of its own; the state is on the stack. */
#include "bpf/cbpf.h"
#include "bpf/op.h"

#include <string.h>

#define MAX_STEPS 1000000u

struct vm {
	const uint8_t *data;
	uint32_t caplen;
	uint32_t len;
	const struct accel_bpf_aux *aux;
	uint32_t a, x;
	uint32_t cell[BPF_MEMWORDS];
};

/* Metadata into A. False where an accel_bpf_aux does not say (mark, random, payload offset, netlink
 * attributes) or the kernel has nothing at `k`: the packet is dropped. */
static bool load_aux(struct vm *vm, uint32_t k)
{
	const struct accel_bpf_aux *aux = vm->aux;

	switch ((int32_t)(k - (uint32_t)SKF_AD_OFF)) {
	case SKF_AD_PROTOCOL:
		vm->a = aux->protocol;
		return true;
	case SKF_AD_PKTTYPE:
		vm->a = aux->pkttype;
		return true;
	case SKF_AD_IFINDEX:
		vm->a = aux->ifindex;
		return true;
	case SKF_AD_HATYPE:
		vm->a = aux->hatype;
		return true;
	case SKF_AD_QUEUE:
		vm->a = aux->queue;
		return true;
	case SKF_AD_RXHASH:
		vm->a = aux->rxhash;
		return true;
	case SKF_AD_CPU:
		vm->a = aux->cpu;
		return true;
	case SKF_AD_VLAN_TAG:
		vm->a = aux->vlan_tci;
		return true;
	case SKF_AD_VLAN_TAG_PRESENT:
		vm->a = aux->vlan_present;
		return true;
	case SKF_AD_VLAN_TPID:
		vm->a = aux->vlan_tpid;
		return true;
	case SKF_AD_ALU_XOR_X:
		vm->a ^= vm->x;
		return true;
	default:
		return false;
	}
}

/* `size` bytes at `offset`, big endian. A negative offset counts from the network header or from
 * the link header, which is data[0] here. False: not within caplen. */
static bool load_bytes(const struct vm *vm, uint32_t offset, unsigned size, uint32_t *out)
{
	int64_t at = (int32_t)offset;
	uint32_t value = 0;

	if (at < SKF_LL_OFF)
		return false;
	if (at < SKF_NET_OFF)
		at -= SKF_LL_OFF;
	else if (at < 0)
		at = at - SKF_NET_OFF + vm->aux->net_offset;
	if (at + size > vm->caplen)
		return false;
	for (unsigned i = 0; i < size; i++)
		value = value << 8 | vm->data[at + i];
	*out = value;
	return true;
}

static unsigned load_size(uint16_t code)
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

static bool run_ld(struct vm *vm, const struct sock_filter *insn)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
		if (insn->k >= (uint32_t)SKF_AD_OFF)
			return load_aux(vm, insn->k);
		return load_bytes(vm, insn->k, load_size(insn->code), &vm->a);
	case BPF_IND:
		/* The sum wraps, and one that lands behind SKF_AD_OFF is no metadata. */
		return load_bytes(vm, vm->x + insn->k, load_size(insn->code), &vm->a);
	case BPF_LEN:
		vm->a = vm->len;
		return true;
	case BPF_MEM:
		vm->a = vm->cell[insn->k];
		return true;
	default:
		vm->a = insn->k;
		return true;
	}
}

static bool run_ldx(struct vm *vm, const struct sock_filter *insn)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_MSH:
		if (!load_bytes(vm, insn->k, 1, &vm->x))
			return false;
		vm->x = (vm->x & 0xf) << 2;
		return true;
	case BPF_LEN:
		vm->x = vm->len;
		return true;
	case BPF_MEM:
		vm->x = vm->cell[insn->k];
		return true;
	default:
		vm->x = insn->k;
		return true;
	}
}

/* A shift by X counts modulo 32, as the kernel's does. A shift by a constant over 31, which the
 * kernel refuses, leaves 0, as in libpcap. */
static uint32_t shift(const struct sock_filter *insn, uint32_t a, uint32_t by)
{
	if (BPF_SRC(insn->code) == BPF_X)
		by &= 31;
	if (by > 31)
		return 0;
	return BPF_OP(insn->code) == BPF_LSH ? a << by : a >> by;
}

/* False: division by an X of 0. */
static bool run_alu(struct vm *vm, const struct sock_filter *insn)
{
	uint32_t v = BPF_SRC(insn->code) == BPF_X ? vm->x : insn->k;

	switch (BPF_OP(insn->code)) {
	case BPF_ADD:
		vm->a += v;
		return true;
	case BPF_SUB:
		vm->a -= v;
		return true;
	case BPF_MUL:
		vm->a *= v;
		return true;
	case BPF_DIV:
		vm->a = v ? vm->a / v : 0;
		return v != 0;
	case BPF_MOD:
		vm->a = v ? vm->a % v : 0;
		return v != 0;
	case BPF_AND:
		vm->a &= v;
		return true;
	case BPF_OR:
		vm->a |= v;
		return true;
	case BPF_XOR:
		vm->a ^= v;
		return true;
	case BPF_NEG:
		vm->a = -vm->a;
		return true;
	default:
		vm->a = shift(insn, vm->a, v);
		return true;
	}
}

/* How many instructions to skip; negative goes back. */
static int32_t run_jmp(const struct vm *vm, const struct sock_filter *insn)
{
	uint32_t v = BPF_SRC(insn->code) == BPF_X ? vm->x : insn->k;
	bool taken;

	switch (BPF_OP(insn->code)) {
	case BPF_JEQ:
		taken = vm->a == v;
		break;
	case BPF_JGT:
		taken = vm->a > v;
		break;
	case BPF_JGE:
		taken = vm->a >= v;
		break;
	case BPF_JSET:
		taken = (vm->a & v) != 0;
		break;
	default:
		return (int32_t)insn->k;
	}
	return taken ? insn->jt : insn->jf;
}

uint32_t accel_bpf_run(const struct sock_filter *insns, const uint8_t *data, uint32_t caplen,
		       uint32_t len, const struct accel_bpf_aux *aux)
{
	struct vm vm = {.data = data, .caplen = caplen, .len = len, .aux = aux};
	const struct sock_filter *insn = insns;
	bool ok = true;

	for (unsigned step = 0; ok && step < MAX_STEPS; step++, insn++) {
		switch (BPF_CLASS(insn->code)) {
		case BPF_LD:
			ok = run_ld(&vm, insn);
			break;
		case BPF_LDX:
			ok = run_ldx(&vm, insn);
			break;
		case BPF_ST:
			vm.cell[insn->k] = vm.a;
			break;
		case BPF_STX:
			vm.cell[insn->k] = vm.x;
			break;
		case BPF_ALU:
			ok = run_alu(&vm, insn);
			break;
		case BPF_JMP:
			insn += run_jmp(&vm, insn);
			break;
		case BPF_RET:
			return BPF_RVAL(insn->code) == BPF_A ? vm.a : insn->k;
		default:
			if (BPF_MISCOP(insn->code) == BPF_TAX)
				vm.x = vm.a;
			else
				vm.a = vm.x;
		}
	}
	return 0;
}
