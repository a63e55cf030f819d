/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_record.c - see pfq_record.h. */
#include "backend/pfq_record.h"

#include "base/num.h"
#include "base/util.h"
#include "bpf/cbpf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pfq_record_fini(struct pfq_record *rec)
{
	free(rec->computation);
	free(rec->filter);
	memset(rec, 0, sizeof(*rec));
}

bool pfq_record_has(const struct pfq_record *rec, const char *device)
{
	for (unsigned i = 0; i < rec->n_devices; i++)
		if (strcmp(rec->devices[i], device) == 0)
			return true;
	return false;
}

int pfq_record_add(struct pfq_record *rec, const char *device)
{
	if (pfq_record_has(rec, device))
		return 0;
	if (rec->n_devices == ACCEL_MAX_IFACES || strlen(device) >= ACCEL_IFNAME_LEN)
		return -E2BIG;
	memcpy(rec->devices[rec->n_devices++], device, strlen(device) + 1);
	return 0;
}

int pfq_record_set_computation(struct pfq_record *rec, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(rec->computation);
	rec->computation = copy;
	return 0;
}

int pfq_record_set_filter(struct pfq_record *rec, const struct sock_filter *insns, unsigned n)
{
	struct sock_filter *copy = n ? accel_bpf_copy(insns, n) : NULL;

	if (n && !copy)
		return -ENOMEM;
	free(rec->filter);
	rec->filter = copy;
	rec->n_filter = n;
	return 0;
}

/* ---- reading ---- */

/* The length of the next item of s[0..len), which `separator` ends. What is behind it may not be
 * nothing. */
static size_t next_item(const char *s, size_t len, char separator)
{
	size_t n = 0;

	while (n < len && s[n] != separator)
		n++;
	return n + 1 == len ? 0 : n;
}

static int parse_devices(struct pfq_record *rec, const char *s, size_t len)
{
	char name[ACCEL_IFNAME_LEN];
	size_t n;

	for (; len > 0; s += n + (n < len), len -= n + (n < len)) {
		n = next_item(s, len, ':');
		if (n == 0 || n >= sizeof(name))
			return -EINVAL;
		memcpy(name, s, n);
		name[n] = '\0';
		if (pfq_record_add(rec, name) < 0)
			return -EINVAL;
	}
	return 0;
}

static int parse_numbers(const char *s, size_t len, uint16_t *out, unsigned max, unsigned *n_out)
{
	uint64_t value;
	size_t n;

	for (; len > 0; s += n + (n < len), len -= n + (n < len)) {
		n = next_item(s, len, '+');
		if (*n_out == max || accel_parse_number(s, n, &value) < 0 || value > UINT16_MAX)
			return -EINVAL;
		out[(*n_out)++] = (uint16_t)value;
	}
	return 0;
}

static int parse_pending(struct pfq_record *rec, const char *s, size_t len)
{
	if (len != 1 || (*s != '0' && *s != '1'))
		return -EINVAL;
	rec->pending = *s == '1';
	return 0;
}

/* `n` lower-case digits; false if one is none. */
static bool read_hex(const char *s, int n, uint32_t *out)
{
	static const char digits[] = "0123456789abcdef";
	const char *found;

	for (*out = 0; n > 0; n--, s++) {
		found = *s ? strchr(digits, *s) : NULL;
		if (!found)
			return false;
		*out = *out << 4 | (uint32_t)(found - digits);
	}
	return true;
}

#define INSN_LEN 16 /* code, jt, jf, k */

static bool read_insn(const char *s, struct sock_filter *out)
{
	uint32_t code, jt, jf;

	if (!read_hex(s, 4, &code) || !read_hex(s + 4, 2, &jt) || !read_hex(s + 6, 2, &jf) ||
	    !read_hex(s + 8, 8, &out->k))
		return false;
	out->code = (uint16_t)code;
	out->jt = (uint8_t)jt;
	out->jf = (uint8_t)jf;
	return true;
}

/* Only what the kernel takes is a filter: nobody has to ask later. */
static int parse_filter(struct pfq_record *rec, const char *s, size_t len)
{
	size_t n = len / INSN_LEN;
	struct sock_filter *insns;

	if (len % INSN_LEN != 0 || n > ACCEL_BPF_MAX_INSNS || rec->filter)
		return -EINVAL;
	if (n == 0)
		return 0;
	insns = calloc(n, sizeof(*insns));
	if (!insns)
		return -ENOMEM;
	rec->filter = insns;
	rec->n_filter = (unsigned)n;
	for (size_t i = 0; i < n; i++)
		if (!read_insn(s + i * INSN_LEN, &insns[i]))
			return -EINVAL;
	return accel_bpf_fits_kernel(insns, rec->n_filter) ? 0 : -EINVAL;
}

static bool is_key(const char *text, size_t len, const char *key)
{
	return len == strlen(key) && memcmp(text, key, len) == 0;
}

/* One line "key=value"; *rest is what follows it. */
static int parse_line(struct pfq_record *rec, const char *text, const char **rest)
{
	size_t key_len = strcspn(text, "=\n");
	const char *value = text + key_len + 1;
	size_t len;

	if (text[key_len] != '=')
		return -EINVAL;
	if (is_key(text, key_len, "computation")) {
		*rest = "";
		return pfq_record_set_computation(rec, value);
	}
	len = strcspn(value, "\n");
	*rest = value + len + (value[len] == '\n');
	if (is_key(text, key_len, "devices"))
		return parse_devices(rec, value, len);
	if (is_key(text, key_len, "vlan"))
		return parse_numbers(value, len, rec->vlans, ACCEL_MAX_NUMBERS, &rec->n_vlans);
	if (is_key(text, key_len, "fanout"))
		return parse_numbers(value, len, rec->fanouts, PFQ_MAX_FANOUTS, &rec->n_fanouts);
	if (is_key(text, key_len, "idle"))
		return parse_numbers(value, len, rec->idle, PFQ_MAX_IDLE, &rec->n_idle);
	if (is_key(text, key_len, "since"))
		return accel_parse_number(value, len, &rec->since_ns) < 0 ? -EINVAL : 0;
	if (is_key(text, key_len, "pending"))
		return parse_pending(rec, value, len);
	if (is_key(text, key_len, "filter"))
		return parse_filter(rec, value, len);
	return -EINVAL;
}

int pfq_record_parse(const char *text, struct pfq_record *rec)
{
	int r = 0;

	memset(rec, 0, sizeof(*rec));
	while (*text && r == 0)
		r = parse_line(rec, text, &text);
	if (r < 0)
		pfq_record_fini(rec);
	return r;
}

/* ---- writing ---- */

static void print_filter(FILE *f, const struct pfq_record *rec)
{
	fprintf(f, "filter=");
	for (unsigned i = 0; i < rec->n_filter; i++)
		fprintf(f, "%04x%02x%02x%08x", rec->filter[i].code, rec->filter[i].jt,
			rec->filter[i].jf, rec->filter[i].k);
	fputc('\n', f);
}

static void print_numbers(FILE *f, const char *key, const uint16_t *numbers, unsigned n)
{
	fprintf(f, "%s=", key);
	for (unsigned i = 0; i < n; i++)
		fprintf(f, "%s%u", i ? "+" : "", numbers[i]);
	fputc('\n', f);
}

char *pfq_record_print(const struct pfq_record *rec)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fprintf(f, "devices=");
	for (unsigned i = 0; i < rec->n_devices; i++)
		fprintf(f, "%s%s", i ? ":" : "", rec->devices[i]);
	fputc('\n', f);
	print_numbers(f, "vlan", rec->vlans, rec->n_vlans);
	print_numbers(f, "fanout", rec->fanouts, rec->n_fanouts);
	print_numbers(f, "idle", rec->idle, rec->n_idle);
	fprintf(f, "since=%llu\n", (unsigned long long)rec->since_ns);
	fprintf(f, "pending=%d\n", rec->pending);
	print_filter(f, rec);
	fprintf(f, "computation=%s", rec->computation ? rec->computation : "");
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
