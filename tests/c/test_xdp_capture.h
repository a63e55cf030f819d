/* SPDX-License-Identifier: BSD-3-Clause */
/* test_xdp_capture.h - a capture of the AF_XDP engine by its ops table, on the pair of
 * test_xdp_veth.h, with packet sockets at the other end and where the host would receive.
 *
 * Threads: none. */
#ifndef TEST_XDP_CAPTURE_H
#define TEST_XDP_CAPTURE_H

#include "test_xdp_veth.h"

#include "backend/xdp.h"
#include "spec/option.h"

#include <dirent.h>
#include <poll.h>

#define BE     &accel_backend_xdp
#define JUMBO  9000
#define SEEN   256
#define BUFFER (8u << 20) /* of all queues together */

/* Of the captures that are opened. */
static uint32_t wanted_len = 262144; /* snaplen */
static enum accel_tstamp wanted_stamps;
static accel_log_fn *wanted_log;

struct packet {
	struct accel_pkthdr hdr;
	uint8_t data[JUMBO + 64];
};

struct capture {
	void *st;
	struct accel_device dev;
	struct accel_settings set;
	struct accel_request rq;
	int stop;
	struct accel_err err;
	int peer, host; /* packet sockets: at the other end, and where the host would receive */
	unsigned n;
	struct packet seen[SEEN];
};

static MAYBE unsigned drain(int fd)
{
	unsigned n = 0;
	char byte;

	while (recv(fd, &byte, 1, 0) >= 0)
		n++;
	return n;
}

static MAYBE void send_frame(const struct capture *c, const uint8_t *frame, unsigned len)
{
	assert_int_equal(send(c->peer, frame, len, 0), len);
}

/* 0, or the engine's refusal with its text in c->err. */
static MAYBE int try_open(struct capture *c, const char *name)
{
	int r;

	memset(c, 0, sizeof(*c));
	accel_settings_init(&c->set);
	if (accel_device_parse(name, &c->dev, &c->err) ||
	    accel_device_put_options(&c->dev, name, &c->set, &c->err))
		fail_msg("%s", c->err.text);
	c->rq = (struct accel_request){.name = name,
				       .dev = &c->dev,
				       .set = &c->set,
				       .link_type = 1,
				       .snaplen = wanted_len,
				       .tstamp = wanted_stamps,
				       .buffer_len = c->set.v[ACCEL_OPT_BUFFER].text
							     ? c->set.v[ACCEL_OPT_BUFFER].num
							     : BUFFER,
				       .promisc = true,
				       .log = wanted_log,
				       .stop = &c->stop};
	c->st = calloc(1, (BE)->state_size);
	r = (BE)->open(c->st, &c->rq, &c->err);
	if (r < 0) {
		free(c->st);
		accel_device_fini(&c->dev);
		accel_settings_fini(&c->set);
	}
	return r;
}

static MAYBE void sink(unsigned char *user, const struct accel_pkthdr *hdr,
		       const unsigned char *data)
{
	struct capture *c = (struct capture *)user;

	assert_true(c->n < SEEN && hdr->caplen <= sizeof(c->seen[0].data));
	c->seen[c->n].hdr = *hdr;
	memcpy(c->seen[c->n++].data, data, hdr->caplen);
}

/* Read until `n` packets are there, or none comes any more. */
static MAYBE unsigned read_n(struct capture *c, unsigned n, int ms)
{
	c->n = 0;
	while (c->n < n) {
		int r = (BE)->wait(c->st, ms, -1, &c->err);

		if (r < 0)
			fail_msg("%s", c->err.text);
		r = (BE)->read(c->st, (int)(n - c->n), sink, (unsigned char *)c);
		assert_true(r >= 0);
		if (r == 0 && ms < WAIT_MS)
			break;
	}
	return c->n;
}

/* Without a filter, so that it arms by reading. A new link drops what is sent until the kernel has
 * got round to starting its queues. Afterwards nothing is on its way any more. */
static MAYBE void wait_for_link(struct capture *c)
{
	uint8_t frame[60];
	unsigned n = 0;

	make_frame(frame, sizeof(frame), 0);
	for (unsigned tries = 0; n == 0 && tries < WAIT_MS; tries++) {
		send_frame(c, frame, sizeof(frame));
		n = read_n(c, 1, 1);
	}
	make_frame(frame, sizeof(frame), 1);
	send_frame(c, frame, sizeof(frame));
	while (n && c->seen[0].data[59] != frame[59])
		n = read_n(c, 1, WAIT_MS);
	assert_int_equal(n, 1);
	drain(c->host);
	drain(c->peer);
}

static MAYBE void open_capture(struct capture *c, const char *name)
{
	if (try_open(c, name))
		fail_msg("%s", c->err.text);
	c->peer = open_socket(theirs);
	c->host = open_socket(ours);
}

/* The test begins with a capture whose packets come. */
static MAYBE void open_linked(struct capture *c, const char *name)
{
	need_veth();
	open_capture(c, name);
	wait_for_link(c);
}

static MAYBE void close_capture(struct capture *c)
{
	(BE)->close(c->st);
	free(c->st);
	accel_device_fini(&c->dev);
	accel_settings_fini(&c->set);
	close(c->peer);
	close(c->host);
}

static MAYBE void set_filter(struct capture *c, const struct sock_filter *insns, unsigned n)
{
	if ((BE)->set_filter(c->st, insns, n, &c->err))
		fail_msg("%s", c->err.text);
}

static MAYBE unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Does the host get it within a moment? */
static MAYBE bool host_gets(const struct capture *c, int ms)
{
	struct pollfd pfd = {.fd = c->host, .events = POLLIN};

	return poll(&pfd, 1, ms) == 1 && drain(c->host) > 0;
}

/* Until n packets are in the rings, however they are divided. */
static MAYBE void wait_arrived(const struct xdp *x, unsigned n)
{
	unsigned there = 0;

	for (unsigned tries = 0; there < n && tries < WAIT_MS; tries++) {
		there = 0;
		for (unsigned i = 0; i < x->n_sockets; i++)
			there += accel_load_acquire(x->sockets[i].xsk.rx.producer) -
				 x->sockets[i].xsk.rx.mine;
		if (there < n)
			usleep(1000);
	}
	assert_int_equal(there, n);
}

#endif
