/* SPDX-License-Identifier: BSD-3-Clause */
/* engine.c - the engines' names, and which device strings are addressed to us.
 *
 * Threads: constant data only. */
#include "spec/engine.h"

#include "base/util.h"
#include "spec/device.h"

#include <errno.h>
#include <string.h>

const struct accel_engine_row accel_engines[] = {
	{ACCEL_AFPACKET, "afpacket"},
	{ACCEL_PFQ, "pfq"},
	{ACCEL_XDP, "xdp"},
};
const size_t accel_n_engines = ACCEL_ARRAY_LEN(accel_engines);

const char *accel_engine_name(enum accel_engine engine)
{
	for (size_t i = 0; i < accel_n_engines; i++)
		if (accel_engines[i].engine == engine)
			return accel_engines[i].name;
	return "unknown";
}

int accel_engine_find(const char *name, size_t len, enum accel_engine *engine)
{
	for (size_t i = 0; i < accel_n_engines; i++)
		if (strlen(accel_engines[i].name) == len &&
		    !memcmp(name, accel_engines[i].name, len)) {
			*engine = accel_engines[i].engine;
			return 0;
		}
	return -ENOENT;
}

bool accel_device_claims(const char *name)
{
	enum accel_engine engine;

	return name && !accel_engine_find(name, strcspn(name, ":/?@"), &engine);
}
