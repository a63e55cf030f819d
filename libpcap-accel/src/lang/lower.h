/* SPDX-License-Identifier: BSD-3-Clause */
/* lower.h - the typed tree becomes classic BPF.
 *
 * One pass over the tree writes all programs of a computation; they differ in what they return:
 * a filter whether the member takes the packet, a fanout program the value that chooses the member.
 * State lives in the kernel's sixteen scratch cells: where the headers are (found once, before the
 * tree), what has been decided so far, two for whatever. Cells are given to what a program needs.
 *
 * Loads. A load outside of the packet ends a program with 0, while for us it makes a predicate
 * false: every load is behind a test of lengths. A filter loads from data[0], the MAC header. A
 * fanout program sees data[0] at the network header of a received packet and at the MAC header of a
 * sent one; it loads through SKF_LL_OFF, which is the MAC header in both, and corrects the length.
 * Such loads reach the linear part of a packet only; headers are always there.
 *
 * Two lanes. Most packets are IPv4 without options and without a tag in band: for them the tree is
 * written a second time, with loads at constant places, which the kernel does without a call. That
 * halves what a packet costs. A long program has one lane.
 *
 * Inside lang/ only. Source: Documentation/networking/filter.rst; measured on Linux 6.18.
 * Threads: none of its own. */
#ifndef ACCEL_LANG_LOWER_H
#define ACCEL_LANG_LOWER_H

#include "bpf/assemble.h"
#include "lang/lang.h"
#include "lang/ops.h"
#include "lang/shape.h"

/* What a scratch cell may hold. */
enum accel_lang_var {
	ACCEL_VAR_LEN,	/* of the packet from its MAC header */
	ACCEL_VAR_NET,	/* offset of the network header */
	ACCEL_VAR_TYPE, /* Ethernet type behind the tags */
	ACCEL_VAR_KIND, /* ACCEL_HAS_* and the protocol; 0: not IP */
	ACCEL_VAR_L4,	/* offset of the transport header */
	ACCEL_VAR_ROOM, /* bytes from there; 0 of a later fragment */
	ACCEL_VAR_FAN,	/* ACCEL_MAKES_COPY, _STEER or _DOUBLE */
	ACCEL_VAR_H,	/* in the packet's byte order */
	ACCEL_VAR_H2,
	ACCEL_VAR_CLASS, /* is class 0 among the classes? */
	ACCEL_VAR_MARK,
	ACCEL_VAR_STATE,
	ACCEL_VAR_TMP, /* written and read within a few instructions */
	ACCEL_VAR_TMP2,
	ACCEL_N_VARS,
};

enum {
	ACCEL_HAS_PROTOCOL = 0xff,
	ACCEL_HAS_FRAGMENT = 1 << 8,
	ACCEL_HAS_LATER = 1 << 9,
	ACCEL_HAS_IP4 = 1 << 16, /* families << 16 are those of ACCEL_KIND */
	ACCEL_HAS_IP6 = 1 << 17,
};

#define ACCEL_NO_CELL 0xff

/* What the program is to tell. */
struct accel_lang_target {
	bool fanout;
	bool second;	    /* fanout: by the second value of two */
	unsigned keeps;	    /* filter: which fan-outs */
	unsigned differ_of; /* filter: members, if both values must choose different ones; or 0 */
	enum accel_lang_hash hash;
};

struct accel_lang_lower {
	struct accel_asm as;
	const struct accel_lang_source *src;
	const struct accel_lang_target *target;
	struct accel_lang_shape shape;
	const struct accel_lang_node *at; /* for errors: the node that is being lowered */
	int error;			  /* the first, beside the assembler's */
	uint32_t base;			  /* added to each offset */
	unsigned drop;			  /* label */
	uint8_t cell[ACCEL_N_VARS];
	unsigned n_cells;
	unsigned level; /* how many IP headers lie around the one in the cells */
	bool fast;	/* in the lane where the headers' places are known */
	int x_at;	/* there: the place that X stands for, which is then not loaded; or -1 */
};

/* Instructions. A cell that the program has not got is not written. */
void accel_lang_load(struct accel_lang_lower *l, enum accel_lang_var var);   /* A = cell */
void accel_lang_load_x(struct accel_lang_lower *l, enum accel_lang_var var); /* X = cell */
void accel_lang_store(struct accel_lang_lower *l, enum accel_lang_var var);  /* cell = A */
void accel_lang_set(struct accel_lang_lower *l, enum accel_lang_var var, uint32_t k);
void accel_lang_imm(struct accel_lang_lower *l, uint32_t k);		  /* A = k */
void accel_lang_alu(struct accel_lang_lower *l, uint16_t op, uint32_t k); /* A = A op k */
void accel_lang_alu_x(struct accel_lang_lower *l, uint16_t op);		  /* A = A op X */
void accel_lang_tax(struct accel_lang_lower *l);
void accel_lang_txa(struct accel_lang_lower *l);
void accel_lang_at(struct accel_lang_lower *l, unsigned size, uint32_t offset);	  /* A = [offset] */
void accel_lang_at_x(struct accel_lang_lower *l, unsigned size, uint32_t offset); /* [X + offset] */
void accel_lang_jump(struct accel_lang_lower *l, uint16_t op, uint32_t k, unsigned yes,
		     unsigned no);
void accel_lang_jump_x(struct accel_lang_lower *l, uint16_t op, unsigned yes, unsigned no);
void accel_lang_goto(struct accel_lang_lower *l, unsigned label);
unsigned accel_lang_label(struct accel_lang_lower *l);
void accel_lang_bind(struct accel_lang_lower *l, unsigned label);

/* Is the program so long that it does not matter what follows? The tree is then left: operands of
 * an xor are copied, and xors within xors could go on for ever. */
bool accel_lang_is_full(const struct accel_lang_lower *l);

/* A free cell's number. None left: the error is noted. */
uint8_t accel_lang_take_cell(struct accel_lang_lower *l);
bool accel_lang_has_cell(const struct accel_lang_lower *l, enum accel_lang_var var);

/* A = A with its bytes in reverse. */
void accel_lang_swap_bytes(struct accel_lang_lower *l);

/* A = what a fanout program returns for the value (packet's order) in A. */
void accel_lang_lower_mix(struct accel_lang_lower *l);

/* To `no` if the packet has not at least `len` bytes. Destroys A. */
void accel_lang_need(struct accel_lang_lower *l, uint32_t len, unsigned no);

/* lower_parse.c: find the headers; again, at the level given (IP headers to step into). */
void accel_lang_lower_headers(struct accel_lang_lower *l);
void accel_lang_lower_fast_headers(struct accel_lang_lower *l, unsigned slow); /* or to slow */
void accel_lang_lower_to_level(struct accel_lang_lower *l, unsigned level);

/* A = VLAN id of the outermost tag, 0 if none. */
void accel_lang_load_vid(struct accel_lang_lower *l);

/* A = the three half words of the MAC address at the offset, xor-ed, as a word's upper half. */
void accel_lang_load_mac(struct accel_lang_lower *l, uint32_t offset);

/* Tests that actions share: fall through, or go. */
void accel_lang_lower_is_kind(struct accel_lang_lower *l, uint32_t kind, unsigned yes, unsigned no);
void accel_lang_lower_voice_of(struct accel_lang_lower *l, unsigned voices, unsigned yes,
			       unsigned no);

/* A = the property, or to `none`. */
void accel_lang_lower_property(struct accel_lang_lower *l, const struct accel_lang_node *n,
			       unsigned none);

/* The fan-out: one member, or two; the values are in their cells. */
void accel_lang_steer_one(struct accel_lang_lower *l);
void accel_lang_steer_two(struct accel_lang_lower *l);

/* One member, whose value, in A, is not in the packet's order. With the cell H. */
void accel_lang_steer_raw(struct accel_lang_lower *l);

/* Behind a steering, which goes on; at the label: broadcast. */
void accel_lang_or_broadcast(struct accel_lang_lower *l, unsigned all);

/* H = both MAC addresses, of a whole header. */
void accel_lang_set_macs(struct accel_lang_lower *l);

/* H = both addresses; the fan-out is one member. */
void accel_lang_lower_set_addresses(struct accel_lang_lower *l);

/* lower_pcap.c */
void accel_lang_lower_pcap(struct accel_lang_lower *l, const struct accel_lang_node *n,
			   unsigned yes, unsigned no);

/* The whole program. `tail` follows a filter that keeps. Where nothing is tested, the tail is
 * copied, or *out is NULL and *n_out 0. 0, -E2BIG and -ENOSPC with a text, -ENOMEM. */
int accel_lang_lower(const struct accel_lang_source *src, const struct accel_lang_node *tree,
		     const struct accel_lang_target *target, const struct sock_filter *tail,
		     unsigned n_tail, struct sock_filter **out, unsigned *n_out);

#endif
