/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_define.h - PFQ groups seen and changed from outside: by who is no member.
 *
 * Needs no privilege and no packet socket, only the user's own folder (kern/registry.h).
 * Threads: any. */
#ifndef ACCEL_PFQ_DEFINE_H
#define ACCEL_PFQ_DEFINE_H

#include "backend/backend.h"
#include "backend/pfq_record.h"
#include "kern/registry.h"

struct accel_err;

/* How pcap filters in a computation are compiled. */
struct pfq_compiler {
	accel_compile_fn *compile;
	void *ctx;
};

struct pfq_look {
	struct pfq_record rec;
	unsigned n_members;
	const char *block; /* "copy", ...; constant */
};

/* 0, -ENOENT of no such group, -errno; with a text. Free it with pfq_record_fini(&look->rec). */
int pfq_look(unsigned group, const struct pfq_compiler *compiler, struct pfq_look *look,
	     struct accel_err *err);

/* The living members, at most n of them; *n_found: how many there are, none of no group. */
int pfq_members(unsigned group, struct accel_registry_member *members, size_t n, size_t *n_found,
		struct accel_err *err);

struct pfq_change {
	const char *devices, *computation, *vlans; /* NULL = as it is; "" = none */
	int persistent;				   /* -1 = as it is; 0; 1 */
};

/* Check everything, then change the record; the members follow. 0; -ENOENT of no such group, unless
 * persistent is 1; -EINVAL, -ENODEV, -E2BIG, of the language, -errno; with a text. */
int pfq_change(unsigned group, const struct pfq_compiler *compiler, const struct pfq_change *change,
	       struct accel_err *err);

/* 0; -ENOENT; -EBUSY: it has members; -errno; with a text. */
int pfq_forget(unsigned group, struct accel_err *err);

#endif
