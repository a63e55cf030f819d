# SPDX-License-Identifier: BSD-3-Clause
"""PFQ groups from outside: listed, looked at, defined, changed, deleted and watched by a process that
is no member. The members' packets tell what has reached them. A fresh network namespace is a fresh
registry."""

import json
import subprocess
import time

import netlab
import pytest
from test_pfq import (
    DROPPED,
    SMALL,
    STEER,
    Sender,
    copied,
    kill,
    member,
    refused,
    rings,
    seen_by,
    settle,
    shared,
    sockets_of,
    unseen,
)

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no PFQ groups")


@pytest.fixture
def lab(bed):
    yield bed
    bed.end_all()
    for number in call(bed, "list")["groups"]:
        call(bed, "delete", number)
    assert call(bed, "list") == {"count": 0, "groups": []}


def call(lab, *argv, **options):
    """What a call for groups says, as pfq_groups prints it."""
    whole = [lab.build.tool("pfq_groups"), *argv]
    done = lab.run(whole, env=lab.accel_env(), check=False, **options)
    assert not done.stderr
    assert done.returncode in (0, 1), done
    return json.loads(done.stdout)


def change(lab, number=42, **values):
    assert call(lab, "set", number, *(f"{key}={value}" for key, value in values.items())) == {
        "rc": 0
    }


def sentence(lab, *argv):
    """The sentence with which a call is refused."""
    said = call(lab, *argv)
    assert said["rc"] == -1
    assert len(said["error"]) < 256
    return said["error"]


# ---- looking ----


def test_look(lab):
    """A group is what its members have said; each member has told who it is."""
    before = time.time_ns()
    captures = [member(lab, "pfq:eth0:eth1", computation=STEER, PFQ_VLAN="5,7"), member(lab)]
    captures.append(member(lab, "pfq:eth0", group=7))
    after = time.time_ns()
    assert call(lab, "list") == {"count": 3 - 1, "groups": [7, 42]}
    assert call(lab, "list", 1) == {"count": 2, "groups": [7]}
    assert call(lab, "get", 42) == {
        "number": 42, "n_members": 2, "persistent": 0, "generation": 1, "devices": "eth0:eth1",
        "computation": STEER, "vlans": "5+7", "block": "steer",
    }  # fmt: skip
    assert call(lab, "get", 7) == {
        "number": 7, "n_members": 1, "persistent": 0, "generation": 1, "devices": "eth0",
        "computation": "", "vlans": "", "block": "copy",
    }  # fmt: skip
    found = call(lab, "members", 42)
    assert found["count"] == 2
    assert [one["pid"] for one in found["members"]] == [capture.pid for capture in captures[:2]]
    assert [one["slot"] for one in found["members"]] == [0, 1]
    assert [one["device"] for one in found["members"]] == ["pfq:eth0:eth1", "pfq"]
    for one in found["members"]:
        assert one["program"] == "capture_check"
        assert before <= one["since_ns"] <= after
    assert call(lab, "members", 42, 1) == {"count": 2, "members": found["members"][:1]}
    seen_by(captures[0])
    kill(lab, captures[2])
    assert call(lab, "list")["groups"] == [42]
    assert call(lab, "members", 42)["members"] == found["members"][1:]
    assert call(lab, "members", 7) == {"count": 0, "members": []}
    seen_by(captures[1])
    assert call(lab, "list")["groups"] == []


@pytest.mark.parametrize(
    "text, block",
    [("ip", "copy"), ("steer_link", "mixed"), ("double_steer_ip", "double"), (STEER, "steer")],
)
def test_blocks(lab, text, block):
    """The building block is named."""
    change(lab, persistent=1, computation=text)
    assert call(lab, "get", 42)["block"] == block


def test_no_group(lab):
    """What is asked of a group that there is not."""
    none = "group 42: there is none (nobody is in it, and it is not persistent)"
    range_ = "group 65536: there is none (groups are 0 to 65535)"
    assert sentence(lab, "get", 42) == none
    assert sentence(lab, "delete", 42) == none
    assert call(lab, "members", 42) == {"count": 0, "members": []}
    assert sentence(lab, "set", 42, "devices=eth0") == (
        "group 42: there is none to change (define one that outlives its members: persistent)"
    )
    for argv in (["get"], ["delete"], ["members"], ["set"]):
        assert sentence(lab, *argv, 65536) == range_


# ---- persistent groups ----


def test_persistent(lab):
    """A group is defined before its members come, and is there when they have gone."""
    change(lab, persistent=1, devices="eth0", computation=STEER, vlans="0")
    defined = {
        "number": 42, "n_members": 0, "persistent": 1, "generation": 1, "devices": "eth0",
        "computation": STEER, "vlans": "0", "block": "steer",
    }  # fmt: skip
    assert call(lab, "get", 42) == defined
    for _ in range(2):
        captures = [member(lab), member(lab)]
        settle(lab, fanout=2)
        send = Sender(lab)
        numbers, tagged = send(), send("-v", "0x8100:5")
        seen = seen_by(*captures)
        shared(seen, numbers)
        unseen(seen, tagged)
        assert call(lab, "get", 42) == defined
    assert call(lab, "delete", 42) == {"rc": 0}
    assert call(lab, "list")["groups"] == []


def test_persistent_after_kills(lab):
    """Its members may be killed, all of them: the group stays."""
    change(lab, persistent=1, devices="eth0", computation=STEER)
    captures = [member(lab), member(lab, "pfq:eth1")]
    settle(lab, fanout=2)
    for capture in captures:
        kill(lab, capture)
    assert call(lab, "get", 42)["devices"] == "eth0:eth1"
    captures = [member(lab), member(lab)]
    settle(lab, fanout=2)
    send = Sender(lab)
    numbers = send() | send(peer="peer1")
    shared(seen_by(*captures), numbers)


def test_made_persistent(lab):
    """A group with members is made persistent, and no longer."""
    capture = member(lab, "pfq:eth0", computation=STEER)
    change(lab, persistent=1)
    assert sentence(lab, "delete", 42) == "group 42: has 1 member (end it first)"
    seen_by(capture)
    assert call(lab, "get", 42)["persistent"] == 1
    change(lab, persistent=0)
    assert call(lab, "list")["groups"] == []


def test_delete_with_members(lab):
    """A group that has members is not deleted, persistent or not."""
    captures = [member(lab, "pfq:eth0"), member(lab)]
    assert sentence(lab, "delete", 42) == "group 42: has 2 members (end them first)"
    copied(seen_by(*captures), set())


def test_private_group_is_no_persistent_one(lab):
    """A handle that names no group is not put into one that somebody has defined."""
    change(lab, 32768, persistent=1, devices="eth1")
    capture = member(lab, "pfq:eth0", group=None)
    assert call(lab, "list")["groups"] == [32768, 32769]
    seen_by(capture)


def test_device_comes_later(lab):
    """A persistent group's device need not be there when it is named: members find it when it has
    come, whether they were there before or not."""
    change(lab, persistent=1, devices="eth0:late0")
    first = member(lab)
    lab.ip(*["link", "add", "late0", "type", "veth", "peer", "name", "late1"])
    try:
        for name in ("late0", "late1"):
            lab.ip("link", "set", name, "up")
        second = member(lab)
        settle(lab, plain=2)
        send = Sender(lab)
        near = send()
        numbers = set(range(9000, 9100))
        lab.send("late1", "-n", 100, "-r", 20000, "-q", 9000, where=netlab.SENSOR)
        seen = seen_by(first, second)
    finally:
        lab.ip("link", "del", "late0")
    copied(seen, near | numbers)


# ---- changing ----


def await_other_filters(lab, before):
    """Until no socket has one of the filters that there were."""
    deadline = time.monotonic() + netlab.PATIENCE_S
    while {text for _, text in rings(lab)} & {text for _, text in before}:
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between two looks


CHANGES = [
    ("", "udp"),
    ("udp", STEER),
    (STEER, "udp >-> steer_flow"),
    ("udp >-> steer_flow", "steer_link"),
    ("steer_link", ""),
]


@pytest.mark.parametrize("options", [[], DROPPED], ids=["root", "dropped"])
@pytest.mark.parametrize("old, new", CHANGES, ids=[f"{old} to {new}" for old, new in CHANGES])
def test_new_computation(lab, options, old, new):
    """A computation that a process sets which is no member reaches all members, whichever sockets it
    needs, and with it the record's generation."""
    captures = [member(lab, "pfq:eth0", *options, computation=old), member(lab, "pfq", *options)]
    settle(lab, **sockets_of(old, 2))
    before = rings(lab)
    generation = call(lab, "get", 42)["generation"]
    change(lab, computation=new)
    await_other_filters(lab, before)
    settle(lab, **sockets_of(new, 2))
    group = call(lab, "get", 42)
    assert (group["generation"], group["computation"]) == (generation + 1, new)
    send = Sender(lab)
    udp, tcp = send(), send("-p", "tcp")
    seen = seen_by(*captures)
    (shared if "steer" in new else copied)(seen, udp)
    if "udp" in new:
        unseen(seen, tcp)
    else:
        (shared if "steer" in new else copied)(seen, tcp)


def test_new_computation_under_load(lab):
    """While packets flow, too: those that are sent when all have followed are judged by it."""
    # Packets come one by one: each block of the ring is handed over with few in it.
    many_blocks = {"PCAP_ACCEL_BUFFER": "32MiB", "PCAP_ACCEL_BLOCK": "128KiB"}
    captures = [member(lab, "pfq:eth0", computation="udp", **many_blocks) for _ in range(3)]
    settle(lab, plain=3)
    load = lab.sending("peer0", "-r", 2000, "-q", 100000)
    change(lab, computation=STEER)
    settle(lab, fanout=3)
    numbers = Sender(lab)()
    lab.end(load)
    shared(seen_by(*captures), numbers)


def test_changes_while_members_come_and_go(lab, full):
    """Members join, leave and are killed while others change the group from outside, both ways and
    back: in the end the living have what was set last, and share by it."""
    alive = [member(lab, "pfq:eth0", computation=STEER) for _ in range(3)]
    rounds = 6 if full else 3
    for i in range(rounds):
        coming = [
            lab.capture("pfq", env={"PFQ_GROUP": "42", **SMALL}, ready=False) for _ in range(3)
        ]
        for text in ("udp", "steer_link", STEER):
            change(lab, computation=text, vlans=f"0+{i + 1}")
        kill(lab, alive.pop(0))
        for capture in coming:
            line = netlab.read_line(capture.process)
            assert line.startswith("READY "), line + capture.process.communicate()[1]
        alive += coming[:2]
        seen_by(coming[2])
    group = call(lab, "get", 42)
    n, vlan = 3 + rounds, f"0x8100:{rounds}"
    assert group["computation"] == STEER
    assert (group["vlans"], group["n_members"]) == (f"0+{rounds}", n)
    assert call(lab, "members", 42)["count"] == n
    settle(lab, fanout=n)
    send = Sender(lab)
    numbers, dropped = send() | send("-v", vlan), send("-v", "0x8100:9")
    results = netlab.stop(*alive)
    seen = [result.seen for result in results]
    shared(seen, numbers)
    unseen(seen, dropped)


def test_joiner_meets_a_change(lab):
    """A member that joins right behind a change does what nobody has done yet."""
    first = member(lab, "pfq:eth0")
    first.signal(netlab.signal.SIGSTOP)
    change(lab, computation=STEER)
    second = member(lab)
    first.signal(netlab.signal.SIGCONT)
    settle(lab, fanout=2)
    numbers = Sender(lab)()
    shared(seen_by(first, second), numbers)


def test_new_devices(lab):
    """Devices are replaced: what is no longer the group's is no longer captured, nor promiscuous."""
    captures = [member(lab, "pfq:eth0", computation=STEER), member(lab, "pfq", *DROPPED)]
    settle(lab, fanout=2)
    assert [lab.promiscuity("eth0"), lab.promiscuity("eth1")] == [2, 0]
    send = Sender(lab)
    first = send()
    change(lab, devices="eth1")
    await_promiscuity(lab, eth0=0, eth1=2)
    settle(lab, fanout=2)
    other, second = send(), send(peer="peer1")
    change(lab, devices="")
    await_promiscuity(lab, eth0=0, eth1=0)
    nothing = send() | send(peer="peer1")
    change(lab, devices="any")
    await_promiscuity(lab, eth0=2, eth1=2)
    settle(lab, fanout=2)
    assert call(lab, "get", 42)["devices"] == "eth0:eth1"
    both = send() | send(peer="peer1")
    seen = seen_by(*captures)
    shared(seen, first | second | both)
    unseen(seen, other | nothing)


def await_promiscuity(lab, **wanted):
    deadline = time.monotonic() + netlab.PATIENCE_S
    while (now := {name: lab.promiscuity(name) for name in wanted}) != wanted:
        assert time.monotonic() < deadline, now
        time.sleep(0.01)  # between two looks


def test_new_vlans(lab):
    """VLAN ids are replaced, and taken away."""
    captures = [member(lab, "pfq:eth0", PFQ_VLAN="5"), member(lab)]
    settle(lab, plain=2)
    before = rings(lab)
    change(lab, vlans="6+7")
    await_other_filters(lab, before)
    settle(lab, plain=2)
    send = Sender(lab)
    fifth, sixth = send("-v", "0x8100:5"), send("-v", "0x8100:6")
    before = rings(lab)
    change(lab, vlans="")
    await_other_filters(lab, before)
    settle(lab, plain=2)
    whole = send() | send("-v", "0x8100:5")
    seen = seen_by(*captures)
    copied(seen, sixth | whole)
    unseen(seen, fifth)


BAD_CHANGES = [
    (["computation=steer_flwo"],
     "group 42:1:1: unknown function 'steer_flwo' (did you mean 'steer_flow'?)"),
    (['computation=filter "prot 80"'], 'group 42:1:8: pcap filter: filter "prot 80": '),
    (["computation=" + "x" * 70000], "group 42"),
    (["devices=eth7"],
     "group 42: eth7: no such device (only those of a persistent group may come later)"),
    (["devices=eth0::eth1"],
     "group 42: devices: '' is no name of a device (names joined by one ':', like eth0:eth1)"),
    (["devices=eth0:"],
     "group 42: devices: 'eth0' is no name of a device (names joined by one ':', like eth0:eth1)"),
    (["devices=:"],
     "group 42: devices: '' is no name of a device (names joined by one ':', like eth0:eth1)"),
    (["devices=sixteen-letters1", "persistent=1"],
     "group 42: devices: 'sixteen-letters1' is no name of a device"),
    (["devices=a/b", "persistent=1"], "group 42: devices: 'a/b' is no name of a device"),
    (["devices=a b", "persistent=1"], "group 42: devices: 'a b' is no name of a device"),
    (["devices=a\nb", "persistent=1"], "group 42: devices: 'a?b' is no name of a device"),
    (["devices=..", "persistent=1"], "group 42: devices: '..' is no name of a device"),
    (["devices=" + ":".join(f"d{i}" for i in range(65)), "persistent=1"],
     "group 42: too many devices (at most 64)"),
    (["vlans=4096"], "group 42: vlan: '4096' is out of range (0 to 4095)"),
    (["vlans=5+"], "group 42: vlan: '' is not a number (0 to 4095, joined by '+')"),
    (["vlans=" + "+".join("1" * 65)], "group 42: vlan: too many numbers (at most 64)"),
    (["persistent=2"], "group 42: persistent is 2 (-1: as it is, 0: no, 1: yes)"),
    (["persistent=-2"], "group 42: persistent is -2 (-1: as it is, 0: no, 1: yes)"),
    (["reserved=1"], "group 42: reserved is 1 (0)"),
    (["size=32"], "group 42: size is too small (sizeof(struct pcap_accel_group_change))"),
]  # fmt: skip


def test_bad_changes(lab):
    """Each wrong change is refused by its sentence, and nothing of it has happened, not even of what
    was right in it; nor is a group made by it."""
    for argv, text in BAD_CHANGES:
        if argv != ["devices=eth7"]:
            assert sentence(lab, "set", 42, *argv, "persistent=1").startswith(text)
        assert call(lab, "list")["groups"] == []
    capture = member(lab, "pfq:eth0", computation="udp")
    before = call(lab, "get", 42)
    for argv, text in BAD_CHANGES:
        rest = ["computation=tcp", "vlans=9", "devices=eth1"]
        assert sentence(lab, "set", 42, *argv, *rest).startswith(text)
        assert call(lab, "get", 42) == before
    send = Sender(lab)
    udp, tcp = send(), send("-p", "tcp")
    assert seen_by(capture) == [udp], f"not TCP: {tcp}"


def test_device_without_link_layer(lab):
    """A device that is no Ethernet is refused by its name, for a persistent group too."""
    tun = lab.popen([lab.build.tool("tun_device"), "tun0", "1"], stdin=subprocess.PIPE)
    if not netlab.read_line(tun):
        pytest.skip(f"no tun devices here: {tun.communicate()[1]}")
    text = "group 42: tun0 is no Ethernet device (pfq serves Ethernet only)"
    assert sentence(lab, "set", 42, "devices=eth0:tun0", "persistent=1") == text
    lab.end(tun)


# ---- who cannot follow ----


def write_record(lab, text, number=42):
    """Put a text into a group's record as another version of the library might, and wake the
    members. Run in the namespace: its folder is the registry's."""
    script = (
        "import fcntl, os, sys\n"
        f"path = '/run/pcap-accel/%d/g{number}' % os.stat('/proc/self/ns/net').st_ino\n"
        "fd = os.open(path, os.O_RDWR)\n"
        "fcntl.flock(fd, fcntl.LOCK_EX)\n"
        "old = os.pread(fd, 100, 0).split(b'\\n')[0].split()\n"
        "os.pwrite(fd, sys.argv[1].encode(), 4096)\n"
        "os.pwrite(fd, b'0 %d %s 0 %s\\n' % (len(sys.argv[1].encode()), old[2], old[4]), 0)\n"
    )
    lab.run(["python3", "-c", script, text])


def await_silence(lab):
    """Until no socket has a ring that anything could come into."""
    deadline = time.monotonic() + netlab.PATIENCE_S
    while True:
        text = lab.run(["ss", "-0", "-n", "-e", "-b"]).stdout
        left = [one for one in text.split("p_raw")[1:] if "ring_rx" in one and "bpf filter" in one]
        if not left:
            return
        assert time.monotonic() < deadline, left
        time.sleep(0.01)  # between two looks


@pytest.mark.parametrize(
    "text",
    ["devices=eth0\ncomputation=steer_flwo", "colour=blue\n", "devices=eth0:\ncomputation=ip"],
    ids=["computation", "key", "separator"],
)
def test_record_that_cannot_be_followed(lab, text):
    """Members that cannot follow a change receive nothing, rather than by a rule that is not the
    others' any more; the next change that they can follow has them back."""
    captures = [member(lab, "pfq:eth0"), member(lab)]
    settle(lab, plain=2)
    write_record(lab, text)
    await_silence(lab)
    send = Sender(lab)
    dropped = send()
    write_record(lab, "devices=eth0\ncomputation=udp")
    settle(lab, plain=2)
    numbers = send()
    seen = seen_by(*captures)
    unseen(seen, dropped)
    copied(seen, numbers)


def test_record_of_another_version(lab):
    """Who would join a group whose record says what is not known here is refused."""
    capture = member(lab, "pfq:eth0")
    write_record(lab, "colour=blue\n")
    await_silence(lab)
    assert refused(lab, "pfq") == "group 42: its record is of another version"
    assert sentence(lab, "get", 42) == "group 42: its record is of another version"
    seen_by(capture)


# ---- watching ----


def test_watch(lab):
    """Whoever watches is woken by each thing that happens to a group, and finds it happened."""
    watcher = lab.popen(
        [lab.build.tool("pfq_groups"), "watch"], env=lab.accel_env(), stdin=subprocess.PIPE
    )
    netlab.await_line(watcher, "READY")

    def await_that(expected):
        while call(lab, "list")["groups"] != expected[0] or (
            expected[0] and call(lab, "members", 42)["count"] != expected[1]
        ):
            netlab.await_line(watcher, "WOKEN")

    change(lab, persistent=1, devices="eth0")
    await_that(([42], 0))
    first = member(lab)
    await_that(([42], 1))
    kill(lab, first)
    await_that(([42], 0))
    second = member(lab)
    await_that(([42], 1))
    seen_by(second)
    await_that(([42], 0))
    call(lab, "delete", 42)
    await_that(([], 0))
    watcher.stdin.close()
    assert watcher.wait(netlab.PATIENCE_S) == 0


# ---- borders ----


def test_other_namespace(lab, make_lab):
    """In another network namespace there is another group of that number, and nothing of this one."""
    there = make_lab()
    capture = member(lab, "pfq:eth0")
    change(lab, 43, persistent=1)
    assert call(there, "list")["groups"] == []
    change(there, persistent=1, computation="udp")
    assert call(lab, "get", 42)["computation"] == ""
    call(there, "delete", 42)
    assert call(lab, "list")["groups"] == [42, 43]
    seen_by(capture)


def test_other_user(lab, tmp_path_factory):
    """Another user has groups of his own, and sees and changes none of ours."""
    capture = member(lab, "pfq:eth0", computation=STEER)
    argv = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    env = {**lab.accel_env(), "XDG_RUNTIME_DIR": "/nowhere"}
    words = [f"{key}={value}" for key, value in env.items()]

    def ask(*what):
        tool = lab.build.tool("pfq_groups")
        done = lab.run([*argv, "env", *words, tool, *what], check=False)
        return json.loads(done.stdout)

    assert ask("list") in (
        {"count": 0, "groups": []},
        {"rc": -1, "error": ask("list").get("error")},
    )
    assert ask("set", 42, "computation=udp")["rc"] == -1
    assert call(lab, "get", 42)["computation"] == STEER
    seen_by(capture)
