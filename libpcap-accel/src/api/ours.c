/* SPDX-License-Identifier: BSD-3-Clause */
/* ours.c - see ours.h. */
#include "api/ours.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int accel_say(struct accel_handle *h, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(h->errbuf, PCAP_ERRBUF_SIZE, fmt, ap);
	va_end(ap);
	return code;
}

void accel_fill(char *errbuf, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(errbuf, PCAP_ERRBUF_SIZE, fmt, ap);
	va_end(ap);
}

int accel_say_err(struct accel_handle *h, int code)
{
	return accel_say(h, code, "%s", h->err.text);
}

int accel_say_not_active(struct accel_handle *h)
{
	strcpy(h->errbuf, "This handle hasn't been activated yet");
	return PCAP_ERROR_NOT_ACTIVATED;
}

int accel_say_model(struct accel_handle *h, int code)
{
	return accel_say(h, code, "%s", accel_real()->pcap_geterr(h->model));
}

int accel_read_error(struct accel_handle *h, int r)
{
	return r == -EINTR ? PCAP_ERROR_BREAK : accel_say_err(h, PCAP_ERROR);
}
