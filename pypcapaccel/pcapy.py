# SPDX-License-Identifier: BSD-3-Clause
"""The API of pcapy and pcapy-ng 2.1, with its names, arguments and values::

    import pypcapaccel.pcapy as pcapy
    reader = pcapy.open_live("afpacket:eth0", 65535, True, 100)
    reader.loop(-1, lambda header, data: print(header.getts(), len(data)))

What is better: timeouts come while the link is idle, Ctrl-C works there too, ``breakloop()``, a reader may be
closed in its own callback, errors of ``compile()`` and ``dump()`` are errors. A callback may call everything
but the reads of its own reader, which raise InUseError.

Threads: one reads a reader; any may call ``breakloop()``, ``close()``, ``stats()`` and
``filtered_stats()``.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from . import _handle
from ._arguments import c_int, c_str
from ._backend import Classifier, Pkthdr, Source, block_meta
from ._dumper import Dumper, new_dumper
from ._lib import ffi_and_lib
from ._program import BPFProgram, compile
from .errors import BPFError, PcapError

__all__ = [
    "BPFError", "BPFProgram", "Dumper", "PcapError", "Pkthdr", "Reader", "compile", "create",
    "findalldevs", "lookupdev", "open_live", "open_offline",
]  # fmt: skip

DLT_NULL, DLT_EN10MB, DLT_IEEE802, DLT_ARCNET, DLT_SLIP, DLT_PPP = 0, 1, 6, 7, 8, 9
DLT_FDDI, DLT_ATM_RFC1483, DLT_RAW, DLT_PPP_SERIAL, DLT_PPP_ETHER = 10, 11, 12, 50, 51
DLT_C_HDLC, DLT_IEEE802_11, DLT_LOOP, DLT_LINUX_SLL, DLT_LTALK = 104, 105, 108, 113, 114
PCAP_D_INOUT, PCAP_D_IN, PCAP_D_OUT = 0, 1, 2
PACKET_FANOUT_HASH, PACKET_FANOUT_LB, PACKET_FANOUT_CPU = 0, 1, 2
PACKET_FANOUT_ROLLOVER, PACKET_FANOUT_RND = 3, 4

_SOL_PACKET, _PACKET_FANOUT = 263, 18
_DPI_PORTS = (80, 8080, 3128, 8000, 8118, 1080)
_TLS_PORTS = (443,)
_PIECE = 4096  # packets of a next_batch() that are read at once


def _dotted(address: int) -> str:
    return socket.inet_ntoa(struct.pack("=I", address))


class Reader(Source):
    """A capture or a savefile. Made by ``open_live()``, ``open_offline()`` and ``create()``."""

    __slots__ = ("__weakref__", "_mask", "_net", "_timeout_ms")
    _net: int
    _mask: int
    _timeout_ms: int

    def __init__(self) -> None:
        raise TypeError("cannot create 'Reader' instances")

    # ---- reading; next(), loop(), dispatch(), breakloop() and close() are the source's ----

    def next_batch(self, max_n: int, /) -> tuple[bytes, bytes]:
        """Up to max_n packets (256 if that is not positive): (their bytes in a row, 16 bytes for each:
        sec, usec, offset and caplen as 32-bit numbers of this machine). Twice b'' at the end or timeout."""
        left = c_int(max_n)
        left = left if left > 0 else 256
        timeout_ms = 0 if self.nonblock else self.timeout_ms if self.timeout_ms > 0 else -1
        data: list[memoryview] = []
        metas, base = [], 0
        while left > 0 and not (data and self.failed_late):
            block = self.read(min(left, _PIECE), timeout_ms)
            if block is None:
                break
            data.append(memoryview(block.data))
            metas.append(block_meta(block, base))
            base += len(data[-1])
            left -= block.n_records
            timeout_ms = 0
        return b"".join(data), b"".join(metas)

    def loop_filtered(
        self,
        cnt: int,
        cb: Callable[[Pkthdr, bytes, int], object],
        admit_mask: int = 7,
        addr_set: bytes = b"",
        flow_cutoff: int = 0,
        dpi_ports: Sequence[int] | None = None,
        tls_ports: Sequence[int] | None = None,
        dns_port: int = 53,
        l2_offset: int = 14,
        profile: int = 0,
    ) -> tuple[int, ...]:
        """cb(Pkthdr, bytes, class) for the packets whose class's bit is in admit_mask. How many were
        (admitted, dropped, of each class); ``filtered_stats()`` tells meanwhile.

        Classes: 0 other, 1 among the first flow_cutoff packets of its flow, 2 with an address of addr_set
        (4 bytes each). profile=1 has its own, from 100: DNS, HTTP, other, address, handshake, SYN."""
        classifier = _classifier(
            addr_set, flow_cutoff, dpi_ports, tls_ports, dns_port, l2_offset, profile
        )
        if not callable(cb):
            raise TypeError(f"callback: {cb!r} is not callable")
        self.filter_to(c_int(cnt), cb, classifier, c_int(admit_mask))
        return self.filtered_stats()

    def loop_to_buffer(
        self,
        cnt: int,
        writable_buf: Any,
        admit_mask: int = 7,
        addr_set: bytes = b"",
        flow_cutoff: int = 0,
        dpi_ports: Sequence[int] | None = None,
        tls_ports: Sequence[int] | None = None,
        dns_port: int = 53,
        l2_offset: int = 14,
        profile: int = 0,
    ) -> tuple[int, ...]:
        """As ``loop_filtered()``, with the packets into a buffer: each as 4 bytes of length (little-endian),
        one of class, and itself. (written, dropped, those without room, bytes used, of each class)."""
        classifier = _classifier(
            addr_set, flow_cutoff, dpi_ports, tls_ports, dns_port, l2_offset, profile
        )
        n_overflow, used = self.filter_into(c_int(cnt), writable_buf, classifier, c_int(admit_mask))
        written, dropped, *classes = self.filtered_stats()
        return written, dropped, n_overflow, used, *classes

    def filtered_stats(self) -> tuple[int, ...]:
        """The counters of the present or last ``loop_filtered()``. Any thread, also after close()."""
        return self.counts[: 8 if self.profile else 5]

    # ---- the handle ----

    def setfilter(self, bpf: str, /) -> None:
        """Only packets that pass from now on. Raises PcapError with libpcap's text."""
        text = c_str(bpf)
        with _handle.held(self) as (_, lib, pcap):
            program = _handle.compile_filter(pcap, text, 1, self._mask)
            if lib.pcap_setfilter(pcap, program) < 0:
                raise PcapError(_handle.text_of(lib.pcap_geterr(pcap)))
            _refilter(self, text, lib.pcap_datalink(pcap), lib.pcap_snapshot(pcap))

    def stats(self) -> tuple[int, int, int]:
        """(received, dropped, dropped by the interface)"""
        with _handle.held(self) as (ffi, lib, pcap):
            stat = ffi.new("struct pcap_stat *")
            if lib.pcap_stats(pcap, stat) < 0:
                raise PcapError(_handle.text_of(lib.pcap_geterr(pcap)))
            return stat.ps_recv, stat.ps_drop, stat.ps_ifdrop

    def datalink(self) -> int:
        """The link type, DLT_*."""
        with _handle.held(self) as (_, lib, pcap):
            return int(lib.pcap_datalink(pcap))

    def getnet(self) -> str:
        """The network of the device, '0.0.0.0' where there is none."""
        self._check_open()
        return _dotted(self._net)

    def getmask(self) -> str:
        """The network's mask."""
        self._check_open()
        return _dotted(self._mask)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("pcap is closed")

    def getfd(self, *_ignored: object) -> int:
        """What select() can wait for."""
        with _handle.held(self) as (_, lib, pcap):
            return int(lib.pcap_get_selectable_fd(pcap))

    def setnonblock(self, state: int, /) -> None:
        """1: reads do not wait."""
        wanted = c_int(state) != 0
        with _handle.held(self) as (_, lib, pcap):
            errbuf = _handle.new_errbuf()
            if self.fd < 0 and lib.pcap_setnonblock(pcap, wanted, errbuf) < 0:
                raise PcapError(_handle.text_of(errbuf))
        self.nonblock = wanted

    def getnonblock(self, *_ignored: object) -> int:
        """0 or 1."""
        with _handle.held(self) as (_, lib, pcap):
            errbuf = _handle.new_errbuf()
            state = lib.pcap_getnonblock(pcap, errbuf)
            if state < 0:
                raise PcapError(_handle.text_of(errbuf))
            return int(state) if self.fd < 0 else int(self.nonblock)

    def setdirection(self, direction: int, /) -> None:
        """PCAP_D_*."""
        wanted = c_int(direction) & 0xFFFFFFFF  # an enumeration of C
        with _handle.held(self) as (_, lib, pcap):
            if lib.pcap_setdirection(pcap, wanted) < 0:
                raise PcapError("Failed setting direction")

    def set_fanout(self, group_id: int, fanout_type: int = PACKET_FANOUT_HASH) -> None:
        """Join a fanout group of the kernel. On our own devices rather '?fanout=hash,group=7'."""
        word = (c_int(group_id) & 0xFFFF) | (c_int(fanout_type) << 16 & 0xFFFFFFFF)
        with _handle.held(self) as (_, lib, pcap):
            fd = lib.pcap_fileno(pcap)
            if fd < 0 or self.fd < 0:
                raise PcapError("no socket: a fanout group needs a live capture, not a savefile")
            # A socket object would ask the kernel what kind it is, and close it at last.
            with socket.socket(fileno=os.dup(fd)) as sock:
                try:
                    sock.setsockopt(_SOL_PACKET, _PACKET_FANOUT, struct.pack("=I", word))
                except OSError as error:
                    raise PcapError(error.errno, error.strerror) from None

    def sendpacket(self, data: bytes, /) -> None:
        """Send one frame."""
        if not isinstance(data, bytes):
            raise TypeError(f"a bytes-like object is required, not '{type(data).__name__}'")
        with _handle.held(self) as (_, lib, pcap):
            if lib.pcap_sendpacket(pcap, data, len(data)):
                raise PcapError(_handle.text_of(lib.pcap_geterr(pcap)))

    def dump_open(self, filename: str, /) -> Dumper:
        """Write a savefile of this link type. The Dumper may outlive the Reader."""
        path = c_str(filename)
        with _handle.held(self) as (_, lib, pcap):
            dumper = lib.pcap_dump_open(pcap, path.encode())
            if not dumper:
                raise PcapError(_handle.text_of(lib.pcap_geterr(pcap)))
        return new_dumper(dumper)

    # ---- before activation; these give libpcap's code and never raise PcapError ----

    def _set(self, name: str, value: int) -> int:
        number = c_int(value)
        with _handle.held(self) as (_, lib, pcap):
            return int(getattr(lib, name)(pcap, number))

    def set_snaplen(self, snaplen: int, /) -> int:
        """Bytes a packet."""
        return self._set("pcap_set_snaplen", snaplen)

    def set_promisc(self, promisc: int, /) -> int:
        """0 or 1."""
        return self._set("pcap_set_promisc", promisc)

    def set_timeout(self, to_ms: int, /) -> int:
        """Milliseconds that a read waits."""
        status = self._set("pcap_set_timeout", to_ms)
        if status == 0:
            self._timeout_ms = to_ms
        return status

    def set_buffer_size(self, size: int, /) -> int:
        """Bytes of the ring."""
        return self._set("pcap_set_buffer_size", size)

    def set_rfmon(self, rfmon: int, /) -> int:
        """0 or 1: monitor mode."""
        return self._set("pcap_set_rfmon", rfmon)

    def activate(self) -> int:
        """Begin. 0, a positive warning, or a negative error of libpcap."""
        with _handle.held(self) as (_, lib, pcap):
            status = int(lib.pcap_activate(pcap))
        if status >= 0:
            _handle.start(self, self._timeout_ms)
        return status

    def __enter__(self) -> Reader:
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _new_reader(
    pcap: Any, net: int, mask: int, timeout_ms: int, *, is_slow: bool = False
) -> Reader:
    reader = Reader.__new__(Reader)
    _handle.attach(reader, pcap, is_slow=is_slow)
    reader._net, reader._mask, reader._timeout_ms = net, mask, timeout_ms
    return reader


def _refilter(reader: Reader, text: str, linktype: int, snaplen: int) -> None:
    """What the plain source has read ahead must pass the new filter too."""
    refilter = getattr(reader, "refilter", None)
    if refilter is None:
        return
    program = compile(linktype, snaplen, text, 1, 0)
    refilter(lambda data, length: program._judge(data, length) > 0)


def _ports(ports: Sequence[int] | None, default: tuple[int, ...]) -> tuple[int, ...]:
    return default if ports is None else tuple(c_int(port) & 0xFFFF for port in ports)


def _classifier(
    addr_set: bytes,
    flow_cutoff: int,
    dpi_ports: Sequence[int] | None,
    tls_ports: Sequence[int] | None,
    dns_port: int,
    l2_offset: int,
    profile: int,
) -> Classifier:
    if not isinstance(addr_set, bytes):
        raise TypeError(f"a bytes-like object is required, not '{type(addr_set).__name__}'")
    if not 0 <= c_int(l2_offset) <= 64:
        raise ValueError("l2_offset out of range [0,64]")
    if c_int(profile) not in (0, 1):
        raise ValueError("profile must be 0 (generic) or 1 (security)")
    return Classifier(
        profile == 1,
        l2_offset,
        c_int(dns_port) & 0xFFFF,
        _ports(dpi_ports, _DPI_PORTS),
        _ports(tls_ports, _TLS_PORTS),
        addr_set,
        c_int(flow_cutoff),
    )


def open_live(device: str, snaplen: int, promisc: int, to_ms: int, /) -> Reader:
    """Capture from a device: libpcap's names, and afpacket:, pfq:, xdp:. to_ms: a read waits so many
    milliseconds at most; 0: as long as it takes. Raises PcapError."""
    name = c_str(device)
    lengths = c_int(snaplen), c_int(promisc) != 0, c_int(to_ms)
    _, lib = ffi_and_lib()
    errbuf = _handle.new_errbuf()
    net, mask = _handle.lookup_net(name)
    pcap = lib.pcap_open_live(name.encode(), *lengths, errbuf)
    if not pcap:
        raise PcapError(_handle.text_of(errbuf))
    reader = _new_reader(pcap, net, mask, to_ms)
    _handle.start(reader, to_ms)
    return reader


def create(device: str, /) -> Reader:
    """A Reader that ``activate()`` begins. Raises PcapError."""
    name = c_str(device)
    _, lib = ffi_and_lib()
    errbuf = _handle.new_errbuf()
    net, mask = _handle.lookup_net(name)
    pcap = lib.pcap_create(name.encode(), errbuf)
    if not pcap:
        raise PcapError(_handle.text_of(errbuf))
    return _new_reader(pcap, net, mask, 0)


def open_offline(filename: str, /) -> Reader:
    """Read a savefile, with microseconds; '-' is the standard input. Raises PcapError."""
    path = c_str(filename)
    _, lib = ffi_and_lib()
    errbuf = _handle.new_errbuf()
    pcap = lib.pcap_open_offline(path.encode(), errbuf)
    if not pcap:
        raise PcapError(_handle.text_of(errbuf))
    return _new_reader(pcap, 0, 0, 0, is_slow=_handle.may_block(path))


def lookupdev(*_ignored: object) -> str:
    """The first device. Raises PcapError."""
    _, lib = ffi_and_lib()
    errbuf = _handle.new_errbuf()
    name = lib.pcap_lookupdev(errbuf)
    if not name:
        raise PcapError(_handle.text_of(errbuf))
    return _handle.text_of(name)


def findalldevs(*_ignored: object) -> list[str]:
    """Names of all devices. Raises PcapError, also when there is none."""
    names = _handle.find_devices()
    if not names:
        raise PcapError("No valid interfaces to open")
    return names
