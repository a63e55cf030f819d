/* SPDX-License-Identifier: BSD-3-Clause */
/* pcap_abi.h - libpcap's public types and values as we declare them ourselves, so that building
 * needs no libpcap header. Result codes (PCAP_ERROR_*) are not here: only api/ knows them.
 *
 * tests/abi/test_headers.py compares every size, offset and value with the installed <pcap/pcap.h>.
 *
 * Source: pcap(3PCAP) and the pages it names, libpcap 1.10.3 to 1.11.
 * Threads: declarations only. */
#ifndef ACCEL_PCAP_ABI_H
#define ACCEL_PCAP_ABI_H

#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>

struct addrinfo;
struct pcap;	    /* a handle: the real library's or ours, never looked into from here */
struct pcap_dumper; /* a FILE in every release */
struct sockaddr;

/* One classic BPF instruction. Left incomplete: <linux/bpf.h> uses the same tag for the extended
 * kind. Its layout is that of struct sock_filter: cast to that. */
struct bpf_insn;

struct bpf_program {
	unsigned int bf_len; /* instructions */
	struct bpf_insn *bf_insns;
};

struct pcap_pkthdr {
	struct timeval ts; /* tv_usec holds nanoseconds on a handle of nanosecond precision */
	uint32_t caplen;   /* bytes that are there; <= len */
	uint32_t len;	   /* bytes that were on the wire */
};

struct pcap_stat {
	unsigned int ps_recv;	/* passed the filter, dropped ones included */
	unsigned int ps_drop;	/* no room in the ring */
	unsigned int ps_ifdrop; /* lost by the interface */
};

struct pcap_addr {
	struct pcap_addr *next;
	struct sockaddr *addr;
	struct sockaddr *netmask; /* this and the next two may be NULL */
	struct sockaddr *broadaddr;
	struct sockaddr *dstaddr;
};

struct pcap_if {
	struct pcap_if *next;
	char *name;
	char *description; /* may be NULL */
	struct pcap_addr *addresses;
	uint32_t flags; /* PCAP_IF_* */
};

struct pcap_samp {
	int method;
	int value;
};

struct pcap_rmtauth {
	int type;
	char *username;
	char *password;
};

struct pcap_etherent {
	unsigned char addr[6];
	char name[122];
};

struct eproto {
	const char *s;
	unsigned short p;
};

typedef void (*pcap_handler)(unsigned char *user, const struct pcap_pkthdr *h,
			     const unsigned char *bytes);

#define PCAP_ERRBUF_SIZE     256
#define PCAP_NETMASK_UNKNOWN 0xffffffffu

enum { PCAP_D_INOUT, PCAP_D_IN, PCAP_D_OUT };

enum { PCAP_CHAR_ENC_LOCAL, PCAP_CHAR_ENC_UTF_8 };

enum {
	PCAP_IF_LOOPBACK = 0x01,
	PCAP_IF_UP = 0x02,
	PCAP_IF_RUNNING = 0x04,
	PCAP_IF_WIRELESS = 0x08,
	PCAP_IF_CONNECTION_STATUS = 0x30,
	PCAP_IF_CONNECTION_STATUS_UNKNOWN = 0x00,
	PCAP_IF_CONNECTION_STATUS_CONNECTED = 0x10,
	PCAP_IF_CONNECTION_STATUS_DISCONNECTED = 0x20,
	PCAP_IF_CONNECTION_STATUS_NOT_APPLICABLE = 0x30,
};

enum {
	PCAP_TSTAMP_HOST,
	PCAP_TSTAMP_HOST_LOWPREC,
	PCAP_TSTAMP_HOST_HIPREC,
	PCAP_TSTAMP_ADAPTER,
	PCAP_TSTAMP_ADAPTER_UNSYNCED,
	PCAP_TSTAMP_HOST_HIPREC_UNSYNCED,
};

enum { PCAP_TSTAMP_PRECISION_MICRO, PCAP_TSTAMP_PRECISION_NANO };

enum {
	PCAP_OPENFLAG_PROMISCUOUS = 0x01,
	PCAP_OPENFLAG_DATATX_UDP = 0x02,
	PCAP_OPENFLAG_NOCAPTURE_RPCAP = 0x04,
	PCAP_OPENFLAG_NOCAPTURE_LOCAL = 0x08,
	PCAP_OPENFLAG_MAX_RESPONSIVENESS = 0x10,
};

/* The link types that our engines offer. */
enum {
	DLT_NULL = 0,
	DLT_EN10MB = 1,
	DLT_RAW = 12,
	DLT_LINUX_SLL = 113,
	DLT_DOCSIS = 143,
	DLT_LINUX_SLL2 = 276,
};

#endif
