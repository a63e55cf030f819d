/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_xdp.c - a stranger's filter as an XDP program.
 *
 * Input: the number of instructions, how to translate (bits: fragments, by helper, a device's
 * address; which half of the operations), how much of the packet is in its first buffer, the struct
 * sock_filter, the packet. A filter that is valid is translated or refused; what was translated
 * loads nothing that it has not proved, says the same in all its versions and with the packet torn
 * anywhere, what the interpreting program says (xdp_ops.h), and what accel_bpf_run() says, where
 * libpcap and the kernel have one opinion. Whatever stands where the interpreting program looks for
 * a filter, it ends and stays within the packet. */
#include "ebpf_run.h"

#include "base/util.h"
#include "bpf/cbpf.h"
#include "bpf/xdp_ops.h"
#include "bpf/xdp_prog.h"

/* What the interpreting programs are told by. */
static struct accel_xdp_control control;

static const struct accel_bpf_aux aux = {.ifindex = 3, .hatype = 1, .queue = 5, .net_offset = 14};

/* Filters on which libpcap, and so we, differ from the kernel: [x + k] that wraps, shifts by more
 * than 31; and those that read what the interpreter has no say in. */
static bool is_disputed(const struct sock_filter *insns, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t code = insns[i].code;

		if (code == (BPF_ALU | BPF_LSH | BPF_X) || code == (BPF_ALU | BPF_RSH | BPF_X))
			return true;
		if (BPF_CLASS(code) == BPF_LD && BPF_MODE(code) == BPF_IND)
			return true;
		if (BPF_CLASS(code) == BPF_LDX && BPF_MODE(code) == BPF_MSH &&
		    insns[i].k >= (uint32_t)SKF_NET_OFF)
			return true;
		if (BPF_CLASS(code) == BPF_LD && BPF_MODE(code) == BPF_ABS &&
		    (insns[i].k == (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE) ||
		     insns[i].k == (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)))
			return true;
	}
	return false;
}

/* In full, and into room for half of it. */
static void dump(const struct accel_xdp_spec *spec, const struct accel_ebpf_prog *prog)
{
	size_t len = accel_xdp_dump(spec, prog, NULL, 0);
	char *text = malloc(len / 2 + 1);

	FUZZ_CHECK(text && len > 0);
	FUZZ_CHECK(accel_xdp_dump(spec, prog, text, len / 2 + 1) == len);
	FUZZ_CHECK(strlen(text) == len / 2);
	free(text);
}

static uint32_t run(const struct accel_ebpf_prog *prog, const uint8_t *packet, uint32_t len,
		    uint32_t first_len)
{
	struct ebpf_vm vm = {.packet = packet,
			     .len = len,
			     .first_len = first_len,
			     .ifindex = 3,
			     .queue = 4,
			     .control = &control};

	return ebpf_run(&vm, prog);
}

/* The program for this way of loading, made once: it is the same for every filter. Its own one
 * takes all, which no test of another is to depend on. */
static const struct accel_ebpf_prog *interpreter(const struct accel_xdp_spec *spec)
{
	static const struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffffff);
	static struct accel_ebpf_prog progs[2][2][2];
	struct accel_ebpf_prog *prog = &progs[spec->has_fragments][spec->by_helper][spec->has_mac];
	struct accel_xdp_spec of_all = *spec;

	of_all.filter = &all;
	of_all.n_filter = 1;
	of_all.interprets = true;
	if (!prog->insns)
		FUZZ_CHECK(accel_xdp_generate(&of_all, prog, NULL) == 0);
	return prog;
}

/* In which half the next filter stands. */
static struct accel_xdp_op *choose_half(bool second)
{
	control.start = (second ? 1 : 2) * ACCEL_XDP_MAX_OPS;
	return control.ops[second];
}

/* The filter's bytes as they are, as operations. */
static void check_garbage(const struct accel_xdp_spec *spec, const uint8_t *packet, uint32_t len,
			  uint32_t first_len, bool second)
{
	struct accel_xdp_op *ops = choose_half(second);

	_Static_assert(sizeof(*ops) == sizeof(*spec->filter), "an operation is as long");
	memcpy(ops, spec->filter, spec->n_filter * sizeof(*ops));
	run(interpreter(spec), packet, len, spec->has_fragments ? first_len : len);
	memset(ops, 0, spec->n_filter * sizeof(*ops));
}

/* As `verdict` of the translated filter. */
static void check_interpreted(const struct accel_xdp_spec *spec, const uint8_t *packet,
			      uint32_t len, uint32_t first_len, uint32_t verdict)
{
	const struct accel_ebpf_prog *prog = interpreter(spec);

	FUZZ_CHECK(run(prog, packet, len, len) == verdict);
	if (spec->has_fragments)
		FUZZ_CHECK(run(prog, packet, len, first_len) == verdict);
}

static bool is_refusal(const struct accel_err *err)
{
	return !strncmp(err->text, "filter: instruction ", 20);
}

static void check(const struct accel_xdp_spec *spec, const uint8_t *packet, uint32_t len,
		  uint32_t first_len, bool second)
{
	struct accel_ebpf_prog prog, whole;
	struct accel_xdp_spec plain = *spec;
	struct accel_err err = {0}, other = {0};
	uint32_t verdict;
	int rc = accel_xdp_generate(spec, &prog, &err);

	FUZZ_CHECK(accel_xdp_ops(spec->filter, spec->n_filter, choose_half(second), &other) == rc);
	plain.has_fragments = plain.by_helper = false;
	if (rc < 0) {
		FUZZ_CHECK(rc == -EOPNOTSUPP && is_refusal(&err) && !strcmp(err.text, other.text));
		FUZZ_CHECK(accel_xdp_generate(&plain, &whole, NULL) == rc);
		return;
	}
	FUZZ_CHECK(accel_xdp_generate(&plain, &whole, NULL) == 0);
	verdict = run(&whole, packet, len, len);
	FUZZ_CHECK(run(&prog, packet, len, len) == verdict);
	if (spec->has_fragments)
		FUZZ_CHECK(run(&prog, packet, len, first_len) == verdict);
	if (!is_disputed(spec->filter, spec->n_filter))
		FUZZ_CHECK(accel_bpf_run(spec->filter, packet, len, len, &aux) == verdict);
	check_interpreted(spec, packet, len, first_len, verdict);
	dump(spec, &prog);
	accel_ebpf_prog_fini(&prog);
	accel_ebpf_prog_fini(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct accel_xdp_spec spec = {.action = ACCEL_XDP_TELL, .rest = ACCEL_XDP_PASS};
	struct sock_filter *insns;
	uint8_t *packet;
	uint32_t first_len;
	bool second;
	size_t len;

	if (size < 3 || data[0] == 0 || (size - 3) / sizeof(*insns) < data[0])
		return 0;
	spec.n_filter = data[0];
	spec.has_fragments = data[1] & 1;
	spec.by_helper = data[1] & 2;
	spec.has_mac = data[1] & 4;
	insns = malloc(spec.n_filter * sizeof(*insns));
	len = size - 3 - spec.n_filter * sizeof(*insns);
	packet = malloc(len + 1);
	FUZZ_CHECK(insns && packet);
	memcpy(insns, data + 3, spec.n_filter * sizeof(*insns));
	memcpy(packet, data + size - len, len);
	spec.filter = insns;
	second = data[1] & 8;
	first_len = ACCEL_MIN(data[2], (uint32_t)len);
	check_garbage(&spec, packet, (uint32_t)len, first_len, second);
	if (accel_bpf_validate(insns, spec.n_filter, NULL) == 0)
		check(&spec, packet, (uint32_t)len, first_len, second);
	free(packet);
	free(insns);
	return 0;
}
