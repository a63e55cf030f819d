/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bare: what XDP and AF_XDP can do at most on this machine, without what a capture has to do.
 *
 *	bare dev=IF         attach a program of two instructions that drops every packet
 *	bare dev=IF take=1  divert every packet of queue 0 into a socket: no filter, no time stamp, no
 *			    tag; 16384 frames of 2 KiB, emptied every two milliseconds, a byte touched
 *
 * Natively, with generic=1 generically.
 *
 * Protocol with the driver: prints "ready" when the program is attached, waits for a line, works
 * until SIGUSR1, prints one JSON line with what it took.
 *
 * One thread. Sources: bpf(2), Documentation/networking/af_xdp.rst.
 */
#include "driven.h"

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum {
	N_FRAMES = 16384,
	FRAME_LEN = 2048,
	TOUCH_OFFSET = 42, /* as in reader.c */
	NAP_NS = 2000000,
};

/* Indices run through all 32 bits. */
struct ring {
	uint32_t *producer, *consumer;
	void *entries;
};

struct receiver {
	int fd;
	uint8_t *umem;
	struct ring rx, fill;
	uint32_t taken;
	uint64_t n_packets;
};

static volatile sig_atomic_t stopped;
static volatile unsigned int touched; /* volatile, or the compiler drops the read of the payload */

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static int bpf(int command, union bpf_attr *attr)
{
	int r = (int)syscall(SYS_bpf, command, attr, sizeof(*attr));

	if (r < 0)
		fail("bpf");
	return r;
}

static int load_program(const struct bpf_insn *insns, uint32_t n)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = n;
	attr.license = (uintptr_t) "BSD";
	return bpf(BPF_PROG_LOAD, &attr);
}

static int load_dropper(void)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_DROP},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return load_program(insns, sizeof(insns) / sizeof(insns[0]));
}

/* bpf_redirect_map(map, 0, XDP_PASS) */
static int load_diverter(int map_fd)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_LD | BPF_IMM | BPF_DW,
		 .dst_reg = 1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = map_fd},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return load_program(insns, sizeof(insns) / sizeof(insns[0]));
}

static void attach(int prog_fd, unsigned ifindex, uint32_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)prog_fd;
	attr.link_create.target_ifindex = ifindex;
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = flags;
	bpf(BPF_LINK_CREATE, &attr);
}

static int make_map(int xsk_fd)
{
	const uint32_t key = 0;
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_XSKMAP;
	attr.key_size = attr.value_size = sizeof(uint32_t);
	attr.max_entries = 1;
	fd = bpf(BPF_MAP_CREATE, &attr);
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)&xsk_fd;
	bpf(BPF_MAP_UPDATE_ELEM, &attr);
	return fd;
}

static void set(int fd, int option, const void *value, socklen_t len)
{
	if (setsockopt(fd, SOL_XDP, option, value, len) < 0)
		fail("setsockopt");
}

static struct ring map_ring(int fd, const struct xdp_ring_offset *at, size_t entry_len, off_t where)
{
	uint8_t *map = mmap(NULL, at->desc + N_FRAMES * entry_len, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_POPULATE, fd, where);

	if (map == MAP_FAILED)
		fail("mmap");
	return (struct ring){(uint32_t *)(map + at->producer), (uint32_t *)(map + at->consumer),
			     map + at->desc};
}

static void open_receiver(struct receiver *r, unsigned ifindex)
{
	const int n = N_FRAMES;
	struct sockaddr_xdp address = {.sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY};
	struct xdp_mmap_offsets offsets;
	struct xdp_umem_reg reg;
	socklen_t len = sizeof(offsets);

	r->fd = socket(AF_XDP, SOCK_RAW, 0);
	r->umem = mmap(NULL, (size_t)N_FRAMES * FRAME_LEN, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (r->fd < 0 || r->umem == MAP_FAILED)
		fail("AF_XDP");
	memset(&reg, 0, sizeof(reg));
	reg.addr = (uintptr_t)r->umem;
	reg.len = (uint64_t)N_FRAMES * FRAME_LEN;
	reg.chunk_size = FRAME_LEN;
	set(r->fd, XDP_UMEM_REG, &reg, sizeof(reg));
	set(r->fd, XDP_UMEM_FILL_RING, &n, sizeof(n));
	set(r->fd, XDP_UMEM_COMPLETION_RING, &n, sizeof(n));
	set(r->fd, XDP_RX_RING, &n, sizeof(n));
	if (getsockopt(r->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &len) < 0)
		fail("getsockopt");
	r->rx = map_ring(r->fd, &offsets.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
	r->fill = map_ring(r->fd, &offsets.fr, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING);
	for (uint64_t i = 0; i < N_FRAMES; i++)
		((uint64_t *)r->fill.entries)[i] = i * FRAME_LEN;
	__atomic_store_n(r->fill.producer, N_FRAMES, __ATOMIC_RELEASE);
	address.sxdp_ifindex = ifindex;
	if (bind(r->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("bind");
}

/* As many frames as were taken are given back: the fill ring has the same length. The pairs of the
 * barriers are the kernel's, in net/xdp/xsk_queue.h. */
static void empty(struct receiver *r)
{
	const struct xdp_desc *descs = r->rx.entries;
	uint64_t *addresses = r->fill.entries;
	uint32_t end = __atomic_load_n(r->rx.producer, __ATOMIC_ACQUIRE);

	for (; r->taken != end; r->taken++) {
		const struct xdp_desc *desc = &descs[r->taken % N_FRAMES];

		touched += r->umem[desc->addr + TOUCH_OFFSET];
		addresses[r->taken % N_FRAMES] = desc->addr;
		r->n_packets++;
	}
	__atomic_store_n(r->rx.consumer, r->taken, __ATOMIC_RELEASE);
	__atomic_store_n(r->fill.producer, r->taken + N_FRAMES, __ATOMIC_RELEASE);
}

static void receive(struct receiver *r)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	int64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	while (!stopped) {
		if (r->umem)
			empty(r);
		nanosleep(&nap, NULL);
	}
	dprintf(STDOUT_FILENO, "{\"packets\": %llu, \"cpu_ns\": %lld}\n",
		(unsigned long long)r->n_packets,
		(long long)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu));
}

static void set_device(void *ifindex, const char *name)
{
	*(unsigned *)ifindex = if_nametoindex(name);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = stop};
	struct receiver r = {0};
	unsigned ifindex = 0;
	long take = 0, generic = 0;
	const struct driven_option table[] = {{"take", &take}, {"generic", &generic}, {NULL, NULL}};

	(void)argc;
	parse_options(argv + 1, table, &ifindex, set_device);
	if (!ifindex)
		fail("options");
	sigaction(SIGUSR1, &action, NULL);
	if (take)
		open_receiver(&r, ifindex);
	attach(take ? load_diverter(make_map(r.fd)) : load_dropper(), ifindex,
	       generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	await_go();
	receive(&r);
	return 0;
}
