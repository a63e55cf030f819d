/* SPDX-License-Identifier: BSD-3-Clause */
/* node.h - the typed tree, and what a row of the table of functions is.
 *
 * Three types of functions, as in PFQ: an action takes the packet and may drop it or decide whom it
 * goes to; a predicate is true or false of it; a property is a number of it, or nothing.
 *
 * Inside lang/ only.
 * Threads: constant once made. */
#ifndef ACCEL_LANG_NODE_H
#define ACCEL_LANG_NODE_H

#include "lang/lex.h"

struct accel_lang_eval_state;
struct accel_lang_lower;
struct accel_lang_node;
struct sock_filter;

enum accel_lang_type { ACCEL_LANG_ACTION, ACCEL_LANG_PREDICATE, ACCEL_LANG_PROPERTY };

enum accel_lang_kind {
	ACCEL_NODE_DO,	   /* an action of its own: row->act */
	ACCEL_NODE_FILTER, /* kid: predicate; drops what it is false of */
	ACCEL_NODE_CHAIN,  /* kids: actions */
	ACCEL_NODE_IF,	   /* kids: predicate, action, or not action */
	ACCEL_NODE_PAR,	   /* kids: actions; the first that does not drop */
	ACCEL_NODE_INV,	   /* kid: action */
	ACCEL_NODE_SHIFT,  /* kid: action, on the inner IP header */
	ACCEL_NODE_ENDS,   /* kid: action; its predicates' ends were set when it was checked */
	ACCEL_NODE_TEST,   /* a predicate of its own: row->test */
	ACCEL_NODE_PCAP,   /* insns decide */
	ACCEL_NODE_NOT,
	ACCEL_NODE_AND,
	ACCEL_NODE_OR,
	ACCEL_NODE_XOR,
	ACCEL_NODE_COMPARE, /* kid: property; cmp, num[0] */
	ACCEL_NODE_FIELD,   /* a property: row->param is a number of accel_lang_fields[] */
	ACCEL_NODE_MARK,    /* a property: the register */
	ACCEL_NODE_STATE,
};

/* What an argument may be. */
enum accel_lang_arg {
	ACCEL_ARG_NONE,
	ACCEL_ARG_U8,
	ACCEL_ARG_U16,
	ACCEL_ARG_U32,
	ACCEL_ARG_U64,
	ACCEL_ARG_CLASS,  /* 0 to 63 */
	ACCEL_ARG_VID,	  /* 0 to 4095 */
	ACCEL_ARG_OFFSET, /* 0 to 65535 */
	ACCEL_ARG_BYTES,  /* 1 to 4 */
	ACCEL_ARG_PREFIX, /* 0 to 32, of IPv6 to 128 */
	ACCEL_ARG_KEY,	  /* bits of enum accel_lang_key */
	ACCEL_ARG_VIDS,	  /* list */
	ACCEL_ARG_ADDR,	  /* "10.0.0.0", a prefix follows */
	ACCEL_ARG_ADDRS,  /* list of them, a prefix follows */
	ACCEL_ARG_CIDR,	  /* "10.0.0.0/8", or as in PFQ 3.8 "10.0.0.0" 8 */
	ACCEL_ARG_MAC,
	ACCEL_ARG_STRING,
	ACCEL_ARG_STRINGS,   /* of refused functions only: never read */
	ACCEL_ARG_PREDICATE, /* also a string: a pcap filter */
	ACCEL_ARG_PROPERTY,
	ACCEL_ARG_ACTION,
};

enum accel_lang_status {
	ACCEL_LANG_WORKS,
	ACCEL_LANG_NOOP,    /* takes its arguments and does nothing; `why` says why that is right */
	ACCEL_LANG_REFUSED, /* `why` */
};

/* What of a packet must have been looked at before. */
enum accel_lang_uses {
	ACCEL_USES_TYPE = 1 << 0, /* the Ethernet type behind all tags, IP family, addresses */
	ACCEL_USES_L4 = 1 << 1,	  /* protocol, fragment, ports; USES_TYPE too */
	ACCEL_USES_MARK = 1 << 2,
	ACCEL_USES_STATE = 1 << 3,
	ACCEL_USES_CLASS = 1 << 4, /* changes the classes */
	ACCEL_USES_LEN = 1 << 5,   /* reads at an offset of its own */
};

/* How an action can leave the packet; no bit of the first three = as it was. */
enum accel_lang_makes {
	ACCEL_MAKES_COPY = 1 << 0,
	ACCEL_MAKES_STEER = 1 << 1,
	ACCEL_MAKES_DOUBLE = 1 << 2,
	ACCEL_MAKES_DROP = 1 << 3,
	ACCEL_MAKES_NEVER_PASS = 1 << 4,
};

#define ACCEL_MAKES_FANOUT (ACCEL_MAKES_COPY | ACCEL_MAKES_STEER | ACCEL_MAKES_DOUBLE)

/* Each function is made twice: over bytes, and as instructions. An action that returns false, or
 * goes to the drop label, drops; it writes the fan-out only if it does not. */
struct accel_lang_act {
	bool (*eval)(struct accel_lang_eval_state *e, const struct accel_lang_node *n);
	void (*lower)(struct accel_lang_lower *l, const struct accel_lang_node *n);
	unsigned makes;
};

struct accel_lang_test {
	bool (*eval)(const struct accel_lang_eval_state *e, const struct accel_lang_node *n);
	void (*lower)(struct accel_lang_lower *l, const struct accel_lang_node *n, unsigned yes,
		      unsigned no);
};

#define ACCEL_LANG_MAX_ARGS 8

/* A row of THE table. */
struct accel_lang_prim {
	const char *name;
	enum accel_lang_type type;
	enum accel_lang_kind kind; /* of the node that it makes */
	enum accel_lang_arg args[ACCEL_LANG_MAX_ARGS];
	enum accel_lang_status status;
	const char *since; /* PFQ releases; "+": ours */
	uint32_t param;	   /* for `act`, `test`, or the making of the node */
	bool negate;	   /* a filter: drops what the test is true of */
	unsigned uses;
	const struct accel_lang_act *act;
	const struct accel_lang_test *test; /* also of a filter, whose twin is the predicate */
	const char *doc;		    /* what it does */
	const char *why;		    /* of a no-op, or of a refusal */
	const char *example;
};

extern const struct accel_lang_prim accel_lang_prims[];
extern const unsigned accel_lang_n_prims;

/* The row of name[0..len), or NULL. Letter case counts. */
const struct accel_lang_prim *accel_lang_prim_find(const char *name, size_t len);

/* The name that is nearest to a misspelt one, or NULL. */
const char *accel_lang_prim_like(const char *name, size_t len);

/* "port :: Word16 -> Qbuff -> Action Qbuff", as snprintf. */
int accel_lang_signature(const struct accel_lang_prim *prim, char *out, size_t size);

const char *accel_lang_type_name(enum accel_lang_type type); /* "an action" */

/* Which protocols a packet may be of: families as bits (1 IPv4, 2 IPv6), up to two numbers, where 0
 * is none. */
#define ACCEL_KIND(families, a, b) ((uint32_t)(families) << 16 | (uint32_t)(b) << 8 | (a))
#define ACCEL_KIND_FAMILIES(kind)  ((kind) >> 16)
#define ACCEL_KIND_A(kind)	   ((kind)&0xff)
#define ACCEL_KIND_B(kind)	   ((kind) >> 8 & 0xff)

enum accel_lang_family { ACCEL_IP4 = 1, ACCEL_IP6 = 2, ACCEL_IP = 3 };
enum accel_lang_ends { ACCEL_SRC = 1, ACCEL_DST = 2, ACCEL_ENDS = 3 };

/* Bytes of the header that must be there for a packet to be of the protocol. */
static inline unsigned accel_lang_header_len(unsigned protocol)
{
	return protocol == 6 ? 20 : 8;
}

/* Row of the table of fields. */
struct accel_lang_field {
	uint32_t kind; /* of other packets it is nothing */
	bool in_l4;    /* offset counts from the transport header */
	uint8_t offset;
	uint8_t size;  /* bytes: 1, 2 */
	uint8_t shift; /* right, then ... */
	uint8_t scale; /* ... left */
};

extern const struct accel_lang_field accel_lang_fields[];

/* A network; words as numbers, of IPv4 only the first. */
struct accel_lang_net {
	unsigned family; /* ACCEL_IP4, ACCEL_IP6 */
	unsigned prefix;
	uint32_t addr[4], mask[4]; /* addr is masked */
};

struct accel_lang_node {
	enum accel_lang_kind kind;
	enum accel_lang_type type;
	const struct accel_lang_prim *prim; /* NULL of an operator */
	struct accel_lang_span span;
	struct accel_lang_node *kids, *next;
	enum accel_lang_cmp cmp;
	unsigned ends;	 /* of addresses and ports */
	uint64_t num[3]; /* numbers among the arguments, in order */
	uint32_t sub[4]; /* the second of two prefixes, as a mask */
	struct accel_lang_net *nets;
	unsigned n_nets;
	uint16_t *vids;
	unsigned n_vids;
	bool any_vid; /* -1 is in the list */
	uint8_t mac[6];
	const char *string;
	const struct sock_filter *insns;
	unsigned n_insns;
};

#endif
