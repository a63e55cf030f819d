/* SPDX-License-Identifier: BSD-3-Clause */
/* stamp.h - what send_packets puts into a payload and capture_check finds again: which packet of
 * which flow this is. The reader searches for the mark and needs to know nothing of the headers.
 *
 * Bytes, big-endian: mark (4), direction in the top bit and flow (4), sequence number (8).
 * Threads: nothing here has state. */
#ifndef TOOLS_STAMP_H
#define TOOLS_STAMP_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define STAMP_LEN    16
#define STAMP_MARK   0xacce1e7au
#define STAMP_STOP   UINT64_MAX /* "that was all": send_packets -e */
#define STAMP_SEARCH 160	/* bytes of a packet in which the mark is looked for */

struct stamp {
	uint32_t flow;
	bool reverse;
	uint64_t seq;
};

static inline void stamp_write(unsigned char *at, const struct stamp *s)
{
	uint32_t mark = htobe32(STAMP_MARK);
	uint32_t flow = htobe32(s->flow | (s->reverse ? 0x80000000u : 0));
	uint64_t seq = htobe64(s->seq);

	memcpy(at, &mark, 4);
	memcpy(at + 4, &flow, 4);
	memcpy(at + 8, &seq, 8);
}

static inline bool stamp_read(const unsigned char *data, uint32_t len, struct stamp *s)
{
	uint32_t mark = htobe32(STAMP_MARK), flow;
	const unsigned char *at;
	uint64_t seq;

	at = memmem(data, len < STAMP_SEARCH ? len : STAMP_SEARCH, &mark, 4);
	if (!at || at + STAMP_LEN > data + len)
		return false;
	memcpy(&flow, at + 4, 4);
	memcpy(&seq, at + 8, 8);
	flow = be32toh(flow);
	s->flow = flow & 0x7fffffffu;
	s->reverse = flow >> 31;
	s->seq = be64toh(seq);
	return true;
}

#endif
