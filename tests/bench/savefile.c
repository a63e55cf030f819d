/* SPDX-License-Identifier: BSD-3-Clause */
/* savefile.c - reads a savefile as fast as C does: what Python is held against.
 *
 *     savefile next|loop FILE
 *
 * Prints "ready", waits for a line, reads, prints packets, cpu_ns and wall_ns as JSON, as
 * python_reader.py does.
 *
 * Threads: one. */
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void count(u_char *user, const struct pcap_pkthdr *hdr, const u_char *data)
{
	(void)hdr;
	(void)data;
	++*(uint64_t *)user;
}

static uint64_t read_all(pcap_t *pcap, int is_loop)
{
	struct pcap_pkthdr *hdr;
	const u_char *data;
	uint64_t n = 0;

	if (is_loop)
		pcap_loop(pcap, -1, count, (u_char *)&n);
	else
		while (pcap_next_ex(pcap, &hdr, &data) == 1)
			n++;
	return n;
}

int main(int argc, char **argv)
{
	char errbuf[PCAP_ERRBUF_SIZE], line[8];
	int64_t cpu, wall;
	pcap_t *pcap;
	uint64_t n;

	if (argc != 3 || (strcmp(argv[1], "next") != 0 && strcmp(argv[1], "loop") != 0)) {
		fprintf(stderr, "usage: savefile next|loop FILE\n");
		return 2;
	}
	pcap = pcap_open_offline(argv[2], errbuf);
	if (!pcap) {
		fprintf(stderr, "savefile: %s\n", errbuf);
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	wall = now_ns(CLOCK_MONOTONIC);
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	n = read_all(pcap, strcmp(argv[1], "loop") == 0);
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = now_ns(CLOCK_MONOTONIC) - wall;
	printf("{\"packets\": %llu, \"cpu_ns\": %lld, \"wall_ns\": %lld}\n", (unsigned long long)n,
	       (long long)cpu, (long long)wall);
	pcap_close(pcap);
	return 0;
}
