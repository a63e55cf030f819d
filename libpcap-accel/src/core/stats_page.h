/* SPDX-License-Identifier: BSD-3-Clause */
/* stats_page.h - what other programs may know of an active handle: who captures on what, and its
 * counters. One file a handle, mapped (kern/shared_page.h), read by `pcap-accel top`.
 *
 * The counters are written before the handle sleeps, and, for one that never does, each so many
 * packets; 50 times a second at most. How full the ring is, too: before the handle sleeps it is
 * empty, and of one that never sleeps it tells how far behind it is. A program that is not reading
 * at all writes nothing: its page gets old while `waiting` is 0. A page that cannot be made is
 * none: captures do not need it.
 *
 * Threads: the handle's. */
#ifndef ACCEL_STATS_PAGE_H
#define ACCEL_STATS_PAGE_H

#include <stdint.h>

struct accel_handle;

#define ACCEL_STATS_MAGIC      "accelst2" /* another layout, another magic */
#define ACCEL_STATS_MAX_QUEUES 64	  /* of a handle; more are not shown */

/* A receive queue of an engine that serves each apart (xdp). */
struct accel_stats_queue {
	char ifname[16]; /* NUL-terminated */
	uint32_t queue;
	uint32_t ring_used, ring_len; /* packets that wait, and how many may */
	uint32_t reserved;	      /* 0 */
	uint64_t received, dropped, ring_full;
};

/* The file. Times in ns. pypcapaccel/_pages.py reads it; tests/python/test_top.py compares. */
struct accel_stats_page {
	char magic[8];
	uint32_t size;	   /* of all this without the queues */
	int32_t pid;	   /* who reads, as its own process sees it */
	uint64_t netns;	   /* inode of the network namespace */
	uint64_t since_ns; /* CLOCK_REALTIME */
	int32_t group;	   /* -1: none was named */
	uint32_t n_queues; /* behind this */
	char program[16];  /* NUL-terminated, as the following */
	char engine[16];   /* "afpacket" */
	char device[128];  /* as the program wrote it, cut */
	/* Each written by one relaxed store: no two of them need to be of one moment. */
	uint64_t updated_ns; /* CLOCK_MONOTONIC, of the counters */
	uint64_t received, dropped, if_dropped, freezes, delivered, injected, inject_failed;
	uint64_t delivered_len;	      /* bytes on the wire */
	uint32_t ring_used, ring_len; /* blocks or packets that wait, and how many may */
	uint32_t waiting;	      /* 1: all was read, it sleeps until more comes */
	uint32_t reserved;	      /* 0 */
	struct accel_stats_queue queues[];
};

/* Of a handle that has just become active. A failure is logged at `debug` and nothing else. */
void accel_stats_page_open(struct accel_handle *h);
void accel_stats_page_close(struct accel_handle *h);

/* Write the counters if it is time. Milliseconds until it will be; 0: done, or there is no page. */
int accel_stats_page_write(struct accel_handle *h);

/* The handle goes to sleep, or has packets again. */
void accel_stats_page_set_waiting(struct accel_handle *h, uint32_t waiting);

#endif
