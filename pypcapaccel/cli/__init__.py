# SPDX-License-Identifier: BSD-3-Clause
"""The command ``pcap-accel``.

A subcommand is a module here with ``add_arguments(parser)`` and ``run(options) -> int``; the table below is
all that is known of it before it is used, so that ``run`` starts without the rest. Data goes to stdout,
one line with the remedy to stderr when something is wrong.

Exit codes: 0; 1 it could not be done, or something was found wrong; 2 the command line is wrong. Of ``run``:
125 it could not be done or the command line is wrong, 126 the program cannot be executed, 127 there is none, else
the program's own.

Threads: the main one.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

__all__ = ["COMMANDS", "CommandError", "main", "make_parser"]

COMMANDS = {
    "run": "start a program with the library in front of its libpcap",
    "env": "print the variables that `run` would set",
    "groups": "list, define, change, delete and watch groups of the engine pfq",
    "top": "the captures on this host, live",
    "stats": "the counters of captures on this host",
    "compile": "what a computation becomes, and what it does with packets",
    "config": "check and convert configuration files",
    "devices": "the devices that can be captured on, and how",
    "doctor": "what on this host costs packets, and the commands that mend it",
    "bench": "what the engines cost on this host, beside libpcap",
    "inject": "send packets: a file's, or crafted flows",
}

EPILOG = """\
examples:
  pcap-accel run -- tcpdump -ni eth0
  pcap-accel run -g 42 --computation 'ip >-> steer_flow' -n 4 -- tcpdump -ni eth0 -w '{n}.pcap'
  pcap-accel compile 'ip >-> steer_flow'
  pcap-accel doctor eth0
  pcap-accel COMMAND --help
"""


class CommandError(Exception):
    """It could not be done: a sentence with the remedy, and the exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pypcapaccel")
    except PackageNotFoundError:
        return "of the sources"


def _columns() -> int:
    try:
        return int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(1).columns or 80
    except (OSError, ValueError):
        return 80


def _formatter(prog: str) -> argparse.HelpFormatter:
    """With the width: left to itself, argparse imports shutil to learn it, at each argument that is added, and
    a start of `run` would take some 5 ms longer."""
    import argparse

    return argparse.RawDescriptionHelpFormatter(prog, width=max(_columns() - 2, 20))


def add_action(actions: Any, name: str, line: str, more: str = "") -> argparse.ArgumentParser:
    """A subcommand's own subcommand: a line for the list of them, which begins its help, and what follows it."""
    whole = f"{line[:1].upper()}{line[1:]}.{more}"
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=line, description=whole, formatter_class=_formatter
    )
    return parser


def make_parser(commands: Sequence[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The parser, with the arguments of these subcommands; the manual is made from it."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="pcap-accel",
        description="Packet capture without losing packets, for the programs you already have.",
        epilog=EPILOG,
        formatter_class=_formatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", prog="pcap-accel"
    )
    for name in commands:
        module = _module(name)
        sub = subparsers.add_parser(
            name,
            help=COMMANDS[name],
            description=(module.__doc__ or "").split("\n\nThreads:")[0],
            formatter_class=_formatter,
        )
        module.add_arguments(sub)
        sub.set_defaults(function=module.run, parser=sub)
    return parser


def _chosen(argv: Sequence[str]) -> list[str]:
    """Only the subcommand that is asked for is imported; for help and mistakes, all."""
    first = argv[0] if argv else ""
    return [first] if first in COMMANDS else list(COMMANDS)


def _split(argv: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """What is before the first `--`, and what is behind it: argparse would look into a program's words."""
    words = list(argv)
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _module(name: str) -> Any:
    # importlib, and warnings with it, takes time to import.
    return __import__(f"{__name__}.{name}_", fromlist=["run"])


def _read_quickly(words: Sequence[str]) -> Any:
    """The options of a plain `run`, which is to start fast; None: they are argparse's to read."""
    if not words or words[0] != "run":
        return None
    from .quick import Reader

    module = _module("run")
    reader = Reader()
    module.add_arguments(reader)
    options: Any = reader.read(words[1:])
    if options is not None:
        options.function = module.run
    return options


def _read(words: Sequence[str]) -> Any:
    """The options, by argparse. SystemExit: all has been said."""
    parser = make_parser(_chosen(words))
    options, unknown = parser.parse_known_args(words)
    if unknown:  # with the usage of the subcommand; argparse would show ours
        getattr(options, "parser", parser).error(f"unrecognized arguments: {' '.join(unknown)}")
    if options.version:
        print(f"pcap-accel {_version()}")
        raise SystemExit(0)
    if options.command is None:
        parser.print_help()
        raise SystemExit(2)
    return options


def _call(argv: Sequence[str]) -> int:
    ours, program = _split(argv)
    options = _read_quickly(ours) or _read(ours)
    if program is not None:
        if not hasattr(options, "program"):
            options.parser.error("'--' is for run (leave it out)")
        # Behind a program's own words `--` is one of them.
        options.program = [*options.program, "--", *program] if options.program else program
    return int(options.function(options))


def _say(argv: Sequence[str], text: str) -> None:
    name = f"pcap-accel {argv[0]}" if argv and argv[0] in COMMANDS else "pcap-accel"
    print(f"{name}: {text}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; the exit code."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return _call(words)
    except CommandError as error:
        _say(words, str(error))
        return error.code
    except SystemExit as end:  # argparse's
        if end.code == 2 and words and words[0] == "run":
            return 125  # 2 would be taken for the program's
        raise
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except Exception as error:
        from ..errors import PcapError

        if not isinstance(error, PcapError):
            raise
        _say(words, str(error))
        return 125 if words and words[0] == "run" else 1
