/* SPDX-License-Identifier: BSD-3-Clause */
/* link.c - see link.h. */
#include "kern/link.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* One interface ioctl by name. ifr keeps the answer. */
static int ask(int sock_fd, unsigned long request, const char *name, struct ifreq *ifr)
{
	memset(ifr, 0, sizeof(*ifr));
	if (strlen(name) >= sizeof(ifr->ifr_name))
		return -ENODEV;
	memcpy(ifr->ifr_name, name, strlen(name) + 1);
	return ioctl(sock_fd, request, ifr) < 0 ? -errno : 0;
}

static int fail_ask(struct accel_err *err, int r, const char *name, const char *what)
{
	if (r == -ENODEV || r == -ENXIO)
		return accel_fail(err, -ENODEV,
				  "%s: no such interface (the known ones: ip link, or tcpdump -D)",
				  name);
	return accel_fail_sys(err, r, "%s: %s", name, what);
}

int accel_link_get(int sock_fd, const char *name, struct accel_link *out, struct accel_err *err)
{
	struct accel_link link = {0};
	struct ifreq ifr;
	int r;

	if ((r = ask(sock_fd, SIOCGIFINDEX, name, &ifr)) < 0)
		return fail_ask(err, r, name, "cannot read its index");
	link.ifindex = ifr.ifr_ifindex;
	if ((r = ask(sock_fd, SIOCGIFFLAGS, name, &ifr)) < 0)
		return fail_ask(err, r, name, "cannot read its flags");
	link.is_up = ifr.ifr_flags & IFF_UP;
	link.is_loopback = ifr.ifr_flags & IFF_LOOPBACK;
	if ((r = ask(sock_fd, SIOCGIFHWADDR, name, &ifr)) < 0)
		return fail_ask(err, r, name, "cannot read its hardware type");
	link.hatype = ifr.ifr_hwaddr.sa_family;
	if ((r = ask(sock_fd, SIOCGIFMTU, name, &ifr)) < 0)
		return fail_ask(err, r, name, "cannot read its MTU");
	link.mtu = ifr.ifr_mtu;
	memcpy(link.name, name, strlen(name) + 1);
	*out = link;
	return 0;
}

int accel_link_exists(int sock_fd, int ifindex)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_ifindex = ifindex;
	if (ioctl(sock_fd, SIOCGIFNAME, &ifr) == 0)
		return 1;
	return errno == ENODEV || errno == ENXIO ? 0 : -errno;
}

int accel_link_is_up(int sock_fd, int ifindex)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_ifindex = ifindex;
	if (ioctl(sock_fd, SIOCGIFNAME, &ifr) < 0 || ioctl(sock_fd, SIOCGIFFLAGS, &ifr) < 0)
		return errno == ENXIO ? -ENODEV : -errno;
	return (ifr.ifr_flags & IFF_UP) && (ifr.ifr_flags & IFF_RUNNING);
}

bool accel_link_name_exists(const char *name, unsigned *hatype)
{
	struct ifreq ifr;
	bool found;
	int fd;

	if (!name[0] || strlen(name) >= sizeof(ifr.ifr_name))
		return false;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	found = ask(fd, SIOCGIFHWADDR, name, &ifr) == 0;
	/* "eth0:1" reaches the kernel as an alias of eth0: the answer would be eth0's. */
	if (found && strchr(name, ':'))
		found = false;
	if (found && hatype)
		*hatype = ifr.ifr_hwaddr.sa_family;
	close(fd);
	return found;
}

/* snprintf is not async-signal-safe, so the path is put together by hand. */
static uint64_t read_counter(const char *name, const char *counter)
{
	char path[96] = "/sys/class/net/", text[24];
	uint64_t value = 0;
	size_t len = strlen(path);
	ssize_t n;
	int fd;

	if (len + strlen(name) + strlen(counter) + 1 > sizeof(path))
		return 0;
	memcpy(path + len, name, strlen(name));
	memcpy(path + len + strlen(name), counter, strlen(counter) + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text));
	close(fd);
	for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	return value;
}

uint64_t accel_link_drops(const char *name)
{
	return read_counter(name, "/statistics/rx_missed_errors") +
	       read_counter(name, "/statistics/rx_fifo_errors");
}

unsigned accel_link_timestamping(int sock_fd, const char *name)
{
	struct ethtool_ts_info info;
	struct ifreq ifr;

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return 0;
	memset(&info, 0, sizeof(info));
	info.cmd = ETHTOOL_GET_TS_INFO;
	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	ifr.ifr_data = (void *)&info;
	if (ioctl(sock_fd, SIOCETHTOOL, &ifr) < 0)
		return 0;
	if (!(info.rx_filters & (1u << HWTSTAMP_FILTER_ALL)))
		return 0;
	return info.so_timestamping;
}

unsigned accel_link_queues(int sock_fd, const char *name)
{
	struct ethtool_channels channels;
	struct ifreq ifr;

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return 0;
	memset(&channels, 0, sizeof(channels));
	channels.cmd = ETHTOOL_GCHANNELS;
	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	ifr.ifr_data = (void *)&channels;
	if (ioctl(sock_fd, SIOCETHTOOL, &ifr) < 0)
		return 0;
	return channels.rx_count + channels.combined_count;
}

int accel_link_set_hwtstamp(int sock_fd, const char *name)
{
	struct hwtstamp_config config;
	struct ifreq ifr;

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return -ENODEV;
	memset(&config, 0, sizeof(config));
	config.tx_type = HWTSTAMP_TX_OFF;
	config.rx_filter = HWTSTAMP_FILTER_ALL;
	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	ifr.ifr_data = (void *)&config;
	return ioctl(sock_fd, SIOCSHWTSTAMP, &ifr) < 0 ? -errno : 0;
}
