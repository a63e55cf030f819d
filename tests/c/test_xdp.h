/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp.h - generated XDP programs in the kernel: load, run over a packet of our own, compare.
 *
 * Needs root; without it the tests are skipped and say why.
 *
 * Threads: none. */
#ifndef TEST_XDP_H
#define TEST_XDP_H

#include "test_bpf_kernel.h"

#include "base/err.h"
#include "bpf/xdp_prog.h"
#include "kern/bpf_sys.h"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define FIRST_BUFFER 3520 /* a test run puts no more into it */

static MAYBE void need_bpf(void)
{
	struct accel_err err;
	int fd = accel_bpf_map_open("test", ACCEL_MAP_LOST, 0, &err);

	if (fd < 0) {
		print_message("skipped: %s\n", err.text);
		skip();
	}
	close(fd);
}

/* Nothing but the filter, and its verdict as the program's result. */
static MAYBE struct accel_xdp_spec tell(const struct sock_filter *filter, unsigned n)
{
	return (struct accel_xdp_spec){
		.filter = filter, .n_filter = n, .action = ACCEL_XDP_TELL, .rest = ACCEL_XDP_PASS};
}

static MAYBE void print_spec(const struct accel_xdp_spec *spec)
{
	struct accel_ebpf_prog prog;
	char *text = malloc(1 << 20);

	assert_int_equal(accel_xdp_generate(spec, &prog, NULL), 0);
	accel_xdp_dump(spec, &prog, text, 1 << 20);
	print_error("%s", text);
	free(text);
	accel_ebpf_prog_fini(&prog);
}

/* Generate and load. The descriptor; the test fails if that does not work. */
static MAYBE int load_spec(const struct accel_xdp_spec *spec, const int *map_fds)
{
	struct accel_ebpf_prog prog;
	struct accel_bpf_load load = {.name = "test", .prog = &prog, .map_fds = map_fds};
	struct accel_err err;
	int fd;

	load.flags = spec->has_fragments ? ACCEL_PROG_HAS_FRAGS : 0;
	if (accel_xdp_generate(spec, &prog, &err))
		fail_msg("%s", err.text);
	fd = accel_bpf_prog_open(&load, &err);
	accel_ebpf_prog_fini(&prog);
	if (fd < 0) {
		print_spec(spec);
		fail_msg("%s", err.text);
	}
	return fd;
}

/* The program's result over a packet, of which first_len bytes are in its first buffer (0: as many
 * as go in). */
static MAYBE uint32_t run_program(int prog_fd, const void *data, uint32_t len, uint32_t first_len)
{
	struct accel_bpf_test test = {.data = data, .len = len, .first_len = first_len};
	int r = accel_bpf_prog_test(prog_fd, &test);

	if (r < 0)
		fail_msg("test run of %u bytes, %u of them in the first buffer: %s", len, first_len,
			 strerror(-r));
	return test.retval;
}

/* The effective capabilities of this thread: all that it may have but those of the mask. */
static MAYBE void set_capabilities(uint64_t without)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	for (unsigned i = 0; i < 2; i++)
		data[i].effective = data[i].permitted & ~(uint32_t)(without >> (32 * i));
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

/* The interpreter, loaded once in each way, and the map that its filter is in. */
struct interpreter {
	int fds[2][2]; /* has_fragments, by_helper */
	struct accel_xdp_control *control;
};

static MAYBE void interpreter_init(struct interpreter *in, const uint8_t mac[6])
{
	int maps[ACCEL_N_MAPS] = {0}, fd;
	struct accel_xdp_spec spec = tell(NULL, 0);
	struct accel_err err;

	fd = accel_bpf_map_open("test", ACCEL_MAP_CONTROL, 0, &err);
	if (fd < 0)
		fail_msg("%s", err.text);
	in->control = accel_bpf_map_memory(fd, sizeof(*in->control));
	assert_non_null(in->control);
	maps[ACCEL_MAP_CONTROL] = fd;
	spec.interprets = spec.has_mac = true;
	memcpy(spec.mac, mac, sizeof(spec.mac));
	for (unsigned way = 0; way < 4; way++) {
		spec.has_fragments = way & 2;
		spec.by_helper = way & 1;
		in->fds[way / 2][way % 2] = load_spec(&spec, maps);
	}
	close(fd);
}

/* Into the half that the filter before is not in, as none but us runs it. */
static MAYBE void interpreter_set(struct interpreter *in, const struct sock_filter *insns,
				  unsigned n)
{
	struct accel_xdp_control *control = in->control;
	bool is_second = control->start != ACCEL_XDP_MAX_OPS;
	struct accel_err err;

	if (accel_xdp_ops(insns, n, control->ops[is_second], &err))
		fail_msg("%s", err.text);
	control->start = (is_second ? 1 : 2) * ACCEL_XDP_MAX_OPS;
}

/* Can a test run put fewer bytes into the first buffer than fit (Linux 6.18)? */
static MAYBE bool can_cut_first_buffer(void)
{
	static const uint8_t packet[200];
	struct accel_bpf_test test = {.data = packet, .len = sizeof(packet), .first_len = 14};
	struct accel_xdp_spec spec = tell(NULL, 0);
	int fd, r;

	spec.has_fragments = true;
	fd = load_spec(&spec, NULL);
	r = accel_bpf_prog_test(fd, &test);
	close(fd);
	return r == 0;
}

#endif
