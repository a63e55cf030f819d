/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_keep.c - the rules that keep a host reachable while its packets are diverted. ARP is the
 * first of them: a host that does not answer it is off the network within a minute. One that is
 * on it through a bond or a bridge port needs LACP or STP for that link.
 *
 * Classic BPF, so that the interpreter can say what they mean and the translator does the rest.
 * They stand there three times, for frames without a tag, with one and with two: so all offsets but
 * that of IPv4's ports are constants, and one comparison with the packet's end proves several
 * loads.
 *
 * Source: RFC 826, 4861 (ND), 2131 and 8415 (DHCP), 791, 8200; IEEE 802.1Q, table 8-1.
 * Threads: none of its own. */
#include "bpf/xdp_prog.h"

#include "bpf/assemble.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#define JEQ	 (BPF_JMP | BPF_JEQ | BPF_K)
#define JGE	 (BPF_JMP | BPF_JGE | BPF_K)
#define JGT	 (BPF_JMP | BPF_JGT | BPF_K)
#define JSET	 (BPF_JMP | BPF_JSET | BPF_K)
#define NEXT	 ACCEL_ASM_NEXT
#define TAG_LEN	 4u
#define MAX_TAGS 2u
#define V6_LEN	 40u
#define PORT_SSH 22
#define PORT_DNS 53
#define HOP_HIGH 0x0180c200u /* 01:80:c2:00:00:00 to 0f: no bridge passes such frames on */
#define HOP_REST 0xfff0
#define ND_FIRST 133
#define ND_LAST	 137
#define V4_LATER 0x1fff /* of the fragment's offset: not the first one */
#define V6_LATER 0xfff8

struct rules {
	struct accel_asm as;
	const struct accel_xdp_local *local;
	unsigned keep, no;	 /* labels */
	unsigned local4, local6; /* is the destination the host's? */
	uint32_t l3;		 /* offset of the network header */
};

/* The ports that DHCP uses over a network protocol. */
struct dhcp {
	uint16_t first, second;
};

static const struct dhcp dhcp4 = {67, 68}, dhcp6 = {546, 547};

static void ld(struct rules *r, uint16_t size_mode, uint32_t k)
{
	accel_asm_insn(&r->as, BPF_LD | size_mode, k);
}

static void test(struct rules *r, uint16_t code, uint32_t k, unsigned if_true, unsigned if_false)
{
	accel_asm_jump(&r->as, code, k, if_true, if_false);
}

/* TCP's ports at `ports`, from X if `mode` says so. */
static void test_tcp(struct rules *r, uint16_t mode, uint32_t ports, unsigned local)
{
	ld(r, BPF_H | mode, ports);
	test(r, JEQ, PORT_SSH, local, NEXT);
	test(r, JEQ, PORT_DNS, local, NEXT);
	ld(r, BPF_H | mode, ports + 2);
	if (r->local->ssh_port)
		test(r, JEQ, r->local->ssh_port, local, NEXT);
	test(r, JEQ, PORT_SSH, local, r->no);
}

/* UDP's. DHCP is kept at once, as its addresses may be anything. */
static void test_udp(struct rules *r, uint16_t mode, uint32_t ports, const struct dhcp *dhcp)
{
	ld(r, BPF_H | mode, ports);
	test(r, JEQ, PORT_DNS, dhcp == &dhcp4 ? r->local4 : r->local6, NEXT);
	test(r, JEQ, dhcp->first, r->keep, NEXT);
	test(r, JEQ, dhcp->second, r->keep, NEXT);
	ld(r, BPF_H | mode, ports + 2);
	test(r, JEQ, dhcp->first, r->keep, NEXT);
	test(r, JEQ, dhcp->second, r->keep, r->no);
}

/* The rest of a packet whose first fragment was kept has no ports. */
static void test_v4(struct rules *r)
{
	unsigned udp = accel_asm_label(&r->as);

	ld(r, BPF_H | BPF_ABS, r->l3 + 6);
	test(r, JSET, V4_LATER, r->local4, NEXT);
	accel_asm_insn(&r->as, BPF_LDX | BPF_B | BPF_MSH, r->l3);
	ld(r, BPF_B | BPF_ABS, r->l3 + 9);
	test(r, JEQ, IPPROTO_UDP, udp, NEXT);
	test(r, JEQ, IPPROTO_TCP, NEXT, r->no);
	test_tcp(r, BPF_IND, r->l3, r->local4);
	accel_asm_bind(&r->as, udp);
	test_udp(r, BPF_IND, r->l3, &dhcp4);
}

static void test_v6(struct rules *r)
{
	unsigned icmp = accel_asm_label(&r->as), udp = accel_asm_label(&r->as);
	unsigned fragment = accel_asm_label(&r->as);
	uint32_t payload = r->l3 + V6_LEN;

	ld(r, BPF_B | BPF_ABS, r->l3 + 6);
	test(r, JEQ, IPPROTO_ICMPV6, icmp, NEXT);
	test(r, JEQ, IPPROTO_UDP, udp, NEXT);
	test(r, JEQ, IPPROTO_FRAGMENT, fragment, NEXT);
	test(r, JEQ, IPPROTO_TCP, NEXT, r->no);
	test_tcp(r, BPF_ABS, payload, r->local6);
	accel_asm_bind(&r->as, udp);
	test_udp(r, BPF_ABS, payload, &dhcp6);
	accel_asm_bind(&r->as, icmp);
	ld(r, BPF_B | BPF_ABS, payload);
	test(r, JGE, ND_FIRST, NEXT, r->no);
	test(r, JGT, ND_LAST, r->no, r->keep);
	accel_asm_bind(&r->as, fragment);
	ld(r, BPF_H | BPF_ABS, payload + 2);
	test(r, JSET, V6_LATER, r->local6, r->no);
}

static unsigned unless_listed(const struct rules *r)
{
	return r->local->n_v4 || r->local->n_v6 ? r->no : r->keep;
}

static void test_local4(struct rules *r)
{
	accel_asm_bind(&r->as, r->local4);
	ld(r, BPF_W | BPF_ABS, r->l3 + 16);
	for (unsigned i = 0; i < r->local->n_v4; i++)
		test(r, JEQ, r->local->v4[i], r->keep, NEXT);
	accel_asm_goto(&r->as, unless_listed(r));
}

static uint32_t word(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void test_local6(struct rules *r)
{
	accel_asm_bind(&r->as, r->local6);
	for (unsigned i = 0; i < r->local->n_v6; i++) {
		const uint8_t *address = r->local->v6[i];
		unsigned other = accel_asm_label(&r->as);

		/* The last words differ most. */
		for (int w = 12; w >= 0; w -= 4) {
			ld(r, BPF_W | BPF_ABS, r->l3 + 24 + (uint32_t)w);
			test(r, JEQ, word(address + w), w ? NEXT : r->keep, other);
		}
		accel_asm_bind(&r->as, other);
	}
	accel_asm_goto(&r->as, unless_listed(r));
}

/* What is between this port and the next one: LACP, STP, 802.1X, LLDP. */
static void test_hop(struct rules *r)
{
	unsigned other = accel_asm_label(&r->as);

	ld(r, BPF_W | BPF_ABS, 0);
	test(r, JEQ, HOP_HIGH, NEXT, other);
	ld(r, BPF_H | BPF_ABS, 4);
	test(r, JSET, HOP_REST, NEXT, r->keep);
	accel_asm_bind(&r->as, other);
}

/* The rules behind n_tags tags. A bond takes slow protocols at whatever address they come. */
static void add_rules(struct rules *r, unsigned n_tags)
{
	unsigned v4 = accel_asm_label(&r->as), v6 = accel_asm_label(&r->as);
	unsigned tag = accel_asm_label(&r->as);

	r->local4 = accel_asm_label(&r->as);
	r->local6 = accel_asm_label(&r->as);
	r->l3 = ETH_HLEN + n_tags * TAG_LEN;
	ld(r, BPF_H | BPF_ABS, r->l3 - 2);
	test(r, JEQ, ETH_P_IP, v4, NEXT);
	test(r, JEQ, ETH_P_IPV6, v6, NEXT);
	test(r, JEQ, ETH_P_ARP, r->keep, NEXT);
	test(r, JEQ, ETH_P_SLOW, r->keep, NEXT);
	test(r, JEQ, ETH_P_8021Q, tag, NEXT);
	test(r, JEQ, ETH_P_8021AD, tag, r->no);
	accel_asm_bind(&r->as, v4);
	test_v4(r);
	test_local4(r);
	accel_asm_bind(&r->as, v6);
	test_v6(r);
	test_local6(r);
	accel_asm_bind(&r->as, tag);
}

int accel_xdp_keep_rules(const struct accel_xdp_local *local, struct sock_filter **out,
			 unsigned *n_out)
{
	struct rules r = {.local = local};
	int err;

	accel_asm_init(&r.as);
	r.keep = accel_asm_label(&r.as);
	r.no = accel_asm_label(&r.as);
	test_hop(&r);
	for (unsigned n_tags = 0; n_tags <= MAX_TAGS; n_tags++)
		add_rules(&r, n_tags);
	accel_asm_bind(&r.as, r.no);
	accel_asm_insn(&r.as, BPF_RET | BPF_K, 0);
	accel_asm_bind(&r.as, r.keep);
	accel_asm_insn(&r.as, BPF_RET | BPF_K, 1);
	err = accel_asm_finish(&r.as, NULL, 0, out, n_out);
	accel_asm_fini(&r.as);
	return err;
}
