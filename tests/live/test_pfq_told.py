# SPDX-License-Identifier: BSD-3-Clause
"""What members of a PFQ group say in the log while it changes, and what they do when they cannot follow,
or when one of them was killed. Everything is counted in packets."""

import re
import resource
import time

import netlab
import pytest
from test_pfq import STEER, Sender, copied, kill, member, rings, seen_by, settle, shared

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no PFQ groups")

NO_LOG = "a packet filter cannot write to the kernel's log; what happens to the packets is the same"
HAS_COPY = "the host's own stack has each packet anyway"


@pytest.fixture
def lab(bed):
    yield bed
    bed.end_all()


def unsigned(log):
    """The lines of a log, without who wrote them."""
    return [re.sub(r"^pcap-accel\[\d+\]: ", "", line) for line in log.splitlines()]


# ---- functions that do nothing ----


def test_nothing_is_silently_ignored(lab, tmp_path):
    """Each function of a computation that does nothing here is said, with the reason, once: by who opens
    a handle with it, by who joins, by who follows to it. Of one that does all it says nothing is."""
    logs = [tmp_path / f"log{i}" for i in range(3)]

    def notes(i):
        return [line for line in unsigned(logs[i].read_text()) if "computation: " in line]

    def join(i, device="pfq", **more):
        return member(lab, device, PCAP_ACCEL_LOG=f"info:{logs[i]}", **more)

    text = f"kernel >-> log_packet >-> kernel >-> {STEER}"
    captures = [join(0, "pfq:eth0", computation=text), join(1)]
    settle(lab, fanout=2)
    expected = [
        [f"{name}: group 42: computation: {function} does nothing here: {why}"
         for function, why in (("kernel", HAS_COPY), ("log_packet", NO_LOG))]
        for name in ("pfq:eth0", "pfq")
    ]  # fmt: skip
    assert [notes(0), notes(1)] == expected
    captures.append(join(2, computation="crc16 >-> udp"))
    settle(lab, plain=3)
    expected.append([])
    for one, name in zip(expected, ("pfq:eth0", "pfq", "pfq"), strict=True):
        one.append(f"{name}: group 42: computation: crc16 does nothing here: {NO_LOG}")
    assert [notes(0), notes(1), notes(2)] == expected
    last = member(lab, computation="ip")
    settle(lab, plain=4)
    numbers = Sender(lab)()
    copied(seen_by(*captures, last), numbers)
    assert [notes(0), notes(1), notes(2)] == expected


# ---- who cannot follow ----


def test_falling_silent_is_said(lab):
    """A member that cannot open the sockets of a new computation says so, once, and receives nothing: the
    others share all. At the next change it is there again."""
    first = member(lab, "pfq:eth0", PCAP_ACCEL_LOG="warning")  # to where no file has to be opened
    others = [member(lab)]
    settle(lab, plain=2)
    _, most = limits = resource.prlimit(first.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(first.pid, resource.RLIMIT_NOFILE, (3, most))
    others.append(member(lab, computation=STEER))
    settle(lab, fanout=2)
    line = netlab.await_line(first.process, "receives nothing", "stderr")
    (said,) = unsigned(line)
    assert said == (
        "pfq:eth0: group 42 has changed in a way that this program cannot follow "
        "(packet socket: Too many open files): it receives nothing"
    )
    send = Sender(lab)
    without = send()
    resource.prlimit(first.pid, resource.RLIMIT_NOFILE, limits)
    others.append(member(lab, computation="steer_ip"))
    settle(lab, fanout=4)
    again = send()
    results = netlab.stop(first, *others)
    assert results[0].stderr == ""
    seen = [result.seen for result in results]
    assert not seen[0] & without
    shared(seen[1:], without)
    shared(seen, again)


# ---- who was killed ----


def kernel_groups(lab):
    return {group for group, _ in rings(lab) if group}


def test_regrouping(lab):
    """When a member of a group of two kernel groups was killed, the others go to fresh ones, in which
    their orders are the same: each packet comes to one or two members, to none twice."""
    captures = [member(lab, "pfq:eth0", computation="double_steer_ip")]
    captures += [member(lab) for _ in range(3)]
    settle(lab, fanout=8, plain=4)
    before = kernel_groups(lab)
    kill(lab, captures.pop(0))
    deadline = time.monotonic() + netlab.PATIENCE_S
    while kernel_groups(lab) & before:
        assert time.monotonic() < deadline, "still in the kernel groups of the one that was killed"
        time.sleep(0.02)  # between two looks
    settle(lab, fanout=6, plain=3)
    assert len(kernel_groups(lab)) == 2
    numbers = Sender(lab)()
    seen = seen_by(*captures)  # none twice
    for number in numbers:
        assert 1 <= sum(number in one for one in seen) <= 2
