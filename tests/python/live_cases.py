# SPDX-License-Identifier: BSD-3-Clause
"""What a reader does on a live device, in the network namespace that the test put it in:

    live_cases.py DEVICE CASE...

Prints a line of words a case, its name first; the test compares them. A case that hangs is ended by the test's
patience.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import io
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pypcapaccel import pcapy

CASES: dict[str, Callable[[str], None]] = {}
N = 20


def case(function: Callable[[str], None]) -> Callable[[str], None]:
    CASES[function.__name__] = function
    return function


def send(n: int = N) -> None:
    """Numbered frames out of eth0, which its own captures see."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("eth0", 0))
        for i in range(n):
            sock.send(b"\xff" * 6 + b"\2" * 6 + b"\x88\xb5" + i.to_bytes(4, "big") + bytes(50))


def open_live(device: str, to_ms: int = 100) -> Any:
    return pcapy.open_live(device, 65535, 1, to_ms)


@case
def idle(device: str) -> None:
    """Each read comes back without a packet, not before its time."""
    reader = open_live(device)
    start = time.monotonic()
    print(reader.next() == (None, b""))
    print(time.monotonic() - start >= 0.09)
    print(reader.dispatch(-1, print), reader.next_batch(8) == (b"", b""))


@case
def signals(device: str) -> None:
    """A handler that raises ends each read of an idle link."""

    class OverError(Exception):
        pass

    def ring(*_: object) -> None:
        raise OverError

    signal.signal(signal.SIGALRM, ring)
    reader = open_live(device, 0)
    for read in (
        reader.next,
        lambda: reader.loop(-1, print),
        lambda: reader.dispatch(-1, print),
        lambda: reader.next_batch(4),
    ):
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            read()
        except OverError:
            print("over")


@case
def close_in_callback(device: str) -> None:
    reader = open_live(device)
    seen = []

    def callback(_: Any, data: bytes) -> None:
        seen.append(data)
        reader.close()

    send()
    reader.loop(-1, callback)
    print(len(seen))
    try:
        reader.next()
    except ValueError as error:
        print(str(error).replace(" ", "_"))


@case
def close_by_thread(device: str) -> None:
    """A reader that sleeps for ever ends when another thread closes it."""
    reader = open_live(device, 0)
    threading.Timer(0.1, reader.close).start()
    try:
        reader.loop(-1, print)
    except ValueError:  # the timer was first
        pass
    print("ended", reader.closed)


@case
def break_by_thread(device: str) -> None:
    reader = open_live(device, 0)
    threading.Timer(0.1, reader.breakloop).start()
    reader.loop(-1, print)
    threading.Timer(0.1, reader.breakloop).start()
    print("ended", reader.next() == (None, b""), reader.closed)


@case
def break_in_callback(device: str) -> None:
    """No packet is lost by it."""
    reader = open_live(device)
    seen: list[bytes] = []

    def callback(_: Any, data: bytes) -> None:
        seen.append(data)
        if len(seen) == 3:
            reader.breakloop()

    send()
    reader.loop(-1, callback)
    print(len(seen))
    while len(seen) < N:
        data = reader.next()[1]
        seen += [data] if data else []
    print([int.from_bytes(data[14:18], "big") for data in seen] == list(range(N)))


@case
def raise_in_callback(device: str) -> None:
    """The exception comes out, and the reader goes on with the next packet."""
    reader = open_live(device)
    seen: list[bytes] = []

    def callback(_: Any, data: bytes) -> None:
        seen.append(data)
        if len(seen) == 3:
            raise KeyError("here")

    send()
    try:
        reader.loop(-1, callback)
    except KeyError:
        print("KeyError", len(seen))
    reader.loop(N - 3, callback)
    print([int.from_bytes(data[14:18], "big") for data in seen] == list(range(N)))


@case
def nested(device: str) -> None:
    """The read whose callback this is cannot be entered again; all else can."""
    reader = open_live(device)

    def callback(_: Any, __: bytes) -> None:
        try:
            reader.next()
        except pcapy.PcapError as error:
            print(type(error).__name__)
        print(reader.getnonblock(), reader.datalink(), len(reader.stats()))

    send(1)
    reader.loop(1, callback)


@case
def nonblock(device: str) -> None:
    reader = open_live(device, 0)
    print(reader.getnonblock())
    reader.setnonblock(1)
    print(reader.getnonblock(), reader.next() == (None, b""), reader.dispatch(-1, print))


@case
def created(device: str) -> None:
    """create() to packets, with libpcap's codes."""
    reader = pcapy.create(device)
    print(reader.set_snaplen(60), reader.set_promisc(1), reader.set_timeout(50))
    print(reader.set_buffer_size(1 << 20), reader.activate())
    send(2)
    header, data = reader.next()
    while header is None:
        header, data = reader.next()
    print(len(data), header.getcaplen(), header.getlen(), reader.set_snaplen(9))


@case
def batches(device: str) -> None:
    """next_batch() gives every packet once, in order."""
    reader = open_live(device)
    send()
    seen: list[bytes] = []
    while len(seen) < N:
        data, meta = reader.next_batch(7)
        words = memoryview(meta).cast("I")
        seen += [data[words[i + 2] :][: words[i + 3]] for i in range(0, len(words), 4)]
    print([int.from_bytes(data[14:18], "big") for data in seen] == list(range(N)))


@case
def filtered(device: str) -> None:
    """What the filter rejects is not delivered, also of what was there before."""
    reader = open_live(device)
    send()
    reader.setfilter("ether[17] = 7")
    seen: list[bytes] = []
    reader.dispatch(-1, lambda _, data: seen.append(data))
    send()
    while len(seen) < 2:
        reader.dispatch(-1, lambda _, data: seen.append(data))
    print({data[17] for data in seen})


@case
def fanout(device: str) -> None:
    """Two members of a kernel's group get each packet once."""
    readers = [open_live(device) for _ in range(2)]
    for reader in readers:
        reader.set_fanout(7, pcapy.PACKET_FANOUT_LB)
    seen: list[bytes] = []
    send()
    while len(seen) < N:
        for reader in readers:
            reader.dispatch(-1, lambda _, data: seen.append(data))
    print(len(seen), len(set(seen)))


@case
def descriptors(device: str) -> None:
    """Nothing is left open by a reader that is closed or dropped."""
    open_live(device).close()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        open_live(device).close()
        reader = open_live(device)
        del reader
    print(len(list(Path("/proc/self/fd").iterdir())) - before)


def run_cases(cases: dict[str, Callable[..., None]], device: str, names: list[str]) -> None:
    """Each, though another has failed. One process has them all: to start one takes longer than most of them."""
    for name in names:
        said = io.StringIO()
        faulthandler.dump_traceback_later(
            15
        )  # one that hangs is named before the test's patience ends
        with contextlib.redirect_stdout(said):
            try:
                cases[name](device)
            except BaseException:  # SystemExit too
                traceback.print_exc(file=said)
        faulthandler.cancel_dump_traceback_later()
        gc.collect()  # a reader whose callback knows it is closed now
        print(name, *said.getvalue().split(), flush=True)


if __name__ == "__main__":
    run_cases(CASES, sys.argv[1], sys.argv[2:])
