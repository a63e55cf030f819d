/* SPDX-License-Identifier: BSD-3-Clause */
/* tun_device - a device without link-layer headers, and packets that arrive on it.
 *
 *     tun_device NAME N
 *
 * Makes the tun device NAME, brings it up, prints READY. At the first line on stdin N IPv4 packets
 * arrive on it; prints SENT. Keeps the device until SIGTERM. Exit 1 with a sentence on failure.
 *
 * Threads: one. */
#include "stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "tun_device: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int make(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || sock < 0)
		die("/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr))
		die("TUNSETIFF");
	ifr.ifr_flags = IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr))
		die("SIOCSIFFLAGS");
	close(sock);
	return fd;
}

/* UDP to nobody; the checksum of the IP header is left wrong, which the tap does not mind. */
static void send_one(int fd, uint64_t seq)
{
	unsigned char packet[60] = {0x45, 0, 0,	 60, 0,	 0,   0,    0,	  64,	17,   0, 0,  10, 77,
				    99,	  1, 10, 77, 99, 200, 0x1e, 0x61, 0x1e, 0x61, 0, 40, 0,	 0};
	struct stamp s = {.seq = seq};

	stamp_write(packet + 28, &s);
	if (write(fd, packet, sizeof(packet)) != sizeof(packet))
		die("write");
}

int main(int argc, char **argv)
{
	uint64_t seq, n;
	int fd;

	if (argc != 3) {
		fprintf(stderr, "tun_device: tun_device NAME N\n");
		return 1;
	}
	n = strtoull(argv[2], NULL, 10);
	fd = make(argv[1]);
	printf("READY\n");
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	for (seq = 0; seq < n; seq++)
		send_one(fd, seq);
	printf("SENT\n");
	fflush(stdout);
	for (;;)
		pause();
}
