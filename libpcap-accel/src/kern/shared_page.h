/* SPDX-License-Identifier: BSD-3-Clause */
/* shared_page.h - a few bytes of memory that other programs may read while we write them: a file in
 * the runtime directory, mapped.
 *
 * Whoever reads knows that its writer lives by the lock on it (flock(2), exclusive), which ends
 * with the last process that has the descriptor, however it ended; a file without the lock is
 * stale, and the reader's to remove. It gets its name when it is locked and filled. Nothing but
 * memory is touched after opening, so privileges may go.
 *
 * Threads: one a page. */
#ifndef ACCEL_SHARED_PAGE_H
#define ACCEL_SHARED_PAGE_H

#include "kern/registry.h"

#include <sys/types.h>

struct accel_shared_page {
	void *map; /* NULL: not open */
	size_t len;
	int fd;	   /* holds the lock; shared with children that fork(2) makes */
	pid_t pid; /* whose it is: who made it, or adopted it; another leaves the file alone */
	char path[ACCEL_REGISTRY_PATH_LEN];
};

/* Make one of `len` bytes with this content. 0, or -errno with a text and *page as it was. */
int accel_shared_page_open(struct accel_shared_page *page, const void *content, size_t len,
			   struct accel_err *err);

/* The caller is the one who uses it from now on, a child after fork(2) perhaps: who removes the
 * file at the end, and *pid, which is in it. */
void accel_shared_page_adopt(struct accel_shared_page *page, int32_t *pid);

/* Unmap it, and remove the file if it is ours and we are allowed to. A page that is not open may
 * be closed. */
void accel_shared_page_close(struct accel_shared_page *page);

#endif
