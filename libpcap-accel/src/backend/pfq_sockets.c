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
#include <sys/epoll.h>
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

static int drop_everything(struct accel_psock *sock)
{
	static const struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);

	return accel_psock_attach(sock, &drop, 1);
}

void pfq_silence(struct pfq *p)
{
	for (unsigned i = 0; i < p->n_parts; i++)
		drop_everything(&p->parts[i].sock);
}

static int attach_part(struct pfq *p, unsigned i, bool with_user, struct accel_err *err)
{
	struct accel_psock *sock = &p->parts[i].sock;
	struct sock_filter *prog;
	unsigned n;
	int r;

	if (p->n_links == 0) /* nobody has named a device yet */
		return drop_everything(sock);
	r = compose(p, i, with_user, &prog, &n, err);
	if (r < 0)
		return r == -ENOMEM ? accel_fail_sys(err, r, "%s", p->name) : r;
	r = accel_psock_attach(sock, prog, n);
	/* While one replaces another, the kernel charges the socket for both. */
	if (r == -ENOMEM && drop_everything(sock) == 0)
		r = accel_psock_attach(sock, prog, n);
	free(prog);
	if (r == -ENOMEM)
		accel_fail(
			err, r,
			"%s: the filter of %u instructions is too large for the kernel (a shorter "
			"computation, or more net.core.optmem_max)",
			p->name, n);
	return r;
}

static void settle_readers(struct pfq *p)
{
	for (unsigned i = 0; i < p->n_parts; i++) {
		p->parts[i].reader.filter = p->all;
		p->parts[i].reader.filter_always = p->all && !p->kernel_runs_it;
		accel_reader_expect_old(&p->parts[i].reader);
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
	for (unsigned i = 0; i < p->n_parts; i++) {
		r = p->kernel_runs_it ? attach_part(p, i, true, p->all ? NULL : err) : -E2BIG;
		if (p->all && (r == -E2BIG || r == -ENOMEM || r == -EINVAL)) {
			p->kernel_runs_it = false; /* the reader does */
			r = attach_part(p, i, false, err);
		}
		if (r == -E2BIG || r == -ENOMEM)
			return r; /* its size has been told */
		if (r < 0)
			return accel_fail_sys(err, r, "%s: the kernel refused the filter", p->name);
	}
	settle_readers(p);
	return 0;
}

int pfq_set_programs(struct pfq *p, struct accel_err *err)
{
	struct sock_fprog prog = {0};
	const struct sock_filter *insns;
	unsigned n;
	int r;

	for (unsigned i = 0; i < p->n_parts; i++) {
		if (p->parts[i].group < 0)
			continue;
		insns = accel_lang_fanout(p->lang, i, &n);
		prog.filter = (struct sock_filter *)insns;
		prog.len = (unsigned short)n;
		r = accel_fanout_set_program(p->parts[i].sock.fd, p->name, &prog, -1, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- sockets ---- */

/* A fresh packet socket if we may have one, else one of the spares. */
static int take_socket(struct pfq *p, struct accel_psock *sock, struct accel_err *err)
{
	int r = accel_psock_open(sock, SOCK_RAW, err);

	for (unsigned i = 0; r == -EPERM && i < ACCEL_LANG_MAX_PARTS; i++) {
		if (p->spare_fds[i] < 0)
			continue;
		*sock = ACCEL_PSOCK_NONE;
		sock->fd = p->spare_fds[i];
		p->spare_fds[i] = -1;
		r = 0;
	}
	return r;
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

/* Socket, ring, bound to all devices with a filter that drops everything, in its kernel group. */
static int open_part(struct pfq *p, struct pfq_part *part, unsigned n_parts, struct accel_err *err)
{
	struct accel_ring_request ring = p->ring;
	struct accel_psock *sock = &part->sock;
	int r;

	ring.buffer_len /= n_parts;
	if ((r = take_socket(p, sock, err)) < 0)
		return r;
	part->reader = (struct accel_reader){.ring = &sock->ring,
					     .framing = ACCEL_FRAMING_ETHERNET,
					     .nano = p->nano,
					     .snaplen = p->snaplen,
					     .stop = p->stop,
					     .host_stamps = true};
	r = accel_psock_set_ring(sock, p->name, &ring, err);
	r = r ? r : drop_everything(sock);
	if (r == 0 && part->group < 0)
		r = accel_psock_set_option(sock, PACKET_IGNORE_OUTGOING, 1);
	r = r ? r : accel_psock_bind(sock, 0, ETH_P_ALL);
	if (r == 0 && part->group >= 0)
		r = join_fanout(p, sock, (unsigned)part->group, err);
	return r;
}

static int watch_part(struct pfq *p, struct pfq_part *part)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, part->sock.fd, &event) < 0 ? -errno : 0;
}

static void close_part(struct pfq *p, struct pfq_part *part)
{
	struct accel_psock_counts c = accel_psock_count(&part->sock);

	__atomic_fetch_add(&p->past.packets, c.packets, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->past.drops, c.drops, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->past.freezes, c.freezes, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->past_delivered, part->reader.n_delivered, __ATOMIC_RELAXED);
	accel_psock_close(&part->sock);
}

void pfq_close_parts(struct pfq *p)
{
	for (unsigned i = 0; i < p->n_parts; i++)
		close_part(p, &p->parts[i]);
	p->n_parts = 0;
}

/* A part that is there and will do, or -1. `kept` are promised already. */
static int find_part(const struct pfq *p, const bool *kept, int group)
{
	for (unsigned i = 0; i < p->n_parts; i++)
		if (!kept[i] && p->parts[i].group == group)
			return (int)i;
	return -1;
}

static void take_over(struct pfq *p, const struct pfq_part *next, unsigned n, const bool *kept)
{
	for (unsigned i = 0; i < p->n_parts; i++)
		if (!kept[i])
			close_part(p, &p->parts[i]);
	memcpy(p->parts, next, n * sizeof(next[0]));
	p->n_parts = n;
	/* The readers were copied: each reads the ring beside it. */
	for (unsigned i = 0; i < n; i++)
		p->parts[i].reader.ring = &p->parts[i].sock.ring;
}

int pfq_make_parts(struct pfq *p, bool *made, struct accel_err *err)
{
	struct accel_lang_part want[ACCEL_LANG_MAX_PARTS];
	struct pfq_part next[ACCEL_LANG_MAX_PARTS];
	bool kept[ACCEL_LANG_MAX_PARTS] = {false}, is_new[ACCEL_LANG_MAX_PARTS] = {false};
	unsigned n = get_parts(p->lang, want), fanout = 0, i;
	int r = 0, old;

	for (i = 0; i < n && r == 0; i++) {
		next[i].group = want[i].fanout ? p->rec.fanouts[fanout++] : -1;
		old = find_part(p, kept, next[i].group);
		if (old >= 0) {
			next[i] = p->parts[old];
			kept[old] = true;
			continue;
		}
		next[i].sock = ACCEL_PSOCK_NONE;
		next[i].n_promisc = 0;
		is_new[i] = true;
		*made = true;
		r = open_part(p, &next[i], n, err);
		r = r ? r : watch_part(p, &next[i]);
	}
	if (r < 0) {
		while (i-- > 0)
			if (is_new[i])
				accel_psock_close(&next[i].sock);
		return r;
	}
	take_over(p, next, n, kept);
	return 0;
}
