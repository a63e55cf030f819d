/* SPDX-License-Identifier: BSD-3-Clause */
/* err.c - writes an error's text. See err.h for the convention. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The text may quote what a stranger typed: keep terminals and logs safe from control bytes. */
static void make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static ACCEL_PRINTF(2, 0) void write_text(struct accel_err *err, const char *fmt, va_list ap)
{
	int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);

	if (n >= (int)sizeof(err->text))
		memcpy(err->text + sizeof(err->text) - 4, "...", 4);
	make_printable(err->text);
}

int accel_fail(struct accel_err *err, int code, const char *fmt, ...)
{
	int saved_errno = errno;
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		write_text(err, fmt, ap);
		va_end(ap);
	}
	errno = saved_errno;
	return code;
}

int accel_fail_sys(struct accel_err *err, int code, const char *fmt, ...)
{
	int saved_errno = errno;
	va_list ap;
	size_t n;

	if (err) {
		va_start(ap, fmt);
		write_text(err, fmt, ap);
		va_end(ap);
		n = strlen(err->text);
		/* strerrordesc_np: constant text, no locale, no shared buffer (glibc 2.32). */
		snprintf(err->text + n, sizeof(err->text) - n, ": %s",
			 strerrordesc_np(-code) ? strerrordesc_np(-code) : "unknown error");
	}
	errno = saved_errno;
	return code;
}
