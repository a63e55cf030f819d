/* SPDX-License-Identifier: BSD-3-Clause */
/* afpacket.h - the state of the AF_PACKET engine, shared by its files:
 *   afpacket.c         open, close, the ops table
 *   afpacket_group.c   fanout groups
 *   afpacket_filter.c  which program runs where
 *   afpacket_wait.c    sleeping, and what happens to the devices meanwhile
 *
 * Threads: see backend.h. */
#ifndef ACCEL_AFPACKET_H
#define ACCEL_AFPACKET_H

#include "backend/backend.h"
#include "backend/reader.h"
#include "kern/fanout.h"
#include "kern/link.h"
#include "kern/psock.h"
#include "kern/txq.h"

struct afpacket {
	struct accel_psock sock;
	struct accel_reader reader;
	struct accel_txq txq; /* n_max 0: none */

	unsigned n_links; /* 0: all devices ("any") */
	struct accel_link links[ACCEL_MAX_IFACES];
	uint64_t first_drops; /* the interfaces' losses before us */
	bool promisc;
	bool is_cooked;
	int link_type;
	int bound_ifindex; /* 0: all devices, with a filter on the index */

	bool in_group;
	bool direction_named; /* by an option: stronger than pcap_setdirection() */
	struct accel_fanout fanout;

	struct accel_guard guard;
	struct sock_filter *user; /* the program's filter; owned; NULL = none */
	unsigned n_user;

	bool is_down;	     /* ENETDOWN was seen, and not yet what became of it */
	uint64_t looked_ns;  /* when the devices of a bound-to-all socket were last looked for */
	uint64_t n_sent;     /* by send(2); atomic, stats() reads */
	uint64_t wanted_len; /* ring asked for, bytes */
	uint32_t retire_ms;
};

/* What the options ask of a group. 0, or -EINVAL for options that mean nothing without one. */
int afpacket_set_group(struct afpacket *a, const struct accel_request *rq, struct accel_err *err);
/* Join it, with a socket that is bound and has its ring. 0 or -errno with a text. */
int afpacket_join_group(struct afpacket *a, const struct accel_request *rq, struct accel_err *err);

/* Bring kernel and reader to what guard, user and snaplen say. 0, -ENOMEM; the filter that was
 * there stays on failure. */
int afpacket_install_filter(struct afpacket *a);
int afpacket_set_filter(void *st, const struct sock_filter *insns, unsigned n,
			struct accel_err *err);
int afpacket_set_direction(void *st, int direction, struct accel_err *err);

int afpacket_wait(void *st, int timeout_ms, int wake_fd, struct accel_err *err);
int afpacket_required_timeout_ms(void *st);

#endif
