/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq.h - the state of the PFQ engine, shared by its files:
 *   pfq.c         open, close, the ops table
 *   pfq_group.c   joining, and following what other members change
 *   pfq_sockets.c the sockets that a computation needs, and their filters
 *   pfq_change.c  from one computation to the next, for all members at one moment
 *   pfq_read.c    packets, out of several rings
 *   pfq_record.c  the group's record as a text, which pfq_store.c keeps
 *   pfq_define.c  groups seen and changed by who is no member
 *
 * Threads: see backend.h. */
#ifndef ACCEL_PFQ_H
#define ACCEL_PFQ_H

#include "backend/backend.h"
#include "backend/pfq_record.h"
#include "backend/reader.h"
#include "kern/link.h"
#include "kern/psock.h"
#include "kern/registry.h"
#include "kern/txq.h"
#include "lang/lang.h"

/* A socket with its ring, and what the computation uses it for. */
struct pfq_part {
	struct accel_psock sock;
	struct accel_reader reader;
	int group;	   /* the kernel's, of a fanout part; -1: a plain one */
	uint64_t until_ns; /* of an old part: packets stamped from here on are not its */
};

/* What a member of a group of any computation holds at most while it changes to another: two
 * fanout parts and a plain one, twice. */
#define PFQ_N_SPARES (2 * ACCEL_LANG_MAX_PARTS)
#define PFQ_MAX_OLD  (4 * ACCEL_LANG_MAX_PARTS)

/* A packet socket that receives nothing. One that is in a kernel group can leave it only by being
 * closed. */
struct pfq_spare {
	int fd;	   /* -1: none */
	int group; /* or -1 */
};

enum pfq_step {
	PFQ_STEADY,   /* nothing changes */
	PFQ_LEADING,  /* both computations' sockets receive; the moment is not over yet */
	PFQ_SETTLING, /* the old ones receive nothing more */
};

struct pfq {
	struct accel_registry registry;
	struct pfq_record rec;	 /* the group as we have it */
	struct accel_lang *lang; /* rec.computation compiled; NULL without one */
	bool counts_members;	 /* a filter depends on how many there are */
	unsigned n_members;	 /* as our filters have it */

	unsigned n_parts;
	struct pfq_part parts[ACCEL_LANG_MAX_PARTS];
	uint64_t since_ns; /* rec.since_ns as the parts have it */
	/* Parts of computations before, to be read to their end first. Once the change is over they
	 * have no socket any more, only what was in its ring. */
	unsigned n_old;
	struct pfq_part old[PFQ_MAX_OLD];
	enum pfq_step step;
	uint64_t step_ns; /* when the next is due, CLOCK_MONOTONIC */
	bool retry;	  /* a change could not be begun yet */
	bool lost_one;	  /* a member was killed, and the kernel groups have to be made anew */

	/* A program that has dropped its privileges follows with the sockets it has. */
	struct pfq_spare spares[PFQ_N_SPARES];
	/* Never receives: asks the kernel, sends, keeps devices promiscuous, and is what the
	 * program sees as its socket, whatever the computation. */
	struct accel_psock control;
	unsigned n_promisc;
	int promisc_of[ACCEL_MAX_IFACES];
	int timer_fd; /* the steps of a change */
	int epoll_fd; /* parts, timer and the registry's watch; what programs select on */

	unsigned n_links;
	struct accel_link links[ACCEL_MAX_IFACES];
	uint64_t first_drops;

	struct accel_guard guard;
	struct sock_filter *user; /* the program's filter; owned; NULL = none */
	unsigned n_user;
	/* What a packet must pass: the group's filter, then the program's. NULL = nothing. It is
	 * `user`, or `chained`, which is owned. */
	const struct sock_filter *all;
	unsigned n_all;
	struct sock_filter *chained;
	bool kernel_runs_it; /* else the readers do */

	/* of the request, for sockets that come later */
	char name[64];
	uint32_t snaplen;
	bool nano, promisc;
	bool sets_group_filter; /* the program's filter is the group's */
	const int *stop;
	accel_log_fn *log;
	struct accel_ring_request ring;
	uint32_t max_retire_ms; /* of a ring whose packets nobody else has */
	accel_compile_fn *compile_filter;
	void *compile_ctx;

	struct accel_txq txq;
	uint64_t n_sent;
	struct accel_psock_counts past; /* of sockets that were closed meanwhile; atomic */
	uint64_t past_delivered, past_delivered_len;
	uint64_t looked_ns;  /* when the record was last looked at */
	uint64_t counted_ns; /* when members were last counted, and missing devices looked for */
};

/* ---- pfq_sockets.c ---- */

/* Compile a text. *lang NULL for an empty one. 0 or -errno with a text. */
int pfq_compile(const struct pfq *p, const char *text, struct accel_lang **lang,
		struct accel_err *err);

/* How many kernel groups the computation needs. */
unsigned pfq_count_fanouts(const struct accel_lang *lang);

/* Have the parts that rec and lang ask for: if those that are there are of another computation, new
 * ones with their filters, in their kernel groups; the old ones are put aside. *made says whether.
 * On failure p has the parts that it had before. 0 or -errno with a text. */
int pfq_make_parts(struct pfq *p, bool *made, struct accel_err *err);
void pfq_close_parts(struct pfq *p);
void pfq_close_part(struct pfq *p, struct pfq_part *part); /* its counts are kept */
void pfq_move_part(struct pfq_part *to, const struct pfq_part *from);

/* Give the kernel's groups the programs of the computation. */
int pfq_set_programs(struct pfq *p, struct accel_err *err);

/* The same for those that we have made: a group that loses all its members loses its program. */
int pfq_check_programs(struct pfq *p, struct accel_err *err);

/* Attach the filters of all parts: devices, VLANs, computation, the program's own. */
int pfq_attach_filters(struct pfq *p, struct accel_err *err);
int pfq_drop_everything(struct accel_psock *sock);

void pfq_open_spares(struct pfq *p);
void pfq_close_spares(struct pfq *p);

/* A socket without a ring that a part, of the kernel group `group` or of none, no longer needs:
 * kept if we could not have another, else closed. */
void pfq_give_socket(struct pfq *p, int fd, int group);

/* ---- pfq_change.c ---- */

uint64_t pfq_real_ns(void);

/* Under the lock: choose the kernel groups of rec's computation, which is another than before or is
 * to have other groups. -EAGAIN without a text: the change before is not over; again soon. -ENOSPC
 * with one. */
int pfq_plan_change(struct pfq *p, struct accel_err *err);

/* After pfq_plan_change() and pfq_make_parts(): name the moment from which on packets are the new
 * computation's. It is far enough away for the other members to make ready. */
void pfq_fix_moment(struct pfq *p);

/* Sleep until it has come. */
void pfq_await_moment(struct pfq *p);

/* Do what is due. Others than we are, too, are at the moment where packets change hands; what lies
 * in old rings stays to be read. */
void pfq_step(struct pfq *p);
void pfq_end_change(struct pfq *p); /* now, whether due or not */
void pfq_arm(struct pfq *p);	    /* the parts are as they should be: begin with the steps */

/* The parts are old from here on, and get no packet that is stamped from until_ns on. */
void pfq_put_aside(struct pfq *p, uint64_t until_ns);

/* A part in this kernel group, if there is one, leaves it at once. -1: nothing. */
void pfq_retire_group(struct pfq *p, int group);

/* Look again soon: a change could not be begun. */
void pfq_retry_soon(struct pfq *p);

/* Receive nothing, and be in no kernel group: better than what others have received. */
void pfq_fall_silent(struct pfq *p, uint64_t since_ns, const struct accel_err *why);

/* All old parts have been read. */
void pfq_forget_old(struct pfq *p);

/* ---- pfq_read.c ---- */

/* Before the moment of a change the new rings fill with what is not theirs yet: give it back. */
void pfq_make_room(struct pfq *p);

/* Slots of struct accel_backend. */
int pfq_read(void *st, int max, accel_sink sink, unsigned char *user);
int pfq_next(void *st, struct accel_pkthdr *hdr, const unsigned char **data);
int pfq_borrow(void *st, struct accel_borrowed *b);

/* ---- pfq_group.c ---- */

/* Become a member of rq's group, found or made, and bring up what it needs. */
int pfq_join(struct pfq *p, const struct accel_request *rq, struct accel_err *err);
void pfq_leave(struct pfq *p);

/* Has somebody changed the group? Then change with it. Who cannot follow falls silent. */
void pfq_follow(struct pfq *p);

/* The same, for readers that never sleep: cheap, and looks only every few milliseconds. */
void pfq_follow_now_and_then(struct pfq *p);

/* Must pfq_follow() be called now and then, though nothing is written? */
bool pfq_must_look(const struct pfq *p);

/* The same, under the lock, and without asking. */
void pfq_follow_locked(struct pfq *p);

/* Put a device into a record; "any" is each Ethernet device that there is, but lo. *changed is set
 * if it had not been there. 0 or -E2BIG. */
int pfq_add_device(struct pfq_record *rec, const char *name, bool *changed);

/* ---- pfq_wishes.c ---- */

/* Say in the log that the group has no device, if it has none, and wait for one as long as rq
 * wants. 0; -ETIMEDOUT; -EINTR: broken off; with a text. */
int pfq_await_devices(struct pfq *p, const struct accel_request *rq, struct accel_err *err);

/* Make the program's filter the group's: of all members, until somebody sets another. n = 0 removes
 * it. 0; -E2BIG or -EINVAL: the kernel does not take it; -errno; with a text, and nothing has
 * changed. */
int pfq_set_group_filter(struct pfq *p, const struct sock_filter *insns, unsigned n,
			 struct accel_err *err);

/* ---- pfq_define.c ---- */

/* "copy", "steer", "mixed", "double"; constant. */
const char *pfq_block_name(const struct accel_lang *lang);

#endif
