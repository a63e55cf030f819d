/* SPDX-License-Identifier: BSD-3-Clause */
/* own_malloc.c - a program that brings its own malloc, as those with jemalloc inside do, and frees
 * what libpcap gave it. Memory from any other allocator ends it with a message.
 *
 * Threads: one. */
#define _GNU_SOURCE
#include <pcap/pcap.h>
#include <pcap/namedb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Alignas(64) char arena[16 << 20];
static size_t used;

void *memalign(size_t alignment, size_t size)
{
	size_t at = (used + 16 + alignment - 1) / alignment * alignment;

	if (at + size > sizeof(arena))
		return NULL;
	memcpy(arena + at - sizeof(size), &size, sizeof(size));
	used = at + size;
	return arena + at;
}

void *malloc(size_t size)
{
	return memalign(16, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	*out = memalign(alignment, size);
	return *out ? 0 : 12;
}

void *calloc(size_t n, size_t size)
{
	return malloc(n * size); /* never reused, so zero from the start */
}

void free(void *memory)
{
	static const char text[] = "freed here, allocated elsewhere\n";
	char *at = memory;

	if (!at || (at >= arena && at < arena + sizeof(arena)))
		return;
	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(98);
	_exit(99);
}

void *realloc(void *memory, size_t size)
{
	void *fresh = malloc(size);
	size_t old = 0;

	if (memory)
		memcpy(&old, (char *)memory - sizeof(old), sizeof(old));
	if (fresh && memory)
		memcpy(fresh, memory, old < size ? old : size);
	free(memory);
	return fresh;
}

int main(void)
{
	char errbuf[PCAP_ERRBUF_SIZE];
	struct bpf_program program;
	pcap_if_t *list;
	int *numbers;
	pcap_t *p;

	if (pcap_findalldevs(&list, errbuf) < 0)
		return 1;
	pcap_freealldevs(list);
	pcap_lookupdev(errbuf); /* uses the two above, from inside */
	free(pcap_ether_aton("02:00:00:00:00:01"));
	free(pcap_ether_hostton("no.such.host.invalid"));
	p = pcap_open_dead(DLT_EN10MB, 262144);
	if (pcap_list_datalinks(p, &numbers) < 1)
		return 2;
	free(numbers); /* as programs did before pcap_free_datalinks() was there */
	if (pcap_list_datalinks(p, &numbers) < 1)
		return 3;
	pcap_free_datalinks(numbers);
	if (pcap_compile(p, &program, "udp port 53", 1, 0) < 0)
		return 4;
	pcap_freecode(&program);
	pcap_close(p);
	p = pcap_create("lo", errbuf);
	if (pcap_list_tstamp_types(p, &numbers) > 0)
		pcap_free_tstamp_types(numbers);
	pcap_close(p);
	puts("done");
	return 0;
}
