# SPDX-License-Identifier: BSD-3-Clause
"""Statistics pages: what top and stats say of captures is true, and nothing is left behind."""

import argparse
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
from pypcapaccel.cli import main, top_

HEADER = Path(__file__).resolve().parents[2] / "libpcap-accel/src/core/stats_page.h"


@pytest.fixture
def command(lab, accel_build):
    def run(*words):
        env = {"PYTHONPATH": os.pathsep.join(sys.path), "PCAP_ACCEL_LIB": str(accel_build.library)}
        return lab.run([sys.executable, "-m", "pypcapaccel", *words], env=env).stdout

    return run


def pages_of(pid):
    return [page for page in pages.read_pages() if page.pid == pid]


def await_page(pid, judge):
    """The page of a process, once it says so."""
    deadline = time.monotonic() + netlab.PATIENCE_S
    while True:
        found = pages_of(pid)
        if found and judge(found[0]):
            return found[0]
        assert time.monotonic() < deadline, found
        time.sleep(0.02)  # between two looks


def layout(name):
    """The members of a structure of the header, as struct has them; a flexible array is none."""
    body = re.search(rf"struct {name} \{{(.*?)\n\}};", HEADER.read_text(), re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    sizes = {"char": "s", "uint32_t": "I", "int32_t": "i", "uint64_t": "Q"}
    form = ""
    for kind, names in re.findall(r"^\t(?!struct)(\w+) ([^;]+);", body, re.M):
        for member in names.split(","):
            array = re.search(r"\[(\d+)\]", member)
            form += (array.group(1) if array else "") + sizes[kind]
    return form


@pytest.mark.parametrize(
    ("name", "unpacked"),
    [("accel_stats_page", pages.LAYOUT), ("accel_stats_queue", pages.QUEUE)],
)
def test_layout(name, unpacked):
    """The header's members, in their order and sizes, are what is unpacked."""
    form = re.sub(r"(\d+)([QI])", lambda m: m.group(2) * int(m.group(1)), unpacked.format)
    assert form == "=" + layout(name)
    text = HEADER.read_text()
    assert f'"{pages.MAGIC.decode()}"' in text
    most = int(re.search(r"ACCEL_STATS_MAX_QUEUES (\d+)", text).group(1))
    assert pages.LAYOUT.size + most * pages.QUEUE.size == pages.MAX_LEN


@pytest.mark.parametrize("device", ["afpacket:eth0?group=9,fanout=hash", "pfq:eth0?group=9"])
def test_a_capture_is_listed(lab, command, device):
    """Who, on what, how much; gone when it has ended."""
    # Immediate: it wakes each millisecond, and the last ones are too soon for the page, but not for good.
    capture = lab.capture(device, "-I")
    page = await_page(capture.pid, bool)
    assert (page.program, page.device, page.group) == ("capture_check", device, 9)
    assert page.engine == device.partition(":")[0] and page.delivered == 0
    assert page.netns == Path(f"/proc/{capture.pid}/ns/net").stat().st_ino
    lab.send("peer0", "-n", "500", "-s", "300", "-r", "20000")
    seen = await_page(capture.pid, lambda page: page.delivered == 500 and page.waiting)
    assert (seen.received, seen.dropped, seen.delivered_len) == (500, 0, 500 * 300)
    assert (seen.ring_used, seen.waiting, seen.queues) == (0, True, ()) and seen.ring_len > 1
    found = {
        row["pid"]: row
        for row in json.loads(command("top", "--once", "--json", "-d", "0.05"))["captures"]
    }
    assert found[capture.pid]["delivered"] == 500
    assert [found[capture.pid][name] for name in ("pps", "bps", "ring_fill", "away_s")] == [0] * 4
    assert f"{capture.pid}  capture_check" in command("stats", "-g", "9")
    assert f"{capture.pid}  capture_check" in command("top", "--once", "-d", "0.05")
    assert [
        row["pid"] for row in json.loads(command("stats", str(capture.pid), "--json"))["captures"]
    ] == [capture.pid]
    path = seen.path
    netlab.stop(capture)
    assert pages_of(capture.pid) == [] and not Path(path).exists()


def test_a_killed_capture_leaves_nothing(lab):
    """Its page is stale: not listed, and removed by who comes across it."""
    capture = lab.capture("afpacket:eth0")
    path = Path(await_page(capture.pid, bool).path)
    os.kill(capture.pid, signal.SIGKILL)
    capture.process.communicate(timeout=netlab.PATIENCE_S)
    netlab.living.remove(capture.process)
    assert pages_of(capture.pid) == []
    assert not path.exists()


def test_only_pages_are_removed(tmp_path, monkeypatch):
    """In a folder that another user may have made: no link is followed, no file of other kinds goes."""
    other = tmp_path / "other"
    other.mkdir()
    stale = pages.MAGIC + bytes(100)
    for folder, name in ((other, "page"), (tmp_path / "mine" / "stats", "page")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(stale)
        (folder / "older").write_bytes(b"accelst1")
        (folder / "text").write_bytes(b"a text")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "stats").symlink_to(other)
    (tmp_path / "whole").symlink_to(tmp_path / "mine")
    of = [tmp_path / name / "stats" for name in ("linked", "whole", "nowhere")]
    monkeypatch.setattr(pages, "folders", lambda: of)
    assert list(pages.read_pages()) == []
    mine = tmp_path / "mine" / "stats"
    assert [len(list(folder.iterdir())) for folder in (other, mine)] == [3, 3]
    monkeypatch.setattr(pages, "folders", lambda: [mine])
    assert list(pages.read_pages()) == []
    assert [path.name for path in mine.iterdir()] == ["text"]


SLOW = """
import sys, pypcapaccel
with pypcapaccel.open("afpacket:eth0", buffer="8MiB") as capture:
    print("ready", flush=True)
    sys.stdin.readline()
    n = 0
    while n < 20000:
        n += len(capture.read(max_packets=1000))
    print("read", n, flush=True)
    sys.stdin.readline()
"""


def test_ring_fill(lab, accel_build):
    """Of a program that reads too late: what it has left in the ring, and that it is not waiting."""
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PCAP_ACCEL_LIB": str(accel_build.library)}
    slow = lab.popen([sys.executable, "-c", SLOW], env=env, stdin=subprocess.PIPE)
    assert netlab.read_line(slow) == "ready\n"
    lab.send("peer0", "-n", "40000")
    slow.stdin.write("\n")
    slow.stdin.flush()
    n = int(netlab.read_line(slow).removeprefix("read "))
    assert 20000 <= n < 21000
    (page,) = pages_of(slow.pid)
    # Written on the way, when at least 20000 were left, of which the ring holds no more than 65536.
    assert 20000 * page.ring_len / 65536 / 3 < page.ring_used < page.ring_len and not page.waiting
    assert 0 < page.delivered <= n and page.delivered_len == 60 * page.delivered
    slow.communicate("\n", timeout=netlab.PATIENCE_S)
    netlab.living.remove(slow)


def test_after_a_fork(lab):
    """The page is the reader's: its process id, and gone when it ends, though the parent made it."""
    capture = lab.capture("afpacket:eth0", "-k")
    assert capture.pid != capture.process.pid
    lab.send("peer0", "-n", "10")
    page = await_page(capture.pid, lambda page: page.delivered == 10)
    assert pages_of(capture.process.pid) == []
    capture.stop()
    assert not Path(page.path).exists()


def test_after_privileges_have_gone(lab):
    """tcpdump as nobody: its page is written all the same. It cannot remove it: who looks next does."""
    netlab.needs("tcpdump")
    argv = ["tcpdump", "-Z", "nobody", "--immediate-mode", "-n", "-i", "afpacket:eth0", "-c", "20"]
    process = lab.popen(argv, env=lab.accel_env())
    netlab.await_line(process, "listening on", stream="stderr")
    lab.send("peer0", "-n", "10")
    page = await_page(process.pid, lambda page: page.delivered == 10)
    uids = re.search(r"^Uid:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text(), re.M)
    assert uids.group(1) != "0" and page.program == "tcpdump"
    lab.send("peer0", "-n", "10")
    process.communicate(timeout=netlab.PATIENCE_S)
    netlab.living.remove(process)
    assert process.returncode == 0
    assert pages_of(process.pid) == [] and not Path(page.path).exists()


def test_queues(lab, command):
    """Of an xdp capture, each queue: what it received; top prints a line for it."""
    capture = lab.capture("xdp:eth0?divert=force", "-f", "udp")
    lab.send("peer0", "-n", "100")
    page = await_page(
        capture.pid,
        lambda page: page.delivered == 100 and page.waiting and page.queues[0].received == 100,
    )
    (queue,) = page.queues
    assert (queue.ifname, queue.queue, queue.received) == ("eth0", 0, 100)
    assert (queue.dropped, queue.ring_full, queue.ring_used) == (0, 0, 0)
    assert queue.ring_len == page.ring_len > 1
    out = command("top", "--once", "-q", "-d", "0.05")
    assert re.search(r"^ +eth0@q0 +0 % +100 +0 +0.0$", out, re.M), out
    assert not re.search(r"^ +eth0@q0 ", command("top", "--once", "-d", "0.05"), re.M)
    capture.stop()


def made_page(**changes):
    values = dict.fromkeys(pages.Page.__dataclass_fields__, 0)
    values |= {"path": "p", "program": "prog", "engine": "xdp", "device": "xdp:eth0", "queues": ()}
    return pages.Page(**{**values, **changes})


def test_rates():
    """Over the time between two looks; none of a capture that is new; and who does not come back is away."""
    old = made_page(delivered=100, delivered_len=1000, dropped=1, waiting=True)
    new = made_page(
        delivered=300, delivered_len=2000, dropped=5, ring_used=3, ring_len=4, waiting=False
    )
    (row,) = top_._rows({"p": old}, {"p": new}, 2.0)
    assert [row[name] for name in ("pps", "bps", "drops_s", "ring_fill")] == [100, 4000, 2, 0.75]
    assert row["away_s"] == pytest.approx(time.monotonic(), abs=60), "never written"
    assert re.search(r" 100 +4k +2 +away \d+s ", top_._text([row], False))
    (row,) = top_._rows({}, {"p": old}, 2.0)
    assert (row["pps"], row["bps"], row["ring_fill"], row["away_s"]) == (None, None, None, 0)
    assert old.away_ns(10**12) == 0, "it waits for packets"
    assert new.away_ns(10**9) == 0 and new.away_ns(2 * 10**9) == 2 * 10**9


@pytest.mark.parametrize("words", [(), ("--plain",)], ids=["rich", "plain"])
def test_a_terminal(words):
    """With rich where it is, and without: the head, a line for nobody, no escape left in the way."""
    if not words:
        pytest.importorskip("rich")
    ours, theirs = os.openpty()
    argv = [sys.executable, "-m", "pypcapaccel", "top", "-n", "1", "-d", "0.01", *words]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", "COLUMNS": "150"}
    done = subprocess.run(argv, stdout=theirs, stderr=subprocess.PIPE, env=env, text=True)
    os.close(theirs)
    out = b""
    try:
        while chunk := os.read(ours, 65536):
            out += chunk
    except OSError:  # the terminal's other end has been closed, and all was read
        pass
    os.close(ours)
    assert done.returncode == 0, done.stderr
    assert b"PROGRAM" in out and b"LOST %" in out
    assert out.startswith(b"\x1b[H\x1b[J") == bool(words)


def test_without_rich(monkeypatch):
    monkeypatch.setattr(top_, "_has_rich", lambda: False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    options = argparse.Namespace(json=False, once=False, plain=False)
    assert top_._chosen(options) is top_._as_text


def test_strangers_files(tmp_path, monkeypatch):
    """Whatever lies in the folder: no exception, and only real pages are listed."""
    import fcntl

    monkeypatch.setattr(pages, "folders", lambda: [tmp_path, tmp_path / "nowhere"])
    good = pages.LAYOUT.pack(
        pages.MAGIC, pages.LAYOUT.size, 7, 1, 2, -1, 1, b"prog", b"pfq", b"pfq:eth0", *range(9), 3, 4, 1, 0
    )  # fmt: skip
    good += pages.QUEUE.pack(b"eth0", 5, 1, 2, 0, 6, 7, 8)
    texts = {
        "good": good,
        "short": good[:-1],
        "long": good + b"x",
        "other": b"accelst9" + good[8:],
        "queues": good[:36] + b"\xff" * 4 + good[40:],
        "empty": b"",
    }
    held = []
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
        held.append((tmp_path / name).open("rb"))
        fcntl.flock(held[-1], fcntl.LOCK_EX)
    (tmp_path / ".hidden").write_bytes(good)
    (tmp_path / "stale").write_bytes(good)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "fifo")
    (page,) = pages.read_pages()
    assert (page.pid, page.group, page.program, page.device, page.inject_failed) == (
        7,
        None,
        "prog",
        "pfq:eth0",
        7,
    )
    assert (page.delivered_len, page.ring_used, page.ring_len, page.waiting) == (8, 3, 4, True)
    assert page.queues == (pages.Queue("eth0", 5, 1, 2, 6, 7, 8),)
    assert (
        not (tmp_path / "stale").exists()
        and (tmp_path / ".hidden").exists()
        and (tmp_path / "link").is_symlink()
    )
    for file in held:
        file.close()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["top", "-d", "0"], "--delay 0: out of range (0.01 to 3600 seconds)"),
        (["top", "-n", "-1"], "--count -1: out of range (0: without end)"),
    ],
)
def test_bad_input(words, sentence, capsys):
    assert main(words) == 2
    assert sentence in capsys.readouterr().err


def test_no_such_capture(capsys):
    assert main(["stats", "999999999"]) == 1
    assert "no such capture" in capsys.readouterr().err
