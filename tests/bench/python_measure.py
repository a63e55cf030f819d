# SPDX-License-Identifier: BSD-3-Clause
"""How Python readers are measured: each case in a process of its own in each round, the cases of a round
one after the other, their order turned from round to round. Nothing here knows of goals or tables.

Savefiles lie in memory. The process is ready before it is timed: imports and opening are no part of it.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import Child, Lab, LabError
from measure import WARM_S, filled
from python_cases import BUSY, FILE, LIVE, LONG, PLAIN, C, PythonCase
from python_env import PythonEnv

READER = str(Path(__file__).with_name("python_reader.py"))
FILE_PACKETS, LIVE_PACKETS = 1_000_000, 300_000
PACKET_LEN = FILE.packet_len
PATIENCE_S = 60.0
NS_PER_PACKET = 10_000  # between two of the savefile's


@dataclass
class PythonBench:
    """Where and with what."""

    lab: Lab
    programs: str
    tmpfs: str
    env: PythonEnv
    library: str | None  # instead of the installed package's
    engine: str
    quick: bool
    files: dict[int, str] = field(default_factory=dict)

    def savefile(self, count: int) -> str:
        """One with so many packets, written when it is first wanted."""
        if count not in self.files:
            path = os.path.join(self.tmpfs, f"{count}.pcap")
            write_savefile(path, count)
            self.files[count] = path
        return self.files[count]

    def environment(self, case: PythonCase) -> dict[str, str]:
        env = {"PCAP_ACCEL_LIB": self.library} if self.library else {}
        return env | ({"PCAP_ACCEL_SPEEDUPS": "0"} if case.library == PLAIN else {})

    def reader(self, case: PythonCase, source: str, **options: int) -> Any:
        """A child that says "ready" once it is open."""
        if case.library == C:
            argv = [os.path.join(self.programs, "savefile"), case.how, source]
        else:
            argv = [self.env.python, "-I", READER, case.how, source]
            argv += [f"{key}={value}" for key, value in options.items()]
        return self.lab.child("rx", argv, None, self.environment(case))


def write_savefile(path: str, count: int) -> None:
    """`count` UDP packets of PACKET_LEN bytes in microseconds, 20,000 of them again and again."""
    ip = struct.pack(">BBHHHBBH", 0x45, 0, PACKET_LEN - 14, 0, 0, 64, 17, 0)
    ip += bytes([10, 0, 0, 1, 10, 0, 0, 2])
    udp = struct.pack(">HHHH", 4000, 4001, PACKET_LEN - 34, 0)
    packet = (bytes(range(2, 14)) + b"\x08\x00" + ip + udp).ljust(PACKET_LEN, b"\0")
    piece, step_us = 20_000, NS_PER_PACKET // 1000
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for first in range(0, count, piece):
            times = (
                divmod(n * step_us, 1_000_000) for n in range(first, min(first + piece, count))
            )
            records = [struct.pack("=IIII", s, us, PACKET_LEN, PACKET_LEN) for s, us in times]
            file.write(b"".join(record + packet for record in records))


def _checked(case: PythonCase, found: dict[str, Any], count: int) -> dict[str, Any]:
    """A reader that did not see every packet was fast for nothing."""
    if found["packets"] < count or (case.traffic is FILE and found["packets"] != count):
        raise LabError(f"{case.name}: {found['packets']} packets were read of {count}")
    return found


def _run(child: Child) -> dict[str, Any]:
    child.expect("ready")
    child.go()
    found = child.result(PATIENCE_S)
    child.finish()
    return found


def _file(bench: PythonBench, case: PythonCase) -> float:
    count = case.count or (FILE_PACKETS // 2 if bench.quick else FILE_PACKETS)
    with bench.reader(case, bench.savefile(count)) as child:
        found = _checked(case, _run(child), count)
    return float(found["packets"] * 1e3 / found["cpu_ns"])


def _live(bench: PythonBench, case: PythonCase) -> float:
    """The process's CPU time a packet, user and system, at a steady rate that nobody loses."""
    count = case.count or (LIVE_PACKETS // 3 if bench.quick else LIVE_PACKETS)
    device = f"{bench.engine}:eth0" if case.how.startswith("ours.") else "eth0"
    sent = filled(count) if case.count is None else 2 * count
    argv = [os.path.join(bench.programs, "sender"), "dev=eth0", f"count={sent}"]
    argv += [f"size={case.traffic.packet_len}", f"rate={case.rate}", "batch=16"]
    with (
        bench.reader(case, device, count=count, live=1) as child,
        bench.lab.child("tx", argv) as sender,
    ):
        sender.expect("ready")
        child.expect("ready")
        child.go()
        time.sleep(WARM_S)
        sender.go()
        found = _checked(case, child.result(PATIENCE_S), count)
    return float(found["cpu_ns"] / found["packets"])


def _busy(bench: PythonBench, case: PythonCase) -> float:
    with bench.reader(case, bench.savefile(FILE_PACKETS), busy=1) as child:
        found = _run(child)
    if not found["laps"]:
        raise LabError(f"{case.name}: the other thread did not run")
    return float(found["packets"] * 1e3 / found["wall_ns"])


_MEASURE: dict[str, Callable[[PythonBench, PythonCase], float]] = {
    FILE.name: _file,
    LIVE.name: _live,
    LONG.name: _live,
    BUSY.name: _busy,
}


@dataclass
class PythonResults:
    """The numbers of each case in the order of the rounds; why a case has none."""

    values: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def _round(
    bench: PythonBench,
    cases: Sequence[PythonCase],
    number: int,
    results: PythonResults,
    progress: Callable[[str], None],
) -> None:
    turn = number * len(cases) // 3 % len(cases)
    for case in (*cases[turn:], *cases[:turn]):
        if case.name in results.failures:
            continue
        progress(f"round {number + 1}: {case.name}")
        try:
            value = _MEASURE[case.traffic.name](bench, case)
        except (LabError, OSError) as error:
            results.failures[case.name] = str(error)
            results.values.pop(case.name, None)
        else:
            results.values.setdefault(case.name, []).append(value)


def measure(
    bench: PythonBench, cases: Sequence[PythonCase], rounds: int, progress: Callable[[str], None]
) -> PythonResults:
    """All rounds of all cases, the traffics one after the other."""
    results = PythonResults()
    for case in cases:
        if case.library in bench.env.missing:
            results.failures[case.name] = bench.env.missing[case.library]
    for traffic in (FILE, LIVE, LONG, BUSY):
        group = [case for case in cases if case.traffic is traffic]
        for number in range(traffic.rounds or rounds) if group else ():
            _round(bench, group, number, results, progress)
    return results
