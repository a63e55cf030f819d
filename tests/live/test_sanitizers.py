# SPDX-License-Identifier: BSD-3-Clause
"""The live tests once more, with the library and the tools built with sanitizers (--full)."""

import os
import subprocess
import sys

import netlab
import pytest


def run_again(repo, folder, *arguments):
    build = repo / folder
    assert (build / "libpcap-accel.so").exists(), f"{build}: not built (sh tests/run.sh --full)"
    config = ["-c", repo / "tests" / "pytest.ini", "--rootdir", repo / "tests"]
    argv = [sys.executable, "-m", "pytest", *config, "-q", *arguments]
    env = {**os.environ, "ACCEL_BUILD": str(build)}
    done = subprocess.run(argv, cwd=repo, env=env, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.full
@pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: ours only")
def test_address(repo):
    """All live tests, and the programs, under ASan and UBSan. Not dumpcap, nor tshark that runs it:
    with ASan's runtime in front it captures, and then waits for glibc's locale lock in exit()."""
    files = ["tests/live", "tests/apps/test_programs.py"]
    run_again(repo, "build-asan", *files, "-k", "not quickstart and not dumpcap and not tshark")


@pytest.mark.full
@pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: ours only")
def test_thread(repo):
    """Breaking from threads and signals, statistics from a second thread, threads that share a queue of xdp,
    under TSan."""
    files = [f"tests/live/test_{name}.py" for name in ("reads", "states", "xdp_groups")]
    which = "test_reads or second_thread or nonblock or come_and_go"
    run_again(repo, "build-tsan", *files, "-k", which)
