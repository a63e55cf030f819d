# SPDX-License-Identifier: BSD-3-Clause
"""What a Capture does on a live device, a case a run, in the network namespace that the test put it in:

    capture_cases.py CASE DEVICE

Prints words; the test compares them.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import itertools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from live_cases import N, send

import pypcapaccel
from pypcapaccel import Batch
from pypcapaccel._lib import ffi_and_lib

CASES: dict[str, Callable[[str], None]] = {}


def case(function: Callable[[str], None]) -> Callable[[str], None]:
    CASES[function.__name__] = function
    return function


def numbers(packets: Any) -> list[int]:
    return [int.from_bytes(packet.data[14:18], "big") for packet in packets]


@case
def batches(device: str) -> None:
    """Every packet once, in order, however many a batch may have."""
    with pypcapaccel.open(device, timeout_ms=50) as capture:
        for size in (1, 7, 4096):
            send()
            seen: list[int] = []
            for batch in capture.batches(size):
                seen += numbers(batch)
                if len(batch) > size:
                    print("too many")
                if len(seen) >= N:
                    break
            print(seen == list(range(N)))
        print(capture.stats().received)


@case
def packets(device: str) -> None:
    with pypcapaccel.open(device) as capture:
        send()
        seen = []
        for packet in capture:
            seen.append(packet)
            if len(seen) == N:
                capture.breakloop()
        print(numbers(seen) == list(range(N)), {(p.wirelen, p.caplen) for p in seen} == {(68, 68)})
        print(all(a.ts_ns <= b.ts_ns for a, b in itertools.pairwise(seen)))
        print(any(p.ts_ns % 1000 for p in seen))  # nanoseconds


@case
def idle(device: str) -> None:
    """A timeout gives an empty batch; breakloop() and close() end a sleep without end."""
    with pypcapaccel.open(device, timeout_ms=50) as capture:
        print(len(capture.read()), len(next(capture.batches(timeout_ms=20))))
        threading.Timer(0.1, capture.breakloop).start()
        print(list(capture.batches()))
        threading.Timer(0.1, capture.close).start()
        try:
            print(list(capture.batches()))
        except pypcapaccel.ClosedError:  # the timer was first
            print([])
    try:
        capture.read()
    except pypcapaccel.ClosedError as error:
        print(str(error).endswith("the capture is closed"))


@case
def kept(device: str) -> None:
    """Views that are kept while the ring goes round a hundred times stay as they were, also when the capture is
    closed. A sender outside sends without end."""
    ring = 512 * 1024
    capture = pypcapaccel.open(device, buffer=ring, timeout_ms=10)
    views: list[tuple[bytes, memoryview]] = []
    n_bytes = 0
    for batch in capture.batches():
        n_bytes += len(batch.data)
        views.append((hashlib.md5(batch.data).digest(), batch.data))
        if len(views) % 2:
            views.append((hashlib.md5(batch[-1].data).digest(), batch[-1].data))
        if n_bytes > 100 * ring:
            break
    capture.close()
    del batch, capture
    gc.collect()
    print(all(hashlib.md5(view).digest() == digest for digest, view in views), len(views) > 50)


@case
def asynchronous(device: str) -> None:
    """abatches() waits in the event loop: another task runs meanwhile."""

    async def read(capture: Any) -> list[int]:
        seen: list[int] = []
        async for batch in capture.abatches():
            seen += numbers(batch)
            if len(seen) >= N:
                capture.breakloop()
        return seen

    async def main() -> None:
        with pypcapaccel.open(device, timeout_ms=20) as capture:
            task = asyncio.create_task(read(capture))
            await asyncio.sleep(0.05)  # the reader waits, and we run
            send()
            print(await task == list(range(N)))
            idle = asyncio.create_task(read(capture))
            await asyncio.sleep(0.05)
            capture.close()
            print(await idle)

    asyncio.run(main())


@case
def group(device: str) -> None:
    """Two captures of a group, each in its thread, share the packets."""
    captures = [pypcapaccel.open(device, group=7, options={"fanout": "lb"}) for _ in range(2)]
    seen: list[list[int]] = [[], []]
    done = threading.Event()

    def read(i: int) -> None:
        for batch in captures[i].batches():
            seen[i] += numbers(batch)
            if len(seen[0]) + len(seen[1]) >= N:
                done.set()

    threads = [threading.Thread(target=read, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    send()
    done.wait(30)
    for capture in captures:
        capture.close()
    for thread in threads:
        thread.join()
    print(sorted(seen[0] + seen[1]) == list(range(N)), min(len(s) for s in seen) > 0)


@case
def inject(device: str) -> None:
    """Another capture sees what is sent; the kernel does not show it to the sender."""
    with pypcapaccel.open(device) as capture, pypcapaccel.open(device) as other:
        print(capture.inject(b"\xff" * 6 + b"\2" * 6 + b"\x88\xb5" + bytes(46)))
        print(len(other.read(timeout_ms=-1)), capture.link_type, capture.fileno() >= 0)
        try:
            capture.inject(bytes(100000))
        except pypcapaccel.DeviceError:
            print("refused")


@case
def filtered(device: str) -> None:
    with pypcapaccel.open(device, filter="ether[17] = 5", snaplen=40) as capture:
        send()
        first = capture.read(timeout_ms=-1)
        capture.setfilter("ether[17] = 6")
        send()
        second = capture.read(timeout_ms=-1)
        print(numbers(first), numbers(second), first[0].caplen, first[0].wirelen)
        try:
            capture.setfilter("no such word")
        except pypcapaccel.FilterError as error:
            print("syntax" in str(error))


@case
def in_use(device: str) -> None:
    """Two threads cannot read one capture."""
    with pypcapaccel.open(device) as capture:
        thread = threading.Thread(target=lambda: list(capture.batches()))
        thread.start()
        while True:  # until the thread sleeps in its read
            try:
                capture.read(timeout_ms=0)
            except pypcapaccel.InUseError:
                break
        print("InUseError", capture.stats().received)
        capture.breakloop()
        thread.join()


@case
def denied(device: str) -> None:
    """Without privileges: PermissionError, with a sentence."""
    ffi_and_lib()  # nobody may not read where Python is
    os.setresuid(65534, 65534, 65534)
    try:
        pypcapaccel.open(device)
    except PermissionError as error:
        print(type(error).__name__, bool(str(error)), isinstance(error, pypcapaccel.DeviceError))


@case
def recycled(device: str) -> None:
    """A view of a batch keeps its memory from the next ones; batches without a view share it."""
    with pypcapaccel.open(device, timeout_ms=10) as capture:

        def one(n: int) -> Batch:
            send(n)
            batch = capture.read(timeout_ms=-1)
            while len(batch) < n:
                batch = capture.read(timeout_ms=-1)
            return batch

        kept = one(1)[0].data
        before = bytes(kept)
        for _ in range(20):
            one(1)
        print(kept == before, len(kept))


if __name__ == "__main__":
    CASES[sys.argv[1]](*sys.argv[2:])
