/* SPDX-License-Identifier: BSD-3-Clause */
/* pcap-accel.h - what libpcap-accel has beyond libpcap. Everything else is <pcap/pcap.h>.
 *
 * A program that wants to run on any libpcap looks these up with dlsym(); none of them is needed to
 * capture. To link with the library take the flags of `pkg-config --libs libpcap-accel`: its soname
 * is libpcap's, so a plain -lpcap-accel would have the loader take the system's libpcap.
 *
 * Threads: as for libpcap, one thread a handle, but pcap_accel_stats() and pcap_accel_list_queues()
 * may be called from any thread and from a signal handler, and what is lent may be given back by
 * any thread. */
#ifndef PCAP_ACCEL_H
#define PCAP_ACCEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pcap;

/* The library's version, "0.1.0". Constant text. */
const char *pcap_accel_version(void);

/* Which engine serves the handle, on which devices, with which settings and where each of them came
 * from: text of several lines, the first of which is enough for a log. Writes at most `size` bytes
 * with the NUL. Returns the length of the whole text, as snprintf does. For a handle of the
 * system's libpcap the text is "libpcap: ..." and nothing of it is touched. */
int pcap_accel_explain(struct pcap *p, char *text, size_t size);

struct pcap_accel_stat {
	uint64_t size; /* in: sizeof(struct pcap_accel_stat); fields beyond it are not written */
	uint64_t
		received; /* packets that passed the filter, dropped ones included (ps_recv); before
			       the filter where the library runs it and not the kernel */
	uint64_t dropped; /* of these, lost because the ring was full (ps_drop) */
	uint64_t if_dropped;	/* lost by the interfaces since activation (ps_ifdrop) */
	uint64_t freezes;	/* times the ring was full and the kernel stopped filling it */
	uint64_t delivered;	/* packets handed to the program */
	uint64_t injected;	/* packets sent */
	uint64_t inject_failed; /* packets of a batch that the kernel refused */
};

/* 64-bit statistics since activation; they do not wrap. 0; PCAP_ERROR_NOT_ACTIVATED (-3);
 * PCAP_ERROR (-1) on a handle of the system's libpcap or for a size that is too small; neither has
 * a text, because a signal handler may ask. Async-signal-safe. */
int pcap_accel_stats(struct pcap *p, struct pcap_accel_stat *st);

/* One receive queue of a handle of the engine xdp. */
struct pcap_accel_queue {
	char device[16];
	uint32_t queue;	      /* as the driver counts: from 0 */
	uint32_t native;      /* 1: the XDP program runs in the driver */
	uint32_t zero_copy;   /* 1: the driver writes into the ring's frames itself */
	uint32_t n_frames;    /* packets that its ring holds */
	uint32_t n_waiting;   /* packets in it now */
	uint32_t n_tx_frames; /* frames to send that it holds; 0: nothing is sent through it */
	uint64_t delivered;   /* packets handed to the program */
	uint64_t no_frame;    /* lost: no frame was free, or the packet was too long for one */
	uint64_t ring_full;   /* lost: the program was too slow for its ring */
	uint64_t invalid;     /* frames to send that the kernel refused */
	uint64_t reserved[4]; /* 0 */
};

/* The queues of an activated handle, in the order of its devices; at most n are written. How many
 * there are, which does not change: 0 where the engine has one ring for all queues.
 * PCAP_ERROR_NOT_ACTIVATED (-3), PCAP_ERROR (-1) on a handle of the system's libpcap; neither has a
 * text. Async-signal-safe. */
int pcap_accel_list_queues(struct pcap *p, struct pcap_accel_queue *queues, size_t n);

/* ---- many packets a call ---- */

struct pcap_accel_record {
	uint64_t ts_ns;	 /* since 1970; whole microseconds unless the handle has nanoseconds */
	uint64_t offset; /* of the packet in `data` */
	uint32_t caplen; /* bytes there */
	uint32_t len;	 /* bytes on the wire */
};

struct pcap_accel_batch {
	uint64_t size;			   /* in: sizeof(struct pcap_accel_batch) */
	struct pcap_accel_record *records; /* in: the program's memory, filled here */
	uint64_t max_records;		   /* in: 1 .. INT_MAX; so many fit there */
	uint8_t *data;			   /* in: the program's memory, filled here */
	uint64_t max_data;  /* in: bytes there, at least pcap_snapshot(); a batch ends when less
			       than that is left */
	uint64_t n_records; /* out, also when the call fails */
	uint64_t data_len;  /* out: bytes used */
};

/* Copy the packets that are there, as many as fit. On a blocking handle it waits for the first as
 * pcap_dispatch() does. How many; 0: the timeout is over, nothing is there in non-blocking mode, or
 * the savefile has ended; PCAP_ERROR_BREAK (-2), PCAP_ERROR_NOT_ACTIVATED (-3), PCAP_ERROR (-1).
 * What was read before a failure is in the batch all the same. Works on any handle. */
int pcap_accel_read_batch(struct pcap *p, struct pcap_accel_batch *batch);

struct pcap_accel_loan; /* a block of a ring that is the program's for as long as it likes */

struct pcap_accel_borrowed {
	uint64_t size;			   /* in: sizeof(struct pcap_accel_borrowed) */
	struct pcap_accel_record *records; /* in: the program's memory, filled here */
	uint64_t max_records;		   /* in: 1 .. INT_MAX; so many fit there */
	uint8_t *memory;		   /* in: the program's, for what cannot be lent */
	uint64_t memory_len;		   /* in: bytes there, at least pcap_snapshot() */
	uint64_t n_records;		   /* out, also when the call fails */
	const uint8_t *data; /* out: the packets are at their offsets from here; not to be written
				to; between them lies what is nobody's */
	uint64_t data_len;   /* out: bytes there */
	struct pcap_accel_loan *loan; /* out: to be given back; NULL: `data` is `memory` */
};

/* pcap_accel_read_batch() without the copy where the packets lie in a ring, those of one block at
 * most. What is lent stays where and as it is until it is given back, whatever the ring does and
 * after pcap_close(): holding it never stops the capture, but costs the copy. Short blocks, and
 * what does not come from a ring of ours, are copied to `memory`. Returns as
 * pcap_accel_read_batch(). */
int pcap_accel_borrow_batch(struct pcap *p, struct pcap_accel_borrowed *batch);

/* Done with it: once for each batch that has a loan. NULL is allowed. Any thread. */
void pcap_accel_give_back_batch(struct pcap_accel_loan *loan);

/* Part it from the ring by the copy, now. 0; PCAP_ERROR (-1): no memory. Before fork(), for a child
 * that shall read it: else it may change there once this process has given it back. NULL is
 * allowed. Any thread. */
int pcap_accel_keep_batch(struct pcap_accel_loan *loan);

/* Size of a structure ("struct pcap_accel_batch") or offset of a member in it ("struct
 * pcap_accel_batch.data"), of those here and of libpcap's: for callers who do not compile this
 * header. -1: unknown. */
int pcap_accel_get_layout(const char *name);

/* ---- groups of the engine pfq: those of this user in this network namespace ----
 *
 * Each call with an errbuf (PCAP_ERRBUF_SIZE bytes) returns PCAP_ERROR (-1) on failure and leaves a
 * sentence there; what it would have filled is then untouched. Needs no privilege. Any thread. */

struct pcap_accel_group {
	uint64_t size;	     /* in: sizeof(struct pcap_accel_group) */
	uint32_t number;     /* 0 .. 65535 */
	uint32_t n_members;  /* that live */
	uint32_t persistent; /* 1: outlives its members */
	uint32_t generation; /* grows by one with each change of what the members have agreed on */
	char *devices;	     /* "eth0:eth1"; "" = nobody has named one yet */
	char *computation;   /* as it was written; "" = every member gets everything */
	char *vlans;	     /* "10+20"; "" = all */
	const char *block;   /* "copy", "steer", "mixed" or "double"; constant text */
};

struct pcap_accel_member {
	int32_t pid;	   /* as its own process sees it: in another pid namespace it has another */
	uint32_t slot;	   /* its place in the group; no other living member has it */
	uint64_t since_ns; /* when it joined, of CLOCK_REALTIME */
	char program[16];  /* /proc/PID/comm when it joined */
	char device[104];  /* as the program wrote it, cut */
	uint64_t reserved[4];
};

struct pcap_accel_group_change {
	uint64_t size;		 /* in: sizeof(struct pcap_accel_group_change) */
	const char *devices;	 /* NULL = as they are; "eth0:eth1" replaces them; "" = none */
	const char *computation; /* NULL = as it is; "" = none */
	const char *vlans;	 /* NULL = as they are; "10+20" replaces them; "" = all */
	int32_t persistent;	 /* -1 = as it is; 0, 1 */
	int32_t reserved;	 /* 0 */
};

/* Numbers of the groups that have a living member or are persistent, ascending; at most n are
 * written. How many there are. */
int pcap_accel_list_groups(uint16_t *numbers, size_t n, char *errbuf);

/* 0; pcap_accel_free_group() frees the texts. It is an error if there is no such group. */
int pcap_accel_get_group(unsigned number, struct pcap_accel_group *group, char *errbuf);
void pcap_accel_free_group(struct pcap_accel_group *group);

/* The living members, by slot; at most n are written. How many there are: 0 also of no group. */
int pcap_accel_list_members(unsigned number, struct pcap_accel_member *members, size_t n,
			    char *errbuf);

/* Change a group, or define one that outlives its members (persistent = 1). Everything is checked
 * before anything changes: the computation is compiled, the devices must be there unless the group
 * is persistent. All members follow, at the latest when they read next. 0. */
int pcap_accel_set_group(unsigned number, const struct pcap_accel_group_change *change,
			 char *errbuf);

/* Forget a persistent group. It is an error if it has members. 0. */
int pcap_accel_delete_group(unsigned number, char *errbuf);

/* A descriptor (CLOEXEC, non-blocking) that is readable after any group was made, changed, joined,
 * left or deleted. read(2) it empty; what it gives means nothing. close(2) it. */
int pcap_accel_watch_groups(char *errbuf);

/* ---- computations: PFQ/lang without a capture ----
 *
 * No privilege, no packet, no group. A compiled one is constant: any number of threads may use
 * it. */

struct pcap_accel_computation;
struct bpf_insn;

/* Compile. 0 with *out, which pcap_accel_free_computation() frees; or PCAP_ERROR (-1) with *out
 * untouched and, if `report` is not NULL, some lines there, cut to report_size bytes with the NUL:
 * a sentence with LINE:COLUMN, the line of the text, a caret. */
int pcap_accel_compile_computation(const char *text, struct pcap_accel_computation **out,
				   char *report, size_t report_size);
void pcap_accel_free_computation(struct pcap_accel_computation *c); /* NULL is allowed */

enum pcap_accel_form {
	PCAP_ACCEL_FORM_TOKENS, /* a line each: place, kind, text */
	PCAP_ACCEL_FORM_TREE,	/* the typed tree, a node a line */
	PCAP_ACCEL_FORM_BLOCKS, /* building block, outcomes, sockets and their programs' sizes */
	PCAP_ACCEL_FORM_CODE,	/* the programs as tcpdump -d shows them; filters as of 2 members */
	PCAP_ACCEL_FORM_NOTES, /* a line for each function that does nothing here, with the reason */
	PCAP_ACCEL_FORM_SYNTAX, /* the tree before names mean anything, an expression a line */
};

/* Print an intermediate form, as snprintf(): the length of the whole text. PCAP_ERROR (-1) for a
 * form that there is not. */
int pcap_accel_dump_computation(const struct pcap_accel_computation *c, enum pcap_accel_form form,
				char *text, size_t size);

/* The program `which` (0: filter, 1: fanout) of a member's socket `part` (0 .. 2), for n_members.
 * At most n instructions are written. How many it has, 0 if there is none; or PCAP_ERROR (-1): no
 * members, another `which`, no memory, too long for the kernel. */
int pcap_accel_get_program(const struct pcap_accel_computation *c, unsigned part, int which,
			   unsigned n_members, struct bpf_insn *insns, size_t n);

struct pcap_accel_verdict {
	uint64_t size;	  /* in: sizeof(struct pcap_accel_verdict) */
	uint32_t outcome; /* 0: nobody gets it; 1: all; 2: one; 3: two */
	uint32_t member;  /* of one and two: index among the n_members */
	uint32_t member2; /* of two; the same as `member` if it is one who gets it once */
	uint32_t value;	  /* of one and two: what the fanout program returns */
	uint32_t value2;
	uint32_t any_one; /* 1: of one, but which is the kernel's choice (steer_rrobin) */
	uint64_t classes; /* bit i: members of class i may have it; captures are of class 0 */
};

/* What becomes of a received Ethernet frame of caplen bytes in a group of n_members: what the
 * kernel would do, said by an interpreter. 0, or PCAP_ERROR (-1): no members, size too small. */
int pcap_accel_run_computation(const struct pcap_accel_computation *c, const void *frame,
			       size_t caplen, unsigned n_members,
			       struct pcap_accel_verdict *verdict);

/* ---- the program of the engine xdp, without a capture ----
 *
 * No privilege, no device, no packet. */

struct pcap_accel_xdp {
	uint64_t size;		 /* in: sizeof(struct pcap_accel_xdp) */
	const char *filter;	 /* in: as for pcap_compile(); NULL, "": every packet */
	const char *computation; /* in: predicates of PFQ/lang before it; NULL, "": none */
	uint32_t snaplen;	 /* in: bytes; 0: 262144 */
	uint32_t drops_rest;	 /* in: 1: rest=drop */
	uint32_t taps;		 /* in: 1: tap=yes */
	uint32_t keeps;		 /* in: 1: the keep rules of divert=force; a tap has none */
	struct bpf_insn *insns;	 /* in: the program's memory for what becomes of filter and
				    computation in classic BPF, or NULL */
	uint64_t max_insns;	 /* in: so many fit there */
	uint32_t n_insns;	 /* out: how many it has; 0: every packet */
	uint32_t n_keep;	 /* out: classic instructions of the keep rules */
	uint64_t n_extended;	 /* out: instructions of the XDP program, which is eBPF */
};

/* Print the XDP program that a capture would load, a line an instruction, under the classic
 * instructions that they were made from, as snprintf(): at most `size` bytes with the NUL; the
 * length of the whole text. Or PCAP_ERROR (-1): a mistake, or what cannot be done in XDP; then
 * nothing else is written and, if `report` is not NULL, some lines are there, cut to report_size
 * bytes with the NUL: a sentence and, of a computation, its place. Any thread. */
int pcap_accel_dump_xdp(struct pcap_accel_xdp *what, char *text, size_t size, char *report,
			size_t report_size);

/* ---- options, configuration files and device strings, for tools ----
 *
 * What a capture would say of them, without one. errbuf is PCAP_ERRBUF_SIZE (256) bytes. */

/* Texts and lists are constant; a list ends in NULL, or is NULL. */
struct pcap_accel_option {
	uint64_t size;	  /* in: sizeof(struct pcap_accel_option) */
	const char *key;  /* "buffer": on a device and in a file */
	const char *type; /* bool, number, size, time, word, words, numbers, text */
	const char *def;  /* default, as it would be written */
	const char *help; /* one line */
	uint64_t min;	  /* numbers; sizes in bytes; times in ns */
	uint64_t max;
	uint32_t engines;	    /* 1: afpacket, 2: pfq, 4: xdp, or-ed */
	uint32_t may_be_none;	    /* 1: -1 is right too */
	const char *const *aliases; /* other keys that mean the same */
	const char *const *env;	    /* variables, the first that is set counts */
	const char *const *words;   /* of word and words: what may be there */
};

/* The options, counted from 0. 0, or PCAP_ERROR (-1): no more, or size too small. */
int pcap_accel_get_option(unsigned index, struct pcap_accel_option *option);

/* Is `value` right for the option `key` of an engine ("afpacket", "pfq", "xdp")? 0, or PCAP_ERROR
 * (-1) with "ENGINE: KEY: what (what would be right)". */
int pcap_accel_check_option(const char *engine, const char *key, const char *value, char *errbuf);

/* Is it a device string of ours, with right options? 0, or PCAP_ERROR (-1) with a text. Whether the
 * interfaces are there is not asked. */
int pcap_accel_check_device(const char *device, char *errbuf);

struct pcap_accel_conf {
	const char *path; /* opens each error */
	const char *text; /* len bytes of key = value lines */
	size_t len;
	const char *engine; /* of the device that names the file; NULL: the ambient file */
};

struct pcap_accel_setting {
	const char *key; /* as the option table spells it; "map.IF", "default"; or, with a mistake,
			    as it was written, "" if there is none */
	const char *value;   /* without quotes and continued lines */
	const char *mistake; /* NULL, or "PATH:LINE:COLUMN: what (what would be right)" */
	uint32_t line;	     /* of the key, from 1 */
	uint32_t column;     /* in bytes */
	uint32_t value_line; /* 0 if there is no value */
	uint32_t value_column;
};

/* Everything in a file's text, in order, the mistakes too. How many, with *settings for
 * pcap_accel_free_settings(); or PCAP_ERROR (-1) with a text: too large, no memory, unknown
 * engine. */
int pcap_accel_read_settings(const struct pcap_accel_conf *conf,
			     struct pcap_accel_setting **settings, char *errbuf);
void pcap_accel_free_settings(struct pcap_accel_setting *settings, int n);

#ifdef __cplusplus
}
#endif

#endif
