/* SPDX-License-Identifier: BSD-3-Clause */
/* config.h - where a handle's name and settings come from: the device string, files, the
 * environment; and whether a name is ours at all.
 *
 * In a set-uid or file-capability program neither the environment nor a file that the command line
 * names is read: only /etc/pcap-accel.conf.
 *
 * Threads: any, but the environment must not be changed meanwhile (getenv(3)). */
#ifndef ACCEL_CONFIG_H
#define ACCEL_CONFIG_H

#include "spec/device.h"

struct accel_err;

#define ACCEL_SYSTEM_CONF "/etc/pcap-accel.conf"

/* What the program's device name stands for. *target: malloc'ed, the name of one of our devices; or
 * NULL where the name is the real library's. In order: a name that begins like ours and is no
 * interface's; the alias map of PCAP_ACCEL_MAP; that of the system's file; PCAP_ACCEL_DEFAULT or
 * the file's `default`, for Ethernet interfaces. 0; -EINVAL with a text if PCAP_ACCEL_MAP or
 * PCAP_ACCEL_DEFAULT cannot be understood; -ENOMEM. A broken system file is logged and passed over:
 * it must not end captures that have nothing to do with us. */
int accel_config_resolve(const char *name, char **target, struct accel_err *err);

/* Gather the settings of a device, the most specific winning (option.h). `name` is the device
 * string for texts. *s must be initialised; fini it also after a failure. 0 or -errno with a
 * text. */
int accel_config_gather(const char *name, const struct accel_device *dev, struct accel_settings *s,
			struct accel_err *err);

#endif
