# SPDX-License-Identifier: BSD-3-Clause
"""The network interfaces that can be captured on, their state, and the names they are captured by.

Threads: the main one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .output import add_json, print_json, table

SYS = Path("/sys/class/net")
ETHERNET, LOOPBACK = "1", "772"  # ARPHRD_*; linux/if_arp.h


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="those that are down too")
    add_json(parser)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _device(folder: Path) -> dict[str, Any]:
    name, kind = folder.name, _read(folder / "type")
    driver = folder / "device" / "driver"
    speed = _read(folder / "speed")
    n_queues = len(list(folder.glob("queues/rx-*")))
    engines = ["afpacket"]
    if kind == ETHERNET:
        engines += ["pfq"]
    return {
        "name": name,
        "state": _read(folder / "operstate") or "unknown",
        "mtu": int(_read(folder / "mtu") or 0),
        "mbit_s": int(speed) if speed.isdigit() else None,
        "queues": n_queues,
        "driver": driver.resolve().name if driver.exists() else None,
        "kind": {ETHERNET: "ethernet", LOOPBACK: "loopback"}.get(kind, f"type {kind}"),
        "captured_as": [f"{engine}:{name}" for engine in engines],
    }


def run(options: argparse.Namespace) -> int:
    folders = [folder for folder in sorted(SYS.iterdir()) if (folder / "type").exists()]
    found = [_device(folder) for folder in folders]
    if not options.all:
        found = [device for device in found if device["state"] != "down"]
    if options.json:
        print_json("devices", devices=found)
        return 0
    head = ("NAME", "STATE", "KIND", "MTU", "MBIT/S", "QUEUES", "DRIVER", "CAPTURED AS")
    keys = ("name", "state", "kind", "mtu", "mbit_s", "queues", "driver")
    rows = [(*(d[key] or "-" for key in keys), " ".join(d["captured_as"])) for d in found]
    print(table(rows, head, right=(3, 4, 5)), end="")
    return 0
