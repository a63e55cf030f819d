# SPDX-License-Identifier: BSD-3-Clause
"""pcap-accel bench: it measures what it says, side by side, and leaves nothing behind, however it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import netlab
import pytest

from pypcapaccel import _pages as pages
from pypcapaccel.cli import bench_, bench_worker, main, namespace

FOR_EVER = """
import sys
from pypcapaccel.cli import bench_, main
bench_.STOCK = "pfq"  # so that it is the first one
sys.exit(main(["bench", "--engine", "pfq", "--seconds", "600"]))
"""


@pytest.fixture
def env(accel_build):
    paths = {
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "PCAP_ACCEL_LIB": str(accel_build.library),
    }
    return {**os.environ, **paths}


def links():
    return sorted(path.name for path in Path("/sys/class/net").iterdir())


def children_of(pid):
    """{pid: its command line} of what a process has started, and of what that has."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            words = (path.parent / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == pid:
            found |= {int(path.parent.name): words, **children_of(int(path.parent.name))}
    return found


def test_side_by_side(env, monkeypatch, capsys):
    """Libpcap and what was asked for: what was sent was seen or lost, and each has its CPU time. A group and an
    engine for the user's captures are not the measurement's."""
    before = links()
    for name, value in (env | {"PFQ_GROUP": "7", "PCAP_ACCEL_DEFAULT": "pfq"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bench_, "ROUNDS", 1)
    words = [
        "--engine",
        "pfq",
        "--seconds",
        "0.1",
        "--size",
        "200",
        "--json",
    ]
    code = main(["bench", *words])
    said = capsys.readouterr()
    assert code == 0, said
    found = json.loads(said.out)
    assert (found["schema"], found["size"]) == ("pcap-accel.bench.1", 200)
    assert [row["engine"] for row in found["engines"]] == ["libpcap", "pfq"]
    for row in found["engines"]:
        assert ("libpcap-accel" in row["version"]) == (row["engine"] != "libpcap"), row
        # Of those that are lost before a ring nobody knows.
        assert 0 < row["seen"] <= row["sent"] and row["seen"] + row["dropped"] <= row["sent"]
        assert row["capture_ns"] > 0 and row["send_ns"] > 0
        assert row["pps"] == pytest.approx(row["seen"] / row["seconds"])
    assert links() == before


def test_environment(monkeypatch):
    """Of the workers: what is meant for captures is not for them, what finds the library is."""
    for name in ("LD_PRELOAD", "PFQ_GROUP", "PCAP_ACCEL_MAP", "PCAP_ACCEL_LIB", "PATH"):
        monkeypatch.setenv(name, "x")
    found = bench_._environment()
    assert not {"LD_PRELOAD", "PFQ_GROUP", "PCAP_ACCEL_MAP"} & set(found)
    assert found["PCAP_ACCEL_LIB"] == found["PATH"] == "x"


def test_table():
    """What a person reads; an engine that cannot be had has its sentence."""
    made = {"seconds": 2.0, "sent": 200_000, "dropped": 0, "send_cpu_ns": 10**8}
    rows = [
        {"engine": "libpcap", "seen": 100_000, "capture_cpu_ns": 2 * 10**7, **made},
        {"engine": "afpacket", "seen": 200_000, "capture_cpu_ns": 10**7, **made},
        {"engine": "xdp", "error": "xdp:x: no"},
    ]
    assert bench_._text([bench_._finish(row) for row in rows]).splitlines() == [
        "ENGINE    SENT/S  SEEN/S  LOST %  CAPTURE    SEND  OF LIBPCAP'S",
        "libpcap     100k     50k    50.0   200 ns  500 ns          1.00",
        "afpacket    100k    100k     0.0  50.0 ns  500 ns          0.25",
        "xdp: not measured: xdp:x: no",
    ]


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        *(pytest.param(s, marks=pytest.mark.full) for s in (signal.SIGTERM, signal.SIGKILL)),
    ],
)
def test_nothing_is_left(env, number):
    """Ended in the middle, also by a signal that nobody can catch: no process, interface, page, group."""
    before = links()
    process = subprocess.Popen(
        [sys.executable, "-c", FOR_EVER],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    workers = {}
    deadline = time.monotonic() + netlab.PATIENCE_S
    while not any(b"send" in words for words in workers.values()):
        assert process.poll() is None and time.monotonic() < deadline, workers
        time.sleep(0.02)  # between two looks
        workers = children_of(process.pid)
    # Kept, so that its inode is nobody else's until this test is over.
    space = os.open(f"/proc/{next(iter(workers))}/ns/net", os.O_RDONLY)
    inode = os.fstat(space).st_ino
    assert inode != Path("/proc/self/ns/net").stat().st_ino
    watched = [os.pidfd_open(pid) for pid in workers]
    process.send_signal(number)
    assert process.wait(netlab.PATIENCE_S) == (130 if number == signal.SIGINT else -number)
    for fd in watched:  # readable when it has ended
        assert netlab.select.select([fd], [], [], netlab.PATIENCE_S)[0]
        os.close(fd)
    assert links() == before
    assert [page for page in pages.read_pages() if page.pid in workers] == []
    # Groups without a number of their own begin there.
    assert not list(Path(f"/run/pcap-accel/{inode}").glob("[gm]327*"))
    os.close(space)


def test_a_namespace_and_back():
    """The pair is there inside and nowhere outside."""
    home, before = Path("/proc/self/ns/net").stat().st_ino, links()

    def seen():
        return re.findall(
            r"^\d+: (\w+)",
            subprocess.run(["ip", "link"], capture_output=True, text=True).stdout,
            re.M,
        )

    with namespace.veth_pair() as pair:
        assert sorted(seen()) == sorted([*pair, "lo"])
        assert Path("/proc/self/ns/net").stat().st_ino != home
    assert Path("/proc/self/ns/net").stat().st_ino == home and links() == before
    assert not set(pair) & set(seen())


def test_the_system_s_libpcap():
    """Not ours, though it bears the same name and is loaded."""
    from pypcapaccel._lib import ffi_and_lib

    ffi, ours = ffi_and_lib()
    assert b"libpcap-accel" in ffi.string(ours.pcap_lib_version())
    assert b"libpcap-accel" not in ffi.string(bench_worker.stock(ffi).pcap_lib_version())


def test_an_ordinary_user(env):
    """A sentence, and nothing tried."""
    code = (
        "import os, sys; from pypcapaccel.cli import bench_, main, make_parser; make_parser()\n"
        "os.setresuid(12345, 12345, 12345)\n"
        "sys.exit(main(['bench']))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "pcap-accel bench: a network namespace of its own needs CAP_SYS_ADMIN (run it as root)\n"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--seconds", "0"], "--seconds 0: out of range (0.1 to 3600)"),
        (["--size", "59"], "--size 59: out of range (60 to 1514 bytes)"),
        (["--engine", "libpcap"], "invalid choice: 'libpcap'"),
    ],
)
def test_bad_input(words, sentence, capsys):
    try:
        code = main(["bench", *words])
    except SystemExit as end:
        code = end.code
    assert code == 2 and sentence in capsys.readouterr().err
