/* SPDX-License-Identifier: BSD-3-Clause */
/* stats_page.c - see stats_page.h.
 *
 * Threads: the handle's. */
#include "core/stats_page.h"

#include "base/util.h"
#include "core/handle.h"
#include "core/log.h"

#include <errno.h>

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A look at the counters takes microseconds: at the devices' own, and a system call. */
#define INTERVAL_NS (20 * UINT64_C(1000000))

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

void accel_stats_page_open(struct accel_handle *h)
{
	const struct accel_value *group = &h->settings.v[ACCEL_OPT_GROUP];
	struct accel_stats_page page = {
		.magic = ACCEL_STATS_MAGIC,
		.size = sizeof(page),
		.pid = getpid(),
		.since_ns = now_ns(CLOCK_REALTIME),
		.updated_ns = now_ns(CLOCK_MONOTONIC),
		.group = group->from == ACCEL_FROM_DEFAULT ? -1 : (int32_t)group->num,
	};
	struct accel_err err;
	struct stat ns;

	if (stat("/proc/thread-self/ns/net", &ns) == 0)
		page.netns = ns.st_ino;
	snprintf(page.program, sizeof(page.program), "%s", program_invocation_short_name);
	snprintf(page.engine, sizeof(page.engine), "%s", h->be->name);
	snprintf(page.device, sizeof(page.device), "%s", h->name);
	if (accel_shared_page_open(&h->page, &page, sizeof(page), &err) < 0)
		accel_log(ACCEL_LOG_DEBUG, "no statistics page: %s", err.text);
}

void accel_stats_page_close(struct accel_handle *h)
{
	accel_shared_page_close(&h->page);
}

void accel_stats_page_write(struct accel_handle *h)
{
	struct accel_stats_page *page = h->page.map;
	struct accel_stats now;
	uint64_t ns;

	if (!page)
		return;
	ns = now_ns(CLOCK_MONOTONIC);
	if (ns - page->updated_ns < INTERVAL_NS)
		return;
	accel_handle_stats(h, &now);
	accel_store_relaxed(&page->received, now.received);
	accel_store_relaxed(&page->dropped, now.dropped);
	accel_store_relaxed(&page->if_dropped, now.if_dropped);
	accel_store_relaxed(&page->freezes, now.freezes);
	accel_store_relaxed(&page->delivered, now.delivered);
	accel_store_relaxed(&page->injected, now.injected);
	accel_store_relaxed(&page->inject_failed, now.inject_failed);
	accel_store_relaxed(&page->updated_ns, ns);
}
