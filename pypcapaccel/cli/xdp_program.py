# SPDX-License-Identifier: BSD-3-Clause
"""`compile --engine xdp`: the XDP program of a capture, from a pcap filter, a computation or both.

Threads: the main one.
"""

from __future__ import annotations

import argparse

from .. import xdp
from ..errors import ComputationError, FilterError
from . import CommandError
from .output import print_json

__all__ = ["add_arguments", "refuse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("with --engine xdp")
    group.add_argument(
        "-C",
        "--computation",
        dest="before",
        metavar="EXPR",
        help="xdp: predicates of PFQ/lang before the filter",
    )
    group.add_argument(
        "-s", "--snaplen", metavar="BYTES", type=int, help="xdp: of the capture (262144)"
    )
    group.add_argument(
        "--rest",
        choices=("pass", "drop"),
        help="xdp: what becomes of packets that the filter rejects (pass)",
    )
    group.add_argument(
        "--tap", action="store_true", help="xdp: copy what the filter matches, as tap=yes"
    )
    group.add_argument(
        "--keep", action="store_true", help="xdp: with the keep rules of divert=force"
    )


def refuse(options: argparse.Namespace) -> None:
    """What is the other engine's. Raises CommandError."""
    xdps = {
        "--computation": options.before is not None,
        "--snaplen": options.snaplen is not None,
        "--rest": options.rest is not None,
        "--tap": options.tap,
        "--keep": options.keep,
    }
    pfqs = {
        "--form": options.form,
        "--block": options.block,
        "--packet": options.packet,
        "--pcap": options.pcap,
        "--members": options.members is not None,
    }
    is_xdp = options.engine == "xdp"
    for name, is_given in (pfqs if is_xdp else xdps).items():
        if is_given:
            raise CommandError(
                f"{name}: is not for --engine {options.engine} ("
                + ("leave out --engine" if is_xdp else "add --engine xdp")
                + ")",
                2,
            )


def _read(options: argparse.Namespace, text: str) -> tuple[xdp.Program, str, str]:
    """(program, filter, computation): a text is a pcap filter if it can be, else a computation."""
    how = {
        "snaplen": options.snaplen or 262144,
        "rest": options.rest or "pass",
        "tap": options.tap,
        "keep": options.keep,
    }
    before = options.before or ""
    try:
        return xdp.program(text, before, **how), text, before
    except FilterError as error:
        # It was read, and cannot be translated: libpcap's own words begin as the library has them.
        if before or not str(error).startswith('filter "'):
            raise
        not_a_filter = error
    try:
        return xdp.program("", text, **how), "", text
    except ComputationError as error:
        if ">->" in text or error.line == 0:  # 0: it was read, and is not for XDP
            raise
        raise not_a_filter from None


def _show(options: argparse.Namespace, made: xdp.Program, sizes: dict[str, int]) -> None:
    if options.size:
        for name, n in sizes.items():
            print(f"{name}: {n} instructions")
    elif options.d == 1:
        print(made.listing(), end="")
    elif options.d == 2:
        for i in made.classic:
            print(f"{{ 0x{i.code:x}, {i.jt}, {i.jf}, 0x{i.k:08x} }},")
    elif options.d:
        print(len(made.classic))
        for i in made.classic:
            print(i.code, i.jt, i.jf, i.k)
    else:
        for name, n in sizes.items():
            print(f"; {name}: {n} instructions")
        print(made.text, end="")


def run(options: argparse.Namespace, text: str) -> int:
    """Show it; the exit code."""
    if options.snaplen is not None and not 1 <= options.snaplen <= 262144:
        raise CommandError(f"--snaplen {options.snaplen}: out of range (1 to 262144)", 2)
    if options.tap and options.rest == "drop":
        raise CommandError("--tap copies, the host gets everything (leave out --rest drop)", 2)
    try:
        made, pcap_filter, computation = _read(options, text)
    except (FilterError, ComputationError) as error:
        if options.json:
            at = {
                name: getattr(error, name, 0) for name in ("line", "column")
            }  # libpcap tells none
            print_json("compile", engine="xdp", error=str(error), **at)
            return 1
        raise CommandError(getattr(error, "report", str(error))) from None
    sizes = {"classic": len(made.classic), "keep rules": made.n_keep, "eBPF": made.n_extended}
    if not options.json:
        _show(options, made, sizes)
        return 0
    print_json(
        "compile",
        engine="xdp",
        filter=pcap_filter,
        computation=computation,
        sizes=sizes,
        classic=made.classic,
        text=made.text,
    )
    return 0
