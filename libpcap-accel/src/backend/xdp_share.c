/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_share.c - handles of one process that share a queue: its memory, and its packets, which the
 * group's computation steers to one of them each (bpf/xdp_group.h).
 *
 * Each has a place in the queue's table from when it begins to take packets, so until then the
 * others lose nothing to it. A process is the limit because the memory of packets is: another one
 * could be handed its descriptor, but not be kept from ruining it for all.
 *
 * Threads: those of all the handles; see the lock. */
#include "backend/xdp.h"

#include "base/err.h"

#include "bpf/xdp_group.h"
#include "kern/xsk_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_MEMBERS 64
#define NO_PLACE    UINT32_MAX

struct key {
	pid_t pid; /* the child of a fork is another process: it joins nobody of its parent's */
	ino_t netns;
	int ifindex, group;
	uint32_t queue;
};

struct member {
	const struct xdp_device *device;
	int prog_fd; /* the device's */
};

struct xdp_share {
	struct xdp_share *next;
	struct key key;
	unsigned n_refs;   /* sockets */
	char *computation; /* owned */
	struct accel_xsk_pool pool;
	int link_fd; /* of the group's program */
	int root_fd; /* and its table */
	enum accel_xdp_attach attach;
	int members_fd; /* place -> program */
	int places_fd;
	struct accel_xdp_places *places; /* mapped; places->n are taken */
	struct member members[MAX_MEMBERS];
};

/* All of this process, and all that is in them but their pools, with the lock. */
static struct xdp_share *shares;
static struct accel_pid_lock lock;

static struct key key_of(const struct xdp *x, int ifindex, uint32_t queue)
{
	struct stat ns = {0};

	/* Where /proc is hidden all count as one. */
	stat("/proc/thread-self/ns/net", &ns);
	return (struct key){getpid(), ns.st_ino, ifindex, x->group, queue};
}

static bool is_group_of(const struct key *a, const struct key *b)
{
	return a->pid == b->pid && a->netns == b->netns && a->group == b->group;
}

static struct xdp_share *find(const struct key *key)
{
	struct xdp_share *s = shares;

	while (s && !(is_group_of(&s->key, key) && s->key.ifindex == key->ifindex &&
		      s->key.queue == key->queue))
		s = s->next;
	return s;
}

int xdp_share_computation(const struct xdp *x, char **out)
{
	struct key key = key_of(x, 0, 0);
	struct xdp_share *s;

	*out = NULL;
	accel_pid_lock(&lock);
	s = shares;
	while (s && !is_group_of(&s->key, &key))
		s = s->next;
	if (s)
		*out = strdup(s->computation);
	accel_pid_unlock(&lock);
	return s && !*out ? -ENOMEM : 0;
}

static int copy_fd(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

int xdp_share_root(const struct xdp *x, struct xdp_device *d)
{
	struct key key = key_of(x, d->link.ifindex, 0);
	struct xdp_share *s;

	accel_pid_lock(&lock);
	s = shares;
	while (s && !(is_group_of(&s->key, &key) && s->key.ifindex == key.ifindex))
		s = s->next;
	if (s) {
		d->attach = s->attach;
		d->link_fd = copy_fd(s->link_fd);
		d->members_fd = copy_fd(s->root_fd);
	}
	accel_pid_unlock(&lock);
	if (!s)
		return -ENOENT;
	return d->link_fd < 0 || d->members_fd < 0 ? -EMFILE : 0;
}

/* ---- a queue ---- */

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Right in every state. */
static void free_share(struct xdp_share *s)
{
	/* Of another process' it is still the place. */
	if (s->root_fd >= 0 && s->places && s->key.pid == getpid() && s->places->n == 0)
		accel_bpf_map_remove(s->root_fd, s->key.queue);
	if (s->places)
		munmap(s->places, sizeof(*s->places));
	close_fd(s->link_fd);
	close_fd(s->root_fd);
	close_fd(s->members_fd);
	close_fd(s->places_fd);
	accel_xsk_pool_close(&s->pool);
	free(s->computation);
	free(s);
}

/* The program that steers; the descriptor or -errno with a text. */
static int load_steer(const struct xdp *x, const struct xdp_device *d, const struct xdp_share *s,
		      struct accel_err *err)
{
	const int map_fds[ACCEL_N_MAPS] = {
		[ACCEL_MAP_MEMBERS] = s->members_fd, [ACCEL_MAP_PLACES] = s->places_fd};
	struct accel_ebpf_prog prog = {0};
	struct accel_bpf_load load = {.name = x->rq.name,
				      .prog_name = "accel_steer",
				      .prog = &prog,
				      .map_fds = map_fds,
				      .flags = x->has_frags ? ACCEL_PROG_HAS_FRAGS : 0};
	struct accel_xdp_steer spec = {.has_fragments = x->has_frags,
				       .by_helper = x->by_helper,
				       .has_mac = d->host.has_mac};
	int r;

	memcpy(spec.mac, d->host.mac, sizeof(spec.mac));
	spec.fanout = accel_lang_fanout(x->lang, 0, &spec.n_fanout);
	r = accel_xdp_steer(&spec, &prog, err);
	if (r == 0)
		r = accel_bpf_prog_open(&load, err);
	accel_ebpf_prog_fini(&prog);
	return r;
}

/* When the queue is ours, and all is there, its place in the group's table. */
static int make_parts(struct xdp_share *s, const struct xdp *x, const struct xdp_device *d,
		      const struct accel_xsk_request *rq, struct accel_err *err)
{
	int prog_fd, r;

	s->computation = strdup(x->computation);
	s->attach = d->attach;
	s->link_fd = copy_fd(d->link_fd);
	s->root_fd = copy_fd(d->members_fd);
	if (!s->computation || s->link_fd < 0 || s->root_fd < 0)
		return accel_fail(err, -ENOMEM, "%s: out of memory", x->rq.name);
	if ((r = accel_xsk_pool_open(&s->pool, rq, err)) < 0)
		return r;
	s->members_fd = accel_bpf_map_open(x->rq.name, ACCEL_MAP_MEMBERS, MAX_MEMBERS, err);
	if (s->members_fd < 0)
		return s->members_fd;
	s->places_fd = accel_bpf_map_open(x->rq.name, ACCEL_MAP_PLACES, 0, err);
	if (s->places_fd < 0)
		return s->places_fd;
	s->places = accel_bpf_map_memory(s->places_fd, sizeof(*s->places));
	if (!s->places)
		return accel_fail(err, -ENOMEM, "%s: out of memory", x->rq.name);
	prog_fd = load_steer(x, d, s, err);
	if (prog_fd < 0)
		return prog_fd;
	r = accel_bpf_map_set(s->root_fd, s->key.queue, &prog_fd);
	close(prog_fd);
	return r < 0 ? accel_fail_sys(err, r, "%s: cannot run in group %d", x->rq.name, x->group)
		     : 0;
}

static int make_share(const struct xdp *x, const struct xdp_device *d,
		      const struct accel_xsk_request *rq, struct xdp_share **out,
		      struct accel_err *err)
{
	struct xdp_share *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return accel_fail(err, -ENOMEM, "%s: out of memory", x->rq.name);
	s->link_fd = s->root_fd = s->members_fd = s->places_fd = -1;
	s->pool.base = ACCEL_XSK_NONE;
	s->key = key_of(x, rq->ifindex, rq->queue);
	r = make_parts(s, x, d, rq, err);
	if (r < 0) {
		free_share(s);
		return r;
	}
	s->next = shares;
	shares = s;
	*out = s;
	return 0;
}

static void put_share(struct xdp_share *s)
{
	struct xdp_share **at = &shares;

	if (--s->n_refs)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free_share(s);
}

/* ---- its members ---- */

static int refuse_member(const struct xdp *x, const struct xdp_share *s, struct accel_err *err)
{
	if (s->n_refs == MAX_MEMBERS)
		return accel_fail(err, -E2BIG,
				  "%s: queue %u has %u members already (would be: another queue, "
				  "or pfq:%s?group=%d)",
				  x->rq.name, s->key.queue, s->n_refs, x->rq.dev->ifaces[0].name,
				  x->group);
	if (strcmp(s->computation, x->computation))
		return xdp_refuse_computation(x, s->computation, err);
	return 0;
}

static int open_member(const struct xdp *x, const struct xdp_device *d, struct xdp_socket *socket,
		       const struct accel_xsk_request *rq, struct accel_err *err)
{
	struct key key = key_of(x, rq->ifindex, rq->queue);
	struct accel_xsk_request own = *rq;
	struct xdp_share *s = find(&key);
	int r = s ? refuse_member(x, s, err) : make_share(x, d, rq, &s, err);

	if (r < 0)
		return r;
	s->n_refs++;
	own.pool = &s->pool;
	own.n_rx_frames = s->pool.base.fill.mask + 1;
	if (!own.n_rx_ring)
		own.n_rx_ring = ACCEL_MAX(own.n_rx_frames / 2, 1u);
	r = accel_xsk_open(&socket->xsk, &own, err);
	if (r < 0)
		put_share(s);
	else
		socket->share = s;
	return r;
}

int xdp_share_open(const struct xdp *x, const struct xdp_device *d, struct xdp_socket *socket,
		   const struct accel_xsk_request *rq, struct accel_err *err)
{
	int r;

	accel_pid_lock(&lock);
	r = open_member(x, d, socket, rq, err);
	accel_pid_unlock(&lock);
	return r;
}

/* Its place, or the number of places. */
static uint32_t place_of(const struct xdp_share *s, const struct xdp_device *d)
{
	uint32_t i = 0;

	while (i < s->places->n && s->members[i].device != d)
		i++;
	return i;
}

static int put_at(struct xdp_share *s, uint32_t place, const struct member *m)
{
	s->members[place] = *m;
	return accel_bpf_map_set(s->members_fd, place, &m->prog_fd);
}

int xdp_share_put(struct xdp_share *s, const struct xdp_device *d, int prog_fd)
{
	const struct member m = {d, prog_fd};
	uint32_t place;
	int r = 0;

	accel_pid_lock(&lock);
	place = place_of(s, d);
	if (place < s->places->n)
		r = put_at(s, place, &m);
	accel_pid_unlock(&lock);
	return r;
}

void xdp_share_enter(struct xdp_share *s, const struct xdp_device *d)
{
	const struct member m = {d, d->own_fd >= 0 ? d->own_fd : d->prog_fd};
	uint32_t n;

	accel_pid_lock(&lock);
	n = s->places->n;
	/* Release: the program is in its place before one looks there. */
	if (place_of(s, d) == n && put_at(s, n, &m) == 0)
		accel_store_release(&s->places->n, n + 1);
	accel_pid_unlock(&lock);
}

/* The last one takes its place: what is steered there is that one's from now on. The place that is
 * free now, or NO_PLACE. */
static uint32_t step_down(struct xdp_share *s, const struct xdp_device *d)
{
	uint32_t place = place_of(s, d), last = s->places->n - 1;

	if (place == s->places->n)
		return NO_PLACE;
	if (place != last)
		put_at(s, place, &s->members[last]);
	accel_store_release(&s->places->n, last);
	return last;
}

/* Of all queues before one waits: meanwhile nothing comes that would be lost. */
void xdp_share_leave(struct xdp *x)
{
	uint32_t left[XDP_MAX_SOCKETS];
	unsigned n = 0;

	accel_pid_lock(&lock);
	for (unsigned i = 0; i < x->n_sockets; i++) {
		const struct xdp_socket *s = &x->sockets[i];

		left[i] = s->share ? step_down(s->share, &x->devices[s->device]) : NO_PLACE;
		n += left[i] != NO_PLACE;
	}
	if (n)
		accel_bpf_wait_for_programs();
	for (unsigned i = 0; i < x->n_sockets; i++)
		if (left[i] != NO_PLACE) {
			accel_bpf_map_remove(x->sockets[i].share->members_fd, left[i]);
			accel_xsk_drain(&x->sockets[i].xsk);
		}
	accel_pid_unlock(&lock);
}

void xdp_share_close(struct xdp_socket *socket)
{
	struct xdp_share *s = socket->share;

	accel_pid_lock(&lock);
	accel_xsk_close(&socket->xsk);
	put_share(s);
	accel_pid_unlock(&lock);
	socket->share = NULL;
}
