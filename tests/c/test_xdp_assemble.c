/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_assemble.c - the assembler of extended BPF: labels, long jumps, what is left out,
 * misuse; the printer against the kernel's own listing; the reader of the kernel's types. */
#include "test_xdp.h"

#include "bpf/btf.h"
#include "bpf/ebpf_asm.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <sys/syscall.h>

#define MOV ACCEL_BPF_MOV

static void finish(struct accel_easm *as, struct accel_ebpf_prog *prog, unsigned n)
{
	assert_int_equal(accel_easm_finish(as, prog), 0);
	accel_easm_fini(as);
	if (n)
		assert_int_equal(prog->n_insns, n);
}

/* if R0 is k over `gap` additions: r0 = 1 (then 2). Runs in the kernel. */
static uint32_t jump_over(unsigned gap, uint32_t k, unsigned n_insns)
{
	struct accel_ebpf_prog prog;
	struct accel_bpf_load load = {.name = "test", .prog = &prog};
	struct accel_easm as;
	struct accel_err err;
	unsigned there;
	uint32_t got;
	int fd;

	accel_easm_init(&as);
	there = accel_easm_label(&as);
	accel_easm_load(&as, BPF_W, ACCEL_R0, ACCEL_R1, 12); /* ingress_ifindex: 1 */
	accel_easm_jump32_k(&as, BPF_JEQ, ACCEL_R0, k, there);
	for (unsigned i = 0; i < gap; i++)
		accel_easm_alu32_k(&as, BPF_ADD, ACCEL_R0, 1);
	accel_easm_bind(&as, there);
	accel_easm_exit(&as);
	finish(&as, &prog, n_insns);
	fd = accel_bpf_prog_open(&load, &err);
	if (fd < 0)
		fail_msg("%s", err.text);
	got = run_program(fd, "a packet is needed", 18, 0);
	close(fd);
	accel_ebpf_prog_fini(&prog);
	return got;
}

static void test_reach(void **state)
{
	(void)state;
	need_bpf();
	assert_int_equal(jump_over(0, 1, 3), 1);
	assert_int_equal(jump_over(32767, 1, 32770), 1);
	assert_int_equal(jump_over(32767, 2, 32770), 32768);
	assert_int_equal(jump_over(32768, 1, 32773), 1); /* over a long one */
	assert_int_equal(jump_over(32768, 2, 32773), 32769);
}

static void test_left_out(void **state)
{
	struct accel_ebpf_prog prog;
	struct accel_easm as;
	unsigned a, b, unused;

	(void)state;
	accel_easm_init(&as);
	a = accel_easm_label(&as);
	b = accel_easm_label(&as);
	unused = accel_easm_label(&as);
	as.mark = 7;
	accel_easm_goto(&as, a); /* leads on, once what is between is gone */
	accel_easm_alu32_k(&as, MOV, ACCEL_R0, 1);
	accel_easm_jump32_k(&as, BPF_JEQ, ACCEL_R0, 1, b);
	accel_easm_exit(&as);
	accel_easm_bind(&as, a);
	as.mark = 8;
	accel_easm_alu32_k(&as, MOV, ACCEL_R0, 2);
	accel_easm_exit(&as);
	accel_easm_bind(&as, b);
	accel_easm_bind(&as, unused);
	accel_easm_alu32_k(&as, MOV, ACCEL_R0, 3);
	accel_easm_exit(&as);
	finish(&as, &prog, 2);
	assert_int_equal(prog.insns[0].imm, 2);
	assert_int_equal(prog.marks[0], 8);
	assert_int_equal(prog.insns[1].code, ACCEL_BPF_EXIT);
	accel_ebpf_prog_fini(&prog);
}

/* Each program has one fault. */
static void faulty(struct accel_easm *as, unsigned fault)
{
	unsigned label = accel_easm_label(as);

	if (fault == 0)
		accel_easm_bind(as, label); /* behind the jump */
	accel_easm_alu32_k(as, MOV, ACCEL_R0, 0);
	if (fault <= 1)
		accel_easm_goto(as, label); /* 1: not bound */
	if (fault == 2)
		accel_easm_jump32_k(as, BPF_JEQ, ACCEL_R0, 0, label);
	if (fault <= 2)
		accel_easm_exit(as);
	if (fault == 2)
		accel_easm_bind(as, label); /* behind the last instruction */
}

static void test_misuse(void **state)
{
	(void)state;
	for (unsigned fault = 0; fault < 4; fault++) { /* 3: falls off the end */
		struct accel_ebpf_prog prog = {.n_insns = 77};
		struct accel_easm as;

		accel_easm_init(&as);
		faulty(&as, fault);
		assert_int_equal(accel_easm_finish(&as, &prog), -EINVAL);
		assert_int_equal(prog.n_insns, 77);
		accel_easm_fini(&as);
	}
}

static void test_too_long(void **state)
{
	struct accel_ebpf_prog prog;
	struct accel_easm as;

	(void)state;
	accel_easm_init(&as);
	for (unsigned i = 0; i < 1000000; i++)
		accel_easm_alu32_k(&as, MOV, ACCEL_R0, 0);
	accel_easm_exit(&as);
	assert_int_equal(accel_easm_finish(&as, &prog), -E2BIG);
	accel_easm_fini(&as);
}

/* A function's address counts from its second half; nothing but it reaches the function. */
static void test_func(void **state)
{
	struct accel_ebpf_prog prog;
	struct accel_easm as;
	char line[96];
	unsigned func;

	(void)state;
	accel_easm_init(&as);
	func = accel_easm_label(&as);
	accel_easm_func(&as, ACCEL_R2, func);
	accel_easm_call(&as, ACCEL_HELPER_LOOP);
	accel_easm_exit(&as);
	accel_easm_alu32_k(&as, MOV, ACCEL_R0, 7); /* left out */
	accel_easm_bind(&as, func);
	accel_easm_alu32_k(&as, MOV, ACCEL_R0, 1);
	accel_easm_exit(&as);
	finish(&as, &prog, 6);
	assert_int_equal(prog.func, 4);
	assert_int_equal(prog.insns[0].imm, 3);
	assert_int_equal(prog.insns[4].imm, 1);
	accel_ebpf_print(&prog.insns[0], 0, line, sizeof(line));
	assert_string_equal(line, "r2 = function 4");
	accel_ebpf_print(&prog.insns[2], 2, line, sizeof(line));
	assert_string_equal(line, "call bpf_loop");
	accel_ebpf_prog_fini(&prog);
}

static void test_link(void **state)
{
	static const int fds[ACCEL_N_MAPS] = {100, 101, 102, 103};
	static const int32_t ids[ACCEL_N_KFUNCS] = {7000, 7001};
	struct accel_ebpf_insn *linked;
	struct accel_ebpf_prog prog;
	struct accel_easm as;

	(void)state;
	accel_easm_init(&as);
	accel_easm_map(&as, ACCEL_R1, ACCEL_MAP_LOST);
	accel_easm_map_value(&as, ACCEL_R2, ACCEL_MAP_CONTROL);
	accel_easm_call_kfunc(&as, ACCEL_KFUNC_TIMESTAMP);
	accel_easm_call(&as, ACCEL_HELPER_KTIME);
	accel_easm_exit(&as);
	finish(&as, &prog, 7);
	assert_int_equal(accel_ebpf_maps(&prog), 1u << ACCEL_MAP_LOST | 1u << ACCEL_MAP_CONTROL);
	assert_int_equal(accel_ebpf_kfuncs(&prog), 1u << ACCEL_KFUNC_TIMESTAMP);
	linked = accel_ebpf_link(&prog, fds, ids);
	assert_int_equal(linked[0].imm, 103);
	assert_int_equal(linked[2].imm, 102);
	assert_int_equal(linked[4].imm, 7001);
	assert_int_equal(linked[5].imm, ACCEL_HELPER_KTIME);
	free(linked);
	accel_ebpf_prog_fini(&prog);
}

/* What the kernel's verifier prints of a program: a line "12: (0f) r1 += r2 ..." an instruction. */
static char *kernel_listing(const struct accel_ebpf_prog *prog)
{
	char *log = calloc(1, 1 << 20);
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uintptr_t)prog->insns;
	attr.insn_cnt = prog->n_insns;
	attr.license = (uintptr_t) "GPL";
	attr.log_buf = (uintptr_t)log;
	attr.log_size = 1 << 20;
	attr.log_level = 2;
	close((int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
	return log;
}

/* Our line with what the kernel writes otherwise: relative jumps, a call's number. */
static void as_kernel(const struct accel_ebpf_insn *insn, unsigned idx, char *out, size_t size)
{
	char line[96], *to;

	accel_ebpf_print(insn, idx, line, sizeof(line));
	snprintf(out, size, "%s", line);
	to = strstr(out, "goto ");
	if (to)
		snprintf(to, size - (size_t)(to - out), "goto pc%+d", insn->off);
	else if (insn->code == ACCEL_BPF_CALL)
		snprintf(out, size, "%s#%d", line, insn->imm);
}

/* Every instruction that the verifier comes by reads the same. */
static void test_print(void **state)
{
	struct accel_xdp_local local = {.n_v4 = 1, .v4 = {0x0a000001}, .n_v6 = 1};
	struct accel_xdp_spec spec;
	struct accel_ebpf_prog prog;
	struct sock_filter *keep;
	unsigned n_keep, n_seen = 0;
	char *log, *at;

	(void)state;
	need_bpf();
	assert_int_equal(accel_xdp_keep_rules(&local, &keep, &n_keep), 0);
	spec = tell(keep, n_keep);
	spec.has_fragments = true;
	assert_int_equal(accel_xdp_generate(&spec, &prog, NULL), 0);
	log = kernel_listing(&prog);
	for (unsigned i = 0; i < prog.n_insns; i++) {
		char want[160], key[160];

		as_kernel(&prog.insns[i], i, want, sizeof(want));
		snprintf(key, sizeof(key), "\n%u: (%02x) ", i, prog.insns[i].code);
		at = strstr(log, key);
		if (!at)
			continue;
		n_seen++;
		if (strncmp(at + strlen(key), want, strlen(want)))
			fail_msg("the kernel: %.60s\nwe: %s", at + 1, want);
	}
	assert_true(n_seen > prog.n_insns * 3 / 4);
	free(log);
	free(keep);
	accel_ebpf_prog_fini(&prog);
}

static void test_dump(void **state)
{
	const struct sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
					     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x800, 0, 1),
					     BPF_STMT(BPF_RET | BPF_K, 262144),
					     BPF_STMT(BPF_RET | BPF_K, 0)};
	struct accel_xdp_spec spec = tell(filter, 4);
	struct accel_ebpf_prog prog;
	char text[2048], half[100];
	size_t len;

	(void)state;
	spec.action = ACCEL_XDP_DIVERT;
	assert_int_equal(accel_xdp_generate(&spec, &prog, NULL), 0);
	len = accel_xdp_dump(&spec, &prog, text, sizeof(text));
	assert_true(len < sizeof(text));
	assert_string_equal(strstr(text, "; filter (000)"),
			    "; filter (000) ldh      [12]\n"
			    "    4: w7 = 0\n"
			    "    5: w8 = 0\n"
			    "    6: r1 = r6\n"
			    "    7: r1 += 14\n"
			    "    8: if r1 > r9 goto 20\n"
			    "    9: r7 = *(u16 *)(r6 +12)\n"
			    "   10: r7 = be16 r7\n"
			    "; filter (001) jeq      #0x800           jt 2\tjf 3\n"
			    "   11: if w7 != 0x800 goto 20\n"
			    "; filter (002) ret      #262144\n"
			    "   12: w0 = 262144\n"
			    "; accept\n"
			    "   13: r1 = *(u64 *)(r10 -8)\n"
			    "   14: r2 = *(u32 *)(r1 +16)\n"
			    "   15: r1 = map accel_sockets\n"
			    "   17: w3 = 2\n"
			    "   18: call bpf_redirect_map\n"
			    "   19: exit\n"
			    "; rest\n"
			    "   20: w0 = 2\n"
			    "   21: exit\n");
	assert_int_equal(accel_xdp_dump(&spec, &prog, half, sizeof(half)), len);
	assert_memory_equal(half, text, sizeof(half) - 1);
	accel_ebpf_prog_fini(&prog);
}

static char *read_btf(size_t *len)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	char *btf = malloc(64 << 20);
	ssize_t n;

	*len = 0;
	if (fd < 0) {
		free(btf);
		return NULL;
	}
	while ((n = read(fd, btf + *len, (64 << 20) - *len)) > 0)
		*len += (size_t)n;
	close(fd);
	return btf;
}

static void test_btf(void **state)
{
	size_t len;
	char *btf = read_btf(&len), *copy;

	(void)state;
	if (!btf) {
		print_message("skipped: this kernel has no /sys/kernel/btf/vmlinux\n");
		skip();
	}
	assert_true(accel_btf_find_func(btf, len, "bpf_xdp_metadata_rx_vlan_tag") > 0);
	assert_int_equal(accel_btf_find_func(btf, len, "bpf_xdp_metadata_rx_vlan_ta"), -ENOENT);
	assert_int_equal(accel_btf_find_func(btf, len, "xdp_md"), -ENOENT); /* no function */
	assert_int_equal(accel_btf_find_func(btf, 23, "any"), -EINVAL);
	assert_int_equal(accel_btf_find_func(btf, len / 2, "any"), -EINVAL);
	btf[0] ^= 1;
	assert_int_equal(accel_btf_find_func(btf, len, "any"), -EINVAL);
	btf[0] ^= 1;
	/* The types alone, cut within the last one: an allocation of its own shows a read behind.
	 * */
	copy = malloc(len - 1);
	memcpy(copy, btf, len - 1);
	assert_int_equal(accel_btf_find_func(copy, len - 1, "any"), -EINVAL);
	((struct btf_header *)copy)->str_len = 1;
	((struct btf_header *)copy)->type_len -= 2;
	assert_int_equal(accel_btf_find_func(copy, len - 1, "no such name"), -EINVAL);
	free(copy);
	free(btf);
}

/* One function "ab" whose name nothing ends, in an allocation of its own. */
static void test_btf_bounds(void **state)
{
	static const struct {
		struct btf_header head;
		struct btf_type type;
		char strings[3];
	} __attribute__((packed)) small = {
		.head = {.magic = BTF_MAGIC,
			 .version = 1,
			 .hdr_len = sizeof(struct btf_header),
			 .type_len = sizeof(struct btf_type),
			 .str_off = sizeof(struct btf_type),
			 .str_len = 3},
		.type = {.name_off = 1, .info = BTF_KIND_FUNC << 24},
		.strings = {0, 'a', 'b'},
	};
	char *btf = malloc(sizeof(small));
	struct btf_header *head = (struct btf_header *)btf;

	(void)state;
	memcpy(btf, &small, sizeof(small));
	assert_int_equal(accel_btf_find_func(btf, sizeof(small), "ab"), -ENOENT);
	btf[sizeof(small) - 1] = '\0';
	assert_int_equal(accel_btf_find_func(btf, sizeof(small), "a"), 1);
	head->type_off = sizeof(struct btf_type) + 3; /* the types begin where all ends */
	assert_int_equal(accel_btf_find_func(btf, sizeof(small), "a"), -EINVAL);
	head->type_off = 0;
	head->str_off++;
	assert_int_equal(accel_btf_find_func(btf, sizeof(small), "a"), -EINVAL);
	free(btf);
}

/* What one comparison has proved is not asked again: not on the same way, not for less. */
static void test_proofs(void **state)
{
	static const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x800, 0, 5),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 21),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 22), /* also reached with 14 bytes proved */
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct accel_xdp_spec spec = tell(filter, ACCEL_ARRAY_LEN(filter));
	struct accel_ebpf_prog prog;
	unsigned n = 0;

	(void)state;
	assert_int_equal(accel_xdp_generate(&spec, &prog, NULL), 0);
	for (unsigned i = 0; i < prog.n_insns; i++)
		n += prog.insns[i].code == (BPF_JMP | BPF_JGT | BPF_X) &&
		     prog.insns[i].src == ACCEL_R9;
	assert_int_equal(n, 3); /* 14 bytes, 24, and 23 where both ways have met */
	accel_ebpf_prog_fini(&prog);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reach),  cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_misuse), cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_func),   cmocka_unit_test(test_link),
		cmocka_unit_test(test_print),  cmocka_unit_test(test_dump),
		cmocka_unit_test(test_btf),    cmocka_unit_test(test_btf_bounds),
		cmocka_unit_test(test_proofs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
