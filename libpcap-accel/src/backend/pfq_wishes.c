/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_wishes.c - what a member may want beside its share: to wait for the group's first device, to
 * set the filter of all.
 *
 * Threads: the handle's. */
#include "backend/pfq.h"
#include "backend/pfq_store.h"
#include "backend/request.h"
#include "base/err.h"
#include "base/num.h"
#include "base/util.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#define SLICE_MS 100 /* a breakloop of another thread is seen within this */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int fail_late(const struct pfq *p, uint64_t wait_ns, struct accel_err *err)
{
	char time[ACCEL_NUM_LEN];

	return accel_fail(err, -ETIMEDOUT,
			  "%s: group %u has no device after %s (name one, or wait longer: wait)",
			  p->name, p->registry.group, accel_print_time(wait_ns, time));
}

static int wait_for_devices(struct pfq *p, uint64_t wait_ns, struct accel_err *err)
{
	struct pollfd pfd = {.fd = p->registry.watch_fd, .events = POLLIN};
	uint64_t now = now_ns(), end = now + wait_ns;

	for (; p->rec.n_devices == 0; now = now_ns()) {
		if (accel_load_acquire(p->stop)) /* of a breakloop */
			return accel_fail(err, -EINTR,
					  "%s: broken off while group %u had no device", p->name,
					  p->registry.group);
		if (now >= end)
			return fail_late(p, wait_ns, err);
		/* A signal only ends the slice: its handler has broken off, or we go on. */
		poll(&pfd, 1,
		     (int)ACCEL_MIN((end - now) / ACCEL_NS_PER_MS + 1, (uint64_t)SLICE_MS));
		pfq_follow(p);
	}
	return 0;
}

int pfq_await_devices(struct pfq *p, const struct accel_request *rq, struct accel_err *err)
{
	uint64_t wait_ns = accel_rq_value(rq, ACCEL_OPT_WAIT)->num;

	if (p->rec.n_devices > 0)
		return 0;
	if (rq->log)
		rq->log(wait_ns ? ACCEL_LOG_INFO : ACCEL_LOG_WARNING,
			"%s: group %u has no device yet: %s until a member names one", p->name,
			p->registry.group, wait_ns ? "waiting" : "nothing is received");
	return wait_ns ? wait_for_devices(p, wait_ns, err) : 0;
}

/* ---- the group's filter ---- */

static int fail_long(const struct pfq *p, unsigned n, struct accel_err *err)
{
	return accel_fail(err, -E2BIG,
			  "%s: group_filter: the kernel does not take a filter of %u instructions "
			  "here (no loops; with the computation at most %d)",
			  p->name, n, ACCEL_BPF_MAX_INSNS);
}

/* Under the lock, with the newest record. */
static int change_filter(struct pfq *p, const struct sock_filter *insns, unsigned n,
			 struct accel_err *err)
{
	struct sock_filter *old = p->rec.filter;
	unsigned n_old = p->rec.n_filter;
	int r;

	p->rec.filter = NULL;
	p->rec.n_filter = 0;
	r = pfq_record_set_filter(&p->rec, insns, n);
	r = r < 0 ? accel_fail_sys(err, r, "%s: group_filter", p->name)
		  : pfq_attach_filters(p, err);
	if (r == 0 && p->all && !p->kernel_runs_it)
		r = fail_long(p, n, err);
	if (r == 0) {
		p->rec.generation++;
		r = pfq_store_write(&p->registry, &p->rec, err);
		if (r == 0) {
			free(old);
			return 0;
		}
		p->rec.generation--;
	}
	free(p->rec.filter);
	p->rec.filter = old;
	p->rec.n_filter = n_old;
	pfq_attach_filters(p, NULL);
	return r;
}

int pfq_set_group_filter(struct pfq *p, const struct sock_filter *insns, unsigned n,
			 struct accel_err *err)
{
	int r;

	if (n > 0 && !accel_bpf_fits_kernel(insns, n))
		return fail_long(p, n, err);
	if ((r = accel_registry_lock(&p->registry, err)) < 0)
		return r;
	if (accel_registry_changed(&p->registry))
		pfq_follow_locked(p);
	r = change_filter(p, insns, n, err);
	accel_registry_changed(&p->registry); /* our own writing is no news */
	accel_registry_unlock(&p->registry);
	return r;
}
