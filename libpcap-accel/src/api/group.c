/* SPDX-License-Identifier: BSD-3-Clause */
/* group.c - PFQ groups for programs that look at them, define them or change them, members or not.
 *
 * Pcap filters in a computation are compiled here only to be checked: each member compiles the
 * computation for its own capture.
 *
 * Threads: any. */
#include "api/ours.h"
#include "backend/pfq_define.h"
#include "base/err.h"
#include "base/str.h"
#include "core/model.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct pfq_compiler compiler = {.compile = accel_model_compile_dead};

static int fail(const struct accel_err *err, char *errbuf)
{
	accel_fill(errbuf, "%s", err->text);
	return PCAP_ERROR;
}

/* ---- looking ---- */

int pcap_accel_list_groups(uint16_t *numbers, size_t n, char *errbuf)
{
	struct accel_err err;
	size_t found;

	if (accel_registry_list(numbers, n, &found, &err) < 0)
		return fail(&err, errbuf);
	return (int)found;
}

/* "eth0:eth1", malloc'ed. */
static char *print_devices(const struct pfq_record *rec)
{
	char text[ACCEL_MAX_IFACES * (ACCEL_IFNAME_LEN + 1)];
	struct accel_str out;

	accel_str_init(&out, text, sizeof(text));
	text[0] = '\0';
	for (unsigned i = 0; i < rec->n_devices; i++)
		accel_str_add(&out, "%s%s", i ? ":" : "", rec->devices[i]);
	return strdup(text);
}

static char *print_vlans(const struct pfq_record *rec)
{
	char text[ACCEL_MAX_NUMBERS * sizeof("65535+")];
	struct accel_str out;

	accel_str_init(&out, text, sizeof(text));
	text[0] = '\0';
	for (unsigned i = 0; i < rec->n_vlans; i++)
		accel_str_add(&out, "%s%u", i ? "+" : "", rec->vlans[i]);
	return strdup(text);
}

static void free_texts(struct pcap_accel_group *group)
{
	free(group->devices);
	free(group->computation);
	free(group->vlans);
	group->devices = group->computation = group->vlans = NULL;
}

static int give_group(const struct pfq_look *look, unsigned number, struct pcap_accel_group *out,
		      struct accel_err *err)
{
	const struct pfq_record *rec = &look->rec;
	struct pcap_accel_group full = {
		.size = out->size,
		.number = number,
		.n_members = look->n_members,
		.persistent = rec->persistent,
		.generation = rec->generation,
		.devices = print_devices(rec),
		.computation = strdup(rec->computation ? rec->computation : ""),
		.vlans = print_vlans(rec),
		.block = look->block,
	};

	if (!full.devices || !full.computation || !full.vlans) {
		free_texts(&full);
		return accel_fail_sys(err, -ENOMEM, "group %u", number);
	}
	memcpy(out, &full, sizeof(full));
	return 0;
}

int pcap_accel_get_group(unsigned number, struct pcap_accel_group *group, char *errbuf)
{
	struct accel_err err = {""};
	struct pfq_look look;
	int r;

	if (group->size < sizeof(*group)) {
		accel_fill(errbuf, "group %u: size is too small (sizeof(struct pcap_accel_group))",
			   number);
		return PCAP_ERROR;
	}
	r = pfq_look(number, &compiler, &look, &err);
	if (r == 0) {
		r = give_group(&look, number, group, &err);
		pfq_record_fini(&look.rec);
	}
	return r < 0 ? fail(&err, errbuf) : 0;
}

void pcap_accel_free_group(struct pcap_accel_group *group)
{
	free_texts(group);
}

_Static_assert(sizeof(((struct pcap_accel_member *)0)->program) ==
			       sizeof(((struct accel_registry_member *)0)->program) &&
		       sizeof(((struct pcap_accel_member *)0)->device) ==
			       sizeof(((struct accel_registry_member *)0)->device),
	       "texts are as long as the registry's");

static void give_member(const struct accel_registry_member *from, struct pcap_accel_member *to)
{
	memset(to, 0, sizeof(*to));
	to->pid = from->pid;
	to->slot = from->slot;
	to->since_ns = from->since_ns;
	memcpy(to->program, from->program, sizeof(to->program));
	memcpy(to->device, from->device, sizeof(to->device));
}

int pcap_accel_list_members(unsigned number, struct pcap_accel_member *members, size_t n,
			    char *errbuf)
{
	struct accel_registry_member *found = NULL;
	struct accel_err err = {""};
	size_t n_found;
	int r = 0;

	n = ACCEL_MIN(n, (size_t)ACCEL_REGISTRY_MAX_MEMBERS);
	found = calloc(n + 1, sizeof(*found));
	if (!found)
		r = accel_fail_sys(&err, -ENOMEM, "group %u", number);
	r = r ? r : pfq_members(number, found, n, &n_found, &err);
	for (size_t i = 0; r == 0 && i < ACCEL_MIN(n, n_found); i++)
		give_member(&found[i], &members[i]);
	free(found);
	return r < 0 ? fail(&err, errbuf) : (int)n_found;
}

/* ---- changing ---- */

static int check_change(unsigned number, const struct pcap_accel_group_change *change,
			struct accel_err *err)
{
	if (change->size < sizeof(*change))
		return accel_fail(
			err, -EINVAL,
			"group %u: size is too small (sizeof(struct pcap_accel_group_change))",
			number);
	if (change->persistent < -1 || change->persistent > 1)
		return accel_fail(err, -EINVAL,
				  "group %u: persistent is %d (-1: as it is, 0: no, 1: yes)",
				  number, change->persistent);
	if (change->reserved != 0)
		return accel_fail(err, -EINVAL, "group %u: reserved is %d (0)", number,
				  change->reserved);
	return 0;
}

int pcap_accel_set_group(unsigned number, const struct pcap_accel_group_change *change,
			 char *errbuf)
{
	struct accel_err err = {""};
	struct pfq_change all;
	int r = check_change(number, change, &err);

	if (r == 0) {
		all = (struct pfq_change){.devices = change->devices,
					  .computation = change->computation,
					  .vlans = change->vlans,
					  .persistent = change->persistent};
		r = pfq_change(number, &compiler, &all, &err);
	}
	return r < 0 ? fail(&err, errbuf) : 0;
}

int pcap_accel_delete_group(unsigned number, char *errbuf)
{
	struct accel_err err = {""};

	return pfq_forget(number, &err) < 0 ? fail(&err, errbuf) : 0;
}

int pcap_accel_watch_groups(char *errbuf)
{
	struct accel_err err = {""};
	int fd = accel_registry_watch(&err);

	return fd < 0 ? fail(&err, errbuf) : fd;
}
