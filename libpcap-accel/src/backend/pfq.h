/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq.h - the state of the PFQ engine, shared by its files:
 *   pfq.c         open, close, the ops table
 *   pfq_group.c   joining, and following what other members change
 *   pfq_sockets.c the sockets that a computation needs, and their filters
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
	int group;	    /* the kernel's, of a fanout part; -1: a plain one */
	unsigned n_promisc; /* devices that it keeps promiscuous */
	int promisc[ACCEL_MAX_IFACES];
};

struct pfq {
	struct accel_registry registry;
	struct pfq_record rec;	 /* the group as we have it */
	struct accel_lang *lang; /* rec.computation compiled; NULL without one */
	bool counts_members;	 /* a filter depends on how many there are */
	unsigned n_members;	 /* as our filters have it */

	unsigned n_parts;
	struct pfq_part parts[ACCEL_LANG_MAX_PARTS];
	/* Packet sockets that do nothing: a program that has dropped its privileges can still
	 * follow a computation that needs other sockets. -1 = none. */
	int spare_fds[ACCEL_LANG_MAX_PARTS];
	int epoll_fd; /* the parts and the registry's watch; what programs select on */

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
	struct accel_ring_request ring;
	accel_compile_fn *compile_filter;
	void *compile_ctx;

	struct accel_txq txq;
	uint64_t n_sent;
	struct accel_psock_counts past; /* of sockets that were closed meanwhile; atomic */
	uint64_t past_delivered;
	uint64_t looked_ns;  /* when the record was last looked at */
	uint64_t counted_ns; /* when members were last counted, and missing devices looked for */
};

/* ---- pfq_sockets.c ---- */

/* Compile a text. *lang NULL for an empty one. 0 or -errno with a text. */
int pfq_compile(const struct pfq *p, const char *text, struct accel_lang **lang,
		struct accel_err *err);

/* How many kernel groups the computation needs. */
unsigned pfq_count_fanouts(const struct accel_lang *lang);

/* Have the parts that rec and lang ask for: those that will do are kept, with what is in their
 * rings, the others closed, the missing ones opened with a filter that drops everything. *made says
 * whether there are any of those. On failure p has the parts that it had before. 0 or -errno with a
 * text. */
int pfq_make_parts(struct pfq *p, bool *made, struct accel_err *err);
void pfq_close_parts(struct pfq *p);

/* Give the kernel's groups the programs of the computation. */
int pfq_set_programs(struct pfq *p, struct accel_err *err);

/* Receive nothing: better than what others have received. */
void pfq_silence(struct pfq *p);

/* Attach the filters of all parts: devices, VLANs, computation, the program's own. */
int pfq_attach_filters(struct pfq *p, struct accel_err *err);

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
