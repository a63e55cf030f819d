/* SPDX-License-Identifier: BSD-3-Clause */
/* ours.h - what the exported functions share: telling whose a handle is, and turning -errno with a
 * text into libpcap's codes and its error buffer.
 *
 * Threads: those of the exported function. */
#ifndef ACCEL_API_OURS_H
#define ACCEL_API_OURS_H

#include "api/export.h"
#include "api/pcap_codes.h"
#include "core/handle.h"
#include "core/real.h"

/* The handle if it is ours, NULL if it is the real library's. */
static inline struct accel_handle *accel_ours(struct pcap *p)
{
	return accel_handle_is_ours(p) ? (struct accel_handle *)p : NULL;
}

/* Put a text where pcap_geterr() finds it, cut to libpcap's size, and return `code`. */
int accel_say(struct accel_handle *h, int code, const char *fmt, ...) ACCEL_PRINTF(3, 4);

/* Write a text into an errbuf of PCAP_ERRBUF_SIZE bytes, cut to fit. */
void accel_fill(char *errbuf, const char *fmt, ...) ACCEL_PRINTF(2, 3);

/* accel_say() with the text of h->err. */
int accel_say_err(struct accel_handle *h, int code);

/* PCAP_ERROR_NOT_ACTIVATED, with libpcap's text. Async-signal-safe. */
int accel_say_not_active(struct accel_handle *h);

/* accel_say_err() with the text of the handle's model, which has just failed. */
int accel_say_model(struct accel_handle *h, int code);

/* The code of a failed read: -EINTR is PCAP_ERROR_BREAK, the rest PCAP_ERROR. */
int accel_read_error(struct accel_handle *h, int r);

/* The code of a read's result: counts stay. */
static inline int accel_read_code(struct accel_handle *h, int r)
{
	return ACCEL_LIKELY(r >= 0) ? r : accel_read_error(h, r);
}

#endif
