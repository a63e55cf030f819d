/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_host.c - whether a host lives on an interface: one reason after the other, in a network
 * namespace of this process. Needs root; without it the tests are skipped. */
#include "test_xdp.h"

#include "kern/host.h"

#include <net/if.h>
#include <sched.h>

static int ifindex;

static void run(const char *command)
{
	if (system(command))
		fail_msg("'%s' failed", command);
}

static struct accel_host look(void)
{
	struct accel_host host;
	struct accel_err err;

	if (accel_host_look("accelx", ifindex, &host, &err))
		fail_msg("%s", err.text);
	return host;
}

/* The reason after the command, and none after it was undone. */
static void check(const char *command, const char *undo, const char *reason)
{
	struct accel_host host;
	char text[128] = "";

	run(command);
	host = look();
	assert_true(accel_host_lives_there(&host, text, sizeof(text)));
	assert_string_equal(text, reason);
	run(undo);
	host = look();
	assert_false(accel_host_lives_there(&host, text, sizeof(text)));
}

static void need_namespace(void)
{
	if (!ifindex) {
		print_message("skipped: no network namespace, or no veth pair\n");
		skip();
	}
}

static void test_reasons(void **state)
{
	(void)state;
	need_namespace();
	check("ip addr add 10.1.2.3/24 dev accelx", "ip addr flush dev accelx",
	      "it has the address 10.1.2.3");
	check("ip addr add 10.1.2.3 peer 10.9.9.9 dev accelx", "ip addr flush dev accelx",
	      "it has the address 10.1.2.3");
	check("ip addr add 2001:db8::7/64 dev accelx nodad",
	      "ip addr del 2001:db8::7/64 dev accelx", "it has the address 2001:db8::7");
	check("ip route add default dev accelx", "ip route del default dev accelx",
	      "the default route goes through it");
	check("ip -6 route add default dev accelx", "ip -6 route del default dev accelx",
	      "the default route goes through it");
	check("ip route add default nexthop dev accely weight 1 nexthop dev accelx weight 1",
	      "ip route del default", "the default route goes through it");
	check("ip link add accelbr type bridge && ip link set accelx master accelbr",
	      "ip link set accelx nomaster && ip link del accelbr",
	      "it is a part of a bridge or bond");
}

/* What is another interface's, and a link-local address, are no reasons. */
static void test_no_reasons(void **state)
{
	struct accel_host host;
	char text[128];

	(void)state;
	need_namespace();
	run("ip addr add 10.1.2.4/24 dev accely && ip route add default via 10.1.2.9 dev accely");
	run("ip addr add fe80::77/64 dev accelx nodad");
	host = look();
	assert_false(accel_host_lives_there(&host, text, sizeof(text)));
	assert_true(host.local.n_v6 >= 1);
	assert_int_equal(host.local.n_v4, 0);
}

static void test_facts(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	struct accel_host host;
	struct accel_err err;

	(void)state;
	need_namespace();
	run("ip addr add 10.1.2.3/24 dev accelx && ip addr add 10.1.2.5/24 dev accelx");
	host = look();
	assert_true(host.has_mac);
	assert_memory_equal(host.mac, mac, 6);
	assert_int_equal(host.n_rx_queues, 3);
	assert_int_equal(host.local.n_v4, 2);
	assert_int_equal(host.local.v4[0], 0x0a010203);
	assert_int_equal(host.local.v4[1], 0x0a010205);
	assert_int_equal(host.xdp_prog_id, 0);
	run("ip addr flush dev accelx");
	host.n_rx_queues = 77;
	assert_int_equal(accel_host_look("gone", 12345, &host, &err), -ENODEV);
	assert_string_equal(err.text, "gone: cannot ask who lives on it: No such device");
	assert_int_equal(host.n_rx_queues, 77);
}

static void test_program(void **state)
{
	struct accel_xdp_spec spec = tell(NULL, 0);
	struct accel_bpf_info info;
	struct accel_host host;

	(void)state;
	need_bpf();
	need_namespace();
	for (unsigned how = 0; how < 2; how++) {
		int fd = load_spec(&spec, NULL);
		int link = accel_bpf_link_open(fd, ifindex,
					       how ? ACCEL_ATTACH_GENERIC : ACCEL_ATTACH_NATIVE);

		assert_true(link >= 0);
		assert_int_equal(accel_bpf_prog_info(fd, &info), 0);
		host = look();
		assert_int_equal(host.xdp_prog_id, info.id);
		close(link);
		close(fd);
		host = look();
		assert_int_equal(host.xdp_prog_id, 0);
	}
}

static int make_veth(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) ||
	    system("ip link set lo up && ip link add accelx address 02:00:00:00:00:01 numrxqueues 3"
		   " numtxqueues 3 type veth peer name accely numrxqueues 3 numtxqueues 3 2>&1 &&"
		   " ip link set accelx up && ip link set accely up"))
		return 0;
	ifindex = (int)if_nametoindex("accelx");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_no_reasons),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_program),
	};

	return cmocka_run_group_tests(tests, make_veth, NULL);
}
