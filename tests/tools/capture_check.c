/* SPDX-License-Identifier: BSD-3-Clause */
/* capture_check - capture through the pcap API and tell which of send_packets' packets arrived.
 *
 *     capture_check [options] DEVICE
 *
 *     -a API     loop, dispatch, next or next_ex (loop)
 *     -c COUNT   packets in all; 0 reads until SIGTERM, SIGINT or the stop packet (0)
 *     -C COUNT   the count of each pcap_dispatch (-1)
 *     -s LEN -t MS -B BYTES   snaplen (unset), timeout (20), buffer (unset)
 *     -I -P -N   immediate mode, not promiscuous, nanoseconds
 *     -O         pcap_open_live instead of pcap_create
 *     -d DIR     in, out or inout, through pcap_setdirection
 *     -y DLT     pcap_set_datalink
 *     -f FILTER  set before the first read
 *     -F FILTER -A N  set this one after N packets, and count what it should have kept out
 *     -T N       and change N times between -F and -f, each time after as many packets; prints
 *                CHANGED when that is done
 *     -n         non-blocking: poll() on the selectable descriptor, then read
 *     -u UID     give up root after pcap_activate, before the filter
 *     -k         fork after pcap_activate: the child reads, the parent waits
 *     -K         the same, but before the child reads the parent calls pcap_close
 *     -w FILE    pcap_dump every packet
 *     -x N       the first N packets as hexadecimal
 *     -X LEN     bytes of each of these (64)
 *     -j N       inject N stamped packets before reading, by turns pcap_inject and pcap_sendpacket
 *
 * Prints READY as soon as packets are being captured. After a signal it reads what is still there:
 * until nothing has come for 120 ms and four timeouts. Then one JSON line; the names
 * in print_result() are the documentation. Exit 0 unless the device could not be opened (1, with
 * the JSON line all the same).
 *
 * Threads: one. */
#include "stamp.h"

#include "../../libpcap-accel/include/pcap-accel.h"

#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_SEQ	  (1u << 24)
#define MAX_FLOWS (1u << 16)
#define MAX_SHOWN 64

struct options {
	const char *device, *api, *filter, *filter2, *dump, *datalink;
	int count, per_call, snaplen, timeout_ms, buffer, direction, uid, after, shown, shown_len;
	int inject, turns;
	bool immediate, no_promisc, nano, open_live, nonblock, fork, parent_closes;
};

struct tally {
	uint64_t packets, other, stops, twice, rejected, backwards, coarse, cap_beyond_len;
	uint64_t reads, zero_reads;
	uint32_t min_cap, max_cap, min_len, max_len;
	int64_t first_ns, last_ns;
	uint64_t injected, inject_failed;
	unsigned n_shown;
	char shown[MAX_SHOWN][2 * 256 + 1];
	uint32_t shown_wire_len[MAX_SHOWN];
	unsigned char seen[MAX_SEQ / 8];
	unsigned char forward[MAX_FLOWS / 8], backward[MAX_FLOWS / 8];
};

struct capture {
	struct options opt;
	struct tally sum;
	pcap_t *p;
	pcap_dumper_t *dumper;
	struct bpf_program second;
	uint64_t refilter_at;
	bool refiltered, refilter_now, done;
	int n_changes;
	int activate_rc, last_rc;
	char errbuf[PCAP_ERRBUF_SIZE];
};

static struct capture cap;
static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
	if (cap.p)
		pcap_breakloop(cap.p);
}

static bool test_and_set(unsigned char *bits, uint64_t n)
{
	bool was = bits[n / 8] >> (n % 8) & 1;

	bits[n / 8] |= 1 << (n % 8);
	return was;
}

static void count_stamp(struct tally *t, const struct stamp *s)
{
	if (s->seq == STAMP_STOP) {
		t->stops++;
		cap.done = true;
		pcap_breakloop(cap.p);
		return;
	}
	t->packets++;
	if (s->seq < MAX_SEQ && test_and_set(t->seen, s->seq))
		t->twice++;
	if (s->flow < MAX_FLOWS)
		test_and_set(s->reverse ? t->backward : t->forward, s->flow);
}

static void count_header(struct tally *t, const struct pcap_pkthdr *h)
{
	int64_t ns = h->ts.tv_sec * 1000000000LL + h->ts.tv_usec * (cap.opt.nano ? 1LL : 1000LL);

	if (!t->first_ns)
		t->first_ns = ns;
	if (ns < t->last_ns)
		t->backwards++;
	t->last_ns = ns;
	if (ns % 1000 == 0)
		t->coarse++;
	if (h->caplen > h->len)
		t->cap_beyond_len++;
	if (!t->max_len || h->caplen < t->min_cap)
		t->min_cap = h->caplen;
	if (!t->max_len || h->len < t->min_len)
		t->min_len = h->len;
	if (h->caplen > t->max_cap)
		t->max_cap = h->caplen;
	if (h->len > t->max_len)
		t->max_len = h->len;
}

static void show(struct tally *t, const struct pcap_pkthdr *h, const u_char *data)
{
	uint32_t i, len = h->caplen < (uint32_t)cap.opt.shown_len ? h->caplen
								  : (uint32_t)cap.opt.shown_len;

	for (i = 0; i < len; i++)
		sprintf(t->shown[t->n_shown] + 2 * i, "%02x", data[i]);
	t->shown_wire_len[t->n_shown++] = h->len;
}

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *data)
{
	struct tally *t = &cap.sum;
	struct stamp s;

	(void)user;
	count_header(t, h);
	if (cap.refiltered && !pcap_offline_filter(&cap.second, h, data))
		t->rejected++;
	if ((int)t->n_shown < cap.opt.shown)
		show(t, h, data);
	if (cap.dumper)
		pcap_dump((u_char *)cap.dumper, h, data);
	if (stamp_read(data, h->caplen, &s))
		count_stamp(t, &s);
	else
		t->other++;
	if (cap.opt.count && t->packets + t->other >= (uint64_t)cap.opt.count) {
		cap.done = true;
		if (strcmp(cap.opt.api, "loop") || cap.opt.nonblock)
			pcap_breakloop(cap.p);
	}
	if (cap.opt.filter2 && cap.n_changes < cap.opt.turns && t->packets >= cap.refilter_at) {
		cap.refilter_now = true;
		pcap_breakloop(cap.p);
	}
}

static int read_next_ex(pcap_t *p)
{
	struct pcap_pkthdr *h;
	const u_char *data;
	int r = pcap_next_ex(p, &h, &data);

	if (r == 1)
		on_packet(NULL, h, data);
	return r;
}

static int read_next(pcap_t *p)
{
	struct pcap_pkthdr h;
	const u_char *data = pcap_next(p, &h);

	if (data)
		on_packet(NULL, &h, data);
	return data ? 1 : 0;
}

/* One read in the way that -a says: the number of packets, or a PCAP_ERROR. */
static int read_once(pcap_t *p)
{
	const char *api = cap.opt.api;
	int r;

	if (!strcmp(api, "next_ex"))
		r = read_next_ex(p);
	else if (!strcmp(api, "next"))
		r = read_next(p);
	else if (!strcmp(api, "dispatch") || cap.opt.nonblock)
		r = pcap_dispatch(p, cap.opt.per_call, on_packet, NULL);
	else
		r = pcap_loop(p, cap.opt.count ? cap.opt.count : -1, on_packet, NULL);
	cap.sum.reads++;
	if (!r)
		cap.sum.zero_reads++;
	return r;
}

static int refilter(pcap_t *p)
{
	const char *filter = cap.n_changes++ & 1 ? cap.opt.filter : cap.opt.filter2;

	cap.refilter_now = false;
	if (cap.refiltered)
		pcap_freecode(&cap.second);
	cap.refiltered = false;
	if (pcap_compile(p, &cap.second, filter, 1, PCAP_NETMASK_UNKNOWN) ||
	    pcap_setfilter(p, &cap.second))
		return PCAP_ERROR;
	cap.refiltered = true;
	cap.refilter_at = cap.sum.packets + (uint64_t)cap.opt.after;
	if (cap.n_changes > 1 && cap.n_changes == cap.opt.turns) {
		printf("CHANGED\n");
		fflush(stdout);
	}
	return 0;
}

static void wait_readable(pcap_t *p, int ms)
{
	struct pollfd pfd = {.fd = pcap_get_selectable_fd(p), .events = POLLIN};

	poll(&pfd, 1, ms);
}

static int read_all(pcap_t *p)
{
	int r = 0;

	while (!stopped && !cap.done) {
		if (cap.opt.nonblock)
			wait_readable(p, 1000);
		r = read_once(p);
		if (cap.refilter_now) {
			if (refilter(p))
				return PCAP_ERROR;
			continue;
		}
		if (r < 0 && r != PCAP_ERROR_BREAK)
			return r;
		if (r == 0 && cap.opt.count && !strcmp(cap.opt.api, "loop") && !cap.opt.nonblock)
			return r;
	}
	return r;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* What is still in the ring after a signal. A descriptor that is readable need not mean a packet. */
static void drain(pcap_t *p)
{
	int quiet_ms = 4 * cap.opt.timeout_ms > 120 ? 4 * cap.opt.timeout_ms : 120, r;
	char errbuf[PCAP_ERRBUF_SIZE];
	int64_t end, now = now_ms();
	uint64_t before;

	if (pcap_setnonblock(p, 1, errbuf))
		return;
	for (end = now + quiet_ms; !cap.done && now < end; now = now_ms()) {
		before = cap.sum.packets + cap.sum.other;
		wait_readable(p, (int)(end - now));
		r = pcap_dispatch(p, -1, on_packet, NULL);
		if (r < 0 && r != PCAP_ERROR_BREAK)
			return;
		if (cap.sum.packets + cap.sum.other != before)
			end = now_ms() + quiet_ms;
	}
}

static void inject(pcap_t *p, int n)
{
	/* Broadcast, an ethertype for local experiments, then the stamp. */
	unsigned char frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
				   0x77, 0,    0,    0,	   9,	 0x88, 0xb5};
	int i, ok;

	for (i = 0; i < n; i++) {
		struct stamp s = {.flow = 9, .seq = 1000000 + i};

		stamp_write(frame + 14, &s);
		if (i & 1)
			ok = pcap_sendpacket(p, frame, sizeof(frame)) == 0;
		else
			ok = pcap_inject(p, frame, sizeof(frame)) == sizeof(frame);
		if (ok)
			cap.sum.injected++;
		else
			cap.sum.inject_failed++;
	}
}

static int set_up(pcap_t *p)
{
	const struct options *o = &cap.opt;

	if (o->snaplen)
		pcap_set_snaplen(p, o->snaplen);
	if (o->buffer)
		pcap_set_buffer_size(p, o->buffer);
	pcap_set_timeout(p, o->timeout_ms);
	pcap_set_promisc(p, !o->no_promisc);
	if (o->immediate)
		pcap_set_immediate_mode(p, 1);
	if (o->nano && pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO))
		return PCAP_ERROR;
	return pcap_activate(p);
}

static pcap_t *open_device(const struct options *o)
{
	pcap_t *p;

	if (o->open_live) {
		p = pcap_open_live(o->device, o->snaplen ? o->snaplen : 262144, !o->no_promisc,
				   o->timeout_ms, cap.errbuf);
		cap.activate_rc = p ? 0 : PCAP_ERROR;
		return p;
	}
	p = pcap_create(o->device, cap.errbuf);
	if (!p) {
		cap.activate_rc = PCAP_ERROR;
		return NULL;
	}
	cap.activate_rc = set_up(p);
	if (cap.activate_rc < 0) {
		snprintf(cap.errbuf, sizeof(cap.errbuf), "%s", pcap_geterr(p));
		pcap_close(p);
		return NULL;
	}
	return p;
}

/* Everything between opening and reading. 0 or a PCAP_ERROR; the text is pcap_geterr's. */
static int prepare(pcap_t *p, const struct options *o)
{
	struct bpf_program program;

	if (o->datalink && pcap_set_datalink(p, pcap_datalink_name_to_val(o->datalink)))
		return PCAP_ERROR;
	if (o->direction >= 0 && pcap_setdirection(p, (pcap_direction_t)o->direction))
		return PCAP_ERROR;
	if (o->uid > 0 && (setgroups(0, NULL) || setgid(o->uid) || setuid(o->uid)))
		return PCAP_ERROR;
	if (o->filter) {
		if (pcap_compile(p, &program, o->filter, 1, PCAP_NETMASK_UNKNOWN))
			return PCAP_ERROR;
		if (pcap_setfilter(p, &program))
			return PCAP_ERROR;
		pcap_freecode(&program);
	}
	if (o->dump) {
		cap.dumper = pcap_dump_open(p, o->dump);
		if (!cap.dumper)
			return PCAP_ERROR;
	}
	if (o->nonblock)
		return pcap_setnonblock(p, 1, cap.errbuf);
	return 0;
}

static void print_text(const char *name, const char *text)
{
	printf("\"%s\": \"", name);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar((unsigned char)*text < 32 ? ' ' : *text);
	}
	printf("\", ");
}

static void print_ranges(const char *name, const unsigned char *bits, uint32_t n)
{
	uint32_t i = 0, first;
	const char *comma = "";

	printf("\"%s\": [", name);
	while (i < n) {
		if (!bits[i / 8]) {
			i = (i | 7) + 1;
			continue;
		}
		if (!(bits[i / 8] >> (i % 8) & 1)) {
			i++;
			continue;
		}
		for (first = i; i < n && bits[i / 8] >> (i % 8) & 1;)
			i++;
		printf("%s[%u, %u]", comma, first, i - 1);
		comma = ", ";
	}
	printf("], ");
}

/* Rows of struct pcap_accel_queue: device, queue, frames, delivered, lost. */
static void print_queues(pcap_t *p)
{
	struct pcap_accel_queue queues[8];
	int (*list)(pcap_t *, struct pcap_accel_queue *, size_t);
	int n;

	*(void **)&list = dlsym(RTLD_DEFAULT, "pcap_accel_list_queues");
	n = list ? list(p, queues, 8) : 0;
	printf("\"queues\": [");
	for (int i = 0; i < n && i < 8; i++)
		printf("%s[\"%s\", %u, %u, %" PRIu64 ", %" PRIu64 "]", i ? ", " : "",
		       queues[i].device, queues[i].queue, queues[i].n_frames, queues[i].delivered,
		       queues[i].no_frame + queues[i].ring_full);
	printf("], ");
}

static void print_stats(pcap_t *p)
{
	uint64_t all[8] = {sizeof(all)};
	int (*more)(pcap_t *, void *);
	struct pcap_stat st;
	int r = pcap_stats(p, &st);

	printf("\"stats_rc\": %d, ", r);
	if (!r)
		printf("\"recv\": %u, \"drop\": %u, \"ifdrop\": %u, ", st.ps_recv, st.ps_drop,
		       st.ps_ifdrop);
	print_queues(p);
	/* struct pcap_accel_stat, where our library is in front. */
	*(void **)&more = dlsym(RTLD_DEFAULT, "pcap_accel_stats");
	if (more && !more(p, all))
		printf("\"accel\": {\"received\": %" PRIu64 ", \"dropped\": %" PRIu64
		       ", \"freezes\": %" PRIu64 ", \"delivered\": %" PRIu64
		       ", \"injected\": %" PRIu64 ", \"inject_failed\": %" PRIu64 "}, ",
		       all[1], all[2], all[4], all[5], all[6], all[7]);
}

static void print_shown(const struct tally *t)
{
	unsigned i;

	printf("\"shown\": [");
	for (i = 0; i < t->n_shown; i++)
		printf("%s[%u, \"%s\"]", i ? ", " : "", t->shown_wire_len[i], t->shown[i]);
	printf("], ");
}

static void print_result(void)
{
	const struct tally *t = &cap.sum;

	printf("{");
	printf("\"packets\": %" PRIu64 ", \"other\": %" PRIu64 ", \"twice\": %" PRIu64 ", ",
	       t->packets, t->other, t->twice);
	printf("\"stops\": %" PRIu64 ", \"rejected\": %" PRIu64 ", ", t->stops, t->rejected);
	print_ranges("seen", t->seen, MAX_SEQ);
	print_ranges("forward", t->forward, MAX_FLOWS);
	print_ranges("backward", t->backward, MAX_FLOWS);
	printf("\"first_ns\": %" PRId64 ", \"last_ns\": %" PRId64 ", ", t->first_ns, t->last_ns);
	printf("\"backwards\": %" PRIu64 ", \"coarse\": %" PRIu64 ", ", t->backwards, t->coarse);
	printf("\"caplen\": [%u, %u], \"len\": [%u, %u], ", t->min_cap, t->max_cap, t->min_len,
	       t->max_len);
	printf("\"cap_beyond_len\": %" PRIu64 ", ", t->cap_beyond_len);
	printf("\"reads\": %" PRIu64 ", \"zero_reads\": %" PRIu64 ", ", t->reads, t->zero_reads);
	printf("\"injected\": %" PRIu64 ", \"inject_failed\": %" PRIu64 ", ", t->injected,
	       t->inject_failed);
	printf("\"changes\": %d, ", cap.n_changes);
	print_shown(t);
	if (cap.p)
		print_stats(cap.p);
	print_text("error", cap.p ? pcap_geterr(cap.p) : cap.errbuf);
	printf("\"activate\": %d, \"rc\": %d}\n", cap.activate_rc, cap.last_rc);
}

static int number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < -1 || n > INT32_MAX) {
		fprintf(stderr, "capture_check: '%s' is no number that fits\n", text);
		exit(2);
	}
	return n;
}

static int direction_of(const char *name)
{
	if (!strcmp(name, "in"))
		return PCAP_D_IN;
	return strcmp(name, "out") ? PCAP_D_INOUT : PCAP_D_OUT;
}

static void read_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "a:c:C:s:t:B:IPNOd:y:f:F:A:T:nu:kKw:x:X:j:")) != -1) {
		switch (c) {
		case 'a':
			o->api = optarg;
			break;
		case 'c':
			o->count = number(optarg);
			break;
		case 'C':
			o->per_call = number(optarg);
			break;
		case 's':
			o->snaplen = number(optarg);
			break;
		case 't':
			o->timeout_ms = number(optarg);
			break;
		case 'B':
			o->buffer = number(optarg);
			break;
		case 'I':
			o->immediate = true;
			break;
		case 'P':
			o->no_promisc = true;
			break;
		case 'N':
			o->nano = true;
			break;
		case 'O':
			o->open_live = true;
			break;
		case 'd':
			o->direction = direction_of(optarg);
			break;
		case 'y':
			o->datalink = optarg;
			break;
		case 'f':
			o->filter = optarg;
			break;
		case 'F':
			o->filter2 = optarg;
			break;
		case 'A':
			o->after = number(optarg);
			cap.refilter_at = (uint64_t)o->after;
			break;
		case 'T':
			o->turns = number(optarg);
			break;
		case 'n':
			o->nonblock = true;
			break;
		case 'u':
			o->uid = number(optarg);
			break;
		case 'k':
			o->fork = true;
			break;
		case 'K':
			o->fork = o->parent_closes = true;
			break;
		case 'w':
			o->dump = optarg;
			break;
		case 'x':
			o->shown = number(optarg);
			break;
		case 'X':
			o->shown_len = number(optarg);
			break;
		case 'j':
			o->inject = number(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (optind != argc - 1 || o->shown > MAX_SHOWN || o->shown_len > 256) {
		fprintf(stderr, "capture_check: one DEVICE, -x at most %d, -X at most 256\n",
			MAX_SHOWN);
		exit(2);
	}
	o->device = argv[optind];
}

/* The parent of -k: hands signals on and takes over the child's exit status. */
static void fork_reader(const struct options *o)
{
	int status, closed[2];
	pid_t pid = pipe(closed) < 0 ? -1 : fork();
	char byte;

	if (pid < 0)
		exit(2);
	if (pid == 0) {
		close(closed[1]);
		while (read(closed[0], &byte, 1) > 0)
			continue;
		close(closed[0]);
		return;
	}
	if (o->parent_closes)
		pcap_close(cap.p);
	close(closed[0]);
	close(closed[1]);
	waitpid(pid, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 3);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct options *o = &cap.opt;

	*o = (struct options){.api = "loop",
			      .turns = 1,
			      .per_call = -1,
			      .timeout_ms = 20,
			      .direction = -1,
			      .shown_len = 64};
	read_options(o, argc, argv);
	cap.p = open_device(o);
	if (!cap.p) {
		print_result();
		return 1;
	}
	cap.last_rc = prepare(cap.p, o);
	if (o->fork)
		fork_reader(o);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (cap.last_rc) {
		print_result();
		return 1;
	}
	printf("READY %d\n", getpid());
	fflush(stdout);
	inject(cap.p, o->inject);
	cap.last_rc = read_all(cap.p);
	if (stopped)
		drain(cap.p);
	if (cap.dumper)
		pcap_dump_close(cap.dumper);
	print_result();
	pcap_close(cap.p);
	return 0;
}
