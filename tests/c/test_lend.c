/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lend.c - blocks of a real ring, lent and held: their bytes against what was sent, and what is
 * mapped.
 *
 * Threads: one. */
#include "test_lend.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* The page of an address, as /proc/self/maps has it. */
static bool is_read_only(const void *at)
{
	FILE *file = fopen("/proc/self/maps", "re");
	uintptr_t page = (uintptr_t)at;
	unsigned long from, to;
	char line[512], rights[5];
	bool found = false;

	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file)) {
		assert_int_equal(sscanf(line, "%lx-%lx %4s", &from, &to, rights), 3);
		found = from <= page && page < to;
	}
	fclose(file);
	return found && rights[1] == '-';
}

/* A hundred rounds of the ring: everything that was sent is read once and in order, nothing is
 * dropped, and what is held, of each block or of few, for long or for ever, is as it was. */
static void check_rounds(uint32_t n_blocks, unsigned n_held, uint32_t max)
{
	struct held *held = calloc(n_held, sizeof(*held));
	uint32_t sent = 0, seen = 0, n = 0, n_lent = 0;
	struct accel_psock s;
	struct held h;

	open_ring(&s, n_blocks);
	while (sent < 100 * n_blocks * PER_BLOCK) {
		send_block(&sent);
		while (borrow(&s, max, &seen, &h)) {
			if (!h.loan)
				continue;
			n_lent++;
			check_held(&h);
			n = (n * 1103515245 + 12345) % n_held;
			if (held[n].loan && n % 16)
				give_back(&held[n]);
			if (held[n].loan)
				give_back(&h);
			else
				held[n] = h;
		}
	}
	assert_true(n_lent >= sent / PER_BLOCK - 1);
	read_rest(&s, seen, sent);
	accel_psock_close(&s);
	assert_int_equal(mapped_blocks(), 0);
	for (n = 0; n < n_held; n++)
		if (held[n].loan)
			give_back(&held[n]);
	free(held);
}

static void test_held_while_the_ring_wraps(void **state)
{
	(void)state;
	check_rounds(8, 1, UINT32_MAX);
	check_rounds(8, 3, UINT32_MAX);
	check_rounds(8, 64, UINT32_MAX);
	check_rounds(8, 64, 3); /* several loans of a block */
}

/* Whoever holds the newest block is not told that there is one: not even once. */
static void test_held_block_is_not_readable(void **state)
{
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h, next;

	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	wait_readable(&s);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	assert_non_null(h.loan);
	assert_false(is_readable(&s));
	assert_false(borrow(&s, UINT32_MAX, &seen, &next));
	send_block(&sent);
	assert_true(is_readable(&s));
	assert_true(borrow(&s, 1, &seen, &next));
	assert_true(is_readable(&s)); /* it is not read to its end */
	give_back(&h);
	give_back(&next);
	read_rest(&s, seen, sent);
	accel_psock_close(&s);
}

/* No copy for who keeps up, one for who does not: of the ring a quarter is lent. */
static void test_a_quarter_is_lent(void **state)
{
	struct held held[16] = {0};
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;

	(void)state;
	open_ring(&s, 16);
	for (int i = 0; i < 16; i++) {
		send_block(&sent);
		assert_true(borrow(&s, UINT32_MAX, &seen, &held[i]));
		/* The reader's mapping, and that of the loans, where copies take their places. */
		assert_int_equal(mapped_blocks(), 32 - (i < 4 ? 0 : i - 3));
	}
	for (int i = 0; i < 16; i++)
		give_back(&held[i]);
	read_rest(&s, seen, sent);
	accel_psock_close(&s);
	assert_int_equal(mapped_blocks(), 0);
}

/* Nothing is left of a ring that was closed and of its loans, whichever goes first. */
static void test_nothing_is_left(void **state)
{
	int n_maps = 0, fd;

	(void)state;
	for (int round = 0; round < 4; round++) {
		struct held held[32] = {0};
		uint32_t sent = 0, seen = 0;
		struct accel_psock s;

		open_ring(&s, 8);
		for (int i = 0; i < 32; i++) {
			send_block(&sent);
			assert_true(borrow(&s, UINT32_MAX, &seen, &held[i]));
		}
		for (int i = round % 2; i < 32; i += 2)
			give_back(&held[i]);
		accel_psock_close(&s);
		/* A mapping would keep the socket, and what it does to the device. */
		assert_int_equal(mapped_blocks(), 0);
		for (int i = 0; i < 32; i++)
			if (held[i].loan)
				give_back(&held[i]);
		if (round == 1) /* by then every allocator has what it keeps */
			n_maps = count_maps("").n;
	}
	assert_in_range(count_maps("").n, n_maps - 2, n_maps + 2);
	fd = dup(lo_fd);
	assert_true(fd >= 0 && fd < 32);
	close(fd);
}

/* A block that is parted while it is being read: what is taken later is a loan of its own. */
static void test_kept_in_the_middle(void **state)
{
	struct held first, second;
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;

	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, 2, &seen, &first));
	assert_true(is_read_only(first.data));
	assert_int_equal(accel_loan_keep(first.loan), 0);
	assert_int_equal(accel_loan_keep(first.loan), 0);
	assert_true(is_read_only(first.data));
	assert_true(borrow(&s, 2, &seen, &second));
	assert_ptr_not_equal(first.data, second.data);
	give_back(&second);
	for (int i = 0; i < 40; i++) {
		send_block(&sent);
		while (borrow(&s, UINT32_MAX, &seen, &second))
			if (second.loan)
				give_back(&second);
	}
	give_back(&first);
	read_rest(&s, seen, sent);
	accel_psock_close(&s);
}

/* Short blocks and small rings are copied by whoever asks. */
static void test_not_lent(void **state)
{
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h;

	(void)state;
	open_ring(&s, 7);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	assert_null(h.loan);
	accel_psock_close(&s);
	sent = seen = 0;
	open_retiring_ring(&s, 8, 1);
	send_payload(sent++);
	wait_readable(&s);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	assert_null(h.loan);
	accel_psock_close(&s);
}

/* A ring that was full is read to its end; what of it is held stays. */
static void test_full_ring(void **state)
{
	struct held held[64] = {0};
	uint32_t n = 0, seen = 0, sent = 0, number;
	const struct tpacket3_hdr *p;
	struct accel_psock s;

	(void)state;
	open_ring(&s, 8);
	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < 12; i++)
			send_block(&sent);
		assert_true(accel_psock_count(&s).drops > 0);
		while (borrow(&s, UINT32_MAX, &seen, &held[n]))
			n += held[n].loan != NULL;
		/* What comes now is the first behind the gap. */
		send_block(&sent);
		assert_true(accel_ring_open(&s.ring));
		p = (const struct tpacket3_hdr *)s.ring.pkt;
		memcpy(&number, (const uint8_t *)p + p->tp_mac + 28, sizeof(number));
		assert_in_range(number, seen, sent - 1);
		seen = number;
	}
	assert_true(n > 6);
	accel_psock_close(&s);
	while (n-- > 0)
		give_back(&held[n]);
}

/* From now on no memory can be had. The limit that there was. */
static struct rlimit allow_no_memory(void)
{
	struct rlimit none, before;

	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	none = (struct rlimit){1, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	return before;
}

/* Without memory for the copy a block stays where it is: the capture stops before it, says so and
 * goes on when it is given back. */
static void test_no_memory_for_the_copy(void **state)
{
	struct rlimit before;
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h;

#ifdef ACCEL_SANITIZED
	skip(); /* no limit of address space */
#endif
	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	before = allow_no_memory();
	go_on(&s, 12, &sent, &seen);
	check_held(&h);
	assert_int_equal(accel_loan_keep(h.loan), -ENOMEM);
	assert_true(accel_ring_is_fenced(&s.ring));
	assert_true(accel_psock_count(&s).drops > 0);
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	give_back(&h);
	assert_false(accel_ring_is_fenced(&s.ring));
	send_block(&sent);
	assert_true(accel_ring_open(&s.ring));
	accel_psock_close(&s);
}

/* What cannot be parted at the end shows the ring for as long as it is held, and nobody writes
 * there. */
static void test_no_memory_at_the_end(void **state)
{
	struct rlimit before;
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h;

#ifdef ACCEL_SANITIZED
	skip(); /* no limit of address space */
#endif
	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	before = allow_no_memory();
	accel_psock_close(&s);
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	for (int i = 0; i < 20; i++)
		send_block(&sent);
	assert_int_equal(mapped_blocks(), 1);
	give_back(&h);
	assert_int_equal(mapped_blocks(), 0);
}

/* The same in a child that closes: the ring is its parent's, who goes on. */
static void test_no_memory_in_a_child(void **state)
{
	const struct rlimit none = {1, RLIM_INFINITY};
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h;
	int status;
	pid_t child;

#ifdef ACCEL_SANITIZED
	skip(); /* no limit of address space */
#endif
	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	assert_non_null(h.loan);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (setrlimit(RLIMIT_AS, &none))
			_exit(1);
		accel_psock_close(&s);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	give_back(&h);
	send_block(&sent);
	assert_true(is_readable(&s));
	read_rest(&s, seen, sent);
	accel_psock_close(&s);
}

/* A full ring has no place for the fence: the kernel may have looked there already, and would come
 * round to what is lent. It is told by the numbers of the blocks, as one that is being filled looks
 * like one that is not. */
static void test_no_place_for_the_fence(void **state)
{
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h;

	(void)state;
	open_ring(&s, 8);
	while (sent <= 5 * PER_BLOCK)
		send_payload(sent++); /* the kernel is in the sixth block */
	assert_true(borrow(&s, 1, &seen, &h));
	assert_non_null(h.loan);
	give_back(&h);
	while (sent <= 7 * PER_BLOCK)
		send_payload(sent++); /* in the last, where the fence would be */
	assert_true(borrow(&s, 1, &seen, &h));
	assert_null(h.loan);
	while (borrow(&s, UINT32_MAX, &seen, &h))
		if (h.loan)
			give_back(&h);
	read_rest(&s, seen, sent);
	accel_psock_close(&s);
}

static void test_stalled_reader(void **state)
{
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h;

	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	check_stalled(&s, &h, &sent);
	read_ready(&s, &seen);
	assert_true(seen > 6 * PER_BLOCK);
	give_back(&h);
	accel_psock_close(&s);
}

/* A socket that is given up while some of its ring is unread and some is lent. */
static void test_unread_is_kept_beside_loans(void **state)
{
	static const struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h, next;

	(void)state;
	open_ring(&s, 8);
	for (int i = 0; i < 3; i++)
		send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	assert_int_equal(accel_psock_attach(&s, &drop, 1), 0);
	assert_int_equal(accel_psock_keep_unread(&s), 0);
	assert_int_equal(mapped_blocks(), 0);
	while (borrow(&s, UINT32_MAX, &seen, &next))
		assert_null(next.loan);
	assert_int_equal(seen, sent);
	accel_psock_close(&s);
	give_back(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held_while_the_ring_wraps),
		cmocka_unit_test(test_held_block_is_not_readable),
		cmocka_unit_test(test_a_quarter_is_lent),
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_kept_in_the_middle),
		cmocka_unit_test(test_not_lent),
		cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_no_memory_for_the_copy),
		cmocka_unit_test(test_no_memory_at_the_end),
		cmocka_unit_test(test_no_memory_in_a_child),
		cmocka_unit_test(test_no_place_for_the_fence),
		cmocka_unit_test(test_stalled_reader),
		cmocka_unit_test(test_unread_is_kept_beside_loans),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
