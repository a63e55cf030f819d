/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_group.c - being a member: found or made, joined, followed, left.
 *
 * Whoever brings a device or a computation brings it for all. The change is made under the record's
 * lock: first the kernel's groups get their programs, then the record is written, which wakes the
 * other members, who attach their filters. Between the first and the last of them a packet may be
 * judged by the new program and an old filter; nothing else tells members of each other.
 *
 * A change by who is no member (pfq_define.c) is only in the record, marked as pending: the first
 * member that sees it does what a changing member does, and takes the mark away.
 *
 * Threads: the handle's. */
#include "backend/pfq.h"

#include "backend/pfq_store.h"
#include "backend/request.h"
#include "base/err.h"
#include "kern/fanout.h"

#include <errno.h>
#include <net/if_arp.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIRST_PRIVATE	 32768u /* groups of handles that named none */
#define LOOK_NS		 (10 * UINT64_C(1000000))
#define COUNT_MEMBERS_NS (500 * UINT64_C(1000000))

/* ---- the record, changed ---- */

/* "any" is what there is now: each Ethernet interface but lo, as PFQ has it. */
static int add_all(struct pfq_record *rec, bool *changed)
{
	struct if_nameindex *all = if_nameindex();
	unsigned hatype;
	int r = 0;

	for (struct if_nameindex *i = all; i && i->if_index && r == 0; i++)
		if (accel_link_name_exists(i->if_name, &hatype) && hatype == ARPHRD_ETHER)
			r = pfq_add_device(rec, i->if_name, changed);
	if (all)
		if_freenameindex(all);
	return r;
}

int pfq_add_device(struct pfq_record *rec, const char *name, bool *changed)
{
	if (strcmp(name, "any") == 0)
		return add_all(rec, changed);
	if (pfq_record_has(rec, name))
		return 0;
	*changed = true;
	return pfq_record_add(rec, name);
}

/* Put what the request brings into rec. *changed says whether the others must know. */
static int merge_request(struct pfq *p, const struct accel_request *rq, bool *changed,
			 struct accel_err *err)
{
	const struct accel_value *text = accel_rq_value(rq, ACCEL_OPT_COMPUTATION);
	const struct accel_value *vlan = accel_rq_value(rq, ACCEL_OPT_VLAN);

	for (unsigned i = 0; i < rq->dev->n_ifaces; i++)
		if (pfq_add_device(&p->rec, rq->dev->ifaces[i].name, changed) < 0)
			return accel_fail(err, -E2BIG,
					  "%s: the group has too many devices (at most %d)",
					  rq->name, ACCEL_MAX_IFACES);
	if (vlan->list) {
		p->rec.n_vlans = (unsigned)vlan->num;
		memcpy(p->rec.vlans, vlan->list, vlan->num * sizeof(*vlan->list));
		*changed = true;
	}
	if (text->text && *text->text &&
	    (!p->rec.computation || strcmp(text->text, p->rec.computation) != 0)) {
		if (pfq_record_set_computation(&p->rec, text->text) < 0)
			return accel_fail_sys(err, -ENOMEM, "%s", rq->name);
		p->rec.pending = *changed = true;
	}
	return 0;
}

/* ---- the devices ---- */

/* The links of rec's devices; one that is not there is passed over: it may have been removed since
 * another member named it. */
static void find_links(struct pfq *p)
{
	int fd = p->control.fd;

	p->n_links = 0;
	for (unsigned i = 0; i < p->rec.n_devices; i++)
		if (accel_link_get(fd, p->rec.devices[i], &p->links[p->n_links], NULL) == 0)
			p->n_links++;
}

static bool has_index(const int *list, unsigned n, int ifindex)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i] == ifindex)
			return true;
	return false;
}

/* The group's devices, and no others. */
static void set_promisc(struct pfq *p)
{
	int wanted[ACCEL_MAX_IFACES];
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_links && p->promisc; i++)
		wanted[n++] = p->links[i].ifindex;
	for (unsigned i = 0; i < n; i++)
		if (!has_index(p->promisc_of, p->n_promisc, wanted[i]))
			accel_psock_set_promisc(&p->control, wanted[i]);
	for (unsigned i = 0; i < p->n_promisc; i++)
		if (!has_index(wanted, n, p->promisc_of[i]))
			accel_psock_drop_promisc(&p->control, p->promisc_of[i]);
	memcpy(p->promisc_of, wanted, n * sizeof(wanted[0]));
	p->n_promisc = n;
}

/* ---- following ---- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void note_parts(struct pfq *p)
{
	struct accel_lang_part parts[ACCEL_LANG_MAX_PARTS];
	unsigned n = p->lang ? accel_lang_parts(p->lang, parts) : 0;

	p->counts_members = false;
	for (unsigned i = 0; i < n; i++)
		p->counts_members |= parts[i].counts_members;
}

/* Say of the computation, which is new to us, what it asks for in vain. */
static void tell_notes(const struct pfq *p)
{
	char text[2048], *rest = text, *line; /* each function once: there are few */

	if (!p->lang || !p->log || !accel_lang_dump(p->lang, ACCEL_LANG_NOTES, text, sizeof(text)))
		return;
	while ((line = strsep(&rest, "\n")) && *line)
		p->log(ACCEL_LOG_INFO, "%s: group %u: computation: %s", p->name, p->registry.group,
		       line);
}

/* Bring sockets and filters to what p->rec and p->lang say. The programs of the kernel's groups are
 * the business of who changes the computation, and of who may be a group's first member: each costs
 * milliseconds, during which everybody else waits. */
static int apply(struct pfq *p, struct accel_err *err)
{
	bool made = false;
	int r;

	note_parts(p);
	p->n_members = accel_registry_count(&p->registry);
	find_links(p);
	set_promisc(p);
	if ((r = pfq_make_parts(p, &made, err)) < 0)
		return r;
	if (!made)
		return pfq_attach_filters(p, err);
	r = p->rec.pending ? pfq_set_programs(p, err) : pfq_check_programs(p, err);
	if (r < 0)
		return r;
	if (p->rec.pending)
		pfq_fix_moment(p);
	pfq_arm(p);
	return 0;
}

/* What the record leaves to us: kernel groups, their programs, the moment of the change. */
static int settle(struct pfq *p, struct accel_err *err)
{
	bool pending = p->rec.pending;
	int r = pending ? pfq_plan_change(p, err) : 0;

	r = r ? r : apply(p, err);
	if (r < 0 || !pending)
		return r;
	p->rec.pending = false;
	pfq_store_write(&p->registry, &p->rec, NULL); /* if not, the next does it once more */
	accel_registry_changed(&p->registry);	      /* our own writing is no news */
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Take over a record that somebody else has written; what is left in *rec is the caller's. */
static int follow_record(struct pfq *p, struct pfq_record *rec, struct accel_err *err)
{
	struct accel_lang *lang = p->lang, *old = p->lang;
	struct pfq_record old_rec = p->rec;
	int r = 0;

	if (!same_text(rec->computation, p->rec.computation))
		r = pfq_compile(p, rec->computation, &lang, err);
	if (r < 0)
		return r;
	/* Two that were killed at one time may have left the kernel groups in different orders. */
	rec->pending |= p->lost_one && rec->since_ns == p->rec.since_ns;
	p->rec = *rec;
	p->lang = lang;
	r = settle(p, err);
	if (r < 0) {
		*rec = p->rec;
		p->rec = old_rec;
		p->lang = old;
		note_parts(p);
		if (lang != old)
			accel_lang_free(lang);
		return r;
	}
	if (lang != old) {
		accel_lang_free(old);
		tell_notes(p);
	}
	p->lost_one = false;
	*rec = old_rec;
	return 0;
}

void pfq_follow_locked(struct pfq *p)
{
	struct pfq_record rec;
	struct accel_err err;
	int r = pfq_store_read(&p->registry, &rec, &err);

	p->retry = false;
	r = r ? r : follow_record(p, &rec, &err);
	/* The others go on without us: what we would receive, they receive too. */
	if (r == -EAGAIN)
		pfq_retry_soon(p);
	else if (r < 0)
		pfq_fall_silent(p, rec.since_ns, &err);
	pfq_record_fini(&rec);
}

bool pfq_must_look(const struct pfq *p)
{
	return p->counts_members || p->n_links < p->rec.n_devices;
}

/* What nobody writes down: a member was killed, a device has come. */
static bool has_news(struct pfq *p)
{
	unsigned n = 0;

	if (p->counts_members && accel_registry_count(&p->registry) != p->n_members)
		return true;
	for (unsigned i = 0; i < p->rec.n_devices && p->n_links < p->rec.n_devices; i++)
		n += accel_link_name_exists(p->rec.devices[i], NULL);
	return n > p->n_links;
}

void pfq_follow(struct pfq *p)
{
	uint64_t now = pfq_must_look(p) ? now_ns() : 0;
	bool is_time = pfq_must_look(p) && now - p->counted_ns > COUNT_MEMBERS_NS;
	bool changed = accel_registry_changed(&p->registry) || p->retry;

	accel_registry_adopt(&p->registry);
	pfq_step(p);
	if (!changed && !is_time)
		return;
	p->counted_ns = now;
	if (!changed && !has_news(p))
		return;
	/* Somebody who joins may hold it for long, and our rings fill. */
	if (accel_registry_try_lock(&p->registry) < 0) {
		if (changed)
			pfq_retry_soon(p);
		return;
	}
	/* Who leaves says so; who is killed does not. */
	p->lost_one |= !changed && !accel_registry_changed(&p->registry) && p->counts_members &&
		       accel_registry_count(&p->registry) < p->n_members;
	pfq_follow_locked(p);
	accel_registry_unlock(&p->registry);
}

void pfq_follow_now_and_then(struct pfq *p)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	if (now - p->looked_ns < LOOK_NS)
		return;
	p->looked_ns = now;
	pfq_follow(p);
}

/* ---- joining and leaving ---- */

static int open_locked(struct pfq *p, unsigned group, struct accel_err *err)
{
	int r;

	do {
		accel_registry_close(&p->registry);
		r = accel_registry_open(&p->registry, group, err);
		r = r ? r : accel_registry_lock(&p->registry, err);
	} while (r == -ESTALE);
	return r;
}

/* The group's number: asked for, or the first that nobody is in. */
static int open_registry(struct pfq *p, const struct accel_request *rq, struct accel_err *err)
{
	unsigned group = (unsigned)accel_rq_value(rq, ACCEL_OPT_GROUP)->num;
	bool is_private = !accel_rq_given(rq, ACCEL_OPT_GROUP);
	int r;

	for (group = is_private ? FIRST_PRIVATE : group; group <= UINT16_MAX; group++) {
		if ((r = open_locked(p, group, err)) < 0)
			return r;
		if (!is_private || !accel_registry_is_alive(&p->registry))
			return 0;
		accel_registry_unlock(&p->registry);
		accel_registry_close(&p->registry);
	}
	return accel_fail(err, -ENOSPC, "%s: no private group is free (name one: group=N)",
			  rq->name);
}

/* Write what we have agreed on, or only wake who counts members. */
static int publish(struct pfq *p, bool changed, struct accel_err *err)
{
	if (changed || p->rec.generation == 0)
		p->rec.generation++;
	else if (p->n_members > 1 && !p->rec.pending) {
		if (p->counts_members)
			accel_registry_touch(&p->registry);
		return 0;
	}
	p->rec.pending = false;
	return pfq_store_write(&p->registry, &p->rec, err);
}

/* Under the lock. */
static int join_locked(struct pfq *p, const struct accel_request *rq, struct accel_err *err)
{
	bool is_first = accel_registry_count(&p->registry) == 0, changed = false;
	int r;

	r = pfq_store_read(&p->registry, &p->rec, err);
	if (r == 0 && is_first)
		p->rec.n_fanouts = p->rec.n_idle = 0; /* of a kept record: another's by now */
	r = r ? r : merge_request(p, rq, &changed, err);
	r = r ? r : pfq_compile(p, p->rec.computation, &p->lang, err);
	if (r < 0)
		return r;
	p->rec.pending |= is_first;
	if (p->rec.pending && (r = pfq_plan_change(p, err)) < 0)
		return r;
	if ((r = accel_registry_join(&p->registry, p->name, err)) < 0)
		return r;
	if ((r = apply(p, err)) < 0)
		return r;
	r = publish(p, changed, err);
	accel_registry_changed(&p->registry); /* our own writing is no news */
	return r;
}

static int join_once(struct pfq *p, const struct accel_request *rq, struct accel_err *err)
{
	int r = open_registry(p, rq, err);

	if (r < 0)
		return r;
	r = join_locked(p, rq, err);
	accel_registry_unlock(&p->registry);
	if (r == 0)
		pfq_await_moment(p);
	return r;
}

int pfq_join(struct pfq *p, const struct accel_request *rq, struct accel_err *err)
{
	static const struct timespec soon = {.tv_nsec = 10000000};
	int r;

	/* Until the change before is over; then somebody else's may have come. */
	while ((r = join_once(p, rq, err)) == -EAGAIN) {
		accel_registry_close(&p->registry);
		pfq_record_fini(&p->rec);
		accel_lang_free(p->lang);
		p->lang = NULL;
		nanosleep(&soon, NULL);
	}
	if (r == 0)
		tell_notes(p);
	return r;
}

void pfq_leave(struct pfq *p)
{
	bool is_member;

	/* What is still steered to us is lost: somebody else may hold the lock for long. Only who
	 * is in two kernel groups must leave both in an order that all agree on. */
	if (!p->counts_members)
		pfq_close_parts(p);
	is_member = p->registry.slot >= 0 && accel_registry_is_ours(&p->registry) &&
		    accel_registry_lock(&p->registry, NULL) == 0;
	pfq_close_parts(p);
	if (is_member) {
		accel_registry_leave(&p->registry);
		/* The record is the same, but there is one less to count. */
		if (p->counts_members)
			accel_registry_touch(&p->registry);
		accel_registry_unlock(&p->registry);
	}
	accel_registry_close(&p->registry);
	pfq_record_fini(&p->rec);
	accel_lang_free(p->lang);
	p->lang = NULL;
}
