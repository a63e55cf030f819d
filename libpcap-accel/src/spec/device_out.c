/* SPDX-License-Identifier: BSD-3-Clause */
/* device_out.c - what is done with a parsed device: print it, put its options.
 *
 * Threads: none of its own. */
#include "spec/device.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

static void print_iface(struct accel_str *out, const struct accel_iface *iface)
{
	accel_str_add(out, "%s", iface->name);
	for (unsigned i = 0; i < iface->n_queues; i++) {
		accel_str_add(out, "%s%u", i ? "+" : "@q", iface->queues[i].first);
		if (iface->queues[i].last != iface->queues[i].first)
			accel_str_add(out, "-%u", iface->queues[i].last);
	}
}

size_t accel_device_print(const struct accel_device *dev, char *out, size_t size)
{
	struct accel_str str;

	accel_str_init(&str, out, size);
	accel_str_add(&str, "%s", accel_engine_name(dev->engine));
	if (dev->conf_path)
		accel_str_add(&str, "/%s", dev->conf_path);
	for (unsigned i = 0; i < dev->n_ifaces; i++) {
		accel_str_add(&str, dev->pairs && i && i % 2 == 0 ? "::" : ":");
		print_iface(&str, &dev->ifaces[i]);
	}
	for (unsigned i = 0; i < dev->n_opts; i++)
		accel_str_add(&str, "%c%s=%s", i ? ',' : '?', dev->opts[i].row->key,
			      dev->opts[i].text);
	return str.len;
}

static int put_one(const struct accel_device *dev, const struct accel_device_opt *opt,
		   const char *name, struct accel_settings *s, struct accel_err *err)
{
	struct accel_quote quote;
	char where[ACCEL_QUOTE_MAX + 32];
	int rc;

	snprintf(where, sizeof(where), "%s: column %zu", accel_quote(&quote, name, strlen(name)),
		 opt->pos);
	rc = accel_opt_check_engine(opt->row, dev->engine, where, err);
	if (!rc)
		rc = accel_settings_put(s, opt->row, ACCEL_FROM_DEVICE, opt->text, where, err);
	return rc;
}

int accel_device_put_options(const struct accel_device *dev, const char *name,
			     struct accel_settings *s, struct accel_err *err)
{
	struct accel_settings staged;
	int rc;

	accel_settings_init(&staged);
	for (unsigned i = 0; i < dev->n_opts; i++) {
		rc = put_one(dev, &dev->opts[i], name, &staged, err);
		if (rc) {
			accel_settings_fini(&staged);
			return rc;
		}
	}
	accel_settings_merge(s, &staged);
	return 0;
}
