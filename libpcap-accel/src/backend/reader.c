/* SPDX-License-Identifier: BSD-3-Clause */
/* reader.c - see reader.h.
 *
 * Source: libpcap's documentation of LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2; packet(7). */
#include "backend/reader.h"

#include "kern/lend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <time.h>

#define TAG_LEN	    4	/* TPID and TCI */
#define LONG_PACKET 512 /* bytes: from here on each packet is a cache miss of its own */

/* From its time stamp to its filter a packet takes microseconds; this is the worst case,
 * generously. */
#define SETTLE_NS (20 * UINT64_C(1000000))

struct sll_header {
	uint16_t pkttype, hatype, halen;
	uint8_t addr[8];
	uint16_t protocol;
};
_Static_assert(sizeof(struct sll_header) == 16, "LINKTYPE_LINUX_SLL");

struct sll2_header {
	uint16_t protocol, reserved;
	uint32_t ifindex;
	uint16_t hatype;
	uint8_t pkttype, halen;
	uint8_t addr[8];
};
_Static_assert(sizeof(struct sll2_header) == 20, "LINKTYPE_LINUX_SLL2");

/* A packet between the ring and the program. */
struct packet {
	uint8_t *data;
	uint32_t caplen, len;
};

static uint16_t tag_protocol(const struct tpacket3_hdr *h)
{
	return h->tp_status & TP_STATUS_VLAN_TPID_VALID ? h->hv1.tp_vlan_tpid : ETH_P_8021Q;
}

/* Put the tag, which the kernel took out, back in at `offset`. The room before the packet is ours:
 * PACKET_RESERVE, and the address structure before it, which nobody reads after this. */
static __attribute__((noinline)) void insert_tag(struct packet *p, const struct tpacket3_hdr *h,
						 uint32_t offset)
{
	uint16_t tag[2] = {htons(tag_protocol(h)), htons((uint16_t)h->hv1.tp_vlan_tci)};

	if (p->caplen < offset)
		return;
	memmove(p->data - TAG_LEN, p->data, offset);
	p->data -= TAG_LEN;
	memcpy(p->data + offset, tag, sizeof(tag));
	p->caplen += TAG_LEN;
	p->len += TAG_LEN;
}

static void cook_sll(struct packet *p, const struct sockaddr_ll *addr)
{
	struct sll_header sll = {
		.pkttype = htons(addr->sll_pkttype),
		.hatype = htons(addr->sll_hatype),
		.halen = htons(addr->sll_halen),
		.protocol = addr->sll_protocol,
	};

	memcpy(sll.addr, addr->sll_addr, sizeof(sll.addr));
	p->data -= sizeof(sll);
	memcpy(p->data, &sll, sizeof(sll));
	p->caplen += sizeof(sll);
	p->len += sizeof(sll);
}

static void cook_sll2(struct packet *p, const struct sockaddr_ll *addr)
{
	struct sll2_header sll = {
		.protocol = addr->sll_protocol,
		.ifindex = htonl((uint32_t)addr->sll_ifindex),
		.hatype = htons(addr->sll_hatype),
		.pkttype = addr->sll_pkttype,
		.halen = addr->sll_halen,
	};

	memcpy(sll.addr, addr->sll_addr, sizeof(sll.addr));
	p->data -= sizeof(sll);
	memcpy(p->data, &sll, sizeof(sll));
	p->caplen += sizeof(sll);
	p->len += sizeof(sll);
}

static bool is_wanted(const struct accel_reader *rd, const struct sockaddr_ll *addr)
{
	bool outgoing = addr->sll_pkttype == PACKET_OUTGOING;

	if (outgoing && (uint32_t)addr->sll_ifindex == rd->lo_ifindex)
		return false;
	return rd->direction == ACCEL_DIR_INOUT || outgoing == (rd->direction == ACCEL_DIR_OUT);
}

/* The filter's verdict on a packet whose tag is still out, as in the kernel: bytes to keep. */
static uint32_t run_filter(const struct accel_reader *rd, const struct packet *p,
			   const struct tpacket3_hdr *h, const struct sockaddr_ll *addr)
{
	struct accel_bpf_aux aux = {
		.ifindex = (uint32_t)addr->sll_ifindex,
		.protocol = ntohs(addr->sll_protocol),
		.pkttype = addr->sll_pkttype,
		.hatype = addr->sll_hatype,
		.rxhash = h->hv1.tp_rxhash,
		.vlan_tci = h->hv1.tp_vlan_tci,
		.vlan_tpid = tag_protocol(h),
		.vlan_present = h->tp_status & TP_STATUS_VLAN_VALID,
		/* p->len is longer by the cooked header, if there is one. */
		.net_offset = (uint32_t)h->tp_net - h->tp_mac + (p->len - h->tp_len),
	};

	return accel_bpf_run(rd->filter, p->data, p->caplen, p->len, &aux);
}

static uint64_t stamp_of(const struct tpacket3_hdr *h)
{
	return h->tp_sec * UINT64_C(1000000000) + h->tp_nsec;
}

/* Once a packet was stamped long enough after the kernel got the filter, so were all that
 * follow. */
static void note_settled(struct accel_reader *rd, const struct tpacket3_hdr *h)
{
	if (stamp_of(h) > rd->filter_settled_ns)
		rd->filter_until = 0;
}

/* What the plain path leaves out. False: the packet is not for the program. */
static __attribute__((noinline)) bool treat_carefully(struct accel_reader *rd, struct packet *p,
						      const struct tpacket3_hdr *h)
{
	const struct sockaddr_ll *addr = accel_ring_addr(h);
	uint32_t keep;

	note_settled(rd, h);
	if (rd->filter_until && stamp_of(h) < rd->from_ns) {
		accel_store_relaxed(&rd->n_skipped, rd->n_skipped + 1);
		return false;
	}
	if (!is_wanted(rd, addr))
		return false;
	if (rd->framing == ACCEL_FRAMING_SLL)
		cook_sll(p, addr);
	else if (rd->framing == ACCEL_FRAMING_SLL2)
		cook_sll2(p, addr);
	if (rd->filter && (rd->filter_until || rd->filter_always)) {
		keep = run_filter(rd, p, h, addr);
		p->caplen = ACCEL_MIN(p->caplen, keep);
		return keep > 0;
	}
	return true;
}

/* The processor's own prefetcher stops at page ends, and a ring is nothing but fresh pages: fetch a
 * page or more ahead, where packets as long as this one would lie. Beyond the end of the ring a
 * prefetch does nothing. Measured: a drain of 60-byte packets takes 4.5 ns a packet instead of 5.7
 * (tests/bench/run). */
static inline void prefetch_ahead(const struct tpacket3_hdr *h)
{
	bool is_long = h->tp_next_offset >= LONG_PACKET;
	const uint8_t *ahead = (const uint8_t *)h + (size_t)h->tp_next_offset * (is_long ? 4 : 32);

	__builtin_prefetch(ahead);
	__builtin_prefetch(ahead + 64);
	if (!is_long)
		__builtin_prefetch(ahead + 128);
}

/* Take the next packet of the open block and make *hdr and *data of it. False: filtered out. */
static inline __attribute__((always_inline)) bool take_packet(struct accel_reader *rd, bool careful,
							      bool in_a_row,
							      struct accel_pkthdr *hdr,
							      uint8_t **data)
{
	struct tpacket3_hdr *h = accel_ring_take(rd->ring);
	struct packet p = {(uint8_t *)h + h->tp_mac, h->tp_snaplen, h->tp_len};

	if (in_a_row || h->tp_next_offset >= LONG_PACKET)
		prefetch_ahead(h);
	if (careful && !treat_carefully(rd, &p, h))
		return false;
	if (ACCEL_UNLIKELY(h->tp_status & TP_STATUS_VLAN_VALID)) {
		if (rd->framing == ACCEL_FRAMING_ETHERNET)
			insert_tag(&p, h, 2 * ETH_ALEN);
		else if (rd->framing == ACCEL_FRAMING_SLL)
			insert_tag(&p, h, offsetof(struct sll_header, protocol));
	}
	hdr->ts.tv_sec = h->tp_sec;
	hdr->ts.tv_usec = rd->nano ? h->tp_nsec : h->tp_nsec / 1000;
	hdr->caplen = ACCEL_MIN(p.caplen, rd->snaplen);
	hdr->len = p.len;
	*data = p.data;
	return true;
}

/* Must the next packet of the open block go the careful way? Once a block is past those that may
 * hold older packets, filter_until is 0 and the question is cheap. */
static bool is_careful(struct accel_reader *rd)
{
	if (rd->filter_until && accel_ring_seq(rd->ring) > rd->filter_until)
		rd->filter_until = 0;
	return rd->filter_until || rd->filter_always || rd->framing >= ACCEL_FRAMING_SLL;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void accel_reader_expect_old(struct accel_reader *rd)
{
	/* A packet that the old filter let pass may still be on its way, on another processor, into
	 * the block that is being filled or the one behind it. */
	rd->filter_until = accel_ring_newest(rd->ring) + 1;
	rd->filter_settled_ns = rd->host_stamps ? now_ns() + SETTLE_NS : UINT64_MAX;
}

/* The one writer of both counters, so that adding need not be atomic. */
static inline void count_delivered(struct accel_reader *rd, unsigned n, uint64_t len)
{
	accel_store_relaxed(&rd->n_delivered, rd->n_delivered + n);
	accel_store_relaxed(&rd->delivered_len, rd->delivered_len + len);
}

/* Hand out the open block, at most `room` packets of it, as long as the path is the right one: a
 * callback may set a filter. The place is kept in the ring and read anew after each call of sink,
 * which may read, break off or jump away. */
static inline __attribute__((always_inline)) int read_block(struct accel_reader *rd, bool careful,
							    int room, accel_sink sink,
							    unsigned char *user)
{
	struct accel_ring *ring = rd->ring;
	struct accel_pkthdr hdr;
	uint64_t len = 0;
	uint8_t *data;
	int n = 0, r = 0;

	while (r == 0 && n < room && ring->n_left > 0 &&
	       (careful ? is_careful(rd) : rd->filter_until == 0)) {
		if (!take_packet(rd, careful, true, &hdr, &data))
			continue;
		n++;
		len += hdr.len;
		sink(user, &hdr, data);
		/* Relaxed: pairs with the store in accel_handle_break(); only the flag is
		 * passed. */
		if (ACCEL_UNLIKELY(accel_load_relaxed(rd->stop)))
			r = -EINTR;
	}
	count_delivered(rd, (unsigned)n, len);
	return r ? r : n;
}

static __attribute__((noinline)) int read_plain(struct accel_reader *rd, int room, accel_sink sink,
						unsigned char *user)
{
	return read_block(rd, false, room, sink, user);
}

static __attribute__((noinline)) int read_careful(struct accel_reader *rd, int room,
						  accel_sink sink, unsigned char *user)
{
	return read_block(rd, true, room, sink, user);
}

int accel_reader_read(struct accel_reader *rd, int max, accel_sink sink, unsigned char *user)
{
	struct accel_ring *ring = rd->ring;
	int room = max > 0 ? max : INT_MAX;
	uint32_t n_done = 0; /* blocks finished */
	int n, total = 0;

	if (accel_load_relaxed(rd->stop))
		return -EINTR;
	/* No more than one round of the ring: "what is there now" must end under full load. */
	while (n_done < ring->n_blocks && total < room && accel_ring_open(ring)) {
		n = is_careful(rd) ? read_careful(rd, room - total, sink, user)
				   : read_plain(rd, room - total, sink, user);
		/* A finished block goes back at once: the program is done with its packets, and a
		 * descriptor that stays readable would make it spin. */
		if (ring->n_left == 0 && ring->is_open) {
			accel_ring_give_back(ring);
			n_done++;
		}
		if (n < 0)
			return n;
		total += n;
	}
	return total;
}

bool accel_reader_take(struct accel_reader *rd, struct accel_pkthdr *hdr,
		       const unsigned char **data)
{
	uint8_t *found;

	if (!take_packet(rd, is_careful(rd), false, hdr, &found))
		return false;
	*data = found;
	count_delivered(rd, 1, hdr->len);
	return true;
}

static __attribute__((noinline)) int next_in_ring(struct accel_reader *rd, struct accel_pkthdr *hdr,
						  const unsigned char **data)
{
	struct accel_ring *ring = rd->ring;
	uint32_t n_opened = 0; /* blocks; no more than one round, as above */

	for (;;) {
		/* The block of the packet that was lent last is given back, if it is done. */
		if (ring->n_left == 0 && (n_opened++ > ring->n_blocks || !accel_ring_open(ring)))
			return 0;
		if (accel_reader_take(rd, hdr, data))
			return 1;
		if (accel_load_relaxed(rd->stop))
			return -EINTR;
	}
}

int accel_reader_next(struct accel_reader *rd, struct accel_pkthdr *hdr, const unsigned char **data)
{
	uint8_t *found;

	/* In the middle of a block, on the plain path, there is nothing to decide. */
	if (rd->ring->n_left == 0 || is_careful(rd))
		return next_in_ring(rd, hdr, data);
	take_packet(rd, false, false, hdr, &found);
	*data = found;
	count_delivered(rd, 1, hdr->len);
	return 1;
}

/* Records of the open block's packets, whose first byte is `block`. How many. */
static inline __attribute__((always_inline)) int list_block(struct accel_reader *rd, bool careful,
							    struct accel_borrowed *b,
							    const uint8_t *block)
{
	struct accel_record *r = b->records, *end = r + b->max_records;
	const uint8_t *first = rd->ring->map + (uint64_t)rd->ring->block_idx * rd->ring->block_len;
	uint32_t ns_per_tick = rd->nano ? 1 : 1000;
	struct accel_pkthdr hdr;
	uint64_t len = 0;
	uint8_t *data;

	while (r < end && rd->ring->n_left > 0) {
		if (!take_packet(rd, careful, true, &hdr, &data))
			continue;
		r->ts_ns = (uint64_t)hdr.ts.tv_sec * UINT64_C(1000000000) +
			   (uint64_t)hdr.ts.tv_usec * ns_per_tick;
		r->offset = (uint64_t)(data - first);
		r->caplen = hdr.caplen;
		r->len = hdr.len;
		len += hdr.len;
		r++;
	}
	if (r > b->records) {
		b->data = block;
		b->data_len = r[-1].offset + r[-1].caplen;
	}
	count_delivered(rd, (unsigned)(r - b->records), len);
	return (int)(r - b->records);
}

/* Lend what is left of the open block. How many packets, 0 if none of them is the program's;
 * -EOPNOTSUPP. */
static int borrow_block(struct accel_reader *rd, struct accel_borrowed *b)
{
	struct accel_loan *loan;
	const uint8_t *data;
	int n;

	loan = accel_lend_begin(rd->ring, &data);
	if (!loan)
		return -EOPNOTSUPP;
	n = is_careful(rd) ? list_block(rd, true, b, data) : list_block(rd, false, b, data);
	accel_lend_end(loan, n > 0 ? ACCEL_LEND_PACKETS : ACCEL_LEND_NOTHING);
	if (n > 0)
		b->loan = loan;
	if (rd->ring->n_left == 0)
		accel_ring_give_back(rd->ring);
	return n;
}

int accel_reader_borrow(struct accel_reader *rd, struct accel_borrowed *b)
{
	struct accel_ring *ring = rd->ring;
	int n;

	/* No more than one round of the ring, as above. */
	for (uint32_t i = 0; i < ring->n_blocks; i++) {
		if (accel_load_relaxed(rd->stop))
			return -EINTR;
		if (!accel_ring_open(ring))
			return accel_ring_is_fenced(ring) ? -ENOMEM : 0;
		n = borrow_block(rd, b);
		if (n != 0)
			return n;
	}
	return 0;
}
