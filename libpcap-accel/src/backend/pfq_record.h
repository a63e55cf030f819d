/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_record.h - what the members of a PFQ group have agreed on, as the text that the registry
 * keeps:
 *
 *     devices=eth0:eth1
 *     vlan=10+20
 *     fanout=16384+16385
 *     idle=16386
 *     since=1700000000000000000
 *     pending=0
 *     filter=0028000000000000c1500...  classic BPF, 16 hexadecimal digits an instruction
 *     computation=ip >-> steer_flow        to the end of the text, line ends and all
 *
 * Pure.
 * Threads: none of its own. */
#ifndef ACCEL_PFQ_RECORD_H
#define ACCEL_PFQ_RECORD_H

#include "spec/device.h"

#include <linux/filter.h>

#define PFQ_MAX_FANOUTS 2
#define PFQ_MAX_IDLE	(2 * PFQ_MAX_FANOUTS)

struct pfq_record {
	unsigned n_devices;
	char devices[ACCEL_MAX_IFACES][ACCEL_IFNAME_LEN];
	unsigned n_vlans;
	uint16_t vlans[ACCEL_MAX_NUMBERS];
	unsigned n_fanouts; /* kernel groups that belong to this group's computation */
	uint16_t fanouts[PFQ_MAX_FANOUTS];
	unsigned n_idle; /* those of computations before, for the next, longest unused first */
	uint16_t idle[PFQ_MAX_IDLE];
	/* Packets stamped from here on (CLOCK_REALTIME) are the computation's, earlier ones were
	 * those of the one before. Names the computation: no other has the same. */
	uint64_t since_ns;
	/* Somebody who is no member has changed the computation: the first member that sees it
	 * chooses the kernel groups and gives them their programs. */
	bool pending;
	struct sock_filter *filter; /* of all members; owned; NULL = none */
	unsigned n_filter;
	char *computation; /* owned; NULL or empty = every member gets everything */

	/* not of the text */
	uint32_t generation; /* of its changes */
	bool persistent;
};

/* Fill *rec, an empty text gives an empty record. 0; -EINVAL for a text that is none of ours;
 * -ENOMEM. On failure *rec is empty. */
int pfq_record_parse(const char *text, struct pfq_record *rec);
void pfq_record_fini(struct pfq_record *rec);

/* The text, malloc'ed, or NULL. */
char *pfq_record_print(const struct pfq_record *rec);

bool pfq_record_has(const struct pfq_record *rec, const char *device);

/* 0, or -E2BIG: too many devices. A device that is there already is no error. */
int pfq_record_add(struct pfq_record *rec, const char *device);

/* 0 or -ENOMEM. */
int pfq_record_set_computation(struct pfq_record *rec, const char *text);

/* A copy of n instructions; n = 0: no filter. 0 or -ENOMEM. */
int pfq_record_set_filter(struct pfq_record *rec, const struct sock_filter *insns, unsigned n);

#endif
