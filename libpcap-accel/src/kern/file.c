/* SPDX-License-Identifier: BSD-3-Clause */
/* file.c - see file.h. */
#include "kern/file.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int read_all(int fd, char *text, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, text + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (int)done;
}

static int read_fd(int fd, const char *path, size_t max_len, char **text, size_t *len,
		   struct accel_err *err)
{
	struct stat st;
	char *buf;
	int n;

	if (fstat(fd, &st) < 0)
		return accel_fail_sys(err, -errno, "%s: cannot be examined", path);
	if (!S_ISREG(st.st_mode))
		return accel_fail(err, -EINVAL, "%s: not a regular file (name a file)", path);
	/* One byte more than allowed: a file that grows meanwhile is still noticed. */
	buf = malloc(max_len + 2);
	if (!buf)
		return accel_fail_sys(err, -ENOMEM, "%s: cannot be read", path);
	n = read_all(fd, buf, max_len + 1);
	if (n < 0 || (size_t)n > max_len) {
		free(buf);
		if (n < 0)
			return accel_fail_sys(err, n, "%s: cannot be read", path);
		return accel_fail(err, -EFBIG, "%s: too large (at most %zu bytes)", path, max_len);
	}
	buf[n] = '\0';
	*text = buf;
	*len = (size_t)n;
	return 0;
}

int accel_file_read(const char *path, size_t max_len, char **text, size_t *len,
		    struct accel_err *err)
{
	/* O_NONBLOCK: opening a FIFO must not hang the program that we are a guest of. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r;

	if (fd < 0)
		return accel_fail_sys(err, -errno, "%s: cannot be opened", path);
	r = read_fd(fd, path, max_len, text, len, err);
	close(fd);
	return r;
}

int accel_file_open_bpf(const char *path, struct accel_err *err)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uint64_t)(uintptr_t)path;
	fd = (int)syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	if (fd < 0)
		return accel_fail_sys(
			err, -errno,
			"%s: no BPF program can be taken from there (pin one on a bpffs)", path);
	return fd;
}
