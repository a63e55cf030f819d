# SPDX-License-Identifier: BSD-3-Clause
"""Unchanged programs capture through the library and see exactly what was sent. programs.json is what
README.md's table is made of: each row names its tests here, and a test holds the two together."""

import json
import re
import struct
import sys
from pathlib import Path

import netlab
import pytest

HERE = Path(__file__).parent
PROGRAMS = json.loads((HERE / "programs.json").read_text())
N = 200
MARK = struct.pack(">I", 0xACCE1E7A)


class Bench:
    """A lab, and a log that tells who served the program."""

    def __init__(self, lab, log):
        self.lab = lab
        self.log = log
        self.log.touch(mode=0o666)
        self.log.chmod(0o666)

    def env(self, **more):
        return self.lab.accel_env(PCAP_ACCEL_LOG=f"info:{self.log}", **more)

    def start(self, argv, ready, stream="stderr", env=None, **options):
        """Run a program until it says that it captures."""
        netlab.needs(str(argv[0]))
        process = self.lab.popen(argv, env=self.env(**(env or {})), **options)
        netlab.await_line(process, ready, stream)
        return process

    def send(self, *options, n=N, peer="peer0"):
        self.lab.send(peer, "-n", n, "-r", 5000, "-f", 10, *options)

    def served_by_us(self, device="eth0"):
        text = self.log.read_text()
        assert "afpacket" in text and device in text, f"not ours: {text!r}"


@pytest.fixture
def bench(lab2, tmp_path):
    return Bench(lab2, tmp_path / "log")


def sequence(data):
    """The sequence numbers in a capture file of any format, in order."""
    found = re.finditer(re.escape(MARK) + b".{4}(.{8})", data, re.S)
    return [struct.unpack(">Q", match.group(1))[0] for match in found]


def finish(lab, process):
    """Wait until a program ends by itself."""
    out, err = process.communicate(timeout=netlab.PATIENCE_S)
    netlab.living.remove(process)
    assert process.returncode == 0, f"exit {process.returncode}\n{out}{err}"
    return out, err


def test_tcpdump_prints(bench):
    """tcpdump prints every packet, and its closing lines count them."""
    argv = ["tcpdump", "-n", "-l", "-c", N, "-i", "afpacket:eth0", "udp", "port", "7777"]
    tcpdump = bench.start(argv, "listening on afpacket:eth0")
    bench.send("-p", "tcp")
    bench.send()
    out, err = finish(bench.lab, tcpdump)
    assert len(re.findall(r"UDP, length", out)) == N
    assert f"{N} packets captured" in err
    assert "0 packets dropped by kernel" in err
    bench.served_by_us()


def test_tcpdump_two_devices(bench):
    """tcpdump -i afpacket:eth0:eth1 prints what comes on either."""
    argv = ["tcpdump", "-n", "-l", "-c", 2 * N, "-i", "afpacket:eth0:eth1", "udp"]
    tcpdump = bench.start(argv, "listening on afpacket:eth0:eth1")
    bench.send(peer="peer0")
    bench.send(peer="peer1")
    out, _ = finish(bench.lab, tcpdump)
    assert len(out.splitlines()) == 2 * N


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_tcpdump_writes(bench, tmp_path, user):
    """tcpdump -w, having dropped its privileges before the filter was set."""
    path = tmp_path / "dump.pcap"
    argv = ["tcpdump", "-U", "-Z", user, "-w", path, "-i", "afpacket:eth0", "udp"]
    tcpdump = bench.start(argv, "listening on")
    bench.send()
    netlab.await_packets([path], N)
    _, err = bench.lab.end(tcpdump, netlab.signal.SIGINT)
    assert sequence(path.read_bytes()) == list(range(N))
    assert f"{N} packets captured" in err
    bench.served_by_us()


def test_tcpdump_rotates(bench, tmp_path):
    """tcpdump -C changes files in the callback."""
    path = tmp_path / "dump"
    argv = [
        "tcpdump",
        "-Z",
        "root",
        "-C",
        "1",
        "-W",
        "9",
        "-w",
        path,
        "-c",
        3000,
        "-i",
        "afpacket:eth0",
    ]
    tcpdump = bench.start(argv, "listening on")
    bench.send("-s", 1000, n=3000)
    finish(bench.lab, tcpdump)
    files = sorted(tmp_path.glob("dump*"))
    assert len(files) == 3 or len(files) == 4
    assert sequence(b"".join(file.read_bytes() for file in files)) == list(range(3000))


def test_tcpdump_signal(bench):
    """SIGUSR1: tcpdump calls pcap_stats from its handler, and goes on."""
    argv = ["tcpdump", "-n", "-l", "-i", "afpacket:eth0", "udp"]
    tcpdump = bench.start(argv, "listening on")
    bench.send()
    for _ in range(N):
        assert netlab.read_line(tcpdump)
    tcpdump.send_signal(netlab.signal.SIGUSR1)
    line = netlab.await_line(tcpdump, "packets captured", "stderr")
    assert f"{N} packets captured, {N} packets received by filter, 0 packets dropped" in line
    bench.send()
    for _ in range(N):
        assert netlab.read_line(tcpdump)
    _, err = bench.lab.end(tcpdump, netlab.signal.SIGINT)
    assert f"{2 * N} packets captured" in err


@pytest.mark.parametrize("argument", [["-L"], ["-J"], ["-d", "vlan 100 and ip"], ["-d"]])
def test_tcpdump_asks(bench, argument):
    """What tcpdump lists or compiles for the device is what it does for stock's."""
    texts = []
    for device, env in (("eth0", {}), ("afpacket:eth0", bench.env())):
        done = bench.lab.run(["tcpdump", "-i", device, *argument], env=env)
        texts.append((done.stdout + done.stderr).replace("afpacket:", ""))
    assert texts[0] == texts[1]


def test_tcpdump_direction_and_link_type(bench):
    """tcpdump -Q in -y EN10MB -j host --time-stamp-precision=nano: the whole alphabet."""
    words = (
        "-n -l -Q in -y EN10MB -j host --time-stamp-precision=nano --immediate-mode -B 8192 -s 96"
    )
    argv = ["tcpdump", *words.split(), "-c", N, "-i", "afpacket:eth0"]
    tcpdump = bench.start(argv, "listening on")
    bench.lab.send("eth0", "-n", 50, where=netlab.SENSOR)
    bench.send("-p", "icmp")
    out, _ = finish(bench.lab, tcpdump)
    assert len(re.findall(r"^\d\d:\d\d:\d\d\.\d{9} .*ICMP echo request", out, re.M)) == N


def test_dumpcap(bench, tmp_path):
    """dumpcap, which keeps two capabilities to open and none to capture."""
    path = tmp_path / "dump.pcapng"
    argv = ["dumpcap", "-q", "-i", "afpacket:eth0", "-f", "udp", "-w", path, "-c", N]
    dumpcap = bench.start(argv, "File:")
    bench.send()
    finish(bench.lab, dumpcap)
    assert sequence(path.read_bytes()) == list(range(N))
    bench.served_by_us()


def test_dumpcap_two_interfaces(bench, tmp_path):
    """dumpcap -i A -i B: two handles in one process, each with its thread."""
    path = tmp_path / "dump.pcapng"
    argv = ["dumpcap", "-q", "-i", "afpacket:eth0", "-i", "afpacket:eth1", "-w", path, "-c", 2 * N]
    dumpcap = bench.start(argv, "File:")
    bench.send(peer="peer0")
    bench.send("-q", N, peer="peer1")
    finish(bench.lab, dumpcap)
    assert sorted(sequence(path.read_bytes())) == list(range(2 * N))


def test_tshark(bench):
    """tshark runs dumpcap, which inherits the library."""
    words = "-l -n -T fields -e udp.srcport -e udp.dstport -f udp"
    argv = ["tshark", *words.split(), "-c", N, "-i", "afpacket:eth0"]
    tshark = bench.start(argv, "Capturing on")
    # It says so before its dumpcap captures: the log is written when that has opened.
    netlab.await_text(bench.log, "afpacket")
    process = bench.lab.sending("peer0", "-r", 2000)
    out, _ = finish(bench.lab, tshark)
    bench.lab.end(process)
    assert len([line for line in out.splitlines() if line.endswith("\t7777")]) == N


def test_ngrep(bench):
    """ngrep, which becomes nobody before it reads."""
    argv = ["ngrep", "-q", "-n", N, "-d", "afpacket:eth0", "", "udp", "port", "7777"]
    netlab.needs("ngrep")
    ngrep = bench.lab.popen(argv, env=bench.env())  # -q: it says nothing when it begins
    netlab.await_text(bench.log, "afpacket")
    process = bench.lab.sending("peer0", "-r", 2000)
    out, _ = finish(bench.lab, ngrep)
    bench.lab.end(process)
    assert len(re.findall(r"^U 10\.77\.", out, re.M)) == N
    bench.served_by_us()


def test_nmap(bench):
    """nmap -e eth0 insists on a kernel interface: the alias map gives it afpacket:eth0."""
    netlab.needs("nmap")
    env = bench.env(PCAP_ACCEL_MAP="eth0=afpacket:eth0")
    argv = ["nmap", "-n", "-sS", "-e", "eth0", "-p", "22,80,443", "10.77.0.2"]
    done = bench.lab.run(argv, env=env)
    assert "Host is up" in done.stdout
    assert len(re.findall(r"^\d+/tcp +closed", done.stdout, re.M)) == 3
    bench.served_by_us()


def test_nmap_default(bench):
    """PCAP_ACCEL_DEFAULT=afpacket does the same for every Ethernet interface."""
    netlab.needs("nmap")
    env = bench.env(PCAP_ACCEL_DEFAULT="afpacket")
    done = bench.lab.run(["nmap", "-n", "-sn", "-PR", "-e", "eth0", "10.77.0.2"], env=env)
    assert "Host is up" in done.stdout
    bench.served_by_us()


@pytest.mark.parametrize(
    "alias",
    [{"PCAP_ACCEL_DEFAULT": "afpacket"}, {"PCAP_ACCEL_MAP": "eth0=afpacket:eth0"}],
    ids=["default", "map"],
)
def test_arp_scan(bench, alias):
    """arp-scan finds the one host there is; it asks the kernel for its interface: alias map."""
    netlab.needs("arp-scan")
    env = bench.env(**alias)
    argv = ["arp-scan", "-q", "-x", "-I", "eth0", "10.77.0.0/28"]
    out = bench.lab.run(argv, env=env).stdout
    assert [line.split()[0] for line in out.splitlines() if line.strip()] == ["10.77.0.2"]
    bench.served_by_us()


SCAPY = """
import sys
from scapy.config import conf
conf.use_pcap = True
conf.ipv6_enabled = False
from scapy.sendrecv import sniff
from scapy.layers.inet import UDP
packets = sniff(iface=sys.argv[1], filter="udp port 7777", count=int(sys.argv[2]),
                started_callback=lambda: print("READY", flush=True))
print(len([p for p in packets if UDP in p]))
"""


@pytest.mark.parametrize(
    "device, env",
    [
        ("eth0", {"PCAP_ACCEL_MAP": "eth0=afpacket:eth0"}),
        ("afpacket:eth0", {"PCAP_ACCEL_LIST": "1"}),
    ],
    ids=["map", "list"],
)
def test_scapy(bench, device, env):
    """scapy with conf.use_pcap finds libpcap by ctypes: the preloaded library answers to its name. It
    knows the interfaces that pcap_findalldevs lists."""
    argv = [sys.executable, "-c", SCAPY, device, N]
    scapy = bench.start(argv, "READY", "stdout", env=env)
    bench.send()
    out, _ = finish(bench.lab, scapy)
    assert out.strip() == str(N)
    bench.served_by_us()


def table():
    """README.md's table, in Markdown."""
    lines = ["| program | device | how |", "|---|---|---|"]
    lines += [f"| {row['program']} | {row['device']} | {row['how']} |" for row in PROGRAMS]
    return "\n".join(lines)


@pytest.mark.parametrize("row", PROGRAMS, ids=lambda row: row["program"])
def test_row_is_tested(row):
    """Each row of the table names tests of this file, and there is one for each program here."""
    for name in row["tests"]:
        assert name in globals(), f"programs.json: {row['program']}: no {name}"


def test_readme_has_the_table(repo):
    """README.md's table is programs.json's."""
    readme = repo / "README.md"
    assert readme.exists(), "no README.md"
    assert table() in readme.read_text(), f"README.md should have this table:\n\n{table()}\n"
