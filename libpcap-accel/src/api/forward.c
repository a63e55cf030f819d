/* SPDX-License-Identifier: BSD-3-Clause */
/* forward.c - the functions that are the real library's always (class `pure`): a jump each, made of
 * the table.
 *
 * Threads: as the real function's. */
#include "api/export.h"
#include "core/real.h"

#define FORWARD_own(ret, name, params, args)
#define FORWARD_composite(ret, name, params, args)
#define FORWARD_split(ret, name, params, args)
#define FORWARD_pure(ret, name, params, args)   \
	ret name params                         \
	{                                       \
		return accel_real()->name args; \
	}
#define X(class, ret, name, params, args, missing) FORWARD_##class(ret, name, params, args)

ACCEL_REAL_FUNCTIONS(X)
