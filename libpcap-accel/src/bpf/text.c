/* SPDX-License-Identifier: BSD-3-Clause */
/* text.c - reads programs as numbers (tcpdump -ddd), shows instructions to a person (tcpdump -d).
 *
 * Source: tcpdump(1) 4.99; the tests compare with what libpcap prints.
 * Threads: none of its own. */
#include "bpf/cbpf.h"
#include "bpf/op.h"

#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct reader {
	const char *what;
	const char *at, *end;
	unsigned line; /* from 1 */
	struct accel_err *err;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct reader *r)
{
	while (r->at < r->end && is_blank(*r->at))
		r->at++;
}

/* Past blanks and at most one end of line; true if it, or the end of the text, was there. */
static bool end_line(struct reader *r)
{
	skip_blanks(r);
	if (r->at == r->end)
		return true;
	if (*r->at != '\n')
		return false;
	r->at++;
	r->line++;
	return true;
}

static bool at_end(struct reader *r)
{
	while (r->at < r->end && end_line(r))
		;
	return r->at == r->end;
}

/* A decimal number of at most `max`. `name` is what the error calls it. */
static int read_number(struct reader *r, const char *name, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;
	const char *start;

	skip_blanks(r);
	start = r->at;
	for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
		v = v * 10 + (unsigned)(*r->at - '0');
		if (v > max)
			return accel_fail(r->err, -EINVAL, "%s: line %u: %s is over %u", r->what,
					  r->line, name, max);
	}
	if (r->at == start || (r->at < r->end && !is_blank(*r->at) && *r->at != '\n'))
		return accel_fail(r->err, -EINVAL, "%s: line %u: %s is no decimal number", r->what,
				  r->line, name);
	*out = (uint32_t)v;
	return 0;
}

static int read_insn(struct reader *r, struct sock_filter *insn)
{
	static const struct {
		const char *name;
		uint32_t max;
	} fields[] = {
		{"the code", UINT16_MAX}, {"jt", UINT8_MAX}, {"jf", UINT8_MAX}, {"k", UINT32_MAX}};
	uint32_t v[ACCEL_ARRAY_LEN(fields)];

	for (size_t i = 0; i < ACCEL_ARRAY_LEN(fields); i++) {
		int err = read_number(r, fields[i].name, fields[i].max, &v[i]);

		if (err < 0)
			return err;
	}
	if (!end_line(r))
		return accel_fail(r->err, -EINVAL,
				  "%s: line %u: something follows k (would be: code jt jf k)",
				  r->what, r->line);
	*insn = (struct sock_filter){
		.code = (uint16_t)v[0], .jt = (uint8_t)v[1], .jf = (uint8_t)v[2], .k = v[3]};
	return 0;
}

/* The first line. */
static int read_count(struct reader *r, uint32_t *n)
{
	int err = read_number(r, "the number of instructions", UINT32_MAX, n);

	if (err < 0)
		return err;
	if (!end_line(r))
		return accel_fail(r->err, -EINVAL,
				  "%s: line %u: something follows the number of instructions",
				  r->what, r->line);
	if (*n > ACCEL_BPF_MAX_INSNS)
		return accel_fail(r->err, -E2BIG, "%s: has %u instructions (at most %u)", r->what,
				  *n, ACCEL_BPF_MAX_INSNS);
	return 0;
}

static int read_insns(struct reader *r, struct sock_filter *insns, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		int err;

		if (at_end(r))
			return accel_fail(r->err, -EINVAL, "%s: ends after %u of %u instructions",
					  r->what, i, n);
		err = read_insn(r, &insns[i]);
		if (err < 0)
			return err;
	}
	if (!at_end(r))
		return accel_fail(r->err, -EINVAL,
				  "%s: line %u: follows the last of %u instructions", r->what,
				  r->line, n);
	return accel_bpf_validate_as(r->what, insns, n, r->err);
}

int accel_bpf_parse(const char *what, const char *text, size_t len, struct sock_filter **out,
		    unsigned *n_out, struct accel_err *err)
{
	struct reader r = {.what = what, .at = text, .end = text + len, .line = 1, .err = err};
	struct sock_filter *insns;
	uint32_t n;
	int rc = read_count(&r, &n);

	if (rc < 0)
		return rc;
	insns = calloc(n, sizeof(*insns));
	if (!insns)
		return accel_fail(err, -ENOMEM, "%s: out of memory", what);
	rc = read_insns(&r, insns, n);
	if (rc < 0) {
		free(insns);
		return rc;
	}
	*out = insns;
	*n_out = n;
	return 0;
}

static void print_operand(const struct sock_filter *insn, enum accel_bpf_operand operand,
			  unsigned idx, char *out, size_t len)
{
	const char *aux = accel_bpf_aux_name(insn->k);

	switch (operand) {
	case ACCEL_OPERAND_NONE:
		snprintf(out, len, "%s", "");
		return;
	case ACCEL_OPERAND_DEC:
		snprintf(out, len, "#%d", (int32_t)insn->k);
		return;
	case ACCEL_OPERAND_HEX:
		snprintf(out, len, "#0x%x", insn->k);
		return;
	case ACCEL_OPERAND_ABS:
		if (aux)
			snprintf(out, len, "[%s]", aux);
		else
			snprintf(out, len, "[%d]", (int32_t)insn->k);
		return;
	case ACCEL_OPERAND_IND:
		snprintf(out, len, "[x + %d]", (int32_t)insn->k);
		return;
	case ACCEL_OPERAND_MSH:
		snprintf(out, len, "4*([%d]&0xf)", (int32_t)insn->k);
		return;
	case ACCEL_OPERAND_LEN:
		snprintf(out, len, "#pktlen");
		return;
	case ACCEL_OPERAND_CELL:
		snprintf(out, len, "M[%d]", (int32_t)insn->k);
		return;
	case ACCEL_OPERAND_X:
		snprintf(out, len, "x");
		return;
	case ACCEL_OPERAND_GOTO:
		snprintf(out, len, "%d", (int32_t)(idx + 1 + insn->k));
		return;
	}
}

int accel_bpf_print(const struct sock_filter *insn, unsigned idx, char *out, size_t len)
{
	const struct accel_bpf_op *op = accel_bpf_op(insn->code);
	char operand[32];

	if (!op)
		return snprintf(out, len, "(%03u) unknown  0x%x jt %u jf %u k 0x%x", idx,
				insn->code, insn->jt, insn->jf, insn->k);
	print_operand(insn, op->operand, idx, operand, sizeof(operand));
	if (BPF_CLASS(insn->code) == BPF_JMP && BPF_OP(insn->code) != BPF_JA)
		return snprintf(out, len, "(%03u) %-8s %-16s jt %u\tjf %u", idx, op->name, operand,
				idx + 1 + insn->jt, idx + 1 + insn->jf);
	return snprintf(out, len, "(%03u) %-8s %s", idx, op->name, operand);
}
