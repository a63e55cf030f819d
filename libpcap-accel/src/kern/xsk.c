/* SPDX-License-Identifier: BSD-3-Clause */
/* xsk.c - see xsk.h. The first n_rx_frames of the memory are for receiving, the rest for sending.
 * */
#include "kern/xsk_pool.h"

#include "base/err.h"
#include "kern/bpf_sys.h"
#include "kern/caps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif
#ifndef SO_PREFER_BUSY_POLL /* Linux 5.11 */
#define SO_PREFER_BUSY_POLL 69
#define SO_BUSY_POLL_BUDGET 70
#endif
#define USE_SG	     (1u << 4)	 /* XDP_USE_SG, Linux 6.6 */
#define HUGE_2MIB    (21u << 26) /* MAP_HUGE_2MB */
#define HUGE_LEN     ((size_t)2 << 20)
#define BIND_TRIES   100
#define BIND_WAIT_MS 10

/* The kernel's four rings in its own numbers. */
struct ring_kind {
	int option;
	off_t page_offset;
	size_t entry_len;
};

static const struct ring_kind rx_kind = {XDP_RX_RING, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc)};
static const struct ring_kind tx_kind = {XDP_TX_RING, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc)};
static const struct ring_kind fill_kind = {XDP_UMEM_FILL_RING, XDP_UMEM_PGOFF_FILL_RING,
					   sizeof(uint64_t)};
static const struct ring_kind done_kind = {XDP_UMEM_COMPLETION_RING, XDP_UMEM_PGOFF_COMPLETION_RING,
					   sizeof(uint64_t)};

static int explain(int r, const char *name, const char *what, struct accel_err *err)
{
	switch (r) {
	case -EPERM:
		return accel_fail(err, r,
				  "%s: this process may not open AF_XDP sockets (needs "
				  "CAP_NET_RAW: %s)",
				  name, accel_bpf_remedy());
	case -EAFNOSUPPORT:
		return accel_fail(err, -EOPNOTSUPP,
				  "%s: the kernel has no AF_XDP sockets (needs CONFIG_XDP_SOCKETS; "
				  "or use afpacket:)",
				  name);
	case -ENOBUFS:
		return accel_fail(
			err, r,
			"%s: the limit of locked memory is too low for the frames (raise "
			"it with 'ulimit -l', give CAP_IPC_LOCK, or ask for fewer frames)",
			name);
	default:
		return accel_fail_sys(err, r, "%s: %s", name, what);
	}
}

static int make_umem(struct accel_xsk *x, const struct accel_xsk_request *rq, struct accel_err *err)
{
	struct xdp_umem_reg reg;
	int flags = MAP_SHARED | MAP_ANONYMOUS | (rq->huge_pages ? MAP_HUGETLB | HUGE_2MIB : 0);
	size_t len = (size_t)(rq->n_rx_frames + rq->n_tx_frames) * rq->frame_len;
	/* munmap() takes whole huge pages only. */
	size_t map_len = rq->huge_pages ? (len + HUGE_LEN - 1) / HUGE_LEN * HUGE_LEN : len;
	void *map = mmap(NULL, map_len, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (map == MAP_FAILED && rq->huge_pages)
		return accel_fail(err, -ENOMEM,
				  "%s: no %zu huge pages of 2 MiB are free (sysctl -w "
				  "vm.nr_hugepages=%zu, or huge_pages=no)",
				  rq->name, map_len / HUGE_LEN, map_len / HUGE_LEN);
	if (map == MAP_FAILED)
		return accel_fail_sys(err, -errno, "%s: no memory for %zu KiB of frames", rq->name,
				      len >> 10);
	x->umem = map;
	x->umem_len = map_len;
	x->frame_len = rq->frame_len;
	x->n_rx_frames = rq->n_rx_frames;
	memset(&reg, 0, sizeof(reg));
	reg.addr = (uintptr_t)map;
	reg.len = len;
	reg.chunk_size = rq->frame_len;
	if (setsockopt(x->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) < 0)
		return explain(-errno, rq->name, "cannot register the frames", err);
	return 0;
}

static int make_ring(int fd, struct accel_xsk_ring *ring, const struct ring_kind *kind,
		     const struct xdp_ring_offset *off, uint32_t n)
{
	size_t len = off->desc + n * kind->entry_len;
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			 kind->page_offset);
	uint8_t *at = map;

	if (map == MAP_FAILED)
		return -errno;
	*ring = (struct accel_xsk_ring){
		.producer = (uint32_t *)(at + off->producer),
		.consumer = (uint32_t *)(at + off->consumer),
		.flags = (uint32_t *)(at + off->flags),
		.entries = at + off->desc,
		.mask = n - 1,
		.map = map,
		.map_len = len,
	};
	return 0;
}

static int set_ring(int fd, const struct ring_kind *kind, uint32_t n)
{
	return setsockopt(fd, SOL_XDP, kind->option, &n, sizeof(n)) < 0 ? -errno : 0;
}

/* Before Linux 5.4 the offsets had no flags. */
static int ask_offsets(int fd, struct xdp_mmap_offsets *off)
{
	socklen_t len = sizeof(*off);

	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, off, &len) < 0)
		return -errno;
	return len == sizeof(*off) ? 0 : -EOPNOTSUPP;
}

/* The kernel wants fill and completion ring of every owner of a memory. */
static int make_rings(struct accel_xsk *x, const struct accel_xsk_request *rq)
{
	uint32_t n_done = ACCEL_MAX(ACCEL_MAX(rq->n_tx_frames, rq->n_done_ring), 1u);
	uint32_t n_fill = ACCEL_MAX(rq->n_rx_frames, rq->n_fill_ring);
	uint32_t n_rx = rq->n_rx_ring ? rq->n_rx_ring : rq->n_rx_frames;
	struct xdp_mmap_offsets off;
	int r;

	if ((r = set_ring(x->fd, &fill_kind, n_fill)) < 0 ||
	    (r = set_ring(x->fd, &done_kind, n_done)) < 0 ||
	    (r = set_ring(x->fd, &rx_kind, n_rx)) < 0 ||
	    (rq->n_tx_frames && (r = set_ring(x->fd, &tx_kind, rq->n_tx_frames)) < 0) ||
	    (r = ask_offsets(x->fd, &off)) < 0 ||
	    (r = make_ring(x->fd, &x->fill, &fill_kind, &off.fr, n_fill)) < 0 ||
	    (r = make_ring(x->fd, &x->done, &done_kind, &off.cr, n_done)) < 0 ||
	    (r = make_ring(x->fd, &x->rx, &rx_kind, &off.rx, n_rx)) < 0 ||
	    (rq->n_tx_frames &&
	     (r = make_ring(x->fd, &x->tx, &tx_kind, &off.tx, rq->n_tx_frames)) < 0))
		return r;
	return 0;
}

/* Every receive frame to the kernel, every other one onto the stack. */
static int share_frames(struct accel_xsk *x, const struct accel_xsk_request *rq)
{
	for (uint32_t i = 0; i < rq->n_rx_frames; i++)
		accel_xsk_give_back(x, (uint64_t)i * x->frame_len);
	accel_store_release(x->fill.producer, x->fill.mine); /* as in accel_xsk_submit() */
	if (!rq->n_tx_frames)
		return 0;
	x->free_tx = calloc(rq->n_tx_frames, sizeof(*x->free_tx));
	if (!x->free_tx)
		return -ENOMEM;
	x->n_tx_frames = rq->n_tx_frames;
	for (uint32_t i = 0; i < rq->n_tx_frames; i++)
		x->free_tx[x->n_free_tx++] = (uint64_t)(rq->n_rx_frames + i) * x->frame_len;
	return 0;
}

static void sleep_ms(unsigned ms)
{
	const struct timespec ts = {.tv_nsec = ms * 1000000l};

	nanosleep(&ts, NULL);
}

/* The kernel frees the queue of a closed socket some time after close(). */
static int bind_patiently(int fd, const struct sockaddr_xdp *addr)
{
	int r = 0;

	for (unsigned i = 0; i < BIND_TRIES; i++) {
		r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
		if (r != -EBUSY)
			return r;
		sleep_ms(BIND_WAIT_MS);
	}
	return r;
}

static int bind_queue(struct accel_xsk *x, const struct accel_xsk_request *rq,
		      struct accel_err *err)
{
	static const unsigned zc_flags[] = {[ACCEL_XSK_ZC_AUTO] = 0,
					    [ACCEL_XSK_ZC_REQUIRE] = XDP_ZEROCOPY,
					    [ACCEL_XSK_ZC_NO] = XDP_COPY};
	struct sockaddr_xdp addr;
	struct xdp_options options;
	socklen_t len = sizeof(options);
	int r;

	memset(&addr, 0, sizeof(addr));
	addr.sxdp_family = AF_XDP;
	addr.sxdp_ifindex = (uint32_t)rq->ifindex;
	addr.sxdp_queue_id = rq->queue;
	addr.sxdp_flags = (uint16_t)((rq->no_wakeups ? 0 : XDP_USE_NEED_WAKEUP) | zc_flags[rq->zc] |
				     (rq->has_fragments ? USE_SG : 0));
	r = bind_patiently(x->fd, &addr);
	if (r == -EBUSY)
		return accel_fail(
			err, r,
			"%s: queue %u has an AF_XDP socket of another program (use another "
			"queue, or end that program)",
			rq->name, rq->queue);
	if (r == -EOPNOTSUPP && rq->zc == ACCEL_XSK_ZC_REQUIRE)
		return accel_fail(err, r, "%s: the driver has no zero copy (would be: zc=auto)",
				  rq->name);
	if (r < 0)
		return accel_fail_sys(err, r, "%s: cannot bind to queue %u", rq->name, rq->queue);
	memset(&options, 0, sizeof(options));
	if (getsockopt(x->fd, SOL_XDP, XDP_OPTIONS, &options, &len) == 0)
		x->is_zero_copy = options.flags & XDP_OPTIONS_ZEROCOPY;
	return 0;
}

/* The reader's own calls run the driver, and interrupts stay off meanwhile. */
static int set_busy_poll(int fd, const struct accel_xsk_request *rq, struct accel_err *err)
{
	const struct {
		int name, value;
	} options[] = {{SO_PREFER_BUSY_POLL, 1},
		       {SO_BUSY_POLL, (int)rq->busy_us},
		       {SO_BUSY_POLL_BUDGET, (int)rq->n_busy_packets}};

	for (size_t i = 0; rq->busy_us && i < ACCEL_ARRAY_LEN(options); i++)
		if (setsockopt(fd, SOL_SOCKET, options[i].name, &options[i].value, sizeof(int)) < 0)
			return accel_fail_sys(err, -errno, "%s: busy_poll (Linux 5.11)", rq->name);
	return 0;
}

/* A receive ring of its own, beside others on the pool's queue. The rest is as its owner has it. */
static int open_shared(struct accel_xsk *x, const struct accel_xsk_request *rq,
		       struct accel_err *err)
{
	const struct accel_xsk *base = &rq->pool->base;
	uint32_t n_rx = rq->n_rx_ring ? rq->n_rx_ring : rq->n_rx_frames;
	struct sockaddr_xdp addr;
	struct xdp_mmap_offsets off;
	int r;

	if (rq->zc == ACCEL_XSK_ZC_REQUIRE && !base->is_zero_copy)
		return accel_fail(err, -EOPNOTSUPP,
				  "%s: queue %u is shared, and whoever came first has it copy "
				  "(would be: zc=auto, or zc=require for all)",
				  rq->name, rq->queue);
	x->pool = rq->pool;
	x->umem = base->umem;
	x->frame_len = base->frame_len;
	x->n_rx_frames = base->n_rx_frames;
	x->is_zero_copy = base->is_zero_copy;
	if ((r = set_ring(x->fd, &rx_kind, n_rx)) < 0 || (r = ask_offsets(x->fd, &off)) < 0 ||
	    (r = make_ring(x->fd, &x->rx, &rx_kind, &off.rx, n_rx)) < 0 ||
	    (r = accel_xsk_stage(x)) < 0)
		return explain(r, rq->name, "cannot make the rings of its AF_XDP socket", err);
	memset(&addr, 0, sizeof(addr));
	addr.sxdp_family = AF_XDP;
	addr.sxdp_ifindex = (uint32_t)rq->ifindex;
	addr.sxdp_queue_id = rq->queue;
	addr.sxdp_flags = XDP_SHARED_UMEM;
	addr.sxdp_shared_umem_fd = (uint32_t)base->fd;
	if (bind(x->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return accel_fail_sys(err, -errno, "%s: cannot share queue %u", rq->name,
				      rq->queue);
	return 0;
}

static int open_steps(struct accel_xsk *x, const struct accel_xsk_request *rq,
		      struct accel_err *err)
{
	int r;

	x->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->fd < 0)
		return explain(-errno, rq->name, "cannot open an AF_XDP socket", err);
	x->no_wakeups = rq->no_wakeups;
	if ((r = set_busy_poll(x->fd, rq, err)) < 0)
		return r;
	if (rq->pool)
		return open_shared(x, rq, err);
	if ((r = make_umem(x, rq, err)) < 0)
		return r;
	if ((r = make_rings(x, rq)) < 0 || (r = share_frames(x, rq)) < 0)
		return explain(r, rq->name, "cannot make the rings of its AF_XDP socket", err);
	return bind_queue(x, rq, err);
}

int accel_xsk_open(struct accel_xsk *x, const struct accel_xsk_request *rq, struct accel_err *err)
{
	int r;

	*x = ACCEL_XSK_NONE;
	r = open_steps(x, rq, err);
	if (r < 0)
		accel_xsk_close(x);
	return r;
}

static void unmap_ring(struct accel_xsk_ring *ring)
{
	if (ring->map)
		munmap(ring->map, ring->map_len);
}

void accel_xsk_close(struct accel_xsk *x)
{
	unmap_ring(&x->rx);
	unmap_ring(&x->tx);
	unmap_ring(&x->fill);
	unmap_ring(&x->done);
	if (x->fd >= 0)
		close(x->fd);
	if (x->umem && !x->pool)
		munmap(x->umem, x->umem_len);
	free(x->free_tx);
	free(x->staged);
	*x = ACCEL_XSK_NONE;
}

/* As xdp_umem_account_pages() (net/xdp/xdp_umem.c) asks. */
uint64_t accel_xsk_memory_limit(void)
{
	struct rlimit limit;

	if (accel_has_cap(CAP_IPC_LOCK))
		return UINT64_MAX;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

/* A missing frame is counted as dropped and as an empty fill ring: it is one packet. */
int accel_xsk_count(const struct accel_xsk *x, struct accel_xsk_counts *out)
{
	struct xdp_statistics s;
	socklen_t len = sizeof(s);

	memset(&s, 0, sizeof(s));
	if (getsockopt(x->fd, SOL_XDP, XDP_STATISTICS, &s, &len) < 0)
		return -errno;
	*out = (struct accel_xsk_counts){.dropped = s.rx_dropped,
					 .ring_full = s.rx_ring_full,
					 .invalid = s.tx_invalid_descs};
	return 0;
}

void accel_xsk_wake(const struct accel_xsk *x)
{
	recvfrom(x->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* Take back the frames that have been sent. */
static void reclaim(struct accel_xsk *x)
{
	const uint64_t *addrs = x->done.entries;

	/* Acquire, release: as for the receive ring, the kernel being the producer. */
	x->done.theirs = accel_load_acquire(x->done.producer);
	while (x->done.mine != x->done.theirs)
		x->free_tx[x->n_free_tx++] = addrs[x->done.mine++ & x->done.mask];
	accel_store_release(x->done.consumer, x->done.mine);
}

/* In copy mode the call sends, at most some 32 frames each time; a driver with zero copy is woken.
 * */
static int kick(const struct accel_xsk *x)
{
	if (x->is_zero_copy && !x->no_wakeups &&
	    !(accel_load_relaxed(x->tx.flags) & XDP_RING_NEED_WAKEUP))
		return 0;
	if (sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
		return 0;
	return errno == EAGAIN || errno == EBUSY || errno == ENOBUFS ? 0 : -errno;
}

int accel_xsk_send(struct accel_xsk *x, const void *frame, size_t len)
{
	struct xdp_desc *descs = x->tx.entries;
	uint64_t addr;

	if (len > accel_xsk_room(x))
		return -EMSGSIZE;
	if (x->n_tx_frames == 0)
		return -EOPNOTSUPP;
	if (x->n_free_tx == 0)
		reclaim(x);
	if (x->n_free_tx == 0) {
		kick(x);
		reclaim(x);
	}
	if (x->n_free_tx == 0)
		return -ENOBUFS;
	addr = x->free_tx[--x->n_free_tx];
	memcpy(x->umem + addr, frame, len);
	descs[x->tx.mine++ & x->tx.mask] = (struct xdp_desc){.addr = addr, .len = (uint32_t)len};
	/* Release: the frame and its descriptor are written before the kernel sees the index. Pairs
	 * with its load-acquire in __xskq_cons_peek(). */
	accel_store_release(x->tx.producer, x->tx.mine);
	return kick(x);
}
