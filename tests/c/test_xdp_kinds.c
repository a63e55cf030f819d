/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_kinds.c - which program runs a filter: one of its own, the first one by interpreting it,
 * or none, the library filtering; with privileges, after they have gone, and for filters that were
 * expected. Each must take what the filter says.
 *
 * Needs root; without it every test is skipped and says why. */
#define VETH_QUEUES "1"

#include "test_xdp_capture.h"

#define N(a) ACCEL_ARRAY_LEN(a)

static const struct sock_filter tcp_only[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, 262144),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static void send_of(const struct capture *c, uint8_t protocol)
{
	uint8_t frame[60];

	make_frame(frame, sizeof(frame), protocol);
	frame[23] = protocol;
	send_frame(c, frame, sizeof(frame));
}

/* The engine says how it filters, and takes `protocol` alone; the rest is the host's. */
static void expect(struct capture *c, const char *kind, uint8_t protocol)
{
	uint8_t other = protocol == IPPROTO_UDP ? IPPROTO_TCP : IPPROTO_UDP;
	char text[256];
	size_t len;

	(BE)->describe(c->st, text, sizeof(text));
	len = strlen(text);
	assert_true(len > strlen(kind));
	assert_string_equal(text + len - strlen(kind), kind);
	drain(c->host);
	send_of(c, other);
	assert_true(host_gets(c, WAIT_MS));
	send_of(c, protocol);
	assert_int_equal(read_n(c, 1, WAIT_MS), 1);
	assert_int_equal(c->seen[0].data[23], protocol);
	assert_false(host_gets(c, 0));
}

static void open_and_wait(struct capture *c, const char *name)
{
	need_veth();
	open_capture(c, name);
	wait_for_link(c);
}

/* A program of its own whenever the kernel takes one, else the interpreter, there and back. */
static void test_kinds(void **state)
{
	struct capture c;

	(void)state;
	open_and_wait(&c, "xdp:accelx");
	for (unsigned turn = 0; turn < 2; turn++) {
		set_filter(&c, udp_only, N(udp_only));
		expect(&c, ", translated filter", IPPROTO_UDP);
		set_capabilities(~0ull);
		set_filter(&c, tcp_only, N(tcp_only));
		expect(&c, ", interpreted filter", IPPROTO_TCP);
		set_filter(&c, udp_only, N(udp_only));
		expect(&c, ", interpreted filter", IPPROTO_UDP);
		set_capabilities(0);
		set_filter(&c, tcp_only, N(tcp_only));
		expect(&c, ", translated filter", IPPROTO_TCP);
	}
	close_capture(&c);
}

/* What was compiled before the privileges went has a program of its own, once; nothing else that
 * was loaded for it stays. */
static void test_expected(void **state)
{
	struct capture c;
	unsigned before, fds;

	(void)state;
	before = count_fds();
	open_and_wait(&c, "xdp:accelx");
	fds = count_fds();
	(BE)->expect_filter(c.st, udp_only, N(udp_only));
	(BE)->expect_filter(c.st, tcp_only, N(tcp_only));
	assert_int_equal(count_fds(), fds + 1);
	set_capabilities(~0ull);
	set_filter(&c, tcp_only, N(tcp_only));
	expect(&c, ", translated filter", IPPROTO_TCP);
	(BE)->expect_filter(c.st, tcp_only, N(tcp_only));
	(BE)->expect_filter(c.st, udp_only, N(udp_only));
	assert_int_equal(count_fds(), fds);
	set_filter(&c, udp_only, N(udp_only));
	expect(&c, ", interpreted filter", IPPROTO_UDP);
	fds--; /* the first program alone */
	assert_int_equal(count_fds(), fds);
	set_capabilities(0);
	(BE)->expect_filter(c.st, udp_only, N(udp_only)); /* is in force */
	assert_int_equal(count_fds(), fds);
	(BE)->expect_filter(c.st, tcp_only, N(tcp_only)); /* and never set */
	assert_int_equal(count_fds(), fds + 1);
	close_capture(&c);
	assert_int_equal(count_fds(), before);
}

/* The library filters what a tap's program cannot, whichever program ran before; a filter is never
 * written over the one that runs. */
static void test_tap(void **state)
{
	static const struct sock_filter loop[] = {
		BPF_STMT(BPF_JMP | BPF_JA, 1),
		BPF_STMT(BPF_RET | BPF_K, 262144),
		BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)-2),
	};
	struct capture c;
	uint32_t start;
	struct xdp *x;

	(void)state;
	open_and_wait(&c, "xdp:accelx?tap=yes");
	x = c.st;
	set_capabilities(~0ull);
	for (unsigned turn = 0; turn < 2; turn++) {
		set_filter(&c, udp_only, N(udp_only));
		start = x->control->start;
		set_filter(&c, tcp_only, N(tcp_only));
		assert_int_equal(x->control->start + start, 3 * ACCEL_XDP_MAX_OPS);
		set_filter(&c, loop, N(loop));
		assert_string_equal(xdp_filter_kind(x), ", filter in the library");
		send_of(&c, IPPROTO_UDP);
		assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
		assert_int_equal(c.seen[0].data[23], IPPROTO_UDP);
	}
	set_capabilities(0);
	close_capture(&c);
}

/* A kernel without an interpreter: without privileges the filter is refused, and the old one stays;
 * but where the host gets nothing, or everything, the library filters. */
static void test_old_kernel(void **state)
{
	struct capture c;

	(void)state;
	open_and_wait(&c, "xdp:accelx");
	set_filter(&c, udp_only, N(udp_only));
	((struct xdp *)c.st)->interprets = false;
	set_capabilities(~0ull);
	assert_int_equal((BE)->set_filter(c.st, tcp_only, N(tcp_only), &c.err), -EPERM);
	set_capabilities(0);
	assert_string_equal(c.err.text,
			    "xdp:accelx: this process has given up the privileges that a new XDP "
			    "program takes (keep CAP_BPF and CAP_NET_ADMIN, as tcpdump -Z root "
			    "does, or add rest=drop)");
	expect(&c, ", translated filter", IPPROTO_UDP);
	close_capture(&c);
	open_and_wait(&c, "xdp:accelx?rest=drop");
	((struct xdp *)c.st)->interprets = false;
	set_filter(&c, udp_only, N(udp_only));
	set_capabilities(~0ull);
	set_filter(&c, tcp_only, N(tcp_only)); /* the first program takes all again */
	set_capabilities(0);
	send_of(&c, IPPROTO_UDP);
	send_of(&c, IPPROTO_TCP);
	assert_int_equal(read_n(&c, 1, WAIT_MS), 1);
	assert_int_equal(c.seen[0].data[23], IPPROTO_TCP);
	assert_false(host_gets(&c, 0));
	close_capture(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_expected),
		cmocka_unit_test(test_tap),
		cmocka_unit_test(test_old_kernel),
	};

	return cmocka_run_group_tests(tests, make_veth, NULL);
}
