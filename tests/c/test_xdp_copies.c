/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_copies.c - the AF_XDP engine where it copies: taps, whose packets the host gets too, and
 * sent packets. Bytes, tags, times, losses, and the host's share.
 *
 * Needs root; without it every test is skipped and says why. */
#define VETH_QUEUES "1"

#include "test_xdp_capture.h"
#include "test_xdp_tags.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

static bool epoll_fails;

static int *stops_at_clock; /* whoever asks for the time breaks the reader off */

/* The engine's own calls come here. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (stops_at_clock)
		*stops_at_clock = 1;
	return (int)syscall(SYS_clock_gettime, clock, ts);
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	if (epoll_fails) {
		errno = ENOMEM;
		return -1;
	}
	return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}

/* Of all that a capture has counted. */
static struct accel_stats count(const struct capture *c)
{
	struct accel_stats stats;

	(BE)->stats(c->st, &stats);
	return stats;
}

/* Every byte, many times round the smallest ring, by both reading functions; the host gets all. */
static void test_tap(void **state)
{
	struct capture c;
	uint8_t frame[1500];

	(void)state;
	open_linked(&c, "xdp:accelx?tap=yes,buffer=64KiB");
	for (unsigned i = 0; i < 600; i++) {
		unsigned len = 60 + i * 13 % 1440;
		struct accel_pkthdr hdr;
		const unsigned char *data;

		make_frame(frame, len, i);
		send_frame(&c, frame, len);
		while (!(BE)->next(c.st, &hdr, &data))
			assert_int_equal((BE)->wait(c.st, WAIT_MS, -1, &c.err), 1);
		assert_int_equal(hdr.len, len);
		assert_int_equal(hdr.caplen, len);
		assert_memory_equal(data, frame, len);
		((unsigned char *)(uintptr_t)data)[0] = 1; /* programs may */
		assert_true(host_gets(&c, WAIT_MS));
	}
	assert_int_equal(count(&c).dropped, 0);
	assert_int_equal(count(&c).received, count(&c).delivered);
	close_capture(&c);
}

/* A filter's snaplen, a packet that lay there when the filter came, and a tag that is put back. */
static void test_tap_filter(void **state)
{
	static const struct sock_filter cut = BPF_STMT(BPF_RET | BPF_K, 40);
	int32_t ids[ACCEL_N_KFUNCS];
	struct capture c;
	uint8_t frame[60];
	int pusher;

	(void)state;
	open_linked(&c, "xdp:accelx?tap=yes,buffer=1MiB");
	make_frame(frame, sizeof(frame), 1);
	frame[23] = IPPROTO_TCP;
	send_frame(&c, frame, sizeof(frame));
	assert_true(host_gets(&c, WAIT_MS));
	set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
	frame[23] = IPPROTO_UDP;
	send_frame(&c, frame, sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_memory_equal(c.seen[0].data, frame, sizeof(frame));
	set_filter(&c, &cut, 1);
	send_frame(&c, frame, sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_int_equal(c.seen[0].hdr.caplen, 40);
	assert_int_equal(c.seen[0].hdr.len, 60);
	if (accel_bpf_kfunc_ids(ids) == 0) {
		pusher = push_tags(theirs, 0x6064);
		assert_true(pusher >= 0);
		send_frame(&c, frame, sizeof(frame));
		assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
		assert_int_equal(c.seen[0].hdr.caplen, 44);
		assert_int_equal(c.seen[0].hdr.len, 64);
		assert_memory_equal(c.seen[0].data + 12, "\x81\x00\x60\x64", 4);
		assert_memory_equal(c.seen[0].data + 16, frame + 12, 28);
		close(pusher);
	}
	close_capture(&c);
}

/* Where the library filters, it has all of a packet that the filter asks for, however little the
 * program wants to see. */
static void test_tap_snaplen(void **state)
{
	struct sock_filter filter[1 + ACCEL_ARRAY_LEN(udp_only)] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RXHASH))};
	struct capture c;
	uint8_t frame[60];

	(void)state;
	need_veth();
	memcpy(filter + 1, udp_only, sizeof(udp_only));
	wanted_len = 16;
	open_capture(&c, "xdp:accelx?tap=yes");
	wanted_len = 262144;
	make_frame(frame, sizeof(frame), 1);
	for (unsigned tries = 0; !host_gets(&c, 20) && tries < WAIT_MS / 20; tries++)
		send_frame(&c, frame, sizeof(frame));
	set_filter(&c, filter, ACCEL_ARRAY_LEN(filter));
	frame[23] = IPPROTO_TCP;
	send_frame(&c, frame, sizeof(frame));
	frame[23] = IPPROTO_UDP;
	frame[15] = 77;
	send_frame(&c, frame, sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_int_equal(c.seen[0].hdr.caplen, 16);
	assert_int_equal(c.seen[0].hdr.len, 60);
	assert_memory_equal(c.seen[0].data, frame, 16);
	close_capture(&c);
}

/* Packets longer than a page, of several buffers. */
static void test_tap_jumbo(void **state)
{
	struct capture c;
	uint8_t frame[JUMBO];

	(void)state;
	need_veth();
	assert_int_equal(system("ip link set accelx mtu 9000 && ip link set accely mtu 9000"), 0);
	open_capture(&c, "xdp:accelx?tap=yes");
	wait_for_link(&c);
	for (unsigned len = 60; len < JUMBO; len += 1777) {
		make_frame(frame, len, len);
		send_frame(&c, frame, len);
		assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
		assert_int_equal(c.seen[0].hdr.len, len);
		assert_int_equal(c.seen[0].hdr.caplen, len);
		assert_memory_equal(c.seen[0].data, frame, len);
		assert_true(host_gets(&c, WAIT_MS));
	}
	close_capture(&c);
	assert_int_equal(system("ip link set accelx mtu 1500 && ip link set accely mtu 1500"), 0);
}

/* What finds the ring full is counted, and nothing that was in it is lost. */
static void test_tap_full(void **state)
{
	struct capture c;
	uint8_t frame[1400];
	unsigned n = 100;
	uint64_t lost;

	(void)state;
	open_linked(&c, "xdp:accelx?tap=yes,buffer=64KiB");
	for (unsigned i = 0; i < n; i++) {
		make_frame(frame, sizeof(frame), i);
		send_frame(&c, frame, sizeof(frame));
		assert_true(host_gets(&c, WAIT_MS));
	}
	lost = count(&c).dropped;
	assert_true(lost > 0 && lost < n);
	assert_int_equal(read_n(&c, n, 0), n - lost);
	for (unsigned i = 0; i < c.n; i++) {
		make_frame(frame, sizeof(frame), i); /* the first ones */
		assert_memory_equal(c.seen[i].data, frame, sizeof(frame));
	}
	assert_int_equal(count(&c).dropped, lost);
	close_capture(&c);
}

/* Packets in blocks that the side socket has handed over. */
static unsigned n_sent_there(const struct xdp *x)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < x->side.ring.n_blocks; i++) {
		const struct tpacket_hdr_v1 *block = accel_ring_block(&x->side.ring, i);

		n += accel_ring_is_ready(block) ? block->num_pkts : 0;
	}
	return n;
}

static void wait_sent(const struct xdp *x, unsigned n)
{
	const struct timespec apart = {.tv_nsec = 1000000};

	for (unsigned tries = 0; n_sent_there(x) < n && tries < WAIT_MS; tries++)
		nanosleep(&apart, NULL);
}

/* Sent and received packets by turns, a millisecond apart: they come in this order, whole. */
static void test_sent(void **state)
{
	const struct timespec apart = {.tv_nsec = 1000000};
	struct capture c;
	uint8_t frame[100];

	(void)state;
	open_linked(&c, "xdp:accelx?direction=inout");
	for (unsigned i = 0; i < 10; i++) {
		make_frame(frame, sizeof(frame), 2 * i);
		send_frame(&c, frame, sizeof(frame));
		wait_arrived(c.st, i + 1);
		nanosleep(&apart, NULL);
		make_frame(frame, sizeof(frame), 2 * i + 1);
		assert_int_equal(send(c.host, frame, sizeof(frame), 0), sizeof(frame));
		nanosleep(&apart, NULL);
	}
	wait_sent(c.st, 10);
	assert_int_equal(read_n(&c, 20, WAIT_MS), 20);
	for (unsigned i = 0; i < 20; i++) {
		make_frame(frame, sizeof(frame), i);
		assert_int_equal(c.seen[i].hdr.caplen, sizeof(frame));
		assert_memory_equal(c.seen[i].data, frame, sizeof(frame));
	}
	close_capture(&c);
}

/* A filter comes while a sent packet waits for its turn: it is judged, not lost. */
static void test_sent_before_filter(void **state)
{
	const struct timespec apart = {.tv_nsec = 1000000};
	struct capture c;
	uint8_t frame[60];

	(void)state;
	open_linked(&c, "xdp:accelx?direction=inout");
	make_frame(frame, sizeof(frame), 1);
	send_frame(&c, frame, sizeof(frame));
	wait_arrived(c.st, 1);
	nanosleep(&apart, NULL);
	make_frame(frame, sizeof(frame), 2);
	assert_int_equal(send(c.host, frame, sizeof(frame), 0), sizeof(frame));
	wait_sent(c.st, 1);
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_int_not_equal(c.seen[0].data[59], frame[59]);
	set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_memory_equal(c.seen[0].data, frame, sizeof(frame));
	close_capture(&c);
}

/* A sent packet that is not for the program; another waits behind a received one: that one is first. */
static void test_sent_in_order(void **state)
{
	const struct timespec apart = {.tv_nsec = 1000000};
	struct capture c;
	uint8_t frame[60];

	(void)state;
	open_linked(&c, "xdp:accelx?direction=inout");
	for (uint8_t i = 0; i < 3; i++) {
		make_frame(frame, sizeof(frame), i);
		frame[23] = i ? IPPROTO_UDP : IPPROTO_TCP;
		assert_int_equal(send(i == 1 ? c.peer : c.host, frame, sizeof(frame), 0),
				 sizeof(frame));
		nanosleep(&apart, NULL);
	}
	wait_arrived(c.st, 1);
	wait_sent(c.st, 2);
	set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
	assert_int_equal(read_n(&c, 2, WAIT_MS), 2);
	for (uint8_t i = 1; i < 3; i++) {
		make_frame(frame, sizeof(frame), i);
		assert_int_equal(c.seen[i - 1].data[59], frame[59]);
	}
	close_capture(&c);
}

/* Where all is left out, a read ends all the same: when it has looked at as much as the rings hold,
 * and when it is broken off. */
static void test_all_left_out(void **state)
{
	struct accel_pkthdr hdr;
	const unsigned char *data;
	struct capture c;
	struct xdp *x;
	uint8_t frame[60];

	(void)state;
	open_linked(&c, "xdp:accelx");
	x = c.st;
	make_frame(frame, sizeof(frame), 1);
	frame[23] = IPPROTO_TCP;
	for (unsigned i = 0; i < 8; i++)
		send_frame(&c, frame, sizeof(frame));
	frame[23] = IPPROTO_UDP;
	send_frame(&c, frame, sizeof(frame));
	wait_arrived(x, 9);
	set_filter(&c, udp_only, ACCEL_ARRAY_LEN(udp_only));
	x->most_a_read = 3;
	x->was_busy = true;
	assert_int_equal((BE)->next(x, &hdr, &data), 0);
	assert_false(x->was_busy); /* which would leave the rings alone for a while */
	wait_arrived(x, 6);
	assert_int_equal((BE)->read(x, 0, sink, (unsigned char *)&c), 0);
	wait_arrived(x, 3);
	for (unsigned i = 0; i < 2; i++) {
		stops_at_clock = &c.stop;
		assert_int_equal(i ? (BE)->next(x, &hdr, &data)
				   : (BE)->read(x, 0, sink, (unsigned char *)&c),
				 -EINTR);
		stops_at_clock = NULL;
		c.stop = 0;
		wait_arrived(x, 2 - i);
	}
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_memory_equal(c.seen[0].data, frame, sizeof(frame));
	close_capture(&c);
}

/* Turned to out, the capture takes nothing from the host; turned back, it does again. What lay there
 * in the other direction is left out. */
static void test_turn(void **state)
{
	struct capture c;
	uint8_t frame[60];

	(void)state;
	open_linked(&c, "xdp:accelx");
	make_frame(frame, sizeof(frame), 1);
	send_frame(&c, frame, sizeof(frame));
	wait_arrived(c.st, 1);
	assert_int_equal((BE)->set_direction(c.st, ACCEL_DIR_OUT, &c.err), 0);
	send_frame(&c, frame, sizeof(frame));
	assert_true(host_gets(&c, WAIT_MS));
	make_frame(frame, sizeof(frame), 3);
	assert_int_equal(send(c.host, frame, sizeof(frame), 0), sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_memory_equal(c.seen[0].data, frame, sizeof(frame));
	assert_int_equal(send(c.host, frame, sizeof(frame), 0), sizeof(frame));
	wait_sent(c.st, 1);
	assert_int_equal((BE)->set_direction(c.st, ACCEL_DIR_IN, &c.err), 0);
	assert_int_equal(send(c.host, frame, sizeof(frame), 0), sizeof(frame));
	assert_int_equal(read_n(&c, 1, 20), 0); /* and is armed by reading */
	make_frame(frame, sizeof(frame), 2);
	send_frame(&c, frame, sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_memory_equal(c.seen[0].data, frame, sizeof(frame));
	assert_false(host_gets(&c, 0));
	close_capture(&c);
}

static MAYBE void turn_without_memory(struct capture *c)
{
	struct rlimit before, none;

	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	none = (struct rlimit){1, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	assert_int_equal((BE)->set_direction(c->st, ACCEL_DIR_OUT, &c->err), -ENOMEM);
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	assert_string_equal(c->err.text,
			    "xdp:accelx: cannot map a ring of 8 MiB: Cannot allocate memory");
}

/* Sent packets cannot be had for a while: each time it says so, nothing is left behind, and the
 * program may ask once more. */
static void test_turn_again(void **state)
{
	struct capture c;
	uint8_t frame[60];

	(void)state;
	open_linked(&c, "xdp:accelx");
	epoll_fails = true;
	assert_int_equal((BE)->set_direction(c.st, ACCEL_DIR_OUT, &c.err), -ENOMEM);
	epoll_fails = false;
	assert_string_equal(c.err.text, "xdp:accelx: epoll: Cannot allocate memory");
#ifndef ACCEL_SANITIZED /* no limit of address space */
	turn_without_memory(&c);
#endif
	assert_int_equal((BE)->set_direction(c.st, ACCEL_DIR_OUT, &c.err), 0);
	make_frame(frame, sizeof(frame), 1);
	assert_int_equal(send(c.host, frame, sizeof(frame), 0), sizeof(frame));
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_memory_equal(c.seen[0].data, frame, sizeof(frame));
	close_capture(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tap),
		cmocka_unit_test(test_tap_filter),
		cmocka_unit_test(test_tap_snaplen),
		cmocka_unit_test(test_tap_full),
		cmocka_unit_test(test_tap_jumbo),
		cmocka_unit_test(test_sent),
		cmocka_unit_test(test_sent_before_filter),
		cmocka_unit_test(test_sent_in_order),
		cmocka_unit_test(test_all_left_out),
		cmocka_unit_test(test_turn),
		cmocka_unit_test(test_turn_again),
	};

	return cmocka_run_group_tests(tests, make_veth, NULL);
}
