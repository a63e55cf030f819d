# SPDX-License-Identifier: BSD-3-Clause
"""What the pcapy API and the capture API share: opening handles, texts, filters, devices.

Calls of the C library drop the interpreter's lock; whoever passes a handle to one holds it (``held``), so
that another thread's close() waits for the end of the call.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._lib import ffi_and_lib
from .errors import PcapError

if TYPE_CHECKING:
    from ._speedups import Source

ERRBUF_SIZE = 256


def text_of(pointer: Any) -> str:
    """A C string of the library."""
    ffi, _ = ffi_and_lib()
    return "" if not pointer else str(ffi.string(pointer).decode(errors="replace"))


def new_errbuf() -> Any:
    ffi, _ = ffi_and_lib()
    return ffi.new(f"char[{ERRBUF_SIZE}]")


@contextmanager
def held(source: Source) -> Iterator[tuple[Any, Any, Any]]:
    """(ffi, lib, the handle) for the length of a call. Raises ValueError when it is closed."""
    ffi, lib = ffi_and_lib()
    pcap = ffi.cast("pcap_t *", source.hold())
    try:
        yield ffi, lib, pcap
    finally:
        source.drop()


def attach(source: Source, pcap: Any, *, is_slow: bool = False) -> None:
    ffi, _ = ffi_and_lib()
    source.attach(int(ffi.cast("uintptr_t", pcap)), is_slow)


def start(source: Source, timeout_ms: int) -> None:
    """The handle is active: from now on it is waited for by the source."""
    with held(source) as (_, lib, pcap):
        errbuf = new_errbuf()
        if lib.pcap_setnonblock(pcap, 1, errbuf) < 0:
            raise PcapError(text_of(errbuf))
    source.start(timeout_ms)


def may_block(path: str) -> bool:
    """Is reading the savefile something that can take its time: a pipe, a terminal?"""
    if path == "-":
        return not stat.S_ISREG(os.fstat(0).st_mode)
    try:
        return not stat.S_ISREG(Path(path).stat().st_mode)
    except OSError:
        return False  # opening it will say what is wrong


def compile_filter(pcap: Any, text: str, optimize: int, netmask: int) -> Any:
    """A ``struct bpf_program *`` for the handle; its instructions are freed with it. Raises PcapError."""
    ffi, lib = ffi_and_lib()
    program = ffi.new("struct bpf_program *")
    if lib.pcap_compile(pcap, program, text.encode(), optimize, netmask) < 0:
        raise PcapError(text_of(lib.pcap_geterr(pcap)))
    return ffi.gc(program, lib.pcap_freecode)


def lookup_net(device: str) -> tuple[int, int]:
    """(net, mask) of a device in network order; (0, 0) where it has none."""
    ffi, lib = ffi_and_lib()
    net, mask = ffi.new("uint32_t *"), ffi.new("uint32_t *")
    if lib.pcap_lookupnet(device.encode(), net, mask, new_errbuf()) < 0:
        return 0, 0
    return net[0], mask[0]


def find_devices() -> list[str]:
    """Names of the devices, in the library's order. Raises PcapError."""
    ffi, lib = ffi_and_lib()
    errbuf, first = new_errbuf(), ffi.new("struct pcap_if **")
    if lib.pcap_findalldevs(first, errbuf) < 0:
        raise PcapError(text_of(errbuf))
    names, device = [], first[0]
    while device:
        names.append(text_of(device.name))
        device = device.next
    lib.pcap_freealldevs(first[0])
    return names
