/* SPDX-License-Identifier: BSD-3-Clause */
/* registry_folder.c - where a user's groups are kept: one folder a network namespace, which nobody
 * else can write to. See registry.h.
 *
 * Threads: any. */
#include "kern/registry_private.h"

#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_LEN ACCEL_REGISTRY_PATH_LEN

/* One that somebody else laid there is refused. */
static int check_folder(const char *path, struct accel_err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? -ENOENT : accel_fail_sys(err, -errno, "%s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return accel_fail(err, -EPERM,
				  "%s: not a folder that only uid %u can write to (remove it)",
				  path, (unsigned)geteuid());
	return 0;
}

/* 1: it was not there. */
static int make_folder(const char *path, struct accel_err *err)
{
	bool made = mkdir(path, 0700) == 0;
	int r;

	if (!made && errno != EEXIST)
		return accel_fail_sys(err, -errno, "%s: cannot be made", path);
	r = check_folder(path, err);
	if (r == 0)
		return made;
	return r == -ENOENT ? accel_fail_sys(err, r, "%s", path) : r;
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

static int walk(char path[PATH_LEN], int (*step)(const char *path, struct accel_err *err),
		struct accel_err *err)
{
	struct stat ns;
	size_t len;
	int r;

	choose_dir(path);
	if ((r = step(path, err)) < 0)
		return r;
	if (stat("/proc/thread-self/ns/net", &ns) < 0)
		return accel_fail_sys(err, -errno, "/proc/thread-self/ns/net");
	len = strlen(path);
	snprintf(path + len, PATH_LEN - len, "/%llu", (unsigned long long)ns.st_ino);
	return step(path, err);
}

int accel_registry_make_folder(char path[PATH_LEN], struct accel_err *err)
{
	return walk(path, make_folder, err);
}

int accel_registry_find_folder(char path[PATH_LEN], struct accel_err *err)
{
	return walk(path, check_folder, err);
}

int accel_registry_make_stats_folder(char path[PATH_LEN], struct accel_err *err)
{
	size_t len;
	int r;

	choose_dir(path);
	if ((r = make_folder(path, err)) < 0)
		return r;
	len = strlen(path);
	snprintf(path + len, PATH_LEN - len, "/stats");
	return make_folder(path, err);
}
