/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_change.c - from one computation to the next, for all members at one moment.
 *
 * Members hear of a change at different times, and to change a socket takes them different times.
 * So nothing is changed: each member opens the sockets of the new computation, in kernel groups of
 * their own, beside those it has, and all agree on a moment, which is in the record. A packet that
 * was stamped before it counts where the old computation has brought it, a later one where the new
 * one has. The kernel is asked to stamp each packet once, on arrival, so that this is the same in
 * all rings of all members. Who is late misses only what the new one copies to all: where packets
 * are shared, the others share them without him.
 *
 *     plan       whoever changes: kernel groups that nobody uses
 *     parts      he opens his sockets
 *     moment     now, and time enough for the others; the record is written, which wakes them
 *     LEADING    the others open theirs. What arrives is in the old ring and in the new one
 *     SETTLING   after the moment, when no earlier packet is on its way any more: the old sockets
 *                get a filter that drops everything
 *     STEADY     when no packet is on its way into their rings: what nobody has read is moved into
 *                memory of our own, and the sockets are closed
 *
 * A member without privileges cannot open new sockets. It uses again those that it had. One that is
 * in a kernel group cannot leave it, and so groups, too, are used again: a change takes those that
 * the change before has left.
 *
 * Source: af_packet.c and dev.c (net_timestamp_check) of Linux 6.18.
 * Threads: the handle's. */
#include "backend/pfq.h"

#include "base/err.h"
#include "kern/fanout.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MS	     UINT64_C(1000000)
#define FIRST_FANOUT 0x4000u /* where our kernel groups begin: others count from 0 */
#define N_FANOUTS    0x8000u
#define UNDECIDED    UINT64_MAX

/* A member makes its rings under the lock, one member after the other: 10 to 60 ms, and more where
 * many processes want the processor. */
#define LEAD_NS		 (300 * MS)
#define LEAD_NS_A_MEMBER (100 * MS)
#define MAX_LEAD_NS	 (3000 * MS)
#define SETTLE_NS	 (20 * MS) /* after it was stamped a packet is in a ring */
#define QUIET_NS	 (5 * MS)  /* after its filter was replaced a socket receives nothing */
#define OVER_NS		 (4 * SETTLE_NS) /* after the moment: everybody has changed */
#define RETRY_NS	 (10 * MS)
#define SLICE_NS	 (10 * MS)
#define MAX_DELAY_NS	 (10000 * MS) /* more: somebody has set the clock */

static uint64_t read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t pfq_real_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

/* How long it is until then, by the clock of packets. */
static uint64_t time_until(uint64_t real_ns)
{
	uint64_t now = pfq_real_ns();

	return real_ns > now ? ACCEL_MIN(real_ns - now, MAX_DELAY_NS) : 0;
}

/* ---- the plan ---- */

/* Is a kernel group that we have used before still free, or ours alone? */
static bool is_ours(unsigned group)
{
	enum accel_fanout_mode mode;
	unsigned n_members;
	int r = accel_fanout_find(group, &mode, &n_members);

	return r == -ENOENT || (r == 0 && mode == ACCEL_MODE_CBPF);
}

static bool has_number(const uint16_t *list, unsigned n, uint16_t number)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i] == number)
			return true;
	return false;
}

/* One that was used before, else a number that no kernel group of this namespace has. */
static int choose_fanout(struct pfq *p, const uint16_t *not_these, unsigned n, uint16_t *out)
{
	unsigned start = p->registry.group * 7919u, n_members;
	struct pfq_record *rec = &p->rec;
	enum accel_fanout_mode mode;

	while (rec->n_idle > 0) {
		*out = rec->idle[0];
		rec->n_idle--;
		memmove(rec->idle, rec->idle + 1, rec->n_idle * sizeof(rec->idle[0]));
		if (is_ours(*out))
			return 0;
	}
	for (unsigned i = 0; i < N_FANOUTS; i++) {
		uint16_t id = (uint16_t)(FIRST_FANOUT + (start + i) % N_FANOUTS);

		if (has_number(rec->fanouts, rec->n_fanouts, id) || has_number(not_these, n, id) ||
		    accel_fanout_find(id, &mode, &n_members) != -ENOENT)
			continue;
		*out = id;
		return 0;
	}
	return -ENOSPC;
}

int pfq_plan_change(struct pfq *p, struct accel_err *err)
{
	unsigned n = pfq_count_fanouts(p->lang);
	uint64_t since = p->rec.since_ns, now = pfq_real_ns();
	struct pfq_record *rec = &p->rec;
	uint16_t next[PFQ_MAX_FANOUTS];

	if (now < since + OVER_NS && since < now + MAX_DELAY_NS)
		return -EAGAIN;
	for (unsigned i = 0; i < n; i++)
		if (choose_fanout(p, next, i, &next[i]) < 0)
			return accel_fail(err, -ENOSPC, "%s: no fanout group is free", p->name);
	for (unsigned i = 0; i < rec->n_fanouts && rec->n_idle < PFQ_MAX_IDLE; i++)
		rec->idle[rec->n_idle++] = rec->fanouts[i];
	memcpy(rec->fanouts, next, n * sizeof(next[0]));
	rec->n_fanouts = n;
	rec->since_ns = UNDECIDED;
	return 0;
}

/* ---- the moment ---- */

void pfq_fix_moment(struct pfq *p)
{
	unsigned others = p->n_members > 1 ? p->n_members - 1 : 0;
	uint64_t lead = others || p->n_old ? LEAD_NS + others * LEAD_NS_A_MEMBER : 0;

	p->rec.since_ns = pfq_real_ns() + ACCEL_MIN(lead, MAX_LEAD_NS);
	p->since_ns = p->rec.since_ns;
	for (unsigned i = 0; i < p->n_parts; i++)
		p->parts[i].reader.from_ns = p->since_ns;
	for (unsigned i = 0; i < p->n_old; i++)
		p->old[i].until_ns = ACCEL_MIN(p->old[i].until_ns, p->since_ns);
}

void pfq_await_moment(struct pfq *p)
{
	struct timespec ts = {0};
	uint64_t ns;

	while ((ns = time_until(p->since_ns)) > 0) {
		ts.tv_nsec = (long)ACCEL_MIN(ns, SLICE_NS);
		nanosleep(&ts, NULL);
		pfq_make_room(p);
	}
}

/* ---- the steps ---- */

static void set_timer(struct pfq *p, uint64_t ns)
{
	struct itimerspec when = {
		.it_value = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)}};

	timerfd_settime(p->timer_fd, 0, &when, NULL);
}

static void begin_step(struct pfq *p, enum pfq_step step, uint64_t after_ns)
{
	p->step = step;
	p->step_ns = read_clock(CLOCK_MONOTONIC) + after_ns;
	set_timer(p, after_ns + 1); /* 0 would be none */
}

/* No step is to come. What is left of the old is behind no descriptor: the timer's says that it is
 * there. */
static void rest(struct pfq *p)
{
	set_timer(p, p->n_old > 0 ? 1 : p->retry ? RETRY_NS : 0);
}

void pfq_retry_soon(struct pfq *p)
{
	p->retry = true;
	if (p->step == PFQ_STEADY)
		rest(p);
}

/* What we have read of that time was the old computation's. */
static void tell_late(const struct pfq *p)
{
	uint64_t now = pfq_real_ns();

	if (p->n_old > 0 && now > p->since_ns && p->log)
		p->log(ACCEL_LOG_WARNING,
		       "%s: group %u: %llu ms late with a new computation (this program did not "
		       "read)",
		       p->name, p->registry.group, (unsigned long long)((now - p->since_ns) / MS));
}

void pfq_arm(struct pfq *p)
{
	tell_late(p);
	if (p->n_old == 0 && time_until(p->since_ns) == 0) {
		pfq_end_change(p);
		return;
	}
	for (unsigned i = 0; i < p->n_parts; i++)
		accel_psock_set_stamping(&p->parts[i].sock, ACCEL_STAMP_ONCE);
	begin_step(p, PFQ_LEADING, time_until(p->since_ns) + SETTLE_NS);
}

/* What is in its ring stays; the socket goes. */
static void retire(struct pfq *p, struct pfq_part *part)
{
	int fd = part->sock.fd;

	if (fd < 0)
		return;
	pfq_drop_everything(&part->sock);
	accel_psock_set_stamping(&part->sock, ACCEL_STAMP_EACH);
	accel_psock_count(&part->sock);
	epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	accel_psock_keep_unread(&part->sock);
	part->sock.fd = -1;
	pfq_give_socket(p, fd, part->group);
}

void pfq_end_change(struct pfq *p)
{
	struct epoll_event event = {.events = EPOLLIN};

	for (unsigned i = 0; i < p->n_old; i++)
		retire(p, &p->old[i]);
	for (unsigned i = 0; i < p->n_parts; i++) {
		accel_psock_set_stamping(&p->parts[i].sock, ACCEL_STAMP_EACH);
		accel_reader_expect_old(&p->parts[i].reader);
		/* -EEXIST: it is there already. */
		epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->parts[i].sock.fd, &event);
	}
	p->step = PFQ_STEADY;
	rest(p);
}

void pfq_forget_old(struct pfq *p)
{
	for (unsigned i = 0; i < p->n_old; i++)
		pfq_close_part(p, &p->old[i]);
	p->n_old = 0;
	rest(p);
}

void pfq_step(struct pfq *p)
{
	if (p->step == PFQ_STEADY || read_clock(CLOCK_MONOTONIC) < p->step_ns)
		return;
	if (p->step == PFQ_SETTLING) {
		pfq_end_change(p);
		return;
	}
	for (unsigned i = 0; i < p->n_old; i++)
		if (p->old[i].sock.fd >= 0)
			pfq_drop_everything(&p->old[i].sock);
	begin_step(p, PFQ_SETTLING, QUIET_NS);
}

/* ---- old parts ---- */

void pfq_put_aside(struct pfq *p, uint64_t until_ns)
{
	/* A program that has not read through so many changes loses what is oldest. */
	while (p->n_old + p->n_parts > PFQ_MAX_OLD) {
		pfq_close_part(p, &p->old[0]);
		p->n_old--;
		for (unsigned i = 0; i < p->n_old; i++)
			pfq_move_part(&p->old[i], &p->old[i + 1]);
	}
	for (unsigned i = 0; i < p->n_parts; i++) {
		pfq_move_part(&p->old[p->n_old], &p->parts[i]);
		p->old[p->n_old++].until_ns = until_ns;
	}
	p->n_parts = 0;
	p->since_ns = p->rec.since_ns;
}

void pfq_retire_group(struct pfq *p, int group)
{
	for (unsigned i = 0; i < p->n_parts && group >= 0; i++) {
		if (p->parts[i].group != group)
			continue;
		p->parts[i].until_ns = pfq_real_ns();
		retire(p, &p->parts[i]);
	}
}

void pfq_fall_silent(struct pfq *p, uint64_t since_ns, const struct accel_err *why)
{
	uint64_t now = pfq_real_ns();

	if (p->n_parts > 0 && p->log)
		p->log(ACCEL_LOG_WARNING,
		       "%s: group %u has changed in a way that this program cannot follow (%s): it "
		       "receives nothing",
		       p->name, p->registry.group, why->text);
	since_ns = since_ns == UNDECIDED ? now : ACCEL_MAX(since_ns, now);
	pfq_put_aside(p, since_ns);
	for (unsigned i = 0; i < p->n_old; i++)
		p->old[i].until_ns = ACCEL_MIN(p->old[i].until_ns, since_ns);
	p->since_ns = since_ns;
	pfq_arm(p);
}
