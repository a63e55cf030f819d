/* SPDX-License-Identifier: BSD-3-Clause */
/* real.h - the libpcap that this machine has, behind us: found, opened once, every function of it
 * resolved. It serves the devices that are not ours, and savefiles, compiling and names for all.
 *
 * RTLD_NEXT would not find it where a program loads libpcap late and locally (Python does); so it
 * is opened by absolute path, and never mistaken for ourselves under another name.
 *
 * Threads: any. Loading is done once; two threads that come first may both load, one result
 * stays. */
#ifndef ACCEL_REAL_H
#define ACCEL_REAL_H

#include "core/real_functions.h"

#include <stdbool.h>

struct accel_real {
	const char *path;	 /* as the loader knows it; NULL: no real library was found */
	const char *start, *end; /* where it is mapped; NULL, NULL without one */
#define X(class, ret, name, params, args, missing) ret(*name) params;
	ACCEL_REAL_FUNCTIONS(X)
#undef X
};

/* The table: never NULL, no entry NULL. A function that is not there fails as real_functions.h
 * says. The first call loads: not for signal handlers, not after chroot(); later calls are one
 * load. errno is preserved. What a function allocates for its caller to free(), anybody may free():
 * the library has the program's malloc(), or both have libc's. */
const struct accel_real *accel_real(void);

/* Does `return_address` lie in the real library? Then one of its functions called an export of its
 * own by way of the global scope and got us: it means itself. Never true while it is bound deep. */
bool accel_real_called_us(const void *return_address);

#endif
