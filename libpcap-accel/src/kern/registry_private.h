/* SPDX-License-Identifier: BSD-3-Clause */
/* registry_private.h - what the files of the registry share: folders, the layout of the members
 * file, its locks.
 *
 * Threads: as registry.h. */
#ifndef ACCEL_REGISTRY_PRIVATE_H
#define ACCEL_REGISTRY_PRIVATE_H

#include "kern/registry.h"

#include <sys/types.h>

/* The folder of this process's network namespace, made if need be. 1: it was made; 0; -errno with a
 * text. */
int accel_registry_make_folder(char path[ACCEL_REGISTRY_PATH_LEN], struct accel_err *err);

/* The same, if it is there: else -ENOENT without a text. */
int accel_registry_find_folder(char path[ACCEL_REGISTRY_PATH_LEN], struct accel_err *err);

/* The folder of this user's statistics pages, of all namespaces, made if need be. As above. */
int accel_registry_make_stats_folder(char path[ACCEL_REGISTRY_PATH_LEN], struct accel_err *err);

/* accel_registry_visit() in the folder of another namespace, all of whose kept records are taken to
 * hold: its cookie is not known. */
int accel_registry_visit_in(struct accel_registry *r, const char *folder, unsigned group,
			    struct accel_err *err);

/* Remove the files that members in other network namespaces have left behind, who could not. */
void accel_registry_sweep(const char *folder);

/* Set watch_fd to something that tells of changes of the file at `path`. 0; -ENOENT without a text:
 * it is not there; -errno with one. */
int accel_registry_watch_record(struct accel_registry *r, const char *path, struct accel_err *err);

/* A member's place in the members file, behind the bytes that are locked. */
struct accel_registry_place {
	char magic[8];
	int32_t pid;
	uint32_t unused;
	uint64_t since_ns;
	char program[16];
	char device[104];
};

#define ACCEL_REGISTRY_MAGIC "accel-1"

static inline off_t accel_registry_place_at(unsigned slot)
{
	return ACCEL_REGISTRY_MAX_MEMBERS +
	       (off_t)slot * (off_t)sizeof(struct accel_registry_place);
}

/* Call `found` for each run [first, last) of bytes within [start, end) that another open file
 * description has locked, in no order. */
void accel_registry_each_lock(int fd, off_t start, off_t end,
			      void (*found)(void *ctx, off_t first, off_t last), void *ctx);

#endif
