/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_aux.c - metadata: what accel_bpf_run makes of an accel_bpf_aux, and that it is what the
 * kernel makes of the packet, its headers and its queue. */
#include "test_bpf_live.h"
#include "test_bpf_packets.h"

#include <linux/if_tun.h>
#include <sys/ioctl.h>

#define AD(field) ((uint32_t)(SKF_AD_OFF + SKF_AD_##field))

static void test_every_field(void **state)
{
	const struct accel_bpf_aux aux = {.ifindex = 1001,
					  .protocol = 1002,
					  .pkttype = 1003,
					  .hatype = 1004,
					  .rxhash = 0xfedcba98,
					  .queue = 1006,
					  .cpu = 1007,
					  .vlan_tci = 1008,
					  .vlan_tpid = 1009,
					  .vlan_present = true};
	const struct {
		uint32_t at, want;
	} rows[] = {
		{AD(IFINDEX), 1001},
		{AD(PROTOCOL), 1002},
		{AD(PKTTYPE), 1003},
		{AD(HATYPE), 1004},
		{AD(QUEUE), 1006},
		{AD(RXHASH), 0xfedcba98},
		{AD(CPU), 1007},
		{AD(VLAN_TAG), 1008},
		{AD(VLAN_TPID), 1009},
		{AD(VLAN_TAG_PRESENT), 1},
		/* What an aux does not hold drops the packet. */
		{AD(MARK), 0},
		{AD(RANDOM), 0},
		{AD(PAY_OFFSET), 0},
		{AD(NLATTR), 0},
		{AD(NLATTR_NEST), 0},
		{AD(MAX), 0},
	};

	(void)state;
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(rows); i++) {
		static const uint16_t sizes[] = {BPF_W, BPF_H,
						 BPF_B}; /* the width does not matter */

		for (unsigned j = 0; j < 3; j++) {
			const struct sock_filter insns[] = {
				BPF_STMT(BPF_LD | BPF_IMM, 5),
				BPF_STMT(BPF_LD | sizes[j] | BPF_ABS, rows[i].at),
				BPF_STMT(BPF_RET | BPF_A, 0)};

			assert_int_equal(accel_bpf_run(insns, NULL, 0, 0, &aux), rows[i].want);
		}
	}
}

/* The value of a piece of metadata, byte by byte, as the length that is kept. */
static void test_metadata(void **state)
{
	static const uint32_t fields[] = {AD(PROTOCOL), AD(PKTTYPE),	      AD(IFINDEX),
					  AD(HATYPE),	AD(VLAN_TAG_PRESENT), AD(VLAN_TAG),
					  AD(VLAN_TPID)};
	uint8_t frame[400] = {0};
	struct live live;

	(void)state;
	live_init(&live, SOCK_RAW);
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(frames); i++) {
		make_frame(&frames[i], frame);
		for (unsigned j = 0; j < ACCEL_ARRAY_LEN(fields) * 4; j++) {
			const struct sock_filter insns[] = {
				BPF_STMT(BPF_LD | BPF_W | BPF_ABS, fields[j / 4]),
				BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, j % 4 * 8),
				BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff),
				BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 64),
				BPF_STMT(BPF_RET | BPF_A, 0)};

			assert_int_equal(compare(&live, frame, sizeof(frame), insns, 5), 2);
		}
	}
	live_fini(&live);
}

/* Loads from the network header and from the link header. */
static void test_negative_offsets(void **state)
{
	uint8_t frame[64];
	struct live live;

	(void)state;
	live_init(&live, SOCK_RAW);
	make_frame(&frames[0], frame);
	for (uint32_t i = 0; i < 70; i++) {
		const uint32_t at[] = {(uint32_t)SKF_LL_OFF + i, (uint32_t)SKF_NET_OFF + i};

		for (unsigned j = 0; j < 2; j++) {
			const struct sock_filter abs[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, at[j]),
							  BPF_STMT(BPF_RET | BPF_A, 0)};
			const struct sock_filter ind[] = {
				BPF_STMT(BPF_LDX | BPF_IMM, 3),
				BPF_STMT(BPF_LD | BPF_H | BPF_IND, at[j] - 3),
				BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 8),
				BPF_STMT(BPF_RET | BPF_A, 0)};
			const struct sock_filter msh[] = {
				BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, at[j]),
				BPF_STMT(BPF_MISC | BPF_TXA, 0), BPF_STMT(BPF_RET | BPF_A, 0)};

			compare(&live, frame, sizeof(frame), abs, 2);
			compare(&live, frame, sizeof(frame), ind, 4);
			compare(&live, frame, sizeof(frame), msh, 3);
		}
	}
	live_fini(&live);
}

static void guard_on_all_frames(struct live *live, const struct accel_guard *guard, unsigned n_want)
{
	struct sock_filter *insns;
	unsigned n, n_kept = 0;
	uint8_t frame[64];

	assert_int_equal(accel_bpf_compose(guard, NULL, 0, 60, &insns, &n), 0);
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(frames); i++) {
		make_frame(&frames[i], frame);
		n_kept += compare(live, frame, sizeof(frame), insns, n);
	}
	free(insns);
	assert_int_equal(n_kept, n_want);
}

/* Guards on real frames: how many of 20 (ten sent, ten received) they keep. */
static void test_guards(void **state)
{
	const struct accel_guard at_vb = {.n_ifindex = 1, .ifindex = {vb}};
	const struct accel_guard in = {.direction = ACCEL_DIR_IN};
	const struct accel_guard out = {.direction = ACCEL_DIR_OUT};
	const struct accel_guard not_sent_by_va = {.lo_ifindex = va};
	const struct accel_guard vlan_100 = {.n_vlans = 1, .vlans = {100}, .vlan_in_band = true};
	const struct accel_guard vlan_200 = {.n_vlans = 1, .vlans = {200}, .vlan_in_band = true};
	const struct accel_guard received = {.n_vlans = 1, .vlans = {200}};
	const struct accel_guard bare = {.n_vlans = 1, .vlans = {0}, .vlan_in_band = true};
	struct live live;

	(void)state;
	live_init(&live, SOCK_RAW);
	guard_on_all_frames(&live, &at_vb, 10);
	guard_on_all_frames(&live, &in, 10);
	guard_on_all_frames(&live, &out, 10);
	guard_on_all_frames(&live, &not_sent_by_va, 10);
	guard_on_all_frames(&live, &vlan_100, 2);
	guard_on_all_frames(&live, &vlan_200, 4);
	guard_on_all_frames(&live, &received, 2);
	guard_on_all_frames(&live, &bare, 14);
	live_fini(&live);
}

/* A filter for a cooked link, in the kernel on a SOCK_DGRAM socket, against the interpreter on the
 * cooked packet. Returns how many of the two copies were kept. */
static unsigned cooked(struct live *live, const uint8_t *frame, int link_type,
		       const struct sock_filter *insns, unsigned n)
{
	struct sock_filter bare[8];
	struct seen seen;
	uint8_t got[512], packet[600] = {0};
	unsigned header_len = link_type == 113 ? 16 : 20, n_kept = 0;

	memcpy(bare, insns, n * sizeof(*insns));
	assert_int_equal(accel_bpf_uncook(bare, n, link_type), 0);
	assert_int_equal(attach_filter(live->filtered, bare, n), 0);
	assert_int_equal(send(live->sender, frame, 64, 0), 64);
	for (unsigned i = 0; i < 2; i++) {
		bool want, kept;

		assert_true(see(live, &seen));
		if (link_type == 113) {
			put16(packet, seen.from.sll_pkttype);
			put16(packet + 2, seen.from.sll_hatype);
			memcpy(packet + 14, &seen.from.sll_protocol, 2);
		} else {
			memcpy(packet, &seen.from.sll_protocol, 2);
			put16(packet + 6, (unsigned)seen.from.sll_ifindex);
			put16(packet + 8, seen.from.sll_hatype);
			packet[10] = seen.from.sll_pkttype;
		}
		memcpy(packet + header_len, seen.data, seen.len);
		want = accel_bpf_run(insns, packet, header_len + seen.len, header_len + seen.len,
				     &seen.aux) != 0;
		kept = want ? recv(live->filtered, got, sizeof(got), 0) >= 0 : false;
		assert_int_equal(kept, want);
		n_kept += kept;
	}
	assert_true(recv(live->filtered, got, sizeof(got), 0) < 0);
	return n_kept;
}

static void test_uncook(void **state)
{
	static const uint16_t protocols[] = {0x0800, 0x0806, 0x86dd, 4, 1};
	unsigned n_sll = 0, n_sll2 = 0;
	struct live live;
	uint8_t frame[64];

	(void)state;
	live_init(&live, SOCK_DGRAM);
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(frames); i++) {
		/* A tag in band of a sent frame: the kernel writes the inner type into the header,
		 * and the tag's into the metadata (cbpf.h says so). */
		if (frames[i].head[12] == 0x81 ||
		    (frames[i].head[12] == 0x88 && frames[i].head[13] == 0xa8))
			continue;
		make_frame(&frames[i], frame);
		for (unsigned j = 0; j < 25; j++) {
			uint32_t type = j % 5;
			const struct sock_filter sll[] = {
				BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 14),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, protocols[j / 5], 0, 5),
				BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, type, 0, 3),
				BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 16),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, frame[14], 0, 1),
				BPF_STMT(BPF_RET | BPF_K, 60),
				BPF_STMT(BPF_RET | BPF_K, 0)};
			const struct sock_filter sll2[] = {
				BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, protocols[j / 5], 0, 5),
				BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 10),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, type, 0, 3),
				BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, vb, 0, 1),
				BPF_STMT(BPF_RET | BPF_K, 60),
				BPF_STMT(BPF_RET | BPF_K, 0)};

			n_sll += cooked(&live, frame, 113, sll, 8);
			n_sll2 += cooked(&live, frame, 276, sll2, 8);
		}
	}
	live_fini(&live);
	/* Six frames, sent and received; a raw socket sends 802.2 and 802.3 with their length as
	 * the protocol. SLL2's filter wants vb. */
	assert_int_equal(n_sll, 10);
	assert_int_equal(n_sll2, 6);
}

/* A network card's queues, played by a tun device: the frame that comes by queue i passes the guard
 * for queue i and no other. */
static int open_tun_queue(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) == 0)
		return fd;
	close(fd);
	return -1;
}

static void test_receive_queues(void **state)
{
	int queues[4], fd;
	uint8_t frame[64];
	uint32_t tap;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		queues[i] = why_not ? -1 : open_tun_queue("accelq0");
	if (queues[3] < 0 || system("ip link set accelq0 up")) {
		print_message("skipped: %s\n", why_not ? why_not : "no multi-queue tun device");
		skip();
	}
	tap = if_nametoindex("accelq0");
	fd = open_packet(SOCK_RAW, tap);
	make_frame(&frames[0], frame);
	for (unsigned i = 0; i < 16; i++) {
		uint16_t want = (uint16_t)(i / 4);
		const struct accel_guard guard = {
			.direction = ACCEL_DIR_IN, .n_queues = 1, .queues = {{tap, want, want}}};
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		struct sock_filter *insns;
		unsigned n;

		assert_int_equal(accel_bpf_compose(&guard, NULL, 0, 60, &insns, &n), 0);
		assert_int_equal(attach_filter(fd, insns, n), 0);
		free(insns);
		assert_int_equal(write(queues[i % 4], frame, sizeof(frame)), sizeof(frame));
		assert_int_equal(poll(&pfd, 1, want == i % 4 ? 500 : 20), want == i % 4);
		drain(fd);
	}
	close(fd);
	for (unsigned i = 0; i < 4; i++)
		close(queues[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field),	 cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_negative_offsets), cmocka_unit_test(test_guards),
		cmocka_unit_test(test_uncook),		 cmocka_unit_test(test_receive_queues),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
