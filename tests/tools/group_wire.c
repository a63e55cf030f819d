/* SPDX-License-Identifier: BSD-3-Clause */
/* group_wire - members of a group in one process, frames sent to them from another namespace, and
 * who got which.
 *
 *     group_wire NETNS FRAMES
 *
 * FRAMES is a file as wire.h has it, NETNS the path of the sender's namespace. Reads commands, a line
 * each, and answers each with a line of JSON:
 *
 *     open DEVICE       one more member; its number counts from 0 and is not given again
 *     close MEMBER
 *     send FIRST LAST   these frames, to whoever is there: members of other processes too
 *     collect FIRST LAST
 *                       for each of these frames a number whose bit m is set if member m has got it
 *                       since the last collect. "twice": how often a member got one more than
 *                       once; "dropped": of all rings
 *     end               close all; no answer
 *
 * After open and close each member has taken notice before the answer comes. Whatever fails ends the
 * program with a sentence on stderr and exit code 1.
 *
 * Threads: one. */
#include "wire.h"

#include <inttypes.h>
#include <pcap/pcap.h>
#include <time.h>

#define MAX_MEMBERS 64
#define SNAPLEN	    512 /* every stamp is there */

struct member {
	pcap_t *p;
	unsigned number;
	uint64_t n_read; /* packets, marks too */
};

static struct wire wire;
static struct member members[MAX_MEMBERS];
static unsigned n_opened;
static uint64_t *masks; /* of each frame */
static uint64_t n_twice;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "group_wire: %s: %s\n", what, why);
	exit(1);
}

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *data)
{
	struct member *m = (struct member *)user;
	uint64_t bit = UINT64_C(1) << m->number;
	struct stamp s;

	m->n_read++;
	if (!stamp_read(data, h->caplen, &s) || s.seq >= wire.n_frames)
		return;
	n_twice += (masks[s.seq] & bit) != 0;
	masks[s.seq] |= bit;
}

static void read_member(struct member *m)
{
	int r = pcap_dispatch(m->p, -1, on_packet, (u_char *)m);

	if (r < 0)
		die("pcap_dispatch", pcap_geterr(m->p));
}

/* A read that finds nothing looks what has become of the group. */
static void read_all(void)
{
	for (unsigned i = 0; i < n_opened; i++)
		if (members[i].p)
			read_member(&members[i]);
}

static void open_member(const char *device)
{
	struct member *m = &members[n_opened];
	char errbuf[PCAP_ERRBUF_SIZE];

	if (n_opened == MAX_MEMBERS)
		die("open", "too many members");
	m->number = n_opened;
	m->p = pcap_create(device, errbuf);
	if (!m->p)
		die(device, errbuf);
	pcap_set_snaplen(m->p, SNAPLEN);
	pcap_set_timeout(m->p, 1);
	if (pcap_activate(m->p) || pcap_setnonblock(m->p, 1, errbuf))
		die(device, pcap_geterr(m->p));
	n_opened++;
	read_all();
	printf("{\"member\": %u}\n", m->number);
}

static void close_member(unsigned number)
{
	if (number >= n_opened || !members[number].p)
		die("close", "there is no such member");
	pcap_close(members[number].p);
	members[number].p = NULL;
	read_all();
	printf("{\"member\": %u}\n", number);
}

/* Everything that the kernel counts as this member's. Returns what it had no room for. */
static unsigned drain(struct member *m)
{
	struct pollfd pfd = {.fd = pcap_get_selectable_fd(m->p), .events = POLLIN};
	time_t deadline = time(NULL) + WIRE_PATIENCE_S;
	struct pcap_stat st;

	for (;;) {
		if (pcap_stats(m->p, &st))
			die("pcap_stats", pcap_geterr(m->p));
		if (m->n_read >= st.ps_recv - st.ps_drop)
			return st.ps_drop;
		if (time(NULL) > deadline)
			die("drain", "the ring does not give back what it has got");
		poll(&pfd, 1, 100);
		read_member(m);
	}
}

static void check_frames(unsigned first, unsigned last)
{
	if (last >= wire.n_frames || first > last)
		die("frames", "there are no such");
}

static void send_frames(unsigned first, unsigned last)
{
	check_frames(first, last);
	wire_send(&wire, first, last, read_all);
	printf("{}\n");
}

static void collect(unsigned first, unsigned last)
{
	unsigned dropped = 0;

	check_frames(first, last);
	for (unsigned i = 0; i < n_opened; i++)
		if (members[i].p)
			dropped += drain(&members[i]);
	printf("{\"twice\": %" PRIu64 ", \"dropped\": %u, \"masks\": [", n_twice, dropped);
	for (unsigned i = first; i <= last; i++)
		printf("%s%" PRIu64, i > first ? "," : "", masks[i]);
	printf("]}\n");
	memset(masks, 0, wire.n_frames * sizeof(masks[0]));
	n_twice = 0;
}

int main(int argc, char **argv)
{
	char line[512], device[256];
	unsigned first, last;

	if (argc != 3)
		die("arguments", "NETNS FRAMES");
	wire_open(&wire, "group_wire", argv[1], argv[2]);
	masks = calloc(wire.n_frames, sizeof(masks[0]));
	if (!masks)
		die("frames", "out of memory");
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "end\n") != 0) {
		if (sscanf(line, "open %255s", device) == 1)
			open_member(device);
		else if (sscanf(line, "close %u", &first) == 1)
			close_member(first);
		else if (sscanf(line, "send %u %u", &first, &last) == 2)
			send_frames(first, last);
		else if (sscanf(line, "collect %u %u", &first, &last) == 2)
			collect(first, last);
		else
			die(line, "unknown command");
		fflush(stdout);
	}
	for (unsigned i = 0; i < n_opened; i++)
		if (members[i].p)
			pcap_close(members[i].p);
	return 0;
}
