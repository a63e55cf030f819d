/* SPDX-License-Identifier: BSD-3-Clause */
/* uncook.c - moves a program from a cooked header (SLL, SLL2) to the packet behind it.
 *
 * The capture library makes up the cooked header after the kernel has filtered, so in the kernel
 * its fields are metadata and offset 16 (20) is offset 0.
 *
 * The link-layer type field needs no translation: the cooked header holds skb->protocol, with the
 * numbers that the kernel gives to frames without an Ethertype (1 for Novell's raw 802.3, 4 for
 * 802.2). Nor does the packet type: 0 to 4 are PACKET_HOST to PACKET_OUTGOING in both.
 *
 * Source: LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2 at tcpdump.org/linktypes; linux/if_packet.h.
 * Threads: none of its own. */
#include "bpf/cbpf.h"

#include "base/util.h"

#include <errno.h>

struct field {
	uint32_t offset;
	uint16_t size; /* BPF_W, BPF_H, BPF_B: the kernel supplies whole fields only */
	int32_t aux;   /* SKF_AD_* */
};

static const struct cooked {
	int link_type;
	uint32_t header_len;
	struct field fields[4]; /* the kernel has not got the address, its length, reserved */
	unsigned n_fields;
} cooked[] = {
	{.link_type = 113,
	 .header_len = 16,
	 .fields = {{0, BPF_H, SKF_AD_PKTTYPE},
		    {2, BPF_H, SKF_AD_HATYPE},
		    {14, BPF_H, SKF_AD_PROTOCOL}},
	 .n_fields = 3},
	{.link_type = 276,
	 .header_len = 20,
	 .fields = {{0, BPF_H, SKF_AD_PROTOCOL},
		    {4, BPF_W, SKF_AD_IFINDEX},
		    {8, BPF_H, SKF_AD_HATYPE},
		    {10, BPF_B, SKF_AD_PKTTYPE}},
	 .n_fields = 4},
};

/* The offset of an absolute load without the header. False: the kernel cannot supply it. */
static bool move_abs(const struct cooked *c, const struct sock_filter *insn, uint32_t *k)
{
	/* Negative offsets are the kernel's own and know no cooked header. */
	if ((int32_t)insn->k < 0) {
		*k = insn->k;
		return true;
	}
	if (insn->k >= c->header_len) {
		*k = insn->k - c->header_len;
		return true;
	}
	for (unsigned i = 0; i < c->n_fields; i++) {
		if (c->fields[i].offset != insn->k || c->fields[i].size != BPF_SIZE(insn->code))
			continue;
		*k = (uint32_t)(SKF_AD_OFF + c->fields[i].aux);
		return true;
	}
	return false;
}

/* The offset of a load that adds a register (IND) or has no metadata form (MSH). */
static bool move_behind(const struct cooked *c, const struct sock_filter *insn, uint32_t *k)
{
	if ((int32_t)insn->k >= 0 && insn->k < c->header_len)
		return false;
	*k = (int32_t)insn->k < 0 ? insn->k : insn->k - c->header_len;
	return true;
}

static bool move(const struct cooked *c, const struct sock_filter *insn, uint32_t *k)
{
	*k = insn->k;
	if (BPF_CLASS(insn->code) != BPF_LD && BPF_CLASS(insn->code) != BPF_LDX)
		return true;
	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
		return move_abs(c, insn, k);
	case BPF_IND:
	case BPF_MSH:
		return move_behind(c, insn, k);
	case BPF_LEN:
		/* The kernel's length lacks the header, and there is no room to add it. */
		return false;
	default:
		return true;
	}
}

static const struct cooked *find(int link_type)
{
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(cooked); i++)
		if (cooked[i].link_type == link_type)
			return &cooked[i];
	return NULL;
}

int accel_bpf_uncook(struct sock_filter *insns, unsigned n, int link_type)
{
	const struct cooked *c = find(link_type);
	uint32_t k;

	if (!c)
		return -EOPNOTSUPP;
	for (unsigned i = 0; i < n; i++)
		if (!move(c, &insns[i], &k))
			return -EOPNOTSUPP;
	for (unsigned i = 0; i < n; i++) {
		move(c, &insns[i], &k);
		insns[i].k = k;
	}
	return 0;
}
