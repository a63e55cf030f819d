/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_group.c - see xdp_group.h. */
#include "bpf/xdp_group.h"

#include "base/err.h"

#include "bpf/ebpf_asm.h"
#include "bpf/translate.h"
#include "bpf/xdp_prog.h"

#include <string.h>

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

static int add_fanout(struct accel_easm *as, const struct accel_xdp_steer *spec,
		      struct accel_err *err)
{
	struct accel_xlate opt = {
		.has_fragments = spec->has_fragments,
		.by_helper = spec->by_helper,
		.has_mac = spec->has_mac,
		.accept = accel_easm_label(as),
		.reject = accel_easm_label(as),
	};
	int r;

	memcpy(opt.mac, spec->mac, sizeof(opt.mac));
	accel_easm_store(as, ACCEL_BPF_DW, ACCEL_R10, ACCEL_SLOT_CTX, ACCEL_R1);
	accel_easm_load(as, BPF_W, ACCEL_XLATE_DATA, ACCEL_R1, ACCEL_MD_DATA);
	accel_easm_load(as, BPF_W, ACCEL_XLATE_END, ACCEL_R1, ACCEL_MD_DATA_END);
	r = accel_translate(as, spec->fanout, spec->n_fanout, &opt, err);
	accel_easm_bind(as, opt.reject);
	accel_easm_alu32_k(as, ACCEL_BPF_MOV, ACCEL_R0, 0);
	accel_easm_bind(as, opt.accept);
	return r;
}

/* R0 is the value. */
static void call_member(struct accel_easm *as)
{
	unsigned pass = accel_easm_label(as);

	accel_easm_alu32_x(as, ACCEL_BPF_MOV, ACCEL_R3, ACCEL_R0);
	accel_easm_map_value(as, ACCEL_R1, ACCEL_MAP_PLACES);
	accel_easm_load(as, BPF_W, ACCEL_R2, ACCEL_R1, offsetof(struct accel_xdp_places, n));
	accel_easm_jump32_k(as, BPF_JEQ, ACCEL_R2, 0, pass);
	accel_easm_alu32_x(as, BPF_MOD, ACCEL_R3, ACCEL_R2);
	accel_easm_load(as, ACCEL_BPF_DW, ACCEL_R1, ACCEL_R10, ACCEL_SLOT_CTX);
	accel_easm_map(as, ACCEL_R2, ACCEL_MAP_MEMBERS);
	accel_easm_call(as, ACCEL_HELPER_TAIL_CALL);
	accel_easm_bind(as, pass);
	accel_easm_alu32_k(as, ACCEL_BPF_MOV, ACCEL_R0, ACCEL_XDP_PASS);
	accel_easm_exit(as);
}

int accel_xdp_steer(const struct accel_xdp_steer *spec, struct accel_ebpf_prog *out,
		    struct accel_err *err)
{
	struct accel_easm as;
	int r;

	accel_easm_init(&as);
	r = add_fanout(&as, spec, err);
	if (r == 0) {
		call_member(&as);
		r = accel_easm_finish(&as, out);
		if (r < 0)
			accel_fail_sys(err, r, "computation: cannot make an XDP program of it");
	}
	accel_easm_fini(&as);
	return r;
}
