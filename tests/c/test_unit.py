# SPDX-License-Identifier: BSD-3-Clause
"""Runs the cmocka programs of tests/c: as they are, under ASan+UBSan, and with --full those of rings
and threads under TSan, and those that have rounds with many more of them."""

import os
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SOURCES = sorted(path.stem for path in Path(__file__).parent.glob("test_*.c"))
THREADED = [name for name in SOURCES if any(word in name for word in ("ring", "thread", "break"))]
LIMIT_S = 300
LIMIT_FULL_S = 1800


def has_rounds(name):
    """Does the program do more when ACCEL_FULL is set (rounds() of test_bpf_kernel.h)?"""
    text = Path(__file__).with_name(f"{name}.c").read_text()
    return " rounds(" in text or "(rounds(" in text or "ACCEL_FULL" in text


def run(folder, name, limit=LIMIT_S, **more):
    program = folder / "tests" / "c" / name
    assert program.exists(), f"{program}: not built (sh tests/run.sh builds it)"
    env = {**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1", **more}
    try:
        done = subprocess.run([program], capture_output=True, text=True, timeout=limit, env=env)
    except subprocess.TimeoutExpired as late:
        pytest.fail(f"{program}: still running after {limit} s\n{late.stdout}\n{late.stderr}")
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


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in SOURCES if has_rounds(name)])
def test_unit_full(name):
    """Random tests with fifty times the rounds: of the language, a million pairs."""
    folder = Path(os.environ.get("ACCEL_BUILD", REPO / "build"))
    run(folder, name, LIMIT_FULL_S, ACCEL_FULL="1")
