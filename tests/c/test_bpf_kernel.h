/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_kernel.h - the oracle of the classic BPF tests: the kernel's own verdict on any bytes,
 * from a filter on a Unix datagram socket (no privileges), and random programs to ask it about.
 *
 * A Unix datagram has no device and no link header: metadata need a packet socket
 * (test_bpf_aux.c).
 *
 * Threads: none. */
#ifndef TEST_BPF_KERNEL_H
#define TEST_BPF_KERNEL_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/util.h"
#include "bpf/cbpf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAYBE __attribute__((unused))

/* xorshift64*: the same numbers on every machine, from a seed that is printed. */
struct rng {
	uint64_t state;
};

static MAYBE uint32_t rng_next(struct rng *rng)
{
	rng->state ^= rng->state >> 12;
	rng->state ^= rng->state << 25;
	rng->state ^= rng->state >> 27;
	return (uint32_t)((rng->state * 0x2545f4914f6cdd1dull) >> 32);
}

/* 0 .. n-1 */
static MAYBE uint32_t rng_below(struct rng *rng, uint32_t n)
{
	return rng_next(rng) % n;
}

static MAYBE bool rng_one_in(struct rng *rng, uint32_t n)
{
	return rng_below(rng, n) == 0;
}

/* Numbers that sit on edges more often than chance would have it. */
static MAYBE uint32_t rng_number(struct rng *rng)
{
	static const uint32_t edges[] = {0,    1,      2,	   31,	       32,
					 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};

	switch (rng_below(rng, 3)) {
	case 0:
		return edges[rng_below(rng, ACCEL_ARRAY_LEN(edges))];
	case 1:
		return rng_below(rng, 256);
	default:
		return rng_next(rng);
	}
}

/* `normal` rounds in every run, fifty times as many when ACCEL_FULL is set. */
static MAYBE unsigned rounds(unsigned normal)
{
	return getenv("ACCEL_FULL") ? normal * 50 : normal;
}

static MAYBE struct rng rng_from(const char *test, uint64_t seed)
{
	struct rng rng = {.state = seed};

	print_message("%s: seed %#llx\n", test, (unsigned long long)seed);
	return rng;
}

static MAYBE void print_program(const struct sock_filter *insns, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char line[128];

		accel_bpf_print(&insns[i], i, line, sizeof(line));
		print_error("%s    {%#x, %u, %u, %#x}\n", line, insns[i].code, insns[i].jt,
			    insns[i].jf, insns[i].k);
	}
}

static MAYBE void print_bytes(const uint8_t *data, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		print_error("%02x%s", data[i], i % 16 == 15 || i == len - 1 ? "\n" : " ");
}

/* A socket pair; what is sent on tx passes the filter of rx. */
struct kernel {
	int tx, rx;
};

static MAYBE void kernel_init(struct kernel *kernel)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	kernel->tx = fds[0];
	kernel->rx = fds[1];
}

static MAYBE void kernel_fini(struct kernel *kernel)
{
	close(kernel->tx);
	close(kernel->rx);
}

/* 0 or -errno. */
static MAYBE int attach_filter(int fd, const struct sock_filter *insns, unsigned n)
{
	struct sock_fprog prog = {.len = (unsigned short)n, .filter = (struct sock_filter *)insns};

	if (n > UINT16_MAX)
		return -EINVAL;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ? -errno : 0;
}

/* The bytes that the attached filter keeps of the packet, -1 if it drops it. */
static MAYBE int kernel_keeps(const struct kernel *kernel, const uint8_t *data, unsigned len)
{
	uint8_t got[2048];
	ssize_t n;

	assert_int_equal(send(kernel->tx, data, len, 0), len);
	n = recv(kernel->rx, got, sizeof(got), MSG_DONTWAIT);
	if (n < 0)
		assert_int_equal(errno, EAGAIN);
	return (int)n;
}

/* What a verdict means for a packet of len bytes, in the same words. */
static MAYBE int verdict_keeps(uint32_t verdict, unsigned len)
{
	return verdict == 0 ? -1 : (int)ACCEL_MIN(verdict, len);
}

/* A random program that the kernel takes: jumps go forward, scratch cells are written before they
 * are read, and what was computed decides how many of len bytes are kept. */
#define RANDOM_PROGRAM_MAX 64

static MAYBE struct sock_filter random_load(struct rng *rng, unsigned len)
{
	static const uint16_t codes[] = {
		BPF_LD | BPF_W | BPF_ABS,  BPF_LD | BPF_H | BPF_ABS, BPF_LD | BPF_B | BPF_ABS,
		BPF_LD | BPF_W | BPF_IND,  BPF_LD | BPF_H | BPF_IND, BPF_LD | BPF_B | BPF_IND,
		BPF_LDX | BPF_B | BPF_MSH,
	};
	struct sock_filter insn = {.code = codes[rng_below(rng, ACCEL_ARRAY_LEN(codes))]};

	insn.k = rng_one_in(rng, 8) ? len - 6 + rng_below(rng, 8) : rng_below(rng, len / 2 + 1);
	if (rng_one_in(rng, 24))
		insn.k = rng_number(rng) &
			 (BPF_MODE(insn.code) == BPF_ABS ? 0x7fffffff : 0xffffffff);
	return insn;
}

static MAYBE struct sock_filter random_alu(struct rng *rng)
{
	static const uint16_t ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND,
				       BPF_OR,	BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG};
	uint16_t op = ops[rng_below(rng, ACCEL_ARRAY_LEN(ops))];
	struct sock_filter insn = {.code = BPF_ALU | op, .k = rng_number(rng)};

	if (op == BPF_NEG)
		return insn;
	if (rng_one_in(rng, 2))
		insn.code |= BPF_X;
	else if (op == BPF_LSH || op == BPF_RSH)
		insn.k &= 31;
	else if (insn.k == 0)
		insn.k = 1;
	return insn;
}

static MAYBE struct sock_filter random_jump(struct rng *rng, unsigned room)
{
	static const uint16_t ops[] = {BPF_JA, BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
	uint16_t op = ops[rng_below(rng, ACCEL_ARRAY_LEN(ops))];
	struct sock_filter insn = {.code = BPF_JMP | op, .k = rng_number(rng)};

	if (op == BPF_JA) {
		insn.k = rng_below(rng, ACCEL_MIN(room, 3u));
		return insn;
	}
	if (rng_one_in(rng, 2))
		insn.code |= BPF_X;
	insn.jt = (uint8_t)rng_below(rng, ACCEL_MIN(room, 6u));
	insn.jf = (uint8_t)rng_below(rng, ACCEL_MIN(room, 6u));
	return insn;
}

static MAYBE struct sock_filter random_other(struct rng *rng, uint16_t cells)
{
	static const uint16_t codes[] = {
		BPF_LD | BPF_IMM,   BPF_LDX | BPF_IMM,	BPF_LD | BPF_LEN, BPF_LDX | BPF_LEN,
		BPF_LD | BPF_MEM,   BPF_LDX | BPF_MEM,	BPF_ST,		  BPF_STX,
		BPF_MISC | BPF_TAX, BPF_MISC | BPF_TXA, BPF_LD | BPF_ABS,
	};
	struct sock_filter insn = {.code = codes[rng_below(rng, ACCEL_ARRAY_LEN(codes))]};

	insn.k = rng_number(rng);
	if (insn.code == BPF_ST || insn.code == BPF_STX)
		insn.k = rng_below(rng, BPF_MEMWORDS);
	if (insn.code == (BPF_LD | BPF_ABS)) /* the one piece of metadata that needs no packet */
		insn.k = (uint32_t)(SKF_AD_OFF + SKF_AD_ALU_XOR_X);
	if (BPF_MODE(insn.code) == BPF_MEM && BPF_CLASS(insn.code) <= BPF_LDX) {
		insn.k = rng_below(rng, BPF_MEMWORDS);
		if (!(cells & 1u << insn.k))
			insn.code = BPF_CLASS(insn.code) | BPF_IMM;
	}
	return insn;
}

static MAYBE unsigned random_program(struct rng *rng, struct sock_filter *out, unsigned len)
{
	unsigned body = 2 + rng_below(rng, RANDOM_PROGRAM_MAX - 12), n = 0;
	uint16_t cells = 0;

	for (unsigned i = rng_below(rng, 4); i > 0; i--) {
		uint32_t cell = rng_below(rng, BPF_MEMWORDS);

		cells |= (uint16_t)(1u << cell);
		out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, rng_number(rng));
		out[n++] = (struct sock_filter)BPF_STMT(BPF_ST, cell);
	}
	for (unsigned end = n + body; n < end; n++) {
		uint32_t kind = rng_below(rng, 40);

		if (kind < 14)
			out[n] = random_load(rng, len);
		else if (kind < 24)
			out[n] = random_alu(rng);
		else if (kind < 30)
			out[n] = random_jump(rng, end - n);
		else if (kind < 39)
			out[n] = random_other(rng, cells);
		else
			out[n] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rng_number(rng));
	}
	out[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0);
	out[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, len + 1);
	out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	return n;
}

static MAYBE void random_bytes(struct rng *rng, uint8_t *out, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		out[i] = (uint8_t)(rng_one_in(rng, 4) ? 0 : rng_next(rng));
}

#endif
