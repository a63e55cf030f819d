/* SPDX-License-Identifier: BSD-3-Clause */
/* compose.c - the tests that a handle wants before the user's filter, and that filter behind them.
 *
 * Each test is a block that returns 0 or falls through to the next; the user's program follows
 * unchanged, as its jumps are relative. It finds A and X at 0, as at the start of any program, and
 * the scratch cells untouched.
 *
 * Source: SKF_AD_* in linux/filter.h; what SKF_AD_QUEUE holds was measured on Linux 6.18.
 * Threads: none of its own. */
#include "bpf/assemble.h"
#include "bpf/cbpf.h"

#include <errno.h>
#include <linux/if_packet.h>

#define JEQ	    (BPF_JMP | BPF_JEQ | BPF_K)
#define JGT	    (BPF_JMP | BPF_JGT | BPF_K)
#define JGE	    (BPF_JMP | BPF_JGE | BPF_K)
#define NO_CUT	    262144u /* MAXIMUM_SNAPLEN of libpcap: no packet is longer */
#define VID_MASK    0xfffu
#define TPID_OFFSET 12
#define TCI_OFFSET  14
#define TPID_8021Q  0x8100
#define TPID_8021AD 0x88a8
#define TPID_9100   0x9100 /* QinQ before 802.1ad: the kernel leaves it in the frame */

static void load_aux(struct accel_asm *as, int32_t field)
{
	accel_asm_insn(as, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + field));
}

static void drop(struct accel_asm *as)
{
	accel_asm_insn(as, BPF_RET | BPF_K, 0);
}

static void test_ifindex(struct accel_asm *as, const struct accel_guard *guard)
{
	unsigned keep = accel_asm_label(as);

	load_aux(as, SKF_AD_IFINDEX);
	for (unsigned i = 0; i < guard->n_ifindex; i++)
		accel_asm_jump(as, JEQ, guard->ifindex[i], keep, ACCEL_ASM_NEXT);
	drop(as);
	accel_asm_bind(as, keep);
}

static void test_loopback(struct accel_asm *as, const struct accel_guard *guard)
{
	unsigned keep = accel_asm_label(as);

	load_aux(as, SKF_AD_IFINDEX);
	accel_asm_jump(as, JEQ, guard->lo_ifindex, ACCEL_ASM_NEXT, keep);
	load_aux(as, SKF_AD_PKTTYPE);
	accel_asm_jump(as, JEQ, PACKET_OUTGOING, ACCEL_ASM_NEXT, keep);
	drop(as);
	accel_asm_bind(as, keep);
}

static void test_direction(struct accel_asm *as, const struct accel_guard *guard)
{
	unsigned keep = accel_asm_label(as);

	load_aux(as, SKF_AD_PKTTYPE);
	if (guard->direction == ACCEL_DIR_OUT)
		accel_asm_jump(as, JEQ, PACKET_OUTGOING, keep, ACCEL_ASM_NEXT);
	else
		accel_asm_jump(as, JEQ, PACKET_OUTGOING, ACCEL_ASM_NEXT, keep);
	drop(as);
	accel_asm_bind(as, keep);
}

/* The queue's number, from 0, into X. The kernel holds receive queue + 1, or 0 where the driver did
 * not say; for a packet that is being sent, the transmit queue as it is. */
static void load_queue(struct accel_asm *as)
{
	unsigned sent = accel_asm_label(as);
	unsigned counted = accel_asm_label(as);

	load_aux(as, SKF_AD_PKTTYPE);
	accel_asm_jump(as, JEQ, PACKET_OUTGOING, sent, ACCEL_ASM_NEXT);
	load_aux(as, SKF_AD_QUEUE);
	accel_asm_jump(as, JEQ, 0, counted, ACCEL_ASM_NEXT);
	accel_asm_insn(as, BPF_ALU | BPF_SUB | BPF_K, 1);
	accel_asm_goto(as, counted);
	accel_asm_bind(as, sent);
	load_aux(as, SKF_AD_QUEUE);
	accel_asm_bind(as, counted);
	accel_asm_insn(as, BPF_MISC | BPF_TAX, 0);
}

static bool is_first_of_iface(const struct accel_guard *guard, unsigned idx)
{
	for (unsigned i = 0; i < idx; i++)
		if (guard->queues[i].ifindex == guard->queues[idx].ifindex)
			return false;
	return true;
}

/* With the queue in X and the interface in A: all ranges of one interface, or on to the next. */
static void test_queues_of(struct accel_asm *as, const struct accel_guard *guard, uint32_t ifindex,
			   unsigned keep)
{
	unsigned other_iface = accel_asm_label(as);

	accel_asm_jump(as, JEQ, ifindex, ACCEL_ASM_NEXT, other_iface);
	accel_asm_insn(as, BPF_MISC | BPF_TXA, 0);
	for (unsigned i = 0; i < guard->n_queues; i++) {
		unsigned other_range;

		if (guard->queues[i].ifindex != ifindex)
			continue;
		other_range = accel_asm_label(as);
		accel_asm_jump(as, JGE, guard->queues[i].first, ACCEL_ASM_NEXT, other_range);
		accel_asm_jump(as, JGT, guard->queues[i].last, ACCEL_ASM_NEXT, keep);
		accel_asm_bind(as, other_range);
	}
	drop(as);
	accel_asm_bind(as, other_iface);
}

static void test_queue(struct accel_asm *as, const struct accel_guard *guard)
{
	unsigned keep = accel_asm_label(as);

	load_queue(as);
	load_aux(as, SKF_AD_IFINDEX);
	for (unsigned i = 0; i < guard->n_queues; i++)
		if (is_first_of_iface(guard, i))
			test_queues_of(as, guard, guard->queues[i].ifindex, keep);
	accel_asm_bind(as, keep);
}

/* The tag control word into A, 0 if there is no tag. */
static void load_tci(struct accel_asm *as, const struct accel_guard *guard)
{
	unsigned bare = accel_asm_label(as);
	unsigned in_band = accel_asm_label(as);
	unsigned done = accel_asm_label(as);

	load_aux(as, SKF_AD_VLAN_TAG_PRESENT);
	accel_asm_jump(as, JEQ, 0, bare, ACCEL_ASM_NEXT);
	load_aux(as, SKF_AD_VLAN_TAG);
	if (!guard->vlan_in_band) {
		accel_asm_bind(as, bare);
		return;
	}
	accel_asm_goto(as, done);
	accel_asm_bind(as, bare);
	accel_asm_insn(as, BPF_LD | BPF_H | BPF_ABS, TPID_OFFSET);
	accel_asm_jump(as, JEQ, TPID_8021Q, in_band, ACCEL_ASM_NEXT);
	accel_asm_jump(as, JEQ, TPID_8021AD, in_band, ACCEL_ASM_NEXT);
	accel_asm_jump(as, JEQ, TPID_9100, in_band, ACCEL_ASM_NEXT);
	accel_asm_insn(as, BPF_LD | BPF_IMM, 0);
	accel_asm_goto(as, done);
	accel_asm_bind(as, in_band);
	accel_asm_insn(as, BPF_LD | BPF_H | BPF_ABS, TCI_OFFSET);
	accel_asm_bind(as, done);
}

static void test_vlan(struct accel_asm *as, const struct accel_guard *guard)
{
	unsigned keep = accel_asm_label(as);

	load_tci(as, guard);
	accel_asm_insn(as, BPF_ALU | BPF_AND | BPF_K, VID_MASK);
	for (unsigned i = 0; i < guard->n_vlans; i++)
		accel_asm_jump(as, JEQ, guard->vlans[i], keep, ACCEL_ASM_NEXT);
	drop(as);
	accel_asm_bind(as, keep);
}

/* Cheap and selective tests first. */
static void add_tests(struct accel_asm *as, const struct accel_guard *guard)
{
	if (guard->n_ifindex)
		test_ifindex(as, guard);
	if (guard->lo_ifindex)
		test_loopback(as, guard);
	if (guard->direction != ACCEL_DIR_INOUT)
		test_direction(as, guard);
	if (guard->n_queues)
		test_queue(as, guard);
	if (guard->n_vlans)
		test_vlan(as, guard);
}

/* A program may rely on registers that are 0 at its start. */
static void clear_registers(struct accel_asm *as)
{
	accel_asm_insn(as, BPF_LD | BPF_IMM, 0);
	accel_asm_insn(as, BPF_MISC | BPF_TAX, 0);
}

int accel_bpf_compose(const struct accel_guard *guard, const struct sock_filter *user,
		      unsigned n_user, uint32_t snaplen, struct sock_filter **out, unsigned *n_out)
{
	const struct sock_filter keep = {.code = BPF_RET | BPF_K, .k = snaplen};
	struct accel_asm as;
	int err;

	accel_asm_init(&as);
	add_tests(&as, guard);
	if (!as.error && as.n_items == 0 && n_user == 0 && snaplen >= NO_CUT) {
		accel_asm_fini(&as);
		*out = NULL;
		*n_out = 0;
		return 0;
	}
	if (n_user && as.n_items)
		clear_registers(&as);
	err = accel_asm_finish(&as, n_user ? user : &keep, n_user ? n_user : 1, out, n_out);
	accel_asm_fini(&as);
	return err;
}
