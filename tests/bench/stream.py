# SPDX-License-Identifier: BSD-3-Clause
"""One TCP stream, for what a capture costs the host beside it.

stream.py receive ADDRESS      prints "ready", takes one connection, prints one JSON line at its end
stream.py send ADDRESS MS      prints "ready", waits for a line, sends for that time
"""

import json
import socket
import sys
import time

PORT = 5001
CHUNK = 1 << 20


def receive(address: str) -> None:
    listener = socket.create_server((address, PORT))
    print("ready", flush=True)
    connection, _ = listener.accept()
    start, n, buffer = time.monotonic_ns(), 0, bytearray(CHUNK)
    while got := connection.recv_into(buffer):
        n += got
    print(json.dumps({"bytes": n, "wall_ns": time.monotonic_ns() - start}), flush=True)


def send(address: str, ms: int) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    connection = socket.create_connection((address, PORT))
    end, data = time.monotonic_ns() + ms * 1_000_000, bytes(CHUNK)
    while time.monotonic_ns() < end:
        connection.sendall(data)


if sys.argv[1] == "receive":
    receive(sys.argv[2])
else:
    send(sys.argv[2], int(sys.argv[3]))
