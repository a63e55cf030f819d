/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_engine.c - the AF_XDP engine by its ops table, on a veth pair in a network namespace of
 * this process: what is taken and when, what the host keeps, filters, queues in order of time,
 * tags, long packets, sending, refusals, and that nothing is left.
 *
 * Needs root; without it every test is skipped and says why. */
#define VETH_QUEUES "4"

#include "test_xdp_capture.h"
#include "test_xdp_tags.h"

#include "bpf/xdp_group.h"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* What the engine says of itself, which depends on whether the kernel has functions for tags. */
static void expect_description(const struct capture *c, unsigned n_queues)
{
	int32_t ids[ACCEL_N_KFUNCS];
	bool has_tags = accel_bpf_kfunc_ids(ids) == 0;
	char text[256], want[256];

	snprintf(want, sizeof(want), "native XDP, copied, %u queues of %u frames of 2048 bytes%s",
		 n_queues, BUFFER / 2048 / n_queues, has_tags ? ", tags from the device" : "");
	(BE)->describe(c->st, text, sizeof(text));
	assert_string_equal(text, want);
}

/* Before the first filter or read the host gets all; then what the filter rejects; after close
 * all. */
static void test_arming(void **state)
{
	struct capture c;
	uint8_t frame[60];

	(void)state;
	need_veth();
	open_capture(&c, "xdp:accelx");
	make_frame(frame, sizeof(frame), 1);
	for (unsigned tries = 0; !host_gets(&c, 20) && tries < WAIT_MS / 20; tries++)
		send_frame(&c, frame, sizeof(frame));
	for (unsigned i = 0; i < 20; i++) {
		send_frame(&c, frame, sizeof(frame));
		assert_true(host_gets(&c, WAIT_MS));
	}
	set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
	send_frame(&c, frame, sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_false(host_gets(&c, 0));
	frame[23] = IPPROTO_TCP;
	send_frame(&c, frame, sizeof(frame));
	assert_true(host_gets(&c, WAIT_MS));
	assert_int_equal(read_n(&c, 1, 20), 0);
	(BE)->close(c.st);
	frame[23] = IPPROTO_UDP;
	for (unsigned tries = 0; !host_gets(&c, 20) && tries < WAIT_MS / 20; tries++)
		send_frame(&c, frame, sizeof(frame));
	send_frame(&c, frame, sizeof(frame));
	assert_true(host_gets(&c, WAIT_MS));
	free(c.st);
	accel_device_fini(&c.dev);
	accel_settings_fini(&c.set);
	close(c.peer);
	close(c.host);
}

/* Bytes, lengths and times are right; times do not go back. */
static void test_packets(void **state)
{
	struct capture c;
	uint8_t frame[1500];
	struct timespec before, after;
	struct accel_stats stats;

	(void)state;
	open_linked(&c, "xdp:accelx");
	for (unsigned i = 0; i < 1200; i++) { /* more than the ring holds */
		unsigned len = 60 + i * 13 % 1440;
		const struct accel_pkthdr *hdr = &c.seen[0].hdr;

		make_frame(frame, len, i);
		clock_gettime(CLOCK_REALTIME, &before);
		send_frame(&c, frame, len);
		assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
		clock_gettime(CLOCK_REALTIME, &after);
		assert_int_equal(hdr->caplen, len);
		assert_int_equal(hdr->len, len);
		assert_memory_equal(c.seen[0].data, frame, len);
		/* Two clocks were read one after the other: a microsecond is not worth a word. */
		assert_true(hdr->ts.tv_sec * 1000000l + hdr->ts.tv_usec + 1000 >=
			    before.tv_sec * 1000000l + before.tv_nsec / 1000);
		assert_true(hdr->ts.tv_sec * 1000000l + hdr->ts.tv_usec <=
			    after.tv_sec * 1000000l + after.tv_nsec / 1000 + 1000);
	}
	(BE)->stats(c.st, &stats);
	assert_true(stats.delivered >= 1201);
	assert_int_equal(stats.received, stats.delivered);
	assert_int_equal(stats.dropped, 0);
	close_capture(&c);
}

/* A lent packet stays as it is until the next one is asked for. */
static void test_next(void **state)
{
	struct accel_pkthdr hdr;
	const unsigned char *data;
	struct capture c;
	uint8_t frames[3][100];

	(void)state;
	need_veth();
	open_capture(&c, "xdp:accelx?rx_slots=256,batch=64"); /* 64 frames a queue */
	wait_for_link(&c);
	for (unsigned round = 0; round < 400; round++) {
		for (unsigned i = 0; i < 3; i++) {
			make_frame(frames[i], 100, round * 3 + i);
			send_frame(&c, frames[i], 100);
		}
		for (unsigned i = 0; i < 3; i++) {
			while (!(BE)->next(c.st, &hdr, &data))
				assert_int_equal((BE)->wait(c.st, WAIT_MS, -1, &c.err), 1);
			assert_int_equal(hdr.caplen, 100);
			assert_memory_equal(data, frames[i], 100);
		}
	}
	assert_int_equal((BE)->next(c.st, &hdr, &data), 0);
	close_capture(&c);
}

/* Packets of all queues that were handed out. */
static uint64_t count_of_queues(const struct capture *c)
{
	struct accel_queue_stats queues[4];
	uint64_t sum = 0;
	unsigned n_queues = (BE)->queue_stats(c->st, 0, queues, ACCEL_ARRAY_LEN(queues));

	for (unsigned i = 0; i < n_queues; i++)
		sum += queues[i].received;
	return sum;
}

/* Of the one packet that is there, and where it is. */
static struct xdp_desc *next_desc(struct xdp *x, uint8_t **data)
{
	struct xdp_desc *desc = NULL;

	wait_arrived(x, 1);
	for (unsigned i = 0; i < x->n_sockets; i++) {
		struct accel_xsk *xsk = &x->sockets[i].xsk;

		if (!accel_xsk_ready(xsk))
			continue;
		desc = (struct xdp_desc *)(uintptr_t)accel_xsk_desc(xsk, 0);
		*data = accel_xsk_data(xsk, desc);
	}
	return desc;
}

/* What lay in the ring when the filter came is judged by the new one. */
static void test_old_packets(void **state)
{
	struct capture c;
	uint64_t n_before;
	uint8_t frame[60];

	(void)state;
	open_linked(&c, "xdp:accelx");
	n_before = count_of_queues(&c);
	make_frame(frame, sizeof(frame), 1);
	for (unsigned i = 0; i < 10; i++) {
		frame[23] = i & 1 ? IPPROTO_TCP : IPPROTO_UDP;
		send_frame(&c, frame, sizeof(frame));
	}
	wait_arrived(c.st, 10);
	set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
	assert_int_equal(read_n(&c, 5, WAIT_MS), 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(c.seen[i].data[23], IPPROTO_UDP);
	assert_int_equal(read_n(&c, 1, 50), 0);
	/* What was judged and left out is not the program's. */
	assert_int_equal(count_of_queues(&c), n_before + 5);
	close_capture(&c);
}

/* A driver without room for the stamp: nobody knows when its packets came, so all are judged until
 * the rings were empty once and old ones cannot come any more. */
static void test_old_packets_without_stamps(void **state)
{
	struct capture c;
	struct xdp *x;
	uint8_t frame[60], *data;

	(void)state;
	open_linked(&c, "xdp:accelx");
	x = c.st;
	make_frame(frame, sizeof(frame), 1);
	frame[23] = IPPROTO_TCP;
	send_frame(&c, frame, sizeof(frame));
	wait_arrived(x, 1);
	set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
	next_desc(x, &data);
	((struct accel_xdp_meta *)data - 1)->magic = 0;
	x->settled_ns = 1;
	assert_int_equal(read_n(&c, 1, 20), 0);
	assert_int_equal(x->settled_ns, 0);
	close_capture(&c);
}

/* The end of a packet in several parts never comes: what came of it is given up, nobody spins, and
 * the next one is whole. */
static void test_lost_end(void **state)
{
	struct accel_stats stats;
	struct capture c;
	struct xdp *x;
	uint8_t frame[60], *data;

	(void)state;
	open_linked(&c, "xdp:accelx");
	x = c.st;
	make_frame(frame, sizeof(frame), 2);
	send_frame(&c, frame, sizeof(frame));
	next_desc(x, &data)->options |= ACCEL_XSK_CONTINUES;
	assert_int_equal((BE)->wait(x, 20, -1, &c.err), 0);
	make_frame(frame, sizeof(frame), 3);
	send_frame(&c, frame, sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_memory_equal(c.seen[0].data, frame, sizeof(frame));
	(BE)->stats(x, &stats);
	assert_int_equal(stats.dropped, 0);
	close_capture(&c);
}

static long us_of(const struct accel_pkthdr *hdr)
{
	return hdr->ts.tv_sec * 1000000l + hdr->ts.tv_usec;
}

static void open_with_stamps(struct capture *c, const char *name)
{
	char text[256];

	wanted_stamps = ACCEL_TSTAMP_ADAPTER_UNSYNCED;
	open_capture(c, name);
	wanted_stamps = ACCEL_TSTAMP_HOST;
	wait_for_link(c);
	(BE)->describe(c->st, text, sizeof(text));
	assert_non_null(strstr(text, ", time stamps from the device"));
}

/* A packet that the device has not stamped, as veth does not, is stamped by the host; what stood
 * in its frame before is no stamp. */
static void check_not_stamped(struct capture *c)
{
	const struct xdp *x = c->st;
	struct timespec before, after;
	uint8_t frame[60];

	for (unsigned i = 0; i < x->n_sockets; i++)
		memset(x->sockets[i].xsk.umem, 0x11, x->sockets[i].xsk.umem_len);
	make_frame(frame, sizeof(frame), 4);
	clock_gettime(CLOCK_REALTIME, &before);
	send_frame(c, frame, sizeof(frame));
	assert_int_equal(read_n(c, 1, WAIT_MS), 1);
	clock_gettime(CLOCK_REALTIME, &after);
	assert_memory_equal(c->seen[0].data, frame, sizeof(frame));
	assert_true(us_of(&c->seen[0].hdr) + 1000 >=
		    before.tv_sec * 1000000l + before.tv_nsec / 1000);
	assert_true(us_of(&c->seen[0].hdr) <=
		    after.tv_sec * 1000000l + after.tv_nsec / 1000 + 1000);
}

/* The device's stamps are passed on as they are. What is old, and which packet comes first, is told
 * by the host's clock. */
static void test_stamps(void **state)
{
	const uint64_t stamp = UINT64_C(4102444800123456789); /* in the year 2100 */
	int32_t ids[ACCEL_N_KFUNCS];
	struct capture c;
	uint8_t frame[60], *data;

	(void)state;
	need_veth();
	if (accel_bpf_kfunc_ids(ids) < 0) {
		print_message("skipped: the kernel has no such functions (Linux 6.8)\n");
		skip();
	}
	open_with_stamps(&c, "xdp:accelx?tap=yes");
	check_not_stamped(&c);
	close_capture(&c);
	open_with_stamps(&c, "xdp:accelx");
	check_not_stamped(&c);
	make_frame(frame, sizeof(frame), 1);
	for (unsigned round = 0; round < 2; round++) {
		send_frame(&c, frame, sizeof(frame));
		next_desc(c.st, &data);
		memcpy(data - sizeof(struct accel_xdp_meta) - sizeof(stamp), &stamp, sizeof(stamp));
		frame[26]++;
		send_frame(&c, frame, sizeof(frame));
		wait_arrived(c.st, 2);
		if (round == 0) {
			assert_int_equal(read_n(&c, 2, WAIT_MS), 2);
			assert_int_equal(us_of(&c.seen[0].hdr), stamp / 1000);
			assert_true(us_of(&c.seen[1].hdr) < us_of(&c.seen[0].hdr));
			assert_int_equal(c.seen[1].data[26], frame[26]);
			frame[23] = IPPROTO_TCP;
		}
	}
	set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
	assert_int_equal(read_n(&c, 1, 20), 0);
	close_capture(&c);
	wanted_stamps = ACCEL_TSTAMP_ADAPTER_UNSYNCED;
	assert_int_equal(try_open(&c, "xdp:accelx?attach=generic"), -EOPNOTSUPP);
	wanted_stamps = ACCEL_TSTAMP_HOST;
	assert_string_equal(c.err.text,
			    "xdp:accelx?attach=generic: 'accelx' gives XDP no time stamps of its "
			    "own (would be: type host, or attach=native)");
}

/* The filter's own snaplen, and one that cannot be had, which leaves the old one. */
static void test_filters(void **state)
{
	static const struct sock_filter cut = BPF_STMT(BPF_RET | BPF_K, 40);
	static const struct sock_filter hash[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RXHASH)),
		BPF_STMT(BPF_RET | BPF_A, 0)};
	struct capture c;
	uint8_t frame[60];

	(void)state;
	open_linked(&c, "xdp:accelx");
	make_frame(frame, sizeof(frame), 1);
	set_filter(&c, &cut, 1);
	send_frame(&c, frame, sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_int_equal(c.seen[0].hdr.caplen, 40);
	assert_int_equal(c.seen[0].hdr.len, 60);
	assert_int_equal((BE)->set_filter(c.st, hash, 2, &c.err), -EOPNOTSUPP);
	assert_memory_equal(c.err.text, "filter: instruction 0 reads the receive hash", 44);
	send_frame(&c, frame, sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_int_equal(c.seen[0].hdr.caplen, 40);
	set_filter(&c, NULL, 0);
	send_frame(&c, frame, sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_int_equal(c.seen[0].hdr.caplen, 60);
	close_capture(&c);
}

/* Queues that something came through. */
static unsigned n_used(const struct xdp *x)
{
	unsigned n = 0;

	for (unsigned i = 0; i < x->n_sockets; i++)
		n += x->sockets[i].xsk.rx.mine > 0;
	return n;
}

/* Four queues, one order: that of the times. */
static void test_queues(void **state)
{
	struct capture c;
	uint8_t frame[60];

	(void)state;
	need_veth();
	open_capture(&c, "xdp:accelx");
	expect_description(&c, 4);
	wait_for_link(&c);
	for (unsigned round = 0; round < 20; round++) {
		long last = 0;

		for (unsigned i = 0; i < 40; i++) {
			make_frame(frame, sizeof(frame), i);
			frame[26] = (uint8_t)i; /* the flow chooses the queue */
			send_frame(&c, frame, sizeof(frame));
		}
		wait_arrived(c.st, 40);
		assert_int_equal(read_n(&c, 40, WAIT_MS), 40);
		for (unsigned i = 0; i < 40; i++) {
			long at = c.seen[i].hdr.ts.tv_sec * 1000000l + c.seen[i].hdr.ts.tv_usec;

			assert_true(at >= last);
			last = at;
		}
	}
	assert_true(n_used(c.st) > 1); /* or there was nothing to put in order */
	close_capture(&c);
}

static void test_one_queue(void **state)
{
	struct capture c;

	(void)state;
	need_veth();
	open_capture(&c, "xdp:accelx@q1-2");
	expect_description(&c, 2);
	close_capture(&c);
	/* Of four queues that were made, two are in use. */
	if (system("ethtool -L accelx rx 2 tx 2 && ethtool -L accely rx 2 tx 2") == 0) {
		open_capture(&c, "xdp:accelx");
		expect_description(&c, 2);
		close_capture(&c);
		assert_int_equal(system("ethtool -L accelx rx 4 tx 4 && "
					"ethtool -L accely rx 4 tx 4"),
				 0);
	}
	assert_int_equal(try_open(&c, "xdp:accelx@q9"), -EINVAL);
	assert_string_equal(c.err.text,
			    "xdp:accelx@q9: 'accelx' has no receive queue 9 (would be: below 4)");
}

/* A tag that the device took off is put back, and the filter has seen it. */
static void test_tag(void **state)
{
	static const struct sock_filter tag_100[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfff),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 100, 0, 1), BPF_STMT(BPF_RET | BPF_K, 62),
		BPF_STMT(BPF_RET | BPF_K, 0)};
	struct capture c;
	int32_t ids[ACCEL_N_KFUNCS];
	uint8_t frame[60];
	int pusher;

	(void)state;
	need_veth();
	if (accel_bpf_kfunc_ids(ids) < 0) {
		print_message("skipped: the kernel has no such functions (Linux 6.8)\n");
		skip();
	}
	open_capture(&c, "xdp:accelx");
	wait_for_link(&c);
	set_filter(&c, tag_100, ACCEL_ARRAY_LEN(tag_100));
	pusher = push_tags(theirs, 0x6064);
	assert_true(pusher >= 0);
	make_frame(frame, sizeof(frame), 1);
	send_frame(&c, frame, sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_int_equal(c.seen[0].hdr.len, 64);
	assert_int_equal(c.seen[0].hdr.caplen, 64); /* the filter kept 62 without the tag */
	assert_memory_equal(c.seen[0].data, frame, 12);
	assert_memory_equal(c.seen[0].data + 12, "\x81\x00\x60\x64", 4);
	assert_memory_equal(c.seen[0].data + 16, frame + 12, 48);
	close(pusher);
	pusher = push_tags(theirs, 0x6065);
	drain(c.host);
	send_frame(&c, frame, sizeof(frame));
	assert_true(host_gets(&c, WAIT_MS));
	assert_int_equal(read_n(&c, 1, 20), 0);
	close(pusher);
	close_capture(&c);
}

static void test_jumbo(void **state)
{
	struct capture c;
	uint8_t frame[JUMBO];

	(void)state;
	need_veth();
	assert_int_equal(system("ip link set accelx mtu 9000 && ip link set accely mtu 9000"), 0);
	open_capture(&c, "xdp:accelx");
	wait_for_link(&c);
	for (unsigned len = 60; len < JUMBO; len += 777) {
		make_frame(frame, len, len);
		send_frame(&c, frame, len);
		assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
		assert_int_equal(c.seen[0].hdr.len, len);
		assert_int_equal(c.seen[0].hdr.caplen, len);
		assert_memory_equal(c.seen[0].data, frame, len);
	}
	close_capture(&c);
	assert_int_equal(system("ip link set accelx mtu 1500 && ip link set accely mtu 1500"), 0);
}

static void test_inject(void **state)
{
	struct capture c;
	uint8_t frame[200], got[2048];

	(void)state;
	open_linked(&c, "xdp:accelx");
	for (unsigned i = 0; i < 2100; i++) { /* more than there are frames */
		struct pollfd pfd = {.fd = c.peer, .events = POLLIN};

		make_frame(frame, sizeof(frame), i);
		assert_int_equal((BE)->inject(c.st, frame, sizeof(frame), &c.err), sizeof(frame));
		assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
		assert_int_equal(recv(c.peer, got, sizeof(got), 0), sizeof(frame));
		assert_memory_equal(got, frame, sizeof(frame));
	}
	assert_int_equal((BE)->inject(c.st, got, 2000, &c.err), -EMSGSIZE);
	close_capture(&c);
}

/* Each refusal in its words; the interface is as it was. */
static void test_refusals(void **state)
{
	static const struct {
		const char *device, *before, *after;
		int r;
		const char *text;
	} cases[] = {
		{"xdp:lo", "ip link set lo up", "true", -EINVAL,
		 "xdp:lo: nothing arrives at a loopback interface before the stack (would be: "
		 "afpacket:lo)"},
		{"xdp:accelx", "ip addr add 10.1.2.3/24 dev accelx", "ip addr flush dev accelx",
		 -EBUSY,
		 "xdp:accelx: would take packets from this host's own 'accelx': it has the address "
		 "10.1.2.3 (would be: an interface without one, afpacket:accelx, or divert=force)"},
		{"xdp:accelx", "ip link set accelx down", "ip link set accelx up", -ENETDOWN,
		 "accelx: That device is not up (ip link set accelx up)"},
	};
	struct capture c;

	(void)state;
	need_veth();
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(cases); i++) {
		assert_int_equal(system(cases[i].before), 0);
		assert_int_equal(try_open(&c, cases[i].device), cases[i].r);
		assert_string_equal(c.err.text, cases[i].text);
		assert_int_equal(system(cases[i].after), 0);
	}
}

/* A program of this name on the device, and the refusal. */
static void expect_foreign(const char *prog_name, const char *text)
{
	struct accel_xdp_spec spec = tell(NULL, 0);
	struct accel_ebpf_prog prog;
	struct accel_bpf_load load = {.name = "test", .prog_name = prog_name, .prog = &prog};
	struct capture c;
	int fd, link;

	assert_int_equal(accel_xdp_generate(&spec, &prog, NULL), 0);
	fd = accel_bpf_prog_open(&load, NULL);
	link = accel_bpf_link_open(fd, (int)ours, ACCEL_ATTACH_GENERIC);
	assert_true(link >= 0);
	assert_int_equal(try_open(&c, "xdp:accelx"), -EBUSY);
	assert_string_equal(c.err.text, text);
	close(link);
	close(fd);
	accel_ebpf_prog_fini(&prog);
}

/* Another process's program is named, and left alone. */
static void test_foreign_program(void **state)
{
	struct accel_xdp_spec spec = tell(NULL, 0);
	struct accel_bpf_info info;
	struct capture c;
	char want[256];
	int fd, link;

	(void)state;
	need_veth();
	fd = load_spec(&spec, NULL);
	link = accel_bpf_link_open(fd, (int)ours, ACCEL_ATTACH_GENERIC);
	assert_true(link >= 0);
	assert_int_equal(accel_bpf_prog_info(fd, &info), 0);
	assert_int_equal(try_open(&c, "xdp:accelx"), -EBUSY);
	snprintf(want, sizeof(want),
		 "xdp:accelx: 'accelx' has the XDP program %u 'pcap_accel' of another process (end "
		 "that process, 'ip link set dev accelx xdp off', or use afpacket:accelx)",
		 info.id);
	assert_string_equal(c.err.text, want);
	close(link);
	close(fd);
	expect_foreign("xdp_dispatcher",
		       "xdp:accelx: 'accelx' has programs behind libxdp's dispatcher ('xdp-loader "
		       "unload accelx --all', or use afpacket:accelx)");
}

static unsigned promiscuity(void)
{
	struct ifreq ifr = {.ifr_name = "accelx"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
	close(fd);
	return (unsigned)ifr.ifr_flags;
}

/* Nothing is left of a capture, nor of one that failed halfway: descriptors, programs, links. */
static void test_nothing_left(void **state)
{
	unsigned fds, flags;
	struct capture c;

	(void)state;
	need_veth();
	fds = count_fds();
	flags = promiscuity();
	for (unsigned i = 0; i < 2; i++) {
		open_capture(&c, "xdp:accelx");
		set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
		close_capture(&c);
		assert_int_equal(try_open(&c, "xdp:accelx@q0+9"), -EINVAL);
	}
	assert_int_equal(count_fds(), fds);
	assert_int_equal(promiscuity(), flags);
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* How long the rings are left alone: as long as the smallest of them, and the program's timeout,
 * allow; in immediate mode not at all. A reader to whom packets come sleeps for so long. */
static void test_naps(void **state)
{
	static const struct {
		const char *device;
		int timeout_ms;
		uint64_t nap_ns;
	} cases[] = {
		{"xdp:accelx?rx_slots=65536", 0, 16384 * 125}, /* of four queues */
		{"xdp:accelx?rx_slots=65536", 1000, 16384 * 125},
		{"xdp:accelx?rx_slots=65536", 1, 1000000},
		{"xdp:accelx?rx_slots=65536,timeout=1ms", 1000, 1000000},
		{"xdp:accelx@q0?rx_slots=65536", 0, 4000000},
		{"xdp:accelx?rx_slots=256", 0, 50000},
	};
	struct capture c;
	uint64_t start;
	uint8_t frame[60];

	(void)state;
	need_veth();
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(cases); i++) {
		struct xdp *x;

		open_capture(&c, cases[i].device);
		x = c.st;
		x->rq.timeout_ms = cases[i].timeout_ms;
		xdp_plan_naps(x);
		assert_int_equal(x->nap_ns, cases[i].nap_ns);
		x->rq.immediate = true;
		xdp_plan_naps(x);
		assert_int_equal(x->nap_ns, 0);
		close_capture(&c);
	}
	open_capture(&c, "xdp:accelx");
	wait_for_link(&c);
	((struct xdp *)c.st)->nap_ns = 20000000;
	make_frame(frame, sizeof(frame), 1);
	send_frame(&c, frame, sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	send_frame(&c, frame, sizeof(frame));
	start = monotonic_ns();
	assert_int_equal((BE)->wait(c.st, WAIT_MS, -1, &c.err), 1);
	assert_true(monotonic_ns() - start >= 20000000);
	close_capture(&c);
}

/* In a child: what may be locked is shared by the queues. */
static int open_with_little(void)
{
	const struct rlimit little = {BUFFER, BUFFER};
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	struct capture c;
	uint32_t n;

	if (setrlimit(RLIMIT_MEMLOCK, &little) || syscall(SYS_capget, &header, caps))
		return 1;
	caps[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
	if (syscall(SYS_capset, &header, caps))
		return 2;
	if (try_open(&c, "xdp:accelx")) {
		print_error("%s\n", c.err.text);
		return 3;
	}
	n = ((struct xdp *)c.st)->sockets[3].xsk.rx.mask + 1;
	(BE)->close(c.st);
	return n == BUFFER / 2048 / 8 ? 0 : 4; /* frames to send need some too */
}

static void test_locked_memory(void **state)
{
	int status;
	pid_t child;

	(void)state;
	need_veth();
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(open_with_little());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Have all privileges that this process may have, or none for a while. */
static void set_privileges(bool has_them)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	assert_int_equal(syscall(SYS_capget, &header, caps), 0);
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		caps[i].effective = has_them ? caps[i].permitted : 0;
	assert_int_equal(syscall(SYS_capset, &header, caps), 0);
}

/* The program of the capture that is on its first device: its own, or the one that interprets. */
static bool runs(const struct xdp *x, int prog_fd)
{
	const struct xdp_device *d = &x->devices[0];
	struct accel_bpf_info info;
	struct accel_host host;

	assert_int_equal(accel_bpf_prog_info(prog_fd, &info), 0);
	assert_int_equal(accel_host_look(d->link.name, d->link.ifindex, &host, NULL), 0);
	return host.xdp_prog_id == info.id;
}

/* Who sets no filter does not pay for one that could be told. */
static void test_plain_program(void **state)
{
	const struct xdp *x;
	struct capture c;

	(void)state;
	need_veth();
	open_capture(&c, "xdp:accelx");
	x = c.st;
	assert_true(x->devices[0].own_fd >= 0);
	assert_true(runs(x, x->devices[0].own_fd));
	set_privileges(false);
	set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
	set_privileges(true);
	assert_true(runs(x, x->devices[0].prog_fd));
	close_capture(&c);
}

/* Without privileges a filter is interpreted, and then that there is none. */
static void test_no_filter_any_more(void **state)
{
	struct capture c;
	uint8_t frame[60];

	(void)state;
	open_linked(&c, "xdp:accelx");
	make_frame(frame, sizeof(frame), 1);
	frame[23] = IPPROTO_TCP;
	set_privileges(false);
	set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
	send_frame(&c, frame, sizeof(frame));
	assert_true(host_gets(&c, WAIT_MS));
	set_filter(&c, NULL, 0);
	set_privileges(true);
	send_frame(&c, frame, sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_memory_equal(c.seen[0].data, frame, sizeof(frame));
	assert_int_equal(c.seen[0].hdr.caplen, sizeof(frame));
	close_capture(&c);
}

/* What this process has computed so far. */
static long cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Two devices in one handle; when one is removed, the other goes on. */
static void test_two_devices(void **state)
{
	struct capture c;
	uint8_t frame[60];
	long before;
	int other;

	(void)state;
	need_veth();
	assert_int_equal(system("ip link add accelp type veth peer name accelq && "
				"ip link set accelp up && ip link set accelq up"),
			 0);
	open_capture(&c, "xdp:accelx:accelp");
	wait_for_link(&c);
	other = open_socket(if_nametoindex("accelq"));
	make_frame(frame, sizeof(frame), 5);
	/* The second pair may need a moment until it carries frames. */
	for (unsigned tries = 0; tries < WAIT_MS; tries++) {
		assert_int_equal(send(other, frame, sizeof(frame), 0), sizeof(frame));
		if (read_n(&c, 1, 1))
			break;
	}
	assert_int_equal(c.n, 1);
	assert_memory_equal(c.seen[0].data, frame, sizeof(frame));
	make_frame(frame, sizeof(frame), 6);
	assert_int_equal(send(other, frame, sizeof(frame), 0), sizeof(frame));
	while (c.seen[0].data[59] != frame[59])
		assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_int_equal(system("ip link del accelp"), 0);
	for (unsigned i = 0; i < 20; i++) {
		make_frame(frame, sizeof(frame), i);
		send_frame(&c, frame, sizeof(frame));
		assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
		assert_memory_equal(c.seen[0].data, frame, sizeof(frame));
	}
	/* An idle capture sleeps, also beside a socket whose device has gone. */
	before = cpu_ms();
	assert_int_equal((BE)->wait(c.st, 300, -1, &c.err), 0);
	assert_true(cpu_ms() - before < 100);
	close(other);
	close_capture(&c);
}

/* The program of the second device cannot be replaced: both keep the filter that they had, whether
 * the new one is to be translated or interpreted. */
static void test_filter_of_two(void **state)
{
	struct sock_filter tcp_only[ACCEL_ARRAY_LEN(udp_only)];
	struct capture c;
	uint8_t frame[60];

	(void)state;
	need_veth();
	memcpy(tcp_only, udp_only, sizeof(tcp_only));
	tcp_only[1].k = IPPROTO_TCP;
	assert_int_equal(system("ip link add accelp type veth peer name accelq && "
				"ip link set accelp up && ip link set accelq up"),
			 0);
	open_capture(&c, "xdp:accelx:accelp");
	wait_for_link(&c);
	set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
	for (unsigned interprets = 0; interprets < 2; interprets++) {
		struct xdp *x = c.st;

		x->interprets = interprets;
		assert_true(dup2(x->control_fd, x->devices[1].link_fd) >= 0); /* no link */
		assert_int_equal((BE)->set_filter(x, tcp_only, ACCEL_ARRAY_LEN(tcp_only), &c.err),
				 -EINVAL);
		assert_string_equal(c.err.text,
				    "accelp: cannot replace the XDP program: Invalid argument");
		make_frame(frame, sizeof(frame), 1);
		frame[23] = IPPROTO_TCP;
		send_frame(&c, frame, sizeof(frame));
		assert_true(host_gets(&c, WAIT_MS));
		frame[23] = IPPROTO_UDP;
		send_frame(&c, frame, sizeof(frame));
		assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
		assert_int_equal(c.seen[0].data[23], IPPROTO_UDP);
	}
	close_capture(&c);
	assert_int_equal(system("ip link del accelp"), 0);
}

/* In a group a queue that cannot have the new filter leaves the old one on the others. */
static void test_filter_of_queues(void **state)
{
	struct sock_filter tcp_only[ACCEL_ARRAY_LEN(udp_only)];
	struct capture c;
	uint8_t frame[60];

	(void)state;
	need_veth();
	memcpy(tcp_only, udp_only, sizeof(tcp_only));
	tcp_only[1].k = IPPROTO_TCP;
	open_capture(&c, "xdp:accelx?group=9");
	wait_for_link(&c);
	set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
	make_frame(frame, sizeof(frame), 1);
	for (unsigned interprets = 0; interprets < 2; interprets++) {
		struct xdp *x = c.st;

		x->interprets = interprets;
		x->sockets[3].queue = ACCEL_XDP_MAX_QUEUES; /* no place in the table */
		assert_int_equal((BE)->set_filter(x, tcp_only, ACCEL_ARRAY_LEN(tcp_only), &c.err),
				 -E2BIG);
		x->sockets[3].queue = 3;
		for (unsigned i = 0; i < 40; i++) {
			frame[26] = (uint8_t)i; /* the flow chooses the queue */
			send_frame(&c, frame, sizeof(frame));
		}
		assert_int_equal(read_n(&c, 40, WAIT_MS / 5), 40);
		assert_true(n_used(x) > 1);
	}
	close_capture(&c);
}

/* A removed device ends the capture. */
static void test_gone(void **state)
{
	struct capture c;
	int r = 0;

	(void)state;
	open_linked(&c, "xdp:accelx");
	assert_int_equal(system("ip link del accelx"), 0);
	for (unsigned tries = 0; r >= 0 && tries < WAIT_MS; tries++) {
		((struct xdp *)c.st)->looked_ms = 0; /* it looks once a second */
		r = (BE)->wait(c.st, 1, -1, &c.err);
		if (r >= 0)
			(BE)->read(c.st, 0, sink, (unsigned char *)&c);
	}
	assert_int_equal(r, -ENODEV);
	assert_string_equal(c.err.text, "The interface disappeared");
	close_capture(&c);
	ours = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arming),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_old_packets),
		cmocka_unit_test(test_old_packets_without_stamps),
		cmocka_unit_test(test_lost_end),
		cmocka_unit_test(test_stamps),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_one_queue),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_jumbo),
		cmocka_unit_test(test_inject),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_foreign_program),
		cmocka_unit_test(test_nothing_left),
		cmocka_unit_test(test_two_devices),
		cmocka_unit_test(test_naps),
		cmocka_unit_test(test_locked_memory),
		cmocka_unit_test(test_plain_program),
		cmocka_unit_test(test_no_filter_any_more),
		cmocka_unit_test(test_filter_of_two),
		cmocka_unit_test(test_filter_of_queues),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests(tests, make_veth, NULL);
}
