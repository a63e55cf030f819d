/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lo.h - a network namespace of this process with `lo` up, and numbered UDP packets on it: a
 * real kernel under a unit test. Needs root; without it the tests are skipped and say why.
 *
 * Threads: send_number() any. */
#ifndef TEST_LO_H
#define TEST_LO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int lo_fd = -1, heard_fd = -1;

static int enter_namespace(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return 0; /* need_lo() says so */
	lo_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* Somebody must listen, or each packet is answered by an ICMP error. Nobody reads. */
	heard_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(lo_fd, SIOCSIFFLAGS, &ifr) < 0 ||
	    bind(heard_fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    connect(lo_fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("lo");
		return -1;
	}
	return 0;
}

static inline void need_lo(void)
{
	if (lo_fd < 0) {
		print_message("skipped: no network namespace without root\n");
		skip();
	}
}

static inline void send_number(uint32_t number)
{
	assert_int_equal(send(lo_fd, &number, sizeof(number), 0), sizeof(number));
}

#endif
