/* SPDX-License-Identifier: BSD-3-Clause */
/* test_threads.c - what may be called beside the reader: breakloop and statistics, from other
 * threads and from signal handlers, while packets flow. Meant for TSan; right without it too.
 *
 * Threads: that is the subject. */
#include "test_lo.h"

#include "core/handle.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static struct accel_handle *open_lo(bool nonblock)
{
	struct accel_handle *h;

	need_lo();
	h = accel_handle_new("afpacket:lo?buffer=1MiB");
	h->timeout_ms = 1;
	h->nonblock = nonblock;
	if (accel_handle_activate(h) < 0)
		fail_msg("%s", h->err.text);
	return h;
}

static void count_packet(unsigned char *user, const struct accel_pkthdr *hdr,
			 const unsigned char *data)
{
	(void)hdr;
	(void)data;
	++*(unsigned *)user;
}

static void *break_soon(void *h)
{
	accel_handle_break(h);
	return NULL;
}

/* A read that sleeps is ended by another thread. */
static void test_break_ends_sleep(void **state)
{
	struct accel_handle *h = open_lo(false);
	pthread_t thread;
	unsigned n = 0;

	(void)state;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(pthread_create(&thread, NULL, break_soon, h), 0);
		assert_int_equal(accel_handle_loop(h, 0, count_packet, (unsigned char *)&n),
				 -EINTR);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	accel_handle_free(h);
}

/* The same in non-blocking mode, where there is nothing to wake the reader with. */
static void test_break_ends_nonblocking_loop(void **state)
{
	struct accel_handle *h = open_lo(true);
	pthread_t thread;
	unsigned n = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, break_soon, h), 0);
	assert_int_equal(accel_handle_loop(h, 0, count_packet, (unsigned char *)&n), -EINTR);
	assert_int_equal(pthread_join(thread, NULL), 0);
	accel_handle_free(h);
}

/* A break whose wake-up comes only after the read that it ended has returned: later reads sleep and
 * time out as if nothing had been. */
static void test_late_wakeup(void **state)
{
	struct accel_handle *h = open_lo(false);
	uint64_t one = 1;
	unsigned n = 0;

	(void)state;
	assert_int_equal(write(h->wake_fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(accel_handle_dispatch(h, -1, count_packet, (unsigned char *)&n), 0);
	assert_int_equal(read(h->wake_fd, &one, sizeof(one)), -1);
	accel_handle_free(h);
}

static int is_done; /* set by the test, read by its threads; atomic */

static void *ask_stats(void *h)
{
	struct accel_stats stats;
	uint64_t last = 0;

	while (!accel_load_relaxed(&is_done)) {
		accel_handle_stats(h, &stats);
		if (stats.received < last)
			return "the count went back";
		last = stats.received;
	}
	return NULL;
}

/* Several threads ask for statistics while the reader reads: no count is lost, though the kernel
 * gives each only once. */
static void test_stats_from_threads(void **state)
{
	struct accel_handle *h = open_lo(false);
	struct accel_stats stats;
	pthread_t threads[3];
	unsigned seen = 0;
	void *complaint;

	(void)state;
	accel_store_relaxed(&is_done, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_stats, h), 0);
	assert_int_equal(h->be->set_direction(h->st, 1, NULL), 0);
	for (uint32_t i = 0; i < 500; i++)
		send_number(i);
	assert_int_equal(accel_handle_loop(h, 500, count_packet, (unsigned char *)&seen), 0);
	accel_store_relaxed(&is_done, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(threads[i], &complaint), 0);
		assert_null(complaint);
	}
	accel_handle_stats(h, &stats);
	assert_int_equal(stats.received, 500);
	assert_int_equal(stats.delivered, 500);
	accel_handle_free(h);
}

static struct accel_handle *interrupted;

static void on_alarm(int signo)
{
	struct accel_stats stats;

	(void)signo;
	accel_handle_stats(interrupted, &stats);
	accel_handle_break(interrupted);
}

/* A signal handler may ask for statistics and break the read that it interrupted; errno
 * survives. */
static void test_break_in_signal_handler(void **state)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, old;
	unsigned n = 0;

	(void)state;
	interrupted = open_lo(false);
	sigaction(SIGALRM, &action, &old);
	ualarm(20000, 0);
	assert_int_equal(accel_handle_loop(interrupted, 0, count_packet, (unsigned char *)&n),
			 -EINTR);
	errno = 4711;
	raise(SIGALRM);
	assert_int_equal(errno, 4711);
	sigaction(SIGALRM, &old, NULL);
	accel_handle_free(interrupted);
}

/* Handles of several threads have nothing to do with each other. */
static void *open_and_close(void *unused)
{
	struct accel_handle *h;

	(void)unused;
	for (int i = 0; i < 5; i++) {
		h = accel_handle_new("afpacket:lo?buffer=1MiB");
		if (accel_handle_activate(h) < 0)
			return "activation failed";
		accel_handle_free(h);
	}
	return NULL;
}

static void test_handles_side_by_side(void **state)
{
	pthread_t threads[4];
	void *complaint;

	(void)state;
	need_lo();
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, NULL), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &complaint), 0);
		assert_null(complaint);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_break_ends_sleep),
		cmocka_unit_test(test_break_ends_nonblocking_loop),
		cmocka_unit_test(test_late_wakeup),
		cmocka_unit_test(test_stats_from_threads),
		cmocka_unit_test(test_break_in_signal_handler),
		cmocka_unit_test(test_handles_side_by_side),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
