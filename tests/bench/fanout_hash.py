# SPDX-License-Identifier: BSD-3-Clause
"""N sockets in one PACKET_FANOUT_HASH group on eth0, with rings like a reader's and no filter: what the
kernel offers by itself, without any library.

    fanout_hash.py N BUFFER_BYTES TIMEOUT_MS

Protocol with the driver: prints "ready", waits for a line, prints one JSON line: how many packets each
member was given. Source: packet(7).
"""

from __future__ import annotations

import json
import mmap
import socket
import struct
import sys

SOL_PACKET = 263
PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION, PACKET_FANOUT = 5, 6, 10, 18
TPACKET_V3 = 2
ETH_P_ALL = 3
BLOCK = 1 << 20
GROUP = 7  # mode 0 in the upper half: HASH


def open_member(buffer: int, timeout: int) -> tuple[socket.socket, mmap.mmap]:
    member = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    member.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
    n = buffer // BLOCK
    request = struct.pack("7I", BLOCK, n, BLOCK, n, timeout, 0, 0)
    member.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
    ring = mmap.mmap(member.fileno(), buffer)
    member.bind(("eth0", ETH_P_ALL))
    member.setsockopt(SOL_PACKET, PACKET_FANOUT, GROUP)
    return member, ring


def main() -> None:
    n, buffer, timeout = map(int, sys.argv[1:])
    members = [open_member(buffer, timeout) for _ in range(n)]
    for member, _ in members:
        member.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12)  # what came before the join
    print("ready", flush=True)
    sys.stdin.readline()
    packets = []
    for member, _ in members:
        seen, dropped, _ = struct.unpack("3I", member.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))
        packets.append(seen - dropped)
    print(json.dumps(packets), flush=True)


main()
