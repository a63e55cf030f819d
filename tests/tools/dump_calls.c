/* SPDX-License-Identifier: BSD-3-Clause */
/* dump_calls - a savefile written through pcap_dump() and through its FILE, by turns.
 *
 *     dump_calls DEVICE IF FILE
 *
 * Captures fifteen packets that it sends itself on IF, and writes them to FILE: five through
 * pcap_dump_fopen(), five by hand with fwrite() on the same FILE, five through
 * pcap_dump_open_append(). On the way every function of the dumper has to agree with stdio. Prints
 * "ok N", N being what pcap_open_offline() reads of it. Exit 1 with a sentence on failure.
 *
 * Threads: one. */
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static pcap_t *handle;
static char errbuf[PCAP_ERRBUF_SIZE];

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "dump_calls: %s (%s %s)\n", what, errbuf,
		handle ? pcap_geterr(handle) : "");
	exit(1);
}

static void send_packets(const char *iface, int n)
{
	unsigned char frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
				   0x77, 0,    0,    0,	   9,	 0x88, 0xb5};
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(iface)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	while (n--)
		check(sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)) > 0,
		      "sendto");
	close(fd);
}

static void next(struct pcap_pkthdr **h, const u_char **data)
{
	int r;

	do {
		r = pcap_next_ex(handle, h, data);
	} while (r == 0);
	check(r == 1, "pcap_next_ex");
}

static void dump(pcap_dumper_t *d, int n)
{
	struct pcap_pkthdr *h;
	const u_char *data;

	while (n--) {
		next(&h, &data);
		pcap_dump((u_char *)d, h, data);
	}
}

static void write_by_hand(FILE *f, int n)
{
	struct pcap_pkthdr *h;
	const u_char *data;

	while (n--) {
		uint32_t record[4];

		next(&h, &data);
		record[0] = h->ts.tv_sec;
		record[1] = h->ts.tv_usec;
		record[2] = h->caplen;
		record[3] = h->len;
		check(fwrite(record, sizeof(record), 1, f) == 1, "fwrite");
		check(fwrite(data, h->caplen, 1, f) == 1, "fwrite");
	}
}

static void write_file(const char *path)
{
	FILE *f = fopen(path, "w");
	pcap_dumper_t *d;

	check(f, "fopen");
	d = pcap_dump_fopen(handle, f);
	check(d, "pcap_dump_fopen");
	check(pcap_dump_file(d) == f, "pcap_dump_file is not the FILE");
	dump(d, 5);
	check(pcap_dump_ftell(d) == ftell(f), "pcap_dump_ftell");
	check(pcap_dump_ftell64(d) == 24 + 5 * (16 + 60), "pcap_dump_ftell64");
	write_by_hand(f, 5);
	check(pcap_dump_flush(d) == 0, "pcap_dump_flush");
	check(pcap_dump_ftell64(d) == 24 + 10 * (16 + 60), "pcap_dump_ftell64 after fwrite");
	pcap_dump_close(d);
}

static void append_to_file(const char *path)
{
	pcap_dumper_t *d = pcap_dump_open_append(handle, path);

	check(d, "pcap_dump_open_append");
	dump(d, 5);
	pcap_dump_close(d);
}

static int count_packets(const char *path)
{
	pcap_t *file = pcap_open_offline(path, errbuf);
	struct pcap_pkthdr *h;
	const u_char *data;
	int n = 0;

	check(file, "pcap_open_offline");
	while (pcap_next_ex(file, &h, &data) == 1)
		n++;
	pcap_close(file);
	return n;
}

int main(int argc, char **argv)
{
	check(argc == 4, "dump_calls DEVICE IF FILE");
	handle = pcap_open_live(argv[1], 262144, 1, 10, errbuf);
	check(handle, argv[1]);
	send_packets(argv[2], 15);
	write_file(argv[3]);
	append_to_file(argv[3]);
	printf("ok %d\n", count_packets(argv[3]));
	pcap_close(handle);
	return 0;
}
