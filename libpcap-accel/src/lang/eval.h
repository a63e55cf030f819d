/* SPDX-License-Identifier: BSD-3-Clause */
/* eval.h - runs the typed tree over the bytes of a packet: the plain statement of what the
 * functions mean. The lowering is tested against it.
 *
 * Inside lang/ only; lang.h has the entry.
 * Threads: none of its own; the state is on the stack. */
#ifndef ACCEL_LANG_EVAL_H
#define ACCEL_LANG_EVAL_H

#include "lang/lang.h"
#include "lang/ops.h"

/* What a packet is, behind its tags. */
struct accel_lang_view {
	const uint8_t *data; /* from the MAC header */
	uint32_t len;
	const struct accel_bpf_aux *aux;
	uint16_t type;	   /* Ethernet type behind the tags; 0: no whole header */
	unsigned net;	   /* offset of the network header */
	unsigned family;   /* ACCEL_IP4, ACCEL_IP6; 0: not IP, or not the whole header */
	unsigned protocol; /* behind IPv6's extension headers */
	bool fragment;	   /* of more than one */
	bool later;	   /* not the first: what follows is payload */
	unsigned l4, room; /* transport header: offset, bytes from there; room is 0 if later */
};

void accel_lang_view_init(struct accel_lang_view *view, const uint8_t *data, uint32_t len,
			  const struct accel_bpf_aux *aux);

/* Step to the IP header within; family 0 if there is none, or the packet is a fragment. */
void accel_lang_view_shift(struct accel_lang_view *view);

/* Big-endian numbers; the bytes must be there. */
uint32_t accel_lang_u8(const struct accel_lang_view *view, unsigned at);
uint32_t accel_lang_u16(const struct accel_lang_view *view, unsigned at);
uint32_t accel_lang_u32(const struct accel_lang_view *view, unsigned at);

/* VLAN id of the outermost tag, in the metadata or in band; 0: none. */
unsigned accel_lang_vid(const struct accel_lang_view *view);

/* Words of an IP address, and where it is. */
unsigned accel_lang_addr_at(const struct accel_lang_view *view, enum accel_lang_ends end);
unsigned accel_lang_addr_words(const struct accel_lang_view *view);

struct accel_lang_eval_state {
	struct accel_lang_view view;
	enum accel_lang_outcome fan; /* to all, one, two */
	uint64_t classes;
	uint32_t h, h2;
	bool spread;
	uint32_t mark, state;
};

/* Is the packet of the kind (ACCEL_KIND)? A later fragment is of its protocol; of any other the
 * header must be there. */
bool accel_lang_is_kind(const struct accel_lang_view *view, uint32_t kind);

/* ACCEL_VOICE_*, or 0. */
unsigned accel_lang_voice(const struct accel_lang_view *view);

/* Of a property; false: nothing. */
bool accel_lang_eval_property(const struct accel_lang_eval_state *e,
			      const struct accel_lang_node *n, uint64_t *out);

/* h to what a fanout program returns. */
uint32_t accel_lang_mix(enum accel_lang_hash hash, uint32_t h);

/* Run the tree. */
void accel_lang_run(const struct accel_lang_node *tree, enum accel_lang_hash hash,
		    const struct accel_lang_view *view, struct accel_lang_verdict *out);

#endif
