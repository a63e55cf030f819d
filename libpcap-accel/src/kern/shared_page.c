/* SPDX-License-Identifier: BSD-3-Clause */
/* shared_page.c - see shared_page.h. */
#include "kern/shared_page.h"

#include "base/err.h"
#include "base/util.h"
#include "kern/registry_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NAME_LEN 64

/* One that nobody had before: two handles of a process are not made in the same nanosecond. */
static void choose_name(char name[NAME_LEN])
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(name, NAME_LEN, "%d-%llx%09lx", (int)getpid(), (unsigned long long)now.tv_sec,
		 (unsigned long)now.tv_nsec);
}

/* Locked, and its memory there: a mapping of a file with a hole would raise SIGBUS on a full file
 * system. */
static int fill(int fd, const void *content, size_t len)
{
	ssize_t n;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	n = pwrite(fd, content, len, 0);
	return n < 0 ? -errno : (size_t)n < len ? -ENOSPC : 0;
}

static int map(struct accel_shared_page *page, const char *hidden)
{
	void *at = mmap(NULL, page->len, PROT_READ | PROT_WRITE, MAP_SHARED, page->fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	if (rename(hidden, page->path) < 0) {
		int r = -errno;

		munmap(at, page->len);
		return r;
	}
	page->map = at;
	return 0;
}

int accel_shared_page_open(struct accel_shared_page *page, const void *content, size_t len,
			   struct accel_err *err)
{
	struct accel_shared_page made = {.len = len, .fd = -1, .pid = getpid()};
	char folder[ACCEL_REGISTRY_PATH_LEN], name[NAME_LEN];
	char hidden[ACCEL_REGISTRY_PATH_LEN + NAME_LEN + 2];
	int r = accel_registry_make_stats_folder(folder, err);

	if (r < 0)
		return r;
	choose_name(name);
	snprintf(hidden, sizeof(hidden), "%s/.%s", folder, name);
	if ((size_t)snprintf(made.path, sizeof(made.path), "%s/%s", folder, name) >=
	    sizeof(made.path))
		return accel_fail(err, -ENAMETOOLONG, "%s: too long a path", folder);
	made.fd = open(hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (made.fd < 0)
		return accel_fail_sys(err, -errno, "%s: cannot be made", hidden);
	r = fill(made.fd, content, len);
	r = r ? r : map(&made, hidden);
	if (r < 0) {
		unlink(hidden);
		close(made.fd);
		return accel_fail_sys(err, r, "%s", hidden);
	}
	*page = made;
	return 0;
}

void accel_shared_page_adopt(struct accel_shared_page *page, int32_t *pid)
{
	page->pid = getpid();
	accel_store_relaxed(pid, page->pid);
}

void accel_shared_page_close(struct accel_shared_page *page)
{
	if (!page->map)
		return;
	if (page->pid == getpid())
		unlink(page->path);
	munmap(page->map, page->len);
	close(page->fd);
	page->map = NULL;
	page->fd = -1;
}
