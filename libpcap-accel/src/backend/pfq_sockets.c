/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_sockets.c - the sockets that a computation needs, and their filters.
 *
 * Each part of a computation (lang.h) is a socket bound to all devices, with the group's devices in
 * its filter: a fanout group over several devices must be, and one more device is then a matter of
 * a filter. A fanout part's program says who gets a packet, its filter whether anybody does.
 *
 * Threads: the handle's. */
#include "backend/pfq.h"

#include "base/err.h"
#include "kern/fanout.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int pfq_compile(const struct pfq *p, const char *text, struct accel_lang **lang,
		struct accel_err *err)
{
	struct accel_lang_options opt = {.compile_pcap = p->compile_filter,
					 .pcap_ctx = p->compile_ctx};

	*lang = NULL;
	if (!text || !*text)
		return 0;
	return accel_lang_compile(p->name, text, strlen(text), &opt, lang, err);
}

/* Without a computation there is one plain part. */
static unsigned get_parts(const struct accel_lang *lang,
			  struct accel_lang_part parts[ACCEL_LANG_MAX_PARTS])
{
	if (lang)
		return accel_lang_parts(lang, parts);
	parts[0] = (struct accel_lang_part){0};
	return 1;
}

unsigned pfq_count_fanouts(const struct accel_lang *lang)
{
	struct accel_lang_part parts[ACCEL_LANG_MAX_PARTS];
	unsigned n = get_parts(lang, parts), fanouts = 0;

	for (unsigned i = 0; i < n; i++)
		fanouts += parts[i].fanout;
	return fanouts;
}

/* ---- filters ---- */

static void set_guard(struct pfq *p)
{
	struct accel_guard *g = &p->guard;

	memset(g, 0, sizeof(*g));
	g->direction = ACCEL_DIR_IN; /* PFQ sees what comes in */
	for (unsigned i = 0; i < p->n_links; i++)
		g->ifindex[g->n_ifindex++] = (uint32_t)p->links[i].ifindex;
	g->n_vlans = ACCEL_MIN(p->rec.n_vlans, (unsigned)ACCEL_GUARD_MAX_VLANS);
	memcpy(g->vlans, p->rec.vlans, g->n_vlans * sizeof(g->vlans[0]));
	g->vlan_in_band = true;
}

/* Computation, guard, the group's filter, the program's own. -E2BIG: too long for the kernel. */
static int compose(const struct pfq *p, unsigned part, bool with_user, struct sock_filter **out,
		   unsigned *n_out, struct accel_err *err)
{
	struct sock_filter *tail;
	unsigned n_tail;
	int r = accel_bpf_compose(&p->guard, with_user ? p->all : NULL, with_user ? p->n_all : 0,
				  p->snaplen, &tail, &n_tail);

	if (r < 0 || !p->lang) {
		*out = tail;
		*n_out = n_tail;
		return r;
	}
	r = accel_lang_filter(p->lang, part, ACCEL_MAX(p->n_members, 1u), tail, n_tail, out, n_out,
			      err);
	free(tail);
	return r;
}

int pfq_drop_everything(struct accel_psock *sock)
{
	static const struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);

	return accel_psock_attach(sock, &drop, 1);
}

static int attach_part(struct pfq *p, struct pfq_part *part, unsigned i, bool with_user,
		       struct accel_err *err)
{
	struct sock_filter *prog;
	unsigned n;
	int r;

	if (p->n_links == 0) /* nobody has named a device yet */
		return pfq_drop_everything(&part->sock);
	r = compose(p, i, with_user, &prog, &n, err);
	if (r < 0)
		return r == -ENOMEM ? accel_fail_sys(err, r, "%s", p->name) : r;
	r = accel_psock_attach(&part->sock, prog, n);
	/* While one replaces another, the kernel charges the socket for both. */
	if (r == -ENOMEM && pfq_drop_everything(&part->sock) == 0)
		r = accel_psock_attach(&part->sock, prog, n);
	free(prog);
	if (r == -ENOMEM)
		accel_fail(
			err, r,
			"%s: the filter of %u instructions is too large for the kernel (a shorter "
			"computation, or more net.core.optmem_max)",
			p->name, n);
	return r;
}

/* Part i of the computation gets its filter, with what the program wants if the kernel takes it. */
static int attach_filter(struct pfq *p, struct pfq_part *part, unsigned i, struct accel_err *err)
{
	int r = p->kernel_runs_it ? attach_part(p, part, i, true, p->all ? NULL : err) : -E2BIG;

	if (p->all && (r == -E2BIG || r == -ENOMEM || r == -EINVAL)) {
		p->kernel_runs_it = false; /* the reader does */
		r = attach_part(p, part, i, false, err);
	}
	if (r == -E2BIG || r == -ENOMEM)
		return r; /* its size has been told */
	return r < 0 ? accel_fail_sys(err, r, "%s: the kernel refused the filter", p->name) : 0;
}

static void settle_readers(struct pfq *p)
{
	for (unsigned i = 0; i < p->n_parts; i++) {
		p->parts[i].reader.filter = p->all;
		p->parts[i].reader.filter_always = p->all && !p->kernel_runs_it;
		accel_reader_expect_old(&p->parts[i].reader);
	}
	for (unsigned i = 0; i < p->n_old; i++) {
		p->old[i].reader.filter = p->all;
		p->old[i].reader.filter_always = p->all;
	}
}

/* Make p->all of the group's filter and the program's. The readers have it at once: what the old
 * one was made of is freed. Without memory only the program's own is left. */
static int combine(struct pfq *p)
{
	const struct sock_filter keep = BPF_STMT(BPF_RET | BPF_K, p->snaplen);
	struct sock_filter *chained = NULL;
	unsigned n = 0;
	int r = 0;

	if (p->rec.filter)
		r = accel_bpf_chain(p->rec.filter, p->rec.n_filter, p->user ? p->user : &keep,
				    p->user ? p->n_user : 1, &chained, &n);
	p->all = chained ? chained : p->user;
	p->n_all = chained ? n : p->n_user;
	p->kernel_runs_it = !p->all || accel_bpf_fits_kernel(p->all, p->n_all);
	settle_readers(p);
	free(p->chained);
	p->chained = chained;
	return r;
}

int pfq_attach_filters(struct pfq *p, struct accel_err *err)
{
	int r = combine(p);

	if (r < 0)
		return accel_fail_sys(err, r, "%s: the group's filter", p->name);
	set_guard(p);
	for (unsigned i = 0; i < p->n_parts; i++)
		if ((r = attach_filter(p, &p->parts[i], i, err)) < 0)
			return r;
	settle_readers(p);
	return 0;
}

static int set_program(struct pfq *p, unsigned i, struct accel_err *err)
{
	struct sock_fprog prog;
	unsigned n;

	prog.filter = (struct sock_filter *)accel_lang_fanout(p->lang, i, &n);
	prog.len = (unsigned short)n;
	return accel_fanout_set_program(p->parts[i].sock.fd, p->name, &prog, -1, err);
}

int pfq_set_programs(struct pfq *p, struct accel_err *err)
{
	int r = 0;

	for (unsigned i = 0; i < p->n_parts && r == 0; i++)
		if (p->parts[i].group >= 0)
			r = set_program(p, i, err);
	return r;
}

int pfq_check_programs(struct pfq *p, struct accel_err *err)
{
	enum accel_fanout_mode mode;
	unsigned n_members;
	int r = 0;

	for (unsigned i = 0; i < p->n_parts && r == 0; i++)
		if (p->parts[i].group >= 0 &&
		    accel_fanout_find((unsigned)p->parts[i].group, &mode, &n_members) == 0 &&
		    n_members == 1)
			r = set_program(p, i, err);
	return r;
}

/* ---- sockets ---- */

void pfq_open_spares(struct pfq *p)
{
	struct accel_psock sock;

	for (unsigned i = p->n_parts; i < PFQ_N_SPARES; i++)
		if (accel_psock_open(&sock, SOCK_RAW, NULL) == 0)
			p->spares[i] = (struct pfq_spare){sock.fd, -1};
}

void pfq_close_spares(struct pfq *p)
{
	for (unsigned i = 0; i < PFQ_N_SPARES; i++)
		if (p->spares[i].fd >= 0)
			close(p->spares[i].fd);
}

/* Of the spares in this kernel group, or, with -1, in none: the descriptor, or -1. */
static int take_spare(struct pfq *p, int group)
{
	int fd;

	for (unsigned i = 0; i < PFQ_N_SPARES; i++) {
		fd = p->spares[i].fd;
		if (fd < 0 || p->spares[i].group != group)
			continue;
		p->spares[i].fd = -1;
		return fd;
	}
	return -1;
}

/* A socket that is in the kernel group already, else a fresh one if we may have it, else a spare
 * one. *is_in says whether it is in the group. */
static int take_socket(struct pfq *p, int group, struct accel_psock *sock, bool *is_in,
		       struct accel_err *err)
{
	int fd = group >= 0 ? take_spare(p, group) : -1, r;

	*is_in = fd >= 0;
	if (fd < 0) {
		r = accel_psock_open(sock, SOCK_RAW, err);
		if (r != -EPERM)
			return r;
		fd = take_spare(p, -1);
		if (fd < 0)
			return r;
	}
	*sock = ACCEL_PSOCK_NONE;
	sock->fd = fd;
	return 0;
}

void pfq_give_socket(struct pfq *p, int fd, int group)
{
	/* Who may have another keeps none: one in a kernel group takes packets when the group is
	 * used again, before its owner has heard of it. */
	for (unsigned i = 0; i < PFQ_N_SPARES && !accel_psock_may_open(); i++) {
		if (p->spares[i].fd >= 0 || accel_psock_idle(fd) < 0)
			continue;
		p->spares[i] = (struct pfq_spare){fd, group};
		return;
	}
	close(fd);
}

static int join_fanout(struct pfq *p, struct accel_psock *sock, unsigned group,
		       struct accel_err *err)
{
	struct accel_fanout fanout = {.group = group,
				      .mode = ACCEL_MODE_CBPF,
				      .flags = ACCEL_JOIN_IGNORE_OUTGOING,
				      .max_members = ACCEL_REGISTRY_MAX_MEMBERS};

	return accel_fanout_join(sock->fd, p->name, &fanout, err);
}

/* From bind() to the joining of its kernel group a socket gets everything, from the joining on its
 * share: with its filter in place nothing of the share is lost, and what is stamped before the end
 * of it all is not ours. */
static int begin_to_receive(struct pfq *p, struct pfq_part *part, bool is_in, struct accel_err *err)
{
	int r = 0;

	if (part->group < 0)
		r = accel_psock_set_option(&part->sock, PACKET_IGNORE_OUTGOING, 1);
	if (r == 0 && !is_in)
		r = accel_psock_bind(&part->sock, 0, ETH_P_ALL);
	if (r < 0)
		return accel_fail_sys(err, r, "%s: cannot bind a packet socket", p->name);
	if (part->group >= 0 && !is_in)
		r = join_fanout(p, &part->sock, (unsigned)part->group, err);
	if (r == 0 && part->group >= 0)
		part->reader.from_ns = pfq_real_ns();
	return r;
}

/* Part i of n: socket, ring, filter, bound to all devices, in its kernel group. */
static int open_part(struct pfq *p, struct pfq_part *part, unsigned i, unsigned n,
		     struct accel_err *err)
{
	struct accel_ring_request ring = p->ring;
	struct accel_psock *sock = &part->sock;
	bool is_in;
	int r;

	ring.buffer_len /= n;
	if (pfq_count_fanouts(p->lang) > 0)
		ring.retire_ms = ACCEL_MIN(ring.retire_ms, p->max_retire_ms);
	ring.must_fit = ring.must_fit && p->n_parts == 0; /* better a smaller one than none */
	if ((r = take_socket(p, part->group, sock, &is_in, err)) < 0)
		return r;
	part->reader = (struct accel_reader){.ring = &sock->ring,
					     .framing = ACCEL_FRAMING_ETHERNET,
					     .nano = p->nano,
					     .snaplen = p->snaplen,
					     .stop = p->stop,
					     .host_stamps = true};
	r = accel_psock_set_ring(sock, p->name, &ring, err);
	r = r ? r : attach_filter(p, part, i, err);
	r = r ? r : begin_to_receive(p, part, is_in, err);
	part->reader.from_ns = ACCEL_MAX(part->reader.from_ns, p->rec.since_ns);
	return r;
}

void pfq_close_part(struct pfq *p, struct pfq_part *part)
{
	struct accel_psock_counts c = {0};

	/* The kernel hands each count out once: in a child that closes they are its parent's. */
	if (accel_registry_is_ours(&p->registry))
		c = accel_psock_count(&part->sock);
	__atomic_fetch_add(&p->past.packets, c.packets - part->reader.n_skipped, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->past.drops, c.drops, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->past.freezes, c.freezes, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->past_delivered, part->reader.n_delivered, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->past_delivered_len, part->reader.delivered_len, __ATOMIC_RELAXED);
	accel_psock_close(&part->sock);
}

void pfq_close_parts(struct pfq *p)
{
	for (unsigned i = 0; i < p->n_parts; i++)
		pfq_close_part(p, &p->parts[i]);
	for (unsigned i = 0; i < p->n_old; i++)
		pfq_close_part(p, &p->old[i]);
	p->n_parts = 0;
	p->n_old = 0;
}

void pfq_move_part(struct pfq_part *to, const struct pfq_part *from)
{
	*to = *from;
	to->reader.ring = &to->sock.ring; /* each reads the ring beside it */
}

int pfq_make_parts(struct pfq *p, bool *made, struct accel_err *err)
{
	struct accel_lang_part want[ACCEL_LANG_MAX_PARTS];
	struct pfq_part next[ACCEL_LANG_MAX_PARTS];
	unsigned n = get_parts(p->lang, want), fanout = 0, i;
	int r = 0;

	if (p->n_parts > 0 && p->rec.since_ns == p->since_ns)
		return 0;
	if ((r = combine(p)) < 0)
		return accel_fail_sys(err, r, "%s: the group's filter", p->name);
	set_guard(p);
	pfq_end_change(p);
	for (i = 0; i < n && r == 0; i++) {
		next[i] = (struct pfq_part){.sock = ACCEL_PSOCK_NONE, .group = -1};
		if (want[i].fanout)
			next[i].group = p->rec.fanouts[fanout++];
		pfq_retire_group(p, next[i].group);
		r = open_part(p, &next[i], i, n, err);
	}
	if (r < 0) {
		while (i-- > 0)
			accel_psock_close(&next[i].sock);
		return r;
	}
	pfq_put_aside(p, p->rec.since_ns);
	for (i = 0; i < n; i++)
		pfq_move_part(&p->parts[i], &next[i]);
	p->n_parts = n;
	settle_readers(p);
	*made = true;
	return 0;
}
