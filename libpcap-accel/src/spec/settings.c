/* SPDX-License-Identifier: BSD-3-Clause */
/* settings.c - reads an option's value, and keeps the strongest one. Which options there are is
 * option.c's.
 *
 * Threads: none of its own. */
#include "spec/option.h"

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One value under examination. */
struct check {
	const struct accel_opt_row *row;
	const char *where;
	struct accel_err *err;
};

/* A piece of the value: all of it, or an item of a list. */
struct piece {
	const char *at;
	size_t len;
};

static void print_number(const struct accel_opt_row *row, uint64_t n, struct accel_str *out)
{
	char text[ACCEL_NUM_LEN];

	if (row->type == ACCEL_TYPE_SIZE)
		accel_str_add(out, "%s", accel_print_size(n, text));
	else if (row->type == ACCEL_TYPE_TIME)
		accel_str_add(out, "%s", accel_print_time(n, text));
	else
		accel_str_add(out, "%" PRIu64, n);
}

/* "4KiB to 512GiB": what would be right. */
static void print_range(const struct accel_opt_row *row, struct accel_str *out)
{
	if (row->rules & ACCEL_RULE_OR_NONE)
		accel_str_add(out, "-1, or ");
	print_number(row, row->min, out);
	accel_str_add(out, " to ");
	print_number(row, row->max, out);
}

/* "WHERE: KEY: 'TEXT' is WHAT (4KiB to 512GiB, HOW)" */
static int fail_value(const struct check *c, int code, struct piece p, const char *what,
		      const char *how)
{
	struct accel_quote quote;
	struct accel_str range;
	char text[96];

	accel_str_init(&range, text, sizeof(text));
	print_range(c->row, &range);
	return accel_fail(c->err, code, "%s: %s: '%s' is %s (%s%s%s)", c->where, c->row->key,
			  accel_quote(&quote, p.at, p.len), what, text, how ? ", " : "",
			  how ? how : "");
}

static int fail_word(const struct check *c, struct piece p)
{
	const char *meant = NULL;
	unsigned best = ACCEL_LIKE_MAX + 1, d;
	struct accel_quote quote;
	struct accel_str known;
	char text[128];

	accel_quote(&quote, p.at, p.len);
	accel_str_init(&known, text, sizeof(text));
	for (const char *const *word = c->row->words; *word; word++) {
		accel_str_add(&known, "%s%s", known.len ? ", " : "", *word);
		d = accel_word_distance(p.at, p.len, *word);
		if (d < best) {
			best = d;
			meant = *word;
		}
	}
	if (meant)
		return accel_fail(c->err, -EINVAL, "%s: %s: unknown word '%s' (did you mean '%s'?)",
				  c->where, c->row->key, quote.text, meant);
	return accel_fail(c->err, -EINVAL, "%s: %s: unknown word '%s' (known: %s)", c->where,
			  c->row->key, quote.text, text);
}

static int check_rules(const struct check *c, struct piece p, uint64_t n)
{
	char less[ACCEL_NUM_LEN], more[ACCEL_NUM_LEN];
	struct accel_quote quote;

	if ((c->row->rules & ACCEL_RULE_POWER_OF_2) && (n & (n - 1)))
		return fail_value(c, -EINVAL, p, "not a power of two", NULL);
	if ((c->row->rules & ACCEL_RULE_WHOLE_MS) && n > ACCEL_NS_PER_MS && n % ACCEL_NS_PER_MS)
		return accel_fail(
			c->err, -EINVAL,
			"%s: %s: '%s' is not a whole number of milliseconds (%s or %s)", c->where,
			c->row->key, accel_quote(&quote, p.at, p.len),
			accel_print_time(n / ACCEL_NS_PER_MS * ACCEL_NS_PER_MS, less),
			accel_print_time((n / ACCEL_NS_PER_MS + 1) * ACCEL_NS_PER_MS, more));
	return 0;
}

typedef int parse_fn(const char *s, size_t len, uint64_t *out);

/* How each kind of number is read, and what is said of what is none. */
static const struct {
	parse_fn *parse;
	const char *what;
	const char *how;
} kinds[] = {
	[ACCEL_TYPE_NUMBER] = {accel_parse_number, "not a number", NULL},
	[ACCEL_TYPE_NUMBERS] = {accel_parse_number, "not a number", "joined by '+'"},
	[ACCEL_TYPE_SIZE] = {accel_parse_size, "not a size", "in bytes, KiB, MiB or GiB"},
	[ACCEL_TYPE_TIME] = {accel_parse_time, "not a time", "in us, ms or s"},
};

static int check_number(const struct check *c, struct piece p, uint64_t *out)
{
	enum accel_opt_type type = c->row->type;
	uint64_t n = 0;
	int rc;

	if ((c->row->rules & ACCEL_RULE_OR_NONE) && p.len == 2 && !memcmp(p.at, "-1", 2)) {
		*out = ACCEL_NONE;
		return 0;
	}
	rc = kinds[type].parse(p.at, p.len, &n);
	if (rc == -EINVAL && c->row->id == ACCEL_OPT_VLAN && p.len == 2 && !memcmp(p.at, "-1", 2))
		return fail_value(c, rc, p, kinds[type].what, "any tag: computation=vlan");
	if (rc == -EINVAL)
		return fail_value(c, rc, p, kinds[type].what, kinds[type].how);
	if (rc || n < c->row->min || n > c->row->max)
		return fail_value(c, -ERANGE, p, "out of range", NULL);
	rc = check_rules(c, p, n);
	if (!rc)
		*out = n;
	return rc;
}

static int check_bool(const struct check *c, struct piece p, uint64_t *out)
{
	struct accel_quote quote;
	bool yes = false;

	if (accel_parse_bool(p.at, p.len, &yes))
		return accel_fail(c->err, -EINVAL,
				  "%s: %s: '%s' is neither yes nor no (yes, true, "
				  "on, 1, no, false, off, 0)",
				  c->where, c->row->key, accel_quote(&quote, p.at, p.len));
	*out = yes;
	return 0;
}

static int check_word(const struct check *c, struct piece p, uint64_t *out)
{
	for (size_t i = 0; c->row->words[i]; i++)
		if (accel_word_is(p.at, p.len, c->row->words[i])) {
			*out = i;
			return 0;
		}
	return fail_word(c, p);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next item of a list, without the blanks around it. *rest is what follows its separator, at
 * NULL behind the last. */
static struct piece next_item(const char **rest)
{
	const char *end = *rest + strcspn(*rest, "+,");
	struct piece p = {*rest, (size_t)(end - *rest)};

	*rest = *end ? end + 1 : NULL;
	while (p.len && is_blank(p.at[0])) {
		p.at++;
		p.len--;
	}
	while (p.len && is_blank(p.at[p.len - 1]))
		p.len--;
	return p;
}

static int check_words(const struct check *c, const char *text, uint64_t *out)
{
	uint64_t bits = 0, bit = 0;
	int rc;

	for (const char *rest = *text ? text : NULL; rest;) {
		rc = check_word(c, next_item(&rest), &bit);
		if (rc)
			return rc;
		bits |= 1ull << bit;
	}
	*out = bits;
	return 0;
}

static int check_numbers(const struct check *c, const char *text, struct accel_value *v)
{
	uint16_t list[ACCEL_MAX_NUMBERS];
	uint64_t one = 0;
	size_t n = 0;
	int rc;

	for (const char *rest = *text ? text : NULL; rest;) {
		if (n == ACCEL_MAX_NUMBERS)
			return accel_fail(c->err, -E2BIG, "%s: %s: too many numbers (at most %d)",
					  c->where, c->row->key, ACCEL_MAX_NUMBERS);
		rc = check_number(c, next_item(&rest), &one);
		if (rc)
			return rc;
		list[n++] = (uint16_t)one;
	}
	if (n) {
		v->list = malloc(n * sizeof(list[0]));
		if (!v->list)
			return accel_fail(c->err, -ENOMEM, "%s: out of memory", c->where);
		memcpy(v->list, list, n * sizeof(list[0]));
	}
	v->num = n;
	return 0;
}

/* Sets v->num and v->list. Untouched on failure. */
static int check_text(const struct check *c, const char *text, struct accel_value *v)
{
	struct piece p = {text, strlen(text)};

	switch (c->row->type) {
	case ACCEL_TYPE_BOOL:
		return check_bool(c, p, &v->num);
	case ACCEL_TYPE_NUMBER:
	case ACCEL_TYPE_SIZE:
	case ACCEL_TYPE_TIME:
		return check_number(c, p, &v->num);
	case ACCEL_TYPE_WORD:
		return check_word(c, p, &v->num);
	case ACCEL_TYPE_WORDS:
		return check_words(c, text, &v->num);
	case ACCEL_TYPE_NUMBERS:
		return check_numbers(c, text, v);
	case ACCEL_TYPE_TEXT:
		return 0;
	}
	return -EINVAL;
}

int accel_opt_check_text(const struct accel_opt_row *row, const char *text, const char *where,
			 struct accel_err *err)
{
	const struct check c = {row, where, err};
	struct accel_value v = {0};
	int rc = check_text(&c, text, &v);

	free(v.list);
	return rc;
}

void accel_settings_init(struct accel_settings *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < ACCEL_N_OPTS; i++) {
		const struct check c = {&accel_opt_table[i], "default", NULL};

		/* A list's default is empty: nothing is allocated. The tests try each default. */
		(void)check_text(&c, c.row->def, &s->v[i]);
	}
}

static void value_fini(struct accel_value *v)
{
	free(v->list);
	free(v->text);
	memset(v, 0, sizeof(*v));
}

void accel_settings_fini(struct accel_settings *s)
{
	for (size_t i = 0; i < ACCEL_N_OPTS; i++)
		value_fini(&s->v[i]);
}

int accel_settings_put(struct accel_settings *s, const struct accel_opt_row *row,
		       enum accel_source from, const char *text, const char *where,
		       struct accel_err *err)
{
	const struct check c = {row, where, err};
	struct accel_value *old = &s->v[row->id];
	struct accel_value v = {.from = from};
	int rc = check_text(&c, text, &v);

	if (rc)
		return rc;
	if (old->from > from) {
		value_fini(&v);
		return 0;
	}
	v.text = strdup(text);
	if (!v.text) {
		value_fini(&v);
		return accel_fail(err, -ENOMEM, "%s: out of memory", where);
	}
	value_fini(old);
	*old = v;
	return 0;
}

void accel_settings_merge(struct accel_settings *s, struct accel_settings *staged)
{
	for (size_t i = 0; i < ACCEL_N_OPTS; i++) {
		struct accel_value *v = &staged->v[i];

		if (!v->text || v->from < s->v[i].from) {
			value_fini(v);
			continue;
		}
		value_fini(&s->v[i]);
		s->v[i] = *v;
		memset(v, 0, sizeof(*v));
	}
}

/* PCAP_ACCEL_* is everybody's; every other name was PFQ's, and its groups and its language are
 * XDP's too. */
static bool variable_counts(const struct accel_opt_row *row, const char *name,
			    enum accel_engine engine)
{
	static const char ours[] = "PCAP_ACCEL_";

	return engine == ACCEL_PFQ || row->id == ACCEL_OPT_COMPUTATION ||
	       (engine == ACCEL_XDP && row->id == ACCEL_OPT_GROUP) ||
	       strncmp(name, ours, sizeof(ours) - 1) == 0;
}

/* The first variable of the row that is set and not empty; *name is which. NULL if none is. */
static const char *look_up(const struct accel_opt_row *row, enum accel_engine engine,
			   const char *(*get_env)(const char *name), const char **name)
{
	for (const char *const *env = row->env; *env; env++) {
		const char *text = variable_counts(row, *env, engine) ? get_env(*env) : NULL;

		if (text && *text) {
			*name = *env;
			return text;
		}
	}
	return NULL;
}

int accel_settings_put_env(struct accel_settings *s, enum accel_engine engine,
			   const char *(*get_env)(const char *name), struct accel_err *err)
{
	struct accel_settings staged;
	const char *name = NULL;

	accel_settings_init(&staged);
	for (size_t i = 0; i < ACCEL_N_OPTS; i++) {
		const struct accel_opt_row *row = &accel_opt_table[i];
		const char *text =
			row->engines & engine ? look_up(row, engine, get_env, &name) : NULL;
		int rc = text ? accel_settings_put(&staged, row, ACCEL_FROM_ENV, text, name, err)
			      : 0;

		if (rc) {
			accel_settings_fini(&staged);
			return rc;
		}
	}
	accel_settings_merge(s, &staged);
	return 0;
}
