/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_share.c - handles of one process that share a queue: its memory, and its packets, which the
 * group's computation steers to one of them each (bpf/xdp_group.h).
 *
 * Each has a place in the queue's table from when it begins to take packets, so until then the
 * others lose nothing to it. A process is the limit because the memory of packets is: another one
 * could be handed its descriptor, but not be kept from ruining it for all. A fork makes two of one:
 * the lock and who has which place are known to each alone, so one of them is to read all handles
 * of a queue; else packets of theirs are lost.
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
#include <time.h>
#include <unistd.h>

#define MAX_MEMBERS  64
#define NO_PLACE     UINT32_MAX
#define MAKE_WAIT_MS 1

struct key {
	pid_t pid; /* the child of a fork is another process: it joins nobody of its parent's */
	ino_t netns;
	int ifindex, group;
	uint32_t queue;
};

struct member {
	const struct xdp_device *device; /* NULL: nobody of this process */
	int prog_fd;			 /* the device's */
};

struct xdp_share {
	struct xdp_share *next;
	struct key key;
	unsigned n_refs;   /* sockets, and who makes it */
	char *computation; /* owned */
	int link_fd;	   /* of the group's program */
	int root_fd;	   /* and its table */
	enum accel_xdp_attach attach;
	bool is_made; /* all that follows; not changed from then on but the members */
	struct accel_xsk_pool pool;
	int members_fd; /* place -> program */
	int places_fd;
	struct accel_xdp_places *places; /* mapped; places->n are taken */
	struct member members[MAX_MEMBERS];
};

/* All of this process, and all that is in them but their pools, with the lock. Nobody sleeps with
 * it. */
static struct xdp_share *shares;
static struct accel_pid_lock lock;

static struct key key_of(const struct xdp *x, int ifindex, uint32_t queue)
{
	struct stat ns = {0};

	/* Where /proc is hidden all count as one. */
	stat("/proc/thread-self/ns/net", &ns);
	return (struct key){getpid(), ns.st_ino, ifindex, x->group, queue};
}

/* How far two of them agree. */
enum likeness { SAME_GROUP, SAME_DEVICE, SAME_QUEUE };

static bool is_like(const struct key *a, const struct key *b, enum likeness how)
{
	return a->pid == b->pid && a->netns == b->netns && a->group == b->group &&
	       (how < SAME_DEVICE || a->ifindex == b->ifindex) &&
	       (how < SAME_QUEUE || a->queue == b->queue);
}

static struct xdp_share *find(const struct key *key, enum likeness how)
{
	struct xdp_share *s = shares;

	while (s && !is_like(&s->key, key, how))
		s = s->next;
	return s;
}

int xdp_share_computation(const struct xdp *x, char **out)
{
	struct key key = key_of(x, 0, 0);
	struct xdp_share *s;

	*out = NULL;
	accel_pid_lock(&lock);
	s = find(&key, SAME_GROUP);
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
	s = find(&key, SAME_DEVICE);
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

/* Right in every state. The program that steers stays in its place until another comes for the
 * queue, and passes everything on: the child of a fork may have a member that has yet to begin. */
static void free_share(struct xdp_share *s)
{
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
	/* What the verifier refuses is not to be taken for a queue or a socket that is refused. */
	return r == -EINVAL || r == -EACCES ? -EOPNOTSUPP : r;
}

/* When the queue is ours, and all is there, its place in the group's table. May wait for the queue:
 * without the lock. */
static int make_parts(struct xdp_share *s, const struct xdp *x, const struct xdp_device *d,
		      const struct accel_xsk_request *rq, struct accel_err *err)
{
	int prog_fd, r = accel_xsk_pool_open(&s->pool, rq, err);

	if (r < 0)
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

/* What others may ask of it at once: the group's text, its program and table. */
static int add_share(const struct xdp *x, const struct xdp_device *d, const struct key *key,
		     struct xdp_share **out, struct accel_err *err)
{
	struct xdp_share *s = calloc(1, sizeof(*s));

	if (!s)
		return accel_fail(err, -ENOMEM, "%s: out of memory", x->rq.name);
	s->key = *key;
	s->attach = d->attach;
	s->members_fd = s->places_fd = -1;
	s->pool.base = ACCEL_XSK_NONE;
	s->computation = strdup(x->computation);
	s->link_fd = copy_fd(d->link_fd);
	s->root_fd = copy_fd(d->members_fd);
	if (!s->computation || s->link_fd < 0 || s->root_fd < 0) {
		free_share(s);
		return accel_fail(err, -ENOMEM, "%s: out of memory", x->rq.name);
	}
	s->next = shares;
	shares = s;
	*out = s;
	return 0;
}

/* It is freed without the lock: a socket takes its time to close. */
static void put_share(struct xdp_share *s)
{
	struct xdp_share **at = &shares;
	bool is_last;

	accel_pid_lock(&lock);
	is_last = --s->n_refs == 0;
	while (is_last && *at != s)
		at = &(*at)->next;
	if (is_last)
		*at = s->next;
	accel_pid_unlock(&lock);
	if (is_last)
		free_share(s);
}

static int refuse_member(const struct xdp *x, const struct xdp_share *s, struct accel_err *err)
{
	if (s->n_refs == MAX_MEMBERS)
		return accel_fail(err, -E2BIG,
				  "%s: queue %u has %u members already (would be: another queue, "
				  "or pfq:%s?group=%d)",
				  x->rq.name, s->key.queue, s->n_refs, x->rq.dev->ifaces[0].name,
				  x->group);
	if (strcmp(s->computation, x->computation)) {
		xdp_refuse_computation(x, s->computation, err);
		return -EEXIST; /* -EINVAL: there is no such queue */
	}
	return 0;
}

/* The queue's, with the lock; that of a thread which is about to make it is waited for. NULL: there
 * is none. */
static struct xdp_share *await_share(const struct key *key)
{
	const struct timespec wait = {.tv_nsec = MAKE_WAIT_MS * 1000000l};
	struct xdp_share *s;

	while ((s = find(key, SAME_QUEUE)) && !s->is_made) {
		accel_pid_unlock(&lock);
		nanosleep(&wait, NULL);
		accel_pid_lock(&lock);
	}
	return s;
}

/* A reference to the queue's, which may have to be made. */
static int get_share(const struct xdp *x, const struct xdp_device *d,
		     const struct accel_xsk_request *rq, struct xdp_share **out,
		     struct accel_err *err)
{
	struct key key = key_of(x, rq->ifindex, rq->queue);
	bool is_new;
	int r;

	accel_pid_lock(&lock);
	*out = await_share(&key);
	is_new = !*out;
	r = is_new ? add_share(x, d, &key, out, err) : refuse_member(x, *out, err);
	if (r == 0)
		(*out)->n_refs++;
	accel_pid_unlock(&lock);
	if (r < 0 || !is_new)
		return r;
	r = make_parts(*out, x, d, rq, err);
	if (r < 0) {
		put_share(*out);
		return r;
	}
	accel_pid_lock(&lock);
	(*out)->is_made = true;
	accel_pid_unlock(&lock);
	return 0;
}

int xdp_share_open(const struct xdp *x, const struct xdp_device *d, struct xdp_socket *socket,
		   const struct accel_xsk_request *rq, struct accel_err *err)
{
	struct accel_xsk_request own = *rq;
	struct xdp_share *s;
	int r = get_share(x, d, rq, &s, err);

	if (r < 0)
		return r;
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

void xdp_share_close(struct xdp_socket *socket)
{
	accel_xsk_close(&socket->xsk);
	put_share(socket->share);
	socket->share = NULL;
}

/* ---- its members ---- */

/* Its place, or the number of places. */
static uint32_t place_of(const struct xdp_share *s, const struct xdp_device *d)
{
	uint32_t i = 0;

	while (i < s->places->n && s->members[i].device != d)
		i++;
	return i;
}

/* -ESRCH: a member of another process, by a fork. */
static int put_at(struct xdp_share *s, uint32_t place, const struct member *m)
{
	int r = m->device ? accel_bpf_map_set(s->members_fd, place, &m->prog_fd) : -ESRCH;

	if (r == 0)
		s->members[place] = *m;
	return r;
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

static void warn(const struct xdp *x, int r, const struct xdp_socket *s, const char *what)
{
	struct accel_err why;

	accel_fail_sys(&why, r, "%s: queue %u, which it shares: %s", x->rq.name, s->queue, what);
	if (x->rq.log)
		x->rq.log(ACCEL_LOG_WARNING, "%s", why.text);
}

void xdp_share_enter(const struct xdp *x, const struct xdp_socket *socket)
{
	const struct xdp_device *d = &x->devices[socket->device];
	const struct member m = {d, d->own_fd >= 0 ? d->own_fd : d->prog_fd};
	struct xdp_share *s = socket->share;
	uint32_t n;
	int r = 0;

	accel_pid_lock(&lock);
	n = s->places->n;
	/* Release: the program is in its place before one looks there. */
	if (place_of(s, d) == n && (r = put_at(s, n, &m)) == 0)
		accel_store_release(&s->places->n, n + 1);
	accel_pid_unlock(&lock);
	if (r < 0)
		warn(x, r, socket, "no packets come");
}

/* The last one takes its place: what is steered there is that one's from now on. Where that cannot
 * be the place stays, as it would be the last one's packets that are lost. The place that is empty
 * now, or NO_PLACE; *r: 0 or why it stays. */
static uint32_t step_down(struct xdp_share *s, const struct xdp_device *d, int *r)
{
	uint32_t place = place_of(s, d), last = s->places->n - 1;

	*r = 0;
	if (place == s->places->n)
		return NO_PLACE;
	if (place != last)
		*r = put_at(s, place, &s->members[last]);
	if (*r == 0) {
		accel_store_release(&s->places->n, last);
		place = last;
	}
	s->members[place] = (struct member){.prog_fd = -1};
	return place;
}

/* Unless somebody has come there meanwhile. */
static void clear(struct xdp_share *s, uint32_t place)
{
	accel_pid_lock(&lock);
	if (!s->members[place].device)
		accel_bpf_map_remove(s->members_fd, place);
	accel_pid_unlock(&lock);
}

/* Of all queues before one waits: meanwhile nothing comes that would be lost. Who comes or goes
 * while we wait changes nothing for us: a place is written before it is looked at again. */
void xdp_share_leave(struct xdp *x)
{
	uint32_t left[XDP_MAX_SOCKETS];
	unsigned n = 0;
	bool stays = false;
	int r;

	for (unsigned i = 0; x->steers && i < x->n_sockets; i++) {
		const struct xdp_socket *s = &x->sockets[i];

		accel_pid_lock(&lock);
		left[i] = step_down(s->share, &x->devices[s->device], &r);
		accel_pid_unlock(&lock);
		n += left[i] != NO_PLACE;
		stays |= r < 0;
		if (r < 0)
			warn(x, r, s, "its packets go to the host, not to the others");
	}
	if (stays)
		xdp_disarm(x);
	if (n)
		accel_bpf_wait_for_programs();
	for (unsigned i = 0; n && i < x->n_sockets; i++)
		if (left[i] != NO_PLACE) {
			clear(x->sockets[i].share, left[i]);
			accel_xsk_drain(&x->sockets[i].xsk);
		}
}
