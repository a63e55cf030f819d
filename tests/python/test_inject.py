# SPDX-License-Identifier: BSD-3-Clause
"""pcap-accel inject: frames are right to the last checksum (scapy is the oracle), and arrive as they were sent."""

import json
import os
import re
import signal
import struct
import subprocess
import sys
import time

import netlab
import pytest

from pypcapaccel.cli import frames, main


@pytest.mark.parametrize("kind", frames.KINDS)
@pytest.mark.parametrize("size", [0, 1, 90, 1514])
def test_frames(kind, size):
    """Scapy builds the same bytes when it computes lengths and checksums itself; each flow is its own."""
    pytest.importorskip("scapy")
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.l2 import Ether
    from scapy.layers.ppp import PPP, PPPoE

    size = size if size > 1 else frames.MIN_LEN[kind] + size
    seen = set()
    for raw in frames.craft(kind, 60, size):
        assert len(raw) == size
        packet = Ether(raw)
        again = packet.copy()
        for layer in (IP, TCP, UDP):
            if layer in again:
                for field in ("chksum", "len"):
                    if field in again[layer].fields:
                        delattr(again[layer], field)
        if PPPoE in again:
            assert PPP in packet
            del again[PPPoE].len
        assert bytes(again) == raw
        transport = packet[TCP] if kind == "tcp" else packet[UDP]
        seen.add((packet[IP].src, packet[IP].dst, transport.sport))
    assert len(seen) == 60


@pytest.fixture
def inject_env(lab, accel_build):
    """inject_env(*words, VARIABLE=...): on peer0, with this in the environment."""

    def run(*words, check=True, stderr=subprocess.PIPE, **env):
        paths = {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PCAP_ACCEL_LIB": str(accel_build.library),
        }
        argv = [sys.executable, "-m", "pypcapaccel", "inject", "-i", "peer0", *words]
        return lab.run(argv, where=netlab.SENDER, env={**paths, **env}, check=check, stderr=stderr)

    return run


@pytest.fixture
def inject(inject_env):
    return inject_env


def saved(lab, tmp_path, send, n):
    """The packets that tcpdump has seen on eth0 meanwhile, as scapy reads them."""
    netlab.needs("tcpdump")
    from scapy.utils import rdpcap

    path = tmp_path / "got.pcap"
    argv = ["tcpdump", "-Z", "root", "-U", "-n", "-i", "eth0", "-w", path, "-c", str(n), "-Q", "in"]
    process = lab.popen(argv)
    netlab.await_line(process, "listening on", stream="stderr")
    send()
    process.communicate(timeout=netlab.PATIENCE_S)
    netlab.living.remove(process)
    return [bytes(packet) for packet in rdpcap(str(path))]


def test_crafted_flows_arrive(lab, tmp_path, inject):
    done = []
    got = saved(
        lab, tmp_path,
        lambda: done.append(inject("--kind", "tcp", "--flows", "5", "-n", "50", "--rate", "max", "--json")), 50,
    )  # fmt: skip
    assert json.loads(done[0].stdout)["packets"] == 50
    assert got == list(frames.craft("tcp", 5, 60)) * 10


def test_a_file_is_replayed(lab, tmp_path, inject):
    """In order, twice, at a rate; its own frames."""
    sent = list(frames.craft("udp", 7, 99))
    path = tmp_path / "x.pcap"
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i, frame in enumerate(sent):
            file.write(struct.pack("<IIII", 1, i * 1000, len(frame), len(frame)) + frame)
    assert saved(lab, tmp_path, lambda: inject(str(path), "--loop", "2"), 14) == sent * 2
    assert (
        saved(lab, tmp_path, lambda: inject(str(path), "-n", "3", "--rate", "10k"), 3) == sent[:3]
    )


def test_frames_go_together(lab, inject, tmp_path):
    """Many frames a system call: at full speed strace sees sendmmsg of many, and no other call."""
    netlab.needs("strace")
    trace = tmp_path / "trace"
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=%network",
        "-o",
        trace,
        sys.executable,
        "-m",
        "pypcapaccel",
    ]
    words = ["inject", "-i", "peer0", "-n", "4096", "--rate", "max", "--json"]
    done = lab.run([*argv, *words], where=netlab.SENDER, env=env)
    assert json.loads(done.stdout)["packets"] == 4096
    calls = [line for line in trace.read_text().splitlines() if " send" in line]
    assert calls and all("sendmmsg(" in line for line in calls)
    # A queue that is full for a moment cuts single calls short.
    assert max(int(n) for n in re.findall(r" = (\d+)$", "\n".join(calls), re.M)) >= 64


@pytest.fixture
def slow(lab):
    """What is sent from peer0 waits in a queue that holds more than the sender's socket may: the socket's is full."""
    queue = ["tc", "qdisc", "add", "dev", "peer0", "root", "tbf", "burst", "3k", "limit", "100m"]

    def make(rate):
        done = lab.run([*queue, "rate", rate], where=netlab.SENDER, check=False)
        if done.returncode:
            pytest.skip(f"the kernel has no tbf: {done.stderr}")

    return make


def test_a_full_queue_is_waited_for(lab, slow, inject):
    """Every frame is sent: those that found no room, later."""
    slow("40mbit")
    before = received(lab)
    found = json.loads(inject("-n", "2000", "--size", "500", "--rate", "max", "--json").stdout)
    assert found["packets"] == 2000
    deadline = time.monotonic() + netlab.PATIENCE_S
    while received(lab) < before + 2000 and time.monotonic() < deadline:
        pass
    assert received(lab) >= before + 2000


NO_PATIENCE = """
from pypcapaccel.cli import frames, sender
sender._PATIENCE_S = 0.05
try:
    with sender.Sender("peer0") as s:
        s.send(next(iter(frames.craft("udp", 1, 500))) for _ in range(100000))
except sender.CommandError as error:
    print(error, s.n_queued)
"""


def test_a_queue_that_stays_full_is_given_up(lab, slow, accel_build):
    """With what may be wrong, and after a while only."""
    slow("8kbit")
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PCAP_ACCEL_LIB": str(accel_build.library)}
    out = lab.run([sys.executable, "-c", NO_PATIENCE], where=netlab.SENDER, env=env).stdout
    assert out == "peer0: takes no packets (is somebody reading at its other end?) 0\n"


def received(lab):
    return int(lab.run(["cat", "/sys/class/net/eth0/statistics/rx_packets"]).stdout)


def test_settings_for_captures_are_not_its_own(inject_env):
    """A shell that has `pcap-accel env`'s variables, even wrong ones."""
    done = inject_env("-n", "3", "--json", PFQ_GROUP="7", PCAP_ACCEL_CAPLEN="much")
    assert json.loads(done.stdout)["packets"] == 3


def test_progress(lab, inject_env):
    """A line that is written over, on a terminal; nothing of it elsewhere, nor with --quiet."""
    for words, shown in (((), True), (("-q",), False)):
        ours, theirs = os.openpty()
        done = inject_env("-n", "25", "--rate", "100", *words, stderr=theirs)
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 65536):
                said += chunk
        except OSError:  # all was read
            pass
        os.close(ours)
        assert done.stdout.startswith("25 packets, 1.5kB in ")
        assert (b"\r\x1b[K" in said and b"pps" in said) == shown, said


def test_rates(inject, tmp_path):
    """Never earlier than it is due: by the rate, and by the file's own times, also in a second round."""
    said = json.loads(inject("-n", "16", "--rate", "100", "--json").stdout)
    assert said["seconds"] >= 0.14 and said["bytes"] == 16 * 60
    path = tmp_path / "x.pcap"
    frame = next(iter(frames.craft("udp", 1, 60)))
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for usec in (0, 50_000):
            file.write(struct.pack("<IIII", 1, usec, 60, 60) + frame)
    said = json.loads(inject(str(path), "--loop", "2", "--json").stdout)
    assert said["seconds"] >= 0.14 and said["packets"] == 4


def test_it_receives_nothing(lab, inject_env, accel_build):
    """Its socket is of a protocol that nobody sends, so the interface's packets do not go through it."""
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PCAP_ACCEL_LIB": str(accel_build.library)}
    words = ["inject", "-i", "peer0", "-n", "1000", "--rate", "1"]
    process = lab.popen([sys.executable, "-m", "pypcapaccel", *words], where=netlab.SENDER, env=env)
    deadline = time.monotonic() + netlab.PATIENCE_S
    protocols = set()
    while "05ff" not in protocols:
        assert time.monotonic() < deadline and process.poll() is None
        lines = lab.run(["cat", "/proc/net/packet"], where=netlab.SENDER).stdout.splitlines()[1:]
        protocols |= {line.split()[3] for line in lines}
    lab.end(process, signal.SIGINT)
    assert process.returncode == 130 and "0003" not in protocols


def test_refusals(inject, tmp_path):
    refused = inject("--size", "1516", "-n", "5", check=False)
    assert refused.returncode == 1 and "the kernel refused 5 of 5 frames" in refused.stderr
    too_long = inject("--size", "9000", check=False)
    assert too_long.returncode == 1 and "longer than the interface's MTU" in too_long.stderr
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    assert "there is no packet in it" in inject(str(empty), check=False).stderr
    raw = tmp_path / "raw.pcap"
    raw.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
    assert "are of link type RAW (EN10MB: Ethernet)" in inject(str(raw), check=False).stderr


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (
            ["-i", "nosuch0"],
            1,
            "nosuch0: No such device (`pcap-accel devices` lists the interfaces)",
        ),
        (["-i", "lo", "/nowhere"], 1, "/nowhere: No such file or directory"),
        (
            ["-i", "lo", "--rate", "fast"],
            2,
            "--rate 'fast': is not a number of packets a second (500, 20k, max)",
        ),
        (["-i", "lo", "--rate", "0"], 2, "--rate '0': is not a number"),
        (["-i", "lo", "--size", "59"], 2, "--size 59: out of range (60 to 65535)"),
        (["-i", "lo", "--flows", "0"], 2, "--flows 0: out of range (1 to 65536)"),
        (
            ["-i", "lo", "--flows", "65536", "--size", "65535"],
            2,
            "--flows 65536 of --size 65535: more than 1 GiB (fewer, or smaller)",
        ),
        (["-i", "lo", "-n", "0"], 2, "--count 0: out of range"),
        (["-i", "lo", "--loop", "-1"], 2, "--loop -1: out of range"),
    ],
)
def test_bad_input(words, code, sentence, capsys):
    assert main(["inject", *words]) == code
    assert sentence in capsys.readouterr().err
