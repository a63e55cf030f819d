/* SPDX-License-Identifier: BSD-3-Clause */
/* registry.c - a group's files: opened, locked, joined, left; its record. See registry.h. */
#include "kern/registry.h"

#include "base/err.h"
#include "base/num.h"
#include "base/util.h"
#include "kern/registry_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_LEN (ACCEL_REGISTRY_PATH_LEN + 16)

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* ---- files ---- */

static void name_file(char path[FILE_LEN], const struct accel_registry *r, char kind)
{
	snprintf(path, FILE_LEN, "%s/%c%u", r->folder, kind, r->group);
}

static int open_file(const struct accel_registry *r, char kind, int flags, struct accel_err *err)
{
	char path[FILE_LEN];
	int fd;

	name_file(path, r, kind);
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 || errno == ENOENT)
		return fd >= 0 ? fd : -ENOENT;
	return accel_fail_sys(err, -errno, "%s: cannot be opened", path);
}

static int watch(struct accel_registry *r, struct accel_err *err)
{
	char path[FILE_LEN];

	name_file(path, r, 'g');
	return accel_registry_watch_record(r, path, err);
}

static uint64_t get_cookie(void)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
		cookie = 0;
	close(fd);
	return cookie;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_files(struct accel_registry *r)
{
	close_fd(&r->watch_fd);
	close_fd(&r->members_fd);
	close_fd(&r->record_fd);
}

/* The record first: of a process that is killed, the kernel closes it last, behind the members
 * file, and whoever watches the folder is told of that when the member's lock has gone. */
static int open_files(struct accel_registry *r, int flags, struct accel_err *err)
{
	if ((r->record_fd = open_file(r, 'g', flags, err)) < 0)
		return r->record_fd;
	return (r->members_fd = open_file(r, 'm', flags, err)) < 0 ? r->members_fd : 0;
}

static int visit(struct accel_registry *fresh, struct accel_registry *r, struct accel_err *err)
{
	int e = open_files(fresh, O_RDONLY, err);

	if (e < 0)
		close_files(fresh);
	else
		*r = *fresh;
	return e;
}

int accel_registry_visit(struct accel_registry *r, unsigned group, struct accel_err *err)
{
	struct accel_registry fresh = ACCEL_REGISTRY_NONE;
	int e = accel_registry_find_folder(fresh.folder, err);

	fresh.group = group;
	fresh.cookie = get_cookie();
	return e < 0 ? e : visit(&fresh, r, err);
}

#define ANY_COOKIE UINT64_MAX

int accel_registry_visit_in(struct accel_registry *r, const char *folder, unsigned group,
			    struct accel_err *err)
{
	struct accel_registry fresh = ACCEL_REGISTRY_NONE;

	snprintf(fresh.folder, sizeof(fresh.folder), "%s", folder);
	fresh.group = group;
	fresh.cookie = ANY_COOKIE;
	return visit(&fresh, r, err);
}

#define TRIES 100 /* each loses against another process that was quicker to leave */

int accel_registry_open(struct accel_registry *r, unsigned group, struct accel_err *err)
{
	struct accel_registry fresh = ACCEL_REGISTRY_NONE;
	int e = -ENOENT;

	fresh.group = group;
	fresh.cookie = get_cookie();
	for (int i = 0; i < TRIES && e == -ENOENT; i++) {
		if ((e = accel_registry_make_folder(fresh.folder, err)) < 0)
			continue;
		if (e > 0) /* the first group of a namespace: a rare thing */
			accel_registry_sweep(fresh.folder);
		/* The last member of a group removes its files and the folder: meanwhile, even. */
		e = open_files(&fresh, O_RDWR | O_CREAT, err);
		if (e == 0 && (e = watch(&fresh, err)) == 0) {
			*r = fresh;
			return 0;
		}
		close_files(&fresh);
	}
	return e == -ENOENT ? accel_fail_sys(err, e, "%s/g%u", fresh.folder, group) : e;
}

/* A program that has dropped its privileges cannot: whoever comes next does. */
static void remove_files(struct accel_registry *r)
{
	char path[FILE_LEN];

	name_file(path, r, 'm');
	unlink(path);
	name_file(path, r, 'g');
	unlink(path);
	rmdir(r->folder); /* of the network namespace; fails while other groups are there */
}

void accel_registry_adopt(struct accel_registry *r)
{
	r->pid = getpid();
}

bool accel_registry_is_ours(const struct accel_registry *r)
{
	return r->pid == getpid();
}

void accel_registry_close(struct accel_registry *r)
{
	bool is_member = r->slot >= 0;

	if (r->record_fd >= 0 &&
	    (is_member ? accel_registry_is_ours(r) : accel_registry_count(r) == 0) &&
	    accel_registry_lock(r, NULL) == 0) {
		accel_registry_leave(r);
		if (!accel_registry_is_alive(r))
			remove_files(r);
		accel_registry_unlock(r);
	}
	close_files(r);
	*r = ACCEL_REGISTRY_NONE;
}

/* ---- locks ---- */

int accel_registry_lock(struct accel_registry *r, struct accel_err *err)
{
	struct stat st;

	while (flock(r->record_fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return accel_fail_sys(err, -errno, "group %u: cannot lock its record",
					      r->group);
	if (r->slot >= 0 || fstat(r->record_fd, &st) < 0 || st.st_nlink > 0)
		return 0;
	accel_registry_unlock(r);
	return accel_fail(err, -ESTALE, "group %u: its files were removed", r->group);
}

int accel_registry_try_lock(struct accel_registry *r)
{
	return flock(r->record_fd, LOCK_EX | LOCK_NB) < 0 ? -EAGAIN : 0;
}

void accel_registry_unlock(struct accel_registry *r)
{
	flock(r->record_fd, LOCK_UN);
}

static struct flock byte_lock(off_t slot)
{
	return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1};
}

static void read_program(char out[16])
{
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, 15);

	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

/* Say who we are; also what wakes those who watch all groups. */
static int write_place(struct accel_registry *r, unsigned slot, const char *device)
{
	struct accel_registry_place place = {.magic = ACCEL_REGISTRY_MAGIC, .pid = getpid()};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	place.since_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	read_program(place.program);
	snprintf(place.device, sizeof(place.device), "%s", device);
	errno = ENOSPC;
	if (pwrite(r->members_fd, &place, sizeof(place), accel_registry_place_at(slot)) !=
	    sizeof(place))
		return -errno;
	return 0;
}

static void unlock_places(struct accel_registry *r)
{
	struct flock lock = {
		.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_len = ACCEL_REGISTRY_MAX_MEMBERS};

	fcntl(r->members_fd, F_OFD_SETLK, &lock);
}

int accel_registry_join(struct accel_registry *r, const char *device, struct accel_err *err)
{
	struct flock lock;
	int e;

	for (unsigned slot = 0; slot < ACCEL_REGISTRY_MAX_MEMBERS; slot++) {
		lock = byte_lock(slot);
		if (fcntl(r->members_fd, F_OFD_SETLK, &lock) == 0) {
			e = write_place(r, slot, device);
			if (e < 0) {
				unlock_places(r);
				return accel_fail_sys(err, e,
						      "group %u: cannot write a member's"
						      " place",
						      r->group);
			}
			r->slot = (int)slot;
			r->pid = getpid();
			return 0;
		}
		if (errno != EAGAIN && errno != EACCES)
			return accel_fail_sys(err, -errno, "group %u: cannot lock a member's place",
					      r->group);
	}
	return accel_fail(err, -EUSERS, "group %u: full (at most %d members)", r->group,
			  ACCEL_REGISTRY_MAX_MEMBERS);
}

void accel_registry_leave(struct accel_registry *r)
{
	static const struct accel_registry_place nobody;
	ssize_t unused;

	if (r->slot < 0)
		return;
	unlock_places(r);
	/* The place is free already; this wakes those who watch all groups. */
	unused = pwrite(r->members_fd, &nobody, sizeof(nobody),
			accel_registry_place_at((unsigned)r->slot));
	(void)unused;
	r->slot = -1;
}

/* Which of several locks the kernel tells of is its own choice, so both sides of it are looked
 * at. */
void accel_registry_each_lock(int fd, off_t start, off_t end,
			      void (*found)(void *ctx, off_t first, off_t last), void *ctx)
{
	struct flock lock = byte_lock(start);
	off_t first, last;

	if (start >= end)
		return;
	lock.l_len = end - start;
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return;
	first = ACCEL_MAX(lock.l_start, start);
	last = ACCEL_MIN(lock.l_start + lock.l_len, end);
	found(ctx, first, last);
	accel_registry_each_lock(fd, start, first, found, ctx);
	accel_registry_each_lock(fd, last, end, found, ctx);
}

static void add_run(void *ctx, off_t first, off_t last)
{
	unsigned *n = ctx;

	*n += (unsigned)(last - first);
}

unsigned accel_registry_count(struct accel_registry *r)
{
	unsigned n = r->slot >= 0; /* the kernel tells of others' locks only */

	accel_registry_each_lock(r->members_fd, 0, ACCEL_REGISTRY_MAX_MEMBERS, add_run, &n);
	return n;
}

/* ---- the record ----
 *
 * The text lies in one of two areas, and the first line of the file says in which:
 *     AREA LENGTH GENERATION KEPT COOKIE
 * A change writes the other area, then that line, in one write within one page: whoever is killed
 * leaves the one record or the other. */

#define HEAD_LEN ACCEL_REGISTRY_HEAD_LEN
#define AREA_0	 4096

struct head {
	uint64_t area, len, generation, kept, cookie;
};

static off_t area_at(uint64_t area)
{
	return AREA_0 + (off_t)area * ACCEL_REGISTRY_MAX_LEN;
}

/* -EINVAL: none that we wrote. */
static int read_head(const struct accel_registry *r, struct head *out)
{
	struct head h;
	uint64_t *const fields[] = {&h.area, &h.len, &h.generation, &h.kept, &h.cookie};
	char line[HEAD_LEN];
	ssize_t n = pread(r->record_fd, line, sizeof(line) - 1, 0);
	size_t at = 0, len;

	if (n < 0)
		return -errno;
	line[n] = '\0';
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(fields); i++) {
		len = strcspn(line + at, " \n");
		if (accel_parse_number(line + at, len, fields[i]) < 0)
			return -EINVAL;
		at += len;
		if (line[at++] != (i + 1 < ACCEL_ARRAY_LEN(fields) ? ' ' : '\n'))
			return -EINVAL;
	}
	if (h.area > 1 || h.len > ACCEL_REGISTRY_MAX_LEN || h.kept > 1)
		return -EINVAL;
	*out = h;
	return 0;
}

static bool is_void(struct accel_registry *r, const struct head *h)
{
	bool holds = h->kept && (h->cookie == r->cookie || r->cookie == ANY_COOKIE);

	return !holds && accel_registry_count(r) == 0;
}

bool accel_registry_is_alive(struct accel_registry *r)
{
	struct head h = {0};

	return read_head(r, &h) == 0 ? !is_void(r, &h) : accel_registry_count(r) > 0;
}

static int read_text(const struct accel_registry *r, const struct head *h, char **out)
{
	char *text = malloc(h->len + 1);
	ssize_t n;

	if (!text)
		return -ENOMEM;
	n = pread(r->record_fd, text, h->len, area_at(h->area));
	if (n < 0) {
		n = -errno;
		free(text);
		return (int)n;
	}
	text[n] = '\0';
	if ((uint64_t)n != h->len)
		text[0] = '\0';
	*out = text;
	return 0;
}

int accel_registry_read(struct accel_registry *r, struct accel_registry_head *head, char **text,
			struct accel_err *err)
{
	struct head h = {0};
	int e = read_head(r, &h);

	if (e == -EINVAL || (e == 0 && is_void(r, &h))) {
		memset(&h, 0, sizeof(h));
		e = 0;
	}
	e = e ? e : read_text(r, &h, text);
	if (e < 0)
		return accel_fail_sys(err, e, "group %u: cannot read its record", r->group);
	*head = (struct accel_registry_head){(uint32_t)h.generation, h.kept};
	return 0;
}

static int write_head(struct accel_registry *r, const struct head *h)
{
	char line[HEAD_LEN];
	int n = snprintf(line, sizeof(line), "%llu %llu %llu %llu %llu\n",
			 (unsigned long long)h->area, (unsigned long long)h->len,
			 (unsigned long long)h->generation, (unsigned long long)h->kept,
			 (unsigned long long)h->cookie);

	errno = ENOSPC;
	return pwrite(r->record_fd, line, (size_t)n, 0) == n ? 0 : -errno;
}

int accel_registry_write(struct accel_registry *r, const struct accel_registry_head *head,
			 const char *text, struct accel_err *err)
{
	struct head h = {.area = 1};
	size_t len = strlen(text);
	int e = 0;

	if (len > ACCEL_REGISTRY_MAX_LEN)
		return accel_fail(err, -EFBIG,
				  "group %u: its record is too large (at most %d bytes)", r->group,
				  ACCEL_REGISTRY_MAX_LEN);
	read_head(r, &h);
	h = (struct head){.area = !h.area,
			  .len = len,
			  .generation = head->generation,
			  .kept = head->kept,
			  .cookie = r->cookie};
	errno = ENOSPC;
	if (pwrite(r->record_fd, text, len, area_at(h.area)) != (ssize_t)len)
		e = -errno;
	e = e ? e : write_head(r, &h);
	return e ? accel_fail_sys(err, e, "group %u: cannot write its record", r->group) : 0;
}

void accel_registry_touch(struct accel_registry *r)
{
	struct head h;

	if (read_head(r, &h) == 0)
		write_head(r, &h);
}
