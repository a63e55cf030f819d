/* SPDX-License-Identifier: BSD-3-Clause */
/* ebpf.h - extended BPF programs as values: instructions, what the kernel offers them by number,
 * and their text.
 *
 * struct accel_ebpf_insn is the kernel's struct bpf_insn under a name of our own, because
 * <linux/bpf.h> and <pcap/bpf.h> each have another struct of that name: kern/bpf_sys.c asserts that
 * they are the same. Only what our generators use is here.
 *
 * A generated program knows no descriptor: it names its maps and kernel functions by kind, and
 * accel_ebpf_link() puts the numbers of one process into it. So programs can be made, compared and
 * shown without a privilege.
 *
 * Pure: no system call. Source: linux/bpf.h (Linux 6.18), RFC 9669.
 * Threads: none of its own. */
#ifndef ACCEL_EBPF_H
#define ACCEL_EBPF_H

#include <stddef.h>
#include <stdint.h>

struct accel_err;
struct sock_filter;

struct accel_ebpf_insn {
	uint8_t code;
	uint8_t dst : 4, src : 4; /* enum accel_ebpf_reg */
	int16_t off;
	int32_t imm;
};

/* R0 takes results, R1 to R5 arguments (a call spoils them), R6 to R9 survive calls, R10 is the end
 * of the stack of 512 bytes and is read only. */
enum accel_ebpf_reg {
	ACCEL_R0,
	ACCEL_R1,
	ACCEL_R2,
	ACCEL_R3,
	ACCEL_R4,
	ACCEL_R5,
	ACCEL_R6,
	ACCEL_R7,
	ACCEL_R8,
	ACCEL_R9,
	ACCEL_R10,
};

/* What <linux/bpf_common.h> does not have. BPF_ALU and ACCEL_BPF_JMP32 look at 32 bits, BPF_ALU
 * clears the others of its result. */
#define ACCEL_BPF_ALU64 0x07 /* class */
#define ACCEL_BPF_JMP32 0x06 /* class */
#define ACCEL_BPF_DW	0x18 /* size: 8 bytes */
#define ACCEL_BPF_MOV	0xb0 /* operation */
#define ACCEL_BPF_TO_BE \
	0xdc /* BPF_ALU | BPF_END | BPF_TO_BE: between big endian and the machine's */
#define ACCEL_BPF_JNE	 0x50
#define ACCEL_BPF_JLT	 0xa0
#define ACCEL_BPF_JLE	 0xb0
#define ACCEL_BPF_CALL	 0x85
#define ACCEL_BPF_EXIT	 0x95
#define ACCEL_BPF_IMM64	 0x18 /* two instructions: the second has the upper half */
#define ACCEL_BPF_GOTO	 0x05
#define ACCEL_BPF_GOTO_L 0x06 /* reaches 2^31 instructions: Linux 6.6 */

/* `src` of an IMM64 and of a CALL: what the number stands for. */
#define ACCEL_PSEUDO_MAP       1 /* IMM64: enum accel_ebpf_map, linked to a descriptor */
#define ACCEL_PSEUDO_MAP_VALUE 2 /* the same, the address of its first value */
#define ACCEL_PSEUDO_KFUNC     2 /* CALL: enum accel_ebpf_kfunc, linked to a BTF id */
#define ACCEL_PSEUDO_FUNC      4 /* IMM64: a function, counted from the second half */

/* Helpers that our programs call, by the kernel's number. None asks for a GPL licence. */
enum accel_ebpf_helper {
	ACCEL_HELPER_MAP_LOOKUP = 1,
	ACCEL_HELPER_KTIME = 5,
	ACCEL_HELPER_RANDOM = 7,
	ACCEL_HELPER_CPU = 8,
	ACCEL_HELPER_TAIL_CALL = 12,
	ACCEL_HELPER_REDIRECT_MAP = 51,
	ACCEL_HELPER_ADJUST_META = 54,
	ACCEL_HELPER_RINGBUF_RESERVE = 131,
	ACCEL_HELPER_RINGBUF_SUBMIT = 132,
	ACCEL_HELPER_RINGBUF_DISCARD = 133,
	ACCEL_HELPER_LOOP = 181,
	ACCEL_HELPER_XDP_LEN = 188,
	ACCEL_HELPER_XDP_LOAD = 189,
	ACCEL_HELPER_KTIME_TAI = 208,
};

/* Kernel functions: they need a GPL-compatible licence and a program that is bound to its device.
 * */
enum accel_ebpf_kfunc { ACCEL_KFUNC_VLAN_TAG, ACCEL_KFUNC_TIMESTAMP, ACCEL_N_KFUNCS };

/* Maps of a capture. */
enum accel_ebpf_map {
	ACCEL_MAP_SOCKETS, /* receive queue -> AF_XDP socket */
	ACCEL_MAP_RING,	   /* records of tap mode */
	ACCEL_MAP_CONTROL, /* one struct accel_xdp_control, shared with the program that captures */
	ACCEL_MAP_LOST,	   /* one counter a processor: packets that found the ring full */
	ACCEL_MAP_MEMBERS, /* programs, see xdp_group.h */
	ACCEL_MAP_PLACES,  /* one struct accel_xdp_places, shared with the members */
	ACCEL_N_MAPS,
};

/* Map types by the kernel's number. */
enum accel_ebpf_map_type {
	ACCEL_MAP_TYPE_ARRAY = 2,
	ACCEL_MAP_TYPE_PROGS = 3,
	ACCEL_MAP_TYPE_PERCPU_ARRAY = 6,
	ACCEL_MAP_TYPE_XSKMAP = 17,
	ACCEL_MAP_TYPE_RINGBUF = 27,
};

#define ACCEL_MAP_MMAPABLE (1u << 10) /* BPF_F_MMAPABLE: the reader maps its values */

struct accel_ebpf_map_spec {
	const char *name; /* at most 15 bytes: what bpftool shows */
	enum accel_ebpf_map_type type;
	uint32_t key_size, value_size; /* bytes; 0 of a ring */
	uint32_t n_entries;	       /* 0: the capture decides; of a ring it is bytes */
	uint32_t flags;
};

const struct accel_ebpf_map_spec *accel_ebpf_map_spec(enum accel_ebpf_map map);
const char *accel_ebpf_kfunc_name(enum accel_ebpf_kfunc kfunc);

/* A finished program. */
struct accel_ebpf_prog {
	struct accel_ebpf_insn *insns;
	uint32_t *marks; /* for each instruction, what it was made from: see xdp_prog.h */
	unsigned n_insns;
	unsigned func; /* where its second function begins; 0: it has one */
};

void accel_ebpf_prog_fini(struct accel_ebpf_prog *prog); /* frees; zeroed is allowed */

/* Which maps (bits 1 << enum accel_ebpf_map) and kernel functions the program names. */
unsigned accel_ebpf_maps(const struct accel_ebpf_prog *prog);
unsigned accel_ebpf_kfuncs(const struct accel_ebpf_prog *prog);

/* The program's instructions with numbers in the place of kinds: malloc'ed, free() them. NULL: no
 * memory. map_fds has ACCEL_N_MAPS entries, kfunc_ids ACCEL_N_KFUNCS; NULL if the program names
 * none. */
struct accel_ebpf_insn *accel_ebpf_link(const struct accel_ebpf_prog *prog, const int *map_fds,
					const int32_t *kfunc_ids);

/* One instruction for a person, `insn[1]` being the second half of an IMM64:
 *     r7 = *(u16 *)(r6 + 12)
 * `idx` is its place, from which jumps count. Writes at most len bytes with the NUL, returns what
 * snprintf would. */
int accel_ebpf_print(const struct accel_ebpf_insn *insn, unsigned idx, char *out, size_t len);

#endif
