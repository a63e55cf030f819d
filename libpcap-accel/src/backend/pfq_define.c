/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_define.c - see pfq_define.h.
 *
 * A computation needs kernel groups, which only their members' sockets can be given programs by:
 * the record is marked, and the first member that sees it does that (pfq_group.c). */
#include "backend/pfq_define.h"

#include "backend/pfq.h"
#include "backend/pfq_store.h"
#include "base/err.h"
#include "base/str.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_number(unsigned group, struct accel_err *err)
{
	if (group > UINT16_MAX)
		return accel_fail(err, -ENOENT, "group %u: there is none (groups are 0 to 65535)",
				  group);
	return 0;
}

static int fail_none(unsigned group, struct accel_err *err)
{
	return accel_fail(err, -ENOENT,
			  "group %u: there is none (nobody is in it, and it is not persistent)",
			  group);
}

typedef int open_fn(struct accel_registry *r, unsigned group, struct accel_err *err);

/* Opened as `how` does it, and locked. */
static int open_locked(struct accel_registry *r, unsigned group, open_fn *how,
		       struct accel_err *err)
{
	int e = check_number(group, err);

	if (e < 0)
		return e;
	do {
		if ((e = how(r, group, err)) < 0)
			return e;
		e = accel_registry_lock(r, err);
		if (e < 0)
			accel_registry_close(r);
	} while (e == -ESTALE);
	return e;
}

static void unlock_and_close(struct accel_registry *r)
{
	accel_registry_unlock(r);
	accel_registry_close(r);
}

static int compile(unsigned group, const struct pfq_compiler *compiler, const char *text,
		   struct accel_lang **lang, struct accel_err *err)
{
	struct accel_lang_options opt = {.compile_pcap = compiler->compile,
					 .pcap_ctx = compiler->ctx};
	char name[32];

	*lang = NULL;
	if (!text || !*text)
		return 0;
	snprintf(name, sizeof(name), "group %u", group);
	return accel_lang_compile(name, text, strlen(text), &opt, lang, err);
}

/* ---- looking ---- */

const char *pfq_block_name(const struct accel_lang *lang)
{
	static const char *const names[] = {
		[ACCEL_LANG_COPY] = "copy",
		[ACCEL_LANG_STEER] = "steer",
		[ACCEL_LANG_MIXED] = "mixed",
		[ACCEL_LANG_DOUBLE] = "double",
	};

	return names[lang ? accel_lang_block(lang) : ACCEL_LANG_COPY];
}

static int look_locked(struct accel_registry *r, const struct pfq_compiler *compiler,
		       struct pfq_look *out, struct accel_err *err)
{
	struct pfq_look look = {.n_members = accel_registry_count(r)};
	struct accel_lang *lang;
	int e = pfq_store_read(r, &look.rec, err);

	if (e < 0)
		return e;
	if (look.n_members == 0 && !look.rec.persistent)
		e = fail_none(r->group, err);
	e = e ? e : compile(r->group, compiler, look.rec.computation, &lang, err);
	if (e < 0) {
		pfq_record_fini(&look.rec);
		return e;
	}
	look.block = pfq_block_name(lang);
	accel_lang_free(lang);
	*out = look;
	return 0;
}

int pfq_look(unsigned group, const struct pfq_compiler *compiler, struct pfq_look *look,
	     struct accel_err *err)
{
	struct accel_registry r;
	int e = check_number(group, err);

	if (e < 0)
		return e;
	e = open_locked(&r, group, accel_registry_visit, err);
	if (e < 0)
		return e == -ENOENT ? fail_none(group, err) : e;
	e = look_locked(&r, compiler, look, err);
	unlock_and_close(&r);
	return e;
}

int pfq_members(unsigned group, struct accel_registry_member *members, size_t n, size_t *n_found,
		struct accel_err *err)
{
	struct accel_registry r;
	int e = check_number(group, err);

	if (e < 0)
		return e;
	e = open_locked(&r, group, accel_registry_visit, err);
	if (e == -ENOENT) {
		*n_found = 0;
		return 0;
	}
	if (e < 0)
		return e;
	accel_registry_members(&r, members, n, n_found);
	unlock_and_close(&r);
	return 0;
}

/* ---- changing ---- */

/* One that is not there yet may come, if the group waits for it. */
static int check_device(unsigned group, const char *name, bool persistent, struct accel_err *err)
{
	struct accel_quote quote;
	unsigned hatype;

	if (strcmp(name, "any") == 0)
		return 0;
	if (accel_link_name_exists(name, &hatype)) {
		if (hatype == ARPHRD_ETHER || hatype == ARPHRD_LOOPBACK)
			return 0;
		return accel_fail(err, -EOPNOTSUPP,
				  "group %u: %s is no Ethernet device (pfq serves Ethernet only)",
				  group, name);
	}
	if (persistent)
		return 0;
	return accel_fail(err, -ENODEV,
			  "group %u: %s: no such device (only those of a persistent group may come "
			  "later)",
			  group, accel_quote(&quote, name, strlen(name)));
}

/* As the kernel has it: no blank, no '/', not "." or "..". */
static bool is_device_name(const char *s, size_t len)
{
	if (len == 0 || len >= ACCEL_IFNAME_LEN || (s[0] == '.' && len == 1) ||
	    (s[0] == '.' && s[1] == '.' && len == 2))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] <= ' ' || s[i] == '/' || s[i] == 0x7f)
			return false;
	return true;
}

static int change_devices(unsigned group, struct pfq_record *rec, const char *text,
			  struct accel_err *err)
{
	char name[ACCEL_IFNAME_LEN];
	struct accel_quote quote;
	bool changed;
	size_t len;
	int e;

	memset(rec->devices, 0, sizeof(rec->devices));
	rec->n_devices = 0;
	for (; *text; text += len + (text[len] == ':')) {
		len = strcspn(text, ":");
		if (!is_device_name(text, len) || (text[len] == ':' && !text[len + 1]))
			return accel_fail(err, -EINVAL,
					  "group %u: devices: '%s' is no name of a device (names "
					  "joined by one ':', like eth0:eth1)",
					  group, accel_quote(&quote, text, len));
		memcpy(name, text, len);
		name[len] = '\0';
		if ((e = check_device(group, name, rec->persistent, err)) < 0)
			return e;
		if (pfq_add_device(rec, name, &changed) < 0)
			return accel_fail(err, -E2BIG, "group %u: too many devices (at most %d)",
					  group, ACCEL_MAX_IFACES);
	}
	return 0;
}

static int change_vlans(unsigned group, struct pfq_record *rec, const char *text,
			struct accel_err *err)
{
	const struct accel_value *v;
	struct accel_settings set;
	char where[32];
	int e;

	snprintf(where, sizeof(where), "group %u", group);
	accel_settings_init(&set);
	e = accel_settings_put(&set, &accel_opt_table[ACCEL_OPT_VLAN], ACCEL_FROM_CALL, text, where,
			       err);
	if (e == 0) {
		v = &set.v[ACCEL_OPT_VLAN];
		rec->n_vlans = (unsigned)v->num;
		if (v->list)
			memcpy(rec->vlans, v->list, v->num * sizeof(*v->list));
	}
	accel_settings_fini(&set);
	return e;
}

static int change_computation(unsigned group, const struct pfq_compiler *compiler,
			      struct pfq_record *rec, const char *text, struct accel_err *err)
{
	struct accel_lang *lang;
	int e = compile(group, compiler, text, &lang, err);

	if (e < 0)
		return e;
	accel_lang_free(lang);
	if (pfq_record_set_computation(rec, text) < 0)
		return accel_fail_sys(err, -ENOMEM, "group %u", group);
	rec->pending = true;
	return 0;
}

static int change_record(unsigned group, const struct pfq_compiler *compiler,
			 const struct pfq_change *change, struct pfq_record *rec,
			 struct accel_err *err)
{
	int e = 0;

	if (change->persistent >= 0)
		rec->persistent = change->persistent;
	if (change->devices)
		e = change_devices(group, rec, change->devices, err);
	if (e == 0 && change->vlans)
		e = change_vlans(group, rec, change->vlans, err);
	if (e == 0 && change->computation)
		e = change_computation(group, compiler, rec, change->computation, err);
	rec->generation++;
	return e;
}

/* Is there a group to change, or may one be made? */
static int check_there(unsigned group, const struct pfq_change *change, struct accel_err *err)
{
	struct accel_registry r;
	int e = change->persistent == 1 ? 0 : open_locked(&r, group, accel_registry_visit, err);

	if (change->persistent == 1)
		return 0;
	if (e == 0) {
		if (!accel_registry_is_alive(&r))
			e = -ENOENT;
		unlock_and_close(&r);
	}
	if (e == -ENOENT)
		return accel_fail(err, e,
				  "group %u: there is none to change (define one that outlives its "
				  "members: persistent)",
				  group);
	return e;
}

int pfq_change(unsigned group, const struct pfq_compiler *compiler, const struct pfq_change *change,
	       struct accel_err *err)
{
	struct pfq_record rec;
	struct accel_registry r;
	int e = check_number(group, err);

	e = e ? e : check_there(group, change, err);
	e = e ? e : open_locked(&r, group, accel_registry_open, err);
	if (e < 0)
		return e;
	e = pfq_store_read(&r, &rec, err);
	e = e ? e : change_record(group, compiler, change, &rec, err);
	e = e ? e : pfq_store_write(&r, &rec, err);
	pfq_record_fini(&rec);
	unlock_and_close(&r);
	return e;
}

static int forget_locked(struct accel_registry *r, struct accel_err *err)
{
	unsigned n = accel_registry_count(r);
	struct pfq_record rec;
	int e;

	if (!accel_registry_is_alive(r))
		return fail_none(r->group, err);
	if (n > 0)
		return accel_fail(err, -EBUSY, "group %u: has %u member%s (end %s first)", r->group,
				  n, n == 1 ? "" : "s", n == 1 ? "it" : "them");
	e = pfq_store_read(r, &rec, err);
	rec.persistent = false;
	e = e ? e : pfq_store_write(r, &rec, err);
	pfq_record_fini(&rec);
	return e;
}

/* Closing removes the files of a group that is none any more. */
int pfq_forget(unsigned group, struct accel_err *err)
{
	struct accel_registry r;
	int e = check_number(group, err);

	if (e < 0)
		return e;
	e = open_locked(&r, group, accel_registry_open, err);
	if (e < 0)
		return e;
	e = forget_locked(&r, err);
	unlock_and_close(&r);
	return e;
}
