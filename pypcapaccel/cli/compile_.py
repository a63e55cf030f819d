# SPDX-License-Identifier: BSD-3-Clause
"""Shows what a computation becomes: building block, sizes, every intermediate form, the classic BPF that
the kernel runs; and what it does with packets.

With --engine xdp, the XDP program that a capture on an xdp: device would load for a pcap filter, a
computation of predicates, or both (the text and -C): eBPF under the classic instructions that it was made
from. The text is a pcap filter if it can be one, else a computation. Neither a privilege nor a device is
needed; what only a device decides (tags that its driver tells, packets in several parts) is left out.

Exit code: 0; 1: the text is wrong or cannot be done in XDP, or a packet of --packet or --pcap reaches nobody.

Threads: the main one.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import Any, Literal

from .. import lang
from ..errors import ComputationError
from . import CommandError, xdp_program
from .output import add_json, print_json

MAX_FRAME = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "computation",
        metavar="COMPUTATION",
        nargs="?",
        help="PFQ/lang, or a pcap filter with --engine xdp; - reads it from stdin",
    )
    parser.add_argument(
        "--engine", choices=("pfq", "xdp"), default="pfq", help="whose programs (pfq)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "-d",
        dest="d",
        action="count",
        default=0,
        help="the programs as tcpdump -d shows them; -dd as C, -ddd as numbers",
    )
    form.add_argument("--form", choices=lang.FORMS, help="an intermediate form")
    form.add_argument(
        "--size", action="store_true", help="only how many instructions each program has"
    )
    form.add_argument(
        "--block", action="store_true", help="only the building block: copy, steer, mixed or double"
    )
    parser.add_argument(
        "--packet",
        metavar="HEX",
        action="append",
        default=[],
        help="what becomes of this Ethernet frame; may be repeated",
    )
    parser.add_argument("--pcap", metavar="FILE", help="what becomes of the packets of a savefile")
    parser.add_argument(
        "-m",
        "--members",
        metavar="N",
        type=int,
        help="of a group of so many members (2)",
    )
    add_json(parser)
    xdp_program.add_arguments(parser)


def _programs(
    computation: lang.Computation, members: int
) -> dict[str, tuple[lang.Instruction, ...]]:
    found = {}
    kinds: tuple[Literal["filter", "fanout"], ...] = ("filter", "fanout")
    for part in range(lang.MAX_PARTS):
        for kind in kinds:
            program = computation.program(part, kind, members)
            if program:
                found[f"part {part}, {kind}"] = program
    return found


def _listing(computation: lang.Computation, d: int, members: int) -> str:
    if d == 1:
        return computation.dump("code")
    lines = []
    for name, program in _programs(computation, members).items():
        if d == 2:
            lines += [
                f"/* {name} */",
                *(f"{{ 0x{i.code:x}, {i.jt}, {i.jf}, 0x{i.k:08x} }}," for i in program),
            ]
        else:
            lines += [str(len(program)), *(f"{i.code} {i.jt} {i.jf} {i.k}" for i in program)]
    return "".join(f"{line}\n" for line in lines)


def _frame(text: str) -> bytes:
    digits = "".join(text.split()).replace(":", "").removeprefix("0x")
    try:
        frame = bytes.fromhex(digits)
    except ValueError:
        raise CommandError(
            f"--packet '{text[:40]}': is not hexadecimal (0200...0800 45...)", 2
        ) from None
    if len(frame) > MAX_FRAME:
        raise CommandError(f"--packet: too long (at most {MAX_FRAME} bytes)", 2)
    return frame


def _of_file(computation: lang.Computation, path: str, members: int) -> dict[str, Any]:
    """How many packets of a file each member gets."""
    from .savefile import read_packets

    verdicts: Counter[str] = Counter()
    per_member: Counter[int] = Counter()
    n = 0
    for _, data, _ in read_packets(path):
        n += 1
        said = computation.run(data, members)
        verdicts["any one" if said.any_one else said.outcome] += 1
        per_member.update(set(said.members))
    return {
        "packets": n,
        "outcomes": dict(verdicts),
        "members": [per_member[i] + verdicts["all"] for i in range(members)],
    }


def _print_file(result: dict[str, Any]) -> None:
    print(f"{result['packets']} packets")
    for outcome, n in result["outcomes"].items():
        print(f"  to {outcome}: {n}")
    for i, n in enumerate(result["members"]):
        print(f"  member {i} gets {n}")


def _try(options: argparse.Namespace, computation: lang.Computation) -> tuple[int, dict[str, Any]]:
    frames = [_frame(text) for text in options.packet]
    said = [computation.run(frame, options.members) for frame in frames]
    result: dict[str, Any] = {
        "packets": [{"to": str(v), "outcome": v.outcome, "members": v.members} for v in said]
    }
    lost = any(v.outcome == "nobody" for v in said)
    if options.pcap:
        result["pcap"] = _of_file(computation, options.pcap, options.members)
        lost |= result["pcap"]["outcomes"].get("nobody", 0) > 0
    return int(lost), result


def _show(options: argparse.Namespace, computation: lang.Computation) -> None:
    if options.d:
        print(_listing(computation, min(options.d, 3), options.members), end="")
    elif options.form:
        print(computation.dump(options.form), end="")
    elif options.block:
        print(computation.block)
    elif options.size:
        for name, program in _programs(computation, options.members).items():
            print(f"{name}: {len(program)} instructions")
    elif not options.packet and not options.pcap:
        print(computation.explain(), end="")


def _text_of(options: argparse.Namespace) -> str:
    text: str | None = options.computation
    if text == "-":
        return sys.stdin.read(1 << 17)
    if text is None and options.engine != "xdp":
        raise CommandError("names no computation (pcap-accel compile 'ip >-> steer_flow')", 2)
    return text or ""


def run(options: argparse.Namespace) -> int:
    xdp_program.refuse(options)
    text = _text_of(options)
    if options.engine == "xdp":
        return xdp_program.run(options, text)
    if options.members is None:
        options.members = 2
    if not 1 <= options.members <= 65536:
        raise CommandError(f"--members {options.members}: out of range (1 to 65536)", 2)
    try:
        computation = lang.compile(text)
    except ComputationError as error:
        if options.json:
            print_json("compile", error=str(error), line=error.line, column=error.column)
            return 1
        raise CommandError(error.report) from None
    code, result = _try(options, computation)
    if options.json:
        programs = _programs(computation, options.members)
        print_json(
            "compile",
            computation=text,
            block=computation.block,
            notes=computation.notes,
            sizes={name: len(program) for name, program in programs.items()},
            programs=programs if options.d else None,
            **result,
        )
        return code
    _show(options, computation)
    for verdict in result["packets"]:
        print(verdict["to"])
    if "pcap" in result:
        _print_file(result["pcap"])
    return code
