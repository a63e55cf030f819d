/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lang_nomem.c - each allocation of a compilation fails in turn. Each time the answer is -ENOMEM
 * with a text, nothing is leaked, and what the caller has is as it was.
 *
 * Threads: one. */
#include "test_lang.h"

#include "nomem.h"

#define MOST_MEMORY (16 << 20)

static const char *const texts[] = {
	"steer_flow",
	"when (vlan_id [1, 2, 3] .||. has_addr \"10.0.0.0/8\") $ log_msg \"x\" >-> steer_p2p",
	"filter \"#0\" >-> double_steer_ip",
	"unless is_tcp (bloom_filter 64 [\"10.0.0.1\", \"10.0.0.2\"] 32) >-> no_frag >-> detour_if "
	"is_ip",
	"vlan_id_filter [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, "
	"21]",
};

/* True: it did not fail, so every allocation has had its turn. */
static bool attempt(const char *text, unsigned nth)
{
	struct accel_lang_options opt = {.compile_pcap = fake_pcap};
	struct accel_lang *lang = (struct accel_lang *)&opt;
	struct accel_err err = {""};
	long before = n_live;
	int rc;

	n_calls = 0;
	fail_call = nth;
	rc = accel_lang_compile("nomem", text, strlen(text), &opt, &lang, &err);
	fail_call = 0;
	if (rc) {
		assert_int_equal(rc, -ENOMEM);
		assert_non_null(strstr(err.text, "out of memory"));
		assert_ptr_equal(lang, &opt);
		assert_int_equal(n_live, before);
		return false;
	}
	accel_lang_free(lang);
	return n_calls < nth;
}

static void test_compile(void **state)
{
	(void)state;
	programs[0].insns[0] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 1);
	programs[0].n = 1;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(texts); i++) {
		unsigned nth = 1;

		while (!attempt(texts[i], nth))
			assert_true(nth++ < 1000);
		assert_true(nth > 5);
	}
}

static void test_filter(void **state)
{
	struct accel_lang *lang = NULL;
	struct accel_err err = {""};
	bool done = false;

	(void)state;
	assert_int_equal(accel_lang_compile("nomem", "ip >-> steer_flow", 17, NULL, &lang, &err),
			 0);
	for (unsigned nth = 1; !done; nth++) {
		struct sock_filter *out = NULL;
		unsigned n = 7;
		int rc;

		n_calls = 0;
		fail_call = nth;
		rc = accel_lang_filter(lang, 0, 2, NULL, 0, &out, &n, &err);
		fail_call = 0;
		done = !rc;
		assert_true(done || (rc == -ENOMEM && !out && n == 7));
		assert_true(done || !strcmp(err.text, "nomem: out of memory"));
		free(out);
	}
	accel_lang_free(lang);
}

/* Hostile texts of the longest length need memory that is bounded, whatever comes of them. */
static void test_memory_is_bounded(void **state)
{
	static const struct {
		const char *start, *piece, *end;
	} hostile[] = {
		{"", "ip >-> ", "ip"},
		{"", "(", ""},
		{"", "[", ""},
		{"", "$", ""},
		{"", "a ", "a"},
		{"", "1 ", "1"},
		{"", "inv $ ", "ip"},
		{"", "if is_tcp then ip else ", "ip"},
		{"", "steer_flow >-> ", "steer_flow"},
		{"", "double_steer_ip >-> ", "steer_link"},
		{"filter (is_tcp", " .^^. is_tcp", ")"},
		{"filter (is_tcp", " .||. is_udp", ")"},
		{"vlan_id_filter [1", ",1", "]"},
		{"bloom_filter 1 [\"10.0.0.1\"", ",\"10.0.0.2\"", "] 32"},
		{"filter (\"#0\"", " .||. \"#0\"", ")"},
	};
	struct accel_lang_options opt = {.compile_pcap = fake_pcap};

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(hostile); i++) {
		char *text = repeat_text(hostile[i].start, hostile[i].piece,
					 ACCEL_LANG_MAX_LEN - 100, hostile[i].end);
		struct accel_lang *lang = NULL;
		struct accel_err err = {""};
		size_t before = live_len;

		most_len = 0;
		if (accel_lang_compile("long", text, strlen(text), &opt, &lang, &err) == 0)
			accel_lang_free(lang);
		if (most_len - before > MOST_MEMORY)
			fail_msg("%.40s...: %zu bytes", text, most_len - before);
		assert_int_equal(live_len, before);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compile),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
