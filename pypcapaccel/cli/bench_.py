# SPDX-License-Identifier: BSD-3-Clause
"""Measures the engines on this host beside the system's libpcap: packets a second, losses, and CPU a packet.

In a network namespace of its own, which ends with it, one process sends crafted UDP as fast as it can over a
veth pair, and another captures it as `tcpdump -w /dev/null` does. The engines take turns, so that what else the
host does meets all of them; each has the ring that it has by default. CAPTURE is the CPU time of the process
that captures, for each packet that it has seen; SEND that of the sender for each that it has sent, in which the
kernel's way to the ring is. On a host with one or two CPUs the two are in each other's way: compare lines,
not hosts.

Needs root. Exit code 1: an engine that --engine names cannot be had here.

Threads: the main one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import CommandError
from .namespace import veth_pair
from .output import add_json, print_json, quantity, table

STOCK = "libpcap"
ENGINES = ("afpacket", "pfq", "xdp")
ROUNDS = 3
MIN_SIZE, MAX_SIZE = 60, 1514
HEAD = ("ENGINE", "SENT/S", "SEEN/S", "LOST %", "CAPTURE", "SEND", "OF LIBPCAP'S")
_PATIENCE_S = 30

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine", choices=ENGINES, action="append",
        help="beside libpcap; may be repeated; default: all",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", metavar="N", type=float, default=3.0, help="of sending for each engine (3)"
    )
    parser.add_argument(
        "--size", metavar="BYTES", type=int, default=MIN_SIZE, help="of a frame, 60 to 1514 (60)"
    )
    add_json(parser)


def _environment() -> dict[str, str]:
    """Without what is meant for captures: a preload, a group, an engine."""
    kept = ("PCAP_ACCEL_LIB", "PCAP_ACCEL_LOG")
    return {
        name: value
        for name, value in os.environ.items()
        if name in kept or not name.startswith(("PCAP_ACCEL_", "PFQ_", "LD_PRELOAD"))
    }


def _told(process: subprocess.Popen[str]) -> Row:
    """The next line of a worker. CommandError if it is an error, or none."""
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise CommandError("a worker has ended before its time")
    found: Row = json.loads(line)
    if "error" in found:
        raise CommandError(found["error"])
    return found


@contextmanager
def _worker(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Ended by the end of its standard input, and not by the terminal's Ctrl-C, which is for us."""
    argv = [sys.executable, "-m", f"{__package__}.bench_worker", *words]
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=_environment(),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        assert process.stdin and process.stdout
        process.stdin.close()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _measure(engine: str, pair: tuple[str, str], size: int, seconds: float) -> Row:
    """One round of one engine."""
    receives, sends = pair
    with _worker("capture", engine, receives) as capture:
        _told(capture)
        with _worker("send", sends, str(size), str(seconds)) as sender:
            sent = _told(sender)
        assert capture.stdin
        capture.stdin.close()
        seen = _told(capture)
    return {
        "version": seen["version"],
        "seconds": sent["seconds"],
        "sent": sent["sent"],
        "seen": seen["seen"],
        "dropped": seen["dropped"],
        "capture_cpu_ns": seen["cpu_ns"],
        "send_cpu_ns": sent["cpu_ns"],
    }


def _add(row: Row, more: Row) -> None:
    for name, value in more.items():
        row[name] = value if isinstance(value, str) else row.get(name, 0) + value


def _finish(row: Row) -> Row:
    """What a person asks, of the sums."""
    if "error" not in row:
        row["pps"] = row["seen"] / row["seconds"]
        row["capture_ns"] = row["capture_cpu_ns"] / row["seen"] if row["seen"] else None
        row["send_ns"] = row["send_cpu_ns"] / row["sent"] if row["sent"] else None
    return row


def _say_where(engine: str, i: int) -> None:
    if sys.stderr.isatty():
        shown = f"{engine}, {i + 1} of {ROUNDS}" if engine else ""
        print(f"\r\033[K{shown}", end="", file=sys.stderr, flush=True)


def measure(engines: list[str], size: int, seconds: float) -> list[Row]:
    """A row an engine: sums over the rounds, in which they take turns; or an error."""
    rows: dict[str, Row] = {engine: {"engine": engine} for engine in engines}
    with veth_pair() as pair:
        try:
            for i in range(ROUNDS):
                for engine in [name for name in engines if "error" not in rows[name]]:
                    _say_where(engine, i)
                    try:
                        _add(rows[engine], _measure(engine, pair, size, seconds / ROUNDS))
                    except CommandError as error:
                        rows[engine] = {"engine": engine, "error": str(error)}
        finally:
            _say_where("", 0)
    return [_finish(row) for row in rows.values()]


def _ns(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ns" if value >= 100 else f"{value:.1f} ns"


def _shown(row: Row, stock: Row) -> tuple[str, ...]:
    of = (
        f"{row['capture_ns'] / stock['capture_ns']:.2f}"
        if row.get("capture_ns") and stock.get("capture_ns")
        else "-"
    )
    lost = 100 * max(row["sent"] - row["seen"], 0) / row["sent"] if row["sent"] else 0.0
    rates = (quantity(row["sent"] / row["seconds"]), quantity(row["pps"]))
    return (row["engine"], *rates, f"{lost:.1f}", _ns(row["capture_ns"]), _ns(row["send_ns"]), of)


def _text(rows: list[Row]) -> str:
    stock = rows[0]
    good = [_shown(row, stock) for row in rows if "error" not in row]
    bad = [f"{row['engine']}: not measured: {row['error']}\n" for row in rows if "error" in row]
    return table(good, HEAD, range(1, len(HEAD))) + "".join(bad)


def run(options: argparse.Namespace) -> int:
    if not 0.1 <= options.seconds <= 3600:
        raise CommandError(f"--seconds {options.seconds:g}: out of range (0.1 to 3600)", 2)
    if not MIN_SIZE <= options.size <= MAX_SIZE:
        raise CommandError(
            f"--size {options.size}: out of range ({MIN_SIZE} to {MAX_SIZE} bytes)", 2
        )
    named = list(dict.fromkeys(options.engine or ()))
    rows = measure([STOCK, *(named or ENGINES)], options.size, options.seconds)
    if options.json:
        print_json(
            "bench", size=options.size, cpus=os.cpu_count(), kernel=os.uname().release, engines=rows
        )
    else:
        print(_text(rows), end="")
    return int(any("error" in row and row["engine"] in named for row in rows))
