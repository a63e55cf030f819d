/* SPDX-License-Identifier: BSD-3-Clause */
/* caps.h - what this thread may do, capabilities(7). Who is refused all the same is confined by
 * something else.
 *
 * Threads: none of its own. */
#ifndef ACCEL_KERN_CAPS_H
#define ACCEL_KERN_CAPS_H

#include <linux/capability.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Is it in the effective set? False also where the kernel does not say. */
static inline bool accel_has_cap(unsigned cap)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return syscall(SYS_capget, &header, caps) == 0 &&
	       caps[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

#endif
