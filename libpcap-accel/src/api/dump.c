/* SPDX-License-Identifier: BSD-3-Clause */
/* dump.c - savefiles: begun by the real library, of a handle of ours as of its model, which has
 * the same link type, snaplen and precision; records are written here.
 *
 * Source: pcap_dump_open(3PCAP), pcap_dump(3PCAP), pcap-savefile(5).
 * Threads: the handle's. */
#include "api/ours.h"

#include <string.h>
#include <sys/single_threaded.h>

static struct pcap_dumper *refuse(struct accel_handle *h, const char *path, const char *function)
{
	accel_say(h, 0, "%.150s: not-yet-activated pcap_t passed to %s", path, function);
	return NULL;
}

/* Hand on what the model's failure said. */
static struct pcap_dumper *check(struct accel_handle *h, struct pcap_dumper *dumper)
{
	if (!dumper)
		accel_say_model(h, 0);
	return dumper;
}

struct pcap_dumper *pcap_dump_open(struct pcap *p, const char *path)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_dump_open(p, path);
	if (!h->is_active)
		return refuse(h, path, "pcap_dump_open");
	return check(h, accel_real()->pcap_dump_open(h->model, path));
}

struct pcap_dumper *pcap_dump_open_append(struct pcap *p, const char *path)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_dump_open_append(p, path);
	if (!h->is_active)
		return refuse(h, path, "pcap_dump_open_append");
	return check(h, accel_real()->pcap_dump_open_append(h->model, path));
}

struct pcap_dumper *pcap_dump_fopen(struct pcap *p, FILE *file)
{
	struct accel_handle *h = accel_ours(p);

	if (!h)
		return accel_real()->pcap_dump_fopen(p, file);
	if (!h->is_active)
		return refuse(h, "stream", "pcap_dump_fopen");
	return check(h, accel_real()->pcap_dump_fopen(h->model, file));
}

/* A record's header in a savefile, in the byte order of the machine that writes it. */
struct record_header {
	int32_t seconds, fraction;
	uint32_t caplen, len;
};

#define COPY_UP_TO 2048 /* bytes of a packet: copying these is cheaper than a second stdio call */

/* A stream's lock costs more than the copying, and a single thread needs none. */
static void write_record(FILE *f, const void *record, size_t len)
{
	if (__libc_single_threaded)
		fwrite_unlocked(record, len, 1, f);
	else
		fwrite(record, len, 1, f);
}

/* Own, because it is what `tcpdump -w` does all day: one call of stdio for header and packet, where
 * libpcap makes two. A dumper is a FILE in every release. */
void pcap_dump(unsigned char *user, const struct pcap_pkthdr *h, const unsigned char *bytes)
{
	struct {
		struct record_header header;
		unsigned char bytes[COPY_UP_TO];
	} record;
	FILE *f = (FILE *)user;

	/* A file that has lost a record stays readable only up to there. */
	if (ferror_unlocked(f))
		return;
	record.header = (struct record_header){
		.seconds = (int32_t)h->ts.tv_sec,
		.fraction = (int32_t)h->ts.tv_usec,
		.caplen = h->caplen,
		.len = h->len,
	};
	if (h->caplen <= COPY_UP_TO) {
		/* Not memcpy(): gcc expands that, bounded as it is, to the slow "rep movs". */
		memmove(record.bytes, bytes, h->caplen);
		write_record(f, &record, sizeof(record.header) + h->caplen);
		return;
	}
	/* Half a record would make the rest of the file unreadable. */
	flockfile(f);
	if (fwrite_unlocked(&record.header, sizeof(record.header), 1, f) == 1)
		fwrite_unlocked(bytes, h->caplen, 1, f);
	funlockfile(f);
}
