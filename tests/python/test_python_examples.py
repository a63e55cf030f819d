# SPDX-License-Identifier: BSD-3-Clause
"""Each example in Python runs, on real traffic, and says what was sent."""

from __future__ import annotations

import difflib
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def netlab() -> Any:
    return importlib.import_module("netlab")


def test_sniffer(lab: Any) -> None:
    """A line a packet; Ctrl-C while the link is idle ends it in order."""
    import signal

    process = lab.popen([sys.executable, EXAMPLES / "sniffer.py", "afpacket:eth0", "udp"])
    traffic = lab.sending("peer0", "-r", 50)
    lines = [netlab().read_line(process) for _ in range(3)]
    lab.end(traffic)
    _, err = lab.end(process, signal.SIGINT)
    assert all(re.fullmatch(r"\d+\.\d{9} +60 ([0-9a-f]{2} ?){14}\n", line) for line in lines)
    assert re.fullmatch(r"\d+ received, 0 dropped\n", err)
    assert process.returncode == 0


def test_flow_counter(lab: Any) -> None:
    """The bytes of each flow are those that were sent."""
    pytest.importorskip("numpy", reason="NumPy is not installed")
    argv = [sys.executable, EXAMPLES / "flow_counter.py", "afpacket:eth0", 400]
    process = lab.popen(argv)
    traffic = lab.sending("peer0", "-r", 2000, "-f", 4, "-s", 100)
    out, err = process.communicate(timeout=60)
    netlab().living.remove(process)
    lab.end(traffic)
    assert not err
    found = re.findall(r"([\d.]+) +-> +([\d.]+) +(\d+) bytes", out)
    assert len(found) >= 1
    assert sum(int(n) for _, _, n in found) >= 400 * 100
    assert all(int(n) % 100 == 0 for _, _, n in found)


def test_batches(lab: Any) -> None:
    """As many packets and bytes as were sent."""
    process = lab.popen([sys.executable, EXAMPLES / "batches.py", "afpacket:eth0", 300, "udp"])
    netlab().await_line(process, "capturing")
    lab.send("peer0", "-n", 300, "-s", 100)
    out, err = process.communicate(timeout=60)
    netlab().living.remove(process)
    assert not err
    assert re.fullmatch(r"300 packets of 30000 bytes in \d+ batches, 0 dropped\n", out), out


def test_asyncio(lab: Any) -> None:
    process = lab.popen([sys.executable, EXAMPLES / "asyncio_capture.py", "afpacket:eth0", 2])
    traffic = lab.sending("peer0", "-r", 1000)
    out, err = process.communicate(timeout=60)
    netlab().living.remove(process)
    lab.end(traffic)
    assert not err
    rates = [int(n) for n in re.findall(r"(\d+) packets/s", out)]
    assert len(rates) == 2
    assert sum(rates) > 0


def test_four_processes(lab: Any) -> None:
    """Every packet is in one process, and all have some."""
    argv = [sys.executable, EXAMPLES / "four_processes.py", "eth0"]
    process = lab.popen(argv, stdin=subprocess.PIPE)
    netlab().await_line(process, "capturing")
    lab.send("peer0", "-n", 4000, "-f", 256, "-b")
    out, err = process.communicate("\n", timeout=60)
    netlab().living.remove(process)
    assert not err
    counts = [int(n) for n in re.findall(r"process \d: (\d+) packets", out)]
    assert len(counts) == 4
    assert sum(counts) == 4000
    assert min(counts) > 0


def test_port_from_pcapy(lab: Any) -> None:
    """Three lines of difference, which README.md shows; the ported program counts what the old one counts."""
    before, after = (EXAMPLES / "port_from_pcapy" / name for name in ("before.py", "after.py"))
    old, new = (path.read_text().splitlines() for path in (before, after))
    whole = difflib.unified_diff(old, new, n=0, lineterm="")
    diff = [line for line in whole if line[1] not in "@+-"]
    assert sum(line.startswith("+") for line in diff) == 3
    assert "```diff\n" + "\n".join(diff) + "\n```" in (EXAMPLES.parent / "README.md").read_text()
    pytest.importorskip("pcapy", reason="pcapy-ng is not installed (tests/requirements.txt)")
    traffic = lab.sending("peer0", "-r", 500, "-s", 90)
    for program in (before, after):
        assert lab.run([sys.executable, program, "eth0", 20]).stdout == "1800 bytes\n"
    lab.end(traffic)
