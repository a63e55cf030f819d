# SPDX-License-Identifier: BSD-3-Clause
"""The capture API: batches of packets, and packets::

    with pypcapaccel.open("afpacket:eth0", filter="udp") as capture:
        for batch in capture.batches():
            print(len(batch), batch.array["len"].sum())   # NumPy, if it is installed
            for packet in batch:
                print(packet.ts_ns, packet.wirelen, bytes(packet.data[:14]))

What a Batch shows (``headers``, ``data``, ``array``, ``packet.data``) are read-only views, of the ring's own memory on
afpacket: and pfq: devices, unless its blocks are short: then, and on all others, of a copy. They stay valid, and their
bytes the same, for as long as one of them is held, whatever the ring does, after ``close()`` and in a child of
``os.fork()``. Holding never stops the capture: of what is held when the ring needs it, the library makes a copy under
the same views. Keep ``bytes(packet.data)`` to keep few packets of many: one view holds the memory of its neighbours
too.

The interpreter's lock is kept while packets are there and dropped to wait for them, so a busy thread
does not starve a capture. Times are nanoseconds since 1970, lengths bytes, timeouts milliseconds.

Threads: one reads a Capture; ``breakloop()``, ``close()``, ``stats()`` and ``queues()`` may be called by any. For more
threads open more captures, in one group.
"""

from __future__ import annotations

import asyncio
import errno
import os
import struct
from collections.abc import AsyncIterator, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from . import _handle
from ._backend import Block, Source, block_tolist
from ._lib import ffi_and_lib
from .errors import AccelError, ClosedError, DeviceError, FilterError, NoPermissionError, PcapError

if TYPE_CHECKING:
    import numpy as np

    from ._group_stats import GroupStats

__all__ = ["HEADER", "Batch", "Capture", "Packet", "QueueStats", "Stats", "open"]

HEADER = struct.Struct("=QQII")  # a record of Batch.headers: ts_ns, offset, caplen, len
ENGINES = ("afpacket", "pfq", "xdp")
MAX_SNAPLEN = 262144

_NO_DEVICE, _NO_PERMISSION, _NOT_UP, _NO_PROMISC = -5, -8, -9, -11
_NETMASK_UNKNOWN = 0xFFFFFFFF
_NANOSECONDS = 1


class Packet(NamedTuple):
    """One packet of a Batch."""

    ts_ns: int  # since 1970
    data: memoryview  # what was captured; keeps its memory, and its neighbours'
    wirelen: int  # bytes on the wire

    @property
    def caplen(self) -> int:
        """Bytes captured."""
        return len(self.data)


class Stats(NamedTuple):
    """What a capture has counted since it was opened. The last four are 0 on devices of the system's libpcap."""

    received: int  # passed the filter, the dropped ones included
    dropped: int  # of these, lost because the ring was full
    if_dropped: int  # lost by the interfaces
    freezes: int  # times that the ring was full
    delivered: int  # handed to the program
    injected: int  # sent
    inject_failed: int  # of a batch, refused by the kernel


class QueueStats(NamedTuple):
    """What a receive queue of an xdp: capture has counted since that was opened; packets, unless it says otherwise."""

    device: str
    queue: int  # as the driver counts: from 0
    native: bool  # the XDP program runs in the driver
    zero_copy: bool  # the driver writes into the ring's frames itself
    n_frames: int  # that its ring holds
    n_waiting: int  # in it now
    n_tx_frames: int  # to send, that it holds; 0: nothing is sent through it
    delivered: int  # handed to the program
    no_frame: int  # lost: no frame was free, or the packet was too long for one
    ring_full: int  # lost: the program was too slow for its ring
    invalid: int  # to send, refused by the kernel


class Batch:
    """Packets that were read together. A sequence of Packet."""

    __slots__ = ("_block",)

    def __init__(self, block: Block | None) -> None:
        self._block = block

    def __len__(self) -> int:
        return 0 if self._block is None else self._block.n_records

    @property
    def headers(self) -> memoryview:
        """A record of HEADER for each packet: ts_ns, offset in ``data``, caplen, len."""
        return memoryview(b"" if self._block is None else self._block.headers)

    @property
    def data(self) -> memoryview:
        """Memory that has each packet's ``caplen`` bytes at its ``offset``. What lies between them means nothing."""
        return memoryview(b"" if self._block is None else self._block.data)

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """``headers`` as a NumPy array with the fields ts_ns, offset, caplen and len; not a copy. Raises ImportError
        without NumPy."""
        import numpy

        fields = [("ts_ns", "u8"), ("offset", "u8"), ("caplen", "u4"), ("len", "u4")]
        return numpy.frombuffer(self.headers, dtype=fields)

    def tolist(self) -> list[tuple[int, bytes]]:
        """[(ts_ns, bytes), ...]: copies, for whoever wants to keep few of many."""
        return [] if self._block is None else block_tolist(self._block)

    def __iter__(self) -> Iterator[Packet]:
        data = self.data
        for ts_ns, offset, caplen, length in HEADER.iter_unpack(self.headers):
            yield Packet(ts_ns, data[offset : offset + caplen], length)

    @overload
    def __getitem__(self, index: int) -> Packet: ...
    @overload
    def __getitem__(self, index: slice) -> list[Packet]: ...
    def __getitem__(self, index: int | slice) -> Packet | list[Packet]:
        n = len(self)
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(n))]
        if not -n <= index < n:
            raise IndexError(f"batch: no packet {index} (it has {n})")
        at = HEADER.size * (index % n)
        ts_ns, offset, caplen, length = HEADER.unpack_from(self.headers, at)
        return Packet(ts_ns, self.data[offset : offset + caplen], length)

    def __repr__(self) -> str:
        n_bytes = sum(caplen for _, _, caplen, _ in HEADER.iter_unpack(self.headers))
        return f"<Batch of {len(self)} packets, {n_bytes} bytes>"


def _queue(ffi: Any, q: Any) -> QueueStats:
    device = ffi.string(q.device).decode(errors="replace")
    facts = QueueStats(device, *(getattr(q, field) for field in QueueStats._fields[1:]))
    return facts._replace(native=bool(q.native), zero_copy=bool(q.zero_copy))


class Capture:
    """A device or a savefile that is read. Made by ``open()``. Closed by ``close()``, ``with``, or when it goes."""

    def __init__(self, name: str, source: Source) -> None:
        self.name = name
        self._source = source
        self._is_broken = False
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    # ---- reading ----

    def _read(self, max_packets: int, timeout_ms: int) -> Block | None:
        if self._source.closed:
            raise ClosedError(f"{self.name}: the capture is closed")
        try:
            return self._source.borrow(max_packets, timeout_ms)
        except PcapError as error:
            if isinstance(error, AccelError):
                raise
            raise DeviceError(f"{self.name}: {error}") from None

    def _is_over(self) -> bool:
        """No packet came: because there will be none?"""
        if self._is_broken:
            self._is_broken = False
            return True
        return self._source.closed or self._source.fd < 0

    def read(self, max_packets: int = 4096, timeout_ms: int | None = None) -> Batch:
        """The packets that are there; waits for the first (None: the capture's own timeout, 0: not at all, -1: as
        long as it takes). An empty Batch at the timeout, the end of a savefile, and after ``breakloop()``."""
        if timeout_ms is None:
            timeout_ms = self._source.timeout_ms or -1
        block = self._read(max_packets, timeout_ms)
        if block is None:
            self._is_broken = False
        return Batch(block)

    def batches(self, max_packets: int = 4096, timeout_ms: int | None = None) -> Iterator[Batch]:
        """Batches until the savefile ends, ``breakloop()`` or ``close()``. With a timeout an empty one comes each time
        that it passes; without, only packets come."""
        while True:
            block = self._read(max_packets, -1 if timeout_ms is None else timeout_ms)
            if block is None and self._is_over():
                return
            yield Batch(block)
            if self._source.closed:
                return

    def __iter__(self) -> Iterator[Packet]:
        """Packets, as ``batches()``."""
        for batch in self.batches():
            yield from batch

    async def abatches(self, max_packets: int = 4096) -> AsyncIterator[Batch]:
        """``batches()`` for asyncio: waits in the event loop for ``fileno()``."""
        while True:
            block = self._read(max_packets, 0)
            if block is not None:
                yield Batch(block)
                await asyncio.sleep(0)  # others' turn, though packets never cease
                if self._source.closed:
                    return
            elif self._is_over():
                return
            else:
                await self._readable()
                if self._source.closed:
                    return

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        # Some engines want to be looked at though their descriptor is not readable.
        required = self._source.required_ms / 1000 or None
        fd = self.fileno()
        self._waiter = (loop, future)
        loop.add_reader(fd, _set, future)
        try:
            await asyncio.wait_for(future, required)
        except asyncio.TimeoutError:
            pass
        finally:
            loop.remove_reader(fd)
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None:
            loop, future = self._waiter
            loop.call_soon_threadsafe(_set, future)

    def breakloop(self) -> None:
        """End the iteration that runs, or the next. From any thread."""
        self._is_broken = True
        self._source.breakloop()
        self._wake()

    def close(self) -> None:
        """Stop. Batches that were read stay as they are. A second time does nothing."""
        self._source.close()
        self._wake()

    @property
    def closed(self) -> bool:
        """Was it closed?"""
        return self._source.closed

    # ---- the handle ----

    def _held(self) -> Any:
        if self._source.closed:
            raise ClosedError(f"{self.name}: the capture is closed")
        return _handle.held(self._source)

    def setfilter(self, text: str) -> None:
        """Only packets that pass from now on. Raises FilterError."""
        with self._held() as (_, lib, pcap):
            _set_filter(lib, pcap, text)

    @overload
    def stats(self, of: Literal["handle"] = ...) -> Stats: ...
    @overload
    def stats(self, of: Literal["group"]) -> GroupStats: ...
    def stats(self, of: str = "handle") -> Stats | GroupStats:
        """Counters since the capture was opened. Raises AccelError for a savefile.

        With 'group', those of the living members of its group: the sum, and each member's own, as it was when
        that last read. Raises GroupError if it is in none.
        """
        if of not in ("handle", "group"):
            raise ValueError(f"of: {of!r} is unknown (known: handle, group)")
        if of == "handle":
            return self._stats()
        from ._group_stats import of_group

        return of_group(self.name, self._stats())

    def _stats(self) -> Stats:
        with self._held() as (ffi, lib, pcap):
            stat = ffi.new("struct pcap_accel_stat *")
            stat.size = ffi.sizeof("struct pcap_accel_stat")
            if lib.pcap_accel_stats(pcap, stat) == 0:
                return Stats(*(getattr(stat, field) for field in Stats._fields))
            plain = ffi.new("struct pcap_stat *")
            if lib.pcap_stats(pcap, plain) < 0:
                raise AccelError(f"{self.name}: {_handle.text_of(lib.pcap_geterr(pcap))}")
            return Stats(plain.ps_recv, plain.ps_drop, plain.ps_ifdrop, 0, 0, 0, 0)

    def queues(self) -> list[QueueStats]:
        """The receive queues of an xdp: device, in the order of its devices, with their counters since it was opened.

        Empty where one ring has all queues: on other devices, with tap, of a savefile. How many there are does not
        change. May be called by any thread. Raises ClosedError.
        """
        with self._held() as (ffi, lib, pcap):
            n = max(lib.pcap_accel_list_queues(pcap, ffi.NULL, 0), 0)
            found = ffi.new("struct pcap_accel_queue[]", n)
            lib.pcap_accel_list_queues(pcap, found, n)
            return [_queue(ffi, found[i]) for i in range(n)]

    def inject(self, frame: bytes | bytearray | memoryview) -> int:
        """Send one frame. The bytes taken. Raises DeviceError."""
        with self._held() as (ffi, lib, pcap):
            taken = int(lib.pcap_inject(pcap, ffi.from_buffer(frame), len(memoryview(frame))))
            if taken < 0:
                raise DeviceError(f"{self.name}: {_handle.text_of(lib.pcap_geterr(pcap))}")
            return taken

    def explain(self) -> str:
        """Which engine serves it, on which devices, with which settings and where each came from."""
        with self._held() as (ffi, lib, pcap):
            size = lib.pcap_accel_explain(pcap, ffi.NULL, 0) + 1
            text = ffi.new("char[]", size)
            lib.pcap_accel_explain(pcap, text, size)
            return _handle.text_of(text)

    def fileno(self) -> int:
        """What select() can wait for; -1 for a savefile."""
        if self._source.closed:
            raise ClosedError(f"{self.name}: the capture is closed")
        return self._source.fd

    @property
    def link_type(self) -> int:
        """DLT_*: 1 is Ethernet."""
        with self._held() as (_, lib, pcap):
            return int(lib.pcap_datalink(pcap))

    @property
    def snaplen(self) -> int:
        """Bytes of a packet at most."""
        with self._held() as (_, lib, pcap):
            return int(lib.pcap_snapshot(pcap))

    def __enter__(self) -> Capture:
        if self._source.closed:
            raise ClosedError(f"{self.name}: the capture is closed")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Capture of {self.name}{', closed' if self.closed else ''}>"


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _set_filter(lib: Any, pcap: Any, text: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"filter: {text!r} is not a str")
    try:
        program = _handle.compile_filter(pcap, text, 1, _NETMASK_UNKNOWN)
    except PcapError as error:
        raise FilterError(f"filter '{text}': {error}") from None
    if lib.pcap_setfilter(pcap, program) < 0:
        raise FilterError(f"filter '{text}': {_handle.text_of(lib.pcap_geterr(pcap))}")


def _device(source: str, engine: str | None, options: Mapping[str, object]) -> str:
    """The device string: the engine in front, options behind."""
    given = source.partition(":")[0].partition("/")[0].partition("?")[0]
    if engine is not None and engine not in ENGINES:
        raise ValueError(f"engine: '{engine}' is unknown (known: {', '.join(ENGINES)})")
    if given in ENGINES:
        if engine not in (None, given):
            raise ValueError(f"{source}: names its engine, and engine='{engine}' another")
    elif engine is not None or options:
        source = f"{engine or ('pfq' if 'computation' in options else 'afpacket')}:{source}"
    for key, value in options.items():
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        if "," in text:
            raise ValueError(
                f"{key}: '{text}' has a comma, which ends an option (join lists with '+'; for a "
                "computation use pypcapaccel.groups)"
            )
        source += f"{',' if '?' in source else '?'}{key}={text}"
    return source


def _device_error(name: str, status: int, text: str) -> DeviceError:
    kind = NoPermissionError if status in (_NO_PERMISSION, _NO_PROMISC) else DeviceError
    error = kind(text if text.startswith(name) else f"{name}: {text}")
    codes = {_NO_DEVICE: errno.ENODEV, _NO_PERMISSION: errno.EPERM, _NOT_UP: errno.ENETDOWN}
    error.errno = codes.get(status)
    return error


def _activate(pcap: Any, name: str, settings: Mapping[str, int]) -> None:
    _, lib = ffi_and_lib()
    for key, value in settings.items():
        getattr(lib, f"pcap_set_{key}")(pcap, value)
    status = lib.pcap_activate(pcap)
    if status < 0:
        text = _handle.text_of(lib.pcap_geterr(pcap))
        plain = _handle.text_of(lib.pcap_statustostr(status))
        raise _device_error(name, status, text or plain)


def _int(what: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what}: {value!r} is not an int")
    if not least <= value <= most:
        raise ValueError(f"{what}: {value} (would be {least} .. {most})")
    return value


def _open_live(name: str, settings: Mapping[str, int], filter_text: str | None) -> Capture:
    _, lib = ffi_and_lib()
    errbuf = _handle.new_errbuf()
    pcap = lib.pcap_create(name.encode(), errbuf)
    if not pcap:
        raise DeviceError(f"{name}: {_handle.text_of(errbuf)}")
    capture = Capture(name, Source())
    _handle.attach(capture._source, pcap)  # closes it from now on
    _activate(pcap, name, settings)
    if filter_text is not None:
        _set_filter(lib, pcap, filter_text)
    _handle.start(capture._source, settings["timeout"])
    return capture


def _open_file(path: str, filter_text: str | None) -> Capture:
    _, lib = ffi_and_lib()
    errbuf = _handle.new_errbuf()
    pcap = lib.pcap_open_offline_with_tstamp_precision(os.fsencode(path), _NANOSECONDS, errbuf)
    if not pcap:
        raise DeviceError(f"{path}: {_handle.text_of(errbuf).removeprefix(f'{path}: ')}")
    capture = Capture(path, Source())
    _handle.attach(capture._source, pcap, is_slow=_handle.may_block(path))
    if filter_text is not None:
        _set_filter(lib, pcap, filter_text)
    return capture


def open(  # noqa: A001 - pypcapaccel.open() is its name
    source: str | os.PathLike[str],
    *,
    snaplen: int = MAX_SNAPLEN,
    promisc: bool = True,
    timeout_ms: int = 100,
    buffer: int | str | None = None,
    immediate: bool = False,
    filter: str | None = None,  # noqa: A002 - the word for it
    engine: str | None = None,
    group: int | None = None,
    computation: str | None = None,
    options: Mapping[str, object] | None = None,
) -> Capture:
    """Capture from a device, or read a savefile.

    source: a device's name, as libpcap's or one of ours (``afpacket:eth0:eth1``, ``pfq:eth0``, ``xdp:eth0``); or
    a ``pathlib.Path``, which is a savefile ('-': the standard input).

    snaplen, promisc, timeout_ms (0: none), immediate: as libpcap's. buffer: the ring's bytes, or '256MiB'.
    filter: a pcap filter. engine, group, computation, and options by their names in pcap-accel-device(7): put
    into the device string; a plain interface then gets the engine pfq if there is a computation, else
    afpacket.

    Raises DeviceError, NoPermissionError, FilterError; TypeError and ValueError for the arguments.
    """
    if isinstance(source, os.PathLike):
        return _open_file(os.fspath(source), filter)
    if not isinstance(source, str):
        raise TypeError(f"source: {source!r} is neither a device's name nor a path")
    if "\0" in source:
        raise ValueError("source: it has a null character")
    wanted: dict[str, object] = {"group": group, "computation": computation, **(options or {})}
    if isinstance(buffer, str):
        wanted["buffer"] = buffer
    settings = {
        "snaplen": _int("snaplen", snaplen, 1, MAX_SNAPLEN),
        "promisc": int(promisc),
        "timeout": _int("timeout_ms", timeout_ms, 0, 2**31 - 1),
        "immediate_mode": int(immediate),
        "tstamp_precision": _NANOSECONDS,
    }
    if buffer is not None and not isinstance(buffer, str):
        settings["buffer_size"] = _int("buffer", buffer, 1, 2**31 - 1)
    given = {key: value for key, value in wanted.items() if value is not None}
    return _open_live(_device(source, engine, given), settings, filter)
