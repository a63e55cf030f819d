# SPDX-License-Identifier: BSD-3-Clause
"""Our own declarations of libpcap's public ABI and of pcap-accel.h, in the words of cffi.

``python -m pypcapaccel._decl`` writes ``_ffi.py`` from them, which is committed: neither a compiler nor a
parser of C is needed at run time. tests/python holds them against the real headers, and the library against
them when it is opened (``pcap_accel_get_layout``).
"""

from __future__ import annotations

import re
from pathlib import Path

# libpcap, as <pcap/pcap.h> has it. `FILE *` is never looked into from here.
PCAP = """
typedef struct pcap pcap_t;
typedef struct pcap_dumper pcap_dumper_t;
struct timeval { long tv_sec; long tv_usec; };
struct bpf_insn { uint16_t code; uint8_t jt; uint8_t jf; uint32_t k; };
struct bpf_program { unsigned int bf_len; struct bpf_insn *bf_insns; };
struct pcap_pkthdr { struct timeval ts; uint32_t caplen; uint32_t len; };
struct pcap_stat { unsigned int ps_recv; unsigned int ps_drop; unsigned int ps_ifdrop; };
struct pcap_addr {
    struct pcap_addr *next;
    void *addr; void *netmask; void *broadaddr; void *dstaddr;
};
struct pcap_if {
    struct pcap_if *next; char *name; char *description; struct pcap_addr *addresses; uint32_t flags;
};
typedef void (*pcap_handler)(unsigned char *, const struct pcap_pkthdr *, const unsigned char *);

pcap_t *pcap_create(const char *device, char *errbuf);
pcap_t *pcap_open_live(const char *device, int snaplen, int promisc, int to_ms, char *errbuf);
pcap_t *pcap_open_dead(int linktype, int snaplen);
pcap_t *pcap_open_offline(const char *path, char *errbuf);
pcap_t *pcap_open_offline_with_tstamp_precision(const char *path, unsigned int precision, char *errbuf);
int pcap_lookupnet(const char *device, uint32_t *net, uint32_t *mask, char *errbuf);
char *pcap_lookupdev(char *errbuf);
int pcap_findalldevs(struct pcap_if **devices, char *errbuf);
void pcap_freealldevs(struct pcap_if *devices);
const char *pcap_lib_version(void);
int pcap_set_snaplen(pcap_t *p, int snaplen);
int pcap_set_promisc(pcap_t *p, int promisc);
int pcap_set_rfmon(pcap_t *p, int rfmon);
int pcap_set_timeout(pcap_t *p, int to_ms);
int pcap_set_immediate_mode(pcap_t *p, int immediate);
int pcap_set_buffer_size(pcap_t *p, int bytes);
int pcap_set_tstamp_precision(pcap_t *p, int precision);
int pcap_set_tstamp_type(pcap_t *p, int type);
int pcap_set_protocol_linux(pcap_t *p, int protocol);
int pcap_activate(pcap_t *p);
void pcap_close(pcap_t *p);
int pcap_loop(pcap_t *p, int cnt, pcap_handler callback, unsigned char *user);
int pcap_dispatch(pcap_t *p, int cnt, pcap_handler callback, unsigned char *user);
int pcap_next_ex(pcap_t *p, struct pcap_pkthdr **hdr, const unsigned char **bytes);
void pcap_breakloop(pcap_t *p);
int pcap_stats(pcap_t *p, struct pcap_stat *stat);
int pcap_setfilter(pcap_t *p, struct bpf_program *program);
int pcap_compile(pcap_t *p, struct bpf_program *program, const char *text, int optimize, uint32_t netmask);
void pcap_freecode(struct bpf_program *program);
int pcap_offline_filter(const struct bpf_program *program, const struct pcap_pkthdr *h,
                        const unsigned char *bytes);
unsigned int bpf_filter(const struct bpf_insn *insns, const unsigned char *bytes, unsigned int wirelen,
                        unsigned int buflen);
char *bpf_image(const struct bpf_insn *insn, int number);
int pcap_setdirection(pcap_t *p, unsigned int direction);
int pcap_getnonblock(pcap_t *p, char *errbuf);
int pcap_setnonblock(pcap_t *p, int nonblock, char *errbuf);
int pcap_inject(pcap_t *p, const void *bytes, size_t len);
int pcap_sendpacket(pcap_t *p, const unsigned char *bytes, int len);
char *pcap_geterr(pcap_t *p);
const char *pcap_statustostr(int status);
int pcap_datalink(pcap_t *p);
int pcap_set_datalink(pcap_t *p, int linktype);
const char *pcap_datalink_val_to_name(int linktype);
int pcap_datalink_name_to_val(const char *name);
int pcap_snapshot(pcap_t *p);
int pcap_get_tstamp_precision(pcap_t *p);
int pcap_fileno(pcap_t *p);
int pcap_get_selectable_fd(pcap_t *p);
const struct timeval *pcap_get_required_select_timeout(pcap_t *p);
void *pcap_file(pcap_t *p);
pcap_dumper_t *pcap_dump_open(pcap_t *p, const char *path);
void pcap_dump(unsigned char *dumper, const struct pcap_pkthdr *hdr, const unsigned char *bytes);
int pcap_dump_flush(pcap_dumper_t *dumper);
void pcap_dump_close(pcap_dumper_t *dumper);
"""

# pcap-accel.h
ACCEL = """
const char *pcap_accel_version(void);
int pcap_accel_explain(pcap_t *p, char *text, size_t size);
struct pcap_accel_stat {
    uint64_t size;
    uint64_t received; uint64_t dropped; uint64_t if_dropped; uint64_t freezes;
    uint64_t delivered; uint64_t injected; uint64_t inject_failed;
};
int pcap_accel_stats(pcap_t *p, struct pcap_accel_stat *st);
struct pcap_accel_queue {
    char device[16];
    uint32_t queue; uint32_t native; uint32_t zero_copy; uint32_t n_frames; uint32_t n_waiting;
    uint32_t n_tx_frames;
    uint64_t delivered; uint64_t no_frame; uint64_t ring_full; uint64_t invalid; uint64_t reserved[4];
};
int pcap_accel_list_queues(pcap_t *p, struct pcap_accel_queue *queues, size_t n);

struct pcap_accel_record { uint64_t ts_ns; uint64_t offset; uint32_t caplen; uint32_t len; };
struct pcap_accel_batch {
    uint64_t size;
    struct pcap_accel_record *records; uint64_t max_records;
    uint8_t *data; uint64_t max_data;
    uint64_t n_records; uint64_t data_len;
};
int pcap_accel_read_batch(pcap_t *p, struct pcap_accel_batch *batch);
struct pcap_accel_loan;
struct pcap_accel_borrowed {
    uint64_t size;
    struct pcap_accel_record *records; uint64_t max_records;
    uint8_t *memory; uint64_t memory_len;
    uint64_t n_records; const uint8_t *data; uint64_t data_len; struct pcap_accel_loan *loan;
};
int pcap_accel_borrow_batch(pcap_t *p, struct pcap_accel_borrowed *batch);
void pcap_accel_give_back_batch(struct pcap_accel_loan *loan);
int pcap_accel_keep_batch(struct pcap_accel_loan *loan);
int pcap_accel_get_layout(const char *name);

struct pcap_accel_group {
    uint64_t size;
    uint32_t number; uint32_t n_members; uint32_t persistent; uint32_t generation;
    char *devices; char *computation; char *vlans; const char *block;
};
struct pcap_accel_member {
    int32_t pid; uint32_t slot; uint64_t since_ns;
    char program[16]; char device[104]; uint64_t reserved[4];
};
struct pcap_accel_group_change {
    uint64_t size;
    const char *devices; const char *computation; const char *vlans;
    int32_t persistent; int32_t reserved;
};
int pcap_accel_list_groups(uint16_t *numbers, size_t n, char *errbuf);
int pcap_accel_get_group(unsigned number, struct pcap_accel_group *group, char *errbuf);
void pcap_accel_free_group(struct pcap_accel_group *group);
int pcap_accel_list_members(unsigned number, struct pcap_accel_member *members, size_t n, char *errbuf);
int pcap_accel_set_group(unsigned number, const struct pcap_accel_group_change *change, char *errbuf);
int pcap_accel_delete_group(unsigned number, char *errbuf);
int pcap_accel_watch_groups(char *errbuf);

struct pcap_accel_computation;
int pcap_accel_compile_computation(const char *text, struct pcap_accel_computation **out, char *report,
                                   size_t report_size);
void pcap_accel_free_computation(struct pcap_accel_computation *c);
int pcap_accel_dump_computation(const struct pcap_accel_computation *c, unsigned int form, char *text, size_t size);
int pcap_accel_get_program(const struct pcap_accel_computation *c, unsigned part, int which,
                           unsigned n_members, struct bpf_insn *insns, size_t n);
struct pcap_accel_verdict {
    uint64_t size;
    uint32_t outcome; uint32_t member; uint32_t member2; uint32_t value; uint32_t value2;
    uint32_t any_one; uint64_t classes;
};
int pcap_accel_run_computation(const struct pcap_accel_computation *c, const void *frame, size_t caplen,
                               unsigned n_members, struct pcap_accel_verdict *verdict);
struct pcap_accel_xdp {
    uint64_t size;
    const char *filter; const char *computation;
    uint32_t snaplen; uint32_t drops_rest; uint32_t taps; uint32_t keeps;
    struct bpf_insn *insns; uint64_t max_insns;
    uint32_t n_insns; uint32_t n_keep; uint64_t n_extended;
};
int pcap_accel_dump_xdp(struct pcap_accel_xdp *what, char *text, size_t size, char *report, size_t report_size);

struct pcap_accel_option {
    uint64_t size;
    const char *key; const char *type; const char *def; const char *help;
    uint64_t min; uint64_t max; uint32_t engines; uint32_t may_be_none;
    const char *const *aliases; const char *const *env; const char *const *words;
};
int pcap_accel_get_option(unsigned index, struct pcap_accel_option *option);
int pcap_accel_check_option(const char *engine, const char *key, const char *value, char *errbuf);
int pcap_accel_check_device(const char *device, char *errbuf);
struct pcap_accel_conf { const char *path; const char *text; size_t len; const char *engine; };
struct pcap_accel_setting {
    const char *key; const char *value; const char *mistake;
    uint32_t line; uint32_t column; uint32_t value_line; uint32_t value_column;
};
int pcap_accel_read_settings(const struct pcap_accel_conf *conf, struct pcap_accel_setting **settings,
                             char *errbuf);
void pcap_accel_free_settings(struct pcap_accel_setting *settings, int n);
"""


def structures() -> list[str]:
    """The names of the structures whose members are declared."""
    return re.findall(r"^struct (\w+) \{", PCAP + ACCEL, re.M)


def generated() -> str:
    """The text of ``_ffi.py``."""
    import tempfile

    from cffi import FFI

    builder = FFI()
    builder.set_source("pypcapaccel._ffi", None)
    builder.cdef(PCAP + ACCEL)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "_ffi.py")
        builder.emit_python_code(str(path))
        return path.read_text()


def main() -> None:
    """Write ``_ffi.py`` beside this file."""
    Path(__file__).with_name("_ffi.py").write_text(generated())


if __name__ == "__main__":
    main()
