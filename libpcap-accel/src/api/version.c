/* SPDX-License-Identifier: BSD-3-Clause */
/* version.c - what we are called. Programs take libpcap's version from the beginning of its text
 * (Wireshark and nmap parse it): ours comes behind, and the beginning is never touched.
 *
 * Threads: any; see `text`. */
#include "api/export.h"
#include "base/util.h"
#include "core/real.h"

#include <stdlib.h>
#include <string.h>

#define OURS ", libpcap-accel " ACCEL_VERSION

/* Made by the first caller, kept for good: pcap_lib_version()'s result is the library's. Its
 * acquire and release are those of pcap_lib_version() itself, in two threads. */
static const char *text;

static const char *make_text(const char *real)
{
	char *mine = malloc(strlen(real) + sizeof(OURS));
	const char *before = NULL;

	if (!mine)
		return real;
	stpcpy(stpcpy(mine, real), OURS);
	if (__atomic_compare_exchange_n(&text, &before, mine, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return mine;
	free(mine);
	return before;
}

const char *pcap_lib_version(void)
{
	const char *known = accel_load_acquire(&text);
	const char *real;

	if (known)
		return known;
	real = accel_real()->pcap_lib_version();
	return make_text(real ? real : "libpcap version 1.10.3 (not found on this system)");
}

const char *pcap_accel_version(void)
{
	return ACCEL_VERSION;
}
