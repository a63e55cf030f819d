/* SPDX-License-Identifier: BSD-3-Clause */
/* preload_fault.so - make one allocation or system call fail, the N-th after fault_arm().
 *
 *     LD_PRELOAD=preload_fault.so:libpcap-accel.so fault_open DEVICE ERRNO
 *
 * Every function below is interposed and counted while armed; call number N fails with the given
 * errno (allocations with ENOMEM) and does nothing. Allocations that are not freed are counted all
 * the time, so that a leak shows. close(), free() and munmap() never fail, as in life.
 *
 * Threads: the counters are atomic, but "the N-th call" means something in one thread only. */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define EXPORT __attribute__((visibility("default")))

/* glibc's own names for its allocator: no dlsym(), which allocates. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *p);

/* Called by fault_open, found by dlsym(). */
EXPORT void fault_arm(long nth, int error);
EXPORT long fault_disarm(const char **name);
EXPORT long fault_allocated(void);

static long countdown, n_calls, n_allocated;
static int armed, with_errno;
static const char *failed_call;

/* The next calls are counted; number `nth` (from 1; 0: none) fails with `error`. */
void fault_arm(long nth, int error)
{
	n_calls = 0;
	countdown = nth;
	with_errno = error;
	failed_call = NULL;
	armed = 1;
}

/* How many calls there were since fault_arm(); *name: the one that failed, or NULL. */
long fault_disarm(const char **name)
{
	armed = 0;
	*name = failed_call;
	return n_calls;
}

/* Allocations that nobody has freed yet. */
long fault_allocated(void)
{
	return __atomic_load_n(&n_allocated, __ATOMIC_RELAXED);
}

static bool fails(const char *name, int error)
{
	if (!armed)
		return false;
	n_calls++;
	if (!countdown || --countdown)
		return false;
	failed_call = name;
	errno = error;
	return true;
}

static void count(int by)
{
	__atomic_fetch_add(&n_allocated, by, __ATOMIC_RELAXED);
}

static void *counted(void *p)
{
	if (p)
		count(1);
	return p;
}

EXPORT void *malloc(size_t size)
{
	return fails("malloc", ENOMEM) ? NULL : counted(__libc_malloc(size));
}

EXPORT void *calloc(size_t n, size_t size)
{
	return fails("calloc", ENOMEM) ? NULL : counted(__libc_calloc(n, size));
}

EXPORT void *realloc(void *old, size_t size)
{
	void *p;

	if (fails("realloc", ENOMEM))
		return NULL;
	p = __libc_realloc(old, size);
	if (!old && p)
		count(1);
	if (old && !size && !p)
		count(-1);
	return p;
}

EXPORT void *reallocarray(void *old, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, all);
}

EXPORT void *memalign(size_t alignment, size_t size);
EXPORT void *memalign(size_t alignment, size_t size)
{
	return fails("memalign", ENOMEM) ? NULL : counted(__libc_memalign(alignment, size));
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

EXPORT int posix_memalign(void **p, size_t alignment, size_t size)
{
	void *got = memalign(alignment, size);

	if (!got)
		return ENOMEM;
	*p = got;
	return 0;
}

EXPORT void free(void *p)
{
	if (p)
		count(-1);
	__libc_free(p);
}

static void *next_of(const char *name)
{
	int was = armed;
	void *f;

	armed = 0; /* what dlsym() allocates is not the program's */
	f = dlsym(RTLD_NEXT, name);
	armed = was;
	if (!f)
		abort();
	return f;
}

/* RETURN NAME(PARAMETERS) fails with FAILURE, or goes on to libc. */
#define INTERPOSE(type, name, failure, parameters, arguments)                       \
	EXPORT type name parameters;                                                \
	EXPORT type name parameters                                                 \
	{                                                                           \
		static type(*next) parameters;                                      \
                                                                                    \
		if (!next)                                                          \
			*(void **)&next = next_of(#name);                           \
		return fails(#name, with_errno) ? (type)(failure) : next arguments; \
	}

#define FD_PATH (int fd, const char *path, int flags, unsigned mode)

INTERPOSE(int, socket, -1, (int domain, int type, int protocol), (domain, type, protocol))
INTERPOSE(int, bind, -1, (int fd, const struct sockaddr *a, socklen_t len), (fd, a, len))
INTERPOSE(int, setsockopt, -1, (int fd, int level, int name, const void *v, socklen_t len),
	  (fd, level, name, v, len))
INTERPOSE(int, getsockopt, -1, (int fd, int level, int name, void *v, socklen_t *len),
	  (fd, level, name, v, len))
INTERPOSE(int, getsockname, -1, (int fd, struct sockaddr *a, socklen_t *len), (fd, a, len))
INTERPOSE(ssize_t, send, -1, (int fd, const void *b, size_t n, int flags), (fd, b, n, flags))
INTERPOSE(ssize_t, recv, -1, (int fd, void *b, size_t n, int flags), (fd, b, n, flags))
INTERPOSE(ssize_t, recvmsg, -1, (int fd, struct msghdr *m, int flags), (fd, m, flags))
INTERPOSE(ssize_t, sendmsg, -1, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
INTERPOSE(ssize_t, sendto, -1,
	  (int fd, const void *b, size_t n, int flags, const struct sockaddr *a, socklen_t len),
	  (fd, b, n, flags, a, len))
INTERPOSE(ssize_t, read, -1, (int fd, void *b, size_t n), (fd, b, n))
INTERPOSE(int, ioctl, -1, (int fd, unsigned long request, void *p), (fd, request, p))
INTERPOSE(int, fcntl, -1, (int fd, int command, void *p), (fd, command, p))
INTERPOSE(int, fcntl64, -1, (int fd, int command, void *p), (fd, command, p))
INTERPOSE(int, open, -1, (const char *path, int flags, unsigned mode), (path, flags, mode))
INTERPOSE(int, open64, -1, (const char *path, int flags, unsigned mode), (path, flags, mode))
INTERPOSE(int, openat, -1, FD_PATH, (fd, path, flags, mode))
INTERPOSE(int, openat64, -1, FD_PATH, (fd, path, flags, mode))
INTERPOSE(FILE *, fopen, NULL, (const char *path, const char *mode), (path, mode))
INTERPOSE(FILE *, fopen64, NULL, (const char *path, const char *mode), (path, mode))
INTERPOSE(int, eventfd, -1, (unsigned value, int flags), (value, flags))
INTERPOSE(int, epoll_create1, -1, (int flags), (flags))
INTERPOSE(int, epoll_ctl, -1, (int fd, int op, int other, void *e), (fd, op, other, e))
INTERPOSE(int, timerfd_create, -1, (int clock, int flags), (clock, flags))
INTERPOSE(int, pipe2, -1, (int *fds, int flags), (fds, flags))
INTERPOSE(int, fstat, -1, (int fd, void *st), (fd, st))
INTERPOSE(int, stat, -1, (const char *path, void *st), (path, st))
INTERPOSE(int, access, -1, (const char *path, int mode), (path, mode))
INTERPOSE(ssize_t, readlink, -1, (const char *path, char *b, size_t n), (path, b, n))
INTERPOSE(unsigned, if_nametoindex, 0, (const char *name), (name))
INTERPOSE(char *, if_indextoname, NULL, (unsigned i, char *name), (i, name))
INTERPOSE(void *, mmap, MAP_FAILED, (void *a, size_t n, int prot, int flags, int fd, off_t off),
	  (a, n, prot, flags, fd, off))
INTERPOSE(void *, mmap64, MAP_FAILED, (void *a, size_t n, int prot, int flags, int fd, off_t off),
	  (a, n, prot, flags, fd, off))
INTERPOSE(long, syscall, -1, (long number, long a, long b, long c, long d, long e, long f),
	  (number, a, b, c, d, e, f))
