/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lang_eval.c - what each function means, by vectors over named packets; PFQ's own steering
 * values; the forms that can be printed. */
#include "test_lang.h"

#include "lang/eval.h"
#include "vectors.h"

static unsigned n_packets;
static struct {
	const char *name;
	struct lang_packet packet;
} named[64];

static void add_packet(const char *name, const char *hex)
{
	struct lang_packet *p = &named[n_packets].packet;

	named[n_packets++].name = name;
	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		p->data[p->len++] = (uint8_t)(vectors_hex(hex[0]) * 16 + vectors_hex(hex[1]));
		hex++;
	}
}

#define MACS		      "020000000002 020000000001 "
#define TCP20		      "00000001 00000002 50100100 00000000 "
#define IPV4(proto, src, dst) "45000040 00070000 40" proto "0000 " src " " dst " "
#define A1		      "0A000001"
#define A2		      "0A000002"
#define IPV6(next)                                                  \
	"60000000 0028" next "40 20010DB8000000000000000000000001 " \
	"20010DB8000000000000000000000002 "
#define PORTS "04D20050 "

static int make_packets(void **state)
{
	(void)state;
	add_packet("tcp", MACS "0800" IPV4("06", A1, A2) PORTS TCP20);
	add_packet("tcp back",
		   "020000000001 020000000002 0800" IPV4("06", A2, A1) "005004D2" TCP20);
	add_packet("tcp 8 bytes", MACS "0800" IPV4("06", A1, A2) PORTS "00000001");
	add_packet("tcp 7 bytes", MACS "0800" IPV4("06", A1, A2) PORTS "000000");
	add_packet("udp",
		   MACS "0800" IPV4("11", "C0A8010A", "08080808") "C7380035 000C0000 00000000");
	add_packet("icmp", MACS "0800" IPV4("01", A1, A2) "08000000 00010001");
	add_packet("fragment 1",
		   MACS "0800 45000040 00072000 40110000" A1 A2 PORTS "00400000 1234");
	add_packet("fragment 2", MACS "0800 45000040 00070009 40110000" A1 A2 "DEADBEEF 12345678");
	add_packet("options",
		   MACS "0800 47000040 00070000 40060000" A1 A2 "01010101 01010101" PORTS TCP20);
	add_packet("cut ip", MACS "0800 45000040 0007");
	add_packet("limited", "FFFFFFFFFFFF 020000000001 0800" IPV4(
				      "11", A1, "FFFFFFFF") "00440043 000C0000 00000000");
	add_packet("multicast", "01005E000005 020000000001 0800" IPV4(
					"11", A1, "E0000005") "14E914E9 000C0000 00000000");
	add_packet("tcp6", MACS "86DD" IPV6("06") PORTS TCP20);
	add_packet("udp6", MACS "86DD" IPV6("00") "11000104 00000000"
						  "04D20035 000C0000 00000000");
	add_packet("icmp6", MACS "86DD" IPV6("3A") "87000000 00000000");
	add_packet("fragment6 1", MACS "86DD" IPV6("2C") "11000001 00000009" PORTS "00400000");
	add_packet("fragment6 2", MACS "86DD" IPV6("2C") "11000008 00000009 DEADBEEF 00400000");
	add_packet("arp", "FFFFFFFFFFFF 020000000001 0806 00010800 06040001 020000000001" A1
			  "000000000000" A2);
	add_packet("lldp", "0180C200000E 020000000001 88CC 0207 04020000 00000104");
	add_packet("vlan", MACS "8100 2064 0800" IPV4("06", A1, A2) PORTS TCP20);
	add_packet("priority", MACS "8100 E000 0800" IPV4("06", A1, A2) PORTS TCP20);
	add_packet("qinq", MACS "88A8 0014 8100 0064 0800" IPV4("06", A1, A2) PORTS TCP20);
	add_packet("three tags",
		   MACS "88A8 0014 8100 0064 8100 0065 0800" IPV4("06", A1, A2) PORTS TCP20);
	add_packet("stripped", MACS "0800" IPV4("06", A1, A2) PORTS TCP20);
	named[n_packets - 1].packet.aux = (struct accel_bpf_aux){
		.vlan_present = true, .vlan_tci = 0x2064, .vlan_tpid = 0x8100};
	add_packet("rtp", MACS "0800" IPV4("11", A1, A2) "138C1770 00140000 801A0001 00000000");
	add_packet("rtcp", MACS "0800" IPV4("11", A1, A2) "138D1771 00140000 80C80001 00000000");
	add_packet("sip", MACS "0800" IPV4("11", A1, A2) "13C40400 00140000 49535649");
	add_packet("ipip",
		   MACS "0800" IPV4("04", "C0A80101", "C0A80102") IPV4("06", A1, A2) PORTS TCP20);
	add_packet("6in4", MACS "0800" IPV4("29", "C0A80101", "C0A80102") IPV6("06") PORTS TCP20);
	add_packet("sctp", MACS "0800" IPV4("84", A1, A2) PORTS "00000000 00000000");
	add_packet("foreign", MACS "0800" IPV4("06", "C0A80101", "C0A80102") PORTS TCP20);
	add_packet("one inside", MACS "0800" IPV4("06", "08080808", "0A010203") PORTS TCP20);
	add_packet("gateway",
		   "020000000099 020000000001 0800" IPV4("06", A1, "08080808") PORTS TCP20);
	add_packet("from gateway",
		   "020000000001 020000000099 0800" IPV4("06", "08080808", A1) PORTS TCP20);
	add_packet("13 bytes", "020000000002 020000000001 08");
	add_packet("14 bytes", "020000000002 020000000001 0806");
	add_packet("15 bytes", "020000000002 020000000001 8100 00");
	add_packet("16 bytes", "020000000002 020000000001 8100 0064");
	add_packet("multicast6", MACS "86DD 60000000 00280640 20010DB8000000000000000000000001 "
				      "FF020000000000000000000000000001" PORTS TCP20);
	add_packet("from multicast6",
		   MACS "86DD 60000000 00280640 FF020000000000000000000000000001 "
			"20010DB8000000000000000000000001" PORTS TCP20);
	add_packet("ipip fragment", MACS "0800 45000040 00072000 40040000 C0A80101 C0A80102" IPV4(
					    "06", A1, A2) PORTS TCP20);
	add_packet("ipip later", MACS "0800 45000040 00070009 40040000 C0A80101 C0A80102" IPV4(
					 "06", A1, A2) PORTS TCP20);
	add_packet("nothing", "");
	return 0;
}

static const struct lang_packet *packet_of(const char *name)
{
	for (unsigned i = 0; i < n_packets; i++)
		if (!strcmp(named[i].name, name))
			return &named[i].packet;
	fail_msg("no packet '%s'", name);
	return NULL;
}

static struct accel_lang *compile(const char *text, enum accel_lang_hash hash)
{
	struct accel_lang_options opt = {.hash = hash};
	struct accel_lang *lang = NULL;
	struct accel_err err = {""};

	if (accel_lang_compile("test", text, strlen(text), &opt, &lang, &err))
		fail_msg("%s: %s", text, err.text);
	return lang;
}

static const char *verdict_text(const struct accel_lang_verdict *v, char out[80])
{
	int n = 0;

	switch (v->outcome) {
	case ACCEL_LANG_TO_NOBODY:
		return "none";
	case ACCEL_LANG_TO_ALL:
		n = snprintf(out, 80, "all");
		break;
	case ACCEL_LANG_TO_ONE:
		n = v->spread ? snprintf(out, 80, "any") : snprintf(out, 80, "one %08x", v->h);
		break;
	case ACCEL_LANG_TO_TWO:
		n = snprintf(out, 80, "two %08x %08x", v->h, v->h2);
		break;
	}
	if (v->classes == ACCEL_LANG_ALL_CLASSES)
		snprintf(out + n, 80 - (size_t)n, " of every class");
	else if (v->classes != 1)
		snprintf(out + n, 80 - (size_t)n, " of classes %#llx",
			 (unsigned long long)v->classes);
	return out;
}

/* Names that a text uses are crossed off. */
static bool used[1024];

static void note_names(const char *text)
{
	const char *start = text;

	for (; *text; text = start) {
		size_t n = strspn(
			start, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
		const struct accel_lang_prim *prim = accel_lang_prim_find(start, n);

		if (prim)
			used[prim - accel_lang_prims] = true;
		start += n ? n : 1;
	}
}

static void test_verdicts(void **state)
{
	struct vectors v;
	unsigned n = 0;

	(void)state;
	vectors_open(&v, VECTORS_DIR "/lang_verdict.txt");
	for (; vectors_next(&v); n++) {
		struct accel_lang *lang = compile(v.field[0], ACCEL_LANG_HASH_V6);
		const struct lang_packet *packet = packet_of(v.field[1]);
		struct accel_lang_verdict verdict;
		char text[80], fault[FAULT_LEN];

		accel_lang_eval(lang, packet->data, packet->len, &packet->aux, &verdict);
		assert_vector_string(&v, verdict_text(&verdict, text), v.field[2]);
		for (unsigned members = 1; members <= 16; members++)
			if (!check_packet(lang, packet, members, NULL, fault))
				fail_msg("%s:%u: %s", v.name, v.line, fault);
		note_names(v.field[0]);
		accel_lang_free(lang);
	}
	vectors_close(&v);
	assert_true(n > 300);
	for (unsigned i = 0; i < accel_lang_n_prims; i++)
		if (!used[i] && accel_lang_prims[i].status != ACCEL_LANG_REFUSED)
			fail_msg("lang_verdict.txt has no case of '%s'", accel_lang_prims[i].name);
}

/* Every packet in every example of the table: the programs say what the interpreter says. */
static void test_examples(void **state)
{
	char fault[FAULT_LEN];

	(void)state;
	for (unsigned i = 0; i < accel_lang_n_prims; i++) {
		const char *text = accel_lang_prims[i].example;
		struct accel_lang *lang;

		if (!text || !strncmp(text, "filter \"", 8))
			continue;
		lang = compile(text, ACCEL_LANG_HASH_V6);
		for (unsigned p = 0; p < n_packets; p++)
			if (!check_packet(lang, &named[p].packet, 3, NULL, fault))
				fail_msg("%s: %s: %s", text, named[p].name, fault);
		accel_lang_free(lang);
	}
}

/* A row is complete and unlike the others. */
static void test_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < accel_lang_n_prims; i++) {
		const struct accel_lang_prim *prim = &accel_lang_prims[i];

		assert_ptr_equal(accel_lang_prim_find(prim->name, strlen(prim->name)), prim);
		assert_non_null(prim->since);
		assert_true(prim->doc && prim->doc[0] && prim->doc[strlen(prim->doc) - 1] != '.');
		assert_true((prim->status == ACCEL_LANG_WORKS) == !prim->why);
		assert_true((prim->status == ACCEL_LANG_REFUSED) == !prim->example);
		if (prim->status != ACCEL_LANG_REFUSED && prim->kind == ACCEL_NODE_DO)
			assert_non_null(prim->act);
		if (prim->kind == ACCEL_NODE_TEST)
			assert_non_null(prim->test);
	}
}

static const struct accel_lang_prim *prim_of(const struct vectors *v)
{
	static const char *const statuses[] = {"works", "no-op", "refused"};
	static const char *const types[] = {"Action Qbuff", "Bool", "Word64"};
	const struct accel_lang_prim *prim = accel_lang_prim_find(v->field[0], strlen(v->field[0]));

	if (!prim)
		fail_msg("%s:%u: not in the table", v->name, v->line);
	assert_vector_string(v, statuses[prim->status], v->field[1]);
	assert_vector_string(v, types[prim->type], v->field[2]);
	return prim;
}

/* Nothing of PFQ's is missing, and nothing else is there but what we call ours. */
static void test_all_of_pfq(void **state)
{
	unsigned n = 0, n_ours = 0;
	struct vectors v;

	(void)state;
	vectors_open(&v, VECTORS_DIR "/lang_functions.txt");
	for (; vectors_next(&v); n++)
		assert_string_not_equal(prim_of(&v)->since, "+");
	vectors_close(&v);
	for (unsigned i = 0; i < accel_lang_n_prims; i++)
		n_ours += !strcmp(accel_lang_prims[i].since, "+");
	assert_int_equal(n + n_ours, accel_lang_n_prims);
	assert_int_equal(n_ours, 1);
}

/* PFQ's own way from a mixed value to one of n members. */
static unsigned pfq_fold(uint32_t value, unsigned n)
{
	unsigned power = 1;

	while (power < n)
		power *= 2;
	if (power == n || (value & (power - 1)) < n)
		return n < 8 && power != n ? value % n : value & (power - 1);
	return value % n;
}

/* The tuple's value, what it is mixed to, and PFQ's member of n: for n up to 8, and powers of two, the
 * kernel's modulo chooses the same. */
static void test_golden(void **state)
{
	static const unsigned v6_members[] = {2, 3, 4, 5, 6, 7, 8, 9, 12};
	static const unsigned v3_members[] = {2, 3, 4, 5, 8};
	static const struct {
		const char *text, *packet;
		uint32_t h, value;
		uint8_t v6[ACCEL_ARRAY_LEN(v6_members)];
		uint8_t v3[ACCEL_ARRAY_LEN(v3_members)];
	} rows[] = {
		{"steer_flow",
		 "tcp",
		 0x03008204,
		 0xe8c9280f,
		 {1, 2, 3, 3, 5, 4, 7, 5, 11},
		 {0, 2, 2, 4, 6}},
		{"steer_flow",
		 "tcp back",
		 0x03008204,
		 0xe8c9280f,
		 {1, 2, 3, 3, 5, 4, 7, 5, 11},
		 {0, 2, 2, 4, 6}},
		{"steer_flow",
		 "udp",
		 0x0209ad0f,
		 0x7dd4b153,
		 {1, 0, 3, 2, 3, 3, 3, 3, 3},
		 {1, 2, 3, 0, 3}},
		{"steer_p2p",
		 "tcp",
		 0x03000000,
		 0xe51ebd4c,
		 {0, 2, 0, 4, 2, 1, 4, 2, 8},
		 {0, 0, 0, 4, 0}},
		{"steer_ip",
		 "icmp",
		 0x03000000,
		 0xe51ebd4c,
		 {0, 2, 0, 4, 2, 1, 4, 2, 8},
		 {0, 0, 0, 4, 0}},
	};

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(rows); i++) {
		const struct lang_packet *packet = packet_of(rows[i].packet);
		struct accel_lang *v6 = compile(rows[i].text, ACCEL_LANG_HASH_V6);
		struct accel_lang *v3 = compile(rows[i].text, ACCEL_LANG_HASH_V3);
		struct accel_lang_verdict verdict;
		char fault[FAULT_LEN];

		accel_lang_eval(v6, packet->data, packet->len, &packet->aux, &verdict);
		assert_int_equal(verdict.h, rows[i].h);
		assert_int_equal(verdict.value, rows[i].value);
		for (size_t n = 0; n < ACCEL_ARRAY_LEN(v6_members); n++) {
			assert_int_equal(pfq_fold(verdict.value, v6_members[n]), rows[i].v6[n]);
			if (v6_members[n] <= 8)
				assert_int_equal(verdict.value % v6_members[n], rows[i].v6[n]);
		}
		assert_true(check_packet(v6, packet, 3, NULL, fault));
		accel_lang_eval(v3, packet->data, packet->len, &packet->aux, &verdict);
		for (size_t n = 0; n < ACCEL_ARRAY_LEN(v3_members); n++)
			assert_int_equal(verdict.value % v3_members[n], rows[i].v3[n]);
		assert_true(check_packet(v3, packet, 3, NULL, fault));
		accel_lang_free(v6);
		accel_lang_free(v3);
	}
}

static void test_dumps(void **state)
{
	static const enum accel_lang_form forms[] = {ACCEL_LANG_TOKENS, ACCEL_LANG_SYNTAX,
						     ACCEL_LANG_TREE,	ACCEL_LANG_BLOCKS,
						     ACCEL_LANG_NOTES,	ACCEL_LANG_CODE};
	static const char names[] = "tSTBNC";
	static char out[65536], want[65536];
	struct vectors v;

	(void)state;
	vectors_open(&v, VECTORS_DIR "/lang_dump.txt");
	while (vectors_next(&v)) {
		struct accel_lang *lang = compile(v.field[1], ACCEL_LANG_HASH_V6);
		const char *form = strchr(names, v.field[0][0]);
		size_t n;

		assert_non_null(form);
		snprintf(want, sizeof(want), "%s", v.field[2]);
		for (char *c = want; *c; c++)
			*c = *c == '|' ? '\n' : *c == '^' ? '\t' : *c;
		n = accel_lang_dump(lang, forms[form - names], out, sizeof(out));
		assert_int_equal(n, strlen(out));
		assert_vector_string(&v, out, want);
		/* What does not fit is cut, its length told. */
		assert_int_equal(accel_lang_dump(lang, forms[form - names], out, 4), n);
		assert_true(strlen(out) <= 3);
		assert_int_equal(accel_lang_dump(lang, forms[form - names], NULL, 0), n);
		accel_lang_free(lang);
	}
	vectors_close(&v);
}

/* A filter ends in the member's own; without a test of ours it is that alone. */
static void test_tail(void **state)
{
	static const struct sock_filter tail[] = {BPF_STMT(BPF_MISC | BPF_TXA, 0),
						  BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 96),
						  BPF_STMT(BPF_RET | BPF_A, 0)};
	const struct lang_packet *tcp = packet_of("tcp"), *udp = packet_of("udp");
	struct accel_lang *ip = compile("tcp", ACCEL_LANG_HASH_V6);
	struct accel_lang *all = compile("broadcast", ACCEL_LANG_HASH_V6);
	struct sock_filter *out = NULL, large[ACCEL_BPF_MAX_INSNS];
	struct accel_err err = {""};
	unsigned n = 0;

	(void)state;
	assert_int_equal(accel_lang_filter(ip, 0, 1, tail, 3, &out, &n, &err), 0);
	assert_true(accel_bpf_fits_kernel(out, n));
	assert_int_equal(accel_bpf_run(out, tcp->data, tcp->len, tcp->len, &tcp->aux), 96);
	assert_int_equal(accel_bpf_run(out, udp->data, udp->len, udp->len, &udp->aux), 0);
	free(out);
	assert_int_equal(accel_lang_filter(all, 0, 1, tail, 3, &out, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(out, tail, sizeof(tail));
	free(out);
	assert_int_equal(accel_lang_filter(all, 0, 1, NULL, 0, &out, &n, &err), 0);
	assert_null(out);
	assert_int_equal(n, 0);
	for (unsigned i = 0; i < ACCEL_BPF_MAX_INSNS; i++)
		large[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 1);
	n = 7;
	assert_int_equal(accel_lang_filter(ip, 0, 1, large, ACCEL_BPF_MAX_INSNS, &out, &n, &err),
			 -E2BIG);
	assert_int_equal(n, 7);
	assert_non_null(strstr(err.text, "test: needs a program of "));
	accel_lang_free(ip);
	accel_lang_free(all);
}

/* Which sockets a computation needs. */
static void test_parts(void **state)
{
	static const struct {
		const char *text;
		enum accel_lang_block block;
		const char *parts; /* F fanout, f with the number of members, p plain */
	} rows[] = {
		{"unit", ACCEL_LANG_COPY, "p"},
		{"drop", ACCEL_LANG_COPY, "p"},
		{"drop >-> steer_flow", ACCEL_LANG_COPY, "p"},
		{"steer_flow >-> drop", ACCEL_LANG_COPY, "p"},
		{"ip >-> port 80", ACCEL_LANG_COPY, "p"},
		{"steer_flow >-> broadcast", ACCEL_LANG_COPY, "p"},
		{"inv steer_flow", ACCEL_LANG_COPY, "p"},
		{"steer_flow", ACCEL_LANG_STEER, "F"},
		{"broadcast >-> steer_flow", ACCEL_LANG_STEER, "F"},
		{"ip >-> steer_flow >-> tcp", ACCEL_LANG_STEER, "F"},
		{"conditional is_tcp steer_flow drop", ACCEL_LANG_STEER, "F"},
		{"par steer_flow steer_auto", ACCEL_LANG_STEER, "F"},
		{"steer_auto", ACCEL_LANG_STEER, "F"},
		{"steer_p2p", ACCEL_LANG_MIXED, "Fp"},
		{"when is_tcp steer_flow", ACCEL_LANG_MIXED, "Fp"},
		{"conditional is_tcp steer_flow broadcast", ACCEL_LANG_MIXED, "Fp"},
		{"par steer_flow broadcast", ACCEL_LANG_MIXED, "Fp"},
		{"double_steer_field 26 30 4", ACCEL_LANG_DOUBLE, "Ff"},
		{"double_steer_ip", ACCEL_LANG_DOUBLE, "Ffp"},
		{"steer_local_net \"10.0.0.0\" 8 24", ACCEL_LANG_DOUBLE, "Ffp"},
	};

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(rows); i++) {
		struct accel_lang *lang = compile(rows[i].text, ACCEL_LANG_HASH_V6);
		struct accel_lang_part parts[ACCEL_LANG_MAX_PARTS];
		unsigned n = accel_lang_parts(lang, parts);
		char text[4] = "";

		for (unsigned p = 0; p < n; p++) {
			unsigned n_insns = 0;
			bool has = accel_lang_fanout(lang, p, &n_insns) != NULL;

			text[p] = !parts[p].fanout ? 'p' : parts[p].counts_members ? 'f' : 'F';
			assert_int_equal(has, parts[p].fanout);
			assert_int_equal(has, n_insns > 0);
		}
		if (strcmp(text, rows[i].parts) || accel_lang_block(lang) != rows[i].block)
			fail_msg("%s: block %d, parts %s", rows[i].text,
				 (int)accel_lang_block(lang), text);
		accel_lang_free(lang);
	}
}

/* The numbers chosen are spread evenly: 10,000 flows over 8 members within a tenth of the mean. */
static void test_balance(void **state)
{
	struct rng rng = rng_from("balance", 0xba1a);
	struct accel_lang *lang = compile("steer_flow", ACCEL_LANG_HASH_V6);
	struct lang_packet packet = *packet_of("tcp");
	unsigned n[8] = {0};

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		struct accel_lang_verdict v;

		for (unsigned b = 26; b < 38; b++)
			packet.data[b] = (uint8_t)rng_next(&rng);
		accel_lang_eval(lang, packet.data, packet.len, &packet.aux, &v);
		n[v.value % 8]++;
	}
	for (unsigned i = 0; i < 8; i++)
		assert_in_range(n[i], 1125, 1375);
	accel_lang_free(lang);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples), cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_rows),	 cmocka_unit_test(test_all_of_pfq),
		cmocka_unit_test(test_golden),	 cmocka_unit_test(test_dumps),
		cmocka_unit_test(test_tail),	 cmocka_unit_test(test_parts),
		cmocka_unit_test(test_balance),
	};

	return cmocka_run_group_tests(tests, make_packets, NULL);
}
