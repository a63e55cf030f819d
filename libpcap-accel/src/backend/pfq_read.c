/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_read.c - packets of the PFQ engine: in the order of their time stamps where there are several
 * rings, those of an old computation before those of the new.
 *
 * Threads: the handle's. */
#include "backend/pfq.h"

#include <errno.h>
#include <limits.h>

#define MANY 65536 /* packets: "what is there" must end under full load */

static uint64_t next_stamp(const struct accel_ring *ring)
{
	const struct tpacket3_hdr *h = (const void *)ring->pkt;

	return h->tp_sec * UINT64_C(1000000000) + h->tp_nsec;
}

/* Is there a packet, and one of the time that the part is for? Others are passed over. */
static bool has_packet(struct pfq_part *part)
{
	struct accel_reader *rd = &part->reader;
	uint64_t stamp;

	while (part->sock.map && accel_ring_open(rd->ring)) {
		stamp = next_stamp(rd->ring);
		if ((!part->until_ns || stamp < part->until_ns) &&
		    (!rd->filter_until || stamp >= rd->from_ns))
			return true;
		accel_ring_take(rd->ring);
		accel_store_relaxed(&rd->n_skipped, rd->n_skipped + 1);
	}
	return false;
}

static struct pfq_part *find_oldest(struct pfq_part *parts, unsigned n)
{
	struct pfq_part *found = NULL;

	for (unsigned i = 0; i < n; i++)
		if (has_packet(&parts[i]) &&
		    (!found || next_stamp(&parts[i].sock.ring) < next_stamp(&found->sock.ring)))
			found = &parts[i];
	return found;
}

void pfq_make_room(struct pfq *p)
{
	find_oldest(p->parts, p->n_parts); /* passes over them */
}

/* The part with the oldest packet, or NULL. As long as a change is not over there may be older ones
 * in the rings of the old computation than in those of the new. */
static struct pfq_part *oldest_part(struct pfq *p)
{
	struct pfq_part *found = find_oldest(p->old, p->n_old);

	if (p->step != PFQ_STEADY) {
		pfq_make_room(p);
		return found;
	}
	if (found)
		return found;
	if (p->n_old > 0)
		pfq_forget_old(p);
	return find_oldest(p->parts, p->n_parts);
}

static bool is_simple(const struct pfq *p)
{
	return p->n_parts == 1 && p->n_old == 0 && p->step == PFQ_STEADY;
}

static void before_reading(struct pfq *p)
{
	if (ACCEL_UNLIKELY(p->txq.n > 0))
		accel_txq_flush(&p->txq, p->control.fd, p->n_links ? p->links[0].ifindex : -1);
	pfq_follow_now_and_then(p);
}

int pfq_read(void *st, int max, accel_sink sink, unsigned char *user)
{
	struct pfq *p = st;
	int room = max > 0 ? max : INT_MAX, n, total = 0;
	struct pfq_part *part;

	before_reading(p);
	if (is_simple(p))
		return accel_reader_read(&p->parts[0].reader, max, sink, user);
	/* A packet at a time, so that two rings come out in one order. */
	while (total < room && (part = oldest_part(p))) {
		n = accel_reader_read(&part->reader, 1, sink, user);
		if (n < 0)
			return n;
		total += n;
		if (max <= 0 && total >= MANY)
			break;
	}
	return total;
}

int pfq_next(void *st, struct accel_pkthdr *hdr, const unsigned char **data)
{
	struct pfq *p = st;
	struct pfq_part *part;
	int r = 0;

	before_reading(p);
	if (is_simple(p))
		return accel_reader_next(&p->parts[0].reader, hdr, data);
	while (r == 0 && (part = oldest_part(p)))
		r = accel_reader_next(&part->reader, hdr, data);
	return r;
}

int pfq_borrow(void *st, struct accel_borrowed *b)
{
	struct pfq *p = st;

	before_reading(p);
	/* The packets of several rings lie between each other: they are copied. */
	return is_simple(p) ? accel_reader_borrow(&p->parts[0].reader, b) : -EOPNOTSUPP;
}
