/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lend_threads.c - blocks that are lent in one thread or process and held in another.
 *
 * Threads: those that the last test starts. */
#include "test_lend.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>

/* What a child does with its copy of a loan is nothing to the parent. */
static void test_child_gives_back(void **state)
{
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h;
	int status;
	pid_t child;

	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	child = fork();
	if (child == 0) {
		accel_loan_give_back(h.loan);
		accel_psock_close(&s);
		_exit(mapped_blocks() == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	check_stalled(&s, &h, &sent);
	give_back(&h);
	accel_psock_close(&s);
}

/* A child sees what was kept before the fork while its parent's ring goes round. */
static void test_child_sees_what_was_kept(void **state)
{
	uint32_t sent = 0, seen = 0;
	int status, pipe_fds[2];
	struct held kept;
	struct accel_psock s;
	char byte;
	pid_t child;

	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &kept));
	assert_int_equal(accel_loan_keep(kept.loan), 0);
	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	if (child == 0) {
		close(pipe_fds[1]); /* a parent that fails is not waited for */
		accel_psock_close(&s);
		if (read(pipe_fds[0], &byte, 1) != 1)
			_exit(1);
		give_back(&kept);
		_exit(0);
	}
	go_on(&s, 20, &sent, &seen);
	assert_int_equal(write(pipe_fds[1], "x", 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	give_back(&kept);
	read_rest(&s, seen, sent);
	accel_psock_close(&s);
}

/* A child that goes on reading in its parent's place takes the fence over. */
static void test_child_reads_on(void **state)
{
	uint32_t sent = 0, seen = 0;
	struct accel_psock s;
	struct held h;
	int status;
	pid_t child;

	(void)state;
	open_ring(&s, 8);
	send_block(&sent);
	assert_true(borrow(&s, UINT32_MAX, &seen, &h));
	child = fork();
	if (child == 0) {
		accel_loan_give_back(h.loan);
		go_on(&s, 20, &sent, &seen);
		read_rest(&s, seen, sent);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	accel_psock_close(&s);
	accel_loan_give_back(h.loan);
}

/* ---- threads ---- */

#define N_SLOTS 64

static struct held *slots[N_SLOTS];
static bool is_over;

/* Takes loans from the reader, looks at them and gives them back or keeps them. */
static void *hold_and_give_back(void *arg)
{
	uint32_t random = (uint32_t)(uintptr_t)arg;
	struct held *h;

	do {
		random = random * 1103515245 + 12345;
		h = __atomic_exchange_n(&slots[random >> 16 & (N_SLOTS - 1)], NULL,
					__ATOMIC_ACQ_REL);
		if (!h)
			continue;
		if (random & 1 << 24)
			assert_int_equal(accel_loan_keep(h->loan), 0);
		give_back(h);
		free(h);
	} while (!accel_load_acquire(&is_over));
	return NULL;
}

static void test_threads(void **state)
{
	uint32_t sent = 0, seen = 0, n = 0;
	pthread_t threads[3];
	struct accel_psock s;
	struct held *h;

	(void)state;
	open_ring(&s, 16);
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, hold_and_give_back, (void *)(i + 1));
	while (sent < 16 * PER_BLOCK * 30) {
		send_block(&sent);
		h = calloc(1, sizeof(*h));
		while (borrow(&s, 4, &seen, h)) {
			if (!h->loan)
				continue;
			h = __atomic_exchange_n(&slots[n++ % N_SLOTS], h, __ATOMIC_ACQ_REL);
			if (h)
				give_back(h);
			else
				h = calloc(1, sizeof(*h));
		}
		free(h);
	}
	read_rest(&s, seen, sent);
	accel_psock_close(&s); /* beside those who hold */
	accel_store_release(&is_over, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	for (n = 0; n < N_SLOTS; n++)
		if (slots[n]) {
			give_back(slots[n]);
			free(slots[n]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child_gives_back),
		cmocka_unit_test(test_child_sees_what_was_kept),
		cmocka_unit_test(test_child_reads_on),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
