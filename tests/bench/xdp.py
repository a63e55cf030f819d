# SPDX-License-Identifier: BSD-3-Clause
"""How the AF_XDP engine is measured beside packet sockets. As in measure.py, nothing here knows of rounds,
goals or tables.

Two sources: frames as a network driver makes them (live.c) and ordinary sockets (sender.c). Two places
for the kernel's share of receiving: in a thread of its own, pinned to the reader's CPU, or where veth
puts it, on the sender's CPU.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from lab import Child, LabError
from measure import MIB, SETTLE_S, WARM_S, Bench, Numbers, Side, stop_reader

STOCK_RING = 64 * MIB
EVERY = 100  # of so many frames of live.c one goes to PORT
PORT = 7777
STALL_MS = 10
ENDS = ("10.9.0.1", "10.9.0.2")  # addresses of a stream's receiver and sender
LINK = "xdp"  # with the process id behind it, so that its thread can be told from others'

# What a filter costs, by how much of it there is. The measured frame matches none.
FILTERS = {
    "one": "ether[0] = 1",
    "udp": f"udp port {PORT}",
    "seven": "(host 192.0.2.1 or host 192.0.2.2 or net 198.51.100.0/24) and (tcp portrange 1-1023"
    " or udp portrange 5000-5999) or vlan 7 or ip6 host 2001:db8::1",
}


def engine(side: Side) -> Side:
    """Ours with AF_XDP, whatever engine the other cases use. Stock is stock."""
    return dataclasses.replace(side, engine="xdp") if side.engine else side


@dataclasses.dataclass(frozen=True)
class Place:
    """Where it happens: what the source is, and which CPU receives."""

    live: bool = True
    beside_reader: bool = False

    @contextlib.contextmanager
    def link(self, bench: Bench) -> Iterator[str]:
        """A veth pair whose ends have this name, in rx and in tx. Without GRO or a native program veth
        takes no XDP frames; with it, they go through NAPI."""
        link = f"{LINK}{os.getpid()}"
        with bench.lab.pair(link):
            bench.lab.run("rx", "ethtool", "-K", link, "gro", "on" if self.live else "off")
            if self.beside_reader:
                # /sys shows the devices of the namespace that it was mounted in.
                script = f"mount -t sysfs sysfs /sys && echo 1 >/sys/class/net/{link}/threaded"
                bench.lab.run("rx", "unshare", "--mount", "sh", "-c", script)
            yield link

    def pin(self, bench: Bench, link: str) -> None:
        if not self.beside_reader:
            return
        threads = [pid for pid in _pids() if _comm(pid).startswith(f"napi/{link}-")]
        if not threads:
            raise LabError(f"{link} has no receiving thread (Linux 5.12 has them)")
        for pid in threads:
            os.sched_setaffinity(pid, {bench.lab.reader_cpu})

    @contextlib.contextmanager
    def sender(self, bench: Bench, link: str, ms: int, rate: int) -> Iterator[Child]:
        program = "live" if self.live else "sender"
        words = [f"dev={link}", f"rate={rate}"]
        # What ordinary sockets send in that time, or nearly.
        count = ms * (rate or 600_000) // 1000
        words += [f"ms={ms}"] if self.live else [f"count={count}", "number=1"]
        with bench.lab.child("tx", [os.path.join(bench.programs, program), *words]) as child:
            child.expect("ready")
            yield child


ONE_CORE = Place(beside_reader=True)
TWO_CORES = Place()
ORDINARY = Place(live=False)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _comm(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _traffic_ms(bench: Bench) -> int:
    return 500 if bench.quick else 1500


@contextlib.contextmanager
def _reading(
    bench: Bench, side: Side, place: Place, link: str, options: str, **how: Any
) -> Iterator[Child]:
    """A reader that reads. Stock has its ring from how; ours takes its own default."""
    side = engine(side)
    if side.engine:
        how.pop("buffer", None)
    with bench.open_reader(side, [side.device(link, options=options)], **how) as reader:
        place.pin(bench, link)
        reader.go()
        time.sleep(WARM_S)
        yield reader


def rate(bench: Bench, side: Side, place: Place, options: str = "", share: int = 1) -> Numbers:
    """Packets a second that are captured, or with a filter that takes one of `share`, dealt with. Only what
    the reader has read by the time that the sender ends counts."""
    how: dict[str, Any] = {"mode": "dispatch", "timeout": 10, "buffer": STOCK_RING}
    if share > 1:
        how["filter"] = f"udp port {PORT}"
    with (
        place.link(bench) as link,
        _reading(bench, side, place, link, options, **how) as reader,
        place.sender(bench, link, _traffic_ms(bench), 0) as sender,
    ):
        sender.go()
        sent = sender.result()
        got = stop_reader(reader)
    mpps = share * got["packets"] * 1e3 / sent["wall_ns"]
    return {
        "mpps": mpps,
        "sent": sent["sent"] * 1e3 / sent["wall_ns"],
        "reader": got["cpu_ns"] / max(got["packets"], 1),
    }


def _bare(bench: Bench, place: Place, *words: str) -> float:
    """Mpps of bare.c in a capture's place: dropped, or taken without anything that a capture does."""
    with place.link(bench) as link:
        argv = [os.path.join(bench.programs, "bare"), f"dev={link}", *words]
        with bench.lab.child("rx", argv) as reader:
            reader.expect("ready")
            place.pin(bench, link)
            reader.go()
            time.sleep(WARM_S)
            with place.sender(bench, link, _traffic_ms(bench), 0) as sender:
                sender.go()
                sent = sender.result()
                got = stop_reader(reader)
            early = bench.lab.dropped(link, "tx", "transmit")
    packets: int = got["packets"] or sent["sent"] - early
    mpps: float = packets * 1e3 / sent["wall_ns"]
    return mpps


def rate_and_ceiling(bench: Bench, side: Side, place: Place, attach: str) -> Numbers:
    """rate(), and beside ours what XDP can do at most here."""
    found = rate(bench, side, place, f"attach={attach}")
    how = "generic=1" if attach == "generic" else "generic=0"
    if engine(side).engine:
        found |= {"bare": _bare(bench, place, how, "take=1"), "drop": _bare(bench, place, how)}
        return found
    return found | {"bare": found["mpps"], "drop": found["mpps"]}


def _lost(bench: Bench, side: Side, place: Place, ms: int, packets_s: int, **how: Any) -> Numbers:
    """Of what arrived at the interface, which the pair's own losses did not, what was not delivered."""
    with (
        place.link(bench) as link,
        _reading(bench, side, place, link, "", timeout=10, **how) as reader,
        place.sender(bench, link, ms, packets_s) as sender,
    ):
        sender.go()
        sent = sender.result()
        time.sleep(SETTLE_S)
        got = stop_reader(reader)
        early = bench.lab.dropped(link, "tx", "transmit")
    lost = sent["sent"] - early - (got["packets"] - got["twice"])
    return {
        "lost": lost,
        "percent": 100.0 * lost / sent["sent"],
        "early": early,
        "twice": got["twice"],
        "mpps": sent["sent"] * 1e3 / sent["wall_ns"],
        "changes": got["changes"],
    }


def stalled(bench: Bench, side: Side) -> Numbers:
    """Losses of a reader that sleeps 10 ms between two reads, at a million packets a second, all defaults."""
    ms = 300 if bench.quick else 1000
    return _lost(bench, side, TWO_CORES, ms, 1_000_000, mode="number", pause=STALL_MS)


def changed(bench: Bench, side: Side) -> Numbers:
    """Losses of a reader that sets a new filter, which takes what the old one took, 500 times. The packets are
    an ordinary socket's: live.c does not leave the kernel, so that a program is replaced five times as slowly."""
    n, ms = (100, 4000) if bench.quick else (500, 16_000)
    how: dict[str, Any] = {"filter": "udp", "filter2": f"udp port {PORT} or udp port 9"}
    how |= {"mode": "number", "changes": n, "buffer": STOCK_RING}
    return _lost(bench, side, ORDINARY, ms, 40_000, **how)


# ---- without a bar ------------------------------------------------------------------------------


def _program_id(bench: Bench, link: str) -> int:
    (shown,) = json.loads(bench.lab.run("rx", "ip", "-d", "-j", "link", "show", "dev", link))
    if "xdp" not in shown:
        raise LabError(f"{link} has no XDP program")
    number: int = shown["xdp"]["prog"]["id"]
    return number


def filter_cost(bench: Bench, side: Side) -> Numbers:
    """ns that the program takes for a frame that its filter rejects. Generic, because the kernel does not
    run programs that are bound to a driver for measuring."""
    found: dict[str, float] = {}
    if not engine(side).engine:
        return found
    for name, text in FILTERS.items():
        how = {"mode": "dispatch", "filter": text}
        with (
            TWO_CORES.link(bench) as link,
            _reading(bench, side, TWO_CORES, link, "attach=generic", **how),
        ):
            argv = [os.path.join(bench.programs, "live"), f"prog={_program_id(bench, link)}"]
            with bench.lab.child("tx", argv) as child:
                child.expect("ready")
                child.go()
                found[name] = child.result()["ns"]
    return found


def _stream(bench: Bench) -> float:
    """Gbit/s of one TCP stream into the captured interface."""
    script = os.path.join(os.path.dirname(__file__), "stream.py")
    receiver = ENDS[0]
    with bench.lab.child("rx", [sys.executable, script, "receive", receiver]) as taker:
        taker.expect("ready")
        argv = [sys.executable, script, "send", receiver, str(_traffic_ms(bench))]
        with bench.lab.child("tx", argv) as giver:
            giver.expect("ready")
            giver.go()
            result = taker.result()
    gbits: float = 8.0 * result["bytes"] / result["wall_ns"]
    return gbits


def stream(bench: Bench, side: Side) -> Numbers:
    """A TCP stream without a capture, and beside one whose filter it does not match."""
    found: dict[str, float] = {}
    ways: Mapping[str, str] = {"beside": ""}
    if engine(side).engine:
        ways = {"beside": "divert=force,attach=native", "generic": "divert=force,attach=generic"}
    with ORDINARY.link(bench) as link:
        for where, address in zip(("rx", "tx"), ENDS, strict=True):
            bench.lab.run(where, "ip", "address", "add", f"{address}/24", "dev", link)
        found["alone"] = _stream(bench)
        for name, options in ways.items():
            how = {"mode": "dispatch", "timeout": 10, "filter": f"udp port {PORT}"}
            with _reading(bench, side, ORDINARY, link, options, **how):
                found[name] = _stream(bench)
    return found
