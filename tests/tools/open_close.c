/* SPDX-License-Identifier: BSD-3-Clause */
/* open_close - open a device and close it, and tell what is left of it.
 *
 *     open_close DEVICE ROUNDS
 *
 * The first round is not counted: it loads what stays loaded. Prints one JSON line: the code of
 * pcap_activate (or PCAP_ERROR where pcap_create has failed), the text, and descriptors and mappings
 * before and after the other rounds.
 *
 * Threads: one. */
#include "descriptors.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[PCAP_ERRBUF_SIZE];

static int open_and_close(const char *device)
{
	pcap_t *p = pcap_create(device, text);
	int code;

	if (!p)
		return PCAP_ERROR;
	code = pcap_activate(p);
	snprintf(text, sizeof(text), "%s", pcap_geterr(p));
	if (code < 0 && !*text)
		snprintf(text, sizeof(text), "(no text)");
	pcap_close(p);
	return code;
}

/* But for the heap, which grows as malloc likes. */
static int count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int n = 0;

	if (!maps)
		return -1;
	while (fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "[heap]"))
			n++;
	}
	fclose(maps);
	return n;
}

static void print_json(const char *s)
{
	for (; *s; s++) {
		unsigned char c = *s;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 32)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
}

int main(int argc, char **argv)
{
	int rounds, code, fds[2], maps[2];

	if (argc != 3) {
		fprintf(stderr, "open_close: open_close DEVICE ROUNDS\n");
		return 2;
	}
	rounds = strtol(argv[2], NULL, 10);
	count_mappings();
	code = open_and_close(argv[1]);
	fds[0] = count_descriptors();
	maps[0] = count_mappings();
	while (rounds--) {
		if (open_and_close(argv[1]) != code) {
			fprintf(stderr, "open_close: not the same code twice\n");
			return 1;
		}
	}
	fds[1] = count_descriptors();
	maps[1] = count_mappings();
	printf("{\"code\": %d, \"text\": \"", code);
	print_json(text);
	printf("\", \"fds\": [%d, %d], \"maps\": [%d, %d]}\n", fds[0], fds[1], maps[0], maps[1]);
	return 0;
}
