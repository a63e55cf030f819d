/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_dump.c - a generated program as text: for people who ask what we put into their driver.
 *
 * Threads: none of its own. */
#include "bpf/xdp_prog.h"

#include "base/str.h"

#include "bpf/cbpf.h"

static const char *const part_names[] = {
	[ACCEL_XDP_PART_BEGIN] = "begin",   [ACCEL_XDP_PART_KEEP] = "keep",
	[ACCEL_XDP_PART_FILTER] = "filter", [ACCEL_XDP_PART_ACCEPT] = "accept",
	[ACCEL_XDP_PART_REST] = "rest",	    [ACCEL_XDP_PART_INTERPRET] = "interpret",
};

/* What the following instructions were made from. */
static void print_mark(struct accel_str *str, const struct accel_xdp_spec *spec, uint32_t mark)
{
	enum accel_xdp_part part = (enum accel_xdp_part)(mark >> 16);
	unsigned i = mark & 0xffff;
	char line[96];

	if (part == ACCEL_XDP_PART_KEEP)
		accel_bpf_print(&spec->keep[i], i, line, sizeof(line));
	else if (part == ACCEL_XDP_PART_FILTER && spec->n_filter)
		accel_bpf_print(&spec->filter[i], i, line, sizeof(line));
	else
		line[0] = '\0';
	accel_str_add(str, "; %s%s%s\n", part_names[part], line[0] ? " " : "", line);
}

size_t accel_xdp_dump(const struct accel_xdp_spec *spec, const struct accel_ebpf_prog *prog,
		      char *out, size_t size)
{
	struct accel_str str;

	accel_str_init(&str, out, size);
	for (unsigned i = 0; i < prog->n_insns; i++) {
		char line[96];

		if (i == 0 || prog->marks[i] != prog->marks[i - 1])
			print_mark(&str, spec, prog->marks[i]);
		accel_ebpf_print(&prog->insns[i], i, line, sizeof(line));
		accel_str_add(&str, "%5u: %s\n", i, line);
		if (prog->insns[i].code == ACCEL_BPF_IMM64)
			i++;
	}
	return str.len;
}
