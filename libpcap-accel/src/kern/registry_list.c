/* SPDX-License-Identifier: BSD-3-Clause */
/* registry_list.c - all groups of a user in a network namespace, who is in them, and being told
 * when that changes. See registry.h.
 *
 * Threads: any. */
#include "kern/registry.h"

#include "base/err.h"
#include "base/num.h"
#include "base/util.h"
#include "kern/registry_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* ---- members ---- */

struct set {
	unsigned char bits[ACCEL_REGISTRY_MAX_MEMBERS / 8];
};

static void add_run(void *ctx, off_t first, off_t last)
{
	struct set *set = ctx;

	for (off_t i = first; i < last; i++)
		set->bits[i / 8] |= (unsigned char)(1 << i % 8);
}

/* One whose place cannot be read, or that a program of another version wrote, is a member of whom
 * nothing is known. */
static void read_place(const struct accel_registry *r, unsigned slot,
		       struct accel_registry_member *out)
{
	struct accel_registry_place place;

	memset(out, 0, sizeof(*out));
	out->slot = slot;
	if (pread(r->members_fd, &place, sizeof(place), accel_registry_place_at(slot)) !=
		    sizeof(place) ||
	    memcmp(place.magic, ACCEL_REGISTRY_MAGIC, sizeof(place.magic)) != 0)
		return;
	out->pid = place.pid;
	out->since_ns = place.since_ns;
	memcpy(out->program, place.program, sizeof(out->program) - 1);
	memcpy(out->device, place.device, sizeof(out->device) - 1);
}

void accel_registry_members(struct accel_registry *r, struct accel_registry_member *members,
			    size_t n, size_t *n_found)
{
	struct set set = {{0}};
	size_t found = 0;

	if (r->slot >= 0)
		add_run(&set, r->slot, r->slot + 1);
	accel_registry_each_lock(r->members_fd, 0, ACCEL_REGISTRY_MAX_MEMBERS, add_run, &set);
	for (unsigned i = 0; i < ACCEL_REGISTRY_MAX_MEMBERS; i++) {
		if (!(set.bits[i / 8] >> i % 8 & 1))
			continue;
		if (found < n)
			read_place(r, i, &members[found]);
		found++;
	}
	*n_found = found;
}

/* ---- groups ---- */

#define N_GROUPS 65536

/* Its files are removed by accel_registry_close() if it is none any more. */
static bool is_alive(struct accel_registry *r)
{
	bool alive = accel_registry_count(r) > 0;

	if (!alive && accel_registry_lock(r, NULL) == 0) {
		alive = accel_registry_is_alive(r);
		accel_registry_unlock(r);
	}
	accel_registry_close(r);
	return alive;
}

static bool is_there(unsigned group)
{
	struct accel_registry r;

	return accel_registry_visit(&r, group, NULL) == 0 && is_alive(&r);
}

/* "g42" is 42. */
static bool read_name(const char *name, uint64_t *group)
{
	return name[0] == 'g' && accel_parse_number(name + 1, strlen(name + 1), group) == 0 &&
	       *group < N_GROUPS && (name[1] != '0' || !name[2]);
}

static int read_folder(bool *there, struct accel_err *err)
{
	char path[ACCEL_REGISTRY_PATH_LEN];
	const struct dirent *entry;
	uint64_t group;
	DIR *dir;
	int r = accel_registry_find_folder(path, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : accel_fail_sys(err, -errno, "%s", path);
	while ((entry = readdir(dir)))
		if (read_name(entry->d_name, &group))
			there[group] = true;
	closedir(dir);
	return 0;
}

int accel_registry_list(uint16_t *groups, size_t n, size_t *n_found, struct accel_err *err)
{
	bool *there = calloc(N_GROUPS, sizeof(*there));
	size_t found = 0;
	int r;

	if (!there)
		return accel_fail_sys(err, -ENOMEM, "groups");
	r = read_folder(there, err);
	for (unsigned i = 0; i < N_GROUPS && r == 0; i++) {
		if (!there[i] || !is_there(i))
			continue;
		if (found < n)
			groups[found] = (uint16_t)i;
		found++;
	}
	free(there);
	if (r == 0)
		*n_found = found;
	return r;
}

/* ---- what others have left behind ---- */

static void sweep_folder(const char *folder)
{
	struct accel_registry r;
	const struct dirent *entry;
	uint64_t group;
	DIR *dir = opendir(folder);

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (read_name(entry->d_name, &group) &&
		    accel_registry_visit_in(&r, folder, (unsigned)group, NULL) == 0)
			is_alive(&r);
	closedir(dir);
}

void accel_registry_sweep(const char *folder)
{
	char path[ACCEL_REGISTRY_PATH_LEN];
	const char *own = strrchr(folder, '/') + 1;
	int parent_len = (int)(own - folder);
	const struct dirent *entry;
	uint64_t inode;
	DIR *dir;

	snprintf(path, sizeof(path), "%.*s", parent_len, folder);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (accel_parse_number(entry->d_name, strlen(entry->d_name), &inode) < 0 ||
		    strcmp(entry->d_name, own) == 0)
			continue;
		snprintf(path, sizeof(path), "%.*s%.20s", parent_len, folder, entry->d_name);
		sweep_folder(path);
	}
	if (dir)
		closedir(dir);
}

/* ---- being told ---- */

#define TRIES 100 /* as for a group's files: the folder may be removed meanwhile */

/* A file that keeps the folder from being removed with its last group. */
static int keep_folder(const char *folder, struct accel_err *err)
{
	char path[ACCEL_REGISTRY_PATH_LEN + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/watched", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : accel_fail_sys(err, -errno, "%s", path);
	close(fd);
	return 0;
}

static int start_watching(int fd, struct accel_err *err)
{
	char path[ACCEL_REGISTRY_PATH_LEN];
	int r = -ENOENT;

	for (int i = 0; i < TRIES && r == -ENOENT; i++) {
		if ((r = accel_registry_make_folder(path, err)) < 0)
			continue;
		r = keep_folder(path, err);
	}
	if (r < 0)
		return r == -ENOENT ? accel_fail_sys(err, r, "%s", path) : r;
	/* A member that is killed writes nothing, but its files are closed. */
	if (inotify_add_watch(fd, path, IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE) < 0)
		return accel_fail_sys(err, -errno, "%s: cannot be watched", path);
	return 0;
}

int accel_registry_watch(struct accel_err *err)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), r;

	if (fd < 0)
		return accel_fail_sys(err, -errno, "groups: inotify");
	r = start_watching(fd, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}
