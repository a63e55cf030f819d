# SPDX-License-Identifier: BSD-3-Clause
"""Fanout groups of unrelated processes: none lost, none twice, each mode by its own rule."""

import ctypes
import itertools
import json
import os

import netlab
import pytest

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no fanout")

N = 4000
FLOWS = 100
MEMBERS = 3


def group(lab, options, devices="eth0", members=MEMBERS, **how):
    return [lab.capture(f"afpacket:{devices}?{options}", **how) for _ in range(members)]


def shared(results, n=N):
    """None lost, none twice; returns how many each member saw."""
    union = set()
    for result in results:
        assert result["twice"] == 0
        assert not union & result.seen, f"twice: {sorted(union & result.seen)[:10]}"
        union |= result.seen
    assert union == set(range(n)), f"lost: {sorted(set(range(n)) - union)[:10]}"
    return [len(result.seen) for result in results]


def send(lab, *options):
    lab.send("peer0", "-n", N, "-r", 20000, "-f", FLOWS, "-b", *options)


@pytest.mark.parametrize("mode", ["hash", "lb", "cpu", "rollover", "rnd", "qm"])
def test_modes(lab, mode):
    """In every mode each packet goes to exactly one of three processes."""
    captures = group(lab, f"fanout={mode},group=7")
    send(lab)
    shares = shared(netlab.stop(*captures))
    if mode == "lb":
        assert max(shares) - min(shares) <= 1
    if mode in ("hash", "rnd"):
        assert min(shares) > N / 20


def whole_flows(results):
    """No flow is in two processes, in neither direction."""
    for one, other in itertools.combinations(results, 2):
        ours, theirs = set.union(*one.flows), set.union(*other.flows)
        assert not ours & theirs


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
@pytest.mark.parametrize("family", [[], ["-6"]], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize(
    "tags", [[], ["-v", "0x8100:5"], ["-v", "0x88a8:7,0x8100:5"]], ids=["untagged", "vlan", "qinq"]
)
def test_hash_keeps_flows(lab, protocol, family, tags):
    """Both directions of a flow go to the same process."""
    captures = group(lab, "fanout=hash,group=7")
    send(lab, "-p", protocol, *family, *tags)
    results = netlab.stop(*captures)
    shared(results)
    whole_flows(results)
    forward, backward = zip(*(result.flows for result in results), strict=True)
    assert set.union(*forward) == set.union(*backward) == set(range(FLOWS))


def test_hash_over_two_devices(lab2):
    """A group over two devices keeps the directions together, though each comes on its own."""
    captures = group(lab2, "fanout=hash,group=9", "eth0:eth1")
    for i in range(2):
        lab2.send(f"peer{i}", "-n", N // 2, "-r", 20000, "-f", FLOWS, "-b", "-q", i * N // 2)
    results = netlab.stop(*captures)
    shared(results)
    whole_flows(results)


def test_group_over_two_devices_is_only_these(make_lab):
    """A third device's packets reach no member."""
    lab = make_lab(3)
    captures = group(lab, "fanout=lb,group=9", "eth0:eth1")
    lab.send("peer0", "-n", 500, "-r", 10000)
    lab.send("peer2", "-n", 500, "-r", 10000, "-q", 9000)
    lab.send("peer1", "-n", 500, "-r", 10000, "-q", 500)
    seen = set.union(*(result.seen for result in netlab.stop(*captures)))
    assert not seen & set(range(9000, 9500))


def test_two_groups_see_everything(lab):
    """Two groups on one device: each sees every packet once."""
    one, two = group(lab, "fanout=hash,group=1"), group(lab, "fanout=lb,group=2")
    send(lab)
    results = netlab.stop(*one, *two)
    shared(results[:MEMBERS])
    shared(results[MEMBERS:])


def test_group_from_environment(lab):
    """The group comes from the environment as well as from the device."""
    env = {"PCAP_ACCEL_FANOUT": "hash", "PCAP_ACCEL_GROUP": "21"}
    captures = [lab.capture("afpacket:eth0", env=env) for _ in range(2)]
    captures.append(lab.capture("afpacket:eth0?fanout=hash,group=21"))
    send(lab)
    shared(netlab.stop(*captures))


def test_group_from_file(lab, tmp_path):
    """And from a file."""
    (tmp_path / "sensor.conf").write_text("fanout = hash\ngroup = 22\n")
    captures = [lab.capture(f"afpacket/{tmp_path}/sensor.conf:eth0")]
    captures += group(lab, "fanout=hash,group=22", members=1)
    send(lab)
    shared(netlab.stop(*captures))


@pytest.mark.parametrize("flag", ["defrag", "rollover", "ignore_outgoing"])
def test_flags(lab, flag):
    """A group with a flag shares as one without."""
    captures = group(lab, f"fanout=hash,group=7,fanout_flags={flag}")
    send(lab)
    shared(netlab.stop(*captures))


@pytest.mark.parametrize("flags, expected", [("", 100), (",fanout_flags=ignore_outgoing", 0)])
def test_ignore_outgoing(lab, flags, expected):
    """ignore_outgoing keeps out what this host sends; without it a group sees that too."""
    captures = group(lab, f"fanout=hash,group=7{flags}", members=2)
    lab.send("eth0", "-n", 100, "-r", 5000, "-q", 9000, where=netlab.SENSOR)
    send(lab)
    results = netlab.stop(*captures)
    seen = set.union(*(result.seen for result in results))
    assert len(seen & set(range(9000, 9100))) == expected
    assert set(range(N)) <= seen


@pytest.mark.parametrize("direction, expected", [("in", (True, False)), ("out", (False, True))])
def test_direction_in_group(lab, direction, expected):
    """pcap_setdirection holds in a group, where the socket's own option is void."""
    captures = [lab.capture("afpacket:eth0?fanout=hash,group=7", "-d", direction) for _ in range(2)]
    lab.send("eth0", "-n", 100, "-r", 5000, "-q", 9000, where=netlab.SENSOR)
    lab.send("peer0", "-n", 100, "-r", 5000)
    seen = set.union(*(result.seen for result in netlab.stop(*captures)))
    assert (bool(seen & set(range(100))), bool(seen & set(range(9000, 9100)))) == expected


def test_unique(lab):
    """unique: the kernel chooses a free group, so that two such handles each see everything."""
    captures = [lab.capture("afpacket:eth0?fanout=hash,fanout_flags=unique") for _ in range(2)]
    send(lab)
    for result in netlab.stop(*captures):
        shared([result])


def test_filter_in_group(lab):
    """A member's filter chooses from its own share."""
    captures = [lab.capture("afpacket:eth0?fanout=hash,group=7", "-f", "udp") for _ in range(2)]
    lab.send("peer0", "-n", 500, "-r", 10000, "-f", FLOWS, "-q", 9000, "-p", "tcp")
    send(lab)
    shared(netlab.stop(*captures))


def test_two_tcpdumps(lab, tmp_path):
    """The command of the manual: two tcpdumps in one group, unrelated, share the packets."""
    netlab.needs("tcpdump")
    device = "afpacket:eth0?fanout=hash,group=7"
    files = [tmp_path / "one.pcap", tmp_path / "two.pcap"]
    dumps = []
    for path in files:
        argv = ["tcpdump", "-n", "-U", "-Z", "root", "-i", device, "-w", path]
        dumps.append(lab.popen(argv, env=lab.accel_env()))
        netlab.await_line(dumps[-1], "listening on", "stderr")
    send(lab)
    netlab.await_packets(files, N)
    captured = []
    for dump in dumps:
        _, err = lab.end(dump, netlab.signal.SIGINT)
        captured.append(int(err.partition(" packets captured")[0].split()[-1]))
    assert sum(captured) == N
    assert min(captured) > 0


def test_next_member_after_crash(lab):
    """A member that is killed leaves the group: the others get everything."""
    captures = group(lab, "fanout=hash,group=7")
    captures[0].process.kill()
    captures[0].process.wait()
    netlab.living.remove(captures[0].process)
    send(lab)
    shared(netlab.stop(*captures[1:]))


def refused(lab, options, device="eth0"):
    capture = lab.capture(f"afpacket:{device}?{options}", ready=False)
    first = netlab.read_line(capture.process)
    assert not first.startswith("READY"), f"{options}: opened"
    lab.end(capture.process)
    result = json.loads(first)
    assert result["activate"] < 0
    assert len(result["error"]) > 20
    return result["error"]


@pytest.mark.parametrize(
    "first, second, word",
    [
        ("fanout=hash,group=7", "fanout=lb,group=7", "7"),
        ("fanout=hash,group=7", "fanout=hash,group=7,fanout_flags=defrag", "7"),
        ("fanout=hash,group=7,max_members=1", "fanout=hash,group=7,max_members=1", "full"),
        ("fanout=hash,group=7,max_members=2", "fanout=hash,group=7,max_members=3", "7"),
    ],
    ids=["mode", "flags", "full", "max_members"],
)
def test_refused(lab, first, second, word):
    """A group that another has made otherwise, or that is full, is refused with a sentence, and the
    members go on."""
    captures = group(lab, first, members=1)
    sockets = lab.packet_sockets()
    assert word in refused(lab, second)
    assert lab.packet_sockets() == sockets
    send(lab)
    shared(netlab.stop(*captures))


def test_refused_other_device(lab2):
    """A group is of one device: another device is refused by the kernel, with our sentence."""
    captures = group(lab2, "fanout=hash,group=7", members=1)
    assert "7" in refused(lab2, "fanout=hash,group=7", "eth1")
    netlab.stop(*captures)


@pytest.mark.parametrize(
    "options",
    [
        "fanout=cbpf,group=7",
        "fanout=ebpf,group=7",
        "fanout=hash,group=7,fanout_program=/nonexistent",
        "fanout=cbpf,group=7,fanout_program=/nonexistent",
        "fanout=ebpf,group=7,fanout_program=/nonexistent",
        "fanout=rollover,group=7,fanout_flags=rollover",
        "fanout=sideways,group=7",
        "fanout=hash,group=65536",
        "fanout=hash,group=7,max_members=0",
        "fanout=hash,group=7,max_members=65537",
        "fanout=hash,group=7,fanout_flags=sideways",
    ],
)
def test_refused_settings(lab, options):
    """Settings that make no sense are refused with a sentence and leave no socket."""
    refused(lab, options)
    assert lab.packet_sockets() == 0


def test_cbpf_program(lab, tmp_path):
    """fanout=cbpf with tcpdump -ddd's text: the program's value chooses the member."""
    # The last bit of the IPv4 destination address, from the network header.
    program = tmp_path / "steer.bpf"
    program.write_text("3\n48 0 0 4293918739\n84 0 0 1\n22 0 0 0\n")
    captures = group(lab, f"fanout=cbpf,group=7,fanout_program={program}", members=2)
    lab.send("peer0", "-n", N, "-r", 20000, "-f", FLOWS)
    results = netlab.stop(*captures)
    assert shared(results) == [N // 2, N // 2]
    whole_flows(results)


@pytest.mark.parametrize("text", ["", "1\n", "1\n99 0 0 0\n", "1\n48 0 0 zero\n", "70000\n"])
def test_cbpf_program_refused(lab, tmp_path, text):
    """A file that holds no program is refused by its name."""
    program = tmp_path / "steer.bpf"
    program.write_text(text)
    assert str(program) in refused(lab, f"fanout=cbpf,group=7,fanout_program={program}")


def test_ebpf_program(lab, pinned):
    """fanout=ebpf with a pinned program: here one that always chooses member 1."""
    captures = group(lab, f"fanout=ebpf,group=7,fanout_program={pinned}", members=2)
    send(lab)
    assert shared(netlab.stop(*captures)) == [0, N]


@pytest.fixture
def pinned(tmp_path, accel_build):
    """A pinned socket filter that returns 1. `ip netns exec` brings a /sys of its own, without bpffs:
    so it is mounted where the test's files are."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = tmp_path / "bpf"
    folder.mkdir()
    if libc.mount(b"bpf", os.fsencode(folder), b"bpf", 0, None):
        pytest.skip(f"no bpf file system here: {os.strerror(ctypes.get_errno())}")
    argv = [accel_build.tool("pin_program"), folder / "one", "1"]
    done = netlab.subprocess.run(argv, capture_output=True, text=True)
    yield folder / "one" if done.returncode == 0 else pytest.skip(done.stderr)
    libc.umount2(os.fsencode(folder), 2)
