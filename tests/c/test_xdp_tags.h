/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_tags.h - VLAN tags beside packets, without a VLAN device.
 *
 * Not with <pcap.h>, which has another struct bpf_insn. Threads: none. */
#ifndef TEST_XDP_TAGS_H
#define TEST_XDP_TAGS_H

#include "base/util.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TCX_EGRESS 47 /* enum bpf_attach_type, Linux 6.6 */

/* Have a device give each frame that it sends the tag `tci`, beside the packet as a VLAN
 * device does it: a program on its way out that calls bpf_skb_vlan_push(). The link's descriptor.
 * */
static inline int push_tags(unsigned ifindex, uint16_t tci)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = htons(ETH_P_8021Q)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = tci},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_vlan_push},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr;
	int prog, link;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = ACCEL_ARRAY_LEN(insns);
	attr.license = (uintptr_t) "GPL";
	prog = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)prog;
	attr.link_create.target_ifindex = ifindex;
	attr.link_create.attach_type = TCX_EGRESS;
	link = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	close(prog);
	return link;
}

#endif
