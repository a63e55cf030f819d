/* SPDX-License-Identifier: BSD-3-Clause */
/* device.c - parses a device string into a struct. See device.h for the grammar, device_out.c for
 * what is done with the struct.
 *
 * One pass from left to right over a cursor; each piece is judged where it is read, so that an
 * error knows its column.
 *
 * Threads: none of its own. */
#include "spec/device.h"

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "spec/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
	const char *name; /* the whole string */
	size_t len;
	size_t pos;	   /* of the next byte */
	unsigned unpaired; /* interfaces since the last "::" */
	struct accel_err *err;
};

static int fail_at(const struct cursor *c, int code, size_t pos, const char *fmt, ...)
	ACCEL_PRINTF(4, 5);

static int fail_at(const struct cursor *c, int code, size_t pos, const char *fmt, ...)
{
	struct accel_quote quote;
	char text[ACCEL_ERR_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return accel_fail(c->err, code, "%s: column %zu: %s", accel_quote(&quote, c->name, c->len),
			  pos + 1, text);
}

/* The byte at the cursor, NUL at the end. */
static char peek(const struct cursor *c)
{
	return c->name[c->pos];
}

/* Take all up to one of `stops` or the end; returns how many bytes. */
static size_t take_until(struct cursor *c, const char *stops)
{
	size_t n = strcspn(c->name + c->pos, stops);

	c->pos += n;
	return n;
}

/* "pfqeth0": an engine's name and right behind it something else. */
static const struct accel_engine_row *engine_glued(const char *word, size_t len)
{
	for (size_t i = 0; i < accel_n_engines; i++) {
		size_t n = strlen(accel_engines[i].name);

		if (len > n && !memcmp(word, accel_engines[i].name, n))
			return &accel_engines[i];
	}
	return NULL;
}

static int fail_engine(const struct cursor *c, size_t len)
{
	const struct accel_engine_row *glued = engine_glued(c->name, len);
	struct accel_quote quote;

	if (glued) {
		size_t n = strlen(glued->name);

		return fail_at(c, -EINVAL, n, "'%s' right behind the engine's name (%s:%s)",
			       accel_quote(&quote, c->name + n, len - n), glued->name, quote.text);
	}
	for (size_t i = 0; i < accel_n_engines; i++)
		if (accel_word_distance(c->name, len, accel_engines[i].name) <= ACCEL_LIKE_MAX)
			return fail_at(c, -EINVAL, 0, "unknown engine '%s' (did you mean '%s'?)",
				       accel_quote(&quote, c->name, len), accel_engines[i].name);
	return fail_at(c, -EINVAL, 0, "unknown engine '%s' (known: afpacket, pfq, xdp)",
		       accel_quote(&quote, c->name, len));
}

static int parse_engine(struct cursor *c, struct accel_device *dev)
{
	size_t len = take_until(c, ":/?@");

	if (accel_engine_find(c->name, len, &dev->engine))
		return fail_engine(c, len);
	if (peek(c) == '@')
		return fail_at(c, -EINVAL, c->pos, "queues belong to an interface (%s:eth0@q0)",
			       accel_engine_name(dev->engine));
	return 0;
}

static int parse_conf_path(struct cursor *c, struct accel_device *dev)
{
	const char *engine = accel_engine_name(dev->engine);
	size_t start, len;

	if (peek(c) != '/')
		return 0;
	start = ++c->pos;
	len = take_until(c, ":?");
	if (!len)
		return fail_at(c, -EINVAL, start,
			       "no file name behind '/' (%s/FILE:eth0 or %s:eth0)", engine, engine);
	dev->conf_path = strndup(c->name + start, len);
	return dev->conf_path ? 0 : fail_at(c, -ENOMEM, start, "out of memory");
}

int accel_iface_name_check(const char *s, size_t len, size_t *at, const char **why)
{
	*at = 0;
	if (!len) {
		*why = "an interface name is missing here (eth0)";
		return -EINVAL;
	}
	for (size_t i = 0; i < len; i++) {
		*at = i;
		*why = "an interface name has no such character (several are joined by ':')";
		if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f || memchr(":/?@,^", s[i], 6))
			return -EINVAL;
	}
	*at = 0;
	*why = "no interface can have this name (see ip link)";
	if (s[0] == '.' && (len == 1 || (len == 2 && s[1] == '.')))
		return -EINVAL;
	*at = ACCEL_IFNAME_LEN - 1;
	*why = "interface name too long (at most 15 bytes)";
	return len < ACCEL_IFNAME_LEN ? 0 : -ENAMETOOLONG;
}

/* A queue's number: digits up to the next that is none. */
static int parse_queue(struct cursor *c, uint16_t *queue)
{
	size_t start = c->pos, len = strspn(c->name + start, "0123456789");
	uint64_t n = 0;

	if (accel_parse_number(c->name + start, len, &n) || n > UINT16_MAX)
		return fail_at(c, -EINVAL, start, "not a queue (eth0@q0, eth0@q0-3+7; 0 to 65535)");
	c->pos += len;
	*queue = (uint16_t)n;
	return 0;
}

/* "n" or "n-m", appended to the interface's ranges. */
static int parse_queue_range(struct cursor *c, struct accel_iface *iface)
{
	size_t start = c->pos;
	uint16_t first = 0, last;
	int rc;

	if (iface->n_queues == ACCEL_MAX_QUEUE_RANGES)
		return fail_at(c, -E2BIG, start, "too many ranges of queues (at most %d)",
			       ACCEL_MAX_QUEUE_RANGES);
	rc = parse_queue(c, &first);
	last = first;
	if (!rc && peek(c) == '-') {
		c->pos++;
		rc = parse_queue(c, &last);
	}
	if (rc)
		return rc;
	if (last < first)
		return fail_at(c, -EINVAL, start, "queues run backwards (%u-%u)", last, first);
	for (unsigned i = 0; i < iface->n_queues; i++)
		if (first <= iface->queues[i].last && last >= iface->queues[i].first)
			return fail_at(c, -EINVAL, start,
				       "a queue is named twice (once is enough)");
	iface->queues[iface->n_queues].first = first;
	iface->queues[iface->n_queues++].last = last;
	return 0;
}

static int parse_queues(struct cursor *c, struct accel_iface *iface)
{
	int rc;

	if (c->name[c->pos + 1] != 'q')
		return fail_at(c, -EINVAL, c->pos + 1,
			       "expected queues behind '@' (%s@q0, %s@q0-3+7)", iface->name,
			       iface->name);
	c->pos++;
	do {
		c->pos++; /* the 'q', or the '+' */
		rc = parse_queue_range(c, iface);
	} while (!rc && peek(c) == '+');
	if (rc)
		return rc;
	if (peek(c) && peek(c) != ':' && peek(c) != '?')
		return fail_at(c, -EINVAL, c->pos,
			       "unexpected text behind the queues (eth0@q0-3+7)");
	return 0;
}

/* What the interface is to those before it: new, and not beside "any". */
static int check_company(const struct cursor *c, const struct accel_device *dev,
			 const struct accel_iface *iface, size_t start)
{
	bool any = !strcmp(iface->name, "any");

	if (any && peek(c) == '@')
		return fail_at(c, -EINVAL, c->pos, "'any' has no queues (name the interfaces)");
	for (unsigned i = 0; i < dev->n_ifaces; i++) {
		if (!strcmp(iface->name, dev->ifaces[i].name))
			return fail_at(c, -EINVAL, start, "'%s' is there twice (once is enough)",
				       iface->name);
		if (any || !strcmp(dev->ifaces[i].name, "any"))
			return fail_at(c, -EINVAL, start,
				       "'any' stands alone (or name the interfaces)");
	}
	return 0;
}

static int parse_iface(struct cursor *c, struct accel_device *dev)
{
	struct accel_iface iface = {0};
	size_t start = c->pos, len = take_until(c, ":?@"), at = 0;
	const char *why = NULL;
	int rc = accel_iface_name_check(c->name + start, len, &at, &why);

	if (rc)
		return fail_at(c, rc, start + at, "%s", why);
	memcpy(iface.name, c->name + start, len);
	if (dev->n_ifaces == ACCEL_MAX_IFACES)
		return fail_at(c, -E2BIG, start, "too many interfaces (at most %d)",
			       ACCEL_MAX_IFACES);
	rc = check_company(c, dev, &iface, start);
	if (!rc && peek(c) == '@')
		rc = parse_queues(c, &iface);
	if (rc)
		return rc;
	dev->ifaces[dev->n_ifaces++] = iface;
	c->unpaired++;
	return 0;
}

static int check_pair(const struct cursor *c)
{
	if (c->unpaired != 2)
		return fail_at(c, -EINVAL, c->pos, "'::' parts pairs of interfaces (a:b::c:d)");
	return 0;
}

/* ":" or "::" between two interfaces. */
static int parse_separator(struct cursor *c, struct accel_device *dev)
{
	int rc;

	if (c->name[c->pos + 1] != ':') {
		c->pos++;
		return 0;
	}
	rc = check_pair(c);
	if (rc)
		return rc;
	dev->pairs = true;
	c->unpaired = 0;
	c->pos += 2;
	return 0;
}

static int parse_ifaces(struct cursor *c, struct accel_device *dev)
{
	bool bare_colon = peek(c) == ':' && (!c->name[c->pos + 1] || c->name[c->pos + 1] == '?');
	int rc = 0;

	if (dev->engine == ACCEL_PFQ && bare_colon)
		c->pos++;
	if (peek(c) != ':')
		return dev->engine == ACCEL_PFQ
			       ? 0
			       : fail_at(c, -EINVAL, c->pos, "no interface (%s:eth0)",
					 accel_engine_name(dev->engine));
	c->pos++;
	rc = parse_iface(c, dev);
	while (!rc && peek(c) == ':') {
		rc = parse_separator(c, dev);
		if (!rc)
			rc = parse_iface(c, dev);
	}
	return rc || !dev->pairs ? rc : check_pair(c);
}

/* The option's row, if it is known and new. */
static int parse_key(struct cursor *c, struct accel_device *dev, const struct accel_opt_row **row)
{
	size_t start = c->pos, len = take_until(c, "=,");
	const char *key = c->name + start;
	struct accel_quote quote;
	char where[ACCEL_QUOTE_MAX + 32];

	accel_quote(&quote, key, len);
	if (!len)
		return fail_at(c, -EINVAL, start, "no option here (?KEY=VALUE,KEY=VALUE)");
	*row = accel_opt_find(key, len);
	if (!*row) {
		accel_quote(&quote, c->name, c->len);
		snprintf(where, sizeof(where), "%s: column %zu", quote.text, start + 1);
		return accel_opt_fail_unknown(key, len, dev->engine, where, c->err);
	}
	if (peek(c) != '=')
		return fail_at(c, -EINVAL, c->pos, "option '%s' has no value (%s=VALUE)",
			       quote.text, quote.text);
	for (unsigned i = 0; i < dev->n_opts; i++)
		if (dev->opts[i].row == *row)
			return fail_at(c, -EINVAL, start,
				       "option '%s' is there twice (once is enough)", (*row)->key);
	return 0;
}

static int parse_options(struct cursor *c, struct accel_device *dev)
{
	const struct accel_opt_row *row = NULL;
	size_t start, len;
	char *text;
	int rc;

	while (peek(c)) {
		c->pos++; /* the '?', or the ',' */
		rc = parse_key(c, dev, &row);
		if (rc)
			return rc;
		start = ++c->pos;
		len = take_until(c, ",");
		text = strndup(c->name + start, len);
		if (!text)
			return fail_at(c, -ENOMEM, start, "out of memory");
		dev->opts[dev->n_opts++] =
			(struct accel_device_opt){.row = row, .text = text, .pos = start + 1};
	}
	return 0;
}

static int check_bytes(const struct cursor *c)
{
	if (c->len > ACCEL_MAX_DEVICE_LEN)
		return fail_at(c, -ENAMETOOLONG, ACCEL_MAX_DEVICE_LEN,
			       "device too long (at most %d bytes)", ACCEL_MAX_DEVICE_LEN);
	for (size_t i = 0; i < c->len; i++)
		if ((unsigned char)c->name[i] < ' ' || c->name[i] == 0x7f)
			return fail_at(c, -EINVAL, i, "control byte 0x%02x (remove it)",
				       (unsigned char)c->name[i]);
	return 0;
}

int accel_device_parse(const char *name, struct accel_device *dev, struct accel_err *err)
{
	struct cursor c = {.name = name, .len = strlen(name), .err = err};
	struct accel_device d = {0};
	int rc = check_bytes(&c);

	if (!rc)
		rc = parse_engine(&c, &d);
	if (!rc)
		rc = parse_conf_path(&c, &d);
	if (!rc)
		rc = parse_ifaces(&c, &d);
	if (!rc)
		rc = parse_options(&c, &d);
	if (rc) {
		accel_device_fini(&d);
		return rc;
	}
	*dev = d;
	return 0;
}

void accel_device_fini(struct accel_device *dev)
{
	for (unsigned i = 0; i < dev->n_opts; i++)
		free(dev->opts[i].text);
	free(dev->conf_path);
	memset(dev, 0, sizeof(*dev));
}
