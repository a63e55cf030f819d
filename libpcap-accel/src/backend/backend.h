/* SPDX-License-Identifier: BSD-3-Clause */
/* backend.h - what a capture engine provides.
 *
 * core/ allocates and zeroes state_size bytes, calls resolve() and open(), and frees them after
 * close(). An engine keeps nothing outside its state but what states share, which has a lock. Calls
 * on one state never overlap, but for stats() and queue_stats(), which may run on any thread and in
 * a signal handler while anything else runs. Engines know nothing of the exported ABI: they could
 * serve another front. All ints are 0 or -errno unless the slot says otherwise; out parameters are
 * untouched on failure; a failure has its text in *err.
 *
 * Threads: one a state, but for stats() and queue_stats(). */
#ifndef ACCEL_BACKEND_H
#define ACCEL_BACKEND_H

#include "base/level.h"
#include "spec/device.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

struct accel_err;

/* A packet's header as programs get it. Layout of libpcap's struct pcap_pkthdr (api/ asserts it):
 * tv_usec holds nanoseconds where nanosecond precision was asked for. */
struct accel_pkthdr {
	struct timeval ts;
	uint32_t caplen; /* bytes at `data` */
	uint32_t len;	 /* bytes on the wire */
};

/* The same in a batch. Layout of struct pcap_accel_record (api/ asserts it). */
struct accel_record {
	uint64_t ts_ns;	 /* since 1970; whole microseconds unless the handle has nanoseconds */
	uint64_t offset; /* in the batch's data */
	uint32_t caplen, len;
};

/* Packets of one block of a ring, lent until accel_loan_give_back(). */
struct accel_borrowed {
	struct accel_record *records; /* in: the caller's memory */
	int max_records;	      /* in: 1 or more */
	const uint8_t *data;	      /* out, all behind this */
	uint64_t data_len;
	struct accel_loan *loan;
};

typedef void (*accel_sink)(unsigned char *user, const struct accel_pkthdr *hdr,
			   const unsigned char *data);

/* Compile a pcap filter for packets as the kernel's filters see them. *out is malloc'ed. 0 or
 * -errno with a text. */
typedef int accel_compile_fn(void *ctx, const char *text, struct sock_filter **out, unsigned *n_out,
			     struct accel_err *err);

enum accel_tstamp { ACCEL_TSTAMP_HOST, ACCEL_TSTAMP_ADAPTER, ACCEL_TSTAMP_ADAPTER_UNSYNCED };

/* What core/ asks for: the pcap_set_*() calls and the options, already weighed against each
 * other. */
struct accel_request {
	const char *name; /* the device as the program wrote it; opens error texts */
	const struct accel_device *dev;
	const struct accel_settings *set; /* options that only the engine knows */
	int link_type;			  /* DLT_* of the device that resolve() named */
	uint32_t snaplen;		  /* bytes, 1 .. 262144 */
	uint64_t buffer_len;		  /* bytes; 0 = the engine's default */
	bool buffer_must_fit;
	bool promisc, immediate, nano;
	int timeout_ms; /* 0 = none asked for: as soon as is sensible */
	enum accel_tstamp tstamp;
	accel_compile_fn *compile_filter; /* with compile_ctx; callable until close() */
	void *compile_ctx;
	unsigned protocol; /* ethertype, host order; 0 = all */
	accel_log_fn *log; /* NULL: nobody listens; callable until close() */
	const int *stop;   /* read(): return -EINTR when it becomes non-zero. Writers: breakloop */
};

struct accel_stats {
	uint64_t received, dropped, if_dropped, freezes, delivered, injected, inject_failed;
	uint64_t delivered_len; /* bytes on the wire of the delivered packets */
};

/* One receive queue of a device, of the engines that serve each apart. */
struct accel_queue_stats {
	char ifname[ACCEL_IFNAME_LEN];
	uint32_t queue;
	uint32_t ring_used, ring_len;	       /* packets that wait, and how many may */
	uint64_t received, dropped, ring_full; /* received: the two kinds of losses included */
	uint64_t invalid;		       /* frames to send that the kernel refused */
	uint32_t n_tx_frames;		       /* to send, that it holds */
	bool is_native, is_zero_copy;
};

struct accel_backend {
	const char *name; /* "afpacket" */
	enum accel_engine engine;
	size_t state_size;

	/* Before open(): look at the devices, take nothing. *model is the interface whose link
	 * type, and therefore filter dialect, is that of the handle: one of the devices, or "any"
	 * (cooked).
	 * -ENODEV, -ENETDOWN, -EINVAL: the device list is not for this engine. */
	int (*resolve)(const struct accel_request *rq, char model[ACCEL_IFNAME_LEN],
		       struct accel_err *err);

	/* Bring the capture up; packets flow from now on. Everything that needs a privilege happens
	 * here. On failure the state is as if never opened: close() is not called.
	 * -EPERM, -ENODEV, -ENETDOWN, -ENOMEM, ... */
	int (*open)(void *st, const struct accel_request *rq, struct accel_err *err);

	/* Release everything; needs no privilege. Once, after a successful open(). */
	void (*close)(void *st);

	/* Hand packets that are there to `sink`, at most max (max <= 0: what is there now). Never
	 * blocks. The count, or -EINTR when *stop was set, before the first or after any packet.
	 * The data may be written to and lives until sink returns. sink may call any function but
	 * close() on the state. */
	int (*read)(void *st, int max, accel_sink sink, unsigned char *user);

	/* One packet without a copy: 1, 0 if none is there, or -EINTR when *stop was set. *hdr and
	 * *data live until the next read(), next() or close(). */
	int (*next)(void *st, struct accel_pkthdr *hdr, const unsigned char **data);

	/* Packets without a copy, for as long as the program likes: how many; 0 if none is there;
	 * -EINTR when *stop was set. *b is written with packets only. -EOPNOTSUPP: these must be
	 * read with next() and copied. -ENOMEM: nothing can be read before something that is lent
	 * is given back. NULL: the engine has nothing to lend. */
	int (*borrow)(void *st, struct accel_borrowed *b);

	/* Sleep until read() may find something: 1 = look again, 0 = timeout_ms is over (-1 = no
	 * limit), -EINTR = a signal came. Ends early when wake_fd (or -1) is readable. -ENODEV: the
	 * devices are gone; any other -errno: the capture is broken. Also the place where link
	 * events are noticed: call it with 0 when a non-blocking read finds nothing. */
	int (*wait)(void *st, int timeout_ms, int wake_fd, struct accel_err *err);

	/* Replace the filter; the program is copied; n = 0 removes it. What the new filter rejects
	 * is not delivered after the return. -ENOMEM. */
	int (*set_filter)(void *st, const struct sock_filter *insns, unsigned n,
			  struct accel_err *err);

	/* The program has had this filter compiled: it may set it soon, and may by then have given
	 * up the privileges that it has now. A hint, may fail unseen. NULL: of no interest. */
	void (*expect_filter)(void *st, const struct sock_filter *insns, unsigned n);

	/* As enum accel_direction: 0 both, 1 in, 2 out. */
	int (*set_direction)(void *st, int direction, struct accel_err *err);

	/* The program chose another of the model's link types. */
	int (*set_link_type)(void *st, int link_type);

	/* Send one frame. The bytes taken. -EOPNOTSUPP on cooked devices. */
	int (*inject)(void *st, const void *frame, size_t len, struct accel_err *err);

	/* Cumulative since open(). Any thread; async-signal-safe. */
	void (*stats)(void *st, struct accel_stats *out);

	/* The same of each queue from the first-th on: at most n rows are written; how many there
	 * are in all. NULL: the engine does not know queues. */
	unsigned (*queue_stats)(void *st, unsigned first, struct accel_queue_stats *out,
				unsigned n);

	/* How full the memory is that the kernel fills and read() empties: *n_used of *n_all
	 * blocks or packets. */
	void (*ring_fill)(void *st, uint32_t *n_used, uint32_t *n_all);

	int (*poll_fd)(void *st); /* level-triggered readable when read() would deliver */
	int (*sock_fd)(void *st); /* a socket, for setsockopt() by programs */

	/* Milliseconds after which the program must call in without being woken; 0 = none. */
	int (*required_timeout_ms)(void *st);

	/* "ring 64 MiB (64 blocks of 1 MiB), ..." as snprintf(). */
	int (*describe)(void *st, char *out, size_t len);
};

extern const struct accel_backend accel_backend_afpacket;
extern const struct accel_backend accel_backend_pfq;
extern const struct accel_backend accel_backend_xdp;

/* The engine's implementation: each has one. */
const struct accel_backend *accel_backend_find(enum accel_engine engine);

#endif
