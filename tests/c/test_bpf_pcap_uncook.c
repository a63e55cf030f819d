/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_pcap_uncook.c - filters that the system's libpcap compiles for cooked links: the program
 * on the cooked packet, and uncooked on the bare one with its metadata, have the same verdict. */
#include "test_bpf_kernel.h"
#include "test_bpf_packets.h"

#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <pcap.h>

#define SLL  113
#define SLL2 276

/* IF_COMPILED: moves, where libpcap compiles it for this link; its versions differ. */
enum fate { MOVES, REFUSED, IF_COMPILED };

static const struct row {
	const char *expression;
	enum fate sll, sll2;
} rows[] = {
	{"", MOVES, MOVES},
	{"ip", MOVES, MOVES},
	{"ip6", MOVES, MOVES},
	{"arp", MOVES, MOVES},
	{"tcp", MOVES, MOVES},
	{"udp", MOVES, MOVES},
	{"icmp6", MOVES, MOVES},
	{"tcp port 80", MOVES, MOVES},
	{"udp port 53", MOVES, MOVES},
	{"portrange 1000-2000", MOVES, MOVES},
	{"host 10.0.0.1", MOVES, MOVES},
	{"src net 192.168.0.0/16", MOVES, MOVES},
	{"ip6 host 2001:db8::1", MOVES, MOVES},
	{"tcp[13] & 2 != 0", MOVES, MOVES},
	{"ip[6:2] & 0x1fff = 0", MOVES, MOVES},
	{"ip[2:2] - ((ip[0] & 0xf) << 2) > 30", MOVES, MOVES},
	{"ip proto 47", MOVES, MOVES},
	{"ip protochain 6", MOVES, MOVES},
	{"ip6 protochain 17", MOVES, MOVES},
	{"ip multicast", MOVES, MOVES},
	{"ether proto 0x88cc", MOVES, MOVES},
	{"not ip and not ip6", MOVES, MOVES},
	{"stp", MOVES, MOVES},
	{"ipx", MOVES, MOVES},
	{"pppoes 5 and tcp port 80", MOVES, MOVES},
	{"inbound", MOVES, MOVES},
	{"outbound and tcp", MOVES, MOVES},
	{"link[0:2] = 4", MOVES, MOVES},   /* SLL: packet type; SLL2: protocol */
	{"link[2:2] = 1", MOVES, REFUSED}, /* hardware type; reserved */
	{"link[4:4] = 3", REFUSED, MOVES}, /* address length and address; interface */
	{"link[8:2] = 1", REFUSED, MOVES}, /* address; hardware type */
	{"link[10] = 4", REFUSED, MOVES},  /* address; packet type */
	{"link[14:2] = 0x800", MOVES, REFUSED},
	{"link[15] = 0", REFUSED, REFUSED}, /* a part of the protocol; the address */
	{"link[0] = 0", REFUSED, REFUSED},
	{"link[0:4] = 0", REFUSED, REFUSED},
	{"link[14:4] = 0", REFUSED, REFUSED},
	{"link[16] = 0x45", MOVES, REFUSED}, /* behind SLL's header */
	{"link[20] = 0x45", MOVES, MOVES},
	{"link[18:4] = 0x003c0007", MOVES, REFUSED}, /* across the end of SLL2's */
	{"greater 100", REFUSED, REFUSED},
	{"tcp and less 100", REFUSED, REFUSED},
	{"ifindex 3", IF_COMPILED, MOVES},
};

/* The cooked header as the capture library makes it up from what the kernel says. */
static unsigned wrap(const struct packet *packet, const struct accel_bpf_aux *aux, int link_type,
		     uint8_t *out)
{
	unsigned n = link_type == SLL ? 16 : 20;

	memset(out, 0, n);
	if (link_type == SLL) {
		put16(out, aux->pkttype);
		put16(out + 2, aux->hatype);
		put16(out + 4, 6);
		memcpy(out + 6, "\2\0\0\0\0\1", 6);
		put16(out + 14, aux->protocol);
	} else {
		put16(out, aux->protocol);
		put16(out + 4, aux->ifindex >> 16);
		put16(out + 6, aux->ifindex);
		put16(out + 8, aux->hatype);
		out[10] = (uint8_t)aux->pkttype;
		out[11] = 6;
		memcpy(out + 12, "\2\0\0\0\0\1", 6);
	}
	memcpy(out + n, packet->data, packet->len);
	return n + packet->len;
}

static unsigned compare(const char *expression, const struct sock_filter *cooked,
			const struct sock_filter *bare, unsigned n, int link_type)
{
	unsigned n_kept = 0;

	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(packets) * 10; i++) {
		const struct packet *packet = &packets[i / 10];
		struct accel_bpf_aux aux = {.protocol = packet->protocol,
					    .pkttype = i % 5,
					    .ifindex = i % 2 ? 3 : 0x10003,
					    .hatype = i % 3 ? ARPHRD_ETHER : ARPHRD_PPP};
		uint8_t frame[PACKET_MAX + 20];
		unsigned len = wrap(packet, &aux, link_type, frame);
		uint32_t want = accel_bpf_run(cooked, frame, len, len, &aux);
		uint32_t got = accel_bpf_run(bare, packet->data, packet->len, packet->len, &aux);

		n_kept += want != 0;
		if (want == got)
			continue;
		print_program(cooked, n);
		print_program(bare, n);
		fail_msg("'%s' on %s: cooked %u, bare %u", expression, packet->name, want, got);
	}
	return n_kept;
}

/* Returns how many packets were kept, of those that it could compare. */
static unsigned check(const char *expression, struct sock_filter *cooked, unsigned n, int link_type,
		      bool moves)
{
	struct sock_filter *bare = malloc(n * sizeof(*bare));
	unsigned n_kept = 0;

	assert_non_null(bare);
	memcpy(bare, cooked, n * sizeof(*bare));
	assert_int_equal(accel_bpf_uncook(bare, n, link_type), moves ? 0 : -EOPNOTSUPP);
	assert_int_equal(accel_bpf_validate(bare, n, NULL), 0);
	if (moves)
		n_kept = compare(expression, cooked, bare, n, link_type);
	else
		assert_memory_equal(bare, cooked, n * sizeof(*bare));
	free(bare);
	return n_kept;
}

static unsigned test_link(const char *expression, int link_type, enum fate fate)
{
	pcap_t *dead = pcap_open_dead(link_type, 262144);
	struct bpf_program program;
	unsigned n_kept = 0;

	if (pcap_compile(dead, &program, expression, 1, PCAP_NETMASK_UNKNOWN)) {
		if (fate != IF_COMPILED)
			fail_msg("'%s': %s", expression, pcap_geterr(dead));
		print_message("'%s' not tested on %d: %s\n", expression, link_type,
			      pcap_geterr(dead));
	} else {
		n_kept = check(expression, (struct sock_filter *)program.bf_insns, program.bf_len,
			       link_type, fate != REFUSED);
		pcap_freecode(&program);
	}
	pcap_close(dead);
	return n_kept;
}

static void test_row(void **state)
{
	const struct row *row = *state;
	unsigned n_kept = test_link(row->expression, SLL, row->sll) +
			  test_link(row->expression, SLL2, row->sll2);

	if (n_kept == 0 && (row->sll == MOVES || row->sll2 == MOVES))
		fail_msg("'%s' keeps none of the packets: it shows nothing", row->expression);
}

static int uncook_one(struct sock_filter insn, int link_type, uint32_t *k)
{
	struct sock_filter insns[] = {insn, BPF_STMT(BPF_RET | BPF_A, 0)};
	int rc = accel_bpf_uncook(insns, 2, link_type);

	*k = insns[0].k;
	return rc;
}

/* Loads that add X: inside the header refused, behind it moved. */
static void test_indexed(void **state)
{
	static const uint16_t codes[] = {BPF_LD | BPF_B | BPF_IND, BPF_LD | BPF_H | BPF_IND,
					 BPF_LD | BPF_W | BPF_IND, BPF_LDX | BPF_B | BPF_MSH};
	uint32_t k;

	(void)state;
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(codes); i++) {
		for (uint32_t at = 0; at < 30; at++) {
			const struct sock_filter insn = BPF_STMT(codes[i], at);

			assert_int_equal(uncook_one(insn, SLL, &k), at < 16 ? -EOPNOTSUPP : 0);
			assert_int_equal(k, at < 16 ? at : at - 16);
			assert_int_equal(uncook_one(insn, SLL2, &k), at < 20 ? -EOPNOTSUPP : 0);
			assert_int_equal(k, at < 20 ? at : at - 20);
		}
	}
}

/* The numbers of other instructions are no offsets, and the kernel's own offsets no cooked ones. */
static void test_left_alone(void **state)
{
	const struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_IMM, 14),
		BPF_STMT(BPF_LDX | BPF_IMM, 18),
		BPF_STMT(BPF_ST, 14),
		BPF_STMT(BPF_LD | BPF_MEM, 14),
		BPF_STMT(BPF_LDX | BPF_MEM, 14),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 40),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 40, 0, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF + 9),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, (uint32_t)SKF_NET_OFF + 9),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, (uint32_t)SKF_NET_OFF),
		BPF_STMT(BPF_MISC | BPF_TAX, 40),
		BPF_STMT(BPF_RET | BPF_K, 40),
	};
	struct sock_filter moved[ACCEL_ARRAY_LEN(insns)];

	(void)state;
	memcpy(moved, insns, sizeof(moved));
	assert_int_equal(accel_bpf_uncook(moved, ACCEL_ARRAY_LEN(moved), SLL), 0);
	assert_memory_equal(moved, insns, sizeof(insns));
	assert_int_equal(accel_bpf_uncook(moved, ACCEL_ARRAY_LEN(moved), SLL2), 0);
	assert_memory_equal(moved, insns, sizeof(insns));
}

static void test_refused(void **state)
{
	/* The first instruction would move: nothing may, as the second cannot. */
	const struct sock_filter late[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40),
					   BPF_STMT(BPF_LDX | BPF_LEN, 0),
					   BPF_STMT(BPF_RET | BPF_A, 0)};
	struct sock_filter moved[3];

	(void)state;
	memcpy(moved, late, sizeof(moved));
	assert_int_equal(accel_bpf_uncook(moved, 3, SLL), -EOPNOTSUPP);
	assert_memory_equal(moved, late, sizeof(late));
	assert_int_equal(accel_bpf_uncook(moved, 1, DLT_EN10MB), -EOPNOTSUPP);
}

int main(void)
{
	struct CMUnitTest tests[ACCEL_ARRAY_LEN(rows) + 3] = {
		cmocka_unit_test(test_indexed),
		cmocka_unit_test(test_left_alone),
		cmocka_unit_test(test_refused),
	};

	for (size_t i = 0; i < ACCEL_ARRAY_LEN(rows); i++)
		tests[i + 3] = (struct CMUnitTest){.name = rows[i].expression,
						   .test_func = test_row,
						   .initial_state = (void *)&rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
