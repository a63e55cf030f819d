# SPDX-License-Identifier: BSD-3-Clause
"""Shows the captures on this host, live: a line each, with process, device, engine, group, packets a second
and drops. Ends with Ctrl-C.

Captures keep their counters in pages of memory that this command reads: nothing is asked of the capturing
programs, and they need do nothing but use the library. Root sees those of all users.

Threads: the main one.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from . import CommandError
from .output import add_json, coloured, print_json, quantity, table
from .pages import Page, read_pages

HEAD = (
    "PID",
    "PROGRAM",
    "DEVICE",
    "ENGINE",
    "GROUP",
    "PPS",
    "DROPS/S",
    "PACKETS",
    "DROPS",
    "LOST %",
)
RIGHT = (0, 4, 5, 6, 7, 8, 9)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-d", "--delay", metavar="SECONDS", type=float, default=1.0, help="between two looks (1)"
    )
    parser.add_argument(
        "-n", "--count", metavar="N", type=int, default=0, help="end after so many looks"
    )
    parser.add_argument(
        "--once", action="store_true", help="one look, over one delay, without colours"
    )
    add_json(parser)


def _look() -> dict[str, Page]:
    return {page.path: page for page in read_pages()}


def _rows(before: dict[str, Page], now: dict[str, Page], seconds: float) -> list[dict[str, Any]]:
    """A row a capture; rates over the time between two looks, None for one that is new."""
    rows = []
    for path, page in now.items():
        old = before.get(path)
        rates: dict[str, float | None] = {"pps": None, "drops_s": None}
        if old is not None:
            rates["pps"] = (page.delivered - old.delivered) / seconds
            rates["drops_s"] = (page.dropped - old.dropped) / seconds
        rows.append({**vars(page), **rates})
    return rows


def _shown(row: dict[str, Any]) -> tuple[object, ...]:
    lost = 100 * row["dropped"] / row["received"] if row["received"] else 0.0
    rates = ("-" if row[name] is None else quantity(row[name]) for name in ("pps", "drops_s"))
    group = "-" if row["group"] is None else row["group"]
    counts = (quantity(row["delivered"]), quantity(row["dropped"]), f"{lost:.1f}")
    return (row["pid"], row["program"], row["device"], row["engine"], group, *rates, *counts)


def _text(rows: list[dict[str, Any]]) -> str:
    head, *lines = table(map(_shown, rows), HEAD, RIGHT).splitlines()
    marked = [
        coloured(line, "31") if row["drops_s"] else line
        for row, line in zip(rows, lines, strict=True)
    ]
    return "".join(f"{line}\n" for line in [coloured(head, "1"), *marked])


def _print(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    if options.json:
        print_json("top", captures=rows)
        return
    live = sys.stdout.isatty() and not options.once
    end = (
        "" if rows else "no captures (programs that capture through the library are listed here)\n"
    )
    print(("\033[H\033[J" if live else "") + _text(rows) + end, end="", flush=True)


def run(options: argparse.Namespace) -> int:
    if not 0.01 <= options.delay <= 3600:
        raise CommandError(f"--delay {options.delay:g}: out of range (0.01 to 3600 seconds)", 2)
    if options.count < 0:
        raise CommandError(f"--count {options.count}: out of range (0: without end)", 2)
    count = 1 if options.once else options.count
    before, start, n = _look(), time.monotonic(), 0
    while True:
        time.sleep(options.delay)
        now, end = _look(), time.monotonic()
        _print(_rows(before, now, end - start), options)
        before, start, n = now, end, n + 1
        if n == count:
            return 0
