/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driven.h - what the programs of the benchmark share that send: the words of the command line,
 * the protocol with the driver, clocks, packet sockets.
 *
 * Whatever fails ends the program with a line on stderr.
 *
 * Threads: one. Sources: packet(7), sendmmsg(2).
 */
#ifndef BENCH_DRIVEN_H
#define BENCH_DRIVEN_H

#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A word NAME=NUMBER; the table ends with a null name. */
struct driven_option {
	const char *name;
	long *into;
};

static inline _Noreturn void fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static inline int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static inline void take_option(const struct driven_option *table, const char *name,
			       const char *value)
{
	for (; table->name; table++) {
		if (strcmp(table->name, name) == 0) {
			*table->into = strtol(value, NULL, 10);
			return;
		}
	}
	errno = EINVAL;
	fail(name);
}

/* Words dev=IF, for which add_device() is called, and those of the table. Leaves errno at EINVAL,
 * for the caller's fail() when he does not like the numbers. */
static inline void parse_options(char **words, const struct driven_option *table, void *arg,
				 void (*add_device)(void *arg, const char *name))
{
	for (; *words; words++) {
		char *equals = strchr(*words, '=');

		errno = EINVAL;
		if (!equals)
			fail(*words);
		*equals = '\0';
		if (strcmp(*words, "dev") == 0)
			add_device(arg, equals + 1);
		else
			take_option(table, *words, equals + 1);
	}
	errno = EINVAL;
}

/* Says that all is ready, and waits for the driver's line. Without a driver that is the end. */
static inline void await_go(void)
{
	char line[16];

	dprintf(STDOUT_FILENO, "ready\n");
	if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
		exit(1);
}

/* RFC 1071 over the 20 bytes of an IPv4 header whose checksum field is zero. */
static inline uint16_t ip_checksum(const uint8_t *ip)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A packet socket of an interface, past its queueing discipline. */
static inline int open_device(const char *name)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET};
	int one = 1;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	address.sll_ifindex = (int)if_nametoindex(name);
	if (address.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail(name);
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) < 0)
		fail("PACKET_QDISC_BYPASS");
	return fd;
}

/* All of them, however often the kernel has no room. */
static inline void send_messages(int fd, struct mmsghdr *messages, long n)
{
	for (long done = 0; done < n;) {
		int sent = sendmmsg(fd, messages + done, (unsigned int)(n - done), 0);

		if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			fail("sendmmsg");
		done += sent > 0 ? sent : 0;
	}
}

#endif
