# SPDX-License-Identifier: BSD-3-Clause
"""PFQ groups of unrelated processes: who gets which packet, started in any order, changed while they
run, killed. A fresh network namespace is a fresh registry."""

import json
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import netlab
import pytest

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no PFQ groups")

FLOWS = 50
N = 2 * FLOWS  # each flow once in both directions
SMALL = {"PCAP_ACCEL_BUFFER": "2MiB"}  # a ring of the usual size takes long to be made
DROP_ALL = "(1):  0x06 0 0 0,"
STEER = "steer_flow"
NOBODY = "65534"


# ---- members, and when they are there ----


@pytest.fixture
def lab(bed):
    """eth0 and eth1, peer0 and peer1. What a failed test has left running is ended."""
    yield bed
    bed.end_all()


def member(lab, device="pfq", *options, group=42, computation=None, **env):
    """A program in a group, once it says that it captures."""
    whole = {**SMALL, **env}
    if group is not None:
        whole["PFQ_GROUP"] = str(group)
    if computation is not None:
        whole["PFQ_COMPUTATION"] = computation
    return lab.capture(device, *options, env=whole)


def rings(lab, where=netlab.SENSOR):
    """The open sockets that members read: (kernel group or None, filter) each."""
    text = lab.run(["ss", "-0", "-n", "-e", "-b"], where=where).stdout
    found = []
    for one in re.split(r"^p_(?:raw|dgr)", text, flags=re.M)[1:]:
        program = re.search(r"bpf filter (.*)", one)
        if "ring_rx" not in one or not program or DROP_ALL in program[1]:
            continue
        group = re.search(r"fanout\(id:(\d+)", one)
        found.append((group and group[1], program[1].strip()))
    return found


def settle(lab, fanout=0, plain=0, other_filters=False):
    """Wait until there are this many sockets that take part, in kernel groups and outside. Those of a
    kernel group then have the same filter, unless the members have their own."""
    deadline = time.monotonic() + netlab.PATIENCE_S
    while True:
        found = rings(lab)
        now = sum(1 for group, _ in found if group), sum(1 for group, _ in found if not group)
        groups = {group for group, _ in found}
        same = other_filters or len(set(found)) == len(groups)
        if now == (fanout, plain) and same:
            return
        assert time.monotonic() < deadline, f"{now} sockets, same filters: {same}"
        time.sleep(0.01)  # between two looks


class Sender:
    """Sends, and remembers under which numbers."""

    def __init__(self, lab, first=0):
        self.lab = lab
        self.next = first

    def __call__(self, *options, peer="peer0", n=N):
        first = self.next
        self.lab.send(peer, "-n", n, "-r", 20000, "-f", FLOWS, "-b", "-q", first, *options)
        self.next += n
        return set(range(first, first + n))


def seen_by(*captures):
    """Stop the programs; what each has seen."""
    results = netlab.stop(*captures)
    for result in results:
        assert result["twice"] == 0
        assert result["rc"] in (0, -2), result["error"]
        assert result["drop"] == 0, "this machine was too slow for the ring"
    return [result.seen for result in results]


def shared(seen, numbers):
    """Each of the numbers was seen by one member; returns who saw which."""
    parts = [one & numbers for one in seen]
    for i, one in enumerate(parts):
        for other in parts[i + 1 :]:
            assert not one & other, f"twice: {sorted(one & other)[:10]}"
    lost = numbers - set().union(*parts)
    assert not lost, f"lost: {sorted(lost)[:10]}"
    return parts


def copied(seen, numbers):
    """Each of the numbers was seen by every member."""
    for one in seen:
        assert numbers <= one, f"lost: {sorted(numbers - one)[:10]}"


def unseen(seen, numbers):
    for one in seen:
        assert not numbers & one, f"not dropped: {sorted(numbers & one)[:10]}"


def flow_of(number, first):
    return (number - first) // 2 % FLOWS


def one_member_a_flow(seen, batches):
    """In all batches together, a flow is at one member. Returns the members that had some."""
    home = {}
    for numbers in batches:
        parts = shared(seen, numbers)
        for i, part in enumerate(parts):
            for number in part:
                flow = flow_of(number, min(numbers))
                assert home.setdefault(flow, i) == i, f"flow {flow} at {home[flow]} and {i}"
    return set(home.values())


# ---- the session of PFQ's README ----


def read_stamps(path):
    """(number, flow) of each packet of a pcap file."""
    data = path.read_bytes()
    at, found = 24, []
    while at + 16 <= len(data):
        length = int.from_bytes(data[at + 8 : at + 12], "little")
        packet = data[at + 16 : at + 16 + length]
        at += 16 + length
        mark = packet.find(b"\xac\xce\x1e\x7a")
        if mark >= 0 and len(packet) >= mark + 16:
            flow = int.from_bytes(packet[mark + 4 : mark + 8], "big") & 0x7FFFFFFF
            found.append((int.from_bytes(packet[mark + 8 : mark + 16], "big"), flow))
    return found


class Dump:
    """A tcpdump as a user starts it, but for where its packets go."""

    def __init__(self, lab, folder, name, device, *options, cwd=None, **env):
        self.path = folder / f"{name}.pcap"
        self.lab = lab
        argv = ["tcpdump", "-n", *options, "-i", device, "-U", "-w", "-"]
        with self.path.open("wb") as out:
            self.process = lab.popen(argv, env=lab.accel_env(**env), stdout=out, cwd=cwd)
        netlab.await_line(self.process, "listening on", "stderr")

    def stop(self):
        self.lab.end(self.process, netlab.signal.SIGINT)
        return read_stamps(self.path)


@pytest.mark.parametrize("order", ["master first", "joiners first", "master third"])
def test_readme_session(lab, tmp_path, order):
    """PFQ's README: four tcpdumps share the packets of two devices. None is lost, none is twice, both
    directions of a flow are in one process, in whatever order they were started."""
    netlab.needs("tcpdump")
    env = {"PFQ_GROUP": "42"}
    place = {"master first": 0, "joiners first": 3, "master third": 2}[order]
    dumps = []
    for i in range(4):
        if i == place:
            dumps.append(
                Dump(lab, tmp_path, i, "pfq:eth0:eth1", PFQ_COMPUTATION="steer_flow", **env)
            )
        else:
            dumps.append(Dump(lab, tmp_path, i, "pfq", **env))
    settle(lab, fanout=4)
    send = Sender(lab)
    numbers = send() | send(peer="peer1")
    netlab.await_packets([dump.path for dump in dumps], len(numbers))
    stamps = [dump.stop() for dump in dumps]
    whole = [number for one in stamps for number, _ in one]
    assert sorted(whole) == sorted(numbers)
    flows = [{flow for _, flow in one} for one in stamps]
    assert sum(len(one) for one in flows) == FLOWS
    assert min(len(one) for one in flows) > 0


README_FILE = """\
# PFQ configuration file

group  = 11
caplen = 64

rx_slots = 131072

tx_node  = 1

computation = ip >-> steer_flow
"""


def test_readme_file(lab, tmp_path):
    """PFQ's README: its configuration file, named relative to where the program runs. Two programs
    share IPv4, cut to 64 bytes; nobody gets IPv6 or ARP."""
    netlab.needs("tcpdump")
    (tmp_path / "pfq-pcap.conf").write_text(README_FILE)
    device = "pfq/pfq-pcap.conf:eth0:eth1"
    dumps = [Dump(lab, tmp_path, i, device, cwd=tmp_path) for i in range(2)]
    settle(lab, fanout=2)
    send = Sender(lab)
    send("-6", "-s", 200)
    send("-p", "arp")
    numbers = send("-s", 200) | send("-s", 200, peer="peer1")
    netlab.await_packets([dump.path for dump in dumps], len(numbers))
    for dump in dumps:
        dump.stop()
        data = dump.path.read_bytes()
        assert int.from_bytes(data[32:36], "little") == 64  # of the first packet, kept
        assert int.from_bytes(data[36:40], "little") == 200  # of it, on the wire
    assert sum(netlab.count_packets(dump.path) for dump in dumps) == len(numbers)


def test_file_by_absolute_path(lab, tmp_path):
    """pfq//PATH:eth0 reads a file by its absolute path; a program without it joins by its number."""
    (tmp_path / "group.conf").write_text("group = 11\ncomputation = steer_flow\n")
    captures = [member(lab, f"pfq/{tmp_path}/group.conf:eth0", group=None), member(lab, group=11)]
    settle(lab, fanout=2)
    numbers = Sender(lab)()
    shared(seen_by(*captures), numbers)


def test_misspelt_variable(lab, tmp_path):
    """PFQ's README misspells its own variable: the log says so, and what would be right."""
    log = tmp_path / "log"
    capture = member(lab, group=None, PFQ_GORUP="42", PCAP_ACCEL_LOG=f"warning:{log}")
    seen_by(capture)
    line = next(line for line in log.read_text().splitlines() if "PFQ_GORUP" in line)
    assert "PFQ_GROUP" in line


# ---- who gets what ----


def test_without_computation(lab):
    """Without a computation every member gets every packet of every device of the group."""
    captures = [member(lab, "pfq:eth0"), member(lab, "pfq:eth1"), member(lab)]
    settle(lab, plain=3)
    send = Sender(lab)
    numbers = send() | send("-p", "arp", peer="peer1") | send("-6") | send("-v", "0x8100:5")
    copied(seen_by(*captures), numbers)


def test_without_group(lab):
    """Two programs that name no group are two groups: each gets everything."""
    captures = [member(lab, "pfq:eth0", group=None, computation=STEER) for _ in range(2)]
    settle(lab, fanout=2)
    numbers = Sender(lab)()
    copied(seen_by(*captures), numbers)


def test_any(lab):
    """pfq:any is every Ethernet device that is there."""
    captures = [member(lab, "pfq:any", computation=STEER), member(lab)]
    settle(lab, fanout=2)
    send = Sender(lab)
    numbers = send() | send(peer="peer1")
    shared(seen_by(*captures), numbers)


def test_other_device(lab):
    """A device that no member has named is in no group."""
    captures = [member(lab, "pfq:eth0", computation=STEER), member(lab)]
    settle(lab, fanout=2)
    send = Sender(lab)
    others, numbers = send(peer="peer1"), send()
    seen = seen_by(*captures)
    shared(seen, numbers)
    unseen(seen, others)


def test_outgoing(lab):
    """What this host sends is not seen, as in PFQ."""
    captures = [member(lab, "pfq:eth0", computation=STEER), member(lab)]
    settle(lab, fanout=2)
    lab.send("eth0", "-n", 100, "-r", 20000, "-q", 9000, where=netlab.SENSOR)
    numbers = Sender(lab)()
    seen = seen_by(*captures)
    shared(seen, numbers)
    unseen(seen, set(range(9000, 9100)))


def test_joiner_alone(lab):
    """A program that names neither device nor an existing group receives nothing, as PFQ's did."""
    capture = member(lab)
    numbers = Sender(lab)()
    unseen(seen_by(capture), numbers)


KINDS = {
    "udp": [],
    "tcp": ["-p", "tcp"],
    "icmp": ["-p", "icmp"],
    "arp": ["-p", "arp"],
    "udp6": ["-6"],
    "tcp6": ["-6", "-p", "tcp"],
    "udp-vlan": ["-v", "0x8100:5"],
    "tcp-qinq": ["-p", "tcp", "-v", "0x88a8:7,0x8100:5"],
}
V4 = {"udp", "tcp", "icmp", "udp-vlan", "tcp-qinq"}
ALL, ONE = "all", "one"
RULES = [
    ("ip", dict.fromkeys(V4, ALL)),
    ("ip >-> steer_flow", dict.fromkeys(V4, ONE)),
    ("udp", dict.fromkeys(("udp", "udp-vlan"), ALL)),
    ("tcp", dict.fromkeys(("tcp", "tcp-qinq"), ALL)),
    ("ip6", dict.fromkeys(("udp6", "tcp6"), ALL)),
    ("vlan", dict.fromkeys(("udp-vlan", "tcp-qinq"), ALL)),
    ("udp >-> steer_flow", dict.fromkeys(("udp", "udp-vlan"), ONE)),
    ("vlan >-> steer_vlan", dict.fromkeys(("udp-vlan", "tcp-qinq"), ONE)),
    ("vlan_id_filter [5]", {"udp-vlan": ALL}),
    ("drop", {}),
    ("broadcast", dict.fromkeys(KINDS, ALL)),
    ("steer_link", dict.fromkeys(KINDS, ONE)),
    (
        "conditional is_tcp steer_flow broadcast",
        {kind: ONE if kind.startswith("tcp") and "6" not in kind else ALL for kind in KINDS},
    ),
    (
        "when is_tcp steer_flow",
        {kind: ONE if kind.startswith("tcp") and "6" not in kind else ALL for kind in KINDS},
    ),
    # The kernel has taken an outer tag out of the packet before a filter sees it: as stock.
    ('filter "udp port 7777" >-> steer_ip', {"udp": ONE, "udp-vlan": ONE}),
]


def sockets_of(text, members):
    """How many sockets in kernel groups and outside the members of a group have: for what one member
    gets, and for what all get, which of steer_link are the broadcasts."""
    if any(word in text for word in ("conditional", "when", "steer_link")):
        return {"fanout": members, "plain": members}
    return {"fanout": members} if "steer" in text else {"plain": members}


@pytest.mark.parametrize("text, rule", RULES, ids=[text for text, _ in RULES])
def test_rules(lab, text, rule):
    """Each kind of packet reaches the members that the computation names: all, one, nobody."""
    captures = [member(lab, "pfq:eth0", computation=text), member(lab), member(lab)]
    settle(lab, **sockets_of(text, 3))
    send = Sender(lab)
    sent = {kind: send(*options) for kind, options in KINDS.items()}
    seen = seen_by(*captures)
    for kind, numbers in sent.items():
        expected = rule.get(kind)
        if expected == ALL:
            copied(seen, numbers)
        elif expected == ONE:
            shared(seen, numbers)
        else:
            unseen(seen, numbers)


@pytest.mark.parametrize("members", [1, 2, 4])
def test_double(lab, members):
    """double_steer_ip: a packet is at the member of its source address and at that of its destination,
    once if they are the same. Each address is at one member, whichever end it is."""
    captures = [member(lab, "pfq:eth0", computation="double_steer_ip")]
    captures += [member(lab) for _ in range(members - 1)]
    # Three sockets a member: for either address, and for what is broadcast.
    settle(lab, fanout=2 * members, plain=members)
    numbers = Sender(lab)()
    seen = seen_by(*captures)
    union = set().union(*seen)
    assert union == numbers, f"lost: {sorted(numbers - union)[:10]}"
    homes = {}  # flow -> the members that have it: of its two addresses
    for flow in range(FLOWS):
        both = [n for n in numbers if flow_of(n, 0) == flow]
        homes[flow] = [frozenset(i for i, one in enumerate(seen) if n in one) for n in both]
        assert len(set(homes[flow])) == 1, "the two directions are at different members"
        assert 1 <= len(homes[flow][0]) <= min(2, members)
    if members == 1:
        return
    assert any(len(home[0]) == 2 for home in homes.values())


@pytest.mark.parametrize("text", ["5", "5,7"])
def test_vlan_variable(lab, text):
    """PFQ_VLAN keeps the VLANs that it names; on the group, so for every member."""
    captures = [member(lab, "pfq:eth0", PFQ_VLAN=text), member(lab)]
    settle(lab, plain=2)
    send = Sender(lab)
    wanted, other = send("-v", "0x8100:5"), send("-v", "0x8100:6")
    seventh, untagged = send("-v", "0x8100:7"), send()
    seen = seen_by(*captures)
    copied(seen, wanted)
    unseen(seen, other | untagged)
    (copied if "7" in text else unseen)(seen, seventh)


def test_vlan_in_file(lab, tmp_path):
    """vlan = in a file does the same; 0 is untagged."""
    (tmp_path / "vlan.conf").write_text("group = 3\nvlan = 0, 5\ncomputation = steer_flow\n")
    captures = [member(lab, f"pfq/{tmp_path}/vlan.conf:eth0", group=None), member(lab, group=3)]
    settle(lab, fanout=2)
    send = Sender(lab)
    wanted, other = send("-v", "0x8100:5") | send(), send("-v", "0x8100:6")
    seen = seen_by(*captures)
    shared(seen, wanted)
    unseen(seen, other)


def test_caplen(lab):
    """PFQ_CAPLEN cuts packets of its own program; the length on the wire is told."""
    short, whole = member(lab, "pfq:eth0", PFQ_CAPLEN="64"), member(lab)
    settle(lab, plain=2, other_filters=True)
    lab.send("peer0", "-n", 10, "-r", 1000, "-s", 400)
    results = netlab.stop(short, whole)
    assert [result["packets"] for result in results] == [10, 10]
    assert [result["caplen"][1] for result in results] == [64, 400]
    assert [result["len"] for result in results] == [[400, 400]] * 2


def test_own_filter(lab):
    """A program's own filter chooses for itself alone."""
    captures = [
        member(lab, "pfq:eth0", "-f", "udp port 7777"),
        member(lab, "pfq", "-f", "udp port 9999"),
        member(lab),
    ]
    settle(lab, plain=3, other_filters=True)
    send = Sender(lab)
    one, other = send("-d", 7777), send("-d", 9999)
    assert seen_by(*captures) == [one, other, one | other]


def test_own_filter_of_a_share(lab):
    """In a group that steers, a program's filter chooses from its own share."""
    captures = [member(lab, "pfq:eth0", "-f", "tcp", computation=STEER), member(lab)]
    settle(lab, fanout=2, other_filters=True)
    send = Sender(lab)
    udp, tcp = send(), send("-p", "tcp")
    filtered, unfiltered = seen_by(*captures)
    shared([filtered, unfiltered], tcp)
    assert not filtered & udp
    assert 0 < len(unfiltered & udp) < N


# ---- steering, counted ----

FAMILIES = [
    [[], ["-p", "tcp"], ["-v", "0x8100:5"], ["-p", "tcp", "-v", "0x88a8:7,0x8100:5"]],
    [["-6"], ["-6", "-p", "tcp"], ["-6", "-v", "0x8100:5"]],
]


@pytest.mark.parametrize("members", [*range(1, 9), 16])
def test_steering(lab, members):
    """Among N members every packet is at one, and a flow at one: in both directions, on both devices,
    tagged, tagged twice or not. What the computation drops is at nobody."""
    captures = [member(lab, "pfq:eth0:eth1", computation=STEER)]
    captures += [member(lab) for _ in range(members - 1)]
    settle(lab, fanout=members)
    send = Sender(lab)
    batches = [
        [send(*options, peer=f"peer{i}") for options in family for i in range(2)]
        for family in FAMILIES
    ]
    dropped = send("-p", "arp")
    seen = seen_by(*captures)
    homes = set().union(*(one_member_a_flow(seen, family) for family in batches))
    assert len(homes) >= min(members, 8), "flows are not spread"
    unseen(seen, dropped)


# ---- what changes while members are there ----

DROPPED = ["-u", NOBODY]


@pytest.mark.parametrize("options", [[], DROPPED], ids=["root", "privileges dropped"])
def test_new_computation(lab, options):
    """A computation that a later member brings reaches those who are there."""
    captures = [member(lab, "pfq:eth0", *options), member(lab, "pfq", *options)]
    settle(lab, plain=2)
    send = Sender(lab)
    before = send()
    captures.append(member(lab, computation=STEER))
    settle(lab, fanout=3)
    after, dropped = send(), send("-p", "arp")
    seen = seen_by(*captures)
    copied(seen[:2], before)
    shared(seen, after)
    unseen(seen, dropped)


@pytest.mark.parametrize("options", [[], DROPPED], ids=["root", "privileges dropped"])
def test_new_computation_of_the_same_kind(lab, options):
    """From steer_flow to steer_auto: the sockets stay, program and filter change."""
    captures = [member(lab, "pfq:eth0", *options, computation=STEER), member(lab, "pfq", *options)]
    settle(lab, fanout=2)
    send = Sender(lab)
    dropped = send("-p", "arp")
    captures.append(member(lab, computation="steer_auto"))
    settle(lab, fanout=3)
    kept = send("-p", "arp")
    seen = seen_by(*captures)
    unseen(seen, dropped)
    shared(seen, kept)


# Of programs without privileges test_pfq_change.py asks the same.
@pytest.mark.parametrize(
    "options",
    [[], pytest.param(DROPPED, marks=pytest.mark.full)],
    ids=["root", "privileges dropped"],
)
def test_many_new_computations(lab, full, options):
    """Computations of other kinds, one after the other, reach those who are there each time."""
    captures = [member(lab, "pfq:eth0", *options), member(lab, "pfq", *options)]
    settle(lab, plain=2)
    send, sent, third = Sender(lab), [], []
    for text in [STEER, "steer_link", "udp", STEER, *(["udp", STEER] if full else [])]:
        captures.append(member(lab, computation=text))
        settle(lab, **sockets_of(text, 3))
        sent.append((text, send()))
        third += seen_by(captures.pop())
    seen = [*seen_by(*captures), set().union(*third)]
    for text, numbers in sent:
        if text == "udp":
            copied(seen, numbers)
        else:
            shared(seen, numbers)


@pytest.mark.parametrize("options", [[], DROPPED], ids=["root", "privileges dropped"])
def test_new_device(lab, options):
    """A device that a later member brings reaches those who are there, and becomes promiscuous by
    every member that wants it."""
    captures = [member(lab, "pfq:eth0", *options, computation=STEER)]
    captures.append(member(lab, "pfq", *options))
    settle(lab, fanout=2)
    captures.append(member(lab, "pfq:eth1"))
    settle(lab, fanout=3)
    assert lab.promiscuity("eth1") == 3
    send = Sender(lab)
    numbers = send() | send(peer="peer1")
    shares = shared(seen_by(*captures), numbers)
    assert all(shares), f"{[len(one) for one in shares]}"


def test_tcpdump_without_privileges(lab, tmp_path):
    """tcpdump that has become another user follows a new device and a new computation."""
    netlab.needs("tcpdump")
    user = "tcpdump" if "tcpdump:" in Path("/etc/passwd").read_text() else "nobody"
    dumps = [
        Dump(lab, tmp_path, i, device, "-Z", user, PFQ_GROUP="42", **SMALL)
        for i, device in enumerate(["pfq:eth0", "pfq"])
    ]
    settle(lab, plain=2)
    dumps.append(
        Dump(
            lab, tmp_path, 2, "pfq:eth1", "-Z", user, PFQ_GROUP="42", PFQ_COMPUTATION=STEER, **SMALL
        )
    )
    settle(lab, fanout=3)
    send = Sender(lab)
    numbers = send() | send(peer="peer1")
    netlab.await_packets([dump.path for dump in dumps], len(numbers))
    stamps = [dump.stop() for dump in dumps]
    assert sorted(number for one in stamps for number, _ in one) == sorted(numbers)
    assert all(stamps)


def test_member_leaves(lab):
    """Who leaves leaves his share to the others."""
    captures = [member(lab, "pfq:eth0", computation=STEER), member(lab), member(lab)]
    settle(lab, fanout=3)
    send = Sender(lab)
    before = send()
    first = seen_by(captures[0])
    settle(lab, fanout=2)
    after = send()
    seen = first + seen_by(*captures[1:])
    shared(seen, before)
    shared(seen[1:], after)


# ---- crashes ----


def kill(lab, capture):
    lab.end(capture.process, netlab.signal.SIGKILL)


def members_of(lab, tmp_path, device="pfq", **env):
    """How many members the group has, as one more that joins and leaves counts, and its devices."""
    log = tmp_path / "count"
    log.unlink(missing_ok=True)
    seen_by(member(lab, device, PCAP_ACCEL_LOG=f"info:{log}", **env))
    text = log.read_text()
    found = re.search(r"group \d+ \((\d+) members?\), devices ([^,]*), computation '([^']*)'", text)
    assert found, text
    return int(found[1]), found[2], found[3]


@pytest.mark.parametrize("text, sockets", [(STEER, "fanout"), ("ip", "plain")])
def test_killed_member(lab, tmp_path, text, sockets):
    """A member that is killed is out of the group at once; the others go on, and share all."""
    captures = [member(lab, "pfq:eth0", computation=text), member(lab), member(lab)]
    settle(lab, **{sockets: 3})
    kill(lab, captures[0])
    settle(lab, **{sockets: 2})
    assert members_of(lab, tmp_path) == (3, "eth0", text)
    numbers = Sender(lab)()
    (shared if sockets == "fanout" else copied)(seen_by(*captures[1:]), numbers)


def test_killed_member_of_a_double_group(lab):
    """The others notice that they are fewer: no packet for two is lost or twice afterwards."""
    captures = [member(lab, "pfq:eth0", computation="double_steer_ip"), member(lab), member(lab)]
    settle(lab, fanout=6, plain=3)
    with_three = {text for _, text in rings(lab)}
    kill(lab, captures[2])
    deadline = time.monotonic() + netlab.PATIENCE_S
    while {text for _, text in rings(lab)} == with_three:
        assert time.monotonic() < deadline, "the filters are still those of three members"
        time.sleep(0.02)  # between two looks
    numbers = Sender(lab)()
    seen = seen_by(*captures[:2])
    assert set().union(*seen) == numbers


def test_all_killed(lab, tmp_path):
    """A group all of whose members were killed is found empty."""
    captures = [member(lab, "pfq:eth0", computation=STEER), member(lab)]
    settle(lab, fanout=2)
    for capture in captures:
        kill(lab, capture)
    assert members_of(lab, tmp_path) == (1, "none yet", "")
    assert lab.packet_sockets() == 0
    assert lab.promiscuity() == 0


def test_group_ends_with_its_last_member(lab, tmp_path):
    """So is one whose members have all left."""
    captures = [member(lab, "pfq:eth0", computation=STEER), member(lab)]
    settle(lab, fanout=2)
    seen_by(*captures)
    assert members_of(lab, tmp_path) == (1, "none yet", "")


# ---- borders ----


def test_two_groups(lab):
    """Two groups on one device: each gets every packet, by its own computation."""
    captures = [member(lab, "pfq:eth0", computation=STEER), member(lab)]
    captures += [member(lab, "pfq:eth0", group=43, computation="udp"), member(lab, group=43)]
    settle(lab, fanout=2, plain=2)
    send = Sender(lab)
    udp, tcp = send(), send("-p", "tcp")
    seen = seen_by(*captures)
    shared(seen[:2], udp | tcp)
    copied(seen[2:], udp)
    unseen(seen[2:], tcp)


def test_two_namespaces(make_lab, tmp_path):
    """The same number in another network namespace is another group."""
    here, there = make_lab(), make_lab()
    captures = [member(here, "pfq:eth0", computation=STEER), member(here)]
    settle(here, fanout=2)
    assert members_of(there, tmp_path) == (1, "none yet", "")
    numbers = Sender(here)()
    shared(seen_by(*captures), numbers)


@pytest.fixture
def runtime_dir():
    """A runtime directory of the user nobody."""
    folder = Path(tempfile.mkdtemp(prefix="accel-run-"))
    os.chown(folder, int(NOBODY), int(NOBODY))
    yield folder
    shutil.rmtree(folder)


def test_two_users(lab, runtime_dir):
    """Another user's group of the same number is another group: he needs CAP_NET_RAW alone, and keeps
    his records in his own runtime directory."""
    captures = [member(lab, "pfq:eth0", computation=STEER)]
    settle(lab, fanout=1)
    words = f"setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --no-new-privs"
    words += " --inh-caps -all,+net_raw --ambient-caps -all,+net_raw --bounding-set -all,+net_raw"
    env = {**SMALL, "PFQ_GROUP": "42", "XDG_RUNTIME_DIR": str(runtime_dir)}
    processes = []
    for device in ("pfq:eth0", "pfq"):
        more = {"PFQ_COMPUTATION": "tcp"} if device != "pfq" else {}
        words_env = [f"{key}={value}" for key, value in lab.accel_env(**env, **more).items()]
        argv = [*words.split(), "env", *words_env, lab.build.tool("capture_check"), device]
        processes.append(lab.popen(argv))
        line = netlab.read_line(processes[-1])
        assert line.startswith("READY "), line + lab.end(processes[-1])[1]
    settle(lab, fanout=1, plain=2)
    assert [path.name for path in runtime_dir.glob("pcap-accel/*/g*")] == ["g42"]
    send = Sender(lab)
    udp, tcp = send(), send("-p", "tcp")
    copied(seen_by(*captures), udp | tcp)
    for process in processes:
        out, _ = lab.end(process)
        assert netlab.expand(json.loads(out.splitlines()[-1])["seen"]) == tcp


# ---- refusals ----


def refused(lab, device, *options, **env):
    """The sentence with which an open is refused; it leaves nothing behind."""
    sockets = lab.packet_sockets()
    capture = lab.capture(device, *options, env={**SMALL, "PFQ_GROUP": "42", **env}, ready=False)
    out, err = capture.process.communicate(timeout=netlab.PATIENCE_S)
    netlab.living.remove(capture.process)
    result = json.loads(out.splitlines()[-1])
    assert "READY" not in out, f"opened: {out}"
    assert not err
    assert lab.packet_sockets() == sockets
    return result["error"]


@pytest.mark.parametrize(
    "text, words",
    [
        ("steer_flwo", ["1:1", "steer_flwo", "steer_flow"]),
        ("ip >-> steer_flwo", ["1:8", "steer_flwo", "steer_flow"]),
        ("ip >->", ["1:7"]),
        ('forward "eth1"', ["1:1", "forward"]),
        ("steer_flow\n>-> udpp", ["2:5", "udpp"]),
    ],
    ids=["unknown", "second", "end", "not here", "second line"],
)
def test_bad_computation(lab, text, words):
    """A text that is no computation is refused with its place."""
    sentence = refused(lab, "pfq:eth0", PFQ_COMPUTATION=text)
    assert all(word in sentence for word in words), sentence


def test_bad_computation_changes_nothing(lab, tmp_path):
    """A refused text leaves the group that is there as it is, and makes none that is not."""
    refused(lab, "pfq:eth0", PFQ_COMPUTATION="steer_flwo")
    assert lab.promiscuity() == 0
    assert members_of(lab, tmp_path) == (1, "none yet", "")
    capture = member(lab, "pfq:eth0", computation="udp")
    refused(lab, "pfq:eth1", PFQ_COMPUTATION="steer_flwo")
    assert members_of(lab, tmp_path) == (2, "eth0", "udp")
    assert lab.promiscuity() == 1
    assert lab.promiscuity("eth1") == 0
    send = Sender(lab)
    udp, tcp = send(), send("-p", "tcp")
    assert seen_by(capture) == [udp], f"not TCP: {tcp}"


def test_too_many_devices(lab):
    """A device string of 65 devices is refused."""
    assert "64" in refused(lab, "pfq:" + ":".join(f"eth{i}" for i in range(65)))


def test_too_many_devices_of_a_group(lab, tmp_path):
    """A member that brings a group's 65th device is refused; the group stays."""
    batch = tmp_path / "batch"
    lines = []
    for i in range(33):
        lines += [
            f"link add a{i} type veth peer name b{i}",
            f"link set a{i} up",
            f"link set b{i} up",
        ]
    batch.write_text("\n".join(lines))
    removal = tmp_path / "removal"
    removal.write_text("\n".join(f"link del a{i}" for i in range(33)))
    lab.ip("-batch", batch)
    names = [f"{kind}{i}" for kind in "ab" for i in range(33)]
    capture = member(lab, "pfq:" + ":".join(names[:64]))
    assert "64" in refused(lab, f"pfq:{names[64]}")
    # One of those that it has is no new one.
    seen_by(member(lab, f"pfq:{names[63]}"), capture)
    lab.ip("-batch", removal)


def test_device_that_is_not_there(lab, tmp_path):
    """A device that does not exist is refused by its name and does not become the group's."""
    assert "eth7" in refused(lab, "pfq:eth0:eth7", PFQ_COMPUTATION=STEER)
    assert lab.promiscuity() == 0
    assert members_of(lab, tmp_path) == (1, "none yet", "")


def test_device_without_link_layer(lab):
    """A device that is no Ethernet is refused by its name."""
    tun = lab.popen([lab.build.tool("tun_device"), "tun0", "1"], stdin=netlab.subprocess.PIPE)
    if not netlab.read_line(tun):
        pytest.skip(f"no tun devices here: {tun.communicate()[1]}")
    text = refused(lab, "pfq:eth0:tun0")
    assert "tun0" in text and "Ethernet" in text
    lab.end(tun)


def test_direction_out(lab):
    """PFQ never saw what a host sends: the direction is refused, with where it is to be had."""
    assert "afpacket" in refused(lab, "pfq:eth0", "-d", "out")
    assert lab.promiscuity() == 0


@pytest.mark.parametrize("directions", ["in", "inout"])
def test_direction_in(lab, directions):
    """The other directions are what there is."""
    capture = member(lab, "pfq:eth0", "-d", directions)
    numbers = Sender(lab)()
    assert seen_by(capture) == [numbers]


@pytest.mark.parametrize(
    "device, computation",
    [("pfq:eth0", STEER), ("pfq", ""), ("pfq:eth0", "steer_flwo"), ("pfq:eth0:eth7", STEER)],
    ids=["good", "joiner", "bad computation", "no device"],
)
def test_nothing_is_left(lab, tmp_path, device, computation):
    """Opening and closing, or failing to open, leaves no descriptor, mapping, socket, promiscuous
    device or member."""
    env = lab.accel_env(**SMALL, PFQ_GROUP="42", PFQ_COMPUTATION=computation)
    argv = [lab.build.tool("open_close"), device, "5"]
    counts = json.loads(lab.run(argv, env=env, check=False).stdout)
    assert counts["fds"][0] == counts["fds"][1], counts
    if not lab.build.sanitizer:  # it maps as it likes
        assert counts["maps"][0] == counts["maps"][1], counts
    assert lab.packet_sockets() == 0
    assert lab.promiscuity() == 0
    assert members_of(lab, tmp_path)[0] == 1
