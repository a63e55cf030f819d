# SPDX-License-Identifier: BSD-3-Clause
"""What a member of a PFQ group may want beside its share: to wait for the group's first device, to set
the filter of all. Everything is counted in packets."""

import re

import netlab
import pytest
from test_pfq import (
    DROPPED,
    STEER,
    Sender,
    copied,
    member,
    members_of,
    refused,
    rings,
    seen_by,
    settle,
    shared,
    unseen,
)
from test_pfq_groups import await_other_filters

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no PFQ groups")


@pytest.fixture
def lab(bed):
    yield bed
    bed.end_all()


# ---- waiting for a device ----


def waiting(lab, log, wait="1000s", **env):
    """A bare joiner that is waiting: it has said so."""
    env = {"PCAP_ACCEL_BUFFER": "2MiB", "PFQ_GROUP": "42", "PCAP_ACCEL_LOG": f"info:{log}", **env}
    capture = lab.capture(f"pfq?wait={wait}", env=env, ready=False)
    netlab.await_text(log, "has no device yet: waiting until a member names one")
    return capture


def test_no_device_is_said(lab, tmp_path):
    """A bare joiner of a group without a device says so, once, and goes on; one that finds a device, or
    brings it, has nothing to say."""
    log = tmp_path / "log"
    env = {"PCAP_ACCEL_LOG": f"warning:{log}"}
    first = member(lab, **env)
    said = log.read_text()
    assert re.fullmatch(
        r"pcap-accel\[\d+\]: pfq: group 42 has no device yet: nothing is received until a member "
        r"names one\n", said
    )  # fmt: skip
    others = [member(lab, "pfq:eth0", **env), member(lab, **env)]
    settle(lab, plain=3)
    assert log.read_text() == said
    numbers = Sender(lab)()
    copied(seen_by(first, *others), numbers)


def test_wait(lab, tmp_path):
    """With wait, activation returns when a member names a device, and then nothing is missed."""
    captures = [waiting(lab, tmp_path / f"log{i}") for i in range(2)]
    assert members_of(lab, tmp_path) == (3, "none yet", "")
    captures.append(member(lab, "pfq:eth0", computation=STEER))
    for capture in captures[:2]:
        assert netlab.read_line(capture.process).startswith("READY ")
    settle(lab, fanout=3)
    numbers = Sender(lab)()
    shared(seen_by(*captures), numbers)


def test_wait_in_the_environment(lab, tmp_path):
    """PCAP_ACCEL_WAIT is the same; who finds a device does not wait."""
    first = member(lab, "pfq:eth0")
    second = member(lab, PCAP_ACCEL_WAIT="1000s", PCAP_ACCEL_LOG=f"debug:{tmp_path}/log")
    assert "has no device" not in (tmp_path / "log").read_text()
    numbers = Sender(lab)()
    copied(seen_by(first, second), numbers)


def test_wait_is_over(lab, tmp_path):
    """When the time is over, activation fails, and nothing is left."""
    text = refused(lab, "pfq?wait=50ms")
    assert (
        text == "pfq?wait=50ms: group 42 has no device after 50ms (name one, or wait longer: wait)"
    )
    assert members_of(lab, tmp_path) == (1, "none yet", "")


def test_wait_is_broken_off(lab, tmp_path):
    """pcap_breakloop() ends the wait, in a signal's handler and in another thread, and is spent by
    that; another signal does not."""
    capture = waiting(lab, tmp_path / "log")
    capture.signal(netlab.signal.SIGWINCH)
    tool = [lab.build.tool("pfq_break"), "pfq?wait=1000s"]
    env = lab.accel_env(PFQ_GROUP="43", PCAP_ACCEL_BUFFER="2MiB")
    for how in ("signal", "thread"):
        done = lab.run([*tool, how], env=env)
        text = "-1 pfq?wait=1000s: broken off while group 43 had no device"
        assert done.stdout == f"{text} (1)\n{text} (2)\n", how
    first = member(lab, "pfq:eth0")
    assert netlab.read_line(capture.process).startswith("READY ")
    seen_by(first, capture)


# ---- the filter of all ----

GROUP = {"PCAP_ACCEL_GROUP_FILTER": "yes"}


@pytest.mark.parametrize("options", [[], DROPPED], ids=["root", "privileges dropped"])
def test_group_filter(lab, options):
    """The filter of one handle is all members', later ones' too, and stays when the handle is closed."""
    captures = [member(lab, "pfq:eth0"), member(lab, "pfq", *options)]
    settle(lab, plain=2)
    before = rings(lab)
    setter = member(lab, "pfq?group_filter=yes", *options, "-f", "udp port 7777")
    await_other_filters(lab, before)
    settle(lab, plain=3)
    captures.append(member(lab))
    settle(lab, plain=4)
    send = Sender(lab)
    kept, dropped = send("-d", 7777), send("-d", 9999) | send("-p", "tcp", "-d", 7777)
    first = seen_by(setter)
    later = send("-d", 7777)
    dropped |= send("-d", 9999)
    seen = seen_by(*captures)
    copied([*seen, *first], kept)
    copied(seen, later)
    unseen([*seen, *first], dropped)
    capture = member(lab, "pfq:eth0")  # the group had ended, and its filter with it
    numbers = send("-d", 9999)
    assert seen_by(capture) == [numbers]


def test_last_group_filter_counts(lab):
    """Another one takes the first one's place."""
    captures = [member(lab, "pfq:eth0", "-f", "udp", **GROUP), member(lab)]
    settle(lab, plain=2)
    before = rings(lab)
    captures.append(member(lab, "pfq", "-f", "tcp", **GROUP))
    await_other_filters(lab, before)
    settle(lab, plain=3)
    send = Sender(lab)
    udp, tcp = send(), send("-p", "tcp")
    seen = seen_by(*captures)
    unseen(seen, udp)
    copied(seen, tcp)


def test_group_filter_and_own(lab):
    """A member gets what passes the group's filter and its own."""
    captures = [
        member(lab, "pfq:eth0", "-f", "udp", **GROUP),
        member(lab, "pfq", "-f", "port 7777"),
        member(lab, "pfq", "-f", "tcp"),
    ]
    settle(lab, plain=3, other_filters=True)
    send = Sender(lab)
    both, group_only = send("-d", 7777), send("-d", 9999)
    own_only = send("-p", "tcp", "-d", 7777)
    seen = seen_by(*captures)
    assert seen == [both | group_only, both, set()]
    unseen(seen, own_only)


def test_group_filter_of_a_share(lab):
    """With a computation that steers, the shares of what passes are whole."""
    captures = [member(lab, "pfq:eth0", "-f", "udp", computation=STEER, **GROUP), member(lab)]
    settle(lab, fanout=2)
    send = Sender(lab)
    udp, tcp = send(), send("-p", "tcp")
    seen = seen_by(*captures)
    assert all(shared(seen, udp))
    unseen(seen, tcp)


@pytest.mark.parametrize("options", [[], DROPPED], ids=["root", "privileges dropped"])
def test_group_filter_of_tags(lab, options):
    """`vlan` means for all members what it means on a live capture: the tag that the kernel keeps
    beside the packet."""
    text = "vlan 5 and udp port 7777"
    captures = [member(lab, "pfq:eth0", *options, "-f", text, **GROUP), member(lab)]
    settle(lab, plain=2)
    send = Sender(lab)
    kept = send("-v", "0x8100:5", "-d", 7777)
    dropped = (
        send("-v", "0x8100:6", "-d", 7777) | send("-d", 7777) | send("-v", "0x8100:5", "-d", 9)
    )
    seen = seen_by(*captures)
    copied(seen, kept)
    unseen(seen, dropped)


def test_group_filter_cuts_nothing(lab):
    """The snaplen of who set the filter is its own."""
    captures = [
        member(lab, "pfq:eth0", "-f", "udp", PFQ_CAPLEN="64", **GROUP),
        member(lab),
    ]
    settle(lab, plain=2, other_filters=True)
    lab.send("peer0", "-n", 10, "-r", 1000, "-s", 400)
    results = netlab.stop(*captures)
    assert [result["packets"] for result in results] == [10, 10]
    assert [result["caplen"][1] for result in results] == [64, 400]


def test_group_filter_replaced_while_reading(lab):
    """What the new filter rejects is not delivered by the handle that set it, though it was in the
    ring."""
    capture = member(lab, "pfq:eth0", "-f", "udp", "-F", "tcp", "-A", 50, **GROUP)
    Sender(lab)(n=2000)
    result = capture.stop()
    assert result["rejected"] == 0
    assert 50 <= result["packets"] < 2000


def long_filter(n):
    """An expression that keeps IPv4, and of which a compiler cannot make little."""
    return " or ".join(["ip", *(f"ether[{i % 60}:4] = {7 * i + 1}" for i in range(n))])


LONG_COMPUTATION = " >-> ".join([f'filter "{long_filter(200)}"'] * 6)


@pytest.mark.parametrize(
    "text, computation",
    [("ip protochain 17", "ip"), (long_filter(700), LONG_COMPUTATION)],
    ids=["loop", "long"],
)
def test_group_filter_that_is_refused(lab, text, computation):
    """A filter that the kernel cannot run for all is refused by a sentence, and the group's stays."""
    first = member(lab, "pfq:eth0", "-f", "udp", computation=computation, **GROUP)
    sentence = refused(lab, "pfq", "-f", text, **GROUP)
    assert re.fullmatch(
        r"pfq: group_filter: the kernel does not take a filter of \d+ instructions here "
        r"\(no loops; with the computation at most 4096\)", sentence
    )  # fmt: skip
    send = Sender(lab)
    udp, tcp = send(), send("-p", "tcp")
    seen = seen_by(first)
    copied(seen, udp)
    unseen(seen, tcp)


def test_own_filter_that_the_kernel_cannot_run(lab):
    """A member whose own filter only the library can run keeps to the group's all the same."""
    captures = [
        member(lab, "pfq:eth0", "-f", "port 7777", **GROUP),
        member(lab, "pfq", "-f", "ip protochain 17"),
    ]
    settle(lab, plain=2, other_filters=True)
    send = Sender(lab)
    both = send("-d", 7777)
    unwanted = send("-d", 9999) | send("-p", "tcp", "-d", 7777)
    seen = seen_by(*captures)
    assert seen[1] == both
    assert both <= seen[0]
    assert not seen[1] & unwanted
