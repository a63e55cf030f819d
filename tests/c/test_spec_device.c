/* SPDX-License-Identifier: BSD-3-Clause */
/* test_spec_device.c - device strings against tests/vectors/device.txt, and the limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/util.h"
#include "spec/device.h"
#include "vectors.h"

/* Parse and put the options. On success *dev is the caller's. */
static int parse(const char *name, struct accel_device *dev, struct accel_err *err)
{
	struct accel_settings settings;
	int rc = accel_device_parse(name, dev, err);

	if (rc)
		return rc;
	accel_settings_init(&settings);
	rc = accel_device_put_options(dev, name, &settings, err);
	accel_settings_fini(&settings);
	if (rc)
		accel_device_fini(dev);
	return rc;
}

static void check_ok(struct vectors *v)
{
	const char *name = v->field[1];
	const char *want = strcmp(v->field[2], "=") ? v->field[2] : name;
	char out[ACCEL_MAX_DEVICE_LEN + 1], again[ACCEL_MAX_DEVICE_LEN + 1];
	struct accel_device dev;
	struct accel_err err;

	if (parse(name, &dev, &err))
		fail_msg("%s:%u: %s", v->name, v->line, err.text);
	assert_int_equal(accel_device_print(&dev, out, sizeof(out)), strlen(want));
	assert_vector_string(v, out, want);
	accel_device_fini(&dev);
	if (parse(out, &dev, &err))
		fail_msg("%s:%u: canonical: %s", v->name, v->line, err.text);
	accel_device_print(&dev, again, sizeof(again));
	assert_vector_string(v, again, want);
	accel_device_fini(&dev);
}

static void check_error(struct vectors *v)
{
	struct accel_device dev, before;
	struct accel_err err;
	int rc;

	memset(&dev, 0x5a, sizeof(dev));
	before = dev;
	rc = accel_device_parse(v->field[1], &dev, &err);
	if (rc) /* where the parser fails, it leaves the device as it was */
		assert_memory_equal(&dev, &before, sizeof(dev));
	else
		accel_device_fini(&dev);
	rc = parse(v->field[1], &dev, &err);
	if (!rc)
		fail_msg("%s:%u: was accepted", v->name, v->line);
	assert_vector_string(v, err.text, v->field[3]);
	assert_vector_int(v, rc, vectors_code(v->field[2]));
}

static void test_vectors(void **state)
{
	struct vectors v;
	unsigned n = 0;

	(void)state;
	vectors_open(&v, VECTORS_DIR "/device.txt");
	for (; vectors_next(&v); n++) {
		if (!strcmp(v.field[0], "ok"))
			check_ok(&v);
		else if (!strcmp(v.field[0], "error"))
			check_error(&v);
		else
			fail_msg("%s:%u: unknown kind", v.name, v.line);
	}
	vectors_close(&v);
	assert_true(n > 100);
}

static void test_fields(void **state)
{
	struct accel_device dev;
	struct accel_err err;

	(void)state;
	assert_int_equal(accel_device_parse("xdp/a.conf:e0@q1-3+9:e1?snaplen=64,vlan=", &dev, &err),
			 0);
	assert_int_equal(dev.engine, ACCEL_XDP);
	assert_string_equal(dev.conf_path, "a.conf");
	assert_int_equal(dev.n_ifaces, 2);
	assert_false(dev.pairs);
	assert_string_equal(dev.ifaces[0].name, "e0");
	assert_int_equal(dev.ifaces[0].n_queues, 2);
	assert_int_equal(dev.ifaces[0].queues[0].first, 1);
	assert_int_equal(dev.ifaces[0].queues[0].last, 3);
	assert_int_equal(dev.ifaces[0].queues[1].first, 9);
	assert_int_equal(dev.ifaces[0].queues[1].last, 9);
	assert_string_equal(dev.ifaces[1].name, "e1");
	assert_int_equal(dev.ifaces[1].n_queues, 0);
	assert_int_equal(dev.n_opts, 2);
	assert_ptr_equal(dev.opts[0].row, &accel_opt_table[ACCEL_OPT_CAPLEN]);
	assert_string_equal(dev.opts[0].text, "64");
	assert_int_equal(dev.opts[0].pos, 33);
	assert_string_equal(dev.opts[1].text, "");
	accel_device_fini(&dev);
	assert_int_equal(accel_device_parse("pfq:a:b::c:d", &dev, &err), 0);
	assert_true(dev.pairs);
	assert_null(dev.conf_path);
	accel_device_fini(&dev);
	accel_device_fini(&dev); /* twice is harmless */
}

/* "afpacket:i0:i1:..." with n interfaces */
static void many_ifaces(char *out, unsigned n)
{
	out += sprintf(out, "afpacket");
	for (unsigned i = 0; i < n; i++)
		out += sprintf(out, ":i%u", i);
}

static void test_limits(void **state)
{
	char name[ACCEL_MAX_DEVICE_LEN + 2];
	struct accel_device dev;
	struct accel_err err;

	(void)state;
	many_ifaces(name, ACCEL_MAX_IFACES);
	assert_int_equal(accel_device_parse(name, &dev, &err), 0);
	assert_int_equal(dev.n_ifaces, ACCEL_MAX_IFACES);
	accel_device_fini(&dev);
	many_ifaces(name, ACCEL_MAX_IFACES + 1);
	assert_int_equal(accel_device_parse(name, &dev, &err), -E2BIG);
	assert_string_equal(err.text,
			    "afpacket:i0:i1:i2:i3:i4:i5:i6:i7:i8:i9:i10:i11:i12:i13:i1...: "
			    "column 256: too many interfaces (at most 64)");
	memset(name, 'a', sizeof(name));
	memcpy(name, "pfq/", 4);
	name[ACCEL_MAX_DEVICE_LEN] = '\0';
	assert_int_equal(accel_device_parse(name, &dev, &err), 0);
	accel_device_fini(&dev);
	name[ACCEL_MAX_DEVICE_LEN] = 'a';
	name[ACCEL_MAX_DEVICE_LEN + 1] = '\0';
	assert_int_equal(accel_device_parse(name, &dev, &err), -ENAMETOOLONG);
	assert_string_equal(err.text,
			    "pfq/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...: "
			    "column 4097: device too long (at most 4096 bytes)");
	assert_int_equal(accel_device_parse("pfq/", &dev, NULL),
			 -EINVAL); /* nobody wants the text */
}

static void test_print_counts_what_it_cuts(void **state)
{
	struct accel_device dev;
	char out[8];

	(void)state;
	assert_int_equal(accel_device_parse("afpacket:eth0", &dev, NULL), 0);
	assert_int_equal(accel_device_print(&dev, out, sizeof(out)), 13);
	assert_string_equal(out, "afpacke");
	assert_int_equal(accel_device_print(&dev, NULL, 0), 13);
	accel_device_fini(&dev);
}

static void test_put_options(void **state)
{
	const char *good = "afpacket:eth0?group=5,vlan=1+2",
		   *bad = "afpacket:eth0?group=6,buffer=x";
	struct accel_settings s;
	struct accel_device dev;
	struct accel_err err;

	(void)state;
	accel_settings_init(&s);
	assert_int_equal(accel_device_parse(good, &dev, &err), 0);
	assert_int_equal(accel_device_put_options(&dev, good, &s, &err), 0);
	accel_device_fini(&dev);
	assert_int_equal(s.v[ACCEL_OPT_GROUP].num, 5);
	assert_int_equal(s.v[ACCEL_OPT_GROUP].from, ACCEL_FROM_DEVICE);
	assert_int_equal(s.v[ACCEL_OPT_VLAN].list[1], 2);
	/* All or none: the good group is not taken from a device with a bad buffer. */
	assert_int_equal(accel_device_parse(bad, &dev, &err), 0);
	assert_int_equal(accel_device_put_options(&dev, bad, &s, &err), -EINVAL);
	accel_device_fini(&dev);
	assert_int_equal(s.v[ACCEL_OPT_GROUP].num, 5);
	accel_settings_fini(&s);
}

static void test_claims(void **state)
{
	static const char *const ours[] = {"pfq",    "pfq:",	      "pfq/x",	"pfq?x",
					   "pfq@q0", "afpacket:eth0", "xdp:any"};
	static const char *const not_ours[] = {
		"",    "eth0",	 "pfqeth0", "pfq0",    "PFQ:eth0", "xdp+tap:eth0",
		"any", "my:pfq", ":pfq",    "afpacke", "pf",	   "afpackett:x"};

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(ours); i++)
		if (!accel_device_claims(ours[i]))
			fail_msg("'%s' is not claimed", ours[i]);
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(not_ours); i++)
		if (accel_device_claims(not_ours[i]))
			fail_msg("'%s' is claimed", not_ours[i]);
	assert_false(accel_device_claims(NULL));
}

static void test_engine_names(void **state)
{
	enum accel_engine engine = ACCEL_PFQ;

	(void)state;
	assert_int_equal(accel_engine_find("xdpx", 3, &engine), 0);
	assert_int_equal(engine, ACCEL_XDP);
	assert_int_equal(accel_engine_find("xdpx", 4, &engine), -ENOENT);
	assert_int_equal(accel_engine_find("xd", 2, &engine), -ENOENT);
	assert_int_equal(engine, ACCEL_XDP);
	assert_string_equal(accel_engine_name(ACCEL_AFPACKET), "afpacket");
	assert_string_equal(accel_engine_name(0), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_print_counts_what_it_cuts),
		cmocka_unit_test(test_put_options),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_engine_names),
	};

	return cmocka_run_group_tests_name("spec_device", tests, NULL, NULL);
}
