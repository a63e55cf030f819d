/* SPDX-License-Identifier: BSD-3-Clause */
/* dump_lang.c - prints the table of the language's functions for test_man_lang.py: a row a line,
 * fields parted by TAB: name, status, releases, signature, what it does, reason, example.
 *
 * Threads: one. */
#include "lang/node.h"

#include <stdio.h>

int main(void)
{
	static const char *const statuses[] = {"works", "no-op", "refused"};

	for (unsigned i = 0; i < accel_lang_n_prims; i++) {
		const struct accel_lang_prim *row = &accel_lang_prims[i];
		char signature[512];

		accel_lang_signature(row, signature, sizeof(signature));
		printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row->name, statuses[row->status],
		       row->since, signature, row->doc, row->why ? row->why : "",
		       row->example ? row->example : "");
	}
	return 0;
}
