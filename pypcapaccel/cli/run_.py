# SPDX-License-Identifier: BSD-3-Clause
"""Starts a program with the library in front of its libpcap.

The environment is set and the program takes this one's place. It sees through what would silently not
work (set-uid, file capabilities, static binaries, sudo, AppArmor, another architecture) and says what to
do instead. With -n, so many copies of the program run as members of a group; signals are handed on to
them, and `{n}` in their arguments is their number, from 0: on xdp: each names queues of its own with it, as
in `-i 'xdp:eth0@q{n}'`.

Exit code: the program's own; of copies, that of the first one that failed, 128 and its number for a
signal; 125: it could not be done, or the command line is wrong; 126: the program cannot be executed; 127:
there is none.

Threads: the main one.
"""

from __future__ import annotations

import os
import sys

from . import CommandError
from .environment import Plan, make_plan, preload
from .environment import add_arguments as add_shared

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    import argparse

MAX_COPIES = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "pcap-accel run [OPTIONS] -- PROGRAM [ARGUMENTS]"
    add_shared(parser)
    parser.add_argument(
        "-n", "--copies", metavar="COPIES", help="start so many members of the group"
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be done")
    parser.add_argument("--json", action="store_true", help="with --dry-run: print one JSON object")
    parser.add_argument(
        "program",
        nargs="...",  # argparse.REMAINDER
        metavar="-- PROGRAM ARGUMENTS",
        help="the program, a path or a name in PATH, and its own words",
    )


def _copies(options: argparse.Namespace, plan: Plan) -> int:
    if options.copies is None:
        n = plan.copies
    elif (
        options.copies.isascii()
        and options.copies.isdigit()
        and 1 <= int(options.copies) <= MAX_COPIES
    ):
        n = int(options.copies)
    else:
        raise CommandError(
            f"-n '{options.copies}': is not a number in range (1 to {MAX_COPIES})", 125
        )
    named = plan.group or os.environ.get("PFQ_GROUP") or os.environ.get("PCAP_ACCEL_GROUP")
    if n > 1 and not named and "PCAP_ACCEL_CONF" not in plan.changes and options.engine != "none":
        raise CommandError(
            f"-n {n}: the copies share no group, each would capture everything (add -g N)", 125
        )
    if n > 1 and _is_xdp(plan) and not any("{n}" in word for word in options.program):
        raise CommandError(
            f"-n {n}: copies on xdp: need queues of their own (name them: -i 'xdp:eth0@q{{n}}')",
            125,
        )
    return n


def _is_xdp(plan: Plan) -> bool:
    """Is it what plain names of interfaces are captured with?"""
    engine = plan.changes.get("PCAP_ACCEL_DEFAULT")
    return engine == "xdp" or "=xdp:" in plan.changes.get("PCAP_ACCEL_MAP", "")


def _exec(path: str, words: list[str], environ: dict[str, str]) -> None:
    try:
        os.execve(path, words, environ)
    except FileNotFoundError:
        raise CommandError(
            f"{path}: No such file or directory (its interpreter or loader is missing)", 127
        ) from None
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", 126) from None


def _numbered(words: list[str], i: int) -> list[str]:
    return [word.replace("{n}", str(i)) for word in words]


def _show(
    options: argparse.Namespace, plan: Plan, words: list[str], n: int, remarks: list[str]
) -> int:
    if options.json:
        from .output import print_json

        print_json("run", environment=plan.changes, program=words, copies=n, remarks=remarks)
        return 0
    from shlex import join, quote

    for name, value in plan.changes.items():
        print(f"{name}={quote(value)}")
    for i in range(n):
        print(join(_numbered(words, i) if n > 1 else words))
    for remark in remarks:
        print(f"# {remark}")
    return 0


def run(options: argparse.Namespace) -> int:
    from . import target

    words = [*options.program]
    if not words:
        raise CommandError("names no program (pcap-accel run -- tcpdump -ni eth0)", 125)
    plan = make_plan(options, os.environ)
    n = _copies(options, plan)
    path = target.find(words[0], os.environ.get("PATH"))
    library, remarks = target.check(path, plan.library)
    plan.changes["LD_PRELOAD"] = preload(library, os.environ)
    if options.dry_run:
        return _show(options, plan, words, n, remarks)
    environ = {**os.environ, **plan.changes}
    sys.stdout.flush()
    if n == 1:
        _exec(path, words, environ)
    from .copies import run_copies

    return run_copies(path, [_numbered(words, i) for i in range(n)], environ)
