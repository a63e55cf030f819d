/* SPDX-License-Identifier: BSD-3-Clause */
/* registry.h - what the members of a group know of each other: one record a group, a small text in
 * a runtime directory, and which members live.
 *
 * A group is a number in a network namespace, of one user:
 *     DIR/NETNS-INODE/gNUMBER      the record; whoever changes it holds its lock
 *     DIR/NETNS-INODE/mNUMBER      byte i is locked by member i for as long as it lives
 * DIR is /run/pcap-accel for root, else $XDG_RUNTIME_DIR/pcap-accel or /run/user/UID/pcap-accel,
 * else /tmp/pcap-accel-UID; folders are made with mode 0700 and refused when another user owns
 * them.
 *
 * The locks are the kernel's: a member that is killed is gone at once, however it went, and a
 * record without a live member is stale: the next member finds it empty. No daemon.
 *
 * Source: fcntl_locking(2) on open file description locks; inotify(7).
 * Threads: one an accel_registry; different ones, of any processes, at any time. */
#ifndef ACCEL_REGISTRY_H
#define ACCEL_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

struct accel_err;

#define ACCEL_REGISTRY_MAX_LEN	   (128 * 1024) /* bytes of a record */
#define ACCEL_REGISTRY_MAX_MEMBERS 4096

#define ACCEL_REGISTRY_PATH_LEN 384

struct accel_registry {
	int record_fd;	/* -1: closed */
	int members_fd; /* holds our byte's lock; shared with children that fork(2) makes */
	int watch_fd;	/* inotify; readable after a change of the record */
	unsigned group;
	int slot; /* our byte, or -1 */
	char folder[ACCEL_REGISTRY_PATH_LEN];
};

#define ACCEL_REGISTRY_NONE \
	((struct accel_registry){.record_fd = -1, .members_fd = -1, .watch_fd = -1, .slot = -1})

/* Open the files of a group, which are made if need be. 0 or -errno with a text. */
int accel_registry_open(struct accel_registry *r, unsigned group, struct accel_err *err);

/* Leave, if a member, and close. Never under the lock. */
void accel_registry_close(struct accel_registry *r);

/* Everything between lock and unlock happens as one step for all processes. Waits. 0; -ESTALE: the
 * last member removed the files after we had opened them, who is none yet: close, open, try
 * again. */
int accel_registry_lock(struct accel_registry *r, struct accel_err *err);
void accel_registry_unlock(struct accel_registry *r);

/* Under the lock: become a member. 0, or -EUSERS when all slots are taken. */
int accel_registry_join(struct accel_registry *r, struct accel_err *err);

/* Under the lock: no longer be one. The last member removes the files. */
void accel_registry_leave(struct accel_registry *r);

/* Members alive, we among them. Needs no lock; a snapshot. */
unsigned accel_registry_count(struct accel_registry *r);

/* Under the lock: the record as malloc'ed NUL-terminated text. A group without a live member has an
 * empty one, and so has one that a crash cut short. 0, -ENOMEM, -errno. */
int accel_registry_read(struct accel_registry *r, char **text, struct accel_err *err);

/* Under the lock: replace the record and wake the members. 0, -EFBIG, -errno (-ENOSPC). */
int accel_registry_write(struct accel_registry *r, const char *text, struct accel_err *err);

/* Was the record written since the last call? Never blocks. */
bool accel_registry_changed(struct accel_registry *r);

#endif
