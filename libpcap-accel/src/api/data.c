/* SPDX-License-Identifier: BSD-3-Clause */
/* data.c - libpcap's two exported variables.
 *
 * A program that names one of them copies it into itself before any code runs, with the size that
 * it was linked against: content and size are those of libpcap 1.10.3, and both are constants of
 * the link. Not const, as there: the real library, if it is not bound deep, uses ours.
 *
 * Source: the variables of libpcap 1.10.3, read by tests/abi/test_exports.py and compared.
 * Threads: never written. */
#include "api/export.h"

char pcap_version[7] = "1.10.3";

struct eproto eproto_db[13] = {
	{"aarp", 0x80f3},  {"arp", 0x0806},   {"atalk", 0x809b}, {"decnet", 0x6003},
	{"ip", 0x0800},	   {"ip6", 0x86dd},   {"lat", 0x6004},	 {"loopback", 0x9000},
	{"mopdl", 0x6001}, {"moprc", 0x6002}, {"rarp", 0x8035},	 {"sca", 0x6007},
	{NULL, 0},
};
