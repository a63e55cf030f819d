/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_compare.c - filters in the kernel, translated and interpreted, against libpcap's
 * bpf_filter(): real expressions and random programs, over packets in one buffer and in several.
 *
 * Over 50,000 comparisons in every run, twelve times as many when ACCEL_FULL is set; the last test
 * says how many there were. */
#include "test_xdp.h"

#include "test_bpf_expressions.h"
#include "test_bpf_packets.h"

#include <pcap.h>

#define JUMBO_MAX  9000
#define MORE	   (getenv("ACCEL_FULL") ? 12u : 1u)
#define N_PACKETS  (320 * MORE) /* an expression and a way to compile it */
#define N_PROGRAMS (800 * MORE)
#define N_EACH	   20		     /* packets a random program */
#define N_ENOUGH   (50000ull * MORE) /* of each kind */

static unsigned long long n_compared, n_kept, n_cut, n_interpreted;
static bool can_cut;

/* Ways to compile: has_fragments, by_helper. */
static const struct way {
	const char *name;
	bool has_fragments, by_helper;
} ways[] = {
	{"one buffer", false, false},
	{"one buffer, by helper", false, true},
	{"fragments", true, false},
	{"fragments, by helper", true, true},
};

struct subject {
	const char *name;
	const struct way *way;
	struct accel_xdp_spec spec;
	int fd;
};

static struct interpreter interpreter;

static void subject_init(struct subject *s, const struct sock_filter *insns, unsigned n,
			 const struct way *way)
{
	s->way = way;
	s->spec = tell(insns, n);
	s->spec.has_fragments = way->has_fragments;
	s->spec.by_helper = way->by_helper;
	s->fd = load_spec(&s->spec, NULL);
	interpreter_set(&interpreter, insns, n);
}

/* `first_len` of the packet are in its first buffer; 0: as many as go in. */
static void compare(const struct subject *s, const uint8_t *data, unsigned len, unsigned first_len)
{
	uint32_t want = bpf_filter((const struct bpf_insn *)s->spec.filter, data, len, len);
	uint32_t got = run_program(s->fd, data, len, first_len);
	uint32_t told = run_program(interpreter.fds[s->way->has_fragments][s->way->by_helper], data,
				    len, first_len);

	n_compared++;
	n_interpreted++;
	n_kept += want != 0;
	n_cut += first_len != 0;
	if (want == got && want == told)
		return;
	print_program(s->spec.filter, s->spec.n_filter);
	print_spec(&s->spec);
	print_bytes(data, len);
	fail_msg("%s, %s, %u bytes, %u in the first buffer: libpcap says %u, the kernel %u, "
		 "interpreted %u",
		 s->name, s->way->name, len, first_len, want, got, told);
}

/* Whole, and where the program takes fragments also with its headers torn in two. */
static void compare_ways(struct rng *rng, const struct subject *s, const uint8_t *data,
			 unsigned len)
{
	if (len > FIRST_BUFFER && !s->way->has_fragments)
		len = FIRST_BUFFER;
	compare(s, data, len, 0);
	if (s->way->has_fragments && can_cut && len > 15)
		compare(s, data, len, 14 + rng_below(rng, ACCEL_MIN(len - 14, 80u)));
}

/* One of the packets, some of its bytes changed, cut off or with more behind it. */
static unsigned random_packet(struct rng *rng, uint8_t *out)
{
	unsigned len = wrap_ethernet(&packets[rng_below(rng, ACCEL_ARRAY_LEN(packets))], out);

	for (unsigned i = rng_below(rng, 4); i > 0; i--)
		out[rng_below(rng, len)] = (uint8_t)rng_number(rng);
	if (rng_one_in(rng, 4))
		return 14 + rng_below(rng, len - 13);
	if (rng_one_in(rng, 4)) {
		unsigned more = rng_below(rng, rng_one_in(rng, 8) ? JUMBO_MAX - len : 1000);

		random_bytes(rng, out + len, more);
		return len + more;
	}
	return len;
}

static void compile(struct bpf_program *program, const char *expression, int optimize)
{
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, 262144);

	if (pcap_compile(dead, program, expression, optimize, PCAP_NETMASK_UNKNOWN))
		fail_msg("'%s': %s", expression, pcap_geterr(dead));
	pcap_close(dead);
}

static void test_expressions(void **state)
{
	struct rng rng = rng_from("expressions", 0x5eed0051);
	uint8_t packet[JUMBO_MAX];

	(void)state;
	need_bpf();
	for (unsigned e = 0; e < ACCEL_ARRAY_LEN(expressions); e++) {
		for (unsigned k = 0; k < 2 * ACCEL_ARRAY_LEN(ways); k++) {
			struct subject s = {.name = expressions[e]};
			struct bpf_program program;

			compile(&program, expressions[e], k & 1);
			subject_init(&s, (struct sock_filter *)program.bf_insns, program.bf_len,
				     &ways[k / 2]);
			for (unsigned i = 0; i < N_PACKETS / 4; i++)
				compare_ways(&rng, &s, packet, random_packet(&rng, packet));
			close(s.fd);
			pcap_freecode(&program);
		}
	}
}

/* A program without the kernel's own loads. Offsets reach behind the packet, into its fragments and
 * beyond 65535; what [x + k] adds wraps. */
static unsigned program_for(struct rng *rng, struct sock_filter *out, unsigned len)
{
	unsigned n = random_program(rng, out, len);

	for (unsigned i = 0; i < n; i++) {
		bool is_load = BPF_CLASS(out[i].code) == BPF_LD;

		if (is_load && BPF_MODE(out[i].code) == BPF_ABS && out[i].k > INT32_MAX)
			out[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, rng_number(rng));
		/* Behind SKF_LL_OFF the kernel's filters begin again. */
		if (is_load && BPF_MODE(out[i].code) == BPF_IND && out[i].k >= (uint32_t)SKF_LL_OFF)
			out[i].k |= (uint32_t)SKF_NET_OFF;
	}
	return n;
}

static void test_random_programs(void **state)
{
	struct rng rng = rng_from("programs", 0x5eed0052);
	uint8_t packet[JUMBO_MAX];

	(void)state;
	need_bpf();
	for (unsigned p = 0; p < N_PROGRAMS; p++) {
		const struct way *way = &ways[p % ACCEL_ARRAY_LEN(ways)];
		struct sock_filter insns[RANDOM_PROGRAM_MAX];
		struct subject s = {.name = "random program"};
		unsigned len = 60 + rng_below(&rng, rng_one_in(&rng, 3) ? JUMBO_MAX - 60 : 200);
		unsigned n = program_for(&rng, insns, len);

		subject_init(&s, insns, n, way);
		for (unsigned i = 0; i < N_EACH; i++) {
			unsigned cut = rng_one_in(&rng, 3) ? rng_below(&rng, len - 20) : 0;

			random_bytes(&rng, packet, len);
			compare_ways(&rng, &s, packet, len - cut);
		}
		close(s.fd);
	}
}

/* Loads that lie wholly in fragments, and across two buffers. */
static void test_jumbo(void **state)
{
	static const char *const deep[] = {
		"ether[3518:4] & 1 = 1",
		"ether[4000:4] > 0x80000000",
		"ether[8999] & 3 = 1",
		"ether[ether[4000]:4] & 7 = 3",
		"ip[2:2] + ether[5000:2] > 65535",
		"len > 4000 and ether[len - 1] & 1 = 0",
	};
	struct rng rng = rng_from("jumbo", 0x5eed0053);
	uint8_t packet[JUMBO_MAX];

	(void)state;
	need_bpf();
	for (unsigned k = 0; k < 2 * ACCEL_ARRAY_LEN(deep); k++) {
		struct subject s = {.name = deep[k / 2]};
		struct bpf_program program;

		compile(&program, s.name, 1);
		subject_init(&s, (struct sock_filter *)program.bf_insns, program.bf_len,
			     &ways[2 + k % 2]);
		for (unsigned i = 0; i < 200; i++) {
			unsigned len = random_packet(&rng, packet);

			random_bytes(&rng, packet + len, JUMBO_MAX - len);
			compare_ways(&rng, &s, packet,
				     rng_one_in(&rng, 4) ? 3500 + rng_below(&rng, 1000)
							 : JUMBO_MAX);
		}
		close(s.fd);
		pcap_freecode(&program);
	}
}

/* The compiler's loops are refused, and the reason is said. */
static void test_loops(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(looping_expressions); i++) {
		struct accel_ebpf_prog prog = {.n_insns = 77};
		struct bpf_program program;
		struct accel_xdp_spec spec;
		struct accel_err err;

		compile(&program, looping_expressions[i], 1);
		spec = tell((struct sock_filter *)program.bf_insns, program.bf_len);
		assert_int_equal(accel_xdp_generate(&spec, &prog, &err), -EOPNOTSUPP);
		assert_non_null(strstr(err.text, " jumps back, and an XDP program has no loops "
						 "(would be: a filter without protochain)"));
		assert_int_equal(prog.n_insns, 77);
		pcap_freecode(&program);
	}
}

static void test_enough(void **state)
{
	(void)state;
	need_bpf();
	print_message("%llu comparisons of each kind, %llu packets kept, %llu torn in two%s\n",
		      n_compared, n_kept, n_cut, can_cut ? "" : " (the kernel cannot)");
	assert_true(n_compared >= N_ENOUGH && n_interpreted == n_compared);
	assert_true(n_kept > n_compared / 20 && n_kept < n_compared * 19 / 20);
	assert_true(!can_cut || n_cut > n_compared / 8);
}

static int look_at_kernel(void **state)
{
	int fd = accel_bpf_map_open("test", ACCEL_MAP_LOST, 0, NULL);

	(void)state;
	if (fd < 0)
		return 0;
	close(fd);
	can_cut = can_cut_first_buffer();
	interpreter_init(&interpreter, (const uint8_t[6]){2, 0, 0, 0, 0, 2});
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expressions), cmocka_unit_test(test_random_programs),
		cmocka_unit_test(test_jumbo),	    cmocka_unit_test(test_loops),
		cmocka_unit_test(test_enough),
	};

	return cmocka_run_group_tests(tests, look_at_kernel, NULL);
}
