/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reader: the listening half of the benchmark, an ordinary libpcap program. It knows nothing of
 * libpcap-accel: the driver runs the same binary on the system's libpcap and with ours preloaded.
 *
 *	reader dev=NAME [dev=NAME ...] mode=MODE [count=N] [buffer=BYTES] [snaplen=BYTES]
 *	       [timeout=MS] [immediate=1] [sleep=MS] [filter=TEXT] [cold=1] [pause=MS]
 *	       [filter2=TEXT changes=N]
 *
 * Protocol with the driver: prints "started", waits for a line, opens, prints "ready", waits for a
 * line, sleeps, reads (after pushing the ring out of the caches if cold), prints one JSON line.
 * A reader that works tells which numbers (bursts.c) it has seen: a bitmap in hex, the first last.
 * One that notes numbers (live.c) sleeps for the pause after each dispatch, and sets its two filters
 * by turns until it has done so that many times.
 * SIGUSR1 ends the reading through pcap_breakloop. Several devices are several handles, read one
 * after the other, count packets from each. Nothing is allocated between the first two lines but by
 * libpcap, so that the driver can tell from outside what a handle keeps resident.
 *
 * One thread. Source: pcap(3PCAP).
 */
#include <pcap/pcap.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_DEVICES = 4,
	MAX_LATENCIES = 4096,
	MAX_NUMBERS = 1 << 20,
	EVICTION = 64 << 20, /* bytes, twice a large last-level cache */
	WORK_NS = 20000,     /* of CPU time, for each packet of mode=work */
	TOUCH_OFFSET = 42,   /* first byte of the UDP payload, where the sender puts its clock */
};

struct reader;

struct mode {
	const char *name;
	long (*run)(struct reader *r, pcap_t *handle); /* packets read, or -1 and pcap_geterr */
};

struct reader {
	const char *devices[MAX_DEVICES];
	pcap_t *handles[MAX_DEVICES];
	long n_devices;
	const struct mode *mode;
	const char *filter;
	const char *filter2;
	long count; /* packets from each handle, 0 is until SIGUSR1 */
	long buffer;
	long snaplen;
	long timeout;
	long immediate;
	long sleep;
	long cold;
	long pause;
	long changes;
	long n_changed;
};

static struct reader reader = {.snaplen = 262144, .timeout = 1000};
static volatile sig_atomic_t stopped;
static volatile unsigned int touched; /* volatile, or the compiler drops the read of the payload */
static int64_t latencies[MAX_LATENCIES];
static long n_latencies;
static uint8_t numbers[MAX_NUMBERS / 8]; /* bit n: packet n was seen */
static long highest = -1;
static long twice;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "reader: %s: %s\n", what, why);
	exit(1);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
	for (long i = 0; i < reader.n_devices; i++) {
		if (reader.handles[i])
			pcap_breakloop(reader.handles[i]);
	}
}

static void ignore(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	(void)user;
	(void)header;
	(void)bytes;
}

static void touch(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	(void)user;
	(void)header;
	touched += bytes[TOUCH_OFFSET];
}

static void note_latency(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	int64_t sent;

	(void)user;
	if (header->caplen < TOUCH_OFFSET + sizeof(sent) || n_latencies == MAX_LATENCIES)
		return;
	memcpy(&sent, bytes + TOUCH_OFFSET, sizeof(sent));
	latencies[n_latencies++] = clock_ns(CLOCK_MONOTONIC) - sent;
}

static void note_number(uint64_t number)
{
	uint8_t bit = (uint8_t)(1 << number % 8);

	if (number >= MAX_NUMBERS)
		return;
	twice += (numbers[number / 8] & bit) != 0;
	numbers[number / 8] |= bit;
	if ((long)number > highest)
		highest = (long)number;
}

static void note(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	uint64_t number;

	(void)user;
	if (header->caplen < TOUCH_OFFSET + sizeof(number))
		return;
	memcpy(&number, bytes + TOUCH_OFFSET, sizeof(number));
	note_number(number);
}

/* A program that has much to do for each packet. */
static void work(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	int64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + WORK_NS;

	note(user, header, bytes);
	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		continue;
}

static int wanted(const struct reader *r, long seen)
{
	return !stopped && (r->count == 0 || seen < r->count);
}

static long run_loop(struct reader *r, pcap_t *handle)
{
	if (pcap_loop(handle, (int)r->count, ignore, NULL) == PCAP_ERROR)
		return -1;
	return r->count;
}

/* pcap_dispatch until enough was seen. A return of 0 is a timeout; -2 is our own breakloop. */
static long dispatch_all(struct reader *r, pcap_t *handle, int batch, pcap_handler callback)
{
	long seen = 0;

	while (wanted(r, seen)) {
		int n = pcap_dispatch(handle, batch, callback, NULL);

		if (n == PCAP_ERROR)
			return -1;
		seen += n > 0 ? n : 0;
	}
	return seen;
}

static long run_dispatch(struct reader *r, pcap_t *handle)
{
	return dispatch_all(r, handle, -1, touch);
}

static long run_single(struct reader *r, pcap_t *handle)
{
	return dispatch_all(r, handle, 1, touch);
}

static long run_work(struct reader *r, pcap_t *handle)
{
	return dispatch_all(r, handle, -1, work);
}

static void set_filter(pcap_t *handle, const char *text)
{
	struct bpf_program program;

	if (pcap_compile(handle, &program, text, 1, PCAP_NETMASK_UNKNOWN) < 0 ||
	    pcap_setfilter(handle, &program) < 0)
		fail(text, pcap_geterr(handle));
	pcap_freecode(&program);
}

static long run_number(struct reader *r, pcap_t *handle)
{
	struct timespec pause = {r->pause / 1000, r->pause % 1000 * 1000000};
	long seen = 0;

	while (wanted(r, seen)) {
		int n = pcap_dispatch(handle, -1, note, NULL);

		if (n == PCAP_ERROR)
			return -1;
		seen += n > 0 ? n : 0;
		if (r->n_changed < r->changes)
			set_filter(handle, r->n_changed++ % 2 ? r->filter : r->filter2);
		if (r->pause)
			nanosleep(&pause, NULL);
	}
	return seen;
}

static long run_latency(struct reader *r, pcap_t *handle)
{
	long seen = dispatch_all(r, handle, -1, note_latency);

	return seen < 0 ? seen : n_latencies;
}

static long run_next(struct reader *r, pcap_t *handle)
{
	struct pcap_pkthdr *header;
	const u_char *bytes;
	long seen = 0;

	while (wanted(r, seen)) {
		int n = pcap_next_ex(handle, &header, &bytes);

		if (n == PCAP_ERROR)
			return -1;
		if (n != 1)
			continue;
		touched += bytes[TOUCH_OFFSET];
		seen++;
	}
	return seen;
}

/* What the ring holds now: reads without blocking until nothing is left. */
static long run_held(struct reader *r, pcap_t *handle)
{
	char errbuf[PCAP_ERRBUF_SIZE];
	long seen = 0;
	int n;

	(void)r;
	if (pcap_setnonblock(handle, 1, errbuf) < 0)
		return -1;
	while ((n = pcap_dispatch(handle, -1, touch, NULL)) > 0)
		seen += n;
	return n < 0 ? -1 : seen;
}

static const struct mode modes[] = {
	{"loop", run_loop},	    /* pcap_loop, empty callback */
	{"dispatch", run_dispatch}, /* pcap_dispatch(-1), touches a payload byte */
	{"single", run_single},	    /* pcap_dispatch(1), touches a payload byte */
	{"next", run_next},	    /* pcap_next_ex, touches a payload byte */
	{"held", run_held},	    /* non-blocking pcap_dispatch(-1) until 0 */
	{"number", run_number},	    /* pcap_dispatch(-1), notes which packets came */
	{"work", run_work},	    /* pcap_dispatch(-1), 20 us of CPU time a packet */
	{"latency", run_latency},   /* pcap_dispatch(-1), notes when each packet came */
};

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	}
	fail(name, "unknown mode");
	return NULL;
}

static void take_number(struct reader *r, const char *name, const char *value)
{
	const struct {
		const char *name;
		long *into;
	} table[] = {
		{"count", &r->count},	  {"buffer", &r->buffer},	{"snaplen", &r->snaplen},
		{"timeout", &r->timeout}, {"immediate", &r->immediate}, {"sleep", &r->sleep},
		{"cold", &r->cold},	  {"pause", &r->pause},		{"changes", &r->changes},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].name, name) == 0) {
			*table[i].into = strtol(value, NULL, 10);
			return;
		}
	}
	fail(name, "unknown option");
}

static void parse(struct reader *r, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (!equals)
			fail(argv[i], "not an option");
		*equals = '\0';
		if (strcmp(argv[i], "mode") == 0)
			r->mode = find_mode(equals + 1);
		else if (strcmp(argv[i], "filter") == 0)
			r->filter = equals + 1;
		else if (strcmp(argv[i], "filter2") == 0)
			r->filter2 = equals + 1;
		else if (strcmp(argv[i], "dev") != 0)
			take_number(r, argv[i], equals + 1);
		else if (r->n_devices < MAX_DEVICES)
			r->devices[r->n_devices++] = equals + 1;
	}
	if (!r->mode || r->n_devices == 0)
		fail("usage", "a device and a mode are needed");
	if (r->changes && (!r->filter || !r->filter2))
		fail("usage", "changes are from one filter to another");
}

static pcap_t *open_device(const struct reader *r, const char *name)
{
	char errbuf[PCAP_ERRBUF_SIZE];
	pcap_t *handle = pcap_create(name, errbuf);

	if (!handle)
		fail(name, errbuf);
	pcap_set_snaplen(handle, (int)r->snaplen);
	pcap_set_promisc(handle, 1);
	pcap_set_timeout(handle, (int)r->timeout);
	if (r->immediate)
		pcap_set_immediate_mode(handle, 1);
	if (r->buffer)
		pcap_set_buffer_size(handle, (int)r->buffer);
	if (pcap_activate(handle) < 0)
		fail(name, pcap_geterr(handle));
	if (r->filter)
		set_filter(handle, r->filter);
	return handle;
}

/* Returns when the driver wrote a line; ends the program when the driver has gone. */
static void await_line(void)
{
	char line[16];

	if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
		exit(1);
}

static long read_all(struct reader *r)
{
	long packets = 0;

	for (long i = 0; i < r->n_devices; i++) {
		long n = r->mode->run(r, r->handles[i]);

		if (n < 0)
			fail(r->devices[i], pcap_geterr(r->handles[i]));
		packets += n;
	}
	return packets;
}

static void report(const struct reader *r, long packets, int64_t cpu, int64_t wall)
{
	long recv = 0, drop = 0;

	for (long i = 0; i < r->n_devices; i++) {
		struct pcap_stat stats = {0};

		pcap_stats(r->handles[i], &stats);
		recv += stats.ps_recv;
		drop += stats.ps_drop;
	}
	dprintf(STDOUT_FILENO, "{\"packets\": %ld, \"cpu_ns\": %lld, \"wall_ns\": %lld, ", packets,
		(long long)cpu, (long long)wall);
	dprintf(STDOUT_FILENO, "\"recv\": %ld, \"drop\": %ld, \"latency_ns\": [", recv, drop);
	for (long i = 0; i < n_latencies; i++)
		dprintf(STDOUT_FILENO, "%s%lld", i ? ", " : "", (long long)latencies[i]);
	dprintf(STDOUT_FILENO, "], \"twice\": %ld, \"changes\": %ld, \"seen\": \"", twice,
		r->n_changed);
	fflush(stdout);
	for (long i = highest / 8; i >= 0 && highest >= 0; i--)
		printf("%02x", numbers[i]);
	printf("\"}\n");
	fflush(stdout);
}

/* So that two readers whose rings were filled together start alike, whoever goes first. */
static void evict_caches(void)
{
	volatile char *memory = malloc(EVICTION);

	if (!memory)
		fail("cold", "no memory");
	for (size_t i = 0; i < EVICTION; i += 64)
		memory[i] = (char)i;
	free((void *)memory);
}

static void serve(struct reader *r)
{
	struct timespec nap = {r->sleep / 1000, r->sleep % 1000 * 1000000};
	int64_t cpu, wall;
	long packets;

	nanosleep(&nap, NULL);
	if (r->cold)
		evict_caches();
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	packets = read_all(r);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wall = clock_ns(CLOCK_MONOTONIC) - wall;
	report(r, packets, cpu, wall);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = stop};

	/* Has our library load the real one, as stock's program did before main(): what follows is
	 * then the handles' doing on both sides. */
	pcap_lib_version();
	parse(&reader, argc, argv);
	sigaction(SIGUSR1, &action, NULL);
	dprintf(STDOUT_FILENO, "started\n");
	await_line();
	for (long i = 0; i < reader.n_devices; i++)
		reader.handles[i] = open_device(&reader, reader.devices[i]);
	dprintf(STDOUT_FILENO, "ready\n");
	await_line();
	serve(&reader);
	for (long i = 0; i < reader.n_devices; i++) {
		pcap_t *handle = reader.handles[i];

		reader.handles[i] =
			NULL; /* before the close: a late signal must not meet a freed handle */
		pcap_close(handle);
	}
	return 0;
}
