/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_filter.c - which program runs on the devices, and since when.
 *
 * A new filter is a new program that replaces the old one at once; first all are loaded, then all
 * are replaced. Where none can be loaded any more the first program, which has been kept,
 * interprets the filter (xdp_tell.c). Packets that are in the rings by then have met the old one:
 * they are judged once more while they are read, until one comes that was stamped after the change.
 *
 * Threads: the handle's. */
#include "backend/xdp.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* From its stamp to the ring a packet takes microseconds; this is the worst case, generously. */
#define SETTLE_NS (20 * UINT64_C(1000000))

enum kind { TRANSLATED, INTERPRETER };

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int make_keep_rules(const struct xdp *x, const struct xdp_device *d,
			   struct accel_xdp_spec *spec, struct sock_filter **keep)
{
	int r;

	*keep = NULL;
	if (!x->opt.force || x->opt.taps)
		return 0;
	r = accel_xdp_keep_rules(&d->host.local, keep, &spec->n_keep);
	spec->keep = *keep;
	return r;
}

/* Of a packet in a tap. The first program may be told to record more than the program wants. */
static uint32_t most_recorded(const struct xdp *x, enum kind kind)
{
	return kind == INTERPRETER ? ACCEL_XDP_MAX_TAP
				   : ACCEL_MIN(x->rq.snaplen, ACCEL_XDP_MAX_TAP);
}

/* Load for the device: the filter as it is, or one that can be told another. */
static int load(const struct xdp *x, const struct xdp_device *d, const struct xdp_filter *filter,
		enum kind kind, struct accel_err *err)
{
	bool is_bound = d->asks_vlan || d->asks_stamp;
	const int map_fds[ACCEL_N_MAPS] = {[ACCEL_MAP_SOCKETS] = d->sockets_fd,
					   [ACCEL_MAP_RING] = d->tap.ring_fd,
					   [ACCEL_MAP_CONTROL] = x->control_fd,
					   [ACCEL_MAP_LOST] = d->tap.lost_fd};
	struct accel_ebpf_prog prog = {0};
	struct accel_bpf_load load = {
		.name = x->rq.name,
		.prog = &prog,
		.map_fds = map_fds,
		.kfunc_ids = x->kfunc_ids,
		.flags = (xdp_prog_has_frags(x, d) ? ACCEL_PROG_HAS_FRAGS : 0) |
			 (is_bound ? ACCEL_PROG_DEV_BOUND : 0),
		.ifindex = is_bound ? d->link.ifindex : 0};
	struct accel_xdp_spec spec = {.filter = filter->insns,
				      .n_filter = filter->n,
				      .action = x->opt.taps ? ACCEL_XDP_TAP : ACCEL_XDP_DIVERT,
				      .snaplen = most_recorded(x, kind),
				      .rest = x->opt.rest,
				      .clock = ACCEL_XDP_CLOCK_MONOTONIC,
				      .is_gated = true,
				      .interprets = kind == INTERPRETER,
				      .asks_vlan = d->asks_vlan,
				      .asks_stamp = d->asks_stamp,
				      .has_fragments = xdp_prog_has_frags(x, d),
				      .is_member = x->group >= 0,
				      .by_helper = x->by_helper,
				      .has_mac = d->host.has_mac};
	struct sock_filter *keep;
	int r;

	memcpy(spec.mac, d->host.mac, sizeof(spec.mac));
	r = make_keep_rules(x, d, &spec, &keep);
	r = r < 0 ? accel_fail_sys(err, r, "%s", x->rq.name)
		  : accel_xdp_generate(&spec, &prog, err);
	free(keep);
	if (r == 0)
		r = accel_bpf_prog_open(&load, err);
	accel_ebpf_prog_fini(&prog);
	return r;
}

/* Before Linux 5.17 there is no interpreter. */
int xdp_load_program(struct xdp *x, const struct xdp_device *d, struct accel_err *err)
{
	const struct xdp_filter filter = {x->filter, x->n_filter};
	int plain, fd = load(x, d, &filter, x->interprets ? INTERPRETER : TRANSLATED, err);

	if (fd >= 0 || !x->interprets)
		return fd;
	plain = load(x, d, &filter, TRANSLATED, err);
	if (plain >= 0)
		x->interprets = false;
	return plain;
}

static void close_own(struct xdp_device *d)
{
	if (d->own_fd >= 0)
		close(d->own_fd);
	d->own_fd = -1;
}

void xdp_close_own_programs(struct xdp *x)
{
	for (unsigned i = 0; i < x->n_devices; i++)
		close_own(&x->devices[i]);
}

static int put_on(const struct xdp *x, const struct xdp_device *d, int prog_fd,
		  struct accel_err *err)
{
	int r = xdp_put_in_force(x, d, prog_fd);

	/* -ENOLINK: the device is gone, and its link empty. */
	return r < 0 && r != -ENOLINK
		       ? accel_fail_sys(err, r, "%s: cannot replace the XDP program", d->link.name)
		       : 0;
}

/* A program of its own for each device, in fds[]. */
static int load_all(const struct xdp *x, const struct xdp_filter *filter, int *fds,
		    struct accel_err *err)
{
	unsigned n = 0;
	int r = 0;

	while (n < x->n_devices && (r = load(x, &x->devices[n], filter, TRANSLATED, err)) >= 0)
		fds[n++] = r;
	while (r < 0 && n > 0)
		close(fds[--n]);
	return r < 0 ? r : 0;
}

void xdp_forget_expected(struct xdp *x)
{
	for (unsigned i = 0; i < x->n_expected; i++)
		close(x->expected_fds[i]);
	x->n_expected = 0;
	free(x->expected.insns);
	x->expected = (struct xdp_filter){0};
}

static bool is_equal(const struct xdp_filter *a, const struct xdp_filter *b)
{
	return a->n == b->n && a->n && memcmp(a->insns, b->insns, a->n * sizeof(*a->insns)) == 0;
}

/* The programs that were loaded for it already, or new ones. */
static int get_programs(struct xdp *x, const struct xdp_filter *filter, int *fds,
			struct accel_err *err)
{
	if (!x->n_expected || !is_equal(filter, &x->expected))
		return load_all(x, filter, fds, err);
	memcpy(fds, x->expected_fds, x->n_expected * sizeof(*fds));
	x->n_expected = 0;
	xdp_forget_expected(x);
	return 0;
}

/* Put a program on each device, or leave all as they were. Those that ran before stay open. A group
 * may have taken it for some queues of the device that failed. */
static int put_on_all(struct xdp *x, const int *fds, struct accel_err *err)
{
	unsigned n = 0;
	int r = 0;

	while (n < x->n_devices && (r = put_on(x, &x->devices[n], fds[n], err)) == 0)
		n++;
	for (unsigned i = 0; r < 0 && i <= n; i++) {
		const struct xdp_device *d = &x->devices[i];

		put_on(x, d, d->own_fd >= 0 ? d->own_fd : d->prog_fd, NULL);
	}
	return r;
}

/* When all are loaded, put them in the place of the old ones. */
static int replace_programs(struct xdp *x, struct accel_err *err)
{
	const struct xdp_filter filter = {x->filter, x->n_filter};
	int fds[ACCEL_MAX_IFACES];
	int r = get_programs(x, &filter, fds, err);

	if (r < 0)
		return r;
	r = put_on_all(x, fds, err);
	for (unsigned i = 0; i < x->n_devices; i++) {
		struct xdp_device *d = &x->devices[i];

		if (r < 0) {
			close(fds[i]);
			continue;
		}
		close_own(d);
		d->own_fd = fds[i];
	}
	return r;
}

/* A program that cannot be told a filter is the faster one. Where none can be loaded, the first one
 * stays. */
void xdp_prefer_own_programs(struct xdp *x)
{
	if (x->interprets)
		replace_programs(x, NULL);
}

/* Put the first programs back, if others run: on all devices or none. */
static int run_first_programs(struct xdp *x, struct accel_err *err)
{
	int fds[ACCEL_MAX_IFACES];
	int r;

	if (x->devices[0].own_fd < 0)
		return 0;
	for (unsigned i = 0; i < x->n_devices; i++)
		fds[i] = x->devices[i].prog_fd;
	r = put_on_all(x, fds, err);
	if (r == 0)
		xdp_close_own_programs(x);
	return r;
}

static int interpret(struct xdp *x, struct accel_err *err)
{
	int r = xdp_tell_filter(x, x->filter, x->n_filter, err);

	if (r == 0)
		r = run_first_programs(x, err);
	x->is_told |= r == 0;
	return r;
}

const char *xdp_filter_kind(const struct xdp *x)
{
	if (x->judges_all)
		return ", filter in the library";
	if (x->is_told)
		return ", interpreted filter";
	return x->n_filter && x->devices[0].own_fd >= 0 ? ", translated filter" : "";
}

/* Does it keep less than the snaplen of some packets? */
static bool filter_cuts(const struct sock_filter *insns, unsigned n, uint32_t snaplen)
{
	for (unsigned i = 0; i < n; i++)
		if (insns[i].code == (BPF_RET | BPF_A) ||
		    (insns[i].code == (BPF_RET | BPF_K) && insns[i].k && insns[i].k < snaplen))
			return true;
	return false;
}

static bool takes_all(const struct sock_filter *insns, unsigned n, uint32_t snaplen)
{
	return n == 0 || (n == 1 && insns->code == (BPF_RET | BPF_K) && insns->k >= snaplen);
}

/* Do they take the same packets? */
static bool is_same(const struct xdp *x, const struct xdp_filter *a, const struct xdp_filter *b)
{
	uint32_t snaplen = x->rq.snaplen;

	return is_equal(a, b) ||
	       (takes_all(a->insns, a->n, snaplen) && takes_all(b->insns, b->n, snaplen));
}

/* tcpdump has its filter compiled, gives up root, and sets it: what is loaded now needs no
 * privilege to be put in force. */
void xdp_expect_filter(void *st, const struct sock_filter *insns, unsigned n)
{
	struct xdp *x = st;
	struct xdp_filter now = {x->filter, x->n_filter}, whole;

	xdp_forget_expected(x);
	if (xdp_compose(x, &x->guard, insns, n, &whole, NULL) < 0)
		return;
	if (is_same(x, &now, &whole) || load_all(x, &whole, x->expected_fds, NULL) < 0) {
		free(whole.insns);
		return;
	}
	x->expected = whole;
	x->n_expected = x->n_devices;
}

/* Where the host gets nothing anyway, or everything, the program may go on taking or copying more
 * than the filter wants, as the first one does: the reader judges. */
static int filter_ourselves(struct xdp *x, struct accel_err *err)
{
	int r = 0;

	/* The library sees what is recorded: it may need more of a packet than the program. */
	if (x->opt.taps && x->interprets)
		r = xdp_tell_filter(x, NULL, 0, err);
	else
		xdp_tell_none(x);
	if (r == 0)
		r = run_first_programs(x, err);
	if (r < 0)
		return r;
	x->is_told = false;
	x->judges_all = true;
	return 0;
}

static int refuse(const struct xdp *x, struct accel_err *err)
{
	return accel_fail(err, -EPERM,
			  "%s: this process has given up the privileges that a new XDP program "
			  "takes (keep CAP_BPF and CAP_NET_ADMIN, as tcpdump -Z root does, or add "
			  "rest=drop)",
			  x->rq.name);
}

static void say(const struct xdp *x, const char *how, const char *why)
{
	if (x->rq.log)
		x->rq.log(ACCEL_LOG_INFO, "%s: the filter of %u instructions is %s%s", x->rq.name,
			  x->n_filter, how, why);
}

/* A program of its own is the faster one. Who has given up the privileges to load it has the filter
 * interpreted, and so has one that the kernel's verifier finds too long. Before Linux 5.17 nothing
 * is interpreted. What cannot be translated, a tap has the library filter. */
static int put_filter_in_force(struct xdp *x, struct accel_err *err)
{
	struct accel_err why = {0};
	int r = replace_programs(x, &why);
	bool is_late = r == -EPERM && !x->interprets;

	if (r == 0) {
		x->is_told = x->judges_all = false;
		say(x, "translated", "");
		return 0;
	}
	if ((r == -EOPNOTSUPP && x->opt.taps) ||
	    (is_late && (x->opt.taps || x->opt.rest == ACCEL_XDP_DROP))) {
		say(x, "the library's: ", why.text);
		return filter_ourselves(x, err);
	}
	if (is_late)
		return refuse(x, err);
	if (r == -EOPNOTSUPP || !x->interprets)
		return accel_fail(err, r, "%s", why.text);
	r = interpret(x, err);
	if (r == 0) {
		x->judges_all = false;
		say(x, "interpreted: ", why.text);
	}
	return r;
}

int xdp_set_filter(void *st, const struct sock_filter *insns, unsigned n, struct accel_err *err)
{
	struct xdp *x = st;
	struct xdp_filter old = {x->filter, x->n_filter}, whole;
	int r = xdp_compose(x, &x->guard, insns, n, &whole, err);

	if (r < 0)
		return r;
	x->filter = whole.insns;
	x->n_filter = whole.n;
	if (!is_same(x, &old, &whole))
		r = put_filter_in_force(x, err);
	/* Also if it failed: some device may have had it for a moment. */
	x->settled_ns = monotonic_ns() + SETTLE_NS;
	if (r < 0) {
		free(x->filter);
		x->filter = old.insns;
		x->n_filter = old.n;
		return r;
	}
	free(old.insns);
	x->cuts = filter_cuts(x->filter, x->n_filter, x->rq.snaplen);
	xdp_arm(x);
	return 0;
}
