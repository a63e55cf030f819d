/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_expressions.h - pcap filters as people write them, and some that are there to be hard.
 * Threads: none. */
#ifndef TEST_BPF_EXPRESSIONS_H
#define TEST_BPF_EXPRESSIONS_H

static const char *const expressions[] = {
	"",
	"ip",
	"ip6",
	"arp",
	"tcp",
	"udp",
	"icmp",
	"icmp6",
	"sctp",
	"tcp port 80",
	"udp port 53",
	"port 443",
	"src port 53",
	"portrange 1000-2000",
	"tcp dst portrange 80-443",
	"host 10.0.0.1",
	"src host 192.168.1.2",
	"dst net 10.0.0.0/8",
	"net 192.168.0.0/16 and not port 80",
	"ip6 host 2001:db8::1",
	"ip6 net 2001:db8::/32",
	"tcp[13] & 2 != 0",
	"tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)",
	"ip[6:2] & 0x1fff = 0",
	"ip[0] & 0xf > 5",
	"udp[4:2] * 2 > 60",
	"ip[2:2] - ((ip[0] & 0xf) << 2) > 30",
	"ip[8] % 7 = 1",
	"ip[8] ^ 64 = 0",
	"ip[8] / (ip[9] - 6) = 5",
	"1 << (ip[9] - 2) = 16",
	"ip proto 47",
	"ip6 proto 17",
	"ip multicast",
	"ether multicast",
	"ether host 02:00:00:00:00:01",
	"ether proto 0x88cc",
	"stp",
	"ipx",
	"llc u",
	"vlan 100 and tcp port 80",
	"mpls 16 and tcp port 80",
	"pppoes 5 and tcp port 80",
	"greater 100",
	"less 60",
	"len - 14 > 60",
	"not ip and not ip6",
	"vlan and vlan and tcp port 80",
	"ether broadcast or arp host 10.0.0.1",
	"(tcp port 80 or tcp port 443) and (host 10.0.0.1 or net 192.168.0.0/16)",
	"tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
};

/* The compiler makes loops of these. */
static const char *const looping_expressions[] = {
	"ip protochain 6",
	"ip6 protochain 17",
};

#endif
