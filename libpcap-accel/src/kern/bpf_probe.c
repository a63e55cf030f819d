/* SPDX-License-Identifier: BSD-3-Clause */
/* bpf_probe.c - what this kernel lets this process do with bpf(2), asked by doing it in small.
 *
 * Threads: none of its own. */
#include "kern/bpf_sys.h"

#include "bpf/btf.h"
#include "bpf/ebpf_asm.h"
#include "bpf/translate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CPUS_FILE "/sys/devices/system/cpu/possible"
#define BTF_FILE  "/sys/kernel/btf/vmlinux"
/* No program runs for so long: where the kernel does not say when those that began are done. */
#define PROGRAM_MS 50

/* Can what was assembled be loaded? */
static bool loads(struct accel_easm *as, unsigned flags)
{
	struct accel_ebpf_prog prog = {0};
	struct accel_bpf_load load = {.name = "probe", .prog = &prog, .flags = flags};
	int fd = -1;

	if (accel_easm_finish(as, &prog) == 0)
		fd = accel_bpf_prog_open(&load, NULL);
	accel_ebpf_prog_fini(&prog);
	accel_easm_fini(as);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void return_0(struct accel_easm *as, unsigned label)
{
	accel_easm_bind(as, label);
	accel_easm_alu32_k(as, ACCEL_BPF_MOV, ACCEL_R0, 0);
	accel_easm_exit(as);
}

bool accel_bpf_may_move_pointers(void)
{
	struct accel_easm as;
	unsigned end;

	accel_easm_init(&as);
	end = accel_easm_label(&as);
	accel_easm_load(&as, BPF_W, ACCEL_R2, ACCEL_R1, ACCEL_MD_DATA);
	accel_easm_load(&as, BPF_W, ACCEL_R3, ACCEL_R1, ACCEL_MD_DATA_END);
	accel_easm_load(&as, BPF_W, ACCEL_R4, ACCEL_R1, ACCEL_MD_QUEUE);
	accel_easm_jump64_k(&as, BPF_JGT, ACCEL_R4, 100, end);
	accel_easm_alu64_x(&as, BPF_ADD, ACCEL_R4, ACCEL_R2);
	accel_easm_alu64_x(&as, ACCEL_BPF_MOV, ACCEL_R1, ACCEL_R4);
	accel_easm_alu64_k(&as, BPF_ADD, ACCEL_R1, 1);
	accel_easm_jump64_x(&as, BPF_JGT, ACCEL_R1, ACCEL_R3, end);
	accel_easm_load(&as, BPF_B, ACCEL_R0, ACCEL_R4, 0);
	return_0(&as, end);
	return loads(&as, 0);
}

bool accel_bpf_has_frags(void)
{
	struct accel_easm as;
	unsigned end;

	accel_easm_init(&as);
	end = accel_easm_label(&as);
	accel_easm_call(&as, ACCEL_HELPER_XDP_LEN);
	return_0(&as, end);
	return loads(&as, ACCEL_PROG_HAS_FRAGS);
}

/* The highest number in "0-3" or "0,2-5", plus 1. */
unsigned accel_bpf_cpus(void)
{
	char text[256];
	int fd = open(CPUS_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	unsigned last = 0;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] >= '0' && text[i] <= '9')
			last = last * 10 + (unsigned)(text[i] - '0');
		else if (text[i] == '-' || text[i] == ',')
			last = 0;
	}
	return last + 1;
}

/* They run under RCU, and this command of membarrier(2) is synchronize_rcu()
 * (kernel/sched/membarrier.c, Linux 6.18). Kernels with nohz_full do not have it. */
void accel_bpf_wait_for_programs(void)
{
	struct timespec left = {.tv_nsec = PROGRAM_MS * 1000000l};

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0)
		return;
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

int accel_bpf_kfunc_ids(int32_t ids[ACCEL_N_KFUNCS])
{
	int fd = open(BTF_FILE, O_RDONLY | O_CLOEXEC), r = 0;
	bool btf_is_read;
	struct stat st;
	void *btf;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	btf = malloc((size_t)st.st_size);
	for (off_t at = 0; btf && at < st.st_size;) {
		ssize_t n = read(fd, (char *)btf + at, (size_t)(st.st_size - at));

		if (n <= 0) {
			r = n < 0 ? -errno : -EIO;
			break;
		}
		at += n;
	}
	close(fd);
	if (!btf)
		return -ENOMEM;
	btf_is_read = r == 0;
	for (unsigned i = 0; btf_is_read && i < ACCEL_N_KFUNCS; i++) {
		int32_t id = accel_btf_find_func(btf, (size_t)st.st_size,
						 accel_ebpf_kfunc_name((enum accel_ebpf_kfunc)i));

		ids[i] = id > 0 ? id : 0;
		r = id > 0 ? r : id;
	}
	free(btf);
	return r;
}
