# SPDX-License-Identifier: BSD-3-Clause
"""Configuration files: checked, with every mistake at its place; converted between YAML and key = value
without loss; and what they may hold.

Exit code of check: 0: right, 1: wrong.

Threads: the main one.
"""

from __future__ import annotations

import argparse
import sys

from .. import config
from ..config.options import Option
from ..config.options import table as option_table
from ..errors import ConfigError
from . import CommandError, add_action
from .environment import profiles
from .output import add_json, print_json, table

CHECK = """
Each mistake is FILE:LINE:COLUMN, what is wrong, what would be right, and a caret under the place.

Without mistakes nothing is printed.
"""
CONVERT = """
What that cannot hold is refused, unless --lossy leaves it out."""
SCHEMA = """

example:
  pcap-accel config schema >pcap-accel.schema.json
  # yaml-language-server: $schema=pcap-accel.schema.json
"""
OPTIONS = """ The manual pcap-accel.conf(5) describes them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = add_action(actions, "check", "say everything that is wrong with files", CHECK)
    check.add_argument("files", metavar="FILE", nargs="+", help="YAML (.yaml, .yml) or key = value")
    check.add_argument(
        "--engine",
        choices=("afpacket", "pfq", "xdp"),
        help="the key = value files are named on devices of this engine",
    )
    convert = add_action(
        actions,
        "convert",
        "print a file in the other format, or in the one that is asked for",
        CONVERT,
    )
    convert.add_argument("file", metavar="FILE", help="YAML (.yaml, .yml) or key = value")
    convert.add_argument("--to", choices=config.FORMATS, help="the format; default: the other one")
    convert.add_argument("--group", metavar="N", type=int, help="only this group")
    convert.add_argument(
        "--lossy", action="store_true", help="leave out what a key = value file cannot hold"
    )
    schema = add_action(actions, "schema", "print a JSON Schema of the YAML, for editors", SCHEMA)
    options = add_action(
        actions, "options", "list the options with their ranges and defaults", OPTIONS
    )
    named = add_action(actions, "profiles", "list the profiles of `run --profile`")
    for sub in (check, convert, schema, options, named):
        sub.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object"
        )


def _check(options: argparse.Namespace) -> int:
    results = []
    for path in options.files:
        try:
            config.load(path, options.engine if config.files.format_of(path) == "conf" else None)
            results.append({"file": path, "mistakes": []})
        except ConfigError as error:
            results.append(
                {"file": path, "mistakes": [vars(m) for m in error.mistakes], "text": str(error)}
            )
    wrong = [result for result in results if result["mistakes"]]
    if options.json:
        print_json(
            "config.check", files=[{k: v for k, v in r.items() if k != "text"} for r in results]
        )
    else:
        for result in wrong:
            print(result["text"], file=sys.stderr)
    return int(bool(wrong))


def _convert(options: argparse.Namespace) -> int:
    whole = config.load(options.file)
    target = options.to or ("conf" if config.files.format_of(options.file) == "yaml" else "yaml")
    if options.group is not None:
        chosen = tuple(group for group in whole.groups if group.number == options.group)
        if not chosen:
            known = ", ".join(str(group.number) for group in whole.groups) or "none"
            raise CommandError(f"{options.file}: no group {options.group} (known: {known})")
        whole = config.Config(groups=chosen, map=whole.map, default=whole.default)
    text = config.dumps(whole, target, options.file, lossy=options.lossy)
    if options.json:
        print_json("config.convert", format=target, text=text)
    else:
        print(text, end="")
    return 0


def _in_units(n: int, units: dict[str, int]) -> str:
    """In the largest unit that divides it."""
    for name, size in units.items():
        if n and n % size == 0:
            return f"{n // size}{name}"
    return str(n)


def _values(row: Option) -> str:
    """What an option may be."""
    units = {"size": {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}, "time": {"s": 10**9}}
    if row.type == "bool":
        return "yes|no"
    if row.words or row.type == "text":
        return "|".join(row.words)
    return " to ".join(_in_units(n, units.get(row.type, {})) for n in (row.min, row.max))


def _options(options: argparse.Namespace) -> int:
    rows = option_table().values()
    if options.json:
        print_json("config.options", options=[vars(row) for row in rows])
        return 0
    head = ("KEY", "TYPE", "DEFAULT", "VALUES", "ENGINES", "WHAT")
    lines = [
        (row.key, row.type, row.default, _values(row), ",".join(row.engines), row.help)
        for row in rows
    ]
    print(table(lines, head), end="")
    return 0


def run(options: argparse.Namespace) -> int:
    if options.action == "check":
        return _check(options)
    if options.action == "convert":
        return _convert(options)
    if options.action == "options":
        return _options(options)
    if options.action == "schema":
        from ..config.editors import schema_text

        print(schema_text(), end="")
    elif options.json:
        print_json("config.profiles", profiles=profiles())
    else:
        print(table(profiles().items(), ("PROFILE", "FILE")), end="")
    return 0
