/* SPDX-License-Identifier: BSD-3-Clause */
/* registry_watch.c - how a member hears that the record was written. See registry.h.
 *
 * By inotify; but a user has 128 instances of that in all (fs.inotify.max_user_instances), and a
 * group may have hundreds of members. Who gets none has a timer in its place and looks at the file
 * ten times a second.
 *
 * Source: inotify(7), timerfd_create(2).
 * Threads: as registry.h. */
#include "base/err.h"
#include "kern/registry_private.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define LOOK_NS 100000000L

/* The file as it is now; true if that is news. Two writes may have one time stamp, but then the
 * record's first line differs. */
static bool look(struct accel_registry *r)
{
	struct accel_registry_glance now = {0};
	struct stat st = {0};
	bool is_new;

	if (fstat(r->record_fd, &st) < 0 || pread(r->record_fd, now.head, sizeof(now.head), 0) < 0)
		return true;
	now.sec = (uint64_t)st.st_mtim.tv_sec;
	now.nsec = (uint64_t)st.st_mtim.tv_nsec;
	is_new = memcmp(&now, &r->seen, sizeof(now)) != 0;
	r->seen = now;
	return is_new;
}

static int start_timer(struct accel_registry *r, struct accel_err *err)
{
	const struct itimerspec often = {.it_interval.tv_nsec = LOOK_NS,
					 .it_value.tv_nsec = LOOK_NS};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return accel_fail_sys(err, -errno, "group %u: timer", r->group);
	timerfd_settime(fd, 0, &often, NULL);
	r->watch_fd = fd;
	r->by_time = true;
	look(r);
	return 0;
}

int accel_registry_watch_record(struct accel_registry *r, const char *path, struct accel_err *err)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), e = fd < 0 ? -errno : 0;

	if (e == 0 && inotify_add_watch(fd, path, IN_MODIFY) < 0) {
		e = -errno;
		close(fd);
	}
	if (e == -EMFILE || e == -ENOSPC) /* of instances, of watches */
		return start_timer(r, err);
	if (e < 0)
		return e == -ENOENT ? e : accel_fail_sys(err, e, "%s: cannot be watched", path);
	r->watch_fd = fd;
	r->by_time = false;
	return 0;
}

bool accel_registry_changed(struct accel_registry *r)
{
	char events[1024];
	bool changed = false;

	while (read(r->watch_fd, events, sizeof(events)) > 0)
		changed = true;
	return r->by_time ? look(r) : changed;
}
