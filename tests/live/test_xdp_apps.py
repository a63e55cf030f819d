# SPDX-License-Identifier: BSD-3-Clause
"""Unchanged programs on the AF_XDP engine: tcpdump, dumpcap, tshark, ngrep, pcapy-ng and the Python package see
exactly what was sent, with the privileges that each of them keeps. libpcap's own test programs on xdp: are
in tests/apps."""

import errno
import json
import platform
import re
import shutil
import struct
import sys
import tempfile
from pathlib import Path

import netlab
import pytest

N = 200
SYS_SOCKET, SYS_BPF = 41, 321  # of x86-64
AF_NETLINK, AF_XDP = 16, 44
PCAP_ERROR_PERM_DENIED = -8
MARK = struct.pack(">I", 0xACCE1E7A)


@pytest.fixture
def port(lab2, mode):
    """Interfaces that the host does not live on."""
    if netlab.STOCK:
        pytest.skip("the system's libpcap has no AF_XDP")
    for name in ("eth0", "eth1"):
        lab2.ip("address", "flush", "dev", name)
    return lab2


def start(lab, argv, ready, stream="stderr", **options):
    """Run a program until it says that it captures."""
    netlab.needs(str(argv[0]))
    process = lab.popen(argv, env=lab.accel_env(**options.pop("env", {})), **options)
    netlab.await_line(process, ready, stream)
    return process


def finish(process):
    """Wait until a program ends by itself."""
    out, err = process.communicate(timeout=netlab.PATIENCE_S)
    netlab.living.remove(process)
    assert process.returncode == 0, f"exit {process.returncode}\n{out}{err}"
    return out, err


def lost_on_the_way(lab, number=0):
    """Packets that a pair itself has lost so far."""

    def dropped(where, device, way):
        text = lab.run(["ip", "-j", "-s", "link", "show", device], where=where).stdout
        return json.loads(text)[0]["stats64"][way]["dropped"]

    sent = dropped(netlab.SENDER, f"peer{number}", "tx")
    return sent + dropped(netlab.SENSOR, f"eth{number}", "rx")


def send(lab, *options, n=N, peer="peer0"):
    lab.send(peer, "-n", n, "-r", 5000, "-f", 10, *options)


def feed(lab, process, *options, peer="peer0"):
    """Send all, and more in place of what the pairs have lost, until the program has had enough."""
    send(lab, *options, peer=peer)
    first = N
    while process.poll() is None and any(lost_on_the_way(lab, i) for i in range(2)):
        send(lab, "-q", first, *options, n=10, peer=peer)
        first += 10
    return finish(process)


def sequence(data):
    """The sequence numbers in a capture file of any format, in order."""
    found = re.finditer(re.escape(MARK) + b".{4}(.{8})", data, re.S)
    return [struct.unpack(">Q", match.group(1))[0] for match in found]


def in_order(numbers):
    """As many as were wanted, each once."""
    assert len(numbers) == N
    assert numbers == sorted(set(numbers))


# --- tcpdump -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["native", "generic"], indirect=True)
def test_tcpdump_writes(port, mode, tmp_path):
    """tcpdump -w with a filter: what it matches, in order, and nothing else."""
    path = tmp_path / "dump.pcap"
    argv = [
        "tcpdump",
        "-U",
        "-Z",
        "root",
        "-w",
        path,
        "-c",
        N,
        "-i",
        "xdp:eth0",
        "udp",
        "port",
        "7777",
    ]
    tcpdump = start(port, argv, "listening on xdp:eth0")
    assert ("xdpgeneric" in port.ip("link", "show", "eth0")) == (mode == "generic")
    send(port, "-p", "tcp")
    _, err = feed(port, tcpdump)
    in_order(sequence(path.read_bytes()))
    assert f"{N} packets captured" in err


def test_tcpdump_link_type(port, tmp_path):
    """tcpdump -y DOCSIS: the same bytes, and the file says so."""
    path = tmp_path / "dump.pcap"
    argv = ["tcpdump", "-Z", "root", "-y", "DOCSIS", "-w", path, "-c", N, "-i", "xdp:eth0"]
    feed(port, start(port, argv, "link-type DOCSIS"))
    data = path.read_bytes()
    assert int.from_bytes(data[20:24], "little") == 143
    in_order(sequence(data))


def test_tcpdump_two_devices(port):
    """tcpdump -i xdp:eth0:eth1 prints what comes on either."""
    argv = ["tcpdump", "-n", "-l", "-Z", "root", "-c", 2 * N, "-i", "xdp:eth0:eth1", "udp"]
    tcpdump = start(port, argv, "listening on xdp:eth0:eth1")
    send(port, peer="peer0")
    out, _ = feed(port, tcpdump, peer="peer1")
    assert len(out.splitlines()) == 2 * N


def test_tcpdump_signal(port):
    """SIGUSR1: tcpdump calls pcap_stats from its handler, and goes on."""
    argv = ["tcpdump", "-n", "-l", "-Z", "root", "-i", "xdp:eth0", "udp"]
    tcpdump = start(port, argv, "listening on")
    send(port)
    n = 0
    while n < N - 40 or n < N - lost_on_the_way(port):  # asking takes longer than a packet
        assert netlab.read_line(tcpdump)
        n += 1
    tcpdump.send_signal(netlab.signal.SIGUSR1)
    line = netlab.await_line(tcpdump, "packets captured", "stderr")
    assert f"{n} packets captured, {n} packets received by filter, 0 packets dropped" in line
    send(port)
    _, err = port.end(tcpdump, netlab.signal.SIGINT)
    assert "packets captured" in err


@pytest.mark.parametrize("argument", [["-L"], ["-J"], ["-d", "vlan 100 and ip"]], ids=" ".join)
def test_tcpdump_asks(port, argument):
    """What tcpdump lists or compiles for the device is what it does for stock's; but veth gives XDP programs
    time stamps that packet sockets do not get."""
    texts = []
    for device, env in (("eth0", {}), ("xdp:eth0", port.accel_env())):
        done = port.run(["tcpdump", "-Z", "root", "-i", device, *argument], env=env)
        texts.append((done.stdout + done.stderr).replace("xdp:", ""))
    if argument == ["-J"]:
        texts[1], _, more = texts[1].partition("  adapter_unsynced ")
        major, minor = platform.release().split(".")[:2]
        assert bool(more) == ((int(major), int(minor)) >= (6, 3))
    assert texts[0] == texts[1]


def test_tcpdump_alphabet(port, mode):
    """tcpdump -Q in -y EN10MB -j adapter_unsynced --time-stamp-precision=nano, immediate, with a buffer and a
    snaplen. What the device does not stamp, as veth, is stamped by the host, and all where it is attached
    generically, which refuses that type."""
    words = "-n -l -Z root -tttt -Q in -y EN10MB --immediate-mode -B 8192"
    kind = "adapter_unsynced" if mode == "native" else "host"
    stamps = ["-j", kind, "--time-stamp-precision=nano"]
    argv = ["tcpdump", *words.split(), *stamps, "-s", 96, "-c", N, "-i", "xdp:eth0"]
    tcpdump = start(port, argv, "snapshot length 96")
    port.send("eth0", "-n", 50, where=netlab.SENSOR)
    out, _ = feed(port, tcpdump, "-p", "icmp")
    assert len(re.findall(r"^20[2-9]\d-\S+ [\d:]+\.\d{9} .*ICMP echo request", out, re.M)) == N


# --- Wireshark's ---------------------------------------------------------------------------------

# dumpcap that root has started gives up all but CAP_NET_ADMIN and CAP_NET_RAW before it opens anything. An
# ordinary user with three capabilities keeps them until it has opened. He may lock 8 MiB.
SMALL = "@q0?rx_slots=512,tx_slots=64"


@pytest.fixture
def library_for_all(port):
    """The library where every user can read it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield shutil.copy(port.build.library, folder)


@pytest.fixture
def user(port, library_for_all):
    """user(*capabilities): words before a program that an ordinary user runs with these."""

    def words(*capabilities):
        who = ["--reuid=65534", "--regid=65534", "--clear-groups"]
        given = ",".join(f"+{name}" for name in capabilities)
        preload = port.build.preload()["LD_PRELOAD"].replace(
            str(port.build.library), library_for_all
        )
        caps = [f"--inh-caps={given}", f"--ambient-caps={given}"]
        return ["setpriv", *who, *caps, "env", "HOME=/nonexistent", f"LD_PRELOAD={preload}"]

    return words


def run_dumpcap(lab, user, path, *argv):
    """A dumpcap that captures, and writes what it has captured to a file of root's."""
    netlab.needs("dumpcap", "setpriv")
    words = [*user("bpf", "net_admin", "net_raw"), "dumpcap", "-q", "-w", "-", *argv]
    with path.open("wb") as file:
        process = lab.popen(words, stdout=file)
    netlab.await_line(process, "File:", "stderr")
    return process


def test_dumpcap(port, user, tmp_path):
    """dumpcap, which has no capability any more when it captures."""
    path = tmp_path / "dump.pcapng"
    dumpcap = run_dumpcap(port, user, path, "-i", f"xdp:eth0{SMALL}", "-c", N)
    feed(port, dumpcap)
    in_order(sequence(path.read_bytes()))


def test_dumpcap_two(port, user, tmp_path):
    """Two handles in one process, each with its thread."""
    path = tmp_path / "dump.pcapng"
    devices = [word for i in range(2) for word in ("-i", f"xdp:eth{i}{SMALL}")]
    dumpcap = run_dumpcap(port, user, path, *devices, "-c", 2 * N)
    send(port, "-q", 10 * N, peer="peer1")
    feed(port, dumpcap)
    assert len(set(sequence(path.read_bytes()))) == 2 * N


@pytest.mark.parametrize("mode", ["native", "generic"], indirect=True)
def test_dumpcap_filter(port, user, tmp_path):
    """It sets its filter when it has given up everything."""
    path = tmp_path / "dump.pcapng"
    dumpcap = run_dumpcap(port, user, path, "-i", f"xdp:eth0{SMALL}", "-f", "udp", "-c", N)
    send(port, "-p", "tcp", "-q", 10 * N)
    feed(port, dumpcap)
    in_order(sequence(path.read_bytes()))


def test_tshark(port, user, tmp_path):
    """tshark runs dumpcap, which inherits the library and the capabilities."""
    netlab.needs("tshark", "setpriv")
    words = ["tshark", "-l", "-n", "-T", "fields", "-e", "udp.dstport", "-c", N]
    argv = [*user("bpf", "net_admin", "net_raw"), *words, "-i", f"xdp:eth0{SMALL}"]
    tshark = port.popen(argv)
    netlab.await_line(tshark, "Capturing on", "stderr")
    process = port.sending("peer0", "-r", 2000)
    out, _ = finish(tshark)
    port.end(process)
    assert out.split() == ["7777"] * N


def test_rights(port, user):
    """With the capabilities that suffice for packet sockets the error says which ones are needed, and how a
    program gets them."""
    argv = [port.build.tool("open_close"), f"xdp:eth0{SMALL}", 0]
    words = ["setpriv", "--bounding-set=-all,+net_raw,+net_admin", *argv]
    done = json.loads(port.run(words, env=port.accel_env()).stdout)
    assert done["code"] < 0
    assert "setcap cap_bpf,cap_net_admin,cap_net_raw+ep PROGRAM" in done["text"]
    assert "start it as another user" in done["text"], "root cannot be told to run it as root"


# A security module in small: seccomp refuses a system call, or its calls for one family of sockets.
DENIED = """
import ctypes, os, struct, sys
number, family, error = map(int, sys.argv[1:4])
is_it = (0x15, 0, 1, family) if family else (0x35, 0, 1, 0)
words = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 16), is_it,
         (0x06, 0, 0, 0x50000 | error), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *word) for word in words))
program = struct.pack("H6xQ", len(words), ctypes.addressof(code))
assert ctypes.CDLL(None).prctl(22, 2, program, 0, 0) == 0
os.execvp(sys.argv[4], sys.argv[4:])
"""


@pytest.mark.parametrize(
    "call, text",
    [
        ((SYS_SOCKET, AF_NETLINK, errno.EACCES), "denied netlink sockets (AppArmor: 'network netl"),
        ((SYS_SOCKET, AF_XDP, errno.EACCES), "denied AF_XDP sockets (AppArmor: 'network xdp,' in"),
        ((SYS_BPF, 0, errno.EPERM), "denied its XDP map though it has CAP_BPF (AppArmor: 'capab"),
    ],
    ids=["netlink", "xdp", "bpf"],
)
def test_confined(port, call, text):
    """Root that a profile keeps from it is told what the profile lacks, not to become root."""
    argv = [port.build.tool("open_close"), "xdp:eth0?rx_slots=64", 0]
    words = [sys.executable, "-c", DENIED, *call, *argv]
    done = json.loads(port.run(words, env=port.accel_env()).stdout)
    assert done["code"] == PCAP_ERROR_PERM_DENIED
    assert text in done["text"]
    assert done["text"].endswith("see pcap-accel(7))" if call[0] == SYS_SOCKET else "gets none)")


# --- Python --------------------------------------------------------------------------------------

PCAPY = """
import pcapy, sys
reader = pcapy.open_live(sys.argv[1], 65535, 1, 20)
reader.setfilter("udp port 7777")
print("READY", flush=True)
numbers = []
while len(numbers) < int(sys.argv[2]):
    header, data = reader.next()
    if header is not None:
        numbers.append(int.from_bytes(data[50:58], "big"))
print(*numbers)
"""

OURS = """
import pypcapaccel, sys
with pypcapaccel.open(sys.argv[1], filter="udp port 7777", timeout_ms=20) as capture:
    print("READY", flush=True)
    numbers = []
    for packet in capture:
        numbers.append(int.from_bytes(packet.data[50:58], "big"))
        if len(numbers) == int(sys.argv[2]):
            break
print(*numbers)
"""


@pytest.mark.parametrize("mode", ["native", "generic"], indirect=True)
@pytest.mark.parametrize("script", [PCAPY, OURS], ids=["pcapy-ng", "pypcapaccel"])
def test_python(port, script):
    """pcapy-ng on the preloaded library, and our package."""
    pytest.importorskip(re.search(r"import (\w+)", script)[1])
    argv = [sys.executable, "-P", "-c", script, "xdp:eth0", N]
    env = {"PCAP_ACCEL_LIB": str(port.build.library)}
    python = start(port, argv, "READY", "stdout", env=env)
    send(port, "-p", "tcp", "-q", 10 * N)
    out, _ = feed(port, python)
    in_order([int(word) for word in out.split()])


FORKS = """
import os, pypcapaccel, sys
with pypcapaccel.open(sys.argv[1], filter="udp port 7777", timeout_ms=20) as capture:
    capture.read(timeout_ms=0)
    child = os.fork()
    if child == 0:
        capture.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print("READY", flush=True)
    sys.stdin.readline()
    n = 0
    while n < int(sys.argv[2]):
        n += len(capture.read())
print(n)
"""


@pytest.mark.parametrize("device", ["xdp:eth0", "xdp:eth0?group=1,computation=steer_flow"])
def test_child_that_closes(port, device):
    """A forked child that closes its copy of the handle leaves its parent's capture alone: what comes before
    the parent reads again is there. Half of it is enough, the pair may lose some."""
    pytest.importorskip("pypcapaccel")
    argv = [sys.executable, "-P", "-c", FORKS, device, N // 2]
    env = {"PCAP_ACCEL_LIB": str(port.build.library)}
    python = start(port, argv, "READY", "stdout", env=env, stdin=netlab.subprocess.PIPE)
    send(port)
    python.stdin.write("\n")
    python.stdin.flush()
    out, _ = finish(python)
    assert int(out) >= N // 2
