/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_ops_private.h - what the two files of the interpreter share.
 *
 * Inside xdp_ops.c and xdp_interp.c only.
 * Threads: constant data. */
#ifndef ACCEL_BPF_XDP_OPS_PRIVATE_H
#define ACCEL_BPF_XDP_OPS_PRIVATE_H

#include "bpf/xdp_ops.h"

/* SKF_AD_* of the operations from ACCEL_XOP_AUX on. */
extern const int accel_xdp_aux_fields[ACCEL_XOP_END - ACCEL_XOP_AUX];

#endif
