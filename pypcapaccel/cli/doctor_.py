# SPDX-License-Identifier: BSD-3-Clause
"""Looks for what costs packets on this host, and on an interface: each thing is ok, warn or fail, with the
command that mends it. Nothing is changed.

Exit code: 0; 1: something failed.

Threads: the main one.
"""

from __future__ import annotations

import argparse

from ..errors import LibraryError, PcapError
from . import CommandError
from .checks import examine
from .finding import Finding
from .host import Host
from .output import add_json, coloured, print_json, printable

COLOURS = {"ok": "32", "warn": "33", "fail": "31"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("interface", metavar="IFACE", nargs="?", help="an interface to look at too")
    parser.add_argument(
        "--self-test",
        action="store_true",
        help="also try, on a veth pair in a network namespace of its own, that groups keep flows together (root)",
    )
    add_json(parser)


def _self_test() -> list[tuple[str, Finding]]:
    found: list[Finding] = []
    try:
        from .selftest import try_groups

        found += try_groups()
    except (CommandError, PcapError) as error:
        found.append(Finding("fail", str(error), "run it as root, with the library installed"))
    return [("self-test", finding) for finding in found]


def _library() -> list[tuple[str, Finding]]:
    """The library itself: is it there, of our version, with a libpcap to stand in front of?"""
    from .._lib import ffi_and_lib, lib_path

    try:
        ffi, lib = ffi_and_lib()
    except LibraryError as error:
        return [
            (
                "library",
                Finding("fail", str(error), "pip install pypcapaccel, or set PCAP_ACCEL_LIB"),
            )
        ]
    version = ffi.string(lib.pcap_lib_version()).decode()
    return [("library", Finding("ok", f"{lib_path()}: {version}"))]


def _interface_of(name: str) -> str:
    """The interface of a device with one: `xdp:eth0@q0?tap=yes` is on eth0."""
    engine, _, rest = name.partition(":")
    if engine.partition("/")[0] not in ("afpacket", "pfq", "xdp"):
        return name
    return rest.partition("?")[0].partition("@")[0]


def run(options: argparse.Namespace) -> int:
    if options.interface is not None:
        options.interface = _interface_of(options.interface)
    host = Host(options.interface)
    name = options.interface or ""
    if options.interface is not None and (
        not name or "/" in name or name == ".." or not host.exists(host.net("flags"))
    ):
        known = ", ".join(path.parent.name for path in Host().glob("/sys/class/net/*/flags"))
        raise CommandError(f"{name}: no such interface (known: {known})", 2)
    found = [*_library(), *examine(host), *(_self_test() if options.self_test else ())]
    failed = any(finding.level == "fail" for _, finding in found)
    if options.json:
        rows = [{"check": check, **finding._asdict()} for check, finding in found]
        print_json("doctor", interface=options.interface, ok=not failed, checks=rows)
        return int(failed)
    for check, finding in found:
        print(
            f"{coloured(finding.level.ljust(4), COLOURS[finding.level])}  {check.ljust(14)}  "
            f"{printable(finding.text)}"
        )
        if finding.fix:
            print(f"{' ' * 22}{printable(finding.fix)}")
    return int(failed)
