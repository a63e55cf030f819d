/* SPDX-License-Identifier: BSD-3-Clause */
/* view.c - finds the headers of a packet. What lower_parse.c does with instructions. See eval.h.
 *
 * Source: RFC 791, RFC 8200 (extension headers, fragments), IEEE 802.1Q.
 * Threads: none of its own. */
#include "lang/eval.h"

#include "bpf/cbpf.h"

#include <string.h>

uint32_t accel_lang_u8(const struct accel_lang_view *view, unsigned at)
{
	return view->data[at];
}

uint32_t accel_lang_u16(const struct accel_lang_view *view, unsigned at)
{
	return (uint32_t)view->data[at] << 8 | view->data[at + 1];
}

uint32_t accel_lang_u32(const struct accel_lang_view *view, unsigned at)
{
	return accel_lang_u16(view, at) << 16 | accel_lang_u16(view, at + 2);
}

static bool has(const struct accel_lang_view *view, unsigned at, unsigned n)
{
	return at + n <= view->len;
}

static bool is_tag(unsigned type)
{
	return type == ACCEL_ETH_8021Q || type == ACCEL_ETH_8021AD || type == ACCEL_ETH_9100;
}

unsigned accel_lang_vid(const struct accel_lang_view *view)
{
	if (view->aux->vlan_present)
		return view->aux->vlan_tci & 0xfff;
	if (!has(view, 0, ACCEL_ETH_LEN + 2) || !is_tag(accel_lang_u16(view, 12)))
		return 0;
	return accel_lang_u16(view, ACCEL_ETH_LEN) & 0xfff;
}

static void find_room(struct accel_lang_view *view)
{
	view->room = view->len > view->l4 ? view->len - view->l4 : 0;
}

static void look_at_ip4(struct accel_lang_view *view)
{
	unsigned fragment;

	if (!has(view, view->net, ACCEL_IP4_LEN))
		return;
	view->family = ACCEL_IP4;
	view->protocol = accel_lang_u8(view, view->net + 9);
	fragment = accel_lang_u16(view, view->net + 6);
	view->fragment = fragment & 0x3fff;
	view->later = fragment & 0x1fff;
	view->l4 = view->net + (accel_lang_u8(view, view->net) & 0xf) * 4;
	if (!view->later)
		find_room(view);
}

/* One extension header. False: it is not there, or what follows is payload. */
static bool step_over(struct accel_lang_view *view)
{
	unsigned fragment;

	if (!has(view, view->l4, 8))
		return false;
	if (view->protocol != ACCEL_PROTO_FRAG) {
		view->protocol = accel_lang_u8(view, view->l4);
		view->l4 += (accel_lang_u8(view, view->l4 + 1) + 1) * 8;
		return true;
	}
	fragment = accel_lang_u16(view, view->l4 + 2);
	view->protocol = accel_lang_u8(view, view->l4);
	view->fragment |= (fragment & 0xfff9) != 0;
	view->later = fragment & 0xfff8;
	view->l4 += 8;
	return !view->later;
}

static void look_at_ip6(struct accel_lang_view *view)
{
	if (!has(view, view->net, ACCEL_IP6_LEN))
		return;
	view->family = ACCEL_IP6;
	view->protocol = accel_lang_u8(view, view->net + 6);
	view->l4 = view->net + ACCEL_IP6_LEN;
	for (unsigned i = 0; i < ACCEL_LANG_MAX_EXT; i++) {
		if (view->protocol != ACCEL_PROTO_HOP && view->protocol != ACCEL_PROTO_ROUTE &&
		    view->protocol != ACCEL_PROTO_FRAG && view->protocol != ACCEL_PROTO_OPTS)
			break;
		if (!step_over(view))
			return;
	}
	find_room(view);
}

void accel_lang_view_init(struct accel_lang_view *view, const uint8_t *data, uint32_t len,
			  const struct accel_bpf_aux *aux)
{
	memset(view, 0, sizeof(*view));
	view->data = data;
	view->len = len;
	view->aux = aux;
	if (len < ACCEL_ETH_LEN)
		return;
	view->net = ACCEL_ETH_LEN;
	view->type = (uint16_t)accel_lang_u16(view, 12);
	for (unsigned i = 0; i < ACCEL_LANG_MAX_TAGS; i++) {
		if (!is_tag(view->type) || !has(view, view->net, 4))
			break;
		view->type = (uint16_t)accel_lang_u16(view, view->net + 2);
		view->net += 4;
	}
	if (view->type == ACCEL_ETH_IP4)
		look_at_ip4(view);
	else if (view->type == ACCEL_ETH_IP6)
		look_at_ip6(view);
}

void accel_lang_view_shift(struct accel_lang_view *view)
{
	unsigned protocol = view->protocol, l4 = view->l4;
	bool can = view->family && !view->fragment;

	view->family = view->protocol = view->room = view->l4 = 0;
	view->fragment = view->later = false;
	if (!can)
		return;
	view->net = l4;
	if (protocol == ACCEL_PROTO_IPIP)
		look_at_ip4(view);
	else if (protocol == ACCEL_PROTO_IP6)
		look_at_ip6(view);
}

unsigned accel_lang_addr_words(const struct accel_lang_view *view)
{
	return view->family == ACCEL_IP4 ? 1 : 4;
}

unsigned accel_lang_addr_at(const struct accel_lang_view *view, enum accel_lang_ends end)
{
	unsigned first = view->family == ACCEL_IP4 ? 12 : 8;

	return view->net + first + (end == ACCEL_DST ? 4 * accel_lang_addr_words(view) : 0);
}
