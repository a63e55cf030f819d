# SPDX-License-Identifier: BSD-3-Clause
"""examples/quickstart.sh does what README.md promises, and leaves nothing behind."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import netlab
import pytest
import quickstart


def things():
    """Namespaces that a quickstart could leave."""
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    mine = ("accel-quickstart", "accel-four-terminals")
    return [line for line in spaces.splitlines() if line.startswith(mine)]


def run(repo, *wrapper, check=True):
    argv = [*wrapper, "sh", str(repo / "examples" / "quickstart.sh")]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=300, env={**os.environ, "TMPDIR": folder}
        )
        left = list(Path(folder).iterdir())
    assert not left, f"left behind: {left}"
    assert not things(), f"left behind: {things()}"
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: it shows ours")
def test_quickstart(repo, monkeypatch):
    """pcap-accel prints real traffic of both links; Python reads as many packets as are sent; and four
    tcpdumps share forty thousand packets by a computation: none lost, none twice, no flow in two of them."""
    monkeypatch.setenv("PYTHON", sys.executable)
    quickstart.check(run(repo).stdout)


@pytest.mark.full
@pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: it shows ours")
def test_quickstart_installs(repo):
    """Without a Python that has the package it makes one, with the command in it. tests/python has it on a
    fresh Debian."""
    shutil.rmtree(repo / "build" / "venv", ignore_errors=True)
    out = run(repo).stdout
    quickstart.check(out)
    assert "pip install" in out
    command = repo / "build" / "venv" / "bin" / "pcap-accel"
    version = (repo / "libpcap-accel" / "VERSION").read_text().strip()
    assert subprocess.check_output([command, "--version"], text=True).split()[1] == version


def test_not_root(repo):
    """Not as root: one clear sentence."""
    with tempfile.TemporaryDirectory() as folder:  # root's home may be closed to others
        Path(folder).chmod(0o755)
        examples = Path(shutil.copytree(repo / "examples", Path(folder) / "examples"))
        user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        argv = [*user, "sh", str(examples / "quickstart.sh")]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "root" in done.stderr


def test_no_namespaces(repo):
    """Where namespaces are refused: one clear sentence."""
    drop = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]
    done = run(repo, *drop, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "namespaces are refused" in done.stderr
