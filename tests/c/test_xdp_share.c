/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_share.c - handles of one process on one queue, by the engine's ops table: what a later
 * one asks for that the first one has decided, and where the frames of one who goes are.
 *
 * Needs root; without it every test is skipped and says why. Threads: none. */
#define VETH_QUEUES "1"

#include "test_xdp_capture.h"

#include "kern/xsk_pool.h"

#include <stdarg.h>

#define SHARED "xdp:accelx?group=42,computation=steer_flow"

void __real_accel_bpf_wait_for_programs(void);
void __wrap_accel_bpf_wait_for_programs(void);

static char logged[512];

static struct xdp *leaver; /* a packet is on its way to it, by a program that had begun before */

/* What the engine waits for: the packet arrives. */
void __wrap_accel_bpf_wait_for_programs(void)
{
	if (leaver)
		++*leaver->sockets[0].xsk.rx.producer;
	leaver = NULL;
	__real_accel_bpf_wait_for_programs();
}

static void ACCEL_PRINTF(2, 3) keep_log(enum accel_log_level level, const char *fmt, ...)
{
	char text[sizeof(logged)];
	va_list args;

	(void)level;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (strstr(text, " is shared "))
		memcpy(logged, text, sizeof(text));
}

/* Free for the kernel. */
static uint32_t n_free(const struct xdp *x)
{
	const struct accel_xsk_ring *fill = &x->sockets[0].xsk.pool->base.fill;

	return accel_load_acquire(fill->producer) - accel_load_acquire(fill->consumer);
}

/* Packets of one flow, until one is in the handle's ring. */
static void send_to(const struct capture *c, const struct xdp *x)
{
	const struct accel_xsk_ring *rx = &x->sockets[0].xsk.rx;
	uint8_t frame[60];

	for (unsigned tries = 0; accel_load_acquire(rx->producer) == rx->mine; tries++) {
		assert_true(tries < WAIT_MS);
		make_frame(frame, sizeof(frame), tries);
		frame[26] = (uint8_t)tries; /* the flow chooses the member */
		send_frame(c, frame, sizeof(frame));
		usleep(1000);
	}
}

/* A handle goes while a program still hands it a packet: its frame, too, is the others' again. */
static void test_leave(void **state)
{
	struct capture first, second;
	uint32_t n_frames, n_held;
	struct xdp *x;

	(void)state;
	need_veth();
	open_capture(&first, SHARED);
	open_capture(&second, SHARED);
	wait_for_link(&first);
	read_n(&second, 1, 1); /* has a place from now on */
	x = second.st;
	n_frames = x->sockets[0].xsk.n_rx_frames;
	send_to(&first, x);
	--*x->sockets[0].xsk.rx.producer; /* is not there yet */
	leaver = x;
	close_capture(&second);
	assert_null(leaver);
	x = first.st;
	n_held = accel_load_acquire(x->sockets[0].xsk.rx.producer) - x->sockets[0].xsk.rx.mine +
		 x->sockets[0].n_behind;
	assert_int_equal(n_free(x) + n_held, n_frames);
	close_capture(&first);
}

/* The memory is the first one's: a later one that asks for another is told, and one that insists on
 * what the queue has not is refused. */
static void test_later_one(void **state)
{
	struct capture first, second;

	(void)state;
	need_veth();
	wanted_log = keep_log;
	logged[0] = '\0';
	open_capture(&first, SHARED ",rx_slots=256");
	assert_string_equal(logged, "");
	open_capture(&second, SHARED ",rx_slots=1024");
	assert_string_equal(logged,
			    SHARED ",rx_slots=1024: queue 0 is shared and has 256 frames of "
				   "2048 bytes, as whoever came first (would be 1024 of 2048)");
	close_capture(&second);
	assert_int_equal(try_open(&second, SHARED ",zc=require"), -EOPNOTSUPP);
	assert_string_equal(second.err.text,
			    SHARED ",zc=require: queue 0 is shared, and whoever came first has it "
				   "copy (would be: zc=auto, or zc=require for all)");
	close_capture(&first);
	wanted_log = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_later_one),
	};

	return cmocka_run_group_tests(tests, make_veth, NULL);
}
