/* SPDX-License-Identifier: BSD-3-Clause */
/* lower_test.c - predicates and properties as instructions: what eval_test.c does over bytes. See
 * lower.h.
 *
 * Threads: none of its own. */
#include "lang/lower.h"

#include <linux/if_packet.h>

/* The header of the protocol is there, or the packet is a later fragment. */
static void header_is_there(struct accel_lang_lower *l, unsigned protocol, unsigned yes,
			    unsigned no)
{
	accel_lang_load(l, ACCEL_VAR_ROOM);
	accel_lang_jump(l, BPF_JGE, accel_lang_header_len(protocol), yes, ACCEL_ASM_NEXT);
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_LATER, yes, no);
}

void accel_lang_lower_is_kind(struct accel_lang_lower *l, uint32_t kind, unsigned yes, unsigned no)
{
	unsigned a = ACCEL_KIND_A(kind), b = ACCEL_KIND_B(kind);
	unsigned is_a = accel_lang_label(l), is_b = accel_lang_label(l);

	accel_lang_load(l, ACCEL_VAR_KIND);
	if (!a) {
		accel_lang_jump(l, BPF_JSET, ACCEL_KIND_FAMILIES(kind) << 16, yes, no);
		return;
	}
	accel_lang_jump(l, BPF_JSET, ACCEL_KIND_FAMILIES(kind) << 16, ACCEL_ASM_NEXT, no);
	accel_lang_alu(l, BPF_AND, ACCEL_HAS_PROTOCOL);
	accel_lang_jump(l, BPF_JEQ, a, is_a, b ? ACCEL_ASM_NEXT : no);
	if (b)
		accel_lang_jump(l, BPF_JEQ, b, is_b, no);
	accel_lang_bind(l, is_a);
	header_is_there(l, a, yes, no);
	accel_lang_bind(l, is_b);
	if (b)
		header_is_there(l, b, yes, no);
}

void accel_lang_lower_kind(struct accel_lang_lower *l, const struct accel_lang_node *n,
			   unsigned yes, unsigned no)
{
	accel_lang_lower_is_kind(l, n->prim->param, yes, no);
}

void accel_lang_lower_has_vlan(struct accel_lang_lower *l, const struct accel_lang_node *n,
			       unsigned yes, unsigned no)
{
	(void)n;
	accel_lang_load_vid(l);
	accel_lang_jump(l, BPF_JEQ, 0, no, yes);
}

void accel_lang_lower_vid(struct accel_lang_lower *l, const struct accel_lang_node *n, unsigned yes,
			  unsigned no)
{
	accel_lang_load_vid(l);
	accel_lang_jump(l, BPF_JEQ, (uint32_t)n->num[0], yes, no);
}

void accel_lang_lower_vids(struct accel_lang_lower *l, const struct accel_lang_node *n,
			   unsigned yes, unsigned no)
{
	accel_lang_load_vid(l);
	for (unsigned i = 0; i < n->n_vids; i++)
		accel_lang_jump(l, BPF_JEQ, n->vids[i], yes, ACCEL_ASM_NEXT);
	if (n->any_vid)
		accel_lang_jump(l, BPF_JEQ, 0, no, yes);
	else
		accel_lang_goto(l, no);
}

void accel_lang_lower_fragment(struct accel_lang_lower *l, const struct accel_lang_node *n,
			       unsigned yes, unsigned no)
{
	accel_lang_load(l, ACCEL_VAR_KIND);
	if (n->prim->param == ACCEL_FRAG_ANY) {
		accel_lang_jump(l, BPF_JSET, ACCEL_HAS_FRAGMENT, yes, no);
		return;
	}
	if (n->prim->param == ACCEL_FRAG_LATER) {
		accel_lang_jump(l, BPF_JSET, ACCEL_HAS_LATER, yes, no);
		return;
	}
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_LATER, no, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_FRAGMENT, yes, no);
}

void accel_lang_lower_l3_proto(struct accel_lang_lower *l, const struct accel_lang_node *n,
			       unsigned yes, unsigned no)
{
	accel_lang_need(l, ACCEL_ETH_LEN, no);
	accel_lang_load(l, ACCEL_VAR_TYPE);
	accel_lang_jump(l, BPF_JEQ, (uint32_t)n->num[0], yes, no);
}

void accel_lang_lower_l4_proto(struct accel_lang_lower *l, const struct accel_lang_node *n,
			       unsigned yes, unsigned no)
{
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_IP4 | ACCEL_HAS_IP6, ACCEL_ASM_NEXT, no);
	accel_lang_alu(l, BPF_AND, ACCEL_HAS_PROTOCOL);
	accel_lang_jump(l, BPF_JEQ, (uint32_t)n->num[0], yes, no);
}

static unsigned ends_of(const struct accel_lang_node *n)
{
	return n->prim->param ? n->prim->param : n->ends;
}

/* On if the packet is of TCP or UDP and has its header, else to `no`. */
static void need_ports(struct accel_lang_lower *l, unsigned no)
{
	unsigned is_flow = accel_lang_label(l);

	accel_lang_lower_is_kind(l, ACCEL_KIND(ACCEL_IP, ACCEL_PROTO_TCP, ACCEL_PROTO_UDP), is_flow,
				 no);
	accel_lang_bind(l, is_flow);
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_LATER, no, ACCEL_ASM_NEXT);
}

void accel_lang_lower_port(struct accel_lang_lower *l, const struct accel_lang_node *n,
			   unsigned yes, unsigned no)
{
	unsigned ends = ends_of(n);

	need_ports(l, no);
	accel_lang_load_x(l, ACCEL_VAR_L4);
	if (ends & ACCEL_SRC) {
		accel_lang_at_x(l, 2, 0);
		accel_lang_jump(l, BPF_JEQ, (uint32_t)n->num[0], yes,
				ends & ACCEL_DST ? ACCEL_ASM_NEXT : no);
	}
	if (ends & ACCEL_DST) {
		accel_lang_at_x(l, 2, 2);
		accel_lang_jump(l, BPF_JEQ, (uint32_t)n->num[0], yes, no);
	}
}

/* With the network header in X. */
static void is_in(struct accel_lang_lower *l, const struct accel_lang_net *net, uint32_t offset,
		  unsigned yes, unsigned no)
{
	for (unsigned i = 0; i < (net->family == ACCEL_IP4 ? 1 : 4); i++) {
		if (!net->mask[i])
			continue;
		accel_lang_at_x(l, 4, offset + 4 * i);
		if (net->mask[i] != UINT32_MAX)
			accel_lang_alu(l, BPF_AND, net->mask[i]);
		accel_lang_jump(l, BPF_JEQ, net->addr[i], ACCEL_ASM_NEXT, no);
	}
	accel_lang_goto(l, yes);
}

/* Is one of the family's networks there? */
static void is_in_any(struct accel_lang_lower *l, const struct accel_lang_node *n, unsigned family,
		      uint32_t offset, unsigned yes)
{
	for (unsigned i = 0; i < n->n_nets; i++) {
		unsigned other = accel_lang_label(l);

		if (n->nets[i].family == family)
			is_in(l, &n->nets[i], offset, yes, other);
		accel_lang_bind(l, other);
	}
}

void accel_lang_lower_addr(struct accel_lang_lower *l, const struct accel_lang_node *n,
			   unsigned yes, unsigned no)
{
	unsigned ends = ends_of(n), is_ip4 = accel_lang_label(l);

	accel_lang_load_x(l, ACCEL_VAR_NET);
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_IP4, is_ip4, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_IP6, ACCEL_ASM_NEXT, no);
	if (ends & ACCEL_SRC)
		is_in_any(l, n, ACCEL_IP6, 8, yes);
	if (ends & ACCEL_DST)
		is_in_any(l, n, ACCEL_IP6, 24, yes);
	accel_lang_goto(l, no);
	accel_lang_bind(l, is_ip4);
	if (ends & ACCEL_SRC)
		is_in_any(l, n, ACCEL_IP4, 12, yes);
	if (ends & ACCEL_DST)
		is_in_any(l, n, ACCEL_IP4, 16, yes);
	accel_lang_goto(l, no);
}

static void mac_is(struct accel_lang_lower *l, uint32_t offset, uint32_t cast, unsigned yes,
		   unsigned no)
{
	if (cast == ACCEL_CAST_MULTICAST) {
		accel_lang_at(l, 1, offset);
		accel_lang_jump(l, BPF_JSET, 1, yes, no);
		return;
	}
	accel_lang_at(l, 4, offset);
	accel_lang_jump(l, BPF_JEQ, UINT32_MAX, ACCEL_ASM_NEXT, no);
	accel_lang_at(l, 2, offset + 4);
	accel_lang_jump(l, BPF_JEQ, 0xffff, yes, no);
}

void accel_lang_lower_mac(struct accel_lang_lower *l, const struct accel_lang_node *n, unsigned yes,
			  unsigned no)
{
	unsigned source = accel_lang_label(l);

	accel_lang_need(l, ACCEL_ETH_LEN, no);
	if (n->ends & ACCEL_DST)
		mac_is(l, 0, n->prim->param, yes, n->ends & ACCEL_SRC ? source : no);
	accel_lang_bind(l, source);
	if (n->ends & ACCEL_SRC)
		mac_is(l, 6, n->prim->param, yes, no);
}

/* With the network header in X. */
static void addr_is(struct accel_lang_lower *l, unsigned family, uint32_t offset, uint32_t cast,
		    unsigned yes)
{
	accel_lang_at_x(l, 4, offset);
	if (cast == ACCEL_CAST_BROADCAST) {
		accel_lang_jump(l, BPF_JEQ, UINT32_MAX, yes, ACCEL_ASM_NEXT);
		return;
	}
	accel_lang_alu(l, BPF_RSH, family == ACCEL_IP4 ? 28 : 24);
	accel_lang_jump(l, BPF_JEQ, family == ACCEL_IP4 ? 0xe : 0xff, yes, ACCEL_ASM_NEXT);
}

void accel_lang_lower_ip_cast(struct accel_lang_lower *l, const struct accel_lang_node *n,
			      unsigned yes, unsigned no)
{
	uint32_t cast = n->prim->param;
	unsigned is_ip4 = accel_lang_label(l);

	accel_lang_load_x(l, ACCEL_VAR_NET);
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_IP4, is_ip4, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_IP6, ACCEL_ASM_NEXT, no);
	if (cast == ACCEL_CAST_MULTICAST && n->ends & ACCEL_SRC)
		addr_is(l, ACCEL_IP6, 8, cast, yes);
	if (cast == ACCEL_CAST_MULTICAST && n->ends & ACCEL_DST)
		addr_is(l, ACCEL_IP6, 24, cast, yes);
	accel_lang_goto(l, no);
	accel_lang_bind(l, is_ip4);
	if (n->ends & ACCEL_SRC)
		addr_is(l, ACCEL_IP4, 12, cast, yes);
	if (n->ends & ACCEL_DST)
		addr_is(l, ACCEL_IP4, 16, cast, yes);
	accel_lang_goto(l, no);
}

void accel_lang_lower_incoming(struct accel_lang_lower *l, const struct accel_lang_node *n,
			       unsigned yes, unsigned no)
{
	(void)n;
	accel_asm_insn(&l->as, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
	accel_lang_jump(l, BPF_JGT, PACKET_MULTICAST, no, yes);
}

/* With the transport header in X, of UDP: version 2, and a payload that fits the ports. */
static void is_rtp(struct accel_lang_lower *l, unsigned voices, unsigned yes, unsigned no)
{
	unsigned both_odd = accel_lang_label(l), mixed = accel_lang_label(l);
	unsigned src_odd = accel_lang_label(l), is_rtcp = voices & ACCEL_VOICE_RTCP ? yes : no;
	unsigned is_media = voices & ACCEL_VOICE_RTP ? yes : no;

	accel_lang_at_x(l, 2, 0);
	accel_lang_jump(l, BPF_JGE, 1024, ACCEL_ASM_NEXT, no);
	accel_lang_at_x(l, 2, 2);
	accel_lang_jump(l, BPF_JGE, 1024, ACCEL_ASM_NEXT, no);
	accel_lang_at_x(l, 1, 8);
	accel_lang_alu(l, BPF_RSH, 6);
	accel_lang_jump(l, BPF_JEQ, 2, ACCEL_ASM_NEXT, no);
	accel_lang_at_x(l, 2, 0);
	accel_lang_jump(l, BPF_JSET, 1, src_odd, ACCEL_ASM_NEXT);
	accel_lang_at_x(l, 2, 2);
	accel_lang_jump(l, BPF_JSET, 1, mixed, ACCEL_ASM_NEXT);
	accel_lang_at_x(l, 1, 9);
	accel_lang_alu(l, BPF_AND, 0x7f);
	accel_lang_jump(l, BPF_JGE, 19, ACCEL_ASM_NEXT, is_media);
	accel_lang_jump(l, BPF_JGT, 95, is_media, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JEQ, 25, is_media, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JEQ, 26, is_media, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JEQ, 28, is_media, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JGE, 31, ACCEL_ASM_NEXT, no);
	accel_lang_jump(l, BPF_JGT, 34, no, is_media);
	accel_lang_bind(l, src_odd);
	accel_lang_at_x(l, 2, 2);
	accel_lang_jump(l, BPF_JSET, 1, both_odd, mixed);
	accel_lang_bind(l, both_odd);
	accel_lang_at_x(l, 1, 9);
	accel_lang_jump(l, BPF_JEQ, 200, is_rtcp, no);
	accel_lang_bind(l, mixed);
	accel_lang_goto(l, is_media);
}

void accel_lang_lower_voice_of(struct accel_lang_lower *l, unsigned voices, unsigned yes,
			       unsigned no)
{
	unsigned is_sip = voices & ACCEL_VOICE_SIP ? yes : no;

	need_ports(l, no);
	accel_lang_load_x(l, ACCEL_VAR_L4);
	for (unsigned offset = 0; offset <= 2; offset += 2) {
		accel_lang_at_x(l, 2, offset);
		accel_lang_alu(l, BPF_OR, 1);
		accel_lang_jump(l, BPF_JEQ, 5061, is_sip, ACCEL_ASM_NEXT);
	}
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_alu(l, BPF_AND, ACCEL_HAS_PROTOCOL);
	accel_lang_jump(l, BPF_JEQ, ACCEL_PROTO_UDP, ACCEL_ASM_NEXT, no);
	accel_lang_load(l, ACCEL_VAR_ROOM);
	accel_lang_jump(l, BPF_JGE, 8 + 2, ACCEL_ASM_NEXT, no);
	is_rtp(l, voices, yes, no);
}

void accel_lang_lower_voice(struct accel_lang_lower *l, const struct accel_lang_node *n,
			    unsigned yes, unsigned no)
{
	accel_lang_lower_voice_of(l, n->prim->param, yes, no);
}

void accel_lang_lower_mark(struct accel_lang_lower *l, const struct accel_lang_node *n,
			   unsigned yes, unsigned no)
{
	accel_lang_load(l, ACCEL_VAR_MARK);
	accel_lang_jump(l, BPF_JEQ, (uint32_t)n->num[0], yes, no);
}

void accel_lang_lower_state(struct accel_lang_lower *l, const struct accel_lang_node *n,
			    unsigned yes, unsigned no)
{
	accel_lang_load(l, ACCEL_VAR_STATE);
	accel_lang_jump(l, BPF_JEQ, (uint32_t)n->num[0], yes, no);
}

void accel_lang_lower_property(struct accel_lang_lower *l, const struct accel_lang_node *n,
			       unsigned none)
{
	const struct accel_lang_field *f;
	unsigned is_kind = accel_lang_label(l);

	if (n->kind != ACCEL_NODE_FIELD) {
		accel_lang_bind(l, is_kind);
		accel_lang_load(l, n->kind == ACCEL_NODE_MARK ? ACCEL_VAR_MARK : ACCEL_VAR_STATE);
		return;
	}
	f = &accel_lang_fields[n->prim->param];
	accel_lang_lower_is_kind(l, f->kind, is_kind, none);
	accel_lang_bind(l, is_kind);
	if (f->in_l4) {
		accel_lang_load(l, ACCEL_VAR_KIND);
		accel_lang_jump(l, BPF_JSET, ACCEL_HAS_LATER, none, ACCEL_ASM_NEXT);
	}
	accel_lang_load_x(l, f->in_l4 ? ACCEL_VAR_L4 : ACCEL_VAR_NET);
	accel_lang_at_x(l, f->size, f->offset);
	if (f->shift)
		accel_lang_alu(l, BPF_RSH, f->shift);
	if (f->scale)
		accel_lang_alu(l, BPF_LSH, f->scale);
}
