/* SPDX-License-Identifier: BSD-3-Clause */
/* pid_lock.h - a lock among the threads of a process. Its holder is a process' number, so the child
 * of a fork does not find it held for ever by a thread that it does not have: what another process
 * seems to hold is free. For what is held shortly and rarely by two: nobody sleeps with it.
 *
 * Threads: any. */
#ifndef ACCEL_KERN_PID_LOCK_H
#define ACCEL_KERN_PID_LOCK_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define ACCEL_PID_LOCK_SPINS	100
#define ACCEL_PID_LOCK_SLEEP_NS 50000

struct accel_pid_lock {
	pid_t holder; /* 0: nobody */
};

static inline void accel_pid_lock(struct accel_pid_lock *l)
{
	const struct timespec wait = {.tv_nsec = ACCEL_PID_LOCK_SLEEP_NS};
	pid_t me = getpid(), seen = 0;
	unsigned n = 0;

	/* Acquire: pairs with the release below. A failure says who holds it. */
	while (!__atomic_compare_exchange_n(&l->holder, &seen, me, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED)) {
		if (seen != me)
			continue;
		seen = 0;
		/* Its holder may need the CPU that we have, by a higher priority. */
		if (++n > ACCEL_PID_LOCK_SPINS)
			nanosleep(&wait, NULL);
	}
}

static inline void accel_pid_unlock(struct accel_pid_lock *l)
{
	__atomic_store_n(&l->holder, 0, __ATOMIC_RELEASE);
}

#endif
