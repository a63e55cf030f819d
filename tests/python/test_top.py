# SPDX-License-Identifier: BSD-3-Clause
"""Statistics pages: what top and stats say of captures is true, and nothing is left behind."""

import json
import os
import re
import signal
import struct
import sys
import time
from pathlib import Path

import netlab
import pytest

from pypcapaccel.cli import main, pages

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


def test_layout():
    """The header's members, in their order and sizes, are what is unpacked."""
    body = re.search(r"struct accel_stats_page \{(.*?)\n\};", HEADER.read_text(), re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    sizes = {"char": "s", "uint32_t": "I", "int32_t": "i", "uint64_t": "Q"}
    form = "="
    for kind, names in re.findall(r"(\w+) ([^;]+);", body):
        for name in names.split(","):
            array = re.search(r"\[(\d+)\]", name)
            form += (array.group(1) if array else "") + sizes[kind]
    assert struct.calcsize(form) == pages.LAYOUT.size
    assert form.replace("Q" * 8, "8Q") == pages.LAYOUT.format
    assert f'"{pages.MAGIC.decode()}"' in HEADER.read_text()


@pytest.mark.parametrize("device", ["afpacket:eth0?group=9,fanout=hash", "pfq:eth0?group=9"])
def test_a_capture_is_listed(lab, command, device):
    """Who, on what, how much; gone when it has ended."""
    capture = lab.capture(device)
    page = await_page(capture.pid, bool)
    assert (page.program, page.device, page.group) == ("capture_check", device, 9)
    assert page.engine == device.partition(":")[0] and page.delivered == 0
    assert page.netns == Path(f"/proc/{capture.pid}/ns/net").stat().st_ino
    lab.send("peer0", "-n", "500")
    lab.send("peer0", "-n", "1", "-s", "500")
    seen = await_page(capture.pid, lambda page: page.delivered >= 500)
    assert seen.received >= 500 and seen.dropped == 0
    found = {
        row["pid"]: row
        for row in json.loads(command("top", "--once", "--json", "-d", "0.05"))["captures"]
    }
    assert found[capture.pid]["delivered"] >= 500 and found[capture.pid]["pps"] >= 0
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
    assert path.exists()
    assert pages_of(capture.pid) == []
    assert not path.exists()


def test_strangers_files(tmp_path, monkeypatch):
    """Whatever lies in the folder: no exception, and only real pages are listed."""
    import fcntl

    monkeypatch.setattr(pages, "folders", lambda: [tmp_path, tmp_path / "nowhere"])
    good = pages.LAYOUT.pack(
        pages.MAGIC, pages.LAYOUT.size, 7, 1, 2, -1, 0, b"prog", b"pfq", b"pfq:eth0", *range(8)
    )
    texts = {
        "good": good,
        "short": good[:-1],
        "long": good + b"x",
        "other": b"accelst9" + good[8:],
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
