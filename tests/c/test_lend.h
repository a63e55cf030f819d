/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lend.h - blocks of a real ring that are lent, and what they hold.
 *
 * Packets are UDP of 9000 bytes on `lo`, each filled from its number, so that a block holds seven
 * and any byte of any packet can be told to be right. Blocks are handed over when they are full,
 * never by the clock.
 *
 * Threads: one, but give_back() any. */
#ifndef TEST_LEND_H
#define TEST_LEND_H

#include "test_lo.h"

#include "base/err.h"
#include "kern/lend.h"
#include "kern/psock.h"

#define PAYLOAD	  9000 /* bytes */
#define BLOCK_LEN (64 * 1024)
#define PER_BLOCK 7 /* packets */

struct held {
	struct accel_loan *loan;
	const uint8_t *data;
	uint32_t offset, number; /* of one of its packets */
};

static inline void fill_payload(uint32_t *words, uint32_t number)
{
	for (uint32_t i = 0; i < PAYLOAD / 4; i++)
		words[i] = i == 0 ? number : number * 2654435761u + i;
}

static inline void send_payload(uint32_t number)
{
	uint32_t words[PAYLOAD / 4];

	fill_payload(words, number);
	assert_int_equal(send(lo_fd, words, sizeof(words), 0), sizeof(words));
}

static inline void check_held(const struct held *h)
{
	uint32_t words[PAYLOAD / 4];

	fill_payload(words, h->number);
	assert_memory_equal(h->data + h->offset, words, sizeof(words));
}

static inline void give_back(struct held *h)
{
	check_held(h);
	accel_loan_give_back(h->loan);
	h->loan = NULL;
}

static inline void open_retiring_ring(struct accel_psock *s, uint32_t n_blocks, uint32_t retire_ms)
{
	struct accel_ring_request rq = {.buffer_len = (uint64_t)n_blocks * BLOCK_LEN,
					.block_len = BLOCK_LEN,
					.retire_ms = retire_ms};

	need_lo();
	assert_int_equal(accel_psock_open(s, SOCK_DGRAM, NULL), 0);
	assert_int_equal(accel_psock_set_ring(s, "lo", &rq, NULL), 0);
	assert_int_equal(accel_psock_set_option(s, PACKET_IGNORE_OUTGOING, 1), 0);
	assert_int_equal(accel_psock_bind(s, 1, ETH_P_IP), 0);
}

static inline void open_ring(struct accel_psock *s, uint32_t n_blocks)
{
	open_retiring_ring(s, n_blocks, 60000);
}

static inline bool is_readable(const struct accel_psock *s)
{
	return poll(&(struct pollfd){.fd = s->fd, .events = POLLIN}, 1, 0) == 1;
}

static inline void wait_readable(const struct accel_psock *s)
{
	assert_int_equal(poll(&(struct pollfd){.fd = s->fd, .events = POLLIN}, 1, 10000), 1);
}

/* Borrow the open block, at most max packets of it, which go on from *seen. *h is its first. False:
 * no block is ready. */
static inline bool borrow(struct accel_psock *s, uint32_t max, uint32_t *seen, struct held *h)
{
	const struct tpacket3_hdr *p;
	const uint8_t *block, *first;
	uint32_t number, n = 0;

	*h = (struct held){0};
	if (!accel_ring_open(&s->ring))
		return false;
	first = s->ring.map + (uint64_t)s->ring.block_idx * s->ring.block_len;
	h->loan = accel_lend_begin(&s->ring, &block);
	for (; s->ring.n_left > 0 && n < max; n++) {
		p = accel_ring_take(&s->ring);
		memcpy(&number, (const uint8_t *)p + p->tp_mac + 28, sizeof(number));
		assert_int_equal(number, (*seen)++);
		if (n > 0)
			continue;
		h->number = number;
		h->offset = (uint32_t)((const uint8_t *)p + p->tp_mac + 28 - first);
		h->data = h->loan ? block : NULL;
	}
	if (h->loan)
		accel_lend_end(h->loan, ACCEL_LEND_PACKETS);
	if (s->ring.n_left == 0)
		accel_ring_give_back(&s->ring);
	return true;
}

/* As many packets as fill a block and begin the next. */
static inline void send_block(uint32_t *sent)
{
	for (int i = 0; i <= PER_BLOCK; i++)
		send_payload((*sent)++);
}

/* Borrow what is ready and give it back. */
static inline void read_ready(struct accel_psock *s, uint32_t *seen)
{
	struct held h;

	while (borrow(s, UINT32_MAX, seen, &h))
		if (h.loan)
			give_back(&h);
}

/* The ring goes on by so many blocks, each of which is read. */
static inline void go_on(struct accel_psock *s, int n_blocks, uint32_t *sent, uint32_t *seen)
{
	for (int i = 0; i < n_blocks; i++) {
		send_block(sent);
		read_ready(s, seen);
	}
}

/* Read on until everything that was sent until now has come. */
static inline void read_rest(struct accel_psock *s, uint32_t seen, uint32_t sent)
{
	for (uint32_t all = sent; seen < all; send_block(&sent)) {
		assert_int_equal(accel_psock_count(s).drops, 0);
		read_ready(s, &seen);
	}
}

struct maps {
	int n;
	uint64_t len; /* bytes */
};

/* What /proc/self/maps has, of it the mappings whose line has `of`. */
static inline struct maps count_maps(const char *of)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	struct maps maps = {0};
	char line[512];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (!strstr(line, of))
			continue;
		assert_int_equal(sscanf(line, "%lx-%lx", &from, &to), 2);
		maps.n++;
		maps.len += to - from;
	}
	fclose(file);
	return maps;
}

static inline uint64_t mapped_blocks(void)
{
	return count_maps("socket:[").len / BLOCK_LEN;
}

/* Whoever holds a block and does not read has his block all the same: the kernel stops before it. */
static inline void check_stalled(struct accel_psock *s, struct held *h, uint32_t *sent)
{
	for (int i = 0; i < 20; i++)
		send_block(sent);
	assert_true(accel_psock_count(s).drops > 0);
	check_held(h);
}

#endif
