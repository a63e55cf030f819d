# SPDX-License-Identifier: BSD-3-Clause
"""Both ends of a conversation whose packets can be told apart in tcpdump's output, and their count.

A flow is known by the client's port, and a packet of a flow by its length:

    IP 10.77.0.2.40003 > 10.77.1.2.20000: UDP, length 117         # flow 3, packet 17, a question
    IP 10.77.1.2.20000 > 10.77.0.2.40003: UDP, length 117         # its answer

    traffic.py serve
    traffic.py talk FLOWS PACKETS [CONNECTIONS]
    traffic.py farewell FILE...
    traffic.py count FLOWS PACKETS FILE...
"""

from __future__ import annotations

import re
import select
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SERVER, PORT = "10.77.1.2", 20000
FIRST_PORT, FAREWELL_PORT = 40000, 50000
FIRST_LENGTH = 100
UNANSWERED = 30  # at most, so that no socket has to drop any
PATIENCE_S = 20
LINE = re.compile(
    r"IP (?:10\.77\.0\.2\.(\d+) > 10\.77\.1\.2\.20000|10\.77\.1\.2\.20000 > 10\.77\.0\.2\.(\d+))"
    r": UDP, length (\d+)"
)
Packet = tuple[str, int, int]  # question or answer, the client's port, length


def serve() -> None:
    """Answers every datagram, and every TCP connection."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("", PORT))
    tcp = socket.create_server(("", PORT))
    print("serving", flush=True)
    while True:
        for ready in select.select([udp, tcp], [], [])[0]:
            if ready is udp:
                udp.sendto(*udp.recvfrom(2000))
                continue
            connection, _ = tcp.accept()
            connection.sendall(b"welcome, " + connection.recv(100))
            connection.close()


def converse(first_port: int, flows: int, packets: int) -> None:
    """Sends the flows' packets in turn; each is answered before the next but thirty is sent."""
    sockets = []
    for flow in range(flows):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.settimeout(PATIENCE_S)
        one.bind(("", first_port + flow))
        one.connect((SERVER, PORT))
        sockets.append(one)
    total = flows * packets
    for k in range(total + UNANSWERED):
        if k < total:
            sockets[k % flows].send(bytes(FIRST_LENGTH + k // flows))
        if k >= UNANSWERED and k - UNANSWERED < total:
            sockets[(k - UNANSWERED) % flows].recv(2000)


def talk(flows: int, packets: int, connections: int = 0) -> None:
    """Datagrams, and some TCP connections."""
    converse(FIRST_PORT, flows, packets)
    for k in range(connections):
        with socket.create_connection((SERVER, PORT), PATIENCE_S) as one:
            one.sendall(b"guest %d" % k)
            while one.recv(100):
                pass


def farewell(files: list[str]) -> None:
    """New flows, until each tcpdump has printed a packet of them: then it has printed all that came
    before. Not for ever, if one of them gets nothing."""
    text = f"10.77.0.2.{FAREWELL_PORT // 100}"
    for attempt in range(10):
        converse(FAREWELL_PORT + 64 * attempt, 64, 1)
        deadline = time.monotonic() + PATIENCE_S / 4
        while time.monotonic() < deadline:
            if all(text in _read(file) for file in files):
                return
            time.sleep(0.05)


def _read(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")


def packets_in(text: str) -> Iterator[Packet]:
    """The conversation's packets, as tcpdump printed them."""
    for to_server, to_client, length in LINE.findall(text):
        port = int(to_server or to_client)
        if port < FAREWELL_PORT:
            yield "question" if to_server else "answer", port, int(length)


def count(flows: int, packets: int, files: list[str]) -> int:
    """The table. 1 if a packet was lost or seen twice, or a flow is in two files."""
    expected = {
        (kind, FIRST_PORT + flow, FIRST_LENGTH + k)
        for kind in ("question", "answer")
        for flow in range(flows)
        for k in range(packets)
    }
    seen = [list(packets_in(_read(file))) for file in files]
    homes = [{port for _, port, _ in one} for one in seen]
    times = Counter(packet for one in seen for packet in one)
    lost = len(expected - times.keys())
    twice = sum(n - 1 for n in times.values())
    split = sum(n > 1 for n in Counter(port for home in homes for port in home).values())
    idle = sum(not one for one in seen)
    rows = [("packets sent", len(expected), f"{flows} flows, {packets} questions and answers each")]
    for number, (one, home) in enumerate(zip(seen, homes, strict=True), 1):
        rows.append((f"seen in terminal {number}", len(one), f"{len(home)} flows"))
    rows.append(("lost", lost, ""))
    rows.append(("seen twice", twice, ""))
    rows.append(("flows in two terminals", split, "both directions stay together"))
    for name, number, remark in rows:
        print(f"   {name:<26}{number:>8}   {remark}".rstrip())
    return 1 if lost or twice or split or idle or times.keys() - expected else 0


def main(what: str, *arguments: str) -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    if what == "serve":
        serve()
    elif what == "talk":
        talk(*map(int, arguments))
    elif what == "farewell":
        farewell(list(arguments))
    else:
        return count(int(arguments[0]), int(arguments[1]), list(arguments[2:]))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except OSError as error:  # such as: the server has ended
        sys.exit(f"traffic.py: {error}")
