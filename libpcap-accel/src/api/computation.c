/* SPDX-License-Identifier: BSD-3-Clause */
/* computation.c - PFQ/lang for programs that want to see what a computation is and does, without a
 * capture: compiled, printed, run over a frame.
 *
 * Pcap filters in it are compiled by the real library for a handle that was never opened, which
 * takes every tag to be in the packet. The kernel takes the outer one out before a filter sees it,
 * and so does the interpreter here, unless one of the filters asks for `vlan`.
 *
 * Threads: any; a compiled computation is constant. */
#include "api/export.h"
#include "api/pcap_codes.h"
#include "base/err.h"
#include "base/str.h"
#include "bpf/cbpf.h"
#include "core/model.h"
#include "lang/lang.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>

struct pcap_accel_computation {
	struct accel_lang *lang;
	bool asks_vlan; /* a pcap filter in it has the word */
};

/* ---- compiling ---- */

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool has_word(const char *text, const char *word)
{
	size_t len;

	for (; *text; text += len) {
		for (len = 0; is_letter(text[len]); len++)
			;
		if (accel_word_is(text, len, word))
			return true;
		len += len == 0;
	}
	return false;
}

static int compile_filter(void *ctx, const char *text, struct sock_filter **out, unsigned *n_out,
			  struct accel_err *err)
{
	struct pcap_accel_computation *c = ctx;

	c->asks_vlan |= has_word(text, "vlan");
	return accel_model_compile_dead(NULL, text, out, n_out, err);
}

/* ACCEL_LANG_MAX_LEN is far below where the number of bytes would matter. */
static int compile(struct pcap_accel_computation *c, const char *text, char *report, size_t size)
{
	struct accel_lang_where where = {0};
	struct accel_lang_options opt = {
		.compile_pcap = compile_filter, .pcap_ctx = c, .where = &where};
	struct accel_err err = {""};
	size_t len = strlen(text);
	int r = accel_lang_compile("computation", text, len, &opt, &c->lang, &err);

	if (r < 0 && report)
		accel_lang_explain_error(text, len, &err, &where, report, size);
	return r;
}

int pcap_accel_compile_computation(const char *text, struct pcap_accel_computation **out,
				   char *report, size_t report_size)
{
	struct pcap_accel_computation *c = calloc(1, sizeof(*c));

	if (!c) {
		if (report)
			snprintf(report, report_size, "computation: out of memory\n");
		return PCAP_ERROR;
	}
	if (compile(c, text, report, report_size) < 0) {
		free(c);
		return PCAP_ERROR;
	}
	*out = c;
	return 0;
}

void pcap_accel_free_computation(struct pcap_accel_computation *c)
{
	if (!c)
		return;
	accel_lang_free(c->lang);
	free(c);
}

/* ---- showing ---- */

_Static_assert((int)PCAP_ACCEL_FORM_TOKENS == (int)ACCEL_LANG_TOKENS &&
		       (int)PCAP_ACCEL_FORM_TREE == (int)ACCEL_LANG_TREE &&
		       (int)PCAP_ACCEL_FORM_BLOCKS == (int)ACCEL_LANG_BLOCKS &&
		       (int)PCAP_ACCEL_FORM_CODE == (int)ACCEL_LANG_CODE &&
		       (int)PCAP_ACCEL_FORM_NOTES == (int)ACCEL_LANG_NOTES &&
		       (int)PCAP_ACCEL_FORM_SYNTAX == (int)ACCEL_LANG_SYNTAX,
	       "forms are those of lang.h");

int pcap_accel_dump_computation(const struct pcap_accel_computation *c, enum pcap_accel_form form,
				char *text, size_t size)
{
	if ((unsigned)form > PCAP_ACCEL_FORM_SYNTAX)
		return PCAP_ERROR;
	return (int)accel_lang_dump(c->lang, (enum accel_lang_form)form, text, size);
}

enum { WHICH_FILTER, WHICH_FANOUT };

static int give_program(const struct sock_filter *prog, unsigned len, struct bpf_insn *insns,
			size_t n)
{
	/* One layout: tests/abi/test_headers.py compares them. */
	if (prog && n > 0)
		memcpy(insns, prog, ACCEL_MIN(n, len) * sizeof(*prog));
	return (int)len;
}

int pcap_accel_get_program(const struct pcap_accel_computation *c, unsigned part, int which,
			   unsigned n_members, struct bpf_insn *insns, size_t n)
{
	struct accel_lang_part parts[ACCEL_LANG_MAX_PARTS];
	struct sock_filter *filter = NULL;
	const struct sock_filter *fanout;
	unsigned len = 0;
	int r;

	if (n_members == 0 || (which != WHICH_FILTER && which != WHICH_FANOUT))
		return PCAP_ERROR;
	if (part >= accel_lang_parts(c->lang, parts))
		return 0;
	if (which == WHICH_FANOUT) {
		fanout = accel_lang_fanout(c->lang, part, &len);
		return fanout ? give_program(fanout, len, insns, n) : 0;
	}
	if (accel_lang_filter(c->lang, part, n_members, NULL, 0, &filter, &len, NULL) < 0)
		return PCAP_ERROR;
	r = give_program(filter, len, insns, n);
	free(filter);
	return r;
}

/* ---- running ---- */

static uint16_t read_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static struct accel_bpf_aux make_aux(const uint8_t *frame, size_t len)
{
	static const uint8_t all[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct accel_bpf_aux aux = {.pkttype = PACKET_HOST, .hatype = 1, .net_offset = ETH_HLEN};

	if (len < ETH_HLEN)
		return aux;
	aux.protocol = read_u16(frame + 2 * ETH_ALEN);
	if (memcmp(frame, all, ETH_ALEN) == 0)
		aux.pkttype = PACKET_BROADCAST;
	else if (frame[0] & 1)
		aux.pkttype = PACKET_MULTICAST;
	return aux;
}

#define TAG_LEN 4

/* As the kernel does on receiving: the outer tag goes beside the packet. `room` has len bytes. What
 * is left of them. */
static size_t take_tag(const uint8_t *frame, size_t len, uint8_t *room, struct accel_bpf_aux *aux)
{
	const uint8_t *tag = frame + 2 * ETH_ALEN;

	if (len < ETH_HLEN + TAG_LEN ||
	    (aux->protocol != ETH_P_8021Q && aux->protocol != ETH_P_8021AD)) {
		if (len > 0)
			memcpy(room, frame, len);
		return len;
	}
	aux->vlan_present = true;
	aux->vlan_tpid = aux->protocol;
	aux->vlan_tci = read_u16(tag + 2);
	aux->protocol = read_u16(tag + TAG_LEN);
	memcpy(room, frame, 2 * ETH_ALEN);
	memcpy(room + 2 * ETH_ALEN, tag + TAG_LEN, len - 2 * ETH_ALEN - TAG_LEN);
	return len - TAG_LEN;
}

_Static_assert(ACCEL_LANG_TO_NOBODY == 0 && ACCEL_LANG_TO_ALL == 1 && ACCEL_LANG_TO_ONE == 2 &&
		       ACCEL_LANG_TO_TWO == 3,
	       "outcomes are those of the public header");

static void give_verdict(const struct accel_lang_verdict *said, unsigned n_members,
			 struct pcap_accel_verdict *out)
{
	struct pcap_accel_verdict full = {
		.size = out->size, .outcome = (uint32_t)said->outcome, .classes = said->classes};

	if (said->outcome >= ACCEL_LANG_TO_ONE) {
		full.value = said->value;
		full.member = said->value % n_members;
		full.any_one = said->spread;
	}
	if (said->outcome == ACCEL_LANG_TO_TWO) {
		full.value2 = said->value2;
		full.member2 = said->value2 % n_members;
	}
	memcpy(out, &full, ACCEL_MIN(out->size, sizeof(full)));
}

int pcap_accel_run_computation(const struct pcap_accel_computation *c, const void *frame,
			       size_t caplen, unsigned n_members,
			       struct pcap_accel_verdict *verdict)
{
	struct accel_bpf_aux aux = make_aux(frame, caplen);
	struct accel_lang_verdict said;
	uint8_t *copy = NULL;

	if (n_members == 0 || caplen > INT32_MAX ||
	    verdict->size < offsetof(struct pcap_accel_verdict, member))
		return PCAP_ERROR;
	if (!c->asks_vlan) {
		copy = malloc(caplen + 1);
		if (!copy)
			return PCAP_ERROR;
		caplen = take_tag(frame, caplen, copy, &aux);
	}
	accel_lang_eval(c->lang, copy ? copy : frame, (uint32_t)caplen, &aux, &said);
	give_verdict(&said, n_members, verdict);
	free(copy);
	return 0;
}
