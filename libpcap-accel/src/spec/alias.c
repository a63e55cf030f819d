/* SPDX-License-Identifier: BSD-3-Clause */
/* alias.c - the alias map: which device a program gets when it asks for an interface. The map as
 * one variable is parsed here, the map.* lines of a file in conf.c.
 *
 * Threads: none of its own. */
#include "spec/alias.h"

#include "base/err.h"
#include "base/str.h"
#include "spec/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct accel_alias *accel_alias_new(const char *iface, size_t iface_len, const char *target,
				    size_t target_len)
{
	struct accel_alias *alias = calloc(1, sizeof(*alias));

	if (!alias)
		return NULL;
	alias->iface = strndup(iface, iface_len);
	alias->target = strndup(target, target_len);
	if (!alias->iface || !alias->target) {
		accel_alias_free(alias);
		return NULL;
	}
	return alias;
}

void accel_alias_free(struct accel_alias *alias)
{
	if (!alias)
		return;
	free(alias->iface);
	free(alias->target);
	free(alias);
}

int accel_alias_check_iface(const struct accel_alias *alias, const struct accel_aliases *a,
			    const char *where, struct accel_err *err)
{
	struct accel_quote quote;
	const char *why = NULL;
	size_t at = 0, len = strlen(alias->iface);
	int rc = accel_iface_name_check(alias->iface, len, &at, &why);

	accel_quote(&quote, alias->iface, len);
	if (rc)
		return accel_fail(err, rc, "%s: '%s': %s", where, quote.text, why);
	if (accel_aliases_find(a, alias->iface))
		return accel_fail(err, -EINVAL, "%s: '%s' is mapped twice (once is enough)", where,
				  quote.text);
	return 0;
}

int accel_alias_check_target(const struct accel_alias *alias, const char *where,
			     struct accel_err *err)
{
	struct accel_settings settings;
	struct accel_device dev;
	struct accel_err inner;
	int rc = accel_device_parse(alias->target, &dev, &inner);

	if (rc)
		return accel_fail(err, rc, "%s: %s", where, inner.text);
	accel_settings_init(&settings);
	rc = accel_device_put_options(&dev, alias->target, &settings, &inner);
	accel_settings_fini(&settings);
	accel_device_fini(&dev);
	return rc ? accel_fail(err, rc, "%s: %s", where, inner.text) : 0;
}

static struct accel_alias **last_link(struct accel_aliases *a)
{
	struct accel_alias **link = &a->first;

	while (*link)
		link = &(*link)->next;
	return link;
}

void accel_aliases_add(struct accel_aliases *a, struct accel_alias *alias)
{
	*last_link(a) = alias;
}

void accel_aliases_merge(struct accel_aliases *a, struct accel_aliases *more)
{
	*last_link(a) = more->first;
	if (!a->engine_for_all)
		a->engine_for_all = more->engine_for_all;
	memset(more, 0, sizeof(*more));
}

const char *accel_aliases_find(const struct accel_aliases *a, const char *iface)
{
	for (const struct accel_alias *alias = a->first; alias; alias = alias->next)
		if (!strcmp(alias->iface, iface))
			return alias->target;
	return NULL;
}

void accel_aliases_fini(struct accel_aliases *a)
{
	struct accel_alias *next;

	for (struct accel_alias *alias = a->first; alias; alias = next) {
		next = alias->next;
		accel_alias_free(alias);
	}
	memset(a, 0, sizeof(*a));
}

/* Does an item begin here: IFACE=ENGINE, and behind the engine what may follow it? */
static bool item_starts(const char *s)
{
	size_t n = strcspn(s, "=,");
	enum accel_engine engine;

	if (s[n] != '=')
		return false;
	s += n + 1;
	return !accel_engine_find(s, strcspn(s, ":/?@,"), &engine);
}

/* The item's length: up to a comma behind which another starts, or, as long as no option has been
 * seen, up to any comma. */
static size_t item_len(const char *item)
{
	bool options = false;

	for (size_t i = 0;; i++) {
		options |= item[i] == '?';
		if (!item[i] || (item[i] == ',' && (!options || item_starts(item + i + 1))))
			return i;
	}
}

static int put_item(struct accel_aliases *staged, const char *item, size_t len, const char *where,
		    struct accel_err *err)
{
	size_t iface_len = strcspn(item, "=");
	struct accel_quote quote;
	struct accel_alias *alias;
	int rc;

	if (!item_starts(item))
		return accel_fail(err, -EINVAL, "%s: '%s' is not IFACE=DEVICE (eth0=afpacket:eth0)",
				  where, accel_quote(&quote, item, len));
	alias = accel_alias_new(item, iface_len, item + iface_len + 1, len - iface_len - 1);
	if (!alias)
		return accel_fail(err, -ENOMEM, "%s: out of memory", where);
	rc = accel_alias_check_iface(alias, staged, where, err);
	if (!rc)
		rc = accel_alias_check_target(alias, where, err);
	if (rc) {
		accel_alias_free(alias);
		return rc;
	}
	accel_aliases_add(staged, alias);
	return 0;
}

int accel_aliases_put(struct accel_aliases *a, const char *map, const char *where,
		      struct accel_err *err)
{
	struct accel_aliases staged = {0};
	char place[ACCEL_QUOTE_MAX + 32];
	struct accel_quote quote;
	size_t pos = 0, len;
	int rc;

	accel_quote(&quote, where, strlen(where));
	while (*map) {
		len = item_len(map + pos);
		snprintf(place, sizeof(place), "%s: column %zu", quote.text, pos + 1);
		rc = put_item(&staged, map + pos, len, place, err);
		if (rc) {
			accel_aliases_fini(&staged);
			return rc;
		}
		pos += len;
		if (!map[pos++])
			break;
	}
	accel_aliases_merge(a, &staged);
	return 0;
}
