/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lang_errors.c - what is wrong with a computation is said exactly, by vectors; hostile texts
 * end in an error, soon. */
#include "test_lang.h"

#include "lang/node.h"
#include "vectors.h"

#include <time.h>

/* "#loop" is a program that the kernel would refuse, "#net" loads relative to a header. */
static int vector_pcap(void *ctx, const char *text, struct sock_filter **out, unsigned *n_out,
		       struct accel_err *err)
{
	(void)ctx;
	if (strcmp(text, "#loop") && strcmp(text, "#net"))
		return accel_fail(err, -EINVAL, "syntax error");
	*out = calloc(2, sizeof(**out));
	assert_non_null(*out);
	(*out)[0] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)-1);
	if (text[1] == 'n')
		(*out)[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS,
							 (uint32_t)SKF_NET_OFF);
	(*out)[1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	*n_out = 2;
	return 0;
}

static void test_vectors(void **state)
{
	struct accel_lang_options opt = {.compile_pcap = vector_pcap};
	struct vectors v;
	unsigned n = 0;

	(void)state;
	vectors_open(&v, VECTORS_DIR "/lang_error.txt");
	for (; vectors_next(&v); n++) {
		struct accel_lang *lang = (struct accel_lang *)&v;
		struct accel_err err = {"untouched"};
		size_t len = strlen(v.field[0]);

		if (strchr(v.field[0], '\1')) /* "<01>" stands for NUL */
			*strchr(v.field[0], '\1') = '\0';
		assert_vector_int(&v,
				  accel_lang_compile("conf", v.field[0], len, &opt, &lang, &err),
				  vectors_code(v.field[1]));
		assert_vector_string(&v, err.text, v.field[2]);
		assert_ptr_equal(lang, &v);
	}
	vectors_close(&v);
	assert_true(n > 120);
}

static void explain(const char *text, char *out, size_t size)
{
	struct accel_lang_where where;
	struct accel_lang_options opt = {.where = &where};
	struct accel_lang *lang = NULL;
	struct accel_err err = {""};
	size_t n;

	assert_true(accel_lang_compile("conf", text, strlen(text), &opt, &lang, &err) < 0);
	n = accel_lang_explain_error(text, strlen(text), &err, &where, out, size);
	assert_true(n < size && n == strlen(out));
}

static void test_explain(void **state)
{
	char out[1024], text[400];

	(void)state;
	explain("ip >-> steer_flwo >-> tcp", out, sizeof(out));
	assert_string_equal(out, "conf:1:8: unknown function 'steer_flwo' (did you mean "
				 "'steer_flow'?)\n"
				 "    ip >-> steer_flwo >-> tcp\n"
				 "           ^~~~~~~~~~\n");
	explain("ip >->\n\tlog_msg \"\xc3\xa9\" >-> port 70000\n>-> tcp", out, sizeof(out));
	assert_string_equal(out, "conf:2:24: port: 70000 is out of range (0 to 65535)\n"
				 "     log_msg \"\xc3\xa9\" >-> port 70000\n"
				 "                          ^~~~~\n");
	explain("ip >->", out, sizeof(out));
	assert_string_equal(out, "conf:1:7: the text ends behind '>->' (a function or a value is "
				 "missing)\n    ip >->\n          ^\n");
	/* Of a long line a part is shown. */
	memset(text, ' ', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memcpy(text + 200, "xx yy", 5);
	explain(text, out, sizeof(out));
	assert_true(strlen(out) < 400);
	assert_non_null(strstr(out, "xx yy"));
}

/* Where there is nobody to compile them. */
static void test_no_pcap(void **state)
{
	const char text[] = "filter \"tcp\"";
	struct accel_lang *lang = NULL;
	struct accel_err err = {""};

	(void)state;
	assert_int_equal(accel_lang_compile("conf", text, strlen(text), NULL, &lang, &err),
			 -EOPNOTSUPP);
	assert_string_equal(err.text, "conf:1:8: a pcap filter needs libpcap, which is not at hand "
				      "here");
}

static void test_explain_is_cut(void **state)
{
	struct accel_lang_where where = {.at = 0, .len = 2, .line = 1, .column = 1};
	struct accel_err err = {"text"};
	char out[8];

	(void)state;
	assert_int_equal(accel_lang_explain_error("ip", 2, &err, &where, out, sizeof(out)), 19);
	assert_string_equal(out, "text\n  ");
	assert_int_equal(accel_lang_explain_error("ip", 2, &err, &where, NULL, 0), 19);
}

/* Compile what nobody writes. Returns the error; it must come within a second. */
static int compile_hostile(const char *text, size_t len)
{
	struct accel_lang_options opt = {.compile_pcap = vector_pcap};
	struct accel_lang *lang = NULL;
	struct accel_err err = {""};
	clock_t start = clock();
	int rc = accel_lang_compile("hostile", text, len, &opt, &lang, &err);

	assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
	assert_true((rc < 0) == (err.text[0] != '\0'));
	assert_true(strlen(err.text) < sizeof(err.text));
	accel_lang_free(lang);
	return rc;
}

static int compile_repeated(const char *start, const char *piece, size_t len, const char *end)
{
	char *text = repeat_text(start, piece, len, end);
	int rc = compile_hostile(text, strlen(text));

	free(text);
	return rc;
}

static void test_hostile(void **state)
{
	(void)state;
	assert_int_equal(compile_repeated("", "ip >-> ", 1 << 20, "ip"), -EFBIG);
	assert_int_equal(compile_repeated("", "(", 60000, ""), -EINVAL);
	assert_int_equal(compile_repeated("", "(", 60000, "ip"), -EINVAL);
	assert_int_equal(compile_repeated("", "[", 60000, ""), -EINVAL);
	assert_int_equal(compile_repeated("", ")", 60000, ""), -EINVAL);
	assert_int_equal(compile_repeated("", "{-", 60000, ""), -EINVAL);
	assert_int_equal(compile_repeated("", "inv $ ", 60000, "ip"), -EINVAL);
	assert_int_equal(compile_repeated("", "if is_tcp then ", 60000, "ip"), -EINVAL);
	assert_int_equal(compile_repeated("", "if is_tcp then ip else ", 60000, "ip"), -EINVAL);
	assert_int_equal(compile_repeated("", "\"", 60001, ""), -EINVAL);
	assert_int_equal(compile_repeated("", "a", 60000, ""), -EINVAL);
	assert_int_equal(compile_repeated("", "9", 60000, ""), -ERANGE);
	assert_int_equal(compile_repeated("", "\xff", 60000, ""), -EILSEQ);
	assert_int_equal(compile_repeated("log_msg \"", "\xc3\xa9", 60000, "\""), 0);
	assert_int_equal(compile_repeated("", "ip >-> ", 60000, "ip"), -E2BIG);
	assert_int_equal(compile_repeated("", "unit >-> ", 60000, "unit"), 0);
	assert_int_equal(compile_repeated("filter (is_tcp", " .||. is_tcp", 60000, ")"), -E2BIG);
	assert_int_equal(compile_repeated("filter (is_tcp", " .^^. is_tcp", 60000, ")"), -E2BIG);
	assert_int_equal(compile_repeated("vlan_id_filter [1", ",1", 60000, "]"), -E2BIG);
	assert_int_equal(compile_hostile("ip\0ip", 5), -EILSEQ);
	assert_int_equal(compile_hostile("ip\0", 3), -EILSEQ);
	assert_int_equal(compile_hostile("\xef\xbb\xbfip", 5), -EINVAL);
}

/* Operands of an xor are copied: forty within each other would be a program of 2^40. */
static void test_xor_in_xor(void **state)
{
	char text[2048] = "filter (";
	unsigned n = 40;

	(void)state;
	for (unsigned i = 0; i < n; i++)
		strcat(text, "is_tcp .^^. (");
	strcat(text, "is_udp");
	for (unsigned i = 0; i <= n; i++)
		strcat(text, ")");
	assert_int_equal(compile_hostile(text, strlen(text)), -E2BIG);
}

static void test_size_is_said(void **state)
{
	const char start[] = "vlan_id_filter [0";
	struct accel_lang *lang = NULL;
	struct accel_err err = {""};
	char text[40000];
	size_t n = strlen(start);

	(void)state;
	memcpy(text, start, n);
	for (unsigned i = 0; i < 4500; i++, n += 6)
		memcpy(text + n, ", 4095", 6);
	text[n++] = ']';
	assert_int_equal(accel_lang_compile("big", text, n, NULL, &lang, &err), -E2BIG);
	assert_string_equal(err.text,
			    "big: needs a program of 4521 instructions or more (at most 4096)");
}

/* More alternatives within each other than there are cells to remember in. */
static void test_cells_run_out(void **state)
{
	char text[4096] = "";
	struct accel_lang *lang = NULL;
	struct accel_err err = {""};

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		strcat(text, "par (steer_flow >-> broadcast >-> classify 1 >-> tcp >-> ");
	strcat(text, "double_steer_ip");
	for (unsigned i = 0; i < 20; i++)
		strcat(text, ") steer_p2p");
	assert_int_equal(accel_lang_compile("deep", text, strlen(text), NULL, &lang, &err),
			 -ENOSPC);
	assert_non_null(strstr(err.text, "needs more than the 16 scratch cells"));
}

/* Every refused function says so by its name and its reason, whatever its arguments. */
static void test_every_refusal(void **state)
{
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < accel_lang_n_prims; i++) {
		const struct accel_lang_prim *prim = &accel_lang_prims[i];
		struct accel_lang *lang = NULL;
		struct accel_err err = {""};
		char text[100], want[400];

		if (prim->status != ACCEL_LANG_REFUSED)
			continue;
		snprintf(text, sizeof(text), "%s%s",
			 prim->type == ACCEL_LANG_PREDICATE ? "filter " : "", prim->name);
		snprintf(want, sizeof(want), "x:1:%d: '%s' cannot be done on a stock kernel: %s",
			 prim->type == ACCEL_LANG_PREDICATE ? 8 : 1, prim->name, prim->why);
		assert_int_equal(accel_lang_compile("x", text, strlen(text), NULL, &lang, &err),
				 -EOPNOTSUPP);
		assert_string_equal(err.text, want);
		n++;
	}
	assert_true(n > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),	      cmocka_unit_test(test_explain),
		cmocka_unit_test(test_no_pcap),	      cmocka_unit_test(test_explain_is_cut),
		cmocka_unit_test(test_hostile),	      cmocka_unit_test(test_xor_in_xor),
		cmocka_unit_test(test_size_is_said),  cmocka_unit_test(test_cells_run_out),
		cmocka_unit_test(test_every_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
