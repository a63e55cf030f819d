/* SPDX-License-Identifier: BSD-3-Clause */
/* real.c - finds and opens the libpcap behind us. See real.h for the why.
 *
 * Not an ELF constructor: a program that never calls libpcap never pays.
 *
 * Source: dlopen(3), dladdr(3), dl_iterate_phdr(3), glibc 2.36 elf/dl-load.c: objects are the same
 * if st_dev and st_ino are, whatever name they were opened by.
 * Threads: see accel_real(). */
#include "core/real.h"

#include "base/util.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnu/lib-names.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

/* Debian's multiarch names. Other systems find it in the four general folders. */
#if defined(__x86_64__) && defined(__ILP32__)
#define MULTIARCH "x86_64-linux-gnux32"
#elif defined(__x86_64__)
#define MULTIARCH "x86_64-linux-gnu"
#elif defined(__i386__)
#define MULTIARCH "i386-linux-gnu"
#elif defined(__aarch64__)
#define MULTIARCH "aarch64-linux-gnu"
#elif defined(__arm__) && defined(__ARM_PCS_VFP)
#define MULTIARCH "arm-linux-gnueabihf"
#elif defined(__arm__)
#define MULTIARCH "arm-linux-gnueabi"
#elif defined(__riscv) && __riscv_xlen == 64
#define MULTIARCH "riscv64-linux-gnu"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define MULTIARCH "powerpc64le-linux-gnu"
#elif defined(__s390x__)
#define MULTIARCH "s390x-linux-gnu"
#elif defined(__loongarch64)
#define MULTIARCH "loongarch64-linux-gnu"
#elif defined(__mips64) && defined(__MIPSEL__)
#define MULTIARCH "mips64el-linux-gnuabi64"
#endif

static const char *const folders[] = {
#ifdef MULTIARCH
	"/usr/lib/" MULTIARCH,
	"/lib/" MULTIARCH,
	"/usr/local/lib/" MULTIARCH,
#endif
	"/usr/lib64",
	"/lib64",
	"/usr/lib",
	"/lib",
	"/usr/local/lib64",
	"/usr/local/lib",
};

static const char *const names[] = {"libpcap.so.0.8", "libpcap.so.1", "libpcap.so"};

/* What stands in for a function that is not there. */
static char no_error_text[] = "no libpcap of the system is there to say";

static void say_missing(char *errbuf, const char *name)
{
	const char *path = accel_real()->path;

	if (!errbuf)
		return;
	if (path)
		snprintf(errbuf, PCAP_ERRBUF_SIZE, "%s: not supported by %s", name, path);
	else
		snprintf(errbuf, PCAP_ERRBUF_SIZE,
			 "%s: no libpcap was found on this system (install it, or give its "
			 "absolute path in PCAP_ACCEL_LIBPCAP)",
			 name);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define SAY(value)	   (say_missing(errbuf, me), (value))
#define SAY_NO_LIST(value) (*alldevs = NULL, say_missing(errbuf, me), (value))
#define X(class, ret, name, params, args, missing)                      \
	static ret missing_##name params                                \
	{                                                               \
		static const char me[] __attribute__((unused)) = #name; \
                                                                        \
		return missing;                                         \
	}
ACCEL_REAL_FUNCTIONS(X)
#undef X
#undef SAY_NO_LIST
#undef SAY
#pragma GCC diagnostic pop

/* clang-format off */
static const struct accel_real nothing = {
#define X(class, ret, name, params, args, missing) .name = missing_##name,
	ACCEL_REAL_FUNCTIONS(X)
#undef X
};
/* clang-format on */

static const struct {
	const char *name;
	size_t offset; /* of its pointer in struct accel_real */
} functions[] = {
#define X(class, ret, name, params, args, missing) {#name, offsetof(struct accel_real, name)},
	ACCEL_REAL_FUNCTIONS(X)
#undef X
};

/* Written once, by whichever thread loads first; accel_real() reads it on the other side. */
static const struct accel_real *loaded;

/* May the real library be bound deep, so that its calls of its own exports do not come to us? Only
 * in a process whose malloc() is libc's. Where the program brings another (jemalloc, a sanitizer)
 * the library would free with libc's what libc's own strdup() had from the program's; and a
 * sanitizer ends a process that tries. There accel_real_called_us() does the work. */
static bool may_bind_deep(void)
{
	void *libc = dlopen(LIBC_SO, RTLD_NOW | RTLD_NOLOAD);
	void *theirs;

	if (!libc)
		return false;
	theirs = dlsym(libc, "malloc");
	dlclose(libc);
	return theirs && theirs == dlsym(RTLD_DEFAULT, "malloc");
}

struct extent {
	const struct link_map *map;
	const char *start, *end;
};

static int find_extent(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct extent *e = arg;

	(void)size;
	if (info->dlpi_addr != e->map->l_addr || strcmp(info->dlpi_name, e->map->l_name) != 0)
		return 0;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const char *at = (const char *)(info->dlpi_addr + ph->p_vaddr);

		if (ph->p_type != PT_LOAD)
			continue;
		if (!e->start || at < e->start)
			e->start = at;
		if (at + ph->p_memsz > e->end)
			e->end = at + ph->p_memsz;
	}
	return 1;
}

/* dlsym() of a handle looks into the library's dependencies as well, and one of these may have
 * brought us: take only what the library itself defines. */
static void *own_symbol(void *handle, const struct extent *e, const char *name)
{
	char *at = dlsym(handle, name);

	return at && at >= e->start && at < e->end ? at : NULL;
}

static const struct link_map *our_map(void)
{
	struct link_map *map = NULL;
	Dl_info info;

	dladdr1((const void *)&functions, &info, (void **)&map, RTLD_DL_LINKMAP);
	return map;
}

/* Is it a libpcap, and not us: neither this file by another name, nor another copy of it? */
static bool is_real(void *handle, struct extent *e)
{
	struct link_map *map;

	if (dlinfo(handle, RTLD_DI_LINKMAP, &map) < 0 || map == our_map())
		return false;
	*e = (struct extent){.map = map};
	dl_iterate_phdr(find_extent, e);
	return own_symbol(handle, e, "pcap_create") && own_symbol(handle, e, "pcap_lib_version") &&
	       !own_symbol(handle, e, "pcap_accel_version");
}

static void resolve(struct accel_real *real, void *handle, const struct extent *e)
{
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(functions); i++) {
		void *at = own_symbol(handle, e, functions[i].name);

		if (at)
			memcpy((char *)real + functions[i].offset, &at, sizeof(at));
	}
}

/* `deep` is RTLD_DEEPBIND or 0. NULL: not there, not a libpcap, or ourselves. */
static struct accel_real *open_real(const char *path, int deep)
{
	/* NODELETE: its functions are in our table for the life of the process. */
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | deep);
	struct accel_real *real;
	struct extent e;

	if (!handle)
		return NULL;
	real = is_real(handle, &e) ? malloc(sizeof(*real)) : NULL;
	if (!real) {
		dlclose(handle);
		return NULL;
	}
	*real = nothing;
	real->path = e.map->l_name;
	real->start = e.start;
	real->end = e.end;
	resolve(real, handle, &e);
	return real;
}

static struct accel_real *search(void)
{
	const char *wish = secure_getenv("PCAP_ACCEL_LIBPCAP");
	int deep = may_bind_deep() ? RTLD_DEEPBIND : 0;
	struct accel_real *real = wish && *wish == '/' ? open_real(wish, deep) : NULL;
	char path[PATH_MAX];

	for (size_t f = 0; !real && f < ACCEL_ARRAY_LEN(folders); f++)
		for (size_t n = 0; !real && n < ACCEL_ARRAY_LEN(names); n++) {
			snprintf(path, sizeof(path), "%s/%s", folders[f], names[n]);
			real = open_real(path, deep);
		}
	return real;
}

static const struct accel_real *load(void)
{
	const struct accel_real *before = NULL;
	int saved_errno = errno;
	struct accel_real *found = search();
	const struct accel_real *mine = found ? found : &nothing;

	dlerror(); /* the failed candidates are nobody's business */
	/* Release: pairs with the acquire in accel_real(). Not a lock or a once: a fork in another
	 * thread's dlopen() would leave the child waiting for ever. */
	if (!__atomic_compare_exchange_n(&loaded, &before, mine, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		free(found);
		mine = before;
	}
	errno = saved_errno;
	return mine;
}

const struct accel_real *accel_real(void)
{
	const struct accel_real *real = accel_load_acquire(&loaded);

	return ACCEL_LIKELY(real) ? real : load();
}

bool accel_real_called_us(const void *return_address)
{
	const struct accel_real *real = accel_real();
	const char *at = return_address;

	return at >= real->start && at < real->end;
}
