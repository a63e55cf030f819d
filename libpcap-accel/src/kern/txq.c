/* SPDX-License-Identifier: BSD-3-Clause */
/* txq.c - see txq.h. */
#include "kern/txq.h"

#include "base/util.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONGEST_FRAME	(256u * 1024)
#define TYPICAL_FRAME	2048u
#define FRAMES_PER_CALL 64u

int accel_txq_init(struct accel_txq *q, unsigned n_max)
{
	struct accel_txq fresh = {.n_max = n_max};

	fresh.data_len = ACCEL_MAX((size_t)n_max * TYPICAL_FRAME, LONGEST_FRAME);
	fresh.data = malloc(fresh.data_len);
	fresh.ends = malloc(n_max * sizeof(*fresh.ends));
	if (!fresh.data || !fresh.ends) {
		free(fresh.data);
		free(fresh.ends);
		return -ENOMEM;
	}
	*q = fresh;
	return 0;
}

void accel_txq_fini(struct accel_txq *q)
{
	free(q->data);
	free(q->ends);
	memset(q, 0, sizeof(*q));
}

bool accel_txq_has_ours(const struct accel_txq *q)
{
	return q->n > 0 && q->pid == getpid();
}

int accel_txq_add(struct accel_txq *q, int sock_fd, int ifindex, const void *frame, size_t len)
{
	int r;

	if (len > LONGEST_FRAME)
		return -EMSGSIZE;
	if (q->n == q->n_max || q->used + len > q->data_len)
		if ((r = accel_txq_flush(q, sock_fd, ifindex)) < 0)
			return r;
	if (q->n == 0)
		q->pid = getpid();
	memcpy(q->data + q->used, frame, len);
	q->used += len;
	q->ends[q->n++] = q->used;
	return 0;
}

static size_t start_of(const struct accel_txq *q, unsigned i)
{
	return i ? q->ends[i - 1] : 0;
}

/* Hand frames [first, first + n) to the kernel; how many it took, or -errno of the first. */
static int send_some(const struct accel_txq *q, unsigned first, unsigned n, int sock_fd,
		     const struct sockaddr_ll *addr)
{
	struct mmsghdr msgs[FRAMES_PER_CALL];
	struct iovec iov[FRAMES_PER_CALL];
	int r;

	memset(msgs, 0, sizeof(msgs));
	for (unsigned i = 0; i < n; i++) {
		iov[i].iov_base = q->data + start_of(q, first + i);
		iov[i].iov_len = q->ends[first + i] - start_of(q, first + i);
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		if (addr->sll_ifindex) {
			msgs[i].msg_hdr.msg_name = (void *)addr;
			msgs[i].msg_hdr.msg_namelen = sizeof(*addr);
		}
	}
	r = sendmmsg(sock_fd, msgs, n, 0);
	return r < 0 ? -errno : r;
}

/* Keep the frames from `first` on as the whole queue. */
static void keep_rest(struct accel_txq *q, unsigned first)
{
	size_t cut = start_of(q, first);

	memmove(q->data, q->data + cut, q->used - cut);
	for (unsigned i = first; i < q->n; i++)
		q->ends[i - first] = q->ends[i] - cut;
	q->n -= first;
	q->used -= cut;
}

int accel_txq_flush(struct accel_txq *q, int sock_fd, int ifindex)
{
	struct sockaddr_ll addr;
	unsigned done = 0;
	int r = 0;

	memset(&addr, 0, sizeof(addr));
	addr.sll_family = AF_PACKET;
	addr.sll_ifindex = ifindex;
	while (done < q->n) {
		r = send_some(q, done, ACCEL_MIN(q->n - done, FRAMES_PER_CALL), sock_fd, &addr);
		if (r == -EINTR)
			continue;
		if (r == -EAGAIN || r == -ENOBUFS)
			break;
		if (r < 0)
			accel_store_relaxed(&q->n_failed, q->n_failed + 1);
		else
			accel_store_relaxed(&q->n_sent, q->n_sent + (unsigned)r);
		done += r < 0 ? 1 : (unsigned)r;
	}
	if (done < q->n) {
		keep_rest(q, done);
		return -EAGAIN;
	}
	q->n = 0;
	q->used = 0;
	return 0;
}
