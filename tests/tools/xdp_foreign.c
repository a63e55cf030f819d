/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_foreign - somebody else on an interface: an XDP program, or an AF_XDP socket.
 *
 *     xdp_foreign IF HOW
 *
 *     native, generic  a program that passes everything, attached by link: it goes with this process
 *     left             the same, attached natively by netlink: it stays until someone takes it off
 *     named            the same under the name of group 42's
 *     posing           and with a map as that has
 *     socket           a socket on queue 0, with a memory and a ring of its own, and no program
 *
 * Prints HERE and the program's number (0 for a socket), and waits for the end of its input. Where it
 * is refused it prints REFUSED and the errno's name, and ends with 0; everything else is exit 1.
 *
 * Threads: one. */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif

#define FRAME_LEN 2048
#define N_FRAMES  64

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int make_map(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_PROG_ARRAY;
	attr.key_size = attr.value_size = 4;
	attr.max_entries = 1;
	return bpf(BPF_MAP_CREATE, &attr);
}

/* The map, if any, is named and not used. */
static int load(const char *name, int map_fd)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = 1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = map_fd},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uintptr_t)(map_fd < 0 ? pass + 2 : pass);
	attr.insn_cnt = map_fd < 0 ? 2 : 4;
	attr.license = (uintptr_t) "BSD";
	memcpy(attr.prog_name, name, strlen(name));
	return bpf(BPF_PROG_LOAD, &attr);
}

static unsigned number_of(int prog_fd)
{
	struct bpf_prog_info info;
	union bpf_attr attr;

	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)prog_fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0 ? 0 : info.id;
}

static int attach_link(int prog_fd, unsigned ifindex, uint32_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)prog_fd;
	attr.link_create.target_ifindex = ifindex;
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = flags;
	return bpf(BPF_LINK_CREATE, &attr);
}

static void *append(struct nlmsghdr *nlh, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (void *)((char *)nlh + NLMSG_ALIGN(nlh->nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	nlh->nlmsg_len = NLMSG_ALIGN(nlh->nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static int attach_netlink(int prog_fd, unsigned ifindex)
{
	const uint32_t flags = XDP_FLAGS_UPDATE_IF_NOEXIST | XDP_FLAGS_DRV_MODE;
	union {
		struct nlmsghdr nlh;
		char bytes[256];
	} msg;
	struct ifinfomsg *link = NLMSG_DATA(&msg.nlh);
	struct nlmsgerr *answer = NLMSG_DATA(&msg.nlh);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct rtattr *nest;

	memset(&msg, 0, sizeof(msg));
	msg.nlh.nlmsg_len = NLMSG_LENGTH(sizeof(*link));
	msg.nlh.nlmsg_type = RTM_SETLINK;
	msg.nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	link->ifi_index = (int)ifindex;
	nest = append(&msg.nlh, IFLA_XDP | NLA_F_NESTED, NULL, 0);
	append(&msg.nlh, IFLA_XDP_FD, &prog_fd, sizeof(prog_fd));
	append(&msg.nlh, IFLA_XDP_FLAGS, &flags, sizeof(flags));
	nest->rta_len = (uint16_t)((char *)&msg + msg.nlh.nlmsg_len - (char *)nest);
	if (fd < 0 || send(fd, &msg, msg.nlh.nlmsg_len, 0) < 0 ||
	    recv(fd, &msg, sizeof(msg), 0) < 0)
		return -1;
	errno = -answer->error;
	return errno ? -1 : 0;
}

/* The kernel wants a fill and a completion ring of whoever brings the memory. */
static int occupy(unsigned ifindex)
{
	static const int rings[] = {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING};
	struct xdp_umem_reg reg = {.len = N_FRAMES * FRAME_LEN, .chunk_size = FRAME_LEN};
	struct sockaddr_xdp addr = {.sxdp_family = AF_XDP, .sxdp_ifindex = ifindex};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), n = N_FRAMES;
	void *map = mmap(NULL, reg.len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	reg.addr = (uintptr_t)map;
	if (fd < 0 || map == MAP_FAILED ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) < 0)
		return -1;
	for (unsigned i = 0; i < sizeof(rings) / sizeof(rings[0]); i++)
		if (setsockopt(fd, SOL_XDP, rings[i], &n, sizeof(n)) < 0)
			return -1;
	return bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
}

int main(int argc, char **argv)
{
	unsigned ifindex = argc == 3 ? if_nametoindex(argv[1]) : 0;
	bool poses = argc == 3 && !strcmp(argv[2], "posing");
	bool is_named = poses || (argc == 3 && !strcmp(argv[2], "named"));
	int prog_fd = load(is_named ? "accel_g42" : "foreigner", poses ? make_map() : -1), r = -1;
	char byte;

	if (!ifindex || prog_fd < 0) {
		fprintf(stderr, "xdp_foreign: xdp_foreign IF native|generic|left|named|posing|socket\n");
		return 1;
	}
	errno = EINVAL;
	if (!strcmp(argv[2], "native"))
		r = attach_link(prog_fd, ifindex, XDP_FLAGS_DRV_MODE);
	else if (!strcmp(argv[2], "generic"))
		r = attach_link(prog_fd, ifindex, XDP_FLAGS_SKB_MODE);
	else if (is_named || !strcmp(argv[2], "left"))
		r = attach_netlink(prog_fd, ifindex);
	else if (!strcmp(argv[2], "socket"))
		r = occupy(ifindex);
	if (r < 0) {
		printf("REFUSED %s\n", strerrorname_np(errno));
		return 0;
	}
	printf("HERE %u\n", strcmp(argv[2], "socket") ? number_of(prog_fd) : 0);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		continue;
	return 0;
}
