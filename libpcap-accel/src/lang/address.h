/* SPDX-License-Identifier: BSD-3-Clause */
/* address.h - addresses as people write them: IPv4, IPv6, CIDR, MAC. Strict: the whole text or
 * nothing.
 *
 * Inside lang/ only. Source: RFC 4291 section 2.2 (IPv6 text, without a zone).
 * Threads: none of its own. */
#ifndef ACCEL_LANG_ADDRESS_H
#define ACCEL_LANG_ADDRESS_H

#include "lang/node.h"

/* Read s[0..len) into family and addr[]; prefix and mask are untouched. 0 or -EINVAL. */
int accel_lang_read_addr(const char *s, size_t len, struct accel_lang_net *out);

/* Set prefix and mask, and mask the address. 0, or -ERANGE: longer than the address. */
int accel_lang_set_prefix(struct accel_lang_net *net, uint64_t prefix);

/* The first `prefix` bits of a mask of four words. */
void accel_lang_mask(unsigned prefix, uint32_t mask[4]);

/* "02:00:00:00:00:01". 0 or -EINVAL. */
int accel_lang_read_mac(const char *s, uint8_t mac[6]);

#endif
