/* SPDX-License-Identifier: BSD-3-Clause */
/* log.h - the one way in which the library speaks unasked, and only when asked to:
 * PCAP_ACCEL_LOG=level[:path], with level error, warning, info or debug; to stderr without a path.
 *
 * Silent in set-uid and file-capability programs. One write(2) a line, so lines of several
 * processes and threads do not mix.
 * Threads: any; not for signal handlers. */
#ifndef ACCEL_LOG_H
#define ACCEL_LOG_H

#include "base/level.h"

#include <stdbool.h>

bool accel_log_wants(enum accel_log_level level);

/* "pcap-accel[PID]: TEXT\n". errno is preserved. */
void accel_log(enum accel_log_level level, const char *fmt, ...) ACCEL_PRINTF(2, 3);

#endif
