/* SPDX-License-Identifier: BSD-3-Clause */
/* bpf_adopt.c - a link that another process has made becomes ours too: the kernel gives a
 * descriptor for a number, and the device keeps its program until the last descriptor has gone.
 *
 * Source: kernel/bpf/syscall.c (Linux 6.18), bpf(2).
 * Threads: none of its own. */
#include "kern/bpf_sys.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>

static int get_fd(enum bpf_cmd command, uint32_t id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id; /* also link_id and map_id: one place for all kinds */
	return accel_bpf_call((int)command, &attr);
}

static int get_info(int fd, void *info, uint32_t len)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = len;
	attr.info.info = (uintptr_t)info;
	return accel_bpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

/* The descriptor of the program's map. */
static int open_map(uint32_t prog_id)
{
	int fd = get_fd(BPF_PROG_GET_FD_BY_ID, prog_id), r;
	struct bpf_prog_info info;
	uint32_t map_id = 0;

	if (fd < 0)
		return fd;
	memset(&info, 0, sizeof(info));
	info.nr_map_ids = 1;
	info.map_ids = (uintptr_t)&map_id;
	r = get_info(fd, &info, sizeof(info));
	close(fd);
	if (r < 0)
		return r;
	return info.nr_map_ids == 1 ? get_fd(BPF_MAP_GET_FD_BY_ID, map_id) : -EINVAL;
}

/* Of a link that was detached, or whose device has gone, the kernel says ifindex 0. */
static bool get_link(int fd, int ifindex, struct bpf_link_info *info)
{
	memset(info, 0, sizeof(*info));
	return get_info(fd, info, sizeof(*info)) == 0 && info->type == BPF_LINK_TYPE_XDP &&
	       info->xdp.ifindex == (uint32_t)ifindex;
}

bool accel_bpf_link_is_on(int link_fd, int ifindex)
{
	struct bpf_link_info info;

	return get_link(link_fd, ifindex, &info);
}

static bool is_link_of(int fd, uint32_t prog_id, int ifindex)
{
	struct bpf_link_info info;

	return get_link(fd, ifindex, &info) && info.prog_id == prog_id;
}

/* The descriptor of the program's link; one that goes while we look is passed over. */
static int open_link(uint32_t prog_id, int ifindex)
{
	union bpf_attr attr;
	uint32_t id = 0;
	int r;

	for (;;) {
		memset(&attr, 0, sizeof(attr));
		attr.start_id = id;
		if ((r = accel_bpf_call(BPF_LINK_GET_NEXT_ID, &attr)) < 0)
			return r;
		id = attr.next_id;
		r = get_fd(BPF_LINK_GET_FD_BY_ID, id);
		if (r >= 0 && is_link_of(r, prog_id, ifindex))
			return r;
		if (r >= 0)
			close(r);
		else if (r == -EPERM)
			return r;
	}
}

int accel_bpf_adopt(uint32_t prog_id, int ifindex, int *link_fd, int *map_fd)
{
	int map = open_map(prog_id), link;

	if (map < 0)
		return map;
	link = open_link(prog_id, ifindex);
	if (link < 0) {
		close(map);
		return link;
	}
	*link_fd = link;
	*map_fd = map;
	return 0;
}
