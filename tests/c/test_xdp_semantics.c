/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_semantics.c - what a filter says in the corners, translated and interpreted: arithmetic,
 * offsets, and what only the kernel's filters can load. Where libpcap cannot be asked,
 * accel_bpf_run is. */
#include "test_xdp.h"

#include <linux/if_arp.h>
#include <linux/if_packet.h>

#define LD_W_ABS  (BPF_LD | BPF_W | BPF_ABS)
#define LD_H_ABS  (BPF_LD | BPF_H | BPF_ABS)
#define LD_B_ABS  (BPF_LD | BPF_B | BPF_ABS)
#define LD_W_IND  (BPF_LD | BPF_W | BPF_IND)
#define LD_B_IND  (BPF_LD | BPF_B | BPF_IND)
#define LD_IMM	  (BPF_LD | BPF_IMM)
#define LDX_IMM	  (BPF_LDX | BPF_IMM)
#define RET_A	  (BPF_RET | BPF_A)
#define RET_K	  (BPF_RET | BPF_K)
#define AUX(name) ((uint32_t)(SKF_AD_OFF + SKF_AD_##name))
#define LL(k)	  ((uint32_t)(SKF_LL_OFF + (k)))
#define N(insns)  ACCEL_ARRAY_LEN(insns)

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
static const struct accel_bpf_aux no_aux;
static uint8_t packet[300];
static struct interpreter interpreter;

/* The verdict in each version of the program, and interpreted: they must agree. */
static uint32_t verdict(const struct sock_filter *insns, unsigned n)
{
	uint32_t said = 0;

	for (unsigned way = 0; way < 4; way++) {
		struct accel_xdp_spec spec = tell(insns, n);
		int fd, by_ops = interpreter.fds[way & 1][way / 2];
		uint32_t got;

		spec.has_fragments = way & 1;
		spec.by_helper = way & 2;
		spec.has_mac = true;
		memcpy(spec.mac, mac, sizeof(mac));
		fd = load_spec(&spec, NULL);
		interpreter_set(&interpreter, insns, n);
		got = run_program(fd, packet, sizeof(packet), 0);
		assert_int_equal(run_program(by_ops, packet, sizeof(packet), 0), got);
		if (spec.has_fragments && can_cut_first_buffer()) {
			assert_int_equal(run_program(fd, packet, sizeof(packet), 14), got);
			assert_int_equal(run_program(by_ops, packet, sizeof(packet), 14), got);
		}
		close(fd);
		if (way)
			assert_int_equal(got, said);
		said = got;
	}
	return said;
}

#define VERDICT(...)                                       \
	verdict((const struct sock_filter[]){__VA_ARGS__}, \
		N(((const struct sock_filter[]){__VA_ARGS__})))

static void test_offsets(void **state)
{
	(void)state;
	need_bpf();
	for (unsigned i = 0; i < sizeof(packet); i++)
		packet[i] = (uint8_t)(i + 1);
	assert_int_equal(VERDICT(BPF_STMT(LD_W_ABS, 296), BPF_STMT(RET_A, 0)), 0x292a2b2c);
	assert_int_equal(VERDICT(BPF_STMT(LD_W_ABS, 297), BPF_STMT(RET_K, 1)), 0);
	assert_int_equal(VERDICT(BPF_STMT(LD_B_ABS, 65535), BPF_STMT(RET_K, 1)), 0);
	assert_int_equal(VERDICT(BPF_STMT(LD_B_ABS, 65536), BPF_STMT(RET_K, 1)), 0);
	assert_int_equal(VERDICT(BPF_STMT(LD_B_ABS, 0x7fffffff), BPF_STMT(RET_K, 1)), 0);
	assert_int_equal(VERDICT(BPF_STMT(LD_B_ABS, 40000), BPF_STMT(RET_K, 1)), 0);
	/* X + k wraps in the kernel's filters, not in libpcap's. */
	assert_int_equal(
		VERDICT(BPF_STMT(LDX_IMM, 10), BPF_STMT(LD_B_IND, 0xfffffffc), BPF_STMT(RET_K, 1)),
		0);
	assert_int_equal(
		VERDICT(BPF_STMT(LDX_IMM, 0xfffffffc), BPF_STMT(LD_B_IND, 10), BPF_STMT(RET_K, 1)),
		0);
	assert_int_equal(
		VERDICT(BPF_STMT(LDX_IMM, 65530), BPF_STMT(LD_W_IND, 3), BPF_STMT(RET_K, 1)), 0);
	assert_int_equal(VERDICT(BPF_STMT(LDX_IMM, 290), BPF_STMT(LD_W_IND, 6), BPF_STMT(RET_A, 0)),
			 0x292a2b2c);
	/* A load that is not reached needs no bytes. */
	assert_int_equal(VERDICT(BPF_STMT(LD_B_ABS, 0),
				 BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1), BPF_STMT(RET_K, 7),
				 BPF_STMT(LD_W_ABS, 1000), BPF_STMT(RET_K, 8)),
			 7);
}

static void test_arithmetic(void **state)
{
	(void)state;
	need_bpf();
	for (uint32_t by = 31; by < 34; by++) {
		uint32_t want = by > 31 ? 0 : 0x80000000;

		assert_int_equal(VERDICT(BPF_STMT(LDX_IMM, by), BPF_STMT(LD_IMM, 1),
					 BPF_STMT(BPF_ALU | BPF_LSH | BPF_X, 0),
					 BPF_STMT(RET_A, 0)),
				 want);
		assert_int_equal(VERDICT(BPF_STMT(LD_IMM, 1),
					 BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, by),
					 BPF_STMT(RET_A, 0)),
				 want);
	}
	assert_int_equal(VERDICT(BPF_STMT(LD_IMM, 5), BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
				 BPF_STMT(RET_K, 1)),
			 0);
	assert_int_equal(VERDICT(BPF_STMT(LD_IMM, 5), BPF_STMT(BPF_ALU | BPF_MOD | BPF_X, 0),
				 BPF_STMT(RET_K, 1)),
			 0);
	/* Scratch cells, A and X begin as 0. */
	assert_int_equal(VERDICT(BPF_STMT(BPF_LDX | BPF_MEM, 15), BPF_STMT(BPF_LD | BPF_MEM, 0),
				 BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
				 BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 9), BPF_STMT(RET_A, 0)),
			 9);
	assert_int_equal(VERDICT(BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
				 BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 9), BPF_STMT(RET_A, 0)),
			 9);
	assert_int_equal(VERDICT(BPF_STMT(BPF_LD | BPF_LEN, 0), BPF_STMT(RET_A, 0)), 300);
	assert_int_equal(VERDICT(BPF_STMT(BPF_LDX | BPF_LEN, 0), BPF_STMT(BPF_MISC | BPF_TXA, 0),
				 BPF_STMT(RET_A, 0)),
			 300);
}

/* Loads from the link header are the kernel's alone, but for programs of ours. */
static void test_link_offsets(void **state)
{
	const struct sock_filter direct[] = {BPF_STMT(LD_W_ABS, LL(20)), BPF_STMT(RET_A, 0)};
	const struct sock_filter by_x[] = {BPF_STMT(LDX_IMM, 7), BPF_STMT(LD_W_IND, LL(20)),
					   BPF_STMT(RET_A, 0)};
	const struct sock_filter msh[] = {BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, LL(20)),
					  BPF_STMT(BPF_MISC | BPF_TXA, 0), BPF_STMT(RET_A, 0)};

	(void)state;
	need_bpf();
	assert_int_equal(verdict(direct, N(direct)),
			 accel_bpf_run(direct, packet, sizeof(packet), sizeof(packet), &no_aux));
	assert_int_equal(verdict(by_x, N(by_x)),
			 accel_bpf_run(by_x, packet, sizeof(packet), sizeof(packet), &no_aux));
	assert_int_equal(verdict(msh, N(msh)),
			 accel_bpf_run(msh, packet, sizeof(packet), sizeof(packet), &no_aux));
	assert_int_equal(verdict(direct, N(direct)), 0x15161718);
}

static void test_metadata(void **state)
{
	(void)state;
	need_bpf();
	assert_int_equal(VERDICT(BPF_STMT(LD_W_ABS, AUX(IFINDEX)), BPF_STMT(RET_A, 0)), 1);
	assert_int_equal(VERDICT(BPF_STMT(LD_W_ABS, AUX(QUEUE)), BPF_STMT(RET_A, 0)), 1);
	assert_int_equal(VERDICT(BPF_STMT(LD_W_ABS, AUX(HATYPE)), BPF_STMT(RET_A, 0)),
			 ARPHRD_ETHER);
	assert_int_equal(VERDICT(BPF_STMT(LD_IMM, 9), BPF_STMT(LD_W_ABS, AUX(VLAN_TAG_PRESENT)),
				 BPF_STMT(RET_A, 0)),
			 0);
	assert_int_equal(
		VERDICT(BPF_STMT(LD_IMM, 9), BPF_STMT(LD_W_ABS, AUX(VLAN_TAG)), BPF_STMT(RET_A, 0)),
		0);
	assert_int_equal(VERDICT(BPF_STMT(LDX_IMM, 6), BPF_STMT(LD_IMM, 5),
				 BPF_STMT(LD_W_ABS, AUX(ALU_XOR_X)), BPF_STMT(RET_A, 0)),
			 3);
	assert_int_equal(VERDICT(BPF_STMT(LD_W_ABS, AUX(CPU)),
				 BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, accel_bpf_cpus(), 1, 0),
				 BPF_STMT(RET_K, 7), BPF_STMT(RET_K, 8)),
			 7);
	assert_int_equal(VERDICT(BPF_STMT(LD_W_ABS, AUX(RANDOM)), BPF_STMT(RET_K, 7)), 7);
}

/* The type of a frame is that of its destination; nothing here is outgoing. */
static void test_packet_type(void **state)
{
	static const struct {
		uint8_t to[6];
		uint32_t type;
	} frames[] = {
		{{2, 0, 0, 0, 0, 2}, PACKET_HOST},
		{{2, 0, 0, 0, 0, 3}, PACKET_OTHERHOST},
		{{2, 0, 0, 1, 0, 2}, PACKET_OTHERHOST},
		{{255, 255, 255, 255, 255, 255}, PACKET_BROADCAST},
		{{255, 255, 255, 255, 255, 254}, PACKET_MULTICAST},
		{{255, 255, 255, 254, 255, 255}, PACKET_MULTICAST},
		{{1, 0, 94, 0, 0, 5}, PACKET_MULTICAST},
	};

	static const struct sock_filter inbound[] = {
		BPF_STMT(LD_W_ABS, AUX(PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1), BPF_STMT(RET_K, 5),
		BPF_STMT(RET_K, 6)};
	struct accel_xdp_op ops[N(inbound)];

	(void)state;
	/* Who asks only for outgoing packets need not know a device's address. */
	assert_int_equal(accel_xdp_ops(inbound, N(inbound), ops, NULL), 0);
	assert_int_equal(ops[0].code, ACCEL_XOP_LD);
	need_bpf();
	for (unsigned i = 0; i < N(frames); i++) {
		memcpy(packet, frames[i].to, 6);
		assert_int_equal(VERDICT(BPF_STMT(LD_W_ABS, AUX(PKTTYPE)),
					 BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 10),
					 BPF_STMT(RET_A, 0)),
				 10 + frames[i].type);
		assert_int_equal(VERDICT(BPF_STMT(LD_W_ABS, AUX(PKTTYPE)),
					 BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
					 BPF_STMT(RET_K, 5), BPF_STMT(RET_K, 6)),
				 6);
		/* A is looked at once more behind the comparison. */
		assert_int_equal(VERDICT(BPF_STMT(LD_W_ABS, AUX(PKTTYPE)),
					 BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
					 BPF_STMT(RET_K, 5),
					 BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 10),
					 BPF_STMT(RET_A, 0)),
				 10 + frames[i].type);
	}
}

static const struct {
	struct sock_filter insn;
	const char *text;
} refused[] = {
	{BPF_STMT(LD_W_ABS, AUX(PROTOCOL)), "reads the socket buffer's protocol"},
	{BPF_STMT(LD_W_ABS, AUX(RXHASH)), "reads the receive hash"},
	{BPF_STMT(LD_W_ABS, AUX(MARK)), "reads the mark"},
	{BPF_STMT(LD_W_ABS, AUX(PAY_OFFSET)), "reads the payload's offset"},
	{BPF_STMT(LD_W_ABS, AUX(NLATTR)), "reads a netlink attribute"},
	{BPF_STMT(LD_W_ABS, AUX(NLATTR_NEST)), "reads a netlink attribute"},
	{BPF_STMT(LD_W_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_MAX)),
	 "reads metadata that do not exist"},
	{BPF_STMT(LD_H_ABS, (uint32_t)SKF_NET_OFF), "reads from the network header"},
	{BPF_STMT(LD_W_ABS, AUX(PKTTYPE)), "reads the packet's type, and the device has no"},
	{BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)-2), "jumps back, and an XDP program has no loops"},
};

static void test_refusals(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N(refused); i++) {
		const struct sock_filter insns[] = {BPF_STMT(LD_IMM, 0), refused[i].insn,
						    BPF_STMT(RET_A, 0)};
		const struct sock_filter unreached[] = {BPF_STMT(RET_K, 1), refused[i].insn,
							BPF_STMT(RET_A, 0)};
		struct accel_xdp_spec spec = tell(insns, N(insns));
		struct accel_ebpf_prog prog = {.n_insns = 77};
		struct accel_xdp_op ops[3] = {{.k = 77}}, untouched[3] = {{.k = 77}};
		struct accel_err err, same;

		assert_int_equal(accel_xdp_generate(&spec, &prog, &err), -EOPNOTSUPP);
		assert_int_equal(prog.n_insns, 77);
		assert_memory_equal(err.text, "filter: instruction 1 ", 22);
		assert_memory_equal(err.text + 22, refused[i].text, strlen(refused[i].text));
		same = err;
		if (refused[i].insn.k != AUX(PKTTYPE)) /* a matter of the device */
			assert_int_equal(accel_xdp_ops(insns, N(insns), ops, &err), -EOPNOTSUPP);
		assert_string_equal(err.text, same.text);
		assert_memory_equal(ops, untouched, sizeof(ops));
		/* What is never reached is not translated, and so not refused. */
		spec = tell(unreached, N(unreached));
		assert_int_equal(accel_xdp_generate(&spec, &prog, &err), 0);
		assert_int_equal(accel_xdp_ops(unreached, N(unreached), ops, &err), 0);
		assert_int_equal(ops[1].code, ACCEL_XOP_REJECT);
		accel_ebpf_prog_fini(&prog);
	}
}

static int load_interpreter(void **state)
{
	int fd = accel_bpf_map_open("test", ACCEL_MAP_LOST, 0, NULL);

	(void)state;
	if (fd < 0)
		return 0;
	close(fd);
	interpreter_init(&interpreter, mac);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offsets),	     cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_link_offsets), cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_packet_type),  cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, load_interpreter, NULL);
}
