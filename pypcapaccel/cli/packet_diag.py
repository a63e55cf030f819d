# SPDX-License-Identifier: BSD-3-Clause
"""The fanout groups of the network namespace, as the kernel lists them (sock_diag).

Source: linux/packet_diag.h, linux/sock_diag.h, netlink(7), sock_diag(7).

Threads: any.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

__all__ = ["fanout_groups"]

_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_NLM_F_REQUEST, _NLM_F_DUMP = 1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_PACKET_SHOW_FANOUT, _PACKET_DIAG_FANOUT = 0x8, 4
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBHIIII")  # struct packet_diag_req
_MESSAGE = struct.Struct("=BBHIII")  # struct packet_diag_msg
_ATTRIBUTE = struct.Struct("=HH")
_MODES = ("hash", "lb", "cpu", "rollover", "rnd", "qm", "cbpf", "ebpf")


def _messages(sock: socket.socket) -> Iterator[bytes]:
    """The payloads of an answer. OSError if it is an error."""
    while True:
        data = sock.recv(1 << 16)
        at = 0
        while at + _HEADER.size <= len(data):
            length, kind, *_ = _HEADER.unpack_from(data, at)
            payload = data[at + _HEADER.size : at + length]
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                raise OSError(-struct.unpack_from("=i", payload)[0], "sock_diag")
            yield payload
            at += max((length + 3) & ~3, _HEADER.size)


def _fanout(payload: bytes) -> int | None:
    at = _MESSAGE.size
    while at + _ATTRIBUTE.size <= len(payload):
        length, kind = _ATTRIBUTE.unpack_from(payload, at)
        if kind == _PACKET_DIAG_FANOUT:
            return int(struct.unpack_from("=I", payload, at + _ATTRIBUTE.size)[0])
        at += max((length + 3) & ~3, _ATTRIBUTE.size)
    return None


def fanout_groups() -> dict[tuple[int, str], set[str]]:
    """{(number, mode): inodes of the sockets}. OSError: the kernel does not tell."""
    request = _REQUEST.pack(socket.AF_PACKET, 0, 0, 0, _PACKET_SHOW_FANOUT, 0, 0)
    header = _HEADER.pack(
        _HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0
    )
    found: dict[tuple[int, str], set[str]] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as sock:
        sock.settimeout(10)
        sock.send(header + request)
        for payload in _messages(sock):
            fanout = _fanout(payload)
            if fanout is not None:
                mode = fanout >> 16 & 0xFF
                name = _MODES[mode] if mode < len(_MODES) else f"mode {mode}"
                inode = str(_MESSAGE.unpack_from(payload)[3])
                found.setdefault((fanout & 0xFFFF, name), set()).add(inode)
    return found
