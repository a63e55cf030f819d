/* SPDX-License-Identifier: BSD-3-Clause */
/* read.c - packets go to the program: loop, dispatch, next, breakloop, blocking or not.
 *
 * Source: pcap_loop(3PCAP), pcap_next_ex(3PCAP), pcap_breakloop(3PCAP), pcap_setnonblock(3PCAP).
 * Threads: the handle's; pcap_breakloop() any, and signal handlers. */
#include "api/ours.h"

#include <stddef.h>
#include <stdio.h>

_Static_assert(sizeof(struct pcap_pkthdr) == sizeof(struct accel_pkthdr) &&
		       offsetof(struct pcap_pkthdr, caplen) ==
			       offsetof(struct accel_pkthdr, caplen) &&
		       offsetof(struct pcap_pkthdr, len) == offsetof(struct accel_pkthdr, len),
	       "engines fill the program's header");

int pcap_dispatch(struct pcap *p, int cnt, pcap_handler callback, unsigned char *user)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_dispatch(p, cnt, callback, user);
	if (!h->is_active)
		return accel_say_not_active(h);
	return accel_read_code(h, accel_handle_dispatch(h, cnt, (accel_sink)callback, user));
}

int pcap_loop(struct pcap *p, int cnt, pcap_handler callback, unsigned char *user)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_loop(p, cnt, callback, user);
	if (!h->is_active)
		return accel_say_not_active(h);
	return accel_read_code(h, accel_handle_loop(h, cnt, (accel_sink)callback, user));
}

int pcap_next_ex(struct pcap *p, struct pcap_pkthdr **hdr, const unsigned char **bytes)
{
	struct accel_handle *h = accel_ours(p);
	int r;

	if (!h)
		return accel_real()->pcap_next_ex(p, hdr, bytes);
	if (!h->is_active)
		return accel_say_not_active(h);
	r = accel_handle_next(h, bytes);
	*hdr = (struct pcap_pkthdr *)&h->next_hdr;
	return accel_read_code(h, r);
}

const unsigned char *pcap_next(struct pcap *p, struct pcap_pkthdr *hdr)
{
	struct accel_handle *h = accel_ours(p);
	const unsigned char *data;

	if (!h)
		return accel_real()->pcap_next(p, hdr);
	if (!h->is_active) {
		accel_say_not_active(h);
		return NULL;
	}
	if (accel_read_code(h, accel_handle_next(h, &data)) <= 0)
		return NULL;
	*(struct accel_pkthdr *)hdr = h->next_hdr;
	return data;
}

void pcap_breakloop(struct pcap *p)
{
	struct accel_handle *h = accel_ours(p);

	if (h)
		accel_handle_break(h);
	else
		accel_real()->pcap_breakloop(p);
}

int pcap_getnonblock(struct pcap *p, char *errbuf)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_getnonblock(p, errbuf);
	if (!h->is_active)
		return accel_say_not_active(h);
	return h->nonblock;
}

int pcap_setnonblock(struct pcap *p, int nonblock, char *errbuf)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_setnonblock(p, nonblock, errbuf);
	if (accel_handle_set_nonblock(h, nonblock != 0) < 0) {
		accel_fill(errbuf, "%s", h->err.text);
		return accel_say_err(h, PCAP_ERROR);
	}
	return 0;
}
