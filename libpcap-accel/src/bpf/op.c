/* SPDX-License-Identifier: BSD-3-Clause */
/* op.c - the tables of op.h.
 *
 * Threads: constant data. */
#include "bpf/op.h"

#include "base/util.h"

#include <linux/filter.h>
#include <stddef.h>

/* clang-format off */
static const struct accel_bpf_op ops[] = {
	{ BPF_LD | BPF_W | BPF_ABS,	ACCEL_OPERAND_ABS,	"ld" },
	{ BPF_LD | BPF_H | BPF_ABS,	ACCEL_OPERAND_ABS,	"ldh" },
	{ BPF_LD | BPF_B | BPF_ABS,	ACCEL_OPERAND_ABS,	"ldb" },
	{ BPF_LD | BPF_W | BPF_IND,	ACCEL_OPERAND_IND,	"ld" },
	{ BPF_LD | BPF_H | BPF_IND,	ACCEL_OPERAND_IND,	"ldh" },
	{ BPF_LD | BPF_B | BPF_IND,	ACCEL_OPERAND_IND,	"ldb" },
	{ BPF_LD | BPF_W | BPF_LEN,	ACCEL_OPERAND_LEN,	"ld" },
	{ BPF_LD | BPF_IMM,		ACCEL_OPERAND_HEX,	"ld" },
	{ BPF_LD | BPF_MEM,		ACCEL_OPERAND_CELL,	"ld" },
	{ BPF_LDX | BPF_W | BPF_LEN,	ACCEL_OPERAND_LEN,	"ldx" },
	{ BPF_LDX | BPF_B | BPF_MSH,	ACCEL_OPERAND_MSH,	"ldxb" },
	{ BPF_LDX | BPF_IMM,		ACCEL_OPERAND_HEX,	"ldx" },
	{ BPF_LDX | BPF_MEM,		ACCEL_OPERAND_CELL,	"ldx" },
	{ BPF_ST,			ACCEL_OPERAND_CELL,	"st" },
	{ BPF_STX,			ACCEL_OPERAND_CELL,	"stx" },
	{ BPF_ALU | BPF_ADD | BPF_K,	ACCEL_OPERAND_DEC,	"add" },
	{ BPF_ALU | BPF_SUB | BPF_K,	ACCEL_OPERAND_DEC,	"sub" },
	{ BPF_ALU | BPF_MUL | BPF_K,	ACCEL_OPERAND_DEC,	"mul" },
	{ BPF_ALU | BPF_DIV | BPF_K,	ACCEL_OPERAND_DEC,	"div" },
	{ BPF_ALU | BPF_MOD | BPF_K,	ACCEL_OPERAND_DEC,	"mod" },
	{ BPF_ALU | BPF_AND | BPF_K,	ACCEL_OPERAND_HEX,	"and" },
	{ BPF_ALU | BPF_OR | BPF_K,	ACCEL_OPERAND_HEX,	"or" },
	{ BPF_ALU | BPF_XOR | BPF_K,	ACCEL_OPERAND_HEX,	"xor" },
	{ BPF_ALU | BPF_LSH | BPF_K,	ACCEL_OPERAND_DEC,	"lsh" },
	{ BPF_ALU | BPF_RSH | BPF_K,	ACCEL_OPERAND_DEC,	"rsh" },
	{ BPF_ALU | BPF_NEG,		ACCEL_OPERAND_NONE,	"neg" },
	{ BPF_ALU | BPF_ADD | BPF_X,	ACCEL_OPERAND_X,	"add" },
	{ BPF_ALU | BPF_SUB | BPF_X,	ACCEL_OPERAND_X,	"sub" },
	{ BPF_ALU | BPF_MUL | BPF_X,	ACCEL_OPERAND_X,	"mul" },
	{ BPF_ALU | BPF_DIV | BPF_X,	ACCEL_OPERAND_X,	"div" },
	{ BPF_ALU | BPF_MOD | BPF_X,	ACCEL_OPERAND_X,	"mod" },
	{ BPF_ALU | BPF_AND | BPF_X,	ACCEL_OPERAND_X,	"and" },
	{ BPF_ALU | BPF_OR | BPF_X,	ACCEL_OPERAND_X,	"or" },
	{ BPF_ALU | BPF_XOR | BPF_X,	ACCEL_OPERAND_X,	"xor" },
	{ BPF_ALU | BPF_LSH | BPF_X,	ACCEL_OPERAND_X,	"lsh" },
	{ BPF_ALU | BPF_RSH | BPF_X,	ACCEL_OPERAND_X,	"rsh" },
	{ BPF_JMP | BPF_JA,		ACCEL_OPERAND_GOTO,	"ja" },
	{ BPF_JMP | BPF_JEQ | BPF_K,	ACCEL_OPERAND_HEX,	"jeq" },
	{ BPF_JMP | BPF_JGT | BPF_K,	ACCEL_OPERAND_HEX,	"jgt" },
	{ BPF_JMP | BPF_JGE | BPF_K,	ACCEL_OPERAND_HEX,	"jge" },
	{ BPF_JMP | BPF_JSET | BPF_K,	ACCEL_OPERAND_HEX,	"jset" },
	{ BPF_JMP | BPF_JEQ | BPF_X,	ACCEL_OPERAND_X,	"jeq" },
	{ BPF_JMP | BPF_JGT | BPF_X,	ACCEL_OPERAND_X,	"jgt" },
	{ BPF_JMP | BPF_JGE | BPF_X,	ACCEL_OPERAND_X,	"jge" },
	{ BPF_JMP | BPF_JSET | BPF_X,	ACCEL_OPERAND_X,	"jset" },
	{ BPF_RET | BPF_K,		ACCEL_OPERAND_DEC,	"ret" },
	{ BPF_RET | BPF_A,		ACCEL_OPERAND_NONE,	"ret" },
	{ BPF_MISC | BPF_TAX,		ACCEL_OPERAND_NONE,	"tax" },
	{ BPF_MISC | BPF_TXA,		ACCEL_OPERAND_NONE,	"txa" },
};

static const struct {
	int32_t offset;
	const char *name; /* as tcpdump -d prints it */
} aux_fields[] = {
	{ SKF_AD_PROTOCOL,		"proto" },
	{ SKF_AD_PKTTYPE,		"type" },
	{ SKF_AD_IFINDEX,		"ifidx" },
	{ SKF_AD_NLATTR,		"nla" },
	{ SKF_AD_NLATTR_NEST,		"nlan" },
	{ SKF_AD_MARK,			"mark" },
	{ SKF_AD_QUEUE,			"queue" },
	{ SKF_AD_HATYPE,		"hatype" },
	{ SKF_AD_RXHASH,		"rxhash" },
	{ SKF_AD_CPU,			"cpu" },
	{ SKF_AD_ALU_XOR_X,		"xor_x" },
	{ SKF_AD_VLAN_TAG,		"vlan_tci" },
	{ SKF_AD_VLAN_TAG_PRESENT,	"vlanp" },
	{ SKF_AD_PAY_OFFSET,		"poff" },
	{ SKF_AD_RANDOM,		"random" },
	{ SKF_AD_VLAN_TPID,		"vlan_tpid" },
};
/* clang-format on */

const struct accel_bpf_op *accel_bpf_op(uint16_t code)
{
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(ops); i++)
		if (ops[i].code == code)
			return &ops[i];
	return NULL;
}

const char *accel_bpf_aux_name(uint32_t k)
{
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(aux_fields); i++)
		if (k == (uint32_t)(SKF_AD_OFF + aux_fields[i].offset))
			return aux_fields[i].name;
	return NULL;
}
