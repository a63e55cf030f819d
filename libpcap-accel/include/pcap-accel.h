/* SPDX-License-Identifier: BSD-3-Clause */
/* pcap-accel.h - what libpcap-accel has beyond libpcap. Everything else is <pcap/pcap.h>.
 *
 * A program that wants to run on any libpcap looks these up with dlsym(); none of them is needed to
 * capture. To link with the library take the flags of `pkg-config --libs libpcap-accel`: its soname
 * is libpcap's, so a plain -lpcap-accel would have the loader take the system's libpcap.
 *
 * Threads: as for libpcap, one thread a handle, but pcap_accel_stats() may be called from any
 * thread and from a signal handler. */
#ifndef PCAP_ACCEL_H
#define PCAP_ACCEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pcap;

/* The library's version, "0.1.0". Constant text. */
const char *pcap_accel_version(void);

/* Which engine serves the handle, on which devices, with which settings and where each of them came
 * from: text of several lines, the first of which is enough for a log. Writes at most `size` bytes
 * with the NUL. Returns the length of the whole text, as snprintf does. For a handle of the
 * system's libpcap the text is "libpcap: ..." and nothing of it is touched. */
int pcap_accel_explain(struct pcap *p, char *text, size_t size);

struct pcap_accel_stat {
	uint64_t size; /* in: sizeof(struct pcap_accel_stat); fields beyond it are not written */
	uint64_t
		received; /* packets that passed the filter, dropped ones included (ps_recv); before
			       the filter where the library runs it and not the kernel */
	uint64_t dropped; /* of these, lost because the ring was full (ps_drop) */
	uint64_t if_dropped;	/* lost by the interfaces since activation (ps_ifdrop) */
	uint64_t freezes;	/* times the ring was full and the kernel stopped filling it */
	uint64_t delivered;	/* packets handed to the program */
	uint64_t injected;	/* packets sent */
	uint64_t inject_failed; /* packets of a batch that the kernel refused */
};

/* 64-bit statistics since activation; they do not wrap. 0; PCAP_ERROR_NOT_ACTIVATED (-3);
 * PCAP_ERROR (-1) on a handle of the system's libpcap or for a size that is too small; neither has
 * a text, because a signal handler may ask. Async-signal-safe. */
int pcap_accel_stats(struct pcap *p, struct pcap_accel_stat *st);

#ifdef __cplusplus
}
#endif

#endif
