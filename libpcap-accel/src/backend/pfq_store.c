/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_store.c - see pfq_store.h. */
#include "backend/pfq_store.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pfq_store_read(struct accel_registry *r, struct pfq_record *rec, struct accel_err *err)
{
	struct accel_registry_head head;
	char *text;
	int e;

	memset(rec, 0, sizeof(*rec));
	e = accel_registry_read(r, &head, &text, err);
	if (e < 0)
		return e;
	e = pfq_record_parse(text, rec);
	free(text);
	if (e == -EINVAL)
		return accel_fail(err, e, "group %u: its record is of another version", r->group);
	if (e < 0)
		return accel_fail_sys(err, e, "group %u", r->group);
	rec->generation = head.generation;
	rec->persistent = head.kept;
	return 0;
}

int pfq_store_write(struct accel_registry *r, const struct pfq_record *rec, struct accel_err *err)
{
	struct accel_registry_head head = {rec->generation, rec->persistent};
	char *text = pfq_record_print(rec);
	int e;

	if (!text)
		return accel_fail_sys(err, -ENOMEM, "group %u", r->group);
	e = accel_registry_write(r, &head, text, err);
	free(text);
	return e;
}
