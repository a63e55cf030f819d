# SPDX-License-Identifier: BSD-3-Clause
"""Shows the captures on this host, live: a line each, with process, device, engine, group, packets and bits a
second, drops, and how full the ring is. Ends with Ctrl-C.

Captures keep their counters in pages of memory that this command reads: nothing is asked of the capturing
programs, and they need do nothing but use the library. Root sees those of all users.

RING is what had piled up when the program last came to read; `away 5s` is a program that has not come for
so long though it does not wait for packets: stopped, or busy with what it has.

Threads: the main one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from .._pages import Page, read_pages
from . import CommandError
from .output import add_json, coloured, print_json, printable, quantity, table

HEAD = (
    "PID", "PROGRAM", "DEVICE", "ENGINE", "GROUP",
    "PPS", "BIT/S", "DROPS/S", "RING", "PACKETS", "DROPS", "LOST %",
)  # fmt: skip
RIGHT = (0, *range(4, len(HEAD)))
NOBODY = "no captures (programs that capture through the library are listed here)"

Row = dict[str, Any]
Cells = tuple[str, ...]


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
    parser.add_argument(
        "-q", "--queues", action="store_true", help="also a line for each queue of xdp captures"
    )
    parser.add_argument(
        "--plain", action="store_true", help="plain ANSI, though the package rich is there"
    )
    add_json(parser)


def _look() -> dict[str, Page]:
    return {page.path: page for page in read_pages()}


def _rates(old: Page | None, page: Page, seconds: float) -> dict[str, float | None]:
    """Over the time between two looks; None for one that is new."""
    if old is None:
        return {"pps": None, "bps": None, "drops_s": None}
    return {
        "pps": (page.delivered - old.delivered) / seconds,
        "bps": 8 * (page.delivered_len - old.delivered_len) / seconds,
        "drops_s": (page.dropped - old.dropped) / seconds,
    }


def _rows(before: dict[str, Page], now: dict[str, Page], seconds: float) -> list[Row]:
    """A row a capture."""
    at_ns = time.monotonic_ns()
    rows = []
    for path, page in now.items():
        more = {
            "ring_fill": page.ring_used / page.ring_len if page.ring_len else None,
            "away_s": page.away_ns(at_ns) / 1e9,
        }
        rows.append({**asdict(page), **_rates(before.get(path), page, seconds), **more})
    return rows


def _ring(row: Row) -> str:
    if row["away_s"]:
        return f"away {row['away_s']:.0f}s"
    return "-" if row["ring_fill"] is None else f"{100 * row['ring_fill']:.0f} %"


def _shown(row: Row) -> Cells:
    lost = 100 * row["dropped"] / row["received"] if row["received"] else 0.0
    pps, bps, drops = (
        "-" if row[name] is None else quantity(row[name]) for name in ("pps", "bps", "drops_s")
    )
    group = "-" if row["group"] is None else str(row["group"])
    who = (str(row["pid"]), row["program"], row["device"], row["engine"], group)
    counts = (quantity(row["delivered"]), quantity(row["dropped"]), f"{lost:.1f}")
    return (*who, pps, bps, drops, _ring(row), *counts)


def _queue_cells(queue: Row) -> Cells:
    fill = f"{100 * queue['ring_used'] / queue['ring_len']:.0f} %" if queue["ring_len"] else "-"
    lost = queue["dropped"] + queue["ring_full"]
    share = 100 * lost / queue["received"] if queue["received"] else 0.0
    name = f"  {queue['ifname']}@q{queue['queue']}"
    counts = (quantity(queue["received"] - lost), quantity(lost), f"{share:.1f}")
    return ("", "", name, "", "", "", "", "", fill, *counts)


def _lines(rows: list[Row], with_queues: bool) -> Iterator[tuple[Cells, str]]:
    """(cells, ANSI colour or "") of each line under the head."""
    for row in rows:
        is_bad = row["drops_s"] or row["away_s"]
        yield _shown(row), "31" if is_bad else ""
        for queue in row["queues"] if with_queues else ():
            yield _queue_cells(queue), ""


def _text(rows: list[Row], with_queues: bool) -> str:
    found = list(_lines(rows, with_queues))
    head, *lines = table((cells for cells, _ in found), HEAD, RIGHT).splitlines()
    marked = [
        coloured(line, colour) if colour else line
        for line, (_, colour) in zip(lines, found, strict=True)
    ]
    end = "" if rows else f"{NOBODY}\n"
    return "".join(f"{line}\n" for line in [coloured(head, "1"), *marked]) + end


# ---- where it is shown ----

Show = Callable[[list[Row]], None]


@contextmanager
def _as_text(options: argparse.Namespace) -> Iterator[Show]:
    home = "\033[H\033[J" if sys.stdout.isatty() and not options.once else ""
    yield lambda rows: print(home + _text(rows, options.queues), end="", flush=True)


@contextmanager
def _as_json(options: argparse.Namespace) -> Iterator[Show]:  # noqa: ARG001 (as the others)
    yield lambda rows: print_json("top", captures=rows)


@contextmanager
def _with_rich(options: argparse.Namespace) -> Iterator[Show]:
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    with Live(auto_refresh=False, screen=options.count == 0) as live:

        def show(rows: list[Row]) -> None:
            shown = Table(box=None, pad_edge=False, caption=None if rows else NOBODY)
            for i, name in enumerate(HEAD):
                shown.add_column(name, justify="right" if i in RIGHT else "left", no_wrap=True)
            for cells, colour in _lines(rows, options.queues):
                shown.add_row(
                    *(Text(printable(cell)) for cell in cells), style="red" if colour else ""
                )
            live.update(shown, refresh=True)

        yield show


def _has_rich() -> bool:
    from importlib.util import find_spec

    return find_spec("rich") is not None


def _chosen(options: argparse.Namespace) -> Callable[[argparse.Namespace], Any]:
    if options.json:
        return _as_json
    live = sys.stdout.isatty() and not options.once and not options.plain
    return _with_rich if live and _has_rich() else _as_text


def run(options: argparse.Namespace) -> int:
    if not 0.01 <= options.delay <= 3600:
        raise CommandError(f"--delay {options.delay:g}: out of range (0.01 to 3600 seconds)", 2)
    if options.count < 0:
        raise CommandError(f"--count {options.count}: out of range (0: without end)", 2)
    count = 1 if options.once else options.count
    before, start, n = _look(), time.monotonic(), 0
    with _chosen(options)(options) as show:
        while True:
            time.sleep(options.delay)
            now, end = _look(), time.monotonic()
            show(_rows(before, now, end - start))
            before, start, n = now, end, n + 1
            if n == count:
                return 0
