/* SPDX-License-Identifier: BSD-3-Clause */
/* real_functions.h - every function of libpcap's ABI, a row each: what it takes, what it gives, and
 * what it gives where the real library lacks it.
 *
 *     X(class, return type, name, (parameters), (arguments), value where it is missing)
 *
 * The class is that of exports.list. SAY(v) and SAY_NO_LIST(v) as the last column mean: v, with a
 * sentence in `errbuf` (and NULL in *alldevs); no_error_text is a constant text. The user of the
 * table who wants that column gives these three a meaning (real.c does).
 *
 * tests/abi/test_headers.py redeclares each row beside <pcap/pcap.h>; the compiler compares them.
 * An enumeration is written as the unsigned int that it is.
 *
 * Source: the pages of libpcap 1.10.3 to 1.11, remote capture included.
 * Threads: a table. */
#ifndef ACCEL_REAL_FUNCTIONS_H
#define ACCEL_REAL_FUNCTIONS_H

#include "core/pcap_abi.h"

/* clang-format off */
#define ACCEL_REAL_FUNCTIONS(X) \
	/* By name: what makes a handle. */ \
	X(composite, struct pcap *, pcap_create, (const char *device, char *errbuf), \
	  (device, errbuf), SAY(NULL)) \
	X(composite, struct pcap *, pcap_open_live, (const char *device, int snaplen, int promisc, \
	  int to_ms, char *errbuf), (device, snaplen, promisc, to_ms, errbuf), SAY(NULL)) \
	X(composite, struct pcap *, pcap_open, (const char *source, int snaplen, int flags, \
	  int read_timeout, struct pcap_rmtauth *auth, char *errbuf), \
	  (source, snaplen, flags, read_timeout, auth, errbuf), SAY(NULL)) \
	X(composite, int, pcap_lookupnet, (const char *device, uint32_t *net, uint32_t *mask, \
	  char *errbuf), (device, net, mask, errbuf), SAY(-1)) \
	/* Discovery. */ \
	X(own, int, pcap_findalldevs, (struct pcap_if **alldevs, char *errbuf), \
	  (alldevs, errbuf), SAY_NO_LIST(-1)) \
	X(own, int, pcap_findalldevs_ex, (const char *source, struct pcap_rmtauth *auth, \
	  struct pcap_if **alldevs, char *errbuf), \
	  (source, auth, alldevs, errbuf), SAY_NO_LIST(-1)) \
	X(own, void, pcap_freealldevs, (struct pcap_if *alldevs), (alldevs), ) \
	X(pure, char *, pcap_lookupdev, (char *errbuf), (errbuf), SAY(NULL)) \
	X(pure, int, pcap_init, (unsigned int opts, char *errbuf), (opts, errbuf), SAY(-1)) \
	X(own, const char *, pcap_lib_version, (void), (), NULL) \
	/* Before activation. */ \
	X(split, int, pcap_set_snaplen, (struct pcap *p, int snaplen), (p, snaplen), -1) \
	X(split, int, pcap_set_promisc, (struct pcap *p, int promisc), (p, promisc), -1) \
	X(split, int, pcap_set_rfmon, (struct pcap *p, int rfmon), (p, rfmon), -1) \
	X(split, int, pcap_set_timeout, (struct pcap *p, int to_ms), (p, to_ms), -1) \
	X(split, int, pcap_set_tstamp_type, (struct pcap *p, int type), (p, type), -1) \
	X(split, int, pcap_set_immediate_mode, (struct pcap *p, int immediate), \
	  (p, immediate), -1) \
	X(split, int, pcap_set_buffer_size, (struct pcap *p, int bytes), (p, bytes), -1) \
	X(split, int, pcap_set_tstamp_precision, (struct pcap *p, int precision), \
	  (p, precision), -1) \
	X(split, int, pcap_set_protocol_linux, (struct pcap *p, int protocol), (p, protocol), -1) \
	X(split, int, pcap_can_set_rfmon, (struct pcap *p), (p), -1) \
	X(split, int, pcap_activate, (struct pcap *p), (p), -1) \
	X(split, struct pcap_samp *, pcap_setsampling, (struct pcap *p), (p), NULL) \
	/* On a handle. */ \
	X(split, void, pcap_close, (struct pcap *p), (p), ) \
	X(split, int, pcap_loop, (struct pcap *p, int cnt, pcap_handler callback, \
	  unsigned char *user), (p, cnt, callback, user), -1) \
	X(split, int, pcap_dispatch, (struct pcap *p, int cnt, pcap_handler callback, \
	  unsigned char *user), (p, cnt, callback, user), -1) \
	X(split, const unsigned char *, pcap_next, (struct pcap *p, struct pcap_pkthdr *h), \
	  (p, h), NULL) \
	X(split, int, pcap_next_ex, (struct pcap *p, struct pcap_pkthdr **h, \
	  const unsigned char **bytes), (p, h, bytes), -1) \
	X(split, void, pcap_breakloop, (struct pcap *p), (p), ) \
	X(split, int, pcap_stats, (struct pcap *p, struct pcap_stat *stat), (p, stat), -1) \
	X(split, int, pcap_setfilter, (struct pcap *p, struct bpf_program *program), \
	  (p, program), -1) \
	X(split, int, pcap_compile, (struct pcap *p, struct bpf_program *program, \
	  const char *text, int optimize, uint32_t netmask), \
	  (p, program, text, optimize, netmask), -1) \
	X(split, int, pcap_setdirection, (struct pcap *p, unsigned int direction), \
	  (p, direction), -1) \
	X(split, int, pcap_getnonblock, (struct pcap *p, char *errbuf), (p, errbuf), SAY(-1)) \
	X(split, int, pcap_setnonblock, (struct pcap *p, int nonblock, char *errbuf), \
	  (p, nonblock, errbuf), SAY(-1)) \
	X(split, int, pcap_inject, (struct pcap *p, const void *bytes, size_t len), \
	  (p, bytes, len), -1) \
	X(split, int, pcap_sendpacket, (struct pcap *p, const unsigned char *bytes, int len), \
	  (p, bytes, len), -1) \
	X(split, char *, pcap_geterr, (struct pcap *p), (p), no_error_text) \
	X(split, void, pcap_perror, (struct pcap *p, const char *prefix), (p, prefix), ) \
	X(split, int, pcap_datalink, (struct pcap *p), (p), -1) \
	X(split, int, pcap_datalink_ext, (struct pcap *p), (p), -1) \
	X(split, int, pcap_snapshot, (struct pcap *p), (p), -1) \
	X(split, int, pcap_is_swapped, (struct pcap *p), (p), -1) \
	X(split, int, pcap_major_version, (struct pcap *p), (p), -1) \
	X(split, int, pcap_minor_version, (struct pcap *p), (p), -1) \
	X(split, int, pcap_bufsize, (struct pcap *p), (p), -1) \
	X(split, int, pcap_get_tstamp_precision, (struct pcap *p), (p), -1) \
	X(split, int, pcap_fileno, (struct pcap *p), (p), -1) \
	X(split, int, pcap_get_selectable_fd, (struct pcap *p), (p), -1) \
	X(split, const struct timeval *, pcap_get_required_select_timeout, (struct pcap *p), \
	  (p), NULL) \
	X(split, FILE *, pcap_file, (struct pcap *p), (p), NULL) \
	X(split, int, pcap_set_datalink, (struct pcap *p, int dlt), (p, dlt), -1) \
	X(split, int, pcap_list_datalinks, (struct pcap *p, int **list), (p, list), -1) \
	X(split, int, pcap_list_tstamp_types, (struct pcap *p, int **list), (p, list), -1) \
	X(pure, void, pcap_free_datalinks, (int *list), (list), ) \
	X(pure, void, pcap_free_tstamp_types, (int *list), (list), ) \
	/* Savefiles, read and written. */ \
	X(split, struct pcap_dumper *, pcap_dump_open, (struct pcap *p, const char *path), \
	  (p, path), NULL) \
	X(split, struct pcap_dumper *, pcap_dump_fopen, (struct pcap *p, FILE *file), \
	  (p, file), NULL) \
	X(split, struct pcap_dumper *, pcap_dump_open_append, (struct pcap *p, const char *path), \
	  (p, path), NULL) \
	X(pure, FILE *, pcap_dump_file, (struct pcap_dumper *dumper), (dumper), NULL) \
	X(pure, long, pcap_dump_ftell, (struct pcap_dumper *dumper), (dumper), -1) \
	X(pure, int64_t, pcap_dump_ftell64, (struct pcap_dumper *dumper), (dumper), -1) \
	X(pure, int, pcap_dump_flush, (struct pcap_dumper *dumper), (dumper), -1) \
	X(pure, void, pcap_dump_close, (struct pcap_dumper *dumper), (dumper), ) \
	X(own, void, pcap_dump, (unsigned char *user, const struct pcap_pkthdr *h, \
	  const unsigned char *bytes), (user, h, bytes), ) \
	X(pure, struct pcap *, pcap_open_dead, (int dlt, int snaplen), (dlt, snaplen), NULL) \
	X(pure, struct pcap *, pcap_open_dead_with_tstamp_precision, (int dlt, int snaplen, \
	  unsigned int precision), (dlt, snaplen, precision), NULL) \
	X(pure, struct pcap *, pcap_open_offline, (const char *path, char *errbuf), \
	  (path, errbuf), SAY(NULL)) \
	X(pure, struct pcap *, pcap_open_offline_with_tstamp_precision, (const char *path, \
	  unsigned int precision, char *errbuf), (path, precision, errbuf), SAY(NULL)) \
	X(pure, struct pcap *, pcap_fopen_offline, (FILE *file, char *errbuf), \
	  (file, errbuf), SAY(NULL)) \
	X(pure, struct pcap *, pcap_fopen_offline_with_tstamp_precision, (FILE *file, \
	  unsigned int precision, char *errbuf), (file, precision, errbuf), SAY(NULL)) \
	/* Filters. */ \
	X(pure, int, pcap_compile_nopcap, (int snaplen, int dlt, struct bpf_program *program, \
	  const char *text, int optimize, uint32_t netmask), \
	  (snaplen, dlt, program, text, optimize, netmask), -1) \
	X(pure, void, pcap_freecode, (struct bpf_program *program), (program), ) \
	X(pure, int, pcap_offline_filter, (const struct bpf_program *program, \
	  const struct pcap_pkthdr *h, const unsigned char *bytes), (program, h, bytes), 0) \
	X(pure, unsigned int, bpf_filter, (const struct bpf_insn *insns, \
	  const unsigned char *bytes, unsigned int wirelen, unsigned int buflen), \
	  (insns, bytes, wirelen, buflen), 0) \
	X(pure, int, bpf_validate, (const struct bpf_insn *insns, int len), (insns, len), 0) \
	X(pure, char *, bpf_image, (const struct bpf_insn *insn, int n), (insn, n), no_error_text) \
	X(pure, void, bpf_dump, (const struct bpf_program *program, int option), \
	  (program, option), ) \
	/* Names and numbers. */ \
	X(pure, const char *, pcap_statustostr, (int status), (status), no_error_text) \
	X(pure, const char *, pcap_strerror, (int error), (error), no_error_text) \
	X(pure, int, pcap_datalink_name_to_val, (const char *name), (name), -1) \
	X(pure, const char *, pcap_datalink_val_to_name, (int dlt), (dlt), NULL) \
	X(pure, const char *, pcap_datalink_val_to_description, (int dlt), (dlt), NULL) \
	X(pure, const char *, pcap_datalink_val_to_description_or_dlt, (int dlt), \
	  (dlt), no_error_text) \
	X(pure, int, pcap_tstamp_type_name_to_val, (const char *name), (name), -1) \
	X(pure, const char *, pcap_tstamp_type_val_to_name, (int type), (type), NULL) \
	X(pure, const char *, pcap_tstamp_type_val_to_description, (int type), (type), NULL) \
	X(pure, struct pcap_etherent *, pcap_next_etherent, (FILE *file), (file), NULL) \
	X(pure, unsigned char *, pcap_ether_hostton, (const char *name), (name), NULL) \
	X(pure, unsigned char *, pcap_ether_aton, (const char *text), (text), NULL) \
	X(pure, uint32_t **, pcap_nametoaddr, (const char *name), (name), NULL) \
	X(pure, struct addrinfo *, pcap_nametoaddrinfo, (const char *name), (name), NULL) \
	X(pure, uint32_t, pcap_nametonetaddr, (const char *name), (name), 0) \
	X(pure, int, pcap_nametoport, (const char *name, int *port, int *proto), \
	  (name, port, proto), 0) \
	X(pure, int, pcap_nametoportrange, (const char *name, int *first, int *last, int *proto), \
	  (name, first, last, proto), 0) \
	X(pure, int, pcap_nametoproto, (const char *name), (name), -1) \
	X(pure, int, pcap_nametoeproto, (const char *name), (name), -1) \
	X(pure, int, pcap_nametollc, (const char *name), (name), -1) \
	/* Remote capture. Most builds of libpcap leave it out. */ \
	X(pure, int, pcap_createsrcstr, (char *source, int type, const char *host, \
	  const char *port, const char *name, char *errbuf), \
	  (source, type, host, port, name, errbuf), SAY(-1)) \
	X(pure, int, pcap_parsesrcstr, (const char *source, int *type, char *host, char *port, \
	  char *name, char *errbuf), (source, type, host, port, name, errbuf), SAY(-1)) \
	X(pure, int, pcap_remoteact_accept, (const char *address, const char *port, \
	  const char *hostlist, char *connecting, struct pcap_rmtauth *auth, char *errbuf), \
	  (address, port, hostlist, connecting, auth, errbuf), SAY(-1)) \
	X(pure, int, pcap_remoteact_accept_ex, (const char *address, const char *port, \
	  const char *hostlist, char *connecting, struct pcap_rmtauth *auth, int uses_ssl, \
	  char *errbuf), (address, port, hostlist, connecting, auth, uses_ssl, errbuf), SAY(-1)) \
	X(pure, int, pcap_remoteact_list, (char *hostlist, char sep, int size, char *errbuf), \
	  (hostlist, sep, size, errbuf), SAY(-1)) \
	X(pure, int, pcap_remoteact_close, (const char *host, char *errbuf), \
	  (host, errbuf), SAY(-1)) \
	X(pure, void, pcap_remoteact_cleanup, (void), (), )
/* clang-format on */

#endif
