# SPDX-License-Identifier: BSD-3-Clause
"""How each thing is measured, once, on one side: the system's libpcap or ours.

Every function takes a Bench and a Side and returns numbers; nothing here knows about rounds,
medians, goals or tables. A packet that never came has the latency `NEVER`.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lab import Child, Lab, LabError

NEVER = math.inf
MIB = 1 << 20
FILL_TIMEOUT_MS = 100
WARM_S = 0.1  # an engine may treat packets from just after the opening with more care
SETTLE_S = 0.3  # longer than FILL_TIMEOUT_MS: the last block of a filled ring has been retired

Numbers = dict[str, float]
PerSide = dict[str, Numbers]
Options = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """One of the two libraries: what to preload, and how it names a device."""

    name: str
    preload: str | None
    engine: str

    def device(self, *links: str, options: str = "") -> str:
        if not self.engine:
            return links[0]
        return f"{self.engine}:{':'.join(links)}" + (f"?{options}" if options else "")

    def devices(self, *links: str) -> list[str]:
        """The names to open for all these links: one of ours, one each of the system's."""
        return [self.device(*links)] if self.engine else list(links)


@dataclass(frozen=True)
class Bench:
    """Where and with what: the namespaces, the two programs, and how long to look."""

    lab: Lab
    programs: str
    tmpfs: str
    quick: bool

    @contextlib.contextmanager
    def reader(
        self, side: Side, devices: list[str], wrap: tuple[str, ...] = (), **options: Any
    ) -> Iterator[Child]:
        """A reader that has printed "started"; open_reader brings it to "ready"."""
        argv = [*wrap, os.path.join(self.programs, "reader"), *(f"dev={d}" for d in devices)]
        argv += [f"{key}={value}" for key, value in options.items()]
        with self.lab.child("rx", argv, side.preload) as child:
            child.expect("started")
            yield child

    @contextlib.contextmanager
    def open_reader(
        self, side: Side, devices: list[str], wrap: tuple[str, ...] = (), **options: Any
    ) -> Iterator[Child]:
        with self.reader(side, devices, wrap, **options) as child:
            child.go()
            child.expect("ready")
            yield child

    @contextlib.contextmanager
    def sender(self, links: tuple[str, ...] = ("eth0",), **options: Any) -> Iterator[Child]:
        argv = [os.path.join(self.programs, "sender"), *(f"dev={link}" for link in links)]
        argv += [f"{key}={value}" for key, value in options.items()]
        with self.lab.child("tx", argv) as child:
            child.expect("ready")
            yield child

    def send(self, links: tuple[str, ...] = ("eth0",), **options: Any) -> dict[str, Any]:
        with self.sender(links, **options) as sender:
            sender.go()
            return sender.result()

    def fill(self, count: int, links: tuple[str, ...] = ("eth0",), **options: Any) -> None:
        """Puts count packets, and a few more, into the rings that listen, and lets them settle."""
        time.sleep(WARM_S)
        self.send(links, count=filled(count), **options)
        time.sleep(SETTLE_S)


def filled(count: int) -> int:
    """How many packets are sent where count will be read: a lost one must not starve the reader."""
    return count + count // 50 + 64


def stop_reader(reader: Child) -> dict[str, Any]:
    os.kill(reader.pid, signal.SIGUSR1)
    return reader.result()


# ---- reading a full ring ------------------------------------------------------------------------


def drain(bench: Bench, sides: Sequence[Side], mode: str, size: int, cold: bool = True) -> PerSide:
    """The reader's CPU time a packet. Both rings are filled by the same packets, then read in turn
    within milliseconds, so that the machine's moods meet both alike."""
    count = 1_000_000 if size <= 100 else 150_000
    if not cold:
        count = 100_000
    options: Options = {"mode": mode, "count": count, "cold": int(cold)}
    return _drain(bench, sides, ("eth0",), options, size)


def drain_two(bench: Bench, sides: Sequence[Side]) -> PerSide:
    """The same over two devices whose packets alternate one by one: merged by us, not by stock."""
    return _drain(
        bench, sides, ("eth0", "eth1"), {"mode": "dispatch", "count": 600_000, "cold": 1}, 60
    )


def _drain(
    bench: Bench, sides: Sequence[Side], links: tuple[str, ...], options: Options, size: int
) -> PerSide:
    count = options["count"]
    found = {}
    with contextlib.ExitStack() as stack:
        readers = {}
        for side in sides:
            devices = side.devices(*links)
            options["count"] = count // len(devices)
            options["buffer"] = 256 * MIB // len(devices)
            child = bench.open_reader(side, devices, timeout=FILL_TIMEOUT_MS, **options)
            readers[side.name] = stack.enter_context(child)
        bench.fill(count, links, size=size, batch=64 if len(links) == 1 else 1)
        for name, reader in readers.items():
            reader.go()
            result = reader.result()
            found[name] = {"ns": result["cpu_ns"] / result["packets"]}
    return found


# ---- instructions -------------------------------------------------------------------------------

FEW, MANY = 1_000, 11_000
INSTRUCTION_RING = 16 * MIB


def _callgrind(out: str) -> tuple[str, ...]:
    if not shutil.which("valgrind"):
        raise LabError("valgrind is not installed (apt-get install valgrind)")
    return ("valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}")


def _total(out: str) -> int:
    with open(out, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith(("summary:", "totals:")):
                return int(line.split()[1])
    raise LabError(f"{out}: callgrind wrote no total")


def _reader_instructions(
    bench: Bench, side: Side, count: int, links: tuple[str, ...], mode: str
) -> tuple[int, int]:
    """Instructions of a whole run, and the packets that it read."""
    out = os.path.join(bench.tmpfs, f"callgrind.{count}")
    devices = side.devices(*links)
    options: Options = {"mode": mode, "count": count // len(devices)}
    options |= {"buffer": INSTRUCTION_RING, "timeout": FILL_TIMEOUT_MS}
    with bench.open_reader(side, devices, _callgrind(out), **options) as reader:
        bench.fill(count, links, size=60, batch=64 if len(links) == 1 else 1)
        reader.go()
        packets = reader.result()["packets"]
        reader.finish()
    return _total(out), packets


def instructions(
    bench: Bench, side: Side, mode: str, links: tuple[str, ...] = ("eth0",)
) -> Numbers:
    """User-space instructions a packet: two runs of different length, so that start-up cancels."""
    few, few_packets = _reader_instructions(bench, side, FEW, links, mode)
    many, many_packets = _reader_instructions(bench, side, MANY, links, mode)
    return {"instr": (many - few) / (many_packets - few_packets)}


# ---- the real tcpdump ---------------------------------------------------------------------------


def await_listening(tcpdump: Child) -> None:
    end = time.monotonic() + 20
    while "listening on" not in tcpdump.stderr():
        if time.monotonic() > end or tcpdump.process.poll() is not None:
            raise tcpdump.complaint("did not start to listen")
        time.sleep(0.01)


@contextlib.contextmanager
def _tcpdump(
    bench: Bench, side: Side, file: str, count: int = 0, wrap: tuple[str, ...] = ()
) -> Iterator[Child]:
    """tcpdump -w, opened and then stopped, so that its ring can be filled before it reads."""
    if not shutil.which("tcpdump"):
        raise LabError("tcpdump is not installed (apt-get install tcpdump)")
    argv = [*wrap, "tcpdump", "-n", "-Z", "root", "-B", str(128 * 1024), "-w", file]
    argv += [*(["-c", str(count)] if count else []), "-i", side.device("eth0")]
    with bench.lab.child("rx", argv, side.preload) as child:
        await_listening(child)
        os.kill(child.pid, signal.SIGSTOP)
        yield child
        os.kill(child.pid, signal.SIGCONT)
        if not count:
            os.kill(child.pid, signal.SIGINT)
        child.finish()


def _tcpdump_fill(bench: Bench, count: int) -> None:
    bench.fill(count, size=60)
    time.sleep(1.0)  # tcpdump's own timeout is a second; only then is the last block the reader's


def _tcpdump_file(bench: Bench, null: bool) -> str:
    return "/dev/null" if null else os.path.join(bench.tmpfs, "written.pcap")


def tcpdump_instructions(bench: Bench, side: Side, null: bool = True) -> Numbers:
    out = os.path.join(bench.tmpfs, "callgrind.tcpdump")
    file = _tcpdump_file(bench, null)
    totals = []
    for count in (FEW, MANY):
        with _tcpdump(bench, side, file, count, _callgrind(out)):
            _tcpdump_fill(bench, MANY)
        totals.append(_total(out))
    return {"instr": (totals[1] - totals[0]) / (MANY - FEW)}


def _cpu_ns(pid: int) -> int:
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


def tcpdump_time(bench: Bench, side: Side, null: bool = True) -> Numbers:
    """CPU time a packet, user and system, of tcpdump -w from the full ring to idle."""
    count = 400_000
    with _tcpdump(bench, side, _tcpdump_file(bench, null)) as child:
        _tcpdump_fill(bench, count)
        before = _cpu_ns(child.pid)
        os.kill(child.pid, signal.SIGCONT)
        time.sleep(0.5)
        return {"ns": (_cpu_ns(child.pid) - before) / filled(count)}


# ---- bursts and losses --------------------------------------------------------------------------


def _lose(bench: Bench, reader: Child, sender: Child, linger: float) -> tuple[Numbers, ...]:
    """Sends while the reader reads. What the sender did, the reader did, and went lost: to the
    capture, and before it, in the backlog of a CPU that was busy elsewhere."""
    before = bench.lab.backlog_drops("eth0")
    reader.go()
    sender.go()
    sent = sender.result()
    time.sleep(linger)
    got = stop_reader(reader)
    early = bench.lab.backlog_drops("eth0") - before
    return sent, got, {"lost": sent["sent"] - got["packets"] - early, "early": early}


def immediate_loss(bench: Bench, side: Side, mode: str, one_cpu: bool = False) -> Numbers:
    """Lost packets, in percent, of a second at 0.4 Mpps, in immediate mode, with defaults."""
    rate = 400_000
    count = rate // 2 if bench.quick else rate
    options: Options = {"mode": mode, "immediate": 1, "timeout": 10}
    with contextlib.ExitStack() as stack:
        if one_cpu:
            stack.enter_context(bench.lab.on_one_cpu())
        device = side.device("eth0")
        reader = stack.enter_context(bench.open_reader(side, [device], **options))
        sender = stack.enter_context(bench.sender(count=count, size=60, rate=rate, batch=16))
        sent, got, losses = _lose(bench, reader, sender, SETTLE_S)
    return {
        "lost": 100.0 * losses["lost"] / count,
        "early": 100.0 * losses["early"] / count,
        "mpps": count * 1e3 / sent["wall_ns"],
        "reader": got["cpu_ns"] / max(got["packets"], 1),
    }


def burst_loss(bench: Bench, side: Side) -> Numbers:
    """30,000 frames of 1500 B at full speed while the reader sleeps 100 ms; all defaults."""
    with (
        bench.open_reader(side, [side.device("eth0")], mode="dispatch", sleep=100) as reader,
        bench.sender(count=30_000, size=1500) as sender,
    ):
        # The default timeout of the reader is a second.
        sent, _, losses = _lose(bench, reader, sender, 1.0 + SETTLE_S)
    return {**losses, "burst_ms": sent["wall_ns"] / 1e6}


def held(bench: Bench, side: Side, **options: Any) -> Numbers:
    """How many 1500 B frames a ring of 2 MiB holds when nobody reads, snaplen 96."""
    options = {"mode": "held", "snaplen": 96, "buffer": 2 * MIB, **options}
    with bench.open_reader(
        side, [side.device("eth0")], timeout=FILL_TIMEOUT_MS, **options
    ) as reader:
        bench.fill(30_000, size=1500)
        reader.go()
        return {"packets": reader.result()["packets"]}


# ---- latency ------------------------------------------------------------------------------------


def latency(bench: Bench, side: Side, timeout: int, immediate: int = 0) -> Numbers:
    """How late a packet every 20 ms is delivered, in ms; NEVER if not while we looked."""
    count = 50 if bench.quick else 100
    options: Options = {"mode": "latency", "timeout": timeout, "immediate": immediate}
    with bench.open_reader(side, [side.device("eth0")], **options) as reader:
        reader.go()
        time.sleep(0.05)
        bench.send(count=count, size=60, rate=50, batch=1)
        time.sleep(SETTLE_S + max(timeout, 200) / 1000)
        got = stop_reader(reader)
    times = sorted(ns / 1e6 for ns in got["latency_ns"])
    times += [NEVER] * (count - len(times))
    return {"p50": times[len(times) // 2], "max": times[-1]}


# ---- memory -------------------------------------------------------------------------------------


def _resident(pid: int, rings: int) -> tuple[int, int, int]:
    """Resident KiB of a process beside its `rings` largest packet rings; of them private and
    dirty; and of those rings."""
    rss = dirty = 0
    sockets: list[int] = []
    is_ring = False
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as lines:
        for line in lines:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                is_ring = "socket:[" in line
            elif line.startswith("Rss:") and is_ring:
                sockets.append(int(line.split()[1]))
            elif line.startswith("Rss:"):
                rss += int(line.split()[1])
            elif line.startswith("Private_Dirty:") and not is_ring:
                dirty += int(line.split()[1])
    sockets.sort(reverse=True)
    return rss + sum(sockets[rings:]), dirty, sum(sockets[:rings])


def _idle_handles(bench: Bench, side: Side, n: int) -> tuple[Numbers, int]:
    """What n handles leave resident, and what the whole process then has beside their rings."""
    with bench.reader(side, [side.device("eth0")] * n, mode="dispatch") as reader:
        before = _resident(reader.pid, n)
        reader.go()
        reader.expect("ready")
        after = _resident(reader.pid, n)
    names = ("rss", "dirty", "ring")
    return {name: b - a for name, a, b in zip(names, before, after, strict=True)}, after[0]


def memory(bench: Bench, side: Side) -> Numbers:
    """What pcap_create and pcap_activate leave resident beyond the ring, in KiB."""
    one, process = _idle_handles(bench, side, 1)
    two, _ = _idle_handles(bench, side, 2)
    return {**one, "second": two["rss"] - one["rss"], "process": process}


# ---- the kernel's share -------------------------------------------------------------------------


def sender_cost(bench: Bench, size: int, side: Side | None, devices: list[str]) -> Numbers:
    """The sender's CPU time a packet, softirq included, with one reading process for each device.

    `copies` is how many of the packets the readers saw: 1 for one handle or one fanout group.
    """
    count = 200_000 if bench.quick else 400_000
    options: Options = {"mode": "dispatch", "timeout": 10, "buffer": 64 * MIB}
    with contextlib.ExitStack() as stack:
        readers = []
        for device in devices:
            assert side is not None
            readers.append(stack.enter_context(bench.open_reader(side, [device], **options)))
        for reader in readers:
            reader.go()
        sent = bench.send(count=count, size=size)
        time.sleep(SETTLE_S)
        seen = sum(stop_reader(reader)["packets"] for reader in readers)
    return {"ns": sent["cpu_ns"] / sent["sent"], "copies": seen / sent["sent"]}
