/* SPDX-License-Identifier: BSD-3-Clause */
/* check.h - the syntax tree becomes the typed tree: names are looked up in the table, arguments are
 * read, types fit, pcap filters are compiled.
 *
 * Inside lang/ only.
 * Threads: none of its own. */
#ifndef ACCEL_LANG_CHECK_H
#define ACCEL_LANG_CHECK_H

#include "lang/node.h"
#include "lang/parse.h"

struct accel_lang_checker {
	const struct accel_lang_source *src;
	unsigned ends; /* what src and dst say */
};

/* The tree of an action. 0, -EINVAL, -ERANGE, -EOPNOTSUPP, -ENOMEM, of the pcap compiler. */
int accel_lang_check(const struct accel_lang_source *src, const struct accel_lang_expr *expr,
		     struct accel_lang_node **out);

/* For check_args.c: an expression that must be of this type. */
int accel_lang_check_as(struct accel_lang_checker *c, const struct accel_lang_expr *expr,
			enum accel_lang_type type, struct accel_lang_node **out);

/* For check.c: read the arguments of `expr` as the node's row wants them. */
int accel_lang_check_args(struct accel_lang_checker *c, const struct accel_lang_expr *expr,
			  struct accel_lang_node *n);

#endif
