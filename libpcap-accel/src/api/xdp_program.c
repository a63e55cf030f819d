/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_program.c - the XDP program that a capture would load, without a capture: made by the
 * functions that the engine uses, and printed.
 *
 * What a device decides is left out: its tags, stamps and MAC address, packets in several parts,
 * the addresses of the host. Filters are compiled in the dialect of savefiles, as core/model.h
 * says, and the program is one for a process with CAP_PERFMON and a handle without a group.
 *
 * Threads: any. */
#include "api/export.h"
#include "api/pcap_codes.h"
#include "base/err.h"
#include "bpf/cbpf.h"
#include "bpf/xdp_prog.h"
#include "core/model.h"
#include "core/real.h"
#include "lang/lang.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE_PACKET 262144u /* the snaplen of a capture that names none */

struct insns {
	struct sock_filter *at;
	unsigned n;
};

struct program {
	struct insns filter, keep;
	struct accel_xdp_spec spec;
	struct accel_ebpf_prog prog;
	struct accel_lang_where where; /* of a mistake in the computation; line 0: elsewhere */
};

static bool is_given(const char *text)
{
	return text && *text;
}

static uint32_t snaplen_of(const struct pcap_accel_xdp *what)
{
	return what->snaplen && what->snaplen < WHOLE_PACKET ? what->snaplen : WHOLE_PACKET;
}

/* ---- making it ---- */

static int compile_filter(const struct pcap_accel_xdp *what, struct insns *out,
			  struct accel_err *err)
{
	const struct accel_real *real = accel_real();
	struct pcap *dead;
	int r;

	if (!is_given(what->filter))
		return 0;
	dead = real->pcap_open_dead(DLT_EN10MB, (int)snaplen_of(what));
	if (!dead)
		return accel_fail(err, -ENOMEM, "filter: no libpcap to compile it");
	r = accel_model_compile(dead, what->filter, &out->at, &out->n, err);
	real->pcap_close(dead);
	return r;
}

/* What the engine would compose: the filter, or "keep snaplen bytes". */
static int compose(const struct pcap_accel_xdp *what, struct program *p, struct accel_err *err)
{
	const struct accel_guard everything = {0};
	struct insns user = {NULL, 0};
	int r = compile_filter(what, &user, err);

	if (r < 0)
		return r;
	r = accel_bpf_compose(&everything, user.at, user.n, snaplen_of(what), &p->filter.at,
			      &p->filter.n);
	free(user.at);
	return r < 0 ? accel_fail_sys(err, r, "filter") : 0;
}

static int put_before(const struct accel_lang *lang, struct insns *filter, struct accel_err *err)
{
	struct insns own = *filter;
	int r;

	if (accel_lang_block(lang) != ACCEL_LANG_COPY)
		return accel_fail(err, -EOPNOTSUPP,
				  "computation: divides packets among members, which is another "
				  "program's of their group (would be: predicates alone)");
	r = accel_lang_filter(lang, 0, 1, own.at, own.n, &filter->at, &filter->n, err);
	if (r == 0)
		free(own.at);
	return r;
}

static int add_computation(const char *text, struct program *p, struct accel_err *err)
{
	struct accel_lang_options opt = {.compile_pcap = accel_model_compile_dead,
					 .where = &p->where};
	struct accel_lang *lang;
	int r;

	if (!is_given(text))
		return 0;
	r = accel_lang_compile("computation", text, strlen(text), &opt, &lang, err);
	if (r < 0)
		return r;
	p->where.line = 0;
	r = put_before(lang, &p->filter, err);
	accel_lang_free(lang);
	return r;
}

static int add_keep_rules(const struct pcap_accel_xdp *what, struct program *p,
			  struct accel_err *err)
{
	const struct accel_xdp_local any_host = {0};
	int r;

	if (!what->keeps || what->taps)
		return 0;
	r = accel_xdp_keep_rules(&any_host, &p->keep.at, &p->keep.n);
	return r < 0 ? accel_fail_sys(err, r, "keep rules") : 0;
}

/* As backend/xdp_filter.c loads it. */
static int generate(const struct pcap_accel_xdp *what, struct program *p, struct accel_err *err)
{
	p->spec = (struct accel_xdp_spec){
		.filter = p->filter.at,
		.n_filter = p->filter.n,
		.keep = p->keep.at,
		.n_keep = p->keep.n,
		.action = what->taps ? ACCEL_XDP_TAP : ACCEL_XDP_DIVERT,
		.snaplen = ACCEL_MIN(snaplen_of(what), ACCEL_XDP_MAX_TAP),
		.rest = what->drops_rest ? ACCEL_XDP_DROP : ACCEL_XDP_PASS,
		.clock = ACCEL_XDP_CLOCK_MONOTONIC,
		.is_gated = true,
	};
	return accel_xdp_generate(&p->spec, &p->prog, err);
}

static int make(const struct pcap_accel_xdp *what, struct program *p, struct accel_err *err)
{
	int r;

	if (what->size < sizeof(*what))
		return accel_fail(err, -EINVAL, "pcap_accel_dump_xdp: size is too small");
	if (what->taps && what->drops_rest)
		return accel_fail(err, -EINVAL,
				  "xdp: tap=yes copies, the host gets everything (would be: "
				  "rest=drop without tap)");
	if ((r = compose(what, p, err)) < 0 ||
	    (r = add_computation(what->computation, p, err)) < 0 ||
	    (r = add_keep_rules(what, p, err)) < 0)
		return r;
	return generate(what, p, err);
}

/* ---- showing it ---- */

static void tell(const struct pcap_accel_xdp *what, const struct program *p,
		 const struct accel_err *err, char *report, size_t size)
{
	if (!report)
		return;
	if (p->where.line)
		accel_lang_explain_error(what->computation, strlen(what->computation), err,
					 &p->where, report, size);
	else
		snprintf(report, size, "%s\n", err->text);
}

static void give(struct pcap_accel_xdp *what, const struct program *p)
{
	/* One layout: tests/abi/test_headers.py compares them. */
	if (what->insns && p->filter.n)
		memcpy(what->insns, p->filter.at,
		       ACCEL_MIN(what->max_insns, p->filter.n) * sizeof(*p->filter.at));
	what->n_insns = p->filter.n;
	what->n_keep = p->keep.n;
	what->n_extended = p->prog.n_insns;
}

int pcap_accel_dump_xdp(struct pcap_accel_xdp *what, char *text, size_t size, char *report,
			size_t report_size)
{
	struct program p = {0};
	struct accel_err err = {""};
	int r = make(what, &p, &err);

	if (r == 0) {
		give(what, &p);
		r = (int)accel_xdp_dump(&p.spec, &p.prog, text, size);
	} else {
		tell(what, &p, &err, report, report_size);
		r = PCAP_ERROR;
	}
	accel_ebpf_prog_fini(&p.prog);
	free(p.filter.at);
	free(p.keep.at);
	return r;
}
