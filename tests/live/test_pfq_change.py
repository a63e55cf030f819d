# SPDX-License-Identifier: BSD-3-Clause
"""A computation is replaced while packets flow: each packet goes where the old one says up to one moment,
and where the new one says from then on, the same moment for all members and for all packets."""

import itertools
import json
import subprocess
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
TEXTS = [COPY, "udp", STEER, "steer_ip", MIXED, "conditional is_udp steer_flow broadcast", DOUBLE]
SOCKETS = {COPY: (0, 1), "udp": (0, 1), STEER: (1, 0), "steer_ip": (1, 0), DOUBLE: (2, 1)}
FLOWS = 50
FRAMES = 2 * FLOWS  # each flow once in both directions, and then again
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
        lab.sending("peer0", "-p", kind, "-r", rate, "-f", FLOWS, "-b", "-q", first)
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


def capture_frames(bed, path):
    """What the senders send, as the oracle wants it: their frames by kind and number."""
    netlab.needs("tcpdump")
    argv = ["tcpdump", "-n", "-Q", "in", "-c", len(FIRST) * FRAMES, "-i", "eth0", "-w", path]
    tcpdump = bed.popen(argv)
    netlab.await_line(tcpdump, "listening on", "stderr")
    for i, kind in enumerate(FIRST):
        bed.send("peer0", "-p", kind, "-n", FRAMES, "-f", FLOWS, "-r", 2000, "-b", "-q", i * FRAMES)
    bed.end(tcpdump, 0)
    data, at, lines = path.read_bytes(), 24, []
    while at < len(data):
        end = at + 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        lines.append(f"peer0 {data[at + 16 : end].hex()}\n")
        at = end
    return lines


@pytest.fixture(scope="module")
def verdicts(bed, tmp_path_factory):
    """Whom the interpreter names: for each computation and kind, of each frame in turn."""
    folder = tmp_path_factory.mktemp("change")
    path = folder / "frames"
    path.write_text("".join(capture_frames(bed, folder / "pcap")))
    netns = f"/run/netns/{bed.names[netlab.SENDER]}"
    process = bed.popen([bed.build.tool("lang_oracle"), netns, path], stdin=subprocess.PIPE)
    out, err = process.communicate("\n".join(TEXTS) + "\n", timeout=netlab.PATIENCE_S)
    netlab.living.remove(process)
    assert process.returncode == 0, err
    found = {}
    for text, line in zip(TEXTS, out.splitlines(), strict=True):
        to = json.loads(line)["to"]
        found[text] = {kind: to[i * FRAMES :][:FRAMES] for i, kind in enumerate(FIRST)}
    return found


def named(verdict, order):
    """The members that a verdict names, `order` being who is which in the kernel's group."""
    if verdict is None:
        return frozenset()
    if verdict == "all":
        return frozenset(order)
    return frozenset(order[value % len(order)] for value in verdict)


def homes_of(seen, numbers):
    """Who has which: in the order of the numbers."""
    found = [set() for _ in numbers]
    for member_, one in enumerate(seen):
        for number in one & set(numbers):
            found[number - numbers.start].add(member_)
    return found


def stretch(homes, verdicts, order):
    """How many packets from the first on are where the verdicts, by turns, name."""
    wanted = [named(verdict, order) for verdict in verdicts]
    for i, one in enumerate(homes):
        if one != wanted[i % FRAMES]:
            return i
    return len(homes)


def astray(homes, old, new, order):
    """How many packets are neither where the old computation names, with the members that there were,
    up to the first that is not; nor where the new one does, from one packet on."""
    until = stretch(homes, old, range(MEMBERS))
    turned = len(homes) % FRAMES
    backwards = (new[turned:] + new[:turned])[::-1]
    return max(0, len(homes) - until - stretch(homes[::-1], backwards, order))


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


def by_a_member(lab, new, env):
    """One that joins, and brings it."""
    return [member(lab, computation=new, **env)]


def from_outside(lab, new, _):
    """A process that is no member sets it."""
    change = ["set", "42", f"computation={new}"]
    said = lab.run([lab.build.tool("pfq_groups"), *change], env=lab.accel_env()).stdout
    assert said == '{"rc": 0}\n'
    return []


def change(lab, log, old, new, options, bring):
    """One change under traffic: (packets sent by kind, who saw what), or None if a member was late: on a
    busy machine that may be."""
    log.write_text("")
    env = {"PCAP_ACCEL_LOG": f"warning:{log}", **RING}
    slow = [*options, "-t", 200]  # so that at the moment much lies in a block nobody was told of
    captures = [member(lab, "pfq:eth0", *slow, computation=old, **env)]
    captures += [member(lab, "pfq", *slow, **env) for _ in range(MEMBERS - 1)]
    settled(lab, old, MEMBERS)
    senders = start_traffic(lab)
    captures += bring(lab, new, env)
    settled(lab, new, len(captures))
    sent = end_traffic(lab, senders)
    results = netlab.stop(*captures)
    if any(result["drop"] for result in results) or " late " in log.read_text():
        return None
    assert not any(result["twice"] for result in results)
    return sent, [result.seen for result in results]


def check_change(lab, log, verdicts, old, new, options=(), bring=by_a_member):
    """Up to one packet each is where the interpreter of the old computation names, among the members that
    there were; from the next one on where that of the new one does, among them and the one that brought
    it. None lost, none doubled."""
    tries = (change(lab, log, old, new, options, bring) for _ in range(TRIES))
    sent, seen = next((one for one in tries if one), (None, None))
    assert sent and seen is not None, f"in {TRIES} tries a member was always too slow"
    homes = {kind: homes_of(seen, numbers) for kind, numbers in sent.items()}
    # Who was quicker is first in the new computation's kernel groups.
    found = min(
        sum(astray(homes[kind], verdicts[old][kind], verdicts[new][kind], order) for kind in homes)
        for order in itertools.permutations(range(len(seen)))
    )
    assert found == 0, f"{found} of {sum(map(len, sent.values()))} packets astray"


# Each kind once as the old and once as the new one; without privileges, too.
OFTEN = [
    (COPY, STEER, []),
    (STEER, MIXED, []),
    (MIXED, DOUBLE, []),
    (DOUBLE, COPY, []),
    (STEER, "steer_ip", []),
    (COPY, MIXED, DROPPED),
    (MIXED, DOUBLE, DROPPED),
    (DOUBLE, STEER, DROPPED),
    (STEER, COPY, DROPPED),
]
CASES = [(*pair, options) for options in ([], DROPPED) for pair in PAIRS]


@pytest.mark.parametrize(
    "old, new, options",
    [
        pytest.param(
            *case,
            id=f"{case[0]} to {case[1]}{' -u' * bool(case[2])}",
            marks=[] if case in OFTEN else pytest.mark.full,
        )
        for case in CASES
    ],
)
def test_change(lab, log, verdicts, old, new, options):
    check_change(lab, log, verdicts, old, new, options)


def test_change_from_outside(lab, log, verdicts):
    """The first member that sees it names the moment."""
    check_change(lab, log, verdicts, STEER, MIXED, bring=from_outside)


def test_no_last_change(lab, full):
    """Who has dropped his privileges follows as many changes as there are: he has the sockets that any two
    computations need, and uses them again."""
    captures = [member(lab, "pfq:eth0", *DROPPED, **RING), member(lab, "pfq", *DROPPED, **RING)]
    sockets = lab.packet_sockets()
    texts = [DOUBLE, MIXED, DOUBLE, STEER]  # these alone want more sockets than there are
    for text in [*texts, *(["steer_ip", COPY, DOUBLE, MIXED, STEER] if full else [])]:
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
