/* SPDX-License-Identifier: BSD-3-Clause */
/* level.h - how much a line of the log matters. core/log.h writes; below it, who has something to
 * say is handed a function.
 *
 * Threads: constants. */
#ifndef ACCEL_LEVEL_H
#define ACCEL_LEVEL_H

#include "base/util.h"

enum accel_log_level { ACCEL_LOG_ERROR = 1, ACCEL_LOG_WARNING, ACCEL_LOG_INFO, ACCEL_LOG_DEBUG };

/* A line, without its end. errno is preserved. */
typedef void accel_log_fn(enum accel_log_level level, const char *fmt, ...) ACCEL_PRINTF(2, 3);

#endif
