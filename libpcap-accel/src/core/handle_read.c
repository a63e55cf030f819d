/* SPDX-License-Identifier: BSD-3-Clause */
/* handle_read.c - reading: what blocks, what ends it, and what is left for the next call.
 *
 * The application's own thread sleeps in poll(2), which signals interrupt: a handler that calls
 * breakloop ends the read. From another thread the eventfd does.
 *
 * Threads: the handle's, but for accel_handle_break(). */
#include "core/handle.h"

#include "core/stats_page.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

/* A loop on a non-blocking handle looks this often whether it was broken off: there is no eventfd,
 * and spinning is what libpcap does. */
#define NONBLOCK_SLICE_MS 10

/* A reader that never sleeps looks after so much work whether its statistics page is due: a packet
 * is 1, and so that empty reads count too, a read is more. */
#define PAGE_WORK      16384
#define PAGE_READ_WORK 256

/* A loop comes back after so many packets to do so: a full ring holds a million. */
#define LOOP_SLICE 4096

void accel_handle_break(struct accel_handle *h)
{
	static const uint64_t one = 1;
	int saved_errno = errno;
	ssize_t unused;
	int fd;

	/* Release, before the wake-up: who is woken sees the flag. Pairs with the loads in the
	 * engine's read and in use_up_break(). */
	accel_store_release(&h->stop, 1);
	fd = accel_load_acquire(&h->wake_fd);
	if (fd >= 0) {
		unused = write(fd, &one, sizeof(one));
		(void)unused;
	}
	errno = saved_errno;
}

/* Was the read broken off? Then the break is spent. */
static bool use_up_break(struct accel_handle *h)
{
	if (!accel_load_acquire(&h->stop))
		return false;
	accel_store_relaxed(&h->stop, 0);
	return true;
}

/* After each sleep, whatever ended it: the flag of a break may have been seen, and used up, before
 * its write came, and a readable eventfd would end every sleep to come. */
static void drain_wake_fd(struct accel_handle *h)
{
	uint64_t count;
	ssize_t unused;

	if (h->wake_fd >= 0) {
		unused = read(h->wake_fd, &count, sizeof(count));
		(void)unused;
	}
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* What is left of a wait that began at *start (0: begins now). -1 = no limit. */
static int time_left(int timeout_ms, uint64_t *start)
{
	uint64_t passed;

	if (timeout_ms <= 0)
		return timeout_ms;
	if (*start == 0)
		*start = now_ms();
	passed = now_ms() - *start;
	return passed >= (uint64_t)timeout_ms ? 0 : timeout_ms - (int)passed;
}

/* Sleep for packets. 1: look again; 0: time is over; -EINTR: broken off; -errno. A signal whose
 * handler did not break is none of our business: sleep on. A page that is not due yet is written on
 * the way, if nothing comes until then: what it says of an idle link is to be the end. */
static int wait_for_packets(struct accel_handle *h, int timeout_ms, uint64_t *start)
{
	int due_ms = accel_stats_page_write(h);

	accel_stats_page_set_waiting(h, 1);
	for (;;) {
		int left_ms = time_left(timeout_ms, start);
		bool until_due = due_ms > 0 && (left_ms < 0 || due_ms < left_ms);
		int r = h->be->wait(h->st, until_due ? due_ms : left_ms, h->wake_fd, &h->err);

		drain_wake_fd(h);
		if (use_up_break(h))
			return -EINTR;
		if (r > 0)
			accel_stats_page_set_waiting(h, 0);
		if (r == 0 && until_due) {
			due_ms = accel_stats_page_write(h);
			accel_stats_page_set_waiting(h, 1);
		} else if (r != -EINTR) {
			return r;
		}
	}
}

/* How long a read may wait: in non-blocking mode not at all. */
static int read_timeout(const struct accel_handle *h)
{
	if (h->nonblock)
		return 0;
	return h->timeout_ms > 0 ? h->timeout_ms : -1;
}

/* Before a read, not behind it: what has piled up in the ring is to be seen. */
static inline void publish_if_due(struct accel_handle *h)
{
	if (ACCEL_LIKELY(h->n_work < PAGE_WORK))
		return;
	h->n_work = 0;
	accel_stats_page_write(h);
}

int accel_handle_dispatch(struct accel_handle *h, int max, accel_sink sink, unsigned char *user)
{
	bool has_waited = false;
	uint64_t start = 0;
	int r;

	publish_if_due(h);
	for (;;) {
		r = h->be->read(h->st, max, sink, user);
		if (r == -EINTR && !use_up_break(h))
			continue;
		h->n_work += PAGE_READ_WORK + (r > 0 ? (unsigned)r : 0);
		if (r != 0)
			return r;
		/* What woke us was not for us: filtered out, say. Time may be over all the same. */
		if (has_waited && time_left(read_timeout(h), &start) == 0)
			return 0;
		r = wait_for_packets(h, read_timeout(h), &start);
		if (r <= 0)
			return r;
		has_waited = true;
	}
}

int accel_handle_loop(struct accel_handle *h, int max, accel_sink sink, unsigned char *user)
{
	uint64_t start;
	int r, left = max;

	while (max <= 0 || left > 0) {
		publish_if_due(h);
		r = h->be->read(h->st, max <= 0 ? LOOP_SLICE : ACCEL_MIN(left, LOOP_SLICE), sink,
				user);
		if (r == -EINTR && !use_up_break(h))
			continue;
		if (r < 0)
			return r;
		h->n_work += PAGE_READ_WORK + (unsigned)r;
		if (max > 0)
			left -= r;
		if (r > 0)
			continue;
		start = 0;
		r = wait_for_packets(h, h->nonblock ? NONBLOCK_SLICE_MS : -1, &start);
		if (r < 0)
			return r;
	}
	return 0;
}

static int try_next(struct accel_handle *h, void *data)
{
	return h->be->next(h->st, &h->next_hdr, data);
}

static int try_borrow(struct accel_handle *h, void *borrowed)
{
	return h->be->borrow(h->st, borrowed);
}

/* Try until something is there or the time is over. Apart, so that the packet that is there costs
 * no more than it must. */
static __attribute__((noinline)) int try_or_wait(struct accel_handle *h,
						 int (*attempt)(struct accel_handle *, void *),
						 void *out)
{
	bool has_waited = false;
	uint64_t start = 0;
	int r;

	if (use_up_break(h))
		return -EINTR;
	for (;;) {
		r = attempt(h, out);
		if (r == -EINTR && !use_up_break(h))
			continue;
		if (r != 0 || (has_waited && time_left(read_timeout(h), &start) == 0))
			return r;
		r = wait_for_packets(h, read_timeout(h), &start);
		if (r <= 0)
			return r;
		has_waited = true;
	}
}

int accel_handle_next(struct accel_handle *h, const unsigned char **data)
{
	if (ACCEL_LIKELY(!accel_load_relaxed(&h->stop)) &&
	    h->be->next(h->st, &h->next_hdr, data) > 0) {
		h->n_work++;
		publish_if_due(h);
		return 1;
	}
	return try_or_wait(h, try_next, data);
}

int accel_handle_borrow(struct accel_handle *h, struct accel_borrowed *b)
{
	int r;

	if (!h->be->borrow)
		return -EOPNOTSUPP;
	publish_if_due(h);
	r = try_or_wait(h, try_borrow, b);
	h->n_work += PAGE_READ_WORK + (r > 0 ? (unsigned)r : 0);
	if (r == -ENOMEM)
		return accel_fail(&h->err, r,
				  "%s: no memory to copy what is lent (give batches back)",
				  h->name);
	return r;
}
