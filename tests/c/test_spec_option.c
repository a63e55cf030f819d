/* SPDX-License-Identifier: BSD-3-Clause */
/* test_spec_option.c - the option table holds together; values against tests/vectors/option.txt;
 * which source wins; the environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/util.h"
#include "spec/option.h"
#include "vectors.h"

#include <ctype.h>

static void test_rows_hold_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < ACCEL_N_OPTS; i++) {
		const struct accel_opt_row *row = &accel_opt_table[i];
		char name[64] = "PCAP_ACCEL_";

		assert_int_equal(row->id, i);
		assert_non_null(row->key);
		for (const char *c = row->key; *c; c++)
			assert_true((*c >= 'a' && *c <= 'z') || *c == '_');
		for (size_t k = 0; row->key[k]; k++)
			name[11 + k] = (char)toupper((unsigned char)row->key[k]);
		assert_string_equal(row->env[0], name);
		assert_true(row->min <= row->max);
		assert_true(row->engines && !(row->engines & ~(unsigned)ACCEL_ALL_ENGINES));
		assert_true(!row->words ==
			    (row->type != ACCEL_TYPE_WORD && row->type != ACCEL_TYPE_WORDS));
		assert_true(row->type != ACCEL_TYPE_NUMBERS || row->max <= UINT16_MAX);
		assert_true(strlen(row->help) > 10);
		assert_true(row->help[strlen(row->help) - 1] != '.');
	}
}

/* Every key and alias leads to its own row, every variable is one row's; all are short enough for
 * the suggestions. */
static void test_names_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < ACCEL_N_OPTS; i++) {
		const struct accel_opt_row *row = &accel_opt_table[i];

		assert_ptr_equal(accel_opt_find(row->key, strlen(row->key)), row);
		assert_string_equal(accel_opt_suggest(row->key, strlen(row->key)), row->key);
		for (const char *const *a = row->aliases; a && *a; a++) {
			assert_ptr_equal(accel_opt_find(*a, strlen(*a)), row);
			assert_true(strlen(*a) <= 32);
		}
		for (const char *const *e = row->env; *e; e++) {
			assert_true(strlen(*e) <= 32);
			for (size_t j = 0; j < ACCEL_N_OPTS; j++)
				for (const char *const *f = accel_opt_table[j].env; *f; f++)
					assert_true(e == f || strcmp(*e, *f));
		}
	}
}

static void test_defaults_are_good(void **state)
{
	struct accel_settings s, t;
	struct accel_err err;

	(void)state;
	accel_settings_init(&s);
	accel_settings_init(&t);
	for (size_t i = 0; i < ACCEL_N_OPTS; i++) {
		const struct accel_opt_row *row = &accel_opt_table[i];

		if (accel_settings_put(&t, row, ACCEL_FROM_DEFAULT, row->def, "default", &err))
			fail_msg("%s", err.text);
		assert_true(s.v[i].num == t.v[i].num);
		assert_null(s.v[i].text);
		assert_null(s.v[i].list);
		assert_int_equal(s.v[i].from, ACCEL_FROM_DEFAULT);
	}
	assert_int_equal(s.v[ACCEL_OPT_BUFFER].num, 64 << 20);
	assert_int_equal(s.v[ACCEL_OPT_DIRECTION].num, 2);
	assert_true(s.v[ACCEL_OPT_TX_NODE].num == ACCEL_NONE);
	accel_settings_fini(&s);
	accel_settings_fini(&t);
}

static void check_ok(struct vectors *v, const struct accel_opt_row *row)
{
	struct accel_settings s;
	struct accel_err err;
	char list[512] = "";
	size_t n = 0;
	uint64_t want = strcmp(v->field[3], "none") ? strtoull(v->field[3], NULL, 10) : ACCEL_NONE;

	accel_settings_init(&s);
	if (accel_settings_put(&s, row, ACCEL_FROM_ENV, v->field[2], "W", &err))
		fail_msg("%s:%u: %s", v->name, v->line, err.text);
	assert_vector_int(v, s.v[row->id].num, want);
	assert_vector_string(v, s.v[row->id].text, v->field[2]);
	assert_vector_int(v, s.v[row->id].from, ACCEL_FROM_ENV);
	for (size_t i = 0; s.v[row->id].list && i < want; i++)
		n += (size_t)sprintf(list + n, "%s%u", i ? " " : "", s.v[row->id].list[i]);
	assert_vector_string(v, list, v->field[4]);
	assert_vector_int(v, accel_opt_check_text(row, v->field[2], "W", &err), 0);
	accel_settings_fini(&s);
}

static void check_error(struct vectors *v, const struct accel_opt_row *row)
{
	struct accel_settings s, before;
	struct accel_err err;

	accel_settings_init(&s);
	before = s;
	assert_vector_int(v, accel_settings_put(&s, row, ACCEL_FROM_ENV, v->field[2], "W", &err),
			  vectors_code(v->field[3]));
	assert_vector_string(v, err.text, v->field[4]);
	assert_memory_equal(&s, &before, sizeof(s));
	memset(&err, 0, sizeof(err));
	assert_vector_int(v, accel_opt_check_text(row, v->field[2], "W", &err),
			  vectors_code(v->field[3]));
	assert_vector_string(v, err.text, v->field[4]);
}

static void test_vectors(void **state)
{
	bool seen[ACCEL_N_OPTS] = {false};
	struct vectors v;

	(void)state;
	vectors_open(&v, VECTORS_DIR "/option.txt");
	while (vectors_next(&v)) {
		const struct accel_opt_row *row = accel_opt_find(v.field[1], strlen(v.field[1]));

		if (!row)
			fail_msg("%s:%u: unknown option", v.name, v.line);
		seen[row->id] = true;
		if (!strcmp(v.field[0], "ok"))
			check_ok(&v, row);
		else if (!strcmp(v.field[0], "error"))
			check_error(&v, row);
		else
			fail_msg("%s:%u: unknown kind", v.name, v.line);
	}
	vectors_close(&v);
	for (size_t i = 0; i < ACCEL_N_OPTS; i++)
		if (!seen[i])
			fail_msg("option.txt has no line for %s", accel_opt_table[i].key);
}

static void test_suggestions(void **state)
{
	struct vectors v;

	(void)state;
	vectors_open(&v, VECTORS_DIR "/suggest.txt");
	while (vectors_next(&v)) {
		const char *is;

		if (!strcmp(v.field[0], "key")) {
			is = accel_opt_suggest(v.field[1], strlen(v.field[1]));
			assert_vector_string(&v, is ? is : "-", v.field[2]);
			continue;
		}
		char entry[128], *env[] = {entry, NULL};
		const char *name = NULL, *meant = NULL;
		size_t iter = 0;

		snprintf(entry, sizeof(entry), "%s=1", v.field[1]);
		is = accel_env_misspelt(env, &iter, &name, &meant) ? meant ? meant : "-" : "=";
		assert_vector_string(&v, is, v.field[2]);
	}
	vectors_close(&v);
}

static void test_misspelt_goes_on(void **state)
{
	char *env[] = {"HOME=/", "PFQ_GORUP=42", "PFQ_GROUP=1", "PFQ_X", "PCAP_ACCEL_LGO=1", NULL};
	const char *name, *meant;
	size_t iter = 0;

	(void)state;
	assert_true(accel_env_misspelt(env, &iter, &name, &meant));
	assert_ptr_equal(name, env[1]);
	assert_string_equal(meant, "PFQ_GROUP");
	assert_true(accel_env_misspelt(env, &iter, &name, &meant));
	assert_ptr_equal(name, env[3]);
	assert_null(meant);
	assert_true(accel_env_misspelt(env, &iter, &name, &meant));
	assert_string_equal(meant, "PCAP_ACCEL_LOG");
	assert_false(accel_env_misspelt(env, &iter, &name, &meant));
	assert_false(accel_env_misspelt(env, &iter, &name, &meant));
}

static void put(struct accel_settings *s, enum accel_source from, const char *text)
{
	assert_int_equal(
		accel_settings_put(s, &accel_opt_table[ACCEL_OPT_GROUP], from, text, "W", NULL), 0);
}

static void test_stronger_source_wins(void **state)
{
	struct accel_settings s, t;
	const struct accel_value *v = &s.v[ACCEL_OPT_GROUP];

	(void)state;
	accel_settings_init(&s);
	for (enum accel_source from = ACCEL_FROM_CALL; from <= ACCEL_FROM_DEVICE; from++) {
		char text[2] = {(char)('0' + from), '\0'};

		put(&s, from, text);
		assert_int_equal(v->num, from);
		assert_int_equal(v->from, from);
		put(&s, from - 1, "99"); /* weaker: nothing changes ... */
		assert_int_equal(v->num, from);
		assert_string_equal(v->text, text);
	}
	/* ... but it is checked all the same. */
	assert_int_equal(accel_settings_put(&s, &accel_opt_table[ACCEL_OPT_GROUP], ACCEL_FROM_ENV,
					    "x", "W", NULL),
			 -EINVAL);
	put(&s, ACCEL_FROM_DEVICE, "7");
	assert_int_equal(v->num, 7); /* equally strong: the later */
	accel_settings_init(&t);
	put(&t, ACCEL_FROM_ENV, "8");
	accel_settings_merge(&s, &t);
	assert_int_equal(v->num, 7);
	put(&t, ACCEL_FROM_DEVICE, "9");
	accel_settings_merge(&s, &t);
	assert_int_equal(v->num, 9);
	assert_null(t.v[ACCEL_OPT_GROUP].text);
	accel_settings_fini(&s);
	accel_settings_fini(&t);
}

static const char *const *test_env; /* name, value, ..., NULL */

static const char *get_env(const char *name)
{
	for (const char *const *e = test_env; *e; e += 2)
		if (!strcmp(*e, name))
			return e[1];
	return NULL;
}

#define ENV(...) (test_env = (const char *const[]){__VA_ARGS__, NULL})

static void test_environment(void **state)
{
	struct accel_settings s;
	struct accel_err err;

	(void)state;
	accel_settings_init(&s);
	ENV("PCAP_ACCEL_BUFFER", "8MiB", "PFQ_GROUP", "42", "PFQ_CAPLEN", "junk",
	    "PCAP_ACCEL_GROUP", "");
	assert_int_equal(accel_settings_put_env(&s, ACCEL_AFPACKET, get_env, &err), 0);
	assert_int_equal(s.v[ACCEL_OPT_BUFFER].num, 8 << 20);
	assert_int_equal(s.v[ACCEL_OPT_BUFFER].from, ACCEL_FROM_ENV);
	assert_int_equal(s.v[ACCEL_OPT_GROUP].from, ACCEL_FROM_DEFAULT); /* PFQ's names are pfq's */
	assert_int_equal(accel_settings_put_env(&s, ACCEL_PFQ, get_env, &err), -EINVAL);
	assert_string_equal(err.text, "PFQ_CAPLEN: caplen: 'junk' is not a number (0 to 262144)");
	assert_int_equal(s.v[ACCEL_OPT_GROUP].from, ACCEL_FROM_DEFAULT); /* all or none */
	ENV("PFQ_GROUP", "42", "PFQ_DEF_GROUP", "", "PCAP_GROUP", "43", "PFQ_COMPUTATION", "ip");
	assert_int_equal(accel_settings_put_env(&s, ACCEL_PFQ, get_env, &err), 0);
	assert_int_equal(s.v[ACCEL_OPT_GROUP].num, 42);
	assert_string_equal(s.v[ACCEL_OPT_COMPUTATION].text, "ip");
	ENV("PFQ_GROUP", "45", "PFQ_CAPLEN", "junk");
	assert_int_equal(accel_settings_put_env(&s, ACCEL_XDP, get_env, &err), 0);
	assert_int_equal(s.v[ACCEL_OPT_GROUP].num, 45); /* and xdp's, but not all of them */
	ENV("PFQ_GROUP", "42", "PCAP_ACCEL_GROUP", "44");
	assert_int_equal(accel_settings_put_env(&s, ACCEL_PFQ, get_env, &err), 0);
	assert_int_equal(s.v[ACCEL_OPT_GROUP].num, 44);
	/* What the engine does not know is none of its business. */
	ENV("PCAP_ACCEL_COMPUTATION", "x", "PCAP_ACCEL_TX_NODE", "junk");
	assert_int_equal(accel_settings_put_env(&s, ACCEL_AFPACKET, get_env, &err), 0);
	assert_string_equal(s.v[ACCEL_OPT_COMPUTATION].text, "ip");
	accel_settings_fini(&s);
}

static enum accel_engine some_engine(const struct accel_opt_row *row)
{
	if (row->engines & ACCEL_PFQ)
		return ACCEL_PFQ;
	return row->engines & ACCEL_AFPACKET ? ACCEL_AFPACKET : ACCEL_XDP;
}

/* Each variable of each row reaches its option, by pfq or by the first engine that knows it. */
static void test_every_variable(void **state)
{
	(void)state;
	for (size_t i = 0; i < ACCEL_N_OPTS; i++)
		for (const char *const *e = accel_opt_table[i].env; *e; e++) {
			const struct accel_opt_row *row = &accel_opt_table[i];
			enum accel_engine engine = some_engine(row);
			struct accel_settings s;

			ENV(*e, *row->def ? row->def : row->words ? row->words[0] : "7");
			accel_settings_init(&s);
			assert_int_equal(accel_settings_put_env(&s, engine, get_env, NULL), 0);
			assert_int_equal(s.v[i].from, ACCEL_FROM_ENV);
			accel_settings_fini(&s);
		}
}

static void test_check_engine(void **state)
{
	const struct accel_opt_row *row = &accel_opt_table[ACCEL_OPT_TX_SLOTS];
	struct accel_err err;

	(void)state;
	assert_int_equal(accel_opt_check_engine(row, ACCEL_PFQ, "W", &err), 0);
	assert_int_equal(accel_opt_check_engine(row, ACCEL_ALL_ENGINES, "W", &err), 0);
	assert_int_equal(accel_opt_check_engine(row, ACCEL_AFPACKET, "W", &err), -EINVAL);
	assert_string_equal(err.text, "W: option 'tx_slots' is not for afpacket (for: pfq, xdp)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_hold_together),
		cmocka_unit_test(test_names_are_unique),
		cmocka_unit_test(test_defaults_are_good),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_suggestions),
		cmocka_unit_test(test_misspelt_goes_on),
		cmocka_unit_test(test_stronger_source_wins),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_every_variable),
		cmocka_unit_test(test_check_engine),
	};

	return cmocka_run_group_tests_name("spec_option", tests, NULL, NULL);
}
