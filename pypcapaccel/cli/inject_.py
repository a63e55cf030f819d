# SPDX-License-Identifier: BSD-3-Clause
"""Sends packets on an interface: those of a savefile, at their times or at a rate, or crafted flows of UDP,
TCP or PPPoE between addresses of 198.18.0.0/15.

They are really sent: use an interface that leads to a test network, or one end of a veth pair.

Threads: the main one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import chain, islice, repeat

from . import CommandError, frames
from .output import add_json, print_json, quantity
from .savefile import read_packets
from .sender import Sender

MAX_SIZE = 65535
MAX_FILE = 1 << 30  # bytes of a file's packets that are kept to be sent again
MAX_CRAFTED = 1 << 30  # bytes of flows
_SLICE_S = 0.02  # packets of so long are sent together,
_MAX_SLICE = 1024  # but no more than so many
_LOOK_S = 0.1  # between two progress lines while nothing is due


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-i", "--interface", metavar="IFACE", required=True, help="where to send")
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="a savefile of Ethernet packets; without: crafted flows",
    )
    parser.add_argument("--kind", choices=frames.KINDS, default="udp", help="what is crafted (udp)")
    parser.add_argument(
        "--flows", metavar="N", type=int, default=16, help="how many flows are crafted (16)"
    )
    parser.add_argument(
        "--size", metavar="BYTES", type=int, default=60, help="of each crafted frame (60)"
    )
    parser.add_argument(
        "-n",
        "--count",
        metavar="N",
        type=int,
        help="packets to send; default: the file once, or 1000",
    )
    parser.add_argument(
        "--rate",
        metavar="PPS",
        help="packets a second, like 500 or 20k; default: the file's times, or 1k; max: at once",
    )
    parser.add_argument(
        "--loop",
        metavar="N",
        type=int,
        default=1,
        help="send the file so many times; 0: without end",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress line")
    add_json(parser)


def _rate(text: str | None, has_file: bool) -> float | None:
    """Packets a second; 0: as fast as possible; None: at the file's times."""
    if text is None:
        return None if has_file else 1000.0
    if text == "max":
        return 0.0
    unit = {"k": 1e3, "m": 1e6}.get(text[-1:].lower(), 1.0)
    digits = text[:-1] if unit != 1.0 else text
    try:
        rate = float(digits) * unit
    except ValueError:
        rate = -1.0
    if not 0 < rate <= 1e9:
        raise CommandError(
            f"--rate '{text}': is not a number of packets a second (500, 20k, max)", 2
        )
    return rate


def _check(options: argparse.Namespace) -> None:
    least = frames.MIN_LEN[options.kind]
    if not 1 <= options.flows <= frames.MAX_FLOWS:
        raise CommandError(f"--flows {options.flows}: out of range (1 to {frames.MAX_FLOWS})", 2)
    if not least <= options.size <= MAX_SIZE:
        raise CommandError(f"--size {options.size}: out of range ({least} to {MAX_SIZE})", 2)
    if options.count is not None and options.count < 1:
        raise CommandError(f"--count {options.count}: out of range (1 or more)", 2)
    if options.flows * options.size > MAX_CRAFTED:
        raise CommandError(
            f"--flows {options.flows} of --size {options.size}: more than {MAX_CRAFTED >> 30} GiB (fewer, or smaller)",
            2,
        )
    if options.loop < 0:
        raise CommandError(f"--loop {options.loop}: out of range (0: without end)", 2)


def _of_file(path: str, loops: int) -> Iterator[tuple[int, bytes]]:
    """(when, frame): the gap between two rounds is the one between the last two packets."""
    packets, total = [], 0
    for when, data, _ in read_packets(path):
        packets.append((when, data))
        total += len(data)
        if total > MAX_FILE:
            raise CommandError(
                f"{path}: more than {MAX_FILE >> 30} GiB of packets (send it in parts)"
            )
    if not packets:
        raise CommandError(f"{path}: there is no packet in it")
    first, last = packets[0][0], packets[-1][0]
    gap = max(0, last - packets[-2][0]) if len(packets) > 1 else 0
    rounds: Iterable[int] = range(loops) if loops else chain(range(1), iter(int, 1))
    offset = 0
    for _ in rounds:
        yield from ((when - first + offset, data) for when, data in packets)
        offset += last - first + gap


def _crafted(options: argparse.Namespace) -> Iterator[tuple[int, bytes]]:
    made = list(frames.craft(options.kind, options.flows, options.size))
    return ((0, frame) for round_ in repeat(made) for frame in round_)


class _Progress:
    """What has been sent, shown ten times a second where somebody looks."""

    def __init__(self, quiet: bool) -> None:
        self.shown = not quiet and sys.stderr.isatty()
        self.start = self.last = time.monotonic()
        self.packets = self.bytes = 0

    def add(self, packets: int, length: int) -> None:
        self.packets += packets
        self.bytes += length

    def line(self) -> str:
        seconds = max(time.monotonic() - self.start, 1e-9)
        rate = f"{quantity(self.packets / seconds)}pps, {quantity(8 * self.bytes / seconds)}bit/s"
        return f"{self.packets} packets, {quantity(self.bytes)}B in {seconds:.1f} s: {rate}"

    def show(self, end: bool = False) -> None:
        now = time.monotonic()
        if self.shown and (end or now - self.last >= 0.1):
            self.last = now
            print(f"\r\033[K{'' if end else self.line()}", end="", file=sys.stderr, flush=True)


def _due(
    options: argparse.Namespace, packets: Iterator[tuple[int, bytes]]
) -> Iterator[tuple[float, bytes]]:
    """(seconds after the start when it is to be sent, frame)."""
    rate = _rate(options.rate, options.file is not None)
    for i, (when, frame) in enumerate(packets):
        yield when / 1e9 if rate is None else i / rate if rate else 0.0, frame


def _send(
    sender: Sender,
    options: argparse.Namespace,
    packets: Iterator[tuple[int, bytes]],
    progress: _Progress,
) -> None:
    """In slices: what is due within one is sent together."""
    count = options.count or (None if options.file else 1000)
    start = time.monotonic()
    slice_: list[bytes] = []
    for due, frame in islice(_due(options, packets), count):
        ahead = start + due - time.monotonic()
        if ahead > _SLICE_S / 2 or len(slice_) == _MAX_SLICE:
            progress.add(len(slice_), sender.send(slice_))
            slice_.clear()
            progress.show()
        while ahead > _SLICE_S / 2:
            sender.flush()
            progress.show()
            time.sleep(min(ahead, _LOOK_S))
            ahead = start + due - time.monotonic()
        slice_.append(frame)
    progress.add(len(slice_), sender.send(slice_))
    sender.flush()
    progress.show()


def run(options: argparse.Namespace) -> int:
    _check(options)
    _rate(options.rate, options.file is not None)
    packets = _of_file(options.file, options.loop) if options.file else _crafted(options)
    with Sender(options.interface) as sender:
        progress = _Progress(options.quiet)
        try:
            _send(sender, options, packets, progress)
        finally:
            progress.show(end=True)
        _, failed = sender.counts()
    if failed:
        raise CommandError(
            f"{options.interface}: the kernel refused {failed} of {progress.packets} frames (see `ip -s link`)"
        )
    if options.json:
        seconds = time.monotonic() - progress.start
        print_json(
            "inject",
            interface=options.interface,
            packets=progress.packets,
            bytes=progress.bytes,
            seconds=seconds,
        )
    else:
        print(progress.line())
    return 0
