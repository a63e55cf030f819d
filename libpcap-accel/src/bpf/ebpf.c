/* SPDX-License-Identifier: BSD-3-Clause */
/* ebpf.c - programs as values, and the tables of maps and kernel functions. See ebpf.h. */
#include "bpf/ebpf.h"

#include "base/util.h"

#include "bpf/xdp_group.h"
#include "bpf/xdp_prog.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct accel_ebpf_map_spec maps[ACCEL_N_MAPS] = {
	[ACCEL_MAP_SOCKETS] = { "accel_sockets", ACCEL_MAP_TYPE_XSKMAP,		4, 4, 0, 0 },
	[ACCEL_MAP_RING]    = { "accel_ring",	 ACCEL_MAP_TYPE_RINGBUF,	0, 0, 0, 0 },
	[ACCEL_MAP_CONTROL] = { "accel_control", ACCEL_MAP_TYPE_ARRAY,
				4, sizeof(struct accel_xdp_control), 1, ACCEL_MAP_MMAPABLE },
	[ACCEL_MAP_LOST]    = { "accel_lost",	 ACCEL_MAP_TYPE_PERCPU_ARRAY,	4, 8, 1, 0 },
	[ACCEL_MAP_MEMBERS] = { "accel_members", ACCEL_MAP_TYPE_PROGS,		4, 4, 0, 0 },
	[ACCEL_MAP_PLACES]  = { "accel_places",	 ACCEL_MAP_TYPE_ARRAY,
				4, sizeof(struct accel_xdp_places), 1, ACCEL_MAP_MMAPABLE },
};

static const char *const kfuncs[ACCEL_N_KFUNCS] = {
	[ACCEL_KFUNC_VLAN_TAG]	= "bpf_xdp_metadata_rx_vlan_tag",
	[ACCEL_KFUNC_TIMESTAMP]	= "bpf_xdp_metadata_rx_timestamp",
};
/* clang-format on */

const struct accel_ebpf_map_spec *accel_ebpf_map_spec(enum accel_ebpf_map map)
{
	return &maps[map];
}

const char *accel_ebpf_kfunc_name(enum accel_ebpf_kfunc kfunc)
{
	return kfuncs[kfunc];
}

void accel_ebpf_prog_fini(struct accel_ebpf_prog *prog)
{
	free(prog->insns);
	free(prog->marks);
	memset(prog, 0, sizeof(*prog));
}

/* The upper half of an IMM64 has code 0 and so is none of these. */
static int is_map(const struct accel_ebpf_insn *insn)
{
	return insn->code == ACCEL_BPF_IMM64 &&
	       (insn->src == ACCEL_PSEUDO_MAP || insn->src == ACCEL_PSEUDO_MAP_VALUE);
}

static int is_kfunc(const struct accel_ebpf_insn *insn)
{
	return insn->code == ACCEL_BPF_CALL && insn->src == ACCEL_PSEUDO_KFUNC;
}

unsigned accel_ebpf_maps(const struct accel_ebpf_prog *prog)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < prog->n_insns; i++)
		if (is_map(&prog->insns[i]))
			bits |= 1u << prog->insns[i].imm;
	return bits;
}

unsigned accel_ebpf_kfuncs(const struct accel_ebpf_prog *prog)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < prog->n_insns; i++)
		if (is_kfunc(&prog->insns[i]))
			bits |= 1u << prog->insns[i].imm;
	return bits;
}

struct accel_ebpf_insn *accel_ebpf_link(const struct accel_ebpf_prog *prog, const int *map_fds,
					const int32_t *kfunc_ids)
{
	struct accel_ebpf_insn *linked = calloc(prog->n_insns, sizeof(*linked));

	if (!linked)
		return NULL;
	memcpy(linked, prog->insns, prog->n_insns * sizeof(*linked));
	for (unsigned i = 0; i < prog->n_insns; i++) {
		if (is_map(&linked[i]))
			linked[i].imm = map_fds[linked[i].imm];
		else if (is_kfunc(&linked[i]))
			linked[i].imm = kfunc_ids[linked[i].imm];
	}
	return linked;
}
