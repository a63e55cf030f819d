/* SPDX-License-Identifier: BSD-3-Clause */
/* btf.h - finds a function's number in the kernel's description of its own types: what a program
 * that calls a kernel function has to name it by; and describes our own.
 *
 * Pure: whoever calls has read /sys/kernel/btf/vmlinux.
 * Source: Documentation/bpf/btf.rst, linux/btf.h.
 * Threads: none of its own. */
#ifndef ACCEL_BPF_BTF_H
#define ACCEL_BPF_BTF_H

#include <stddef.h>
#include <stdint.h>

/* The id (over 0) of the function of this name in len bytes of BTF in the machine's byte order.
 * -ENOENT: there is none. -EINVAL: this is no BTF, or one that goes on behind its end. */
int32_t accel_btf_find_func(const void *btf, size_t len, const char *name);

/* A description of our own, for programs of two functions: the kernel takes no address of a
 * function that it has no type for. *len bytes, constant; *func is the id of either. */
const void *accel_btf_of_functions(size_t *len, uint32_t *func);

#endif
