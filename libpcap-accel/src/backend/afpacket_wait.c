/* SPDX-License-Identifier: BSD-3-Clause */
/* afpacket_wait.c - sleeping, and what happens to the devices meanwhile.
 *
 * A link that goes down leaves ENETDOWN on the socket and takes it off the device; when it comes up
 * again the kernel puts the socket back and the ring goes on: nothing is to be done but to read the
 * error, or poll() would return for ever. A device that is removed never comes back, and the kernel
 * does not say so again after ENETDOWN: it has to be asked.
 *
 * A socket bound to all devices is told nothing at all.
 *
 * Threads: the handle's. */
#include "backend/afpacket.h"

#include "base/err.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define DOWN_LOOK_MS   10   /* how often a device that went down is asked after */
#define DEVICE_LOOK_MS 1000 /* how often the devices of a bound-to-all socket are */

static int fail_gone(const struct afpacket *a, struct accel_err *err)
{
	return accel_fail(err, -ENODEV, "The interface%s disappeared", a->n_links > 1 ? "s" : "");
}

/* After ENETDOWN on a socket bound to one device: gone, up again, or still down. */
static int look_after_down(struct afpacket *a, struct accel_err *err)
{
	struct sockaddr_ll addr;
	socklen_t len = sizeof(addr);
	int r;

	if (getsockname(a->sock.fd, (struct sockaddr *)&addr, &len) < 0)
		return accel_fail_sys(err, -errno, "%s: cannot ask after it", a->links[0].name);
	if (addr.sll_ifindex == -1)
		return fail_gone(a, err);
	r = accel_link_is_up(a->sock.fd, a->links[0].ifindex);
	if (r > 0)
		a->is_down = false;
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Several devices: the capture goes on as long as one of them is left. */
static int look_for_devices(struct afpacket *a, struct accel_err *err)
{
	uint64_t now = now_ns();

	if (now - a->looked_ns < DEVICE_LOOK_MS * 1000000ull)
		return 0;
	a->looked_ns = now;
	for (unsigned i = 0; i < a->n_links; i++)
		if (accel_link_exists(a->sock.fd, a->links[i].ifindex) != 0)
			return 0;
	return fail_gone(a, err);
}

static bool watches_devices(const struct afpacket *a)
{
	return a->bound_ifindex == 0 && a->n_links > 0;
}

static int take_socket_error(struct afpacket *a, struct accel_err *err)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(a->sock.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return accel_fail_sys(err, -errno, "packet socket");
	if (error == ENETDOWN)
		a->is_down = true;
	else if (error != 0)
		return accel_fail_sys(err, -error, "packet socket");
	return 0;
}

/* The longest sleep that does not miss a device's end. */
static int next_look_ms(const struct afpacket *a, int timeout_ms)
{
	int look = a->is_down ? DOWN_LOOK_MS : watches_devices(a) ? DEVICE_LOOK_MS : -1;

	if (look < 0 || (timeout_ms >= 0 && timeout_ms < look))
		return timeout_ms;
	return look;
}

static int poll_once(struct afpacket *a, int ms, int wake_fd, struct accel_err *err)
{
	struct pollfd fds[2] = {
		{.fd = a->sock.fd, .events = POLLIN},
		{.fd = wake_fd, .events = POLLIN}, /* poll() passes over a negative one */
	};
	int r = poll(fds, 2, ms);

	if (r < 0)
		return errno == EINTR ? -EINTR : accel_fail_sys(err, -errno, "poll");
	if (fds[0].revents & (POLLERR | POLLHUP | POLLNVAL)) {
		r = take_socket_error(a, err);
		if (r < 0)
			return r;
	}
	if (a->is_down && (r = look_after_down(a, err)) < 0)
		return r;
	if (watches_devices(a) && !(fds[0].revents & POLLIN) && (r = look_for_devices(a, err)) < 0)
		return r;
	return (fds[0].revents & POLLIN) || fds[1].revents;
}

int afpacket_wait(void *st, int timeout_ms, int wake_fd, struct accel_err *err)
{
	struct afpacket *a = st;
	uint64_t end = timeout_ms > 0 ? now_ns() + (uint64_t)timeout_ms * 1000000u : 0;
	uint64_t now;
	int r, left = timeout_ms;

	for (;;) {
		r = poll_once(a, next_look_ms(a, left), wake_fd, err);
		if (r != 0 || timeout_ms == 0)
			return r;
		if (timeout_ms < 0)
			continue;
		now = now_ns();
		if (now >= end)
			return 0;
		left = (int)((end - now + 999999) / 1000000);
	}
}

int afpacket_required_timeout_ms(void *st)
{
	const struct afpacket *a = st;

	return a->is_down ? DOWN_LOOK_MS : watches_devices(a) ? DEVICE_LOOK_MS : 0;
}
