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
from ..errors import ConfigError
from . import CommandError
from .environment import profiles
from .output import add_json, print_json, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="say everything that is wrong with files")
    check.add_argument("files", metavar="FILE", nargs="+", help="YAML (.yaml, .yml) or key = value")
    check.add_argument(
        "--engine",
        choices=("afpacket", "pfq", "xdp"),
        help="the key = value files are named on devices of this engine",
    )
    convert = actions.add_parser(
        "convert", help="print a file in the other format, or in the one that is asked for"
    )
    convert.add_argument("file", metavar="FILE", help="YAML (.yaml, .yml) or key = value")
    convert.add_argument("--to", choices=config.FORMATS, help="the format")
    convert.add_argument("--group", metavar="N", type=int, help="only this group")
    convert.add_argument(
        "--lossy", action="store_true", help="leave out what a key = value file cannot hold"
    )
    schema = actions.add_parser("schema", help="print a JSON Schema of the YAML, for editors")
    options = actions.add_parser("options", help="list the options with their ranges and defaults")
    named = actions.add_parser("profiles", help="list the profiles of `run --profile`")
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


def _options(options: argparse.Namespace) -> int:
    from ..config.options import table as option_table

    rows = option_table().values()
    if options.json:
        print_json("config.options", options=[vars(row) for row in rows])
        return 0
    print(
        table(
            [(row.key, row.type, row.default, ",".join(row.engines), row.help) for row in rows],
            ("KEY", "TYPE", "DEFAULT", "ENGINES", "WHAT"),
        ),
        end="",
    )
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
