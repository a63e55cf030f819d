/* SPDX-License-Identifier: BSD-3-Clause */
/* pcap_reads - what the reading functions return: counts, pcap_breakloop, signals, empty rings.
 *
 *     pcap_reads DEVICE IF CASE       one case; the packets are sent by itself on IF, which must be
 *                                     what DEVICE captures
 *     pcap_reads                      lists the cases
 *
 * Prints one line of NAME=VALUE words. Exit 0; 2 for wrong use or a failed preparation. A case that
 * never comes back is ended by SIGALRM after 10 seconds, with the line "stuck".
 *
 * Threads: one, and one that breaks in the cases "thread_...". */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define N_QUEUED 20

static pcap_t *handle;
static const char *iface;
static int n_seen, break_at;
static atomic_int n_signals, break_in_signal;

static void die(const char *what)
{
	fprintf(stderr, "pcap_reads: %s: %s\n", what,
		handle ? pcap_geterr(handle) : strerror(errno));
	exit(2);
}

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *data)
{
	(void)user;
	(void)h;
	(void)data;
	if (++n_seen == break_at)
		pcap_breakloop(handle);
}

static void send_packets(int n)
{
	unsigned char frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
				   0x77, 0,    0,    0,	   9,	 0x88, 0xb5};
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(iface)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	while (n--) {
		if (sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			die("sendto");
	}
	close(fd);
}

static void wait_readable(void)
{
	struct pollfd pfd = {.fd = pcap_get_selectable_fd(handle), .events = POLLIN};

	while (poll(&pfd, 1, 1000) <= 0)
		;
}

/* N_QUEUED packets are in the ring, and a read would find at least the first of them. */
static void queue(void)
{
	struct pcap_stat st;

	send_packets(N_QUEUED);
	do {
		wait_readable();
		if (pcap_stats(handle, &st))
			die("pcap_stats");
	} while (st.ps_recv < N_QUEUED);
}

static void nonblock(void)
{
	char errbuf[PCAP_ERRBUF_SIZE];

	if (pcap_setnonblock(handle, 1, errbuf))
		die("pcap_setnonblock");
}

static int dispatch(int count)
{
	return pcap_dispatch(handle, count, on_packet, NULL);
}

static int loop(int count)
{
	return pcap_loop(handle, count, on_packet, NULL);
}

static int next_ex(void)
{
	struct pcap_pkthdr *h;
	const u_char *data;

	return pcap_next_ex(handle, &h, &data);
}

static const char *next(void)
{
	struct pcap_pkthdr h;

	return pcap_next(handle, &h) ? "packet" : "NULL";
}

/* Everything that is still to come of N_QUEUED. */
static void read_rest(void)
{
	while (n_seen < N_QUEUED) {
		if (dispatch(-1) < 0)
			die("the rest");
	}
}

static void dispatch_break_in_callback(void)
{
	queue();
	break_at = 3;
	printf("rc=%d", dispatch(-1));
	printf(" seen=%d", n_seen);
	read_rest();
	printf(" all=%d\n", n_seen);
}

static void loop_break_in_callback(void)
{
	queue();
	break_at = 3;
	printf("rc=%d", loop(-1));
	printf(" seen=%d", n_seen);
	read_rest();
	printf(" all=%d\n", n_seen);
}

static void loop_break_in_last_callback(void)
{
	queue();
	break_at = 5;
	printf("rc=%d", loop(5));
	printf(" seen=%d\n", n_seen);
}

static void dispatch_count(void)
{
	int r;

	queue();
	r = dispatch(5);
	printf("same=%d atmost=%d", r == n_seen, r <= 5 && r > 0);
	read_rest();
	printf(" all=%d\n", n_seen);
}

static void dispatch_zero_is_all(void)
{
	int r;

	queue();
	r = dispatch(0);
	printf("same=%d some=%d\n", r == n_seen, r > 0);
}

static void loop_count(void)
{
	queue();
	printf("rc=%d", loop(7));
	printf(" seen=%d", n_seen);
	printf(" rc=%d", loop(13));
	printf(" seen=%d\n", n_seen);
}

static void next_all(void)
{
	int i, n = 0;

	queue();
	for (i = 0; i < 10; i++)
		n += !strcmp(next(), "packet");
	while (i++ < N_QUEUED)
		n += next_ex() == 1;
	printf("packets=%d\n", n);
}

static void break_before_loop(void)
{
	queue();
	pcap_breakloop(handle);
	printf("rc=%d", loop(5));
	printf(" seen=%d", n_seen);
	printf(" rc=%d", loop(5));
	printf(" seen=%d\n", n_seen);
}

static void break_before_dispatch(void)
{
	queue();
	pcap_breakloop(handle);
	printf("rc=%d", dispatch(-1));
	printf(" seen=%d", n_seen);
	read_rest();
	printf(" all=%d\n", n_seen);
}

static void break_before_next_ex(void)
{
	queue();
	pcap_breakloop(handle);
	printf("rc=%d", next_ex());
	printf(" rc=%d\n", next_ex());
}

static void break_before_next(void)
{
	queue();
	pcap_breakloop(handle);
	printf("%s", next());
	printf(" %s\n", next());
}

static void break_before_dispatch_nonblock(void)
{
	nonblock();
	queue();
	pcap_breakloop(handle);
	printf("rc=%d", dispatch(-1));
	printf(" seen=%d\n", n_seen);
}

static void break_twice_is_once(void)
{
	queue();
	pcap_breakloop(handle);
	pcap_breakloop(handle);
	printf("rc=%d", dispatch(-1));
	printf(" rc=%d\n", dispatch(-1) > 0);
}

static void break_empty_nonblock(void)
{
	nonblock();
	pcap_breakloop(handle);
	printf("rc=%d\n", dispatch(-1));
}

static void break_keeps_errno(void)
{
	errno = 12345;
	pcap_breakloop(handle);
	printf("errno=%d\n", errno);
}

static void nonblock_empty(void)
{
	nonblock();
	printf("dispatch=%d", dispatch(-1));
	printf(" next_ex=%d", next_ex());
	printf(" next=%s\n", next());
}

static void nonblock_dispatch(void)
{
	int r;

	nonblock();
	queue();
	r = dispatch(-1);
	printf("same=%d some=%d\n", r == n_seen, r > 0);
}

static void on_signal(int sig)
{
	(void)sig;
	n_signals++;
	if (break_in_signal)
		pcap_breakloop(handle);
}

/* SIGUSR1 every 50 ms, without SA_RESTART: the first may come before the read has begun. */
static void start_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec every = {{0, 50000000}, {0, 50000000}};
	timer_t timer;

	sigaction(SIGUSR1, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &every, NULL))
		die("timer");
}

static void signal_break_loop(void)
{
	break_in_signal = 1;
	start_signals();
	printf("rc=%d\n", loop(-1));
}

static void signal_break_next_ex(void)
{
	int r;

	break_in_signal = 1;
	start_signals();
	do {
		r = next_ex();
	} while (r == 0);
	printf("rc=%d\n", r);
}

static void signal_break_loop_nonblock(void)
{
	nonblock();
	signal_break_loop();
}

static void *send_later(void *unused)
{
	(void)unused;
	while (n_signals < 3)
		usleep(1000);
	send_packets(5);
	return NULL;
}

/* Signals that do not break leave the read waiting. */
static void signal_without_break(void)
{
	sigset_t set;
	pthread_t thread;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&thread, NULL, send_later, NULL))
		die("pthread_create");
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	start_signals();
	printf("rc=%d", loop(5));
	printf(" seen=%d\n", n_seen);
	pthread_join(thread, NULL);
}

/* Breaks again and again, for the reader may not be waiting yet. */
static atomic_int reader_back;

static void *break_until_back(void *unused)
{
	(void)unused;
	while (!reader_back) {
		usleep(20000);
		pcap_breakloop(handle);
	}
	return NULL;
}

static void thread_break_loop(void)
{
	pthread_t thread;
	int r;

	if (pthread_create(&thread, NULL, break_until_back, NULL))
		die("pthread_create");
	r = loop(-1);
	reader_back = 1;
	pthread_join(thread, NULL);
	printf("rc=%d\n", r);
}

static void thread_break_loop_nonblock(void)
{
	nonblock();
	thread_break_loop();
}

static void *break_once(void *unused)
{
	(void)unused;
	usleep(200000); /* not a wait for anything: a break before the read is the case "break_before" */
	pcap_breakloop(handle);
	return NULL;
}

static void thread_break_once(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, break_once, NULL))
		die("pthread_create");
	printf("rc=%d\n", loop(-1));
	pthread_join(thread, NULL);
}

static void idle_dispatch(void)
{
	printf("rc=%d\n", dispatch(-1));
}

static void idle_next_ex(void)
{
	printf("rc=%d\n", next_ex());
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"break_before_dispatch", break_before_dispatch},
	{"break_before_dispatch_nonblock", break_before_dispatch_nonblock},
	{"break_before_loop", break_before_loop},
	{"break_before_next", break_before_next},
	{"break_before_next_ex", break_before_next_ex},
	{"break_empty_nonblock", break_empty_nonblock},
	{"break_keeps_errno", break_keeps_errno},
	{"break_twice_is_once", break_twice_is_once},
	{"dispatch_break_in_callback", dispatch_break_in_callback},
	{"dispatch_count", dispatch_count},
	{"dispatch_zero_is_all", dispatch_zero_is_all},
	{"idle_dispatch", idle_dispatch},
	{"idle_next_ex", idle_next_ex},
	{"loop_break_in_callback", loop_break_in_callback},
	{"loop_break_in_last_callback", loop_break_in_last_callback},
	{"loop_count", loop_count},
	{"next_all", next_all},
	{"nonblock_dispatch", nonblock_dispatch},
	{"nonblock_empty", nonblock_empty},
	{"signal_break_loop", signal_break_loop},
	{"signal_break_loop_nonblock", signal_break_loop_nonblock},
	{"signal_break_next_ex", signal_break_next_ex},
	{"signal_without_break", signal_without_break},
	{"thread_break_loop", thread_break_loop},
	{"thread_break_loop_nonblock", thread_break_loop_nonblock},
	{"thread_break_once", thread_break_once},
};

#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static void on_alarm(int sig)
{
	(void)sig;
	if (write(STDOUT_FILENO, "stuck\n", 6) < 0)
		_exit(2);
	_exit(0);
}

static void open_handle(const char *device)
{
	char errbuf[PCAP_ERRBUF_SIZE];

	handle = pcap_create(device, errbuf);
	if (!handle)
		die(errbuf);
	pcap_set_timeout(handle, 20);
	if (pcap_activate(handle) < 0)
		die("pcap_activate");
}

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc == 1 && i < N_CASES; i++)
		printf("%s\n", cases[i].name);
	if (argc == 1)
		return 0;
	for (i = 0; argc == 4 && i < N_CASES; i++) {
		if (strcmp(cases[i].name, argv[3]))
			continue;
		iface = argv[2];
		open_handle(argv[1]);
		signal(SIGALRM, on_alarm);
		alarm(10);
		cases[i].run();
		signal(SIGUSR1, SIG_IGN); /* the timer goes on, the handle does not */
		pcap_close(handle);
		return 0;
	}
	fprintf(stderr, "pcap_reads: pcap_reads DEVICE IF CASE\n");
	return 2;
}
