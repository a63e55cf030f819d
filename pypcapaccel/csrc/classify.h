/* SPDX-License-Identifier: BSD-3-Clause */
/* classify.h - which class a packet is of, for loop_filtered() and loop_to_buffer(). Knows nothing
 * of Python. The twin is _classify.py, the meaning is pcapy-ng 2.1's.
 *
 * Threads: one a classifier. */
#ifndef ACCEL_CLASSIFY_H
#define ACCEL_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLASS_OTHER, CLASS_FLOW_HEAD, CLASS_SET_MATCH, N_GENERIC };
enum { CLASS_DNS, CLASS_HTTP, CLASS_BULK, CLASS_ADDRESS, CLASS_HANDSHAKE, CLASS_SYN, N_SECURITY };
#define SECURITY_BASE 100 /* what callbacks get is the class and, in the security profile, this */

/* A set of IPv4 addresses as they are in packets. 0.0.0.0 is never in it. */
struct address_set {
	uint32_t *slots; /* 0: free */
	unsigned shift;	 /* 32 - log2 of their number */
};

/* How many packets of each flow have been seen. A flow that falls into another's place makes that
 * one look new again; it never hides one. */
struct flow_table {
	struct flow {
		uint64_t key;
		uint32_t n_packets;
	} * flows;
};

struct classify {
	bool is_security;
	uint32_t l2_offset; /* bytes before the IPv4 header */
	uint16_t dns_port;
	uint16_t *dpi_ports, *tls_ports;
	size_t n_dpi, n_tls;
	struct address_set set;
	struct flow_table table;
	uint32_t flow_cutoff; /* 0: no flows */
};

/* Addresses: n times 4 bytes. Both: false for want of memory. */
bool classify_set_addresses(struct classify *c, const uint8_t *addresses, size_t n);
bool classify_set_cutoff(struct classify *c, uint32_t n_packets);
void classify_fini(struct classify *c);

/* A class, from 0. */
unsigned classify_packet(struct classify *c, const uint8_t *packet, uint32_t caplen);

#endif
