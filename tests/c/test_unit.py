# SPDX-License-Identifier: BSD-3-Clause
"""Runs the cmocka programs of tests/c: as they are, under ASan+UBSan, and with --full those of rings
and threads under TSan."""

import os
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SOURCES = sorted(path.stem for path in Path(__file__).parent.glob("test_*.c"))
THREADED = [name for name in SOURCES if any(word in name for word in ("ring", "thread", "break"))]
LIMIT_S = 300


def run(folder, name):
    program = folder / "tests" / "c" / name
    assert program.exists(), f"{program}: not built (sh tests/run.sh builds it)"
    env = {**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1"}
    try:
        done = subprocess.run([program], capture_output=True, text=True, timeout=LIMIT_S, env=env)
    except subprocess.TimeoutExpired as late:
        pytest.fail(f"{program}: still running after {LIMIT_S} s\n{late.stdout}\n{late.stderr}")
    assert done.returncode == 0, f"{program}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("name", SOURCES)
def test_unit(name):
    """Every unit test program passes."""
    run(Path(os.environ.get("ACCEL_BUILD", REPO / "build")), name)


@pytest.mark.parametrize("name", SOURCES)
def test_unit_address(name):
    """Every unit test program passes under ASan and UBSan."""
    run(REPO / "build-asan", name)


@pytest.mark.full
@pytest.mark.parametrize("name", THREADED)
def test_unit_thread(name):
    """The unit tests of rings and threads pass under TSan."""
    run(REPO / "build-tsan", name)
