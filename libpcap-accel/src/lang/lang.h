/* SPDX-License-Identifier: BSD-3-Clause */
/* lang.h - PFQ/lang: a text becomes classic BPF programs that filter packets and divide them among
 * the members of a group.
 *
 *     text -> tokens -> syntax tree -> typed tree -> shape -> parts: filter and fanout programs
 *
 * The typed tree can also be run over the bytes of a packet: the slow twin of the programs. The
 * language is described where it is read (parse.h) and in pcap-accel-lang(7); the functions are the
 * rows of one table (prim.c). Not the groups themselves: whoever opens sockets asks here for their
 * programs.
 *
 * Frames are Ethernet's. A tag may be in the metadata or in band, at most two in band; IPv6 is
 * walked through at most four extension headers; a later fragment has no ports.
 *
 * Pure: no system call. Source: design.md 5 of the project, the semantics of PFQ 3.8 to 6.
 * Threads: a compiled accel_lang is constant; any number may read it. */
#ifndef ACCEL_LANG_H
#define ACCEL_LANG_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct accel_err;
struct accel_bpf_aux;
struct accel_lang;

#define ACCEL_LANG_MAX_LEN   (64 * 1024) /* bytes of a text; more is refused */
#define ACCEL_LANG_MAX_DEPTH 64		 /* of parentheses, lists, if and $ within each other */
#define ACCEL_LANG_MAX_PARTS 3

/* How a steering value becomes the number that is taken modulo the members. */
enum accel_lang_hash {
	ACCEL_LANG_HASH_V6, /* of PFQ 6: spreads well */
	ACCEL_LANG_HASH_V3, /* of PFQ 3.8 */
};

/* Of what an error speaks: bytes at .. at + len of the text. Lines and columns from 1, columns in
 * bytes. */
struct accel_lang_where {
	size_t at, len;
	unsigned line, column;
};

/* Compile a pcap filter for Ethernet frames as a socket of these packets sees them. *out is
 * malloc'ed. 0 or -errno with a text that says what is wrong with the filter. */
typedef int accel_lang_pcap_fn(void *ctx, const char *text, struct sock_filter **out,
			       unsigned *n_out, struct accel_err *err);

struct accel_lang_options {
	enum accel_lang_hash hash;
	accel_lang_pcap_fn *compile_pcap; /* NULL: filter "text" is refused */
	void *pcap_ctx;
	struct accel_lang_where *where; /* set by a failure: its place, or the text's beginning if
					   it has none; may be NULL */
};

/* Compile text[0..len), called `name` in errors: "NAME:LINE:COLUMN: what (what would be right)".
 * `opt` may be NULL. *out is untouched on failure; free it with accel_lang_free().
 * 0; -EINVAL; -ERANGE of a number; -EILSEQ for bytes that are no text; -EFBIG of a text; -E2BIG of
 * a program over 4096 instructions, with its size; -ENOSPC: more scratch cells than a program has;
 * -EOPNOTSUPP: a function of PFQ that a stock kernel cannot do; -ENOMEM; of compile_pcap. */
int accel_lang_compile(const char *name, const char *text, size_t len,
		       const struct accel_lang_options *opt, struct accel_lang **out,
		       struct accel_err *err);
void accel_lang_free(struct accel_lang *lang); /* NULL is allowed */

/* The error in three lines: its text, the line of the source, a caret. Writes at most `size` bytes
 * with the NUL, returns what snprintf would. */
size_t accel_lang_explain_error(const char *text, size_t len, const struct accel_err *err,
				const struct accel_lang_where *where, char *out, size_t size);

/* Which building block a computation needs. */
enum accel_lang_block {
	ACCEL_LANG_COPY,   /* every member the same packets: one plain socket */
	ACCEL_LANG_STEER,  /* one member a packet: one socket in a fanout group */
	ACCEL_LANG_MIXED,  /* some to one, some to all: a fanout and a plain socket */
	ACCEL_LANG_DOUBLE, /* some to two members: two fanout groups, and a plain socket if some are
			      copied */
};

/* A socket that each member opens. */
struct accel_lang_part {
	bool fanout; /* in a fanout group of its own, else plain */
	/* The filter depends on the number of members: a packet for two members of which both are
	 * the same is taken once. All members attach it anew when their number changes. */
	bool counts_members;
};

enum accel_lang_block accel_lang_block(const struct accel_lang *lang);

/* Fill parts[], return how many there are: 1 to ACCEL_LANG_MAX_PARTS. */
unsigned accel_lang_parts(const struct accel_lang *lang,
			  struct accel_lang_part parts[ACCEL_LANG_MAX_PARTS]);

/* The filter of a part's socket (SOCK_RAW, data at the MAC header), for a member of class 0. Behind
 * it come the n_tail instructions of `tail`, which find A and X at 0: the member's own filter; with
 * n_tail 0 the packet is kept whole. Where there is nothing to test, the tail alone is copied, and
 * without one *out is NULL and *n_out 0: no filter is needed. n_members (at least 1) matters if the
 * part counts members. *out is malloc'ed. 0, -ENOMEM, -E2BIG (over 4096 with the tail; err says the
 * size). */
int accel_lang_filter(const struct accel_lang *lang, unsigned part, unsigned n_members,
		      const struct sock_filter *tail, unsigned n_tail, struct sock_filter **out,
		      unsigned *n_out, struct accel_err *err);

/* The program of a fanout part (PACKET_FANOUT_CBPF): the kernel takes its value modulo the members.
 * Reads through SKF_LL_OFF, so it is right in both directions. The lending lasts as long as the
 * lang; NULL for a plain part. */
const struct sock_filter *accel_lang_fanout(const struct accel_lang *lang, unsigned part,
					    unsigned *n_out);

enum accel_lang_outcome {
	ACCEL_LANG_TO_NOBODY,
	ACCEL_LANG_TO_ALL,
	ACCEL_LANG_TO_ONE,
	ACCEL_LANG_TO_TWO,
};

#define ACCEL_LANG_ALL_CLASSES (UINT64_MAX >> 1) /* 0 to 62: 63 is for control */

struct accel_lang_verdict {
	enum accel_lang_outcome outcome;
	uint64_t classes;	/* members of these classes may have it; 0 if outcome is nobody */
	uint32_t h, h2;		/* PFQ's steering values, h2 of two */
	uint32_t value, value2; /* what the fanout programs return: h and h2 mixed */
	bool spread;		/* value says nothing: any one member (steer_rrobin) */
};

/* Run the computation over a frame of len bytes that begins with its MAC header. The oracle of the
 * tests; of aux it reads the VLAN tag, pkttype and rxhash. */
void accel_lang_eval(const struct accel_lang *lang, const uint8_t *data, uint32_t len,
		     const struct accel_bpf_aux *aux, struct accel_lang_verdict *out);

enum accel_lang_form {
	ACCEL_LANG_TOKENS, /* a line each: place, kind, text */
	ACCEL_LANG_TREE,   /* the typed tree, a node a line */
	ACCEL_LANG_BLOCKS, /* block, outcomes, parts and their sizes */
	ACCEL_LANG_CODE,   /* the programs as tcpdump -d shows them; filters as of 2 members */
	ACCEL_LANG_NOTES,  /* a line for each function that does nothing here, with the reason */
	ACCEL_LANG_SYNTAX, /* the tree before names mean anything, an expression a line */
};

/* Print an intermediate form. Writes at most `size` bytes with the NUL, returns what snprintf
 * would. */
size_t accel_lang_dump(const struct accel_lang *lang, enum accel_lang_form form, char *out,
		       size_t size);

#endif
