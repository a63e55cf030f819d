# SPDX-License-Identifier: BSD-3-Clause
"""How groups of programs that share a link are measured: what steering costs the kernel, how evenly it
spreads, how much more two programs do than one, and how long a computation takes to be compiled. As in
measure.py, nothing here knows of rounds, goals or tables.

Each arrangement has a lane of its own: a namespace with one device. All are open at the same time, and
one sender gives each the same packets in turn.
"""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import Child, LabError
from measure import (
    FILL_TIMEOUT_MS,
    MIB,
    SETTLE_S,
    WARM_S,
    Bench,
    Numbers,
    PerSide,
    Side,
    stop_reader,
)

NONE = "none"  # the lane without a socket
HASH = "hash"  # the lane of PACKET_FANOUT_HASH without a library
GROUP = "group"  # the lane of PACKET_FANOUT_HASH by afpacket:
BATCH = 50
# A member's ring: what is measured fits in it, so that nobody has to read, and its blocks do not run
# out either by being retired half empty.
BUFFER = 16 * MIB
RETIRE_MS = 500
COMPUTATION = "ip >-> steer_flow"  # the session at the top of README.md


@dataclass(frozen=True)
class Member:
    """A program that shares a lane's packets with others: a reader, how it is started."""

    lane: str
    preload: str | None
    words: tuple[str, ...]
    env: dict[str, str]

    @contextlib.contextmanager
    def listening(self, bench: Bench, cpu: int | None = None, **options: Any) -> Iterator[Child]:
        argv = [os.path.join(bench.programs, "reader"), *self.words]
        argv += [f"{key}={value}" for key, value in options.items()]
        lane = bench.lab.lane(self.lane)
        with bench.lab.child(lane, argv, self.preload, self.env, cpu) as child:
            child.expect("started")
            child.go()
            child.expect("ready")
            yield child


def member_of_ours(side: Side) -> Member:
    env = {"PFQ_GROUP": "42", "PFQ_COMPUTATION": COMPUTATION}
    return Member(side.name, side.preload, ("dev=pfq:eth0",), env)


def member_of_kernel_group(side: Side) -> Member:
    """With our library, and nothing between it and the kernel's own hash."""
    return Member(GROUP, side.preload, ("dev=afpacket:eth0?fanout=hash,group=7",), {})


def _members(side: Side, n: int) -> list[Member]:
    """n programs that share by flow, both directions in one: of ours in a group; of stock with a filter
    each, as users write them."""
    if side.preload:
        return [member_of_ours(side)] * n
    shares = ["ip"]
    if n > 1:
        shares = [f"ip and (ip[15] + ip[19] + udp[1] + udp[3]) % {n} = {i}" for i in range(n)]
    return [Member(side.name, None, ("dev=eth0", f"filter={share}"), {}) for share in shares]


def _arrangements(sides: Sequence[Side], n: int) -> list[Member]:
    found = [member for side in sides for member in _members(side, n)]
    for side in sides:
        if side.preload:
            found += [member_of_kernel_group(side)] * n
    return found


@contextlib.contextmanager
def bursts(bench: Bench, lanes: Sequence[str], **options: int) -> Iterator[Child]:
    argv = [os.path.join(bench.programs, "bursts"), *(f"dev={lane}" for lane in lanes)]
    argv += [f"{key}={value}" for key, value in options.items()]
    with bench.lab.child("tx", argv) as child:
        child.expect("ready")
        yield child


def _held(bench: Bench, sides: Sequence[Side], n: int, **options: int) -> tuple[Any, Any]:
    """Gives the same packets to n members of each side and of groups of PACKET_FANOUT_HASH. Nobody
    reads meanwhile. The ns of each lane's bursts, and how many packets each member then holds."""
    ring: dict[str, Any] = {"mode": "held", "buffer": BUFFER, "timeout": RETIRE_MS}
    members: dict[str, list[Child]] = {}
    with contextlib.ExitStack() as stack:
        for member in _arrangements(sides, n):
            # A program's own timeout is cut where packets are shared, a person's is not.
            member.env["PCAP_ACCEL_TIMEOUT"] = f"{RETIRE_MS}ms"
            child = stack.enter_context(member.listening(bench, **ring))
            members.setdefault(member.lane, []).append(child)
        script = os.path.join(os.path.dirname(__file__), "fanout_hash.py")
        argv = [sys.executable, script, str(n), str(BUFFER), str(RETIRE_MS)]
        kernel = stack.enter_context(bench.lab.child(bench.lab.lane(HASH), argv))
        kernel.expect("ready")
        lanes = [bench.lab.lane(NONE), HASH, *members]
        time.sleep(WARM_S)
        sender = stack.enter_context(bursts(bench, lanes, batch=BATCH, **options))
        sender.go()
        sent = sender.result()
        time.sleep(RETIRE_MS / 1000 + SETTLE_S)
        kernel.go()
        held: dict[str, list[int]] = {HASH: kernel.result()}  # type: ignore[dict-item]
        for name, children in members.items():
            for child in children:
                child.go()
            held[name] = [child.result()["packets"] for child in children]
    for name, packets in held.items():
        if sum(packets) != sent["sent"]:
            raise LabError(f"{name}: {sum(packets)} of {sent['sent']} packets with {n} members")
    return dict(zip(lanes, sent["ns"], strict=True)), held


def _beside(lanes: dict[str, float], key: str) -> PerSide:
    """Ours beside stock, and beside the other arrangements in stock's place."""
    pairs = {key: "stock", HASH: HASH, GROUP: GROUP}
    there = {name: lane for name, lane in pairs.items() if lane in lanes}
    return {
        "stock": {name: lanes[lane] for name, lane in there.items()},
        "ours": dict.fromkeys(there, lanes["ours"]),
    }


def steer(bench: Bench, sides: Sequence[Side], n: int) -> PerSide:
    """The sender's time a packet, softirq included, above that of the lane without a socket. Of a
    lane's bursts the fastest tenth counts: a machine that is shared has slower and faster moments, and
    what disturbs a burst makes it longer, never shorter."""
    rounds = 200 if bench.quick else 400
    ns, _ = _held(bench, sides, n, rounds=rounds, warm=50)
    fast = {lane: statistics.quantiles(times, n=10)[0] / BATCH for lane, times in ns.items()}
    extra = {lane: time - fast[NONE] for lane, time in fast.items()}
    return _beside(extra, "extra")


def balance(bench: Bench, sides: Sequence[Side], n: int, flows: int) -> PerSide:
    """Of `flows` random flows, how many more than the mean the fullest member has: of three seeds
    the worst."""
    worst: dict[str, float] = {}
    for seed in (1, 2, 3):
        _, held = _held(bench, sides, n, rounds=flows // BATCH, flows=flows, seed=seed)
        for name, packets in held.items():
            worst[name] = max(worst.get(name, 0), max(packets) * n / sum(packets))
    return _beside(worst, "worst")


# ---- programs with much to do ----

WINDOW_S = 1.0
WORKERS = 2  # one on each of two CPUs
SUSTAINED = 0.85  # of what the workers do when nobody sends: the sender has the same two CPUs
FLOWS = 10_000


def _numbers(result: dict[str, Any]) -> int:
    """The numbers of the packets that a worker has seen, as bits."""
    return int(result["seen"] or "0", 16)


def _throughput(bench: Bench, side: Side, n: int) -> tuple[float, float]:
    """Packets a second of n workers that have enough to do, each on its own CPU; and a second of their
    CPU time, which on a busy machine is less than what the clock says."""
    cpus = (bench.lab.reader_cpu, bench.lab.sender_cpu)
    ring: dict[str, Any] = {"buffer": 32 * MIB, "timeout": FILL_TIMEOUT_MS}
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(member.listening(bench, cpu, mode="work", **ring))
            for member, cpu in zip(_members(side, n), cpus, strict=False)
        ]
        time.sleep(WARM_S)
        # 20 us each: more than a second has, with some to spare where one has more flows.
        sender = stack.enter_context(
            bursts(bench, [side.name], batch=BATCH, rounds=60_000 * n // BATCH, flows=FLOWS)
        )
        sender.go()
        sender.result()
        time.sleep(SETTLE_S)
        for worker in workers:
            worker.go()
        time.sleep(WINDOW_S)
        results = [stop_reader(worker) for worker in workers]
    packets = [_numbers(result).bit_count() for result in results]
    per_wall = sum(n * 1e9 / r["wall_ns"] for n, r in zip(packets, results, strict=True))
    per_cpu = sum(n * 1e9 / r["cpu_ns"] for n, r in zip(packets, results, strict=True))
    return per_wall, per_cpu


def _sustain(bench: Bench, side: Side, rate: float) -> Numbers:
    """The workers with the sender beside them, at this rate, and everything at its default."""
    cpus = (bench.lab.reader_cpu, bench.lab.sender_cpu)
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(member.listening(bench, cpu, mode="work", timeout=10))
            for member, cpu in zip(_members(side, WORKERS), cpus, strict=True)
        ]
        time.sleep(WARM_S)
        before = bench.lab.backlog_drops("eth0", side.name)
        every_us, rounds = 1000, 1000
        batch = round(rate * every_us / 1e6)
        sender = stack.enter_context(
            bursts(bench, [side.name], every=every_us, batch=batch, rounds=rounds, flows=FLOWS)
        )
        for worker in workers:
            worker.go()
        sender.go()
        sent = sender.result()["sent"]
        time.sleep(1.0)  # for what is still in the rings
        results = [stop_reader(worker) for worker in workers]
        early = bench.lab.backlog_drops("eth0", side.name) - before
    first, second = map(_numbers, results)
    twice = (first & second).bit_count() + sum(result["twice"] for result in results)
    return {"lost": sent - (first | second).bit_count() - early, "twice": twice, "early": early}


def scale(bench: Bench, side: Side) -> Numbers:
    """What two programs with 20 us of CPU time to spend on each packet do, of what one does."""
    bench.lab.lane(side.name)
    (one, one_cpu), (two, two_cpu) = (_throughput(bench, side, n) for n in (1, WORKERS))
    rate = SUSTAINED * two
    found = {"one": one / 1e3, "two": two / 1e3, "times": two / one, "rate": rate / 1e3}
    return {**found, "alone": two_cpu / one_cpu, **_sustain(bench, side, rate)}


# ---- computations ----

CONF = Path(__file__).resolve().parents[2] / "conf"
COMPILED = 1000  # times each


def _computations() -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in sorted(CONF.glob("*.conf"))]
    return re.findall(r"^computation *= *(.*)$", "\n".join(texts), re.MULTILINE)


def compile_longest(bench: Bench, sides: Sequence[Side]) -> PerSide:
    """From text to programs, of those in conf/ the one that takes longest: its median."""
    ours = next((side for side in sides if side.preload), None)
    if ours is None:
        return {}
    argv = [os.path.join(bench.programs, "compile_times"), str(COMPILED)]
    with bench.lab.child("rx", argv, ours.preload) as child:
        assert child.process.stdin is not None
        child.process.stdin.write("".join(f"{text}\n" for text in _computations()).encode())
        child.process.stdin.close()
        found = [child.result() for _ in _computations()]
    longest = max(found, key=lambda one: float(one["ms"]))
    return {"ours": {"ms": longest["ms"], "instr": longest["instructions"], "n": len(found)}}
