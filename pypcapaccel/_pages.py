# SPDX-License-Identifier: BSD-3-Clause
"""The statistics pages that captures keep in their runtime directories: found, judged alive, read.

A page is alive as long as its lock is held (libpcap-accel/src/kern/shared_page.h); a stale one is removed.
The layout is that of libpcap-accel/src/core/stats_page.h.

Threads: none of its own.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["LAYOUT", "QUEUE", "Page", "Queue", "folders", "read_pages"]

MAGIC = b"accelst2"
ANY_VERSION = MAGIC[:-1]
LAYOUT = struct.Struct("=8sIiQQiI16s16s128s9QIIII")
QUEUE = struct.Struct("=16sIIIIQQQ")
MAX_LEN = LAYOUT.size + 64 * QUEUE.size
AWAY_NS = 10**9
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Queue:
    """A receive queue of a capture whose engine serves each apart (xdp)."""

    ifname: str
    queue: int
    ring_used: int
    ring_len: int
    received: int
    dropped: int
    ring_full: int


@dataclass(frozen=True)
class Page:
    """One active capture. Times in ns; counters since its activation."""

    path: str
    pid: int
    netns: int
    since_ns: int
    group: int | None
    program: str
    engine: str
    device: str
    updated_ns: int
    received: int
    dropped: int
    if_dropped: int
    freezes: int
    delivered: int
    injected: int
    inject_failed: int
    delivered_len: int
    """Bytes on the wire."""
    ring_used: int
    """Blocks or packets that the program had not come for when it last told."""
    ring_len: int
    """How many of them there may be; 0: not known."""
    waiting: bool
    """It has read everything, and sleeps."""
    queues: tuple[Queue, ...]

    def away_ns(self, now_ns: int) -> int:
        """For how long it has not come back to read, by the monotonic clock; 0: it waits, or has just been here."""
        away = 0 if self.waiting else now_ns - self.updated_ns
        return away if away > AWAY_NS else 0


def folders() -> list[Path]:
    """Where pages may be: of every user for root, else this user's."""
    uid = os.geteuid()
    if uid == 0:
        users = [*Path("/run/user").glob("*/pcap-accel"), *Path("/tmp").glob("pcap-accel-*")]
        return [path / "stats" for path in [Path("/run/pcap-accel"), *users]]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    found = [Path(runtime, "pcap-accel")] if runtime else []
    found += [Path(f"/run/user/{uid}/pcap-accel"), Path(f"/tmp/pcap-accel-{uid}")]
    return [path / "stats" for path in dict.fromkeys(found)]


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode(errors="replace")


def _queue(raw: bytes, at: int) -> Queue:
    ifname, queue, used, length, _, *counters = QUEUE.unpack_from(raw, at)
    return Queue(_text(ifname), queue, used, length, *counters)


def _parse(path: Path, raw: bytes) -> Page | None:
    if len(raw) < LAYOUT.size:
        return None
    magic, size, pid, netns, since, group, n_queues, program, engine, device, *rest = (
        LAYOUT.unpack_from(raw)
    )
    whole = LAYOUT.size + n_queues * QUEUE.size
    if magic != MAGIC or size != LAYOUT.size or len(raw) != whole:
        return None
    *counters, waiting, _ = rest
    who = (str(path), pid, netns, since, None if group < 0 else group)
    words = (_text(program), _text(engine), _text(device))
    queues = tuple(_queue(raw, at) for at in range(LAYOUT.size, whole, QUEUE.size))
    values: list[Any] = [*who, *words, *counters, bool(waiting), queues]
    return Page(*values)


def _read(path: Path, folder_fd: int) -> Page | None:
    """None: stale, and removed; or not a page of this version."""
    try:
        fd = os.open(path.name, _FILE, dir_fd=folder_fd)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    with os.fdopen(fd, "rb", buffering=0) as file:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _parse(path, file.read(MAX_LEN + 1))
        except OSError:
            return None
        try:
            if file.read(len(ANY_VERSION)) == ANY_VERSION:
                os.unlink(path.name, dir_fd=folder_fd)
        except OSError:
            pass
        return None


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """Its descriptor. It and the folder it is in may be another user's, so neither may be a link: what is stale
    there is removed."""
    parent = os.open(folder.parent, _FOLDER)
    try:
        fd = os.open(folder.name, _FOLDER, dir_fd=parent)
    finally:
        os.close(parent)
    try:
        yield fd
    finally:
        os.close(fd)


def read_pages() -> Iterator[Page]:
    """The living pages, by process."""
    found: list[Page | None] = []
    for folder in folders():
        try:
            with _opened(folder) as fd:
                names = [name for name in os.listdir(fd) if name[0] != "."]  # noqa: PTH208 (of a descriptor)
                found += [_read(folder / name, fd) for name in names]
        except OSError:
            continue
    living = [page for page in found if page is not None]
    yield from sorted(living, key=lambda page: (page.pid, page.since_ns))
