# SPDX-License-Identifier: BSD-3-Clause
"""What is lost and doubled while programs come to share a link, and while they go: tcpdumps, one after the
other, under numbered packets. Ours is a PFQ group; in stock's place stands the kernel's own group.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from groups import FLOWS, Member, bursts, member_of_kernel_group, member_of_ours
from lab import Child, LabError
from measure import Bench, Numbers, PerSide, Side, await_listening

PASSING = 8  # who come, or go; one more is there all the time
PAUSE_S = 0.4  # from one to the next
BATCH, EVERY_US = 20, 1000  # 20,000 packets a second
LAST_S = 2.0  # tcpdump's own timeout, a second, and some more
NUMBER_OFFSET = 42  # of bursts.c
FILE_HEADER, PACKET_HEADER = 24, 16  # pcap-savefile(5)


@dataclass(frozen=True)
class Tcpdump:
    child: Child
    file: str

    def end(self, how: signal.Signals) -> None:
        os.kill(self.child.pid, how)
        if how == signal.SIGKILL:
            self.child.process.wait()
        else:
            self.child.finish()


@contextlib.contextmanager
def _tcpdump(bench: Bench, member: Member, number: int) -> Iterator[Tcpdump]:
    if not shutil.which("tcpdump"):
        raise LabError("tcpdump is not installed (apt-get install tcpdump)")
    file = os.path.join(bench.tmpfs, f"{member.lane}-{number}.pcap")
    device = member.words[0].removeprefix("dev=")
    argv = ["tcpdump", "-n", "-U", "-Z", "root", "-w", file, "-i", device]
    lane = bench.lab.lane(member.lane)
    with bench.lab.child(lane, argv, member.preload, member.env) as child:
        await_listening(child)
        yield Tcpdump(child, file)
    os.unlink(file)


def _numbers(file: str) -> Iterator[int]:
    """Those of the whole packets in a pcap file: who is killed leaves half a one."""
    with open(file, "rb") as stream:
        data = stream.read()
    at = FILE_HEADER + PACKET_HEADER
    while at <= len(data):
        (size,) = struct.unpack_from("=I", data, at - PACKET_HEADER + 8)
        if at + size <= len(data):
            yield struct.unpack_from("=Q", data, at + NUMBER_OFFSET)[0]
        at += size + PACKET_HEADER


def _count(bench: Bench, member: Member, how: signal.Signals | None) -> Numbers:
    """Members like this one come while packets flow; or, with `how`, go in that way."""
    with contextlib.ExitStack() as stack:
        n_first = 1 + (PASSING if how else 0)
        members = [stack.enter_context(_tcpdump(bench, member, i)) for i in range(n_first)]
        before = bench.lab.backlog_drops("eth0", member.lane)
        rounds = round((PASSING + 2) * PAUSE_S * 1e6 / EVERY_US)
        sender = stack.enter_context(
            bursts(bench, [member.lane], every=EVERY_US, batch=BATCH, rounds=rounds, flows=FLOWS)
        )
        sender.go()
        for i in range(PASSING):
            time.sleep(PAUSE_S)
            if how:
                members[i].end(how)
            else:
                members.append(stack.enter_context(_tcpdump(bench, member, n_first + i)))
        sent = sender.result()["sent"]
        time.sleep(LAST_S)
        for tcpdump in members[PASSING if how else 0 :]:
            tcpdump.end(signal.SIGINT)
        seen = Counter(number for tcpdump in members for number in _numbers(tcpdump.file))
        early = bench.lab.backlog_drops("eth0", member.lane) - before
    lost, twice = sent - len(seen) - early, seen.total() - len(seen)
    return {"lost": lost / PASSING, "twice": twice / PASSING, "early": early, "sent": sent}


def _both(bench: Bench, sides: Sequence[Side], how: signal.Signals | None) -> PerSide:
    """Both are ours: without it there is nothing to measure."""
    ours = next((side for side in sides if side.preload), None)
    if ours is None:
        return {}
    return {
        "stock": _count(bench, member_of_kernel_group(ours), how),
        "ours": _count(bench, member_of_ours(ours), how),
    }


def join(bench: Bench, sides: Sequence[Side]) -> PerSide:
    return _both(bench, sides, None)


def leave(bench: Bench, sides: Sequence[Side]) -> PerSide:
    """In order, as tcpdump does after Ctrl-C, and killed."""
    found: PerSide = {"stock": {}, "ours": {}}
    for prefix, how in (("", signal.SIGINT), ("killed_", signal.SIGKILL)):
        for side, numbers in _both(bench, sides, how).items():
            found[side] |= {prefix + key: value for key, value in numbers.items()}
    return found
