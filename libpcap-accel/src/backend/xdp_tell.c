/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_tell.c - what the programs on the devices are told, by memory that they share with us:
 * when to begin, and a filter to interpret. Writing memory needs no privilege, so this works for
 * programs that have given theirs up.
 *
 * Threads: the handle's. */
#include "backend/xdp.h"

#include "base/err.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

int xdp_tell_open(struct xdp *x, struct accel_err *err)
{
	x->control_fd = accel_bpf_map_open(x->rq.name, ACCEL_MAP_CONTROL, 0, err);
	if (x->control_fd < 0)
		return x->control_fd;
	x->control = accel_bpf_map_memory(x->control_fd, sizeof(*x->control));
	if (!x->control)
		return accel_fail(err, -ENOMEM, "%s: out of memory", x->rq.name);
	x->interprets = true;
	return 0;
}

void xdp_tell_close(struct xdp *x)
{
	if (x->control)
		munmap(x->control, sizeof(*x->control));
	if (x->control_fd >= 0)
		close(x->control_fd);
	x->control = NULL;
	x->control_fd = -1;
}

int xdp_tell_sockets(struct xdp *x, struct accel_err *err)
{
	for (unsigned i = 0; i < x->n_sockets; i++) {
		const struct xdp_socket *s = &x->sockets[i];
		int r = accel_bpf_map_set(x->devices[s->device].sockets_fd, s->queue, &s->xsk.fd);

		if (r < 0)
			return accel_fail_sys(err, r, "%s: the socket of queue %u", x->rq.name,
					      s->queue);
	}
	return 0;
}

/* Relaxed: the flag alone is looked at. */
void xdp_arm(struct xdp *x)
{
	x->pid = getpid();
	if (x->direction == ACCEL_DIR_OUT || accel_load_relaxed(&x->control->is_armed))
		return;
	accel_store_relaxed(&x->control->is_armed, 1);
	for (unsigned i = 0; i < x->n_sockets; i++)
		if (x->sockets[i].share)
			xdp_share_enter(x, &x->sockets[i]);
}

/* Packets go to the host again. */
void xdp_disarm(struct xdp *x)
{
	if (x->control)
		accel_store_relaxed(&x->control->is_armed, 0);
}

int xdp_tell_filter(struct xdp *x, const struct sock_filter *insns, unsigned n,
		    struct accel_err *err)
{
	struct accel_xdp_control *control = x->control;
	bool to_first = control->start == ACCEL_XDP_MAX_OPS;
	int r = accel_xdp_ops(insns, n, control->ops[!to_first], err);

	if (r < 0)
		return r;
	/* Release: the operations are written before a program looks there, which it does by this
	 * number. Nobody runs the other half afterwards: the next filter may be written there. */
	accel_store_release(&control->start, (to_first ? 2 : 1) * ACCEL_XDP_MAX_OPS);
	accel_bpf_wait_for_programs();
	return 0;
}

void xdp_tell_none(struct xdp *x)
{
	accel_store_relaxed(&x->control->start, 0);
	accel_bpf_wait_for_programs();
}
