/* SPDX-License-Identifier: BSD-3-Clause */
/* reader.h - from ring packets to what a program reads: tags put back, cooked headers made, late
 * filtering, timestamps, truncation. For the engines that read packet rings.
 *
 * Two paths: the plain one (not cooked, filtered by the kernel) and the careful one, a block at a
 * time: cooked headers, blocks that were filled before the filter came, filters that the kernel
 * cannot run. Both are made from one packet function.
 *
 * Threads: one. No system call but for the clock. */
#ifndef ACCEL_READER_H
#define ACCEL_READER_H

#include "backend/backend.h"
#include "bpf/cbpf.h"
#include "kern/ring.h"

enum accel_framing {
	ACCEL_FRAMING_RAW,	/* as the device has it; no VLAN tag to put back */
	ACCEL_FRAMING_ETHERNET, /* tag goes behind the two addresses */
	ACCEL_FRAMING_SLL,	/* Linux cooked, 16 bytes; tag goes before the protocol */
	ACCEL_FRAMING_SLL2,	/* Linux cooked v2, 20 bytes; tag is lost, as in libpcap */
};

struct accel_reader {
	struct accel_ring *ring;
	enum accel_framing framing;
	bool nano;		/* timestamps in ns, else in us */
	uint32_t snaplen;	/* caplen's upper end */
	bool host_stamps;	/* they are of the host's clock */
	const int *stop;	/* set by breakloop: a signal handler or another thread */
	uint64_t n_delivered;	/* packets handed out; written by the reader, stats() reads it */
	uint64_t delivered_len; /* their bytes on the wire; the same */

	/* The program's filter, for the careful path. NULL = none. */
	const struct sock_filter *filter;
	bool filter_always; /* the kernel does not run it */
	/* Which packets may have met an older filter in the kernel: those in blocks up to this
	 * number (0: none), unless they were stamped, by the host's clock, after
	 * filter_settled_ns. */
	uint64_t filter_until;
	uint64_t filter_settled_ns;
	uint64_t from_ns;   /* of the same blocks, packets stamped before this are not ours */
	uint64_t n_skipped; /* those; as n_delivered */
	enum accel_direction direction; /* for the same blocks */
	uint32_t lo_ifindex;		/* drop its outgoing copies; 0 = none */
};

/* The kernel has just got another filter: judge the packets that may have met the old one here. */
void accel_reader_expect_old(struct accel_reader *rd);

int accel_reader_read(struct accel_reader *rd, int max, accel_sink sink, unsigned char *user);
int accel_reader_next(struct accel_reader *rd, struct accel_pkthdr *hdr,
		      const unsigned char **data);
int accel_reader_borrow(struct accel_reader *rd, struct accel_borrowed *b);

/* The packet at the ring's place and no other, as accel_reader_next(); only after accel_ring_open()
 * has said that there is one. False: it was not for the program. */
bool accel_reader_take(struct accel_reader *rd, struct accel_pkthdr *hdr,
		       const unsigned char **data);

#endif
