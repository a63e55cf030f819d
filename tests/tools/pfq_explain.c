/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_explain - activate a device and print what pcap_accel_explain() says of it.
 *
 *     pfq_explain DEVICE
 *
 * Our library must be preloaded.
 *
 * Threads: one. */
#include <dlfcn.h>
#include <pcap/pcap.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	int (*explain)(pcap_t *, char *, size_t) =
		(int (*)(pcap_t *, char *, size_t))dlsym(RTLD_DEFAULT, "pcap_accel_explain");
	char errbuf[PCAP_ERRBUF_SIZE], text[4096];
	pcap_t *p = argc == 2 && explain ? pcap_create(argv[1], errbuf) : NULL;

	if (!p)
		return 2;
	if (pcap_activate(p) != 0) {
		puts(pcap_geterr(p));
		return 1;
	}
	explain(p, text, sizeof(text));
	puts(text);
	pcap_close(p);
	return 0;
}
