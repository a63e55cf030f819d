/* SPDX-License-Identifier: BSD-3-Clause */
/* bpf_sys.c - see bpf_sys.h. The verifier's log is asked for only when it has refused a program:
 * writing it costs more than loading. */
#include "kern/bpf_sys.h"

#include "base/err.h"
#include "base/util.h"
#include "kern/caps.h"

#include "bpf/btf.h"
#include "bpf/ebpf_asm.h"
#include "bpf/xdp_prog.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOG_LEN (64 * 1024)

/* The licence is what the kernel asks of programs that call its functions: GPL-compatible. */
static const char licence[] = "Dual BSD/GPL";

_Static_assert(sizeof(struct accel_ebpf_insn) == sizeof(struct bpf_insn), "layout of instructions");
_Static_assert((int)ACCEL_HELPER_XDP_LOAD == (int)BPF_FUNC_xdp_load_bytes, "number of a helper");
_Static_assert((int)ACCEL_HELPER_XDP_LEN == (int)BPF_FUNC_xdp_get_buff_len, "number of a helper");
_Static_assert((int)ACCEL_HELPER_ADJUST_META == (int)BPF_FUNC_xdp_adjust_meta,
	       "number of a helper");
_Static_assert((int)ACCEL_HELPER_REDIRECT_MAP == (int)BPF_FUNC_redirect_map, "number of a helper");
_Static_assert((int)ACCEL_HELPER_TAIL_CALL == (int)BPF_FUNC_tail_call, "number of a helper");
_Static_assert((int)ACCEL_HELPER_LOOP == (int)BPF_FUNC_loop, "number of a helper");
_Static_assert((int)ACCEL_HELPER_RINGBUF_DISCARD == (int)BPF_FUNC_ringbuf_discard,
	       "number of a helper");
_Static_assert((int)ACCEL_MAP_TYPE_XSKMAP == (int)BPF_MAP_TYPE_XSKMAP, "number of a map type");
_Static_assert((int)ACCEL_MAP_TYPE_PROGS == (int)BPF_MAP_TYPE_PROG_ARRAY, "number of a map type");
_Static_assert((int)ACCEL_MAP_TYPE_RINGBUF == (int)BPF_MAP_TYPE_RINGBUF, "number of a map type");
_Static_assert(ACCEL_MAP_MMAPABLE == BPF_F_MMAPABLE, "flag of a map");
_Static_assert(ACCEL_PROG_HAS_FRAGS == BPF_F_XDP_HAS_FRAGS, "flag of a program");
_Static_assert(offsetof(struct xdp_md, rx_queue_index) == ACCEL_MD_QUEUE, "layout of the context");

int accel_bpf_call(int command, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

const char *accel_bpf_remedy(void)
{
	if (geteuid() == 0)
		return "root has given some up here, so setcap "
		       "cap_bpf,cap_net_admin,cap_net_raw+ep PROGRAM and start it as another user";
	return "run as root, or setcap cap_bpf,cap_net_admin,cap_net_raw+ep PROGRAM";
}

static int explain(int r, const char *name, const char *what, struct accel_err *err)
{
	if (r == -EPERM && accel_has_cap(CAP_BPF) && accel_has_cap(CAP_NET_ADMIN))
		return accel_fail(err, r,
				  "%s: this process is denied its %s though it has CAP_BPF "
				  "(AppArmor: 'capability bpf,' in its profile, see pcap-accel(7); "
				  "root of a user namespace gets none)",
				  name, what);
	if (r == -EPERM)
		return accel_fail(err, r,
				  "%s: the kernel lets this process have no %s (needs CAP_BPF, "
				  "CAP_NET_ADMIN and CAP_NET_RAW: %s)",
				  name, what, accel_bpf_remedy());
	return accel_fail_sys(err, r, "%s: cannot make the %s", name, what);
}

int accel_bpf_map_open(const char *name, enum accel_ebpf_map map, uint32_t n_entries,
		       struct accel_err *err)
{
	const struct accel_ebpf_map_spec *spec = accel_ebpf_map_spec(map);
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = spec->type;
	attr.key_size = spec->key_size;
	attr.value_size = spec->value_size;
	attr.max_entries = spec->n_entries ? spec->n_entries : n_entries;
	attr.map_flags = spec->flags;
	memcpy(attr.map_name, spec->name, strnlen(spec->name, sizeof(attr.map_name) - 1));
	fd = accel_bpf_call(BPF_MAP_CREATE, &attr);
	return fd < 0 ? explain(fd, name, "XDP map", err) : fd;
}

static int map_call(enum bpf_cmd cmd, int map_fd, uint32_t key, const void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map_fd;
	attr.key = address(&key);
	attr.value = address(value);
	return accel_bpf_call((int)cmd, &attr);
}

int accel_bpf_map_set(int map_fd, uint32_t key, const void *value)
{
	return map_call(BPF_MAP_UPDATE_ELEM, map_fd, key, value);
}

int accel_bpf_map_remove(int map_fd, uint32_t key)
{
	return map_call(BPF_MAP_DELETE_ELEM, map_fd, key, NULL);
}

int accel_bpf_map_get(int map_fd, uint32_t key, void *value)
{
	return map_call(BPF_MAP_LOOKUP_ELEM, map_fd, key, value);
}

void *accel_bpf_map_memory(int map_fd, size_t len)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);

	return map == MAP_FAILED ? NULL : map;
}

/* What is loaded: the instructions of one process, and the types of its functions. */
struct image {
	struct accel_ebpf_insn *insns;
	struct bpf_func_info funcs[2];
	int btf_fd; /* -1: one function, which needs no type */
};

static void image_fini(struct image *image)
{
	free(image->insns);
	if (image->btf_fd >= 0)
		close(image->btf_fd);
}

/* The descriptor or -errno. */
static int open_types(uint32_t *func)
{
	union bpf_attr attr;
	size_t len;

	memset(&attr, 0, sizeof(attr));
	attr.btf = address(accel_btf_of_functions(&len, func));
	attr.btf_size = (uint32_t)len;
	return accel_bpf_call(BPF_BTF_LOAD, &attr);
}

static int image_init(struct image *image, const struct accel_bpf_load *load)
{
	uint32_t type;

	*image = (struct image){.btf_fd = -1};
	image->insns = accel_ebpf_link(load->prog, load->map_fds, load->kfunc_ids);
	if (!image->insns)
		return -ENOMEM;
	if (!load->prog->func)
		return 0;
	image->btf_fd = open_types(&type);
	if (image->btf_fd < 0) {
		free(image->insns);
		return image->btf_fd;
	}
	image->funcs[0] = (struct bpf_func_info){.insn_off = 0, .type_id = type};
	image->funcs[1] = (struct bpf_func_info){.insn_off = load->prog->func, .type_id = type};
	return 0;
}

static void fill_load(union bpf_attr *attr, const struct accel_bpf_load *load,
		      const struct image *image)
{
	const char *name = load->prog_name ? load->prog_name : "pcap_accel";

	memset(attr, 0, sizeof(*attr));
	attr->prog_type = BPF_PROG_TYPE_XDP;
	attr->expected_attach_type = BPF_XDP;
	attr->insns = address(image->insns);
	attr->insn_cnt = load->prog->n_insns;
	attr->license = address(licence);
	attr->prog_flags = load->flags;
	attr->prog_ifindex = (uint32_t)load->ifindex;
	memcpy(attr->prog_name, name, strnlen(name, sizeof(attr->prog_name) - 1));
	if (image->btf_fd < 0)
		return;
	attr->prog_btf_fd = (uint32_t)image->btf_fd;
	attr->func_info = address(image->funcs);
	attr->func_info_rec_size = sizeof(image->funcs[0]);
	attr->func_info_cnt = ACCEL_ARRAY_LEN(image->funcs);
}

/* The verifier's last line that is about the program: behind it stand its statistics. */
static const char *last_words(char *log)
{
	static const char statistics[] = "processed ";
	char *line = log, *last = log;

	while (*line) {
		size_t len = strcspn(line, "\n");

		if (len && strncmp(line, statistics, sizeof(statistics) - 1))
			last = line;
		line += len + (line[len] != '\0');
	}
	last[strcspn(last, "\n")] = '\0';
	return last;
}

/* Load once more, for the log. What a signal interrupted (-EAGAIN), or memory was short for, may
 * succeed now: then it has. */
static int explain_load(int r, const struct accel_bpf_load *load, const struct image *image,
			struct accel_err *err)
{
	char *log = r == -EPERM ? NULL : calloc(1, LOG_LEN);
	union bpf_attr attr;
	int fd;

	if (!log)
		return explain(r, load->name, "XDP program", err);
	fill_load(&attr, load, image);
	attr.log_buf = address(log);
	attr.log_size = LOG_LEN;
	attr.log_level = 1;
	fd = accel_bpf_call(BPF_PROG_LOAD, &attr);
	log[LOG_LEN - 1] = '\0';
	if (fd >= 0)
		r = fd;
	else if (log[0])
		accel_fail(err, r, "%s: the kernel refused the XDP program of %u instructions: %s",
			   load->name, load->prog->n_insns, last_words(log));
	else
		explain(r, load->name, "XDP program", err);
	free(log);
	return r;
}

int accel_bpf_prog_open(const struct accel_bpf_load *load, struct accel_err *err)
{
	struct image image;
	union bpf_attr attr;
	int fd = image_init(&image, load);

	if (fd < 0)
		return explain(fd, load->name, "XDP program", err);
	fill_load(&attr, load, &image);
	fd = accel_bpf_call(BPF_PROG_LOAD, &attr);
	if (fd < 0)
		fd = explain_load(fd, load, &image, err);
	image_fini(&image);
	return fd;
}

int accel_bpf_link_open(int prog_fd, int ifindex, enum accel_xdp_attach attach)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)prog_fd;
	attr.link_create.target_ifindex = (uint32_t)ifindex;
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags =
		attach == ACCEL_ATTACH_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	return accel_bpf_call(BPF_LINK_CREATE, &attr);
}

int accel_bpf_link_update(int link_fd, int prog_fd)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_update.link_fd = (uint32_t)link_fd;
	attr.link_update.new_prog_fd = (uint32_t)prog_fd;
	return accel_bpf_call(BPF_LINK_UPDATE, &attr);
}

int accel_bpf_prog_info(int prog_fd, struct accel_bpf_info *out)
{
	struct bpf_prog_info info;
	union bpf_attr attr;
	int r;

	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)prog_fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = address(&info);
	r = accel_bpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr);
	if (r < 0)
		return r;
	out->id = info.id;
	memcpy(out->name, info.name, sizeof(out->name));
	out->name[sizeof(out->name) - 1] = '\0';
	return 0;
}

int accel_bpf_prog_info_by_id(uint32_t id, struct accel_bpf_info *out)
{
	union bpf_attr attr;
	int fd, r;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id;
	fd = accel_bpf_call(BPF_PROG_GET_FD_BY_ID, &attr);
	if (fd < 0)
		return fd;
	r = accel_bpf_prog_info(fd, out);
	close(fd);
	return r;
}

int accel_bpf_prog_test(int prog_fd, struct accel_bpf_test *test)
{
	bool says_where = test->ifindex || test->queue || test->first_len;
	struct xdp_md md;
	union bpf_attr attr;
	int r;

	memset(&md, 0, sizeof(md));
	md.data_end = test->first_len ? test->first_len : test->len;
	md.ingress_ifindex = test->ifindex;
	md.rx_queue_index = test->queue;
	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)prog_fd;
	attr.test.data_in = address(test->data);
	attr.test.data_size_in = test->len;
	attr.test.data_out = address(test->out);
	attr.test.data_size_out = test->out ? test->out_len : 0;
	attr.test.repeat = 1;
	if (says_where) {
		attr.test.ctx_in = address(&md);
		attr.test.ctx_size_in = sizeof(md);
	}
	r = accel_bpf_call(BPF_PROG_TEST_RUN, &attr);
	if (r < 0)
		return r;
	test->retval = attr.test.retval;
	test->out_len = attr.test.data_size_out;
	return 0;
}
