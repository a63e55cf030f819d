/* SPDX-License-Identifier: BSD-3-Clause */
/* lower_steer.c - actions as instructions: what eval_steer.c does over bytes. See lower.h.
 *
 * Each action first goes to the drop label where it must, then writes its value, if the program
 * has a cell for it, and the fan-out. A filter that only asks whether computes no values.
 *
 * Threads: none of its own. */
#include "lang/lower.h"

void accel_lang_lower_unit(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	(void)l, (void)n;
}

void accel_lang_lower_drop(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	(void)n;
	accel_lang_goto(l, l->drop);
}

void accel_lang_lower_broadcast(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	(void)n;
	accel_lang_set(l, ACCEL_VAR_FAN, ACCEL_MAKES_COPY);
	accel_lang_set(l, ACCEL_VAR_CLASS, 1);
}

void accel_lang_lower_classify(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	accel_lang_set(l, ACCEL_VAR_CLASS, n->num[0] == 0);
}

void accel_lang_lower_deliver(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	accel_lang_set(l, ACCEL_VAR_FAN, ACCEL_MAKES_COPY);
	accel_lang_lower_classify(l, n);
}

void accel_lang_lower_put_mark(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	accel_lang_set(l, ACCEL_VAR_MARK, (uint32_t)n->num[0]);
}

void accel_lang_lower_put_state(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	accel_lang_set(l, ACCEL_VAR_STATE, (uint32_t)n->num[0]);
}

static bool has(const struct accel_lang_lower *l, enum accel_lang_var var)
{
	return accel_lang_has_cell(l, var);
}

void accel_lang_steer_one(struct accel_lang_lower *l)
{
	accel_lang_set(l, ACCEL_VAR_FAN, ACCEL_MAKES_STEER);
}

void accel_lang_steer_two(struct accel_lang_lower *l)
{
	accel_lang_set(l, ACCEL_VAR_FAN, ACCEL_MAKES_DOUBLE);
}

/* H = k, which is not in the packet's order. */
static void steer_const(struct accel_lang_lower *l, uint32_t k)
{
	accel_lang_set(l, ACCEL_VAR_H, __builtin_bswap32(k));
	accel_lang_steer_one(l);
}

void accel_lang_steer_raw(struct accel_lang_lower *l)
{
	accel_lang_swap_bytes(l);
	accel_lang_store(l, ACCEL_VAR_H);
	accel_lang_steer_one(l);
}

/* To drop if the packet is not IP of the families. */
static void need_family(struct accel_lang_lower *l, unsigned families)
{
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, families << 16, ACCEL_ASM_NEXT, l->drop);
}

/* var = words of the address, and-ed with the mask, xor-ed. With the network header in a cell;
 * `words` is 1 for IPv4. */
static void add_words(struct accel_lang_lower *l, enum accel_lang_var var, unsigned offset,
		      unsigned words, const uint32_t *mask)
{
	for (unsigned i = 0; i < words; i++) {
		accel_lang_load_x(l, ACCEL_VAR_NET);
		accel_lang_at_x(l, 4, offset + 4 * i);
		if (mask && mask[i] != UINT32_MAX)
			accel_lang_alu(l, BPF_AND, mask[i]);
		accel_lang_load_x(l, var);
		accel_lang_alu_x(l, BPF_XOR);
		accel_lang_store(l, var);
	}
}

/* var ^= value of one end, or of both. */
static void add_ends(struct accel_lang_lower *l, enum accel_lang_var var, unsigned ends,
		     const uint32_t *mask)
{
	unsigned is_ip4 = accel_lang_label(l), done = accel_lang_label(l);

	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_IP4, is_ip4, ACCEL_ASM_NEXT);
	if (ends & ACCEL_SRC)
		add_words(l, var, 8, 4, mask);
	if (ends & ACCEL_DST)
		add_words(l, var, 24, 4, mask);
	accel_lang_goto(l, done);
	accel_lang_bind(l, is_ip4);
	if (ends & ACCEL_SRC)
		add_words(l, var, 12, 1, mask);
	if (ends & ACCEL_DST)
		add_words(l, var, 16, 1, mask);
	accel_lang_bind(l, done);
}

static void set_ends(struct accel_lang_lower *l, enum accel_lang_var var, unsigned ends,
		     const uint32_t *mask)
{
	if (!has(l, var))
		return;
	accel_lang_set(l, var, 0);
	add_ends(l, var, ends, mask);
}

/* H ^= both ports as the upper half of a word. */
static void add_ports(struct accel_lang_lower *l)
{
	if (!has(l, ACCEL_VAR_H))
		return;
	accel_lang_load_x(l, ACCEL_VAR_L4);
	accel_lang_at_x(l, 2, 0);
	accel_lang_store(l, ACCEL_VAR_TMP);
	accel_lang_at_x(l, 2, 2);
	accel_lang_load_x(l, ACCEL_VAR_TMP);
	accel_lang_alu_x(l, BPF_XOR);
	accel_lang_alu(l, BPF_LSH, 16);
	accel_lang_load_x(l, ACCEL_VAR_H);
	accel_lang_alu_x(l, BPF_XOR);
	accel_lang_store(l, ACCEL_VAR_H);
}

/* With the packet's IP in cells: not a fragment, TCP or UDP -> on; else to `other`. */
static void jump_ports(struct accel_lang_lower *l, unsigned other)
{
	unsigned is_flow = accel_lang_label(l);

	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_FRAGMENT, other, ACCEL_ASM_NEXT);
	accel_lang_alu(l, BPF_AND, ACCEL_HAS_PROTOCOL);
	accel_lang_jump(l, BPF_JEQ, ACCEL_PROTO_TCP, is_flow, ACCEL_ASM_NEXT);
	accel_lang_jump(l, BPF_JEQ, ACCEL_PROTO_UDP, is_flow, other);
	accel_lang_bind(l, is_flow);
}

void accel_lang_lower_flow(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned no_ports = accel_lang_label(l), done = accel_lang_label(l);

	(void)n;
	need_family(l, ACCEL_IP);
	jump_ports(l, no_ports);
	accel_lang_load(l, ACCEL_VAR_ROOM);
	accel_lang_jump(l, BPF_JGE, 8, ACCEL_ASM_NEXT, l->drop);
	set_ends(l, ACCEL_VAR_H, ACCEL_ENDS, NULL);
	add_ports(l);
	accel_lang_goto(l, done);
	accel_lang_bind(l, no_ports);
	set_ends(l, ACCEL_VAR_H, ACCEL_ENDS, NULL);
	accel_lang_bind(l, done);
	accel_lang_steer_one(l);
}

void accel_lang_lower_set_addresses(struct accel_lang_lower *l)
{
	set_ends(l, ACCEL_VAR_H, ACCEL_ENDS, NULL);
	accel_lang_steer_one(l);
}

void accel_lang_lower_addresses(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	need_family(l, n->prim->param);
	accel_lang_lower_set_addresses(l);
}

/* To `yes` if an end is 255.255.255.255. */
static void jump_limited_broadcast(struct accel_lang_lower *l, unsigned yes)
{
	unsigned no = accel_lang_label(l);

	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_IP4, ACCEL_ASM_NEXT, no);
	accel_lang_load_x(l, ACCEL_VAR_NET);
	accel_lang_at_x(l, 4, 12);
	accel_lang_jump(l, BPF_JEQ, UINT32_MAX, yes, ACCEL_ASM_NEXT);
	accel_lang_at_x(l, 4, 16);
	accel_lang_jump(l, BPF_JEQ, UINT32_MAX, yes, no);
	accel_lang_bind(l, no);
}

void accel_lang_or_broadcast(struct accel_lang_lower *l, unsigned all)
{
	unsigned done = accel_lang_label(l);

	accel_lang_goto(l, done);
	accel_lang_bind(l, all);
	accel_lang_lower_broadcast(l, NULL);
	accel_lang_bind(l, done);
}

void accel_lang_lower_p2p(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned all = accel_lang_label(l);

	(void)n;
	need_family(l, ACCEL_IP);
	jump_limited_broadcast(l, all);
	set_ends(l, ACCEL_VAR_H, ACCEL_ENDS, NULL);
	accel_lang_steer_one(l);
	accel_lang_or_broadcast(l, all);
}

void accel_lang_lower_double_ip(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned all = accel_lang_label(l);

	(void)n;
	need_family(l, ACCEL_IP);
	jump_limited_broadcast(l, all);
	set_ends(l, ACCEL_VAR_H, ACCEL_SRC, NULL);
	set_ends(l, ACCEL_VAR_H2, ACCEL_DST, NULL);
	accel_lang_steer_two(l);
	accel_lang_or_broadcast(l, all);
}

/* To `no` if the end is outside of the network. */
static void jump_outside(struct accel_lang_lower *l, const struct accel_lang_net *net,
			 enum accel_lang_ends end, unsigned no)
{
	unsigned words = net->family == ACCEL_IP4 ? 1 : 4;
	uint32_t offset = net->family == ACCEL_IP4 ? 12 : 8;

	if (end == ACCEL_DST)
		offset += 4 * words;
	accel_lang_load_x(l, ACCEL_VAR_NET);
	for (unsigned i = 0; i < words; i++) {
		if (!net->mask[i])
			continue;
		accel_lang_at_x(l, 4, offset + 4 * i);
		accel_lang_alu(l, BPF_AND, net->mask[i]);
		accel_lang_jump(l, BPF_JEQ, net->addr[i], ACCEL_ASM_NEXT, no);
	}
}

/* The value of this one is its bytes as a number. */
static void steer_end_raw(struct accel_lang_lower *l, enum accel_lang_ends end,
			  const uint32_t *mask)
{
	set_ends(l, ACCEL_VAR_H, end, mask);
	if (has(l, ACCEL_VAR_H)) {
		accel_lang_load(l, ACCEL_VAR_H);
		accel_lang_steer_raw(l);
	} else {
		accel_lang_steer_one(l);
	}
}

void accel_lang_lower_net(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned dst = accel_lang_label(l), done = accel_lang_label(l);

	need_family(l, n->nets[0].family);
	jump_outside(l, n->nets, ACCEL_SRC, dst);
	steer_end_raw(l, ACCEL_SRC, n->sub);
	accel_lang_goto(l, done);
	accel_lang_bind(l, dst);
	jump_outside(l, n->nets, ACCEL_DST, l->drop);
	steer_end_raw(l, ACCEL_DST, n->sub);
	accel_lang_bind(l, done);
}

void accel_lang_lower_local_net(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	const uint32_t *mask = n->prim->param ? NULL : n->sub;
	unsigned all = accel_lang_label(l), only_src = accel_lang_label(l);
	unsigned not_src = accel_lang_label(l), done = accel_lang_label(l);

	need_family(l, ACCEL_IP);
	jump_limited_broadcast(l, all);
	need_family(l, n->nets[0].family);
	jump_outside(l, n->nets, ACCEL_SRC, not_src);
	jump_outside(l, n->nets, ACCEL_DST, only_src);
	set_ends(l, ACCEL_VAR_H, ACCEL_SRC, mask);
	set_ends(l, ACCEL_VAR_H2, ACCEL_DST, mask);
	accel_lang_steer_two(l);
	accel_lang_goto(l, done);
	accel_lang_bind(l, only_src);
	set_ends(l, ACCEL_VAR_H, ACCEL_SRC, mask);
	accel_lang_steer_one(l);
	accel_lang_goto(l, done);
	accel_lang_bind(l, not_src);
	jump_outside(l, n->nets, ACCEL_DST, l->drop);
	set_ends(l, ACCEL_VAR_H, ACCEL_DST, mask);
	accel_lang_steer_one(l);
	accel_lang_bind(l, done);
	accel_lang_or_broadcast(l, all);
}

void accel_lang_lower_rrobin(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	(void)n;
	if (has(l, ACCEL_VAR_H) && l->target->fanout) {
		accel_asm_insn(&l->as, BPF_LD | BPF_W | BPF_ABS,
			       (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
		accel_lang_store(l, ACCEL_VAR_H);
	}
	accel_lang_steer_one(l);
}

void accel_lang_lower_rss(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	(void)n;
	if (has(l, ACCEL_VAR_H)) {
		accel_asm_insn(&l->as, BPF_LD | BPF_W | BPF_ABS,
			       (uint32_t)(SKF_AD_OFF + SKF_AD_RXHASH));
		accel_lang_steer_raw(l);
	} else {
		accel_lang_steer_one(l);
	}
}

void accel_lang_lower_to(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	steer_const(l, (uint32_t)n->num[0]);
}

/* A = A ^ TMP2 >> by */
static void add_shifted(struct accel_lang_lower *l, uint32_t by)
{
	accel_lang_store(l, ACCEL_VAR_TMP);
	accel_lang_load(l, ACCEL_VAR_TMP2);
	accel_lang_alu(l, BPF_RSH, by);
	accel_lang_load_x(l, ACCEL_VAR_TMP);
	accel_lang_alu_x(l, BPF_XOR);
}

static void steer_voice(struct accel_lang_lower *l)
{
	if (!has(l, ACCEL_VAR_H)) {
		accel_lang_steer_one(l);
		return;
	}
	set_ends(l, ACCEL_VAR_H, ACCEL_ENDS, NULL);
	accel_lang_load(l, ACCEL_VAR_H);
	accel_lang_swap_bytes(l);
	accel_lang_store(l, ACCEL_VAR_TMP2);
	add_shifted(l, 8);
	add_shifted(l, 16);
	add_shifted(l, 24);
	accel_lang_store(l, ACCEL_VAR_TMP2);
	accel_lang_set(l, ACCEL_VAR_H, 0);
	add_ports(l);
	accel_lang_load(l, ACCEL_VAR_H);
	accel_lang_swap_bytes(l);
	accel_lang_alu(l, BPF_RSH, 1);
	accel_lang_load_x(l, ACCEL_VAR_TMP2);
	accel_lang_alu_x(l, BPF_XOR);
	accel_lang_steer_raw(l);
}

void accel_lang_lower_rtp(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned yes = accel_lang_label(l);

	(void)n;
	accel_lang_lower_voice_of(l, ACCEL_VOICE_RTP | ACCEL_VOICE_RTCP, yes, l->drop);
	accel_lang_bind(l, yes);
	steer_voice(l);
}

void accel_lang_lower_voip(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	unsigned sip = accel_lang_label(l), other = accel_lang_label(l);

	accel_lang_lower_voice_of(l, ACCEL_VOICE_SIP, sip, other);
	accel_lang_bind(l, other);
	accel_lang_lower_rtp(l, n);
	accel_lang_or_broadcast(l, sip);
}

void accel_lang_lower_any_packet(struct accel_lang_lower *l, const struct accel_lang_node *n)
{
	static const uint8_t have_ports[] = ACCEL_LANG_HAVE_PORTS;
	unsigned is_ip = accel_lang_label(l), done = accel_lang_label(l);
	unsigned no_ports = accel_lang_label(l), ports = accel_lang_label(l);

	(void)n;
	accel_lang_steer_one(l);
	if (!has(l, ACCEL_VAR_H)) {
		accel_lang_bind(l, is_ip);
		return;
	}
	accel_lang_set(l, ACCEL_VAR_H, 0);
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_IP4 | ACCEL_HAS_IP6, is_ip, ACCEL_ASM_NEXT);
	accel_lang_need(l, ACCEL_ETH_LEN, done);
	accel_lang_set_macs(l);
	accel_lang_goto(l, done);
	accel_lang_bind(l, is_ip);
	add_ends(l, ACCEL_VAR_H, ACCEL_ENDS, NULL);
	accel_lang_load(l, ACCEL_VAR_ROOM);
	accel_lang_jump(l, BPF_JGE, 4, ACCEL_ASM_NEXT, no_ports);
	accel_lang_load(l, ACCEL_VAR_KIND);
	accel_lang_jump(l, BPF_JSET, ACCEL_HAS_FRAGMENT, no_ports, ACCEL_ASM_NEXT);
	accel_lang_alu(l, BPF_AND, ACCEL_HAS_PROTOCOL);
	for (size_t i = 0; i < sizeof(have_ports); i++)
		accel_lang_jump(l, BPF_JEQ, have_ports[i], ports, ACCEL_ASM_NEXT);
	accel_lang_goto(l, no_ports);
	accel_lang_bind(l, ports);
	add_ports(l);
	accel_lang_bind(l, no_ports);
	accel_lang_bind(l, done);
}
