/* SPDX-License-Identifier: BSD-3-Clause */
/* model.c - see model.h. */
#include "core/model.h"

#include "base/err.h"
#include "bpf/cbpf.h"
#include "core/real.h"
#include "kern/psock.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

/* An ethertype that IEEE has reserved: no frame carries it, so the model's socket gets none. */
#define NO_PROTOCOL 0xfffe

/* Of `lo`, in every network namespace: LOOPBACK_IFINDEX of the kernel's include/net/flow.h. */
#define LOOPBACK_IFINDEX 1

#define DEAD_SNAPLEN 262144

static int activate(struct pcap *model, int snaplen, bool nano)
{
	const struct accel_real *real = accel_real();
	int r;

	/* Without this the model would receive everything, and be in every packet's way. */
	if ((r = real->pcap_set_protocol_linux(model, NO_PROTOCOL)) != 0)
		return r;
	if ((r = real->pcap_set_snaplen(model, snaplen)) != 0)
		return r;
	if ((r = real->pcap_set_promisc(model, 0)) != 0)
		return r;
	if ((r = real->pcap_set_timeout(model, 1000)) != 0)
		return r;
	if ((r = real->pcap_set_buffer_size(model, 1)) != 0) /* the least: one block */
		return r;
	if ((r = real->pcap_set_tstamp_precision(model, nano ? PCAP_TSTAMP_PRECISION_NANO
							     : PCAP_TSTAMP_PRECISION_MICRO)) != 0)
		return r;
	return real->pcap_activate(model);
}

struct pcap *accel_model_open(const char *ifname, int snaplen, bool nano, int *status,
			      struct accel_err *err)
{
	const struct accel_real *real = accel_real();
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	struct pcap *model = real->pcap_create(ifname, errbuf);
	int r;

	if (!model) {
		*status = -1;
		accel_fail(err, 0, "%s: %s", ifname, errbuf);
		return NULL;
	}
	r = activate(model, snaplen, nano);
	if (r < 0) {
		*status = r;
		accel_fail(err, 0, "%s: %s", ifname, real->pcap_geterr(model));
		real->pcap_close(model);
		return NULL;
	}
	*status = r;
	return model;
}

void accel_model_step_aside(struct pcap *model)
{
	struct accel_psock sock = ACCEL_PSOCK_NONE;

	sock.fd = accel_real()->pcap_fileno(model);
	/* Where it fails the model is in the way, nothing else. */
	accel_psock_bind(&sock, LOOPBACK_IFINDEX, NO_PROTOCOL);
}

int accel_model_compile(void *model, const char *text, struct sock_filter **out, unsigned *n_out,
			struct accel_err *err)
{
	const struct accel_real *real = accel_real();
	struct bpf_program prog;
	struct sock_filter *copy;

	if (real->pcap_compile(model, &prog, text, 1, PCAP_NETMASK_UNKNOWN) < 0)
		return accel_fail(err, -EINVAL, "filter \"%s\": %s", text,
				  real->pcap_geterr(model));
	copy = accel_bpf_copy((const struct sock_filter *)prog.bf_insns, prog.bf_len);
	if (copy) {
		*out = copy;
		*n_out = prog.bf_len;
	}
	real->pcap_freecode(&prog);
	return copy ? 0 : accel_fail_sys(err, -ENOMEM, "filter");
}

int accel_model_compile_dead(void *unused, const char *text, struct sock_filter **out,
			     unsigned *n_out, struct accel_err *err)
{
	struct pcap *dead = accel_real()->pcap_open_dead(DLT_EN10MB, DEAD_SNAPLEN);
	int r;

	(void)unused;
	if (!dead)
		return accel_fail(err, -ENOMEM, "filter \"%s\": no libpcap to compile it", text);
	r = accel_model_compile(dead, text, out, n_out, err);
	accel_real()->pcap_close(dead);
	return r;
}

void accel_model_close(struct pcap *model)
{
	if (model)
		accel_real()->pcap_close(model);
}
