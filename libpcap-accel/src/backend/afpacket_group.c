/* SPDX-License-Identifier: BSD-3-Clause */
/* afpacket_group.c - fanout groups: what was asked for, joining, the group's program.
 *
 * Threads: the handle's. */
#include "backend/afpacket.h"

#include "backend/request.h"
#include "base/err.h"
#include "kern/file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_PROGRAM_LEN (256 * 1024) /* bytes of tcpdump -ddd text: 4096 lines are less */

/* A group's own program: classic instructions, or the descriptor of an extended one. */
struct fanout_program {
	struct sock_filter *insns; /* owned; NULL = none */
	unsigned n;
	int fd; /* owned; -1 = none */
};

/* Read the program's file or open its pin. */
static int load_program(struct fanout_program *prog, const struct accel_request *rq,
			enum accel_fanout_mode mode, struct accel_err *err)
{
	const char *path = accel_rq_value(rq, ACCEL_OPT_FANOUT_PROGRAM)->text;
	char *text;
	size_t len;
	int r;

	if (!path)
		return 0;
	if (mode == ACCEL_MODE_EBPF) {
		prog->fd = accel_file_open_bpf(path, err);
		return prog->fd < 0 ? prog->fd : 0;
	}
	r = accel_file_read(path, MAX_PROGRAM_LEN, &text, &len, err);
	if (r < 0)
		return r;
	r = accel_bpf_parse(path, text, len, &prog->insns, &prog->n, err);
	free(text);
	return r;
}

static void free_program(struct fanout_program *prog)
{
	free(prog->insns);
	if (prog->fd >= 0)
		close(prog->fd);
}

/* Without a program such a group gives all packets to its first member: only a later member, who
 * finds the first one's program, may do without. */
static int check_program(const struct accel_request *rq, const struct accel_fanout *fanout,
			 struct accel_err *err)
{
	bool takes_program = fanout->mode >= ACCEL_MODE_CBPF;
	bool is_new = fanout->flags & ACCEL_JOIN_UNIQUE;
	enum accel_fanout_mode mode;
	unsigned n;

	if (!takes_program && accel_rq_given(rq, ACCEL_OPT_FANOUT_PROGRAM))
		return accel_fail(err, -EINVAL,
				  "%s: fanout_program goes with fanout=cbpf or fanout=ebpf",
				  rq->name);
	if (!takes_program || accel_rq_given(rq, ACCEL_OPT_FANOUT_PROGRAM))
		return 0;
	if (is_new || accel_fanout_find(fanout->group, &mode, &n) == -ENOENT)
		return accel_fail(err, -EINVAL,
				  "%s: the first member of fanout group %u has no program "
				  "(fanout_program=PATH)",
				  rq->name, fanout->group);
	return 0;
}

/* What the program's file costs in time comes before the joining: from then on the group gives us
 * packets. */
int afpacket_join_group(struct afpacket *a, const struct accel_request *rq, struct accel_err *err)
{
	struct fanout_program prog = {.fd = -1};
	struct sock_fprog cbpf;
	int r;

	r = check_program(rq, &a->fanout, err);
	r = r ? r : load_program(&prog, rq, a->fanout.mode, err);
	r = r ? r : accel_fanout_join(a->sock.fd, rq->name, &a->fanout, err);
	if (r == 0 && (prog.insns || prog.fd >= 0)) {
		cbpf = (struct sock_fprog){.len = (unsigned short)prog.n, .filter = prog.insns};
		r = accel_fanout_set_program(a->sock.fd, rq->name, prog.insns ? &cbpf : NULL,
					     prog.fd, err);
	}
	free_program(&prog);
	return r;
}

_Static_assert((int)ACCEL_JOIN_DEFRAG == ACCEL_FANOUT_DEFRAG &&
		       (int)ACCEL_JOIN_IF_FULL == ACCEL_FANOUT_ROLLOVER &&
		       (int)ACCEL_JOIN_IGNORE_OUTGOING == ACCEL_FANOUT_IGNORE_OUTGOING &&
		       (int)ACCEL_JOIN_UNIQUE == ACCEL_FANOUT_UNIQUE,
	       "the option's bits are those of kern/fanout.h");

int afpacket_set_group(struct afpacket *a, const struct accel_request *rq, struct accel_err *err)
{
	static const enum accel_opt needs_group[] = {
		ACCEL_OPT_FANOUT_FLAGS, ACCEL_OPT_FANOUT_PROGRAM, ACCEL_OPT_MAX_MEMBERS};

	a->in_group = accel_rq_given(rq, ACCEL_OPT_GROUP) || accel_rq_given(rq, ACCEL_OPT_FANOUT);
	a->fanout.group = (unsigned)accel_rq_value(rq, ACCEL_OPT_GROUP)->num;
	a->fanout.mode = (enum accel_fanout_mode)accel_rq_value(rq, ACCEL_OPT_FANOUT)->num;
	a->fanout.flags = (unsigned)accel_rq_value(rq, ACCEL_OPT_FANOUT_FLAGS)->num;
	if (accel_rq_given(rq, ACCEL_OPT_MAX_MEMBERS))
		a->fanout.max_members = (unsigned)accel_rq_value(rq, ACCEL_OPT_MAX_MEMBERS)->num;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(needs_group) && !a->in_group; i++)
		if (accel_rq_given(rq, needs_group[i]))
			return accel_fail(
				err, -EINVAL,
				"%s: %s is for members of a group (add group=N, or fanout)",
				rq->name, accel_opt_table[needs_group[i]].key);
	return 0;
}
