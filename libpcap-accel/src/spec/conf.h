/* SPDX-License-Identifier: BSD-3-Clause */
/* conf.h - key = value files: PFQ's own format, for the ambient file and for "pfq/FILE:eth0".
 *
 *     line    := [ key "=" value ] [ "#" comment ]
 *     value   := text without leading and trailing blanks | '"' text with \" \\ '"'
 *     map.IF  := a device string            alias map, ambient file only
 *     default := engine                     accelerate every Ethernet interface, ambient file only
 *
 * A backslash at the end of a line goes on with the next: it and the blanks around it become one
 * blank. Not inside quotes. A '#' begins a comment only at the start of a line or after a blank.
 * Keys are those of the option table and their aliases, any case. Lines end in LF or CR LF; a byte
 * order mark at the start is skipped. Takes the text, not a path: reading files is kern/file.h's
 * job. Pure.
 * Threads: none of its own. */
#ifndef ACCEL_CONF_H
#define ACCEL_CONF_H

#include "spec/option.h"

#define ACCEL_CONF_MAX_LEN (64 * 1024) /* bytes; more is refused */

struct accel_alias {
	char *iface;  /* what the program asks for: "eth0" */
	char *target; /* what it gets: "afpacket:eth0" */
	struct accel_alias *next;
};

/* Alias map and default engine: of the ambient file, of PCAP_ACCEL_MAP and PCAP_ACCEL_DEFAULT. */
struct accel_aliases {
	struct accel_alias *first;	  /* in order of appearance; the first match wins */
	enum accel_engine engine_for_all; /* 0 = none; the first that is named wins */
};

/* Parse `len` bytes of `text` and put each option into *s as `from`. `path` opens each error:
 * "PATH:LINE:COLUMN: what (what would be right)"; columns count bytes from 1. Keys that a
 * misspelling explains are named with their suggestion. Binary content (NUL, invalid UTF-8) is
 * refused. Options that `engine` does not know are checked but skipped if `from` is
 * ACCEL_FROM_AMBIENT (that file serves all engines) and refused otherwise. map.* and default are
 * added to *aliases, behind what is there; `aliases` may be NULL: then they are refused. A key
 * twice is an error.
 * 0; -EINVAL; -ERANGE, -E2BIG of a value; -EFBIG; -EILSEQ for binary content; -ENAMETOOLONG of a
 * device or interface; -ENOMEM. On failure *s and *aliases are as before the call. */
int accel_conf_parse(const char *path, const char *text, size_t len, enum accel_source from,
		     enum accel_engine engine, struct accel_settings *s,
		     struct accel_aliases *aliases, struct accel_err *err);

/* One line of a file as it was understood. All texts live until the visitor returns. */
struct accel_conf_setting {
	const char *key; /* of the option table; or "map.IF", "default"; or, of a mistake, as it was
			  * written, "" if there is none */
	const char *value;
	unsigned line, column, value_line,
		value_column; /* from 1; of the value 0 if there is none */
	const char *mistake;  /* the text that accel_conf_parse() would fail with, or NULL */
};

/* 0 to go on; another value ends the visit, which returns it. */
typedef int accel_conf_visitor(void *ctx, const struct accel_conf_setting *setting);

/* A file as accel_conf_parse() gets it. */
struct accel_conf_text {
	const char *path;
	const char *text;
	size_t len;
	enum accel_source from;
	enum accel_engine engine; /* of an ambient file 0: it is judged for all */
};

/* Show `visit` every setting and every mistake of a text, in their order: what accel_conf_parse()
 * would take, and all of the reasons why it would not. 0; of the visitor; -EFBIG, -ENOMEM with a
 * text. */
int accel_conf_visit(const struct accel_conf_text *file, accel_conf_visitor *visit, void *ctx,
		     struct accel_err *err);

/* "eth0=pfq:eth0,eth1=xdp:eth1" (PCAP_ACCEL_MAP) appended to *a. A comma may stand in a target's
 * options, "eth0=afpacket:eth0?fanout=hash,group=7": an item that is not IFACE=ENGINE... goes on
 * with the one before if that has a '?'. Targets are parsed and their options checked. An empty map
 * is none. `where` opens the error. 0, or an error as accel_conf_parse with *a untouched. */
int accel_aliases_put(struct accel_aliases *a, const char *map, const char *where,
		      struct accel_err *err);
const char *accel_aliases_find(const struct accel_aliases *a, const char *iface); /* or NULL */
void accel_aliases_fini(struct accel_aliases *a);

#endif
