/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq.h - the state of the PFQ engine, shared by its files:
 *   pfq.c         open, close, the ops table
 *   pfq_group.c   joining, and following what other members change
 *   pfq_sockets.c the sockets that a computation needs, and their filters
 *   pfq_record.c  the group's record as a text
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
	int group; /* the kernel's, of a fanout part; -1: a plain one */
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

	/* of the request, for sockets that come later */
	char name[64];
	uint32_t snaplen;
	bool nano, promisc;
	const int *stop;
	struct accel_ring_request ring;
	accel_compile_fn *compile_filter;
	void *compile_ctx;

	struct accel_txq txq;
	uint64_t n_sent;
	struct accel_psock_counts past; /* of sockets that were closed meanwhile; atomic */
	uint64_t past_delivered;
	uint64_t looked_ns;  /* when the record was last looked at */
	uint64_t counted_ns; /* when the members were last counted */
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

/* Has another member changed the group? Then change with it. A change that we cannot follow leaves
 * us as we are. */
void pfq_follow(struct pfq *p);

/* The same, for readers that never sleep: cheap, and looks only every few milliseconds. */
void pfq_follow_now_and_then(struct pfq *p);

#endif
