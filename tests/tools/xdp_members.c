/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_members - handles of one process that share the packets of send_packets, while they come and
 * go, and who got which.
 *
 *     xdp_members
 *
 * Reads all handles in turn and, between, commands, a line each, which it answers each with a line
 * of JSON:
 *
 *     open DEVICE            one more member, filter udp; its number counts from 0 and is not given again
 *     activate DEVICE        the same without a filter: it takes nothing before it is read
 *     together N DEVICE      so many more, by a thread each that open at once
 *     filter MEMBER TEXT     another filter
 *     close MEMBER
 *     deny                   from now on no bpf(2), as for the unprivileged before Linux 5.19
 *     pause                  nobody reads, or all do again
 *     begin                  flows are counted anew from here
 *     report N MOD           of the first N packets: how many came to nobody ("missing") and what
 *                            their numbers modulo MOD are ("kinds", as ranges); how many came "twice"
 *                            to whomever; and of each member the flows since the last begin
 *
 * The first four answer {"text": why it is refused, or ""}. With -t each member has a thread that reads it.
 * Ends with its input, and closes all.
 *
 * Threads: one, and with -t one a member, which counts in bits that the first one reads; those of
 * together end before it answers. */
#include "stamp.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_MEMBERS 80
#define MAX_SEQ	    (1u << 17)
#define MAX_FLOWS   256

struct member {
	pcap_t *p;
	pthread_t reader;
	unsigned char seen[MAX_SEQ / 8];
	unsigned char flows[MAX_FLOWS / 8];
	uint64_t n_twice;
};

static struct member members[MAX_MEMBERS];
static unsigned n_opened;
static bool has_threads, is_paused;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "xdp_members: %s: %s\n", what, why);
	exit(1);
}

static bool is_set(const unsigned char *bits, uint64_t n)
{
	return __atomic_load_n(&bits[n / 8], __ATOMIC_RELAXED) >> (n % 8) & 1;
}

static void set(unsigned char *bits, uint64_t n)
{
	__atomic_fetch_or(&bits[n / 8], (unsigned char)(1 << n % 8), __ATOMIC_RELAXED);
}

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *data)
{
	struct member *m = (struct member *)user;
	struct stamp s;

	if (!stamp_read(data, h->caplen, &s) || s.seq >= MAX_SEQ)
		return;
	__atomic_fetch_add(&m->n_twice, is_set(m->seen, s.seq), __ATOMIC_RELAXED);
	set(m->seen, s.seq);
	if (s.flow < MAX_FLOWS)
		set(m->flows, s.flow);
}

static void *read_loop(void *arg)
{
	struct member *m = arg;

	if (pcap_loop(m->p, -1, on_packet, arg) == PCAP_ERROR)
		die("pcap_loop", pcap_geterr(m->p));
	return NULL;
}

static void read_all(void)
{
	for (unsigned i = 0; i < n_opened && !has_threads && !is_paused; i++)
		if (members[i].p &&
		    pcap_dispatch(members[i].p, -1, on_packet, (u_char *)&members[i]) == PCAP_ERROR)
			die("pcap_dispatch", pcap_geterr(members[i].p));
}

struct opening {
	const char *device;
	const char *filter; /* NULL: none */
	struct member *member;
	char text[PCAP_ERRBUF_SIZE]; /* why it failed, or "" */
};

static int set_filter(pcap_t *p, const char *text)
{
	struct bpf_program program;
	int r = pcap_compile(p, &program, text, 1, 0);

	if (r < 0)
		return r;
	r = pcap_setfilter(p, &program);
	pcap_freecode(&program);
	return r;
}

static void *try_open(void *arg)
{
	struct opening *o = arg;
	pcap_t *p = pcap_create(o->device, o->text);

	if (!p)
		return NULL;
	pcap_set_timeout(p, 20);
	if (pcap_activate(p) == 0 && (!o->filter || set_filter(p, o->filter) == 0) &&
	    (has_threads || pcap_setnonblock(p, 1, o->text) == 0)) {
		o->text[0] = '\0';
		o->member->p = p;
		return NULL;
	}
	snprintf(o->text, sizeof(o->text), "%s", pcap_geterr(p));
	pcap_close(p);
	return NULL;
}

static void open_member(const char *device, const char *filter)
{
	struct member *m = &members[n_opened];
	struct opening o = {device, filter, m, "too many"};

	if (n_opened < MAX_MEMBERS)
		try_open(&o);
	printf("{\"text\": \"%s\"}\n", o.text);
	if (o.text[0])
		return;
	n_opened++;
	if (has_threads && pthread_create(&m->reader, NULL, read_loop, m))
		die("pthread_create", "no thread");
}

static void open_together(unsigned n, const char *device)
{
	static struct opening all[MAX_MEMBERS];
	pthread_t threads[MAX_MEMBERS];
	const char *text = "";

	for (unsigned i = 0; i < n; i++) {
		all[i] = (struct opening){device, "udp", &members[n_opened + i], ""};
		if (pthread_create(&threads[i], NULL, try_open, &all[i]))
			die("pthread_create", "no thread");
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		if (all[i].text[0])
			text = all[i].text;
	}
	n_opened += n;
	printf("{\"text\": \"%s\"}\n", text);
}

static void deny_bpf(void)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(insns) / sizeof(insns[0]), insns};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		die("seccomp", "refused");
	printf("{}\n");
}

static void close_member(struct member *m)
{
	if (!m->p)
		return;
	if (has_threads) {
		pcap_breakloop(m->p);
		pthread_join(m->reader, NULL);
	}
	pcap_close(m->p);
	m->p = NULL;
}

static void print_ranges(const char *name, const unsigned char *bits, uint64_t n)
{
	const char *comma = "";

	printf("\"%s\": [", name);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t first = i;

		while (i < n && is_set(bits, i))
			i++;
		if (i == first)
			continue;
		printf("%s[%" PRIu64 ", %" PRIu64 "]", comma, first, i - 1);
		comma = ", ";
	}
	printf("]");
}

static bool is_seen(uint64_t seq)
{
	for (unsigned i = 0; i < n_opened; i++)
		if (is_set(members[i].seen, seq))
			return true;
	return false;
}

static uint64_t count_twice(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < n_opened; i++) {
		n += __atomic_load_n(&members[i].n_twice, __ATOMIC_RELAXED);
		for (unsigned j = 0; j < i; j++)
			for (uint64_t seq = 0; seq < MAX_SEQ; seq++)
				n += is_set(members[i].seen, seq) && is_set(members[j].seen, seq);
	}
	return n;
}

static void report(uint64_t n, unsigned mod)
{
	unsigned char kinds[MAX_FLOWS / 8] = {0};
	uint64_t n_missing = 0;

	for (uint64_t seq = 0; seq < n && seq < MAX_SEQ; seq++) {
		if (is_seen(seq))
			continue;
		n_missing++;
		set(kinds, seq % mod);
	}
	printf("{\"missing\": %" PRIu64 ", \"twice\": %" PRIu64 ", ", n_missing, count_twice());
	print_ranges("kinds", kinds, MAX_FLOWS);
	printf(", \"flows\": [");
	for (unsigned i = 0; i < n_opened; i++) {
		printf("%s{", i ? ", " : "");
		print_ranges("of", members[i].flows, MAX_FLOWS);
		printf("}");
	}
	printf("]}\n");
}

static bool obey_opening(const char *line)
{
	char text[256];
	unsigned number;

	if (sscanf(line, "open %255[^\n]", text) == 1)
		open_member(text, "udp");
	else if (sscanf(line, "activate %255[^\n]", text) == 1)
		open_member(text, NULL);
	else if (sscanf(line, "together %u %255[^\n]", &number, text) == 2 && !has_threads &&
		 n_opened + number <= MAX_MEMBERS)
		open_together(number, text);
	else if (sscanf(line, "filter %u %255[^\n]", &number, text) == 2 && number < n_opened)
		printf("{\"text\": \"%s\"}\n",
		       set_filter(members[number].p, text) ? pcap_geterr(members[number].p) : "");
	else
		return false;
	return true;
}

static void begin(void)
{
	for (unsigned i = 0; i < n_opened; i++)
		for (unsigned k = 0; k < MAX_FLOWS / 8; k++)
			__atomic_store_n(&members[i].flows[k], 0, __ATOMIC_RELAXED);
	printf("{}\n");
}

static void obey(char *line)
{
	unsigned number, mod;

	if (obey_opening(line)) {
		;
	} else if (sscanf(line, "close %u", &number) == 1 && number < n_opened) {
		close_member(&members[number]);
		printf("{}\n");
	} else if (line[0] == 'd') {
		deny_bpf();
	} else if (line[0] == 'p') {
		is_paused = !is_paused;
		printf("{}\n");
	} else if (line[0] == 'b') {
		begin();
	} else if (sscanf(line, "report %u %u", &number, &mod) == 2 && mod && mod <= MAX_FLOWS) {
		report(number, mod);
	} else {
		die("unknown command", line);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[1024];

	has_threads = argc > 1 && strcmp(argv[1], "-t") == 0;
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		read_all();
		if (poll(&in, 1, has_threads ? -1 : 1) <= 0)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			break;
		obey(line);
	}
	for (unsigned i = 0; i < n_opened; i++)
		close_member(&members[i]);
	return 0;
}
