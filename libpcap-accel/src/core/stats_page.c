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
#include <stdlib.h>
#include <string.h>
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

static void fill(struct accel_stats_page *page, const struct accel_handle *h)
{
	const struct accel_value *group = &h->settings.v[ACCEL_OPT_GROUP];
	struct stat ns;

	memcpy(page->magic, ACCEL_STATS_MAGIC, sizeof(page->magic));
	page->size = sizeof(*page);
	page->pid = getpid();
	page->since_ns = now_ns(CLOCK_REALTIME);
	page->updated_ns = now_ns(CLOCK_MONOTONIC);
	page->group = group->from == ACCEL_FROM_DEFAULT ? -1 : (int32_t)group->num;
	page->waiting = 1;
	if (stat("/proc/thread-self/ns/net", &ns) == 0)
		page->netns = ns.st_ino;
	snprintf(page->program, sizeof(page->program), "%s", program_invocation_short_name);
	snprintf(page->engine, sizeof(page->engine), "%s", h->be->name);
	snprintf(page->device, sizeof(page->device), "%s", h->name);
}

static unsigned get_queues(const struct accel_handle *h,
			   struct accel_queue_stats rows[ACCEL_STATS_MAX_QUEUES])
{
	unsigned n;

	if (!h->be->queue_stats)
		return 0;
	n = h->be->queue_stats(h->st, 0, rows, ACCEL_STATS_MAX_QUEUES);
	return ACCEL_MIN(n, ACCEL_STATS_MAX_QUEUES);
}

static void write_queues(const struct accel_handle *h, struct accel_stats_page *page)
{
	struct accel_queue_stats rows[ACCEL_STATS_MAX_QUEUES];
	unsigned n = ACCEL_MIN(get_queues(h, rows), page->n_queues);

	for (unsigned i = 0; i < n; i++) {
		struct accel_stats_queue *q = &page->queues[i];

		memcpy(q->ifname, rows[i].ifname, sizeof(q->ifname));
		q->queue = rows[i].queue;
		accel_store_relaxed(&q->ring_used, rows[i].ring_used);
		accel_store_relaxed(&q->ring_len, rows[i].ring_len);
		accel_store_relaxed(&q->received, rows[i].received);
		accel_store_relaxed(&q->dropped, rows[i].dropped);
		accel_store_relaxed(&q->ring_full, rows[i].ring_full);
	}
}

static void write_ring(const struct accel_handle *h, struct accel_stats_page *page)
{
	uint32_t n_used, n_all;

	h->be->ring_fill(h->st, &n_used, &n_all);
	accel_store_relaxed(&page->ring_used, n_used);
	accel_store_relaxed(&page->ring_len, n_all);
}

void accel_stats_page_open(struct accel_handle *h)
{
	struct accel_queue_stats unused[ACCEL_STATS_MAX_QUEUES];
	unsigned n_queues = get_queues(h, unused);
	struct accel_stats_page *page;
	struct accel_err err;
	size_t len = sizeof(*page) + n_queues * sizeof(page->queues[0]);

	page = calloc(1, len);
	if (!page)
		return;
	fill(page, h);
	page->n_queues = n_queues;
	write_queues(h, page);
	write_ring(h, page);
	if (accel_shared_page_open(&h->page, page, len, &err) < 0)
		accel_log(ACCEL_LOG_DEBUG, "no statistics page: %s", err.text);
	free(page);
}

void accel_stats_page_close(struct accel_handle *h)
{
	accel_shared_page_close(&h->page);
}

int accel_stats_page_write(struct accel_handle *h)
{
	struct accel_stats_page *page = h->page.map;
	struct accel_stats now;
	uint64_t ns;

	if (!page)
		return 0;
	ns = now_ns(CLOCK_MONOTONIC);
	if (ns - page->updated_ns < INTERVAL_NS)
		return (int)((INTERVAL_NS - (ns - page->updated_ns)) / 1000000) + 1;
	accel_shared_page_adopt(&h->page, &page->pid);
	accel_handle_stats(h, &now);
	accel_store_relaxed(&page->received, now.received);
	accel_store_relaxed(&page->dropped, now.dropped);
	accel_store_relaxed(&page->if_dropped, now.if_dropped);
	accel_store_relaxed(&page->freezes, now.freezes);
	accel_store_relaxed(&page->delivered, now.delivered);
	accel_store_relaxed(&page->injected, now.injected);
	accel_store_relaxed(&page->inject_failed, now.inject_failed);
	accel_store_relaxed(&page->delivered_len, now.delivered_len);
	write_ring(h, page);
	write_queues(h, page);
	accel_store_relaxed(&page->waiting, 0);
	accel_store_relaxed(&page->updated_ns, ns);
	return 0;
}

void accel_stats_page_set_waiting(struct accel_handle *h, uint32_t waiting)
{
	struct accel_stats_page *page = h->page.map;

	if (page)
		accel_store_relaxed(&page->waiting, waiting);
}
