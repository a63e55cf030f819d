# SPDX-License-Identifier: BSD-3-Clause
"""Members leave while packets flow. What was steered to who leaves, and not read by him, is lost, as it is
in the kernel: nothing else is, nothing is doubled, and his ring does not hold packets back for long."""

import json
import os
import re
import subprocess
import sys
import time

import netlab
import pytest
from test_pfq import STEER, Dump, Sender, flow_of, member, read_stamps, settle, shared

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no PFQ groups")

FLOWS = 50  # Sender's
MARKS = 9_000_000  # from here on
ENV = {"PFQ_GROUP": "42", "PCAP_ACCEL_BUFFER": "8MiB"}
INT, KILL = netlab.signal.SIGINT, netlab.signal.SIGKILL


@pytest.fixture
def lab(make_lab):
    return make_lab()


def numbers_of(dump):
    numbers = [number for number, _ in read_stamps(dump.path)]
    assert len(set(numbers)) == len(numbers), "twice at one member"
    return set(numbers)


def owners(send, dumps):
    """Who gets which flow now: a packet of each in either direction comes to one of the members, and who
    has it has read all that came before."""
    marks, deadline = send(), time.monotonic() + netlab.PATIENCE_S
    while not marks <= set().union(*(seen := [numbers_of(dump) for dump in dumps])):
        assert time.monotonic() < deadline
        time.sleep(0.05)  # between two looks
    first = min(marks)
    return [{flow_of(number, first) for number in part} for part in shared(seen, marks)]


def test_leaves(lab, tmp_path):
    """Five tcpdumps share by flow; four go, by Ctrl-C and by kill -9. Up to one moment the flows of who
    goes are his; from there on the others have them, every packet."""
    netlab.needs("tcpdump", "taskset")
    how = [INT, KILL, KILL, INT]
    dumps = [Dump(lab, tmp_path, 0, "pfq:eth0", PFQ_COMPUTATION=STEER, **ENV)]
    dumps += [Dump(lab, tmp_path, i, "pfq", **ENV) for i in range(1, len(how) + 1)]
    settle(lab, fanout=len(dumps))
    # On one CPU, which receives, too: packets arrive in the order of their numbers.
    cpu = str(min(os.sched_getaffinity(0)))
    argv = ["taskset", "-c", cpu, lab.build.tool("send_packets"), "-i", "peer0", "-n", "0"]
    load = lab.popen([*argv, "-r", "2000", "-f", str(FLOWS), "-b"], where=netlab.SENDER)
    send = Sender(lab, first=MARKS)
    flows = []
    for i, signal in enumerate(how):
        flows.append(owners(send, dumps[i:])[0])
        assert flows[i]
        lab.end(dumps[i].process, signal)
    owners(send, dumps[-1:])
    out, _ = lab.end(load)
    owners(send, dumps[-1:])
    dumps[-1].stop()
    sent = range(json.loads(out)["sent"] - 1)  # whether the last one went out is not known
    check(sent, [{n for n in numbers_of(dump) if n < MARKS} for dump in dumps], flows)


def check(sent, seen, flows):
    """What is lost was, by its flow, his who left next, and was sent after the last that he has read, and
    before the first of his flows that another has."""
    there = set().union(*seen)
    assert len(there) == sum(map(len, seen)), "twice"
    lost = set(sent) - there
    for numbers, his in zip(seen, flows, strict=False):
        of_him = [n for n in sent if n > max(numbers, default=-1) and flow_of(n, 0) in his]
        moment = next((n for n in of_him if n in there), len(sent))
        lost -= {n for n in of_him if n < moment}
    assert not lost, f"{len(lost)} others: {sorted(lost)[:10]}"


@pytest.mark.parametrize(
    "text, env, retired_ms",
    [
        (STEER, {}, {100}),
        ("steer_link", {}, {100}),
        ("ip", {}, {1000}),
        (STEER, {"PCAP_ACCEL_TIMEOUT": "400ms"}, {400}),
    ],
    ids=["steered", "mixed", "copied", "as told"],
)
def test_nothing_is_held_back(lab, text, env, retired_ms):
    """A program that asks for a timeout of a second has it where others have the same packets."""
    capture = member(lab, "pfq:eth0", "-t", "1000", computation=text, **env)
    sockets = lab.run(["ss", "-0", "-n", "-e"]).stdout.split("p_raw")
    rings = [one for one in sockets if "fanout" in one or "*:*" in one]
    found = {int(ms) for one in rings for ms in re.findall(r"ring_rx\(.*tmo:(\d+)", one)}
    assert found == retired_ms
    lab.end(capture.process, KILL)


HOLD = """
import fcntl, os, sys
file = open("/run/pcap-accel/%d/g42" % os.stat("/proc/self/ns/net").st_ino)
fcntl.flock(file, fcntl.LOCK_EX)
print("HELD", flush=True)
sys.stdin.read()
"""


def test_nobody_is_waited_for(lab):
    """A member leaves the kernel's group though somebody else is at the record, as one that joins may be
    for long, and the others have its share."""
    captures = [member(lab, "pfq:eth0", computation=STEER), member(lab)]
    settle(lab, fanout=2)
    other = lab.popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE)
    netlab.await_line(other, "HELD")
    captures[0].signal()
    settle(lab, fanout=1)
    numbers = Sender(lab)()
    other.stdin.close()
    assert other.wait(netlab.PATIENCE_S) == 0
    assert captures[0].result().seen == set()
    assert captures[1].stop().seen == numbers


FORKS = """
import os, pypcapaccel, sys
from pypcapaccel import groups
with pypcapaccel.open(sys.argv[1], timeout_ms=20) as capture:
    capture.inject(bytes.fromhex(sys.argv[2]))
    child = os.fork()
    if child == 0:
        capture.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print(groups.get(42).n_members)
"""


def test_child_that_closes(lab):
    """A forked child that closes its copy of the handle leaves its parent in the group, and what the parent has
    queued to be sent to the parent."""
    pytest.importorskip("pypcapaccel")
    witness = lab.capture("peer0", where=netlab.SENDER, stock=True)
    frame = "ff" * 6 + "02" * 6 + "88b5" + "00" * 46
    argv = [sys.executable, "-P", "-c", FORKS, "pfq:eth0?group=42,tx_batch=8", frame]
    assert lab.run(argv, env={"PCAP_ACCEL_LIB": str(lab.build.library)}).stdout == "1\n"
    assert witness.stop()["other"] == 1
