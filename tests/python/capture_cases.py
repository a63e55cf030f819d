# SPDX-License-Identifier: BSD-3-Clause
"""What a Capture does on a live device, a case a run, in the network namespace that the test put it in:

    capture_cases.py CASE DEVICE
    capture_cases.py all DEVICE CASE...

Prints words; the test compares them. With `all`, of several cases, as live_cases.py does.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import queue
import random
import select
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from live_cases import N, run_cases, send

import pypcapaccel
from pypcapaccel import Batch
from pypcapaccel._lib import ffi_and_lib

try:
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]

CASES: dict[str, Callable[..., None]] = {}


def case(function: Callable[..., None]) -> Callable[..., None]:
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


# ---- what is lent ----

RING = 1 << 20  # bytes: 8 blocks
LONG = 1500
PER_BLOCK = 84  # frames of LONG bytes: they fill a block and begin another


def frame(i: int) -> bytes:
    return (
        b"\xff" * 6 + b"\2" * 6 + b"\x88\xb5" + i.to_bytes(4, "big") * ((LONG - 14) // 4) + b"\0\0"
    )


class Sender:
    """Frames that can be told from each other in every byte, out of eth0."""

    def __init__(self) -> None:
        self.n = 0
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._sock.bind(("eth0", 0))

    def send(self, n: int) -> None:
        for _ in range(n):
            self._sock.send(frame(self.n))
            self.n += 1


def open_lending(device: str) -> Any:
    """Blocks are handed over when they are full: 10 s do not pass."""
    return pypcapaccel.open(device, buffer=RING, timeout_ms=10000)


def is_as_sent(packet: Any) -> bool:
    return bool(packet.data == frame(int.from_bytes(packet.data[14:18], "big")))


def socket_bytes() -> int:
    """What is mapped of sockets: rings."""
    n = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "socket:[" in line:
            begin, end = line.split()[0].split("-")
            n += int(end, 16) - int(begin, 16)
    return n


@case
def lent(device: str) -> None:
    """The ring is shown, not a copy. Who holds the newest block sleeps when he waits. Of a closed capture no mapping is
    left, and the views stay."""
    sender = Sender()
    capture = open_lending(device)
    before = socket_bytes()
    sender.send(PER_BLOCK)
    batch = capture.read(timeout_ms=-1)
    print(socket_bytes() - before == RING, len(batch.data) > sum(p.caplen for p in batch))
    print(len(capture.read(timeout_ms=0)), select.select([capture.fileno()], [], [], 0)[0])
    rest = memoryview(batch.data)
    first = batch[0]
    capture.close()
    print(
        socket_bytes(),
        all(map(is_as_sent, batch)),
        repr(batch).endswith(f"{len(batch) * LONG} bytes>"),
    )
    del batch, rest
    print(is_as_sent(first))


@case
def lent_elsewhere(device: str) -> None:
    """The same of another engine; somebody outside sends without end."""
    with open_lending(device) as capture:
        before = socket_bytes()
        for batch in capture.batches():
            if socket_bytes() - before >= RING:
                print(len(batch) > 0)
                break


@case
def kept(device: str, rounds: str) -> None:
    """Views that are kept while the ring goes round a hundred times, or so, are as they were sent, of every kind and
    when the capture is closed. Nothing is lost for it."""
    rng = random.Random(1)
    sender = Sender()
    capture = open_lending(device)
    held: list[tuple[Any, int]] = []  # a view, and the number of its frame
    blocks: list[Any] = []
    seen = 0
    while sender.n < int(rounds) * 8 * PER_BLOCK:
        sender.send(PER_BLOCK)
        while batch := capture.read(timeout_ms=0):
            seen += len(batch)
            packet = rng.choice(batch[:])
            number = int.from_bytes(packet.data[14:18], "big")
            held.append((packet.data, number))
            if rng.random() < 0.3:
                view = numpy.frombuffer(packet.data, "u1") if numpy else packet.data
                held.append((view, number))
            if rng.random() < 0.1:
                blocks.append(batch)
            if len(held) > 200:  # others are held for a while only
                held.pop(rng.randrange(len(held)))
    stats = capture.stats()
    capture.close()
    del batch, packet, view
    gc.collect()
    print(all(bytes(view) == frame(number) for view, number in held), len(held) > 50)
    print(all(map(is_as_sent, itertools.chain(*blocks))), len(blocks) > 2)
    print(stats.dropped, stats.delivered == seen, seen > sender.n - 2 * PER_BLOCK, socket_bytes())


@case
def tagged(device: str) -> None:
    """A tag that the kernel took out is back in, where it was. Somebody outside sends without end."""
    seen, n_lent = set(), 0
    with open_lending(device) as capture:
        before = socket_bytes()
        for batch in capture.batches():
            if socket_bytes() > before:  # not all: who comes late to a full ring gets copies
                seen |= {(bytes(p.data[12:18]).hex(), p.caplen) for p in batch}
                n_lent += 1
            if n_lent == 5:
                break
    print(seen)


@case
def forked(device: str) -> None:
    """A child sees what was held when it was made, whatever its parent does then; closing its capture is nothing to
    the parent's."""
    sender = Sender()
    capture = open_lending(device)
    sender.send(3 * PER_BLOCK)
    held = [capture.read(timeout_ms=-1), capture.read(timeout_ms=-1)]
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_fd)  # or a parent that failed would be waited for
        capture.close()
        os.read(read_fd, 1)
        os._exit(0 if all(map(is_as_sent, itertools.chain(*held))) and socket_bytes() == 0 else 1)
    for _ in range(20):
        sender.send(PER_BLOCK)
        held.append(capture.read(timeout_ms=-1))
        del held[2:-1]
    os.write(write_fd, b"x")
    print(os.waitpid(child, 0)[1], all(map(is_as_sent, itertools.chain(*held))))
    print(capture.stats().dropped)


@case
def shared(device: str) -> None:
    """Views are looked at and dropped by other threads, while one reads and when the capture is closed."""
    sender = Sender()
    capture = open_lending(device)
    batches: queue.Queue[Any] = queue.Queue()
    wrong: list[Any] = []

    def look() -> None:
        held = []
        while (batch := batches.get()) is not None:
            held.append(batch)
            if len(held) > 5:
                wrong.extend(p for p in held.pop(0) if not is_as_sent(p))
        wrong.extend(p for p in itertools.chain(*held) if not is_as_sent(p))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        sender.send(PER_BLOCK)
        batches.put(capture.read(timeout_ms=-1))
    dropped = capture.stats().dropped
    capture.close()
    for _ in threads:
        batches.put(None)
    for thread in threads:
        thread.join()
    print(len(wrong), dropped)


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
def queues(device: str) -> None:
    """Those of the device, with what was read from each; of others none, nor of a closed one."""
    with pypcapaccel.open(device) as capture:
        (before,) = capture.queues()
        n = len(capture.read(timeout_ms=-1))
        (now,) = capture.queues()
        print(now.device, now.queue, now.native is True, now.zero_copy, now.n_frames > 0)
        print(before.delivered, n > 0 and now.delivered == n == capture.stats().delivered)
        print(now[8:] == (0, 0, 0))
    for other in ("afpacket:eth0", "eth0", f"{device}?tap=yes"):
        with pypcapaccel.open(other) as capture:
            print(capture.queues())
    try:
        capture.queues()
    except pypcapaccel.ClosedError:
        print("closed")


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
    if sys.argv[1] == "all":
        run_cases(CASES, sys.argv[2], sys.argv[3:])
    else:
        CASES[sys.argv[1]](*sys.argv[2:])
