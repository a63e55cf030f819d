/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_compose.c - every guard against a plain C predicate: one guard at a time on its
 * edges, and the longest there is. All that is composed the kernel must take. */
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

static uint32_t verdict(const struct accel_guard *guard, const struct accel_bpf_aux *aux)
{
	static const uint8_t packet[LEN];
	struct sock_filter *insns;
	unsigned n;
	uint32_t v;

	insns = compose(guard, NULL, 0, &n);
	v = accel_bpf_run(insns, packet, LEN, LEN, aux);
	free(insns);
	assert_int_equal(v, guard_keeps(guard, aux, packet, LEN) ? KEEP : 0);
	return v;
}

static void test_nothing_to_test(void **state)
{
	const struct sock_filter user = BPF_STMT(BPF_RET | BPF_K, 5);
	const struct accel_guard none = {0};
	struct sock_filter *insns = (struct sock_filter *)&user;
	unsigned n = 77;

	(void)state;
	assert_int_equal(accel_bpf_compose(&none, NULL, 0, 262144, &insns, &n), 0);
	assert_null(insns);
	assert_int_equal(n, 0);
	assert_int_equal(accel_bpf_compose(&none, NULL, 0, 262143, &insns, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(insns[0].k, 262143);
	free(insns);
	assert_int_equal(accel_bpf_compose(&none, &user, 1, 262144, &insns, &n), 0);
	assert_int_equal(n, 1);
	assert_memory_equal(insns, &user, sizeof(user));
	free(insns);
}

static void test_ifindex(void **state)
{
	const struct accel_guard guard = {.n_ifindex = 2, .ifindex = {4, 9}};
	struct accel_bpf_aux aux = {.ifindex = 4};

	(void)state;
	assert_int_equal(verdict(&guard, &aux), KEEP);
	aux.ifindex = 9;
	assert_int_equal(verdict(&guard, &aux), KEEP);
	aux.ifindex = 5;
	assert_int_equal(verdict(&guard, &aux), 0);
	aux.ifindex = 0;
	assert_int_equal(verdict(&guard, &aux), 0);
}

static void test_loopback(void **state)
{
	const struct accel_guard guard = {.lo_ifindex = 1};
	struct accel_bpf_aux aux = {.ifindex = 1, .pkttype = PACKET_OUTGOING};

	(void)state;
	assert_int_equal(verdict(&guard, &aux), 0);
	aux.pkttype = PACKET_HOST;
	assert_int_equal(verdict(&guard, &aux), KEEP);
	aux = (struct accel_bpf_aux){.ifindex = 2, .pkttype = PACKET_OUTGOING};
	assert_int_equal(verdict(&guard, &aux), KEEP);
}

static void test_direction(void **state)
{
	const struct accel_guard in = {.direction = ACCEL_DIR_IN};
	const struct accel_guard out = {.direction = ACCEL_DIR_OUT};

	(void)state;
	for (uint32_t type = PACKET_HOST; type <= PACKET_OUTGOING; type++) {
		const struct accel_bpf_aux aux = {.pkttype = type};

		assert_int_equal(verdict(&in, &aux), type == PACKET_OUTGOING ? 0 : KEEP);
		assert_int_equal(verdict(&out, &aux), type == PACKET_OUTGOING ? KEEP : 0);
	}
}

/* Received: value - 1, and 0 (not recorded) is queue 0 too. Sent: the value. */
static void test_queues(void **state)
{
	const struct accel_guard guard = {
		.n_queues = 4, .queues = {{2, 0, 0}, {3, 1, 2}, {2, 4, 5}, {4, 65535, 65535}}};
	static const struct {
		uint32_t ifindex, queue;
		bool rx, tx;
	} rows[] = {
		{2, 0, true, true},	 {2, 1, true, false},	  {2, 2, false, false},
		{2, 4, false, true},	 {2, 5, true, true},	  {2, 6, true, false},
		{2, 7, false, false},	 {3, 0, false, false},	  {3, 1, false, true},
		{3, 2, true, true},	 {3, 3, true, false},	  {3, 4, false, false},
		{4, 65535, false, true}, {4, 65536, true, false}, {5, 9, true, true},
	};

	(void)state;
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(rows); i++) {
		struct accel_bpf_aux aux = {.ifindex = rows[i].ifindex, .queue = rows[i].queue};

		assert_int_equal(verdict(&guard, &aux), rows[i].rx ? KEEP : 0);
		aux.pkttype = PACKET_OUTGOING;
		assert_int_equal(verdict(&guard, &aux), rows[i].tx ? KEEP : 0);
	}
}

static void test_vlans(void **state)
{
	const struct accel_guard tagged = {.n_vlans = 2, .vlans = {100, 4095}};
	const struct accel_guard untagged = {.n_vlans = 1, .vlans = {0}};
	struct accel_bpf_aux aux = {.vlan_present = true, .vlan_tci = 100};

	(void)state;
	assert_int_equal(verdict(&tagged, &aux), KEEP);
	assert_int_equal(verdict(&untagged, &aux), 0);
	aux.vlan_tci = 0xe064; /* priority 7, id 100 */
	assert_int_equal(verdict(&tagged, &aux), KEEP);
	aux.vlan_tci = 0xffff;
	assert_int_equal(verdict(&tagged, &aux), KEEP);
	aux.vlan_tci = 101;
	assert_int_equal(verdict(&tagged, &aux), 0);
	aux.vlan_tci = 0xe000; /* a priority tag: of no VLAN */
	assert_int_equal(verdict(&untagged, &aux), KEEP);
	aux = (struct accel_bpf_aux){0};
	assert_int_equal(verdict(&untagged, &aux), KEEP);
	assert_int_equal(verdict(&tagged, &aux), 0);
}

static void test_vlans_in_band(void **state)
{
	struct accel_guard guard = {.n_vlans = 1, .vlans = {100}, .vlan_in_band = true};
	struct accel_bpf_aux aux = {0};
	uint8_t packet[16] = {[12] = 0x81, [13] = 0x00, [14] = 0x20, [15] = 100};
	struct sock_filter *insns;
	unsigned n;

	(void)state;
	insns = compose(&guard, NULL, 0, &n);
	assert_int_equal(accel_bpf_run(insns, packet, 16, 16, &aux), KEEP);
	assert_int_equal(accel_bpf_run(insns, packet, 15, 15, &aux), 0);
	packet[12] = 0x88, packet[13] = 0xa8;
	assert_int_equal(accel_bpf_run(insns, packet, 16, 16, &aux), KEEP);
	packet[12] = 0x91, packet[13] = 0x00;
	assert_int_equal(accel_bpf_run(insns, packet, 16, 16, &aux), KEEP);
	packet[12] = 0x92;
	assert_int_equal(accel_bpf_run(insns, packet, 16, 16, &aux), 0);
	/* The metadata's tag is the outer one. */
	packet[12] = 0x81;
	aux.vlan_present = true;
	aux.vlan_tci = 7;
	assert_int_equal(accel_bpf_run(insns, packet, 16, 16, &aux), 0);
	free(insns);

	guard.vlans[0] = 0;
	aux.vlan_present = false;
	insns = compose(&guard, NULL, 0, &n);
	assert_int_equal(accel_bpf_run(insns, packet, 16, 16, &aux), 0);
	packet[12] = 0x08;
	assert_int_equal(accel_bpf_run(insns, packet, 16, 16, &aux), KEEP);
	assert_int_equal(accel_bpf_run(insns, packet, 13, 13, &aux), 0);
	free(insns);
}

static void fill(struct accel_guard *guard)
{
	*guard = (struct accel_guard){.lo_ifindex = 1,
				      .direction = ACCEL_DIR_IN,
				      .n_ifindex = ACCEL_GUARD_MAX_IFACES,
				      .n_queues = ACCEL_GUARD_MAX_QUEUES,
				      .n_vlans = ACCEL_GUARD_MAX_VLANS,
				      .vlan_in_band = true};
	for (unsigned i = 0; i < 64; i++) {
		guard->ifindex[i] = i + 1;
		guard->vlans[i] = (uint16_t)(i * 60);
		guard->queues[i].ifindex = i + 1;
		guard->queues[i].first = guard->queues[i].last = (uint16_t)(2 * i);
	}
}

/* The longest guards, walked to the last entry, with one interface for all queues and with 64. */
static void test_full_guard(void **state)
{
	struct accel_guard guard;
	struct sock_filter *insns;
	unsigned n;

	(void)state;
	fill(&guard);
	for (unsigned shared = 0; shared < 2; shared++) {
		for (unsigned i = 0; i < 64; i++) {
			uint32_t iface = shared ? 64 : i + 1;
			struct accel_bpf_aux aux = {.ifindex = iface,
						    .queue = 2 * i + 1,
						    .vlan_present = true,
						    .vlan_tci = 63 * 60};

			guard.queues[i].ifindex = iface;
			assert_int_equal(verdict(&guard, &aux), KEEP);
			aux.queue++;
			if (!shared)
				assert_int_equal(verdict(&guard, &aux), 0);
			aux.queue--;
			aux.vlan_tci++;
			assert_int_equal(verdict(&guard, &aux), 0);
		}
		insns = compose(&guard, NULL, 0, &n);
		free(insns);
		assert_in_range(n, 200, 600);
	}
}

/* A program that reads A and X before it writes them. */
static void test_user_finds_zeroes(void **state)
{
	const struct sock_filter user[] = {BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 3),
					   BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
					   BPF_STMT(BPF_RET | BPF_A, 0)};
	const struct accel_bpf_aux aux = {
		.ifindex = 7, .queue = 9, .vlan_present = true, .vlan_tci = 5};
	const struct accel_guard guards[] = {
		{.n_ifindex = 1, .ifindex = {7}},
		{.lo_ifindex = 1},
		{.direction = ACCEL_DIR_IN},
		{.n_queues = 1, .queues = {{7, 8, 8}}},
		{.n_queues = 1, .queues = {{6, 8, 8}}},
		{.n_vlans = 1, .vlans = {5}},
	};

	(void)state;
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(guards); i++) {
		unsigned n;
		struct sock_filter *insns = compose(&guards[i], user, 3, &n);

		assert_memory_equal(insns + n - 3, user, sizeof(user));
		assert_int_equal(accel_bpf_run(insns, NULL, 0, 0, &aux), 3);
		free(insns);
	}
}

static void test_too_big(void **state)
{
	static struct sock_filter user[ACCEL_BPF_MAX_INSNS + 1];
	const struct accel_guard none = {0}, one = {.n_ifindex = 1};
	struct sock_filter untouched, *insns = &untouched;
	unsigned n = 77;

	(void)state;
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(user); i++)
		user[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	assert_int_equal(accel_bpf_compose(&none, user, ACCEL_BPF_MAX_INSNS + 1, 96, &insns, &n),
			 -E2BIG);
	assert_int_equal(accel_bpf_compose(&one, user, ACCEL_BPF_MAX_INSNS - 4, 96, &insns, &n),
			 -E2BIG);
	assert_ptr_equal(insns, &untouched);
	assert_int_equal(n, 77);
	assert_int_equal(accel_bpf_compose(&one, user, ACCEL_BPF_MAX_INSNS - 5, 96, &insns, &n), 0);
	assert_int_equal(n, ACCEL_BPF_MAX_INSNS);
	free(insns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_test),
		cmocka_unit_test(test_ifindex),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_direction),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_vlans_in_band),
		cmocka_unit_test(test_full_guard),
		cmocka_unit_test(test_user_finds_zeroes),
		cmocka_unit_test(test_too_big),
	};

	return cmocka_run_group_tests(tests, open_kernel, close_kernel);
}
