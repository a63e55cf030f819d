/* SPDX-License-Identifier: BSD-3-Clause */
/* eval_test.c - predicates and properties over bytes. See eval.h; what each means is told in its
 * row of the table (prim.c).
 *
 * Threads: none of its own. */
#include "lang/eval.h"

#include "bpf/cbpf.h"

#include <linux/if_packet.h>
#include <string.h>

bool accel_lang_is_kind(const struct accel_lang_view *view, uint32_t kind)
{
	if (!(view->family & ACCEL_KIND_FAMILIES(kind)))
		return false;
	if (!ACCEL_KIND_A(kind))
		return true;
	if (view->protocol != ACCEL_KIND_A(kind) &&
	    (!ACCEL_KIND_B(kind) || view->protocol != ACCEL_KIND_B(kind)))
		return false;
	return view->later || view->room >= accel_lang_header_len(view->protocol);
}

bool accel_lang_eval_kind(const struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	return accel_lang_is_kind(&e->view, n->prim->param);
}

bool accel_lang_eval_has_vlan(const struct accel_lang_eval_state *e,
			      const struct accel_lang_node *n)
{
	(void)n;
	return accel_lang_vid(&e->view) != 0;
}

bool accel_lang_eval_vid(const struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	return accel_lang_vid(&e->view) == n->num[0];
}

bool accel_lang_eval_vids(const struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	unsigned vid = accel_lang_vid(&e->view);

	for (unsigned i = 0; i < n->n_vids; i++)
		if (n->vids[i] == vid)
			return true;
	return n->any_vid && vid;
}

bool accel_lang_eval_fragment(const struct accel_lang_eval_state *e,
			      const struct accel_lang_node *n)
{
	if (n->prim->param == ACCEL_FRAG_ANY)
		return e->view.fragment;
	return e->view.fragment && e->view.later == (n->prim->param == ACCEL_FRAG_LATER);
}

bool accel_lang_eval_l3_proto(const struct accel_lang_eval_state *e,
			      const struct accel_lang_node *n)
{
	return e->view.len >= ACCEL_ETH_LEN && e->view.type == n->num[0];
}

bool accel_lang_eval_l4_proto(const struct accel_lang_eval_state *e,
			      const struct accel_lang_node *n)
{
	return e->view.family && e->view.protocol == n->num[0];
}

/* A row with a parameter looks at that end, the others at those that src and dst leave. */
static unsigned ends_of(const struct accel_lang_node *n)
{
	return n->prim->param ? n->prim->param : n->ends;
}

bool accel_lang_eval_port(const struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	unsigned ends = ends_of(n);

	if (!accel_lang_is_kind(&e->view, ACCEL_KIND(ACCEL_IP, ACCEL_PROTO_TCP, ACCEL_PROTO_UDP)) ||
	    e->view.later)
		return false;
	return (ends & ACCEL_SRC && accel_lang_u16(&e->view, e->view.l4) == n->num[0]) ||
	       (ends & ACCEL_DST && accel_lang_u16(&e->view, e->view.l4 + 2) == n->num[0]);
}

static bool is_in(const struct accel_lang_view *view, enum accel_lang_ends end,
		  const struct accel_lang_net *net)
{
	unsigned at = accel_lang_addr_at(view, end);

	if (view->family != net->family)
		return false;
	for (unsigned i = 0; i < accel_lang_addr_words(view); i++)
		if ((accel_lang_u32(view, at + 4 * i) & net->mask[i]) != net->addr[i])
			return false;
	return true;
}

bool accel_lang_eval_addr(const struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	unsigned ends = ends_of(n);

	for (unsigned i = 0; i < n->n_nets; i++)
		if ((ends & ACCEL_SRC && is_in(&e->view, ACCEL_SRC, &n->nets[i])) ||
		    (ends & ACCEL_DST && is_in(&e->view, ACCEL_DST, &n->nets[i])))
			return true;
	return false;
}

static bool mac_is(const uint8_t *mac, uint32_t cast)
{
	return cast == ACCEL_CAST_BROADCAST ? !memcmp(mac, "\xff\xff\xff\xff\xff\xff", 6)
					    : mac[0] & 1;
}

bool accel_lang_eval_mac(const struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	uint32_t cast = n->prim->param;

	if (e->view.len < ACCEL_ETH_LEN)
		return false;
	return (n->ends & ACCEL_DST && mac_is(e->view.data, cast)) ||
	       (n->ends & ACCEL_SRC && mac_is(e->view.data + 6, cast));
}

static bool addr_is(const struct accel_lang_view *view, enum accel_lang_ends end, uint32_t cast)
{
	uint32_t word = accel_lang_u32(view, accel_lang_addr_at(view, end));

	if (view->family == ACCEL_IP6)
		return cast == ACCEL_CAST_MULTICAST && word >> 24 == 0xff;
	return cast == ACCEL_CAST_MULTICAST ? word >> 28 == 0xe : word == UINT32_MAX;
}

bool accel_lang_eval_ip_cast(const struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	uint32_t cast = n->prim->param;

	if (!e->view.family)
		return false;
	return (n->ends & ACCEL_SRC && addr_is(&e->view, ACCEL_SRC, cast)) ||
	       (n->ends & ACCEL_DST && addr_is(&e->view, ACCEL_DST, cast));
}

bool accel_lang_eval_incoming(const struct accel_lang_eval_state *e,
			      const struct accel_lang_node *n)
{
	(void)n;
	return e->view.aux->pkttype <= PACKET_MULTICAST;
}

static bool is_payload_type(uint32_t type)
{
	return type < 19 || type > 95 || type == 25 || type == 26 || type == 28 ||
	       (type >= 31 && type <= 34);
}

unsigned accel_lang_voice(const struct accel_lang_view *view)
{
	const uint32_t flow = ACCEL_KIND(ACCEL_IP, ACCEL_PROTO_TCP, ACCEL_PROTO_UDP);
	uint32_t src, dst, at;

	if (!accel_lang_is_kind(view, flow) || view->later)
		return 0;
	src = accel_lang_u16(view, view->l4);
	dst = accel_lang_u16(view, view->l4 + 2);
	if ((src | 1) == 5061 || (dst | 1) == 5061)
		return ACCEL_VOICE_SIP;
	at = view->l4 + 8;
	if (view->protocol != ACCEL_PROTO_UDP || view->room < 8 + 2 || src < 1024 || dst < 1024 ||
	    accel_lang_u8(view, at) >> 6 != 2)
		return 0;
	if (src & dst & 1)
		return accel_lang_u8(view, at + 1) == 200 ? ACCEL_VOICE_RTCP : 0;
	if (!((src | dst) & 1) && !is_payload_type(accel_lang_u8(view, at + 1) & 0x7f))
		return 0;
	return ACCEL_VOICE_RTP;
}

bool accel_lang_eval_voice(const struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	return accel_lang_voice(&e->view) & n->prim->param;
}

bool accel_lang_eval_mark(const struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	return e->mark == n->num[0];
}

bool accel_lang_eval_state(const struct accel_lang_eval_state *e, const struct accel_lang_node *n)
{
	return e->state == n->num[0];
}

bool accel_lang_eval_property(const struct accel_lang_eval_state *e,
			      const struct accel_lang_node *n, uint64_t *out)
{
	const struct accel_lang_field *f;
	unsigned at;

	if (n->kind != ACCEL_NODE_FIELD) {
		*out = n->kind == ACCEL_NODE_MARK ? e->mark : e->state;
		return true;
	}
	f = &accel_lang_fields[n->prim->param];
	if (!accel_lang_is_kind(&e->view, f->kind) || (f->in_l4 && e->view.later))
		return false;
	at = (f->in_l4 ? e->view.l4 : e->view.net) + f->offset;
	*out = f->size == 1 ? accel_lang_u8(&e->view, at) : accel_lang_u16(&e->view, at);
	*out = *out >> f->shift << f->scale;
	return true;
}
