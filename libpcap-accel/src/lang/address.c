/* SPDX-License-Identifier: BSD-3-Clause */
/* address.c - reads addresses. See address.h. */
#include "lang/address.h"

#include <errno.h>
#include <string.h>

static unsigned hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A') + 10;
	return 16;
}

/* Up to max_digits digits below `base` from *at on. False: none, or a value over `max`. */
static bool read_digits(const char **at, const char *end, unsigned base, unsigned max_digits,
			uint32_t *out)
{
	uint32_t value = 0;
	unsigned n = 0;

	for (; *at < end && n < max_digits && hex_value(**at) < base; n++)
		value = value * base + hex_value(*(*at)++);
	*out = value;
	return n > 0;
}

static bool read_ip4(const char *s, const char *end, uint32_t *out)
{
	uint32_t addr = 0, octet;

	for (unsigned i = 0; i < 4; i++) {
		const char *start;

		if (i && (s == end || *s++ != '.'))
			return false;
		start = s;
		if (!read_digits(&s, end, 10, 3, &octet) || octet > 255)
			return false;
		if (*start == '0' && s - start > 1)
			return false; /* octal to some */
		addr = addr << 8 | octet;
	}
	*out = addr;
	return s == end;
}

/* Groups of an IPv6 address until `end`; an IPv4 address may stand for the last two. -1: wrong. */
static int read_groups(const char *s, const char *end, uint16_t *groups, int room)
{
	uint32_t value, ip4;
	int n = 0;

	while (s < end) {
		if (n + 2 <= room && read_ip4(s, end, &ip4)) {
			groups[n++] = (uint16_t)(ip4 >> 16);
			groups[n++] = (uint16_t)ip4;
			return n;
		}
		if (n == room || !read_digits(&s, end, 16, 4, &value))
			return -1;
		groups[n++] = (uint16_t)value;
		if (s == end)
			return n;
		if (*s++ != ':' || s == end)
			return -1;
	}
	return n;
}

static bool read_ip6(const char *s, size_t len, uint32_t out[4])
{
	const char *end = s + len, *gap = NULL;
	uint16_t head[8] = {0}, rest[8];
	int n_head, n_rest = 0;

	for (const char *at = s; at + 1 < end && !gap; at++)
		if (at[0] == ':' && at[1] == ':')
			gap = at;
	n_head = read_groups(s, gap ? gap : end, head, gap ? 7 : 8);
	if (gap && n_head >= 0)
		n_rest = read_groups(gap + 2, end, rest, 7 - n_head);
	if (n_head < 0 || n_rest < 0 || (!gap && n_head != 8))
		return false;
	for (int i = 0; i < n_rest; i++)
		head[8 - n_rest + i] = rest[i];
	for (int i = 0; i < 4; i++)
		out[i] = (uint32_t)head[2 * i] << 16 | head[2 * i + 1];
	return true;
}

int accel_lang_read_addr(const char *s, size_t len, struct accel_lang_net *out)
{
	uint32_t addr[4] = {0};
	bool is_ip4 = read_ip4(s, s + len, &addr[0]);

	if (!is_ip4 && !read_ip6(s, len, addr))
		return -EINVAL;
	out->family = is_ip4 ? ACCEL_IP4 : ACCEL_IP6;
	memcpy(out->addr, addr, sizeof(addr));
	return 0;
}

void accel_lang_mask(unsigned prefix, uint32_t mask[4])
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned bits = prefix > 32 * i ? ACCEL_MIN(prefix - 32 * i, 32u) : 0;

		mask[i] = bits ? UINT32_MAX << (32 - bits) : 0;
	}
}

int accel_lang_set_prefix(struct accel_lang_net *net, uint64_t prefix)
{
	if (prefix > (net->family == ACCEL_IP4 ? 32u : 128u))
		return -ERANGE;
	net->prefix = (unsigned)prefix;
	accel_lang_mask(net->prefix, net->mask);
	for (unsigned i = 0; i < 4; i++)
		net->addr[i] &= net->mask[i];
	return 0;
}

int accel_lang_read_mac(const char *s, uint8_t mac[6])
{
	const char *end = s + strlen(s);
	uint8_t read[6];

	for (unsigned i = 0; i < 6; i++) {
		const char *start;
		uint32_t byte;

		if (i && (s == end || *s++ != ':'))
			return -EINVAL;
		start = s;
		if (!read_digits(&s, end, 16, 2, &byte) || s - start != 2)
			return -EINVAL;
		read[i] = (uint8_t)byte;
	}
	if (s != end)
		return -EINVAL;
	memcpy(mac, read, sizeof(read));
	return 0;
}
