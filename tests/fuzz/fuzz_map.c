/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_map.c - PCAP_ACCEL_MAP: what is refused leaves the map as it was; what is accepted is found
 * again, parses as a device, and joined to one text makes the same map. */
#include "fuzz.h"

#include "base/str.h"
#include "spec/conf.h"
#include "spec/device.h"

static void check_alias(const struct accel_aliases *a, const struct accel_alias *alias)
{
	struct accel_device dev;
	struct accel_err err;

	FUZZ_CHECK(accel_aliases_find(a, alias->iface) == alias->target);
	FUZZ_CHECK(accel_device_claims(alias->target));
	FUZZ_CHECK(!accel_device_parse(alias->target, &dev, &err));
	accel_device_fini(&dev);
}

static void check_map(const struct accel_aliases *a, const char *map)
{
	struct accel_aliases again = {0};
	char *joined = malloc(strlen(map) + 1);
	const struct accel_alias *x, *y;
	struct accel_str str;
	struct accel_err err;

	FUZZ_CHECK(joined);
	accel_str_init(&str, joined, strlen(map) + 1);
	for (x = a->first; x; x = x->next) {
		check_alias(a, x);
		accel_str_add(&str, "%s%s=%s", str.len ? "," : "", x->iface, x->target);
	}
	FUZZ_CHECK(!strcmp(joined, map)); /* nothing is lost, nothing changed */
	FUZZ_CHECK(!accel_aliases_put(&again, joined, "M", &err));
	for (x = a->first, y = again.first; x && y; x = x->next, y = y->next)
		FUZZ_CHECK(!strcmp(x->iface, y->iface) && !strcmp(x->target, y->target));
	FUZZ_CHECK(!x && !y);
	accel_aliases_fini(&again);
	free(joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *map = fuzz_string(data, len);
	struct accel_aliases a = {0};
	struct accel_err err = {""};
	int rc = accel_aliases_put(&a, map, "M", &err);

	if (rc) {
		fuzz_check_error(rc, &err, "M: column ");
		FUZZ_CHECK(!a.first);
	} else {
		check_map(&a, map);
	}
	accel_aliases_fini(&a);
	free(map);
	return 0;
}
