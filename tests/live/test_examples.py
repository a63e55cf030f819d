# SPDX-License-Identifier: BSD-3-Clause
"""examples/four-terminals.sh: four unrelated tcpdumps share real traffic, started in any order, and
its accounting is honest. examples/quickstart.sh has a file of its own."""

import importlib.util
import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path

import netlab
import pytest

# None is any; with 1 first it is as the quickstart's.
ORDERS = [None, "3142", *(pytest.param(o, marks=pytest.mark.full) for o in ("1234", "4321"))]


def namespaces():
    found = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    return [line for line in found.splitlines() if line.startswith("accel-four-terminals")]


@pytest.fixture
def script(repo, library):
    """The script's command and environment. Afterwards nothing of it is left."""
    if netlab.STOCK:
        pytest.skip("ACCEL_STOCK: it shows ours")
    netlab.needs("tcpdump", "ss", "shuf")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)  # tcpdump becomes another user
        env = {**os.environ, "TMPDIR": folder, "LIBRARY": str(library)}
        yield ["sh", str(repo / "examples" / "four-terminals.sh")], env
        assert not list(Path(folder).iterdir()), "files are left behind"
    assert not namespaces()


@pytest.mark.parametrize("order", ORDERS)
def test_four_terminals(script, order):
    """In any order: every packet is in one terminal, both directions of a flow in the same, and
    each terminal has some. Without an order the script chooses one and says which."""
    argv, env = script
    done = subprocess.run(
        [*argv, *([order] if order else [])], env=env, capture_output=True, text=True, timeout=240
    )
    out = done.stdout
    assert done.returncode == 0, out + done.stderr
    chosen = re.search(r"in the order (\d+)", out)[1]
    assert sorted(chosen) == list("1234") and chosen == (order or chosen)
    assert "".join(re.findall(r"terminal (\d):  PFQ_GROUP=42", out)) == chosen
    rows = {"packets sent": 40000, "lost": 0, "seen twice": 0, "flows in two terminals": 0}
    for row, number in rows.items():
        assert re.search(rf"{row} +{number}\b", out), out
    shares = re.findall(r"seen in terminal \d +(\d+) +(\d+) flows", out)
    assert sum(int(packets) for packets, _ in shares) == 40000
    assert sum(int(flows) for _, flows in shares) == 200
    assert len(shares) == 4 and all(int(packets) for packets, _ in shares)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_broken_off(script, number):
    """Ctrl-C in the middle of it, and what a supervisor sends: it ends, and leaves nothing."""
    argv, env = script
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        argv, env=env, start_new_session=True, stdout=pipe, stderr=pipe, text=True
    )
    netlab.await_line(process, "The client talks", "stdout")
    router = Path("/run/netns", f"accel-four-terminals-{process.pid}-router")
    records = Path("/run/pcap-accel", str(router.stat().st_ino))
    assert (records / "g42").exists()
    os.killpg(process.pid, number)
    process.communicate(timeout=netlab.PATIENCE_S)
    assert process.returncode == 1
    assert not records.exists()


@pytest.mark.parametrize("order", ["123", "1224", "12345", "x"])
def test_wrong_order(script, order):
    argv, env = script
    done = subprocess.run([*argv, order], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    sentence = f"four-terminals: ORDER '{order}': wrong (such as 3142: each of 1 to 4 once)\n"
    assert done.stderr == sentence


# ---- the accounting itself ----


@pytest.fixture(scope="module")
def traffic(repo):
    spec = importlib.util.spec_from_file_location("traffic", repo / "examples" / "traffic.py")
    assert spec
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line(flow, packet, answer=False):
    client, server = f"10.77.0.2.{40000 + flow}", "10.77.1.2.20000"
    ends = (server, client) if answer else (client, server)
    return f"11:22:33.123456 IP {ends[0]} > {ends[1]}: UDP, length {100 + packet}\n"


def whole_flow(flow):
    return [line(flow, packet, answer) for packet in range(2) for answer in (False, True)]


FIRST, SECOND = whole_flow(0), whole_flow(1)
COUNTS = {
    "right": (FIRST, SECOND, 0, {"lost": 0, "seen twice": 0, "flows in two terminals": 0}),
    "lost": (FIRST, SECOND[:-1], 1, {"lost": 1, "seen twice": 0}),
    "twice in one": (FIRST, SECOND + SECOND[:1], 1, {"lost": 0, "seen twice": 1}),
    "twice in two": (
        FIRST + SECOND[:1], SECOND, 1, {"seen twice": 1, "flows in two terminals": 1}
    ),
    "split": (FIRST[:2], SECOND + FIRST[2:], 1, {"lost": 0, "flows in two terminals": 1}),
    "idle": (FIRST + SECOND, [], 1, {"lost": 0, "seen twice": 0, "seen in terminal 2": 0}),
    "never sent": (FIRST, [*SECOND, line(2, 0)], 1, {"lost": 0, "seen twice": 0}),
    "farewell": (FIRST, [*SECOND, line(10000, 0)], 0, {"lost": 0, "seen in terminal 2": 4}),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
def test_count(traffic, tmp_path, capsys, name):
    """Two flows of two packets each, in two terminals: what the table says, and its exit code."""
    first, second, code, rows = COUNTS[name]
    files = []
    for i, lines in enumerate((first, second)):
        files.append(str(tmp_path / f"{i}"))
        Path(files[-1]).write_text("".join(lines))
    assert traffic.count(2, 2, files) == code
    out = capsys.readouterr().out
    for row, number in rows.items():
        assert re.search(rf"{row} +{number}\b", out), out
