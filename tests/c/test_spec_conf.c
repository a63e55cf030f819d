/* SPDX-License-Identifier: BSD-3-Clause */
/* test_spec_conf.c - configuration files against tests/vectors/conf.txt, alias maps against
 * map.txt, and the files of conf/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"
#include "base/util.h"
#include "spec/conf.h"
#include "spec/device.h"
#include "vectors.h"

struct block {
	char name[256];
	enum accel_source from;
	enum accel_engine engine;
	char text[8192];
	size_t text_len;
	char want[8192]; /* the lines that say what has been set */
	char code[32];	 /* of the error; "" if none */
	char message[1024];
	unsigned n_want;
};

/* What was set, in the words of the vector file. */
static void describe(const struct accel_settings *s, const struct accel_aliases *a, char *out,
		     size_t size)
{
	struct accel_str str;

	accel_str_init(&str, out, size);
	for (size_t i = 0; i < ACCEL_N_OPTS; i++)
		if (s->v[i].text)
			accel_str_add(&str, "%s = %s\n", accel_opt_table[i].key, s->v[i].text);
	for (const struct accel_alias *alias = a->first; alias; alias = alias->next)
		accel_str_add(&str, "map %s %s\n", alias->iface, alias->target);
	if (a->engine_for_all)
		accel_str_add(&str, "default %s\n", accel_engine_name(a->engine_for_all));
	assert_true(str.len < size);
}

static int parse(const char *text, size_t len, const struct block *b, struct accel_settings *s,
		 struct accel_aliases *a, struct accel_err *err)
{
	char *exact = malloc(len ? len : 1); /* no NUL behind it: a read beyond is ASan's to find */
	int rc;

	memcpy(exact, text, len);
	rc = accel_conf_parse("F", exact, len, b->from, b->engine, s,
			      b->from == ACCEL_FROM_AMBIENT ? a : NULL, err);
	free(exact);
	return rc;
}

/* What a visitor has seen of a file. */
struct seen {
	char first[ACCEL_ERR_LEN]; /* mistake */
	unsigned n_mistakes, n_right;
	unsigned last_line;
};

static int note(void *ctx, const struct accel_conf_setting *setting)
{
	struct seen *seen = ctx;

	assert_true(setting->line >= 1 && setting->column >= 1);
	assert_true(setting->line >= seen->last_line);
	seen->last_line = setting->line;
	if (setting->mistake && seen->n_mistakes++ == 0)
		snprintf(seen->first, sizeof(seen->first), "%s", setting->mistake);
	if (!setting->mistake) {
		seen->n_right++;
		assert_true(setting->value_line >= setting->line && setting->value_column >= 1);
	}
	return 0;
}

/* A visit meets the error that the parser stops at first, and what it takes if there is none. */
static void check_visit(const struct block *b)
{
	struct accel_conf_text file = {"F", NULL, b->text_len, b->from, b->engine};
	char *exact = malloc(b->text_len ? b->text_len : 1);
	struct accel_err err = {""};
	struct seen seen = {0};

	memcpy(exact, b->text, b->text_len);
	file.text = exact;
	assert_int_equal(accel_conf_visit(&file, note, &seen, &err), 0);
	free(exact);
	if (strcmp(seen.first, b->message))
		fail_msg("conf.txt: %s: visited:\n  is   %s\n  want %s", b->name, seen.first,
			 b->message);
	if (!b->code[0] && seen.n_right < b->n_want)
		fail_msg("conf.txt: %s: %u of %u settings visited", b->name, seen.n_right,
			 b->n_want);
}

static void check_block(const struct block *b)
{
	struct accel_aliases aliases = {0};
	struct accel_settings s, before;
	struct accel_err err = {""};
	char is[8192];
	int rc;

	accel_settings_init(&s);
	before = s;
	rc = parse(b->text, b->text_len, b, &s, &aliases, &err);
	describe(&s, &aliases, is, sizeof(is));
	if (strcmp(err.text, b->message))
		fail_msg("conf.txt: %s:\n  is   %s\n  want %s", b->name, err.text, b->message);
	if (rc != (b->code[0] ? vectors_code(b->code) : 0))
		fail_msg("conf.txt: %s: code %d, want %s", b->name, rc, b->code);
	if (strcmp(is, b->want))
		fail_msg("conf.txt: %s: is\n%swant\n%s", b->name, is, b->want);
	if (rc)
		assert_memory_equal(&s, &before, sizeof(s));
	for (size_t i = 0; i < ACCEL_N_OPTS; i++)
		assert_true(!s.v[i].text || s.v[i].from == b->from);
	accel_settings_fini(&s);
	accel_aliases_fini(&aliases);
	check_visit(b);
}

static void append(char *to, size_t size, const char *s)
{
	assert_true(strlen(to) + strlen(s) < size);
	strcat(to, s);
}

/* "error ERRNO MESSAGE" */
static void take_error(struct block *b, char *rest)
{
	char *message = strchr(rest, ' ');

	*message = '\0';
	snprintf(b->code, sizeof(b->code), "%.31s", rest);
	snprintf(b->message, sizeof(b->message), "%.1023s", message + 1);
}

static void take_line(struct block *b, struct vectors *v)
{
	char *line = v->text, how[16], engine[16];
	bool whole = !strncmp(line, "> ", 2);
	size_t n;

	if (whole || !strncmp(line, ">> ", 3)) {
		char *content = line + (whole ? 2 : 3);

		n = vectors_decode(content);
		memcpy(b->text + b->text_len, content, n);
		b->text_len += n;
		if (whole)
			b->text[b->text_len++] = '\n';
	} else if (sscanf(line, "as %15s %15s", how, engine) == 2) {
		b->from = strcmp(how, "FILE") ? ACCEL_FROM_AMBIENT : ACCEL_FROM_FILE;
		assert_int_equal(accel_engine_find(engine, strlen(engine), &b->engine), 0);
	} else if (!strncmp(line, "error ", 6)) {
		take_error(b, line + 6);
	} else {
		append(b->want, sizeof(b->want), line);
		append(b->want, sizeof(b->want), "\n");
	}
}

static void test_vectors(void **state)
{
	static struct block b;
	struct vectors v;
	unsigned n = 0;

	(void)state;
	vectors_open(&v, VECTORS_DIR "/conf.txt");
	while (vectors_line(&v)) {
		if (!strncmp(v.text, "=== ", 4)) {
			if (n++)
				check_block(&b);
			memset(&b, 0, sizeof(b));
			snprintf(b.name, sizeof(b.name), "%.255s", v.text + 4);
		} else if (v.text[0] && v.text[0] != '#') {
			take_line(&b, &v);
		}
	}
	check_block(&b);
	vectors_close(&v);
	assert_true(n > 50);
}

static void check_map(struct vectors *v)
{
	struct accel_aliases a = {0};
	struct accel_err err = {""};
	int rc = accel_aliases_put(&a, v->field[1], "M", &err);
	bool ok = !strcmp(v->field[0], "ok");
	unsigned i = 2;

	assert_vector_string(v, err.text, ok ? "" : v->field[3]);
	assert_vector_int(v, rc, ok ? 0 : vectors_code(v->field[2]));
	if (!ok)
		assert_null(a.first);
	for (struct accel_alias *alias = a.first; alias; alias = alias->next, i += 2) {
		assert_vector_string(v, alias->iface, v->field[i]);
		assert_vector_string(v, alias->target, v->field[i + 1]);
		assert_vector_string(v, accel_aliases_find(&a, v->field[i]), v->field[i + 1]);
	}
	if (ok)
		assert_vector_int(v, i, v->n);
	accel_aliases_fini(&a);
}

static void test_maps(void **state)
{
	struct vectors v;

	(void)state;
	vectors_open(&v, VECTORS_DIR "/map.txt");
	while (vectors_next(&v))
		check_map(&v);
	vectors_close(&v);
}

static void test_maps_add_up(void **state)
{
	struct accel_settings s;
	struct accel_aliases a = {0};
	const char *file = "map.eth0 = xdp:eth0\nmap.eth1 = xdp:eth1\ndefault = xdp\n";

	(void)state;
	accel_settings_init(&s);
	assert_int_equal(accel_aliases_put(&a, "", "M", NULL), 0);
	assert_null(a.first);
	assert_int_equal(accel_aliases_put(&a, "eth0=pfq:eth0", "M", NULL), 0);
	assert_int_equal(accel_aliases_put(&a, "eth9=pfq:eth0,x", "M", NULL), -EINVAL);
	assert_null(accel_aliases_find(&a, "eth9")); /* all or none */
	assert_int_equal(accel_conf_parse("F", file, strlen(file), ACCEL_FROM_AMBIENT, ACCEL_XDP,
					  &s, &a, NULL),
			 0);
	assert_string_equal(accel_aliases_find(&a, "eth0"), "pfq:eth0"); /* the first wins */
	assert_string_equal(accel_aliases_find(&a, "eth1"), "xdp:eth1");
	assert_null(accel_aliases_find(&a, "eth"));
	assert_int_equal(a.engine_for_all, ACCEL_XDP);
	assert_int_equal(accel_conf_parse("F", "default = pfq", 13, ACCEL_FROM_AMBIENT, ACCEL_XDP,
					  &s, &a, NULL),
			 0);
	assert_int_equal(a.engine_for_all, ACCEL_XDP); /* here too */
	accel_aliases_fini(&a);
	accel_settings_fini(&s);
}

static void test_size_and_path(void **state)
{
	const struct block b = {.from = ACCEL_FROM_FILE, .engine = ACCEL_PFQ};
	static char text[ACCEL_CONF_MAX_LEN + 1];
	struct accel_settings s;
	struct accel_err err;

	(void)state;
	accel_settings_init(&s);
	memset(text, '#', sizeof(text));
	assert_int_equal(parse(text, sizeof(text) - 1, &b, &s, NULL, &err), 0);
	assert_int_equal(parse(text, sizeof(text), &b, &s, NULL, &err), -EFBIG);
	assert_string_equal(err.text, "F: too large for a configuration file (at most 64KiB)");
	assert_int_equal(
		accel_conf_parse("/a/path/that/is/longer/than/sixty/bytes/and/so/is/cut/in/"
				 "texts.conf",
				 "x", 1, ACCEL_FROM_FILE, ACCEL_PFQ, &s, NULL, &err),
		-EINVAL);
	assert_string_equal(err.text,
			    "/a/path/that/is/longer/than/sixty/bytes/and/so/is/cut/in/...:1:1: "
			    "no '=' in this line (KEY = VALUE)");
	accel_settings_fini(&s);
}

static int print_setting(void *ctx, const struct accel_conf_setting *setting)
{
	accel_str_add(ctx, "%u:%u %s=%s%s%s\n", setting->line, setting->column, setting->key,
		      setting->value, setting->mistake ? " ! " : "",
		      setting->mistake ? setting->mistake : "");
	return 0;
}

static int stop_visit(void *ctx, const struct accel_conf_setting *setting)
{
	++*(int *)ctx;
	return setting->line == 2 ? 7 : 0;
}

/* Every mistake in one go, with what is right in between; a line that goes on is passed over as
 * one. */
static void test_visit(void **state)
{
	static const char text[] =
		"GROUP = 1\nbufer = 2\nno equals \\\n goes on = 3\nLang = a \\\n b\n"
		"x = \"open\nvlan = 5000\nmap.e0 = pfq:e0\ngroup = 2";
	static const char want[] =
		"1:1 group=1\n"
		"2:1 bufer=2 ! F:2:1: unknown option 'bufer' (did you mean 'buffer'?)\n"
		"3:1 = ! F:3:1: no '=' in this line (KEY = VALUE)\n"
		"5:1 computation=a b\n"
		"7:5 = ! F:7:5: no closing quote in this line (\")\n"
		"8:1 vlan=5000 ! F:8:8: vlan: '5000' is out of range (0 to 4095)\n"
		"9:1 map.e0=pfq:e0\n"
		"10:1 group=2 ! F:10:1: 'group' is there twice (first in line 1)\n";
	struct accel_conf_text file = {"F", text, strlen(text), ACCEL_FROM_AMBIENT, 0};
	struct accel_err err = {""};
	struct accel_str str;
	char is[2048];
	int n = 0;

	(void)state;
	accel_str_init(&str, is, sizeof(is));
	assert_int_equal(accel_conf_visit(&file, print_setting, &str, &err), 0);
	assert_string_equal(is, want);
	assert_int_equal(accel_conf_visit(&file, stop_visit, &n, &err), 7);
	assert_int_equal(n, 2);
	file.len = ACCEL_CONF_MAX_LEN + 1;
	assert_int_equal(accel_conf_visit(&file, print_setting, &str, &err), -EFBIG);
	assert_string_equal(err.text, "F: too large for a configuration file (at most 64KiB)");
}

static size_t read_file(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t n;

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	n = fread(text, 1, size - 1, file);
	fclose(file);
	text[n] = '\0';
	return n;
}

static void parse_shipped(const char *path, const char *text, struct accel_settings *s)
{
	struct accel_err err;

	accel_settings_init(s);
	if (accel_conf_parse(path, text, strlen(text), ACCEL_FROM_FILE, ACCEL_AFPACKET, s, NULL,
			     &err))
		fail_msg("%s", err.text);
}

/* The group files of the pfq engine. What their computations mean is tested with the language. */
static void test_groups(void **state)
{
	static const char *const names[] = {"pfq-ids.conf", "pfq-dns.conf", "pfq-vlan.conf",
					    "pfq-copy.conf"};
	struct accel_settings s;
	char path[4096], text[16384];
	struct accel_err err;

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/conf/%s", REPO_DIR, names[i]);
		read_file(path, text, sizeof(text));
		accel_settings_init(&s);
		if (accel_conf_parse(path, text, strlen(text), ACCEL_FROM_FILE, ACCEL_PFQ, &s, NULL,
				     &err))
			fail_msg("%s", err.text);
		assert_int_equal(s.v[ACCEL_OPT_GROUP].num, 10 + (i == 3 ? 2 : i == 2 ? 3 : i));
		accel_settings_fini(&s);
	}
}

static void test_profiles(void **state)
{
	static const char *const names[] = {"low-latency.conf", "high-throughput.conf",
					    "sensor.conf"};
	struct accel_settings s;
	char path[4096], text[16384];
	unsigned n_set;

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/conf/%s", REPO_DIR, names[i]);
		read_file(path, text, sizeof(text));
		parse_shipped(path, text, &s);
		n_set = 0;
		for (size_t o = 0; o < ACCEL_N_OPTS; o++)
			n_set += s.v[o].text != NULL;
		if (n_set < 2)
			fail_msg("%s sets next to nothing", path);
		accel_settings_fini(&s);
	}
}

/* As it is, the default file sets nothing: it must not overrule the programs. With the '#' taken
 * from its "#key = value" lines it names every option, and each has its default. */
static void test_default_file(void **state)
{
	const char *path = REPO_DIR "/conf/pcap-accel.conf.default";
	static char text[32768], bare[32768];
	struct accel_aliases aliases = {0};
	struct accel_settings s;
	struct accel_err err;
	size_t n = 0;

	(void)state;
	read_file(path, text, sizeof(text));
	parse_shipped(path, text, &s);
	for (size_t i = 0; i < ACCEL_N_OPTS; i++) {
		const struct accel_opt_row *row = &accel_opt_table[i];

		if (s.v[i].text)
			fail_msg("%s sets %s", path, row->key);
		if (!strstr(text, row->help))
			fail_msg("%s lacks the help of %s: %s", path, row->key, row->help);
	}
	accel_settings_fini(&s);
	for (const char *c = text; *c; c++)
		if (*c != '#' || (c > text && c[-1] != '\n') || c[1] < 'a' || c[1] > 'z')
			bare[n++] = *c;
	accel_settings_init(&s);
	if (accel_conf_parse(path, bare, n, ACCEL_FROM_AMBIENT, ACCEL_PFQ, &s, &aliases, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < ACCEL_N_OPTS; i++) {
		const struct accel_opt_row *row = &accel_opt_table[i];
		char line[128];

		snprintf(line, sizeof(line), "\n#%s =%s%s\n", row->key, *row->def ? " " : "",
			 row->def);
		if (!strstr(text, line))
			fail_msg("%s lacks the line: %s", path, line + 1);
	}
	accel_settings_fini(&s);
	accel_aliases_fini(&aliases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),	     cmocka_unit_test(test_maps),
		cmocka_unit_test(test_maps_add_up),  cmocka_unit_test(test_size_and_path),
		cmocka_unit_test(test_profiles),     cmocka_unit_test(test_groups),
		cmocka_unit_test(test_default_file), cmocka_unit_test(test_visit),
	};

	return cmocka_run_group_tests_name("spec_conf", tests, NULL, NULL);
}
