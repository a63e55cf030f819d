/* SPDX-License-Identifier: BSD-3-Clause */
/* ops.h - what the functions of the table are made of: some twenty actions and a dozen tests, each
 * with its evaluation (eval_*.c) and its lowering (lower_*.c). A row gives them a name and a
 * parameter.
 *
 * Inside lang/ only.
 * Threads: none of its own. */
#ifndef ACCEL_LANG_OPS_H
#define ACCEL_LANG_OPS_H

#include "lang/node.h"

#define MAKES_ONE	 (ACCEL_MAKES_STEER | ACCEL_MAKES_DROP)
#define MAKES_ONE_OR_ALL (ACCEL_MAKES_STEER | ACCEL_MAKES_COPY | ACCEL_MAKES_DROP)
#define MAKES_TWO	 (ACCEL_MAKES_DOUBLE | ACCEL_MAKES_DROP)

/* X(name, what it makes of the packet) */
#define ACCEL_LANG_ACTS(X)                                   \
	X(unit, 0)                                           \
	X(drop, ACCEL_MAKES_DROP | ACCEL_MAKES_NEVER_PASS)   \
	X(broadcast, ACCEL_MAKES_COPY)                       \
	X(classify, 0)                                       \
	X(deliver, ACCEL_MAKES_COPY)                         \
	X(put_mark, 0)                                       \
	X(put_state, 0)                                      \
	X(flow, MAKES_ONE)                                   \
	X(addresses, MAKES_ONE)                              \
	X(p2p, MAKES_ONE_OR_ALL)                             \
	X(double_ip, MAKES_TWO | ACCEL_MAKES_COPY)           \
	X(link, MAKES_ONE_OR_ALL)                            \
	X(double_mac, MAKES_TWO | ACCEL_MAKES_COPY)          \
	X(local_link, MAKES_ONE_OR_ALL | ACCEL_MAKES_DOUBLE) \
	X(steer_vlan, MAKES_ONE)                             \
	X(net, MAKES_ONE)                                    \
	X(local_net, MAKES_ONE_OR_ALL | ACCEL_MAKES_DOUBLE)  \
	X(field, MAKES_ONE)                                  \
	X(field_symmetric, MAKES_ONE)                        \
	X(double_field, MAKES_TWO)                           \
	X(key, MAKES_ONE)                                    \
	X(rrobin, ACCEL_MAKES_STEER)                         \
	X(rss, ACCEL_MAKES_STEER)                            \
	X(to, ACCEL_MAKES_STEER)                             \
	X(rtp, MAKES_ONE)                                    \
	X(voip, MAKES_ONE_OR_ALL)                            \
	X(any_packet, ACCEL_MAKES_STEER)

#define ACCEL_LANG_TESTS(X) \
	X(kind)             \
	X(has_vlan)         \
	X(vid)              \
	X(vids)             \
	X(fragment)         \
	X(l3_proto)         \
	X(l4_proto)         \
	X(port)             \
	X(addr)             \
	X(mac)              \
	X(ip_cast)          \
	X(incoming)         \
	X(voice)            \
	X(mark)             \
	X(state)

#define DECLARE_ACT(name, makes)                                      \
	bool accel_lang_eval_##name(struct accel_lang_eval_state *e,  \
				    const struct accel_lang_node *n); \
	void accel_lang_lower_##name(struct accel_lang_lower *l, const struct accel_lang_node *n);
#define DECLARE_TEST(name)                                                                        \
	bool accel_lang_eval_##name(const struct accel_lang_eval_state *e,                        \
				    const struct accel_lang_node *n);                             \
	void accel_lang_lower_##name(struct accel_lang_lower *l, const struct accel_lang_node *n, \
				     unsigned yes, unsigned no);
ACCEL_LANG_ACTS(DECLARE_ACT)
ACCEL_LANG_TESTS(DECLARE_TEST)
#undef DECLARE_ACT
#undef DECLARE_TEST

/* Parameters of tests. */
enum { ACCEL_FRAG_ANY, ACCEL_FRAG_FIRST, ACCEL_FRAG_LATER };
enum { ACCEL_CAST_BROADCAST, ACCEL_CAST_MULTICAST };
enum { ACCEL_VOICE_RTP = 1, ACCEL_VOICE_RTCP = 2, ACCEL_VOICE_SIP = 4, ACCEL_VOICE_ANY = 7 };

/* The bits of steer_key, as in PFQ 6. */
enum accel_lang_key {
	ACCEL_KEY_ETH_TYPE = 1 << 0,
	ACCEL_KEY_ETH_SRC = 1 << 1,
	ACCEL_KEY_ETH_DST = 1 << 2,
	ACCEL_KEY_IP_SRC = 1 << 3,
	ACCEL_KEY_IP_DST = 1 << 4,
	ACCEL_KEY_IP_PROTO = 1 << 5,
	ACCEL_KEY_ECN = 1 << 6,
	ACCEL_KEY_DSCP = 1 << 7,
	ACCEL_KEY_SRC_PORT = 1 << 9,
	ACCEL_KEY_DST_PORT = 1 << 10,
	ACCEL_KEY_ICMP_TYPE = 1 << 11,
	ACCEL_KEY_ICMP_CODE = 1 << 12,
};

#define ACCEL_KEY_ADDRESSES (ACCEL_KEY_IP_SRC | ACCEL_KEY_IP_DST | ACCEL_KEY_IP_PROTO)
#define ACCEL_KEY_5_TUPLE   (ACCEL_KEY_ADDRESSES | ACCEL_KEY_SRC_PORT | ACCEL_KEY_DST_PORT)
#define ACCEL_KEY_ALL	    0x1effu

/* The three groups of fields of steer_key, in the order in which they are taken. A field is hashed
 * as hash * 33 + field. */
struct accel_lang_key_group {
	uint32_t start;
	uint32_t bits[7]; /* 0 ends */
};

#define ACCEL_LANG_N_KEY_GROUPS 3
extern const struct accel_lang_key_group accel_lang_key_groups[ACCEL_LANG_N_KEY_GROUPS];

/* Ethernet types of a tag in band, and how many there may be. */
#define ACCEL_LANG_MAX_TAGS 2
#define ACCEL_LANG_MAX_EXT  4 /* extension headers of IPv6 that are walked through */

enum {
	ACCEL_ETH_LEN = 14,
	ACCEL_ETH_IP4 = 0x0800,
	ACCEL_ETH_IP6 = 0x86dd,
	ACCEL_ETH_8021Q = 0x8100,
	ACCEL_ETH_8021AD = 0x88a8,
	ACCEL_ETH_9100 = 0x9100, /* QinQ before its standard */
	ACCEL_PROTO_HOP = 0,
	ACCEL_PROTO_ICMP = 1,
	ACCEL_PROTO_IPIP = 4,
	ACCEL_PROTO_TCP = 6,
	ACCEL_PROTO_UDP = 17,
	ACCEL_PROTO_DCCP = 33,
	ACCEL_PROTO_IP6 = 41,
	ACCEL_PROTO_ROUTE = 43,
	ACCEL_PROTO_FRAG = 44,
	ACCEL_PROTO_ICMP6 = 58,
	ACCEL_PROTO_OPTS = 60,
	ACCEL_PROTO_SCTP = 132,
	ACCEL_PROTO_UDPLITE = 136,
	ACCEL_IP4_LEN = 20,
	ACCEL_IP6_LEN = 40,
};

/* The first port bytes of these are ports, each two bytes. */
#define ACCEL_LANG_HAVE_PORTS                                                            \
	{                                                                                \
		ACCEL_PROTO_TCP, ACCEL_PROTO_UDP, ACCEL_PROTO_SCTP, ACCEL_PROTO_UDPLITE, \
			ACCEL_PROTO_DCCP                                                 \
	}

#endif
