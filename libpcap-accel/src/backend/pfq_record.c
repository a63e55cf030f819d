/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_record.c - see pfq_record.h. */
#include "backend/pfq_record.h"

#include "base/num.h"
#include "base/util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pfq_record_fini(struct pfq_record *rec)
{
	free(rec->computation);
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

static int parse_devices(struct pfq_record *rec, const char *s, size_t len)
{
	char name[ACCEL_IFNAME_LEN];
	size_t n;

	for (; len > 0; s += n + (n < len), len -= n + (n < len)) {
		for (n = 0; n < len && s[n] != ':'; n++)
			;
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
		for (n = 0; n < len && s[n] != '+'; n++)
			;
		if (*n_out == max || accel_parse_number(s, n, &value) < 0 || value > UINT16_MAX)
			return -EINVAL;
		out[(*n_out)++] = (uint16_t)value;
	}
	return 0;
}

/* One line "key=value"; *rest is what follows it. */
static int parse_line(struct pfq_record *rec, const char *text, const char **rest)
{
	size_t key_len = strcspn(text, "=\n");
	const char *value = text + key_len + 1;
	size_t len;

	if (text[key_len] != '=')
		return -EINVAL;
	if (key_len == strlen("computation") && strncmp(text, "computation", key_len) == 0) {
		*rest = "";
		return pfq_record_set_computation(rec, value);
	}
	len = strcspn(value, "\n");
	*rest = value + len + (value[len] == '\n');
	if (key_len == strlen("devices") && strncmp(text, "devices", key_len) == 0)
		return parse_devices(rec, value, len);
	if (key_len == strlen("vlan") && strncmp(text, "vlan", key_len) == 0)
		return parse_numbers(value, len, rec->vlans, ACCEL_MAX_NUMBERS, &rec->n_vlans);
	if (key_len == strlen("fanout") && strncmp(text, "fanout", key_len) == 0)
		return parse_numbers(value, len, rec->fanouts, PFQ_MAX_FANOUTS, &rec->n_fanouts);
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
	fprintf(f, "computation=%s", rec->computation ? rec->computation : "");
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
