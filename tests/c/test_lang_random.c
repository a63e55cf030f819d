/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lang_random.c - random computations over random packets, and over packets that the kernel's own
 * stack has made: what the programs do is what the interpreter says, in our own BPF machine and in the
 * kernel. A failing case is made smaller and printed with its seed.
 *
 * With ACCEL_FULL a million pairs. ACCEL_SEED: another seed. */
#include "test_lang_expr.h"
#include "test_lang_traffic.h"

#define PER_PROGRAM 20 /* packets */

enum outcome { AGREES, DIFFERS, TOO_LARGE };

struct trial {
	struct expr *expr;
	struct lang_packet packet;
	const struct kernel *kernel;
	unsigned n_members;
	char text[TEXT_LEN];
	char fault[FAULT_LEN];
};

static const struct accel_lang_options options = {.compile_pcap = fake_pcap};

static enum outcome try_it(struct trial *t, struct accel_lang **keep)
{
	struct accel_lang *lang = *keep;
	struct accel_err err = {""};
	int rc = 0;
	bool good;

	if (!lang) {
		size_t len = print_expr(t->expr, t->text, sizeof(t->text));

		rc = accel_lang_compile("test", t->text, len, &options, &lang, &err);
		*keep = lang;
	}
	if (rc == -E2BIG || rc == -ENOSPC)
		return TOO_LARGE;
	if (rc) {
		snprintf(t->fault, sizeof(t->fault), "%.250s", err.text);
		return DIFFERS;
	}
	good = check_packet(lang, &t->packet, t->n_members, t->kernel, t->fault);
	return good ? AGREES : DIFFERS;
}

static bool still_differs(struct trial *t)
{
	struct accel_lang *lang = NULL;
	bool differs = try_it(t, &lang) == DIFFERS;

	accel_lang_free(lang);
	return differs;
}

/* Put a kid, or the simplest expression of the type, where *e is. */
static bool shrink_expr(struct trial *t, struct expr **e)
{
	static struct expr simplest[] = {{ACCEL_LANG_ACTION, "unit", {NULL}, 0},
					 {ACCEL_LANG_PREDICATE, "is_ip", {NULL}, 0},
					 {ACCEL_LANG_PROPERTY, "ip_ttl", {NULL}, 0}};
	struct expr *was = *e;

	if (was == &simplest[was->type])
		return false;
	*e = &simplest[was->type];
	if (still_differs(t))
		return true;
	for (unsigned i = 0; i < was->n_kids; i++) {
		*e = was->kids[i];
		if ((*e)->type == was->type && still_differs(t))
			return true;
	}
	*e = was;
	for (unsigned i = 0; i < was->n_kids; i++)
		if (shrink_expr(t, &was->kids[i]))
			return true;
	return false;
}

static void shrink_packet(struct trial *t)
{
	struct lang_packet was = t->packet;

	for (unsigned by = 64; by; by /= 2)
		while (t->packet.len >= by) {
			was = t->packet;
			t->packet.len -= by;
			if (still_differs(t))
				continue;
			t->packet = was;
			break;
		}
	for (unsigned i = 0; i < t->packet.len; i++) {
		uint8_t byte = t->packet.data[i];

		t->packet.data[i] = 0;
		if (byte && !still_differs(t))
			t->packet.data[i] = byte;
	}
}

static void report(struct trial *t, uint64_t seed, unsigned round)
{
	while (shrink_expr(t, &t->expr))
		;
	shrink_packet(t);
	assert_true(still_differs(t));
	print_error("seed %#llx, program %u, %u members:\n  %s\n", (unsigned long long)seed, round,
		    t->n_members, t->text);
	print_bytes(t->packet.data, t->packet.len);
	print_error("tag %d %#x, pkttype %u\n", t->packet.aux.vlan_present, t->packet.aux.vlan_tci,
		    t->packet.aux.pkttype);
	fail_msg("%s", t->fault);
}

static void make_programs(struct rng *rng)
{
	for (unsigned i = 0; i < N_PROGRAMS; i++)
		programs[i].n = random_program(rng, programs[i].insns, 60);
}

/* Where packets come from. */
struct source {
	const char *name;
	uint64_t seed;
	void (*next)(struct rng *rng, struct lang_packet *packet);
	bool in_kernel;
};

static void next_random(struct rng *rng, struct lang_packet *packet)
{
	random_packet(rng, packet);
	random_aux(rng, &packet->aux);
}

static void next_real(struct rng *rng, struct lang_packet *packet)
{
	*packet = traffic[rng_below(rng, n_traffic)];
}

static uint64_t seed_of(const struct source *source)
{
	const char *given = getenv("ACCEL_SEED");
	uint64_t seed = 0;

	for (; given && *given; given++)
		seed = seed * 10 + (unsigned)(*given - '0');
	return seed ? seed : source->seed;
}

/* Rounds of one computation over some packets each. Returns how many pairs there were. */
static unsigned agree(const struct source *source, unsigned n_programs)
{
	struct rng rng = rng_from(source->name, seed_of(source));
	struct kernel kernel;
	struct trial t = {.kernel = source->in_kernel ? &kernel : NULL};
	unsigned n_pairs = 0, n_large = 0;

	make_programs(&rng);
	kernel_init(&kernel);
	for (unsigned i = 0; i < n_programs; i++) {
		struct accel_lang *lang = NULL;
		enum outcome outcome = AGREES;

		n_pool = 0;
		t.expr = random_expr(&rng, ACCEL_LANG_ACTION, 0);
		for (unsigned p = 0; outcome == AGREES && p < PER_PROGRAM; p++) {
			source->next(&rng, &t.packet);
			t.n_members = 1 + rng_below(&rng, 16);
			outcome = try_it(&t, &lang);
			n_pairs += outcome == AGREES;
		}
		n_large += outcome == TOO_LARGE;
		if (outcome == DIFFERS)
			report(&t, seed_of(source), i);
		accel_lang_free(lang);
	}
	kernel_fini(&kernel);
	print_message("%u pairs agree; %u of %u programs were too large\n", n_pairs, n_large,
		      n_programs);
	assert_true(n_large < n_programs / 4);
	return n_pairs;
}

/* pcap filters alone: random programs within ours. */
static void test_spliced(void **state)
{
	struct rng rng = rng_from("spliced", 0x5eed03);
	char text[64], fault[FAULT_LEN];
	unsigned n_compiled = 0;

	(void)state;
	for (unsigned i = 0; i < rounds(1000); i++) {
		struct accel_lang *lang = NULL;
		struct accel_err err = {""};
		struct lang_packet packet;

		if (i % N_PROGRAMS == 0)
			make_programs(&rng);
		snprintf(text, sizeof(text), "filter \"#%u\" >-> steer_link", i % N_PROGRAMS);
		if (accel_lang_compile("test", text, strlen(text), &options, &lang, &err)) {
			assert_non_null(strstr(err.text, "scratch cells"));
			continue;
		}
		n_compiled++;
		for (unsigned p = 0; p < PER_PROGRAM; p++) {
			memset(&packet, 0, sizeof(packet));
			packet.len = rng_below(&rng, 80);
			random_bytes(&rng, packet.data, packet.len);
			if (check_packet(lang, &packet, 3, NULL, fault))
				continue;
			print_program(programs[i % N_PROGRAMS].insns, programs[i % N_PROGRAMS].n);
			print_bytes(packet.data, packet.len);
			fail_msg("round %u: %s", i, fault);
		}
		accel_lang_free(lang);
	}
	assert_true(n_compiled > rounds(1000) / 2);
}

/* Every kind that a computation tells apart is among them. */
static void check_traffic(void)
{
	static const char *const kinds[] = {
		"is_tcp",
		"is_tcp6",
		"is_udp .&&. is_first_frag",
		"is_udp .&&. is_more_frag",
		"is_udp6 .&&. is_first_frag",
		"is_udp6 .&&. is_more_frag",
		"icmp_type .== 8",
		"is_icmp .&&. icmp_type .== 3",
		"is_icmp6 .&&. icmp_type .== 1",
		"is_sip",
		"is_broadcast .&&. is_udp",
		"is_l3_proto 0x0806",
		"is_incoming_host",
		"not is_incoming_host",
	};

	for (size_t i = 0; i < ACCEL_ARRAY_LEN(kinds); i++) {
		struct accel_lang *lang = NULL;
		struct accel_err err = {""};
		struct accel_lang_verdict v;
		char text[100];
		unsigned n = 0;

		snprintf(text, sizeof(text), "filter (%s)", kinds[i]);
		if (accel_lang_compile("kind", text, strlen(text), NULL, &lang, &err))
			fail_msg("%s", err.text);
		for (unsigned p = 0; p < n_traffic; p++) {
			accel_lang_eval(lang, traffic[p].data, traffic[p].len, &traffic[p].aux, &v);
			n += v.outcome == ACCEL_LANG_TO_ALL;
		}
		accel_lang_free(lang);
		if (!n)
			fail_msg("the kernel's own packets have none of: %s", kinds[i]);
	}
}

/* 20,000 pairs, and a million. */
static void test_machine(void **state)
{
	const struct source source = {"machine", 0x5eed01, next_random, false};

	(void)state;
	assert_true(agree(&source, rounds(1100)) >= rounds(20000));
}

static void test_kernel(void **state)
{
	const struct source source = {"kernel", 0x5eed02, random_packet, true};

	(void)state;
	assert_true(agree(&source, rounds(110)) >= rounds(2000));
}

/* What the host's own stack sends and receives. */
static void test_real(void **state)
{
	const struct source source = {"real", 0x5eed04, next_real, false};

	(void)state;
	if (why_not) {
		print_message("skipped: %s\n", why_not);
		skip();
	}
	record_traffic();
	check_traffic();
	assert_true(agree(&source, rounds(300)) >= rounds(5000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_spliced),
		cmocka_unit_test(test_real),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
