/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_break - break off an activation that waits.
 *
 *     pfq_break DEVICE signal|thread
 *
 * Activates twice. Prints what pcap_activate() returned, with its text, and how many breaks there had
 * been by then.
 *
 * Threads: two with "thread". */
#include <pcap/pcap.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static pcap_t *p;
static volatile sig_atomic_t n_breaks;

static void on_alarm(int sig)
{
	(void)sig;
	n_breaks++;
	pcap_breakloop(p);
}

static void *break_later(void *unused)
{
	usleep(20000);
	n_breaks++;
	pcap_breakloop(p);
	return unused;
}

static void try_once(bool by_signal)
{
	struct itimerval soon = {.it_value = {.tv_usec = 20000}};
	pthread_t thread;
	int r;

	if (by_signal)
		setitimer(ITIMER_REAL, &soon, NULL);
	else
		pthread_create(&thread, NULL, break_later, NULL);
	r = pcap_activate(p);
	printf("%d %s (%d)\n", r, pcap_geterr(p), (int)n_breaks);
	if (!by_signal)
		pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_alarm};
	char errbuf[PCAP_ERRBUF_SIZE];

	if (argc != 3 || !(p = pcap_create(argv[1], errbuf)))
		return 1;
	sigaction(SIGALRM, &action, NULL);
	for (int i = 0; i < 2; i++)
		try_once(strcmp(argv[2], "signal") == 0);
	pcap_close(p);
	return 0;
}
