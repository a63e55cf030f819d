/* SPDX-License-Identifier: BSD-3-Clause */
/* file.h - read a small file whole.
 *
 * Threads: none of its own. */
#ifndef ACCEL_FILE_H
#define ACCEL_FILE_H

#include <stddef.h>

struct accel_err;

/* Read at most max_len bytes of a regular file into malloc'ed *text, NUL-terminated behind *len
 * bytes. Symbolic links are followed; a FIFO or a device is refused before it could block.
 * 0; -ENOENT, -EACCES, -ELOOP, ... of open(2); -EINVAL not a regular file; -EFBIG; -ENOMEM: each
 * with a text that begins with the path. */
int accel_file_read(const char *path, size_t max_len, char **text, size_t *len,
		    struct accel_err *err);

/* The program pinned at `path` on a bpffs. A descriptor, or -errno with a text. */
int accel_file_open_bpf(const char *path, struct accel_err *err);

#endif
