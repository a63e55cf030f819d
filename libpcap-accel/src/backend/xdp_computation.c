/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_computation.c - a computation: its predicates are a filter before the program's own, in the
 * same XDP program. Which member of a group gets a packet is another program's (xdp_share.c).
 *
 * Threads: the handle's. */
#include "backend/xdp.h"

#include "backend/request.h"
#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Say what it asks for in vain; the reasons are those of a group. */
static void tell_notes(const struct xdp *x)
{
	char text[2048], *rest = text, *line; /* each function once: there are few */

	if (!x->rq.log || !accel_lang_dump(x->lang, ACCEL_LANG_NOTES, text, sizeof(text)))
		return;
	while ((line = strsep(&rest, "\n")) && *line)
		x->rq.log(ACCEL_LOG_INFO, "%s: computation: %.*s", x->rq.name,
			  (int)strcspn(line, ":"), line);
}

int xdp_refuse_computation(const struct xdp *x, const char *theirs, struct accel_err *err)
{
	return accel_fail(err, -EINVAL,
			  "%s: group %d has another computation in this process, '%s' (would be: "
			  "the same or none, or pfq:%s?group=%d)",
			  x->rq.name, x->group, theirs, x->rq.dev->ifaces[0].name, x->group);
}

/* One packet has one frame in one ring, so of the building blocks only these can be had. */
static int check_block(struct xdp *x, struct accel_err *err)
{
	const char *name = x->rq.dev->ifaces[0].name;

	switch (accel_lang_block(x->lang)) {
	case ACCEL_LANG_COPY:
		return 0;
	case ACCEL_LANG_STEER:
		x->steers = true;
		if (x->group >= 0)
			return 0;
		return accel_fail(err, -EOPNOTSUPP,
				  "%s: the computation steers packets to members, and there is no "
				  "group (would be: group=1, predicates alone, or pfq:%s)",
				  x->rq.name, name);
	default:
		return accel_fail(err, -EOPNOTSUPP,
				  "%s: the computation gives packets to several members, and a "
				  "packet of AF_XDP is in one ring (would be: one that steers each "
				  "to one, or pfq:%s)",
				  x->rq.name, name);
	}
}

/* The first text counts: it is the group's. */
static int choose_text(struct xdp *x, struct accel_err *err)
{
	const char *text = accel_rq_value(&x->rq, ACCEL_OPT_COMPUTATION)->text;
	int r = x->group >= 0 ? xdp_share_computation(x, &x->computation) : 0;

	if (r == 0 && !x->computation && text && *text && !(x->computation = strdup(text)))
		r = -ENOMEM;
	if (r < 0)
		return accel_fail_sys(err, r, "%s", x->rq.name);
	if (x->computation && text && *text && strcmp(text, x->computation))
		return xdp_refuse_computation(x, x->computation, err);
	return 0;
}

int xdp_compile_computation(struct xdp *x, struct accel_err *err)
{
	struct accel_lang_options opt = {.compile_pcap = x->rq.compile_filter,
					 .pcap_ctx = x->rq.compile_ctx};
	int r = choose_text(x, err);

	if (r < 0 || !x->computation)
		return r;
	r = accel_lang_compile("computation", x->computation, strlen(x->computation), &opt,
			       &x->lang, err);
	if (r < 0 || (r = check_block(x, err)) < 0)
		return r;
	tell_notes(x);
	return 0;
}

int xdp_compose(const struct xdp *x, const struct accel_guard *guard,
		const struct sock_filter *insns, unsigned n, struct xdp_filter *out,
		struct accel_err *err)
{
	struct xdp_filter own;
	int r = accel_bpf_compose(guard, insns, n, x->rq.snaplen, &own.insns, &own.n);

	if (r < 0)
		return accel_fail_sys(err, r, "%s: the filter", x->rq.name);
	if (!x->lang) {
		*out = own;
		return 0;
	}
	r = accel_lang_filter(x->lang, 0, 1, own.insns, own.n, &out->insns, &out->n, err);
	free(own.insns);
	return r;
}
