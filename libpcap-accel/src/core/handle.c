/* SPDX-License-Identifier: BSD-3-Clause */
/* handle.c - a capture's life: made, activated, freed. Reading is in handle_read.c.
 *
 * Threads: the handle's, but for accel_handle_stats(). */
#include "core/handle.h"

#include "bpf/cbpf.h"
#include "core/config.h"
#include "core/log.h"
#include "core/model.h"
#include "core/real.h"
#include "core/stats_page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_SNAPLEN 262144 /* as libpcap */

const char accel_handle_tag[] = "libpcap-accel";

struct accel_handle *accel_handle_new(const char *name)
{
	struct accel_handle *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->name = strdup(name);
	if (!h->name) {
		free(h);
		return NULL;
	}
	h->tag = accel_handle_tag;
	h->wake_fd = -1;
	accel_settings_init(&h->settings);
	return h;
}

/* Stored before it is closed: a breakloop in a signal handler must not write to a closed
 * descriptor. Another thread that breaks at this very moment still may; libpcap asks the same care
 * of programs. */
static void close_wake_fd(struct accel_handle *h)
{
	int fd = h->wake_fd;

	accel_store_release(&h->wake_fd, -1);
	if (fd >= 0)
		close(fd);
}

/* Back to "created". */
static void deactivate(struct accel_handle *h)
{
	accel_stats_page_close(h);
	if (h->is_active)
		h->be->close(h->st);
	h->is_active = false;
	free(h->st);
	h->st = NULL;
	accel_model_close(h->model);
	h->model = NULL;
	close_wake_fd(h);
	accel_device_fini(&h->dev);
	memset(&h->dev, 0, sizeof(h->dev));
	accel_settings_fini(&h->settings);
	accel_settings_init(&h->settings);
	h->fallback[0] = '\0';
}

void accel_handle_free(struct accel_handle *h)
{
	deactivate(h);
	accel_settings_fini(&h->settings);
	free(h->name);
	h->tag = NULL;
	free(h);
}

static int open_wake_fd(struct accel_handle *h)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		return accel_fail_sys(&h->err, -errno, "Could not open eventfd");
	h->wake_fd = fd;
	return 0;
}

/* ---- activation, step by step ---- */

static int read_settings(struct accel_handle *h)
{
	int r = accel_device_parse(h->name, &h->dev, &h->err);

	if (r < 0)
		return r;
	h->be = accel_backend_find(h->dev.engine);
	return accel_config_gather(h->name, &h->dev, &h->settings, &h->err);
}

static bool choose_bool(const struct accel_value *v, bool asked)
{
	return v->from > ACCEL_FROM_CALL ? v->num != 0 : asked;
}

/* Weigh the program's calls against the options: what a person wrote for this capture goes
 * first. */
static struct accel_request make_request(struct accel_handle *h)
{
	const struct accel_value *v = h->settings.v;
	bool buffer_named = v[ACCEL_OPT_BUFFER].from > ACCEL_FROM_CALL;

	h->snapshot = h->snaplen <= 0 || h->snaplen > MAX_SNAPLEN ? MAX_SNAPLEN : h->snaplen;
	if (v[ACCEL_OPT_CAPLEN].from > ACCEL_FROM_CALL && v[ACCEL_OPT_CAPLEN].num > 0)
		h->snapshot = (int)v[ACCEL_OPT_CAPLEN].num;
	return (struct accel_request){
		.name = h->name,
		.dev = &h->dev,
		.set = &h->settings,
		.snaplen = (uint32_t)h->snapshot,
		.buffer_len = buffer_named	  ? v[ACCEL_OPT_BUFFER].num
			      : h->buffer_len > 0 ? (uint64_t)h->buffer_len
						  : 0,
		.buffer_must_fit = buffer_named,
		.promisc = choose_bool(&v[ACCEL_OPT_PROMISC], h->promisc),
		.immediate = choose_bool(&v[ACCEL_OPT_IMMEDIATE], h->immediate),
		.nano = h->tstamp_precision == PCAP_TSTAMP_PRECISION_NANO,
		.timeout_ms = h->timeout_ms,
		.tstamp = h->tstamp_type == PCAP_TSTAMP_ADAPTER ? ACCEL_TSTAMP_ADAPTER
			  : h->tstamp_type == PCAP_TSTAMP_ADAPTER_UNSYNCED
				  ? ACCEL_TSTAMP_ADAPTER_UNSYNCED
				  : ACCEL_TSTAMP_HOST,
		.protocol = (unsigned)h->protocol,
		.compile_filter = accel_model_compile,
		.log = accel_log,
		.stop = &h->stop,
	};
}

static int open_model(struct accel_handle *h, struct accel_request *rq)
{
	char ifname[ACCEL_IFNAME_LEN];
	int r = h->be->resolve(rq, ifname, &h->err);

	if (r < 0)
		return r;
	h->model = accel_model_open(ifname, h->snapshot, rq->nano, &h->model_status, &h->err);
	if (!h->model)
		return -EREMOTEIO;
	h->model_status = 0;
	if (rq->set->v[ACCEL_OPT_GROUP].from != ACCEL_FROM_DEFAULT)
		accel_model_step_aside(h->model);
	rq->compile_ctx = h->model;
	rq->link_type = accel_real()->pcap_datalink(h->model);
	return 0;
}

static int open_engine(struct accel_handle *h, const struct accel_request *rq)
{
	int r;

	h->st = calloc(1, h->be->state_size);
	if (!h->st)
		return accel_fail_sys(&h->err, -ENOMEM, "%s", h->name);
	if ((r = h->be->open(h->st, rq, &h->err)) < 0)
		return r;
	h->is_active = true;
	return accel_handle_set_nonblock(h, h->nonblock);
}

/* XDP cannot be had here: capture with packet sockets, if that was allowed, and see what XDP would
 * see, received packets. A device that is not there is not there for them either, a computation
 * they would pass over, and a group is another thing there. */
static int fall_back(struct accel_handle *h, const struct accel_request *rq, int r)
{
	const char *computation = h->settings.v[ACCEL_OPT_COMPUTATION].text;

	if (h->is_active || h->be->engine != ACCEL_XDP ||
	    h->settings.v[ACCEL_OPT_FALLBACK].num == 0 || r == -ENODEV || r == -ENETDOWN ||
	    h->settings.v[ACCEL_OPT_GROUP].from != ACCEL_FROM_DEFAULT ||
	    (computation && *computation))
		return r;
	accel_log(ACCEL_LOG_WARNING, "%s (fallback to afpacket)", h->err.text);
	snprintf(h->fallback, sizeof(h->fallback), "%s", h->err.text);
	free(h->st);
	h->st = NULL;
	h->be = accel_backend_find(ACCEL_AFPACKET);
	r = open_engine(h, rq);
	return r ? r : h->be->set_direction(h->st, ACCEL_DIR_IN, &h->err);
}

static void log_activation(struct accel_handle *h, int r)
{
	char text[512];

	if (r < 0) {
		accel_log(ACCEL_LOG_ERROR, "%s", h->err.text);
	} else if (accel_log_wants(ACCEL_LOG_INFO)) {
		accel_handle_explain(h, text, sizeof(text));
		text[strcspn(text, "\n")] = '\0';
		accel_log(ACCEL_LOG_INFO, "%s", text);
	}
}

int accel_handle_activate(struct accel_handle *h)
{
	struct accel_request rq;
	int r;

	h->model_status = 0;
	r = read_settings(h);
	if (r == 0) {
		rq = make_request(h);
		r = open_model(h, &rq);
		if (r == 0 && (r = open_engine(h, &rq)) < 0)
			r = fall_back(h, &rq, r);
	}
	log_activation(h, r);
	if (r == -EINTR) /* the break is spent: a program may try again */
		accel_store_relaxed(&h->stop, 0);
	if (r < 0)
		deactivate(h);
	else
		accel_stats_page_open(h);
	return r;
}

/* ---- states ---- */

int accel_handle_set_nonblock(struct accel_handle *h, bool nonblock)
{
	int fd, flags, r;

	h->nonblock = h->is_active ? h->nonblock : nonblock;
	if (!h->is_active)
		return 0;
	/* The eventfd exists in blocking mode only, as in libpcap: a program that has run out of
	 * descriptors learns that it cannot be woken. */
	if (!nonblock && h->wake_fd < 0 && (r = open_wake_fd(h)) < 0)
		return r;
	fd = h->be->sock_fd(h->st);
	flags = fcntl(fd, F_GETFL); /* they matter for what the program sends */
	if (flags < 0 ||
	    fcntl(fd, F_SETFL, nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
		return accel_fail_sys(&h->err, -errno, "fcntl");
	if (nonblock)
		close_wake_fd(h);
	h->nonblock = nonblock;
	return 0;
}

void accel_handle_stats(struct accel_handle *h, struct accel_stats *out)
{
	int saved_errno = errno;

	h->be->stats(h->st, out);
	errno = saved_errno;
}

static const char *const source_names[] = {
	[ACCEL_FROM_AMBIENT] = "the system's file",
	[ACCEL_FROM_ENV] = "the environment",
	[ACCEL_FROM_FILE] = "the device's file",
	[ACCEL_FROM_DEVICE] = "the device string",
};

/* Append at *n, which goes on counting where the room has ended. */
static ACCEL_PRINTF(4, 5) void append(char *out, size_t len, size_t *n, const char *fmt, ...)
{
	va_list ap;
	int more;

	va_start(ap, fmt);
	more = vsnprintf(*n < len ? out + *n : NULL, *n < len ? len - *n : 0, fmt, ap);
	va_end(ap);
	*n += more > 0 ? (size_t)more : 0;
}

int accel_handle_explain(struct accel_handle *h, char *out, size_t len)
{
	char engine[256] = "not activated";
	const struct accel_value *v;
	size_t n = 0;

	if (h->is_active)
		h->be->describe(h->st, engine, sizeof(engine));
	append(out, len, &n, "%s: %s%s", h->name, h->fallback[0] ? "fallback to afpacket, " : "",
	       engine);
	if (h->fallback[0])
		append(out, len, &n, "\n  because %s", h->fallback);
	for (int i = 0; i < ACCEL_N_OPTS; i++) {
		v = &h->settings.v[i];
		if (v->from != ACCEL_FROM_DEFAULT && v->text)
			append(out, len, &n, "\n  %s = %s (from %s)", accel_opt_table[i].key,
			       v->text, source_names[v->from]);
	}
	return (int)n;
}
