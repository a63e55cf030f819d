/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_guard.h - the slow twin of accel_bpf_compose: what a guard keeps, as a plain predicate.
 * Threads: none. */
#ifndef TEST_BPF_GUARD_H
#define TEST_BPF_GUARD_H

#include "bpf/cbpf.h"
#include "test_bpf_kernel.h"

#include <linux/if_packet.h>

static inline bool has_iface(const struct accel_guard *guard, uint32_t ifindex)
{
	for (unsigned i = 0; i < guard->n_ifindex; i++)
		if (guard->ifindex[i] == ifindex)
			return true;
	return guard->n_ifindex == 0;
}

static inline bool has_queue(const struct accel_guard *guard, const struct accel_bpf_aux *aux)
{
	uint32_t queue = aux->queue;
	bool named = false;

	if (aux->pkttype != PACKET_OUTGOING && queue > 0)
		queue--;
	for (unsigned i = 0; i < guard->n_queues; i++) {
		if (guard->queues[i].ifindex != aux->ifindex)
			continue;
		named = true;
		if (queue >= guard->queues[i].first && queue <= guard->queues[i].last)
			return true;
	}
	return !named;
}

static inline bool has_vlan(const struct accel_guard *guard, const struct accel_bpf_aux *aux,
			    const uint8_t *data, unsigned len)
{
	unsigned type, vid = 0;
	bool is_tag;

	if (guard->n_vlans == 0)
		return true;
	if (aux->vlan_present) {
		vid = aux->vlan_tci & 0xfff;
	} else if (guard->vlan_in_band) {
		if (len < 14)
			return false;
		type = data[12] << 8 | data[13];
		is_tag = type == 0x8100 || type == 0x88a8 || type == 0x9100;
		if (is_tag && len < 16)
			return false;
		if (is_tag)
			vid = (data[14] << 8 | data[15]) & 0xfff;
	}
	for (unsigned i = 0; i < guard->n_vlans; i++)
		if (guard->vlans[i] == vid)
			return true;
	return false;
}

static inline bool guard_keeps(const struct accel_guard *guard, const struct accel_bpf_aux *aux,
			       const uint8_t *data, unsigned len)
{
	bool is_sent = aux->pkttype == PACKET_OUTGOING;

	if (!has_iface(guard, aux->ifindex))
		return false;
	if (guard->lo_ifindex && guard->lo_ifindex == aux->ifindex && is_sent)
		return false;
	if (guard->direction == ACCEL_DIR_IN && is_sent)
		return false;
	if (guard->direction == ACCEL_DIR_OUT && !is_sent)
		return false;
	return has_queue(guard, aux) && has_vlan(guard, aux, data, len);
}

/* The kernel of a test program, of which each is one process. */
static struct kernel kernel;

static int open_kernel(void **state)
{
	(void)state;
	kernel_init(&kernel);
	return 0;
}

static int close_kernel(void **state)
{
	(void)state;
	kernel_fini(&kernel);
	return 0;
}

#endif
