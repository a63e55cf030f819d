/* SPDX-License-Identifier: BSD-3-Clause */
/* device.h - the device string, parsed once, strictly, into a struct.
 *
 *     device := engine [ "/" conffile ] [ ":" iflist ] [ "?" key "=" value { "," key "=" value } ]
 *     engine := "afpacket" | "pfq" | "xdp"
 *     iflist := iface { ":" iface }              pairs for inline bridging: a:b::c:d
 *     iface  := name [ "@q" n [ "-" m ] { "+" n [ "-" m ] } ]
 *
 * A name holds none of ":/?@,^", no blank and no control byte; "any" stands alone. Only pfq may do
 * without interfaces (the members of a group that another process has bound), then "pfq:" is "pfq".
 * What PFQ's parser took by accident ("pfqeth0", "pfq/:eth0") is refused with a hint.
 * Pure: whether an interface exists is asked elsewhere.
 * Threads: an accel_device belongs to its caller. */
#ifndef ACCEL_DEVICE_H
#define ACCEL_DEVICE_H

#include "spec/option.h"

#define ACCEL_MAX_IFACES       64
#define ACCEL_MAX_QUEUE_RANGES 8
#define ACCEL_IFNAME_LEN       16 /* IFNAMSIZ: 15 characters and the NUL */
#define ACCEL_MAX_DEVICE_LEN   4096

struct accel_iface {
	char name[ACCEL_IFNAME_LEN];
	unsigned n_queues; /* ranges; 0 = all queues */
	struct {
		uint16_t first, last;
	} queues[ACCEL_MAX_QUEUE_RANGES];
};

struct accel_device_opt {
	const struct accel_opt_row *row;
	char *text; /* owned */
	size_t pos; /* 1-based column of the value in the device string */
};

struct accel_device {
	enum accel_engine engine;
	char *conf_path; /* owned; NULL if none */
	unsigned n_ifaces;
	struct accel_iface ifaces[ACCEL_MAX_IFACES];
	bool pairs; /* "::" was there: ifaces are pairs a:b::c:d */
	unsigned n_opts;
	struct accel_device_opt opts[ACCEL_N_OPTS]; /* each option once */
};

/* Does the name begin like one of ours (engine followed by ':', '/', '?', '@' or the end)? It says
 * nothing of whether the rest is right: that is the parser's to report. NULL is no. The accidental
 * PFQ form "pfqeth0" is not claimed: it could be an interface. */
bool accel_device_claims(const char *name);

/* 0; -EINVAL with text "NAME: column N: what (what would be right)"; -ENAMETOOLONG for the whole or
 * an interface's name; -E2BIG for too many interfaces or ranges of queues; -ENOMEM. Columns count
 * bytes from 1. A NAME of more than 60 bytes is cut in texts. Of the options only the keys are
 * judged here, each may be given once. On failure *dev is untouched. On success fini it. */
int accel_device_parse(const char *name, struct accel_device *dev, struct accel_err *err);
void accel_device_fini(struct accel_device *dev);

/* Print *dev so that it parses to the same: lower-case keys, none by its alias. Writes at most
 * `size` bytes with the NUL; returns the length of the whole, as snprintf does. */
size_t accel_device_print(const struct accel_device *dev, char *out, size_t size);

/* Put the device's options into *s as ACCEL_FROM_DEVICE, all or none; refuses options that the
 * engine does not know. `name` is what was parsed. Errors as accel_settings_put. */
int accel_device_put_options(const struct accel_device *dev, const char *name,
			     struct accel_settings *s, struct accel_err *err);

/* Is s[0..len) an interface's name as the grammar has it? 0; -EINVAL or -ENAMETOOLONG with *why a
 * constant text "what (what would be right)" and *at the index of the byte that is wrong. */
int accel_iface_name_check(const char *s, size_t len, size_t *at, const char **why);

const char *accel_engine_name(enum accel_engine engine);			/* "afpacket" */
int accel_engine_find(const char *name, size_t len, enum accel_engine *engine); /* 0 or -ENOENT */

#endif
