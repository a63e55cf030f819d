# SPDX-License-Identifier: BSD-3-Clause
"""The pcapy API's compiled filters: libpcap's compiler, and a filter run on bytes.

Threads: any.
"""

from __future__ import annotations

from typing import Any

from . import _handle
from ._arguments import c_int, c_str
from ._lib import ffi_and_lib
from .errors import BPFError, PcapError


class BPFProgram:
    """A compiled filter."""

    __slots__ = ("_program",)
    _program: Any

    def __init__(self, filter: str, linktype: int = 1, /) -> None:  # noqa: A002 - pcapy's name
        try:
            self._program = _compile(c_int(linktype), 65536, c_str(filter), 0, 0)
        except PcapError as error:
            raise BPFError(f"Couldn't compile BPF program: {error}") from None

    def _judge(self, packet: bytes, length: int) -> int:
        _, lib = ffi_and_lib()
        return int(lib.bpf_filter(self._program.bf_insns, packet, length, len(packet)))

    def filter(self, packet: bytes, /) -> int:
        """How many bytes of the packet to keep; 0: none, it does not pass."""
        if not isinstance(packet, bytes):
            raise TypeError(
                f"a read-only bytes-like object is required, not '{type(packet).__name__}'"
            )
        return self._judge(packet, len(packet))

    def get_bpf(self) -> list[tuple[int, int, int, int]]:
        """The instructions: [(code, jt, jf, k), ...]"""
        insns = self._program.bf_insns
        rows = (insns[i] for i in range(self._program.bf_len))
        return [(row.code, row.jt, row.jf, row.k) for row in rows]


def _compile(linktype: int, snaplen: int, text: str, optimize: int, netmask: int) -> Any:
    _, lib = ffi_and_lib()
    pcap = lib.pcap_open_dead(linktype, snaplen)
    if not pcap:
        raise MemoryError
    try:
        return _handle.compile_filter(pcap, text, optimize, netmask)
    finally:
        lib.pcap_close(pcap)


def compile(  # noqa: A001 - pcapy's name
    linktype: int,
    snaplen: int,
    filter: str,  # noqa: A002
    optimize: int,
    netmask: int,
    /,
) -> BPFProgram:
    """A filter for packets of a link type. Raises PcapError with libpcap's text."""
    program = BPFProgram.__new__(BPFProgram)
    program._program = _compile(
        c_int(linktype), c_int(snaplen), c_str(filter), c_int(optimize), netmask & 0xFFFFFFFF
    )
    return program
