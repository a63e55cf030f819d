# SPDX-License-Identifier: BSD-3-Clause
"""A computation is replaced while packets flow: each packet goes where the old one says up to one moment,
and where the new one says from then on, the same moment for all members and for all packets."""

import json
import tempfile
from pathlib import Path

import netlab
import pytest
from test_pfq import STEER, member, settle

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no PFQ groups")

COPY, MIXED, DOUBLE = "ip", "conditional is_tcp steer_flow broadcast", "double_steer_ip"
MEMBERS = 3
RING = {"PCAP_ACCEL_BUFFER": "8MiB", "PCAP_ACCEL_BLOCK": "128KiB"}
TRIES = 20
DROPPED = ["-u", "65534"]
ALL, ONE, ONE_OR_TWO = "all", "one", "one or two"
# What becomes of the packets of the two senders.
RULES = {
    COPY: {"udp": ALL, "tcp": ALL},
    "udp": {"udp": ALL, "tcp": None},
    STEER: {"udp": ONE, "tcp": ONE},
    "steer_ip": {"udp": ONE, "tcp": ONE},
    MIXED: {"udp": ALL, "tcp": ONE},
    "conditional is_udp steer_flow broadcast": {"udp": ONE, "tcp": ALL},
    DOUBLE: {"udp": ONE_OR_TWO, "tcp": ONE_OR_TWO},
}
SOCKETS = {COPY: (0, 1), "udp": (0, 1), STEER: (1, 0), "steer_ip": (1, 0), DOUBLE: (2, 1)}
FIRST = {"udp": 0, "tcp": 10_000_000}


@pytest.fixture
def lab(make_lab):
    return make_lab()


@pytest.fixture
def log():
    """A file that other users, too, can write to."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        path = Path(folder) / "log"
        path.touch()
        path.chmod(0o666)
        yield path


def settled(lab, text, members):
    fanout, plain = SOCKETS.get(text, (1, 1))
    settle(lab, fanout=fanout * members, plain=plain * members)


def start_traffic(lab, rate=2000):
    return [
        lab.sending("peer0", "-p", kind, "-r", rate, "-f", 50, "-b", "-q", first)
        for kind, first in FIRST.items()
    ]


def end_traffic(lab, senders):
    """The numbers that were sent, of each kind."""
    sent = {}
    for process, kind in zip(senders, FIRST, strict=True):
        out, _ = lab.end(process)
        count = json.loads(out)["sent"] - 1  # whether the last one went out is not known
        sent[kind] = range(FIRST[kind], FIRST[kind] + count)
    return sent


def fits(rule, homes, members):
    """Is the packet where the rule wants it, `homes` being who has it?"""
    if rule == ALL:
        return homes == members
    if rule == ONE:
        return len(homes) == 1 and homes <= members
    if rule == ONE_OR_TWO:
        return 1 <= len(homes) <= 2 and homes <= members
    return not homes


def homes_of(seen, number):
    return frozenset(i for i, one in enumerate(seen) if number in one)


def split(seen, numbers, old, new):
    """(packets up to which all is as `old` wants it, packets from which on all is as `new` wants it):
    the same if the change was at one moment. Each is a rule and the members that it concerns."""
    homes = [homes_of(seen, number) for number in numbers]
    until = next((i for i, one in enumerate(homes) if not fits(old[0], one, old[1])), len(homes))
    after = next((i for i in range(len(homes), 0, -1) if not fits(new[0], homes[i - 1], new[1])), 0)
    return until, after


PAIRS = [
    (old, new)
    for old in (COPY, STEER, MIXED, DOUBLE)
    for new in (COPY, STEER, MIXED, DOUBLE)
    if old != new
] + [
    (COPY, "udp"),
    (STEER, "steer_ip"),
    (MIXED, "conditional is_udp steer_flow broadcast"),
]


def change(lab, log, old, new, options):
    """One change under traffic: (packets sent by kind, who saw what), or None if a member was late: on a
    busy machine that may be."""
    log.write_text("")
    env = {"PCAP_ACCEL_LOG": f"warning:{log}", **RING}
    slow = [*options, "-t", 200]  # so that at the moment much lies in a block nobody was told of
    captures = [member(lab, "pfq:eth0", *slow, computation=old, **env)]
    captures += [member(lab, "pfq", *slow, **env) for _ in range(MEMBERS - 1)]
    settled(lab, old, MEMBERS)
    senders = start_traffic(lab)
    captures.append(member(lab, computation=new, **env))
    settled(lab, new, MEMBERS + 1)
    sent = end_traffic(lab, senders)
    results = netlab.stop(*captures)
    if any(result["drop"] for result in results) or " late " in log.read_text():
        return None
    assert not any(result["twice"] for result in results)
    return sent, [result.seen for result in results]


# Without privileges: once from each kind.
CASES = [(old, new, []) for old, new in PAIRS] + [
    (old, new, DROPPED)
    for old, new in (
        (COPY, MIXED),
        (STEER, COPY),
        (MIXED, DOUBLE),
        (DOUBLE, STEER),
        (STEER, "steer_ip"),
    )
]


@pytest.mark.parametrize(
    "old, new, options",
    CASES,
    ids=[f"{old} to {new}{' -u' * bool(opt)}" for old, new, opt in CASES],
)
def test_change(lab, log, old, new, options):
    """Up to one packet all is as the old computation wants it, with the members that there were; from the
    next one on all is as the new one wants it, with the one that brought it. None lost, none doubled."""
    tries = (change(lab, log, old, new, options) for _ in range(TRIES))
    sent, seen = next((one for one in tries if one), (None, None))
    assert sent, f"in {TRIES} tries a member was always too slow"
    before, after = frozenset(range(MEMBERS)), frozenset(range(MEMBERS + 1))
    for kind, numbers in sent.items():
        rules = (RULES[old][kind], before), (RULES[new][kind], after)
        until, since = split(seen, numbers, *rules)
        assert until >= since, f"{kind}: {since - until} of {len(numbers)} packets astray"


def test_no_last_change(lab):
    """Who has dropped his privileges follows as many changes as there are: he has the sockets that any two
    computations need, and uses them again."""
    captures = [member(lab, "pfq:eth0", *DROPPED, **RING), member(lab, "pfq", *DROPPED, **RING)]
    sockets = lab.packet_sockets()
    for text in (DOUBLE, STEER, MIXED, DOUBLE, COPY, DOUBLE, STEER, "steer_ip", STEER):
        passing = member(lab, computation=text, **RING)
        settled(lab, text, 3)
        netlab.stop(passing)
        settled(lab, text, 2)
    assert lab.packet_sockets() == sockets
    lab.send("peer0", "-n", 100, "-r", 10000, "-f", 50, "-b")
    seen = [result.seen for result in netlab.stop(*captures)]
    assert all(seen)
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(100))
