/* SPDX-License-Identifier: BSD-3-Clause */
/* test_spec_nomem.c - each allocation of the parsers fails in turn. Each time the answer is -ENOMEM
 * with a text, nothing is leaked, and what the caller has is as it was.
 *
 * Threads: one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/util.h"
#include "spec/conf.h"
#include "spec/device.h"

#include "nomem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What an attempt works on. It starts with something in it, so that "as before" means something. */
struct world {
	struct accel_settings settings;
	struct accel_aliases aliases;
	struct accel_device dev;
	bool has_dev;
};

static const char device[] = "afpacket/x.conf:a@q1:b?vlan=1+2,group=4,fanout_program=/x";

static int try_device(struct world *w, struct accel_err *err)
{
	int rc = accel_device_parse(device, &w->dev, err);

	w->has_dev = !rc;
	return rc;
}

static int try_options(struct world *w, struct accel_err *err)
{
	struct accel_device dev;
	unsigned keep = fail_call;
	int rc;

	fail_call = 0;
	assert_int_equal(accel_device_parse(device, &dev, NULL), 0);
	fail_call = keep;
	n_calls = 0;
	rc = accel_device_put_options(&dev, device, &w->settings, err);
	accel_device_fini(&dev);
	return rc;
}

static int try_conf(struct world *w, struct accel_err *err)
{
	static const char text[] = "vlan = 1, 2\ngroup = 3\nmap.eth0 = pfq/c:eth0?vlan=7,group=1\n"
				   "computation = a\nmap.eth1 = xdp:eth1\ndefault = pfq\n";

	return accel_conf_parse("F", text, strlen(text), ACCEL_FROM_AMBIENT, ACCEL_AFPACKET,
				&w->settings, &w->aliases, err);
}

static int pass_over(void *ctx, const struct accel_conf_setting *setting)
{
	(void)ctx;
	(void)setting;
	return 0;
}

static int try_visit(struct world *w, struct accel_err *err)
{
	static const char text[] = "vlan = 1, 2\nmap.eth0 = pfq/c:eth0?vlan=7\ncomputation = a\n";
	const struct accel_conf_text file = {"F", text, strlen(text), ACCEL_FROM_AMBIENT, 0};

	(void)w;
	return accel_conf_visit(&file, pass_over, NULL, err);
}

static int try_map(struct world *w, struct accel_err *err)
{
	return accel_aliases_put(&w->aliases, "eth0=pfq/c:eth0?vlan=7,group=1,eth1=xdp:eth1", "M",
				 err);
}

static const char *get_env(const char *name)
{
	return !strcmp(name, "PCAP_ACCEL_VLAN") ? "1,2" : !strcmp(name, "PFQ_GROUP") ? "3" : NULL;
}

static int try_env(struct world *w, struct accel_err *err)
{
	return accel_settings_put_env(&w->settings, ACCEL_PFQ, get_env, err);
}

static int try_check(struct world *w, struct accel_err *err)
{
	(void)w;
	return accel_opt_check_text(&accel_opt_table[ACCEL_OPT_VLAN], "1+2", "W", err);
}

static void world_init(struct world *w)
{
	fail_call = 0;
	memset(w, 0, sizeof(*w));
	memset(&w->dev, 0x5a, sizeof(w->dev));
	accel_settings_init(&w->settings);
	assert_int_equal(accel_settings_put(&w->settings, &accel_opt_table[ACCEL_OPT_VLAN],
					    ACCEL_FROM_CALL, "9", "W", NULL),
			 0);
	assert_int_equal(accel_aliases_put(&w->aliases, "old=pfq:old", "M", NULL), 0);
}

static void world_fini(struct world *w)
{
	accel_settings_fini(&w->settings);
	accel_aliases_fini(&w->aliases);
	if (w->has_dev)
		accel_device_fini(&w->dev);
}

static void check_unchanged(const struct world *w, const struct world *before)
{
	assert_memory_equal(w, before, sizeof(*w));
	assert_int_equal(w->settings.v[ACCEL_OPT_VLAN].list[0], 9);
	assert_null(w->aliases.first->next);
}

/* Returns true while there was an allocation left to fail. */
static bool attempt(int (*try)(struct world *w, struct accel_err *err), unsigned which)
{
	struct accel_err err = {""};
	struct world w, before;
	bool failed;
	int rc;

	world_init(&w);
	memcpy(&before, &w, sizeof(w));
	n_calls = 0;
	fail_call = which;
	rc = try(&w, &err);
	failed = n_calls >= which;
	fail_call = 0;
	assert_int_equal(rc, failed ? -ENOMEM : 0);
	if (failed) {
		assert_non_null(strstr(err.text, ": out of memory"));
		check_unchanged(&w, &before);
	}
	world_fini(&w);
	return failed;
}

static void test_each_allocation(void **state)
{
	static const struct {
		const char *name;
		int (*try)(struct world *w, struct accel_err *err);
		unsigned at_least; /* allocations, or the test tests nothing */
	} tries[] = {
		{"device", try_device, 4}, {"options", try_options, 4}, {"conf", try_conf, 12},
		{"map", try_map, 10},	   {"env", try_env, 3},		{"check", try_check, 1},
		{"visit", try_visit, 8},
	};

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(tries); i++) {
		long live = n_live;
		unsigned which = 1;

		while (attempt(tries[i].try, which))
			which++;
		if (n_live != live)
			fail_msg("%s: %ld pointers leaked", tries[i].name, n_live - live);
		if (which <= tries[i].at_least)
			fail_msg("%s: only %u allocations", tries[i].name, which - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation),
	};

	return cmocka_run_group_tests_name("spec_nomem", tests, NULL, NULL);
}
