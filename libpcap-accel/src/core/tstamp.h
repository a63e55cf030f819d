/* SPDX-License-Identifier: BSD-3-Clause */
/* tstamp.h - which time stamp types a device offers, as libpcap lists them.
 *
 * Threads: none of its own. */
#ifndef ACCEL_TSTAMP_H
#define ACCEL_TSTAMP_H

#define ACCEL_MAX_TSTAMP_TYPES 3

/* The types (PCAP_TSTAMP_*) of the first interface of a device string, PCAP_TSTAMP_HOST first. The
 * count, 1 .. 3; a name that cannot be understood has the host's. */
int accel_tstamp_types(const char *name, int types[ACCEL_MAX_TSTAMP_TYPES]);

#endif
