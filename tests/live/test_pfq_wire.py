# SPDX-License-Identifier: BSD-3-Clause
"""Delivery, counted on the wire: every packet arrives at exactly the members that the interpreter of
the language names, and nowhere else.

Once, lang_oracle sends all frames and tells for each computation whom it names for each of them. Then
groups grow, and at each size get the frames; group_wire tells who got which. The table of the one and
that of the other must be the same. A member's number is its place in the kernel's group: the order of
joining, and when one leaves the last takes its place."""

import contextlib
import itertools
import json
import subprocess

import netlab
import pytest
from wire_frames import KINDS, MAIN, Frames

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no PFQ groups")

FLOWS = 300
MEMBERS = 16
SOME_MEMBERS = 5  # for one function of many
EACH = "each"  # the frames of MAIN with each flow
# Members of one process read while frames are sent. Those of many groups do not: little is sent at
# once, and time alone uses up few of their blocks.
ALONE = {"PCAP_ACCEL_BUFFER": "8MiB", "PCAP_ACCEL_BLOCK": "128KiB"}
CROWD = {"PCAP_ACCEL_BUFFER": "2MiB", "PCAP_ACCEL_BLOCK": "128KiB", "PCAP_ACCEL_TIMEOUT": "100ms"}
AT_ONCE = 400

# A computation for each building block, with each flow in each kind of MAIN.
BLOCKS = {
    "filter (is_tcp .||. is_udp6) >-> no_more_frag": "copy",
    "drop": "copy",
    "steer_flow": "steer",
    "conditional is_flow steer_flow broadcast": "mixed",
    "double_steer_ip": "double",
    "when (is_udp .&&. not is_frag) (classify 1) >-> steer_auto": "steer",
}
# Of a block that another one is of, too.
SECOND = ["drop", "when (is_udp .&&. not is_frag) (classify 1) >-> steer_auto"]
# Every function that decides whom a packet goes to, with each flow in some kind. "" is none at all.
FUNCTIONS = [
    "",
    "ip >-> steer_flow",
    "steer_auto",
    "steer_p2p",
    "udp >-> steer_ip",
    "steer_ip6",
    "steer_link",
    "vlan >-> steer_vlan",
    'steer_net "10.0.0.0" 8 24',
    'steer_local_net "10.0.0.0" 8 32',
    'steer_local_ip "10.0.0.0/24"',
    'steer_local_link "02:77:00:00:00:fe"',
    "double_steer_mac",
    "double_steer_field 26 30 4",
    "steer_field 26 4",
    "steer_field_symmetric 26 30 4",
    "steer_key 1592",
    "steer_key 6",
    "steer_rrobin",
    "steer_rss",
    "steer_to 5",
    "steer_rtp",
    "steer_voip",
    "shift steer_flow",
    "par3 (tcp >-> steer_flow) (udp >-> steer_p2p) (unless is_ip drop)",
    "inv (vlan_id_filter [5])",
    "class 0 >-> deliver 1",
    "conditional is_icmp (deliver 0) (class 1 >-> steer_flow)",
    "when is_tcp detour >-> detour_if is_frag >-> steer_auto",
    'filter "udp or vlan 5" >-> steer_link',
]
# One of each block that asks for members, and for the second of two.
LEAVING = [
    "steer_flow",
    "conditional is_flow steer_flow broadcast",
    "double_steer_ip",
    'steer_local_net "10.0.0.0" 8 32',
]


@pytest.fixture(scope="module")
def bed(accel_build):
    bed = netlab.Lab(accel_build, pairs=2)
    yield bed
    bed.close()


class Wire:
    """The frames, and whom each computation names for them."""

    def __init__(self, bed, folder):
        self.bed = bed
        self.netns = f"/run/netns/{bed.names[netlab.SENDER]}"
        self.frames = Frames()
        self.ranges = {}  # n members, or EACH -> first and last frame
        self._add_each()
        for n in range(1, MEMBERS + 1):
            self._add_some(n)
        self.path = folder / "frames"
        self.frames.write(self.path)
        self.closing = []
        self.verdicts = self._ask([*BLOCKS, *FUNCTIONS])

    def await_closed(self, left):
        """Wait until this many groups are left that are being closed: a user has 128 inotify instances,
        and each member one."""
        while len(self.closing) > left:
            process = self.closing.pop(0)
            assert self.bed.end(process, 0) == ("", "")
            assert process.returncode == 0

    def _add_each(self):
        for flow in range(FLOWS):
            for kind in MAIN:
                self.frames.add(kind, flow, flow % 2)
        self.ranges[EACH] = 0, len(self.frames.lines) - 1

    def _add_some(self, n):
        """Every kind, of each flow another one at each size. Both directions are on both devices."""
        first, kinds = len(self.frames.lines), list(KINDS)
        for flow, device in itertools.product(range(FLOWS), range(2)):
            self.frames.add(kinds[(flow + n) % len(kinds)], flow, device)
        self.ranges[n] = first, len(self.frames.lines) - 1

    def _ask(self, texts):
        argv = [self.bed.build.tool("lang_oracle"), self.netns, self.path]
        process = self.bed.popen(argv, stdin=subprocess.PIPE)
        lines = "".join(f"{text or 'unit'}\n" for text in texts)
        out, err = process.communicate(lines, timeout=netlab.PATIENCE_S)
        netlab.living.remove(process)
        assert process.returncode == 0, err
        return dict(zip(texts, map(json.loads, out.splitlines()), strict=True))


@pytest.fixture(scope="module")
def wire(bed, tmp_path_factory):
    wire = Wire(bed, tmp_path_factory.mktemp("wire"))
    yield wire
    wire.await_closed(0)


class Group:
    """A running group_wire, and its members in the kernel's order. Each is another group: the members
    of the one before are closed, which takes its time, meanwhile."""

    numbers = itertools.count(42)

    def __init__(self, wire, text, env=None):
        wire.await_closed(1)
        self.wire = wire
        self.text = text
        self.verdict = wire.verdicts[text]
        self.order = []
        more = {"PFQ_GROUP": str(next(self.numbers)), "PFQ_COMPUTATION": text}
        whole = wire.bed.accel_env(**(env or ALONE), **more)
        argv = [wire.bed.build.tool("group_wire"), wire.netns, wire.path]
        self.process = wire.bed.popen(argv, env=whole, stdin=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.say("end")
            self.wire.closing.append(self.process)

    def say(self, *words):
        print(*words, file=self.process.stdin, flush=True)

    def hear(self):
        line = netlab.read_line(self.process)
        assert line, f"{self.text}: {self.process.communicate()[1]}"
        return json.loads(line)

    def _do(self, *words):
        self.say(*words)
        return self.hear()

    def join(self):
        self.say_join()
        self.hear_join()

    def say_join(self):
        self.say("open", "pfq" if self.order else "pfq:eth0:eth1")

    def hear_join(self):
        self.order.append(self.hear()["member"])

    def leave(self, place):
        """The member in this place of the kernel's order: the last takes its place."""
        self._do("close", self.order[place])
        self.order[place] = self.order[-1]
        self.order.pop()

    def _wanted(self, to):
        """The members that a verdict names, as group_wire has them: a number with a bit for each."""
        if to is None:
            return 0
        if to == "all":
            return sum(1 << member for member in self.order)
        mask = 0
        for value in to:
            mask |= 1 << self.order[value % len(self.order)]
        return mask

    def check(self, what):
        """Send the frames, and compare the table frame by frame."""
        first, last = self.wire.ranges[what]
        self._do("send", first, last)
        self.compare(first, self._do("collect", first, last))

    def compare(self, first, done):
        assert (done["twice"], done["dropped"]) == (0, 0), self.text
        for number, mask in enumerate(done["masks"], start=first):
            to = self.verdict["to"][number]
            if mask != (self._any(mask) if to == "one" else self._wanted(to)):
                self._explain(number, to, mask)

    def _any(self, mask):
        """The mask, if it is of one member."""
        return mask if mask.bit_count() == 1 else None

    def _explain(self, number, to, mask):
        homes = [member for member in self.order if mask >> member & 1]
        pytest.fail(
            f"'{self.text}', members {self.order}: {self.wire.frames.names[number]}: to {homes},"
            f" not as {to} says"
        )


@pytest.mark.parametrize(
    "text", [pytest.param(t, marks=pytest.mark.full if t in SECOND else []) for t in BLOCKS]
)
def test_members(wire, text):
    """1 to 16 members, each size with frames of every kind, and each flow in each main kind."""
    with Group(wire, text) as group:
        for n in range(1, MEMBERS + 1):
            group.join()
            group.check(n)
            group.check(EACH)


def grow_together(groups, n):
    """One member more in each group; the same frames to all of them. Yields what each has got."""
    for group in groups:
        group.say_join()
    for group in groups:
        group.hear_join()
    first, last = groups[0].wire.ranges[n]
    for start in range(first, last + 1, AT_ONCE):
        end = min(last, start + AT_ONCE - 1)
        groups[0].say("send", start, end)
        groups[0].hear()
        for group in groups:
            group.say("collect", start, end)
        for group in groups:
            yield group, start, group.hear()


@pytest.fixture(scope="module")
def tables(wire):
    """For each function and size: the order of the members, and who got which frames. Many groups
    are there at once: opening a member is mostly waiting for the kernel."""
    found = {text: [] for text in FUNCTIONS}
    for texts in (FUNCTIONS[i::2] for i in range(2)):
        wire.await_closed(0)
        with contextlib.ExitStack() as stack:
            groups = [stack.enter_context(Group(wire, text, CROWD)) for text in texts]
            for n in range(1, SOME_MEMBERS + 1):
                for group, start, done in grow_together(groups, n):
                    found[group.text].append((group, list(group.order), start, done))
    return found


@pytest.mark.parametrize("text", FUNCTIONS)
def test_function(tables, text):
    """Each function that decides whom a packet goes to, in groups of 1 to 5 members."""
    for group, order, start, done in tables[text]:
        group.order = order
        group.compare(start, done)


FIRST, MIDDLE, LAST, JOIN = 0, 1, -1, None
LEAVES = [MIDDLE, FIRST, JOIN, LAST, JOIN, MIDDLE, FIRST, FIRST]


@pytest.mark.parametrize("text", LEAVING)
def test_leaves(wire, text):
    """Members leave, down to one, and others join in between."""
    with Group(wire, text) as group:
        for _ in range(SOME_MEMBERS):
            group.join()
        for n, place in enumerate(LEAVES, start=1):
            if place is JOIN:
                group.join()
            else:
                group.leave(place)
            group.check(n)
        assert len(group.order) == 1


@pytest.mark.parametrize("text", BLOCKS)
def test_block(wire, text):
    """The building block that the compiler chooses."""
    assert wire.verdicts[text]["block"] == BLOCKS[text]


@pytest.mark.parametrize(
    "text, kinds",
    [
        ("steer_flow", {"none", 1}),
        ("steer_auto", {1}),
        ("conditional is_flow steer_flow broadcast", {"all", 1}),
        ("double_steer_ip", {"none", "all", 2}),
        ('steer_local_net "10.0.0.0" 8 32', {"none", "all", 1, 2}),
        ('steer_local_link "02:77:00:00:00:fe"', {"all", 1, 2}),
        ("steer_voip", {"none", "all", 1}),
    ],
)
def test_frames_are_of_use(wire, text, kinds):
    """There are frames for each outcome that the computation has."""
    to = wire.verdicts[text]["to"]
    assert {"none" if one is None else one if one == "all" else len(one) for one in to} == kinds


def test_every_function(wire):
    """Each function of the table that decides whom a packet goes to is on the wire here."""
    argv = [wire.bed.build.tool("lang_oracle")]
    names = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    words = {word.strip("()") for text in [*BLOCKS, *FUNCTIONS] for word in text.split()}
    assert len(names) > 20
    assert set(names) <= words
