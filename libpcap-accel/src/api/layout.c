/* SPDX-License-Identifier: BSD-3-Clause */
/* layout.c - sizes and offsets of the public structures, for callers who have declared them
 * themselves: a language binding asks once, when it has loaded the library, and refuses one that
 * was made from another header.
 *
 * Threads: any. A table. */
#include "api/export.h"

#include <string.h>

struct layout {
	const char *name;
	int value;
};

#define S(type)                                           \
	{                                                 \
		"struct " #type, (int)sizeof(struct type) \
	}
#define F(type, member)                                                         \
	{                                                                       \
		"struct " #type "." #member, (int)offsetof(struct type, member) \
	}

/* Every structure of pcap-accel.h and what a program must know of libpcap's
 * (tests/abi/test_headers.py). */
static const struct layout layouts[] = {
	S(pcap_pkthdr),
	F(pcap_pkthdr, ts),
	F(pcap_pkthdr, caplen),
	F(pcap_pkthdr, len),
	S(pcap_stat),
	S(bpf_program),
	F(bpf_program, bf_insns),
	S(pcap_if),
	F(pcap_if, name),
	F(pcap_if, addresses),
	F(pcap_if, flags),
	S(pcap_addr),
	F(pcap_addr, addr),
	F(pcap_addr, netmask),
	S(pcap_accel_stat),
	F(pcap_accel_stat, inject_failed),
	S(pcap_accel_queue),
	F(pcap_accel_queue, queue),
	F(pcap_accel_queue, delivered),
	F(pcap_accel_queue, invalid),
	S(pcap_accel_record),
	F(pcap_accel_record, ts_ns),
	F(pcap_accel_record, offset),
	F(pcap_accel_record, caplen),
	F(pcap_accel_record, len),
	S(pcap_accel_batch),
	F(pcap_accel_batch, records),
	F(pcap_accel_batch, max_records),
	F(pcap_accel_batch, data),
	F(pcap_accel_batch, max_data),
	F(pcap_accel_batch, n_records),
	F(pcap_accel_batch, data_len),
	S(pcap_accel_borrowed),
	F(pcap_accel_borrowed, records),
	F(pcap_accel_borrowed, max_records),
	F(pcap_accel_borrowed, memory),
	F(pcap_accel_borrowed, memory_len),
	F(pcap_accel_borrowed, n_records),
	F(pcap_accel_borrowed, data),
	F(pcap_accel_borrowed, data_len),
	F(pcap_accel_borrowed, loan),
	S(pcap_accel_group),
	F(pcap_accel_group, devices),
	F(pcap_accel_group, block),
	S(pcap_accel_member),
	F(pcap_accel_member, program),
	F(pcap_accel_member, device),
	S(pcap_accel_group_change),
	F(pcap_accel_group_change, persistent),
	S(pcap_accel_option),
	F(pcap_accel_option, min),
	F(pcap_accel_option, words),
	S(pcap_accel_conf),
	F(pcap_accel_conf, engine),
	S(pcap_accel_setting),
	F(pcap_accel_setting, mistake),
	F(pcap_accel_setting, value_column),
	S(pcap_accel_verdict),
	F(pcap_accel_verdict, any_one),
	F(pcap_accel_verdict, classes),
	S(pcap_accel_xdp),
	F(pcap_accel_xdp, snaplen),
	F(pcap_accel_xdp, insns),
	F(pcap_accel_xdp, n_insns),
	F(pcap_accel_xdp, n_extended),
};

int pcap_accel_get_layout(const char *name)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (strcmp(layouts[i].name, name) == 0)
			return layouts[i].value;
	return -1;
}
