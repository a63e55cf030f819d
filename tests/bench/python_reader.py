# SPDX-License-Identifier: BSD-3-Clause
"""Reads packets in one way and tells what it cost: a process of its own for every measurement.

    python -I python_reader.py HOW SOURCE [key=value ...]

HOW is a name of HOW below, "library.way". SOURCE is a savefile, or a device that is read until `count`
packets have come. Prints "ready" when it is open, waits for a line on its input, reads, and prints one JSON
object: packets, cpu_ns (of the process, user and system) and wall_ns. With busy=1, another thread computes
meanwhile, and a savefile is read again and again for a second.

It knows nothing of the benchmark, and imports nothing but what it measures.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

BUFFER = 32 << 20  # bytes of a live ring, so that nobody loses packets
TIMEOUT_MS = 100
FILE_BATCH, LIVE_BATCH = 1024, 4096
BUSY_S = 1.0
META = struct.Struct("=IIII")  # pcapy-ng's: sec, usec, offset, caplen

Opened = Any  # every library has its own
Read = Callable[[Opened, int], "int | None"]


@dataclass(frozen=True)
class Way:
    """How to open a source, and how to read packets: all of a savefile, `count` of a device. `read` gives
    how many there were, or None where nobody counts: `twin` then does, outside of the measurement."""

    open: Callable[[str, bool], Opened]
    read: Read
    twin: Read | None = None


# ---- the pcapy API: pcapy-ng, and ours ----


def _open_pcapy_api(module: Any, source: str, is_live: bool) -> Opened:
    if not is_live:
        return module.open_offline(source)
    reader = module.create(source)
    reader.set_snaplen(65535)
    reader.set_promisc(1)
    reader.set_timeout(TIMEOUT_MS)
    reader.set_buffer_size(BUFFER)
    if reader.activate() < 0:
        raise SystemExit(f"{source}: could not be opened")
    return reader


def _open_pcapy_ng(source: str, is_live: bool) -> Opened:
    import pcapy  # type: ignore[import-not-found]

    return _open_pcapy_api(pcapy, source, is_live)


def _open_ours(source: str, is_live: bool) -> Opened:
    import pypcapaccel.pcapy

    return _open_pcapy_api(pypcapaccel.pcapy, source, is_live)


def _loop(reader: Opened, count: int) -> None:
    reader.loop(count or -1, lambda _header, _data: None)


def _loop_header(reader: Opened, count: int) -> None:
    def callback(header: Any, _data: bytes) -> None:
        header.getcaplen()
        header.getts()

    reader.loop(count or -1, callback)


def _loop_counting(reader: Opened, count: int) -> int:
    n = 0

    def callback(_header: Any, _data: bytes) -> None:
        nonlocal n
        n += 1

    reader.loop(count or -1, callback)
    return n


def _next(reader: Opened, count: int) -> int:
    n, take = 0, reader.next  # looked up once: pcapy-ng's lookups are slow
    while n != count or not count:
        header, _data = take()
        if header is not None:
            n += 1
        elif not count:
            break
    return n


def _next_batch(reader: Opened, count: int) -> int:
    n = 0
    while n < count or not count:
        _data, meta = reader.next_batch(LIVE_BATCH if count else FILE_BATCH)
        n += len(meta) // META.size
        if not meta and not count:
            break
    return n


def _next_batch_slices(reader: Opened, _count: int) -> int:
    n = 0
    while True:
        data, meta = reader.next_batch(FILE_BATCH)
        if not meta:
            return n
        n += len([data[at : at + size] for _sec, _usec, at, size in META.iter_unpack(meta)])


def _next_batch_list(reader: Opened, _count: int) -> int:
    n = 0
    while True:
        data, meta = reader.next_batch(FILE_BATCH)
        if not meta:
            return n
        n += len(
            [
                (sec * 1_000_000_000 + usec * 1000, data[at : at + size])
                for sec, usec, at, size in META.iter_unpack(meta)
            ]
        )


# ---- our capture API ----


def _open_capture(source: str, is_live: bool) -> Opened:
    import pathlib

    import pypcapaccel

    if not is_live:
        return pypcapaccel.open(pathlib.Path(source))
    return pypcapaccel.open(source, snaplen=65535, timeout_ms=TIMEOUT_MS, buffer=BUFFER)


def _open_with_numpy(source: str, is_live: bool) -> Opened:
    import numpy  # noqa: F401 - its import is no part of the measurement

    return _open_capture(source, is_live)


def _batches(capture: Opened, count: int) -> int:
    n = 0
    for batch in capture.batches(LIVE_BATCH if count else FILE_BATCH):
        n += len(batch)
        if count and n >= count:
            break
    return n


def _batches_array(capture: Opened, count: int) -> int:
    n = total = 0
    for batch in capture.batches(LIVE_BATCH if count else FILE_BATCH):
        n += len(batch)
        total += batch.array["caplen"].sum()
        if count and n >= count:
            break
    return n if total else 0


def _batches_list(capture: Opened, _count: int) -> int:
    return sum(len(batch.tolist()) for batch in capture.batches(FILE_BATCH))


def _packets(capture: Opened, _count: int) -> int:
    n = 0
    for _packet in capture:
        n += 1
    return n


# ---- the others ----


def _open_pypcap(source: str, is_live: bool) -> Opened:
    import pcap  # type: ignore[import-not-found]

    if not is_live:
        return pcap.pcap(source)
    return pcap.pcap(source, 65535, True, TIMEOUT_MS, buffer_size=BUFFER)


def _open_cypcap(source: str, is_live: bool) -> Opened:
    import cypcap  # type: ignore[import-not-found]

    if not is_live:
        return cypcap.open_offline(source)
    capture = cypcap.create(source)
    capture.set_snaplen(65535)
    capture.set_promisc(True)
    capture.set_timeout(TIMEOUT_MS / 1000)
    capture.set_buffer_size(BUFFER)
    capture.activate()
    return capture


def _iterate(packets: Opened, count: int) -> int:
    n = 0
    for _packet in packets:
        n += 1
        if n == count:
            break
    return n


def _open_scapy_raw(source: str, _is_live: bool) -> Opened:
    from scapy.utils import RawPcapReader

    return RawPcapReader(source)


def _open_scapy(source: str, is_live: bool) -> Opened:
    from scapy.all import conf

    return conf.L2listen(iface=source) if is_live else source


def _sniff(opened: Opened, count: int) -> int:
    from scapy.all import sniff

    n = 0

    def callback(_packet: Any) -> None:
        nonlocal n
        n += 1

    where = {"offline": opened} if isinstance(opened, str) else {"opened_socket": opened}
    sniff(**where, store=False, prn=callback, count=count)
    return n


HOW: dict[str, Way] = {
    "pcapy-ng.loop": Way(_open_pcapy_ng, _loop, _loop_counting),
    "pcapy-ng.header": Way(_open_pcapy_ng, _loop_header, _loop_counting),
    "pcapy-ng.next": Way(_open_pcapy_ng, _next),
    "pcapy-ng.batch": Way(_open_pcapy_ng, _next_batch),
    "pcapy-ng.slices": Way(_open_pcapy_ng, _next_batch_slices),
    "pcapy-ng.list": Way(_open_pcapy_ng, _next_batch_list),
    "ours.loop": Way(_open_ours, _loop, _loop_counting),
    "ours.header": Way(_open_ours, _loop_header, _loop_counting),
    "ours.next": Way(_open_ours, _next),
    "ours.next_batch": Way(_open_ours, _next_batch),
    "ours.batches": Way(_open_capture, _batches),
    "ours.array": Way(_open_with_numpy, _batches_array),
    "ours.list": Way(_open_capture, _batches_list),
    "ours.packets": Way(_open_capture, _packets),
    "pypcap.iterate": Way(_open_pypcap, _iterate),
    "cypcap.loop": Way(_open_cypcap, _loop, _loop_counting),
    "cypcap.iterate": Way(_open_cypcap, _iterate),
    "scapy.raw": Way(_open_scapy_raw, _iterate),
    "scapy.sniff": Way(_open_scapy, _sniff),
}


# ---- measuring ----


class _TimeIsOverError(Exception):
    pass


def _read_for(way: Way, source: str, seconds: float) -> int:
    """A savefile, opened again at its end, with a callback that counts, for so long."""
    n = 0
    end = time.perf_counter() + seconds

    def callback(_header: Any, _data: bytes) -> None:
        nonlocal n
        n += 1
        if n % 256 == 0 and time.perf_counter() > end:
            raise _TimeIsOverError

    try:
        while True:
            way.open(source, False).loop(-1, callback)
    except _TimeIsOverError:
        return n


def _beside_busy(way: Way, source: str) -> dict[str, int]:
    """The rate while another thread computes: by the clock, because waiting for the lock is the point."""
    runs, is_over, laps = threading.Event(), False, 0

    def compute() -> None:
        nonlocal laps
        runs.set()
        while not is_over:
            laps += 1

    way.open(source, False)  # imports are no part of it
    thread = threading.Thread(target=compute)
    thread.start()
    runs.wait()
    before, start = laps, time.perf_counter_ns()
    n = _read_for(way, source, BUSY_S)
    wall_ns = time.perf_counter_ns() - start
    is_over, laps = True, laps - before
    thread.join()
    return {"packets": n, "wall_ns": wall_ns, "laps": laps}


def _alone(way: Way, opened: Opened, source: str, count: int, is_live: bool) -> dict[str, Any]:
    start, cpu = time.perf_counter_ns(), time.process_time_ns()
    n = way.read(opened, count)
    cpu, wall_ns = time.process_time_ns() - cpu, time.perf_counter_ns() - start
    if n is None and is_live:
        n = count  # what was asked for, or it had not returned
    elif n is None:
        assert way.twin is not None
        n = way.twin(way.open(source, False), count)
    return {"packets": n, "cpu_ns": cpu, "wall_ns": wall_ns}


def main() -> None:
    name, source, *words = sys.argv[1:]
    options = {"count": 0, "live": 0, "busy": 0}
    options |= {key: int(value) for key, _, value in (word.partition("=") for word in words)}
    way = HOW[name]
    if options["busy"]:
        # The two threads may have a CPU each: it is the interpreter's lock that is in question.
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    opened = None if options["busy"] else way.open(source, bool(options["live"]))
    print("ready", flush=True)
    sys.stdin.readline()
    if options["busy"]:
        found = _beside_busy(way, source)
    else:
        found = _alone(way, opened, source, options["count"], bool(options["live"]))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
