/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bursts: sends the same packets to several interfaces in turn, a short burst to each, and says how
 * long each burst took. The veth pairs differ in one thing, who receives at their other end; as
 * the sender's thread runs the receiving softirq, the bursts' times differ by what that costs. They
 * are a fraction of a millisecond apart and so meet the same machine, whatever else it has to do.
 *
 *	bursts dev=IF [dev=IF ...] [rounds=N] [warm=N] [batch=N] [flows=N] [seed=N] [every=US]
 *
 * UDP frames of 60 bytes; a flow is a random pair of addresses and ports, from a seed, and each
 * frame is of the next flow. They go to a hardware address that nobody owns. The payload begins
 * with the packet's number on its interface, 64 bits in host order. With every= a round is begun
 * each so many microseconds, and the sender sleeps in between.
 *
 * Protocol with the driver: prints "ready", waits for a line, sends, prints one JSON line: packets
 * sent to each interface, the warming ones included, and for each the ns of its bursts.
 * One thread. Sources: packet(7), sendmmsg(2).
 */
#include "driven.h"

enum {
	MAX_DEVICES = 8,
	MAX_BATCH = 1024,
	FRAME = 60,
	IP_OFFSET = 14,
	ADDRESS_OFFSET = 26, /* source and destination address, then the ports: 12 bytes in a row */
	FLOW_LEN = 12,
	UDP_OFFSET = 34,
	NUMBER_OFFSET = 42, /* the UDP payload */
};

struct bursts {
	int fds[MAX_DEVICES];
	long n_devices;
	long rounds;
	long warm; /* rounds before these, not timed */
	long batch;
	long flows;
	long seed;
	long every;		  /* us from the begin of a round to the next, 0 is at once */
	uint8_t (*frames)[FRAME]; /* one each flow */
	struct iovec *vecs; /* of the flows, and again the first of them, so that a batch wraps */
	struct mmsghdr *messages;
	int64_t *ns; /* [round][device] */
};

/* splitmix64, by Sebastiano Vigna, in the public domain: the same flows wherever it runs. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void build_frame(uint8_t *frame, uint64_t *random)
{
	static const uint8_t headers[ADDRESS_OFFSET] = {
		0x02, 0, 0,    0,    0,	   0x99, 0x02, 0, 0,
		0,    0, 0x01, 0x08, 0x00, 0x45, 0,    0, FRAME - IP_OFFSET,
		0,    0, 0x40, 0,    64,   17,	 0,    0,
	};
	uint64_t flow[2] = {next_random(random), next_random(random)};
	uint16_t sum;

	memset(frame, 0, FRAME);
	memcpy(frame, headers, sizeof(headers));
	memcpy(frame + ADDRESS_OFFSET, flow, FLOW_LEN);
	frame[ADDRESS_OFFSET] = frame[ADDRESS_OFFSET + 4] = 10;
	frame[UDP_OFFSET + 5] = FRAME - UDP_OFFSET;
	sum = ip_checksum(frame + IP_OFFSET);
	frame[IP_OFFSET + 10] = (uint8_t)(sum >> 8);
	frame[IP_OFFSET + 11] = (uint8_t)sum;
}

static void build(struct bursts *b)
{
	size_t n = (size_t)(b->flows + b->batch);
	uint64_t random = (uint64_t)b->seed;

	b->frames = calloc((size_t)b->flows, FRAME);
	b->vecs = calloc(n, sizeof(*b->vecs));
	b->messages = calloc(n, sizeof(*b->messages));
	b->ns = calloc((size_t)(b->rounds * b->n_devices) + 1, sizeof(*b->ns));
	if (!b->frames || !b->vecs || !b->messages || !b->ns)
		fail("memory");
	for (long i = 0; i < b->flows; i++)
		build_frame(b->frames[i], &random);
	for (size_t i = 0; i < n; i++) {
		b->vecs[i] = (struct iovec){b->frames[i % (size_t)b->flows], FRAME};
		b->messages[i].msg_hdr.msg_iov = &b->vecs[i];
		b->messages[i].msg_hdr.msg_iovlen = 1;
	}
}

static void add_device(void *bursts, const char *name)
{
	struct bursts *b = bursts;

	if (b->n_devices < MAX_DEVICES)
		b->fds[b->n_devices++] = open_device(name);
}

static void parse(struct bursts *b, char **words)
{
	const struct driven_option table[] = {
		{"rounds", &b->rounds}, {"warm", &b->warm}, {"batch", &b->batch},
		{"flows", &b->flows},	{"seed", &b->seed}, {"every", &b->every},
		{NULL, NULL},
	};

	parse_options(words, table, b, add_device);
	if (b->n_devices == 0 || b->rounds < 1 || b->warm < 0 || b->batch < 1 ||
	    b->batch > MAX_BATCH || b->flows < b->batch || b->every < 0)
		fail("options");
}

/* The packets from `number` on: each of the flow whose turn it is. */
static int64_t send_burst(const struct bursts *b, int fd, uint64_t number)
{
	size_t first = number % (uint64_t)b->flows;
	int64_t start;

	for (long i = 0; i < b->batch; i++, number++)
		memcpy(b->frames[number % (uint64_t)b->flows] + NUMBER_OFFSET, &number,
		       sizeof(number));
	start = clock_ns(CLOCK_MONOTONIC);
	send_messages(fd, b->messages + first, b->batch);
	return clock_ns(CLOCK_MONOTONIC) - start;
}

static void sleep_until(int64_t ns)
{
	struct timespec until = {ns / 1000000000, ns % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		continue;
}

static void shuffle(long *order, long n, uint64_t *random)
{
	for (long i = n - 1; i > 0; i--) {
		long other = (long)(next_random(random) % (uint64_t)(i + 1));
		long device = order[i];

		order[i] = order[other];
		order[other] = device;
	}
}

/* The order is another one in each round: a burst finds the caches as the one before has left them. */
static void run(struct bursts *b)
{
	long order[MAX_DEVICES] = {0, 1, 2, 3, 4, 5, 6, 7};
	uint64_t random = (uint64_t)b->seed;
	int64_t start = clock_ns(CLOCK_MONOTONIC);

	for (long n = 0; n < b->warm + b->rounds; n++) {
		if (b->every)
			sleep_until(start + n * b->every * 1000);
		shuffle(order, b->n_devices, &random);
		for (long i = 0; i < b->n_devices; i++) {
			long device = order[i];
			int64_t ns = send_burst(b, b->fds[device], (uint64_t)(n * b->batch));

			if (n >= b->warm)
				b->ns[(n - b->warm) * b->n_devices + device] = ns;
		}
	}
}

static void report(const struct bursts *b)
{
	printf("{\"sent\": %ld, \"ns\": [", (b->warm + b->rounds) * b->batch);
	for (long device = 0; device < b->n_devices; device++) {
		printf("%s[", device ? ", " : "");
		for (long round = 0; round < b->rounds; round++)
			printf("%s%lld", round ? ", " : "",
			       (long long)b->ns[round * b->n_devices + device]);
		printf("]");
	}
	printf("]}\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct bursts b = {.rounds = 1, .batch = 64, .flows = 1024, .seed = 1};

	(void)argc;
	parse(&b, argv + 1);
	build(&b);
	await_go();
	run(&b);
	report(&b);
	return 0;
}
