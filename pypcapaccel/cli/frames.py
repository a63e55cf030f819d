# SPDX-License-Identifier: BSD-3-Clause
"""Ethernet frames of crafted flows: UDP, TCP and PPPoE over IPv4, each right to its last checksum.

Sources: RFC 791, 768, 9293, 1071, 2516. Addresses are those that RFC 2544 sets apart for tests, 198.18.0.0/15.

Threads: none of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["KINDS", "MAX_FLOWS", "MIN_LEN", "checksum", "craft"]

KINDS = ("udp", "tcp", "pppoe")
MAX_FLOWS = 65536
ETHERNET_LEN, IP_LEN, PPPOE_LEN = 14, 20, 8
HEADER_LEN = {"udp": ETHERNET_LEN + IP_LEN + 8, "tcp": ETHERNET_LEN + IP_LEN + 20}
HEADER_LEN["pppoe"] = HEADER_LEN["udp"] + PPPOE_LEN
MIN_LEN = {kind: max(60, length) for kind, length in HEADER_LEN.items()}
DESTINATION, SOURCE = bytes.fromhex("020000000002"), bytes.fromhex("020000000001")
ETH_IPV4, ETH_PPPOE, PPP_IPV4 = 0x0800, 0x8864, 0x0021
PROTOCOL_TCP, PROTOCOL_UDP = 6, 17
PORT = 9  # discard


def checksum(data: bytes) -> int:
    """RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def _address(n: int) -> bytes:
    return bytes((198, 18 + (n >> 16 & 1), n >> 8 & 255, n & 255))


def _transport(
    protocol: int, source: bytes, destination: bytes, port: int, payload: bytes
) -> bytes:
    length = len(payload) + (20 if protocol == PROTOCOL_TCP else 8)
    if protocol == PROTOCOL_TCP:
        head = struct.pack("!HHIIBBHHH", port, PORT, 1, 0, 5 << 4, 0x10, 65535, 0, 0)
    else:
        head = struct.pack("!HHHH", port, PORT, length, 0)
    pseudo = source + destination + struct.pack("!BBH", 0, protocol, length)
    filled = checksum(pseudo + head + payload)
    if protocol == PROTOCOL_TCP:
        return head[:16] + struct.pack("!H", filled) + head[18:] + payload
    return head[:6] + struct.pack("!H", filled or 0xFFFF) + payload


def _ip(protocol: int, flow: int, length: int) -> bytes:
    """An IPv4 packet of so many bytes."""
    source, destination = _address(2 * flow + 2), _address(2 * flow + 3)
    payload = bytes(length - IP_LEN - (20 if protocol == PROTOCOL_TCP else 8))
    segment = _transport(protocol, source, destination, 1024 + flow % 60000, payload)
    head = (
        struct.pack("!BBHHHBBH", 0x45, 0, length, flow & 0xFFFF, 0x4000, 64, protocol, 0)
        + source
        + destination
    )
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + segment


def _frame(kind: str, flow: int, size: int) -> bytes:
    protocol = PROTOCOL_TCP if kind == "tcp" else PROTOCOL_UDP
    if kind != "pppoe":
        return (
            DESTINATION
            + SOURCE
            + struct.pack("!H", ETH_IPV4)
            + _ip(protocol, flow, size - ETHERNET_LEN)
        )
    packet = _ip(protocol, flow, size - ETHERNET_LEN - PPPOE_LEN)
    session = struct.pack("!BBHHH", 0x11, 0, flow % 65535 + 1, len(packet) + 2, PPP_IPV4)
    return DESTINATION + SOURCE + struct.pack("!H", ETH_PPPOE) + session + packet


def craft(kind: str, flows: int, size: int) -> Iterator[bytes]:
    """One frame of each flow, of `size` bytes without the checksum that the card adds."""
    for flow in range(flows):
        yield _frame(kind, flow, size)
