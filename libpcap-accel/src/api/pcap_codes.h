/* SPDX-License-Identifier: BSD-3-Clause */
/* pcap_codes.h - what libpcap's functions return beside 0. Known in api/ only: everything below
 * speaks -errno.
 *
 * Source: pcap_activate(3PCAP), pcap_statustostr(3PCAP); -13 since libpcap 1.10.5.
 * Threads: declarations only. */
#ifndef ACCEL_PCAP_CODES_H
#define ACCEL_PCAP_CODES_H

enum {
	PCAP_ERROR = -1,
	PCAP_ERROR_BREAK = -2,
	PCAP_ERROR_NOT_ACTIVATED = -3,
	PCAP_ERROR_ACTIVATED = -4,
	PCAP_ERROR_NO_SUCH_DEVICE = -5,
	PCAP_ERROR_RFMON_NOTSUP = -6,
	PCAP_ERROR_NOT_RFMON = -7,
	PCAP_ERROR_PERM_DENIED = -8,
	PCAP_ERROR_IFACE_NOT_UP = -9,
	PCAP_ERROR_CANTSET_TSTAMP_TYPE = -10,
	PCAP_ERROR_PROMISC_PERM_DENIED = -11,
	PCAP_ERROR_TSTAMP_PRECISION_NOTSUP = -12,
	PCAP_ERROR_CAPTURE_NOTSUP = -13,

	PCAP_WARNING = 1,
	PCAP_WARNING_PROMISC_NOTSUP = 2,
	PCAP_WARNING_TSTAMP_TYPE_NOTSUP = 3,
};

#endif
