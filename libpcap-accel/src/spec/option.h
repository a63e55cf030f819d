/* SPDX-License-Identifier: BSD-3-Clause */
/* option.h - THE option table, and the values that were chosen from it.
 *
 * One row an option: what it is called on a device, in a file and in the environment, its type and
 * range, its default, which engines know it. Everything that speaks of options (parsers, errors,
 * man pages, conf/) reads this table or is tested against it.
 *
 * Pure: no system call; the environment reaches it through a callback.
 * Threads: the table is constant; an accel_settings belongs to its caller. */
#ifndef ACCEL_OPTION_H
#define ACCEL_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct accel_err;

enum accel_engine {
	ACCEL_AFPACKET = 1 << 0,
	ACCEL_PFQ = 1 << 1,
	ACCEL_XDP = 1 << 2,
	ACCEL_ALL_ENGINES = 7,
};

enum accel_opt {
	/* ring */
	ACCEL_OPT_BUFFER,  /* size: the ring of the whole handle, bytes */
	ACCEL_OPT_BLOCK,   /* size: one ring block, bytes, power of two >= page size */
	ACCEL_OPT_TIMEOUT, /* time: a block is handed over at the latest after this, ns; 0 = the
				 * program's choice */
	ACCEL_OPT_CAPLEN,  /* number: bytes a packet; 0 = the program's snaplen */
	/* what is captured */
	ACCEL_OPT_PROMISC,   /* bool: overrides the program's choice */
	ACCEL_OPT_IMMEDIATE, /* bool: overrides the program's choice */
	ACCEL_OPT_DIRECTION, /* word: in, out, inout */
	ACCEL_OPT_VLAN,	     /* numbers 0..4095: keep these VLAN ids, 0 = frames without a tag */
	/* groups */
	ACCEL_OPT_GROUP,  /* number 0..65535: fanout group, PFQ group */
	ACCEL_OPT_FANOUT, /* word: hash lb cpu rollover rnd qm cbpf ebpf = PACKET_FANOUT_* 0..7 */
	ACCEL_OPT_FANOUT_FLAGS,	  /* words: enum accel_fanout_flag, or-ed */
	ACCEL_OPT_FANOUT_PROGRAM, /* path: tcpdump -ddd text (cbpf), or a pinned program (ebpf) */
	ACCEL_OPT_MAX_MEMBERS,	  /* number 1..65536 */
	ACCEL_OPT_WAIT,		  /* time: for a PFQ group's first device, ns; 0 = not at all */
	ACCEL_OPT_GROUP_FILTER,	  /* bool: the program's filter is the PFQ group's */
	/* transmit */
	ACCEL_OPT_TX_BATCH,	/* number 1..1024: packets handed to the kernel together */
	ACCEL_OPT_QDISC_BYPASS, /* bool */
	/* names that PFQ's users have in their scripts */
	ACCEL_OPT_COMPUTATION, /* text: PFQ/lang */
	ACCEL_OPT_RX_SLOTS,    /* number: packets the receive queue holds */
	ACCEL_OPT_TX_SLOTS,    /* number */
	ACCEL_OPT_TX_QUEUE,    /* number, or ACCEL_NONE */
	ACCEL_OPT_TX_NODE,     /* number, or ACCEL_NONE */
	/* AF_XDP */
	ACCEL_OPT_DIVERT,     /* word: auto force */
	ACCEL_OPT_REST,	      /* word: pass drop */
	ACCEL_OPT_ATTACH,     /* word: auto native generic */
	ACCEL_OPT_ZC,	      /* word: auto require no = enum accel_xsk_zc */
	ACCEL_OPT_FALLBACK,   /* word: no afpacket */
	ACCEL_OPT_FRAME_SIZE, /* size: 2 or 4 KiB; if not given, the MTU decides */
	ACCEL_OPT_TAP,	      /* bool */
	ACCEL_OPT_QUEUE,   /* number, or ACCEL_NONE: for interfaces without queues of their own */
	ACCEL_OPT_RX_RING, /* numbers, powers of two; if not given, the frames decide */
	ACCEL_OPT_FILL_RING,
	ACCEL_OPT_COMP_RING,
	ACCEL_OPT_BATCH,	/* number: frames */
	ACCEL_OPT_BUSY_POLL,	/* time; 0 = not at all */
	ACCEL_OPT_BUSY_BUDGET,	/* number: packets */
	ACCEL_OPT_NEED_WAKEUP,	/* bool */
	ACCEL_OPT_HUGE_PAGES,	/* bool */
	ACCEL_OPT_MEMORY_LIMIT, /* size; 0 = none */
	ACCEL_N_OPTS,
};

enum accel_fanout_flag {
	ACCEL_FANOUT_DEFRAG = 1 << 0,
	ACCEL_FANOUT_ROLLOVER = 1 << 1,
	ACCEL_FANOUT_IGNORE_OUTGOING = 1 << 2,
	ACCEL_FANOUT_UNIQUE = 1 << 3,
};

enum accel_opt_type {
	ACCEL_TYPE_BOOL,   /* yes no true false on off 1 0 */
	ACCEL_TYPE_NUMBER, /* decimal or 0x hexadecimal */
	ACCEL_TYPE_SIZE,   /* a number with KiB MiB GiB (or K M G), bytes without */
	ACCEL_TYPE_TIME,   /* a number with us ms s; no unit is an error, but for 0 */
	ACCEL_TYPE_WORD,   /* one of `words` */
	ACCEL_TYPE_WORDS, /* some of `words`, joined by '+' or ',' (on a device: by '+'), or none */
	ACCEL_TYPE_NUMBERS, /* numbers, joined likewise, or none; max is at most 65535 */
	ACCEL_TYPE_TEXT,    /* anything, or nothing */
};

/* What a value must be beside its type and range. */
enum accel_opt_rule {
	ACCEL_RULE_POWER_OF_2 = 1 << 0,
	ACCEL_RULE_WHOLE_MS = 1 << 1, /* above 1 ms; below it, microseconds count */
	ACCEL_RULE_OR_NONE = 1 << 2,  /* "-1" is right too, and means ACCEL_NONE */
};

#define ACCEL_NONE	  UINT64_MAX
#define ACCEL_MAX_NUMBERS 64 /* in a value of ACCEL_TYPE_NUMBERS */

struct accel_opt_row {
	enum accel_opt id;
	const char *key;	    /* on a device and in a file: "buffer" */
	const char *const *aliases; /* other keys that mean the same, NULL-terminated, or NULL */
	const char *const *env;	    /* variables, the first that is set counts: "PCAP_ACCEL_BUFFER",
				     * NULL-terminated. Those of PFQ count for its engine alone. */
	enum accel_opt_type type;
	unsigned rules;		  /* enum accel_opt_rule, or-ed */
	unsigned engines;	  /* enum accel_engine, or-ed */
	uint64_t min, max;	  /* numbers, sizes in bytes, times in ns */
	const char *const *words; /* for WORD: value = index; for WORDS: value = bits */
	const char *def;	  /* default, as it would be written */
	const char *help;	  /* one line, ends without a full stop */
};

extern const struct accel_opt_row accel_opt_table[ACCEL_N_OPTS]; /* indexed by enum accel_opt */

/* Where a value came from, weakest first. */
enum accel_source {
	ACCEL_FROM_DEFAULT,
	ACCEL_FROM_CALL,    /* where a pcap_set_*() call ranks; core/ weighs it, none is stored */
	ACCEL_FROM_AMBIENT, /* PCAP_ACCEL_CONF or /etc/pcap-accel.conf */
	ACCEL_FROM_ENV,
	ACCEL_FROM_FILE,   /* the file named on the device */
	ACCEL_FROM_DEVICE, /* ?key=value */
};

struct accel_value {
	enum accel_source from;
	uint64_t num; /* bool 0/1, number, bytes, ns, word index, or-ed word bits, length of list */
	uint16_t *list; /* the numbers of ACCEL_TYPE_NUMBERS, owned; NULL if there are none */
	char *text;	/* as written, owned; NULL while it is the default */
};

struct accel_settings {
	struct accel_value v[ACCEL_N_OPTS];
};

/* All defaults. Does not allocate. */
void accel_settings_init(struct accel_settings *s);
void accel_settings_fini(struct accel_settings *s);

/* Row by key or alias, any case, or NULL. The key need not be NUL-terminated. */
const struct accel_opt_row *accel_opt_find(const char *key, size_t key_len);

/* The known key or alias nearest to `key` by edit distance (accel_word_distance), or NULL. Of
 * equally near ones the first of the table, keys before aliases. */
const char *accel_opt_suggest(const char *key, size_t key_len);

/* Write "WHERE: unknown option 'KEY' (did you mean 'X'?)", or else the keys that `engines` know.
 * Returns -EINVAL. */
int accel_opt_fail_unknown(const char *key, size_t key_len, unsigned engines, const char *where,
			   struct accel_err *err);

/* Does one of `engines` know the option? 0, or -EINVAL with a text that names those that do. */
int accel_opt_check_engine(const struct accel_opt_row *row, unsigned engines, const char *where,
			   struct accel_err *err);

/* Is `text` right for the option? Errors as accel_settings_put, without storing anything. */
int accel_opt_check_text(const struct accel_opt_row *row, const char *text, const char *where,
			 struct accel_err *err);

/* Check `text` against the row's type and range and store it, unless a stronger source has stored
 * one already (then 0 and nothing changes, but the text is checked all the same). `where` opens the
 * error: "afpacket:eth0?group=x: column 21" or "/etc/pcap-accel.conf:3:10".
 * 0, -EINVAL or -ERANGE with a text that names the value and what would be right, -E2BIG for a list
 * of more than ACCEL_MAX_NUMBERS, or -ENOMEM. Of two equally strong values the later one stays.
 * On failure *s is untouched. */
int accel_settings_put(struct accel_settings *s, const struct accel_opt_row *row,
		       enum accel_source from, const char *text, const char *where,
		       struct accel_err *err);

/* Move every value that was put into *staged to *s, where nothing stronger is, and fini *staged.
 * This is how several values are put together or not at all. Cannot fail. */
void accel_settings_merge(struct accel_settings *s, struct accel_settings *staged);

/* Put every option of `engine` that the environment names, as ACCEL_FROM_ENV. get_env is
 * secure_getenv outside tests. An empty variable counts as unset. PCAP_ACCEL_* counts for every
 * engine, PFQ's own names (PFQ_GROUP, PCAP_GROUP, ...) for ACCEL_PFQ alone: what was set for
 * another program's sake neither changes nor fails an afpacket: device. Errors as
 * accel_settings_put, with the variable's name as `where`. */
int accel_settings_put_env(struct accel_settings *s, enum accel_engine engine,
			   const char *(*get_env)(const char *name), struct accel_err *err);

/* A variable of `environ` that begins with PCAP_ACCEL_ or PFQ_ but is none of ours: *name points at
 * it (up to '='), *meant at the nearest known name, or NULL if none is near. Returns false when
 * there is none. Call again with *iter to go on; *iter starts at 0. */
bool accel_env_misspelt(char *const *env, size_t *iter, const char **name, const char **meant);

#endif
