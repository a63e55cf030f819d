/* SPDX-License-Identifier: BSD-3-Clause */
/* request.h - what engines have in common in reading an accel_request: options, interfaces, the
 * ring's size, time stamps. Not an engine.
 *
 * Threads: none of its own. */
#ifndef ACCEL_REQUEST_H
#define ACCEL_REQUEST_H

#include "backend/backend.h"
#include "kern/link.h"
#include "kern/psock.h"

static inline const struct accel_value *accel_rq_value(const struct accel_request *rq,
						       enum accel_opt opt)
{
	return &rq->set->v[opt];
}

/* Did anybody give the option? */
static inline bool accel_rq_given(const struct accel_request *rq, enum accel_opt opt)
{
	return accel_rq_value(rq, opt)->from != ACCEL_FROM_DEFAULT;
}

static inline bool accel_link_is_ethernet(const struct accel_link *link)
{
	return link->hatype == 1 || link->hatype == 772; /* ARPHRD_ETHER, ARPHRD_LOOPBACK */
}

/* Facts of the named interfaces, which must be up. sock_fd is any socket. 0; -ENODEV, -ENETDOWN or
 * another -errno with a text that names the interface. */
int accel_rq_links(const struct accel_request *rq, int sock_fd, struct accel_link *links,
		   struct accel_err *err);

/* Size, blocks and retire time of the ring. `mtu` is for rx_slots, which counts packets. 0, or
 * -EINVAL with a text. */
int accel_rq_ring(const struct accel_request *rq, unsigned mtu, struct accel_ring_request *ring,
		  struct accel_err *err);

/* Have the adapters stamp packets, if that was asked for. 0 or -errno with a text. */
int accel_rq_stamps(const struct accel_request *rq, struct accel_psock *sock,
		    const struct accel_link *links, unsigned n_links, struct accel_err *err);

#endif
