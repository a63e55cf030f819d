/* SPDX-License-Identifier: BSD-3-Clause */
/* log.c - see log.h. */
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {"off", "error", "warning", "info", "debug"};

/* The sink: written once by open_sink() under the once control, read by any thread afterwards. */
static pthread_once_t sink_once = PTHREAD_ONCE_INIT;
static enum accel_log_level sink_level; /* 0: silent */
static const char *sink_path;		/* NULL: stderr */

static int find_level(const char *name, size_t len)
{
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(level_names); i++)
		if (strlen(level_names[i]) == len && memcmp(level_names[i], name, len) == 0)
			return (int)i;
	return 0;
}

static void open_sink(void)
{
	const char *wish = secure_getenv("PCAP_ACCEL_LOG");
	const char *colon;
	int level;

	if (!wish)
		return;
	colon = strchrnul(wish, ':');
	level = find_level(wish, (size_t)(colon - wish));
	if (level == 0)
		return;
	sink_path = *colon ? strdup(colon + 1) : NULL;
	sink_level = *colon && !sink_path ? 0 : (enum accel_log_level)level;
}

/* Opened for each line: a program that closes all descriptors to become a daemon would make another
 * file of one that was kept, and we would write into that. */
static void write_line(const char *line, size_t len)
{
	ssize_t unused;
	int fd = STDERR_FILENO;

	if (sink_path)
		fd = open(sink_path,
			  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
	if (fd < 0)
		return;
	unused = write(fd, line, len); /* nobody to tell if it fails */
	(void)unused;
	if (sink_path)
		close(fd);
}

/* What is logged may quote what a stranger put into the environment. */
static void make_printable(char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
}

bool accel_log_wants(enum accel_log_level level)
{
	int saved_errno = errno;

	pthread_once(&sink_once, open_sink);
	errno = saved_errno;
	return level <= sink_level;
}

void accel_log(enum accel_log_level level, const char *fmt, ...)
{
	int saved_errno = errno;
	char line[1024];
	va_list ap;
	size_t n;
	int more;

	if (!accel_log_wants(level))
		return;
	n = (size_t)snprintf(line, sizeof(line), "pcap-accel[%d]: ", getpid());
	va_start(ap, fmt);
	more = vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	n = ACCEL_MIN(n + (size_t)ACCEL_MAX(more, 0), sizeof(line) - 2);
	make_printable(line, n);
	line[n] = '\n';
	write_line(line, n + 1);
	errno = saved_errno;
}
