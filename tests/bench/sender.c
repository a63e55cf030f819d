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
 *
 * Protocol with the driver: prints "ready", waits for a line, sends, prints one JSON line.
 * One thread. Sources: packet(7), sendmmsg(2).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_DEVICES = 4,
	MAX_BATCH = 64,
	MAX_FRAME = 1514,
	MIN_FRAME = 60,
	IP_OFFSET = 14,
	UDP_OFFSET = 34,
	STAMP_OFFSET = 42, /* first byte of the UDP payload: CLOCK_MONOTONIC in ns, host order */
};

struct sender {
	int fds[MAX_DEVICES];
	long n_devices;
	long count;
	long size;
	long rate; /* packets a second, 0 is full speed */
	long batch;
	long flows;
	long sent;
};

/* One batch of frames and the headers that point at them. Filled once, stamped before each use. */
static uint8_t frames[MAX_BATCH][MAX_FRAME];
static struct iovec vecs[MAX_BATCH];
static struct mmsghdr messages[MAX_BATCH];

static void fail(const char *what)
{
	fprintf(stderr, "sender: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void put16(uint8_t *at, long value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* RFC 1071 over the 20 bytes of an IPv4 header whose checksum field is zero. */
static uint16_t ip_checksum(const uint8_t *ip)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
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

static int open_device(const char *name)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET};
	int one = 1;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	address.sll_ifindex = (int)if_nametoindex(name);
	if (address.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail(name);
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) < 0)
		fail("PACKET_QDISC_BYPASS");
	return fd;
}

static void take_option(struct sender *s, const char *name, const char *value)
{
	const struct {
		const char *name;
		long *into;
	} table[] = {
		{"count", &s->count}, {"size", &s->size},   {"rate", &s->rate},
		{"batch", &s->batch}, {"flows", &s->flows},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].name, name) == 0) {
			*table[i].into = strtol(value, NULL, 10);
			return;
		}
	}
	errno = EINVAL;
	fail(name);
}

static void parse(struct sender *s, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		errno = EINVAL;
		if (!equals)
			fail(argv[i]);
		*equals = '\0';
		if (strcmp(argv[i], "dev") != 0)
			take_option(s, argv[i], equals + 1);
		else if (s->n_devices < MAX_DEVICES)
			s->fds[s->n_devices++] = open_device(equals + 1);
	}
	errno = EINVAL;
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

static void send_batch(struct sender *s, int fd, long n)
{
	if (s->rate) {
		int64_t now = clock_ns(CLOCK_MONOTONIC);

		for (long i = 0; i < n; i++)
			memcpy(frames[i] + STAMP_OFFSET, &now, sizeof(now));
	}
	for (long done = 0; done < n;) {
		int sent = sendmmsg(fd, messages + done, (unsigned int)(n - done), 0);

		if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			fail("sendmmsg");
		done += sent > 0 ? sent : 0;
	}
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
	char line[16];

	parse(&s, argc, argv);
	build_batch(&s);
	dprintf(STDOUT_FILENO, "ready\n");
	if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
		return 1;
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	run(&s);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wall = clock_ns(CLOCK_MONOTONIC) - wall;
	dprintf(STDOUT_FILENO, "{\"sent\": %ld, \"cpu_ns\": %lld, \"wall_ns\": %lld}\n", s.sent,
		(long long)cpu, (long long)wall);
	return 0;
}
