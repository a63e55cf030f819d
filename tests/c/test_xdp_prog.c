/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_prog.c - whole XDP programs in the kernel: what happens to what the filter keeps, to the
 * rest, and to what the host must get; what the tap writes; what a capability less changes; links;
 * whose packet it is. */
#include "test_xdp.h"

#include "bpf/xdp_group.h"

#include <linux/if_packet.h>
#include <linux/in.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define N(a)	 ACCEL_ARRAY_LEN(a)
#define RING_LEN 65536
#define N_QUEUES 4

static unsigned veth; /* interface of N_QUEUES queues; 0: there is none */

static const struct sock_filter udp_only[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, 262144),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

struct maps {
	int fd[ACCEL_N_MAPS];
};

static void maps_init(struct maps *maps)
{
	static const uint32_t n_entries[ACCEL_N_MAPS] = {[ACCEL_MAP_SOCKETS] = N_QUEUES,
							 [ACCEL_MAP_RING] = RING_LEN,
							 [ACCEL_MAP_MEMBERS] = N_QUEUES};
	struct accel_err err;

	for (unsigned i = 0; i < ACCEL_N_MAPS; i++) {
		maps->fd[i] =
			accel_bpf_map_open("test", (enum accel_ebpf_map)i, n_entries[i], &err);
		if (maps->fd[i] < 0)
			fail_msg("%s", err.text);
	}
}

static void maps_fini(struct maps *maps)
{
	for (unsigned i = 0; i < ACCEL_N_MAPS; i++)
		close(maps->fd[i]);
}

static void make_udp(uint8_t *frame, unsigned len)
{
	static const uint8_t head[] = {2, 0, 0,	   0, 0, 2, 2, 0, 0, 0, 0, 1,
				       8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 9, IPPROTO_UDP};

	for (unsigned i = 0; i < len; i++)
		frame[i] = (uint8_t)i;
	memcpy(frame, head, sizeof(head));
}

static uint32_t run_at(int fd, const uint8_t *frame, uint32_t queue)
{
	struct accel_bpf_test test = {.data = frame, .len = 60, .ifindex = veth, .queue = queue};
	int r = accel_bpf_prog_test(fd, &test);

	if (r < 0)
		fail_msg("queue %u: %s", queue, strerror(-r));
	return test.retval;
}

/* A socket gets the packets of the queue at whose index it is; without one the host gets them. */
static void test_divert(void **state)
{
	struct accel_xdp_spec spec = tell(udp_only, N(udp_only));
	int sock, fd;
	struct maps maps;
	uint8_t frame[60];

	(void)state;
	need_bpf();
	if (!veth)
		skip();
	maps_init(&maps);
	spec.action = ACCEL_XDP_DIVERT;
	fd = load_spec(&spec, maps.fd);
	sock = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(sock >= 0);
	make_udp(frame, sizeof(frame));
	assert_int_equal(run_at(fd, frame, 2), ACCEL_XDP_PASS);
	assert_int_equal(accel_bpf_map_set(maps.fd[ACCEL_MAP_SOCKETS], 2, &sock), 0);
	assert_int_equal(run_at(fd, frame, 2), ACCEL_XDP_REDIRECT);
	assert_int_equal(run_at(fd, frame, 1), ACCEL_XDP_PASS);
	frame[23] = IPPROTO_TCP;
	assert_int_equal(run_at(fd, frame, 2), ACCEL_XDP_PASS);
	frame[23] = IPPROTO_UDP;
	assert_int_equal(accel_bpf_map_remove(maps.fd[ACCEL_MAP_SOCKETS], 2), 0);
	assert_int_equal(run_at(fd, frame, 2), ACCEL_XDP_PASS);
	assert_int_equal(accel_bpf_map_set(maps.fd[ACCEL_MAP_SOCKETS], N_QUEUES, &sock), -E2BIG);
	close(sock);
	close(fd);
	maps_fini(&maps);
}

/* rest=drop drops what the filter rejects, and neither what it keeps nor what the host must get. */
static void test_rest(void **state)
{
	static const struct sock_filter broadcast[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 0, 1), BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_K, 0)};
	struct accel_xdp_spec spec = tell(udp_only, N(udp_only));
	struct maps maps;
	uint8_t frame[60];
	int fd;

	(void)state;
	need_bpf();
	maps_init(&maps);
	spec.action = ACCEL_XDP_DIVERT;
	spec.rest = ACCEL_XDP_DROP;
	spec.keep = broadcast;
	spec.n_keep = N(broadcast);
	for (unsigned way = 0; way < 2; way++) {
		spec.has_fragments = way;
		fd = load_spec(&spec, maps.fd);
		make_udp(frame, sizeof(frame));
		assert_int_equal(run_program(fd, frame, 60, 0), ACCEL_XDP_PASS);
		frame[23] = IPPROTO_TCP;
		assert_int_equal(run_program(fd, frame, 60, 0), ACCEL_XDP_DROP);
		assert_int_equal(run_program(fd, frame, 20, 0), ACCEL_XDP_DROP);
		memset(frame, 255, 6);
		assert_int_equal(run_program(fd, frame, 60, 0), ACCEL_XDP_PASS);
		close(fd);
	}
	/* A member of a group that is no more has no socket. */
	spec.is_member = true;
	fd = load_spec(&spec, maps.fd);
	memset(frame, 0, 6);
	assert_int_equal(run_program(fd, frame, 60, 0), ACCEL_XDP_PASS);
	close(fd);
	maps_fini(&maps);
}

/* Metadata in front of the packet: the magic, and a time between two readings of the clock. */
static void test_meta(void **state)
{
	static const struct {
		enum accel_xdp_clock clock;
		clockid_t id;
	} clocks[] = {{ACCEL_XDP_CLOCK_MONOTONIC, CLOCK_MONOTONIC},
		      {ACCEL_XDP_CLOCK_TAI, CLOCK_TAI}};
	struct accel_xdp_spec spec = tell(NULL, 0);
	struct accel_xdp_meta meta;
	uint8_t frame[60], out[200];
	struct maps maps;

	(void)state;
	need_bpf();
	maps_init(&maps);
	make_udp(frame, sizeof(frame));
	spec.action = ACCEL_XDP_DIVERT;
	for (unsigned i = 0; i < N(clocks); i++) {
		struct accel_bpf_test test = {.data = frame, .len = 60, .out = out, .out_len = 200};
		struct timespec t;
		uint64_t before;
		int fd;

		spec.clock = clocks[i].clock;
		fd = load_spec(&spec, maps.fd);
		clock_gettime(clocks[i].id, &t);
		before = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
		assert_int_equal(accel_bpf_prog_test(fd, &test), 0);
		clock_gettime(clocks[i].id, &t);
		assert_int_equal(test.out_len, 60 + sizeof(meta));
		memcpy(&meta, out, sizeof(meta));
		assert_int_equal(meta.magic, ACCEL_XDP_META_MAGIC);
		assert_int_equal(meta.tpid | meta.tci, 0);
		assert_true(meta.time_ns >= before);
		assert_true(meta.time_ns <= (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
		assert_memory_equal(out + sizeof(meta), frame, 60);
		close(fd);
	}
	maps_fini(&maps);
}

/* The ring as its reader maps it: where the reader is, where the writer is, the data. */
struct ring {
	unsigned long *consumer;
	const unsigned long *producer;
	const uint8_t *data;
	size_t page;
};

static void ring_init(struct ring *ring, int fd)
{
	ring->page = (size_t)sysconf(_SC_PAGESIZE);
	ring->consumer = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(ring->consumer, MAP_FAILED);
	ring->producer =
		mmap(NULL, ring->page + 2 * RING_LEN, PROT_READ, MAP_SHARED, fd, (off_t)ring->page);
	assert_ptr_not_equal(ring->producer, MAP_FAILED);
	ring->data = (const uint8_t *)ring->producer + ring->page;
}

static void ring_fini(struct ring *ring)
{
	munmap(ring->consumer, ring->page);
	munmap((void *)ring->producer, ring->page + 2 * RING_LEN);
}

/* The next record's bytes and the room it takes, which is given back. */
static const uint8_t *next_record(struct ring *ring, uint32_t *len)
{
	const uint8_t *at = ring->data + *ring->consumer % RING_LEN;
	uint32_t head;

	if (*ring->consumer == accel_load_acquire(ring->producer)) /* the program has committed */
		return NULL;
	memcpy(&head, at, sizeof(head));
	assert_int_equal(head >> 30, 0); /* neither busy nor discarded */
	*len = head;
	accel_store_release(ring->consumer, *ring->consumer + ACCEL_ALIGN_UP(head + 8, 8));
	return at + 8;
}

/* The tap passes on, and copies what the filter keeps: no more than verdict, snaplen and packet. */
static void test_tap(void **state)
{
	static const struct {
		uint32_t verdict, snaplen, len, caplen, room;
	} cases[] = {
		{262144, 65535, 60, 60, 104},	    {262144, 65535, 104, 104, 104},
		{262144, 65535, 105, 105, 232},	    {262144, 65535, 1514, 1514, 1528},
		{262144, 65535, 9000, 9000, 65535}, {262144, 96, 1514, 96, 96},
		{262144, 1000, 1514, 1000, 1000},   {262144, 1000, 60, 60, 104},
		{68, 65535, 1514, 68, 104},	    {1, 65535, 60, 1, 104},
		{0xffffffff, 1, 60, 1, 1},
	};
	struct maps maps;
	struct ring ring;
	uint8_t frame[9000];

	(void)state;
	need_bpf();
	for (unsigned i = 0; i < 2 * N(cases); i++) {
		const uint32_t len = cases[i / 2].len, caplen = cases[i / 2].caplen;
		struct sock_filter filter = BPF_STMT(BPF_RET | BPF_K, cases[i / 2].verdict);
		struct accel_xdp_spec spec = tell(&filter, 1);
		struct accel_xdp_record record;
		const uint8_t *at;
		uint32_t room;
		int fd;

		maps_init(&maps);
		spec.action = ACCEL_XDP_TAP;
		spec.snaplen = cases[i / 2].snaplen;
		spec.has_fragments = i & 1 || len > FIRST_BUFFER;
		spec.clock = ACCEL_XDP_CLOCK_MONOTONIC;
		fd = load_spec(&spec, maps.fd);
		ring_init(&ring, maps.fd[ACCEL_MAP_RING]);
		make_udp(frame, len);
		assert_int_equal(run_program(fd, frame, len, 0), ACCEL_XDP_PASS);
		if (cases[i / 2].room + sizeof(record) + 8 > RING_LEN) {
			assert_null(next_record(&ring, &room));
		} else {
			at = next_record(&ring, &room);
			assert_non_null(at);
			memcpy(&record, at, sizeof(record));
			assert_int_equal(room, cases[i / 2].room + sizeof(record));
			assert_int_equal(record.len, len);
			assert_int_equal(record.caplen, caplen);
			assert_true(record.time_ns > 0);
			assert_int_equal(record.tci | record.tpid | record.queue, 0);
			assert_memory_equal(at + sizeof(record), frame, caplen);
			assert_null(next_record(&ring, &room));
		}
		ring_fini(&ring);
		close(fd);
		maps_fini(&maps);
	}
}

static uint64_t count_lost(const struct maps *maps)
{
	uint64_t per_cpu[256] = {0}, sum = 0;

	assert_int_equal(accel_bpf_map_get(maps->fd[ACCEL_MAP_LOST], 0, per_cpu), 0);
	for (unsigned i = 0; i < accel_bpf_cpus(); i++)
		sum += per_cpu[i];
	return sum;
}

/* What the ring has no room for is passed on, and counted. */
static void test_tap_full(void **state)
{
	struct accel_xdp_spec spec = tell(udp_only, N(udp_only));
	const unsigned n_fit = RING_LEN / (8 + sizeof(struct accel_xdp_record) + 104);
	struct maps maps;
	struct ring ring;
	uint8_t frame[60];
	uint32_t room;
	unsigned n = 0;
	int fd;

	(void)state;
	need_bpf();
	maps_init(&maps);
	make_udp(frame, sizeof(frame));
	spec.action = ACCEL_XDP_TAP;
	spec.snaplen = 2000;
	fd = load_spec(&spec, maps.fd);
	ring_init(&ring, maps.fd[ACCEL_MAP_RING]);
	for (unsigned i = 0; i < n_fit + 100; i++)
		assert_int_equal(run_program(fd, frame, 60, 0), ACCEL_XDP_PASS);
	while (next_record(&ring, &room))
		n++;
	assert_in_range(n, n_fit - 1, n_fit);
	assert_int_equal(count_lost(&maps), n_fit + 100 - n);
	frame[23] = IPPROTO_TCP;
	assert_int_equal(run_program(fd, frame, 60, 0), ACCEL_XDP_PASS);
	assert_null(next_record(&ring, &room));
	ring_fini(&ring);
	close(fd);
	maps_fini(&maps);
}

/* With CAP_BPF and CAP_NET_ADMIN alone a program may not move packet pointers by a variable: made
 * "by helper" it loads, filter, keep rules, metadata, tap, interpreter and all. */
static void test_few_capabilities(void **state)
{
	const uint64_t few = 1ull << CAP_BPF | 1ull << CAP_NET_ADMIN | 1ull << CAP_NET_RAW;
	struct accel_xdp_local local = {.n_v4 = 1, .v4 = {0x0a000001}};
	struct accel_ebpf_prog prog;
	struct accel_bpf_load load = {.name = "eth0", .prog = &prog};
	struct accel_xdp_spec spec = {.clock = ACCEL_XDP_CLOCK_MONOTONIC, .snaplen = 65535};
	struct accel_err err;
	struct maps maps;
	int fds[8], loaded[8];
	bool may_move, has_frags;

	(void)state;
	need_bpf();
	maps_init(&maps);
	assert_true(accel_bpf_may_move_pointers());
	assert_int_equal(
		accel_xdp_keep_rules(&local, (struct sock_filter **)&spec.keep, &spec.n_keep), 0);
	spec.filter = spec.keep; /* has loads of every kind that matters */
	spec.n_filter = spec.n_keep;
	load.map_fds = maps.fd;
	set_capabilities(~few);
	may_move = accel_bpf_may_move_pointers();
	has_frags = accel_bpf_has_frags();
	for (unsigned i = 0; i < N(fds); i++) {
		spec.by_helper = !may_move;
		spec.has_fragments = i & 1;
		spec.action = i & 2 ? ACCEL_XDP_TAP : ACCEL_XDP_DIVERT;
		spec.interprets = spec.is_gated = i & 4;
		load.flags = spec.has_fragments ? ACCEL_PROG_HAS_FRAGS : 0;
		loaded[i] = accel_xdp_generate(&spec, &prog, NULL);
		fds[i] = loaded[i] ? -1 : accel_bpf_prog_open(&load, &err);
		accel_ebpf_prog_fini(&prog);
	}
	set_capabilities(0);
	assert_true(has_frags);
	for (unsigned i = 0; i < N(fds); i++) {
		assert_int_equal(loaded[i], 0);
		if (fds[i] < 0)
			fail_msg("program %u: %s", i, err.text);
		close(fds[i]);
	}
	free((void *)spec.keep);
	maps_fini(&maps);
}

static void test_no_capability(void **state)
{
	static const char want[] =
		"eth0: the kernel lets this process have no XDP map (needs CAP_BPF, "
		"CAP_NET_ADMIN and CAP_NET_RAW: root has given some up here, so setcap "
		"cap_bpf,cap_net_admin,cap_net_raw+ep PROGRAM and start it as another user)";
	struct accel_err err;
	int fd;

	(void)state;
	need_bpf();
	set_capabilities(~0ull);
	fd = accel_bpf_map_open("eth0", ACCEL_MAP_RING, 4096, &err);
	set_capabilities(0);
	assert_int_equal(fd, -EPERM);
	assert_string_equal(err.text, want);
}

/* The verifier's reason is in the error's text. */
static void test_verifier_speaks(void **state)
{
	struct accel_ebpf_insn insns[] = {{.code = BPF_LDX | BPF_W | BPF_MEM, .dst = 0, .src = 5},
					  {.code = ACCEL_BPF_EXIT}};
	struct accel_ebpf_prog prog = {.insns = insns, .n_insns = 2};
	struct accel_bpf_load load = {.name = "eth0", .prog = &prog};
	struct accel_err err;

	(void)state;
	need_bpf();
	assert_int_equal(accel_bpf_prog_open(&load, &err), -EACCES);
	assert_string_equal(err.text, "eth0: the kernel refused the XDP program of 2 instructions: "
				      "R5 !read_ok");
}

static int attach(const struct accel_xdp_spec *spec, const struct maps *maps,
		  enum accel_xdp_attach how, int *prog_fd)
{
	*prog_fd = load_spec(spec, maps->fd);
	return accel_bpf_link_open(*prog_fd, (int)veth, how);
}

/* One link a device, whose program can be replaced, and which is gone with its descriptor. */
static void test_link(void **state)
{
	struct accel_xdp_spec spec = tell(udp_only, N(udp_only));
	struct accel_bpf_info info, by_id;
	struct maps maps;

	(void)state;
	need_bpf();
	if (!veth)
		skip();
	maps_init(&maps);
	spec.action = ACCEL_XDP_DIVERT;
	for (unsigned k = 0; k < 4; k++) {
		enum accel_xdp_attach how = k & 1 ? ACCEL_ATTACH_GENERIC : ACCEL_ATTACH_NATIVE;
		int prog[2], link, second;

		spec.has_fragments = k & 2;
		link = attach(&spec, &maps, how, &prog[0]);
		assert_true(link >= 0);
		second = attach(&spec, &maps, how, &prog[1]);
		assert_int_equal(second, -EBUSY);
		assert_int_equal(accel_bpf_link_update(link, prog[1]), 0);
		assert_int_equal(accel_bpf_prog_info(prog[1], &info), 0);
		assert_string_equal(info.name, "pcap_accel");
		assert_int_equal(accel_bpf_prog_info_by_id(info.id, &by_id), 0);
		assert_string_equal(by_id.name, "pcap_accel");
		close(prog[0]);
		close(prog[1]);
		assert_int_equal(accel_bpf_prog_info_by_id(info.id, &by_id), 0);
		close(link);
	}
	maps_fini(&maps);
}

/* The functions that give the VLAN tag and the device's time: bound to the device, native only. */
static void test_kfuncs(void **state)
{
	struct accel_xdp_spec spec = tell(udp_only, N(udp_only));
	struct accel_ebpf_prog prog;
	struct accel_bpf_load load = {
		.name = "test", .prog = &prog, .ifindex = (int)veth, .flags = ACCEL_PROG_DEV_BOUND};
	int32_t ids[ACCEL_N_KFUNCS];
	struct accel_err err;
	struct maps maps;
	int fd, link;

	(void)state;
	need_bpf();
	if (!veth)
		skip();
	if (accel_bpf_kfunc_ids(ids) < 0) {
		print_message("skipped: the kernel has no such functions (Linux 6.8)\n");
		skip();
	}
	maps_init(&maps);
	spec.action = ACCEL_XDP_DIVERT;
	spec.asks_vlan = true;
	spec.asks_stamp = true;
	assert_int_equal(accel_xdp_generate(&spec, &prog, NULL), 0);
	assert_int_equal(accel_ebpf_kfuncs(&prog), 3);
	load.map_fds = maps.fd;
	load.kfunc_ids = ids;
	fd = accel_bpf_prog_open(&load, &err);
	if (fd < 0)
		fail_msg("%s", err.text);
	assert_int_equal(accel_bpf_link_open(fd, (int)veth, ACCEL_ATTACH_GENERIC), -EINVAL);
	link = accel_bpf_link_open(fd, (int)veth, ACCEL_ATTACH_NATIVE);
	assert_true(link >= 0);
	close(link);
	close(fd);
	accel_ebpf_prog_fini(&prog);
	maps_fini(&maps);
}

/* A program that returns a number of its own. */
static int load_number(uint32_t number)
{
	struct accel_ebpf_prog prog = {0};
	struct accel_bpf_load load = {.name = "test", .prog = &prog};
	struct accel_easm as;
	int fd;

	accel_easm_init(&as);
	accel_easm_alu32_k(&as, ACCEL_BPF_MOV, ACCEL_R0, number);
	accel_easm_exit(&as);
	assert_int_equal(accel_easm_finish(&as, &prog), 0);
	accel_easm_fini(&as);
	fd = accel_bpf_prog_open(&load, NULL);
	assert_true(fd >= 0);
	accel_ebpf_prog_fini(&prog);
	return fd;
}

static int load_steer(const struct sock_filter *fanout, unsigned n, bool has_frags, const int *fds)
{
	struct accel_xdp_steer spec = {fanout, n, .has_fragments = has_frags};
	struct accel_ebpf_prog prog = {0};
	struct accel_bpf_load load = {.name = "test", .prog = &prog, .map_fds = fds};
	struct accel_err err = {0};
	int fd;

	assert_int_equal(accel_xdp_steer(&spec, &prog, &err), 0);
	fd = accel_bpf_prog_open(&load, &err);
	if (fd < 0)
		fail_msg("%s", err.text);
	accel_ebpf_prog_fini(&prog);
	return fd;
}

/* Among n members a packet is the one's that the interpreter's value names, modulo n; where the
 * program falls behind the packet's end the first one's; without members the host's. */
static void test_steer(void **state)
{
	static const struct sock_filter fanout[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_LL_OFF + 26),
		BPF_STMT(BPF_RET | BPF_A, 0)};
	struct accel_xdp_places *places;
	uint8_t frame[60];
	struct maps maps;
	int fd, member;

	(void)state;
	need_bpf();
	maps_init(&maps);
	places = accel_bpf_map_memory(maps.fd[ACCEL_MAP_PLACES], sizeof(*places));
	assert_non_null(places);
	make_udp(frame, sizeof(frame));
	for (unsigned way = 0; way < 2; way++) {
		fd = load_steer(fanout, N(fanout), way, maps.fd);
		places->n = 0;
		assert_int_equal(run_program(fd, frame, 60, 0), ACCEL_XDP_PASS);
		for (uint32_t n = 1; n <= N_QUEUES; n++) {
			member = load_number(100 + n - 1);
			assert_int_equal(
				accel_bpf_map_set(maps.fd[ACCEL_MAP_MEMBERS], n - 1, &member), 0);
			close(member);
			places->n = n;
			assert_int_equal(run_program(fd, frame, 20, 0), 100);
			for (unsigned i = 0; i < 32; i++) {
				uint32_t value;

				for (unsigned k = 26; k < 30; k++)
					frame[k] = (uint8_t)random();
				value = accel_bpf_run(fanout, frame, 60, 60, NULL);
				assert_int_equal(run_program(fd, frame, 60, 0), 100 + value % n);
			}
		}
		close(fd);
	}
	munmap(places, sizeof(*places));
	maps_fini(&maps);
}

static int make_veth(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) ||
	    system("ip link add accelx numrxqueues 4 numtxqueues 4 type veth"
		   " peer name accely numrxqueues 4 numtxqueues 4 2>&1 &&"
		   " ip link set accelx up && ip link set accely up"))
		return 0;
	veth = if_nametoindex("accelx");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_divert),	      cmocka_unit_test(test_rest),
		cmocka_unit_test(test_meta),	      cmocka_unit_test(test_tap),
		cmocka_unit_test(test_tap_full),      cmocka_unit_test(test_few_capabilities),
		cmocka_unit_test(test_no_capability), cmocka_unit_test(test_verifier_speaks),
		cmocka_unit_test(test_link),	      cmocka_unit_test(test_kfuncs),
		cmocka_unit_test(test_steer),
	};

	return cmocka_run_group_tests(tests, make_veth, NULL);
}
