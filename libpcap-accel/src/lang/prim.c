/* SPDX-License-Identifier: BSD-3-Clause */
/* prim.c - THE table: every function of PFQ's language, and ours. Whoever speaks of functions (the
 * checker, errors, dumps, the manual, the tests) reads it or is tested against it.
 *
 * A name that has a twin with a 6 (tcp, tcp6) is of IPv4; every other function is of both families,
 * unless it says otherwise (ip_ttl).
 * Where PFQ's code and its documents differ, the documents are right: is_broadcast keeps
 * broadcasts, port looks at both ends, src and dst are told apart.
 *
 * Threads: constant data. */
#include "lang/ops.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define DEFINE_ACT(name, makes)                                                  \
	static const struct accel_lang_act act_##name = {accel_lang_eval_##name, \
							 accel_lang_lower_##name, makes};
#define DEFINE_TEST(name)                                                          \
	static const struct accel_lang_test test_##name = {accel_lang_eval_##name, \
							   accel_lang_lower_##name};
ACCEL_LANG_ACTS(DEFINE_ACT)
ACCEL_LANG_TESTS(DEFINE_TEST)

#define TCP_UDP ACCEL_KIND(ACCEL_IP, ACCEL_PROTO_TCP, ACCEL_PROTO_UDP)
#define ICMPS	ACCEL_KIND(ACCEL_IP, ACCEL_PROTO_ICMP, ACCEL_PROTO_ICMP6)
#define TCPS	ACCEL_KIND(ACCEL_IP, ACCEL_PROTO_TCP, 0)
#define UDPS	ACCEL_KIND(ACCEL_IP, ACCEL_PROTO_UDP, 0)
#define IP4S	ACCEL_KIND(ACCEL_IP4, 0, 0)

enum {
	F_TOS,
	F_TOT_LEN,
	F_ID,
	F_FRAG,
	F_TTL,
	F_TCP_SRC,
	F_TCP_DST,
	F_TCP_LEN,
	F_UDP_SRC,
	F_UDP_DST,
	F_UDP_LEN,
	F_ICMP_TYPE,
	F_ICMP_CODE
};

const struct accel_lang_field accel_lang_fields[] = {
	[F_TOS] = {IP4S, false, 1, 1, 0, 0},	   [F_TOT_LEN] = {IP4S, false, 2, 2, 0, 0},
	[F_ID] = {IP4S, false, 4, 2, 0, 0},	   [F_FRAG] = {IP4S, false, 6, 2, 0, 0},
	[F_TTL] = {IP4S, false, 8, 1, 0, 0},	   [F_TCP_SRC] = {TCPS, true, 0, 2, 0, 0},
	[F_TCP_DST] = {TCPS, true, 2, 2, 0, 0},	   [F_TCP_LEN] = {TCPS, true, 12, 1, 4, 2},
	[F_UDP_SRC] = {UDPS, true, 0, 2, 0, 0},	   [F_UDP_DST] = {UDPS, true, 2, 2, 0, 0},
	[F_UDP_LEN] = {UDPS, true, 4, 2, 0, 0},	   [F_ICMP_TYPE] = {ICMPS, true, 0, 1, 0, 0},
	[F_ICMP_CODE] = {ICMPS, true, 1, 1, 0, 0},
};

#define LEN   ACCEL_USES_LEN
#define IP    ACCEL_USES_TYPE
#define L4    (ACCEL_USES_TYPE | ACCEL_USES_L4)
#define MARK  ACCEL_USES_MARK
#define STATE ACCEL_USES_STATE
#define CLASS ACCEL_USES_CLASS

#define ARGS(...)           \
	{                   \
		__VA_ARGS__ \
	}
#define NO_ARGS                \
	{                      \
		ACCEL_ARG_NONE \
	}
#define ADDR_	ACCEL_ARG_ADDR
#define ADDRS_	ACCEL_ARG_ADDRS
#define CIDR_	ACCEL_ARG_CIDR
#define PREFIX_ ACCEL_ARG_PREFIX
#define OFFSET_ ACCEL_ARG_OFFSET
#define BYTES_	ACCEL_ARG_BYTES
#define PRED_	ACCEL_ARG_PREDICATE
#define ACT_	ACCEL_ARG_ACTION
#define PROP_	ACCEL_ARG_PROPERTY
#define STR_	ACCEL_ARG_STRING
#define U8_	ACCEL_ARG_U8
#define U16_	ACCEL_ARG_U16
#define U32_	ACCEL_ARG_U32
#define U64_	ACCEL_ARG_U64
#define CLASS_	ACCEL_ARG_CLASS

#define ROW(n, t, k, a, s) \
	.name = n, .type = ACCEL_LANG_##t, .kind = ACCEL_NODE_##k, .args = a, .since = s
#define ACT(n, s, a, op, p, u, d, e)                                                              \
	{                                                                                         \
		ROW(n, ACTION, DO, ARGS a, s), .act = &act_##op, .param = p, .uses = u, .doc = d, \
					       .example = e                                       \
	}
#define FILTER(n, s, a, op, p, u, d, e)                                                       \
	{                                                                                     \
		ROW(n, ACTION, FILTER, ARGS a, s), .test = &test_##op, .param = p, .uses = u, \
						   .doc = d, .example = e                     \
	}
#define UNLESS(n, s, a, op, p, u, d, e)                                                            \
	{                                                                                          \
		ROW(n, ACTION, FILTER, ARGS a, s), .test = &test_##op, .param = p, .negate = true, \
						   .uses = u, .doc = d, .example = e               \
	}
#define PRED(n, s, a, op, p, u, d, e)                                                          \
	{                                                                                      \
		ROW(n, PREDICATE, TEST, ARGS a, s), .test = &test_##op, .param = p, .uses = u, \
						    .doc = d, .example = e                     \
	}
#define PROP(n, s, f, d, e)                                                            \
	{                                                                              \
		ROW(n, PROPERTY, FIELD, NO_ARGS, s), .param = f, .uses = L4, .doc = d, \
						     .example = e                      \
	}
#define REGISTER(n, s, k, u, d, e)                                                        \
	{                                                                                 \
		.name = n, .type = ACCEL_LANG_PROPERTY, .kind = k, .since = s, .uses = u, \
		.doc = d, .example = e                                                    \
	}
#define CONTROL(n, t, k, s, a, p, neg, u, d, e)                                          \
	{                                                                                \
		ROW(n, t, k, ARGS a, s), .param = p, .negate = neg, .uses = u, .doc = d, \
					 .example = e                                    \
	}
#define NOOP(n, s, a, d, w, e)                                                              \
	{                                                                                   \
		ROW(n, ACTION, DO, ARGS a, s), .status = ACCEL_LANG_NOOP, .act = &act_unit, \
					       .doc = d, .why = w, .example = e             \
	}
#define REFUSED(n, t, s, a, d, w)                                                          \
	{                                                                                  \
		ROW(n, t, DO, ARGS a, s), .status = ACCEL_LANG_REFUSED, .doc = d, .why = w \
	}

#define NO_ARG	 (ACCEL_ARG_NONE)
#define HAS_COPY "the host's own stack has each packet anyway"
#define NO_LOG                                                                                  \
	"a packet filter cannot write to the kernel's log; what happens to the packets is the " \
	"same"
#define NO_COUNTERS "a packet filter cannot count, and no pcap program could read it"
#define NO_TRANSMIT "a packet filter cannot send packets to a device"
#define NO_ADDRESSES                                                                               \
	"a packet filter does not know the addresses of the interface (addr \"A.B.C.D/32\" names " \
	"one)"
#define NO_GTP	  "PFQ's kernel module never had it"
#define TEST_STUB "it was there to test PFQ itself"

/* clang-format off */
const struct accel_lang_prim accel_lang_prims[] = {
	/* steering */
	ACT("steer_flow", "3-6", NO_ARG, flow, 0, L4, "one member a flow: by addresses, and ports of TCP and UDP; fragments and other protocols by addresses. Drops what is not IP, and TCP or UDP cut within 8 bytes", "ip >-> steer_flow"),
	ACT("steer_auto", "+", NO_ARG, any_packet, 0, L4, "one member a flow, never drops: addresses and ports; addresses of fragments and of protocols without ports; the MAC addresses of the rest", "steer_auto"),
	ACT("steer_p2p", "6", NO_ARG, p2p, 0, IP, "one member a pair of addresses; to or from 255.255.255.255 goes to all. Drops what is not IP", "steer_p2p"),
	ACT("steer_ip", "3-5", NO_ARG, addresses, ACCEL_IP4, IP, "one member a pair of IPv4 addresses. Drops the rest", "udp >-> steer_ip"),
	ACT("steer_ip6", "3-5", NO_ARG, addresses, ACCEL_IP6, IP, "one member a pair of IPv6 addresses. Drops the rest", "steer_ip6"),
	ACT("steer_link", "3-6", NO_ARG, link, 0, LEN, "one member a pair of MAC addresses; a broadcast address goes to all", "steer_link"),
	ACT("steer_vlan", "3-6", NO_ARG, steer_vlan, 0, LEN, "one member a VLAN id, of the outermost tag. Drops frames without a tag, or with id 0", "vlan >-> steer_vlan"),
	ACT("steer_net", "3-5", (ADDR_, PREFIX_, PREFIX_), net, 0, IP, "one member a subnet of the network: by the first end that is in it, cut to the second prefix. Drops the rest", "steer_net \"10.0.0.0\" 8 24"),
	ACT("steer_local_net", "6", (ADDR_, PREFIX_, PREFIX_), local_net, 0, IP, "one member a subnet of the network, two if both ends are in it; to or from 255.255.255.255 goes to all. Drops the rest", "steer_local_net \"10.0.0.0\" 8 24"),
	ACT("steer_local_ip", "6", (CIDR_), local_net, 1, IP, "one member a host of the network, two if both ends are in it; to or from 255.255.255.255 goes to all. Drops the rest", "steer_local_ip \"192.168.0.0/16\""),
	ACT("steer_local_link", "6", (ACCEL_ARG_MAC), local_link, 0, LEN, "one member a MAC address that talks to the gateway, two if neither end is it; a broadcast address goes to all", "steer_local_link \"02:00:00:00:00:01\""),
	ACT("double_steer_mac", "6", NO_ARG, double_mac, 0, LEN, "the member of each of both MAC addresses; a broadcast address goes to all", "double_steer_mac"),
	ACT("double_steer_ip", "6", NO_ARG, double_ip, 0, IP, "the member of each of both addresses; to or from 255.255.255.255 goes to all. Drops what is not IP", "double_steer_ip"),
	ACT("double_steer_field", "6", (OFFSET_, OFFSET_, BYTES_), double_field, 0, LEN, "the member of each of two fields, at offsets from the MAC header. Drops what is too short", "double_steer_field 26 30 4"),
	ACT("steer_field", "3-6", (OFFSET_, BYTES_), field, 0, LEN, "one member a value of the field at an offset from the MAC header. Drops what is too short", "steer_field 26 4"),
	ACT("steer_field_symmetric", "6", (OFFSET_, OFFSET_, BYTES_), field_symmetric, 0, LEN, "one member a pair of fields, in any order. Drops what is too short", "steer_field_symmetric 26 30 4"),
	ACT("steer_key", "6", (ACCEL_ARG_KEY), key, 0, L4, "one member a choice of fields, added up: 1 Ethernet type, 2 and 4 MAC source and destination, 8 and 16 IP source and destination, 32 protocol, 64 ECN, 128 DSCP, 512 and 1024 source and destination port, 2048 and 4096 ICMP type and code. Drops packets without them", "steer_key 56"),
	ACT("steer_rrobin", "6", NO_ARG, rrobin, 0, 0, "any one member, evenly, whatever the packet", "steer_rrobin"),
	ACT("steer_rss", "6", NO_ARG, rss, 0, 0, "one member a value of the network card's hash; where the card makes none, all go to one", "steer_rss"),
	ACT("steer_to", "6", (U32_), to, 0, 0, "one fixed member; the number is mixed like any value, so it does not count the members", "when is_icmp (steer_to 1)"),
	ACT("steer_rtp", "3-6", NO_ARG, rtp, 0, L4, "one member a stream of RTP with its RTCP, recognised by ports and payload type. Drops the rest", "steer_rtp"),
	ACT("steer_voip", "6", NO_ARG, voip, 0, L4, "as steer_rtp; SIP goes to all", "steer_voip"),
	REFUSED("steer_gtp_usr", ACTION, "6", NO_ARG, "one member a subscriber of GTP", NO_GTP),
	/* filters */
	ACT("unit", "3-6", NO_ARG, unit, 0, 0, "passes everything", "unit"),
	FILTER("ip", "3-6", NO_ARG, kind, ACCEL_KIND(ACCEL_IP4, 0, 0), IP, "passes IPv4", "ip >-> steer_flow"),
	FILTER("ip6", "3-5", NO_ARG, kind, ACCEL_KIND(ACCEL_IP6, 0, 0), IP, "passes IPv6", "ip6 >-> steer_flow"),
	FILTER("tcp", "3-6", NO_ARG, kind, ACCEL_KIND(ACCEL_IP4, ACCEL_PROTO_TCP, 0), L4, "passes TCP over IPv4, later fragments too", "tcp >-> steer_flow"),
	FILTER("tcp6", "3-5", NO_ARG, kind, ACCEL_KIND(ACCEL_IP6, ACCEL_PROTO_TCP, 0), L4, "passes TCP over IPv6, behind extension headers too", "tcp6"),
	FILTER("udp", "3-6", NO_ARG, kind, ACCEL_KIND(ACCEL_IP4, ACCEL_PROTO_UDP, 0), L4, "passes UDP over IPv4, later fragments too", "udp >-> steer_p2p"),
	FILTER("udp6", "3-5", NO_ARG, kind, ACCEL_KIND(ACCEL_IP6, ACCEL_PROTO_UDP, 0), L4, "passes UDP over IPv6", "udp6"),
	FILTER("icmp", "3-6", NO_ARG, kind, ACCEL_KIND(ACCEL_IP4, ACCEL_PROTO_ICMP, 0), L4, "passes ICMP", "icmp"),
	FILTER("icmp6", "3-5", NO_ARG, kind, ACCEL_KIND(ACCEL_IP6, ACCEL_PROTO_ICMP6, 0), L4, "passes ICMPv6", "icmp6"),
	FILTER("flow", "3-6", NO_ARG, kind, TCP_UDP, L4, "passes TCP and UDP", "flow >-> steer_flow"),
	FILTER("vlan", "3-6", NO_ARG, has_vlan, 0, LEN, "passes frames with a VLAN id other than 0", "vlan >-> steer_vlan"),
	FILTER("vlan_id_filter", "3-6", (ACCEL_ARG_VIDS), vids, 0, LEN, "passes these VLAN ids, of the outermost tag: 0 is no tag, -1 any", "vlan_id_filter [10, 20]"),
	UNLESS("no_frag", "3-6", NO_ARG, fragment, ACCEL_FRAG_ANY, L4, "drops fragments", "no_frag >-> steer_flow"),
	UNLESS("no_more_frag", "3-6", NO_ARG, fragment, ACCEL_FRAG_LATER, L4, "drops fragments but the first", "no_more_frag"),
	FILTER("port", "3-6", (U16_), port, 0, L4, "passes TCP and UDP from or to the port", "port 53"),
	FILTER("src_port", "3-6", (U16_), port, ACCEL_SRC, L4, "passes TCP and UDP from the port", "src_port 53"),
	FILTER("dst_port", "3-6", (U16_), port, ACCEL_DST, L4, "passes TCP and UDP to the port", "dst_port 53"),
	FILTER("addr", "3-6", (CIDR_), addr, 0, IP, "passes IP from or to the network", "addr \"10.0.0.0/8\""),
	FILTER("src_addr", "3-6", (CIDR_), addr, ACCEL_SRC, IP, "passes IP from the network", "src_addr \"10.0.0.0/8\""),
	FILTER("dst_addr", "3-6", (CIDR_), addr, ACCEL_DST, IP, "passes IP to the network", "dst_addr \"2001:db8::/32\""),
	FILTER("l3_proto", "3-6", (U16_), l3_proto, 0, IP | LEN, "passes the Ethernet type, behind the tags", "l3_proto 0x0806"),
	FILTER("l4_proto", "3-6", (U8_), l4_proto, 0, L4, "passes the IP protocol, behind extension headers", "l4_proto 132"),
	CONTROL("filter", ACTION, FILTER, "3-6", (PRED_), 0, false, 0, "passes what the predicate, or the pcap filter, is true of", "filter \"tcp port 80\""),
	FILTER("mac_broadcast", "6", NO_ARG, mac, ACCEL_CAST_BROADCAST, LEN, "passes frames to the broadcast address", "mac_broadcast"),
	FILTER("mac_multicast", "6", NO_ARG, mac, ACCEL_CAST_MULTICAST, LEN, "passes frames to a group address, broadcast among them", "mac_multicast"),
	FILTER("ip_broadcast", "6", NO_ARG, ip_cast, ACCEL_CAST_BROADCAST, IP, "passes 255.255.255.255", "ip_broadcast"),
	FILTER("ip_multicast", "6", NO_ARG, ip_cast, ACCEL_CAST_MULTICAST, IP, "passes 224.0.0.0/4 and ff00::/8", "ip_multicast"),
	FILTER("incoming_host", "6", NO_ARG, incoming, 0, 0, "passes frames to the interface's own MAC address, broadcasts and multicasts", "incoming_host"),
	REFUSED("ip_host", ACTION, "6", NO_ARG, "passes IP to an address of the interface", NO_ADDRESSES),
	FILTER("bloom_filter", "3-6", (U32_, ADDRS_, PREFIX_), addr, 0, IP, "passes IP from or to one of the networks. Exact: the number of bins says nothing here", "bloom_filter 1024 [\"10.0.0.1\", \"10.0.0.2\"] 32"),
	FILTER("bloom_src_filter", "3-6", (U32_, ADDRS_, PREFIX_), addr, ACCEL_SRC, IP, "passes IP from one of the networks", "bloom_src_filter 1024 [\"10.0.0.1\"] 32"),
	FILTER("bloom_dst_filter", "3-6", (U32_, ADDRS_, PREFIX_), addr, ACCEL_DST, IP, "passes IP to one of the networks", "bloom_dst_filter 1024 [\"10.0.0.1\"] 32"),
	FILTER("rtp", "3-6", NO_ARG, voice, ACCEL_VOICE_RTP, L4, "passes RTP, recognised by ports and payload type", "rtp"),
	FILTER("rtcp", "6", NO_ARG, voice, ACCEL_VOICE_RTCP, L4, "passes sender reports of RTCP", "rtcp"),
	FILTER("sip", "6", NO_ARG, voice, ACCEL_VOICE_SIP, L4, "passes TCP and UDP from or to port 5060 or 5061", "sip"),
	FILTER("voip", "6", NO_ARG, voice, ACCEL_VOICE_ANY, L4, "passes RTP, RTCP and SIP", "voip"),
	REFUSED("gtp", ACTION, "6", NO_ARG, "passes GTP", NO_GTP),
	REFUSED("gtp_cp", ACTION, "6", NO_ARG, "passes the control plane of GTP", NO_GTP),
	REFUSED("gtp_up", ACTION, "6", NO_ARG, "passes the user plane of GTP", NO_GTP),
	/* delivery */
	ACT("drop", "3-6", NO_ARG, drop, 0, 0, "drops: no member sees the packet", "when is_icmp drop"),
	ACT("broadcast", "3-6", NO_ARG, broadcast, 0, 0, "to all members of all classes", "conditional is_tcp steer_flow broadcast"),
	ACT("classify", "6", (CLASS_), classify, 0, CLASS, "to members of the class only, however they are chosen. Handles of this library are of class 0", "when is_icmp (classify 1)"),
	ACT("class", "3-5", (CLASS_), classify, 0, CLASS, "as classify", "class 0"),
	ACT("deliver", "3-5", (CLASS_), deliver, 0, CLASS, "to all members of the class", "deliver 0"),
	NOOP("kernel", "3-6", NO_ARG, "also to the host's own stack", HAS_COPY, "kernel >-> steer_flow"),
	NOOP("kernel_if", "6", (PRED_), "also to the host's own stack, if the predicate is true", HAS_COPY, "kernel_if is_icmp"),
	ACT("detour", "6", NO_ARG, drop, 0, 0, "to the host's own stack only, which has each packet anyway: drops", "when is_icmp detour"),
	{ROW("detour_if", ACTION, IF, ARGS(PRED_), "6"), .act = &act_drop, .doc = "to the host's own stack only, if the predicate is true: drops", .example = "detour_if is_icmp"},
	REFUSED("forward", ACTION, "3-6", (STR_), "also sends the packet on a device", NO_TRANSMIT),
	REFUSED("forwardIO", ACTION, "3-6", (STR_), "sends the packet on a device at once", NO_TRANSMIT),
	REFUSED("bridge", ACTION, "3-6", (STR_), "sends the packet on a device, and drops it here", NO_TRANSMIT),
	REFUSED("tee", ACTION, "3-6", (STR_, PRED_), "sends the packet on a device; passes if the predicate is true", NO_TRANSMIT),
	REFUSED("tap", ACTION, "3-6", (STR_, PRED_), "passes if the predicate is true, else sends the packet on a device", NO_TRANSMIT),
	REFUSED("link", ACTION, "5-6", (ACCEL_ARG_STRINGS), "sends the packet on the other devices", NO_TRANSMIT),
	/* side effects */
	REFUSED("inc", ACTION, "3-6", (U32_), "adds 1 to a counter of the group", NO_COUNTERS),
	REFUSED("dec", ACTION, "3-6", (U32_), "takes 1 from a counter of the group", NO_COUNTERS),
	ACT("mark", "3-6", (U32_), put_mark, 0, 0, "writes a number that has_mark and get_mark read, behind it in the same computation; 0 at first. Nobody else sees it", "when is_icmp (mark 1)"),
	ACT("put_state", "5-6", (U32_), put_state, 0, 0, "writes a number that has_state and get_state read; 0 at first", "when is_tcp (put_state 1)"),
	NOOP("log_msg", "3-6", (STR_), "logs a text", NO_LOG, "log_msg \"seen\""),
	NOOP("log_buff", "3-6", NO_ARG, "logs the packet's buffer", NO_LOG, "log_buff"),
	NOOP("log_packet", "3-6", NO_ARG, "logs the packet", NO_LOG, "log_packet"),
	NOOP("trace", "6", NO_ARG, "logs the evaluation", NO_LOG, "trace"),
	NOOP("crc16", "3", NO_ARG, "computes a checksum and logs it", NO_LOG, "crc16"),
	REFUSED("dummy", ACTION, "3-6", NO_ARG, "nothing", TEST_STUB),
	REFUSED("vdummy", ACTION, "3", NO_ARG, "nothing", TEST_STUB),
	/* control */
	CONTROL("conditional", ACTION, IF, "3-6", (PRED_, ACT_, ACT_), 0, false, 0, "the first action if the predicate is true, else the second; also written if p then f else g", "conditional is_tcp steer_flow drop"),
	CONTROL("when", ACTION, IF, "3-6", (PRED_, ACT_), 0, false, 0, "the action if the predicate is true, else passes", "when is_tcp steer_flow"),
	CONTROL("unless", ACTION, IF, "3-6", (PRED_, ACT_), 0, true, 0, "the action if the predicate is false, else passes", "unless is_tcp drop"),
	CONTROL("par", ACTION, PAR, "3-6", (ACT_, ACT_), 0, false, 0, "the first action that does not drop", "par (tcp >-> steer_flow) (udp >-> steer_p2p)"),
	CONTROL("par3", ACTION, PAR, "5-6", (ACT_, ACT_, ACT_), 0, false, 0, "of three", "par3 tcp udp icmp"),
	CONTROL("par4", ACTION, PAR, "5-6", (ACT_, ACT_, ACT_, ACT_), 0, false, 0, "of four", "par4 tcp udp icmp ip6"),
	CONTROL("par5", ACTION, PAR, "5-6", (ACT_, ACT_, ACT_, ACT_, ACT_), 0, false, 0, "of five", "par5 tcp udp icmp tcp6 udp6"),
	CONTROL("par6", ACTION, PAR, "5-6", (ACT_, ACT_, ACT_, ACT_, ACT_, ACT_), 0, false, 0, "of six", "par6 tcp udp icmp tcp6 udp6 icmp6"),
	CONTROL("par7", ACTION, PAR, "5-6", (ACT_, ACT_, ACT_, ACT_, ACT_, ACT_, ACT_), 0, false, 0, "of seven", "par7 tcp udp icmp tcp6 udp6 icmp6 vlan"),
	CONTROL("par8", ACTION, PAR, "5-6", (ACT_, ACT_, ACT_, ACT_, ACT_, ACT_, ACT_, ACT_), 0, false, 0, "of eight", "par8 tcp udp icmp tcp6 udp6 icmp6 vlan ip"),
	CONTROL("inv", ACTION, INV, "3-6", (ACT_), 0, false, 0, "drops what the action passes, and gives all members what it drops", "inv tcp"),
	CONTROL("shift", ACTION, SHIFT, "6", (ACT_), 0, false, L4, "the action on the IP header within IP; none is there in a fragment", "shift steer_flow"),
	CONTROL("src", ACTION, ENDS, "6", (ACT_), ACCEL_SRC, false, 0, "the action, with addr, port and the broadcast predicates looking at the source", "src (addr \"10.0.0.0/8\")"),
	CONTROL("dst", ACTION, ENDS, "6", (ACT_), ACCEL_DST, false, 0, "the same for the destination", "dst (port 80)"),
	/* predicates */
	CONTROL("not", PREDICATE, NOT, "3-6", (PRED_), 0, false, 0, "true if the predicate is false", "filter (not is_tcp)"),
	CONTROL("and", PREDICATE, AND, "3-6", (PRED_, PRED_), 0, false, 0, "both; also written p .&&. q", "filter (and is_tcp (has_port 80))"),
	CONTROL("or", PREDICATE, OR, "3-6", (PRED_, PRED_), 0, false, 0, "one or both; also written p .||. q", "filter (or is_tcp is_udp)"),
	CONTROL("xor", PREDICATE, XOR, "3-6", (PRED_, PRED_), 0, false, 0, "one, not both; also written p .^^. q", "filter (xor is_tcp is_frag)"),
	PRED("is_ip", "3-6", NO_ARG, kind, ACCEL_KIND(ACCEL_IP4, 0, 0), IP, "IPv4", "when is_ip steer_flow"),
	PRED("is_ip6", "3-5", NO_ARG, kind, ACCEL_KIND(ACCEL_IP6, 0, 0), IP, "IPv6", "when is_ip6 steer_flow"),
	PRED("is_tcp", "3-6", NO_ARG, kind, ACCEL_KIND(ACCEL_IP4, ACCEL_PROTO_TCP, 0), L4, "TCP over IPv4", "when is_tcp steer_flow"),
	PRED("is_tcp6", "3-5", NO_ARG, kind, ACCEL_KIND(ACCEL_IP6, ACCEL_PROTO_TCP, 0), L4, "TCP over IPv6", "when is_tcp6 drop"),
	PRED("is_udp", "3-6", NO_ARG, kind, ACCEL_KIND(ACCEL_IP4, ACCEL_PROTO_UDP, 0), L4, "UDP over IPv4", "when is_udp drop"),
	PRED("is_udp6", "3-5", NO_ARG, kind, ACCEL_KIND(ACCEL_IP6, ACCEL_PROTO_UDP, 0), L4, "UDP over IPv6", "when is_udp6 drop"),
	PRED("is_icmp", "3-6", NO_ARG, kind, ACCEL_KIND(ACCEL_IP4, ACCEL_PROTO_ICMP, 0), L4, "ICMP", "when is_icmp drop"),
	PRED("is_icmp6", "3-5", NO_ARG, kind, ACCEL_KIND(ACCEL_IP6, ACCEL_PROTO_ICMP6, 0), L4, "ICMPv6", "when is_icmp6 drop"),
	PRED("is_flow", "3-6", NO_ARG, kind, TCP_UDP, L4, "TCP or UDP", "unless is_flow drop"),
	PRED("has_vlan", "3-6", NO_ARG, has_vlan, 0, LEN, "a VLAN id other than 0", "when has_vlan steer_vlan"),
	PRED("has_vid", "3-6", (ACCEL_ARG_VID), vid, 0, LEN, "this VLAN id, of the outermost tag; 0 is no tag", "filter (has_vid 100)"),
	PRED("vlan_id", "3-6", (ACCEL_ARG_VIDS), vids, 0, LEN, "one of these VLAN ids", "filter (vlan_id [10, 20])"),
	PRED("is_frag", "3-6", NO_ARG, fragment, ACCEL_FRAG_ANY, L4, "a fragment", "when is_frag steer_p2p"),
	PRED("is_first_frag", "3-6", NO_ARG, fragment, ACCEL_FRAG_FIRST, L4, "the first fragment", "filter is_first_frag"),
	PRED("is_more_frag", "3-6", NO_ARG, fragment, ACCEL_FRAG_LATER, L4, "a fragment but the first", "when is_more_frag drop"),
	PRED("is_l3_proto", "3-6", (U16_), l3_proto, 0, IP | LEN, "the Ethernet type, behind the tags", "filter (is_l3_proto 0x0806)"),
	PRED("is_l4_proto", "3-6", (U8_), l4_proto, 0, L4, "the IP protocol", "filter (is_l4_proto 132)"),
	PRED("has_port", "3-6", (U16_), port, 0, L4, "TCP or UDP from or to the port", "filter (has_port 53)"),
	PRED("has_src_port", "3-6", (U16_), port, ACCEL_SRC, L4, "TCP or UDP from the port", "filter (has_src_port 53)"),
	PRED("has_dst_port", "3-6", (U16_), port, ACCEL_DST, L4, "TCP or UDP to the port", "filter (has_dst_port 53)"),
	PRED("has_addr", "3-6", (CIDR_), addr, 0, IP, "IP from or to the network", "filter (has_addr \"10.0.0.0/8\")"),
	PRED("has_src_addr", "3-6", (CIDR_), addr, ACCEL_SRC, IP, "IP from the network", "filter (has_src_addr \"10.0.0.0/8\")"),
	PRED("has_dst_addr", "3-6", (CIDR_), addr, ACCEL_DST, IP, "IP to the network", "filter (has_dst_addr \"10.0.0.0/8\")"),
	PRED("has_mark", "3-6", (U32_), mark, 0, MARK, "the number that mark wrote", "mark 1 >-> filter (has_mark 1)"),
	PRED("has_state", "5-6", (U32_), state, 0, STATE, "the number that put_state wrote", "filter (has_state 0)"),
	PRED("is_broadcast", "6", NO_ARG, mac, ACCEL_CAST_BROADCAST, LEN, "to the broadcast MAC address", "when is_broadcast drop"),
	PRED("is_multicast", "6", NO_ARG, mac, ACCEL_CAST_MULTICAST, LEN, "to a group MAC address, broadcast among them", "when is_multicast broadcast"),
	PRED("is_ip_broadcast", "6", NO_ARG, ip_cast, ACCEL_CAST_BROADCAST, IP, "255.255.255.255", "when is_ip_broadcast drop"),
	PRED("is_ip_multicast", "6", NO_ARG, ip_cast, ACCEL_CAST_MULTICAST, IP, "224.0.0.0/4 or ff00::/8", "when is_ip_multicast broadcast"),
	PRED("is_incoming_host", "6", NO_ARG, incoming, 0, 0, "to the interface's own MAC address, a broadcast or a multicast", "filter is_incoming_host"),
	REFUSED("is_ip_host", PREDICATE, "6", NO_ARG, "IP to an address of the interface", NO_ADDRESSES),
	PRED("bloom", "3-6", (U32_, ADDRS_, PREFIX_), addr, 0, IP, "IP from or to one of the networks; exact", "filter (bloom 1024 [\"10.0.0.1\"] 32)"),
	PRED("bloom_src", "3-6", (U32_, ADDRS_, PREFIX_), addr, ACCEL_SRC, IP, "IP from one of the networks", "filter (bloom_src 1024 [\"10.0.0.1\"] 32)"),
	PRED("bloom_dst", "3-6", (U32_, ADDRS_, PREFIX_), addr, ACCEL_DST, IP, "IP to one of the networks", "filter (bloom_dst 1024 [\"10.0.0.1\"] 32)"),
	PRED("is_rtp", "3-6", NO_ARG, voice, ACCEL_VOICE_RTP, L4, "RTP", "filter is_rtp"),
	PRED("is_rtcp", "6", NO_ARG, voice, ACCEL_VOICE_RTCP, L4, "RTCP", "filter is_rtcp"),
	PRED("is_sip", "6", NO_ARG, voice, ACCEL_VOICE_SIP, L4, "SIP", "when is_sip broadcast"),
	PRED("is_voip", "6", NO_ARG, voice, ACCEL_VOICE_ANY, L4, "RTP, RTCP or SIP", "unless is_voip drop"),
	REFUSED("is_gtp", PREDICATE, "6", NO_ARG, "GTP", NO_GTP),
	REFUSED("is_gtp_cp", PREDICATE, "6", NO_ARG, "the control plane of GTP", NO_GTP),
	REFUSED("is_gtp_up", PREDICATE, "6", NO_ARG, "the user plane of GTP", NO_GTP),
	CONTROL("less", PREDICATE, COMPARE, "3-6", (PROP_, U64_), ACCEL_CMP_LESS, false, 0, "also written p .< n", "filter (less ip_ttl 5)"),
	CONTROL("less_eq", PREDICATE, COMPARE, "3-6", (PROP_, U64_), ACCEL_CMP_LESS_EQ, false, 0, "also written p .<= n", "filter (less_eq ip_ttl 5)"),
	CONTROL("greater", PREDICATE, COMPARE, "3-6", (PROP_, U64_), ACCEL_CMP_GREATER, false, 0, "also written p .> n", "filter (greater ip_ttl 5)"),
	CONTROL("greater_eq", PREDICATE, COMPARE, "3-6", (PROP_, U64_), ACCEL_CMP_GREATER_EQ, false, 0, "also written p .>= n", "filter (greater_eq ip_ttl 5)"),
	CONTROL("equal", PREDICATE, COMPARE, "3-6", (PROP_, U64_), ACCEL_CMP_EQUAL, false, 0, "also written p .== n", "filter (equal ip_ttl 64)"),
	CONTROL("not_equal", PREDICATE, COMPARE, "3-6", (PROP_, U64_), ACCEL_CMP_NOT_EQUAL, false, 0, "also written p ./= n; false of a packet without the property", "filter (not_equal ip_ttl 64)"),
	CONTROL("any_bit", PREDICATE, COMPARE, "3-6", (PROP_, U64_), ACCEL_CMP_ANY_BIT, false, 0, "one of the bits is set", "filter (any_bit ip_tos 3)"),
	CONTROL("all_bit", PREDICATE, COMPARE, "3-6", (PROP_, U64_), ACCEL_CMP_ALL_BIT, false, 0, "all of the bits are set", "filter (all_bit ip_tos 3)"),
	/* properties */
	PROP("ip_tos", "3-6", F_TOS, "type of service of IPv4", "filter (ip_tos .== 0)"),
	PROP("ip_tot_len", "3-6", F_TOT_LEN, "total length of IPv4, bytes", "filter (ip_tot_len .> 1000)"),
	PROP("ip_id", "3-6", F_ID, "identification of IPv4", "filter (ip_id .== 0)"),
	PROP("ip_frag", "3-6", F_FRAG, "flags and fragment offset of IPv4, as they are", "filter (any_bit ip_frag 0x4000)"),
	PROP("ip_ttl", "3-6", F_TTL, "time to live of IPv4", "filter (ip_ttl .< 5)"),
	PROP("tcp_source", "3-6", F_TCP_SRC, "source port of TCP", "filter (tcp_source .< 1024)"),
	PROP("tcp_dest", "3-6", F_TCP_DST, "destination port of TCP", "filter (tcp_dest .== 80)"),
	PROP("tcp_hdrlen", "3-6", F_TCP_LEN, "length of the TCP header, bytes", "filter (tcp_hdrlen .> 20)"),
	PROP("udp_source", "3-6", F_UDP_SRC, "source port of UDP", "filter (udp_source .== 53)"),
	PROP("udp_dest", "3-6", F_UDP_DST, "destination port of UDP", "filter (udp_dest .== 53)"),
	PROP("udp_len", "3-6", F_UDP_LEN, "length of UDP with its header, bytes", "filter (udp_len .> 512)"),
	PROP("icmp_type", "3-6", F_ICMP_TYPE, "type of ICMP or ICMPv6", "filter (icmp_type .== 8)"),
	PROP("icmp_code", "3-6", F_ICMP_CODE, "code of ICMP or ICMPv6", "filter (icmp_code .== 0)"),
	REGISTER("get_mark", "3-6", ACCEL_NODE_MARK, MARK, "the number that mark wrote", "filter (get_mark .== 0)"),
	REGISTER("get_state", "5-6", ACCEL_NODE_STATE, STATE, "the number that put_state wrote", "filter (get_state .== 0)"),
};
/* clang-format on */

const unsigned accel_lang_n_prims = ACCEL_ARRAY_LEN(accel_lang_prims);

const struct accel_lang_prim *accel_lang_prim_find(const char *name, size_t len)
{
	for (unsigned i = 0; i < accel_lang_n_prims; i++)
		if (strlen(accel_lang_prims[i].name) == len &&
		    !memcmp(accel_lang_prims[i].name, name, len))
			return &accel_lang_prims[i];
	return NULL;
}

const char *accel_lang_prim_like(const char *name, size_t len)
{
	unsigned best = ACCEL_LIKE_MAX + 1;
	const char *like = NULL;

	for (unsigned i = 0; i < accel_lang_n_prims; i++) {
		unsigned d = accel_word_distance(name, len, accel_lang_prims[i].name);

		if (d < best) {
			best = d;
			like = accel_lang_prims[i].name;
		}
	}
	return like;
}

const char *accel_lang_type_name(enum accel_lang_type type)
{
	static const char *const names[] = {"an action", "a predicate", "a property"};

	return names[type];
}

int accel_lang_signature(const struct accel_lang_prim *prim, char *out, size_t size)
{
	static const char *const args[] = {
		[ACCEL_ARG_U8] = "Word8",
		[ACCEL_ARG_U16] = "Word16",
		[ACCEL_ARG_U32] = "Word32",
		[ACCEL_ARG_U64] = "Word64",
		[ACCEL_ARG_CLASS] = "CInt",
		[ACCEL_ARG_VID] = "CInt",
		[ACCEL_ARG_OFFSET] = "Word32",
		[ACCEL_ARG_BYTES] = "Word32",
		[ACCEL_ARG_PREFIX] = "CInt",
		[ACCEL_ARG_KEY] = "Word64",
		[ACCEL_ARG_VIDS] = "[CInt]",
		[ACCEL_ARG_ADDR] = "IPv4",
		[ACCEL_ARG_ADDRS] = "[IPv4]",
		[ACCEL_ARG_CIDR] = "CIDR",
		[ACCEL_ARG_MAC] = "String",
		[ACCEL_ARG_STRING] = "String",
		[ACCEL_ARG_STRINGS] = "[String]",
		[ACCEL_ARG_PREDICATE] = "(Qbuff -> Bool)",
		[ACCEL_ARG_PROPERTY] = "(Qbuff -> Word64)",
		[ACCEL_ARG_ACTION] = "(Qbuff -> Action Qbuff)",
	};
	static const char *const results[] = {"Action Qbuff", "Bool", "Word64"};
	struct accel_str str;

	accel_str_init(&str, out, size);
	accel_str_add(&str, "%s :: ", prim->name);
	for (unsigned i = 0; i < ACCEL_LANG_MAX_ARGS && prim->args[i]; i++)
		accel_str_add(&str, "%s -> ", args[prim->args[i]]);
	accel_str_add(&str, "Qbuff -> %s", results[prim->type]);
	return (int)str.len;
}
