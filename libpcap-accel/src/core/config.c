/* SPDX-License-Identifier: BSD-3-Clause */
/* config.c - see config.h. */
#include "core/config.h"

#include "base/err.h"
#include "core/log.h"
#include "kern/file.h"
#include "kern/link.h"
#include "spec/conf.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static const char *get_env(const char *name)
{
	return secure_getenv(name);
}

static bool is_secure(void)
{
	return getauxval(AT_SECURE) != 0;
}

/* ---- the ambient file ---- */

/* Read and parse it. That /etc's is not there is no error; that the one which was named is not,
 * is. */
static int parse_ambient(enum accel_engine engine, struct accel_settings *s,
			 struct accel_aliases *aliases, struct accel_err *err)
{
	const char *named = get_env("PCAP_ACCEL_CONF");
	const char *path = named ? named : ACCEL_SYSTEM_CONF;
	char *text;
	size_t len;
	int r;

	r = accel_file_read(path, ACCEL_CONF_MAX_LEN, &text, &len, err);
	if (r == -ENOENT && !named)
		return 0;
	if (r < 0)
		return r;
	r = accel_conf_parse(path, text, len, ACCEL_FROM_AMBIENT, engine, s, aliases, err);
	free(text);
	return r;
}

/* Only its aliases; a broken file has none. */
static void read_aliases(struct accel_aliases *aliases)
{
	struct accel_settings unused;
	struct accel_err err;

	accel_settings_init(&unused);
	if (parse_ambient(ACCEL_AFPACKET, &unused, aliases, &err) < 0)
		accel_log(ACCEL_LOG_ERROR, "%s", err.text);
	accel_settings_fini(&unused);
}

/* ---- whose is the name ---- */

/* "xdp:1" is how the kernel spells an alias of an interface named xdp: not ours if there is one. */
static bool is_ours(const char *name)
{
	char first[ACCEL_IFNAME_LEN];
	size_t len = strcspn(name, ":/?@");

	if (!accel_device_claims(name))
		return false;
	if (len >= sizeof(first))
		return true;
	memcpy(first, name, len);
	first[len] = '\0';
	if (!accel_link_name_exists(first, NULL))
		return true;
	return name[len] != '\0' && name[len + strspn(name + len, ":0123456789")] != '\0';
}

static int copy(char **target, const char *text)
{
	*target = strdup(text);
	return *target ? 0 : -ENOMEM;
}

static int accelerate(char **target, enum accel_engine engine, const char *name)
{
	unsigned hatype;

	if (!accel_link_name_exists(name, &hatype) || hatype != ARPHRD_ETHER)
		return 0;
	if (asprintf(target, "%s:%s", accel_engine_name(engine), name) < 0) {
		*target = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int put_env_aliases(struct accel_aliases *aliases, struct accel_err *err)
{
	const char *map = get_env("PCAP_ACCEL_MAP");
	const char *engine = get_env("PCAP_ACCEL_DEFAULT");
	int r = map ? accel_aliases_put(aliases, map, "PCAP_ACCEL_MAP", err) : 0;

	if (r < 0 || !engine || !*engine)
		return r;
	if (accel_engine_find(engine, strlen(engine), &aliases->engine_for_all) < 0)
		return accel_fail(
			err, -EINVAL,
			"PCAP_ACCEL_DEFAULT: unknown engine '%.60s' (known: afpacket, pfq, "
			"xdp)",
			engine);
	return 0;
}

/* The map of one source, or no answer: *target stays NULL. */
static int look_up(const struct accel_aliases *aliases, const char *name, char **target)
{
	const char *found = accel_aliases_find(aliases, name);

	if (found)
		return copy(target, found);
	return aliases->engine_for_all ? accelerate(target, aliases->engine_for_all, name) : 0;
}

int accel_config_resolve(const char *name, char **target, struct accel_err *err)
{
	struct accel_aliases env = {0}, file = {0};
	char *found = NULL;
	int r;

	if (name && is_ours(name))
		return copy(target, name);
	*target = NULL;
	if (!name)
		return 0;
	r = put_env_aliases(&env, err);
	r = r ? r : look_up(&env, name, &found);
	if (r == 0 && !found) {
		read_aliases(&file);
		r = look_up(&file, name, &found);
	}
	accel_aliases_fini(&env);
	accel_aliases_fini(&file);
	if (r < 0)
		return r;
	*target = found;
	return 0;
}

/* ---- settings ---- */

/* The user of a privileged program could have it read a file that he may not, and see it quoted. */
static int refuse_when_secure(const char *name, const char *what, struct accel_err *err)
{
	if (!is_secure())
		return 0;
	return accel_fail(err, -EINVAL,
			  "%s: %s is not read by a set-uid or file-capability program (put the "
			  "settings into " ACCEL_SYSTEM_CONF ")",
			  name, what);
}

static int put_file(const char *name, const struct accel_device *dev, struct accel_settings *s,
		    struct accel_err *err)
{
	char *text;
	size_t len;
	int r;

	if (!dev->conf_path)
		return 0;
	if ((r = refuse_when_secure(name, dev->conf_path, err)) < 0)
		return r;
	r = accel_file_read(dev->conf_path, ACCEL_CONF_MAX_LEN, &text, &len, err);
	if (r < 0)
		return r;
	r = accel_conf_parse(dev->conf_path, text, len, ACCEL_FROM_FILE, dev->engine, s, NULL, err);
	free(text);
	return r;
}

static void report_misspelt(void)
{
	const char *name, *meant;
	size_t iter = 0;

	if (!accel_log_wants(ACCEL_LOG_WARNING) || is_secure())
		return;
	while (accel_env_misspelt(environ, &iter, &name, &meant))
		accel_log(ACCEL_LOG_WARNING, "%.*s: unknown variable%s%s%s",
			  (int)strcspn(name, "="), name, meant ? " (did you mean " : "",
			  meant ? meant : "", meant ? "?)" : "");
}

int accel_config_gather(const char *name, const struct accel_device *dev, struct accel_settings *s,
			struct accel_err *err)
{
	struct accel_aliases unused = {0};
	int r;

	report_misspelt();
	r = parse_ambient(dev->engine, s, &unused, err);
	accel_aliases_fini(&unused);
	r = r ? r : accel_settings_put_env(s, dev->engine, get_env, err);
	r = r ? r : put_file(name, dev, s, err);
	r = r ? r : accel_device_put_options(dev, name, s, err);
	if (r == 0 && s->v[ACCEL_OPT_FANOUT_PROGRAM].from > ACCEL_FROM_AMBIENT)
		r = refuse_when_secure(name, s->v[ACCEL_OPT_FANOUT_PROGRAM].text, err);
	return r;
}
