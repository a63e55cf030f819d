/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ring.c - the ring's reader on a real ring: UDP on `lo` in a network namespace of this
 * process, against what was sent.
 *
 * Threads: one. */
#include "test_lo.h"

#include "base/err.h"
#include "kern/psock.h"

static void open_retiring_ring(struct accel_psock *s, uint32_t n_blocks, uint32_t retire_ms)
{
	struct accel_ring_request rq = {
		.buffer_len = (uint64_t)n_blocks * 4096, .block_len = 4096, .retire_ms = retire_ms};

	need_lo();
	assert_int_equal(accel_psock_open(s, SOCK_DGRAM, NULL), 0);
	assert_int_equal(accel_psock_set_ring(s, "lo", &rq, NULL), 0);
	assert_int_equal(s->ring.n_blocks, n_blocks);
	assert_int_equal(accel_psock_set_option(s, PACKET_IGNORE_OUTGOING, 1), 0);
	assert_int_equal(accel_psock_bind(s, 1, ETH_P_IP), 0);
}

static void open_ring(struct accel_psock *s, uint32_t n_blocks)
{
	open_retiring_ring(s, n_blocks, 1);
}

/* The number in the payload, behind the IPv4 and UDP headers. */
static uint32_t number_of(const struct tpacket3_hdr *h)
{
	uint32_t number;

	memcpy(&number, (const uint8_t *)h + h->tp_mac + 28, sizeof(number));
	return number;
}

static void wait_readable(const struct accel_psock *s)
{
	assert_int_equal(poll(&(struct pollfd){.fd = s->fd, .events = POLLIN}, 1, 5000), 1);
}

/* Packets come out whole and in order while the ring goes round many times. */
static void test_order_over_many_rounds(void **state)
{
	struct accel_psock s;
	uint32_t seen = 0;

	(void)state;
	open_ring(&s, 4);
	for (uint32_t sent = 0; sent < 2000;) {
		for (int i = 0; i < 10; i++)
			send_number(sent++);
		while (seen < sent) {
			if (!accel_ring_open(&s.ring)) {
				wait_readable(&s);
				continue;
			}
			assert_int_equal(number_of(accel_ring_take(&s.ring)), seen);
			seen++;
		}
	}
	assert_int_equal(accel_psock_count(&s).packets, 2000);
	assert_int_equal(accel_psock_count(&s).drops, 0);
	accel_psock_close(&s);
}

/* A packet that was taken stays untouched until its block is given back, however much comes. */
static void test_lent_packet_stays(void **state)
{
	struct accel_psock s;
	struct tpacket3_hdr *lent;

	(void)state;
	open_ring(&s, 4);
	send_number(77);
	wait_readable(&s);
	assert_true(accel_ring_open(&s.ring));
	lent = accel_ring_take(&s.ring);
	for (uint32_t i = 0; i < 1000; i++)
		send_number(1000 + i);
	assert_int_equal(number_of(lent), 77);
	assert_true(s.ring.is_open);
	accel_psock_close(&s);
}

/* A full ring drops, the counters say how many, packets include the drops, and reading goes on. */
static void test_full_ring_counts(void **state)
{
	struct accel_psock_counts c;
	struct accel_psock s;
	uint32_t seen = 0;

	(void)state;
	open_ring(&s, 2);
	for (uint32_t i = 0; i < 500; i++)
		send_number(i);
	wait_readable(&s);
	c = accel_psock_count(&s);
	assert_int_equal(c.packets, 500);
	assert_true(c.drops > 0);
	assert_true(c.freezes > 0);
	while (accel_ring_open(&s.ring)) {
		accel_ring_take(&s.ring);
		seen++;
	}
	assert_int_equal(seen, c.packets - c.drops);
	/* Asked again, the sums stay: the kernel has cleared its own. */
	assert_int_equal(accel_psock_count(&s).packets, 500);
	send_number(9999);
	wait_readable(&s);
	assert_true(accel_ring_open(&s.ring));
	assert_int_equal(number_of(accel_ring_take(&s.ring)), 9999);
	accel_psock_close(&s);
}

/* Sums beyond 32 bits are kept whole. */
static void test_counts_beyond_32_bits(void **state)
{
	struct accel_psock s;

	(void)state;
	open_ring(&s, 2);
	s.counts.packets = UINT32_MAX;
	send_number(1);
	wait_readable(&s);
	assert_int_equal(accel_psock_count(&s).packets, UINT64_C(1) + UINT32_MAX);
	accel_psock_close(&s);
}

/* Block numbers grow by one, and the newest is the one being filled. */
static void test_block_numbers(void **state)
{
	struct accel_psock s;
	uint64_t first;

	(void)state;
	open_ring(&s, 4);
	send_number(1);
	wait_readable(&s);
	assert_true(accel_ring_open(&s.ring));
	first = accel_ring_seq(&s.ring);
	assert_true(accel_ring_newest(&s.ring) >= first);
	accel_ring_take(&s.ring);
	send_number(2);
	while (!accel_ring_open(&s.ring))
		wait_readable(&s);
	assert_int_equal(accel_ring_seq(&s.ring), first + 1);
	accel_psock_close(&s);
}

/* A ring that does not fit is refused when its size was named, and shrinks otherwise. */
static void test_ring_that_does_not_fit(void **state)
{
	struct accel_ring_request rq = {
		.buffer_len = UINT64_C(1) << 50, .retire_ms = 1, .must_fit = true};
	struct accel_psock s;
	struct accel_err err;

	(void)state;
	need_lo();
	assert_int_equal(accel_psock_open(&s, SOCK_RAW, &err), 0);
	assert_int_equal(accel_psock_set_ring(&s, "lo", &rq, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "lo: a ring of 1073741824 MiB does not fit"));
	assert_null(s.map);
	accel_psock_close(&s);
}

/* The size asked for is had, rounded up to whole blocks, and small rings have several. */
static void test_ring_sizes(void **state)
{
	static const struct {
		uint64_t asked, len;
		uint32_t block_len, retire_ms;
	} rows[] = {
		{64 << 20, 64 << 20, 1 << 20, 100},
		{2 << 20, 2 << 20, 256 << 10, 200},
		{1 << 20, 1 << 20, 128 << 10, 1000},
		{1, 128 << 10, 128 << 10, 1000},
		{(3 << 20) + 1, (3 << 20) + (256 << 10), 256 << 10, 1000},
		/* Where blocks are retired quickly there are more of them. */
		{64 << 20, 64 << 20, 256 << 10, 4},
		{64 << 20, 64 << 20, 128 << 10, 1},
	};
	struct accel_psock s;

	(void)state;
	need_lo();
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(rows); i++) {
		struct accel_ring_request rq = {.buffer_len = rows[i].asked,
						.retire_ms = rows[i].retire_ms};

		assert_int_equal(accel_psock_open(&s, SOCK_RAW, NULL), 0);
		assert_int_equal(accel_psock_set_ring(&s, "lo", &rq, NULL), 0);
		assert_int_equal(s.map_len, rows[i].len);
		assert_int_equal(s.ring.block_len, rows[i].block_len);
		accel_psock_close(&s);
	}
}

static void await_count(struct accel_psock *s, uint64_t n)
{
	while (accel_psock_count(s).packets < n)
		sched_yield();
}

/* Read what can be read, n packets at most: they go on from `seen`. */
static uint32_t read_on(struct accel_psock *s, uint32_t seen, uint32_t n)
{
	while (n-- > 0 && accel_ring_open(&s->ring))
		assert_int_equal(number_of(accel_ring_take(&s->ring)), seen++);
	return seen;
}

/* A reader that takes `step` packets after each 10 that are sent leaves some, in blocks that
 * were handed over, in an open one and in the one that the kernel is filling. After the socket was
 * closed the rest comes out, whole, in order, and nothing that had been given back. */
static void check_keeping(uint32_t n_blocks, uint32_t n_sent, uint32_t step)
{
	static const struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct accel_psock s;
	uint32_t seen = 0;

	/* A block is handed over when it is full: not before anybody looks at it here. */
	open_retiring_ring(&s, n_blocks, 60000);
	for (uint32_t sent = 0; sent < n_sent;) {
		send_number(sent++);
		await_count(&s, sent);
		if (sent % 10 == 0)
			seen = read_on(&s, seen, step);
	}
	assert_int_equal(accel_psock_attach(&s, &drop, 1), 0);
	assert_int_equal(accel_psock_count(&s).drops, 0);
	assert_int_equal(accel_psock_keep_unread(&s), 0);
	close(s.fd);
	s.fd = -1;
	assert_int_equal(read_on(&s, seen, UINT32_MAX), n_sent);
	assert_int_equal(read_on(&s, n_sent, UINT32_MAX), n_sent);
	accel_psock_close(&s);
}

static void test_unread_is_kept(void **state)
{
	(void)state;
	check_keeping(4, 0, 0);
	check_keeping(2, 1, 0);
	for (uint32_t n = 10; n <= 70; n++)
		check_keeping(8, n, n % 10);
	for (uint32_t n = 290; n <= 330; n++) /* many times round */
		check_keeping(4, n, 10);
}

/* Of a ring that became full, too, everything that is in it. */
static void test_full_ring_is_kept(void **state)
{
	struct accel_psock_counts c;
	struct accel_psock s;

	(void)state;
	open_retiring_ring(&s, 4, 60000);
	for (uint32_t i = 0; i < 500; i++)
		send_number(i);
	await_count(&s, 500);
	c = accel_psock_count(&s);
	assert_true(c.drops > 0);
	assert_int_equal(accel_psock_keep_unread(&s), 0);
	assert_int_equal(read_on(&s, 0, UINT32_MAX), c.packets - c.drops);
	accel_psock_close(&s);
}

/* A full ring of one block that was given back is still the newest: it is empty all the same. */
static void test_nothing_is_kept_twice(void **state)
{
	struct accel_psock s;

	(void)state;
	open_retiring_ring(&s, 1, 60000);
	for (uint32_t i = 0; i < 500; i++)
		send_number(i);
	await_count(&s, 500);
	assert_true(read_on(&s, 0, UINT32_MAX) > 0);
	assert_int_equal(accel_psock_keep_unread(&s), 0);
	assert_int_equal(read_on(&s, 0, UINT32_MAX), 0);
	accel_psock_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_over_many_rounds),
		cmocka_unit_test(test_lent_packet_stays),
		cmocka_unit_test(test_full_ring_counts),
		cmocka_unit_test(test_counts_beyond_32_bits),
		cmocka_unit_test(test_block_numbers),
		cmocka_unit_test(test_ring_that_does_not_fit),
		cmocka_unit_test(test_ring_sizes),
		cmocka_unit_test(test_unread_is_kept),
		cmocka_unit_test(test_full_ring_is_kept),
		cmocka_unit_test(test_nothing_is_kept_twice),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
