/* SPDX-License-Identifier: BSD-3-Clause */
/* tstamp.c - see tstamp.h.
 *
 * Source: pcap-tstamp(7); SOF_TIMESTAMPING_* in Documentation/networking/timestamping.rst. */
#include "core/tstamp.h"

#include "core/pcap_abi.h"
#include "kern/link.h"
#include "kern/link_tags.h"
#include "spec/device.h"

#include <linux/net_tstamp.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

/* What XDP programs get is the device's own clock: nobody sets it to the host's. Here is what the
 * driver has; whether the stack's XDP or a group will be in the way is known, and said, when the
 * device is opened. */
static unsigned ask_for_xdp(const char *ifname)
{
	unsigned ifindex = if_nametoindex(ifname);

	return ifindex && accel_link_tells((int)ifindex) & ACCEL_TELLS_STAMP
		       ? SOF_TIMESTAMPING_RAW_HARDWARE
		       : 0;
}

static unsigned ask(const struct accel_device *dev)
{
	unsigned bits;
	int fd;

	if (dev->n_ifaces == 0)
		return 0;
	if (dev->engine == ACCEL_XDP)
		return ask_for_xdp(dev->ifaces[0].name);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	bits = accel_link_timestamping(fd, dev->ifaces[0].name);
	close(fd);
	return bits;
}

int accel_tstamp_types(const char *name, int types[ACCEL_MAX_TSTAMP_TYPES])
{
	struct accel_device dev;
	unsigned bits = 0;
	int n = 0;

	if (accel_device_parse(name, &dev, NULL) == 0) {
		bits = ask(&dev);
		accel_device_fini(&dev);
	}
	types[n++] = PCAP_TSTAMP_HOST;
	if (bits & SOF_TIMESTAMPING_SYS_HARDWARE)
		types[n++] = PCAP_TSTAMP_ADAPTER;
	if (bits & SOF_TIMESTAMPING_RAW_HARDWARE)
		types[n++] = PCAP_TSTAMP_ADAPTER_UNSYNCED;
	return n;
}
