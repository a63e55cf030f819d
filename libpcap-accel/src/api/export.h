/* SPDX-License-Identifier: BSD-3-Clause */
/* export.h - declares what the library exports, from the same table that the real library is
 * resolved by, so that a definition that differs does not compile.
 *
 * Our own code does not call these: in a process with a second interposer the call would leave the
 * library. The real library is called through accel_real().
 *
 * Threads: declarations only. */
#ifndef ACCEL_API_EXPORT_H
#define ACCEL_API_EXPORT_H

#include "core/real_functions.h"

/* What the public header declares is exported. */
#pragma GCC visibility push(default)
#include <pcap-accel.h>
#pragma GCC visibility pop

#define ACCEL_EXPORT __attribute__((visibility("default")))

#define X(class, ret, name, params, args, missing) ACCEL_EXPORT ret name params;
ACCEL_REAL_FUNCTIONS(X)
#undef X

extern ACCEL_EXPORT char pcap_version[7];
extern ACCEL_EXPORT struct eproto eproto_db[13];

/* In an exported function: is the real library calling itself by way of us (accel_real_called_us)?
 * Then the call goes straight on. */
#define ACCEL_CALLED_BY_REAL() accel_real_called_us(__builtin_return_address(0))

#endif
