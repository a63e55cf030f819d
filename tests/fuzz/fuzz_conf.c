/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_conf.c - configuration files: what is refused leaves everything as it was; what is accepted,
 * written as a file with quotes, parses to the same. The first byte chooses engine and kind of
 * file. */
#include "fuzz.h"

#include "base/str.h"
#include "spec/conf.h"
#include "spec/device.h"

#define WRITTEN_MAX (4 * ACCEL_CONF_MAX_LEN)

struct kind {
	enum accel_source from;
	enum accel_engine engine;
};

static int parse(const struct kind *k, const char *text, size_t len, struct accel_settings *s,
		 struct accel_aliases *a, struct accel_err *err)
{
	return accel_conf_parse("F", text, len, k->from, k->engine, s,
				k->from == ACCEL_FROM_AMBIENT ? a : NULL, err);
}

static void write_quoted(struct accel_str *out, const char *text)
{
	accel_str_add(out, " = \"");
	for (; *text; text++)
		accel_str_add(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	accel_str_add(out, "\"\n");
}

static void write_file(struct accel_str *out, const struct accel_settings *s,
		       const struct accel_aliases *a)
{
	for (size_t i = 0; i < ACCEL_N_OPTS; i++)
		if (s->v[i].text) {
			accel_str_add(out, "%s", accel_opt_table[i].key);
			write_quoted(out, s->v[i].text);
		}
	for (const struct accel_alias *alias = a->first; alias; alias = alias->next) {
		/* A key ends at '=': no file can name such an interface. */
		FUZZ_CHECK(!strchr(alias->iface, '='));
		accel_str_add(out, "map.%s", alias->iface);
		write_quoted(out, alias->target);
	}
	if (a->engine_for_all)
		accel_str_add(out, "default = %s\n", accel_engine_name(a->engine_for_all));
}

static void check_same(const struct accel_settings *s, const struct accel_settings *t,
		       const struct accel_alias *x, const struct accel_alias *y)
{
	for (size_t i = 0; i < ACCEL_N_OPTS; i++) {
		FUZZ_CHECK(s->v[i].num == t->v[i].num && s->v[i].from == t->v[i].from);
		FUZZ_CHECK(!s->v[i].text == !t->v[i].text);
		FUZZ_CHECK(!s->v[i].text || !strcmp(s->v[i].text, t->v[i].text));
		FUZZ_CHECK(!s->v[i].list == !t->v[i].list);
		FUZZ_CHECK(!s->v[i].list || !memcmp(s->v[i].list, t->v[i].list,
						    s->v[i].num * sizeof(*s->v[i].list)));
	}
	for (; x && y; x = x->next, y = y->next)
		FUZZ_CHECK(!strcmp(x->iface, y->iface) && !strcmp(x->target, y->target));
	FUZZ_CHECK(!x && !y);
}

static void check_written(const struct kind *k, const struct accel_settings *s,
			  const struct accel_aliases *a)
{
	static char text[WRITTEN_MAX];
	struct accel_aliases again = {0};
	struct accel_settings t;
	struct accel_err err = {""};
	struct accel_str out;

	accel_str_init(&out, text, sizeof(text));
	write_file(&out, s, a);
	if (out.len > ACCEL_CONF_MAX_LEN)
		return;
	accel_settings_init(&t);
	FUZZ_CHECK(!parse(k, text, out.len, &t, &again, &err));
	check_same(s, &t, a->first, again.first);
	FUZZ_CHECK(a->engine_for_all == again.engine_for_all);
	accel_settings_fini(&t);
	accel_aliases_fini(&again);
}

static void check_file(const struct kind *k, const char *text, size_t len)
{
	struct accel_settings s, before;
	struct accel_aliases aliases = {0};
	struct accel_err err = {""};
	int rc;

	accel_settings_init(&s);
	before = s;
	rc = parse(k, text, len, &s, &aliases, &err);
	if (rc) {
		fuzz_check_error(rc, &err, "F:");
		FUZZ_CHECK(!memcmp(&s, &before, sizeof(s)));
		FUZZ_CHECK(!aliases.first && !aliases.engine_for_all);
	} else {
		check_written(k, &s, &aliases);
	}
	accel_settings_fini(&s);
	accel_aliases_fini(&aliases);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const enum accel_engine engines[] = {ACCEL_AFPACKET, ACCEL_PFQ, ACCEL_XDP,
						    ACCEL_PFQ};
	struct kind kind;
	char *text;

	if (!len)
		return 0;
	kind.engine = engines[data[0] & 3];
	kind.from = data[0] & 4 ? ACCEL_FROM_AMBIENT : ACCEL_FROM_FILE;
	text = malloc(len); /* no NUL behind it */
	FUZZ_CHECK(text);
	memcpy(text, data + 1, len - 1);
	check_file(&kind, text, len - 1);
	free(text);
	return 0;
}
