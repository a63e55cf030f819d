/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * live: frames as a network driver makes them. An XDP program is run on frames that exist in the
 * kernel only (BPF_F_TEST_XDP_LIVE_FRAMES) and redirects them into an interface; what its veth peer
 * then receives comes through NAPI as XDP frames, not as the socket buffers of a local sender. The
 * peer must have a native XDP program or GRO, or it drops them all.
 *
 *	live dev=IF ms=TIME [rate=PPS]
 *	live prog=ID
 *
 * 60 byte UDP frames of one flow. The payload begins with the frame's number, from 0; each
 * hundredth, 0 being the first, goes to port 7777, the others to port 9. Without a rate it goes as
 * fast as it can. All is one call, because one takes 25 ms to set up; so the program itself looks at
 * the clock, and drops frames for which it is too early.
 *
 * Protocol with the driver: prints "ready", waits for a line, sends, prints one JSON line. With a
 * program's number nothing is sent: that program is run a million times on the second of these
 * frames, and the line has the nanoseconds that a run took.
 *
 * One thread. Sources: bpf(2), Documentation/bpf/bpf_prog_run.rst.
 */
#include "driven.h"

#include <linux/bpf.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>

enum {
	FRAME = 60,
	PORT_OFFSET = 36,
	NUMBER_OFFSET = 42,
	PORT = 7777,
	OTHER_PORT = 9,
	EVERY = 100,	/* of so many frames one goes to PORT */
	RUNS = 1000000, /* of a program that is measured */
};

#define SETUP_NS    30000000  /* before a paced sender begins */
#define LIVE_FRAMES (1u << 1) /* BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18 */

/* What the program keeps between frames. */
struct state {
	uint64_t number;
	uint64_t to_go;	  /* frames until the next one for PORT */
	uint64_t next_ns; /* of the monotonic clock: when the next frame is due */
};

struct sender {
	long ifindex;
	long ms;
	long rate; /* packets a second, 0 is full speed */
	long prog; /* to be measured */
};

static uint8_t frame[FRAME] = {
	0x02, 0, 0,  0,	 0,    0x99, 0x02, 0, 0, 0, 0,	0x01, 0x08, 0x00, 0x45, 0, 0, 46, 0, 0,
	0x40, 0, 64, 17, 0x26, 0xad, 10,   9, 0, 1, 10, 9,    0,    2,	  4,	0, 0, 9,  0, 26,
};

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int make_map(void)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = sizeof(struct state);
	attr.max_entries = 1;
	fd = bpf(BPF_MAP_CREATE, &attr);
	if (fd < 0)
		fail("BPF_MAP_CREATE");
	return fd;
}

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define LOAD(size, d, s, o)  INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, s, o) INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define MOVE(d, s)	     INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i)	     INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD(d, i)	     INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)

/* r9 the state, r2 the frame, r6 its number, r7 frames to go, r8 the port. */
static int load_program(const struct sender *s, int map_fd)
{
	const int32_t gap_ns = s->rate ? (int32_t)(1000000000 / s->rate) : 0;
	const struct bpf_insn insns[] = {
		MOVE(6, 1),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 9, BPF_PSEUDO_MAP_VALUE, 0, map_fd),
		INSN(0, 0, 0, 0, 0),
		LOAD(BPF_DW, 7, 9, offsetof(struct state, next_ns)),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 5, 0), /* not paced */
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns),
		MOVE(1, 0),
		INSN(BPF_JMP | BPF_JGT | BPF_X, 7, 1, 23, 0), /* too early: to the drop */
		ADD(7, gap_ns),
		STORE(BPF_DW, 9, 7, offsetof(struct state, next_ns)),
		LOAD(BPF_W, 2, 6, offsetof(struct xdp_md, data)),
		LOAD(BPF_W, 3, 6, offsetof(struct xdp_md, data_end)),
		MOVE(4, 2),
		ADD(4, FRAME),
		INSN(BPF_JMP | BPF_JGT | BPF_X, 4, 3, 16, 0), /* to the drop */
		LOAD(BPF_DW, 6, 9, offsetof(struct state, number)),
		LOAD(BPF_DW, 7, 9, offsetof(struct state, to_go)),
		STORE(BPF_DW, 2, 6, NUMBER_OFFSET),
		SET(8, __builtin_bswap16(OTHER_PORT)),
		INSN(BPF_JMP | BPF_JNE | BPF_K, 7, 0, 2, 0),
		SET(8, __builtin_bswap16(PORT)),
		SET(7, EVERY),
		STORE(BPF_H, 2, 8, PORT_OFFSET),
		ADD(6, 1),
		ADD(7, -1),
		STORE(BPF_DW, 9, 6, offsetof(struct state, number)),
		STORE(BPF_DW, 9, 7, offsetof(struct state, to_go)),
		SET(1, (int)s->ifindex),
		SET(2, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
		SET(0, XDP_DROP),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = sizeof(insns) / sizeof(insns[0]);
	attr.license = (uintptr_t) "BSD";
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0)
		fail("BPF_PROG_LOAD");
	return fd;
}

static void set_device(void *sender, const char *name)
{
	struct sender *s = sender;

	s->ifindex = if_nametoindex(name);
	if (!s->ifindex)
		fail(name);
}

static void parse(struct sender *s, char **words)
{
	const struct driven_option table[] = {
		{"ms", &s->ms},
		{"rate", &s->rate},
		{"prog", &s->prog},
		{NULL, NULL},
	};

	parse_options(words, table, s, set_device);
	if (s->rate < 0 || (!s->prog && (!s->ifindex || s->ms <= 0)))
		fail("options");
}

/* Until the runs are over or a signal comes. */
static uint32_t run_program(int fd, uint32_t runs, uint32_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)fd;
	attr.test.data_in = (uintptr_t)frame;
	attr.test.data_size_in = FRAME;
	attr.test.repeat = runs;
	attr.test.flags = flags;
	if (bpf(BPF_PROG_TEST_RUN, &attr) < 0 && errno != EINTR)
		fail("BPF_PROG_TEST_RUN");
	return attr.test.duration;
}

static void access_state(int command, int map_fd, struct state *state)
{
	const uint32_t key = 0;
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map_fd;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)state;
	if (bpf(command, &attr) < 0)
		fail("state");
}

static void on_alarm(int signal_number)
{
	(void)signal_number;
}

/* The frame is one that goes to OTHER_PORT. */
static void measure(const struct sender *s)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = (uint32_t)s->prog;
	fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
	if (fd < 0)
		fail("BPF_PROG_GET_FD_BY_ID");
	run_program(fd, RUNS, 0);
	dprintf(STDOUT_FILENO, "{\"ns\": %u}\n", run_program(fd, RUNS, 0));
}

/* The time begins when the call does; what setting it up takes is a part of it. */
static void send_all(const struct sender *s, int prog_fd, int map_fd)
{
	struct itimerval timer = {.it_value = {s->ms / 1000, s->ms % 1000 * 1000}};
	struct sigaction action = {.sa_handler = on_alarm};
	struct state state = {0};
	int64_t wall, cpu;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	state.next_ns = s->rate ? (uint64_t)wall + SETUP_NS : 0;
	access_state(BPF_MAP_UPDATE_ELEM, map_fd, &state);
	run_program(prog_fd, INT32_MAX, LIVE_FRAMES);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wall = clock_ns(CLOCK_MONOTONIC) - wall;
	access_state(BPF_MAP_LOOKUP_ELEM, map_fd, &state);
	dprintf(STDOUT_FILENO, "{\"sent\": %llu, \"cpu_ns\": %lld, \"wall_ns\": %lld}\n",
		(unsigned long long)state.number, (long long)cpu, (long long)wall);
}

int main(int argc, char **argv)
{
	struct sender s = {0};
	int map_fd, prog_fd;

	(void)argc;
	parse(&s, argv + 1);
	map_fd = make_map();
	prog_fd = s.prog ? -1 : load_program(&s, map_fd);
	await_go();
	if (s.prog)
		measure(&s);
	else
		send_all(&s, prog_fd, map_fd);
	return 0;
}
