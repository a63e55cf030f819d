# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: one Case each measurement, one Row each line of the table. Policy only.

To add a figure, write a function in measure.py and a Case here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import groups
import measure
import members
import xdp
from measure import Bench, Numbers, PerSide, Side

TWO = "two devices (one handle of ours, two of stock)"
ABOVE = "ns/packet above no socket"


@dataclass(frozen=True)
class Row:
    """A line of the table: which number of the case, and what it should be.

    `goal` is a bound of `of`: the ratio ours/stock, or ours alone. None is for information.
    """

    key: str
    what: str
    unit: str
    goal: float | None = None
    of: str = "ratio"
    at_least: bool = False


@dataclass(frozen=True)
class Case:
    """A measurement of both sides, in the order in which they are given."""

    name: str
    measure: Callable[[Bench, Sequence[Side]], PerSide]
    rows: tuple[Row, ...]
    most_rounds: int = 99
    rounds: int = 5


def _in_turn(alone: Callable[[Bench, Side], Numbers]) -> Callable[[Bench, Sequence[Side]], PerSide]:
    return lambda bench, sides: {side.name: alone(bench, side) for side in sides}


def _drain(name: str, mode: str, size: int, what: str, goal: float | None = None) -> Case:
    row = Row("ns", f"full ring, {what}, {size} B", "ns CPU/packet", goal)
    return Case(name, lambda b, sides: measure.drain(b, sides, mode, size), (row,))


def _instructions(name: str, mode: str, what: str, goal: float | None = None) -> Case:
    row = Row("instr", f"{what}, 60 B", "instructions/packet", goal, of="ours")
    return Case(name, _in_turn(lambda b, s: measure.instructions(b, s, mode)), (row,), 3)


def _tcpdump(name: str, null: bool, what: str) -> Case:
    row = Row("instr", f"tcpdump -w {what}, 60 B", "instructions/packet", 0.6)
    return Case(name, _in_turn(lambda b, s: measure.tcpdump_instructions(b, s, null)), (row,), 2)


def _tcpdump_time(name: str, null: bool, what: str) -> Case:
    row = Row("ns", f"tcpdump -w {what}, 60 B", "ns CPU/packet")
    return Case(name, _in_turn(lambda b, s: measure.tcpdump_time(b, s, null)), (row,))


def _immediate(name: str, mode: str, what: str, goal: float | None, one_cpu: bool = False) -> Case:
    rows = (
        Row("lost", f"immediate, 0.4 Mpps, {what}: lost", "%", goal, of="ours"),
        Row("early", "  dropped before any capture saw them", "%"),
        Row("mpps", "  rate that the sender reached", "Mpps"),
        Row("reader", "  reader", "ns CPU/packet"),
    )
    return Case(name, _in_turn(lambda b, s: measure.immediate_loss(b, s, mode, one_cpu)), rows)


def _held(name: str, what: str, goal: float | None, **options: Any) -> Case:
    row = Row("packets", f"snaplen 96, 2 MiB ring, {what}: held", "packets", goal, at_least=True)
    return Case(name, _in_turn(lambda b, s: measure.held(b, s, **options)), (row,), 3)


def _latency(name: str, timeout: int, immediate: int = 0, goal: float | None = None) -> Case:
    what = f"immediate, timeout {timeout}" if immediate else f"timeout {timeout}"
    rows = (
        Row("max", f"{what}, a packet each 20 ms: latest", "ms", goal, of="ours"),
        Row("p50", "  median", "ms"),
    )
    return Case(name, _in_turn(lambda b, s: measure.latency(b, s, timeout, immediate)), rows, 2)


def _one_handle(bench: Bench, side: Side, size: int) -> Numbers:
    return measure.sender_cost(bench, size, side, [side.device("eth0")])


def _two_readers(bench: Bench, side: Side) -> Numbers:
    device = side.device("eth0", options="fanout=hash,group=7")
    return measure.sender_cost(bench, 60, side, [device, device])


def _sender(name: str, size: int) -> Case:
    row = Row("ns", f"sender and softirq, one handle, {size} B", "ns CPU/packet")
    return Case(name, _in_turn(lambda b, s: _one_handle(b, s, size)), (row,))


def _no_handle(name: str, size: int) -> Case:
    row = Row("ns", f"sender and softirq, no handle, {size} B", "ns CPU/packet")
    return Case(name, _in_turn(lambda b, _: measure.sender_cost(b, size, None, [])), (row,))


def _steer(n: int) -> Case:
    """In the last two rows the kernel's own group stands in the stock column."""
    members = f"{n} members" if n > 1 else "1 member"
    goal = 0.5 if n == 8 else None
    rows = (
        Row("extra", f"{members} steering (stock: a hash filter each)", ABOVE, goal),
        Row("group", "  stock: afpacket:eth0?fanout=hash", ABOVE, 1.1),
        Row("hash", "  stock: PACKET_FANOUT_HASH without a library", ABOVE, 1.1),
    )
    return Case(f"steer-{n}", lambda b, sides: groups.steer(b, sides, n), rows)


def _xdp(name: str, measure_side: Callable[[Bench, Side], Numbers], *rows: Row) -> Case:
    return Case(f"xdp-{name}", _in_turn(measure_side), rows, rounds=9)


def _rate_rows(what: str, goal: float | None) -> tuple[Row, ...]:
    return (
        Row("mpps", f"xdp: {what}", "Mpps", goal, at_least=True),
        Row("sent", "  sent", "Mpps"),
        Row("reader", "  reader", "ns CPU/packet"),
    )


def _xdp_rate(name: str, what: str, goal: float | None, place: xdp.Place, **how: Any) -> Case:
    return _xdp(name, lambda b, s: xdp.rate(b, s, place, **how), *_rate_rows(what, goal))


def _xdp_whole(name: str, what: str, goal: float, place: xdp.Place, attach: str) -> Case:
    rows = (
        *_rate_rows(what, goal),
        Row("bare", "  a bare AF_XDP socket in ours' place", "Mpps"),
        Row("drop", "  XDP_DROP in ours' place", "Mpps"),
    )
    return _xdp(name, lambda b, s: xdp.rate_and_ceiling(b, s, place, attach), *rows)


def _xdp_lost(name: str, what: str, measure_side: Callable[[Bench, Side], Numbers]) -> Case:
    rows = (
        Row("lost", f"xdp: {what}: lost", "packets", 0, "ours"),
        Row("percent", "  of those sent", "%"),
        Row("twice", "  twice", "packets", 0, "ours"),
        Row("early", "  lost before the interface", "packets"),
        Row("mpps", "  sent", "Mpps"),
        Row("changes", "  changes", ""),
    )
    return _xdp(name, measure_side, *rows)


ONE, TWO_CPUS = xdp.ONE_CORE, xdp.TWO_CORES
REJECT = {"options": "rest=drop", "share": xdp.EVERY}
XDP: tuple[Case, ...] = (
    _xdp_whole("native", "driver-like, one core, native", 3.5, ONE, "native"),
    _xdp_whole("generic", "driver-like, one core, generic", 1.2, ONE, "generic"),
    _xdp_whole("two", "driver-like, reader on its own core", 2.7, TWO_CPUS, "native"),
    _xdp_whole("sockets", "ordinary sockets, native", 1.25, xdp.ORDINARY, "native"),
    _xdp_rate("reject", "99 % rejected, rest=drop, one core", 4, ONE, **REJECT),
    _xdp_rate("reject-two", "99 % rejected, rest=drop, two cores", 4, TWO_CPUS, **REJECT),
    _xdp_rate("pass-two", "99 % rejected, two cores", None, TWO_CPUS, share=xdp.EVERY),
    _xdp_rate("tap", "tap, one core", 1, ONE, options="tap=yes"),
    _xdp_rate("tap-two", "tap, two cores", 1, TWO_CPUS, options="tap=yes"),
    _xdp_lost("stall", "1 Mpps, reader stalls 10 ms in every loop", xdp.stalled),
    _xdp_lost("change", "500 filter changes at 40 kpps", xdp.changed),
    _xdp(
        "filter",
        xdp.filter_cost,
        Row("one", "xdp: a frame that 'ether[0] = 1' rejects", "ns"),
        Row("udp", "  that 'udp port 7777' rejects", "ns"),
        Row("seven", "  that a filter of seven terms rejects", "ns"),
    ),
    _xdp(
        "stream",
        xdp.stream,
        Row("alone", "xdp: a TCP stream without a capture", "Gbit/s"),
        Row("beside", "  beside one that does not match it, native", "Gbit/s"),
        Row("generic", "  the same, generic", "Gbit/s"),
    ),
)

CASES: tuple[Case, ...] = (
    _instructions("instr-loop", "loop", "pcap_loop, empty callback", 60),
    _instructions("instr-dispatch", "dispatch", "pcap_dispatch(-1)"),
    _instructions("instr-single", "single", "pcap_dispatch(1)"),
    _instructions("instr-next", "next", "pcap_next_ex"),
    Case(
        "instr-two",
        _in_turn(lambda b, s: measure.instructions(b, s, "dispatch", ("eth0", "eth1"))),
        (Row("instr", f"{TWO}, 60 B", "instructions/packet"),),
        most_rounds=3,
    ),
    _drain("drain-60", "dispatch", 60, "pcap_dispatch(-1)", 0.75),
    _drain("drain-1500", "dispatch", 1500, "pcap_dispatch(-1)"),
    _drain("next-60", "next", 60, "pcap_next_ex", 0.65),
    _drain("next-1500", "next", 1500, "pcap_next_ex", 0.6),
    _drain("single-60", "single", 60, "pcap_dispatch(1)"),
    Case(
        "drain-warm",
        lambda b, sides: measure.drain(b, sides, "dispatch", 60, cold=False),
        (Row("ns", "100,000 in the ring, caches warm, 60 B", "ns CPU/packet"),),
    ),
    Case("drain-two", measure.drain_two, (Row("ns", f"full rings, {TWO}, 60 B", "ns CPU/packet"),)),
    _tcpdump("tcpdump-null", True, "/dev/null"),
    _tcpdump("tcpdump-tmpfs", False, "to tmpfs"),
    _tcpdump_time("tcpdump-time", True, "/dev/null"),
    _tcpdump_time("tcpdump-time-tmpfs", False, "to tmpfs"),
    _immediate("immediate-next", "next", "pcap_next_ex", 0),
    _immediate("immediate-dispatch", "dispatch", "pcap_dispatch(-1)", 0),
    _immediate("immediate-one-cpu", "next", "next_ex on the sender's CPU", 0, one_cpu=True),
    Case(
        "burst",
        _in_turn(measure.burst_loss),
        (
            Row("lost", "30,000 of 1500 B, reader sleeps 100 ms: lost", "packets", 0, "ours"),
            Row("early", "  dropped before any capture saw them", "packets"),
            Row("burst_ms", "  the burst took", "ms"),
        ),
    ),
    _held("header", "1500 B, no filter call", 8),
    _held("header-filter", "1500 B, empty filter set", None, filter=""),
    _held("header-udp", "1500 B, filter 'udp' set", None, filter="udp"),
    _latency("latency-0", 0, goal=10),
    _latency("latency-1", 1),
    _latency("latency-10", 10),
    _latency("latency-100", 100),
    _latency("latency-1000", 1000),
    _latency("latency-immediate", 1000, immediate=1),
    Case(
        "memory",
        _in_turn(measure.memory),
        (
            Row("rss", "idle handle beyond its ring: resident", "KiB", 1024, "ours"),
            Row("dirty", "  of it private and written to", "KiB"),
            Row("second", "  the next handle of the same process", "KiB", 1024, "ours"),
            Row("process", "  the whole process beside the ring", "KiB"),
            Row("ring", "  its ring", "KiB"),
        ),
        most_rounds=3,
    ),
    _no_handle("sender-none-60", 60),
    _sender("sender-60", 60),
    _no_handle("sender-none-1500", 1500),
    _sender("sender-1500", 1500),
    Case(
        "sender-two",
        _in_turn(_two_readers),
        (
            Row("ns", "sender and softirq, fanout of 2 (stock: 2 handles)", "ns CPU/packet"),
            Row("copies", "  packets seen by both, of those sent", "copies"),
        ),
    ),
    *(_steer(n) for n in (1, 2, 4, 8, 16)),
    Case(
        "balance",
        lambda b, sides: groups.balance(b, sides, 8, 10_000),
        (
            Row("worst", "10,000 flows on 8 members: the fullest", "of the mean", 1.1, "ours"),
            Row("hash", "  stock: PACKET_FANOUT_HASH", "of the mean"),
        ),
        most_rounds=1,
    ),
    Case(
        "scale",
        _in_turn(groups.scale),
        (
            Row("times", "20 us of work a packet: 2 members do, of 1", "times", 1.8, "ours", True),
            Row("alone", "  the same by the CPU time that they were given", "times"),
            Row("one", "  1 member", "packets/ms"),
            Row("two", "  2 members, on the two CPUs", "packets/ms"),
            Row("rate", "  with a sender beside them at", "packets/ms"),
            Row("lost", "    lost", "packets", 0, "ours"),
            Row("twice", "    twice", "packets", 0, "ours"),
            Row("early", "    dropped before any capture saw them", "packets"),
        ),
        most_rounds=3,
    ),
    Case(
        "join",
        members.join,
        (
            Row("lost", "tcpdumps, 20 packets/ms, 8 join a group: lost", "packets each", 1, "ours"),
            Row("twice", "  twice", "packets each", 0, "ours"),
            Row("early", "  dropped before any capture saw them", "packets"),
        ),
        most_rounds=3,
    ),
    Case(
        "leave",
        members.leave,
        (
            Row("lost", "tcpdumps, 20 packets/ms, 8 of 9 leave: lost", "packets each", 1.1),
            Row("twice", "  twice", "packets each", 0, "ours"),
            Row("early", "  dropped before any capture saw them", "packets"),
            Row("killed_lost", "  8 of 9 are killed: lost", "packets each", 1.1),
            Row("killed_twice", "    twice", "packets each", 0, "ours"),
            Row("killed_early", "    dropped before any capture saw them", "packets"),
        ),
        most_rounds=3,
    ),
    Case(
        "compile",
        groups.compile_longest,
        (
            Row("ms", "the computation in conf/ that takes longest to compile", "ms", 5, "ours"),
            Row("instr", "  instructions of all its programs", "instructions"),
            Row("n", "  of so many computations", "computations"),
        ),
    ),
    *XDP,
)
