/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_device.c - device strings: what is refused leaves everything as it was, what is accepted is
 * claimed and prints to what parses to the same. */
#include "fuzz.h"

#include "spec/device.h"

static void check_iface(const struct accel_iface *iface)
{
	size_t len = strnlen(iface->name, sizeof(iface->name));

	FUZZ_CHECK(len > 0 && len < sizeof(iface->name));
	FUZZ_CHECK(!strpbrk(iface->name, ":/?@,^ \t\n"));
	FUZZ_CHECK(iface->n_queues <= ACCEL_MAX_QUEUE_RANGES);
	for (unsigned i = 0; i < iface->n_queues; i++)
		FUZZ_CHECK(iface->queues[i].first <= iface->queues[i].last);
}

static void check_device(const struct accel_device *dev)
{
	FUZZ_CHECK(dev->engine == ACCEL_AFPACKET || dev->engine == ACCEL_PFQ ||
		   dev->engine == ACCEL_XDP);
	FUZZ_CHECK(dev->n_ifaces <= ACCEL_MAX_IFACES);
	FUZZ_CHECK(dev->n_ifaces || dev->engine == ACCEL_PFQ);
	FUZZ_CHECK(!dev->pairs || dev->n_ifaces % 2 == 0);
	FUZZ_CHECK(!dev->conf_path || *dev->conf_path);
	for (unsigned i = 0; i < dev->n_ifaces; i++)
		check_iface(&dev->ifaces[i]);
	FUZZ_CHECK(dev->n_opts <= ACCEL_N_OPTS);
	for (unsigned i = 0; i < dev->n_opts; i++)
		FUZZ_CHECK(dev->opts[i].row && dev->opts[i].text);
}

static void check_same(const struct accel_device *a, const struct accel_device *b)
{
	FUZZ_CHECK(a->engine == b->engine && a->pairs == b->pairs);
	FUZZ_CHECK(!a->conf_path == !b->conf_path);
	FUZZ_CHECK(!a->conf_path || !strcmp(a->conf_path, b->conf_path));
	FUZZ_CHECK(a->n_ifaces == b->n_ifaces && a->n_opts == b->n_opts);
	FUZZ_CHECK(!memcmp(a->ifaces, b->ifaces, a->n_ifaces * sizeof(a->ifaces[0])));
	for (unsigned i = 0; i < a->n_opts; i++)
		FUZZ_CHECK(a->opts[i].row == b->opts[i].row &&
			   !strcmp(a->opts[i].text, b->opts[i].text));
}

/* Aliases print as their option, "pfq:" as "pfq": the text may grow a little. */
#define PRINTED_MAX (ACCEL_MAX_DEVICE_LEN + 512)

static void check_printed(const struct accel_device *dev)
{
	char once[PRINTED_MAX], twice[PRINTED_MAX];
	size_t len = accel_device_print(dev, once, sizeof(once));
	struct accel_device again;
	struct accel_err err;

	FUZZ_CHECK(len < sizeof(once) && len == strlen(once));
	if (len > ACCEL_MAX_DEVICE_LEN)
		return;
	FUZZ_CHECK(!accel_device_parse(once, &again, &err));
	check_same(dev, &again);
	accel_device_print(&again, twice, sizeof(twice));
	FUZZ_CHECK(!strcmp(once, twice));
	accel_device_fini(&again);
}

static void check_options(const struct accel_device *dev, const char *name)
{
	struct accel_settings s, before;
	struct accel_err err = {""};
	int rc;

	accel_settings_init(&s);
	before = s;
	rc = accel_device_put_options(dev, name, &s, &err);
	if (rc) {
		fuzz_check_error(rc, &err, "");
		FUZZ_CHECK(!memcmp(&s, &before, sizeof(s)));
	}
	for (unsigned i = 0; !rc && i < dev->n_opts; i++) {
		const struct accel_opt_row *row = dev->opts[i].row;

		FUZZ_CHECK(s.v[row->id].from == ACCEL_FROM_DEVICE);
		FUZZ_CHECK(!strcmp(s.v[row->id].text, dev->opts[i].text));
	}
	accel_settings_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *name = fuzz_string(data, len);
	struct accel_device dev, before;
	struct accel_err err = {""};
	int rc;

	memset(&dev, 0x5a, sizeof(dev));
	memcpy(&before, &dev, sizeof(dev));
	rc = accel_device_parse(name, &dev, &err);
	if (rc) {
		fuzz_check_error(rc, &err, "");
		FUZZ_CHECK(strstr(err.text, ": column "));
		FUZZ_CHECK(!memcmp(&dev, &before, sizeof(dev)));
	} else {
		FUZZ_CHECK(accel_device_claims(name));
		check_device(&dev);
		check_printed(&dev);
		check_options(&dev, name);
		accel_device_fini(&dev);
	}
	free(name);
	return 0;
}
