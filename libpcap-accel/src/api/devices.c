/* SPDX-License-Identifier: BSD-3-Clause */
/* devices.c - the list of devices: the real library's, in its order, copied, so that nothing
 * depends on how the real library allocates its own. Programs take the first entry, or the N-th, so
 * what we add (only with PCAP_ACCEL_LIST=1) comes behind everything else.
 *
 * Makes no system call: what it says of an interface is what the real list says.
 * Threads: any. */
#include "api/export.h"
#include "api/pcap_codes.h"
#include "base/util.h"
#include "core/real.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The engines that a list can offer, in the order in which an interface gets them. */
static const struct {
	const char *prefix;
	const char *description;
} offers[] = {
	{"afpacket:", "AF_PACKET capture on "},
};

/* How much of an address there is; as long as what libpcap allocates for one. */
static size_t sockaddr_len(const struct sockaddr *sa)
{
	switch (sa->sa_family) {
	case AF_INET:
		return sizeof(struct sockaddr_in);
	case AF_INET6:
		return sizeof(struct sockaddr_in6);
	case AF_PACKET:
		return sizeof(struct sockaddr_ll);
	default:
		return sizeof(struct sockaddr);
	}
}

/* *to = a copy of `from`, NULL for NULL. 0 or -ENOMEM. */
static int copy_sockaddr(struct sockaddr **to, const struct sockaddr *from)
{
	if (!from)
		return 0;
	*to = malloc(sockaddr_len(from));
	if (!*to)
		return -ENOMEM;
	memcpy(*to, from, sockaddr_len(from));
	return 0;
}

/* *to = "head" + "tail". 0 or -ENOMEM. */
static int join(char **to, const char *head, const char *tail)
{
	*to = malloc(strlen(head) + strlen(tail) + 1);
	if (!*to)
		return -ENOMEM;
	stpcpy(stpcpy(*to, head), tail);
	return 0;
}

static void free_addresses(struct pcap_addr *a)
{
	while (a) {
		struct pcap_addr *next = a->next;

		free(a->addr);
		free(a->netmask);
		free(a->broadaddr);
		free(a->dstaddr);
		free(a);
		a = next;
	}
}

static void free_devices(struct pcap_if *dev)
{
	while (dev) {
		struct pcap_if *next = dev->next;

		free_addresses(dev->addresses);
		free(dev->name);
		free(dev->description);
		free(dev);
		dev = next;
	}
}

/* Append copies of `from` and what follows it to *to, which is the NULL at a list's end. On failure
 * the list holds what was copied, whole enough to be freed. 0 or -ENOMEM. */
static int copy_addresses(struct pcap_addr **to, const struct pcap_addr *from)
{
	for (; from; from = from->next, to = &(*to)->next) {
		struct pcap_addr *a = *to = calloc(1, sizeof(*a));

		if (!a || copy_sockaddr(&a->addr, from->addr) < 0 ||
		    copy_sockaddr(&a->netmask, from->netmask) < 0 ||
		    copy_sockaddr(&a->broadaddr, from->broadaddr) < 0 ||
		    copy_sockaddr(&a->dstaddr, from->dstaddr) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The same for one device, under another name if `prefix` is not empty. A description of NULL stays
 * NULL, and the interface's own gives way to ours. */
static int copy_device(struct pcap_if **to, const struct pcap_if *from, const char *prefix,
		       const char *description)
{
	struct pcap_if *dev = *to = calloc(1, sizeof(*dev));
	const char *said = *prefix ? from->name : from->description;

	if (!dev || join(&dev->name, prefix, from->name) < 0)
		return -ENOMEM;
	if (said && join(&dev->description, description, said) < 0)
		return -ENOMEM;
	dev->flags = from->flags;
	return copy_addresses(&dev->addresses, from->addresses);
}

/* Up, and Ethernet by the link-layer address that the real list carries. A name with a ':' cannot
 * be written behind an engine's. */
static bool can_be_ours(const struct pcap_if *dev)
{
	if (!(dev->flags & PCAP_IF_UP) || strchr(dev->name, ':'))
		return false;
	for (const struct pcap_addr *a = dev->addresses; a; a = a->next) {
		const struct sockaddr_ll *ll = (const struct sockaddr_ll *)a->addr;

		if (ll && ll->sll_family == AF_PACKET)
			return ll->sll_hatype == ARPHRD_ETHER;
	}
	return false;
}

static bool offers_wanted(void)
{
	const char *wish = secure_getenv("PCAP_ACCEL_LIST");

	return wish && strcmp(wish, "1") == 0;
}

/* *to = the whole list. On failure *to holds what there is of it. 0 or -ENOMEM. */
static int copy_list(struct pcap_if **to, const struct pcap_if *real)
{
	const struct pcap_if *dev;

	for (dev = real; dev; dev = dev->next, to = &(*to)->next)
		if (copy_device(to, dev, "", "") < 0)
			return -ENOMEM;
	if (!offers_wanted())
		return 0;
	for (dev = real; dev; dev = dev->next) {
		if (!can_be_ours(dev))
			continue;
		for (size_t i = 0; i < ACCEL_ARRAY_LEN(offers); i++, to = &(*to)->next)
			if (copy_device(to, dev, offers[i].prefix, offers[i].description) < 0)
				return -ENOMEM;
	}
	return 0;
}

/* Replace the real library's list by ours. 0, or PCAP_ERROR with a text and *alldevs NULL. */
static int take_over(struct pcap_if **alldevs, char *errbuf)
{
	struct pcap_if *real = *alldevs;
	struct pcap_if *mine = NULL;
	int r = copy_list(&mine, real);

	accel_real()->pcap_freealldevs(real);
	if (r < 0) {
		free_devices(mine);
		mine = NULL;
		snprintf(errbuf, PCAP_ERRBUF_SIZE, "out of memory for the list of devices");
	}
	*alldevs = mine;
	return r < 0 ? PCAP_ERROR : 0;
}

int pcap_findalldevs(struct pcap_if **alldevs, char *errbuf)
{
	int r = accel_real()->pcap_findalldevs(alldevs, errbuf);

	return r < 0 || ACCEL_CALLED_BY_REAL() ? r : take_over(alldevs, errbuf);
}

int pcap_findalldevs_ex(const char *source, struct pcap_rmtauth *auth, struct pcap_if **alldevs,
			char *errbuf)
{
	int r = accel_real()->pcap_findalldevs_ex(source, auth, alldevs, errbuf);

	return r < 0 || ACCEL_CALLED_BY_REAL() ? r : take_over(alldevs, errbuf);
}

void pcap_freealldevs(struct pcap_if *alldevs)
{
	if (ACCEL_CALLED_BY_REAL())
		accel_real()->pcap_freealldevs(alldevs);
	else
		free_devices(alldevs);
}
