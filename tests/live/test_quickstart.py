# SPDX-License-Identifier: BSD-3-Clause
"""examples/quickstart.sh does what README.md promises, and leaves nothing behind."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import netlab
import pytest


def things():
    """Namespaces that a quickstart could leave."""
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    mine = ("accel-quickstart", "accel-four-terminals")
    return [line for line in spaces.splitlines() if line.startswith(mine)]


def run(repo, *wrapper, check=True):
    argv = [*wrapper, "sh", str(repo / "examples" / "quickstart.sh")]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
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
def test_quickstart(repo):
    """It prints real traffic of both links, and four tcpdumps share forty thousand packets by a
    computation: none lost, none twice, no flow in two of them."""
    out = run(repo).stdout
    assert re.search(r"IP 10\.77\.0\.2\.\d+ > 10\.77\.1\.2\.20000: UDP", out)
    assert re.search(r"IP 10\.77\.1\.2\.20000 > 10\.77\.0\.2\.\d+: UDP", out)
    assert "16 packets captured" in out
    assert "PFQ_COMPUTATION='ip >-> steer_flow' tcpdump -n -i pfq:eth0:eth1" in out
    for row, number in (("packets sent", 40000), ("lost", 0), ("seen twice", 0)):
        assert re.search(rf"{row} +{number}\b", out), out
    assert re.search(r"flows in two terminals +0\b", out), out
    seen = [int(n) for n in re.findall(r"seen in terminal \d +(\d+)", out)]
    assert len(seen) == 4 and sum(seen) == 40000 and min(seen) > 0


def test_not_root(repo):
    """Not as root: one clear sentence."""
    with tempfile.TemporaryDirectory() as folder:  # root's home may be closed to others
        os.chmod(folder, 0o755)
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
