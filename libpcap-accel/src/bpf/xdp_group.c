/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_group.c - see xdp_group.h. */
#include "bpf/xdp_group.h"

#include "bpf/ebpf_asm.h"
#include "bpf/translate.h"
#include "bpf/xdp_prog.h"

/* A call that finds no program there goes on behind itself. */
int accel_xdp_root(struct accel_ebpf_prog *out)
{
	struct accel_easm as;
	int r;

	accel_easm_init(&as);
	accel_easm_load(&as, BPF_W, ACCEL_R3, ACCEL_R1, ACCEL_MD_QUEUE);
	accel_easm_map(&as, ACCEL_R2, ACCEL_MAP_MEMBERS);
	accel_easm_call(&as, ACCEL_HELPER_TAIL_CALL);
	accel_easm_alu32_k(&as, ACCEL_BPF_MOV, ACCEL_R0, ACCEL_XDP_PASS);
	accel_easm_exit(&as);
	r = accel_easm_finish(&as, out);
	accel_easm_fini(&as);
	return r;
}
