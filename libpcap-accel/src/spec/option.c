/* SPDX-License-Identifier: BSD-3-Clause */
/* option.c - the option table, and finding a row in it. Values are settings.c's.
 *
 * Which engines know an option: afpacket all but what speaks of PFQ's language and transmit
 * threads. pfq, which runs on the same sockets, all but the fanout's own knobs, because the
 * computation decides who gets a packet. xdp what a UMEM and its four rings have a use for, and
 * groups, whose members own queues. The transmit queue and node of PFQ name threads that a stock
 * kernel does not have: they are read, so that old files and scripts go on working.
 *
 * Aliases and variables are what PFQ's releases called the option from 2012 to 2017, the latest
 * first. Their file key "fanout" meant the computation; it means the fanout here, as in libdaq.
 *
 * Threads: constant data only. */
#include "spec/option.h"

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "spec/device.h"

#include <errno.h>
#include <string.h>

#define KIB (1ull << 10)
#define MIB (1ull << 20)
#define GIB (1ull << 30)

#define AF  ACCEL_AFPACKET
#define PFQ ACCEL_PFQ
#define XDP ACCEL_XDP
#define ALL ACCEL_ALL_ENGINES

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* clang-format off */
const struct accel_opt_row accel_opt_table[ACCEL_N_OPTS] = {
	[ACCEL_OPT_BUFFER] = {
		.id = ACCEL_OPT_BUFFER,
		.key = "buffer", .aliases = NAMES("umem_size"), .env = NAMES("PCAP_ACCEL_BUFFER"),
		/* The kernel keeps a pointer a block in at most 4 MiB (KMALLOC_MAX_SIZE): 524288
		 * blocks, 512 GiB of the default block. Seen on 6.18: 524288 work, 524289 are
		 * ENOMEM, and one ring may exceed 4 GiB. */
		.type = ACCEL_TYPE_SIZE, .engines = ALL, .min = 4 * KIB, .max = 512 * GIB,
		.def = "64MiB", .help = "Ring memory of the whole handle" },
	[ACCEL_OPT_BLOCK] = {
		.id = ACCEL_OPT_BLOCK,
		.key = "block", .env = NAMES("PCAP_ACCEL_BLOCK"),
		.type = ACCEL_TYPE_SIZE, .rules = ACCEL_RULE_POWER_OF_2, .engines = AF | PFQ,
		.min = 4 * KIB, .max = 16 * MIB,
		.def = "1MiB", .help = "One block of the ring: what the kernel hands over at a time" },
	[ACCEL_OPT_TIMEOUT] = {
		.id = ACCEL_OPT_TIMEOUT,
		.key = "timeout", .env = NAMES("PCAP_ACCEL_TIMEOUT"),
		.type = ACCEL_TYPE_TIME, .rules = ACCEL_RULE_WHOLE_MS, .engines = ALL,
		.min = 0, .max = 10 * ACCEL_NS_PER_S,
		.def = "0", .help = "Longest wait of a packet in the ring; 0: the program's own timeout" },
	[ACCEL_OPT_CAPLEN] = {
		.id = ACCEL_OPT_CAPLEN,
		.key = "caplen", .aliases = NAMES("snaplen"),
		.env = NAMES("PCAP_ACCEL_CAPLEN", "PFQ_CAPLEN", "PCAP_CAPLEN"),
		.type = ACCEL_TYPE_NUMBER, .engines = ALL, .min = 0, .max = 262144,
		.def = "0", .help = "Bytes kept of each packet; 0: the program's own snaplen" },
	[ACCEL_OPT_PROMISC] = {
		.id = ACCEL_OPT_PROMISC,
		.key = "promisc", .env = NAMES("PCAP_ACCEL_PROMISC"),
		.type = ACCEL_TYPE_BOOL, .engines = ALL, .min = 0, .max = 1,
		.def = "no", .help = "Promiscuous mode; if not given: the program's choice" },
	[ACCEL_OPT_IMMEDIATE] = {
		.id = ACCEL_OPT_IMMEDIATE,
		.key = "immediate", .env = NAMES("PCAP_ACCEL_IMMEDIATE"),
		.type = ACCEL_TYPE_BOOL, .engines = ALL, .min = 0, .max = 1,
		.def = "no", .help = "Deliver each packet at once; if not given: the program's choice" },
	[ACCEL_OPT_DIRECTION] = {
		.id = ACCEL_OPT_DIRECTION,
		.key = "direction", .env = NAMES("PCAP_ACCEL_DIRECTION"),
		.type = ACCEL_TYPE_WORD, .engines = ALL, .words = NAMES("in", "out", "inout"),
		.def = "inout", .help = "Received packets, sent packets, or both; if not given: the program's choice" },
	[ACCEL_OPT_VLAN] = {
		.id = ACCEL_OPT_VLAN,
		.key = "vlan", .aliases = NAMES("pfq_vlan"),
		.env = NAMES("PCAP_ACCEL_VLAN", "PFQ_VLAN"),
		.type = ACCEL_TYPE_NUMBERS, .engines = ALL, .min = 0, .max = 4095,
		.def = "", .help = "Keep these VLAN ids only; 0: frames without a tag" },
	[ACCEL_OPT_GROUP] = {
		.id = ACCEL_OPT_GROUP,
		.key = "group", .aliases = NAMES("def_group"),
		.env = NAMES("PCAP_ACCEL_GROUP", "PFQ_DEF_GROUP", "PFQ_GROUP", "PCAP_DEF_GROUP", "PCAP_GROUP"),
		.type = ACCEL_TYPE_NUMBER, .engines = ALL, .min = 0, .max = 65535,
		.def = "0", .help = "Share the packets with the other members of this group; if not given: no group" },
	[ACCEL_OPT_FANOUT] = {
		.id = ACCEL_OPT_FANOUT,
		.key = "fanout", .aliases = NAMES("fanout_type"),
		.env = NAMES("PCAP_ACCEL_FANOUT"),
		.type = ACCEL_TYPE_WORD, .engines = AF,
		.words = NAMES("hash", "lb", "cpu", "rollover", "rnd", "qm", "cbpf", "ebpf"),
		.def = "hash", .help = "How a group divides the packets" },
	[ACCEL_OPT_FANOUT_FLAGS] = {
		.id = ACCEL_OPT_FANOUT_FLAGS,
		.key = "fanout_flags", .aliases = NAMES("fanout_flag"),
		.env = NAMES("PCAP_ACCEL_FANOUT_FLAGS"),
		.type = ACCEL_TYPE_WORDS, .engines = AF,
		.words = NAMES("defrag", "rollover", "ignore_outgoing", "unique"),
		.def = "", .help = "Reassemble fragments first, go to the next member when one is full, leave out sent packets, take a free group number" },
	[ACCEL_OPT_FANOUT_PROGRAM] = {
		.id = ACCEL_OPT_FANOUT_PROGRAM,
		.key = "fanout_program", .env = NAMES("PCAP_ACCEL_FANOUT_PROGRAM"),
		.type = ACCEL_TYPE_TEXT, .engines = AF,
		.def = "", .help = "Path of the program of fanout cbpf (text of tcpdump -ddd) or ebpf (pinned)" },
	[ACCEL_OPT_MAX_MEMBERS] = {
		.id = ACCEL_OPT_MAX_MEMBERS,
		.key = "max_members", .env = NAMES("PCAP_ACCEL_MAX_MEMBERS"),
		.type = ACCEL_TYPE_NUMBER, .engines = AF | PFQ, .min = 1, .max = 65536,
		.def = "256", .help = "Most members that the group may have" },
	[ACCEL_OPT_WAIT] = {
		.id = ACCEL_OPT_WAIT,
		.key = "wait", .env = NAMES("PCAP_ACCEL_WAIT"),
		.type = ACCEL_TYPE_TIME, .engines = PFQ, .min = 0, .max = 86400 * ACCEL_NS_PER_S,
		.def = "0", .help = "How long to wait for a group that has no device yet; 0: go on without" },
	[ACCEL_OPT_GROUP_FILTER] = {
		.id = ACCEL_OPT_GROUP_FILTER,
		.key = "group_filter", .env = NAMES("PCAP_ACCEL_GROUP_FILTER"),
		.type = ACCEL_TYPE_BOOL, .engines = PFQ, .min = 0, .max = 1,
		.def = "no", .help = "The program's filter is the group's: every member's, beside its own" },
	[ACCEL_OPT_TX_BATCH] = {
		.id = ACCEL_OPT_TX_BATCH,
		.key = "tx_batch",
		.aliases = NAMES("tx_sync", "tx_flush_hint", "tx_fhint", "tx_flush", "pfq_tx_sync"),
		.env = NAMES("PCAP_ACCEL_TX_BATCH", "PFQ_TX_SYNC", "PFQ_TX_FLUSH_HINT", "PFQ_TX_FHINT", "PFQ_TX_FLUSH", "PFQ_TX_BATCH"),
		.type = ACCEL_TYPE_NUMBER, .engines = AF | PFQ, .min = 1, .max = 1024,
		.def = "1", .help = "Packets handed to the kernel together" },
	[ACCEL_OPT_QDISC_BYPASS] = {
		.id = ACCEL_OPT_QDISC_BYPASS,
		.key = "qdisc_bypass", .env = NAMES("PCAP_ACCEL_QDISC_BYPASS"),
		.type = ACCEL_TYPE_BOOL, .engines = AF | PFQ, .min = 0, .max = 1,
		.def = "no", .help = "Send past the interface's queueing discipline" },
	[ACCEL_OPT_COMPUTATION] = {
		.id = ACCEL_OPT_COMPUTATION,
		.key = "computation", .aliases = NAMES("lang"),
		.env = NAMES("PCAP_ACCEL_COMPUTATION", "PFQ_LANG", "PFQ_LANG_SRC", "PFQ_LANG_LIT", "PFQ_COMPUTATION", "PFQ_FANOUT", "PCAP_FANOUT"),
		.type = ACCEL_TYPE_TEXT, .engines = PFQ | XDP,
		.def = "", .help = "PFQ/lang: which packets the group gets, and which member gets each; xdp: at most one" },
	[ACCEL_OPT_RX_SLOTS] = {
		.id = ACCEL_OPT_RX_SLOTS,
		.key = "rx_slots", .aliases = NAMES("pfq_rx_slots", "num_frames"),
		.env = NAMES("PCAP_ACCEL_RX_SLOTS", "PFQ_RX_SLOTS"),
		.type = ACCEL_TYPE_NUMBER, .engines = ALL, .min = 1, .max = 1ull << 28,
		.def = "131072", .help = "Packets that the ring shall hold; where given, it decides the buffer" },
	[ACCEL_OPT_TX_SLOTS] = {
		.id = ACCEL_OPT_TX_SLOTS,
		.key = "tx_slots", .aliases = NAMES("pfq_tx_slots", "tx_ring_size"),
		.env = NAMES("PCAP_ACCEL_TX_SLOTS", "PFQ_TX_SLOTS"),
		.type = ACCEL_TYPE_NUMBER, .engines = PFQ | XDP, .min = 1, .max = 1ull << 28,
		.def = "8192", .help = "Packets that the transmit queue shall hold" },
	[ACCEL_OPT_TX_QUEUE] = {
		.id = ACCEL_OPT_TX_QUEUE,
		.key = "tx_queue", .aliases = NAMES("tx_hw_queue", "pfq_tx_hw_queue"),
		.env = NAMES("PCAP_ACCEL_TX_QUEUE", "PFQ_TX_HW_QUEUE", "PFQ_TX_QUEUE"),
		.type = ACCEL_TYPE_NUMBER, .rules = ACCEL_RULE_OR_NONE, .engines = PFQ, .min = 0, .max = 65535,
		.def = "-1", .help = "Hardware queue to send through; -1: the driver's choice" },
	[ACCEL_OPT_TX_NODE] = {
		.id = ACCEL_OPT_TX_NODE,
		.key = "tx_node",
		.aliases = NAMES("tx_idx_thread", "tx_thread", "tx_task", "tx_cpu", "pfq_tx_idx_thread"),
		.env = NAMES("PCAP_ACCEL_TX_NODE", "PFQ_TX_IDX_THREAD", "PFQ_TX_THREAD", "PFQ_TX_TASK", "PFQ_TX_CPU", "PFQ_TX_NODE"),
		.type = ACCEL_TYPE_NUMBER, .rules = ACCEL_RULE_OR_NONE, .engines = PFQ, .min = 0, .max = 65535,
		.def = "-1", .help = "CPU of PFQ's transmit thread; -1: none" },
	[ACCEL_OPT_DIVERT] = {
		.id = ACCEL_OPT_DIVERT,
		.key = "divert", .env = NAMES("PCAP_ACCEL_DIVERT"),
		.type = ACCEL_TYPE_WORD, .engines = XDP, .words = NAMES("auto", "force"),
		.def = "auto", .help = "Whether to take packets from an interface that the host lives on: refuse, or take them all the same" },
	[ACCEL_OPT_REST] = {
		.id = ACCEL_OPT_REST,
		.key = "rest", .env = NAMES("PCAP_ACCEL_REST"),
		.type = ACCEL_TYPE_WORD, .engines = XDP, .words = NAMES("pass", "drop"),
		.def = "pass", .help = "What becomes of packets that the filter rejects: the host gets them, or nobody" },
	[ACCEL_OPT_ATTACH] = {
		.id = ACCEL_OPT_ATTACH,
		.key = "attach", .aliases = NAMES("xdp_mode"), .env = NAMES("PCAP_ACCEL_ATTACH"),
		.type = ACCEL_TYPE_WORD, .engines = XDP, .words = NAMES("auto", "native", "generic"),
		.def = "auto", .help = "Where the XDP program runs: in the driver if it can, in the driver, or before the stack" },
	[ACCEL_OPT_ZC] = {
		.id = ACCEL_OPT_ZC,
		.key = "zc", .aliases = NAMES("zerocopy"), .env = NAMES("PCAP_ACCEL_ZC"),
		.type = ACCEL_TYPE_WORD, .engines = XDP, .words = NAMES("auto", "require", "no"),
		.def = "auto", .help = "Zero copy: if the driver has it, always, or never" },
	[ACCEL_OPT_FALLBACK] = {
		.id = ACCEL_OPT_FALLBACK,
		.key = "fallback", .env = NAMES("PCAP_ACCEL_FALLBACK"),
		.type = ACCEL_TYPE_WORD, .engines = XDP, .words = NAMES("no", "afpacket"),
		.def = "no", .help = "What serves the device where XDP cannot be had: an error that says why, or packet sockets" },
	[ACCEL_OPT_FRAME_SIZE] = {
		.id = ACCEL_OPT_FRAME_SIZE,
		.key = "frame_size", .aliases = NAMES("xdp_frame_size"), .env = NAMES("PCAP_ACCEL_FRAME_SIZE"),
		.type = ACCEL_TYPE_SIZE, .rules = ACCEL_RULE_POWER_OF_2, .engines = XDP, .min = 2 * KIB, .max = 4 * KIB,
		.def = "2KiB", .help = "Memory of one packet, or of each part of a longer one; if not given: 4KiB where the MTU asks for it" },
	[ACCEL_OPT_TAP] = {
		.id = ACCEL_OPT_TAP,
		.key = "tap", .env = NAMES("PCAP_ACCEL_TAP"),
		.type = ACCEL_TYPE_BOOL, .engines = XDP, .min = 0, .max = 1,
		.def = "no", .help = "Copy what the filter matches instead of taking it: the host gets everything" },
	[ACCEL_OPT_QUEUE] = {
		.id = ACCEL_OPT_QUEUE,
		.key = "queue", .aliases = NAMES("xdp_queue_id", "queue_id"), .env = NAMES("PCAP_ACCEL_QUEUE"),
		.type = ACCEL_TYPE_NUMBER, .rules = ACCEL_RULE_OR_NONE, .engines = XDP, .min = 0, .max = 65535,
		.def = "-1", .help = "Receive queue of the interfaces that name none themselves; -1: all of them" },
	[ACCEL_OPT_RX_RING] = {
		.id = ACCEL_OPT_RX_RING,
		.key = "rx_ring", .aliases = NAMES("rx_ring_size"), .env = NAMES("PCAP_ACCEL_RX_RING"),
		.type = ACCEL_TYPE_NUMBER, .rules = ACCEL_RULE_POWER_OF_2, .engines = XDP, .min = 64, .max = 1ull << 20,
		.def = "16384", .help = "Entries of a queue's receive ring; if not given: one for each of its frames" },
	[ACCEL_OPT_FILL_RING] = {
		.id = ACCEL_OPT_FILL_RING,
		.key = "fill_ring", .aliases = NAMES("fill_ring_size"), .env = NAMES("PCAP_ACCEL_FILL_RING"),
		.type = ACCEL_TYPE_NUMBER, .rules = ACCEL_RULE_POWER_OF_2, .engines = XDP, .min = 64, .max = 1ull << 20,
		.def = "16384", .help = "Entries of a queue's fill ring, which has no more frames than that; if not given: one for each of them" },
	[ACCEL_OPT_COMP_RING] = {
		.id = ACCEL_OPT_COMP_RING,
		.key = "comp_ring", .aliases = NAMES("comp_ring_size"), .env = NAMES("PCAP_ACCEL_COMP_RING"),
		.type = ACCEL_TYPE_NUMBER, .rules = ACCEL_RULE_POWER_OF_2, .engines = XDP, .min = 64, .max = 1ull << 20,
		.def = "2048", .help = "Entries of the completion ring of sent frames; at least as many as the transmit ring has" },
	[ACCEL_OPT_BATCH] = {
		.id = ACCEL_OPT_BATCH,
		.key = "batch", .aliases = NAMES("batch_size"), .env = NAMES("PCAP_ACCEL_BATCH"),
		.type = ACCEL_TYPE_NUMBER, .engines = XDP, .min = 1, .max = 65536,
		.def = "64", .help = "Frames given back to the kernel at a time" },
	[ACCEL_OPT_BUSY_POLL] = {
		.id = ACCEL_OPT_BUSY_POLL,
		.key = "busy_poll", .env = NAMES("PCAP_ACCEL_BUSY_POLL"),
		.type = ACCEL_TYPE_TIME, .engines = XDP, .min = 0, .max = ACCEL_NS_PER_S,
		.def = "0", .help = "Have the reader run the driver's receiving for so long before it sleeps; 0: interrupts do" },
	[ACCEL_OPT_BUSY_BUDGET] = {
		.id = ACCEL_OPT_BUSY_BUDGET,
		.key = "busy_budget", .aliases = NAMES("busy_poll_budget"), .env = NAMES("PCAP_ACCEL_BUSY_BUDGET"),
		.type = ACCEL_TYPE_NUMBER, .engines = XDP, .min = 1, .max = 65535,
		.def = "64", .help = "Packets that the driver receives at a time with busy_poll" },
	[ACCEL_OPT_NEED_WAKEUP] = {
		.id = ACCEL_OPT_NEED_WAKEUP,
		.key = "need_wakeup", .env = NAMES("PCAP_ACCEL_NEED_WAKEUP"),
		.type = ACCEL_TYPE_BOOL, .engines = XDP, .min = 0, .max = 1,
		.def = "yes", .help = "The driver says when it has to be woken, and sleeps meanwhile" },
	[ACCEL_OPT_HUGE_PAGES] = {
		.id = ACCEL_OPT_HUGE_PAGES,
		.key = "huge_pages", .aliases = NAMES("hugepages"), .env = NAMES("PCAP_ACCEL_HUGE_PAGES"),
		.type = ACCEL_TYPE_BOOL, .engines = XDP, .min = 0, .max = 1,
		.def = "no", .help = "Frames lie in huge pages of 2 MiB, which somebody must have reserved" },
	[ACCEL_OPT_MEMORY_LIMIT] = {
		.id = ACCEL_OPT_MEMORY_LIMIT,
		.key = "memory_limit", .env = NAMES("PCAP_ACCEL_MEMORY_LIMIT"),
		.type = ACCEL_TYPE_SIZE, .engines = XDP, .min = 0, .max = 512 * GIB,
		.def = "0", .help = "Most memory for the frames of the whole handle, received and sent; 0: no limit but the kernel's" },
};
/* clang-format on */

static bool has_alias(const struct accel_opt_row *row, const char *key, size_t key_len)
{
	for (const char *const *alias = row->aliases; alias && *alias; alias++)
		if (accel_word_is(key, key_len, *alias))
			return true;
	return false;
}

const struct accel_opt_row *accel_opt_find(const char *key, size_t key_len)
{
	for (size_t i = 0; i < ACCEL_N_OPTS; i++) {
		const struct accel_opt_row *row = &accel_opt_table[i];

		if (accel_word_is(key, key_len, row->key) || has_alias(row, key, key_len))
			return row;
	}
	return NULL;
}

/* The nearest of many, offered one at a time. */
struct nearest {
	const char *word; /* so far, or NULL */
	unsigned distance;
};

static void offer(struct nearest *best, const char *s, size_t len, const char *word)
{
	unsigned d = accel_word_distance(s, len, word);

	if (d < best->distance) {
		best->distance = d;
		best->word = word;
	}
}

const char *accel_opt_suggest(const char *key, size_t key_len)
{
	struct nearest best = {NULL, ACCEL_LIKE_MAX + 1};

	for (size_t i = 0; i < ACCEL_N_OPTS; i++)
		offer(&best, key, key_len, accel_opt_table[i].key);
	for (size_t i = 0; i < ACCEL_N_OPTS; i++)
		for (const char *const *alias = accel_opt_table[i].aliases; alias && *alias;
		     alias++)
			offer(&best, key, key_len, *alias);
	return best.word;
}

int accel_opt_fail_unknown(const char *key, size_t key_len, unsigned engines, const char *where,
			   struct accel_err *err)
{
	const char *meant = accel_opt_suggest(key, key_len);
	struct accel_quote quote;
	struct accel_str known;
	char text[ACCEL_ERR_LEN];

	accel_quote(&quote, key, key_len);
	if (meant)
		return accel_fail(err, -EINVAL, "%s: unknown option '%s' (did you mean '%s'?)",
				  where, quote.text, meant);
	accel_str_init(&known, text, sizeof(text));
	for (size_t i = 0; i < ACCEL_N_OPTS; i++)
		if (accel_opt_table[i].engines & engines)
			accel_str_add(&known, "%s%s", known.len ? ", " : "",
				      accel_opt_table[i].key);
	return accel_fail(err, -EINVAL, "%s: unknown option '%s' (known: %s)", where, quote.text,
			  text);
}

int accel_opt_check_engine(const struct accel_opt_row *row, unsigned engines, const char *where,
			   struct accel_err *err)
{
	static const enum accel_engine each[] = {AF, PFQ, XDP};
	struct accel_str known;
	char text[64];

	if (row->engines & engines)
		return 0;
	accel_str_init(&known, text, sizeof(text));
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(each); i++)
		if (row->engines & each[i])
			accel_str_add(&known, "%s%s", known.len ? ", " : "",
				      accel_engine_name(each[i]));
	/* PFQ's last release called it so. */
	if (row->id == ACCEL_OPT_FANOUT && engines == PFQ)
		accel_str_add(&known, "; PFQ's is computation");
	return accel_fail(err, -EINVAL, "%s: option '%s' is not for %s (for: %s)", where, row->key,
			  accel_engine_name((enum accel_engine)engines), text);
}

/* Variables that are no options. The last two are the Python package's. */
static const char *const other_variables[] = {
	"PCAP_ACCEL_CONF", "PCAP_ACCEL_MAP",	 "PCAP_ACCEL_DEFAULT", "PCAP_ACCEL_LIST",
	"PCAP_ACCEL_LOG",  "PCAP_ACCEL_LIBPCAP", "PCAP_ACCEL_LIB",     "PCAP_ACCEL_SPEEDUPS",
};

/* Later releases of PFQ: what has another name here. The last is the beginning of many names. */
static const struct {
	const char *name, *here;
} renamed[] = {
	{"PFQ_CONFIG=", "PCAP_ACCEL_CONF"},
	{"PFQ_FORCE_ALL=", "PCAP_ACCEL_DEFAULT"},
	{"PFQ_GROUP_", "PCAP_ACCEL_MAP"},
};

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* The name of ours that is nearest; distance 0 with the same letters is the name itself. Only names
 * of the same family are offered: PFQ_GORUP is not PCAP_GROUP. */
static void offer_variables(struct nearest *best, const char *name, size_t len, const char *family)
{
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(other_variables); i++)
		if (starts_with(other_variables[i], family))
			offer(best, name, len, other_variables[i]);
	for (size_t i = 0; i < ACCEL_N_OPTS; i++)
		for (const char *const *env = accel_opt_table[i].env; *env; env++)
			if (starts_with(*env, family))
				offer(best, name, len, *env);
}

bool accel_env_misspelt(char *const *env, size_t *iter, const char **name, const char **meant)
{
	for (; env[*iter]; ++*iter) {
		const char *entry = env[*iter];
		size_t len = strcspn(entry, "=");
		struct nearest best = {NULL, ACCEL_LIKE_MAX + 1};

		if (starts_with(entry, "PCAP_ACCEL_"))
			offer_variables(&best, entry, len, "PCAP_ACCEL_");
		else if (starts_with(entry, "PFQ_"))
			offer_variables(&best, entry, len, "PFQ_");
		else
			continue;
		if (best.word && strlen(best.word) == len && !strncmp(entry, best.word, len))
			continue;
		*name = entry;
		*meant = best.word;
		for (size_t i = 0; i < ACCEL_ARRAY_LEN(renamed); i++)
			if (starts_with(entry, renamed[i].name))
				*meant = renamed[i].here;
		++*iter;
		return true;
	}
	return false;
}
