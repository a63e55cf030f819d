/* SPDX-License-Identifier: BSD-3-Clause */
/* request.c - see request.h. */
#include "backend/request.h"

#include "base/err.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>

#define DEFAULT_RETIRE_MS   4  /* no timeout asked for: packets are handed over within this */
#define IMMEDIATE_RETIRE_MS 1  /* the kernel's shortest */
#define SLOT_OVERHEAD	    96 /* ring bytes a packet, beside its own: header, address */
#define ETHERNET_OVERHEAD   18 /* header and a tag */

int accel_rq_links(const struct accel_request *rq, int sock_fd, struct accel_link *links,
		   struct accel_err *err)
{
	int r;

	for (unsigned i = 0; i < rq->dev->n_ifaces; i++) {
		const char *name = rq->dev->ifaces[i].name;

		if ((r = accel_link_get(sock_fd, name, &links[i], err)) < 0)
			return r;
		if (!links[i].is_up)
			return accel_fail(err, -ENETDOWN,
					  "%s: That device is not up (ip link set %s up)", name,
					  name);
	}
	return 0;
}

static uint32_t retire_ms(const struct accel_request *rq)
{
	const struct accel_value *v = accel_rq_value(rq, ACCEL_OPT_TIMEOUT);

	if (rq->immediate)
		return IMMEDIATE_RETIRE_MS;
	if (v->from != ACCEL_FROM_DEFAULT && v->num > 0)
		return (uint32_t)((v->num + 999999) / 1000000);
	/* Kernels before 6.18 keep it in 16 bits. */
	return rq->timeout_ms > 0 ? (uint32_t)ACCEL_MIN(rq->timeout_ms, UINT16_MAX)
				  : DEFAULT_RETIRE_MS;
}

int accel_rq_ring(const struct accel_request *rq, unsigned mtu, struct accel_ring_request *ring,
		  struct accel_err *err)
{
	struct accel_ring_request wanted = {
		.buffer_len = rq->buffer_len,
		.must_fit = rq->buffer_must_fit,
		.retire_ms = retire_ms(rq),
	};
	uint64_t slot_len = ACCEL_MIN(rq->snaplen, mtu + ETHERNET_OVERHEAD) + SLOT_OVERHEAD;

	if (accel_rq_given(rq, ACCEL_OPT_RX_SLOTS) && !rq->buffer_must_fit) {
		wanted.buffer_len = accel_rq_value(rq, ACCEL_OPT_RX_SLOTS)->num * slot_len;
		wanted.must_fit = true;
	}
	if (wanted.buffer_len == 0)
		wanted.buffer_len = accel_rq_value(rq, ACCEL_OPT_BUFFER)->num;
	if (accel_rq_given(rq, ACCEL_OPT_BLOCK)) {
		wanted.block_len = (uint32_t)accel_rq_value(rq, ACCEL_OPT_BLOCK)->num;
		/* A program's small buffer is no fault of the block's: then it is chosen. */
		if (wanted.block_len > wanted.buffer_len && !wanted.must_fit)
			wanted.block_len = 0;
		if (wanted.block_len > wanted.buffer_len)
			return accel_fail(
				err, -EINVAL,
				"%s: a block of %u bytes is larger than the buffer of %llu "
				"(set block lower, or buffer higher)",
				rq->name, wanted.block_len, (unsigned long long)wanted.buffer_len);
	}
	*ring = wanted;
	return 0;
}

int accel_rq_stamps(const struct accel_request *rq, struct accel_psock *sock,
		    const struct accel_link *links, unsigned n_links, struct accel_err *err)
{
	int r;

	if (rq->tstamp == ACCEL_TSTAMP_HOST)
		return 0;
	for (unsigned i = 0; i < n_links; i++)
		if ((r = accel_link_set_hwtstamp(sock->fd, links[i].name)) < 0)
			return accel_fail_sys(err, r, "%s: cannot have the adapter stamp packets",
					      links[i].name);
	r = accel_psock_set_option(sock, PACKET_TIMESTAMP,
				   rq->tstamp == ACCEL_TSTAMP_ADAPTER
					   ? SOF_TIMESTAMPING_SYS_HARDWARE
					   : SOF_TIMESTAMPING_RAW_HARDWARE);
	return r < 0 ? accel_fail_sys(err, r, "%s: no adapter time stamps", rq->name) : 0;
}
