# SPDX-License-Identifier: BSD-3-Clause
"""Groups on `xdp:`: members of several processes on queues of their own, behind one program of the device that
goes with the last of them."""

import time

import netlab
import pytest
from test_xdp_faults import await_gone, detach, held, lost_on_the_way, shown

N = 400
RATE = 20000
FLOWS = ("-f", 50)  # the sending kernel spreads them over the queues


@pytest.fixture(scope="module")
def four_queues(accel_build):
    """One lab for all: eth0 with four queues in both directions, and no address."""
    if netlab.STOCK:
        pytest.skip("the system's libpcap has no AF_XDP")
    lab = netlab.Lab(accel_build, pairs=0)
    queues = ["numrxqueues", "4", "numtxqueues", "4"]
    far = ["netns", lab.names[netlab.SENDER]]
    lab.ip("link", "add", "eth0", *queues, "type", "veth", "peer", "name", "peer0", *queues, *far)
    lab.ip("link", "set", "peer0", "up", where=netlab.SENDER)
    lab.ip("link", "set", "eth0", "up")
    lab.wait_for_link("eth0")
    yield lab
    lab.close()


@pytest.fixture
def port(four_queues):
    """The lab, on which nothing is left of the test before."""
    yield four_queues
    four_queues.end_all()
    await_no_program(four_queues)


def await_no_program(lab):
    """The kernel takes a program off some time after its owner has ended."""
    deadline = time.monotonic() + netlab.PATIENCE_S
    while shown(lab):
        assert time.monotonic() < deadline, shown(lab)


def refusal(lab, device, *wrap, env=None):
    """The sentence with which a member is refused."""
    argv = [*wrap, lab.build.tool("open_close"), device, 0]
    done = netlab.json.loads(lab.run(argv, env=lab.accel_env(**(env or {}))).stdout)
    assert done["code"] < 0, "opened"
    return done["text"]


def test_queues_of_their_own(port):
    """Two processes get what comes on their queues, once each; one is killed, and the host has its packets
    again while the other goes on; when both are gone no program, map or link is left. Those of the killed
    one are let go as soon as another takes its queue."""
    first = port.capture("xdp:eth0@q0-1?group=42,rest=drop", "-f", "udp")
    second = port.capture("xdp:eth0@q2-3", "-f", "udp", env={"PFQ_GROUP": "42"})
    assert shown(port)["prog"]["name"] == "accel_g42"
    numbers = held(first.pid) - held(second.pid)
    witness = port.capture("eth0", stock=True)
    before = lost_on_the_way(port)
    port.send("peer0", "-n", N, "-r", RATE, *FLOWS)
    port.end(first.process, netlab.signal.SIGKILL)
    port.send("peer0", "-n", N, "-r", RATE, "-q", N, *FLOWS)
    port.send("peer0", "-n", N, "-r", RATE, "-q", 2 * N, *FLOWS, "-p", "tcp")
    assert {kind for kind, _ in numbers} == {"prog", "map"}
    third = port.capture("xdp:eth0@q0-1?group=42")
    numbers |= held(third.pid) - held(second.pid)
    third.stop()
    await_gone(numbers)
    theirs, hosts = netlab.stop(second, witness)
    assert (theirs["twice"], hosts["twice"], theirs.seen & hosts.seen) == (0, 0, set())
    lost = lost_on_the_way(port) - before
    late = set(range(N, 2 * N))
    assert len(late - theirs.seen - hosts.seen) <= lost
    assert 0 < len(late & theirs.seen) < N
    assert late & theirs.seen == {n + N for n in theirs.seen if n < N} or lost
    assert len(set(range(2 * N, 3 * N)) - hosts.seen) <= lost
    assert not hosts.seen & set(range(N))


def test_tcpdump(port, tmp_path):
    """Unchanged programs, which also give up root: what their filters match they get between them, the host
    the rest."""
    netlab.needs("tcpdump")
    before = lost_on_the_way(port)
    witness = port.capture("eth0", stock=True)
    files = [tmp_path / "0.pcap", tmp_path / "1.pcap"]
    tmp_path.chmod(0o777)
    dumps = []
    for queues, path in zip(("0+2", "1+3"), files, strict=True):
        argv = ["tcpdump", "-n", "-U", "-i", f"xdp:eth0@q{queues}", "-w", path, "udp port 53"]
        dumps.append(port.popen(argv, env=port.accel_env(PCAP_ACCEL_GROUP="7")))
        netlab.await_line(dumps[-1], "listening on xdp:eth0", "stderr")
    port.send("peer0", "-n", N, "-r", RATE, *FLOWS, "-d", 53)
    port.send("peer0", "-n", N, "-r", RATE, *FLOWS, "-q", N)
    netlab.await_packets(files, N - (lost_on_the_way(port) - before))
    assert all(netlab.count_packets(path) for path in files)
    for dump in dumps:
        port.end(dump)
    assert sum(netlab.count_packets(path) for path in files) <= N
    seen = witness.stop().seen
    assert len(set(range(N, 2 * N)) - seen) <= lost_on_the_way(port) - before
    assert not seen & set(range(N))


def test_filter_changes(port):
    """A member that sets its filter again and again loses nothing, and takes nothing from another."""
    before = lost_on_the_way(port)
    filters = ("-f", "udp", "-F", "udp port 7777 or udp port 7778", "-A", 100, "-T", 20)
    changing = port.capture("xdp:eth0@q0-1?group=42,rx_slots=65536", *filters)
    other = port.capture("xdp:eth0@q2-3?group=42", "-f", "udp")
    sender = port.sending("peer0", "-r", RATE, *FLOWS)
    assert netlab.read_line(changing.process) == "CHANGED\n"
    sent = netlab.json.loads(port.end(sender)[0])["sent"]
    results = netlab.stop(changing, other)
    assert [result["twice"] for result in results] == [0, 0]
    seen = results[0].seen | results[1].seen
    assert not results[0].seen & results[1].seen
    assert len(set(range(sent)) - seen) <= lost_on_the_way(port) - before


WITHOUT_ADMIN = ["setpriv", "--bounding-set=-sys_admin"]
REFUSED = [
    (
        "xdp:eth0@q1?group=42",
        "queue 1 of 'eth0' belongs to another member of group 42 (would be: queues of its own, xdp:eth0@q2",
    ),
    (
        "xdp:eth0@q0?group=7,fallback=afpacket",
        "'eth0' is group 42's, and a device can be one group's only (would be: group=42, or pfq:eth0",
    ),
    ("xdp:eth0@q0", "'eth0' is group 42's (would be: queues of its own, "),
    (
        "xdp:eth0@q0?group=42,attach=generic",
        "the program of group 42 is attached to 'eth0' with attach=native",
    ),
    ("xdp:eth0@q0?group=42,tap=yes", "tap=yes copies what others may take"),
    ("xdp:eth0@q0?group=42,direction=inout", "sent packets are of no queue"),
]


def test_refused(port):
    """What a group of xdp cannot do is refused, with what would be right; nothing of it is left."""
    member = port.capture("xdp:eth0@q1?group=42")
    numbers = held(member.pid)
    for device, text in REFUSED:
        assert text in refusal(port, device)
    text = refusal(port, "xdp:eth0@q0?group=42", *WITHOUT_ADMIN)
    assert "only with CAP_SYS_ADMIN can a process join" in text
    assert held(member.pid) == numbers
    member.stop()
    await_gone(numbers)


FOREIGN = {
    "native": "has the XDP program {} 'foreigner' of a process that is not in group 42",
    "named": "has the XDP program {} 'accel_g42' of a process that is not in group 42",
    "posing": "the XDP program {} of 'eth0' belongs to nobody who could be joined",
}


@pytest.mark.parametrize("how", ["native", "named", pytest.param("posing", marks=pytest.mark.full)])
def test_foreign(port, how):
    """A program of somebody else is no group, whatever its name: it is shown, and left alone."""
    argv = [port.build.tool("xdp_foreign"), "eth0", how]
    process = port.popen(argv, stdin=netlab.subprocess.PIPE)
    number = int(netlab.read_line(process).split()[1])
    text = refusal(port, "xdp:eth0?group=42")
    left = shown(port)
    if how != "native":
        port.ip("link", "set", "eth0", "xdp", "off")  # it does not go with its process
    assert FOREIGN[how].format(number) in text
    assert "pfq:eth0?group=42" in text
    assert left["prog"]["id"] == number


# --- one queue, several handles of one process -----------------------------------------------------


class Members:
    """xdp_members, a command at a time."""

    def __init__(self, lab, *options, wrap=(), log=""):
        self.lab = lab
        argv = [*wrap, lab.build.tool("xdp_members"), *options]
        env = lab.accel_env(**({"PCAP_ACCEL_LOG": log} if log else {}))
        self.process = lab.popen(argv, env=env, stdin=netlab.subprocess.PIPE)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return netlab.json.loads(netlab.read_line(self.process))

    def open(self, device, *words):
        assert self.ask("open", device, *words)["text"] == ""

    def report(self, n=0):
        """Of the first n packets how many are missing and of which flows; of each member its flows."""
        report = self.ask("report", n, FLOWS[1])
        assert report["twice"] == 0
        flows = [netlab.expand(member["of"]) for member in report["flows"]]
        return report["missing"], netlab.expand(report["kinds"]), flows

    def await_all(self, n, before, left=frozenset()):
        """Until the first n have come, but for those that were lost on the way, and these flows'."""
        deadline = time.monotonic() + netlab.PATIENCE_S
        while True:
            count, kinds, flows = self.report(n)
            if kinds <= left or count <= lost_on_the_way(self.lab) - before:
                return count, flows
            assert time.monotonic() < deadline, f"{count} of {n} are missing, of flows {kinds}"

    def end(self):
        self.process.stdin.close()
        self.process.stdin = None
        _, err = self.process.communicate(timeout=netlab.PATIENCE_S)
        netlab.living.remove(self.process)
        assert self.process.returncode == 0, err
        return err


STEER = "xdp:eth0@q0-3?group=42,computation=steer_flow"


def test_shared(port):
    """Three handles that threads open at once, then four and five, share all queues by steer_flow: each packet is
    one's, each flow too; those of whoever goes are the others'. A later one needs no computation, and none
    CAP_SYS_ADMIN. Nobody joins a program that was taken off."""
    before = lost_on_the_way(port)
    members = Members(port, wrap=WITHOUT_ADMIN)
    for n, command in enumerate(
        [f"together 3 {STEER}", "open xdp:eth0?group=42", "open xdp:eth0@q0+1+2+3?group=42"]
    ):
        assert members.ask(command)["text"] == ""
        members.ask("begin")
        port.send("peer0", "-n", N, "-r", RATE, *FLOWS, "-b", "-q", n * N)
        _, flows = members.await_all((n + 1) * N, before)
        assert all(flows) and sum(map(len, flows)) == FLOWS[1], flows
    members.ask("close", 0)
    members.ask("begin")
    port.send("peer0", "-n", N, "-r", RATE, *FLOWS, "-b", "-q", 3 * N)
    _, flows = members.await_all(4 * N, before)
    assert not flows[0] and sum(map(len, flows)) == FLOWS[1], flows
    numbers = held(members.process.pid)
    detach(numbers)
    text = members.ask("open", STEER)["text"]
    assert "somebody has taken the program of group 42 off 'eth0' (close the handles" in text
    members.end()
    await_gone(numbers)


@pytest.mark.parametrize("options", [[], ["-t"]], ids=["one thread", "threads"])
def test_come_and_go_under_load(port, options):
    """Handles that come and go while packets come lose nothing but what was in the ring of who went, and
    leave nothing to the host."""
    before = lost_on_the_way(port)
    witness = port.capture("eth0", "-f", "udp", stock=True)
    members = Members(port, *options)
    members.open(STEER)
    members.open(STEER)
    sender = port.sending("peer0", "-r", RATE, *FLOWS)
    members.await_all(N, before)
    members.open(STEER)
    left = set()
    for leaver in (0, 2):
        members.ask("begin")
        deadline = time.monotonic() + netlab.PATIENCE_S
        while len(set().union(*(flows := members.report()[2]))) < FLOWS[1]:
            assert time.monotonic() < deadline, flows
        assert 0 < len(flows[leaver]) < FLOWS[1] / 2
        left |= flows[leaver]
        members.ask("close", leaver)
    members.open(STEER)
    sent = netlab.json.loads(port.end(sender)[0])["sent"]
    members.await_all(sent, before, left)
    assert witness.stop().seen == set()
    members.end()


def test_frames_go_back(port):
    """What was in the ring of a handle that has gone is free again for the others: the ring of the one who is
    left can be filled, half of the queue's frames."""
    small = f"{STEER},rx_slots=256"
    members = Members(port)
    members.open(small)
    for number in (1, 2, 3):
        members.open(small)
        members.ask("pause")
        port.send("peer0", "-n", N, *FLOWS, "-q", number * N)
        members.ask("close", number)
        members.ask("pause")
    members.ask("pause")
    port.send("peer0", "-n", N, *FLOWS)
    members.ask("pause")
    deadline = time.monotonic() + netlab.PATIENCE_S
    while (came := N - members.report(N)[0]) < 4 * 32:
        assert time.monotonic() < deadline, f"{came} came"
    members.end()


def test_filters_and_no_bpf(port):
    """A new filter of one handle is its alone. Where the process may not write maps any more, a place that cannot
    be handed on stays the leaver's, whose flows are the host's, and who is left loses nothing; one that cannot be
    had is logged, and left out."""
    before = lost_on_the_way(port)
    witness = port.capture("eth0", stock=True)
    members = Members(port, log="warning")
    for _ in range(3):
        members.open(STEER)
    port.send("peer0", "-n", N, "-r", RATE, *FLOWS)
    _, flows = members.await_all(N, before)
    assert all(flows), flows
    assert members.ask("filter", 1, "tcp")["text"] == ""
    members.ask("pause")
    assert members.ask("activate", STEER)["text"] == ""
    members.ask("deny")
    members.ask("pause")
    members.ask("close", 0)
    members.ask("begin")
    port.send("peer0", "-n", N, "-r", RATE, *FLOWS, "-q", N)
    hosts = flows[0] | flows[1]
    _, now = members.await_all(2 * N, before, hosts)
    assert now == [set(), set(), flows[2], set()]
    said = members.end()
    assert said.count("which it shares: no packets come: Operation not permitted") == 4
    assert "queue 0, which it shares: its packets go to the host, not to the others: Op" in said
    assert {n % FLOWS[1] for n in witness.stop().seen} == hosts


@pytest.mark.full
def test_too_many(port):
    """As many members as a queue may have, and one more."""
    members = Members(port)
    device = STEER.replace("@q0-3", "@q0")
    for _ in range(8):
        assert members.ask("together", 8, device)["text"] == ""
    text = members.ask("open", "xdp:eth0@q0?group=42")["text"]
    assert "queue 0 has 64 members already (would be: another queue, or pfq:eth0?group=42)" in text
    members.end()


def test_not_shared(port):
    """What one process cannot share, each with its reason; of who shared a queue nothing is left when another has
    it."""
    other = port.capture("xdp:eth0@q3?group=42")
    members = Members(port)
    members.open("xdp:eth0@q0?group=42,computation=ip >-> steer_flow")
    refused = [
        (
            "xdp:eth0@q0?group=42,computation=steer_link",
            "group 42 has another computation in this process, 'ip >-> steer_flow' (would be: the same or",
        ),
        (
            "xdp:eth0@q1?computation=steer_flow",
            "steers packets to members, and there is no group (would be: group=1, predicates alone, or",
        ),
        (
            "xdp:eth0@q1?group=7,computation=double_steer_ip",
            "gives packets to several members, and a packet of AF_XDP is in one ring",
        ),
    ]
    for device, text in refused:
        assert text in members.ask("open", device)["text"]
    numbers = held(members.process.pid) - held(other.pid)
    members.end()
    third = port.capture("xdp:eth0@q0?group=42")
    await_gone(numbers)
    netlab.stop(other, third)


@pytest.mark.parametrize("parent", ["-k", "-K"], ids=["waits", "closes"])
def test_forked(port, parent):
    """A child may be the one who reads a queue that could be shared, also when its parent has closed the handle
    before it began."""
    before = lost_on_the_way(port)
    capture = port.capture(STEER, "-f", "udp", parent)
    port.send("peer0", "-n", N, "-r", RATE, *FLOWS)
    result = capture.stop()
    assert result["twice"] == 0
    assert len(set(range(N)) - result.seen) <= lost_on_the_way(port) - before
