/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp.h - the state of the AF_XDP engine, shared by its files:
 *   xdp.c         open, close, the ops table
 *   xdp_plan.c    what was chosen, and how the queues share it
 *   xdp_device.c  one device: who lives there, its sockets, its program
 *   xdp_group.c   several captures on one device
 *   xdp_share.c   handles of one process that share a queue
 *   xdp_filter.c  which program runs, and since when
 *   xdp_computation.c  a computation's predicates as a filter
 *   xdp_tell.c    what the programs are told: to begin, and a filter to interpret
 *   xdp_read.c    from descriptors to packets, in order of time
 *   xdp_tap.c     packets that were copied instead of taken
 *   xdp_sent.c    packets that the host sends
 *   xdp_stats.c   what is counted
 *   xdp_wait.c    sleeping
 *
 * XDP takes packets from the host. So a device that the host lives on is refused, nothing is taken
 * before the program has set its filter or begins to read, and what the filter rejects goes to the
 * host. All that is on a device hangs on descriptors: it goes with the process.
 *
 * Threads: see backend.h. */
#ifndef ACCEL_XDP_H
#define ACCEL_XDP_H

#include "backend/backend.h"
#include "backend/reader.h"
#include "bpf/cbpf.h"
#include "bpf/xdp_prog.h"
#include "kern/bpf_sys.h"
#include "kern/host.h"
#include "kern/link.h"
#include "kern/psock.h"
#include "kern/tap.h"
#include "kern/xsk.h"
#include "lang/lang.h"

#include <sys/types.h>

#define XDP_MAX_SOCKETS	    128
#define XDP_MAX_PACKET	    (72 * 1024) /* a packet of several buffers, put together */
#define XDP_LINK_LEN	    22u		/* header and two tags */
#define XDP_SHORTEST_RECORD 40		/* bytes that a packet takes in the ring of a tap */
#define XDP_ADDRS_LEN	    12u		/* what is before a tag */
#define XDP_TAG_LEN	    4

/* What a person may choose. 0 of a number: what is sensible. */
struct xdp_choices {
	bool force;		      /* take packets although the host lives there */
	bool taps;		      /* take none: copy */
	enum accel_xdp_verdict rest;  /* of what the filter rejects */
	bool try_native, try_generic; /* in this order */
	enum accel_xsk_zc zc;
	uint32_t frame_len;
	/* Of the whole handle: frames, or bytes of them. */
	uint64_t n_frames, buffer_len;
	uint64_t memory_len; /* no more bytes than this */
	bool n_must_fit;
	uint64_t n_tx_frames;
	uint64_t queue; /* of interfaces that name none, or ACCEL_NONE */
	uint32_t n_rx_ring, n_fill_ring, n_done_ring;
	uint32_t batch; /* frames that are given back at a time */
	uint32_t busy_us, n_busy_packets;
	bool no_wakeups, huge_pages;
};

/* The memory of one queue. */
struct xdp_plan {
	uint32_t frame_len, n_rx_frames, n_tx_frames;
	uint32_t n_hoped; /* n_rx_frames, if there were no limit of memory */
};

struct xdp_filter {
	struct sock_filter *insns; /* malloc'ed; NULL = all */
	unsigned n;
};

struct xdp_device {
	struct accel_iface iface; /* as named, with the queue of the option */
	struct accel_link link;
	struct accel_host host;
	unsigned n_used; /* receive queues in use at activation; 0: unknown */
	enum accel_xdp_attach attach;
	bool has_fragments; /* packets may be longer than a frame */
	bool asks_vlan;	    /* the device tells the tag that it took off */
	bool asks_stamp; /* and when the packet came, by its own clock: where that was asked for */
	int sockets_fd;	 /* map */
	int prog_fd;	 /* the first program: can be told a filter */
	int own_fd; /* the one that was made for the filter and runs instead; -1: there is none */
	int link_fd;
	int members_fd;		   /* of a group: queue -> the program of its member; else -1 */
	unsigned first, n_sockets; /* in xdp.sockets[] */
	/* tap=yes */
	struct accel_tap tap;
	const struct accel_xdp_record *record; /* the next, looked at but not taken; or NULL */
	uint32_t n_behind;		       /* taken since the kernel was told */
};

struct xdp_share;

struct xdp_socket {
	struct accel_xsk xsk;
	struct xdp_share *share; /* a reference; NULL: the queue is the handle's own */
	uint32_t queue;
	unsigned device; /* in xdp.devices[] */
	/* The next packet, looked at but not taken. */
	bool is_peeked;
	bool is_stamped;      /* by the program in the kernel; else when it was peeked at */
	uint64_t time_ns;     /* of the host's clock */
	uint32_t n_descs;     /* frames that it is in */
	uint32_t n_behind;    /* given back since the kernel was told */
	uint32_t batch;	      /* it is told after so many */
	uint64_t n_delivered; /* as in struct xdp */
};

/* Packets that the host sends, which XDP does not see: copies, through xdp.side. */
struct xdp_sent {
	bool is_open;
	struct accel_reader reader;
	struct xdp_filter user; /* the program's; owned */
	uint64_t time_ns;	/* of the host's clock: the next packet, which was looked at */
};

/* Where a packet comes from, and the tag that the device took off. */
struct xdp_origin {
	const struct xdp_device *device;
	uint32_t queue;
	uint16_t tci, tpid; /* big endian; 0 = no tag */
};

struct xdp {
	struct accel_request rq; /* dev and set live until close() */
	struct xdp_choices opt;
	int group; /* -1: none */
	enum accel_direction direction;
	unsigned n_queues; /* of all devices, that were made or named */
	unsigned n_devices;
	struct xdp_device devices[ACCEL_MAX_IFACES];
	unsigned n_sockets;
	struct xdp_socket *sockets; /* XDP_MAX_SOCKETS; owned */
	struct accel_psock
		side; /* promiscuity, a descriptor to ask ioctl() through, sent packets */
	struct xdp_sent sent;
	int epoll_fd;
	bool is_watched; /* the program sleeps on epoll_fd itself */

	pid_t pid; /* who reads: a child that only closes leaves the capture alone */
	int control_fd;
	struct accel_xdp_control *control; /* mapped: what the programs are told */
	bool interprets;		   /* the first programs can be told a filter */
	bool is_told;			   /* and have been */
	bool by_helper, has_frags;
	int32_t kfunc_ids[ACCEL_N_KFUNCS]; /* 0: the kernel has none */
	struct accel_guard guard;
	struct accel_lang *lang;    /* owned; NULL: no computation */
	char *computation;	    /* its text; owned */
	bool steers;		    /* it says which member of the group gets a packet */
	struct sock_filter *filter; /* guard and the program's filter; owned; NULL = all */
	unsigned n_filter;
	/* What the program may set next, loaded while it could be: a program a device; owned. */
	struct xdp_filter expected;
	unsigned n_expected; /* 0: none */
	int expected_fds[ACCEL_MAX_IFACES];
	bool cuts;	 /* the filter keeps less than the snaplen of some packets */
	bool judges_all; /* the filter could not be loaded: the reader applies it */
	/* Packets until then, by the monotonic clock, may have met another filter; 0: none. */
	uint64_t settled_ns;
	uint64_t
		looked_ns; /* by the same clock: before the rings were looked at last, or earlier */

	bool has_copies;		/* taps, or sent packets */
	int most_a_read;		/* packets: what the rings hold */
	struct xdp_socket *lent;	/* whose packet the program has; NULL = nobody's */
	uint64_t clock_offset_ns;	/* realtime - monotonic */
	uint8_t *whole;			/* XDP_MAX_PACKET; owned */
	uint64_t n_delivered;		/* written by the reader, stats() reads */
	uint64_t delivered_len;		/* the same */
	uint64_t n_sent, n_send_failed; /* the same */
	uint64_t first_drops;
	bool was_busy;	    /* packets came since the last sleep */
	uint64_t nap_ns;    /* how long the rings are left alone then; 0: not at all */
	uint64_t looked_ms; /* when the devices were last looked for */
};

void xdp_read_options(struct xdp *x);
uint32_t xdp_frame_len(const struct xdp *x, unsigned mtu);
unsigned xdp_count_queues(const struct xdp_device *d);

/* The share of each queue of the device; after all devices have been looked at. */
struct xdp_plan xdp_plan(const struct xdp *x, const struct xdp_device *d);

/* Look at device i, change nothing; then take it into use. xdp_device_close() is right in every
 * state. 0 or -errno with a text. */
int xdp_device_look(struct xdp *x, unsigned i, struct accel_err *err);
int xdp_device_open(struct xdp *x, unsigned i, struct accel_err *err);
void xdp_device_close(struct xdp *x, struct xdp_device *d);

/* Load the device's first program. The descriptor, or -errno with a text. */
int xdp_load_program(struct xdp *x, const struct xdp_device *d, struct accel_err *err);
/* After the first programs: put in their place such as do the same and cannot be told a filter. */
void xdp_prefer_own_programs(struct xdp *x);
void xdp_close_own_programs(struct xdp *x);

/* Have this program run on the device instead of the one before: each packet meets one of the two.
 * Needs no privilege from Linux 5.19 on. 0, -ENOLINK (the device is gone) or another -errno: then a
 * group runs it for some of the queues. */
int xdp_put_in_force(const struct xdp *x, const struct xdp_device *d, int prog_fd);

/* May the handle be in its group with what else was asked for? 0, -EOPNOTSUPP with a text. */
int xdp_group_check(const struct xdp *x, struct accel_err *err);
int xdp_group_refuse_sent(const struct xdp *x, struct accel_err *err); /* -EOPNOTSUPP */

/* Attach the group's program, or become a holder of it beside those who have. Closed with the
 * device. 0 or -errno with a text: -EBUSY, -EPERM; as xdp_explain_attach(). */
int xdp_group_join(struct xdp *x, struct xdp_device *d, struct accel_err *err);

/* Take our programs out of the group's; before the sockets go, or they might be another's. */
void xdp_group_leave(struct xdp *x);

/* The group whose program has this name, as text; NULL: it is none's. */
const char *xdp_group_of(const char *prog_name);

/* A socket on a queue that the group's handles in this process share, the first of which it may be;
 * close is for opened ones. After a fork one of the processes reads all handles of a queue: the
 * other's packets may be lost. 0 or -errno with a text: as accel_xsk_open(); -EEXIST: another
 * computation; -E2BIG; -EOPNOTSUPP: the computation is not for XDP. */
int xdp_share_open(const struct xdp *x, const struct xdp_device *d, struct xdp_socket *socket,
		   const struct accel_xsk_request *rq, struct accel_err *err);
void xdp_share_close(struct xdp_socket *socket);

/* Begin to get packets of a queue, by the device's program. End it, of all queues: the others get
 * them from then on, what is in the rings is lost. Twice is nothing. Where the kernel lets only the
 * privileged write a map (before Linux 5.19) both may fail, which the log says: then none come, or
 * the host gets them instead of the others. */
void xdp_share_enter(const struct xdp *x, const struct xdp_socket *socket);
void xdp_share_leave(struct xdp *x);

/* The group's program on the device and its table, of a handle of this process that shares a queue
 * there: descriptors for d, which takes no privilege. 0, -ENOENT: there is none, -EMFILE. */
int xdp_share_root(const struct xdp *x, struct xdp_device *d);

/* As xdp_put_in_force(), for one queue. */
int xdp_share_put(struct xdp_share *s, const struct xdp_device *d, int prog_fd);

/* The computation by which the group steers in this process; NULL: there is none yet. free() it.
 * 0, -ENOMEM. */
int xdp_share_computation(const struct xdp *x, char **out);
int xdp_refuse_computation(const struct xdp *x, const char *theirs, struct accel_err *err);

/* Has a member a program for this queue, or had one that went without taking it away? */
bool xdp_group_has_queue(const struct xdp_device *d, uint32_t queue);

/* Write what an error of accel_bpf_link_open() means; returns -errno. */
int xdp_explain_attach(struct xdp *x, struct xdp_device *d, int r, struct accel_err *err);
/* Log that the stack's XDP serves where the driver's was wanted too, and why. */
void xdp_tell_generic(const struct xdp *x, const struct accel_err *why);

/* May the packets that the device's programs see have several buffers? */
static inline bool xdp_prog_has_frags(const struct xdp *x, const struct xdp_device *d)
{
	/* The kernel wants all programs of a group to say the same. */
	return x->group >= 0 ? x->has_frags : d->has_fragments;
}

/* Before the programs are loaded; close is right in every state. */
int xdp_tell_open(struct xdp *x, struct accel_err *err);
void xdp_tell_close(struct xdp *x);

/* Put the sockets where the programs look for them; nothing is taken before xdp_arm(). 0 or
 * -errno with a text. */
int xdp_tell_sockets(struct xdp *x, struct accel_err *err);

/* Begin to take packets, if that has not begun; end it at once. */
void xdp_arm(struct xdp *x);
void xdp_disarm(struct xdp *x);

/* Have the first programs interpret a filter from now on, at once on all devices. Returns when no
 * packet can meet another filter that they were told. Needs no privilege. 0, -EOPNOTSUPP with a
 * text, -E2BIG, -ENOMEM. */
int xdp_tell_filter(struct xdp *x, const struct sock_filter *insns, unsigned n,
		    struct accel_err *err);
void xdp_tell_none(struct xdp *x); /* they go back to what they were loaded with: take all */

/* ", interpreted filter", ... or "". */
const char *xdp_filter_kind(const struct xdp *x);

/* The computation that was asked for, if any. 0; -EOPNOTSUPP: it steers; as
 * accel_lang_compile(). */
int xdp_compile_computation(struct xdp *x, struct accel_err *err);

/* Guard, computation and a program's filter (n = 0: none) in one. 0 or -errno with a text. */
int xdp_compose(const struct xdp *x, const struct accel_guard *guard,
		const struct sock_filter *insns, unsigned n, struct xdp_filter *out,
		struct accel_err *err);

void xdp_expect_filter(void *st, const struct sock_filter *insns, unsigned n);
void xdp_forget_expected(struct xdp *x);
int xdp_set_filter(void *st, const struct sock_filter *insns, unsigned n, struct accel_err *err);
int xdp_read(void *st, int max, accel_sink sink, unsigned char *user);
int xdp_next(void *st, struct accel_pkthdr *hdr, const unsigned char **data);
void xdp_plan_naps(struct xdp *x); /* once, when the sockets are open */
int xdp_wait(void *st, int timeout_ms, int wake_fd, struct accel_err *err);

void xdp_stats(void *st, struct accel_stats *out);
unsigned xdp_queue_stats(void *st, unsigned first, struct accel_queue_stats *out, unsigned n);
void xdp_ring_fill(void *st, uint32_t *n_used, uint32_t *n_all);

/* Is there a packet in some ring? */
bool xdp_is_ready(struct xdp *x);

/* A filter's verdict on a packet whose tag is still out, as in the program: bytes to keep. `caplen`
 * of its `len` bytes are there. */
uint32_t xdp_judge(struct xdp *x, const struct xdp_origin *from, const uint8_t *data,
		   uint32_t caplen, uint32_t len);

/* Must the reader judge a packet that the program stamped at this time (0: it did not), because the
 * program may have run an older filter, or none? Packets are asked about in order of time. */
static inline bool xdp_must_judge(struct xdp *x, uint64_t time_ns)
{
	if (x->settled_ns && time_ns > x->settled_ns)
		x->settled_ns = 0;
	return x->settled_ns || x->judges_all;
}

/* Put the tag back; there is room for it in front of the packet. */
void xdp_insert_tag(uint8_t **data, const struct xdp_origin *from);

/* When a packet came, for the program: the device's stamp, which stands before `facts`, if it was
 * asked for and is there; else the host's clock at time_ns. */
void xdp_set_time(const struct xdp *x, uint64_t time_ns, const void *facts,
		  struct accel_pkthdr *hdr);

/* ---- copies of received packets ---- */

int xdp_tap_open(struct xdp *x, struct xdp_device *d, struct accel_err *err);
bool xdp_tap_is_ready(const struct xdp *x);
/* The device with the oldest copy, or NULL; and that copy: false, it is not for the program. */
struct xdp_device *xdp_tap_oldest(struct xdp *x);
bool xdp_tap_take(struct xdp *x, struct xdp_device *d, struct accel_pkthdr *hdr, uint8_t **data);
void xdp_tap_publish(struct xdp *x);
void xdp_tap_set_wakeups(struct xdp *x, enum accel_tap_wakeups how);

/* ---- sent packets ---- */

/* Begin or stop to capture them, as the direction says, and to take received ones. */
int xdp_turn(struct xdp *x, enum accel_direction direction, struct accel_err *err);
/* The program has another filter, malloc'ed; *filter becomes the one before. What the kernel does
 * not run, the reader does. -ENOMEM: nothing has changed. */
int xdp_sent_swap_filter(struct xdp *x, struct xdp_filter *filter);
bool xdp_sent_is_ready(const struct xdp *x);
/* Look at the next packet: false, there is none. Then take it: false, it is not for the program. */
bool xdp_sent_peek(struct xdp *x);
bool xdp_sent_take(struct xdp *x, struct accel_pkthdr *hdr, uint8_t **data);
void xdp_sent_close(struct xdp *x);

#endif
