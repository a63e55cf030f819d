/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_compose_random.c - random guards over random packets, up to 64 entries of each kind, with
 * and without a user's program, against the plain predicate. All of it the kernel must take. */
#include "test_bpf_guard.h"

#define KEEP 96u
#define LEN  64u

/* Compose, and let the kernel have a look. */
static struct sock_filter *compose(const struct accel_guard *guard, const struct sock_filter *user,
				   unsigned n_user, unsigned *n)
{
	struct sock_filter *insns = NULL;

	assert_int_equal(accel_bpf_compose(guard, user, n_user, KEEP, &insns, n), 0);
	if (accel_bpf_fits_kernel(insns, *n) && attach_filter(kernel.rx, insns, *n) == 0)
		return insns;
	print_program(insns, *n);
	fail_msg("the kernel refuses it");
	return NULL;
}

/* Mostly few entries, now and then all 64. */
static unsigned random_count(struct rng *rng)
{
	switch (rng_below(rng, 8)) {
	case 0:
		return 64;
	case 1:
		return rng_below(rng, 65);
	default:
		return rng_below(rng, 5);
	}
}

static void random_guard(struct rng *rng, struct accel_guard *guard)
{
	unsigned n_ifaces = 2 + random_count(rng);

	*guard = (struct accel_guard){.n_ifindex = random_count(rng),
				      .lo_ifindex = rng_below(rng, 3),
				      .direction = rng_below(rng, 3),
				      .n_queues = random_count(rng),
				      .n_vlans = random_count(rng),
				      .vlan_in_band = rng_one_in(rng, 2)};
	for (unsigned i = 0; i < 64; i++) {
		guard->ifindex[i] = rng_below(rng, n_ifaces);
		guard->vlans[i] = (uint16_t)rng_below(rng, 8);
		guard->queues[i].ifindex = rng_below(rng, n_ifaces);
		guard->queues[i].first = (uint16_t)rng_below(rng, 8);
		guard->queues[i].last = (uint16_t)(guard->queues[i].first + rng_below(rng, 3));
	}
}

static void random_packet(struct rng *rng, const struct accel_guard *guard,
			  struct accel_bpf_aux *aux, uint8_t *data)
{
	*aux = (struct accel_bpf_aux){.ifindex = guard->ifindex[rng_below(rng, 64)],
				      .pkttype = rng_below(rng, 5),
				      .queue = rng_below(rng, 12),
				      .vlan_present = rng_one_in(rng, 2),
				      .vlan_tci = rng_below(rng, 10) | rng_below(rng, 16) << 12};
	random_bytes(rng, data, LEN);
	data[12] = rng_one_in(rng, 4) ? 0x08 : 0x81;
	data[13] = rng_one_in(rng, 8) ? 0xa8 : 0;
	if (rng_one_in(rng, 3))
		data[12] = 0x88, data[13] = 0xa8;
	data[14] &= 0xf0;
	data[15] %= 10;
}

static void test_random_guards(void **state)
{
	struct rng rng = rng_from(__func__, 0xacce1b9f00000004);
	unsigned n_all = 0, n_kept = 0;

	(void)state;
	for (unsigned round = rounds(1500); round > 0; round--) {
		struct sock_filter user[RANDOM_PROGRAM_MAX], *insns;
		unsigned n_user = 0, n;
		struct accel_guard guard;

		random_guard(&rng, &guard);
		if (rng_one_in(&rng, 2))
			n_user = random_program(&rng, user, LEN);
		insns = compose(&guard, user, n_user, &n);
		for (unsigned i = 0; i < 20; i++, n_all++) {
			unsigned len = rng_one_in(&rng, 8) ? 12 + rng_below(&rng, 6) : LEN;
			uint32_t want = KEEP, got;
			struct accel_bpf_aux aux;
			uint8_t data[LEN];

			random_packet(&rng, &guard, &aux, data);
			if (n_user)
				want = accel_bpf_run(user, data, len, len, &aux);
			if (!guard_keeps(&guard, &aux, data, len))
				want = 0;
			else
				n_kept++;
			got = accel_bpf_run(insns, data, len, len, &aux);
			if (got == want)
				continue;
			print_program(insns, n);
			print_bytes(data, len);
			fail_msg("ifindex %u type %u queue %u vlan %d:%u: got %u, want %u",
				 aux.ifindex, aux.pkttype, aux.queue, aux.vlan_present,
				 aux.vlan_tci, got, want);
		}
		free(insns);
	}
	print_message("%u packets, the guards kept %u\n", n_all, n_kept);
	assert_in_range(n_kept, n_all / 16, n_all - n_all / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_guards),
	};

	return cmocka_run_group_tests(tests, open_kernel, close_kernel);
}
