/* SPDX-License-Identifier: BSD-3-Clause */
/* dump_options.c - prints the option table for test_man_options.py: a row a line, fields parted by
 * TAB: key, range ("" if it has none), default, engines, aliases, variables, words, help; lists by
 * ','.
 *
 * Threads: one. */
#include "base/num.h"
#include "spec/device.h"

#include <inttypes.h>
#include <stdio.h>

static void print_list(const char *const *list)
{
	for (const char *const *s = list; s && *s; s++)
		printf("%s%s", s == list ? "" : ",", *s);
	putchar('\t');
}

static void print_number(const struct accel_opt_row *row, uint64_t n)
{
	char text[ACCEL_NUM_LEN];

	if (row->type == ACCEL_TYPE_SIZE)
		printf("%s", accel_print_size(n, text));
	else if (row->type == ACCEL_TYPE_TIME)
		printf("%s", accel_print_time(n, text));
	else
		printf("%" PRIu64, n);
}

static void print_range(const struct accel_opt_row *row)
{
	if (row->type != ACCEL_TYPE_BOOL && row->type != ACCEL_TYPE_TEXT && !row->words) {
		printf("%s", row->rules & ACCEL_RULE_OR_NONE ? "-1 or " : "");
		print_number(row, row->min);
		printf(" to ");
		print_number(row, row->max);
	}
	putchar('\t');
}

static void print_engines(unsigned engines)
{
	const char *before = "";

	for (unsigned bit = 1; bit < ACCEL_ALL_ENGINES; bit <<= 1)
		if (engines & bit) {
			printf("%s%s", before, accel_engine_name((enum accel_engine)bit));
			before = ",";
		}
	putchar('\t');
}

int main(void)
{
	for (size_t i = 0; i < ACCEL_N_OPTS; i++) {
		const struct accel_opt_row *row = &accel_opt_table[i];

		printf("%s\t", row->key);
		print_range(row);
		printf("%s\t", row->def);
		print_engines(row->engines);
		print_list(row->aliases);
		print_list(row->env);
		print_list(row->words);
		printf("%s\n", row->help);
	}
	return 0;
}
