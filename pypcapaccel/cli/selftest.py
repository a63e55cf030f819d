# SPDX-License-Identifier: BSD-3-Clause
"""Tries on this kernel what groups promise: each packet to one member, and both directions of a flow to the
same. On a veth pair in a network namespace of its own.

Threads: the main one.
"""

from __future__ import annotations

import struct
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
KINDS = ("udp", "tcp", "ipv6", "fragment", "ipv6 fragment", "vlan", "pppoe")


class Method(NamedTuple):
    """A way to share packets."""

    name: str
    device: str
    kinds: tuple[str, ...]  # that it shares
    fix: str  # where it splits a flow


METHODS = (
    Method("fanout=hash", "afpacket:{}?fanout=hash,group=7", KINDS, "use pfq: with steer_flow"),
    Method(
        "steer_flow", "pfq:{}?group=7,computation=steer_flow", KINDS[:-1], "install a newer kernel"
    ),
)
_BUFFER = "4MiB"
_AT_ONCE = 512  # frames: the kernel's queue between the two ends has room for 1000
_TAG = bytes.fromhex("8100002a")
_MACS = 12
# A network of RFC 5180, and a word that makes its sum 0.
_NET6 = bytes.fromhex("20010002 0000 0000 0000 dffc")
_ETH_IPV6, _FRAGMENT6 = bytes.fromhex("86dd"), 44
_MORE = 0x2000  # fragments
_CUT = 80  # a fragment's data but the last's, by eights


def _turned(frame: bytes, ip_at: int) -> bytes:
    """The answer to a frame: addresses and ports the other way round. Checksums are sums, and stay right."""
    v6 = frame[ip_at] >> 4 == 6
    at, size = (ip_at + 8, 16) if v6 else (ip_at + 12, 4)
    end = at + 2 * size  # the ports are behind the addresses
    addresses = frame[at + size : end] + frame[at : at + size]
    ports = frame[end + 2 : end + 4] + frame[end : end + 2]
    return frame[6:12] + frame[:6] + frame[_MACS:at] + addresses + ports + frame[end + 4 :]


def _packet6(protocol: int, ip: bytes, data: bytes) -> bytes:
    """An IPv6 packet between the addresses of an IPv4 packet, whose UDP checksum stays right."""
    head = struct.pack("!IHBB", 6 << 28, len(data), protocol, 64)
    return head + _NET6 + ip[12:16] + _NET6 + ip[16:20] + data


def _fragment(ip: bytes, at: int, data: bytes) -> bytes:
    """An IPv4 packet's; the first is not the last."""
    where = at // 8 if at else _MORE
    head = ip[:2] + struct.pack("!H2sHBBH", 20 + len(data), ip[4:6], where, 64, ip[9], 0) + ip[12:]
    return head[:10] + struct.pack("!H", frames.checksum(head)) + head[12:] + data


def _fragment6(ip: bytes, at: int, data: bytes) -> bytes:
    """As _fragment(), of IPv6."""
    head = struct.pack("!BBHHH", ip[9], 0, at or 1, 0, ip[4] << 8 | ip[5])
    return _packet6(_FRAGMENT6, ip, head + data)


def _cut(frame: bytes) -> tuple[bytes, bytes]:
    """The packet of a frame in two fragments."""
    link, ip, data = frame[:14], frame[14:34], frame[34:]
    first, last = _fragment(ip, 0, data[:_CUT]), _fragment(ip, _CUT, data[_CUT:])
    return link + first, link + last


def _cut6(frame: bytes) -> tuple[bytes, bytes]:
    """The same, of IPv6."""
    link, ip, data = frame[:_MACS] + _ETH_IPV6, frame[14:34], frame[34:]
    first, last = _fragment6(ip, 0, data[:_CUT]), _fragment6(ip, _CUT, data[_CUT:])
    return link + first, link + last


_CUTS = {"fragment": _cut, "ipv6 fragment": _cut6}


def _flows(kind: str) -> Iterator[tuple[bytes, bytes]]:
    """A frame of each flow, and one of its other direction; of fragments, the first and the last."""
    for frame in frames.craft(kind if kind in frames.KINDS else "udp", FLOWS, SIZE):
        there = frame
        if kind in _CUTS:
            yield _CUTS[kind](frame)
            continue
        if kind == "vlan":
            there = frame[:_MACS] + _TAG + frame[_MACS:]
        elif kind == "ipv6":
            ip = frame[14:34]
            there = frame[:_MACS] + _ETH_IPV6 + _packet6(ip[9], ip, frame[34:])
        yield there, _turned(there, {"vlan": 18, "pppoe": 22}.get(kind, 14))


def _read(members: list[capture.Capture], seen: dict[bytes, list[int]]) -> int:
    """What has come: how many."""
    got = 0
    for i, member in enumerate(members):
        for packet in member.read(timeout_ms=20):
            got += 1
            seen.setdefault(bytes(packet.data), []).append(i)
    return got


def _share(device: str, sends: str, sent: list[bytes]) -> dict[bytes, list[int]]:
    """Who of the members got which frame."""
    seen: dict[bytes, list[int]] = {frame: [] for frame in sent}
    with ExitStack() as stack:
        with no_settings():
            members = [
                stack.enter_context(capture.open(device, buffer=_BUFFER)) for _ in range(MEMBERS)
            ]
        deadline, quiet = time.monotonic() + PATIENCE_S, 0
        with Sender(sends) as sender:
            for at in range(0, len(sent), _AT_ONCE):
                sender.send(sent[at : at + _AT_ONCE])
                sender.flush()
                while not all(map(seen.get, sent[: at + _AT_ONCE])) and time.monotonic() < deadline:
                    _read(members, seen)
        # Once more after all have come: one that comes twice would be missed.
        while quiet < 2:
            got = _read(members, seen)
            done = all(seen.values()) or time.monotonic() >= deadline
            quiet = quiet + 1 if not got and done else 0
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
                f"try again on a quiet host; then {method.fix}",
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
