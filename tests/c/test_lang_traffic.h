/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lang_traffic.h - packets as the kernel's own stack makes them: connections, datagrams longer
 * than the MTU, errors, pings, ARP, broadcasts, of IPv4 and IPv6, with what a packet socket tells of
 * each beside its bytes.
 *
 * Needs root, and to be in a namespace of its own (test_bpf_live.h).
 * Threads: none. */
#ifndef TEST_LANG_TRAFFIC_H
#define TEST_LANG_TRAFFIC_H

#include "test_lang.h"

#include "test_bpf_live.h"

#define MAX_TRAFFIC 1024

static struct lang_packet traffic[MAX_TRAFFIC];
static unsigned n_traffic;

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union address address_of(const char *text, unsigned port)
{
	union address a = {.v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}};

	if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1)
		return a;
	a.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	assert_int_equal(inet_pton(AF_INET6, text, &a.v6.sin6_addr), 1);
	return a;
}

/* Somebody says something, is answered, and both hang up. */
static void talk(const char *host, unsigned port)
{
	union address to = address_of(host, port);
	int server = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), there;
	int client = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[200] = "";

	assert_int_equal(bind(server, &to.any, sizeof(to)), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(connect(client, &to.any, sizeof(to)), 0);
	there = accept(server, NULL, NULL);
	assert_int_equal(write(client, text, sizeof(text)), sizeof(text));
	assert_int_equal(read(there, text, sizeof(text)), sizeof(text));
	assert_int_equal(write(there, text, 10), 10);
	assert_int_equal(read(client, text, 10), 10);
	close(client);
	close(there);
	close(server);
}

/* With nobody there the host says so. */
static void send_datagram(const char *host, unsigned port, unsigned len)
{
	static const char text[8192];
	union address to = address_of(host, port);
	int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), 0);
	assert_int_equal(sendto(fd, text, len, 0, &to.any, sizeof(to)), len);
	close(fd);
}

static void ping(void)
{
	static const unsigned char echo[64] = {8, 0, 0xf7, 0xfd, 0, 1, 0, 1};
	union address to = address_of("127.0.0.1", 0);
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

	assert_int_equal(sendto(fd, echo, sizeof(echo), 0, &to.any, sizeof(to)), sizeof(echo));
	close(fd);
}

static void take_traffic(struct live *live)
{
	struct seen seen;

	while (n_traffic < MAX_TRAFFIC && see(live, &seen)) {
		struct lang_packet *packet = &traffic[n_traffic++];

		packet->len = ACCEL_MIN(seen.len, (unsigned)LANG_PACKET_MAX);
		memcpy(packet->data, seen.data, packet->len);
		packet->aux = seen.aux;
	}
}

static MAYBE void record_traffic(void)
{
	static const char *const hosts[] = {"127.0.0.1", "::1"};
	struct live live = {.all = open_packet(SOCK_RAW, 0)};
	int room = 8 << 20;

	assert_int_equal(setsockopt(live.all, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	assert_int_equal(system("ip link set lo mtu 1500 up && ip address add 10.9.0.1/24"
				" broadcast 10.9.0.255 dev accelva"),
			 0);
	for (unsigned i = 0; i < 2; i++) {
		talk(hosts[i], 80);
		talk(hosts[i], 5060);
		send_datagram(hosts[i], 53, 40);
		send_datagram(hosts[i], 5004, 172);
		send_datagram(hosts[i], 9999, 5000);
	}
	send_datagram("10.9.0.77", 53, 40); /* nobody: asked for by ARP */
	send_datagram("10.9.0.255", 67, 300);
	ping();
	take_traffic(&live);
	close(live.all);
}

#endif
