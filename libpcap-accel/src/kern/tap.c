/* SPDX-License-Identifier: BSD-3-Clause */
/* tap.c - see tap.h. */
#include "kern/tap.h"

#include "base/err.h"
#include "kern/bpf_sys.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAP_CONSUMER, MAP_RECORDS };

#define HEAD_LEN   8u /* BPF_RINGBUF_HDR_SZ */
#define LEN_MASK   (~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT))
#define PAGE_LEN() ((size_t)sysconf(_SC_PAGESIZE))

static int map(struct accel_tap *t, unsigned i, size_t len, int prot, int fd, off_t offset)
{
	void *at = mmap(NULL, len, prot, MAP_SHARED, fd, offset);

	if (at == MAP_FAILED)
		return -errno;
	t->maps[i] = at;
	t->map_len[i] = len;
	return 0;
}

static int map_all(struct accel_tap *t, uint32_t ring_len)
{
	size_t page = PAGE_LEN();
	int r;

	if ((r = map(t, MAP_CONSUMER, page, PROT_READ | PROT_WRITE, t->ring_fd, 0)) < 0 ||
	    (r = map(t, MAP_RECORDS, page + 2 * (size_t)ring_len, PROT_READ, t->ring_fd,
		     (off_t)page)) < 0)
		return r;
	t->consumer = t->maps[MAP_CONSUMER];
	t->producer = t->maps[MAP_RECORDS];
	t->records = (const uint8_t *)t->maps[MAP_RECORDS] + page;
	t->mask = ring_len - 1;
	return 0;
}

static int open_steps(struct accel_tap *t, const char *name, uint32_t ring_len,
		      struct accel_err *err)
{
	int r;

	if ((r = t->ring_fd = accel_bpf_map_open(name, ACCEL_MAP_RING, ring_len, err)) < 0 ||
	    (r = t->lost_fd = accel_bpf_map_open(name, ACCEL_MAP_LOST, 1, err)) < 0)
		return r;
	t->n_cpus = accel_bpf_cpus();
	t->lost = calloc(ACCEL_MAX(t->n_cpus, 1u), sizeof(*t->lost));
	if (!t->lost)
		return accel_fail_sys(err, -ENOMEM, "%s", name);
	r = map_all(t, ring_len);
	return r < 0 ? accel_fail_sys(err, r, "%s: cannot map the ring", name) : 0;
}

int accel_tap_open(struct accel_tap *t, const char *name, uint32_t ring_len,
		   struct accel_xdp_control *control, struct accel_err *err)
{
	int r;

	*t = ACCEL_TAP_NONE;
	t->control = control;
	r = open_steps(t, name, ring_len, err);
	if (r < 0)
		accel_tap_close(t);
	return r;
}

void accel_tap_close(struct accel_tap *t)
{
	const int fds[] = {t->ring_fd, t->lost_fd};

	for (size_t i = 0; i < ACCEL_ARRAY_LEN(t->maps); i++)
		if (t->maps[i])
			munmap(t->maps[i], t->map_len[i]);
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(t->lost);
	*t = ACCEL_TAP_NONE;
}

void accel_tap_set_wakeups(struct accel_tap *t, enum accel_tap_wakeups how)
{
	/* Sequentially consistent: whoever looks for records behind this sees those of a program
	 * that has read the old flags. */
	__atomic_store_n(&t->control->submit_flags,
			 how == ACCEL_TAP_WAKES ? 0 : ACCEL_XDP_NO_WAKEUP, __ATOMIC_SEQ_CST);
}

uint64_t accel_tap_lost(struct accel_tap *t)
{
	uint64_t sum = 0;

	if (t->n_cpus == 0 || __atomic_exchange_n(&t->is_counting, 1, __ATOMIC_ACQUIRE))
		return accel_load_relaxed(&t->n_lost);
	if (accel_bpf_map_get(t->lost_fd, 0, t->lost) == 0) {
		for (unsigned i = 0; i < t->n_cpus; i++)
			sum += t->lost[i];
		accel_store_relaxed(&t->n_lost, sum);
	}
	/* Release: the next one's use of `lost` is behind ours. Pairs with the exchange above. */
	accel_store_release(&t->is_counting, 0);
	return accel_load_relaxed(&t->n_lost);
}

/* Bytes of a record with what is before it: the kernel keeps them apart by 8. */
static uint64_t stride(uint32_t head)
{
	return ((head & LEN_MASK) + HEAD_LEN + 7) & ~UINT64_C(7);
}

static const uint32_t *head_at(const struct accel_tap *t)
{
	return (const uint32_t *)(t->records + (t->mine & t->mask));
}

const struct accel_xdp_record *accel_tap_peek(struct accel_tap *t)
{
	while (accel_tap_has_any(t)) {
		/* Acquire: a record that is not busy is written. Pairs with the kernel's exchange
		 * in bpf_ringbuf_commit(). */
		uint32_t head = accel_load_acquire(head_at(t));

		if (head & BPF_RINGBUF_BUSY_BIT)
			return NULL;
		if (!(head & BPF_RINGBUF_DISCARD_BIT))
			return (const void *)((const uint8_t *)head_at(t) + HEAD_LEN +
					      t->stamp_len);
		t->mine += stride(head);
	}
	return NULL;
}

void accel_tap_take(struct accel_tap *t)
{
	t->mine += stride(*head_at(t));
}
