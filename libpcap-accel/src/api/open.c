/* SPDX-License-Identifier: BSD-3-Clause */
/* open.c - handles are made, activated, closed: here a name becomes ours or the real library's.
 *
 * The real library calls its own pcap_create() and pcap_close() through us unless it is bound deep:
 * what it creates must be its own, whatever the name.
 *
 * Source: pcap_create(3PCAP), pcap_activate(3PCAP), pcap_open_live(3PCAP).
 * Threads: as libpcap's: any, on different handles. */
#include "api/ours.h"
#include "core/config.h"
#include "core/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Is the name ours? 1: *h is a created handle; 0: it is not; PCAP_ERROR with a text in errbuf. */
static int create_ours(const char *device, struct accel_handle **h, char *errbuf)
{
	struct accel_err err = {""};
	char *target;
	int r = accel_config_resolve(device, &target, &err);

	if (r == 0 && !target)
		return 0;
	if (r == 0) {
		*h = accel_handle_new(target);
		free(target);
		if (*h) {
			*errbuf = '\0';
			return 1;
		}
		r = -ENOMEM;
	}
	if (!err.text[0])
		accel_fail_sys(&err, r, "%.60s", device);
	accel_fill(errbuf, "%s", err.text);
	return PCAP_ERROR;
}

struct pcap *pcap_create(const char *device, char *errbuf)
{
	struct accel_handle *h = NULL;
	int r = ACCEL_CALLED_BY_REAL() ? 0 : create_ours(device, &h, errbuf);

	if (r == 0)
		return accel_real()->pcap_create(device, errbuf);
	return (struct pcap *)h;
}

static int activation_code(const struct accel_handle *h, int r)
{
	switch (r) {
	case -EREMOTEIO:
		return h->model_status < 0 ? h->model_status : PCAP_ERROR;
	case -ENODEV:
		return PCAP_ERROR_NO_SUCH_DEVICE;
	case -ENETDOWN:
		return PCAP_ERROR_IFACE_NOT_UP;
	case -EPERM:
		return PCAP_ERROR_PERM_DENIED;
	default:
		return PCAP_ERROR;
	}
}

static int activate(struct accel_handle *h)
{
	int r;

	if (h->is_active)
		return accel_say(h, PCAP_ERROR_ACTIVATED,
				 "can't perform  operation on activated capture");
	if (h->rfmon)
		return accel_say(h, PCAP_ERROR_RFMON_NOTSUP,
				 "%s: no monitor mode (capture on the interface itself)", h->name);
	r = accel_handle_activate(h);
	if (r < 0)
		return accel_say_err(h, activation_code(h, r));
	h->errbuf[0] = '\0';
	return 0;
}

int pcap_activate(struct pcap *p)
{
	struct accel_handle *h = accel_ours(p);

	return h ? activate(h) : accel_real()->pcap_activate(p);
}

/* What libpcap's open_live says of a failed activation. */
static void compose_error(const struct accel_handle *h, const char *device, int code, char *errbuf)
{
	const char *what = accel_real()->pcap_statustostr(code);

	if (code == PCAP_ERROR)
		accel_fill(errbuf, "%.100s: %s", device, h->errbuf);
	else if (h->errbuf[0])
		accel_fill(errbuf, "%.100s: %s (%s)", device, what, h->errbuf);
	else
		accel_fill(errbuf, "%.100s: %s", device, what);
}

static struct pcap *open_ours(struct accel_handle *h, const char *device, char *errbuf)
{
	int r;

	r = activate(h);
	if (r < 0) {
		compose_error(h, device, r, errbuf);
		accel_handle_free(h);
		return NULL;
	}
	return (struct pcap *)h;
}

struct pcap *pcap_open_live(const char *device, int snaplen, int promisc, int to_ms, char *errbuf)
{
	struct accel_handle *h = NULL;
	int r = ACCEL_CALLED_BY_REAL() ? 0 : create_ours(device, &h, errbuf);

	if (r == 0)
		return accel_real()->pcap_open_live(device, snaplen, promisc, to_ms, errbuf);
	if (r < 0)
		return NULL;
	h->snaplen = snaplen;
	h->promisc = promisc != 0;
	h->timeout_ms = to_ms;
	return open_ours(h, device, errbuf);
}

struct pcap *pcap_open(const char *source, int snaplen, int flags, int read_timeout,
		       struct pcap_rmtauth *auth, char *errbuf)
{
	struct accel_handle *h = NULL;
	int r = ACCEL_CALLED_BY_REAL() ? 0 : create_ours(source, &h, errbuf);

	if (r == 0)
		return accel_real()->pcap_open(source, snaplen, flags, read_timeout, auth, errbuf);
	if (r < 0)
		return NULL;
	h->snaplen = snaplen;
	h->promisc = flags & PCAP_OPENFLAG_PROMISCUOUS;
	h->immediate = flags & PCAP_OPENFLAG_MAX_RESPONSIVENESS;
	h->timeout_ms = read_timeout;
	return open_ours(h, source, errbuf);
}

void pcap_close(struct pcap *p)
{
	struct accel_handle *h = accel_ours(p);

	if (h)
		accel_handle_free(h);
	else
		accel_real()->pcap_close(p);
}

/* The network of our device: that of its only interface. Several have none in common; the answer of
 * libpcap for devices without a network is 0, which programs take for "unknown". */
int pcap_lookupnet(const char *device, uint32_t *net, uint32_t *mask, char *errbuf)
{
	struct accel_device dev;
	char *target = NULL;
	int r;

	if (ACCEL_CALLED_BY_REAL() || accel_config_resolve(device, &target, NULL) < 0 || !target)
		return accel_real()->pcap_lookupnet(device, net, mask, errbuf);
	*net = *mask = 0;
	r = accel_device_parse(target, &dev, NULL);
	free(target);
	if (r < 0)
		return 0;
	if (dev.n_ifaces == 1 &&
	    accel_real()->pcap_lookupnet(dev.ifaces[0].name, net, mask, errbuf) < 0)
		*net = *mask = 0;
	accel_device_fini(&dev);
	*errbuf = '\0';
	return 0;
}
