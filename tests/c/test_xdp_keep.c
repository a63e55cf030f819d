/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_keep.c - what a host must get: named frames, then random ones against a plain reader of
 * packets; by the interpreter, and as part of an XDP program in the kernel. */
#include "test_xdp.h"

#include "test_bpf_packets.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#define FRAME_MAX (PACKET_MAX + 14 + 8)

/* The addresses of test_bpf_packets.h's receivers. */
static const struct accel_xdp_local ours = {
	.n_v4 = 2,
	.v4 = {0x0a000001, 0xc0a80102},
	.n_v6 = 2,
	.v6 = {{0xfe, 0x80}, {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}},
	.ssh_port = 2222};
static const struct accel_xdp_local any;
static const struct accel_bpf_aux no_aux;

struct subject {
	const struct accel_xdp_local *local;
	struct sock_filter *rules;
	unsigned n;
	int fds[2]; /* programs that drop all but what they keep; -1: no privilege */
};

/* All that is not kept is dropped, as rest=drop and a filter that rejects everything. */
static void subject_init(struct subject *s, const struct accel_xdp_local *local)
{
	static const struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	int fd = accel_bpf_map_open("test", ACCEL_MAP_LOST, 0, NULL);

	memset(s, 0, sizeof(*s));
	s->local = local;
	s->fds[0] = s->fds[1] = -1;
	assert_int_equal(accel_xdp_keep_rules(local, &s->rules, &s->n), 0);
	assert_true(accel_bpf_fits_kernel(s->rules, s->n));
	if (fd < 0)
		return;
	close(fd);
	for (unsigned i = 0; i < 2; i++) {
		struct accel_xdp_spec spec = {.filter = &nothing,
					      .n_filter = 1,
					      .keep = s->rules,
					      .n_keep = s->n,
					      .rest = ACCEL_XDP_DROP,
					      .has_fragments = i};

		s->fds[i] = load_spec(&spec, NULL);
	}
}

static void subject_fini(struct subject *s)
{
	free(s->rules);
	for (unsigned i = 0; i < 2; i++)
		if (s->fds[i] >= 0)
			close(s->fds[i]);
}

static void check(const struct subject *s, const char *name, const uint8_t *frame, unsigned len,
		  bool want)
{
	bool got = accel_bpf_run(s->rules, frame, len, len, &no_aux) != 0;
	uint32_t verdict = want ? ACCEL_XDP_PASS : ACCEL_XDP_DROP;

	if (got != want) {
		print_bytes(frame, len);
		fail_msg("%s: the rules say %d, should be %d", name, got, want);
	}
	for (unsigned i = 0; len >= 14 && i < 2; i++)
		if (s->fds[i] >= 0 && run_program(s->fds[i], frame, len, 0) != verdict) {
			print_bytes(frame, len);
			fail_msg("%s: program %u does not return %u", name, i, verdict);
		}
}

/* A reader of packets, as simple as it can be. */
struct reader {
	const struct accel_xdp_local *local;
	const uint8_t *at;
	unsigned len;
};

static bool has(const struct reader *r, unsigned end)
{
	return end <= r->len;
}

static unsigned get16(const struct reader *r, unsigned at)
{
	return (unsigned)r->at[at] << 8 | r->at[at + 1];
}

static bool is_local(const struct reader *r, unsigned at, unsigned len)
{
	const struct accel_xdp_local *l = r->local;

	if (!has(r, at + len))
		return false;
	for (unsigned i = 0; len == 16 && i < l->n_v6; i++)
		if (!memcmp(l->v6[i], r->at + at, 16))
			return true;
	for (unsigned i = 0; len == 4 && i < l->n_v4; i++)
		if (l->v4[i] == (get16(r, at) << 16 | get16(r, at + 2)))
			return true;
	return l->n_v4 == 0 && l->n_v6 == 0;
}

static bool keeps_ports(const struct reader *r, unsigned proto, unsigned at, unsigned dhcp,
			bool local)
{
	unsigned src, dst;

	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return false;
	if (!has(r, at + 2))
		return false;
	src = get16(r, at);
	if (src == 53 || (proto == IPPROTO_TCP && src == 22))
		return local;
	if (proto == IPPROTO_UDP && (src == dhcp || src == dhcp + 1))
		return true;
	if (!has(r, at + 4))
		return false;
	dst = get16(r, at + 2);
	if (proto == IPPROTO_TCP)
		return (dst == 22 || (dst == r->local->ssh_port && dst)) && local;
	return dst == dhcp || dst == dhcp + 1;
}

static bool keeps_v4(const struct reader *r, unsigned at)
{
	bool local = is_local(r, at + 16, 4);

	if (!has(r, at + 8))
		return false;
	if (get16(r, at + 6) & 0x1fff)
		return local;
	return has(r, at + 10) &&
	       keeps_ports(r, r->at[at + 9], at + (r->at[at] & 15u) * 4, 67, local);
}

static bool keeps_v6(const struct reader *r, unsigned at)
{
	bool local = is_local(r, at + 24, 16);

	if (!has(r, at + 7))
		return false;
	if (r->at[at + 6] == IPPROTO_ICMPV6)
		return has(r, at + 41) && r->at[at + 40] >= 133 && r->at[at + 40] <= 137;
	if (r->at[at + 6] == IPPROTO_FRAGMENT)
		return has(r, at + 44) && get16(r, at + 42) >> 3 && local;
	return keeps_ports(r, r->at[at + 6], at + 40, 546, local);
}

static bool should_keep(const struct accel_xdp_local *local, const uint8_t *frame, unsigned len)
{
	struct reader r = {.local = local, .at = frame, .len = len};
	unsigned at = 12;

	if (has(&r, 6) && !memcmp(frame, "\x01\x80\xc2\0\0", 5) && frame[5] < 16)
		return true;
	for (unsigned n_tags = 0; n_tags < 2; n_tags++, at += 4) {
		if (!has(&r, at + 2))
			return false;
		if (get16(&r, at) != ETH_P_8021Q && get16(&r, at) != ETH_P_8021AD)
			break;
	}
	if (!has(&r, at + 2))
		return false;
	switch (get16(&r, at)) {
	case ETH_P_ARP:
	case ETH_P_SLOW:
		return true;
	case ETH_P_IP:
		return keeps_v4(&r, at + 2);
	case ETH_P_IPV6:
		return keeps_v6(&r, at + 2);
	default:
		return false;
	}
}

/* clang-format off */
static const struct {
	struct packet packet;
	bool ours, any; /* is it kept, for a host with our addresses, with any */
} named[] = {
	{ {"arp",		0x0806, 28, {0, 1, 8, 0, 6, 4, 0, 1}}, true, true },
	{ {"lacp",		0x8809, 110, {1, 1, 1, 20}}, true, true },
	{ {"to our ssh",	0x0800, 60, {IP4(5, 0, 0, 6, A(3), A(1)), TCP(4000, 22, 2)}}, true, true },
	{ {"to another's ssh",	0x0800, 60, {IP4(5, 0, 0, 6, A(3), A(9)), TCP(4000, 22, 2)}}, false, true },
	{ {"our ssh's answer",	0x0800, 60, {IP4(5, 0, 0, 6, A(3), B(2)), TCP(22, 4000, 2)}}, true, true },
	{ {"options and ssh",	0x0800, 64, {IP4(6, 0, 0, 6, A(3), A(1)), 1, 1, 1, 0, TCP(4000, 22, 2)}}, true, true },
	{ {"ssh elsewhere",	0x0800, 60, {IP4(5, 0, 0, 6, A(3), A(1)), TCP(4000, 2222, 2)}}, true, false },
	{ {"another's there",	0x0800, 60, {IP4(5, 0, 0, 6, A(3), A(9)), TCP(4000, 2222, 2)}}, false, false },
	{ {"from there",	0x0800, 60, {IP4(5, 0, 0, 6, A(3), A(1)), TCP(2222, 4000, 2)}}, false, false },
	{ {"http",		0x0800, 60, {IP4(5, 0, 0, 6, A(3), A(1)), TCP(4000, 80, 2)}}, false, false },
	{ {"udp 22",		0x0800, 60, {IP4(5, 0, 0, 17, A(3), A(1)), UDP(4000, 22, 40)}}, false, false },
	{ {"dns answer",	0x0800, 60, {IP4(5, 0, 0, 17, A(3), A(1)), UDP(53, 4000, 40)}}, true, true },
	{ {"dns over tcp",	0x0800, 60, {IP4(5, 0, 0, 6, A(3), A(1)), TCP(53, 4000, 2)}}, true, true },
	{ {"dns question",	0x0800, 60, {IP4(5, 0, 0, 17, A(3), A(1)), UDP(4000, 53, 40)}}, false, false },
	{ {"dhcp offer",	0x0800, 60, {IP4(5, 0, 0, 17, A(3), 255, 255, 255, 255), UDP(67, 68, 40)}}, true, true },
	{ {"dhcp request",	0x0800, 60, {IP4(5, 0, 0, 17, 0, 0, 0, 0, A(9)), UDP(68, 67, 40)}}, true, true },
	{ {"tcp 67",		0x0800, 60, {IP4(5, 0, 0, 6, A(3), A(1)), TCP(67, 68, 2)}}, false, false },
	{ {"later fragment",	0x0800, 60, {IP4(5, 0, 9, 17, A(3), A(1)), 0}}, true, true },
	{ {"another's",		0x0800, 60, {IP4(5, 0, 9, 17, A(3), A(9)), 0}}, false, true },
	{ {"first fragment",	0x0800, 60, {IP4(5, 0x20, 0, 17, A(3), A(1)), UDP(53, 4000, 40)}}, true, true },
	{ {"icmp",		0x0800, 60, {IP4(5, 0, 0, 1, A(3), A(1)), 8}}, false, false },
	{ {"nd 132",		0x86dd, 60, {IP6(58), 132}}, false, false },
	{ {"nd 133",		0x86dd, 60, {IP6(58), 133}}, true, true },
	{ {"nd 137",		0x86dd, 60, {IP6(58), 137}}, true, true },
	{ {"nd 138",		0x86dd, 60, {IP6(58), 138}}, false, false },
	{ {"ssh6",		0x86dd, 60, {IP6(6), TCP(4000, 22, 2)}}, true, true },
	{ {"dns6",		0x86dd, 60, {IP6(17), UDP(53, 4000, 20)}}, true, true },
	{ {"dhcp6",		0x86dd, 60, {IP6(17), UDP(547, 546, 20)}}, true, true },
	{ {"udp6",		0x86dd, 60, {IP6(17), UDP(67, 68, 20)}}, false, false },
	{ {"fragment6",		0x86dd, 60, {IP6(44), 17, 0, 0, 9, 0}}, true, true },
	{ {"first fragment6",	0x86dd, 60, {IP6(44), 17, 0, 0, 1, 0}}, false, false },
	{ {"lldp",		0x88cc, 46, {2, 7, 4}}, false, false },
};
/* clang-format on */

/* Put n_tags tags behind the addresses. */
static unsigned add_tags(uint8_t *frame, unsigned len, unsigned n_tags)
{
	for (unsigned i = 0; i < n_tags; i++, len += 4) {
		memmove(frame + 16, frame + 12, len - 12);
		put16(frame + 12, i ? ETH_P_8021AD : ETH_P_8021Q);
		put16(frame + 14, 100 + i);
	}
	return len;
}

static void test_named(void **state)
{
	struct subject subjects[2];

	(void)state;
	subject_init(&subjects[0], &ours);
	subject_init(&subjects[1], &any);
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(named); i++) {
		for (unsigned n_tags = 0; n_tags <= 3; n_tags++) {
			uint8_t frame[FRAME_MAX + 4];
			unsigned len = wrap_ethernet(&named[i].packet, frame);
			const char *name = named[i].packet.name;

			len = add_tags(frame, len, n_tags);
			check(&subjects[0], name, frame, len, named[i].ours && n_tags < 3);
			check(&subjects[1], name, frame, len, named[i].any && n_tags < 3);
		}
	}
	subject_fini(&subjects[0]);
	subject_fini(&subjects[1]);
}

static unsigned random_frame(struct rng *rng, uint8_t *out)
{
	static const uint16_t ports[] = {22, 53, 67, 68, 546, 547, 2222};
	const struct packet *packet =
		rng_one_in(rng, 2) ? &named[rng_below(rng, ACCEL_ARRAY_LEN(named))].packet
				   : &packets[rng_below(rng, ACCEL_ARRAY_LEN(packets))];
	unsigned len = wrap_ethernet(packet, out);

	if (rng_one_in(rng, 2) && len > 40)
		put16(out + 34 + 2 * rng_below(rng, 2), ports[rng_below(rng, 7)]);
	if (rng_one_in(rng, 2))
		out[rng_below(rng, len)] = (uint8_t)rng_number(rng);
	if (rng_one_in(rng, 16))
		memcpy(out, "\x01\x80\xc2\0\0\0", 6);
	len = add_tags(out, len, rng_below(rng, 3));
	return rng_one_in(rng, 4) ? rng_below(rng, len + 1) : len;
}

static void test_random(void **state)
{
	struct rng rng = rng_from("frames", 0x5eed0060);
	struct subject subjects[2];
	unsigned n_kept = 0, n = rounds(10000);

	(void)state;
	subject_init(&subjects[0], &ours);
	subject_init(&subjects[1], &any);
	for (unsigned i = 0; i < n; i++) {
		const struct subject *s = &subjects[i & 1];
		uint8_t frame[FRAME_MAX];
		unsigned len = random_frame(&rng, frame);
		bool want = should_keep(s->local, frame, len);

		n_kept += want;
		check(s, "random frame", frame, len, want);
	}
	assert_in_range(n_kept, n / 8, n * 7 / 8);
	subject_fini(&subjects[0]);
	subject_fini(&subjects[1]);
}

/* Frames between this port and the next one, whatever is in them; those of the next addresses are
 * bridged. */
static void test_hop(void **state)
{
	static const struct packet bpdu = {"stp", 0x0004, 46, {0x42, 0x42, 3}};
	struct subject s;
	uint8_t frame[FRAME_MAX];
	unsigned len = wrap_ethernet(&bpdu, frame);

	(void)state;
	subject_init(&s, &ours);
	check(&s, "to us", frame, len, false);
	for (unsigned last = 0; last <= 0x20; last++) {
		memcpy(frame, "\x01\x80\xc2\0\0", 5);
		frame[5] = (uint8_t)last;
		check(&s, "stp", frame, len, last < 16);
	}
	for (unsigned i = 0; i < 5; i++) {
		memcpy(frame, "\x01\x80\xc2\0\0\0", 6);
		frame[i] ^= 2;
		check(&s, "near it", frame, len, false);
	}
	subject_fini(&s);
}

/* With addresses of one family, those of the other are not the host's. */
static void test_one_family(void **state)
{
	static const struct packet ssh = {
		"ssh", 0x0800, 60, {IP4(5, 0, 0, 6, A(3), A(1)), TCP(4000, 22, 2)}};
	static const struct packet ssh6 = {"ssh6", 0x86dd, 60, {IP6(6), TCP(4000, 22, 2)}};
	const struct packet *both[] = {&ssh, &ssh6};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct accel_xdp_local local = ours;
		struct subject s;
		uint8_t frame[FRAME_MAX];

		local.n_v4 = i ? 0 : ours.n_v4;
		local.n_v6 = i ? ours.n_v6 : 0;
		subject_init(&s, &local);
		for (unsigned k = 0; k < 2; k++)
			check(&s, both[k]->name, frame, wrap_ethernet(both[k], frame), k == i);
		subject_fini(&s);
	}
}

/* A host with all the addresses that fit. */
static void test_many_addresses(void **state)
{
	struct accel_xdp_local many = {.n_v4 = ACCEL_XDP_MAX_ADDRS, .n_v6 = ACCEL_XDP_MAX_ADDRS};
	static const struct packet ssh6 = {"ssh6", 0x86dd, 60, {IP6(6), TCP(4000, 22, 2)}};
	struct subject s;
	uint8_t frame[FRAME_MAX];
	unsigned len = wrap_ethernet(&ssh6, frame);

	(void)state;
	for (unsigned i = 0; i < ACCEL_XDP_MAX_ADDRS; i++) {
		many.v4[i] = 0x0a000000 + i;
		many.v6[i][15] = (uint8_t)i;
	}
	subject_init(&s, &many);
	for (unsigned i = 0; i <= ACCEL_XDP_MAX_ADDRS; i++) {
		memset(frame + 38, 0, 16);
		frame[53] = (uint8_t)i;
		check(&s, "ssh6", frame, len, i < ACCEL_XDP_MAX_ADDRS);
	}
	subject_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named),	       cmocka_unit_test(test_hop),
		cmocka_unit_test(test_random),	       cmocka_unit_test(test_one_family),
		cmocka_unit_test(test_many_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
