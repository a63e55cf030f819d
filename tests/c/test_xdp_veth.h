/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_veth.h - a veth pair in a network namespace of this process, and frames to send through
 * it: accelx is where XDP runs, accely the other end.
 *
 * Needs root; without it need_veth() skips the test and says why. Threads: none. */
#ifndef TEST_XDP_VETH_H
#define TEST_XDP_VETH_H

#include "test_xdp.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <net/if.h>
#include <sched.h>

#define WAIT_MS 5000

static unsigned ours, theirs; /* the pair; 0: there is none */

static const struct sock_filter udp_only[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, 262144),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

/* VETH_QUEUES: the queues of each end, as a word; defined before this file is included. */
static int make_veth(void **state)
{
	int fd;

	(void)state;
	if (unshare(CLONE_NEWNET))
		return 0;
	/* Without IPv6 a new interface is silent: no frames but ours. */
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		assert_int_equal(write(fd, "1", 1), 1);
		close(fd);
	}
	if (system("q='numrxqueues " VETH_QUEUES " numtxqueues " VETH_QUEUES "';"
		   "ip link add accelx address 02:00:00:00:00:01 $q type veth"
		   " peer name accely address 02:00:00:00:00:02 $q 2>&1 &&"
		   " ip link set accelx up && ip link set accely up"))
		return 0;
	ours = if_nametoindex("accelx");
	theirs = if_nametoindex("accely");
	return 0;
}

static MAYBE void need_veth(void)
{
	need_bpf();
	if (!ours) {
		print_message("skipped: no network namespace, or no veth pair\n");
		skip();
	}
}

/* A packet socket that gets what arrives at an interface, and sends through it. Never blocks. */
static MAYBE int open_socket(unsigned ifindex)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)ifindex};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	int on = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static MAYBE void make_frame(uint8_t *frame, unsigned len, unsigned seed)
{
	static const uint8_t head[] = {2, 0, 0,	   0, 0, 1, 2, 0, 0, 0, 0, 2,
				       8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 9, IPPROTO_UDP};

	for (unsigned i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 7 + seed);
	memcpy(frame, head, sizeof(head));
}

#endif
