# SPDX-License-Identifier: BSD-3-Clause
"""pypcapaccel.groups sees and changes groups in a network namespace, with real members."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import netlab
import pytest

from pypcapaccel import _pages, groups

SEE = """
import json, sys
from pypcapaccel import GroupError, groups
def show():
    return [[g.number, list(g.devices), g.computation, list(g.vlans), g.persistent, g.n_members, g.block]
            for g in groups.list()]
found = []
"""


@pytest.fixture
def python(lab, accel_build):
    """python(CODE): what the code leaves in `found`, from a Python in the sensor's namespace."""

    def run(code):
        env = {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PCAP_ACCEL_LIB": str(accel_build.library),
        }
        done = lab.run([sys.executable, "-c", f"{SEE}{code}\nprint(json.dumps(found))"], env=env)
        return json.loads(done.stdout)

    return run


def member(lab, group, *options, env=None):
    return lab.capture("pfq:eth0", *options, env={"PFQ_GROUP": str(group), **(env or {})})


def test_a_defined_group(python):
    """Made, read back, changed in parts, deleted."""
    assert python("""
found.append(show())
groups.define(42, devices=["eth0"], computation="ip >-> steer_flow", vlans=[10, 20])
found.append(show())
before = groups.get(42).generation
groups.change(42, computation="")
found.append(groups.get(42).generation > before)
found.append(show())
groups.change(42, vlans=[], devices=[])
found.append(show())
groups.delete(42)
found.append(show())
""") == [
        [],
        [[42, ["eth0"], "ip >-> steer_flow", [10, 20], True, 0, "steer"]],
        True,
        [[42, ["eth0"], "", [10, 20], True, 0, "copy"]],
        [[42, [], "", [], True, 0, "copy"]],
        [],
    ]


def test_members(lab, python):
    """Who captures is listed with its pid, program and device, and gone when it has ended."""
    captures = [member(lab, 7), member(lab, 7)]
    code = """
found.append([[m.pid, m.program, m.device, m.since_ns > 10**18] for m in groups.members(7)])
found.append([g.n_members for g in groups.list()])
found.append(sorted({m.slot for m in groups.members(7)}))
"""
    found, counts, slots = python(code)
    assert sorted(m[0] for m in found) == sorted(c.pid for c in captures)
    assert {tuple(m[1:]) for m in found} == {("capture_check", "pfq:eth0", True)}
    assert counts == [2] and len(slots) == 2
    netlab.stop(*captures)
    assert python("found = show()") == []


COUNTS = """
import sys, pypcapaccel
with pypcapaccel.open("pfq:eth0?group=7") as capture:
    print("ready", flush=True)
    n = 0
    for line in sys.stdin:
        while n < 200:
            n += len(capture.read())
        whole = capture.stats("group")
        own = [m.stats for m in whole.members if m.pid == os.getpid()]
        found.append([whole.number, whole.total.delivered, whole.total.dropped, own == [capture.stats()]])
        found.append(sorted((m.pid, m.program, m.device, m.stats.delivered) for m in whole.members))
    print(json.dumps(found))
"""


def test_statistics_of_a_group(lab, accel_build):
    """The sum of what the members have, and each one's; another group, and the same number elsewhere, not."""
    other = [
        lab.capture("pfq:eth0", env={"PFQ_GROUP": "8"}),
        lab.capture("afpacket:eth0?fanout=hash,group=7"),
    ]
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PCAP_ACCEL_LIB": str(accel_build.library)}
    argv = [sys.executable, "-c", f"import os{SEE}{COUNTS}"]
    process = lab.popen(argv, env=env, stdin=subprocess.PIPE)
    assert netlab.read_line(process) == "ready\n"
    second = member(lab, 7)
    lab.send("peer0", "-n", "200")
    deadline = time.monotonic() + netlab.PATIENCE_S
    while not any(p.pid == second.pid and p.delivered == 200 for p in _pages.read_pages()):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # between two looks
    out, _ = process.communicate("\n", timeout=netlab.PATIENCE_S)
    netlab.living.remove(process)
    whole, each = json.loads(out)
    assert whole == [7, 400, 0, True]
    assert each == sorted(
        [
            [process.pid, Path(sys.executable).name[:15], "pfq:eth0?group=7", 200],
            [second.pid, "capture_check", "pfq:eth0", 200],
        ]
    )
    netlab.stop(second, *other)


def test_statistics_without_a_group(lab, python):
    """A sentence each."""
    assert python("""
import pypcapaccel
with pypcapaccel.open("afpacket:eth0") as capture:
    for of in ("group", "all"):
        try: capture.stats(of)
        except Exception as error: found.append([type(error).__name__, str(error)])
""") == [
        ["GroupError", "afpacket:eth0: is in no group, or keeps no statistics page (group=N)"],
        ["ValueError", "of: 'all' is unknown (known: handle, group)"],
    ]


def test_many_members_are_all_listed(lab, python):
    """More than the first guess of how many there are."""
    captures = [member(lab, 7, env={"PCAP_ACCEL_BUFFER": "1MiB"}) for _ in range(18)]
    assert python("found = len(groups.members(7))") == 18
    netlab.stop(*captures)


def test_errors(python):
    """A sentence for each, and nothing has changed."""
    found = python("""
def fails(call, *a, **k):
    try: call(*a, **k)
    except Exception as error: found.append([type(error).__name__, str(error)])
fails(groups.get, 5)
fails(groups.delete, 5)
fails(groups.members, 5)
fails(groups.define, 5, computation="steer_flo")
fails(groups.define, 5, devices=["e:"])
found.append(show())
""")
    assert {kind for kind, _ in found[:-1]} == {"GroupError"}
    texts = [text for _, text in found[:-1]]
    assert texts[0].startswith("group 5: ") and texts[1].startswith("group 5: ")
    assert texts[-2] == "group 5:1:1: unknown function 'steer_flo' (did you mean 'steer_flow'?)"
    assert "(" in texts[-1]
    assert found[-1] == []


def test_a_group_with_members_is_not_deleted(lab, python):
    capture = member(lab, 7)
    assert python("""
groups.define(7)
try: groups.delete(7)
except GroupError as error: found.append("member" in str(error))
found.append(groups.get(7).n_members)
""") == [True, 1]
    netlab.stop(capture)
    assert python("found = [g.number for g in groups.list()]; groups.delete(7)") == [7]


def test_watch(python):
    """The groups now, and after each change: a change that is awaited, not slept for."""
    assert python("""
import threading
watching = groups.watch()
found.append([g.number for g in next(watching)])
def later():
    groups.define(3, devices=["eth0"])
thread = threading.Thread(target=later)
thread.start()
while not (now := next(watching)):
    pass
thread.join()
found.append([g.number for g in now])
watching.close()
quick = groups.watch(timeout=0.01)
next(quick)
found.append([g.number for g in next(quick)])
groups.delete(3)
""") == [[], [3], [3]]


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: groups.get(-1), ValueError, "group -1: out of range .0 to 65535"),
        (lambda: groups.get(65536), ValueError, "group 65536: out of range"),
        (lambda: groups.get("7"), TypeError, "a group is an int, not str"),
        (lambda: groups.get(True), TypeError, "a group is an int, not bool"),
        (lambda: groups.change(7, devices="eth0"), TypeError, "devices: a list of interfaces"),
        (lambda: groups.change(7, computation="a\0"), ValueError, "computation: there is a NUL"),
        (lambda: groups.change(7, vlans=["x"]), ValueError, "invalid literal"),
    ],
)
def test_bad_input(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def test_the_command(lab, accel_build, tmp_path):
    """define, list, show, change, watch and delete, as a user types them."""
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PCAP_ACCEL_LIB": str(accel_build.library)}

    def command(*words, check=True):
        return lab.run(
            [sys.executable, "-m", "pypcapaccel", "groups", *words], env=env, check=check
        )

    assert json.loads(command("--json").stdout) == {"schema": "pcap-accel.groups.1", "groups": []}
    assert "no groups" in command().stdout
    path = tmp_path / "g.yaml"
    path.write_text(
        "version: 1\ngroups:\n  - {group: 7, devices: [eth0], computation: steer_flow}\n  - {group: 8, vlan: [1, 2]}\n"
    )
    command("define", "-c", str(path))
    capture = member(lab, 7)
    out = command("show", "7").stdout
    assert "group 7: eth0 (steer, persistent)\n  computation: steer_flow\n" in out
    assert str(capture.pid) in out and "capture_check" in out
    found = {g["number"]: g for g in json.loads(command("list", "--json").stdout)["groups"]}
    assert found[7]["members"][0]["pid"] == capture.pid and found[8]["vlans"] == [1, 2]
    command("change", "7", "--computation", "", "--persistent", "no")
    assert "group 7: eth0 (copy)\n" in command("watch", "-n", "1").stdout
    refused = command("change", "9", "--computation", "ip", check=False)
    assert refused.returncode == 1 and refused.stderr.startswith("pcap-accel groups: group 9: ")
    netlab.stop(capture)
    command("delete", "8")
    assert json.loads(command("--json").stdout)["groups"] == []
