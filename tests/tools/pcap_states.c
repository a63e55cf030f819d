/* SPDX-License-Identifier: BSD-3-Clause */
/* pcap_states - what every function that takes a handle returns, in every state of the handle.
 *
 *     pcap_states DEVICE STATE
 *
 *     created    after pcap_create
 *     failed     after a pcap_activate that failed (DEVICE does not exist)
 *     activated  after pcap_activate
 *     nonblock   after pcap_activate and pcap_setnonblock
 *     callback   inside a callback of pcap_loop; packets must be arriving
 *     thread     from a second thread, while the first waits in pcap_loop; no packet must arrive
 *     removed    after a read has failed: prints REMOVE, waits for a line on stdin (the device is
 *                deleted meanwhile), and reads until the error
 *
 * One line a call: NAME <tab> RESULT <tab> pcap_geterr. Each call has a handle of its own, so that
 * no call sees what another left. Exit 0; 2 for wrong use.
 *
 * Threads: one, but for the state "thread". */
#include <errno.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESULT_LEN 256

/* Writes the result as text. Leaves the handle open. */
typedef void call_fn(pcap_t *p, char *result);

static char errbuf[PCAP_ERRBUF_SIZE];

static void put_int(char *result, long value)
{
	snprintf(result, RESULT_LEN, "%ld", value);
}

static void put_pointer(char *result, const void *value)
{
	snprintf(result, RESULT_LEN, "%s", value ? "pointer" : "NULL");
}

static void ignore_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *data)
{
	(void)user;
	(void)h;
	(void)data;
}

#define INT_CALL(name, expression)                \
	static void name(pcap_t *p, char *result) \
	{                                         \
		put_int(result, (expression));    \
	}

INT_CALL(call_snapshot, pcap_snapshot(p))
INT_CALL(call_datalink, pcap_datalink(p))
INT_CALL(call_datalink_ext, pcap_datalink_ext(p))
INT_CALL(call_is_swapped, pcap_is_swapped(p))
INT_CALL(call_major_version, pcap_major_version(p))
INT_CALL(call_minor_version, pcap_minor_version(p))
INT_CALL(call_bufsize, pcap_bufsize(p) > 0 ? 1 : pcap_bufsize(p))
INT_CALL(call_fileno, pcap_fileno(p) > 2 ? 3 : pcap_fileno(p))
INT_CALL(call_selectable_fd, pcap_get_selectable_fd(p) > 2 ? 3 : pcap_get_selectable_fd(p))
INT_CALL(call_get_precision, pcap_get_tstamp_precision(p))
INT_CALL(call_setnonblock_on, pcap_setnonblock(p, 1, errbuf))
INT_CALL(call_setnonblock_off, pcap_setnonblock(p, 0, errbuf))
INT_CALL(call_can_set_rfmon, pcap_can_set_rfmon(p))
INT_CALL(call_set_datalink_own, pcap_set_datalink(p, DLT_EN10MB))
INT_CALL(call_set_datalink_docsis, pcap_set_datalink(p, DLT_DOCSIS))
INT_CALL(call_set_datalink_other, pcap_set_datalink(p, DLT_RAW))
INT_CALL(call_set_datalink_unknown, pcap_set_datalink(p, 9999))
INT_CALL(call_setfilter_null, pcap_setfilter(p, NULL))
INT_CALL(call_setdirection_in, pcap_setdirection(p, PCAP_D_IN))
INT_CALL(call_setdirection_out, pcap_setdirection(p, PCAP_D_OUT))
INT_CALL(call_setdirection_bad, pcap_setdirection(p, (pcap_direction_t)17))
INT_CALL(call_inject_0, pcap_inject(p, "", 0))
INT_CALL(call_sendpacket_0, pcap_sendpacket(p, (const u_char *)"", 0))
INT_CALL(call_sendpacket_negative, pcap_sendpacket(p, (const u_char *)"", -1))
INT_CALL(call_activate, pcap_activate(p))
INT_CALL(call_set_snaplen, pcap_set_snaplen(p, 100))
INT_CALL(call_set_snaplen_negative, pcap_set_snaplen(p, -1))
INT_CALL(call_set_promisc, pcap_set_promisc(p, 1))
INT_CALL(call_set_rfmon, pcap_set_rfmon(p, 1))
INT_CALL(call_set_timeout, pcap_set_timeout(p, 10))
INT_CALL(call_set_buffer_size, pcap_set_buffer_size(p, 1 << 20))
INT_CALL(call_set_buffer_negative, pcap_set_buffer_size(p, -5))
INT_CALL(call_set_immediate, pcap_set_immediate_mode(p, 1))
INT_CALL(call_set_tstamp_host, pcap_set_tstamp_type(p, PCAP_TSTAMP_HOST))
INT_CALL(call_set_tstamp_adapter, pcap_set_tstamp_type(p, PCAP_TSTAMP_ADAPTER))
INT_CALL(call_set_tstamp_bad, pcap_set_tstamp_type(p, 77))
INT_CALL(call_set_precision_nano, pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO))
INT_CALL(call_set_precision_bad, pcap_set_tstamp_precision(p, 77))
INT_CALL(call_set_protocol, pcap_set_protocol_linux(p, 0x0800))

static void call_breakloop(pcap_t *p, char *result)
{
	pcap_breakloop(p);
	snprintf(result, RESULT_LEN, "void");
}

static void call_file(pcap_t *p, char *result)
{
	put_pointer(result, pcap_file(p));
}

static void call_required_timeout(pcap_t *p, char *result)
{
	put_pointer(result, pcap_get_required_select_timeout(p));
}

static void call_geterr(pcap_t *p, char *result)
{
	put_pointer(result, pcap_geterr(p));
}

/* The errbuf argument is part of the answer: it is filled for -1 only. */
static void call_getnonblock(pcap_t *p, char *result)
{
	int r;

	strcpy(errbuf, "untouched");
	r = pcap_getnonblock(p, errbuf);
	snprintf(result, RESULT_LEN, "%d (%s)", r, r < 0 ? errbuf : "");
}

static void call_list_datalinks(pcap_t *p, char *result)
{
	int i, *dlts = NULL, n = pcap_list_datalinks(p, &dlts), at;

	at = snprintf(result, RESULT_LEN, "%d:", n);
	for (i = 0; i < n; i++)
		at += snprintf(result + at, RESULT_LEN - at, " %s",
			       pcap_datalink_val_to_name(dlts[i]));
	if (n >= 0)
		pcap_free_datalinks(dlts);
}

static void call_list_tstamp_types(pcap_t *p, char *result)
{
	int i, *types = NULL, n = pcap_list_tstamp_types(p, &types), at;

	at = snprintf(result, RESULT_LEN, "%d:", n);
	for (i = 0; i < n; i++)
		at += snprintf(result + at, RESULT_LEN - at, " %s",
			       pcap_tstamp_type_val_to_name(types[i]));
	if (n >= 0)
		pcap_free_tstamp_types(types);
}

static void compile(pcap_t *p, char *result, const char *text)
{
	struct bpf_program program = {0};
	int r = pcap_compile(p, &program, text, 1, PCAP_NETMASK_UNKNOWN);

	put_int(result, r);
	if (!r)
		pcap_freecode(&program);
}

static void call_compile(pcap_t *p, char *result)
{
	compile(p, result, "vlan and ip");
}

static void call_compile_wrong(pcap_t *p, char *result)
{
	compile(p, result, "ip and and");
}

static void call_compile_never(pcap_t *p, char *result)
{
	compile(p, result, "ip and ip6");
}

static void call_setfilter(pcap_t *p, char *result)
{
	struct bpf_insn all[] = {BPF_STMT(BPF_RET | BPF_K, 262144)};
	struct bpf_program program = {1, all};

	put_int(result, pcap_setfilter(p, &program));
}

static void call_setfilter_empty(pcap_t *p, char *result)
{
	struct bpf_program program = {0, NULL};

	put_int(result, pcap_setfilter(p, &program));
}

static void call_setfilter_invalid(pcap_t *p, char *result)
{
	struct bpf_insn endless[] = {BPF_STMT(BPF_LD | BPF_IMM, 1)};
	struct bpf_program program = {1, endless};

	put_int(result, pcap_setfilter(p, &program));
}

static void call_stats(pcap_t *p, char *result)
{
	struct pcap_stat st;

	put_int(result, pcap_stats(p, &st));
}

static void inject(pcap_t *p, char *result, size_t len)
{
	static unsigned char frame[70000] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
					     0x77, 0,	 0,    0,    9,	   0x88, 0xb5};

	put_int(result, pcap_inject(p, frame, len));
}

static void call_inject_10(pcap_t *p, char *result)
{
	inject(p, result, 10);
}

static void call_inject_60(pcap_t *p, char *result)
{
	inject(p, result, 60);
}

static void call_inject_long(pcap_t *p, char *result)
{
	inject(p, result, 60000);
}

static void call_sendpacket_60(pcap_t *p, char *result)
{
	u_char frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0x77, 0, 0, 0, 9, 0x88, 0xb5};

	put_int(result, pcap_sendpacket(p, frame, sizeof(frame)));
}

static void call_dump_open(pcap_t *p, char *result)
{
	pcap_dumper_t *d = pcap_dump_open(p, "/dev/null");

	put_pointer(result, d);
	if (d)
		pcap_dump_close(d);
}

static void call_dump_fopen(pcap_t *p, char *result)
{
	FILE *f = fopen("/dev/null", "w");
	pcap_dumper_t *d = pcap_dump_fopen(p, f);

	put_pointer(result, d);
	if (d)
		pcap_dump_close(d);
	else if (f)
		fclose(f);
}

static void call_dump_append(pcap_t *p, char *result)
{
	char path[] = "/tmp/pcap_states.XXXXXX";
	int fd = mkstemp(path);
	pcap_dumper_t *d = pcap_dump_open_append(p, path);

	put_pointer(result, d);
	if (d)
		pcap_dump_close(d);
	close(fd);
	unlink(path);
}

static void call_dispatch(pcap_t *p, char *result)
{
	put_int(result, pcap_dispatch(p, 1, ignore_packet, NULL));
}

static void call_loop(pcap_t *p, char *result)
{
	put_int(result, pcap_loop(p, 1, ignore_packet, NULL));
}

static void call_next(pcap_t *p, char *result)
{
	struct pcap_pkthdr h;

	put_pointer(result, pcap_next(p, &h));
}

static void call_next_ex(pcap_t *p, char *result)
{
	struct pcap_pkthdr *h;
	const u_char *data;

	put_int(result, pcap_next_ex(p, &h, &data));
}

enum where {
	ANYWHERE = 0,
	NOT_WAITING = 1, /* reads: would block where nothing arrives, may not be nested */
	ANY_THREAD = 2,	 /* documented for a second thread */
};

static const struct {
	const char *name;
	call_fn *call;
	enum where where;
} calls[] = {
	{"activate", call_activate, ANYWHERE},
	{"breakloop", call_breakloop, ANY_THREAD},
	{"bufsize", call_bufsize, ANYWHERE},
	{"can_set_rfmon", call_can_set_rfmon, ANYWHERE},
	{"compile", call_compile, ANYWHERE},
	{"compile wrong", call_compile_wrong, ANYWHERE},
	{"compile never", call_compile_never, ANYWHERE},
	{"datalink", call_datalink, ANYWHERE},
	{"datalink_ext", call_datalink_ext, ANYWHERE},
	{"dispatch", call_dispatch, NOT_WAITING},
	{"dump_fopen", call_dump_fopen, ANYWHERE},
	{"dump_open", call_dump_open, ANYWHERE},
	{"dump_open_append", call_dump_append, ANYWHERE},
	{"file", call_file, ANYWHERE},
	{"fileno", call_fileno, ANYWHERE},
	{"get_required_select_timeout", call_required_timeout, ANYWHERE},
	{"get_selectable_fd", call_selectable_fd, ANYWHERE},
	{"get_tstamp_precision", call_get_precision, ANYWHERE},
	{"geterr", call_geterr, ANYWHERE},
	{"getnonblock", call_getnonblock, ANYWHERE},
	{"inject 0", call_inject_0, ANYWHERE},
	{"inject 10", call_inject_10, ANYWHERE},
	{"inject 60", call_inject_60, ANYWHERE},
	{"inject 60000", call_inject_long, ANYWHERE},
	{"is_swapped", call_is_swapped, ANYWHERE},
	{"list_datalinks", call_list_datalinks, ANYWHERE},
	{"list_tstamp_types", call_list_tstamp_types, ANYWHERE},
	{"loop", call_loop, NOT_WAITING},
	{"major_version", call_major_version, ANYWHERE},
	{"minor_version", call_minor_version, ANYWHERE},
	{"next", call_next, NOT_WAITING},
	{"next_ex", call_next_ex, NOT_WAITING},
	{"sendpacket -1", call_sendpacket_negative, ANYWHERE},
	{"sendpacket 0", call_sendpacket_0, ANYWHERE},
	{"sendpacket 60", call_sendpacket_60, ANYWHERE},
	{"set_buffer_size", call_set_buffer_size, ANYWHERE},
	{"set_buffer_size -5", call_set_buffer_negative, ANYWHERE},
	{"set_datalink DOCSIS", call_set_datalink_docsis, ANYWHERE},
	{"set_datalink EN10MB", call_set_datalink_own, ANYWHERE},
	{"set_datalink RAW", call_set_datalink_other, ANYWHERE},
	{"set_datalink 9999", call_set_datalink_unknown, ANYWHERE},
	{"set_immediate_mode", call_set_immediate, ANYWHERE},
	{"set_promisc", call_set_promisc, ANYWHERE},
	{"set_protocol_linux", call_set_protocol, ANYWHERE},
	{"set_rfmon", call_set_rfmon, ANYWHERE},
	{"set_snaplen", call_set_snaplen, ANYWHERE},
	{"set_snaplen -1", call_set_snaplen_negative, ANYWHERE},
	{"set_timeout", call_set_timeout, ANYWHERE},
	{"set_tstamp_precision 77", call_set_precision_bad, ANYWHERE},
	{"set_tstamp_precision nano", call_set_precision_nano, ANYWHERE},
	{"set_tstamp_type 77", call_set_tstamp_bad, ANYWHERE},
	{"set_tstamp_type adapter", call_set_tstamp_adapter, ANYWHERE},
	{"set_tstamp_type host", call_set_tstamp_host, ANYWHERE},
	{"setdirection in", call_setdirection_in, ANYWHERE},
	{"setdirection out", call_setdirection_out, ANYWHERE},
	{"setdirection 17", call_setdirection_bad, ANYWHERE},
	{"setfilter", call_setfilter, ANYWHERE},
	{"setfilter empty", call_setfilter_empty, ANYWHERE},
	{"setfilter invalid", call_setfilter_invalid, ANYWHERE},
	{"setfilter NULL", call_setfilter_null, ANYWHERE},
	{"setnonblock off", call_setnonblock_off, ANYWHERE},
	{"setnonblock on", call_setnonblock_on, ANYWHERE},
	{"snapshot", call_snapshot, ANYWHERE},
	{"stats", call_stats, ANY_THREAD},
};

#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

static pcap_t *make(const char *device)
{
	pcap_t *p = pcap_create(device, errbuf);

	if (!p) {
		printf("pcap_create\tNULL\t%s\n", errbuf);
		exit(0);
	}
	return p;
}

static pcap_t *make_active(const char *device)
{
	pcap_t *p = make(device);
	int r;

	pcap_set_timeout(p, 10);
	pcap_set_buffer_size(p, 1 << 20);
	r = pcap_activate(p);
	if (r < 0) {
		printf("pcap_activate\t%d\t%s\n", r, pcap_geterr(p));
		exit(0);
	}
	return p;
}

static void report(pcap_t *p, size_t i)
{
	char result[RESULT_LEN] = "";

	calls[i].call(p, result);
	printf("%s\t%s\t%s\n", calls[i].name, result, pcap_geterr(p));
	fflush(stdout);
}

/* For calls that end stock: the result is then the signal's number. */
static void report_in_child(pcap_t *p, size_t i)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		report(p, i);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		exit(2);
	if (WIFSIGNALED(status))
		printf("%s\tsignal %d\t\n", calls[i].name, WTERMSIG(status));
	fflush(stdout);
}

static void state_created(const char *device)
{
	size_t i;

	for (i = 0; i < N_CALLS; i++) {
		pcap_t *p = make(device);

		report(p, i);
		pcap_close(p);
	}
}

static void state_failed(const char *device)
{
	size_t i;

	for (i = 0; i < N_CALLS; i++) {
		pcap_t *p = make(device);

		if (pcap_activate(p) >= 0)
			exit(2);
		report_in_child(p, i);
		pcap_close(p);
	}
}

static void state_activated(const char *device)
{
	size_t i;

	for (i = 0; i < N_CALLS; i++) {
		pcap_t *p;

		if (calls[i].where == NOT_WAITING)
			continue;
		p = make_active(device);
		report(p, i);
		pcap_close(p);
	}
}

static void state_nonblock(const char *device)
{
	size_t i;

	for (i = 0; i < N_CALLS; i++) {
		pcap_t *p;

		if (!strcmp(calls[i].name, "loop")) /* stock's never comes back */
			continue;
		p = make_active(device);
		if (pcap_setnonblock(p, 1, errbuf))
			exit(2);
		report(p, i);
		pcap_close(p);
	}
}

struct in_callback {
	pcap_t *p;
	size_t i;
};

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *data)
{
	struct in_callback *c = (struct in_callback *)user;

	(void)h;
	(void)data;
	report(c->p, c->i);
}

static void state_callback(const char *device)
{
	size_t i;

	for (i = 0; i < N_CALLS; i++) {
		struct in_callback c = {.i = i};

		if (calls[i].where == NOT_WAITING)
			continue;
		c.p = make_active(device);
		pcap_loop(c.p, 1, on_packet, (u_char *)&c);
		pcap_close(c.p);
	}
}

struct reader {
	pcap_t *p;
	int result;
};

static void *read_in_thread(void *argument)
{
	struct reader *r = argument;

	r->result = pcap_loop(r->p, -1, ignore_packet, NULL);
	return NULL;
}

static void state_thread(const char *device)
{
	size_t i;

	for (i = 0; i < N_CALLS; i++) {
		struct reader r = {0};
		pthread_t thread;

		if (calls[i].where != ANY_THREAD)
			continue;
		r.p = make_active(device);
		if (pthread_create(&thread, NULL, read_in_thread, &r))
			exit(2);
		report(r.p, i);
		pcap_breakloop(r.p);
		pthread_join(thread, NULL);
		printf("loop after %s\t%d\t%s\n", calls[i].name, r.result, pcap_geterr(r.p));
		pcap_close(r.p);
	}
}

/* Reads until the error that the removal makes. */
static void read_error(pcap_t *p)
{
	int r;

	do {
		r = pcap_dispatch(p, -1, ignore_packet, NULL);
	} while (r >= 0);
	printf("the read\t%d\t%s\n", r, pcap_geterr(p));
}

static void state_removed(const char *device)
{
	pcap_t *handles[N_CALLS];
	size_t i;

	for (i = 0; i < N_CALLS; i++)
		handles[i] = make_active(device);
	printf("REMOVE\n");
	fflush(stdout);
	if (getchar() == EOF)
		exit(2);
	for (i = 0; i < N_CALLS; i++) {
		read_error(handles[i]);
		report(handles[i], i);
		pcap_close(handles[i]);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(const char *device);
	} states[] = {
		{"created", state_created},	{"failed", state_failed},
		{"activated", state_activated}, {"nonblock", state_nonblock},
		{"callback", state_callback},	{"thread", state_thread},
		{"removed", state_removed},
	};
	size_t i;

	for (i = 0; argc == 3 && i < sizeof(states) / sizeof(states[0]); i++) {
		if (!strcmp(states[i].name, argv[2])) {
			states[i].run(argv[1]);
			return 0;
		}
	}
	fprintf(stderr, "pcap_states: pcap_states DEVICE STATE\n");
	return 2;
}
