/* SPDX-License-Identifier: BSD-3-Clause */
/* info.c - questions to a handle.
 *
 * What only the real library knows is asked of the handle's model.
 *
 * Source: the pages named like the functions.
 * Threads: the handle's; pcap_stats(), pcap_accel_stats() and pcap_accel_list_queues() any, and
 * signal handlers. */
#include "api/ours.h"

#include <errno.h>
#include <pcap-accel.h>
#include <stdio.h>
#include <string.h>

/* A question that the model answers as the real library answers it for the plain interface. */
#define ASK_MODEL(name)                                                                        \
	int name(struct pcap *p)                                                               \
	{                                                                                      \
		struct accel_handle *h = accel_ours(p);                                        \
                                                                                               \
		if (!h)                                                                        \
			return accel_real()->name(p);                                          \
		return h->is_active ? accel_real()->name(h->model) : PCAP_ERROR_NOT_ACTIVATED; \
	}

ASK_MODEL(pcap_datalink)
ASK_MODEL(pcap_datalink_ext)
ASK_MODEL(pcap_is_swapped)
ASK_MODEL(pcap_major_version)
ASK_MODEL(pcap_minor_version)
ASK_MODEL(pcap_bufsize)

int pcap_snapshot(struct pcap *p)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_snapshot(p);
	return h->is_active ? h->snapshot : PCAP_ERROR_NOT_ACTIVATED;
}

int pcap_list_datalinks(struct pcap *p, int **list)
{
	struct accel_handle *h = accel_ours(p);
	int r;

	if (!h)
		return accel_real()->pcap_list_datalinks(p, list);
	if (!h->is_active)
		return PCAP_ERROR_NOT_ACTIVATED;
	r = accel_real()->pcap_list_datalinks(h->model, list);
	return r < 0 ? accel_say_model(h, r) : r;
}

int pcap_set_datalink(struct pcap *p, int dlt)
{
	struct accel_handle *h = accel_ours(p);
	const char *name;
	int old;

	if (!h)
		return accel_real()->pcap_set_datalink(p, dlt);
	if (h->is_active) {
		old = accel_real()->pcap_datalink(h->model);
		if (accel_real()->pcap_set_datalink(h->model, dlt) < 0)
			return accel_say_model(h, PCAP_ERROR);
		if (h->be->set_link_type(h->st, dlt) == 0)
			return 0;
		accel_real()->pcap_set_datalink(h->model, old);
	}
	name = accel_real()->pcap_datalink_val_to_name(dlt);
	if (name)
		return accel_say(h, PCAP_ERROR,
				 "%s is not one of the DLTs supported by this device", name);
	return accel_say(h, PCAP_ERROR, "DLT %d is not one of the DLTs supported by this device",
			 dlt);
}

int pcap_fileno(struct pcap *p)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_fileno(p);
	return h->is_active ? h->be->sock_fd(h->st) : -1;
}

int pcap_get_selectable_fd(struct pcap *p)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_get_selectable_fd(p);
	return h->is_active ? h->be->poll_fd(h->st) : -1;
}

const struct timeval *pcap_get_required_select_timeout(struct pcap *p)
{
	struct accel_handle *h = accel_ours(p);
	int ms;

	if (!h)
		return accel_real()->pcap_get_required_select_timeout(p);
	ms = h->is_active ? h->be->required_timeout_ms(h->st) : 0;
	if (ms == 0)
		return NULL;
	h->select_timeout = (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	return &h->select_timeout;
}

FILE *pcap_file(struct pcap *p)
{
	return accel_ours(p) ? NULL : accel_real()->pcap_file(p);
}

int pcap_stats(struct pcap *p, struct pcap_stat *stat)
{
	struct accel_handle *h = accel_ours(p);
	struct accel_stats now;

	if (!h)
		return accel_real()->pcap_stats(p, stat);
	if (!h->is_active)
		return accel_say_not_active(h);
	accel_handle_stats(h, &now);
	/* 32 bits, which wrap: that is libpcap's contract. pcap_accel_stats() has 64. */
	stat->ps_recv = (unsigned)now.received;
	stat->ps_drop = (unsigned)now.dropped;
	stat->ps_ifdrop = (unsigned)now.if_dropped;
	return 0;
}

char *pcap_geterr(struct pcap *p)
{
	struct accel_handle *h = accel_ours(p);

	return h ? h->errbuf : accel_real()->pcap_geterr(p);
}

/* The one function whose contract it is to print. */
void pcap_perror(struct pcap *p, const char *prefix)
{
	struct accel_handle *h = accel_ours(p);

	if (h)
		fprintf(stderr, "%s: %s\n", prefix, h->errbuf);
	else
		accel_real()->pcap_perror(p, prefix);
}

int pcap_accel_explain(struct pcap *p, char *text, size_t size)
{
	struct accel_handle *h = accel_ours(p);
	const char *path = accel_real()->path;

	if (h)
		return accel_handle_explain(h, text, size);
	return snprintf(text, size, "libpcap: %s", path ? path : "none was found");
}

int pcap_accel_stats(struct pcap *p, struct pcap_accel_stat *st)
{
	struct accel_handle *h = accel_ours(p);
	struct pcap_accel_stat full = {0};
	struct accel_stats now;

	if (!h)
		return PCAP_ERROR;
	if (!h->is_active)
		return PCAP_ERROR_NOT_ACTIVATED;
	/* No text here: that would not be safe in a signal handler that interrupted another. */
	if (st->size < offsetof(struct pcap_accel_stat, dropped))
		return PCAP_ERROR;
	accel_handle_stats(h, &now);
	full.size = st->size;
	full.received = now.received;
	full.dropped = now.dropped;
	full.if_dropped = now.if_dropped;
	full.freezes = now.freezes;
	full.delivered = now.delivered;
	full.injected = now.injected;
	full.inject_failed = now.inject_failed;
	memcpy(st, &full, ACCEL_MIN(st->size, sizeof(full)));
	return 0;
}

static struct pcap_accel_queue show_queue(const struct accel_queue_stats *q)
{
	struct pcap_accel_queue shown = {
		.queue = q->queue,
		.native = q->is_native,
		.zero_copy = q->is_zero_copy,
		.n_frames = q->ring_len,
		.n_waiting = q->ring_used,
		.n_tx_frames = q->n_tx_frames,
		.delivered = q->received - q->dropped - q->ring_full,
		.no_frame = q->dropped,
		.ring_full = q->ring_full,
		.invalid = q->invalid,
	};

	memcpy(shown.device, q->ifname, sizeof(shown.device));
	return shown;
}

int pcap_accel_list_queues(struct pcap *p, struct pcap_accel_queue *queues, size_t n)
{
	struct accel_handle *h = accel_ours(p);
	struct accel_queue_stats now;
	int saved_errno = errno;
	unsigned n_queues;

	if (!h)
		return PCAP_ERROR;
	if (!h->is_active)
		return PCAP_ERROR_NOT_ACTIVATED;
	if (!h->be->queue_stats)
		return 0;
	n_queues = h->be->queue_stats(h->st, 0, NULL, 0);
	/* One at a time: the stack of a signal handler may be small. */
	for (unsigned i = 0; i < n_queues && i < n; i++) {
		h->be->queue_stats(h->st, i, &now, 1);
		queues[i] = show_queue(&now);
	}
	errno = saved_errno;
	return (int)n_queues;
}
