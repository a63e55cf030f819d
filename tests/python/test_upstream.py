# SPDX-License-Identifier: BSD-3-Clause
"""pcapy-ng's own suites, unmodified: on our module under its name, and on the real module in front of our
library. They write into their folder, so each run has a copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUNNER = Path(__file__).with_name("run_upstream.py")

# testEOFValue counts references to None, which is immortal from 3.12 on; before, what the test itself and
# the interpreter do in between moves the count (upstream skips it there).
MAY_FAIL = set() if sys.version_info >= (3, 12) else {"testEOFValue"}


@pytest.fixture
def folder(upstream: Path, tmp_path: Path) -> Path:
    shutil.copytree(upstream, tmp_path / "tests")
    return tmp_path / "tests"


def results(text: str) -> dict[str, tuple[int, set[str]]]:
    """{suite: (tests run, failed ones)}"""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(": ")
        n, _, failed = rest.partition(" tests, failed ")
        if failed:
            found[name] = (int(n), set(eval(failed)))
    return found


def check_suites(text: str) -> None:
    found = results(text)
    assert found["pcapytests"][0] == 7
    assert found["pcapytests"][1] <= MAY_FAIL
    assert found["test_fast"] == (89, set())


def python(*argv: object, **env: str) -> str:
    # The suites write a file a test: not to a disk, whose turn takes most of their time.
    folder = {"TMPDIR": "/dev/shm"} if os.access("/dev/shm", os.W_OK) else {}
    whole = [sys.executable, *map(str, argv)]
    done = subprocess.run(whole, capture_output=True, text=True, env=folder | env, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_suites(folder: Path, speedups: str) -> None:
    """7 and 89 tests, under the name pcapy."""
    check_suites(
        python(RUNNER, "pypcapaccel.pcapy", folder, "suites", PCAP_ACCEL_SPEEDUPS=speedups)
    )


def test_smoke(folder: Path, speedups: str) -> None:
    """What pcapy-ng's wheels have to pass."""
    text = python(RUNNER, "pypcapaccel.pcapy", folder, "smoke", PCAP_ACCEL_SPEEDUPS=speedups)
    assert "PASSED" in text


@pytest.mark.parametrize("way", ["LD_PRELOAD", "preload"])
def test_real_pcapy_over_our_library(folder: Path, way: str) -> None:
    """The real module, in front of our library, passes its own suites and what its wheels have to pass."""
    import pypcapaccel

    pytest.importorskip("pcapy", reason="pcapy-ng is not installed (tests/requirements.txt)")
    module = "preload" if way == "preload" else "pcapy"
    env = {} if way == "preload" else {"LD_PRELOAD": pypcapaccel.lib_path()}
    check_suites(python(RUNNER, module, folder, "suites", **env))
    assert "PASSED" in python(RUNNER, module, folder, "smoke", **env)


def use_network_of_upstream(lab: Any) -> None:
    """What the live test expects of its interface."""
    lab.ip("address", "flush", "dev", "eth0")
    lab.ip("address", "add", "192.168.56.1/24", "dev", "eth0")


def rx_packets(lab: Any) -> int:
    text = lab.run(["cat", "/sys/class/net/peer0/statistics/rx_packets"], where="sender").stdout
    return int(text)


@pytest.fixture
def run_live(lab: Any, folder: Path) -> Callable[..., None]:
    """The two live tests that upstream has switched off; the packets that are sent arrive."""

    def run(module: str, device: str, **env: str) -> None:
        use_network_of_upstream(lab)
        traffic = lab.sending()
        argv = [sys.executable, RUNNER, module, folder, "live", device]
        text = lab.run(argv, env=env).stdout
        lab.end(traffic)
        assert results(text)["live"] == (2, set())
        assert rx_packets(lab) >= 96

    return run


@pytest.mark.parametrize("device", ["eth0", "afpacket:eth0"])
def test_live(run_live: Callable[..., None], device: str, speedups: str) -> None:
    run_live("pypcapaccel.pcapy", device, PCAP_ACCEL_SPEEDUPS=speedups)


@pytest.mark.parametrize("device", ["eth0", "afpacket:eth0"])
@pytest.mark.parametrize("module", ["pcapy", "preload"])
def test_real_pcapy_live(run_live: Callable[..., None], module: str, device: str) -> None:
    """The second is a device that only our library knows."""
    import pypcapaccel

    pytest.importorskip("pcapy", reason="pcapy-ng is not installed (tests/requirements.txt)")
    env = {"LD_PRELOAD": pypcapaccel.lib_path()} if module == "pcapy" else {}
    run_live(module, device, **env)
