/* SPDX-License-Identifier: BSD-3-Clause */
/* lang_oracle - whom computations name for frames, as a socket of this namespace sees them: tag
 * beside the packet or in it, type, addressee. No kernel program is asked, but the interpreter.
 *
 *     lang_oracle NETNS FRAMES <COMPUTATIONS
 *     lang_oracle
 *
 * FRAMES is a file as wire.h has it, NETNS the path of the sender's namespace. Every frame is sent
 * once and has to arrive once. Then, for each computation on stdin, one a line, a line of JSON:
 * "block", and for each frame "to": null (nobody), "all", "one" (anyone), [v] (the member of v modulo
 * the members) or [v, v2]. Without arguments: the names of all functions that decide whom a packet
 * goes to, one a line.
 *
 * Linked with the library's objects, not run in front of them.
 * Threads: one. */
#include "wire.h"

#include "base/err.h"
#include "bpf/cbpf.h"
#include "lang/lang.h"
#include "lang/node.h"

#include <pcap/pcap.h>

struct arrived {
	bool there;
	unsigned len;
	unsigned char data[WIRE_MAX_FRAME];
	struct accel_bpf_aux aux;
};

static struct wire wire;
static struct arrived *arrived;
static int view; /* the socket that sees the frames */

static void die(const char *what, const char *why)
{
	fprintf(stderr, "lang_oracle: %s: %s\n", what, why);
	exit(1);
}

static void open_view(void)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int room = 4 << 20, on = 1;

	view = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (view < 0 || setsockopt(view, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    setsockopt(view, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    setsockopt(view, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
	    bind(view, (struct sockaddr *)&to, sizeof(to)))
		die("the socket that sees the frames", strerror(errno));
}

static void read_aux(struct msghdr *msg, const struct sockaddr_ll *from, struct accel_bpf_aux *aux)
{
	struct tpacket_auxdata data;

	aux->ifindex = (uint32_t)from->sll_ifindex;
	aux->protocol = ntohs(from->sll_protocol);
	aux->pkttype = from->sll_pkttype;
	aux->hatype = from->sll_hatype;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&data, CMSG_DATA(c), sizeof(data));
		aux->vlan_present = (data.tp_status & TP_STATUS_VLAN_VALID) != 0;
		aux->vlan_tci = data.tp_vlan_tci;
		aux->vlan_tpid = data.tp_vlan_tpid;
		aux->net_offset = (uint32_t)(data.tp_net - data.tp_mac);
	}
}

/* False: there is no more. */
static bool take_one(int fd)
{
	unsigned char data[WIRE_MAX_FRAME];
	struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
	struct sockaddr_ll from;
	char control[128];
	struct msghdr msg = {.msg_name = &from,
			     .msg_namelen = sizeof(from),
			     .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, 0);
	struct arrived *a;
	struct stamp s;

	if (n < 0)
		return false;
	if (!stamp_read(data, (uint32_t)n, &s) || s.seq == STAMP_STOP)
		return true;
	if (s.seq >= wire.n_frames || arrived[s.seq].there)
		die("frames", "one has arrived twice");
	a = &arrived[s.seq];
	a->there = true;
	a->len = (unsigned)n;
	memcpy(a->data, data, (size_t)n);
	read_aux(&msg, &from, &a->aux);
	return true;
}

static void take_all(void)
{
	while (take_one(view))
		;
}

static void send_all(void)
{
	open_view();
	wire_send(&wire, 0, wire.n_frames - 1, take_all);
	for (unsigned i = 0; i < wire.n_frames; i++)
		if (!arrived[i].there)
			die("frames", "one has not arrived");
	close(view);
}

/* A filter as a live capture of the sensor's has it. */
static int compile_pcap(void *ctx, const char *text, struct sock_filter **out, unsigned *n_out,
			struct accel_err *err)
{
	struct bpf_program program;

	if (pcap_compile(ctx, &program, text, 1, PCAP_NETMASK_UNKNOWN))
		return accel_fail(err, -EINVAL, "%s", pcap_geterr(ctx));
	*out = malloc(program.bf_len * sizeof(**out));
	if (!*out)
		return accel_fail(err, -ENOMEM, "out of memory");
	memcpy(*out, program.bf_insns, program.bf_len * sizeof(**out));
	*n_out = program.bf_len;
	pcap_freecode(&program);
	return 0;
}

static void print_verdict(const struct accel_lang *lang, const struct arrived *a)
{
	struct accel_lang_verdict v;

	accel_lang_eval(lang, a->data, a->len, &a->aux, &v);
	if (!(v.classes & 1)) /* of nobody who captures packets */
		v.outcome = ACCEL_LANG_TO_NOBODY;
	if (v.outcome == ACCEL_LANG_TO_NOBODY)
		printf("null");
	else if (v.outcome == ACCEL_LANG_TO_ALL)
		printf("\"all\"");
	else if (v.spread)
		printf("\"one\"");
	else if (v.outcome == ACCEL_LANG_TO_ONE)
		printf("[%u]", v.value);
	else
		printf("[%u,%u]", v.value, v.value2);
}

static void answer(pcap_t *model, const char *text)
{
	static const char *const blocks[] = {"copy", "steer", "mixed", "double"};
	struct accel_lang_options opt = {.compile_pcap = compile_pcap, .pcap_ctx = model};
	struct accel_lang *lang = NULL;
	struct accel_err err = {""};

	if (accel_lang_compile("oracle", text, strlen(text), &opt, &lang, &err))
		die(text, err.text);
	printf("{\"block\": \"%s\", \"to\": [", blocks[accel_lang_block(lang)]);
	for (unsigned i = 0; i < wire.n_frames; i++) {
		if (i)
			putchar(',');
		print_verdict(lang, &arrived[i]);
	}
	printf("]}\n");
	accel_lang_free(lang);
}

/* Whatever writes the fan-out, or the classes. */
static void print_functions(void)
{
	for (unsigned i = 0; i < accel_lang_n_prims; i++) {
		const struct accel_lang_prim *row = &accel_lang_prims[i];

		if (row->status == ACCEL_LANG_WORKS && row->act &&
		    (row->act->makes || row->uses & ACCEL_USES_CLASS))
			printf("%s\n", row->name);
	}
}

int main(int argc, char **argv)
{
	char line[1024], errbuf[PCAP_ERRBUF_SIZE];
	pcap_t *model;

	if (argc == 1) {
		print_functions();
		return 0;
	}
	if (argc != 3)
		die("arguments", "NETNS FRAMES");
	wire_open(&wire, "lang_oracle", argv[1], argv[2]);
	arrived = calloc(wire.n_frames, sizeof(arrived[0]));
	model = pcap_open_live("eth0", 65535, 0, 1, errbuf);
	if (!arrived || !model)
		die("eth0", arrived ? errbuf : "out of memory");
	send_all();
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		answer(model, line);
	}
	pcap_close(model);
	return 0;
}
