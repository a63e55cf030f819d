/* SPDX-License-Identifier: BSD-3-Clause */
/* eval_steer.c - actions over bytes. See eval.h; what each means is told in its row of the table
 * (prim.c).
 *
 * Steering values are those of PFQ: computed from words as a little-endian machine loads them. Here
 * they are put together in the packet's order, and turned around at the end.
 * Threads: none of its own. */
#include "lang/eval.h"

#include "bpf/cbpf.h"

#include <string.h>

bool accel_lang_eval_unit(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	(void)e, (void)n;
	return true;
}

bool accel_lang_eval_drop(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	(void)e, (void)n;
	return false;
}

bool accel_lang_eval_broadcast(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	(void)n;
	e->fan = ACCEL_LANG_TO_ALL;
	e->classes = ACCEL_LANG_ALL_CLASSES;
	return true;
}

bool accel_lang_eval_classify(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	e->classes = 1ull << n->num[0];
	return true;
}

bool accel_lang_eval_deliver(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	e->fan = ACCEL_LANG_TO_ALL;
	return accel_lang_eval_classify(e, n);
}

bool accel_lang_eval_put_mark(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	e->mark = (uint32_t)n->num[0];
	return true;
}

bool accel_lang_eval_put_state(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	e->state = (uint32_t)n->num[0];
	return true;
}

static bool steer_raw(struct accel_lang_eval_state *e, uint32_t h)
{
	e->fan = ACCEL_LANG_TO_ONE;
	e->h = h;
	e->spread = false;
	return true;
}

/* With a value in the packet's order. */
static bool steer(struct accel_lang_eval_state *e, uint32_t value)
{
	return steer_raw(e, __builtin_bswap32(value));
}

static bool steer_two(struct accel_lang_eval_state *e, uint32_t value, uint32_t value2)
{
	steer(e, value);
	e->fan = ACCEL_LANG_TO_TWO;
	e->h2 = __builtin_bswap32(value2);
	return true;
}

/* The words of an address, each and-ed with its mask, xor-ed. */
static uint32_t end_value(const struct accel_lang_view *view, enum accel_lang_ends end,
			  const uint32_t *mask)
{
	unsigned at = accel_lang_addr_at(view, end);
	uint32_t value = 0;

	for (unsigned i = 0; i < accel_lang_addr_words(view); i++)
		value ^= accel_lang_u32(view, at + 4 * i) & (mask ? mask[i] : UINT32_MAX);
	return value;
}

static uint32_t addresses(const struct accel_lang_view *view)
{
	return end_value(view, ACCEL_SRC, NULL) ^ end_value(view, ACCEL_DST, NULL);
}

/* Both ports as the upper half of a word. */
static uint32_t ports(const struct accel_lang_view *view)
{
	return (accel_lang_u16(view, view->l4) ^ accel_lang_u16(view, view->l4 + 2)) << 16;
}

bool accel_lang_eval_flow(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	const struct accel_lang_view *view = &e->view;

	(void)n;
	if (!view->family)
		return false;
	if (view->fragment ||
	    (view->protocol != ACCEL_PROTO_TCP && view->protocol != ACCEL_PROTO_UDP))
		return steer(e, addresses(view));
	return view->room >= 8 && steer(e, addresses(view) ^ ports(view));
}

bool accel_lang_eval_addresses(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	return e->view.family & n->prim->param && steer(e, addresses(&e->view));
}

static bool is_limited_broadcast(const struct accel_lang_view *view)
{
	return view->family == ACCEL_IP4 && (end_value(view, ACCEL_SRC, NULL) == UINT32_MAX ||
					     end_value(view, ACCEL_DST, NULL) == UINT32_MAX);
}

bool accel_lang_eval_p2p(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	if (!e->view.family)
		return false;
	if (is_limited_broadcast(&e->view))
		return accel_lang_eval_broadcast(e, n);
	return steer(e, addresses(&e->view));
}

bool accel_lang_eval_double_ip(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	if (!e->view.family)
		return false;
	if (is_limited_broadcast(&e->view))
		return accel_lang_eval_broadcast(e, n);
	return steer_two(e, end_value(&e->view, ACCEL_SRC, NULL),
			 end_value(&e->view, ACCEL_DST, NULL));
}

static uint32_t mac_value(const struct accel_lang_view *view, unsigned at)
{
	return (accel_lang_u16(view, at) ^ accel_lang_u16(view, at + 2) ^
		accel_lang_u16(view, at + 4))
	       << 16;
}

static bool has_broadcast_mac(const struct accel_lang_view *view)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};

	return !memcmp(view->data, all, 6) || !memcmp(view->data + 6, all, 6);
}

bool accel_lang_eval_link(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	if (e->view.len < ACCEL_ETH_LEN)
		return false;
	if (has_broadcast_mac(&e->view))
		return accel_lang_eval_broadcast(e, n);
	return steer(e, mac_value(&e->view, 0) ^ mac_value(&e->view, 6));
}

bool accel_lang_eval_double_mac(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	if (e->view.len < ACCEL_ETH_LEN)
		return false;
	if (has_broadcast_mac(&e->view))
		return accel_lang_eval_broadcast(e, n);
	return steer_two(e, mac_value(&e->view, 0), mac_value(&e->view, 6));
}

bool accel_lang_eval_local_link(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	if (e->view.len < ACCEL_ETH_LEN)
		return false;
	if (has_broadcast_mac(&e->view))
		return accel_lang_eval_broadcast(e, n);
	if (!memcmp(e->view.data, n->mac, 6))
		return steer(e, mac_value(&e->view, 6));
	if (!memcmp(e->view.data + 6, n->mac, 6))
		return steer(e, mac_value(&e->view, 0));
	return accel_lang_eval_double_mac(e, n);
}

bool accel_lang_eval_steer_vlan(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	unsigned vid = accel_lang_vid(&e->view);

	(void)n;
	return vid && steer_raw(e, vid);
}

static bool is_local(const struct accel_lang_view *view, enum accel_lang_ends end,
		     const struct accel_lang_net *net)
{
	unsigned at = accel_lang_addr_at(view, end);

	for (unsigned i = 0; i < accel_lang_addr_words(view); i++)
		if ((accel_lang_u32(view, at + 4 * i) & net->mask[i]) != net->addr[i])
			return false;
	return true;
}

bool accel_lang_eval_net(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	if (e->view.family != n->nets[0].family)
		return false;
	if (is_local(&e->view, ACCEL_SRC, n->nets))
		return steer_raw(e, end_value(&e->view, ACCEL_SRC, n->sub));
	if (is_local(&e->view, ACCEL_DST, n->nets))
		return steer_raw(e, end_value(&e->view, ACCEL_DST, n->sub));
	return false;
}

bool accel_lang_eval_local_net(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	const uint32_t *mask = n->prim->param ? NULL : n->sub; /* the whole address? */
	bool src, dst;

	if (!e->view.family)
		return false;
	if (is_limited_broadcast(&e->view))
		return accel_lang_eval_broadcast(e, n);
	if (e->view.family != n->nets[0].family)
		return false;
	src = is_local(&e->view, ACCEL_SRC, n->nets);
	dst = is_local(&e->view, ACCEL_DST, n->nets);
	if (src && dst)
		return steer_two(e, end_value(&e->view, ACCEL_SRC, mask),
				 end_value(&e->view, ACCEL_DST, mask));
	if (!src && !dst)
		return false;
	return steer(e, end_value(&e->view, src ? ACCEL_SRC : ACCEL_DST, mask));
}

/* `size` bytes as the upper part of a word. False: not in the packet. */
static bool load_field(const struct accel_lang_view *view, uint64_t at, uint64_t size,
		       uint32_t *out)
{
	uint32_t value = 0;

	if (at + size > view->len)
		return false;
	for (unsigned i = 0; i < size; i++)
		value |= accel_lang_u8(view, (unsigned)at + i) << (24 - 8 * i);
	*out = value;
	return true;
}

bool accel_lang_eval_field(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	uint32_t value;

	return load_field(&e->view, n->num[0], n->num[1], &value) && steer(e, value);
}

bool accel_lang_eval_field_symmetric(struct accel_lang_eval_state *e,
				     const struct accel_lang_node *n)
{
	uint32_t a, b;

	return load_field(&e->view, n->num[0], n->num[2], &a) &&
	       load_field(&e->view, n->num[1], n->num[2], &b) && steer(e, a ^ b);
}

bool accel_lang_eval_double_field(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	uint32_t a, b;

	return load_field(&e->view, n->num[0], n->num[2], &a) &&
	       load_field(&e->view, n->num[1], n->num[2], &b) && steer_two(e, a, b);
}

/* A field of steer_key. False: the packet has none. */
static bool key_field(const struct accel_lang_view *view, uint32_t bit, uint32_t *out)
{
	const uint32_t flow = ACCEL_KIND(ACCEL_IP, ACCEL_PROTO_TCP, ACCEL_PROTO_UDP);
	const uint32_t icmp = ACCEL_KIND(ACCEL_IP, ACCEL_PROTO_ICMP, ACCEL_PROTO_ICMP6);
	bool ports_bit = bit & (ACCEL_KEY_SRC_PORT | ACCEL_KEY_DST_PORT);

	if (bit <= ACCEL_KEY_ETH_DST) {
		if (view->len < ACCEL_ETH_LEN)
			return false;
		*out = bit == ACCEL_KEY_ETH_TYPE
			       ? view->type
			       : mac_value(view, bit == ACCEL_KEY_ETH_SRC ? 6 : 0);
		return true;
	}
	if (bit >= ACCEL_KEY_SRC_PORT) {
		if (view->fragment || !accel_lang_is_kind(view, ports_bit ? flow : icmp))
			return false;
		*out = bit == ACCEL_KEY_SRC_PORT    ? accel_lang_u16(view, view->l4)
		       : bit == ACCEL_KEY_DST_PORT  ? accel_lang_u16(view, view->l4 + 2)
		       : bit == ACCEL_KEY_ICMP_TYPE ? accel_lang_u8(view, view->l4)
						    : accel_lang_u8(view, view->l4 + 1);
		return true;
	}
	if (!view->family)
		return false;
	if (bit == ACCEL_KEY_IP_PROTO)
		*out = view->protocol;
	else if (bit < ACCEL_KEY_IP_PROTO)
		*out = end_value(view, bit == ACCEL_KEY_IP_SRC ? ACCEL_SRC : ACCEL_DST, NULL);
	else /* the byte of the traffic class: IPv6 has it four bits to the right */
		*out = (view->family == ACCEL_IP4 ? accel_lang_u8(view, view->net + 1)
						  : accel_lang_u16(view, view->net) >> 4 & 0xff) &
		       (bit == ACCEL_KEY_ECN ? 0x3 : 0xfc);
	return true;
}

bool accel_lang_eval_key(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	uint32_t h = 0;

	if (n->num[0] == ACCEL_KEY_ADDRESSES)
		return e->view.family && steer(e, addresses(&e->view));
	if (n->num[0] == ACCEL_KEY_5_TUPLE)
		return (e->view.protocol == ACCEL_PROTO_TCP ||
			e->view.protocol == ACCEL_PROTO_UDP) &&
		       accel_lang_eval_flow(e, n);
	for (unsigned i = 0; i < ACCEL_LANG_N_KEY_GROUPS; i++) {
		const struct accel_lang_key_group *group = &accel_lang_key_groups[i];
		uint32_t sum = group->start, field;

		for (const uint32_t *bit = group->bits; *bit; bit++) {
			if (!(n->num[0] & *bit))
				continue;
			if (!key_field(&e->view, *bit, &field))
				return false;
			sum = sum * 33 + field;
		}
		h ^= sum;
	}
	return steer(e, h);
}

bool accel_lang_eval_rrobin(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	(void)n;
	steer_raw(e, 0);
	e->spread = true;
	return true;
}

bool accel_lang_eval_rss(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	(void)n;
	return steer_raw(e, e->view.aux->rxhash);
}

bool accel_lang_eval_to(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	return steer_raw(e, (uint32_t)n->num[0]);
}

/* Each byte of the addresses reaches the lowest one; of the ports one bit is left out, so that RTP
 * and its RTCP, one port higher at both ends, meet. */
static bool steer_voice(struct accel_lang_eval_state *e)
{
	uint32_t raw = __builtin_bswap32(addresses(&e->view));
	uint32_t raw_ports = __builtin_bswap32(ports(&e->view));

	raw ^= raw >> 8 ^ raw >> 16 ^ raw >> 24;
	return steer_raw(e, raw ^ raw_ports >> 1);
}

bool accel_lang_eval_rtp(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	(void)n;
	return accel_lang_voice(&e->view) & (ACCEL_VOICE_RTP | ACCEL_VOICE_RTCP) && steer_voice(e);
}

bool accel_lang_eval_voip(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	if (accel_lang_voice(&e->view) == ACCEL_VOICE_SIP)
		return accel_lang_eval_broadcast(e, n);
	return accel_lang_eval_rtp(e, n);
}

bool accel_lang_eval_any_packet(struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	static const uint8_t have_ports[] = ACCEL_LANG_HAVE_PORTS;
	const struct accel_lang_view *view = &e->view;

	(void)n;
	if (view->family) {
		if (!view->fragment && view->room >= 4 &&
		    memchr(have_ports, (int)view->protocol, sizeof(have_ports)))
			return steer(e, addresses(view) ^ ports(view));
		return steer(e, addresses(view));
	}
	if (view->len < ACCEL_ETH_LEN)
		return steer(e, 0);
	return steer(e, mac_value(view, 0) ^ mac_value(view, 6));
}
