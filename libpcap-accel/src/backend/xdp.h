/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp.h - the state of the AF_XDP engine, shared by its files:
 *   xdp.c         open, close, the ops table
 *   xdp_device.c  one device: who lives there, its sockets, its program
 *   xdp_filter.c  which program runs, and since when
 *   xdp_read.c    from descriptors to packets, in order of time
 *   xdp_wait.c    sleeping
 *
 * XDP takes packets from the host. So a device that the host lives on is refused, nothing is taken
 * before the program has set its filter or begins to read, and what the filter rejects goes to the
 * host. All that is on a device hangs on descriptors: it goes with the process.
 *
 * Threads: see backend.h. */
#ifndef ACCEL_XDP_H
#define ACCEL_XDP_H

#include "backend/backend.h"
#include "bpf/cbpf.h"
#include "bpf/xdp_prog.h"
#include "kern/bpf_sys.h"
#include "kern/host.h"
#include "kern/link.h"
#include "kern/psock.h"
#include "kern/xsk.h"

#define XDP_MAX_SOCKETS 128
#define XDP_MAX_PACKET	(72 * 1024) /* a packet of several buffers, put together */

/* What a person may choose. */
struct xdp_choices {
	bool force;		      /* take packets although the host lives there */
	enum accel_xdp_verdict rest;  /* of what the filter rejects */
	bool try_native, try_generic; /* in this order */
	enum accel_xsk_zc zc;
	uint32_t frame_len; /* 0: by the MTU */
	uint32_t n_frames;  /* a socket, a power of two */
	bool n_must_fit;
	uint32_t n_tx_frames;
};

struct xdp_device {
	struct accel_link link;
	struct accel_host host;
	enum accel_xdp_attach attach;
	bool has_fragments; /* packets may be longer than a frame */
	bool asks_vlan;	    /* the device tells the tag that it took off */
	int sockets_fd;	    /* map */
	int prog_fd, link_fd;
	unsigned first, n_sockets; /* in xdp.sockets[] */
};

struct xdp_socket {
	struct accel_xsk xsk;
	uint32_t queue;
	unsigned device; /* in xdp.devices[] */
	/* The next packet, looked at but not taken. */
	bool is_peeked;
	uint64_t time_ns;  /* of the host's clock */
	uint32_t n_descs;  /* frames that it is in */
	uint32_t n_behind; /* given back since the kernel was told */
	uint64_t n_taken;  /* packets, also those that were not for the program; as n_delivered */
};

struct xdp {
	struct accel_request rq; /* after open() without dev and set */
	struct xdp_choices opt;
	unsigned n_devices;
	struct xdp_device devices[ACCEL_MAX_IFACES];
	unsigned n_sockets;
	struct xdp_socket *sockets; /* XDP_MAX_SOCKETS; owned */
	struct accel_psock side;    /* promiscuity; and a descriptor to ask ioctl() through */
	int epoll_fd;

	bool is_armed; /* the sockets are in the maps */
	bool by_helper, has_frags;
	int32_t kfunc_ids[ACCEL_N_KFUNCS]; /* 0: the kernel has none */
	struct accel_guard guard;
	struct sock_filter *filter; /* guard and the program's filter; owned; NULL = all */
	unsigned n_filter;
	bool cuts;	   /* the filter keeps less than the snaplen of some packets */
	bool has_filtered; /* the program that runs is not the one of open() */
	bool judges_all;   /* the filter could not be loaded: the reader applies it */
	/* Packets until then, by the monotonic clock, may have met another filter. */
	uint64_t settled_ns;

	struct xdp_socket *lent;	/* whose packet the program has; NULL = nobody's */
	uint64_t clock_offset_ns;	/* realtime - monotonic */
	uint8_t *whole;			/* XDP_MAX_PACKET; owned */
	uint64_t n_delivered;		/* written by the reader, stats() reads */
	uint64_t delivered_len;		/* the same */
	uint64_t n_sent, n_send_failed; /* the same */
	uint64_t first_drops;
	bool was_busy;	    /* packets came since the last sleep */
	uint64_t looked_ms; /* when the devices were last looked for */
};

void xdp_read_options(struct xdp *x);

/* Everything about device i, from its name on; xdp_device_close() is right in every state. */
int xdp_device_open(struct xdp *x, unsigned i, struct accel_err *err);
void xdp_device_close(struct xdp *x, struct xdp_device *d);

/* Load the program that the state asks for. The descriptor, or -errno with a text. */
int xdp_load_program(struct xdp *x, const struct xdp_device *d, struct accel_err *err);

/* Begin to take packets, if that has not begun. */
void xdp_arm(struct xdp *x);
void xdp_disarm(struct xdp *x);

int xdp_set_filter(void *st, const struct sock_filter *insns, unsigned n, struct accel_err *err);
int xdp_read(void *st, int max, accel_sink sink, unsigned char *user);
int xdp_next(void *st, struct accel_pkthdr *hdr, const unsigned char **data);
int xdp_wait(void *st, int timeout_ms, int wake_fd, struct accel_err *err);

/* Is there a packet in some ring? */
bool xdp_is_ready(struct xdp *x);

#endif
