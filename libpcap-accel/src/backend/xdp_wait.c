/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_wait.c - sleeping. A reader that sleeps in poll() is woken by each flush of the driver, which
 * costs up to 60 % of the packets. So while packets come, the rings are left alone for a moment and
 * then emptied; the sockets are polled only when a moment brought nothing.
 *
 * Threads: the handle's. */
#include "backend/xdp.h"

#include "base/err.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#define DEVICE_LOOK_MS 1000
#define DRAIN_MS       1 /* a moment: as long as the smallest ring holds at 16 million packets/s */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A socket whose device has gone is never readable again, and nothing wakes us: we have to look.
 * The capture goes on as long as one of the devices is left. */
static int look_for_devices(struct xdp *x, struct accel_err *err)
{
	uint64_t now = now_ms();

	if (now - x->looked_ms < DEVICE_LOOK_MS)
		return 0;
	x->looked_ms = now;
	for (unsigned i = 0; i < x->n_devices; i++)
		if (accel_link_exists(x->side.fd, x->devices[i].link.ifindex) != 0)
			return 0;
	return accel_fail(err, -ENODEV, "The interface%s disappeared", x->n_devices > 1 ? "s" : "");
}

/* 1: somebody wants us; 0: the time is over. fd -1 is nobody. */
static int sleep_on(int fd, int wake_fd, int ms, struct accel_err *err)
{
	struct pollfd fds[2] = {{.fd = wake_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	int r = poll(fds, 2, ms);

	if (r < 0)
		return errno == EINTR ? -EINTR : accel_fail_sys(err, -errno, "poll");
	return r > 0;
}

static int left_of(int timeout_ms, uint64_t start, int most)
{
	uint64_t gone = now_ms() - start;

	if (timeout_ms < 0)
		return most;
	return gone >= (uint64_t)timeout_ms ? 0 : ACCEL_MIN(timeout_ms - (int)gone, most);
}

int xdp_wait(void *st, int timeout_ms, int wake_fd, struct accel_err *err)
{
	struct xdp *x = st;
	uint64_t start = now_ms();
	int r, ms;

	xdp_arm(x);
	if (x->was_busy && !x->rq.immediate && timeout_ms != 0) {
		x->was_busy = false;
		r = sleep_on(-1, wake_fd, DRAIN_MS, err);
		if (r != 0)
			return r;
	}
	for (;;) {
		if (xdp_is_ready(x))
			return 1;
		if ((r = look_for_devices(x, err)) < 0)
			return r;
		ms = left_of(timeout_ms, start, DEVICE_LOOK_MS);
		r = sleep_on(x->epoll_fd, wake_fd, ms, err);
		if (r != 0)
			return r;
		if (timeout_ms >= 0 && left_of(timeout_ms, start, DEVICE_LOOK_MS) == 0)
			return xdp_is_ready(x);
	}
}
