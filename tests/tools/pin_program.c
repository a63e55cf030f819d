/* SPDX-License-Identifier: BSD-3-Clause */
/* pin_program - an extended BPF program that returns a constant, pinned to a path.
 *
 *     pin_program PATH VALUE
 *
 * PATH is on a mounted bpf file system. For fanout=ebpf. Exit 1 with a sentence on failure.
 *
 * Threads: one. */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int load(int value)
{
	const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = value},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)program;
	attr.insn_cnt = sizeof(program) / sizeof(program[0]);
	attr.license = (uintptr_t) "BSD";
	return bpf(BPF_PROG_LOAD, &attr);
}

int main(int argc, char **argv)
{
	union bpf_attr attr;
	int fd;

	if (argc != 3) {
		fprintf(stderr, "pin_program: pin_program PATH VALUE\n");
		return 1;
	}
	fd = load(strtol(argv[2], NULL, 10));
	if (fd < 0) {
		fprintf(stderr, "pin_program: the kernel refuses programs: %s\n", strerror(errno));
		return 1;
	}
	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)argv[1];
	attr.bpf_fd = fd;
	if (bpf(BPF_OBJ_PIN, &attr)) {
		fprintf(stderr, "pin_program: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	return 0;
}
