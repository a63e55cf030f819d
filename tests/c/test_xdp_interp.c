/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_interp.c - programs that are told by a map what to do: when to begin, and which filter to
 * run. What the interpreter says of a packet is compared in test_xdp_compare.c and
 * test_xdp_semantics.c. */
#include "test_xdp.h"

#include <linux/in.h>

#define N(a) ACCEL_ARRAY_LEN(a)

static const struct sock_filter udp_only[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, 262144),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

/* A program over a frame, and what it is told by. */
struct told {
	int prog;
	struct accel_xdp_control *control;
	uint8_t frame[60];
};

static void told_init(struct told *t, const struct accel_xdp_spec *spec)
{
	int maps[ACCEL_N_MAPS] = {0};
	struct accel_err err;
	int fd = accel_bpf_map_open("test", ACCEL_MAP_CONTROL, 0, &err);

	if (fd < 0)
		fail_msg("%s", err.text);
	t->control = accel_bpf_map_memory(fd, sizeof(*t->control));
	assert_non_null(t->control);
	maps[ACCEL_MAP_CONTROL] = fd;
	t->prog = load_spec(spec, maps);
	close(fd);
	memset(t->frame, 0, sizeof(t->frame));
	t->frame[23] = IPPROTO_UDP;
}

static void told_fini(struct told *t)
{
	close(t->prog);
	munmap(t->control, sizeof(*t->control));
}

static uint32_t says(const struct told *t)
{
	return run_program(t->prog, t->frame, sizeof(t->frame), 0);
}

/* A gated program passes everything on until it is armed: what would be dropped, too. */
static void test_gate(void **state)
{
	struct accel_xdp_spec spec = tell(udp_only, N(udp_only));
	struct told t;

	(void)state;
	need_bpf();
	spec.is_gated = true;
	told_init(&t, &spec);
	for (unsigned turn = 0; turn < 2; turn++) {
		t.control->is_armed = 0;
		t.frame[23] = IPPROTO_UDP;
		assert_int_equal(says(&t), ACCEL_XDP_PASS);
		t.control->is_armed = 1;
		assert_int_equal(says(&t), 262144);
		t.frame[23] = IPPROTO_TCP;
		assert_int_equal(says(&t), 0);
	}
	told_fini(&t);
}

/* An interpreting program has a filter of its own until one is named in the map; what stands
 * nowhere, or is no operation, rejects; a loop ends. */
static void test_interpret(void **state)
{
	static const struct accel_xdp_op back = {.code = ACCEL_XOP_JMP, .k = (uint32_t)-1};
	struct accel_xdp_spec spec = tell(udp_only, N(udp_only));
	struct told t;

	(void)state;
	need_bpf();
	spec.interprets = true;
	told_init(&t, &spec);
	assert_int_equal(says(&t), 262144);
	for (unsigned half = 0; half < 2; half++) {
		struct accel_xdp_op *ops = t.control->ops[half];

		t.control->start = (2 - half) * ACCEL_XDP_MAX_OPS;
		assert_int_equal(says(&t), 0);
		ops[0] = (struct accel_xdp_op){.code = ACCEL_XOP_RET, .k = 70 + half};
		assert_int_equal(says(&t), 70 + half);
		for (unsigned code = ACCEL_XOP_END; code < 256; code += 13) {
			ops[0].code = (uint8_t)code;
			assert_int_equal(says(&t), 0);
		}
		ops[0] = back;
		assert_int_equal(says(&t), 0);
	}
	t.control->start = 0;
	assert_int_equal(says(&t), 262144);
	told_fini(&t);
}

/* The longest filter there is: all of its operations are run, in both halves. */
static void test_longest(void **state)
{
	static struct sock_filter filter[ACCEL_XDP_MAX_OPS + 1];
	struct accel_xdp_spec spec = tell(udp_only, N(udp_only));
	struct accel_err err;
	struct told t;

	(void)state;
	need_bpf();
	for (unsigned i = 0; i < N(filter); i++)
		filter[i] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1);
	filter[ACCEL_XDP_MAX_OPS - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	spec.interprets = true;
	told_init(&t, &spec);
	for (unsigned half = 0; half < 2; half++) {
		memset(t.control->ops[!half], 0, sizeof(t.control->ops[0]));
		assert_int_equal(
			accel_xdp_ops(filter, ACCEL_XDP_MAX_OPS, t.control->ops[half], &err), 0);
		t.control->start = (2 - half) * ACCEL_XDP_MAX_OPS;
		assert_int_equal(says(&t), ACCEL_XDP_MAX_OPS - 1);
	}
	assert_int_equal(accel_xdp_ops(filter, N(filter), t.control->ops[0], &err), -E2BIG);
	assert_string_equal(err.text, "filter: has 4097 instructions (at most 4096)");
	told_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_interpret),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
