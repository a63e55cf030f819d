/* SPDX-License-Identifier: BSD-3-Clause */
/* cbpf.h - classic BPF programs as values: run, compose, rewrite, read, print.
 *
 * The kernel runs our filters. The interpreter here is its slow twin: the oracle of the tests, and
 * what filters where the kernel cannot (a program with a loop, packets that were in the ring before
 * the filter came).
 *
 * Pure: no system call.
 * Source: linux/filter.h, Documentation/networking/filter.rst, bpf(4) of the BSDs; the tests
 * ask the kernel (6.18).
 * Threads: none of its own. */
#ifndef ACCEL_CBPF_H
#define ACCEL_CBPF_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct accel_err;

#define ACCEL_BPF_MAX_INSNS 4096 /* BPF_MAXINSNS: what SO_ATTACH_FILTER takes */

/* What the kernel knows of a packet beside its bytes. Values as SKF_AD_* loads them. */
struct accel_bpf_aux {
	uint32_t ifindex;
	uint32_t protocol; /* ethertype, host order */
	uint32_t pkttype;  /* PACKET_HOST .. PACKET_OUTGOING */
	uint32_t hatype;   /* ARPHRD_* */
	uint32_t rxhash;
	uint32_t queue; /* as SKF_AD_QUEUE: receive queue + 1, 0 = the driver did not say;
			   of a sent packet the transmit queue from 0 */
	uint32_t cpu;
	uint32_t vlan_tci;
	uint32_t vlan_tpid; /* host order */
	bool vlan_present;
	uint32_t net_offset; /* of the network header from data[0]: SKF_NET_OFF loads. SKF_LL_OFF
				loads are from data[0] */
};

/* The verdict: bytes to keep, 0 = drop. A, X and the scratch cells start at 0. As in the kernel, a
 * load that is not wholly within caplen drops, and so does a division by an X of 0. The kernel's
 * bound is the whole packet: of one that was cut (caplen < len) a program may drop here what it
 * keeps there. Also dropped: loads of what an aux does not hold (SKF_AD_MARK, _RANDOM, _PAY_OFFSET,
 * _NLATTR, _NLATTR_NEST), and a program that runs for more than 1,000,000 steps (backward jumps are
 * allowed, as libpcap's protochain needs them). "ld #pktlen" is `len`. `insns` must have passed
 * accel_bpf_validate(). aux may not be NULL. */
uint32_t accel_bpf_run(const struct sock_filter *insns, const uint8_t *data, uint32_t caplen,
		       uint32_t len, const struct accel_bpf_aux *aux);

/* 0, or -EINVAL with the instruction's number and what is wrong: unknown code, jump or scratch cell
 * out of range, division by constant 0, no return at the end, no instructions. Any length. */
int accel_bpf_validate(const struct sock_filter *insns, unsigned n, struct accel_err *err);

/* A copy of n instructions (at least 1), malloc'ed; NULL: no memory. */
struct sock_filter *accel_bpf_copy(const struct sock_filter *insns, unsigned n);

/* Does SO_ATTACH_FILTER take it, exactly: what accel_bpf_validate() asks, at most 4096
 * instructions, no backward jump, no shift by a constant over 31, no metadata that does not exist,
 * no scratch cell read before it was written. */
bool accel_bpf_fits_kernel(const struct sock_filter *insns, unsigned n);

/* Rewrite in place a program that was compiled against a cooked header (link type 113, SLL, or 276,
 * SLL2) so that it runs on a SOCK_DGRAM packet socket, where data starts behind that header:
 * header fields become SKF_AD_* loads, offsets behind it move down; what the program returns stays,
 * so that it keeps up to 16 (20) bytes more. `insns` must have passed accel_bpf_validate().
 *
 * 0, or -EOPNOTSUPP (program untouched): another link type, or a program that the kernel cannot run
 * without that header: it reads the sender's address or a part of a field, it adds X to an offset
 * within the header, it asks for the packet's length (the kernel's is 16 or 20 shorter than the one
 * the user sees). Then run the program as it is, on the cooked packet.
 *
 * One verdict may differ: Linux since 6.10 writes the inner type of a sent frame with a tag in band
 * into the cooked header, while SKF_AD_PROTOCOL stays the tag's. */
int accel_bpf_uncook(struct sock_filter *insns, unsigned n, int link_type);

#define ACCEL_GUARD_MAX_IFACES 64
#define ACCEL_GUARD_MAX_QUEUES 64
#define ACCEL_GUARD_MAX_VLANS  64

enum accel_direction { ACCEL_DIR_INOUT, ACCEL_DIR_IN, ACCEL_DIR_OUT };

/* What a handle wants before the user's filter is asked. Zeroed = everything. */
struct accel_guard {
	unsigned n_ifindex; /* 0 = any */
	uint32_t ifindex[ACCEL_GUARD_MAX_IFACES];
	uint32_t lo_ifindex; /* drop its outgoing copies: each packet is seen once. 0 = none */
	enum accel_direction direction;
	/* 0 = any. An entry per range; an interface without an entry: all of its queues. A received
	 * packet has its receive queue, or queue 0 if the driver did not record one; a sent packet
	 * its transmit queue. So every packet belongs to exactly one queue, and handles on
	 * different queues never see the same one. */
	unsigned n_queues;
	struct {
		uint32_t ifindex;
		uint16_t first, last; /* as a person counts: from 0; both belong to the range */
	} queues[ACCEL_GUARD_MAX_QUEUES];
	/* 0 = any. VLAN ids to keep. Id 0: frames without a tag and, as IEEE 802.1Q has it, those
	 * with a priority tag, whose id is 0. Of several tags the outermost counts. */
	unsigned n_vlans;
	uint16_t vlans[ACCEL_GUARD_MAX_VLANS];
	/* Ethernet: sent frames carry their tag in the data (TPID 8100, 88a8, 9100: those that
	 * libpcap's `vlan` knows), received ones only that of TPID 9100. Looked at if the metadata
	 * have no tag; a frame too short for it is dropped. */
	bool vlan_in_band;
};

/* Compose: the guard's tests, then `user` (n_user instructions, unchanged, with A and X at 0), or
 * "keep snaplen bytes" if n_user is 0. The counts in the guard are within their arrays. A guard
 * needs at most 600 instructions. *out is malloc'ed, free() it; *n_out its length. 0, -ENOMEM,
 * -E2BIG (over 4096); *out is untouched on failure. If there is nothing to test and n_user is 0 and
 * snaplen >= 262144, *n_out is 0 and *out NULL: no filter is needed. */
int accel_bpf_compose(const struct accel_guard *guard, const struct sock_filter *user,
		      unsigned n_user, uint32_t snaplen, struct sock_filter **out, unsigned *n_out);

/* Both filters: what `first` keeps is put to `second`, whose verdict counts. Each finds A and X at
 * 0. Both have at least one instruction and have passed accel_bpf_validate(). *out is malloc'ed and
 * longer than the two by 4 instructions. 0 or -ENOMEM. */
int accel_bpf_chain(const struct sock_filter *first, unsigned n_first,
		    const struct sock_filter *second, unsigned n_second, struct sock_filter **out,
		    unsigned *n_out);

/* Read "tcpdump -ddd" text: a count, then a line "code jt jf k" an instruction, decimal; blank
 * lines may stand between and behind. `what` opens the error. The program is validated. *out is
 * malloc'ed, free() it. 0, -EINVAL, -E2BIG (over 4096), -ENOMEM; *out is untouched on failure. */
int accel_bpf_parse(const char *what, const char *text, size_t len, struct sock_filter **out,
		    unsigned *n_out, struct accel_err *err);

/* One instruction as tcpdump -d shows it:
 *     (001) jeq      #0x800           jt 2	jf 5
 * Writes at most len bytes with the NUL; returns what snprintf would. */
int accel_bpf_print(const struct sock_filter *insn, unsigned idx, char *out, size_t len);

#endif
