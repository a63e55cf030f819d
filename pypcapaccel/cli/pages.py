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
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LAYOUT", "Page", "folders", "read_pages"]

MAGIC = b"accelst1"
LAYOUT = struct.Struct("=8sIiQQiI16s16s128s8Q")


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


def _parse(path: Path, raw: bytes) -> Page | None:
    if len(raw) != LAYOUT.size:
        return None
    magic, size, pid, netns, since, group, _, program, engine, device, *counters = LAYOUT.unpack(
        raw
    )
    if magic != MAGIC or size != LAYOUT.size:
        return None
    words = (_text(program), _text(engine), _text(device))
    return Page(str(path), pid, netns, since, None if group < 0 else group, *words, *counters)


def _read(path: Path) -> Page | None:
    """None: stale, and removed; or not a page of this version."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    with os.fdopen(fd, "rb", buffering=0) as file:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _parse(path, file.read(LAYOUT.size + 1))
        except OSError:
            return None
        try:
            path.unlink()
        except OSError:
            pass
        return None


def read_pages() -> Iterator[Page]:
    """The living pages, by process."""
    found = []
    for folder in folders():
        try:
            names = [path for path in folder.iterdir() if not path.name.startswith(".")]
        except OSError:
            continue
        found += [page for page in map(_read, names) if page is not None]
    yield from sorted(found, key=lambda page: (page.pid, page.since_ns))
