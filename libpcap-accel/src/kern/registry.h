/* SPDX-License-Identifier: BSD-3-Clause */
/* registry.h - what the members of a group know of each other: one record a group, a small text in
 * a runtime directory, and which members live.
 *
 * A group is a number in a network namespace, of one user:
 *     DIR/NETNS-INODE/gNUMBER      the record; whoever changes it holds its lock
 *     DIR/NETNS-INODE/mNUMBER      byte i is locked by member i for as long as it lives; behind
 *                                  these bytes each member has written who it is
 * DIR is /run/pcap-accel for root, else $XDG_RUNTIME_DIR/pcap-accel or /run/user/UID/pcap-accel,
 * else /tmp/pcap-accel-UID; folders are made with mode 0700 and refused when another user owns
 * them.
 *
 * The locks are the kernel's: a member that is killed is gone at once, however it went. A record
 * without a live member is stale, unless it is kept: the next member finds it empty, and whoever
 * comes across its files removes them, as does the first member in another network namespace. No
 * daemon. A kept record belongs to the network namespace that it was written in, by the namespace's
 * cookie: inode numbers are given again.
 *
 * Source: fcntl_locking(2) on open file description locks; inotify(7); socket(7), SO_NETNS_COOKIE.
 * Threads: one an accel_registry; different ones, of any processes, at any time. */
#ifndef ACCEL_REGISTRY_H
#define ACCEL_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct accel_err;

#define ACCEL_REGISTRY_MAX_LEN	   (192 * 1024) /* bytes of a record */
#define ACCEL_REGISTRY_MAX_MEMBERS 4096

#define ACCEL_REGISTRY_PATH_LEN 384

#define ACCEL_REGISTRY_HEAD_LEN 128

/* The record's file at a glance. */
struct accel_registry_glance {
	uint64_t sec, nsec; /* when it was written */
	char head[ACCEL_REGISTRY_HEAD_LEN];
};

struct accel_registry {
	int record_fd;	/* -1: closed */
	int members_fd; /* holds our byte's lock; shared with children that fork(2) makes */
	int watch_fd;	/* readable after a change of the record; -1 of a visitor */
	bool by_time;	/* watch_fd is a timer, readable ten times a second: inotify was refused */
	struct accel_registry_glance seen; /* by_time: at the last look */
	unsigned group;
	int slot;	 /* our byte, or -1 */
	pid_t pid;	 /* whose it is: who joined, or reads since a fork */
	uint64_t cookie; /* the network namespace's; 0 before Linux 5.14 */
	char folder[ACCEL_REGISTRY_PATH_LEN];
};

#define ACCEL_REGISTRY_NONE \
	((struct accel_registry){.record_fd = -1, .members_fd = -1, .watch_fd = -1, .slot = -1})

/* Open the files of a group, which are made if need be. 0 or -errno with a text. */
int accel_registry_open(struct accel_registry *r, unsigned group, struct accel_err *err);

/* Open those that are there, only to read. 0; -ENOENT without a text: there are none; -errno with
 * one. */
int accel_registry_visit(struct accel_registry *r, unsigned group, struct accel_err *err);

/* Leave, if a member, and close; the files of a group that is no more are removed. In a child that
 * only closes the place stays its parent's. Never under the lock. */
void accel_registry_close(struct accel_registry *r);

/* Whoever reads is the member, in a child too; and is this process the member? */
void accel_registry_adopt(struct accel_registry *r);
bool accel_registry_is_ours(const struct accel_registry *r);

/* Everything between lock and unlock happens as one step for all processes. Waits. 0; -ESTALE: the
 * files were removed after we had opened them, who is no member yet: close, open, try again. */
int accel_registry_lock(struct accel_registry *r, struct accel_err *err);
/* The same for a member, but without waiting: -EAGAIN when somebody else has the lock. */
int accel_registry_try_lock(struct accel_registry *r);
void accel_registry_unlock(struct accel_registry *r);

/* Under the lock: become a member, who says of itself that it captures on `device`. 0; -EUSERS when
 * all slots are taken; -errno. */
int accel_registry_join(struct accel_registry *r, const char *device, struct accel_err *err);

/* Under the lock: no longer be one. */
void accel_registry_leave(struct accel_registry *r);

/* Members alive, we among them. Needs no lock; a snapshot. */
unsigned accel_registry_count(struct accel_registry *r);

/* Under the lock: has the group a member, or is its record kept? */
bool accel_registry_is_alive(struct accel_registry *r);

/* What is known of the record beside its text. */
struct accel_registry_head {
	uint32_t generation; /* counts its changes */
	bool kept;	     /* it outlives its members */
};

/* Under the lock: the record as malloc'ed NUL-terminated text. A group without a live member has an
 * empty one and a zeroed head, unless it is kept, and so has one that is damaged. 0, -ENOMEM,
 * -errno. */
int accel_registry_read(struct accel_registry *r, struct accel_registry_head *head, char **text,
			struct accel_err *err);

/* Under the lock: replace the record and wake the members. Whoever is killed meanwhile leaves the
 * old or the new one. 0, -EFBIG, -errno (-ENOSPC). */
int accel_registry_write(struct accel_registry *r, const struct accel_registry_head *head,
			 const char *text, struct accel_err *err);

/* Under the lock: wake the members, who find the record as it was. */
void accel_registry_touch(struct accel_registry *r);

/* Was the record written since the last call? Never blocks. */
bool accel_registry_changed(struct accel_registry *r);

/* ---- registry_list.c: all groups, who is in them ---- */

struct accel_registry_member {
	int32_t pid;
	uint32_t slot;
	uint64_t since_ns; /* CLOCK_REALTIME */
	char program[16];  /* both NUL-terminated */
	char device[104];
};

/* Under the lock: the living members by slot, at most n of them. *n_found: how many there are. */
void accel_registry_members(struct accel_registry *r, struct accel_registry_member *members,
			    size_t n, size_t *n_found);

/* The groups that have a member or are kept, ascending, at most n of them. *n_found: how many there
 * are. Removes the files of others. 0 or -errno with a text. */
int accel_registry_list(uint16_t *groups, size_t n, size_t *n_found, struct accel_err *err);

/* An inotify descriptor, non-blocking: readable after any group was made, changed, joined, left or
 * removed. From the first call on the namespace's folder stays, though no group is left. Or -errno
 * with a text. */
int accel_registry_watch(struct accel_err *err);

#endif
