/* SPDX-License-Identifier: BSD-3-Clause */
/* filter.c - filters, directions, sending.
 *
 * The compiler is the real library's, asked about the handle's model, so that a filter is the same
 * program that it is on the plain interface.
 *
 * Source: pcap_compile(3PCAP), pcap_setfilter(3PCAP), pcap_setdirection(3PCAP), pcap_inject(3PCAP).
 * Threads: the handle's. */
#include "api/ours.h"

#include "bpf/cbpf.h"

#include <limits.h>
#include <string.h>

int pcap_compile(struct pcap *p, struct bpf_program *program, const char *text, int optimize,
		 uint32_t netmask)
{
	struct accel_handle *h = accel_ours(p);
	int r;

	if (!h)
		return accel_real()->pcap_compile(p, program, text, optimize, netmask);
	if (!h->is_active) {
		memset(program, 0, sizeof(*program));
		return accel_say(h, PCAP_ERROR, "not-yet-activated pcap_t passed to pcap_compile");
	}
	r = accel_real()->pcap_compile(h->model, program, text, optimize, netmask);
	if (r < 0)
		return accel_say_model(h, r);
	if (h->be->expect_filter)
		h->be->expect_filter(h->st, (const struct sock_filter *)program->bf_insns,
				     program->bf_len);
	return r;
}

int pcap_setfilter(struct pcap *p, struct bpf_program *program)
{
	struct accel_handle *h = accel_ours(p);
	const struct sock_filter *insns;

	if (!h)
		return accel_real()->pcap_setfilter(p, program);
	if (!h->is_active)
		return accel_say_not_active(h);
	if (!program)
		return accel_say(h, PCAP_ERROR, "setfilter: No filter specified");
	insns = (const struct sock_filter *)program->bf_insns;
	if (!insns || accel_bpf_validate(insns, program->bf_len, &h->err) < 0)
		return accel_say(h, PCAP_ERROR, "BPF program is not valid");
	if (h->be->set_filter(h->st, insns, program->bf_len, &h->err) < 0)
		return accel_say_err(h, PCAP_ERROR);
	return 0;
}

int pcap_setdirection(struct pcap *p, unsigned int direction)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_setdirection(p, direction);
	if (direction > PCAP_D_OUT)
		return accel_say(h, PCAP_ERROR, "Invalid direction");
	if (!h->is_active)
		return accel_say_not_active(h);
	_Static_assert(PCAP_D_INOUT == (int)ACCEL_DIR_INOUT && PCAP_D_IN == (int)ACCEL_DIR_IN &&
			       PCAP_D_OUT == (int)ACCEL_DIR_OUT,
		       "directions are libpcap's");
	if (h->be->set_direction(h->st, (int)direction, &h->err) < 0)
		return accel_say_err(h, PCAP_ERROR);
	return 0;
}

static int inject(struct accel_handle *h, const void *bytes, size_t len)
{
	int r;

	if (!h->is_active)
		return accel_say_not_active(h);
	r = h->be->inject(h->st, bytes, len, &h->err);
	return r < 0 ? accel_say_err(h, PCAP_ERROR) : r;
}

int pcap_inject(struct pcap *p, const void *bytes, size_t len)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_inject(p, bytes, len);
	if (len > INT_MAX)
		return accel_say(h, PCAP_ERROR, "More than %d bytes cannot be injected", INT_MAX);
	if (len == 0)
		return accel_say(h, PCAP_ERROR,
				 "The number of bytes to be injected must not be zero");
	return inject(h, bytes, len);
}

/* libpcap returns 0 on a handle that is not activated; a program that believes it has sent is worse
 * off than one that is told. */
int pcap_sendpacket(struct pcap *p, const unsigned char *bytes, int len)
{
	struct accel_handle *h = accel_ours(p);
	int r;

	if (!h)
		return accel_real()->pcap_sendpacket(p, bytes, len);
	if (len <= 0)
		return accel_say(h, PCAP_ERROR, "The number of bytes to be sent must be positive");
	r = inject(h, bytes, (size_t)len);
	return r < 0 ? r : 0;
}
