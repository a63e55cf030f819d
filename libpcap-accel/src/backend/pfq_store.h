/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_store.h - the record of a PFQ group, read from and written to the registry.
 *
 * Threads: as registry.h. */
#ifndef ACCEL_PFQ_STORE_H
#define ACCEL_PFQ_STORE_H

#include "backend/pfq_record.h"
#include "kern/registry.h"

struct accel_err;

/* Under the lock. An empty record, of generation 0, if nobody has written one that holds. 0,
 * -EINVAL (another version's), -ENOMEM, -errno; with a text, and *rec is empty. */
int pfq_store_read(struct accel_registry *r, struct pfq_record *rec, struct accel_err *err);

/* Under the lock. 0, -ENOMEM, -EFBIG, -errno, with a text. */
int pfq_store_write(struct accel_registry *r, const struct pfq_record *rec, struct accel_err *err);

#endif
