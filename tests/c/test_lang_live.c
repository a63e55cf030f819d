/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lang_live.c - computations as sockets in groups on a veth pair: every frame arrives at exactly
 * the members that the interpreter names, for each arrangement of sockets, 1 to 16 members, received
 * and sent frames.
 *
 * Needs root; without it skipped, with the reason. */
#include "test_lang.h"

#include "test_bpf_live.h"

#define MAX_MEMBERS 16
#define N_FRAMES    60

/* A member's sockets, one a part. */
struct member {
	int fds[ACCEL_LANG_MAX_PARTS];
};

static unsigned next_group = 100;

static void join(int fd, unsigned group, const struct accel_lang *lang, unsigned part)
{
	int fanout = (int)(group | PACKET_FANOUT_CBPF << 16);
	struct sock_fprog prog = {0};
	unsigned n = 0;

	prog.filter = (struct sock_filter *)accel_lang_fanout(lang, part, &n);
	prog.len = (unsigned short)n;
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &fanout, sizeof(fanout)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &prog, sizeof(prog)), 0);
}

static void open_members(struct member *members, unsigned n_members, const struct accel_lang *lang)
{
	struct accel_lang_part parts[ACCEL_LANG_MAX_PARTS];
	unsigned n_parts = accel_lang_parts(lang, parts);

	for (unsigned p = 0; p < n_parts; p++, next_group++)
		for (unsigned m = 0; m < n_members; m++) {
			struct sock_filter *filter = NULL;
			struct accel_err err;
			unsigned n = 0;

			members[m].fds[p] = open_packet(SOCK_RAW, 0);
			assert_int_equal(
				accel_lang_filter(lang, p, n_members, NULL, 0, &filter, &n, &err),
				0);
			if (n)
				assert_int_equal(attach_filter(members[m].fds[p], filter, n), 0);
			free(filter);
			if (parts[p].fanout)
				join(members[m].fds[p], next_group, lang, p);
		}
}

static void close_members(struct member *members, unsigned n_members, unsigned n_parts)
{
	for (unsigned m = 0; m < n_members; m++)
		for (unsigned p = 0; p < n_parts; p++)
			close(members[m].fds[p]);
}

/* How many packets the member has got. */
static unsigned take_all(const struct member *member, unsigned n_parts)
{
	unsigned n = 0;

	for (unsigned p = 0; p < n_parts; p++)
		n += drain(member->fds[p]);
	return n;
}

/* How many of one packet the member should get. */
static unsigned expected(const struct accel_lang_verdict *v, unsigned member, unsigned n_members)
{
	if (!(v->classes & 1))
		return 0;
	switch (v->outcome) {
	case ACCEL_LANG_TO_ALL:
		return 1;
	case ACCEL_LANG_TO_ONE:
		return v->value % n_members == member;
	case ACCEL_LANG_TO_TWO:
		return v->value % n_members == member || v->value2 % n_members == member;
	default:
		return 0;
	}
}

/* One frame is seen twice: leaving one end, arriving at the other. */
static void compare_frame(struct live *live, const struct accel_lang *lang, const char *text,
			  const struct member *members, unsigned n_members,
			  const struct lang_packet *packet)
{
	struct accel_lang_part parts[ACCEL_LANG_MAX_PARTS];
	unsigned n_parts = accel_lang_parts(lang, parts);
	unsigned want[MAX_MEMBERS] = {0};

	assert_int_equal(send(live->sender, packet->data, packet->len, 0), packet->len);
	for (unsigned i = 0; i < 2; i++) {
		struct accel_lang_verdict v;
		struct seen seen;

		assert_true(see(live, &seen));
		accel_lang_eval(lang, seen.data, seen.len, &seen.aux, &v);
		for (unsigned m = 0; m < n_members; m++)
			want[m] += expected(&v, m, n_members);
	}
	for (unsigned m = 0; m < n_members; m++) {
		unsigned is = take_all(&members[m], n_parts);

		if (is == want[m])
			continue;
		print_bytes(packet->data, packet->len);
		fail_msg("%s: member %u of %u got %u packets, not %u", text, m, n_members, is,
			 want[m]);
	}
}

/* A frame that a device takes: 60 bytes and more. */
static void live_packet(struct rng *rng, struct lang_packet *packet)
{
	random_packet(rng, packet);
	packet->len = ACCEL_MAX(packet->len, 60u);
}

static void compare_text(struct live *live, const char *text, unsigned n_members, struct rng *rng)
{
	struct accel_lang_part parts[ACCEL_LANG_MAX_PARTS];
	struct member members[MAX_MEMBERS];
	struct accel_lang *lang = NULL;
	struct accel_err err = {""};
	struct lang_packet packet;

	if (accel_lang_compile("live", text, strlen(text), NULL, &lang, &err))
		fail_msg("%s", err.text);
	open_members(members, n_members, lang);
	for (unsigned i = 0; i < N_FRAMES; i++) {
		live_packet(rng, &packet);
		compare_frame(live, lang, text, members, n_members, &packet);
	}
	close_members(members, n_members, accel_lang_parts(lang, parts));
	accel_lang_free(lang);
}

static const char *const texts[] = {
	"steer_flow",
	"steer_auto",
	"ip >-> steer_flow",
	"steer_link",
	"steer_p2p",
	"steer_vlan",
	"broadcast",
	"vlan_id_filter [0, 100]",
	"conditional is_flow steer_flow broadcast",
	"par (tcp >-> steer_flow) (par (udp >-> steer_p2p) (unless is_ip drop))",
	"double_steer_ip",
	"double_steer_mac",
	"steer_local_net \"10.0.0.0\" 8 32",
	"shift steer_flow",
	"steer_key 1592",
	"steer_field_symmetric 26 30 4",
	"steer_to 5",
};

static void test_members(void **state)
{
	static const unsigned counts[] = {1, 2, 3, 8, 16};
	struct rng rng = rng_from("live", 0x11fe);
	struct live live;

	(void)state;
	live_init(&live, SOCK_RAW);
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(texts); i++)
		compare_text(&live, texts[i], counts[i % ACCEL_ARRAY_LEN(counts)], &rng);
	if (getenv("ACCEL_FULL"))
		for (size_t i = 0; i < ACCEL_ARRAY_LEN(texts); i++)
			for (unsigned n = 1; n <= MAX_MEMBERS; n++)
				compare_text(&live, texts[i], n, &rng);
	live_fini(&live);
}

/* Random numbers choose: nothing is lost or doubled, and every member gets some. */
static void test_spread(void **state)
{
	const char *text = "steer_rrobin";
	struct member members[4];
	struct accel_lang *lang = NULL;
	struct accel_err err = {""};
	struct lang_packet packet = {.len = 60};
	unsigned n[4] = {0}, all = 0;
	struct live live;

	(void)state;
	live_init(&live, SOCK_RAW);
	assert_int_equal(accel_lang_compile("live", text, strlen(text), NULL, &lang, &err), 0);
	open_members(members, 4, lang);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(send(live.sender, packet.data, packet.len, 0), packet.len);
		for (unsigned seen = 0; seen < 2; seen++)
			assert_true(see(&live, &(struct seen){0}));
	}
	for (unsigned m = 0; m < 4; m++) {
		n[m] = take_all(&members[m], 1);
		all += n[m];
		assert_in_range(n[m], 20, 80);
	}
	assert_int_equal(all, 200);
	close_members(members, 4, 1);
	accel_lang_free(lang);
	live_fini(&live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_spread),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
