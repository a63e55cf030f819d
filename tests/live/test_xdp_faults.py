# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong around an AF_XDP capture: the interface goes, somebody else is on it, memory or queues are
short. Each has its sentence, and nothing is left: neither programs, maps and links of the kernel's, by the
numbers that the process held, nor descriptors, mappings and promiscuity."""

import ctypes
import errno
import json
import re
import time
from pathlib import Path

import netlab
import pytest

N = 1000
RATE = 10000
MODES = ["native", "generic"]
NATIVE_FIRST = ["native", pytest.param("generic", marks=pytest.mark.full)]

# bpf(2): how a number becomes a descriptor, for each kind in /proc/PID/fdinfo.
SYS_BPF = 321
BY_ID = {"prog": 13, "map": 14, "link": 30}
LINK_DETACH = 34

_libc = ctypes.CDLL(None, use_errno=True)


def held(pid):
    """{(kind, number)} of the programs, maps and links that a process has descriptors of."""
    texts = []
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        texts.append(path.read_text())
    return {
        (kind, int(number))
        for text in texts
        for kind, number in re.findall(r"^(prog|map|link)_id:\s*(\d+)", text, re.M)
    }


def _bpf(command, word):
    attr = (ctypes.c_uint32 * 32)(word)
    return _libc.syscall(SYS_BPF, command, attr, ctypes.sizeof(attr))


def is_there(kind, number):
    fd = _bpf(BY_ID[kind], number)
    if fd >= 0:
        _libc.close(fd)
    return fd >= 0


def detach(numbers):
    """Take the programs of these links off, as `bpftool link detach` does."""
    for _, number in (one for one in numbers if one[0] == "link"):
        fd = _bpf(BY_ID["link"], number)
        assert _bpf(LINK_DETACH, fd) == 0
        _libc.close(fd)


def await_gone(numbers):
    """The kernel lets go of them some time after their owner has."""
    deadline = time.monotonic() + netlab.PATIENCE_S
    while left := [one for one in numbers if is_there(*one)]:
        assert time.monotonic() < deadline, f"left in the kernel: {left}"
        time.sleep(0.01)  # between two looks


def shown(lab, name="eth0"):
    """What `ip` knows of the program on an interface, or None."""
    (link,) = json.loads(lab.ip("-d", "-j", "link", "show", name))
    return link.get("xdp")


def lost_on_the_way(lab, name="0"):
    """Packets that a pair itself has lost so far; those that found a ring full count here too."""

    def dropped(where, device, way):
        text = lab.run(["ip", "-j", "-s", "link", "show", device], where=where).stdout
        return json.loads(text)[0]["stats64"][way]["dropped"]

    sent = dropped(netlab.SENDER, f"peer{name}", "tx")
    return sent + dropped(netlab.SENSOR, f"eth{name}", "rx")


@pytest.fixture(autouse=True)
def nothing_held(request, monkeypatch):
    """What a test's captures have held of the kernel is gone behind it, however it was."""
    lab = request.getfixturevalue("port")
    numbers, capture = set(), lab.capture

    def remember(device, *options, **how):
        captured = capture(device, *options, **how)
        numbers.update(held(captured.pid))
        return captured

    monkeypatch.setattr(lab, "capture", remember)
    yield
    lab.end_all()
    await_gone(numbers)


def nothing_left(lab, name="eth0"):
    assert lab.promiscuity(name) == 0
    assert lab.packet_sockets() == 0


def refused(lab, device, *wrap, rounds=3):
    """The sentence of a refusal, which leaves nothing behind in the process that goes on."""
    argv = [*wrap, lab.build.tool("open_close"), device, rounds]
    done = json.loads(lab.run(argv, env=lab.accel_env()).stdout)
    assert done["code"] < 0, "opened"
    assert done["fds"][0] == done["fds"][1]
    assert lab.build.sanitizer or done["maps"][0] == done["maps"][1]
    nothing_left(lab)
    return done["text"]


@pytest.fixture
def foreigner(port):
    """foreigner(how, device): somebody else's program or socket; its number, or why it is refused."""

    def come(how, device="eth0"):
        argv = [port.build.tool("xdp_foreign"), device, how]
        process = port.popen(argv, stdin=netlab.subprocess.PIPE)
        word, what = netlab.read_line(process).split()
        return (int(what) if word == "HERE" else what), process

    return come


# --- the interface -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", NATIVE_FIRST)
def test_gone(port, mode):
    """The interface is removed: the capture ends and says so, with what it had until then."""
    capture = port.capture(f"xdp:eth0?attach={mode}", "-f", "udp", "-t", 100)
    numbers = held(capture.pid)
    assert {kind for kind, _ in numbers} == {"prog", "map", "link"}
    port.send("peer0", "-n", 100, "-r", RATE)
    lost = lost_on_the_way(port)
    port.ip("link", "delete", "eth0")
    result = capture.result()
    assert result["error"] == "The interface disappeared"
    assert len(result.seen) + lost >= 100
    await_gone(numbers)
    assert port.packet_sockets() == 0


@pytest.mark.parametrize("mode", NATIVE_FIRST)
def test_flap(port, mode):
    """A link that goes down and comes back: the capture goes on, with its program and promiscuity."""
    capture = port.capture(f"xdp:eth0?attach={mode}", "-f", "udp")
    before = shown(port)
    port.send("peer0", "-n", 100, "-r", RATE)
    for state in ("down", "up"):
        port.ip("link", "set", "eth0", state)
    port.wait_for_link("eth0")
    port.wait_for_link("peer0", where=netlab.SENDER)
    assert shown(port) == before
    assert port.promiscuity() == 1
    port.send("peer0", "-n", 100, "-r", RATE, "-q", 500)
    result = capture.stop()
    missing = {*range(100), *range(500, 600)} - result.seen
    assert len(missing) <= lost_on_the_way(port)
    assert (result["error"], result["twice"]) == ("", 0)
    nothing_left(port)


def add_queues(lab, n_here, n_there):
    """eth9 and peer9 with four queues made, and so many in use."""
    queues = "numrxqueues 4 numtxqueues 4"
    far = lab.names[netlab.SENDER]
    lab.ip(*f"link add eth9 {queues} type veth peer name peer9 {queues} netns {far}".split())
    set_queues(lab, "eth9", n_here, n_here)
    set_queues(lab, "peer9", n_there, n_there, netlab.SENDER)
    for where, name in ((netlab.SENSOR, "eth9"), (netlab.SENDER, "peer9")):
        lab.ip("link", "set", name, "up", where=where)
    lab.wait_for_link("eth9")


def set_queues(lab, name, rx, tx, where=netlab.SENSOR, **how):
    argv = ["ethtool", "-L", name, "rx", rx, "tx", tx]
    return lab.run(argv, where=where, **how)


@pytest.mark.parametrize("mode", NATIVE_FIRST)
def test_queues_change(port, mode):
    """ethtool -L under a capture. Fewer queues than are captured the kernel refuses. What comes on queues that
    were not there is not taken, and not lost: the host gets it."""
    add_queues(port, 2, 2)
    capture = port.capture(f"xdp:eth9?attach={mode}", "-f", "udp")
    witness = port.capture("eth9", "-f", "udp", stock=True)
    fewer = set_queues(port, "eth9", 1, 1, check=False)
    assert fewer.returncode != 0, "the kernel lets a queue go that a socket is bound to"
    port.send("peer9", "-n", N, "-r", RATE, "-f", 50)
    set_queues(port, "eth9", 4, 4)
    set_queues(port, "peer9", 4, 4, netlab.SENDER)
    port.send("peer9", "-n", N, "-r", RATE, "-f", 50, "-q", N)
    ours, others = netlab.stop(capture, witness)
    lost = lost_on_the_way(port, "9")
    assert len(set(range(N)) - ours.seen) <= lost
    assert len(set(range(2 * N)) - ours.seen - others.seen) <= lost
    assert not ours.seen & others.seen
    nothing_left(port, "eth9")


# --- somebody else -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["native", "generic", "left"])
@pytest.mark.parametrize("mode", NATIVE_FIRST)
def test_program_before(port, foreigner, how, mode):
    """A program that somebody has attached before us is named and left alone."""
    number, _ = foreigner(how)
    before = shown(port)
    assert number == before["prog"]["id"]
    text = refused(port, f"xdp:eth0?attach={mode}")
    assert f"'eth0' has the XDP program {number} 'foreigner' of another process" in text
    assert shown(port) == before


@pytest.mark.parametrize("mode", NATIVE_FIRST)
def test_program_after(port, foreigner, mode):
    """Whoever comes after us is refused by the kernel, and we go on."""
    capture = port.capture(f"xdp:eth0?attach={mode}", "-f", "udp")
    before = shown(port)
    why = {how: foreigner(how)[0] for how in ("native", "generic", "left")}
    assert set(why.values()) <= {"EBUSY", "EEXIST"}, why
    port.run(["ip", "link", "set", "dev", "eth0", "xdp", "off"], check=False)
    assert shown(port) == before
    port.send("peer0", "-n", 100, "-r", RATE)
    result = capture.stop()
    assert len(result.seen) + lost_on_the_way(port) >= 100


def test_queue_taken(port, foreigner, full):
    """A queue that another program's socket has, and the same queue when that has gone."""
    _, process = foreigner("socket")
    text = refused(port, "xdp:eth0", rounds=2 if full else 0)  # each waits a second for the queue
    assert "queue 0 has an AF_XDP socket of another program (use another queue, or end" in text
    assert shown(port) is None
    port.end(process)
    capture = port.capture("xdp:eth0", "-f", "udp")
    port.send("peer0", "-n", 100, "-r", RATE)
    assert len(capture.stop().seen) + lost_on_the_way(port) >= 100


def test_again_at_once(port):
    """The kernel frees a queue some time after its socket was closed; opening again does not fail for it."""
    argv = [port.build.tool("open_close"), "xdp:eth0", 3]
    done = json.loads(port.run(argv, env=port.accel_env()).stdout)
    assert (done["code"], done["text"]) == (0, "")
    assert done["fds"][0] == done["fds"][1]
    assert port.build.sanitizer or done["maps"][0] == done["maps"][1]
    nothing_left(port)


@pytest.mark.parametrize("mode", MODES)
def test_killed(port, mode):
    """kill -9 leaves nothing in the kernel, and the host has its packets again."""
    capture = port.capture(f"xdp:eth0?attach={mode}", "-f", "udp")
    numbers = held(capture.pid)
    assert all(is_there(*one) for one in numbers)
    port.end(capture.process, netlab.signal.SIGKILL)
    await_gone(numbers)
    assert shown(port) is None
    nothing_left(port)
    witness = port.capture("eth0", stock=True)
    port.send("peer0", "-n", 100, "-r", RATE)
    assert len(witness.stop().seen) + lost_on_the_way(port) >= 100


# --- what is short -------------------------------------------------------------------------------


def without_lock(limit):
    """Words before a program that may lock so many bytes."""
    return ["prlimit", f"--memlock={limit}", "setpriv", "--bounding-set=-ipc_lock"]


def test_memory_limit(port):
    """Who may not lock the memory of the frames is told; asked for none in particular, there are fewer, which
    the log says."""
    text = refused(port, "xdp:eth0?rx_slots=16384", *without_lock(8 << 20))
    assert "the limit of locked memory is too low for the frames (raise it with 'ulimit -l'" in text
    argv = [*without_lock(8 << 20), port.build.tool("open_close"), "xdp:eth9", 0]
    add_queues(port, 4, 4)
    run = port.run(argv, env=port.accel_env(PCAP_ACCEL_LOG="warning"))
    done = json.loads(run.stdout)
    assert (done["code"], done["text"]) == (0, "")
    said = r"the limit of locked memory leaves \d+ frames a queue instead of 16384 "
    assert re.search(said, run.stderr), run.stderr


@pytest.mark.parametrize("mode", ["native"])
def test_queues_short(port):
    """A peer that sends on more queues than we receive on: natively that is refused, by name, and where the
    stack's XDP serves instead the log says why. A queue that is not there is named."""
    add_queues(port, 1, 4)
    text = refused(port, "xdp:eth9?attach=native")
    why = "the peer of 'eth9' has more transmit queues than 'eth9' has receive queues"
    assert why in text
    env = {"PCAP_ACCEL_LOG": "info"}
    capture = port.capture("xdp:eth9:eth0?rx_slots=1024", "-f", "udp", env=env)
    assert "xdpgeneric" in port.ip("-d", "link", "show", "eth9")
    log = capture.stop().stderr
    assert re.search(f"{why}.* \\(attached generically, which is slower\\)$", log, re.M), log
    assert ": native and generic XDP, copied, 2 queues of 512 frames" in log
    argv = [port.build.tool("open_close"), "xdp:eth9?group=1", 0]
    said = port.run(argv, env=port.accel_env(PCAP_ACCEL_LOG="warning")).stderr
    assert why in said and "(attached generically, which is slower)" in said
    text = refused(port, "xdp:eth9@q1?attach=generic", rounds=1)
    assert "'eth9' has no receive queue 1 (would be: below 1)" in text


def test_driver_without(port):
    """A driver that has no XDP: by name where only that will do, else the stack's."""
    add_queues(port, 1, 1)
    port.ip("link", "add", "eth8", "link", "eth9", "type", "macvlan")
    port.ip("link", "set", "eth8", "up")
    text = refused(port, "xdp:eth8?attach=native", rounds=1)
    assert "the driver of 'eth8' has no XDP of its own (would be: attach=generic)" in text
    port.capture("xdp:eth8", "-f", "udp").stop()
    nothing_left(port, "eth8")


@pytest.mark.parametrize(
    "mode, slots", [("native", "rx_slots=64"), ("generic", "rx_slots=1024,rx_ring=64")]
)
def test_overflow(port, mode, slots):
    """What finds no frame, or the ring full, is lost and counted once; what was in it is delivered."""
    capture = port.capture(f"xdp:eth0?attach={mode},{slots}", "-f", "udp")
    port.send("peer0", "-n", 1, "-q", 5000)
    capture.signal(netlab.signal.SIGSTOP)
    port.send("peer0", "-n", N, "-r", RATE)
    capture.signal(netlab.signal.SIGCONT)
    result = capture.stop()
    missing = N + 1 - result["packets"] - result["drop"]
    assert result["drop"] > 0
    assert 0 <= missing <= lost_on_the_way(port)
    assert result["recv"] == result["packets"] + result["drop"]
    assert result["packets"] >= 32
    nothing_left(port)


# --- each call -----------------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.parametrize("mode", ["native"])
def test_each_call_fails(port):
    """No call of an open can fail without a text or leave anything: system calls with EPERM, allocations
    with ENOMEM."""
    fault = str(port.build.folder / "tests" / "tools" / "preload_fault.so")
    argv = [port.build.tool("fault_open"), "xdp:eth0", errno.EPERM, "create"]
    done = port.run(argv, env=port.build.preload(fault), check=False, timeout=600)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"exit {done.returncode} after {rows[-1:]}\n{done.stderr}"
    wrong = []
    for row in rows[:-1]:
        _, _, code, works, fds, allocations, *text = row
        if fds != "0" or (allocations != "0" and not port.build.sanitizer):
            wrong.append((row, "left behind"))
        elif code == "0" and works != "works":
            wrong.append((row, "opened, but of no use"))
        elif code != "0" and len("".join(text)) < 10:
            wrong.append((row, "no text"))
    assert not wrong, "\n".join(f"{why}: {row}" for row, why in wrong)
    assert {"socket", "setsockopt", "bind", "mmap", "syscall"} <= {
        r[1] for r in rows if r[2] != "0"
    }
    nothing_left(port)
