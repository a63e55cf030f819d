/* SPDX-License-Identifier: BSD-3-Clause */
/* translate_private.h - what the two files of the translator share.
 *
 * Inside translate*.c only.
 * Threads: an xlate belongs to one translation. */
#ifndef ACCEL_BPF_TRANSLATE_PRIVATE_H
#define ACCEL_BPF_TRANSLATE_PRIVATE_H

#include "bpf/translate.h"

/* No packet pointer may be moved farther: MAX_PACKET_OFF of the kernel's verifier. */
#define ACCEL_XLATE_MAX_OFFSET 0xffffu

struct accel_xlating {
	struct accel_easm *as;
	const struct accel_xlate *opt;
	const struct sock_filter *insns;
	unsigned n;
	uint32_t
		*proven; /* before insns[i], on all ways: this many bytes are in the first buffer */
	unsigned *labels;	/* of insns[i], in the present version */
	unsigned miss;		/* label: a load is behind the first buffer */
	bool is_slow;		/* the version that loads through the helper */
	enum accel_ebpf_reg to; /* where a load puts what it loads: A or X */
	uint16_t cells;		/* that are read */
};

/* The bytes that are proved to be in the first buffer once insns[i] has been run; 0 = none by it.
 * */
uint32_t accel_xlate_reach(const struct accel_xlating *x, unsigned i);

/* Why the program cannot load this, NULL if it can. */
const char *accel_xlate_refusal(const struct accel_xlating *x, unsigned i);

void accel_xlate_ld(struct accel_xlating *x, unsigned i);
void accel_xlate_ldx(struct accel_xlating *x, unsigned i);

/* Place of a scratch cell on the stack. */
int accel_xlate_cell(uint32_t cell);

#endif
