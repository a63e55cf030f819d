/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_computation.c - a computation on a device that nobody shares: its predicates are a filter
 * before the program's own, in the same XDP program.
 *
 * Functions that say which member gets a packet are refused: an AF_XDP socket has no members.
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

int xdp_compile_computation(struct xdp *x, struct accel_err *err)
{
	const struct accel_value *v = accel_rq_value(&x->rq, ACCEL_OPT_COMPUTATION);
	struct accel_lang_options opt = {.compile_pcap = x->rq.compile_filter,
					 .pcap_ctx = x->rq.compile_ctx};
	int r;

	if (!v->text || !*v->text)
		return 0;
	r = accel_lang_compile("computation", v->text, strlen(v->text), &opt, &x->lang, err);
	if (r < 0)
		return r;
	if (accel_lang_block(x->lang) != ACCEL_LANG_COPY)
		return accel_fail(err, -EOPNOTSUPP,
				  "%s: the computation steers packets to members, and a queue of "
				  "AF_XDP has one owner (would be: predicates alone, or pfq:%s)",
				  x->rq.name, x->rq.dev->ifaces[0].name);
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
