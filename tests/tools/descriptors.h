/* SPDX-License-Identifier: BSD-3-Clause */
/* descriptors.h - how many descriptors this process has, to see that none was leaked.
 *
 * Threads: nothing here has state. */
#ifndef TOOLS_DESCRIPTORS_H
#define TOOLS_DESCRIPTORS_H

#include <dirent.h>

/* The one that counts among them; -1: /proc is not there. */
static inline int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

#endif
