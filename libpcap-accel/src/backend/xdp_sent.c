/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_sent.c - packets that the host sends, for programs that ask for direction out or inout: XDP
 * sees none, so a packet socket copies them. It is the one that every capture has anyway, so a
 * program may turn round after it has dropped its privileges.
 *
 * Its ring hands packets over within a millisecond, the rings of received ones at once: the two are
 * in order of time as far as both are there.
 *
 * Threads: the handle's. */
#include "backend/xdp.h"

#include "base/err.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define RING_LEN  (UINT64_C(8) << 20)
#define RETIRE_MS 1

static const struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);

static struct accel_guard sent_guard(const struct xdp *x)
{
	struct accel_guard guard = x->guard;

	guard.direction = ACCEL_DIR_OUT;
	for (unsigned i = 0; x->n_devices > 1 && i < x->n_devices; i++)
		guard.ifindex[guard.n_ifindex++] = (uint32_t)x->devices[i].link.ifindex;
	return guard;
}

static int attach(struct xdp *x, const struct sock_filter *user, unsigned n_user)
{
	struct accel_guard guard = sent_guard(x);
	struct xdp_filter whole;
	int r = xdp_compose(x, &guard, user, n_user, &whole, NULL);

	if (r < 0)
		return r;
	r = accel_psock_attach(&x->side, whole.insns, whole.n);
	free(whole.insns);
	return r;
}

/* What the kernel cannot run, the reader does, which also leaves out what came before the program
 * turned round. */
static int install_filter(struct xdp *x)
{
	struct xdp_sent *sent = &x->sent;
	bool is_in = x->direction == ACCEL_DIR_IN;
	const struct xdp_filter *user = &sent->user;
	bool fits = !user->insns || accel_bpf_fits_kernel(user->insns, user->n);
	int r = -E2BIG;

	sent->reader.direction = is_in ? ACCEL_DIR_IN : ACCEL_DIR_OUT;
	accel_reader_expect_old(&sent->reader);
	if (is_in) {
		sent->reader.filter = NULL;
		return accel_psock_attach(&x->side, &drop_all, 1);
	}
	if (fits)
		r = attach(x, user->insns, user->n);
	sent->reader.filter = user->insns;
	sent->reader.filter_always = user->insns && r < 0;
	if (r < 0)
		r = attach(x, NULL, 0);
	accel_reader_expect_old(&sent->reader);
	return r;
}

static int open_ring(struct xdp *x, struct accel_err *err)
{
	struct accel_ring_request ring = {.buffer_len = RING_LEN, .retire_ms = RETIRE_MS};
	struct epoll_event event = {.events = EPOLLIN};
	int r;

	if (x->opt.buffer_len)
		ring.buffer_len = ACCEL_MIN(ring.buffer_len, x->opt.buffer_len);
	/* Before the ring, which would be left behind; without one the socket says nothing. */
	if (epoll_ctl(x->epoll_fd, EPOLL_CTL_ADD, x->side.fd, &event) < 0 && errno != EEXIST)
		return accel_fail_sys(err, -errno, "%s: epoll", x->rq.name);
	if ((r = accel_psock_set_ring(&x->side, x->rq.name, &ring, err)) < 0)
		return r;
	x->sent.reader = (struct accel_reader){
		.ring = &x->side.ring,
		.framing = ACCEL_FRAMING_ETHERNET,
		.nano = x->rq.nano,
		.snaplen = x->rq.snaplen,
		.host_stamps = true,
		.stop = x->rq.stop,
	};
	x->has_copies = true;
	/* Release: whoever counts meanwhile finds the ring made. Pairs with xdp_stats(). */
	accel_store_release(&x->sent.is_open, true);
	return 0;
}

int xdp_turn(struct xdp *x, enum accel_direction direction, struct accel_err *err)
{
	enum accel_direction old = x->direction;
	bool opens = direction != ACCEL_DIR_IN && !x->sent.is_open;
	int r;

	if (x->group >= 0 && direction != ACCEL_DIR_IN)
		return xdp_group_refuse_sent(x, err);
	if (opens && (r = open_ring(x, err)) < 0)
		return r;
	x->direction = direction;
	r = x->sent.is_open ? install_filter(x) : 0;
	/* Once more to the same is nothing. */
	if (r == 0 && direction != ACCEL_DIR_IN)
		r = accel_psock_bind(&x->side, x->n_devices == 1 ? x->devices[0].link.ifindex : 0,
				     ETH_P_ALL);
	if (r < 0) {
		x->direction = old;
		if (x->sent.is_open)
			install_filter(x);
		return accel_fail_sys(err, r, "%s: cannot capture sent packets", x->rq.name);
	}
	if (direction == ACCEL_DIR_OUT)
		xdp_disarm(x);
	return 0;
}

int xdp_sent_swap_filter(struct xdp *x, struct xdp_filter *filter)
{
	struct accel_reader *reader = &x->sent.reader;
	struct xdp_filter old = x->sent.user;
	bool always = reader->filter_always;
	int r;

	x->sent.user = *filter;
	r = x->sent.is_open ? install_filter(x) : 0;
	if (r < 0) {
		x->sent.user = old;
		reader->filter = x->direction == ACCEL_DIR_IN ? NULL : old.insns;
		reader->filter_always = always;
		return r;
	}
	*filter = old;
	return 0;
}

static const struct tpacket_hdr_v1 *unread_block(const struct accel_ring *ring)
{
	/* An open block without packets waits to be given back. */
	uint32_t idx = ring->block_idx + (ring->is_open ? 1 : 0);

	return accel_ring_block(ring, idx == ring->n_blocks ? 0 : idx);
}

bool xdp_sent_is_ready(const struct xdp *x)
{
	const struct accel_ring *ring = &x->side.ring;

	if (!x->sent.is_open)
		return false;
	return ring->n_left > 0 || accel_ring_is_ready(unread_block(ring));
}

bool xdp_sent_peek(struct xdp *x)
{
	struct accel_ring *ring = &x->side.ring;
	const struct tpacket3_hdr *h;

	if (!x->sent.is_open || !accel_ring_open(ring))
		return false;
	h = (const struct tpacket3_hdr *)ring->pkt;
	/* To the clock of the other packets. */
	x->sent.time_ns = h->tp_sec * UINT64_C(1000000000) + h->tp_nsec - x->clock_offset_ns;
	return true;
}

bool xdp_sent_take(struct xdp *x, struct accel_pkthdr *hdr, uint8_t **data)
{
	const unsigned char *found;

	if (!accel_reader_take(&x->sent.reader, hdr, &found))
		return false;
	*data = (uint8_t *)found;
	return true;
}

void xdp_sent_close(struct xdp *x)
{
	free(x->sent.user.insns);
	x->sent = (struct xdp_sent){0};
}
