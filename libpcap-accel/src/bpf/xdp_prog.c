/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_prog.c - puts a capture's program together. See xdp_prog.h. */
#include "bpf/xdp_prog.h"

#include "base/err.h"
#include "base/util.h"

#include "bpf/ebpf_asm.h"
#include "bpf/translate.h"

#include <errno.h>
#include <stddef.h>

#define R0	 ACCEL_R0
#define R1	 ACCEL_R1
#define R2	 ACCEL_R2
#define R3	 ACCEL_R3
#define R4	 ACCEL_R4
#define R6	 ACCEL_R6
#define R7	 ACCEL_R7
#define R8	 ACCEL_R8
#define R9	 ACCEL_R9
#define R10	 ACCEL_R10
#define MOV	 ACCEL_BPF_MOV
#define DW	 ACCEL_BPF_DW
#define TIME	 ACCEL_SLOT_CELLS /* u64 where the filter's cells were: it has ended */
#define STAMP	 (TIME + 8)	  /* the device's; the same */
#define KEEP_ALL UINT32_MAX	  /* verdict of a capture without a filter */

struct gen {
	struct accel_easm as;
	const struct accel_xdp_spec *spec;
	unsigned accept, reject, pass, func; /* labels */
};

static void set_part(struct gen *g, enum accel_xdp_part part)
{
	g->as.mark = (uint32_t)part << 16;
}

static void return_k(struct gen *g, uint32_t verdict)
{
	accel_easm_alu32_k(&g->as, MOV, R0, verdict);
	accel_easm_exit(&g->as);
}

static void load_ctx(struct gen *g)
{
	accel_easm_load(&g->as, DW, R1, R10, ACCEL_SLOT_CTX);
}

/* dst = the address of a place on the stack. */
static void address_of(struct gen *g, enum accel_ebpf_reg dst, int slot)
{
	accel_easm_alu64_x(&g->as, MOV, dst, R10);
	accel_easm_alu64_k(&g->as, BPF_ADD, dst, slot);
}

/* Fill the slots of the tag. A failure of the kernel function means that there is none. */
static void ask_vlan(struct gen *g)
{
	unsigned none = accel_easm_label(&g->as);

	if (!g->spec->asks_vlan)
		return;
	accel_easm_store_k(&g->as, BPF_W, R10, ACCEL_SLOT_VLAN_FOUND, 0);
	accel_easm_store_k(&g->as, BPF_W, R10, ACCEL_SLOT_VLAN_TCI, 0);
	accel_easm_store_k(&g->as, BPF_W, R10, ACCEL_SLOT_VLAN_TPID, 0);
	address_of(g, R2, ACCEL_SLOT_VLAN_TPID);
	address_of(g, R3, ACCEL_SLOT_VLAN_TCI);
	accel_easm_call_kfunc(&g->as, ACCEL_KFUNC_VLAN_TAG);
	accel_easm_jump32_k(&g->as, ACCEL_BPF_JNE, R0, 0, none);
	accel_easm_store_k(&g->as, BPF_W, R10, ACCEL_SLOT_VLAN_FOUND, 1);
	accel_easm_bind(&g->as, none);
}

static void begin(struct gen *g)
{
	set_part(g, ACCEL_XDP_PART_BEGIN);
	accel_easm_store(&g->as, DW, R10, ACCEL_SLOT_CTX, R1);
	if (g->spec->is_gated) {
		accel_easm_map_value(&g->as, R2, ACCEL_MAP_CONTROL);
		accel_easm_load(&g->as, BPF_W, R2, R2,
				offsetof(struct accel_xdp_control, is_armed));
		accel_easm_jump32_k(&g->as, BPF_JEQ, R2, 0, g->pass);
	}
	ask_vlan(g);
	load_ctx(g);
	accel_easm_load(&g->as, BPF_W, ACCEL_XLATE_DATA, R1, ACCEL_MD_DATA);
	accel_easm_load(&g->as, BPF_W, ACCEL_XLATE_END, R1, ACCEL_MD_DATA_END);
}

static struct accel_xlate xlate_of(const struct gen *g, enum accel_xdp_part part)
{
	const struct accel_xdp_spec *spec = g->spec;
	struct accel_xlate opt = {
		.has_fragments = spec->has_fragments,
		.by_helper = spec->by_helper,
		.has_vlan = spec->asks_vlan,
		.has_mac = spec->has_mac,
		.mark = (uint32_t)part << 16,
		.accept = g->accept,
		.reject = g->reject,
	};

	for (unsigned i = 0; i < sizeof(opt.mac); i++)
		opt.mac[i] = spec->mac[i];
	return opt;
}

static int keep(struct gen *g, struct accel_err *err)
{
	struct accel_xlate opt = xlate_of(g, ACCEL_XDP_PART_KEEP);
	unsigned filter = accel_easm_label(&g->as);
	int rc;

	opt.accept = g->pass;
	opt.reject = filter;
	rc = accel_translate(&g->as, g->spec->keep, g->spec->n_keep, &opt, err);
	accel_easm_bind(&g->as, filter);
	return rc;
}

static int filter(struct gen *g, struct accel_err *err)
{
	struct accel_xlate opt = xlate_of(g, ACCEL_XDP_PART_FILTER);

	if (g->spec->interprets) {
		set_part(g, ACCEL_XDP_PART_INTERPRET);
		accel_xdp_interpret(&g->as, &opt, g->func);
	}
	if (g->spec->n_filter)
		return accel_translate(&g->as, g->spec->filter, g->spec->n_filter, &opt, err);
	set_part(g, ACCEL_XDP_PART_FILTER);
	accel_easm_alu32_k(&g->as, MOV, R0, KEEP_ALL);
	return 0;
}

static void add_function(struct gen *g)
{
	struct accel_xlate opt = xlate_of(g, ACCEL_XDP_PART_INTERPRET);

	set_part(g, ACCEL_XDP_PART_INTERPRET);
	if (g->spec->interprets)
		accel_xdp_add_function(&g->as, &opt, g->func);
}

/* STAMP = when the packet came by the device's clock. A failure means that it does not say. */
static void ask_stamp(struct gen *g)
{
	unsigned told = accel_easm_label(&g->as);

	accel_easm_store_k(&g->as, DW, R10, STAMP, 0);
	load_ctx(g);
	address_of(g, R2, STAMP);
	accel_easm_call_kfunc(&g->as, ACCEL_KFUNC_TIMESTAMP);
	accel_easm_jump32_k(&g->as, BPF_JEQ, R0, 0, told);
	accel_easm_store_k(&g->as, DW, R10, STAMP, 0);
	accel_easm_bind(&g->as, told);
}

/* TIME = when the packet came. R1 to R5 are spoilt. */
static void take_time(struct gen *g)
{
	enum accel_xdp_clock clock = g->spec->clock;

	if (g->spec->asks_stamp)
		ask_stamp(g);
	if (clock == ACCEL_XDP_CLOCK_NONE) {
		accel_easm_store_k(&g->as, DW, R10, TIME, 0);
		return;
	}
	accel_easm_call(&g->as,
			clock == ACCEL_XDP_CLOCK_TAI ? ACCEL_HELPER_KTIME_TAI : ACCEL_HELPER_KTIME);
	accel_easm_store(&g->as, DW, R10, TIME, R0);
}

/* Bytes before what else is known of a packet. */
static int stamp_len(const struct gen *g)
{
	return g->spec->asks_stamp ? (int)ACCEL_XDP_STAMP_LEN : 0;
}

/* The device's stamp at R6, *(u64 *)(R6 + at) = TIME, *(u16 *)(R6 + tci) and (R6 + tpid) = the tag.
 * R1 is spoilt. */
static void store_facts(struct gen *g, int at, int tci, int tpid)
{
	if (g->spec->asks_stamp) {
		accel_easm_load(&g->as, DW, R1, R10, STAMP);
		accel_easm_store(&g->as, DW, R6, 0, R1);
	}
	accel_easm_load(&g->as, DW, R1, R10, TIME);
	accel_easm_store(&g->as, DW, R6, at, R1);
	if (!g->spec->asks_vlan) {
		accel_easm_store_k(&g->as, BPF_H, R6, tci, 0);
		accel_easm_store_k(&g->as, BPF_H, R6, tpid, 0);
		return;
	}
	accel_easm_load(&g->as, BPF_W, R1, R10, ACCEL_SLOT_VLAN_TCI);
	accel_easm_store(&g->as, BPF_H, R6, tci, R1);
	accel_easm_load(&g->as, BPF_W, R1, R10, ACCEL_SLOT_VLAN_TPID);
	accel_easm_store(&g->as, BPF_H, R6, tpid, R1);
}

static void store_fact(struct gen *g, int at, enum accel_ebpf_reg src)
{
	accel_easm_store(&g->as, BPF_W, R6, at, src);
}

/* A struct accel_xdp_meta before the packet; a driver may have no room for it. */
static void add_meta(struct gen *g)
{
	unsigned no_room = accel_easm_label(&g->as);
	int first = stamp_len(g), len = first + (int)sizeof(struct accel_xdp_meta);

	if (g->spec->clock == ACCEL_XDP_CLOCK_NONE && !g->spec->asks_vlan && !first)
		return;
	take_time(g);
	load_ctx(g);
	accel_easm_alu64_k(&g->as, MOV, R2, -len);
	accel_easm_call(&g->as, ACCEL_HELPER_ADJUST_META);
	accel_easm_jump64_k(&g->as, ACCEL_BPF_JNE, R0, 0, no_room);
	load_ctx(g);
	accel_easm_load(&g->as, BPF_W, R6, R1, ACCEL_MD_DATA_META);
	accel_easm_load(&g->as, BPF_W, R2, R1, ACCEL_MD_DATA);
	accel_easm_alu64_x(&g->as, MOV, R3, R6);
	accel_easm_alu64_k(&g->as, BPF_ADD, R3, len);
	accel_easm_jump64_x(&g->as, BPF_JGT, R3, R2, no_room);
	store_facts(g, first + (int)offsetof(struct accel_xdp_meta, time_ns),
		    first + (int)offsetof(struct accel_xdp_meta, tci),
		    first + (int)offsetof(struct accel_xdp_meta, tpid));
	accel_easm_store_k(&g->as, BPF_W, R6, first + (int)offsetof(struct accel_xdp_meta, magic),
			   ACCEL_XDP_META_MAGIC);
	accel_easm_bind(&g->as, no_room);
}

/* The socket map's index is the packet's queue: a socket of another queue would not get it. Without
 * a socket there, the helper returns its flags, which say: pass on. */
static void divert(struct gen *g)
{
	add_meta(g);
	load_ctx(g);
	accel_easm_load(&g->as, BPF_W, R2, R1, ACCEL_MD_QUEUE);
	accel_easm_map(&g->as, R1, ACCEL_MAP_SOCKETS);
	accel_easm_alu32_k(&g->as, MOV, R3, ACCEL_XDP_PASS);
	accel_easm_call(&g->as, ACCEL_HELPER_REDIRECT_MAP);
	accel_easm_exit(&g->as);
}

/* R7 = caplen = min(verdict, snaplen, length), R8 = the packet's length. */
static void measure(struct gen *g)
{
	unsigned short_enough = accel_easm_label(&g->as), snapped = accel_easm_label(&g->as);

	accel_easm_alu32_x(&g->as, MOV, R7, R0);
	load_ctx(g);
	accel_easm_call(&g->as, ACCEL_HELPER_XDP_LEN);
	accel_easm_alu32_x(&g->as, MOV, R8, R0);
	accel_easm_jump32_x(&g->as, ACCEL_BPF_JLE, R7, R8, short_enough);
	accel_easm_alu32_x(&g->as, MOV, R7, R8);
	accel_easm_bind(&g->as, short_enough);
	accel_easm_jump32_k(&g->as, ACCEL_BPF_JLE, R7, g->spec->snaplen, snapped);
	accel_easm_alu32_k(&g->as, MOV, R7, g->spec->snaplen);
	accel_easm_bind(&g->as, snapped);
}

/* A record of `room` bytes, of which R7 are the packet's. The kernel reserves constant sizes
 * only. */
static void add_record(struct gen *g, uint32_t room, unsigned lost)
{
	int first = stamp_len(g), head = first + (int)sizeof(struct accel_xdp_record);
	unsigned broken = accel_easm_label(&g->as);

	accel_easm_map(&g->as, R1, ACCEL_MAP_RING);
	accel_easm_alu32_k(&g->as, MOV, R2, room + (uint32_t)head);
	accel_easm_alu32_k(&g->as, MOV, R3, 0);
	accel_easm_call(&g->as, ACCEL_HELPER_RINGBUF_RESERVE);
	accel_easm_jump64_k(&g->as, BPF_JEQ, R0, 0, lost);
	accel_easm_alu64_x(&g->as, MOV, R6, R0);
	load_ctx(g);
	accel_easm_load(&g->as, BPF_W, R9, R1, ACCEL_MD_QUEUE);
	accel_easm_alu32_k(&g->as, MOV, R2, 0);
	accel_easm_alu64_x(&g->as, MOV, R3, R6);
	accel_easm_alu64_k(&g->as, BPF_ADD, R3, head);
	accel_easm_alu64_x(&g->as, MOV, R4, R7);
	accel_easm_call(&g->as, ACCEL_HELPER_XDP_LOAD);
	accel_easm_jump64_k(&g->as, ACCEL_BPF_JNE, R0, 0, broken);
	store_facts(g, first + (int)offsetof(struct accel_xdp_record, time_ns),
		    first + (int)offsetof(struct accel_xdp_record, tci),
		    first + (int)offsetof(struct accel_xdp_record, tpid));
	store_fact(g, first + (int)offsetof(struct accel_xdp_record, len), R8);
	store_fact(g, first + (int)offsetof(struct accel_xdp_record, caplen), R7);
	store_fact(g, first + (int)offsetof(struct accel_xdp_record, queue), R9);
	accel_easm_map_value(&g->as, R1, ACCEL_MAP_CONTROL);
	accel_easm_load(&g->as, DW, R2, R1, offsetof(struct accel_xdp_control, submit_flags));
	accel_easm_alu64_x(&g->as, MOV, R1, R6);
	accel_easm_call(&g->as, ACCEL_HELPER_RINGBUF_SUBMIT);
	return_k(g, ACCEL_XDP_PASS);
	accel_easm_bind(&g->as, broken);
	accel_easm_alu64_x(&g->as, MOV, R1, R6);
	accel_easm_alu64_k(&g->as, MOV, R2, ACCEL_XDP_NO_WAKEUP);
	accel_easm_call(&g->as, ACCEL_HELPER_RINGBUF_DISCARD);
	accel_easm_goto(&g->as, lost);
}

static void count_lost(struct gen *g)
{
	accel_easm_store_k(&g->as, BPF_W, R10, ACCEL_SLOT_SCRATCH, 0);
	accel_easm_map(&g->as, R1, ACCEL_MAP_LOST);
	address_of(g, R2, ACCEL_SLOT_SCRATCH);
	accel_easm_call(&g->as, ACCEL_HELPER_MAP_LOOKUP);
	accel_easm_jump64_k(&g->as, BPF_JEQ, R0, 0, g->pass);
	accel_easm_load(&g->as, DW, R1, R0, 0);
	accel_easm_alu64_k(&g->as, BPF_ADD, R1, 1);
	accel_easm_store(&g->as, DW, R0, 0, R1);
	accel_easm_goto(&g->as, g->pass);
}

/* Small packets take small records: the smallest size that fits. The fourth is for Ethernet's
 * longest frame, with two tags. */
static void tap(struct gen *g)
{
	static const uint32_t rooms[] = {104, 232, 488, 1528, 4072, ACCEL_XDP_MAX_TAP};
	unsigned lost = accel_easm_label(&g->as);

	measure(g);
	take_time(g);
	accel_easm_jump64_k(&g->as, ACCEL_BPF_JLT, R7, 1, g->pass);
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(rooms); i++) {
		uint32_t room = ACCEL_MIN(rooms[i], g->spec->snaplen);
		unsigned larger = accel_easm_label(&g->as);

		accel_easm_jump64_k(&g->as, BPF_JGT, R7, (int32_t)room, larger);
		add_record(g, room, lost);
		accel_easm_bind(&g->as, larger);
		if (room == g->spec->snaplen)
			break;
	}
	accel_easm_bind(&g->as, lost);
	count_lost(g);
}

static void act(struct gen *g)
{
	set_part(g, ACCEL_XDP_PART_ACCEPT);
	accel_easm_bind(&g->as, g->accept);
	switch (g->spec->action) {
	case ACCEL_XDP_DIVERT:
		divert(g);
		return;
	case ACCEL_XDP_TAP:
		tap(g);
		return;
	case ACCEL_XDP_TELL:
		accel_easm_exit(&g->as);
		return;
	}
}

/* The program of a member outlives it if that was killed: without a socket nothing is dropped. */
static void pass_without_socket(struct gen *g)
{
	load_ctx(g);
	accel_easm_load(&g->as, BPF_W, R2, R1, ACCEL_MD_QUEUE);
	accel_easm_store(&g->as, BPF_W, R10, ACCEL_SLOT_SCRATCH, R2);
	accel_easm_map(&g->as, R1, ACCEL_MAP_SOCKETS);
	address_of(g, R2, ACCEL_SLOT_SCRATCH);
	accel_easm_call(&g->as, ACCEL_HELPER_MAP_LOOKUP);
	accel_easm_jump64_k(&g->as, BPF_JEQ, R0, 0, g->pass);
}

static void rest(struct gen *g)
{
	uint32_t verdict = g->spec->rest;

	set_part(g, ACCEL_XDP_PART_REST);
	accel_easm_bind(&g->as, g->reject);
	if (g->spec->is_member && verdict == ACCEL_XDP_DROP)
		pass_without_socket(g);
	return_k(g, g->spec->action == ACCEL_XDP_TELL ? 0 : verdict);
	accel_easm_bind(&g->as, g->pass);
	return_k(g, ACCEL_XDP_PASS);
}

static int generate(struct gen *g, struct accel_err *err)
{
	int rc = 0;

	g->accept = accel_easm_label(&g->as);
	g->reject = accel_easm_label(&g->as);
	g->pass = accel_easm_label(&g->as);
	g->func = accel_easm_label(&g->as);
	begin(g);
	if (g->spec->n_keep)
		rc = keep(g, err);
	if (rc == 0)
		rc = filter(g, err);
	if (rc < 0)
		return rc;
	act(g);
	rest(g);
	add_function(g);
	return 0;
}

int accel_xdp_generate(const struct accel_xdp_spec *spec, struct accel_ebpf_prog *out,
		       struct accel_err *err)
{
	struct gen g = {.spec = spec};
	int rc;

	accel_easm_init(&g.as);
	rc = generate(&g, err);
	if (rc == 0) {
		rc = accel_easm_finish(&g.as, out);
		if (rc == -E2BIG)
			accel_fail(err, rc,
				   "filter: its XDP program has over 1000000 instructions (would "
				   "be: a shorter filter)");
		else if (rc < 0)
			accel_fail_sys(err, rc, "filter: cannot make an XDP program of it");
	}
	accel_easm_fini(&g.as);
	return rc;
}
