# SPDX-License-Identifier: BSD-3-Clause
"""Tries on this kernel what groups promise: each packet to one member, and both directions of a flow to the
same. On a veth pair in a network namespace of its own.

Threads: the main one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

from .. import capture
from . import frames
from .finding import Finding, fail, ok, warn
from .namespace import veth_pair
from .sender import Sender, no_settings

__all__ = ["METHODS", "try_groups"]

MEMBERS, FLOWS, SIZE = 4, 64, 200
PATIENCE_S = 5.0
KINDS = ("udp", "tcp", "vlan", "pppoe")


class Method(NamedTuple):
    """A way to share packets."""

    name: str
    device: str
    kinds: tuple[str, ...]  # that it shares
    fix: str  # where it splits a flow


METHODS = (
    Method("fanout=hash", "afpacket:{}?fanout=hash,group=7", KINDS, "use pfq: with steer_flow"),
    Method(
        "steer_flow", "pfq:{}?group=7,computation=steer_flow", KINDS[:3], "install a newer kernel"
    ),
)
_BUFFER = "4MiB"
_TAG = bytes.fromhex("8100002a")
_MACS = 12


def _turned(frame: bytes, ip_at: int) -> bytes:
    """The answer to a frame: addresses and ports the other way round. Checksums are sums, and stay right."""
    ip, ports = frame[ip_at : ip_at + 20], frame[ip_at + 20 : ip_at + 24]
    turned = ip[:12] + ip[16:20] + ip[12:16] + ports[2:] + ports[:2]
    return frame[6:12] + frame[:6] + frame[_MACS:ip_at] + turned + frame[ip_at + 24 :]


def _flows(kind: str) -> Iterator[tuple[bytes, bytes]]:
    """A frame of each flow, and one of its other direction."""
    crafted = frames.craft("udp" if kind == "vlan" else kind, FLOWS, SIZE)
    for frame in crafted:
        there = frame[:_MACS] + _TAG + frame[_MACS:] if kind == "vlan" else frame
        yield there, _turned(there, {"vlan": 18, "pppoe": 22}.get(kind, 14))


def _share(device: str, sends: str, sent: list[bytes]) -> dict[bytes, list[int]]:
    """Who of the members got which frame."""
    seen: dict[bytes, list[int]] = {frame: [] for frame in sent}
    with ExitStack() as stack:
        with no_settings():
            members = [
                stack.enter_context(capture.open(device, buffer=_BUFFER)) for _ in range(MEMBERS)
            ]
        with Sender(sends) as sender:
            sender.send(sent)
            sender.flush()
        deadline, quiet = time.monotonic() + PATIENCE_S, 0
        # Once more after all have come: one that comes twice would be missed.
        while quiet < 2 and time.monotonic() < deadline:
            got = 0
            for i, member in enumerate(members):
                for packet in member.read(timeout_ms=20):
                    got += 1
                    seen.setdefault(bytes(packet.data), []).append(i)
            quiet = quiet + 1 if not got and all(seen.values()) else 0
    return seen


def _judge(method: Method, seen: dict[bytes, list[int]]) -> Iterator[Finding]:
    good = []
    for kind in method.kinds:
        flows = list(_flows(kind))
        each = [frame for flow in flows for frame in flow]
        missing = sum(not seen[frame] for frame in each)
        twice = sum(len(seen[frame]) > 1 for frame in each)
        split = sum(seen[there] != seen[back] for there, back in flows)
        if missing or twice:
            yield fail(
                f"{method.name}: of {len(each)} {kind} packets {missing} reached nobody, and {twice} came twice",
                method.fix,
            )
        elif split:
            yield warn(
                f"{method.name}: {split} of {FLOWS} {kind} flows are split between members",
                method.fix,
            )
        else:
            good.append(kind)
    if good:
        yield ok(
            f"{method.name}: each packet is one member's, with its whole flow ({', '.join(good)})"
        )


def try_groups() -> Iterator[Finding]:
    """A finding or more for each way to share. CommandError: it needs root."""
    for method in METHODS:
        sent = [frame for kind in method.kinds for flow in _flows(kind) for frame in flow]
        with veth_pair() as (receives, sends):
            seen = _share(method.device.format(receives), sends, sent)
        yield from _judge(method, seen)
