/* SPDX-License-Identifier: BSD-3-Clause */
/* handle.h - a capture of ours: what was asked for, then what was made of it.
 *
 * Life: accel_handle_new() -> the fields under "asked for" are written -> accel_handle_activate()
 * -> reading -> accel_handle_free(). A failed activation leaves the handle as before it.
 *
 * Programs hold a `struct pcap *`. A handle is ours when its first word is the address of our
 * private tag, which no handle of the real library holds: of a foreign one nothing but that word is
 * read.
 *
 * Errors are 0 or -errno, with a text in h->err.
 * Threads: one a handle, but for accel_handle_break() and accel_handle_stats(), which any thread
 * and a signal handler may call at any time. */
#ifndef ACCEL_HANDLE_H
#define ACCEL_HANDLE_H

#include "backend/backend.h"
#include "base/err.h"
#include "core/pcap_abi.h"
#include "kern/shared_page.h"

#include <string.h>

struct pcap;

struct accel_handle {
	const void *tag; /* first; &accel_handle_tag */
	struct accel_err err;

	/* asked for */
	char *name; /* one of our device strings; owned */
	int snaplen, timeout_ms, buffer_len, tstamp_type, tstamp_precision, protocol;
	bool promisc, rfmon, immediate;
	bool nonblock; /* before activation a wish, afterwards the state */

	/* made of it; NULL or -1 while not active */
	bool is_active;
	struct accel_device dev;
	struct accel_settings settings;
	const struct accel_backend *be;
	void *st; /* the engine's state */
	struct pcap *model;
	int model_status; /* the real library's word where the model could not be opened; else 0 */
	char fallback[ACCEL_ERR_LEN]; /* why another engine serves it; "" = none does */
	int snapshot;		      /* bytes a packet at most, after all settings */
	int wake_fd;		      /* eventfd that ends a sleep; -1 in non-blocking mode */

	/* Set by breakloop, cleared by the read that it ends. Writers: any thread, signal
	 * handlers. */
	int stop;

	struct accel_shared_page page; /* for other programs: core/stats_page.h */
	unsigned n_work;	       /* since the last look whether the page is due */

	struct accel_pkthdr next_hdr; /* of the packet that next_ex lent */
	struct timeval select_timeout;
	char errbuf[PCAP_ERRBUF_SIZE]; /* what pcap_geterr() returns */
	int sampling[2];	       /* pcap_setsampling()'s struct, which no engine uses */
};

extern const char accel_handle_tag[];

static inline bool accel_handle_is_ours(const void *p)
{
	const void *first;

	memcpy(&first, p, sizeof(first));
	return first == accel_handle_tag;
}

/* A created handle for one of our names, checked at activation. NULL: no memory. */
struct accel_handle *accel_handle_new(const char *name);
void accel_handle_free(struct accel_handle *h);

/* -EINVAL and others for what was asked; -ENODEV, -EPERM, -ENETDOWN, -ENOMEM of the engine;
 * -EREMOTEIO: the real library refused the device, h->model_status says how. */
int accel_handle_activate(struct accel_handle *h);

/* At most max packets to sink (max <= 0: what is there). Blocking: waits once, for as long as the
 * timeout. The count, 0 when nothing came, -EINTR when broken off (the break is used up),
 * -errno. */
int accel_handle_dispatch(struct accel_handle *h, int max, accel_sink sink, unsigned char *user);

/* The same until max packets were handed out (max <= 0: without end): 0, -EINTR, -errno. */
int accel_handle_loop(struct accel_handle *h, int max, accel_sink sink, unsigned char *user);

/* One packet, lent until the next read: 1, 0 when nothing came, -EINTR, -errno. h->next_hdr. */
int accel_handle_next(struct accel_handle *h, const unsigned char **data);

/* What is there of one block, lent until accel_loan_give_back(): as accel_handle_next(), the number
 * of packets. -EOPNOTSUPP: these are to be had by accel_handle_next() and copied. */
int accel_handle_borrow(struct accel_handle *h, struct accel_borrowed *b);

/* End the read that is running or the next. Async-signal-safe; keeps errno. */
void accel_handle_break(struct accel_handle *h);

int accel_handle_set_nonblock(struct accel_handle *h, bool nonblock);
void accel_handle_stats(struct accel_handle *h, struct accel_stats *out); /* async-signal-safe */

/* As snprintf(): which engine, which devices, and each setting that is not a default. */
int accel_handle_explain(struct accel_handle *h, char *out, size_t len);

#endif
