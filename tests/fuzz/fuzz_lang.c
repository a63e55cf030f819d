/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_lang.c - a computation, a 0 byte, the bytes of a packet: what is refused says why and where;
 * what is accepted prints all its forms, and its programs, which the kernel would take, do with the
 * packet what the interpreter says. */
#include "fuzz.h"

#include "bpf/cbpf.h"
#include "lang/lang.h"

/* Stands for libpcap: a program with loads of every kind, a scratch cell and both returns. */
static int fuzz_pcap(void *ctx, const char *text, struct sock_filter **out, unsigned *n_out,
		     struct accel_err *err)
{
	const struct sock_filter program[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, (uint8_t)text[0]),
		BPF_STMT(BPF_ST, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_STMT(BPF_LDX | BPF_MEM, 3),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};

	(void)ctx;
	if (text[0] == '!')
		return accel_fail(err, -EINVAL, "no filter");
	*out = malloc(sizeof(program));
	FUZZ_CHECK(*out);
	memcpy(*out, program, sizeof(program));
	*n_out = sizeof(program) / sizeof(program[0]);
	return 0;
}

static void check_error(int rc, const struct accel_err *err, const struct accel_lang_where *where,
			const char *text, size_t len)
{
	char out[2048];
	size_t n;

	if (rc != -EOPNOTSUPP && rc != -ENOSPC)
		fuzz_check_error(rc, err, "fuzz:");
	FUZZ_CHECK(where->at <= len && where->line >= 1 && where->column >= 1);
	n = accel_lang_explain_error(text, len, err, where, out, sizeof(out));
	FUZZ_CHECK(n == strlen(out) && n > strlen(err->text));
	FUZZ_CHECK(!strncmp(out, err->text, strlen(err->text)));
}

static void check_dumps(const struct accel_lang *lang)
{
	for (unsigned form = ACCEL_LANG_TOKENS; form <= ACCEL_LANG_SYNTAX; form++) {
		size_t n = accel_lang_dump(lang, form, NULL, 0);
		char *out = malloc(n + 1);

		FUZZ_CHECK(out);
		FUZZ_CHECK(accel_lang_dump(lang, form, out, n + 1) == n && strlen(out) == n);
		free(out);
	}
}

/* Does the program load random numbers? Our machine has none. */
static int is_random(const struct sock_filter *insns, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (insns[i].code == (BPF_LD | BPF_W | BPF_ABS) &&
		    insns[i].k == (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM))
			return 1;
	return 0;
}

static void check_part(const struct accel_lang *lang, unsigned idx,
		       const struct accel_lang_part *part, const uint8_t *data, uint32_t len)
{
	const struct accel_bpf_aux aux = {.pkttype = 4}; /* sent: data begins at the MAC header */
	struct sock_filter *filter = NULL;
	const struct sock_filter *fanout;
	struct accel_lang_verdict v;
	struct accel_err err;
	unsigned n = 0, one, two;
	int keeps, wanted;

	accel_lang_eval(lang, data, len, &aux, &v);
	one = v.outcome == ACCEL_LANG_TO_ONE;
	two = v.outcome == ACCEL_LANG_TO_TWO;
	FUZZ_CHECK(!accel_lang_filter(lang, idx, 3, NULL, 0, &filter, &n, &err));
	FUZZ_CHECK(!n || accel_bpf_fits_kernel(filter, n));
	keeps = !n || accel_bpf_run(filter, data, len, len, &aux);
	free(filter);
	if (!part->fanout)
		wanted = v.outcome == ACCEL_LANG_TO_ALL;
	else if (part->counts_members)
		wanted = two && v.value % 3 != v.value2 % 3;
	else
		wanted = one || two;
	FUZZ_CHECK(keeps == (wanted && v.classes & 1));
	fanout = accel_lang_fanout(lang, idx, &n);
	FUZZ_CHECK(!fanout == !part->fanout);
	if (!fanout)
		return;
	FUZZ_CHECK(accel_bpf_fits_kernel(fanout, n));
	if ((two || (one && !part->counts_members)) && !is_random(fanout, n))
		FUZZ_CHECK(accel_bpf_run(fanout, data, len, len, &aux) ==
			   (part->counts_members ? v.value2 : v.value));
}

static void check_lang(const struct accel_lang *lang, const uint8_t *data, uint32_t len)
{
	struct accel_lang_part parts[ACCEL_LANG_MAX_PARTS];
	unsigned n = accel_lang_parts(lang, parts);

	FUZZ_CHECK(n >= 1 && n <= ACCEL_LANG_MAX_PARTS);
	check_dumps(lang);
	for (unsigned i = 0; i < n; i++)
		check_part(lang, i, &parts[i], data, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct accel_lang_where where = {0};
	struct accel_lang_options opt = {.compile_pcap = fuzz_pcap, .where = &where};
	const uint8_t *zero = len ? memchr(data, 0, len) : NULL;
	size_t text_len = zero ? (size_t)(zero - data) : len;
	size_t packet_len = zero ? len - text_len - 1 : 0;
	struct accel_lang *lang = NULL;
	struct accel_err err = {""};
	char *text = malloc(text_len);
	uint8_t *packet = malloc(packet_len);
	int rc;

	FUZZ_CHECK((text || !text_len) && (packet || !packet_len));
	if (text_len)
		memcpy(text, data, text_len);
	if (packet_len)
		memcpy(packet, zero + 1, packet_len);
	rc = accel_lang_compile("fuzz", text, text_len, &opt, &lang, &err);
	if (rc)
		check_error(rc, &err, &where, text, text_len);
	else
		check_lang(lang, packet, (uint32_t)packet_len);
	FUZZ_CHECK(!rc == !!lang);
	accel_lang_free(lang);
	free(packet);
	free(text);
	return 0;
}
