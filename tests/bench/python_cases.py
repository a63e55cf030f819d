# SPDX-License-Identifier: BSD-3-Clause
"""What is measured in Python: one PythonCase each line of the table. Policy only.

To add a figure, write how it reads in python_reader.py and a PythonCase here.
"""

from __future__ import annotations

from dataclasses import dataclass

OURS = "pypcapaccel"
PLAIN = "  without _speedups"
C = "C, the system's libpcap"

# What pip installs of those that we are compared with, and what our own package and its rows need.
PEERS = {
    "pcapy-ng": "pcapy-ng==2.1.0",
    "pypcap": "pypcap==1.3.0",
    "cypcap": "cypcap==0.6.3",
    "scapy": "scapy==2.8.0",
}
OTHER_NEEDS = ("numpy", "cffi", "pyyaml")


@dataclass(frozen=True)
class Traffic:
    """Where the packets come from, and so what is counted of them."""

    name: str
    unit: str
    is_rate: bool  # more is better
    rounds: int | None = None  # None: as many as are asked for
    packet_len: int = 60  # bytes


FILE = Traffic("file", "Mpps of CPU time", is_rate=True)
LIVE = Traffic("live", "ns CPU/packet", is_rate=False)
LONG = Traffic("live-1500", "ns CPU/packet", is_rate=False, packet_len=1500)
BUSY = Traffic("busy", "Mpps", is_rate=True, rounds=10)


@dataclass(frozen=True)
class PythonCase:
    """A way of reading packets, and what it should be.

    `how` is a name of python_reader.HOW, or for C a mode of savefile.c. `goal` bounds the ratio to the
    case `beside`, or with of="worst" the worst round: rates are to be at least that, costs at most.
    None is for information. `count` packets are read, None: as many as the traffic has; live at `rate` a
    second.
    """

    name: str
    library: str
    how: str
    what: str
    traffic: Traffic
    beside: str | None = None
    goal: float | None = None
    of: str = "ratio"
    count: int | None = None
    rate: int = 100_000


def _peer(how: str, what: str, traffic: Traffic, beside: str | None = None) -> PythonCase:
    return PythonCase(f"{traffic.name}.{how}", how.partition(".")[0], how, what, traffic, beside)


def _ours(
    how: str, what: str, traffic: Traffic, beside: str, goal: float | None = None
) -> PythonCase:
    name = f"{traffic.name}.{how}"
    return PythonCase(name, OURS, how, what, traffic, f"{traffic.name}.{beside}", goal)


def _plain(
    how: str, what: str, beside: str, goal: float | None = None, count: int | None = None
) -> PythonCase:
    name = f"file.plain.{how.partition('.')[2]}"
    return PythonCase(name, PLAIN, how, what, FILE, f"file.{beside}", goal, count=count)


def _busy(how: str, library: str, goal: float | None = None) -> PythonCase:
    what = "loop beside a thread that computes"
    return PythonCase(f"busy.{how}", library, how, what, BUSY, None, goal, of="worst")


def _scapy(how: str, what: str, traffic: Traffic, count: int | None, beside: str) -> PythonCase:
    name, beside = f"{traffic.name}.{how}", f"{traffic.name}.{beside}"
    return PythonCase(name, "scapy", how, what, traffic, beside, count=count, rate=500)


_LOOP = "file.pcapy-ng.loop"

CASES: tuple[PythonCase, ...] = (
    PythonCase("file.c.loop", C, "loop", "pcap_loop", FILE),
    PythonCase("file.c.next", C, "next", "pcap_next_ex", FILE),
    _peer("pcapy-ng.loop", "loop, empty callback", FILE),
    _ours("ours.loop", "loop, empty callback", FILE, "pcapy-ng.loop", 1.3),
    _plain("ours.loop", "loop, empty callback", "pcapy-ng.loop", 0.4),
    _peer("cypcap.loop", "loop, empty callback", FILE, _LOOP),
    _peer("pcapy-ng.header", "loop, getcaplen() and getts()", FILE),
    _ours("ours.header", "loop, getcaplen() and getts()", FILE, "pcapy-ng.header", 2.5),
    _plain("ours.header", "loop, getcaplen() and getts()", "pcapy-ng.header"),
    _peer("pcapy-ng.next", "next", FILE),
    _ours("ours.next", "next", FILE, "pcapy-ng.next", 1.2),
    _plain("ours.next", "next", "pcapy-ng.next", count=100_000),
    _peer("pypcap.iterate", "for ts, data in pcap", FILE, "file.pcapy-ng.next"),
    _peer("cypcap.iterate", "for header, data in pcap", FILE, "file.pcapy-ng.next"),
    _scapy("scapy.raw", "for data, meta in RawPcapReader", FILE, 200_000, "pcapy-ng.next"),
    _scapy("scapy.sniff", "sniff(store=False)", FILE, 5_000, "pcapy-ng.next"),
    _peer("pcapy-ng.slices", "next_batch, a slice each", FILE),
    _peer("pcapy-ng.list", "next_batch, (ts_ns, slice) each", FILE, "file.pcapy-ng.slices"),
    _ours("ours.list", "batches, tolist: (ts_ns, bytes) each", FILE, "pcapy-ng.slices", 1.6),
    _plain("ours.list", "batches, tolist: (ts_ns, bytes) each", "pcapy-ng.slices"),
    _peer("pcapy-ng.batch", "next_batch, no look at packets", FILE),
    _ours("ours.next_batch", "next_batch, no look at packets", FILE, "pcapy-ng.batch"),
    _ours("ours.batches", "batches, no look at packets", FILE, "pcapy-ng.batch", 0.9),
    _ours("ours.array", "batches, NumPy adds the lengths", FILE, "pcapy-ng.batch"),
    _ours("ours.packets", "for packet in capture", FILE, "pcapy-ng.next"),
    _peer("pcapy-ng.batch", "next_batch(4096)", LIVE),
    _ours("ours.batches", "batches(4096)", LIVE, "pcapy-ng.batch", 0.5),
    _ours("ours.next_batch", "next_batch(4096)", LIVE, "pcapy-ng.batch"),
    _ours("ours.array", "batches(4096), NumPy adds the lengths", LIVE, "pcapy-ng.batch"),
    _peer("pcapy-ng.loop", "loop, empty callback", LIVE),
    _ours("ours.loop", "loop, empty callback", LIVE, "pcapy-ng.loop"),
    _peer("cypcap.loop", "loop, empty callback", LIVE, "live.pcapy-ng.loop"),
    _peer("pcapy-ng.next", "next", LIVE),
    _ours("ours.next", "next", LIVE, "pcapy-ng.next"),
    _peer("pypcap.iterate", "for ts, data in pcap", LIVE, "live.pcapy-ng.next"),
    _scapy("scapy.sniff", "sniff(store=False)", LIVE, 1_000, "pcapy-ng.next"),
    _peer("pcapy-ng.batch", "next_batch(4096), 1500 B", LONG),
    _ours("ours.batches", "batches(4096), 1500 B", LONG, "pcapy-ng.batch", 0.5),
    _ours("ours.next_batch", "next_batch(4096), 1500 B", LONG, "pcapy-ng.batch"),
    _busy("pcapy-ng.loop", "pcapy-ng"),
    _busy("ours.loop", OURS, 1.0),
    _busy("cypcap.loop", "cypcap"),
)
