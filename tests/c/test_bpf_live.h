/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_live.h - frames on a veth pair, in a network namespace of this process, and two packet
 * sockets that see them: one has the filter, the other shows what it had to filter.
 *
 * Needs root; without it every live test is skipped and says why.
 *
 * Threads: none. */
#ifndef TEST_BPF_LIVE_H
#define TEST_BPF_LIVE_H

#include "test_bpf_kernel.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>

static const char *why_not; /* why the live tests are skipped; NULL if they run */
static unsigned va, vb;	    /* interfaces */

struct seen {
	uint8_t data[512];
	unsigned len;
	struct accel_bpf_aux aux;
	struct sockaddr_ll from;
};

/* Two sockets of the same type on all interfaces of the namespace. */
struct live {
	int all, filtered, sender;
	int type;
};

static int open_packet(int type, unsigned ifindex)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)ifindex};
	int fd = socket(AF_PACKET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static unsigned drain(int fd)
{
	unsigned n = 0;

	while (recv(fd, &(char){0}, 1, 0) >= 0)
		n++;
	return n;
}

/* A new link drops what is sent until the kernel has got round to starting its queues. */
static void wait_for_link(struct live *live)
{
	static const uint8_t frame[60];
	unsigned n = 0;

	for (unsigned tries = 0; n < 2 && tries < 200; tries++) {
		send(live->sender, frame, sizeof(frame), 0);
		usleep(5000);
		n = drain(live->all);
	}
	assert_int_equal(n, 2);
	drain(live->filtered);
}

static MAYBE void live_init(struct live *live, int type)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)va};

	if (why_not) {
		print_message("skipped: %s\n", why_not);
		skip();
	}
	live->type = type;
	live->all = open_packet(type, 0);
	live->filtered = open_packet(type, 0);
	live->sender = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(live->sender, (struct sockaddr *)&to, sizeof(to)), 0);
	wait_for_link(live);
}

static MAYBE void live_fini(struct live *live)
{
	close(live->all);
	close(live->filtered);
	close(live->sender);
}

static void read_auxdata(struct msghdr *msg, struct seen *seen)
{
	struct tpacket_auxdata data;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&data, CMSG_DATA(c), sizeof(data));
		seen->aux.vlan_present = (data.tp_status & TP_STATUS_VLAN_VALID) != 0;
		seen->aux.vlan_tci = data.tp_vlan_tci;
		seen->aux.vlan_tpid = data.tp_vlan_tpid;
		seen->aux.net_offset = (uint32_t)(data.tp_net - data.tp_mac);
	}
}

/* The next packet without the filter; false if there is none within a moment. */
static MAYBE bool see(struct live *live, struct seen *seen)
{
	struct iovec iov = {.iov_base = seen->data, .iov_len = sizeof(seen->data)};
	char control[128];
	struct msghdr msg = {.msg_name = &seen->from,
			     .msg_namelen = sizeof(seen->from),
			     .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct pollfd pfd = {.fd = live->all, .events = POLLIN};
	ssize_t n;

	memset(seen, 0, sizeof(*seen));
	if (poll(&pfd, 1, 500) != 1)
		return false;
	n = recvmsg(live->all, &msg, 0);
	assert_true(n >= 0);
	seen->len = (unsigned)n;
	seen->aux.ifindex = (uint32_t)seen->from.sll_ifindex;
	seen->aux.protocol = ntohs(seen->from.sll_protocol);
	seen->aux.pkttype = seen->from.sll_pkttype;
	seen->aux.hatype = seen->from.sll_hatype;
	read_auxdata(&msg, seen);
	return true;
}

/* One frame of ours is seen twice: leaving va, arriving at vb. The filter in the kernel and
 * accel_bpf_run must keep the same of both. Returns how many were kept. */
static MAYBE unsigned compare(struct live *live, const uint8_t *frame, unsigned len,
			      const struct sock_filter *insns, unsigned n)
{
	unsigned n_kept = 0;

	assert_int_equal(attach_filter(live->filtered, insns, n), 0);
	assert_int_equal(send(live->sender, frame, len, 0), len);
	for (unsigned i = 0; i < 2; i++) {
		struct seen seen;
		uint8_t got[512];
		uint32_t verdict;
		int want, kept;

		assert_true(see(live, &seen));
		verdict = accel_bpf_run(insns, seen.data, seen.len, seen.len, &seen.aux);
		want = verdict_keeps(verdict, seen.len);
		kept = want < 0 ? -1 : (int)recv(live->filtered, got, sizeof(got), 0);
		n_kept += want >= 0;
		if (kept == want)
			continue;
		print_program(insns, n);
		print_bytes(seen.data, seen.len);
		fail_msg("interface %u, type %u: the kernel keeps %d, accel_bpf_run %d",
			 seen.aux.ifindex, seen.aux.pkttype, kept, want);
	}
	if (recv(live->filtered, &(char){0}, 1, 0) >= 0) {
		print_program(insns, n);
		fail_msg("the kernel keeps more than accel_bpf_run");
	}
	return n_kept;
}

/* Frames of 60 bytes and more: plain, tagged, tagged twice, broadcast, multicast, to vb, 802.2. */
static MAYBE const struct frame {
	const char *name;
	uint8_t head[24];
} frames[] = {
	{"to another", {2, 9, 9, 9, 9, 9, 2, 0, 0, 0, 0, 1, 0x08, 0, 0x45, 0, 0, 46}},
	{"broadcast", {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x08, 6, 0, 1, 8, 0}},
	{"multicast", {1, 0, 94, 0, 0, 5, 2, 0, 0, 0, 0, 1, 0x08, 0, 0x45, 0, 0, 46}},
	{"to vb", {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60}},
	{"vlan 100",
	 {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0x60, 100, 8, 0, 0x45, 0, 0, 42}},
	{"priority tag",
	 {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0xe0, 0, 8, 0, 0x45, 0, 0, 42}},
	{"802.1ad", {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xa8, 0, 200, 8, 0, 0x45, 0, 0, 42}},
	{"QinQ",
	 {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xa8, 0, 200, 0x81, 0, 0, 100, 8, 0, 0x45}},
	{"802.2", {1, 128, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 46, 0x42, 0x42, 3}},
	{"802.3 ipx", {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0, 46, 0xff, 0xff, 0, 34}},
};

static MAYBE void make_frame(const struct frame *frame, uint8_t *out)
{
	for (unsigned i = 0; i < 64; i++)
		out[i] = (uint8_t)i;
	memcpy(out, frame->head, sizeof(frame->head));
}

/* Without IPv6 a new interface is silent: no frames but ours. */
static void silence(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return; /* no IPv6 in this kernel */
	assert_int_equal(write(fd, "1", 1), 1);
	close(fd);
}

static MAYBE int enter_namespace(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET)) {
		why_not = "no right to make a network namespace";
		return 0;
	}
	silence();
	if (system("ip link add accelva address 02:00:00:00:00:01 type veth"
		   " peer name accelvb address 02:00:00:00:00:02 2>&1 &&"
		   " ip link set accelva up &&"
		   " ip link set accelvb up")) {
		why_not = "'ip link add ... type veth' failed";
		return 0;
	}
	va = if_nametoindex("accelva");
	vb = if_nametoindex("accelvb");
	return 0;
}

#endif
