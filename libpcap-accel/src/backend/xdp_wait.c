/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_wait.c - sleeping. A reader that sleeps in poll() is woken by each flush of the driver, which
 * costs up to 60 % of the packets. So while packets come, the rings are left alone for a moment and
 * then emptied; the sockets are polled only when a moment brought nothing.
 *
 * The moment is as long as the smallest ring holds at eight million packets a second, so that the
 * rest of the ring is left for a program that is slow, and never longer than the timeout of the
 * program; in immediate mode there is none.
 *
 * Threads: the handle's. */
#include "backend/xdp.h"

#include "backend/request.h"
#include "base/err.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#define DEVICE_LOOK_MS	1000
#define NS_A_PACKET	125
#define SHORTEST_NAP_NS 50000
#define LONGEST_NAP_NS	4000000 /* where no timeout was asked for */

void xdp_plan_naps(struct xdp *x)
{
	uint64_t timeout_ns = accel_rq_value(&x->rq, ACCEL_OPT_TIMEOUT)->num;
	uint64_t nap = LONGEST_NAP_NS;

	if (timeout_ns == 0 && x->rq.timeout_ms > 0)
		timeout_ns = (uint64_t)x->rq.timeout_ms * 1000000;
	for (unsigned i = 0; i < x->n_sockets; i++)
		nap = ACCEL_MIN(nap, (x->sockets[i].xsk.rx.mask + UINT64_C(1)) * NS_A_PACKET);
	nap = ACCEL_MAX(nap, (uint64_t)SHORTEST_NAP_NS);
	if (timeout_ns)
		nap = ACCEL_MIN(nap, timeout_ns);
	x->nap_ns = x->rq.immediate ? 0 : nap;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Queues that were added under us have no socket: what comes there is the host's. Said once for
 * each change. */
static void look_for_queues(struct xdp *x)
{
	for (unsigned i = 0; i < x->n_devices; i++) {
		struct xdp_device *d = &x->devices[i];
		unsigned n_used = d->iface.n_queues || x->opt.taps
					  ? d->n_used
					  : accel_link_queues(x->side.fd, d->link.name);

		if (n_used > d->n_used && d->n_used && n_used > d->n_sockets && x->rq.log)
			x->rq.log(ACCEL_LOG_WARNING,
				  "%s: '%s' has %u receive queues now, of which %u are captured "
				  "(open it again)",
				  x->rq.name, d->link.name, n_used, d->n_sockets);
		d->n_used = n_used ? n_used : d->n_used;
	}
}

/* A socket whose device has gone is never readable again, and nothing wakes us: we have to look.
 * The capture goes on as long as one of the devices is left. */
static int look_for_devices(struct xdp *x, struct accel_err *err)
{
	uint64_t now = now_ms();

	if (now - x->looked_ms < DEVICE_LOOK_MS)
		return 0;
	x->looked_ms = now;
	look_for_queues(x);
	for (unsigned i = 0; i < x->n_devices; i++)
		if (accel_link_exists(x->side.fd, x->devices[i].link.ifindex) != 0)
			return 0;
	return accel_fail(err, -ENODEV, "The interface%s disappeared", x->n_devices > 1 ? "s" : "");
}

/* 1: somebody wants us; 0: the time is over. The sockets are polled themselves where the epoll
 * descriptor does not have them. */
static int sleep_on_all(const struct xdp *x, int wake_fd, int ms, struct accel_err *err)
{
	struct pollfd fds[XDP_MAX_SOCKETS + 2] = {{.fd = wake_fd, .events = POLLIN},
						  {.fd = x->epoll_fd, .events = POLLIN}};
	unsigned n = 2;
	int r;

	for (unsigned i = 0; !x->is_watched && i < x->n_sockets; i++)
		fds[n++] = (struct pollfd){.fd = x->sockets[i].xsk.fd, .events = POLLIN};
	r = poll(fds, n, ms);
	if (r < 0)
		return errno == EINTR ? -EINTR : accel_fail_sys(err, -errno, "poll");
	return r > 0;
}

/* Records of a tap wake nobody, as long as nobody sleeps. */
static int sleep_on_rings(struct xdp *x, int wake_fd, int ms, struct accel_err *err)
{
	int r;

	if (!x->opt.taps || x->is_watched)
		return sleep_on_all(x, wake_fd, ms, err);
	xdp_tap_set_wakeups(x, ACCEL_TAP_WAKES);
	r = xdp_tap_is_ready(x) ? 1 : sleep_on_all(x, wake_fd, ms, err);
	xdp_tap_set_wakeups(x, ACCEL_TAP_SILENT);
	return r;
}

/* A device that goes down leaves its error in the packet socket, which then never sleeps. */
static void take_error(struct xdp *x)
{
	socklen_t len = sizeof(int);
	int error;

	if (x->sent.is_open)
		getsockopt(x->side.fd, SOL_SOCKET, SO_ERROR, &error, &len);
}

/* The same in nanoseconds, with nobody but wake_fd. */
static int nap(uint64_t ns, int wake_fd, struct accel_err *err)
{
	struct pollfd pfd = {.fd = wake_fd, .events = POLLIN};
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000u),
			      .tv_nsec = (long)(ns % 1000000000u)};
	int r = ppoll(&pfd, 1, &ts, NULL);

	if (r < 0)
		return errno == EINTR ? -EINTR : accel_fail_sys(err, -errno, "poll");
	return r > 0;
}

/* Run the driver's receiving ourselves: 1, packets came. */
static int poll_busily(struct xdp *x)
{
	for (unsigned i = 0; i < x->n_sockets; i++)
		accel_xsk_wake(&x->sockets[i].xsk);
	return xdp_is_ready(x);
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
	take_error(x);
	if (x->opt.busy_us && poll_busily(x))
		return 1;
	if (x->was_busy && x->nap_ns && timeout_ms != 0) {
		x->was_busy = false;
		r = nap(x->nap_ns, wake_fd, err);
		if (r != 0)
			return r;
	}
	for (;;) {
		if (xdp_is_ready(x))
			return 1;
		if ((r = look_for_devices(x, err)) < 0)
			return r;
		ms = left_of(timeout_ms, start, DEVICE_LOOK_MS);
		r = sleep_on_rings(x, wake_fd, ms, err);
		if (r != 0)
			return r;
		if (timeout_ms >= 0 && left_of(timeout_ms, start, DEVICE_LOOK_MS) == 0)
			return xdp_is_ready(x);
	}
}
