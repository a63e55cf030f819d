/* SPDX-License-Identifier: BSD-3-Clause */
/* model.h - a handle of the real libpcap on the same device, which never receives a packet. It
 * knows what only the real library knows: the device's link types, how a filter is compiled for a
 * live capture on it, how a savefile of it begins.
 *
 * A handle of pcap_open_dead() would compile another dialect: on a live device VLAN tags are not in
 * the packet but beside it. The model is opened with everything that needs a privilege and used
 * after the privileges are gone. Costs two descriptors and a ring of one block, 256 KiB.
 *
 * Threads: those of the handle that it belongs to. */
#ifndef ACCEL_MODEL_H
#define ACCEL_MODEL_H

#include <stdbool.h>

struct accel_err;
struct pcap;
struct sock_filter;

/* Open on `ifname` ("any" too), which must be up. *status is what pcap_activate() said, and the
 * text what the real library says of it. The model; or NULL, with a text and *status negative. */
struct pcap *accel_model_open(const char *ifname, int snaplen, bool nano, int *status,
			      struct accel_err *err);

/* Leave the device, for `lo`; the model still knows what it has learned there. The kernel goes
 * through a device's sockets of all protocols for each packet, some 3 ns each: much where many
 * programs share the device. Blocks for the kernel's grace period, 10 ms and more: not worth it for
 * one program. */
void accel_model_step_aside(struct pcap *model);

/* Compile a filter; an accel_compile_fn, whose ctx is the model. */
int accel_model_compile(void *model, const char *text, struct sock_filter **out, unsigned *n_out,
			struct accel_err *err);

/* The same for Ethernet without a model, in the dialect of savefiles: every tag in the packet.
 * Needs no privilege; the first argument is not looked at. */
int accel_model_compile_dead(void *unused, const char *text, struct sock_filter **out,
			     unsigned *n_out, struct accel_err *err);

void accel_model_close(struct pcap *model); /* NULL is fine */

#endif
