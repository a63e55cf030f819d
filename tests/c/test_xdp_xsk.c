/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_xsk.c - AF_XDP sockets on a veth pair, in a network namespace of this process, with the
 * generated program in front of them: native and generic. Packets in, packets out, several buffers,
 * a full ring, a fork, a violent death, and each refusal with its sentence.
 *
 * Needs root; without it every test is skipped and says why. */
#define VETH_QUEUES "1"

#include "test_xdp_tags.h"
#include "test_xdp_veth.h"

#include "kern/xsk.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define N_FRAMES 256
#define JUMBO	 9000

/* A capture: maps, program, link, socket; and somebody at the other end. */
struct capture {
	int maps[ACCEL_N_MAPS];
	int prog, link, peer;
	struct accel_xsk xsk;
	struct accel_xdp_spec spec;
};

static void send_frame(const struct capture *c, const uint8_t *frame, unsigned len)
{
	assert_int_equal(send(c->peer, frame, len, 0), len);
}

/* Sleep until a descriptor can be taken. */
static bool wait_ready(struct accel_xsk *x, int ms)
{
	struct pollfd pfd = {.fd = x->fd, .events = POLLIN};

	return accel_xsk_ready(x) > 0 || (poll(&pfd, 1, ms) == 1 && accel_xsk_ready(x) > 0);
}

/* The next packet, its parts one behind the other; 0: none within `ms`. */
static unsigned receive(struct accel_xsk *x, uint8_t *out, int ms)
{
	unsigned len = 0;
	bool goes_on = true;

	while (goes_on) {
		const struct xdp_desc *desc;

		if (!wait_ready(x, ms))
			return 0;
		desc = accel_xsk_desc(x, 0);
		goes_on = desc->options & ACCEL_XSK_CONTINUES;
		memcpy(out + len, accel_xsk_data(x, desc), desc->len);
		len += desc->len;
		accel_xsk_give_back(x, desc->addr);
		accel_xsk_take(x, 1);
		accel_xsk_submit(x);
	}
	return len;
}

static void expect(struct accel_xsk *x, const uint8_t *frame, unsigned len)
{
	uint8_t got[JUMBO + 4096];
	unsigned n = receive(x, got, WAIT_MS);

	assert_int_equal(n, len);
	assert_memory_equal(got, frame, len);
}

static struct accel_xsk_request request(const struct capture *c)
{
	return (struct accel_xsk_request){.name = "xdp:accelx",
					  .ifindex = (int)ours,
					  .frame_len = 2048,
					  .n_rx_frames = N_FRAMES,
					  .n_tx_frames = 64,
					  .has_fragments = c->spec.has_fragments};
}

/* A new link drops what is sent until the kernel has got round to starting its queues. Afterwards
 * nothing is on its way any more. */
static void wait_for_link(struct capture *c)
{
	uint8_t frame[60], got[JUMBO + 4096];
	unsigned n = 0;

	make_frame(frame, sizeof(frame), 0);
	for (unsigned tries = 0; n == 0 && tries < WAIT_MS; tries++) {
		send_frame(c, frame, sizeof(frame));
		n = receive(&c->xsk, got, 1);
	}
	make_frame(frame, sizeof(frame), 1);
	send_frame(c, frame, sizeof(frame));
	while (n && got[59] != frame[59])
		n = receive(&c->xsk, got, WAIT_MS);
	assert_int_equal(n, sizeof(frame));
}

static void attach(struct capture *c, enum accel_xdp_attach how)
{
	uint32_t n_entries[ACCEL_N_MAPS] = {[ACCEL_MAP_SOCKETS] = 1, [ACCEL_MAP_RING] = 65536};

	for (unsigned i = 0; i < ACCEL_N_MAPS; i++)
		c->maps[i] = accel_bpf_map_open("test", (enum accel_ebpf_map)i, n_entries[i], NULL);
	c->prog = load_spec(&c->spec, c->maps);
	c->link = accel_bpf_link_open(c->prog, (int)ours, how);
	if (c->link < 0)
		fail_msg("attach %d: %s", how, strerror(-c->link));
}

static void detach(struct capture *c)
{
	close(c->link);
	close(c->prog);
	for (unsigned i = 0; i < ACCEL_N_MAPS; i++)
		close(c->maps[i]);
}

static void capture_init(struct capture *c, enum accel_xdp_attach how)
{
	struct accel_xsk_request rq = request(c);
	struct accel_err err;

	attach(c, how);
	c->peer = open_socket(theirs);
	if (accel_xsk_open(&c->xsk, &rq, &err))
		fail_msg("%s", err.text);
	assert_int_equal(accel_bpf_map_set(c->maps[ACCEL_MAP_SOCKETS], 0, &c->xsk.fd), 0);
	wait_for_link(c);
}

static void capture_fini(struct capture *c)
{
	accel_xsk_close(&c->xsk);
	close(c->peer);
	detach(c);
}

static struct capture udp_capture(void)
{
	return (struct capture){.spec = {.filter = udp_only,
					 .n_filter = ACCEL_ARRAY_LEN(udp_only),
					 .rest = ACCEL_XDP_PASS}};
}

/* What the filter keeps comes to us, many times round the rings; the rest goes to the host. */
static void test_receive(void **state)
{
	(void)state;
	need_veth();
	for (unsigned how = 0; how < 2; how++) {
		struct capture c = udp_capture();
		uint8_t frame[1500];
		struct accel_xsk_counts counts;

		capture_init(&c, how ? ACCEL_ATTACH_GENERIC : ACCEL_ATTACH_NATIVE);
		assert_false(c.xsk.is_zero_copy);
		for (unsigned i = 0; i < 3 * N_FRAMES; i++) {
			unsigned len = 60 + i * 13 % 1440;

			make_frame(frame, len, i);
			send_frame(&c, frame, len);
			expect(&c.xsk, frame, len);
		}
		frame[23] = IPPROTO_TCP;
		send_frame(&c, frame, 60);
		assert_false(wait_ready(&c.xsk, 50));
		assert_int_equal(accel_xsk_count(&c.xsk, &counts), 0);
		assert_int_equal(counts.dropped | counts.ring_full | counts.invalid, 0);
		capture_fini(&c);
	}
}

/* Packets of several buffers, and one that fills a frame to its last byte. */
static void test_jumbo(void **state)
{
	static const unsigned lens[] = {1792, 1793, 3584, 5000, JUMBO};

	(void)state;
	need_veth();
	assert_int_equal(system("ip link set accelx mtu 9000 && ip link set accely mtu 9000"), 0);
	for (unsigned how = 0; how < 2; how++) {
		struct capture c = udp_capture();
		uint8_t frame[JUMBO];

		c.spec.has_fragments = true;
		capture_init(&c, how ? ACCEL_ATTACH_GENERIC : ACCEL_ATTACH_NATIVE);
		for (unsigned i = 0; i < ACCEL_ARRAY_LEN(lens); i++) {
			make_frame(frame, lens[i], i);
			send_frame(&c, frame, lens[i]);
			expect(&c.xsk, frame, lens[i]);
		}
		capture_fini(&c);
	}
	assert_int_equal(system("ip link set accelx mtu 1500 && ip link set accely mtu 1500"), 0);
}

/* What we send arrives at the other end, more often than there are frames. */
static void test_send(void **state)
{
	struct capture c = udp_capture();
	uint8_t frame[200], got[2048];

	(void)state;
	need_veth();
	capture_init(&c, ACCEL_ATTACH_NATIVE);
	for (unsigned i = 0; i < 300; i++) {
		unsigned len = 60 + i % 140;
		struct pollfd pfd = {.fd = c.peer, .events = POLLIN};

		make_frame(frame, len, i);
		assert_int_equal(accel_xsk_send(&c.xsk, frame, len), 0);
		assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
		assert_int_equal(recv(c.peer, got, sizeof(got), 0), len);
		assert_memory_equal(got, frame, len);
	}
	assert_int_equal(accel_xsk_send(&c.xsk, got, accel_xsk_room(&c.xsk)), 0);
	assert_int_equal(accel_xsk_send(&c.xsk, got, accel_xsk_room(&c.xsk) + 1), -EMSGSIZE);
	capture_fini(&c);
}

/* Wait until n packets are in the ring or were lost at it. The pair's own queue is short: more must
 * not be on their way. */
static bool wait_arrived(const struct accel_xsk *x, unsigned n)
{
	struct accel_xsk_counts counts;

	for (unsigned tries = 0; tries < WAIT_MS; tries++) {
		unsigned there = accel_load_acquire(x->rx.producer) - x->rx.mine;

		assert_int_equal(accel_xsk_count(x, &counts), 0);
		if (there + counts.dropped + counts.ring_full == n)
			return true;
		usleep(1000);
	}
	return false;
}

/* What finds no frame is counted once. */
static void test_overflow(void **state)
{
	struct capture c = udp_capture();
	struct accel_xsk_counts counts = {0};
	uint8_t frame[60], got[JUMBO + 4096];
	unsigned n = 0;

	(void)state;
	need_veth();
	capture_init(&c, ACCEL_ATTACH_NATIVE);
	make_frame(frame, sizeof(frame), 1);
	for (unsigned i = 0; i < N_FRAMES + 100; i++) {
		send_frame(&c, frame, sizeof(frame));
		assert_true(wait_arrived(&c.xsk, i + 1));
	}
	assert_int_equal(accel_xsk_count(&c.xsk, &counts), 0);
	assert_int_equal(counts.dropped + counts.ring_full, 100);
	while (receive(&c.xsk, got, 0))
		n++;
	assert_int_equal(n, N_FRAMES);
	capture_fini(&c);
}

/* A child reads what the kernel writes after the fork, and goes on when its parent is gone. */
static void test_fork(void **state)
{
	struct capture c = udp_capture();
	uint8_t frame[300];
	int status;
	pid_t child;

	(void)state;
	need_veth();
	capture_init(&c, ACCEL_ATTACH_NATIVE);
	make_frame(frame, sizeof(frame), 77);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		uint8_t got[JUMBO + 4096];
		unsigned n;

		send(c.peer, frame, sizeof(frame), 0);
		n = receive(&c.xsk, got, WAIT_MS);
		_exit(n == sizeof(frame) && !memcmp(got, frame, n) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	capture_fini(&c);
}

/* Is an XDP program on the device? Ours cannot be put there then. */
static bool is_free(struct capture *c)
{
	int link = accel_bpf_link_open(c->prog, (int)ours, ACCEL_ATTACH_NATIVE);

	if (link >= 0)
		close(link);
	return link >= 0;
}

/* Killed, it leaves nothing behind: no program, and the queue is free again. */
static void test_kill(void **state)
{
	struct capture outer = udp_capture();
	int ready[2], status;
	char byte;
	pid_t child;

	(void)state;
	need_veth();
	attach(&outer, ACCEL_ATTACH_NATIVE); /* for its program */
	close(outer.link);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct capture c = udp_capture();

		capture_init(&c, ACCEL_ATTACH_NATIVE);
		assert_int_equal(write(ready[1], "r", 1), 1);
		pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_false(is_free(&outer));
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(is_free(&outer));
	outer.link = accel_bpf_link_open(outer.prog, (int)ours, ACCEL_ATTACH_NATIVE);
	detach(&outer);
	close(ready[0]);
	outer = udp_capture();
	capture_init(&outer, ACCEL_ATTACH_NATIVE); /* waits for the queue */
	capture_fini(&outer);
}

/* Programs one after the other under a stream of packets: each packet meets one of them. */
static void test_update(void **state)
{
	struct capture c = udp_capture();
	uint8_t frame[60], got[JUMBO + 4096];
	struct accel_xsk_counts counts;
	unsigned n_sent = 0, n_got = 0;

	(void)state;
	need_veth();
	capture_init(&c, ACCEL_ATTACH_NATIVE);
	make_frame(frame, sizeof(frame), 1);
	for (unsigned i = 0; i < 20; i++) {
		int prog = load_spec(&c.spec, c.maps);

		for (unsigned k = 0; k < 20; k++, n_sent++)
			send_frame(&c, frame, sizeof(frame));
		assert_int_equal(accel_bpf_link_update(c.link, prog), 0);
		close(c.prog);
		c.prog = prog;
		while (n_got < n_sent && receive(&c.xsk, got, WAIT_MS))
			n_got++;
		assert_int_equal(n_got, n_sent);
	}
	assert_int_equal(accel_xsk_count(&c.xsk, &counts), 0);
	assert_int_equal(counts.dropped | counts.ring_full, 0);
	capture_fini(&c);
}

/* What the device took off is in front of the packet: tag and time. */
static void test_tag(void **state)
{
	struct capture c = udp_capture();
	struct accel_ebpf_prog prog;
	struct accel_bpf_load load = {.name = "test",
				      .prog = &prog,
				      .map_fds = c.maps,
				      .flags = ACCEL_PROG_DEV_BOUND,
				      .ifindex = (int)ours};
	struct accel_xdp_meta meta;
	const struct xdp_desc *desc;
	int32_t ids[ACCEL_N_KFUNCS];
	uint8_t frame[60];
	int fd, pusher;

	(void)state;
	need_veth();
	if (accel_bpf_kfunc_ids(ids) < 0) {
		print_message("skipped: the kernel has no such functions (Linux 6.8)\n");
		skip();
	}
	capture_init(&c, ACCEL_ATTACH_NATIVE);
	c.spec.asks_vlan = true;
	c.spec.clock = ACCEL_XDP_CLOCK_MONOTONIC;
	c.spec.filter = NULL;
	c.spec.n_filter = 0;
	assert_int_equal(accel_xdp_generate(&c.spec, &prog, NULL), 0);
	load.kfunc_ids = ids;
	fd = accel_bpf_prog_open(&load, NULL);
	assert_true(fd >= 0);
	/* A program that is bound to a device replaces none that is not. */
	close(c.link);
	c.link = accel_bpf_link_open(fd, (int)ours, ACCEL_ATTACH_NATIVE);
	assert_true(c.link >= 0);
	make_frame(frame, sizeof(frame), 3);
	pusher = push_tags(theirs, 0x6064);
	assert_true(pusher >= 0);
	/* A device whose program is replaced may lose what comes meanwhile. */
	for (unsigned tries = 0; tries < WAIT_MS / 20; tries++) {
		send_frame(&c, frame, sizeof(frame));
		if (wait_ready(&c.xsk, 20))
			break;
	}
	assert_true(wait_ready(&c.xsk, 0));
	desc = accel_xsk_desc(&c.xsk, 0);
	memcpy(&meta, accel_xsk_data(&c.xsk, desc) - sizeof(meta), sizeof(meta));
	assert_int_equal(meta.magic, ACCEL_XDP_META_MAGIC);
	assert_int_equal(meta.tci, 0x6064);
	assert_int_equal(ntohs(meta.tpid), ETH_P_8021Q);
	assert_true(meta.time_ns > 0);
	assert_int_equal(desc->len, 60);
	assert_memory_equal(accel_xsk_data(&c.xsk, desc), frame, 60);
	close(pusher);
	close(fd);
	accel_ebpf_prog_fini(&prog);
	capture_fini(&c);
}

/* Each refusal has its sentence, and leaves nothing open. */
static void test_refusals(void **state)
{
	static const struct {
		struct accel_xsk_request change;
		int r;
		const char *text;
	} cases[] = {
		{{.queue = 7, .frame_len = 2048, .n_rx_frames = 64},
		 -EINVAL,
		 "xdp:accelx: cannot bind to queue 7: Invalid argument"},
		{{.frame_len = 1024, .n_rx_frames = 64},
		 -EINVAL,
		 "xdp:accelx: cannot register the frames: Invalid argument"},
		{{.frame_len = 2048, .n_rx_frames = 63},
		 -EINVAL,
		 "xdp:accelx: cannot make the rings of its AF_XDP socket: Invalid argument"},
		{{.frame_len = 2048, .n_rx_frames = 64, .zc = ACCEL_XSK_ZC_REQUIRE},
		 -EOPNOTSUPP,
		 "xdp:accelx: the driver has no zero copy (would be: zc=auto)"},
	};

	(void)state;
	need_veth();
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(cases); i++) {
		struct accel_xsk_request rq = cases[i].change;
		int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;
		struct accel_err err;
		struct accel_xsk x;

		close(before);
		rq.name = "xdp:accelx";
		rq.ifindex = (int)ours;
		assert_int_equal(accel_xsk_open(&x, &rq, &err), cases[i].r);
		assert_string_equal(err.text, cases[i].text);
		assert_int_equal(x.fd, -1);
		after = open("/dev/null", O_RDONLY | O_CLOEXEC);
		close(after);
		assert_int_equal(after, before);
	}
}

static void test_busy(void **state)
{
	struct capture c = udp_capture();
	struct accel_xsk_request rq;
	struct accel_err err;
	struct accel_xsk x;

	(void)state;
	need_veth();
	capture_init(&c, ACCEL_ATTACH_NATIVE);
	rq = request(&c);
	assert_int_equal(accel_xsk_open(&x, &rq, &err), -EBUSY);
	assert_string_equal(err.text, "xdp:accelx: queue 0 has an AF_XDP socket of another program "
				      "(use another queue, or end that program)");
	capture_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_receive),	 cmocka_unit_test(test_jumbo),
		cmocka_unit_test(test_send),	 cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_fork),	 cmocka_unit_test(test_kill),
		cmocka_unit_test(test_update),	 cmocka_unit_test(test_tag),
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_busy),
	};

	return cmocka_run_group_tests(tests, make_veth, NULL);
}
