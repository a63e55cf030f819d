/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_host.c - whether a host lives on an interface: one reason after the other, in a network
 * namespace of this process. Needs root; without it the tests are skipped. */
#include "test_xdp.h"

#include "kern/host.h"
#include "kern/rtnl.h"

#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>

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

static bool lists(const struct accel_host *host, uint32_t v4)
{
	for (unsigned i = 0; i < host->local.n_v4; i++)
		if (host->local.v4[i] == v4)
			return true;
	return false;
}

/* fe80::last */
static bool lists_link_local(const struct accel_host *host, uint8_t last)
{
	const uint8_t address[16] = {0xfe, 0x80, [15] = last};

	for (unsigned i = 0; i < host->local.n_v6; i++)
		if (memcmp(host->local.v6[i], address, sizeof(address)) == 0)
			return true;
	return false;
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
	      "it has the default route");
	check("ip -6 route add default dev accelx", "ip -6 route del default dev accelx",
	      "it has the default route");
	check("ip route add default nexthop dev accely weight 1 nexthop dev accelx weight 1",
	      "ip route del default", "it has the default route");
	check("ip link add accelbr type bridge && ip link set accelx master accelbr &&"
	      " ip addr add 10.5.5.5/24 dev accelbr",
	      "ip link set accelx nomaster && ip link del accelbr",
	      "it is a part of a bridge or bond");
}

/* A host lives also on what lies on an interface: all of it comes in there. */
static void test_stacked(void **state)
{
	(void)state;
	need_namespace();
	check("ip link add accelm link accelx type macvlan && ip addr add 10.1.5.3/24 dev accelm",
	      "ip link del accelm", "'accelm', which lies on it, has the address 10.1.5.3");
	check("ip link add accelm link accelx type macvlan && ip link set accelm up &&"
	      " ip route add default dev accelm",
	      "ip link del accelm", "'accelm', which lies on it, has the default route");
	check("ip link add accelm link accelx type macvlan && ip link add accelbr type bridge &&"
	      " ip link set accelm master accelbr",
	      "ip link del accelbr && ip link del accelm",
	      "'accelm', which lies on it, is a part of a bridge or bond");
}

/* The session that we run in comes through it, though it has no address. */
static void test_ssh(void **state)
{
	(void)state;
	need_namespace();
	setenv("SSH_CONNECTION", "10.9.9.9 40000 10.8.8.8 22", 1);
	check("ip route add 10.9.9.9 dev accelx", "ip route del 10.9.9.9 dev accelx",
	      "the ssh session of 10.9.9.9 comes through it");
	assert_int_equal(look().local.ssh_port, 22);
	setenv("SSH_CONNECTION", "2001:db8::99%accelx 40000 2001:db8::1 2222", 1);
	check("ip -6 route add 2001:db8::99 dev accelx", "ip -6 route del 2001:db8::99 dev accelx",
	      "the ssh session of 2001:db8::99 comes through it");
	assert_int_equal(look().local.ssh_port, 2222);
	setenv("SSH_CONNECTION", "10.9.9.9 65537", 1);
	assert_int_equal(look().local.ssh_port, 0);
	unsetenv("SSH_CONNECTION");
	assert_int_equal(look().local.ssh_port, 0);
	check("ip route add 10.9.9.9 dev accelx && ip route add default dev accelx",
	      "ip route del default && ip route del 10.9.9.9", "it has the default route");
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
	/* It may get one yet: every address counts as the host's. */
	assert_int_equal(host.local.n_v4 + host.local.n_v6, 0);
}

/* What the keep rules ask for: the host's addresses, wherever they are, if packets for them may
 * come in here. */
static void test_addresses(void **state)
{
	struct accel_host host;

	(void)state;
	need_namespace();
	run("ip link add accelbr type bridge && ip link set accelx master accelbr &&"
	    " ip addr add 10.5.5.5/24 dev accelbr && ip addr add fe80::5/64 dev accelbr nodad &&"
	    " ip addr add fe80::6/64 dev accely nodad && ip addr add 10.6.6.6/32 dev lo");
	host = look();
	assert_true(lists(&host, 0x0a050505) && lists(&host, 0x0a060606) &&
		    lists(&host, 0x0a010204));
	assert_false(lists(&host, 0x7f000001));
	assert_true(lists_link_local(&host, 5));
	assert_false(lists_link_local(&host, 6));
	/* The kernel tells that one first which lies on the others. */
	run("ip link del accelbr && ip link add accelm index 9000 link accelx type macvlan &&"
	    " ip link add accelbr2 index 8999 type bridge && ip link set accelm master accelbr2 &&"
	    " ip link add accelm2 index 8998 link accelbr2 type macvlan &&"
	    " ip addr add fe80::8/64 dev accelm2 nodad && ip addr add 10.5.5.5/24 dev accelm2");
	host = look();
	assert_true(lists_link_local(&host, 8));
	run("for i in $(seq 64); do echo addr add 10.7.7.$i/24 dev accely; done | ip -batch -");
	host = look();
	assert_int_equal(host.local.n_v4 + host.local.n_v6, 0);
	run("ip addr flush dev accely && ip addr flush dev lo && ip link del accelbr2 &&"
	    " ip link del accelm");
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

/* A dump that fails halfway says so in its last message. */
static void test_dump_that_fails(void **state)
{
	struct {
		struct nlmsghdr nlh;
		int error;
	} done = {{.nlmsg_len = sizeof(done), .nlmsg_type = NLMSG_DONE}, 0};
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	for (int error = 0; error >= -ENOMEM; error -= ENOMEM) {
		done.error = error;
		assert_int_equal(send(fds[1], &done, sizeof(done), 0), sizeof(done));
		assert_int_equal(accel_rtnl_dump(fds[0], RTM_GETADDR, NULL, NULL), error);
	}
	close(fds[0]);
	close(fds[1]);
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
		cmocka_unit_test(test_reasons),	  cmocka_unit_test(test_stacked),
		cmocka_unit_test(test_ssh),	  cmocka_unit_test(test_no_reasons),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_facts),
		cmocka_unit_test(test_program),	  cmocka_unit_test(test_dump_that_fails),
	};

	return cmocka_run_group_tests(tests, make_veth, NULL);
}
