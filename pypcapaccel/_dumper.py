# SPDX-License-Identifier: BSD-3-Clause
"""The pcapy API's savefiles that are written.

Threads: one at a time has a Dumper.
"""

from __future__ import annotations

import weakref
from typing import Any

from ._backend import Pkthdr
from ._lib import ffi_and_lib
from .errors import PcapError


class Dumper:
    """A savefile that is written. Closed when it goes."""

    __slots__ = ("__weakref__", "_close", "_dumper")
    _dumper: Any
    _close: Any

    def __init__(self) -> None:
        raise TypeError("cannot create 'Dumper' instances")

    def dump(self, header: Pkthdr, data: bytes, /) -> None:
        """Append a packet. Raises ValueError when there are fewer bytes than the header says."""
        if not self._close.alive:
            raise PcapError("Dumper is already closed.")
        if not isinstance(header, Pkthdr):
            raise PcapError("Not a pkthdr object")
        if not isinstance(data, bytes):
            raise TypeError(f"a bytes-like object is required, not '{type(data).__name__}'")
        if len(data) < header.getcaplen():
            raise ValueError(
                f"dump: {len(data)} bytes (the header says {header.getcaplen()} were captured)"
            )
        ffi, lib = ffi_and_lib()
        raw = ffi.new("struct pcap_pkthdr *")
        raw.ts.tv_sec, raw.ts.tv_usec = header.getts()
        raw.caplen, raw.len = header.getcaplen(), header.getlen()
        lib.pcap_dump(ffi.cast("unsigned char *", self._dumper), raw, data)

    def close(self) -> None:
        """Write what is left. A second time does nothing."""
        self._close()


def new_dumper(pointer: Any) -> Dumper:
    _, lib = ffi_and_lib()
    dumper = Dumper.__new__(Dumper)
    dumper._dumper = pointer
    dumper._close = weakref.finalize(dumper, lib.pcap_dump_close, pointer)
    return dumper
