/* SPDX-License-Identifier: BSD-3-Clause */
/* engine.h - the engines' names, as one table. For spec/ alone; others ask accel_engine_name().
 *
 * Threads: constant data. */
#ifndef ACCEL_ENGINE_H
#define ACCEL_ENGINE_H

#include "spec/option.h"

struct accel_engine_row {
	enum accel_engine engine;
	const char *name; /* what a device string begins with, lower case */
};

extern const struct accel_engine_row accel_engines[];
extern const size_t accel_n_engines;

#endif
