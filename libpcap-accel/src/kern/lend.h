/* SPDX-License-Identifier: BSD-3-Clause */
/* lend.h - blocks of a ring that are lent to the program for as long as it likes.
 *
 * What is lent is shown in a second mapping of the ring, to be read only. When the ring needs the
 * block again and the program still has it, the block's bytes are copied and the copy takes the
 * block's place in that mapping: addresses and bytes stay. So there is no copy when the program
 * keeps up, one when it hoards, and holding never stops the capture.
 *
 * The kernel sees a lent block as given back, or its descriptor would stay readable while the
 * program holds the newest one. What keeps the kernel out is the fence: the block before the oldest
 * that is lent is marked as the program's. The kernel fills blocks strictly in order, so none
 * behind it is touched before the fence has moved on.
 *
 * Source: packet_mmap.rst; af_packet.c of Linux 6.18: packet_mmap(), prb_dispatch_next_block(),
 * packet_poll(); mremap(2).
 * Threads: accel_loan_give_back() and accel_loan_keep() any, the rest the ring's reader. After a
 * fork the child may do the same with its copies of the loans; see accel_loan_keep(). */
#ifndef ACCEL_LEND_H
#define ACCEL_LEND_H

#include "kern/ring.h"

struct accel_loan;

/* Lend the packets of the ring's open block that are taken until accel_lend_end(), which must
 * follow; *data is the block's first byte. NULL: better copied (the block is short), or cannot be
 * lent (a small ring, a full one, no memory). */
struct accel_loan *accel_lend_begin(struct accel_ring *r, const uint8_t **data);

enum accel_lending { ACCEL_LEND_NOTHING, ACCEL_LEND_PACKETS };

/* ACCEL_LEND_NOTHING: the loan is no more. */
void accel_lend_end(struct accel_loan *loan, enum accel_lending what);

/* Everything of the block is the program's again to be refilled. Once for each accel_lend_end()
 * with packets, also after the ring was closed. */
void accel_loan_give_back(struct accel_loan *loan);

/* Part it from the ring: the bytes are copied and stay where they are. 0, -ENOMEM: it stays as it
 * was. Before a fork: a block that is still in the ring when it comes is shared with the child, and
 * changes there once this process has given it back. */
int accel_loan_keep(struct accel_loan *loan);

#endif
