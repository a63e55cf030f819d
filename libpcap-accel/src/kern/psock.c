/* SPDX-License-Identifier: BSD-3-Clause */
/* psock.c - see psock.h. */
#include "kern/psock.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/net_tstamp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* Largest packet that a block must hold: 64 KiB of GRO or TSO, headers and tags. Longer ones would
 * be cut by the kernel. */
#define SMALLEST_BLOCK	 (128u * 1024)
#define PREFERRED_BLOCK	 (1024u * 1024)
#define PREFERRED_BLOCKS 8u
#define PREFERRED_MS	 1000u

/* Room in front of each packet for a VLAN tag to be put back. */
#define HEADROOM 4

#define NO_PROTOCOL 0xffff /* reserved (RFC 1701): no frame has it */

static int set(int fd, int name, int value)
{
	return setsockopt(fd, SOL_PACKET, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

int accel_psock_open(struct accel_psock *s, int type, struct accel_err *err)
{
	/* Protocol 0: nothing is received before the filter is there and bind() says from where. */
	int fd = socket(AF_PACKET, type | SOCK_CLOEXEC, 0);

	if (fd < 0 && (errno == EPERM || errno == EACCES))
		return accel_fail(
			err, -EPERM,
			"packet socket: not permitted (run as root, or with CAP_NET_RAW)");
	if (fd < 0)
		return accel_fail_sys(err, -errno, "packet socket");
	*s = ACCEL_PSOCK_NONE;
	s->fd = fd;
	return 0;
}

bool accel_psock_may_open(void)
{
	/* A type that packet sockets do not have: the kernel asks for the capability first. A
	 * socket made for the question would take milliseconds to be closed. */
	int fd = socket(AF_PACKET, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno == ESOCKTNOSUPPORT;
}

void accel_psock_close(struct accel_psock *s)
{
	/* What still shows the ring would keep the socket: then it receives nothing at least. */
	if (accel_lend_close(&s->ring) < 0 && s->fd >= 0)
		accel_psock_bind(s, 0, NO_PROTOCOL);
	if (s->map)
		munmap(s->map, s->map_len);
	if (s->fd >= 0)
		close(s->fd);
	*s = ACCEL_PSOCK_NONE;
}

/* Of a trickle of packets, each retires a block: then it is the number of blocks that says for how
 * long a reader may stall. */
static uint32_t choose_block(uint64_t buffer_len, uint32_t retire_ms)
{
	uint32_t block = PREFERRED_BLOCK;

	while (block > SMALLEST_BLOCK && (buffer_len / block < PREFERRED_BLOCKS ||
					  buffer_len / block * retire_ms < PREFERRED_MS))
		block /= 2;
	return block;
}

/* Three quarters of the machine's memory: a ring is kernel memory that cannot be swapped, and one
 * that took the rest would take other processes with it. */
static uint64_t memory_limit(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return UINT64_MAX;
	return (uint64_t)info.totalram * info.mem_unit / 4 * 3;
}

static int request_ring(int fd, uint32_t block_len, uint32_t n_blocks, uint32_t retire_ms)
{
	struct tpacket_req3 req;

	memset(&req, 0, sizeof(req));
	req.tp_block_size = block_len;
	req.tp_block_nr = n_blocks;
	/* V3 packs packets as they come; the frame size only has to pass the kernel's
	 * arithmetic. */
	req.tp_frame_size = block_len;
	req.tp_frame_nr = n_blocks;
	req.tp_retire_blk_tov = retire_ms;
	return setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) < 0 ? -errno : 0;
}

/* Ask for n_blocks, then for less by an eighth each time. *n_blocks is what was got. */
static int request_or_less(int fd, const struct accel_ring_request *rq, uint32_t block_len,
			   uint32_t *n_blocks)
{
	uint32_t n = *n_blocks;
	int r;

	while ((r = request_ring(fd, block_len, n, rq->retire_ms)) == -ENOMEM) {
		if (rq->must_fit || n == 1)
			return r;
		n -= ACCEL_MAX(n / 8, 1u);
	}
	*n_blocks = n;
	return r;
}

static int fail_ring(int r, const char *name, uint64_t len, struct accel_err *err)
{
	if (r == -ENOMEM)
		return accel_fail(err, r,
				  "%s: a ring of %llu MiB does not fit in memory (at most %llu MiB "
				  "here; set buffer lower)",
				  name, (unsigned long long)(len >> 20),
				  (unsigned long long)(memory_limit() >> 20));
	return accel_fail_sys(err, r, "%s: cannot make a ring of %llu KiB", name,
			      (unsigned long long)(len >> 10));
}

/* One that is not mapped. */
static int remove_ring(int fd)
{
	struct tpacket_req3 none;

	memset(&none, 0, sizeof(none));
	return setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &none, sizeof(none)) < 0 ? -errno : 0;
}

int accel_psock_set_ring(struct accel_psock *s, const char *name,
			 const struct accel_ring_request *rq, struct accel_err *err)
{
	uint32_t block_len =
		rq->block_len ? rq->block_len : choose_block(rq->buffer_len, rq->retire_ms);
	uint64_t limit = memory_limit(), len = rq->buffer_len;
	uint32_t n_blocks;
	void *map;
	int r;

	if (len > limit && rq->must_fit)
		return fail_ring(-ENOMEM, name, len, err);
	len = ACCEL_MIN(len, limit);
	if (len / block_len >= UINT32_MAX)
		return fail_ring(-ENOMEM, name, len, err);
	n_blocks = (uint32_t)ACCEL_MAX((len + block_len - 1) / block_len, 1);

	if ((r = set(s->fd, PACKET_VERSION, TPACKET_V3)) < 0)
		return accel_fail_sys(err, r, "%s: this kernel has no TPACKET_V3", name);
	if ((r = set(s->fd, PACKET_RESERVE, HEADROOM)) < 0)
		return accel_fail_sys(err, r, "%s: cannot reserve room for VLAN tags", name);
	if ((r = request_or_less(s->fd, rq, block_len, &n_blocks)) < 0)
		return fail_ring(r, name, len, err);

	/* Shared: a program that opens first and forks afterwards reads in the child. Not locked:
	 * the pages are the kernel's, and MAP_LOCKED only fails for users with a small
	 * RLIMIT_MEMLOCK. */
	len = (uint64_t)n_blocks * block_len;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (map == MAP_FAILED) {
		r = -errno;
		remove_ring(s->fd);
		return accel_fail_sys(err, r, "%s: cannot map a ring of %llu MiB", name,
				      (unsigned long long)(len >> 20));
	}
	s->map = map;
	s->map_len = len;
	accel_ring_init(&s->ring, map, block_len, n_blocks);
	s->ring.fd = s->fd;
	return 0;
}

/* Copy the blocks that can be read, and the one being filled, to the same places of `to`. A block
 * that was given back still has its old number and packets: the one being filled has a new one. */
static void copy_unread(const struct accel_ring *ring, uint8_t *to)
{
	uint64_t newest = accel_ring_newest(ring);
	struct accel_ring at = *ring;
	struct tpacket_hdr_v1 *copy;
	uint32_t status;

	for (uint32_t i = 0; i < ring->n_blocks; i++) {
		if (at.is_open || accel_ring_is_ready(accel_ring_block(&at, at.block_idx)))
			status = TP_STATUS_USER;
		else
			status = TP_STATUS_KERNEL;
		if (status == TP_STATUS_KERNEL &&
		    (accel_ring_seq(&at) != newest || newest == at.n_given))
			return;
		memcpy(to + (uint64_t)at.block_idx * ring->block_len,
		       ring->map + (uint64_t)at.block_idx * ring->block_len, ring->block_len);
		at.map = to;
		copy = accel_ring_block(&at, at.block_idx);
		at.map = ring->map;
		copy->block_status = copy->num_pkts > 0 ? TP_STATUS_USER : TP_STATUS_KERNEL;
		if (status == TP_STATUS_KERNEL)
			return;
		at.is_open = false;
		at.block_idx = (at.block_idx + 1) % ring->n_blocks;
	}
}

int accel_psock_keep_unread(struct accel_psock *s)
{
	struct accel_ring *ring = &s->ring;
	void *map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t offset = ring->n_left > 0 ? (size_t)(ring->pkt - ring->map) : 0;

	accel_lend_close(ring);
	ring->fd = -1;
	if (map != MAP_FAILED)
		copy_unread(ring, map);
	munmap(s->map, s->map_len);
	s->map = map == MAP_FAILED ? NULL : map;
	ring->map = s->map;
	ring->pkt = ring->map + offset;
	if (map != MAP_FAILED)
		return 0;
	accel_ring_init(ring, NULL, 0, 0);
	return -ENOMEM;
}

int accel_psock_idle(int fd)
{
	struct accel_psock s = {.fd = fd};
	int r = remove_ring(fd);

	if (r < 0)
		return r;
	/* Protocol 0 would mean the one it has. -EINVAL: it is in a fanout group. */
	r = accel_psock_bind(&s, 0, NO_PROTOCOL);
	return r == -EINVAL ? 0 : r;
}

int accel_psock_attach(struct accel_psock *s, const struct sock_filter *insns, unsigned n)
{
	struct sock_fprog prog = {.len = (unsigned short)n, .filter = (struct sock_filter *)insns};
	int unused = 0;

	if (n == 0) {
		if (setsockopt(s->fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) < 0 &&
		    errno != ENOENT) /* there was none */
			return -errno;
		return 0;
	}
	if (setsockopt(s->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return -errno;
	return 0;
}

int accel_psock_bind(struct accel_psock *s, int ifindex, unsigned protocol)
{
	struct sockaddr_ll addr;
	socklen_t len = sizeof(int);
	int error = 0;

	memset(&addr, 0, sizeof(addr));
	addr.sll_family = AF_PACKET;
	addr.sll_ifindex = ifindex;
	addr.sll_protocol = htons((uint16_t)protocol);
	if (bind(s->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	/* A device that is down lets bind() pass and leaves the news in SO_ERROR. */
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

/* A membership, not the interface's flag: it ends with the socket, however we end. */
static int change_promisc(struct accel_psock *s, int option, int ifindex)
{
	struct packet_mreq mreq;

	memset(&mreq, 0, sizeof(mreq));
	mreq.mr_ifindex = ifindex;
	mreq.mr_type = PACKET_MR_PROMISC;
	return setsockopt(s->fd, SOL_PACKET, option, &mreq, sizeof(mreq)) < 0 ? -errno : 0;
}

int accel_psock_set_promisc(struct accel_psock *s, int ifindex)
{
	return change_promisc(s, PACKET_ADD_MEMBERSHIP, ifindex);
}

int accel_psock_drop_promisc(struct accel_psock *s, int ifindex)
{
	return change_promisc(s, PACKET_DROP_MEMBERSHIP, ifindex);
}

int accel_psock_set_option(struct accel_psock *s, int name, int value)
{
	return set(s->fd, name, value);
}

void accel_psock_set_stamping(struct accel_psock *s, enum accel_stamping how)
{
	int flags = how == ACCEL_STAMP_ONCE ? SOF_TIMESTAMPING_RX_SOFTWARE : 0;

	setsockopt(s->fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags));
}

struct accel_psock_counts accel_psock_count(struct accel_psock *s)
{
	struct tpacket_stats_v3 now;
	socklen_t len = sizeof(now);

	/* The kernel hands each packet's count out once, so whoever reads it adds it: the reader, a
	 * statistics thread and a signal handler may do so at the same time. Relaxed: the sums
	 * guard nothing else. */
	memset(&now, 0, sizeof(now));
	if (getsockopt(s->fd, SOL_PACKET, PACKET_STATISTICS, &now, &len) == 0) {
		__atomic_fetch_add(&s->counts.packets, now.tp_packets, __ATOMIC_RELAXED);
		__atomic_fetch_add(&s->counts.drops, now.tp_drops, __ATOMIC_RELAXED);
		__atomic_fetch_add(&s->counts.freezes, now.tp_freeze_q_cnt, __ATOMIC_RELAXED);
	}
	return (struct accel_psock_counts){
		.packets = accel_load_relaxed(&s->counts.packets),
		.drops = accel_load_relaxed(&s->counts.drops),
		.freezes = accel_load_relaxed(&s->counts.freezes),
	};
}

int accel_psock_send(struct accel_psock *s, int ifindex, const void *frame, size_t len)
{
	struct sockaddr_ll addr;
	ssize_t n;

	if (ifindex == 0) {
		n = send(s->fd, frame, len, 0);
		return n < 0 ? -errno : (int)n;
	}
	memset(&addr, 0, sizeof(addr));
	addr.sll_family = AF_PACKET;
	addr.sll_ifindex = ifindex;
	n = sendto(s->fd, frame, len, 0, (struct sockaddr *)&addr, sizeof(addr));
	return n < 0 ? -errno : (int)n;
}
