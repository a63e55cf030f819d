/* SPDX-License-Identifier: BSD-3-Clause */
/* err.h - one error: a text for a person, beside the -errno that the function returns.
 *
 * The text is written once, by the function that knows most, in the form
 *     object: what is wrong (what would be right)
 * and handed upwards untouched. Never allocates.
 *
 * Threads: an accel_err belongs to its caller. */
#ifndef ACCEL_ERR_H
#define ACCEL_ERR_H

#include "base/util.h"

#define ACCEL_ERR_LEN 512 /* bytes with the NUL; api/ cuts it to libpcap's 256 */

struct accel_err {
	char text[ACCEL_ERR_LEN];
};

/* Write the text and return `code`, so that a failure is one line:
 *     return accel_fail(err, -EINVAL, "%s: unknown option '%s'", ...);
 * `err` may be NULL. Too long a text is cut and ends in "...". Bytes of the text outside printable
 * ASCII and UTF-8's 0x80.. range become '?'. errno is preserved. */
int accel_fail(struct accel_err *err, int code, const char *fmt, ...) ACCEL_PRINTF(3, 4);

/* The same, with ": " and the system's text for -code behind it. */
int accel_fail_sys(struct accel_err *err, int code, const char *fmt, ...) ACCEL_PRINTF(3, 4);

#endif
