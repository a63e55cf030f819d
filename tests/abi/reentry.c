/* SPDX-License-Identifier: BSD-3-Clause */
/* reentry.c - a program that is not linked with libpcap and opens the system's by path, as an
 * extension of an interpreter might, while something else is preloaded in its place. Prints what it
 * got; the test compares that with a run where nothing was preloaded.
 *
 *     reentry PATH first    open it before anybody called us
 *     reentry PATH after    call us first, so that we have opened it ourselves
 *
 * Threads: one. */
#include <dlfcn.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

#define GET(name) __typeof__(name) *p_##name = dlsym(real, #name)

int main(int argc, char **argv)
{
	const char *(*version)(void);
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	const unsigned char *bytes;
	struct pcap_pkthdr *h;
	struct bpf_program program;
	struct pcap_stat st;
	pcap_if_t *list;
	bpf_u_int32 net, mask;
	pcap_t *p;
	int *dlts;
	void *real;

	if (argc != 3)
		return 2;
	*(void **)&version = dlsym(RTLD_DEFAULT, "pcap_lib_version");
	if (version && strcmp(argv[2], "after") == 0)
		version();
	real = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!real)
		return 3;
	GET(pcap_open_live);
	GET(pcap_snapshot);
	GET(pcap_datalink);
	GET(pcap_compile);
	GET(pcap_setfilter);
	GET(pcap_freecode);
	GET(pcap_setnonblock);
	GET(pcap_next_ex);
	GET(pcap_stats);
	GET(pcap_list_datalinks);
	GET(pcap_free_datalinks);
	GET(pcap_findalldevs);
	GET(pcap_freealldevs);
	GET(pcap_lookupdev);
	GET(pcap_lookupnet);
	GET(pcap_close);

	printf("nosuch0 %p", (void *)p_pcap_open_live("nosuch0", 100, 0, 10, errbuf));
	printf(" %s\n", errbuf);
	p = p_pcap_open_live("lo", 1234, 0, 10, errbuf);
	if (!p) {
		printf("lo: %s\n", errbuf);
		return 1;
	}
	printf("lo snapshot %d datalink %d\n", p_pcap_snapshot(p), p_pcap_datalink(p));
	printf("compile %d", p_pcap_compile(p, &program, "udp port 53", 1, 0));
	printf(" length %u setfilter %d\n", program.bf_len, p_pcap_setfilter(p, &program));
	p_pcap_freecode(&program);
	printf("setnonblock %d", p_pcap_setnonblock(p, 1, errbuf));
	printf(" next_ex %d stats %d\n", p_pcap_next_ex(p, &h, &bytes), p_pcap_stats(p, &st));
	printf("datalinks %d", p_pcap_list_datalinks(p, &dlts));
	printf(" first %d\n", dlts[0]);
	p_pcap_free_datalinks(dlts);
	p_pcap_close(p);

	printf("findalldevs %d", p_pcap_findalldevs(&list, errbuf));
	for (pcap_if_t *d = list; d; d = d->next)
		printf(" %s", d->name);
	p_pcap_freealldevs(list);
	printf("\nlookupdev %s\n", p_pcap_lookupdev(errbuf));
	printf("lookupnet %d\n", p_pcap_lookupnet("lo", &net, &mask, errbuf));
	return 0;
}
