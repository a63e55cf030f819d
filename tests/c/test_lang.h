/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lang.h - packets of all shapes, and the one question of the language's tests: do the programs
 * of a computation do with a packet what the interpreter says?
 *
 * Threads: none. */
#ifndef TEST_LANG_H
#define TEST_LANG_H

#include "test_bpf_kernel.h"

#include "base/err.h"
#include "lang/lang.h"

#include <linux/if_packet.h>

#define LANG_PACKET_MAX 512

struct lang_packet {
	unsigned len;
	uint8_t data[LANG_PACKET_MAX];
	struct accel_bpf_aux aux;
};

/* What stands behind a pcap filter's text in these tests: "#N" is programs[N]. */
#define N_PROGRAMS 64
static MAYBE struct {
	struct sock_filter insns[RANDOM_PROGRAM_MAX + 8];
	unsigned n;
} programs[N_PROGRAMS];

static MAYBE int fake_pcap(void *ctx, const char *text, struct sock_filter **out, unsigned *n_out,
			   struct accel_err *err)
{
	unsigned idx = 0;

	(void)ctx;
	if (text[0] != '#')
		return accel_fail(err, -EINVAL, "cannot read '%s'", text);
	for (const char *c = text + 1; *c; c++)
		idx = idx * 10 + (unsigned)(*c - '0');
	*out = malloc(programs[idx].n * sizeof(**out));
	if (!*out)
		return accel_fail(err, -ENOMEM, "out of memory");
	memcpy(*out, programs[idx].insns, programs[idx].n * sizeof(**out));
	*n_out = programs[idx].n;
	return 0;
}

/* `piece` until `len` bytes are full, between `start` and `end`; malloc'ed. */
static MAYBE char *repeat_text(const char *start, const char *piece, size_t len, const char *end)
{
	size_t piece_len = strlen(piece), n = strlen(start);
	char *text = malloc(len + n + piece_len + strlen(end) + 1);

	assert_non_null(text);
	memcpy(text, start, n);
	for (; n < len; n += piece_len)
		memcpy(text + n, piece, piece_len);
	strcpy(text + n, end);
	return text;
}

/* Bytes behind each other. */
struct writer {
	uint8_t *at, *end;
};

static MAYBE void w8(struct writer *w, unsigned v)
{
	if (w->at < w->end)
		*w->at++ = (uint8_t)v;
}

static MAYBE void w16(struct writer *w, unsigned v)
{
	w8(w, v >> 8);
	w8(w, v & 0xff);
}

static MAYBE void w32(struct writer *w, uint32_t v)
{
	w16(w, v >> 16);
	w16(w, v & 0xffff);
}

/* Few values, so that what a program asks for is often there. */
static const uint16_t some_ports[] = {53, 80, 443, 1023, 1024, 5004, 5005, 5060, 5061, 40000, 0};
static const uint32_t some_ip4[] = {0x0a000001, 0x0a000002, 0x0a010203, 0xc0a80105,
				    0xffffffff, 0xe0000005, 0x08080808, 0};
static const uint8_t some_protocols[] = {1, 6, 17, 58, 4, 41, 132, 47, 0, 44};
static const uint16_t some_types[] = {0x0800, 0x86dd, 0x0806, 0x88cc, 0x0800, 0x86dd};
static const uint16_t some_tags[] = {0x8100, 0x88a8, 0x9100};
static const uint16_t some_vids[] = {0, 1, 10, 100, 4095};

#define PICK(rng, array) ((array)[rng_below((rng), ACCEL_ARRAY_LEN(array))])

static MAYBE void random_mac(struct rng *rng, struct writer *w)
{
	if (rng_one_in(rng, 6)) {
		w32(w, 0xffffffff);
		w16(w, 0xffff);
		return;
	}
	w32(w, rng_one_in(rng, 6) ? 0x01005e00 : 0x02000000);
	w16(w, rng_below(rng, 3));
}

static MAYBE void random_l4(struct rng *rng, struct writer *w, unsigned protocol)
{
	if (protocol == 1 || protocol == 58) {
		w8(w, rng_one_in(rng, 2) ? 8 : rng_next(rng));
		w8(w, rng_below(rng, 3));
	} else {
		w16(w, PICK(rng, some_ports));
		w16(w, PICK(rng, some_ports));
	}
	w32(w, rng_next(rng));
	if (protocol == 17) { /* what RTP has */
		w8(w, rng_one_in(rng, 4) ? rng_next(rng) : 0x80);
		w8(w, rng_one_in(rng, 4) ? rng_next(rng) : rng_one_in(rng, 2) ? 200 : 26);
	}
	w32(w, rng_next(rng));
	w8(w, rng_one_in(rng, 3) ? rng_next(rng) : 0x50);
	for (unsigned i = 0; i < 20; i++)
		w8(w, rng_next(rng));
}

static MAYBE void random_ip(struct rng *rng, struct writer *w, unsigned type, unsigned depth);

static MAYBE void random_payload(struct rng *rng, struct writer *w, unsigned protocol,
				 unsigned depth)
{
	if ((protocol == 4 || protocol == 41) && depth < 3)
		random_ip(rng, w, protocol == 4 ? 0x0800 : 0x86dd, depth + 1);
	else
		random_l4(rng, w, protocol);
}

static MAYBE void random_ip4(struct rng *rng, struct writer *w, unsigned depth)
{
	unsigned protocol = PICK(rng, some_protocols), ihl = rng_one_in(rng, 4) ? 7 : 5;

	w8(w, 0x40 | (rng_one_in(rng, 20) ? rng_below(rng, 16) : ihl));
	w8(w, rng_one_in(rng, 2) ? 0 : rng_next(rng));
	w16(w, rng_one_in(rng, 2) ? 1500 : 60);
	w16(w, rng_below(rng, 3));
	w16(w,
	    rng_one_in(rng, 3) ? rng_one_in(rng, 2) ? 0x2000 : 0x2000 | rng_below(rng, 3) : 0x4000);
	w8(w, rng_one_in(rng, 2) ? 64 : rng_below(rng, 6));
	w8(w, protocol);
	w16(w, 0);
	w32(w, PICK(rng, some_ip4));
	w32(w, PICK(rng, some_ip4));
	for (unsigned i = 5; i < ihl; i++)
		w32(w, rng_next(rng));
	random_payload(rng, w, protocol, depth);
}

static MAYBE void random_ip6_addr(struct rng *rng, struct writer *w)
{
	w32(w, rng_one_in(rng, 4) ? 0xff020000 : 0x20010db8);
	w32(w, 0);
	w32(w, rng_below(rng, 2));
	w32(w, rng_below(rng, 4));
}

static MAYBE unsigned random_extension(struct rng *rng)
{
	static const uint8_t extensions[] = {0, 43, 60, 44, 44};

	return rng_one_in(rng, 3) ? PICK(rng, extensions) : PICK(rng, some_protocols);
}

static MAYBE void random_ip6(struct rng *rng, struct writer *w, unsigned depth)
{
	unsigned next = random_extension(rng), after;

	w32(w, 0x60000000 | (rng_next(rng) & 0xfffffff));
	w16(w, 100);
	w8(w, next);
	w8(w, 64);
	random_ip6_addr(rng, w);
	random_ip6_addr(rng, w);
	for (unsigned i = 0; i < 6 && (next == 0 || next == 43 || next == 60 || next == 44); i++) {
		after = random_extension(rng);
		w8(w, after);
		w8(w, next == 44 ? 0 : rng_one_in(rng, 3));
		w16(w, rng_one_in(rng, 3) ? 0 : rng_one_in(rng, 2) ? 1 : 0x19);
		w32(w, rng_next(rng));
		if (next != 44 && w->at[-7] == 1) {
			w32(w, 0);
			w32(w, 0);
		}
		next = after;
	}
	random_payload(rng, w, next, depth);
}

static MAYBE void random_ip(struct rng *rng, struct writer *w, unsigned type, unsigned depth)
{
	if (type == 0x0800)
		random_ip4(rng, w, depth);
	else
		random_ip6(rng, w, depth);
}

static MAYBE void random_packet(struct rng *rng, struct lang_packet *packet)
{
	struct writer w = {packet->data, packet->data + LANG_PACKET_MAX};
	unsigned type = PICK(rng, some_types);
	unsigned n_tags = rng_one_in(rng, 2) ? 0 : rng_below(rng, 4);

	memset(packet, 0, sizeof(*packet));
	random_mac(rng, &w);
	random_mac(rng, &w);
	for (unsigned i = 0; i < n_tags; i++) {
		w16(&w, PICK(rng, some_tags));
		w16(&w, rng_below(rng, 8) << 13 | PICK(rng, some_vids));
	}
	w16(&w, type);
	if (type == 0x0800 || type == 0x86dd)
		random_ip(rng, &w, type, 0);
	else
		for (unsigned i = 0; i < 46; i++)
			w8(&w, rng_next(rng));
	packet->len = (unsigned)(w.at - packet->data);
	if (rng_one_in(rng, 4))
		packet->len = rng_below(rng, packet->len + 1);
	for (unsigned n = rng_one_in(rng, 4) ? rng_below(rng, 4) : 0; n && packet->len; n--)
		packet->data[rng_below(rng, packet->len)] = (uint8_t)rng_next(rng);
}

/* What the kernel knows beside the bytes. */
static MAYBE void random_aux(struct rng *rng, struct accel_bpf_aux *aux)
{
	aux->vlan_present = rng_one_in(rng, 2);
	aux->vlan_tci = aux->vlan_present ? rng_below(rng, 8) << 13 | PICK(rng, some_vids) : 0;
	aux->pkttype = rng_below(rng, 5);
	aux->rxhash = rng_next(rng);
}

/* What a part's filter and fanout program should do. */
struct wanted {
	bool keeps, chooses; /* chooses: the fanout program's value is known */
	uint32_t value;
};

static MAYBE struct wanted wanted_of(const struct accel_lang_verdict *v,
				     const struct accel_lang_part *part, unsigned n_members)
{
	bool one = v->outcome == ACCEL_LANG_TO_ONE, two = v->outcome == ACCEL_LANG_TO_TWO;
	bool ours = v->classes & 1;

	if (!part->fanout)
		return (struct wanted){.keeps = v->outcome == ACCEL_LANG_TO_ALL && ours};
	if (part->counts_members)
		return (struct wanted){.keeps = two && ours &&
						v->value % n_members != v->value2 % n_members,
				       .chooses = two && !v->spread,
				       .value = v->value2};
	return (struct wanted){.keeps = (one || two) && ours,
			       .chooses = (one || two) && !v->spread,
			       .value = v->value};
}

#define FAULT_LEN 256

/* A program as accel_bpf_run() takes it, which knows no random numbers: each is 0. */
static MAYBE uint32_t run_fanout(const struct sock_filter *insns, unsigned n,
				 const struct lang_packet *packet, uint32_t len)
{
	static struct sock_filter copy[ACCEL_BPF_MAX_INSNS];

	memcpy(copy, insns, n * sizeof(*insns));
	for (unsigned i = 0; i < n; i++)
		if (copy[i].code == (BPF_LD | BPF_W | BPF_ABS) &&
		    copy[i].k == (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM))
			copy[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0);
	return accel_bpf_run(copy, packet->data, packet->len, len, &packet->aux);
}

/* The fanout program of the packet as it comes: data, and the length, of a received one begin behind
 * the MAC header. */
static MAYBE bool check_fanout(const struct accel_lang *lang, unsigned part,
			       const struct lang_packet *packet, uint32_t wanted,
			       char fault[FAULT_LEN])
{
	unsigned n = 0;
	const struct sock_filter *insns = accel_lang_fanout(lang, part, &n);
	bool sent = packet->aux.pkttype == PACKET_OUTGOING;
	uint32_t is;

	if (!accel_bpf_fits_kernel(insns, n)) {
		snprintf(fault, FAULT_LEN, "part %u: the kernel would refuse the fanout program",
			 part);
		return false;
	}
	if (packet->len < 14 && !sent)
		return true; /* no such packet is received */
	is = run_fanout(insns, n, packet, packet->len - (sent ? 0 : 14));
	if (is == wanted)
		return true;
	snprintf(fault, FAULT_LEN, "part %u: the fanout program returns %#x, not %#x", part, is,
		 wanted);
	return false;
}

/* Without the filter before it: while one replaces another, the kernel charges the socket for both. */
static MAYBE int attach_alone(int fd, const struct sock_filter *insns, unsigned n)
{
	int none = 0;

	setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none));
	return attach_filter(fd, insns, n);
}

/* Does everything that was generated for the packet agree with the interpreter? If `kernel` is
 * there, the filters also run in it: then aux is all 0. */
static MAYBE bool check_packet(const struct accel_lang *lang, const struct lang_packet *packet,
			       unsigned n_members, const struct kernel *kernel,
			       char fault[FAULT_LEN])
{
	struct accel_lang_part parts[ACCEL_LANG_MAX_PARTS];
	unsigned n_parts = accel_lang_parts(lang, parts);
	struct accel_lang_verdict v;
	bool good = true;

	accel_lang_eval(lang, packet->data, packet->len, &packet->aux, &v);
	for (unsigned i = 0; good && i < n_parts; i++) {
		struct wanted wanted = wanted_of(&v, &parts[i], n_members);
		struct sock_filter *filter = NULL;
		struct accel_err err = {""};
		unsigned n = 0;
		bool keeps;

		if (accel_lang_filter(lang, i, n_members, NULL, 0, &filter, &n, &err)) {
			snprintf(fault, FAULT_LEN, "part %u: %.200s", i, err.text);
			return false;
		}
		keeps = !n ||
			accel_bpf_run(filter, packet->data, packet->len, packet->len, &packet->aux);
		if (n && !accel_bpf_fits_kernel(filter, n))
			good = snprintf(fault, FAULT_LEN, "part %u: the kernel would refuse it",
					i) < 0;
		else if (keeps != wanted.keeps)
			good = snprintf(fault, FAULT_LEN, "part %u: the filter %s it (outcome %d)",
					i, keeps ? "keeps" : "drops", (int)v.outcome) < 0;
		else if (kernel && n && attach_alone(kernel->rx, filter, n))
			good = snprintf(fault, FAULT_LEN, "part %u: the kernel refuses it", i) < 0;
		else if (kernel && n &&
			 (kernel_keeps(kernel, packet->data, packet->len) >= 0) != wanted.keeps)
			good = snprintf(fault, FAULT_LEN, "part %u: the kernel decides otherwise",
					i) < 0;
		free(filter);
		if (good && wanted.chooses)
			good = check_fanout(lang, i, packet, wanted.value, fault);
	}
	return good;
}

#endif
