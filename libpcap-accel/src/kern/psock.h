/* SPDX-License-Identifier: BSD-3-Clause */
/* psock.h - one packet socket with its receive ring: made, bound, filtered, counted, closed.
 *
 * Several interfaces are served by one socket: it is bound to all devices of the network namespace,
 * and its filter tests the interface's index. The ring then holds the packets of all of them in the
 * order in which they came, and there is one descriptor to wait for.
 *
 * Order of the calls: accel_psock_open, _set_ring, _attach, _bind, then anything. An accel_psock of
 * ACCEL_PSOCK_NONE is closed; accel_psock_close() is right in every state.
 *
 * Source: packet(7), packet_mmap.rst, socket(7); af_packet.c of Linux 6.18.
 * Threads: one, but accel_psock_count() and accel_psock_send() may run on any thread at any time;
 * accel_psock_count() in a signal handler too. */
#ifndef ACCEL_PSOCK_H
#define ACCEL_PSOCK_H

#include "kern/ring.h"

#include <linux/filter.h>
#include <stddef.h>

struct accel_err;

struct accel_psock_counts {
	uint64_t packets; /* passed the filter, drops included; atomic */
	uint64_t drops;	  /* the ring was full; atomic */
	uint64_t freezes; /* times it became full; atomic */
};

struct accel_psock {
	int fd;
	void *map; /* NULL without a ring */
	size_t map_len;
	struct accel_ring ring;
	struct accel_psock_counts counts;
};

#define ACCEL_PSOCK_NONE ((struct accel_psock){.fd = -1})

/* socket(2) of SOCK_RAW or SOCK_DGRAM, receiving nothing yet. 0; -EPERM without CAP_NET_RAW, any
 * other -errno; with a text. */
int accel_psock_open(struct accel_psock *s, int type, struct accel_err *err);
void accel_psock_close(struct accel_psock *s);

/* Would accel_psock_open() be permitted? */
bool accel_psock_may_open(void);

struct accel_ring_request {
	uint64_t buffer_len; /* bytes wanted */
	uint32_t block_len;  /* bytes; 0 = choose */
	uint32_t
		retire_ms; /* a block that holds a packet is handed over at the latest after this */
	bool must_fit;	   /* no smaller ring will do: the user named the size */
};

/* Map a ring of buffer_len rounded up to whole blocks. When memory is short and must_fit is not
 * set, smaller rings are tried, down to one block. 0; -ENOMEM, -EINVAL with a text. */
int accel_psock_set_ring(struct accel_psock *s, const char *name,
			 const struct accel_ring_request *rq, struct accel_err *err);

/* Have nothing to do with the ring any more, so that the socket can be closed or used for
 * something else: what has not been read is moved into memory of our own, to be read as before, the
 * block that the kernel was filling with it. What is lent stays the program's. Only when the socket
 * has received nothing for a while. 0, or -ENOMEM: then what was not read is gone. */
int accel_psock_keep_unread(struct accel_psock *s);

/* A socket without a ring receives nothing from now on, is in no list that a packet walks unless it
 * is in a fanout group, and can be used as if fresh. 0 or -errno. */
int accel_psock_idle(int fd);

/* Replace the socket's filter; n = 0 removes it. The change is atomic for packets yet to come; what
 * is in the ring stays. Needs no privilege. 0; -ENOMEM if the program exceeds net.core.optmem_max,
 * -EINVAL, -EPERM if the filter is locked. */
int accel_psock_attach(struct accel_psock *s, const struct sock_filter *insns, unsigned n);

/* Begin to receive: ifindex 0 = all devices; protocol = ethertype in host order. 0; -ENETDOWN;
 * -errno. */
int accel_psock_bind(struct accel_psock *s, int ifindex, unsigned protocol);

int accel_psock_set_promisc(struct accel_psock *s, int ifindex);
int accel_psock_drop_promisc(struct accel_psock *s, int ifindex);	/* what set_promisc() did */
int accel_psock_set_option(struct accel_psock *s, int name, int value); /* of SOL_PACKET */

enum accel_stamping { ACCEL_STAMP_EACH, ACCEL_STAMP_ONCE };

/* ACCEL_STAMP_ONCE: as long as a socket of the machine wants it, a packet has its time stamp from
 * its arrival, the same in all rings; else each ring stamps it. It takes the kernel some
 * milliseconds. */
void accel_psock_set_stamping(struct accel_psock *s, enum accel_stamping how);

/* Take over the kernel's counters, which it clears, and return the sums since open. */
struct accel_psock_counts accel_psock_count(struct accel_psock *s);

/* Send one frame as it is; ifindex 0 = where the socket is bound. Bytes sent or -errno. */
int accel_psock_send(struct accel_psock *s, int ifindex, const void *frame, size_t len);

#endif
