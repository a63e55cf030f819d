/* SPDX-License-Identifier: BSD-3-Clause */
/* backend.c - the list of engines.
 *
 * Threads: constant data. */
#include "backend/backend.h"

static const struct accel_backend *const backends[] = {
	&accel_backend_afpacket,
	&accel_backend_pfq,
	&accel_backend_xdp,
};

const struct accel_backend *accel_backend_find(enum accel_engine engine)
{
	size_t i = 0;

	while (backends[i]->engine != engine)
		i++;
	return backends[i];
}
