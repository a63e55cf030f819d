# SPDX-License-Identifier: BSD-3-Clause
"""A handle and who is inside it, and packets as Python objects: the plain twin of ``_speedups``.

Reads a batch a call, so that the price of a call is shared by its packets; what a callback that raised or
broke off left over waits for the next read. cffi drops the interpreter's lock in every call, so a busy
thread beside a reading one costs more here than with ``_speedups``.
"""

from __future__ import annotations

import os
import select
import struct
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice
from typing import Any, Literal

from ._classify import Classifier
from ._lib import ffi_and_lib
from .errors import InUseError, PcapError

__all__ = ["Block", "Pkthdr", "Source", "block_meta", "block_tolist", "keep_lent"]

_RECORD = struct.Struct("=QQII")
_BATCH_BYTES = 256 * 1024
_LONGEST = 262144
_CHUNK = 512
_ERROR, _BREAK, _NOT_ACTIVATED = -1, -2, -3

Record = tuple[int, int, int, int]  # ts_ns, offset, caplen, len
Callback = Callable[["Pkthdr", bytes], object]
Fill = Callable[["Block", Any, int], int]  # from a handle, at most so many; the library's status


class Pkthdr:
    """A packet's header: its time and its lengths."""

    __slots__ = ("_record",)
    _record: Record

    def __init__(self) -> None:
        raise TypeError("cannot create 'pypcapaccel.Pkthdr' instances")

    def getts(self) -> tuple[int, int]:
        """(seconds, microseconds)"""
        sec, nsec = divmod(self._record[0], 1_000_000_000)
        return sec, nsec // 1000

    def getcaplen(self) -> int:
        """Bytes captured."""
        return self._record[2]

    def getlen(self) -> int:
        """Bytes on the wire."""
        return self._record[3]


class Block:
    """Headers and packets, in memory that lives as long as anybody looks at it."""

    __slots__ = ("_records", "data", "headers", "is_lent", "memory", "n_records")

    def __init__(self, max_records: int, memory: bytearray) -> None:
        self._records = bytearray(max_records * _RECORD.size)
        self.memory = memory  # of packets that are copied
        self.n_records = 0
        self.is_lent = False
        self.headers = self.data = memoryview(b"")

    def _set(self, n_records: int, data: memoryview) -> None:
        self.n_records = n_records
        self.headers = memoryview(self._records).toreadonly()[: n_records * _RECORD.size]
        self.data = data

    def _copied(self, data_len: int) -> memoryview:
        return memoryview(self.memory).toreadonly()[:data_len]

    def _request(self, kind: str, max_records: int) -> Any:
        """Of the library, with room for headers."""
        ffi, _ = ffi_and_lib()
        batch = ffi.new(f"struct {kind} *")
        batch.size = ffi.sizeof(batch[0])
        batch.records = ffi.cast("struct pcap_accel_record *", ffi.from_buffer(self._records))
        batch.max_records = max_records
        return batch

    def read(self, pcap: Any, max_records: int) -> int:
        """Copy packets. The library's status."""
        ffi, lib = ffi_and_lib()
        batch = self._request("pcap_accel_batch", max_records)
        batch.data = ffi.cast("uint8_t *", ffi.from_buffer(self.memory))
        batch.max_data = len(self.memory)
        status = int(lib.pcap_accel_read_batch(pcap, batch))
        self._set(batch.n_records, self._copied(batch.data_len))
        return status

    def borrow(self, pcap: Any, max_records: int) -> int:
        """The same, without the copy where that can be."""
        ffi, lib = ffi_and_lib()
        batch = self._request("pcap_accel_borrowed", max_records)
        batch.memory = ffi.cast("uint8_t *", ffi.from_buffer(self.memory))
        batch.memory_len = len(self.memory)
        status = int(lib.pcap_accel_borrow_batch(pcap, batch))
        self.is_lent = bool(batch.loan)
        data = _lent_view(batch) if self.is_lent else self._copied(batch.data_len)
        self._set(batch.n_records, data)
        return status


_lent: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()  # what is on loan
_numbers = count()


def _let_go(_loan: Any, _data: Any) -> None:
    pass


def _lent_view(batch: Any) -> memoryview:
    """What is lent: the loan is given back when the last view has gone."""
    ffi, lib = ffi_and_lib()
    loan = ffi.gc(batch.loan, lib.pcap_accel_give_back_batch)
    _lent[next(_numbers)] = loan
    # A buffer keeps the pointer that it is made of, and this one, by its destructor, the loan.
    data = ffi.gc(batch.data, partial(_let_go, loan))
    return memoryview(ffi.buffer(data, batch.data_len)).toreadonly()


def keep_lent() -> None:
    """Before a fork: a child has no part in a ring. Where there is no memory its views may change."""
    for reference in _lent.valuerefs():
        loan = reference()
        if loan is not None:
            ffi_and_lib()[1].pcap_accel_keep_batch(loan)


def block_tolist(block: Block) -> list[tuple[int, bytes]]:
    """[(ts_ns, bytes), ...]"""
    data = block.data
    return [
        (ts, bytes(data[at : at + caplen]))
        for ts, at, caplen, _ in _RECORD.iter_unpack(block.headers)
    ]


def block_meta(block: Block, base: int) -> bytes:
    """pcapy's records (sec, usec, offset, caplen), of 32 bits each."""
    words = []
    for ts, at, caplen, _ in _RECORD.iter_unpack(block.headers):
        words += [ts // 1_000_000_000, ts % 1_000_000_000 // 1000, base + at, caplen]
    return struct.pack(f"={len(words)}I", *words)


def _deadline(timeout_ms: int) -> float | None:
    return time.monotonic() + timeout_ms / 1000 if timeout_ms > 0 else None


class Source:
    """See ``_speedups.pyi`` and ``csrc/source.c``."""

    __slots__ = (
        "_breaking",
        "_closing",
        "_data",
        "_ffi",
        "_holds",
        "_lib",
        "_pcap",
        "_reading",
        "_records",
        "_scratch",
        "_spare",
        "_wake_fd",
        "counts",
        "failed_late",
        "fd",
        "nonblock",
        "profile",
        "required_ms",
        "timeout_ms",
    )  # fmt: skip

    # ---- life ----

    def attach(self, address: int, is_slow: bool, /) -> None:  # noqa: ARG002 - never locked here
        self._ffi, self._lib = ffi_and_lib()
        self._pcap: Any = self._ffi.cast("pcap_t *", address)
        self.fd = self._wake_fd = -1
        self.timeout_ms = self.required_ms = self.profile = 0
        self.nonblock = self._reading = self._breaking = self._closing = False
        self._holds = 0
        self.failed_late = 0
        self._scratch: Block | None = None  # for packets that are handed out as objects
        self._spare = bytearray()  # memory of a block that did not need it
        self._records: Iterator[Record] = iter(())  # read, and not yet handed out
        self._data = b""  # theirs
        self.counts: tuple[int, ...] = (0,) * 8

    def start(self, timeout_ms: int, /) -> None:
        self._check_open()
        self.timeout_ms = timeout_ms
        self.fd = self._lib.pcap_get_selectable_fd(self._pcap)
        required = self._lib.pcap_get_required_select_timeout(self._pcap)
        if required:
            self.required_ms = max(required.tv_sec * 1000 + required.tv_usec // 1000, 1)
        if self._wake_fd < 0:
            self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    @property
    def closed(self) -> bool:
        return not self._pcap or self._closing

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("pcap is closed")

    def _close_now(self) -> None:
        if self._pcap:
            self._lib.pcap_close(self._pcap)
        if self._wake_fd >= 0:
            os.close(self._wake_fd)
        self._pcap = None
        self.fd = self._wake_fd = -1
        self._records, self._data = iter(()), b""

    def _wake(self) -> None:
        if self._wake_fd >= 0:
            os.eventfd_write(self._wake_fd, 1)

    def close(self) -> None:
        """In a callback, or while another thread reads, that read ends and closes it."""
        self._closing = True
        if self._holds == 0:
            self._close_now()
        else:
            self._wake()

    def __del__(self) -> None:
        if hasattr(self, "_data"):
            self._close_now()

    def breakloop(self) -> None:
        """End the read that runs, or the next. From any thread."""
        self._check_open()
        self._breaking = True
        self._wake()

    def hold(self) -> int:
        self._check_open()
        self._holds += 1
        return int(self._ffi.cast("uintptr_t", self._pcap))

    def drop(self) -> None:
        self._holds -= 1
        if self._holds == 0 and self._closing:
            self._close_now()

    def _begin(self) -> None:
        self._check_open()
        if self._reading:
            raise InUseError(
                "pcap is being read (by another thread or by the read whose callback this is; "
                "open another one)"
            )
        self._reading = True
        self._holds += 1

    def _end(self) -> None:
        self._reading = False
        self.drop()

    def _is_over(self) -> bool:
        if self._breaking:
            self._breaking = False
            return True
        return self._closing

    def _error(self, status: int) -> PcapError:
        if status == _NOT_ACTIVATED:
            return PcapError("This handle hasn't been activated yet")
        text = self._ffi.string(self._lib.pcap_geterr(self._pcap))
        return PcapError(text.decode(errors="replace"))

    # ---- waiting and reading ----

    def _wait(self, deadline: float | None) -> bool:
        """Sleep for packets. False: it is the deadline."""
        slice_ms = None
        if deadline is not None:
            slice_ms = (deadline - time.monotonic()) * 1000
            if slice_ms <= 0:
                return False
        if self.required_ms > 0:
            slice_ms = min(slice_ms or self.required_ms, self.required_ms)
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.register(self._wake_fd, select.POLLIN)
        for fd, _ in poll.poll(slice_ms):
            if fd == self._wake_fd:
                os.eventfd_read(self._wake_fd)
        return True

    def _new_block(self, max_records: int) -> Block:
        size = _BATCH_BYTES + max(self._lib.pcap_snapshot(self._pcap), _LONGEST)
        memory, self._spare = self._spare, bytearray()
        return Block(max_records, memory if len(memory) == size else bytearray(size))

    def _read(self, block: Block, fill: Fill, max_records: int, timeout_ms: int) -> bool:
        """Packets into the block. False: none came."""
        deadline = _deadline(timeout_ms)
        if self.failed_late:
            status, self.failed_late = self.failed_late, 0
            raise self._error(status)
        while not self._is_over():
            status = fill(block, self._pcap, max_records)
            if block.n_records:
                self.failed_late = status if status < 0 and status != _BREAK else 0
                return True
            if status == _BREAK:
                continue  # _is_over() knows whether it was meant
            if status < 0:
                raise self._error(status)
            if self.fd < 0 or timeout_ms == 0 or not self._wait(deadline):
                return False
        return False

    def _read_block(self, fill: Fill, max_records: int, timeout_ms: int) -> Block | None:
        if max_records < 1:
            raise ValueError(f"max_packets: {max_records} is less than 1")
        self._begin()
        try:
            block = self._new_block(max_records)
            found = self._read(block, fill, max_records, timeout_ms)
            if not found or block.is_lent:
                self._spare = block.memory
            return block if found else None
        finally:
            self._end()

    def read(self, max_records: int, timeout_ms: int, /) -> Block | None:
        return self._read_block(Block.read, max_records, timeout_ms)

    def borrow(self, max_records: int, timeout_ms: int, /) -> Block | None:
        return self._read_block(Block.borrow, max_records, timeout_ms)

    def _refill(self, want: int, timeout_ms: int) -> bool:
        """More packets to be handed out, where none is left. False: none came."""
        block = self._scratch = self._scratch or self._new_block(_CHUNK)
        most = min(want, _CHUNK) if want > 0 else _CHUNK
        if not self._read(block, Block.read, most, timeout_ms):
            return False
        self._data = bytes(block.data)
        # The objects are made when they are handed out: nothing else holds them.
        self._records = _RECORD.iter_unpack(block.headers)
        return True

    def refilter(self, accepts: Callable[[bytes, int], bool]) -> None:
        """A new filter was set: judge what was read and not yet handed out."""
        data = self._data
        self._records = iter([r for r in self._records if accepts(data[r[1] : r[1] + r[2]], r[3])])

    def _hand_out(self, cnt: int, handler: Callback) -> int:
        """What is read already, at most cnt packets (< 0: all). How many."""
        n, data = 0, self._data
        if self._breaking or self._closing:
            return n
        records = islice(self._records, cnt) if cnt > 0 else self._records
        new = object.__new__
        for n, record in enumerate(records, 1):  # noqa: B007 - n is the result
            header = new(Pkthdr)
            header._record = record
            handler(header, data[record[1] : record[1] + record[2]])
            if self._breaking or self._closing:
                break
        return n

    def _run(self, cnt: int, once: bool, handler: Callback) -> int:
        timeout_ms = self.timeout_ms if once and self.timeout_ms > 0 else -1
        if self.nonblock and once:
            timeout_ms = 0
        n = 0
        self._begin()
        try:
            while True:
                handed_out = self._hand_out(cnt - n if cnt > 0 else -1, handler)
                n += handed_out
                if (cnt > 0 and n >= cnt) or (once and n > 0 and self.fd >= 0):
                    return n
                if self._is_over():
                    return n
                # A callback may have set a filter: then what passes it is to be handed out first.
                if not handed_out and not self._refill(cnt - n if cnt > 0 else 0, timeout_ms):
                    return n
        finally:
            self._end()

    # ---- pcapy's ways ----

    def next(self) -> tuple[Pkthdr, bytes] | tuple[None, Literal[b""]]:
        """(Pkthdr, bytes); (None, b'') for no packet"""
        found: list[tuple[Pkthdr, bytes]] = []
        self._run(1, True, lambda header, data: found.append((header, data)))
        return found[0] if found else (None, b"")

    def _loop(self, cnt: int, callback: Callback, once: bool) -> int:
        if not callable(callback):
            raise TypeError(f"callback: {callback!r} is not callable")
        return self._run(_int(cnt), once, callback)

    def loop(self, cnt: int, callback: Callback, /) -> None:
        """callback(Pkthdr, bytes) for cnt packets; -1 or 0 for all"""
        self._loop(cnt, callback, False)

    def dispatch(self, cnt: int, callback: Callback, /) -> int:
        """As loop(), until the timeout. How many packets."""
        return self._loop(cnt, callback, True)

    def _filtered(
        self,
        cnt: int,
        classifier: Classifier,
        admit_mask: int,
        admitted: Callable[[Pkthdr, bytes, int], bool],
    ) -> None:
        counts = [0] * 8
        self.counts = (0,) * 8
        self.profile = int(classifier.is_security)
        base = 100 if classifier.is_security else 0

        def handler(header: Pkthdr, data: bytes) -> None:
            found = classifier.classify(data)
            counts[2 + found] += 1
            if not admit_mask >> found & 1:
                counts[1] += 1
            elif admitted(header, data, base + found):
                counts[0] += 1
            self.counts = tuple(counts)

        self._run(_int(cnt), False, handler)

    def filter_to(
        self,
        cnt: int,
        callback: Callable[[Pkthdr, bytes, int], object],
        classifier: Classifier,
        admit_mask: int,
        /,
    ) -> None:
        def admitted(header: Pkthdr, data: bytes, found: int) -> bool:
            callback(header, data, found)
            return True

        self._filtered(cnt, classifier, admit_mask, admitted)

    def filter_into(
        self, cnt: int, buffer: Any, classifier: Classifier, admit_mask: int, /
    ) -> tuple[int, int]:
        out = memoryview(buffer).cast("B")
        if out.readonly:
            raise TypeError("a writable buffer is needed")
        used = n_overflow = 0

        def admitted(_header: Pkthdr, data: bytes, found: int) -> bool:
            nonlocal used, n_overflow
            record = struct.pack("<IB", len(data), found) + data
            if len(record) > len(out) - used:
                n_overflow += 1
                return False
            out[used : used + len(record)] = record
            used += len(record)
            return True

        self._filtered(cnt, classifier, admit_mask, admitted)
        return n_overflow, used


def _int(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")
    return value
