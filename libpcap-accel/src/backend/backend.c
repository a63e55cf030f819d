/* SPDX-License-Identifier: BSD-3-Clause */
/* backend.c - the list of engines.
 *
 * Threads: constant data. */
#include "backend/backend.h"

#include "base/util.h"

static const struct accel_backend *const backends[] = {
	&accel_backend_afpacket,
	&accel_backend_pfq,
	&accel_backend_xdp,
};

const struct accel_backend *accel_backend_find(enum accel_engine engine)
{
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(backends); i++)
		if (backends[i]->engine == engine)
			return backends[i];
	return NULL;
}
