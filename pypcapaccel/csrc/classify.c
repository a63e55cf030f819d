/* SPDX-License-Identifier: BSD-3-Clause */
/* classify.c - see classify.h.
 *
 * Source: the README of pcapy-ng 2.1 ("loop_filtered", "Built-in security profile"). */
#include "classify.h"

#include <stdlib.h>
#include <string.h>

#define FLOW_BITS 20
#define MAX_TAGS  2
#define IPV4_LEN  20
#define PROTO_TCP 6
#define PROTO_UDP 17
#define TCP_SYN	  0x02
#define GOLDEN_32 UINT32_C(0x9E3779B1)	       /* 2^32 / golden ratio, made odd */
#define GOLDEN_64 UINT64_C(0x9E3779B97F4A7C15) /* 2^64 / golden ratio */
#define NO_CLASS  N_SECURITY

/* Where things are in a packet. */
struct place {
	const uint8_t *ip;
	const uint8_t *l4; /* NULL: no ports */
	uint32_t l4_len;
	uint8_t proto;
	uint16_t sport, dport;
};

static uint16_t read_16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t read_address(const uint8_t *p)
{
	uint32_t address;

	memcpy(&address, p, sizeof(address));
	return address;
}

/* ---- the set ---- */

static uint32_t first_slot(const struct address_set *set, uint32_t address)
{
	return (address * GOLDEN_32) >> set->shift;
}

static bool has_address(const struct address_set *set, uint32_t address)
{
	uint32_t mask, i;

	if (!set->slots || address == 0)
		return false;
	mask = UINT32_MAX >> set->shift;
	for (i = first_slot(set, address); set->slots[i]; i = (i + 1) & mask)
		if (set->slots[i] == address)
			return true;
	return false;
}

bool classify_set_addresses(struct classify *c, const uint8_t *addresses, size_t n)
{
	struct address_set *set = &c->set;
	unsigned bits = 4;
	uint32_t address, mask, i;

	if (n == 0)
		return true;
	while (bits < 31 && ((size_t)1 << bits) < 2 * n)
		bits++;
	set->shift = 32 - bits;
	set->slots = calloc((size_t)1 << bits, sizeof(*set->slots));
	if (!set->slots)
		return false;
	mask = UINT32_MAX >> set->shift;
	for (; n > 0; n--, addresses += 4) {
		address = read_address(addresses);
		if (address == 0 || has_address(set, address))
			continue;
		i = first_slot(set, address);
		while (set->slots[i])
			i = (i + 1) & mask;
		set->slots[i] = address;
	}
	return true;
}

/* ---- flows ---- */

bool classify_set_cutoff(struct classify *c, uint32_t n_packets)
{
	c->flow_cutoff = n_packets;
	if (n_packets > 0)
		c->table.flows = calloc((size_t)1 << FLOW_BITS, sizeof(*c->table.flows));
	return n_packets == 0 || c->table.flows;
}

static uint64_t scramble(uint64_t x)
{
	x ^= x >> 32;
	x *= GOLDEN_64;
	x ^= x >> 29;
	x *= GOLDEN_64;
	return x ^ x >> 32;
}

/* 64 bits that tell flows apart; the two directions are two flows. */
static uint64_t flow_key(const struct place *at)
{
	uint64_t addresses, rest;

	memcpy(&addresses, at->ip + 12, sizeof(addresses));
	rest = (uint64_t)at->sport << 32 | (uint64_t)at->dport << 16 | at->proto;
	return scramble(scramble(addresses) + rest);
}

static bool is_flow_head(struct classify *c, const struct place *at)
{
	uint64_t key = flow_key(at);
	struct flow *flow = &c->table.flows[key >> (64 - FLOW_BITS)];

	if (flow->key != key) {
		flow->key = key;
		flow->n_packets = 0;
	}
	if (flow->n_packets >= c->flow_cutoff)
		return false;
	flow->n_packets++;
	return true;
}

/* ---- packets ---- */

static bool is_tag(uint16_t ethertype)
{
	return ethertype == 0x8100 || ethertype == 0x88a8;
}

/* Find the IPv4 header behind at most two tags. */
static const uint8_t *find_ipv4(const struct classify *c, const uint8_t *packet, uint32_t caplen)
{
	uint32_t offset = c->l2_offset;

	for (int n_tags = 0; caplen >= offset + IPV4_LEN; n_tags++, offset += 4) {
		if (packet[offset] >> 4 == 4)
			return packet + offset;
		if (n_tags == MAX_TAGS || offset < 2 || !is_tag(read_16(packet + offset - 2)))
			break;
	}
	return NULL;
}

static bool locate(const struct classify *c, const uint8_t *packet, uint32_t caplen,
		   struct place *at)
{
	uint32_t header_len, left;

	at->ip = find_ipv4(c, packet, caplen);
	at->l4 = NULL;
	if (!at->ip)
		return false;
	header_len = (at->ip[0] & 15u) * 4;
	left = caplen - (uint32_t)(at->ip - packet);
	at->proto = at->ip[9];
	if (header_len < IPV4_LEN || left < header_len + 4 ||
	    (at->proto != PROTO_TCP && at->proto != PROTO_UDP))
		return true;
	at->l4 = at->ip + header_len;
	at->l4_len = left - header_len;
	at->sport = read_16(at->l4);
	at->dport = read_16(at->l4 + 2);
	return true;
}

static bool is_listed(const uint16_t *ports, size_t n, const struct place *at)
{
	for (size_t i = 0; i < n; i++)
		if (ports[i] == at->sport || ports[i] == at->dport)
			return true;
	return false;
}

static bool is_in_set(const struct classify *c, const struct place *at)
{
	return has_address(&c->set, read_address(at->ip + 12)) ||
	       has_address(&c->set, read_address(at->ip + 16));
}

static unsigned classify_generic(struct classify *c, const struct place *at)
{
	if (is_in_set(c, at))
		return CLASS_SET_MATCH;
	if (c->flow_cutoff && at->l4 && is_flow_head(c, at))
		return CLASS_FLOW_HEAD;
	return CLASS_OTHER;
}

/* By ports and flags alone, or NO_CLASS. */
static unsigned classify_ports(const struct classify *c, const struct place *at)
{
	uint32_t header_len;

	if (at->sport == c->dns_port || at->dport == c->dns_port)
		return CLASS_DNS;
	if (at->proto != PROTO_TCP || at->l4_len < 14)
		return NO_CLASS;
	if (at->l4[13] == TCP_SYN)
		return CLASS_SYN;
	header_len = (at->l4[12] >> 4) * 4u;
	if (header_len >= 20 && at->l4_len > header_len && is_listed(c->dpi_ports, c->n_dpi, at))
		return CLASS_HTTP;
	return NO_CLASS;
}

static unsigned classify_security(struct classify *c, const struct place *at)
{
	unsigned class = at->l4 ? classify_ports(c, at) : NO_CLASS;

	if (class != NO_CLASS)
		return class;
	if (is_in_set(c, at))
		return CLASS_ADDRESS;
	if (c->flow_cutoff && at->l4 && is_listed(c->tls_ports, c->n_tls, at) &&
	    is_flow_head(c, at))
		return CLASS_HANDSHAKE;
	return CLASS_BULK;
}

unsigned classify_packet(struct classify *c, const uint8_t *packet, uint32_t caplen)
{
	struct place at = {0};

	if (!locate(c, packet, caplen, &at))
		return c->is_security ? CLASS_BULK : CLASS_OTHER;
	return c->is_security ? classify_security(c, &at) : classify_generic(c, &at);
}

void classify_fini(struct classify *c)
{
	free(c->dpi_ports);
	free(c->tls_ports);
	free(c->set.slots);
	free(c->table.flows);
}
