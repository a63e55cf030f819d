/* SPDX-License-Identifier: BSD-3-Clause */
/* conf.c - what the lines of a configuration file mean. How they are read is conf_lex.c's.
 *
 * Everything is put into a staging area first and handed over at the end, so that a file counts as
 * a whole or not at all.
 *
 * Threads: none of its own. */
#include "spec/conf.h"

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "base/util.h"
#include "spec/alias.h"
#include "spec/conf_lex.h"
#include "spec/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHERE_LEN (ACCEL_QUOTE_MAX + 48)

struct conf {
	const char *path;
	enum accel_source from;
	enum accel_engine engine;
	bool ambient;			/* map.* and default are allowed */
	struct accel_settings settings; /* staged */
	struct accel_aliases aliases;	/* staged */
	unsigned lines[ACCEL_N_OPTS];	/* where the option was, 0 = not yet */
	unsigned default_line;
	struct accel_err *err;
};

static const char *place(const struct conf *c, struct accel_conf_pos pos, char out[WHERE_LEN])
{
	struct accel_quote quote;

	snprintf(out, WHERE_LEN, "%s:%u:%u", accel_quote(&quote, c->path, strlen(c->path)),
		 pos.line, pos.column);
	return out;
}

static int fail_twice(const struct conf *c, const struct accel_conf_item *item, const char *key,
		      unsigned first)
{
	char where[WHERE_LEN];

	return accel_fail(c->err, -EINVAL, "%s: '%s' is there twice (first in line %u)",
			  place(c, item->key_pos, where), key, first);
}

static int put_option(struct conf *c, const struct accel_conf_item *item,
		      const struct accel_opt_row *row)
{
	char where[WHERE_LEN];
	int rc;

	if (c->lines[row->id])
		return fail_twice(c, item, row->key, c->lines[row->id]);
	c->lines[row->id] = item->key_pos.line;
	if (!(row->engines & c->engine)) {
		if (c->from == ACCEL_FROM_AMBIENT)
			return accel_opt_check_text(row, item->value,
						    place(c, item->value_pos, where), c->err);
		rc = accel_opt_check_engine(row, c->engine, place(c, item->key_pos, where), c->err);
		if (rc)
			return rc;
	}
	return accel_settings_put(&c->settings, row, c->from, item->value,
				  place(c, item->value_pos, where), c->err);
}

static int put_map(struct conf *c, const struct accel_conf_item *item)
{
	struct accel_alias *alias =
		accel_alias_new(item->key + 4, item->key_len - 4, item->value, strlen(item->value));
	char where[WHERE_LEN];
	int rc;

	place(c, item->key_pos, where);
	if (!alias)
		return accel_fail(c->err, -ENOMEM, "%s: out of memory", where);
	rc = accel_alias_check_iface(alias, &c->aliases, where, c->err);
	if (!rc)
		rc = accel_alias_check_target(alias, place(c, item->value_pos, where), c->err);
	if (rc) {
		accel_alias_free(alias);
		return rc;
	}
	accel_aliases_add(&c->aliases, alias);
	return 0;
}

static int put_default(struct conf *c, const struct accel_conf_item *item)
{
	size_t len = strlen(item->value);
	struct accel_quote quote;
	char where[WHERE_LEN];

	if (c->default_line)
		return fail_twice(c, item, "default", c->default_line);
	c->default_line = item->key_pos.line;
	if (accel_engine_find(item->value, len, &c->aliases.engine_for_all))
		return accel_fail(c->err, -EINVAL,
				  "%s: default: unknown engine '%s' (known: afpacket, pfq, xdp)",
				  place(c, item->value_pos, where),
				  accel_quote(&quote, item->value, len));
	return 0;
}

/* What a file of lippycat says that is said elsewhere here, or not at all. */
static const struct other_key {
	const char *key;
	const char *value; /* the one that says nothing; NULL: each does */
	const char *instead;
} other_keys[] = {
	{"interface", NULL, NULL},	   {"use_xdp", "true", "true, or the device afpacket:"},
	{"enable_stats", NULL, NULL},	   {"stats_interval", NULL, NULL},
	{"buffer_size", NULL, NULL},	   {"flags", "0", "0, with attach"},
	{"bind_flags", "0", "0, with zc"},
};

static const struct other_key *find_other(const struct conf *c, const struct accel_conf_item *item)
{
	for (size_t i = 0; c->engine == ACCEL_XDP && i < ACCEL_ARRAY_LEN(other_keys); i++)
		if (accel_word_is(item->key, item->key_len, other_keys[i].key))
			return &other_keys[i];
	return NULL;
}

static int pass_over(const struct conf *c, const struct accel_conf_item *item,
		     const struct other_key *other)
{
	struct accel_quote quote;
	char where[WHERE_LEN];

	if (!other->value || accel_word_is(item->value, strlen(item->value), other->value))
		return 0;
	return accel_fail(c->err, -EINVAL, "%s: %s: '%s' is for lippycat alone (would be: %s)",
			  place(c, item->value_pos, where), other->key,
			  accel_quote(&quote, item->value, strlen(item->value)), other->instead);
}

static int put_item(struct conf *c, const struct accel_conf_item *item)
{
	bool map = item->key_len >= 4 && accel_word_is(item->key, 4, "map.");
	bool dflt = accel_word_is(item->key, item->key_len, "default");
	const struct accel_opt_row *row = accel_opt_find(item->key, item->key_len);
	const struct other_key *other = find_other(c, item);
	struct accel_quote quote;
	char where[WHERE_LEN];

	if (row)
		return put_option(c, item, row);
	if (other)
		return pass_over(c, item, other);
	place(c, item->key_pos, where);
	accel_quote(&quote, item->key, item->key_len);
	if ((map || dflt) && !c->ambient)
		return accel_fail(c->err, -EINVAL,
				  "%s: '%s' is not for this file (it goes into the "
				  "file of PCAP_ACCEL_CONF or /etc/pcap-accel.conf)",
				  where, quote.text);
	if (map)
		return put_map(c, item);
	if (dflt)
		return put_default(c, item);
	if (c->ambient &&
	    accel_word_distance(item->key, item->key_len, "default") <= ACCEL_LIKE_MAX)
		return accel_fail(c->err, -EINVAL,
				  "%s: unknown option '%s' (did you mean 'default'?)", where,
				  quote.text);
	return accel_opt_fail_unknown(item->key, item->key_len,
				      c->ambient ? ACCEL_ALL_ENGINES : c->engine, where, c->err);
}

static int put_items(struct conf *c, struct accel_conf_lex *lex)
{
	struct accel_conf_item item;
	struct accel_conf_fault fault = {0};
	char where[WHERE_LEN];
	int rc;

	while ((rc = accel_conf_next(lex, &item, &fault)) > 0) {
		rc = put_item(c, &item);
		if (rc)
			return rc;
	}
	if (rc)
		return accel_fail(c->err, rc, "%s: %s", place(c, fault.pos, where), fault.why);
	return 0;
}

/* ---- all of them, the mistakes too ---- */

struct visit {
	struct conf conf;
	accel_conf_visitor *fn;
	void *ctx;
};

/* The key as a text of its own: of what is unknown at most ACCEL_QUOTE_MAX bytes; a map.IF is
 * shorter if it is right. */
static const char *key_of(const struct accel_conf_item *item, struct accel_quote *quote)
{
	const struct accel_opt_row *row = accel_opt_find(item->key, item->key_len);

	return row ? row->key : accel_quote(quote, item->key, item->key_len);
}

static int visit_item(struct visit *v, const struct accel_conf_item *item)
{
	struct accel_err err;
	struct accel_quote quote;
	int rc;

	v->conf.err = &err;
	rc = put_item(&v->conf, item);
	if (rc == -ENOMEM)
		return rc;
	return v->fn(v->ctx, &(struct accel_conf_setting){
				     .key = key_of(item, &quote),
				     .value = item->value,
				     .line = item->key_pos.line,
				     .column = item->key_pos.column,
				     .value_line = item->value_pos.line,
				     .value_column = item->value_pos.column,
				     .mistake = rc ? err.text : NULL,
			     });
}

static int visit_fault(struct visit *v, const struct accel_conf_fault *fault)
{
	char text[ACCEL_ERR_LEN], where[WHERE_LEN];

	snprintf(text, sizeof(text), "%s: %s", place(&v->conf, fault->pos, where), fault->why);
	return v->fn(v->ctx, &(struct accel_conf_setting){
				     .key = "",
				     .value = "",
				     .line = fault->pos.line,
				     .column = fault->pos.column,
				     .mistake = text,
			     });
}

static int visit_items(struct visit *v, struct accel_conf_lex *lex)
{
	struct accel_conf_fault fault = {0};
	struct accel_conf_item item;
	int rc, found;

	for (;;) {
		found = accel_conf_next(lex, &item, &fault);
		if (found == 0)
			return 0;
		rc = found > 0 ? visit_item(v, &item) : visit_fault(v, &fault);
		if (rc)
			return rc;
		if (found < 0)
			accel_conf_skip_line(lex);
	}
}

/* ---- from a text ---- */

/* Scratch memory for a text that is not too long: *out is malloc'ed. */
static int take_text(struct conf *c, const char *text, size_t len, struct accel_conf_lex *lex,
		     char **out)
{
	struct accel_quote quote;
	char size[ACCEL_NUM_LEN];
	char *scratch;

	accel_quote(&quote, c->path, strlen(c->path));
	if (len > ACCEL_CONF_MAX_LEN)
		return accel_fail(c->err, -EFBIG,
				  "%s: too large for a configuration file (at most %s)", quote.text,
				  accel_print_size(ACCEL_CONF_MAX_LEN, size));
	scratch = malloc(len + 1);
	if (!scratch)
		return accel_fail(c->err, -ENOMEM, "%s: out of memory", quote.text);
	accel_conf_lex_init(lex, text, len, scratch);
	*out = scratch;
	return 0;
}

/* Parse into the staging area. */
static int parse(struct conf *c, const char *text, size_t len)
{
	struct accel_conf_lex lex;
	char *scratch;
	int rc = take_text(c, text, len, &lex, &scratch);

	if (rc)
		return rc;
	rc = put_items(c, &lex);
	free(scratch);
	return rc;
}

int accel_conf_visit(const struct accel_conf_text *file, accel_conf_visitor *visit, void *ctx,
		     struct accel_err *err)
{
	struct visit v = {.conf = {.path = file->path,
				   .from = file->from,
				   .engine = file->engine,
				   .ambient = file->from == ACCEL_FROM_AMBIENT,
				   .err = err},
			  .fn = visit,
			  .ctx = ctx};
	struct accel_conf_lex lex;
	char *scratch;
	int rc = take_text(&v.conf, file->text, file->len, &lex, &scratch);

	if (rc)
		return rc;
	accel_settings_init(&v.conf.settings);
	rc = visit_items(&v, &lex);
	accel_settings_fini(&v.conf.settings);
	accel_aliases_fini(&v.conf.aliases);
	free(scratch);
	if (rc == -ENOMEM)
		return accel_fail(err, rc, "%s: out of memory", file->path);
	return rc;
}

int accel_conf_parse(const char *path, const char *text, size_t len, enum accel_source from,
		     enum accel_engine engine, struct accel_settings *s,
		     struct accel_aliases *aliases, struct accel_err *err)
{
	struct conf c = {
		.path = path, .from = from, .engine = engine, .ambient = aliases, .err = err};
	int rc;

	accel_settings_init(&c.settings);
	rc = parse(&c, text, len);
	if (rc) {
		accel_settings_fini(&c.settings);
		accel_aliases_fini(&c.aliases);
		return rc;
	}
	accel_settings_merge(s, &c.settings);
	if (aliases)
		accel_aliases_merge(aliases, &c.aliases);
	return 0;
}
