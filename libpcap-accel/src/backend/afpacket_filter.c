/* SPDX-License-Identifier: BSD-3-Clause */
/* afpacket_filter.c - which filter runs where.
 *
 * The kernel runs one program: the guard (interfaces, direction, queues, VLANs), then the program's
 * filter. What the kernel cannot run (a loop, more than 4096 instructions, a field of the cooked
 * header that it does not know) the reader runs; the guard stays in the kernel.
 *
 * A filter takes effect between two packets, but the ring holds packets that came before. They are
 * recognised by their block's number and time stamp and filtered by the reader.
 *
 * Threads: the handle's. */
#include "backend/afpacket.h"

#include "base/err.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>

/* Try to have the kernel run guard and filter. -EOPNOTSUPP: it cannot. */
static int attach_whole(struct afpacket *a)
{
	struct sock_filter *user = NULL, *prog;
	unsigned n;
	int r;

	if (a->user && !accel_bpf_fits_kernel(a->user, a->n_user))
		return -EOPNOTSUPP;
	if (a->user) {
		user = accel_bpf_copy(a->user, a->n_user);
		if (!user)
			return -ENOMEM;
	}
	r = a->user && a->is_cooked ? accel_bpf_uncook(user, a->n_user, a->link_type) : 0;
	if (r == 0)
		r = accel_bpf_compose(&a->guard, user, user ? a->n_user : 0, a->reader.snaplen,
				      &prog, &n);
	free(user);
	if (r < 0)
		return r == -E2BIG ? -EOPNOTSUPP : r;
	r = accel_psock_attach(&a->sock, prog, n);
	free(prog);
	/* The kernel's own limit of option memory, or its checker, said no: the reader can do
	 * it. */
	return r == -ENOMEM || r == -EINVAL ? -EOPNOTSUPP : r;
}

static int attach_guard(struct afpacket *a)
{
	struct sock_filter *prog;
	unsigned n;
	int r = accel_bpf_compose(&a->guard, NULL, 0, a->reader.snaplen, &prog, &n);

	if (r < 0)
		return r;
	r = accel_psock_attach(&a->sock, prog, n);
	free(prog);
	return r;
}

int afpacket_install_filter(struct afpacket *a)
{
	bool kernel_runs_it = true;
	int r = attach_whole(a);

	if (r == -EOPNOTSUPP) {
		kernel_runs_it = false;
		r = attach_guard(a);
	}
	if (r < 0)
		return r;
	a->reader.filter = a->user;
	a->reader.filter_always = a->user && !kernel_runs_it;
	a->reader.direction = a->guard.direction;
	if (a->sock.map)
		accel_reader_expect_old(&a->reader);
	return 0;
}

int afpacket_set_filter(void *st, const struct sock_filter *insns, unsigned n,
			struct accel_err *err)
{
	struct afpacket *a = st;
	struct sock_filter *old = a->user, *copy = NULL;
	unsigned n_old = a->n_user;
	int r;

	if (n > 0) {
		copy = accel_bpf_copy(insns, n);
		if (!copy)
			return accel_fail_sys(err, -ENOMEM, "setfilter");
	}
	a->user = copy;
	a->n_user = n;
	r = afpacket_install_filter(a);
	if (r < 0) {
		a->user = old;
		a->n_user = n_old;
		free(copy);
		return accel_fail_sys(err, r, "setfilter: the kernel refused the filter");
	}
	free(old);
	return 0;
}

int afpacket_set_direction(void *st, int direction, struct accel_err *err)
{
	struct afpacket *a = st;
	enum accel_direction old = a->guard.direction;
	int r;

	if (a->direction_named)
		return 0;
	a->guard.direction = (enum accel_direction)direction;
	r = afpacket_install_filter(a);
	if (r < 0) {
		a->guard.direction = old;
		return accel_fail_sys(err, r, "setdirection: the kernel refused the filter");
	}
	/* Spares the kernel a clone of each sent packet. Void in a group, where the filter does it;
	 * absent before Linux 4.20, where the filter does it too. */
	if (!a->in_group)
		accel_psock_set_option(&a->sock, PACKET_IGNORE_OUTGOING, direction == ACCEL_DIR_IN);
	return 0;
}
