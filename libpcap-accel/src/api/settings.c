/* SPDX-License-Identifier: BSD-3-Clause */
/* settings.c - the option table, configuration files and device strings for tools that check or
 * convert them: what a capture would say of them, without one.
 *
 * Threads: any. */
#include "api/export.h"
#include "api/pcap_codes.h"
#include "base/err.h"
#include "base/util.h"
#include "core/pcap_abi.h"
#include "spec/conf.h"
#include "spec/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As libpcap: a text for the program, cut. */
static int fail(char *errbuf, const struct accel_err *err)
{
	snprintf(errbuf, PCAP_ERRBUF_SIZE, "%.255s", err->text);
	return PCAP_ERROR;
}

static int find_engine(const char *name, enum accel_engine *engine, char *errbuf)
{
	struct accel_err err;

	if (accel_engine_find(name, strlen(name), engine) == 0)
		return 0;
	accel_fail(&err, -EINVAL, "unknown engine '%.60s' (known: afpacket, pfq, xdp)", name);
	return fail(errbuf, &err);
}

/* ---- the option table ---- */

static const char *const type_names[] = {
	[ACCEL_TYPE_BOOL] = "bool",	  [ACCEL_TYPE_NUMBER] = "number",
	[ACCEL_TYPE_SIZE] = "size",	  [ACCEL_TYPE_TIME] = "time",
	[ACCEL_TYPE_WORD] = "word",	  [ACCEL_TYPE_WORDS] = "words",
	[ACCEL_TYPE_NUMBERS] = "numbers", [ACCEL_TYPE_TEXT] = "text",
};

int pcap_accel_get_option(unsigned index, struct pcap_accel_option *option)
{
	const struct accel_opt_row *row;
	struct pcap_accel_option full;

	if (index >= ACCEL_N_OPTS || option->size < offsetof(struct pcap_accel_option, aliases))
		return PCAP_ERROR;
	row = &accel_opt_table[index];
	full = (struct pcap_accel_option){
		.size = option->size,
		.key = row->key,
		.type = type_names[row->type],
		.def = row->def,
		.help = row->help,
		.min = row->min,
		.max = row->max,
		.engines = row->engines,
		.may_be_none = (row->rules & ACCEL_RULE_OR_NONE) != 0,
		.aliases = row->aliases,
		.env = row->env,
		.words = row->words,
	};
	memcpy(option, &full, ACCEL_MIN(option->size, sizeof(full)));
	return 0;
}

/* ---- one value, one device ---- */

int pcap_accel_check_option(const char *engine, const char *key, const char *value, char *errbuf)
{
	const struct accel_opt_row *row = accel_opt_find(key, strlen(key));
	enum accel_engine which = ACCEL_PFQ;
	struct accel_err err;
	int r;

	if (find_engine(engine, &which, errbuf) < 0)
		return PCAP_ERROR;
	r = row ? accel_opt_check_engine(row, which, engine, &err)
		: accel_opt_fail_unknown(key, strlen(key), which, engine, &err);
	r = r ? r : accel_opt_check_text(row, value, engine, &err);
	return r ? fail(errbuf, &err) : 0;
}

/* A device is 9 KiB: not for the stack of somebody else's thread. */
int pcap_accel_check_device(const char *device, char *errbuf)
{
	struct accel_device *dev = calloc(1, sizeof(*dev));
	struct accel_settings settings;
	struct accel_err err;
	int r;

	if (!dev) {
		snprintf(errbuf, PCAP_ERRBUF_SIZE, "%.60s: out of memory", device);
		return PCAP_ERROR;
	}
	accel_settings_init(&settings);
	r = accel_device_parse(device, dev, &err);
	if (r == 0) {
		r = accel_device_put_options(dev, device, &settings, &err);
		accel_device_fini(dev);
	}
	accel_settings_fini(&settings);
	free(dev);
	return r ? fail(errbuf, &err) : 0;
}

/* ---- files ---- */

struct list {
	struct pcap_accel_setting *at; /* the texts of each are one allocation, at its key */
	size_t n, n_max;
};

void pcap_accel_free_settings(struct pcap_accel_setting *settings, int n)
{
	for (int i = 0; i < n; i++)
		free((char *)settings[i].key);
	free(settings);
}

static int grow(struct list *list)
{
	size_t n_max = list->n_max ? 2 * list->n_max : 16;
	struct pcap_accel_setting *at;

	if (list->n < list->n_max)
		return 0;
	at = realloc(list->at, n_max * sizeof(*at));
	if (!at)
		return -ENOMEM;
	list->at = at;
	list->n_max = n_max;
	return 0;
}

static int add(void *ctx, const struct accel_conf_setting *s)
{
	size_t key_len = strlen(s->key) + 1, value_len = strlen(s->value) + 1;
	size_t mistake_len = s->mistake ? strlen(s->mistake) + 1 : 0;
	struct list *list = ctx;
	char *texts;

	if (grow(list) < 0 || !(texts = malloc(key_len + value_len + mistake_len)))
		return -ENOMEM;
	memcpy(texts, s->key, key_len);
	memcpy(texts + key_len, s->value, value_len);
	if (s->mistake)
		memcpy(texts + key_len + value_len, s->mistake, mistake_len);
	list->at[list->n++] = (struct pcap_accel_setting){
		.key = texts,
		.value = texts + key_len,
		.mistake = s->mistake ? texts + key_len + value_len : NULL,
		.line = s->line,
		.column = s->column,
		.value_line = s->value_line,
		.value_column = s->value_column,
	};
	return 0;
}

int pcap_accel_read_settings(const struct pcap_accel_conf *conf,
			     struct pcap_accel_setting **settings, char *errbuf)
{
	struct accel_conf_text file = {.path = conf->path,
				       .text = conf->text,
				       .len = conf->len,
				       .from = ACCEL_FROM_AMBIENT};
	struct list list = {0};
	struct accel_err err;

	if (conf->engine) {
		file.from = ACCEL_FROM_FILE;
		if (find_engine(conf->engine, &file.engine, errbuf) < 0)
			return PCAP_ERROR;
	}
	if (accel_conf_visit(&file, add, &list, &err) < 0) {
		pcap_accel_free_settings(list.at, (int)list.n);
		return fail(errbuf, &err);
	}
	*settings = list.at;
	return (int)list.n;
}
