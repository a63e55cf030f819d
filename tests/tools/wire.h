/* SPDX-License-Identifier: BSD-3-Clause */
/* wire.h - frames of a file, sent in another network namespace and awaited in this one: when
 * wire_send() returns, every socket of this namespace has what it will get of them.
 *
 * The file has a frame a line: the sender's interface, a space, hexadecimal bytes. The number of a
 * frame is its line, from 0, and also the sequence number of the stamp (stamp.h) within it.
 *
 * Behind every hundred frames goes a mark, which is waited for. Sender and receiver are on one CPU
 * and its queue is in order, so what arrives before the mark has been given to all sockets.
 *
 * Threads: one. */
#ifndef TOOLS_WIRE_H
#define TOOLS_WIRE_H

#include "stamp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define WIRE_MAX_FRAME	256
#define WIRE_MAX_IFACES 16
#define WIRE_PER_MARK	128 /* the kernel's queue of a CPU takes 1000 */
#define WIRE_MARK_TYPE	0x88b5
#define WIRE_PATIENCE_S 60

struct wire_frame {
	unsigned iface, len;
	unsigned char data[WIRE_MAX_FRAME];
};

struct wire {
	const char *program;
	struct wire_frame *frames;
	unsigned n_frames, n_ifaces;
	char ifaces[WIRE_MAX_IFACES][IFNAMSIZ];
	int senders[WIRE_MAX_IFACES];
	int watch; /* sees the marks */
	uint64_t n_marks;
};

static inline void wire_die(const struct wire *w, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", w->program, what, strerror(errno));
	exit(1);
}

static inline unsigned wire_iface(struct wire *w, const char *name)
{
	unsigned i;

	for (i = 0; i < w->n_ifaces; i++)
		if (!strcmp(w->ifaces[i], name))
			return i;
	if (i == WIRE_MAX_IFACES || strlen(name) >= IFNAMSIZ)
		wire_die(w, "too many interfaces, or too long a name");
	memcpy(w->ifaces[i], name, strlen(name) + 1);
	w->n_ifaces++;
	return i;
}

static inline int wire_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* By hand: every process of many reads a million bytes. */
static inline void wire_read_frame(struct wire *w, struct wire_frame *f, char *line)
{
	char *hex = strchr(line, ' ');
	int high, low;

	if (!hex)
		wire_die(w, line);
	*hex++ = '\0';
	f->iface = wire_iface(w, line);
	for (f->len = 0; (high = wire_digit(hex[0])) >= 0; hex += 2) {
		low = wire_digit(hex[1]);
		if (low < 0 || f->len == WIRE_MAX_FRAME)
			wire_die(w, "a frame is too long, or ends in half a byte");
		f->data[f->len++] = (unsigned char)(high << 4 | low);
	}
}

static inline void wire_read_frames(struct wire *w, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[IFNAMSIZ + 2 * WIRE_MAX_FRAME + 8];

	if (!file)
		wire_die(w, path);
	while (fgets(line, sizeof(line), file)) {
		if (w->n_frames % 1024 == 0)
			w->frames = realloc(w->frames, (w->n_frames + 1024) * sizeof(w->frames[0]));
		if (!w->frames)
			wire_die(w, "memory");
		wire_read_frame(w, &w->frames[w->n_frames++], line);
	}
	fclose(file);
}

/* All of its senders, in the namespace that `path` names; then back. */
static inline void wire_open_senders(struct wire *w, const char *path)
{
	int there = open(path, O_RDONLY | O_CLOEXEC);
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (there < 0 || here < 0 || setns(there, CLONE_NEWNET))
		wire_die(w, path);
	for (unsigned i = 0; i < w->n_ifaces; i++) {
		struct sockaddr_ll to = {.sll_family = AF_PACKET};

		to.sll_ifindex = (int)if_nametoindex(w->ifaces[i]);
		w->senders[i] = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
		if (!to.sll_ifindex || w->senders[i] < 0 ||
		    bind(w->senders[i], (struct sockaddr *)&to, sizeof(to)))
			wire_die(w, w->ifaces[i]);
	}
	if (setns(here, CLONE_NEWNET))
		wire_die(w, "setns");
	close(there);
	close(here);
}

static inline void wire_open_watch(struct wire *w)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WIRE_MARK_TYPE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, WIRE_MAX_FRAME),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = {.len = 4, .filter = insns};
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

	w->watch = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (w->watch < 0 ||
	    setsockopt(w->watch, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ||
	    bind(w->watch, (struct sockaddr *)&to, sizeof(to)))
		wire_die(w, "the socket that sees the marks");
}

/* What the kernel sends, it queues on this CPU. */
static inline void wire_stay(struct wire *w)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof(here), &here))
		wire_die(w, "sched_setaffinity");
}

static inline void wire_open(struct wire *w, const char *program, const char *netns,
			     const char *frames)
{
	memset(w, 0, sizeof(*w));
	w->program = program;
	wire_read_frames(w, frames);
	wire_open_senders(w, netns);
	wire_open_watch(w);
	wire_stay(w);
}

/* Send a mark and wait for it; what came before is passed over. */
static inline void wire_mark(struct wire *w)
{
	unsigned char frame[60] = {2, 0x77, 0, 0, 9, 9, 2, 0x77, 0, 0, 9, 8, 0x88, 0xb5};
	unsigned char got[WIRE_MAX_FRAME];
	uint64_t number = ++w->n_marks;
	struct pollfd pfd = {.fd = w->watch, .events = POLLIN};
	struct stamp s = {.seq = STAMP_STOP};

	stamp_write(frame + 14, &s);
	memcpy(frame + 40, &number, sizeof(number));
	if (send(w->senders[0], frame, sizeof(frame), 0) != sizeof(frame))
		wire_die(w, "send");
	do {
		if (poll(&pfd, 1, WIRE_PATIENCE_S * 1000) != 1)
			wire_die(w, "no mark has come");
		if (recv(w->watch, got, sizeof(got), 0) != sizeof(frame))
			wire_die(w, "a mark of another length");
	} while (memcmp(got + 40, &number, sizeof(number)) != 0);
}

/* Frames first to last: each has been given to whoever gets it. `at_mark` makes room in their
 * queues. */
static inline void wire_send(struct wire *w, unsigned first, unsigned last, void (*at_mark)(void))
{
	for (unsigned i = first; i <= last; i++) {
		const struct wire_frame *f = &w->frames[i];

		if (send(w->senders[f->iface], f->data, f->len, 0) != (ssize_t)f->len)
			wire_die(w, "send");
		if (i != last && (i - first) % WIRE_PER_MARK != WIRE_PER_MARK - 1)
			continue;
		wire_mark(w);
		at_mark();
	}
}

#endif
