/* SPDX-License-Identifier: BSD-3-Clause */
/* registry.c - see registry.h. */
#include "kern/registry.h"

#include "base/err.h"
#include "base/num.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_LEN ACCEL_REGISTRY_PATH_LEN

/* ---- the folder ---- */

/* Make a folder that only we can write to; one that somebody else laid there is refused. */
static int make_folder(const char *path, struct accel_err *err)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return accel_fail_sys(err, -errno, "%s: cannot be made", path);
	if (lstat(path, &st) < 0)
		return accel_fail_sys(err, -errno, "%s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return accel_fail(err, -EPERM,
				  "%s: not a folder that only uid %u can write to (remove it)",
				  path, (unsigned)geteuid());
	return 0;
}

static void choose_dir(char path[PATH_LEN])
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	char user[64];

	snprintf(user, sizeof(user), "/run/user/%u", (unsigned)geteuid());
	if (geteuid() == 0)
		snprintf(path, PATH_LEN, "/run/pcap-accel");
	else if (runtime && runtime[0] == '/' && strlen(runtime) < 256)
		snprintf(path, PATH_LEN, "%s/pcap-accel", runtime);
	else if (access(user, W_OK) == 0)
		snprintf(path, PATH_LEN, "%s/pcap-accel", user);
	else
		snprintf(path, PATH_LEN, "/tmp/pcap-accel-%u", (unsigned)geteuid());
}

/* The folder of this process's network namespace. */
static int open_folder(char path[PATH_LEN], struct accel_err *err)
{
	struct stat ns;
	size_t len;
	int r;

	choose_dir(path);
	if ((r = make_folder(path, err)) < 0)
		return r;
	if (stat("/proc/thread-self/ns/net", &ns) < 0)
		return accel_fail_sys(err, -errno, "/proc/thread-self/ns/net");
	len = strlen(path);
	snprintf(path + len, PATH_LEN - len, "/%llu", (unsigned long long)ns.st_ino);
	return make_folder(path, err);
}

static void name_file(char path[PATH_LEN + 16], const char *folder, char kind, unsigned group)
{
	snprintf(path, PATH_LEN + 16, "%s/%c%u", folder, kind, group);
}

static int open_file(const char *folder, char kind, unsigned group, struct accel_err *err)
{
	char path[PATH_LEN + 16];
	int fd;

	name_file(path, folder, kind, group);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd >= 0 ? fd : accel_fail_sys(err, -errno, "%s: cannot be opened", path);
}

static int watch(const char *folder, unsigned group, struct accel_err *err)
{
	char path[PATH_LEN + 16];
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0)
		return accel_fail_sys(err, -errno, "group %u: inotify", group);
	name_file(path, folder, 'g', group);
	if (inotify_add_watch(fd, path, IN_MODIFY) < 0) {
		int r = accel_fail_sys(err, -errno, "%s: cannot be watched", path);

		close(fd);
		return r;
	}
	return fd;
}

int accel_registry_open(struct accel_registry *r, unsigned group, struct accel_err *err)
{
	struct accel_registry fresh = ACCEL_REGISTRY_NONE;
	const char *folder = fresh.folder;
	int e = open_folder(fresh.folder, err);

	if (e < 0)
		return e;
	fresh.group = group;
	fresh.record_fd = open_file(folder, 'g', group, err);
	if (fresh.record_fd < 0)
		return fresh.record_fd;
	fresh.members_fd = open_file(folder, 'm', group, err);
	fresh.watch_fd = fresh.members_fd < 0 ? fresh.members_fd : watch(folder, group, err);
	if (fresh.watch_fd < 0) {
		e = fresh.watch_fd;
		fresh.watch_fd = -1;
		accel_registry_close(&fresh);
		return e;
	}
	*r = fresh;
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A program that has dropped its privileges cannot: then they are found stale. */
static void remove_files(struct accel_registry *r)
{
	char path[PATH_LEN + 16];

	name_file(path, r->folder, 'm', r->group);
	unlink(path);
	name_file(path, r->folder, 'g', r->group);
	unlink(path);
	rmdir(r->folder); /* of the network namespace; fails while other groups are there */
}

void accel_registry_leave(struct accel_registry *r)
{
	struct flock lock = {
		.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_len = ACCEL_REGISTRY_MAX_MEMBERS};

	if (r->slot < 0)
		return;
	fcntl(r->members_fd, F_OFD_SETLK, &lock);
	r->slot = -1;
	if (accel_registry_count(r) == 0)
		remove_files(r);
}

void accel_registry_close(struct accel_registry *r)
{
	if (r->slot >= 0 && accel_registry_lock(r, NULL) == 0) {
		accel_registry_leave(r);
		accel_registry_unlock(r);
	}
	close_fd(&r->watch_fd);
	close_fd(&r->members_fd);
	close_fd(&r->record_fd);
	*r = ACCEL_REGISTRY_NONE;
}

/* ---- locks ---- */

int accel_registry_lock(struct accel_registry *r, struct accel_err *err)
{
	while (flock(r->record_fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return accel_fail_sys(err, -errno, "group %u: cannot lock its record",
					      r->group);
	return 0;
}

void accel_registry_unlock(struct accel_registry *r)
{
	flock(r->record_fd, LOCK_UN);
}

static struct flock byte_lock(off_t slot)
{
	return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1};
}

int accel_registry_join(struct accel_registry *r, struct accel_err *err)
{
	struct flock lock;

	for (int slot = 0; slot < ACCEL_REGISTRY_MAX_MEMBERS; slot++) {
		lock = byte_lock(slot);
		if (fcntl(r->members_fd, F_OFD_SETLK, &lock) == 0) {
			r->slot = slot;
			return 0;
		}
		if (errno != EAGAIN && errno != EACCES)
			return accel_fail_sys(err, -errno, "group %u: cannot lock a member's place",
					      r->group);
	}
	return accel_fail(err, -EUSERS, "group %u: full (at most %d members)", r->group,
			  ACCEL_REGISTRY_MAX_MEMBERS);
}

/* Which of several locks the kernel tells of is its own choice, so both sides of it are looked
 * at. */
static unsigned count_others(int fd, off_t start, off_t end)
{
	struct flock lock = byte_lock(start);
	off_t first, last;

	if (start >= end)
		return 0;
	lock.l_len = end - start;
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	first = ACCEL_MAX(lock.l_start, start);
	last = ACCEL_MIN(lock.l_start + lock.l_len, end);
	return (unsigned)(last - first) + count_others(fd, start, first) +
	       count_others(fd, last, end);
}

unsigned accel_registry_count(struct accel_registry *r)
{
	/* The kernel tells of others' locks only: ours is known. */
	return (r->slot >= 0) + count_others(r->members_fd, 0, ACCEL_REGISTRY_MAX_MEMBERS);
}

/* ---- the record: "LENGTH\nTEXT", so that one that a crash cut short is known ---- */

static int read_text(int fd, char *text, size_t len)
{
	ssize_t n = pread(fd, text, len, 0);
	uint64_t said;
	size_t head;

	if (n < 0)
		return -errno;
	text[n] = '\0';
	head = strcspn(text, "\n");
	if (text[head] != '\n' || accel_parse_number(text, head, &said) < 0 ||
	    said != (size_t)n - head - 1) {
		text[0] = '\0';
		return 0;
	}
	memmove(text, text + head + 1, (size_t)said + 1);
	return 0;
}

int accel_registry_read(struct accel_registry *r, char **text, struct accel_err *err)
{
	char *buf = calloc(1, ACCEL_REGISTRY_MAX_LEN + 32);
	int e = 0;

	if (!buf)
		return accel_fail_sys(err, -ENOMEM, "group %u", r->group);
	if (accel_registry_count(r) > 0)
		e = read_text(r->record_fd, buf, ACCEL_REGISTRY_MAX_LEN + 31);
	if (e < 0) {
		free(buf);
		return accel_fail_sys(err, e, "group %u: cannot read its record", r->group);
	}
	*text = buf;
	return 0;
}

int accel_registry_write(struct accel_registry *r, const char *text, struct accel_err *err)
{
	size_t len = strlen(text);
	char head[32];
	int n = snprintf(head, sizeof(head), "%zu\n", len);

	if (len > ACCEL_REGISTRY_MAX_LEN)
		return accel_fail(err, -EFBIG,
				  "group %u: its record is too large (at most %d bytes)", r->group,
				  ACCEL_REGISTRY_MAX_LEN);
	if (ftruncate(r->record_fd, 0) < 0 || pwrite(r->record_fd, text, len, n) != (ssize_t)len ||
	    pwrite(r->record_fd, head, (size_t)n, 0) != n)
		return accel_fail_sys(err, -errno, "group %u: cannot write its record", r->group);
	return 0;
}

bool accel_registry_changed(struct accel_registry *r)
{
	char events[1024];
	bool changed = false;

	while (read(r->watch_fd, events, sizeof(events)) > 0)
		changed = true;
	return changed;
}
