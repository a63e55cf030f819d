# SPDX-License-Identifier: BSD-3-Clause
"""Sends frames on an interface through the library's queue: many of them by one system call.

The handle is of an ethertype that no frame has, so it receives nothing and costs the interface nothing.

Threads: one a sender.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType

from .. import _handle
from .._lib import ffi_and_lib
from . import CommandError

__all__ = ["Sender", "mtu_of", "no_settings"]

OPTIONS = "tx_batch=256,buffer=256KiB,timeout=1ms"
_NO_PROTOCOL = 0x05FF  # neither a length (IEEE 802.3) nor an ethertype: nobody sends it
_NO_DEVICE, _NO_PERMISSION, _NOT_UP = -5, -8, -9
_HEADER_LEN, _TAG_LEN = 14, 4
_SIOCGIFMTU = 0x8921
_PATIENCE_S = 5.0
_PAUSE_S = 0.0005  # for a full queue of the interface


def mtu_of(name: str) -> int | None:
    """Of an interface in this network namespace; None: there is no such interface."""
    request = struct.pack("16si12x", name.encode()[:15], 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock, _SIOCGIFMTU, request)
        except OSError:
            return None
    return int(struct.unpack_from("i", answer, 16)[0])


@contextmanager
def no_settings() -> Iterator[None]:
    """What is in the environment for captures is not for this handle: a group, say."""
    meant = [
        name
        for name in os.environ
        if name.startswith(("PCAP_ACCEL_", "PFQ_"))
        and name not in ("PCAP_ACCEL_LIB", "PCAP_ACCEL_LOG")
    ]
    kept = {name: os.environ.pop(name) for name in meant}
    try:
        yield
    finally:
        os.environ.update(kept)


class Sender:
    """An interface that is sent on; a context manager. CommandError for what cannot be done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.n_queued = 0
        self._ffi, self._lib = ffi_and_lib()
        mtu = mtu_of(name)
        if mtu is None:
            raise CommandError(
                f"{name}: No such device (`pcap-accel devices` lists the interfaces)"
            )
        self.max_len = mtu + _HEADER_LEN + _TAG_LEN
        errbuf = _handle.new_errbuf()
        self._pcap = self._lib.pcap_create(f"afpacket:{name}?{OPTIONS}".encode(), errbuf)
        if not self._pcap:
            raise CommandError(f"{name}: {_handle.text_of(errbuf)}")
        try:
            self._activate()
        except BaseException:
            self.close()
            raise

    def _activate(self) -> None:
        lib = self._lib
        lib.pcap_set_protocol_linux(self._pcap, _NO_PROTOCOL)
        with no_settings():
            status = lib.pcap_activate(self._pcap)
        if status == _NO_PERMISSION:
            raise CommandError(f"{self.name}: sending needs CAP_NET_RAW (run it as root)")
        if status == _NOT_UP:
            raise CommandError(f"{self.name}: is down (ip link set dev {self.name} up)")
        if status < 0:
            raise CommandError(f"{self.name}: {self._error()}")
        errbuf = _handle.new_errbuf()
        if lib.pcap_setnonblock(self._pcap, 1, errbuf) < 0:
            raise CommandError(f"{self.name}: {_handle.text_of(errbuf)}")

    def _error(self) -> str:
        return _handle.text_of(self._lib.pcap_geterr(self._pcap))

    def _wait_for_room(self, deadline: float) -> None:
        if os.strerror(errno.EAGAIN) not in (text := self._error()):
            raise CommandError(f"{self.name}: {text}")
        if time.monotonic() > deadline:
            raise CommandError(
                f"{self.name}: takes no packets (is somebody reading at its other end?)"
            )
        time.sleep(_PAUSE_S)

    def send(self, frames: Iterable[bytes]) -> int:
        """Queue frames; a full queue is sent. Their bytes."""
        inject, pcap = self._lib.pcap_inject, self._pcap
        total = n = 0
        for frame in frames:
            if len(frame) > self.max_len:
                raise CommandError(
                    f"{self.name}: a frame of {len(frame)} bytes was not sent: longer than the interface's MTU "
                    f"({self.max_len - _TAG_LEN - _HEADER_LEN})"
                )
            if inject(pcap, frame, len(frame)) < 0:
                deadline = time.monotonic() + _PATIENCE_S
                self._wait_for_room(deadline)
                while inject(pcap, frame, len(frame)) < 0:
                    self._wait_for_room(deadline)
            total += len(frame)
            n += 1
        self.n_queued += n
        return total

    def counts(self) -> tuple[int, int]:
        """Frames that were sent so far, and that the kernel refused."""
        stat = self._ffi.new("struct pcap_accel_stat *")
        stat.size = self._ffi.sizeof("struct pcap_accel_stat")
        self._lib.pcap_accel_stats(self._pcap, stat)
        return stat.injected, stat.inject_failed

    def flush(self) -> None:
        """Send what is queued: a read does that, and there is nothing to read."""
        header, data = self._ffi.new("struct pcap_pkthdr **"), self._ffi.new("unsigned char **")
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            self._lib.pcap_next_ex(self._pcap, header, data)
            if sum(self.counts()) >= self.n_queued:
                return
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{self.name}: takes no packets (is somebody reading at its other end?)"
                )
            time.sleep(_PAUSE_S)

    def close(self) -> None:
        """A second time does nothing."""
        if self._pcap:
            self._lib.pcap_close(self._pcap)
            self._pcap = None

    def __enter__(self) -> Sender:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
