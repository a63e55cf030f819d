# SPDX-License-Identifier: BSD-3-Clause
"""Prints the counters of the captures on this host, once: of all, of a process, of a group.

Captures keep them in pages of memory that this command reads: nothing is asked of the capturing programs,
and they need do nothing but use the library. Root sees those of all users.

Threads: the main one.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from .._pages import Page, read_pages
from . import CommandError
from .output import add_json, print_json, table

COUNTERS = (
    "received",
    "dropped",
    "if_dropped",
    "freezes",
    "delivered",
    "injected",
    "inject_failed",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pid", metavar="PID", nargs="?", type=int, help="only the captures of this process"
    )
    parser.add_argument("-g", "--group", metavar="N", type=int, help="only those of this group")
    add_json(parser)


def chosen(pid: int | None, group: int | None) -> list[Page]:
    """The living captures of a process, of a group, or all."""
    return [p for p in read_pages() if pid in (None, p.pid) and group in (None, p.group)]


def run(options: argparse.Namespace) -> int:
    pages = chosen(options.pid, options.group)
    if options.json:
        print_json("stats", captures=[asdict(page) for page in pages])
        return 0
    if not pages and (options.pid is not None or options.group is not None):
        raise CommandError("no such capture (`pcap-accel stats` lists them)")
    head = (
        "PID",
        "PROGRAM",
        "DEVICE",
        "GROUP",
        *(name.upper().replace("_", "-") for name in COUNTERS),
    )
    rows = [
        (
            p.pid,
            p.program,
            p.device,
            "-" if p.group is None else p.group,
            *(getattr(p, n) for n in COUNTERS),
        )
        for p in pages
    ]
    print(table(rows, head, right=(0, *range(3, len(head)))), end="")
    return 0
