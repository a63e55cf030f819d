/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_packets.h - a handful of packets that tell filters apart, and link headers around them.
 * Checksums are 0: no filter looks. Threads: none. */
#ifndef TEST_BPF_PACKETS_H
#define TEST_BPF_PACKETS_H

#include <stdint.h>
#include <string.h>

#define PACKET_MAX 160

/* Network layer and what is above; `protocol` as the kernel has it in skb->protocol. */
struct packet {
	const char *name;
	uint16_t protocol;
	unsigned len;
	uint8_t data[PACKET_MAX];
};

/* clang-format off */
#define IP4(ihl, frag_hi, frag_lo, proto, ...)						\
	0x40 | (ihl), 0, 0, 60, 0, 7, frag_hi, frag_lo, 64, proto, 0, 0, __VA_ARGS__
#define A(d)		10, 0, 0, d
#define B(d)		192, 168, 1, d
#define IP6(next)									\
	0x60, 0, 0, 0, 0, 40, next, 64,							\
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,			\
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2
#define TCP(s, d, flags)								\
	(s) >> 8, (s) & 0xff, (d) >> 8, (d) & 0xff, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 1, 0, 0, 0, 0, 0
#define UDP(s, d, n)	(s) >> 8, (s) & 0xff, (d) >> 8, (d) & 0xff, 0, n, 0, 0

static const struct packet packets[] = {
	{"tcp 80",	0x0800, 60, {IP4(5, 0x40, 0, 6, A(1), B(2)), TCP(40000, 80, 0x02)}},
	{"tcp 80 back",	0x0800, 60, {IP4(5, 0x40, 0, 6, B(2), A(1)), TCP(80, 40000, 0x12)}},
	{"tcp, options",0x0800, 70, {IP4(7, 0x40, 0, 6, A(3), A(4)), 1, 1, 1, 1, 1, 1, 1, 0, TCP(1500, 443, 0x10)}},
	{"udp 53",	0x0800, 90, {IP4(5, 0, 0, 17, A(1), B(9)), UDP(1200, 53, 40), 0x12, 0x34, 1, 0}},
	{"udp, long",	0x0800, 150,{IP4(6, 0, 0, 17, A(2), A(1)), 1, 1, 1, 0, UDP(53, 5353, 120)}},
	{"fragment 1",	0x0800, 60, {IP4(5, 0x20, 0, 17, A(1), B(2)), UDP(1000, 53, 40)}},
	{"fragment 2",	0x0800, 60, {IP4(5, 0x00, 9, 17, A(1), B(2)), UDP(1000, 53, 40)}},
	{"icmp",	0x0800, 48, {IP4(5, 0, 0, 1, A(1), A(2)), 8, 0, 0, 0}},
	{"gre",		0x0800, 48, {IP4(5, 0, 0, 47, A(1), A(2)), 0, 0, 8, 0}},
	{"ah, tcp",	0x0800, 80, {IP4(5, 0, 0, 51, A(1), A(2)), 6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, TCP(9, 80, 2)}},
	{"multicast",	0x0800, 50, {IP4(5, 0, 0, 17, A(1), 224, 0, 0, 5), UDP(5353, 5353, 20)}},
	{"cut ip",	0x0800, 12, {IP4(5, 0, 0, 6, 10, 0)}},
	{"cut tcp",	0x0800, 23, {IP4(5, 0, 0, 6, A(1), A(2)), 0x9c, 0x40, 0}},
	{"tcp6",	0x86dd, 70, {IP6(6), TCP(443, 50000, 0x11)}},
	{"udp6",	0x86dd, 70, {IP6(17), UDP(53, 1100, 30)}},
	{"icmp6",	0x86dd, 60, {IP6(58), 135, 0, 0, 0}},
	{"hop by hop",	0x86dd, 80, {IP6(0), 17, 0, 1, 4, 0, 0, 0, 0, UDP(53, 53, 30)}},
	{"fragment6",	0x86dd, 80, {IP6(44), 17, 0, 0, 1, 0, 0, 0, 9, UDP(53, 53, 30)}},
	{"arp",		0x0806, 46, {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, A(1), 0, 0, 0, 0, 0, 0, B(2)}},
	{"lldp",	0x88cc, 46, {2, 7, 4}},
	{"mpls",	0x8847, 60, {0, 1, 0x01, 64, IP4(5, 0, 0, 6, A(1), B(2)), TCP(1, 80, 2)}},
	{"pppoe",	0x8864, 60, {0x11, 0, 0, 5, 0, 40, 0, 0x21, IP4(5, 0, 0, 6, A(1), B(2)), TCP(1, 80, 2)}},
	{"vlan 100",	0x8100, 64, {0, 100, 8, 0, IP4(5, 0, 0, 6, A(1), B(2)), TCP(1, 80, 2)}},
	{"802.2 stp",	0x0004, 46, {0x42, 0x42, 3, 0, 0, 0}},
	{"802.2 snap",	0x0004, 46, {0xaa, 0xaa, 3, 0, 0, 0, 8, 0, IP4(5, 0, 0, 6, A(1), B(2)), TCP(1, 80, 2)}},
	{"802.2 ipx",	0x0004, 46, {0xe0, 0xe0, 3, 0xff, 0xff}},
	{"802.3 ipx",	0x0001, 46, {0xff, 0xff, 0, 34}},
	{"nothing",	0x0800, 0,  {0}},
};
/* clang-format on */

static inline void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* Ethernet: 802.2 and 802.3 frames have their length where others have the type. */
static inline unsigned wrap_ethernet(const struct packet *packet, uint8_t *out)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};

	memcpy(out, macs, sizeof(macs));
	put16(out + 12, packet->protocol < 1536 ? packet->len : packet->protocol);
	memcpy(out + 14, packet->data, packet->len);
	return 14 + packet->len;
}

#endif
