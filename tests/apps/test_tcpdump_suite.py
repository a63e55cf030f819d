# SPDX-License-Identifier: BSD-3-Clause
"""tcpdump's own regression suite, with us in front of libpcap. It reads savefiles only: it proves
that everything which is not ours comes through untouched."""

import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

REASON = "{} is not installed: the suite needs it"


@pytest.fixture(scope="module")
def suite(source):
    """The source of the installed tcpdump, configured: its tests ask config.h what to expect."""
    for command in ("tcpdump", "perl", "gcc", "make"):
        if shutil.which(command) is None:
            pytest.skip(REASON.format(command))
    folder = source("tcpdump")
    if not (folder / "config.h").exists():
        done = subprocess.run(
            ["./configure"], cwd=folder, capture_output=True, text=True, timeout=300
        )
        if done.returncode != 0:
            pytest.skip(f"tcpdump's configure fails here: {done.stdout.splitlines()[-1:]}")
    return folder


@pytest.fixture
def copy(suite):
    """What the suite needs of its source, once more: it writes there. Open to the user that tcpdump becomes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shutil.copytree(suite / "tests", Path(folder, "tests"))
        shutil.copy(suite / "config.h", folder)
        yield folder


def results(folder, env):
    """[(test, verdict)] of a run of the suite."""
    whole = {**os.environ, **env, "TCPDUMP_BIN": shutil.which("tcpdump")}
    done = subprocess.run(
        ["perl", "tests/TESTrun"], cwd=folder, env=whole, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    return re.findall(r"^    (\S+)\s*: (.+)$", done.stdout, re.M)


def test_suite_gives_what_it_gives_on_stock(suite, copy, preload):
    """Every one of the suite's tests (582 in 4.99.3) has the same verdict with us in front as
    without, and without us they pass."""
    with ThreadPoolExecutor(1) as beside:
        without = beside.submit(results, copy, {})
        ours = results(suite, preload)
        stock = without.result()
    assert [line for line in ours if line not in stock] == []
    assert ours == stock
    verdicts = [verdict for _, verdict in stock]
    assert verdicts.count("passed") > 500
    assert [line for line in stock if line[1].startswith("failed")] == []
