/* SPDX-License-Identifier: BSD-3-Clause */
/* batch.c - many packets a call, into memory of the program: what a language that pays for every
 * call (Python) reads with.
 *
 * read_batch copies each packet once. borrow_batch lends the ring's own memory (kern/lend.h), and
 * copies only what cannot be lent: short blocks, several rings, AF_XDP's frames, which are few and
 * go back to the device at once, and what the system's libpcap reads.
 *
 * Threads: the handle's; what is borrowed is kept and given back by any. */
#include "api/ours.h"

#include "kern/lend.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

_Static_assert(sizeof(struct pcap_accel_record) == sizeof(struct accel_record) &&
		       offsetof(struct pcap_accel_record, offset) ==
			       offsetof(struct accel_record, offset) &&
		       offsetof(struct pcap_accel_record, caplen) ==
			       offsetof(struct accel_record, caplen) &&
		       offsetof(struct pcap_accel_record, len) ==
			       offsetof(struct accel_record, len),
	       "engines fill the program's records");

/* Where the next packet goes, and what a time stamp's second part is multiplied by. */
struct filling {
	struct pcap_accel_batch *batch;
	uint64_t ns_per_tick;
};

static void add_packet(struct filling *f, const struct accel_pkthdr *hdr, const unsigned char *data)
{
	struct pcap_accel_batch *b = f->batch;
	struct pcap_accel_record *r = &b->records[b->n_records];
	uint64_t room = b->max_data - b->data_len;

	r->ts_ns = (uint64_t)hdr->ts.tv_sec * UINT64_C(1000000000) +
		   (uint64_t)hdr->ts.tv_usec * f->ns_per_tick;
	r->offset = b->data_len;
	/* A savefile's packet may be longer than the file says that packets are. */
	r->caplen = (uint32_t)ACCEL_MIN(hdr->caplen, room);
	r->len = hdr->len;
	memcpy(b->data + b->data_len, data, r->caplen);
	b->data_len += r->caplen;
	b->n_records++;
}

/* Packets that are sure to fit. */
static uint64_t room_for(const struct pcap_accel_batch *b, int snapshot)
{
	uint64_t n = (b->max_data - b->data_len) / (uint64_t)ACCEL_MAX(snapshot, 1);

	return ACCEL_MIN(n, b->max_records - b->n_records);
}

static int fill_ours(struct accel_handle *h, struct filling *f)
{
	struct pcap_accel_batch *b = f->batch;
	const unsigned char *data;
	int r = accel_handle_next(h, &data);

	while (r > 0) {
		add_packet(f, &h->next_hdr, data);
		if (room_for(b, h->snapshot) == 0)
			break;
		r = h->be->next(h->st, &h->next_hdr, &data);
	}
	h->n_work += (unsigned)b->n_records;
	/* A break that came behind a packet ends the next call: its flag stays. */
	return b->n_records > 0 ? (int)b->n_records : accel_read_code(h, r);
}

static void sink_of_real(unsigned char *user, const struct pcap_pkthdr *hdr,
			 const unsigned char *data)
{
	add_packet((struct filling *)user, (const struct accel_pkthdr *)hdr, data);
}

/* Until nothing more is there, where asking again cannot block. */
static int fill_real(struct pcap *p, struct filling *f)
{
	const struct accel_real *real = accel_real();
	char unused[PCAP_ERRBUF_SIZE];
	struct pcap_accel_batch *b = f->batch;
	int snapshot = real->pcap_snapshot(p);
	bool may_repeat = real->pcap_file(p) || real->pcap_getnonblock(p, unused) > 0;
	uint64_t n;
	int r;

	do {
		n = room_for(b, snapshot);
		r = n ? real->pcap_dispatch(p, (int)n, sink_of_real, (unsigned char *)f) : 0;
	} while (may_repeat && r > 0);
	return r < 0 ? r : (int)b->n_records;
}

/* A batch that cannot hold one packet, or is another version's. A real handle has no place for the
 * text. */
static int refuse(struct accel_handle *h, const struct pcap_accel_batch *b, int snapshot)
{
	if (!h)
		return PCAP_ERROR;
	return accel_say(h, PCAP_ERROR,
			 "batch: no room for a packet in %llu records, %llu bytes (needs 1 record, "
			 "%d bytes)",
			 (unsigned long long)b->max_records, (unsigned long long)b->max_data,
			 snapshot);
}

static int size_too_small(struct accel_handle *h, const char *type)
{
	return h ? accel_say(h, PCAP_ERROR, "batch: size is too small (sizeof(struct %s))", type)
		 : PCAP_ERROR;
}

/* Can the handle be read, and the batch take a packet? 0 or the error's code. */
static int check(struct pcap *p, const struct pcap_accel_batch *batch)
{
	struct accel_handle *h = accel_ours(p);
	int snapshot;

	if (h && !h->is_active)
		return accel_say_not_active(h);
	snapshot = h ? h->snapshot : accel_real()->pcap_snapshot(p);
	if (snapshot == PCAP_ERROR_NOT_ACTIVATED)
		return snapshot;
	if (batch->max_records > INT_MAX || room_for(batch, snapshot) == 0)
		return refuse(h, batch, snapshot);
	return 0;
}

/* The batch was checked. */
static int fill(struct pcap *p, struct pcap_accel_batch *batch)
{
	struct accel_handle *h = accel_ours(p);
	struct filling f = {.batch = batch};
	int precision = h ? h->tstamp_precision : accel_real()->pcap_get_tstamp_precision(p);

	f.ns_per_tick = precision == PCAP_TSTAMP_PRECISION_NANO ? 1 : 1000;
	return h ? fill_ours(h, &f) : fill_real(p, &f);
}

int pcap_accel_read_batch(struct pcap *p, struct pcap_accel_batch *batch)
{
	int r;

	if (batch->size < sizeof(*batch))
		return size_too_small(accel_ours(p), "pcap_accel_batch");
	batch->n_records = 0;
	batch->data_len = 0;
	r = check(p, batch);
	return r < 0 ? r : fill(p, batch);
}

/* ---- without a copy ---- */

/* The number of packets that were lent, or accel_handle_borrow()'s other results. */
static int lend(struct accel_handle *h, struct pcap_accel_borrowed *batch)
{
	struct accel_borrowed b = {.records = (struct accel_record *)batch->records,
				   .max_records = (int)batch->max_records};
	int n = accel_handle_borrow(h, &b);

	if (n > 0) {
		batch->n_records = (uint64_t)n;
		batch->data = b.data;
		batch->data_len = b.data_len;
		batch->loan = (struct pcap_accel_loan *)b.loan;
	}
	return n;
}

int pcap_accel_borrow_batch(struct pcap *p, struct pcap_accel_borrowed *batch)
{
	struct accel_handle *h = accel_ours(p);
	struct pcap_accel_batch copied = {.size = sizeof(copied)};
	int r;

	if (batch->size < sizeof(*batch))
		return size_too_small(h, "pcap_accel_borrowed");
	batch->n_records = 0;
	batch->data = batch->memory;
	batch->data_len = 0;
	batch->loan = NULL;
	copied.records = batch->records;
	copied.max_records = batch->max_records;
	copied.data = batch->memory;
	copied.max_data = batch->memory_len;
	r = check(p, &copied);
	if (r < 0)
		return r;
	if (h && (r = lend(h, batch)) != -EOPNOTSUPP)
		return accel_read_code(h, r);
	r = fill(p, &copied);
	batch->n_records = copied.n_records;
	batch->data_len = copied.data_len;
	return r;
}

void pcap_accel_give_back_batch(struct pcap_accel_loan *loan)
{
	if (loan)
		accel_loan_give_back((struct accel_loan *)loan);
}

int pcap_accel_keep_batch(struct pcap_accel_loan *loan)
{
	return loan && accel_loan_keep((struct accel_loan *)loan) < 0 ? PCAP_ERROR : 0;
}
