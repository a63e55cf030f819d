/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pfq_record.c - the record of a PFQ group: what is printed is read again, and a text that is no
 * record is refused, whatever it holds.
 *
 * Threads: one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/pfq_record.h"
#include "base/util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_same(const struct pfq_record *a, const struct pfq_record *b)
{
	assert_int_equal(a->n_devices, b->n_devices);
	for (unsigned i = 0; i < a->n_devices; i++)
		assert_string_equal(a->devices[i], b->devices[i]);
	assert_int_equal(a->n_vlans, b->n_vlans);
	assert_memory_equal(a->vlans, b->vlans, sizeof(a->vlans));
	assert_int_equal(a->n_fanouts, b->n_fanouts);
	assert_memory_equal(a->fanouts, b->fanouts, sizeof(a->fanouts));
	assert_int_equal(a->n_idle, b->n_idle);
	assert_memory_equal(a->idle, b->idle, sizeof(a->idle));
	assert_int_equal(a->since_ns, b->since_ns);
	assert_int_equal(a->pending, b->pending);
	assert_int_equal(a->n_filter, b->n_filter);
	if (a->n_filter)
		assert_memory_equal(a->filter, b->filter, a->n_filter * sizeof(*a->filter));
	assert_string_equal(a->computation ? a->computation : "",
			    b->computation ? b->computation : "");
}

/* Print, parse, compare. */
static void assert_round_trip(const struct pfq_record *rec)
{
	char *text = pfq_record_print(rec);
	struct pfq_record again;

	assert_non_null(text);
	assert_int_equal(pfq_record_parse(text, &again), 0);
	assert_same(rec, &again);
	pfq_record_fini(&again);
	free(text);
}

static void assert_empty(const struct pfq_record *rec)
{
	static const struct pfq_record none;

	assert_memory_equal(rec, &none, sizeof(none));
}

/* The text of the contract, as the registry keeps it. */
static void test_text(void **state)
{
	static const char text[] = "devices=eth0:eth1\nvlan=10+20\nfanout=16384+16385\n"
				   "idle=16387\n"
				   "since=1700000000123456789\n"
				   "pending=1\n"
				   "filter=00280000000000000015000108000000000600000004000000060000"
				   "00000000\ncomputation=ip >-> steer_flow";
	struct pfq_record rec;
	char *printed;

	(void)state;
	assert_int_equal(pfq_record_parse(text, &rec), 0);
	assert_int_equal(rec.n_devices, 2);
	assert_string_equal(rec.devices[1], "eth1");
	assert_int_equal(rec.n_vlans, 2);
	assert_int_equal(rec.vlans[1], 20);
	assert_int_equal(rec.n_fanouts, 2);
	assert_int_equal(rec.fanouts[0], 16384);
	assert_int_equal(rec.n_idle, 1);
	assert_int_equal(rec.idle[0], 16387);
	assert_int_equal(rec.since_ns, 1700000000123456789);
	assert_true(rec.pending);
	assert_int_equal(rec.n_filter, 4);
	assert_int_equal(rec.filter[1].code, 0x15);
	assert_int_equal(rec.filter[1].jf, 1);
	assert_int_equal(rec.filter[1].k, 0x8000000);
	assert_string_equal(rec.computation, "ip >-> steer_flow");
	printed = pfq_record_print(&rec);
	assert_string_equal(printed, text);
	free(printed);
	pfq_record_fini(&rec);
	assert_empty(&rec);
}

static void test_empty(void **state)
{
	struct pfq_record rec;

	(void)state;
	assert_int_equal(pfq_record_parse("", &rec), 0);
	assert_empty(&rec);
	assert_round_trip(&rec);
}

/* As much as a record can hold. */
static void test_full(void **state)
{
	static struct sock_filter insns[BPF_MAXINSNS];
	struct pfq_record rec = {0};
	char name[ACCEL_IFNAME_LEN];

	(void)state;
	for (unsigned i = 0; i < ACCEL_MAX_IFACES; i++) {
		snprintf(name, sizeof(name), "interface%06u", i);
		assert_int_equal(pfq_record_add(&rec, name), 0);
	}
	for (unsigned i = 0; i < ACCEL_MAX_NUMBERS; i++)
		rec.vlans[rec.n_vlans++] = (uint16_t)(4095 - i);
	rec.n_fanouts = PFQ_MAX_FANOUTS;
	rec.fanouts[0] = UINT16_MAX;
	for (unsigned i = 0; i < BPF_MAXINSNS; i++)
		insns[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, i);
	assert_int_equal(pfq_record_set_filter(&rec, insns, BPF_MAXINSNS), 0);
	assert_int_equal(pfq_record_set_computation(&rec, "steer_flow"), 0);
	assert_round_trip(&rec);
	assert_int_equal(pfq_record_set_filter(&rec, NULL, 0), 0);
	assert_null(rec.filter);
	assert_round_trip(&rec);
	pfq_record_fini(&rec);
}

/* A computation is kept to the letter, though it looks like lines of the record. */
static void test_computation_to_the_letter(void **state)
{
	static const char *const texts[] = {
		"ip\n>-> udp\n", "\ndevices=eth9", "computation=", " = ", "\n\n", "\xff\x01\t\r",
	};
	struct pfq_record rec = {0};

	(void)state;
	assert_int_equal(pfq_record_add(&rec, "eth0"), 0);
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(texts); i++) {
		assert_int_equal(pfq_record_set_computation(&rec, texts[i]), 0);
		assert_round_trip(&rec);
	}
	pfq_record_fini(&rec);
}

static void test_devices(void **state)
{
	struct pfq_record rec = {0};
	char name[ACCEL_IFNAME_LEN + 1];

	(void)state;
	assert_false(pfq_record_has(&rec, "eth0"));
	assert_int_equal(pfq_record_add(&rec, "eth0"), 0);
	assert_int_equal(pfq_record_add(&rec, "eth0"), 0);
	assert_int_equal(rec.n_devices, 1);
	assert_true(pfq_record_has(&rec, "eth0"));
	assert_false(pfq_record_has(&rec, "eth"));
	assert_false(pfq_record_has(&rec, "eth00"));
	assert_int_equal(pfq_record_add(&rec, "sixteen-letters1"), -E2BIG);
	while (rec.n_devices < ACCEL_MAX_IFACES) {
		snprintf(name, sizeof(name), "d%u", rec.n_devices);
		assert_int_equal(pfq_record_add(&rec, name), 0);
	}
	assert_int_equal(pfq_record_add(&rec, "one-more"), -E2BIG);
	assert_int_equal(pfq_record_add(&rec, "eth0"), 0);
	assert_int_equal(rec.n_devices, ACCEL_MAX_IFACES);
	pfq_record_fini(&rec);
}

/* One thing is wrong in each. */
static void test_refused(void **state)
{
	static const char *const texts[] = {
		"\n",
		"devices",
		"devices\ncomputation=ip",
		"devices=:\n",
		"devices=eth0::eth1\n",
		"devices=:eth0\n",
		"devices=eth0:\n",
		"vlan=1+\n",
		"fanout=1+2+\n",
		"pending=\n",
		"since=\n",
		"since=x\n",
		"idle=1+2+3+4+5\n",
		"pending=2\n",
		"pending=00\n",
		"filter=0006000000000\n",
		"filter=000600000000000\n",
		"filter=00060000000000000\n",
		"filter=000600000000000G\n",
		"filter=000600000000000F\n",
		"filter=0006000000000000 \n",
		"filter=0000000000000000\n",		     /* no return */
		"filter=00050000ffffffff0006000000000000\n", /* a loop */
		"filter=0006000000000000\nfilter=0006000000000000\n",
		"devices=sixteen-letters1\n",
		"vlan=x\n",
		"vlan=+1\n",
		"vlan=1++2\n",
		"vlan=-1\n",
		"vlan=65536\n",
		"vlan=99999999999999999999\n",
		"vlan=1 \n",
		"fanout=1+2+3\n",
		"colour=blue\n",
		"Devices=eth0\n",
		"device=eth0\n",
		"devicess=eth0\n",
		"=\n",
		"computation",
		"devices=eth0\n\ncomputation=ip",
	};
	struct pfq_record rec;

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(texts); i++) {
		memset(&rec, 0x5a, sizeof(rec));
		if (pfq_record_parse(texts[i], &rec) != -EINVAL)
			fail_msg("not refused: \"%s\"", texts[i]);
		assert_empty(&rec);
	}
}

/* One device and one number more than there is room for. */
static void test_too_much(void **state)
{
	char text[ACCEL_MAX_IFACES * ACCEL_IFNAME_LEN + 64] = "devices=d";
	struct pfq_record rec;
	size_t n = strlen(text);

	(void)state;
	for (int i = 0; i < ACCEL_MAX_IFACES; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ":d%d", i);
	assert_int_equal(pfq_record_parse(text, &rec), -EINVAL);
	n = (size_t)snprintf(text, sizeof(text), "vlan=0");
	for (int i = 0; i < ACCEL_MAX_NUMBERS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "+%d", i);
	assert_int_equal(pfq_record_parse(text, &rec), -EINVAL);
	assert_empty(&rec);
}

/* A small generator of our own: the same texts in every run. */
static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Any text whatever is refused and leaves nothing, or is a record that comes back as it was. */
static void test_random_texts(void **state)
{
	static const char *const pieces[] = {
		"devices=", "vlan=", "fanout=", "computation=", "\n",	   ":",
		"+",	    "eth0",  "1",	"65535",	"=",	   "x",
		"\xff",	    "0x10",  "eth1",	"pending=",	"filter=", "0006000000000000"};
	uint32_t seed = 0x9e3779b9;
	struct pfq_record rec;
	char text[256];
	int parsed = 0;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		size_t n = 0;

		text[0] = '\0';
		for (uint32_t left = next_random(&seed) % 12; left > 0; left--)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s",
					      pieces[next_random(&seed) % ACCEL_ARRAY_LEN(pieces)]);
		if (n > 0 && round % 3 == 0)
			text[next_random(&seed) % n] = (char)(1 + next_random(&seed) % 255);
		if (pfq_record_parse(text, &rec) < 0) {
			assert_empty(&rec);
			continue;
		}
		parsed++;
		assert_round_trip(&rec);
		pfq_record_fini(&rec);
	}
	assert_true(parsed > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),	 cmocka_unit_test(test_empty),
		cmocka_unit_test(test_full),	 cmocka_unit_test(test_computation_to_the_letter),
		cmocka_unit_test(test_devices),	 cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_much), cmocka_unit_test(test_random_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
