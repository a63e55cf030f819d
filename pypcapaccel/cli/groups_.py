# SPDX-License-Identifier: BSD-3-Clause
"""Groups of the engine pfq, of this user in this network namespace: who is in which, and what they have
agreed on.

Without a subcommand: list. `define` makes a group that lives until it is deleted; programs join it with
`pcap-accel run -g N` or PFQ_GROUP=N.

Threads: the main one.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from .. import groups
from . import CommandError, add_action
from .output import add_json, print_json, table

DEFINE = """
Its members need to name nothing but its number.

example:
  pcap-accel groups define 42 --devices eth0:eth1 --computation 'ip >-> steer_flow'
  pcap-accel run -g 42 -- tcpdump -ni pfq
"""
ACTIONS = ("list", "show", "define", "change", "delete", "watch")


def _add_number(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", metavar="N", type=int, help="the group, 0 to 65535")


def _add_wishes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--devices", metavar="ETH0:ETH1", help="interfaces, joined by ':'; an empty text: none"
    )
    parser.add_argument(
        "--computation",
        metavar="EXPR",
        help="PFQ/lang; an empty text: every member gets every packet",
    )
    parser.add_argument("--vlan", metavar="10+20", help="only these VLAN ids; an empty text: all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listed = add_action(actions, "list", "the groups and their members")
    show = add_action(actions, "show", "one group")
    define = add_action(
        actions,
        "define",
        "make a group that lives until it is deleted, or several from a file",
        DEFINE,
    )
    change = add_action(
        actions,
        "change",
        "change a group; its members follow",
        " What is not named stays as it is.",
    )
    delete = add_action(actions, "delete", "forget a defined group", " One that has members stays.")
    watch = add_action(actions, "watch", "print the list again after each change")
    for sub in (listed, show, define, change, delete, watch):
        sub.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object"
        )
    define.add_argument("number", metavar="N", type=int, nargs="?", help="the group, 0 to 65535")
    define.add_argument("-c", "--config", metavar="FILE", help="the groups of a YAML file")
    for sub in (show, change, delete):
        _add_number(sub)
    for sub in (define, change):
        _add_wishes(sub)
    change.add_argument(
        "--persistent", choices=("yes", "no"), help="whether it outlives its members"
    )
    watch.add_argument(
        "-n", "--count", metavar="N", type=int, default=0, help="end after so many lists"
    )


def _as_dict(group: groups.Group) -> dict[str, Any]:
    return {**vars(group), "members": [vars(member) for member in groups.members(group.number)]}


def _all() -> list[dict[str, Any]]:
    return [_as_dict(group) for group in groups.list()]


def _age(since_ns: int) -> str:
    seconds = max(0, int(time.time() - since_ns / 1e9))
    if seconds < 120:
        return f"{seconds}s"
    return f"{seconds // 60}m" if seconds < 7200 else f"{seconds // 3600}h"


def _print_group(group: dict[str, Any]) -> None:
    kept = ", persistent" if group["persistent"] else ""
    print(
        f"group {group['number']}: {':'.join(group['devices']) or 'no device yet'} ({group['block']}{kept})"
    )
    if group["computation"]:
        print(f"  computation: {' '.join(group['computation'].split())}")
    if group["vlans"]:
        print(f"  vlans: {' '.join(map(str, group['vlans']))}")
    rows = [(m["pid"], m["program"], m["device"], _age(m["since_ns"])) for m in group["members"]]
    text = (
        table(rows, ("PID", "PROGRAM", "DEVICE", "AGE"), right=(0, 3)) if rows else "no members\n"
    )
    print("".join(f"  {line}\n" for line in text.splitlines()), end="", flush=True)


def _print(found: list[dict[str, Any]], json: bool) -> None:
    if json:
        print_json("groups", groups=found)
        return
    for group in found:
        _print_group(group)
    if not found:
        print(
            "no groups (a capture on pfq:eth0 with PFQ_GROUP=N makes one, `pcap-accel groups define N` too)",
            flush=True,
        )


def _wishes(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.devices is not None:
        found["devices"] = options.devices.split(":") if options.devices else []
    if options.computation is not None:
        found["computation"] = options.computation
    if options.vlan is not None:
        words = [word for word in options.vlan.replace(",", "+").split("+") if word]
        if not all(word.isascii() and word.isdigit() for word in words):
            raise CommandError(f"--vlan '{options.vlan}': is no list of VLAN ids (10+20)", 2)
        found["vlans"] = [int(word) for word in words]
    return found


def _define(options: argparse.Namespace) -> None:
    if (options.number is None) == (options.config is None):
        raise CommandError("define: names no group (a number, or -c FILE)", 2)
    if options.config is None:
        groups.define(options.number, **_wishes(options))
        return
    if _wishes(options):
        raise CommandError(
            "define: a file says it all (leave --devices, --computation and --vlan out)", 2
        )
    from .. import config

    for group in config.load(options.config).groups:
        groups.define(
            group.number,
            devices=group.devices or None,
            computation=group.computation,
            vlans=None if group.vlan is None else [int(vlan, 0) for vlan in group.vlan],
        )


def _change(options: argparse.Namespace) -> None:
    wishes = _wishes(options)
    if options.persistent is not None:
        wishes["persistent"] = options.persistent == "yes"
    if not wishes:
        raise CommandError(
            "change: nothing to change (--devices, --computation, --vlan, --persistent)", 2
        )
    groups.get(options.number)  # a change of what is not there would make it
    groups.change(options.number, **wishes)


def _watch(options: argparse.Namespace) -> None:
    for i, _ in enumerate(groups.watch(), 1):
        if not options.json and sys.stdout.isatty():
            print("\033[H\033[2J", end="")
        _print(_all(), options.json)
        if i == options.count:
            return


def run(options: argparse.Namespace) -> int:
    action = options.action or "list"
    if (
        getattr(options, "number", None) is not None
        and not 0 <= options.number <= groups.MAX_NUMBER
    ):
        raise CommandError(f"group {options.number}: out of range (0 to {groups.MAX_NUMBER})", 2)
    if action == "list":
        _print(_all(), options.json)
    elif action == "show":
        _print([_as_dict(groups.get(options.number))], options.json)
    elif action == "define":
        _define(options)
    elif action == "change":
        _change(options)
    elif action == "delete":
        groups.delete(options.number)
    else:
        _watch(options)
    return 0
