# SPDX-License-Identifier: BSD-3-Clause
"""Packets of a savefile, one after the other, through libpcap.

Threads: one a reader.
"""

from __future__ import annotations

from collections.abc import Iterator

from .._lib import ffi_and_lib
from . import CommandError

__all__ = ["ETHERNET", "read_packets"]

ETHERNET = 1
_ERRBUF_LEN = 256
_NANO = 1


def read_packets(path: str) -> Iterator[tuple[int, bytes, int]]:
    """(time in ns since 1970, bytes, length on the wire) of each. CommandError for what is no savefile, or
    one of another link type than Ethernet."""
    ffi, lib = ffi_and_lib()
    errbuf = ffi.new("char[]", _ERRBUF_LEN)
    pcap = lib.pcap_open_offline_with_tstamp_precision(path.encode(), _NANO, errbuf)
    if not pcap:
        text = ffi.string(errbuf).decode(errors="replace")
        raise CommandError(text if text.startswith(path) else f"{path}: {text}")
    try:
        link = lib.pcap_datalink(pcap)
        if link != ETHERNET:
            name = lib.pcap_datalink_val_to_name(link)
            shown = ffi.string(name).decode() if name else str(link)
            raise CommandError(f"{path}: its packets are of link type {shown} (EN10MB: Ethernet)")
        header, data = ffi.new("struct pcap_pkthdr **"), ffi.new("unsigned char **")
        while (r := lib.pcap_next_ex(pcap, header, data)) == 1:
            h = header[0]
            yield h.ts.tv_sec * 10**9 + h.ts.tv_usec, bytes(ffi.buffer(data[0], h.caplen)), h.len
        if r == -1:
            raise CommandError(
                f"{path}: {ffi.string(lib.pcap_geterr(pcap)).decode(errors='replace')}"
            )
    finally:
        lib.pcap_close(pcap)
