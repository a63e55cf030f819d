/* SPDX-License-Identifier: BSD-3-Clause */
/* op.h - the tables of classic BPF: every instruction that the kernel knows, and every piece of
 * metadata that it offers behind SKF_AD_OFF. What is not in them does not exist for us.
 *
 * Inside bpf/ only; others include cbpf.h.
 * Source: linux/filter.h, linux/bpf_common.h, Documentation/networking/filter.rst.
 * Threads: constant data. */
#ifndef ACCEL_BPF_OP_H
#define ACCEL_BPF_OP_H

#include <stdbool.h>
#include <stdint.h>

struct accel_err;
struct sock_filter;

/* How the operand is written for a person. */
enum accel_bpf_operand {
	ACCEL_OPERAND_NONE,
	ACCEL_OPERAND_DEC,  /* #4 */
	ACCEL_OPERAND_HEX,  /* #0x4 */
	ACCEL_OPERAND_ABS,  /* [4], or a metadata name: [vlanp] */
	ACCEL_OPERAND_IND,  /* [x + 4] */
	ACCEL_OPERAND_MSH,  /* 4*([4]&0xf) */
	ACCEL_OPERAND_LEN,  /* #pktlen */
	ACCEL_OPERAND_CELL, /* M[4] */
	ACCEL_OPERAND_X,    /* x */
	ACCEL_OPERAND_GOTO, /* the target's number */
};

struct accel_bpf_op {
	uint16_t code;
	enum accel_bpf_operand operand;
	const char *name;
};

/* NULL if the code is unknown. */
const struct accel_bpf_op *accel_bpf_op(uint16_t code);

/* The name of the metadata that an absolute load of `k` reads, NULL if none is there. */
const char *accel_bpf_aux_name(uint32_t k);

/* accel_bpf_validate() with the object of the error's text. */
int accel_bpf_validate_as(const char *what, const struct sock_filter *insns, unsigned n,
			  struct accel_err *err);

#endif
