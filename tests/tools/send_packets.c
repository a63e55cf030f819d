/* SPDX-License-Identifier: BSD-3-Clause */
/* send_packets - send numbered packets on an interface, through a packet socket.
 *
 *     send_packets -i IF [-n COUNT] [-r RATE] [-s SIZE] [-f FLOWS] [-b] [-p PROTO] [-6]
 *                  [-v TPID:VLAN[,TPID:VLAN...]] [-q FIRST] [-d PORT] [-e] [-c]
 *
 *     -n COUNT  how many (1); 0 sends until SIGTERM
 *     -r RATE   packets a second; 0 is as fast as it goes, 64 in one call (0)
 *     -s SIZE   bytes on the wire without FCS; raised to what the headers and the stamp need (60)
 *     -f FLOWS  spread over this many flows (1)
 *     -b        every second packet goes the other way: addresses and ports exchanged
 *     -p PROTO  udp, tcp, icmp or arp (udp)
 *     -6        IPv6
 *     -v TAGS   tags in the frame itself, outermost first: 0x88a8:200,0x8100:100
 *     -q FIRST  sequence number of the first packet (0)
 *     -d PORT   destination port of the forward direction (7777)
 *     -e        one more packet at the end that says "stop"
 *     -c        the destination address is broadcast; otherwise nobody's
 *
 * Packet k has the sequence number FIRST+k in its payload (stamp.h). Prints one JSON line:
 * {"sent": N, "first": FIRST}. Exit 0; 1 with a sentence on stderr.
 *
 * Threads: one. */
#include "stamp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_TAGS  4
#define MAX_FRAME 9216
#define BATCH	  64

struct plan {
	const char *iface;
	uint64_t count, rate, first;
	uint32_t size, flows;
	uint16_t port;
	uint8_t protocol; /* IPPROTO_..., 0 = ARP */
	bool both_ways, ipv6, end, broadcast;
	unsigned n_tags;
	struct {
		uint16_t tpid, tci;
	} tags[MAX_TAGS];
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "send_packets: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned char *put16(unsigned char *at, unsigned value)
{
	at[0] = value >> 8;
	at[1] = value & 255;
	return at + 2;
}

static uint32_t sum16(const unsigned char *data, size_t len, uint32_t sum)
{
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += data[i] << 8 | data[i + 1];
	if (len & 1)
		sum += data[len - 1] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* 10.77.100.x and 10.77.200.x, or fd77::64:x and fd77::c8:x: nobody's. */
static void address(unsigned char *at, const struct plan *p, bool second, uint32_t flow)
{
	unsigned char net = second ? 200 : 100, host = 1 + flow % 250;

	if (p->ipv6) {
		const unsigned char v6[16] = {0xfd, 0x77, 0, 0, 0, 0,	0, 0,
					      0,    0,	  0, 0, 0, net, 0, host};

		memcpy(at, v6, 16);
	} else {
		const unsigned char v4[4] = {10, 77, net, host};

		memcpy(at, v4, 4);
	}
}

static unsigned char *put_ethernet(unsigned char *at, const struct plan *p, bool reverse)
{
	unsigned i, type = p->ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP;

	memcpy(at, p->broadcast ? "\xff\xff\xff\xff\xff\xff" : "\x02\x77\0\0\0\x02", 6);
	memcpy(at + 6, "\x02\x77\0\0\0\x01", 6);
	if (reverse && !p->broadcast) {
		at[5] = 1;
		at[11] = 2;
	}
	at += 12;
	for (i = 0; i < p->n_tags; i++) {
		at = put16(at, p->tags[i].tpid);
		at = put16(at, p->tags[i].tci);
	}
	return put16(at, p->protocol ? type : ETHERTYPE_ARP);
}

static unsigned char *put_arp(unsigned char *at, const struct plan *p, const struct stamp *s)
{
	static const unsigned char head[8] = {0, 1, 8, 0, 6, 4, 0, 1};

	memset(at, 0, 28);
	memcpy(at, head, sizeof(head));
	memcpy(at + 8, "\x02\x77\0\0\0\x01", 6);
	address(at + 14, p, s->reverse, s->flow);
	address(at + 24, p, !s->reverse, s->flow);
	return at + 28;
}

static unsigned char *put_ip(unsigned char *at, const struct plan *p, const struct stamp *s,
			     uint32_t len)
{
	if (p->ipv6) {
		memset(at, 0, 8);
		at[0] = 0x60;
		put16(at + 4, len - 40);
		at[6] = p->protocol == IPPROTO_ICMP ? IPPROTO_ICMPV6 : p->protocol;
		at[7] = 64;
		address(at + 8, p, s->reverse, s->flow);
		address(at + 24, p, !s->reverse, s->flow);
		return at + 40;
	}
	memset(at, 0, 12);
	at[0] = 0x45;
	put16(at + 2, len);
	put16(at + 4, s->seq & 0xffff);
	at[8] = 64;
	at[9] = p->protocol;
	address(at + 12, p, s->reverse, s->flow);
	address(at + 16, p, !s->reverse, s->flow);
	put16(at + 10, fold(sum16(at, 20, 0)));
	return at + 20;
}

static unsigned char *put_transport(unsigned char *at, const struct plan *p, const struct stamp *s,
				    uint32_t len)
{
	unsigned source = 1024 + s->flow % 60000;

	if (p->protocol == IPPROTO_ICMP) {
		at[0] = p->ipv6 ? (s->reverse ? 129 : 128) : (s->reverse ? 0 : 8);
		at[1] = 0;
		put16(at + 4, source);
		put16(at + 6, s->seq & 0xffff);
		return at + 8;
	}
	put16(at, s->reverse ? p->port : source);
	put16(at + 2, s->reverse ? source : p->port);
	if (p->protocol == IPPROTO_UDP) {
		put16(at + 4, len);
		return at + 8;
	}
	memset(at + 4, 0, 16);
	put16(at + 6, s->seq & 0xffff);
	at[12] = 0x50;
	at[13] = 0x10;
	put16(at + 14, 1024);
	return at + 20;
}

/* The checksum of UDP, TCP and ICMP, over the finished packet. */
static void put_checksum(unsigned char *ip, unsigned char *l4, const struct plan *p, uint32_t len)
{
	unsigned at = p->protocol == IPPROTO_UDP ? 6 : p->protocol == IPPROTO_TCP ? 16 : 2;
	unsigned proto = p->protocol;
	uint32_t sum = 0;
	uint16_t check;

	if (p->ipv6 && proto == IPPROTO_ICMP)
		proto = IPPROTO_ICMPV6;
	if (proto != IPPROTO_ICMP)
		sum = sum16(ip + (p->ipv6 ? 8 : 12), p->ipv6 ? 32 : 8, proto + len);
	put16(l4 + at, 0);
	check = fold(sum16(l4, len, sum));
	put16(l4 + at, check || proto != IPPROTO_UDP ? check : 0xffff);
}

/* Returns the length of the frame. */
static uint32_t build(unsigned char *frame, const struct plan *p, const struct stamp *s)
{
	unsigned char *at = put_ethernet(frame, p, s->reverse), *ip = at, *l4;
	uint32_t head, l4_len, size;

	if (!p->protocol)
		head = at - frame + 28;
	else
		head = at - frame + (p->ipv6 ? 40 : 20) + (p->protocol == IPPROTO_TCP ? 20 : 8);
	size = p->size > head + STAMP_LEN ? p->size : head + STAMP_LEN;
	memset(frame + head, 0, size - head);
	stamp_write(frame + head, s);
	if (!p->protocol) {
		put_arp(at, p, s);
		return size;
	}
	l4 = put_ip(at, p, s, size - (ip - frame));
	l4_len = size - (l4 - frame);
	put_transport(l4, p, s, l4_len);
	put_checksum(ip, l4, p, l4_len);
	return size;
}

static struct stamp stamp_of(const struct plan *p, uint64_t k)
{
	struct stamp s = {.seq = p->first + k};

	if (p->both_ways) {
		s.reverse = k & 1;
		k /= 2;
	}
	s.flow = k % p->flows;
	return s;
}

static int open_socket(const char *iface)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	to.sll_ifindex = if_nametoindex(iface);
	if (!to.sll_ifindex)
		die(iface);
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)))
		die("bind");
	return fd;
}

/* Sends all of the batch; waits where the queue is full. How many were sent: fewer after a signal.
 * */
static unsigned send_batch(int fd, struct mmsghdr *msgs, unsigned n)
{
	unsigned done = 0;

	while (done < n && !stopped) {
		int r = sendmmsg(fd, msgs + done, n - done, 0);

		if (r > 0)
			done += r;
		else if (errno == ENOBUFS || errno == EAGAIN)
			usleep(100);
		else if (errno != EINTR)
			die("sendmmsg");
	}
	return done;
}

static void pace(struct timespec *next, uint64_t rate)
{
	next->tv_nsec += 1000000000 / rate;
	if (next->tv_nsec >= 1000000000) {
		next->tv_nsec -= 1000000000;
		next->tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

static uint64_t run(int fd, const struct plan *p)
{
	static unsigned char frames[BATCH][MAX_FRAME];
	struct mmsghdr msgs[BATCH] = {0};
	struct iovec iov[BATCH];
	struct timespec next;
	uint64_t k = 0;

	clock_gettime(CLOCK_MONOTONIC, &next);
	while (!stopped && (!p->count || k < p->count)) {
		unsigned i, n = p->rate ? 1 : BATCH;

		if (p->count && p->count - k < n)
			n = p->count - k;
		for (i = 0; i < n; i++) {
			struct stamp s = stamp_of(p, k + i);

			iov[i].iov_base = frames[i];
			iov[i].iov_len = build(frames[i], p, &s);
			msgs[i].msg_hdr.msg_iov = &iov[i];
			msgs[i].msg_hdr.msg_iovlen = 1;
		}
		if (p->rate)
			pace(&next, p->rate);
		k += send_batch(fd, msgs, n);
	}
	if (p->end) {
		struct stamp s = {.seq = STAMP_STOP};

		iov[0].iov_base = frames[0];
		iov[0].iov_len = build(frames[0], p, &s);
		msgs[0].msg_hdr.msg_iov = &iov[0];
		msgs[0].msg_hdr.msg_iovlen = 1;
		stopped = 0;
		send_batch(fd, msgs, 1);
	}
	return k;
}

static void read_tags(struct plan *p, const char *text)
{
	char *end;

	do {
		if (p->n_tags == MAX_TAGS)
			goto bad;
		p->tags[p->n_tags].tpid = strtoul(text, &end, 16);
		if (*end != ':')
			goto bad;
		p->tags[p->n_tags++].tci = strtoul(end + 1, &end, 10);
		text = end + 1;
	} while (*end == ',');
	if (!*end)
		return;
bad:
	fprintf(stderr, "send_packets: -v: '%s' (would be right: 0x8100:100,0x8100:5)\n", text);
	exit(1);
}

static void read_protocol(struct plan *p, const char *name)
{
	if (!strcmp(name, "udp"))
		p->protocol = IPPROTO_UDP;
	else if (!strcmp(name, "tcp"))
		p->protocol = IPPROTO_TCP;
	else if (!strcmp(name, "icmp"))
		p->protocol = IPPROTO_ICMP;
	else if (!strcmp(name, "arp"))
		p->protocol = 0;
	else {
		fprintf(stderr, "send_packets: -p: unknown '%s' (known: udp, tcp, icmp, arp)\n",
			name);
		exit(1);
	}
}

static void read_options(struct plan *p, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "i:n:r:s:f:bp:6v:q:d:ec")) != -1) {
		switch (c) {
		case 'i':
			p->iface = optarg;
			break;
		case 'n':
			p->count = strtoull(optarg, NULL, 10);
			break;
		case 'r':
			p->rate = strtoull(optarg, NULL, 10);
			break;
		case 's':
			p->size = strtoul(optarg, NULL, 10);
			break;
		case 'f':
			p->flows = strtoul(optarg, NULL, 10);
			break;
		case 'b':
			p->both_ways = true;
			break;
		case 'p':
			read_protocol(p, optarg);
			break;
		case '6':
			p->ipv6 = true;
			break;
		case 'v':
			read_tags(p, optarg);
			break;
		case 'q':
			p->first = strtoull(optarg, NULL, 10);
			break;
		case 'd':
			p->port = strtoul(optarg, NULL, 10);
			break;
		case 'e':
			p->end = true;
			break;
		case 'c':
			p->broadcast = true;
			break;
		default:
			exit(1);
		}
	}
	if (!p->iface || !p->flows || p->size > MAX_FRAME || optind != argc) {
		fprintf(stderr, "send_packets: -i IF is needed, -f at least 1, -s at most %d\n",
			MAX_FRAME);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct plan p = {.count = 1, .size = 60, .flows = 1, .port = 7777, .protocol = IPPROTO_UDP};
	uint64_t sent;

	read_options(&p, argc, argv);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	sent = run(open_socket(p.iface), &p);
	printf("{\"sent\": %" PRIu64 ", \"first\": %" PRIu64 "}\n", sent, p.first);
	return 0;
}
