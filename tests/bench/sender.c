/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sender: the talking half of the benchmark. It puts UDP frames on one or more interfaces, as fast
 * as it can or at a steady rate, and says what that cost. On a veth pair the sender's thread also
 * runs the receiving side's softirq, so its CPU time is the kernel's price of a capture.
 *
 * It is no traffic generator for anything but a private veth pair: the frames go to a hardware
 * address that nobody owns, so the receiving stack drops them after the packet sockets saw them.
 *
 *	sender dev=IF [dev=IF ...] [count=N] [size=BYTES] [rate=PPS] [batch=N] [flows=N]
 *	       [number=1]
 *
 * At a rate, the payload begins with the clock or with the frame's number, from 0.
 *
 * Protocol with the driver: prints "ready", waits for a line, sends, prints one JSON line.
 * One thread. Sources: packet(7), sendmmsg(2).
 */
#include "driven.h"

enum {
	MAX_DEVICES = 4,
	MAX_BATCH = 64,
	MAX_FRAME = 1514,
	MIN_FRAME = 60,
	IP_OFFSET = 14,
	UDP_OFFSET = 34,
	STAMP_OFFSET =
		42, /* first byte of the UDP payload: CLOCK_MONOTONIC in ns, host order, or the
			      frame's number */
};

struct sender {
	int fds[MAX_DEVICES];
	long n_devices;
	long count;
	long size;
	long rate; /* packets a second, 0 is full speed */
	long batch;
	long flows;
	long number; /* the frames instead of stamping them */
	long sent;
};

/* One batch of frames and the headers that point at them. Filled once, stamped before each use. */
static uint8_t frames[MAX_BATCH][MAX_FRAME];
static struct iovec vecs[MAX_BATCH];
static struct mmsghdr messages[MAX_BATCH];

static void put16(uint8_t *at, long value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void build_frame(uint8_t *frame, long size, long flow)
{
	static const uint8_t headers[UDP_OFFSET] = {
		0x02, 0, 0, 0,	  0, 0x99, 0x02, 0, 0, 0,  0, 0x01, 0x08, 0x00, 0x45, 0, 0,
		0,    0, 0, 0x40, 0, 64,   17,	 0, 0, 10, 9, 0,    1,	  10,	9,    0, 2,
	};

	memset(frame, 0x5a, MAX_FRAME);
	memcpy(frame, headers, sizeof(headers));
	put16(frame + IP_OFFSET + 2, size - IP_OFFSET);
	put16(frame + IP_OFFSET + 10, ip_checksum(frame + IP_OFFSET));
	put16(frame + UDP_OFFSET, 1024 + flow);
	put16(frame + UDP_OFFSET + 2, 9);
	put16(frame + UDP_OFFSET + 4, size - UDP_OFFSET);
	put16(frame + UDP_OFFSET + 6, 0);
}

static void build_batch(const struct sender *s)
{
	for (long i = 0; i < MAX_BATCH; i++) {
		build_frame(frames[i], s->size, i % s->flows);
		vecs[i] = (struct iovec){.iov_base = frames[i], .iov_len = (size_t)s->size};
		messages[i].msg_hdr.msg_iov = &vecs[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
}

static void add_device(void *sender, const char *name)
{
	struct sender *s = sender;

	if (s->n_devices < MAX_DEVICES)
		s->fds[s->n_devices++] = open_device(name);
}

static void parse(struct sender *s, char **words)
{
	const struct driven_option table[] = {
		{"count", &s->count}, {"size", &s->size},   {"rate", &s->rate},
		{"batch", &s->batch}, {"flows", &s->flows}, {"number", &s->number},
		{NULL, NULL},
	};

	parse_options(words, table, s, add_device);
	if (s->n_devices == 0 || s->batch < 1 || s->batch > MAX_BATCH || s->size < MIN_FRAME ||
	    s->size > MAX_FRAME || s->flows < 1 || s->flows > MAX_BATCH || s->rate < 0)
		fail("options");
}

/* How many packets may leave now; sleeps while the next one is far away, spins when it is near. */
static long due(const struct sender *s, int64_t start)
{
	int64_t elapsed, next;

	if (s->rate == 0)
		return s->batch;
	elapsed = clock_ns(CLOCK_MONOTONIC) - start;
	next = (s->sent + 1) * INT64_C(1000000000) / s->rate;
	if (next - elapsed > 300000) {
		struct timespec nap = {.tv_nsec = 100000};

		nanosleep(&nap, NULL);
	}
	return elapsed * s->rate / INT64_C(1000000000) - s->sent;
}

/* Not at full speed, which would no longer be that. */
static void mark_batch(const struct sender *s, long n)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC);

	for (long i = 0; i < n; i++) {
		int64_t mark = s->number ? s->sent + i : now;

		memcpy(frames[i] + STAMP_OFFSET, &mark, sizeof(mark));
	}
}

static void send_batch(struct sender *s, int fd, long n)
{
	if (s->rate)
		mark_batch(s, n);
	send_messages(fd, messages, n);
	s->sent += n;
}

static void run(struct sender *s)
{
	int64_t start = clock_ns(CLOCK_MONOTONIC);
	long turn = 0;

	while (s->sent < s->count) {
		long n = due(s, start);

		if (n <= 0)
			continue;
		if (n > s->batch)
			n = s->batch;
		if (n > s->count - s->sent)
			n = s->count - s->sent;
		send_batch(s, s->fds[turn++ % s->n_devices], n);
	}
}

int main(int argc, char **argv)
{
	struct sender s = {.count = 1, .size = MIN_FRAME, .batch = MAX_BATCH, .flows = MAX_BATCH};
	int64_t wall, cpu;

	(void)argc;
	parse(&s, argv + 1);
	build_batch(&s);
	await_go();
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	run(&s);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wall = clock_ns(CLOCK_MONOTONIC) - wall;
	dprintf(STDOUT_FILENO, "{\"sent\": %ld, \"cpu_ns\": %lld, \"wall_ns\": %lld}\n", s.sent,
		(long long)cpu, (long long)wall);
	return 0;
}
