/* SPDX-License-Identifier: BSD-3-Clause */
/* option.c - what a program asks for before activation.
 *
 * As in libpcap any value is taken and judged at activation, but for time stamp type and precision.
 *
 * Source: pcap_set_snaplen(3PCAP) and its sisters.
 * Threads: the handle's. */
#include "api/ours.h"
#include "core/tstamp.h"

#include <stdlib.h>
#include <string.h>

static int refuse_active(struct accel_handle *h)
{
	return accel_say(h, PCAP_ERROR_ACTIVATED, "can't perform  operation on activated capture");
}

/* A setter that stores its argument. */
#define SETTER(name, field)                                  \
	int name(struct pcap *p, int asked)                  \
	{                                                    \
		struct accel_handle *h = accel_ours(p);      \
                                                             \
		if (!h)                                      \
			return accel_real()->name(p, asked); \
		if (h->is_active)                            \
			return refuse_active(h);             \
		h->field = asked;                            \
		return 0;                                    \
	}

SETTER(pcap_set_snaplen, snaplen)
SETTER(pcap_set_promisc, promisc)
SETTER(pcap_set_rfmon, rfmon)
SETTER(pcap_set_timeout, timeout_ms)
SETTER(pcap_set_immediate_mode, immediate)
SETTER(pcap_set_protocol_linux, protocol)

int pcap_set_buffer_size(struct pcap *p, int bytes)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_set_buffer_size(p, bytes);
	if (h->is_active)
		return refuse_active(h);
	if (bytes > 0) /* libpcap passes over anything else in silence */
		h->buffer_len = bytes;
	return 0;
}

int pcap_set_tstamp_type(struct pcap *p, int type)
{
	struct accel_handle *h = accel_ours(p);
	int types[ACCEL_MAX_TSTAMP_TYPES], n;

	if (!h)
		return accel_real()->pcap_set_tstamp_type(p, type);
	if (h->is_active)
		return refuse_active(h);
	n = accel_tstamp_types(h->name, types);
	for (int i = 0; i < n; i++) {
		if (types[i] == type) {
			h->tstamp_type = type;
			return 0;
		}
	}
	return PCAP_WARNING_TSTAMP_TYPE_NOTSUP;
}

int pcap_set_tstamp_precision(struct pcap *p, int precision)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_set_tstamp_precision(p, precision);
	if (h->is_active)
		return refuse_active(h);
	if (precision != PCAP_TSTAMP_PRECISION_MICRO && precision != PCAP_TSTAMP_PRECISION_NANO)
		return PCAP_ERROR_TSTAMP_PRECISION_NOTSUP;
	h->tstamp_precision = precision;
	return 0;
}

int pcap_get_tstamp_precision(struct pcap *p)
{
	struct accel_handle *h = accel_ours(p);

	return h ? h->tstamp_precision : accel_real()->pcap_get_tstamp_precision(p);
}

int pcap_list_tstamp_types(struct pcap *p, int **list)
{
	struct accel_handle *h = accel_ours(p);
	int types[ACCEL_MAX_TSTAMP_TYPES], n;

	if (!h)
		return accel_real()->pcap_list_tstamp_types(p, list);
	n = accel_tstamp_types(h->name, types);
	*list = malloc((size_t)n * sizeof(**list));
	if (!*list)
		return accel_say(h, PCAP_ERROR, "malloc: out of memory");
	memcpy(*list, types, (size_t)n * sizeof(**list));
	return n;
}

/* No engine of ours does monitor mode; the real library does, under the interface's own name. */
int pcap_can_set_rfmon(struct pcap *p)
{
	struct accel_handle *h = accel_ours(p);

	return h ? 0 : accel_real()->pcap_can_set_rfmon(p);
}

struct pcap_samp *pcap_setsampling(struct pcap *p)
{
	struct accel_handle *h = accel_ours(p);

	_Static_assert(sizeof(h->sampling) == sizeof(struct pcap_samp), "sampling holds it");
	return h ? (struct pcap_samp *)h->sampling : accel_real()->pcap_setsampling(p);
}
