/* SPDX-License-Identifier: BSD-3-Clause */
/* alias.h - the pieces of which conf.c and alias.c build an alias map. For spec/ alone; others use
 * conf.h.
 *
 * Threads: none of its own. */
#ifndef ACCEL_ALIAS_H
#define ACCEL_ALIAS_H

#include "spec/conf.h"

/* Copies of both texts; NULL if there is no memory. Free with accel_alias_free(). */
struct accel_alias *accel_alias_new(const char *iface, size_t iface_len, const char *target,
				    size_t target_len);
void accel_alias_free(struct accel_alias *alias);

/* Is it an interface's name, and none that *a has? 0, -EINVAL, -ENAMETOOLONG. */
int accel_alias_check_iface(const struct accel_alias *alias, const struct accel_aliases *a,
			    const char *where, struct accel_err *err);
/* Is it a device of ours, with good options? Errors of accel_device_parse, accel_settings_put. */
int accel_alias_check_target(const struct accel_alias *alias, const char *where,
			     struct accel_err *err);

/* Put behind the last. The alias, or all of *more, then belongs to *a. */
void accel_aliases_add(struct accel_aliases *a, struct accel_alias *alias);
void accel_aliases_merge(struct accel_aliases *a, struct accel_aliases *more);

#endif
