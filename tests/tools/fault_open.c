/* SPDX-License-Identifier: BSD-3-Clause */
/* fault_open - open a device again and again, with another call failing each time.
 *
 *     LD_PRELOAD=preload_fault.so:libpcap-accel.so fault_open DEVICE ERRNO FROM
 *
 * Counts the calls of an undisturbed open, then opens once for each of them and lets it fail with
 * ERRNO. FROM is "create" (pcap_create to pcap_activate) or "activate". One line each:
 *
 *     NUMBER <tab> FUNCTION <tab> CODE <tab> works|- <tab> FDS <tab> ALLOCATIONS <tab> TEXT
 *
 * CODE is pcap_activate's, or "create" where that has failed already. "works": the handle was opened
 * all the same, and pcap_stats, pcap_setnonblock and pcap_dispatch answer as they should. FDS and
 * ALLOCATIONS: how many more there are after pcap_close than before. Goes on until a whole open has
 * passed undisturbed. Exit 1 if the first open fails.
 *
 * Threads: one. */
#include "descriptors.h"

#include <dlfcn.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CALLS 5000

static void (*arm)(long nth, int error);
static long (*disarm)(const char **name);
static long (*allocated)(void);

struct attempt {
	const char *device;
	int error;
	bool from_create;
	long n_calls;
	const char *failed; /* NULL: nothing was made to fail */
	char code[16];
	bool works;
	char text[PCAP_ERRBUF_SIZE];
};

static void ignore_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *data)
{
	(void)user;
	(void)h;
	(void)data;
}

static bool is_usable(pcap_t *p)
{
	char errbuf[PCAP_ERRBUF_SIZE];
	struct pcap_stat st;

	return pcap_stats(p, &st) == 0 && pcap_setnonblock(p, 1, errbuf) == 0 &&
	       pcap_dispatch(p, -1, ignore_packet, NULL) >= 0 && pcap_get_selectable_fd(p) >= 0;
}

static void open_once(struct attempt *a, long nth)
{
	pcap_t *p;
	int code;

	a->works = false;
	strcpy(a->text, "");
	if (a->from_create)
		arm(nth, a->error);
	p = pcap_create(a->device, a->text);
	if (!p) {
		a->n_calls = disarm(&a->failed);
		strcpy(a->code, "create");
		return;
	}
	pcap_set_timeout(p, 10);
	pcap_set_buffer_size(p, 4 << 20);
	if (!a->from_create)
		arm(nth, a->error);
	code = pcap_activate(p);
	a->n_calls = disarm(&a->failed);
	snprintf(a->code, sizeof(a->code), "%d", code);
	snprintf(a->text, sizeof(a->text), "%s", pcap_geterr(p));
	if (code >= 0)
		a->works = is_usable(p);
	pcap_close(p);
}

static void report(const struct attempt *a, long nth, int fds, long allocations)
{
	printf("%ld\t%s\t%s\t%s\t%d\t%ld\t%s\n", nth, a->failed ? a->failed : "-", a->code,
	       a->works ? "works" : "-", fds, allocations, a->text);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct attempt a = {0};
	long nth;

	*(void **)&arm = dlsym(RTLD_DEFAULT, "fault_arm");
	*(void **)&disarm = dlsym(RTLD_DEFAULT, "fault_disarm");
	*(void **)&allocated = dlsym(RTLD_DEFAULT, "fault_allocated");
	if (argc != 4 || !arm || !disarm || !allocated) {
		fprintf(stderr,
			"fault_open: LD_PRELOAD=preload_fault.so fault_open DEVICE ERRNO FROM\n");
		return 2;
	}
	a.device = argv[1];
	a.error = strtol(argv[2], NULL, 10);
	a.from_create = !strcmp(argv[3], "create");
	/* Twice: the first open loads what stays loaded. */
	open_once(&a, 0);
	open_once(&a, 0);
	if (!a.works) {
		fprintf(stderr, "fault_open: %s: %s %s\n", a.device, a.code, a.text);
		return 1;
	}
	for (nth = 1; nth < MOST_CALLS; nth++) {
		int fds = count_descriptors();
		long before = allocated();

		open_once(&a, nth);
		report(&a, nth, count_descriptors() - fds, allocated() - before);
		if (!a.failed)
			return 0;
	}
	return 1;
}
