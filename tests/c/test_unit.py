# SPDX-License-Identifier: BSD-3-Clause
"""Runs the cmocka programs of tests/c: as they are, under ASan+UBSan, and with --full those of rings
and threads under TSan, and those that have rounds with many more of them.

Two at a time: many wait for the kernel, and each has a network namespace of its own."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SOURCES = sorted(path.stem for path in Path(__file__).parent.glob("test_*.c"))
THREADED = [name for name in SOURCES if any(word in name for word in ("ring", "thread", "break"))]
# Of rings and threads: they want the processors. Of the registry: its folders have namespaces' numbers, which
# are given again.
ALONE = {"test_registry", *THREADED}
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
        raise AssertionError(
            f"{program}: still running after {limit} s\n{late.stdout}\n{late.stderr}"
        ) from late
    assert done.returncode == 0, f"{program}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"


def folder_of(kind):
    return REPO / "build-asan" if kind == "address" else release()


def release():
    return Path(os.environ.get("ACCEL_BUILD", REPO / "build"))


@pytest.fixture(scope="module")
def results(request):
    """{(kind, name): how it went} of the programs that this run asks for, but those that run alone."""
    wanted = [
        item.callspec.params for item in request.session.items if item.module is request.module
    ]
    asked = [(one["kind"], one["name"]) for one in wanted if "kind" in one]
    with ThreadPoolExecutor(2) as pool:
        return {
            (kind, name): pool.submit(run, folder_of(kind), name)
            for kind, name in asked
            if name not in ALONE
        }


@pytest.mark.parametrize("kind", ["release", "address"])
@pytest.mark.parametrize("name", SOURCES)
def test_unit(results, kind, name):
    """Every unit test program passes, also under ASan and UBSan."""
    if name in ALONE:
        run(folder_of(kind), name)
    else:
        results[kind, name].result()


@pytest.mark.full
@pytest.mark.parametrize("name", THREADED)
def test_unit_thread(name):
    """The unit tests of rings and threads pass under TSan."""
    run(REPO / "build-tsan", name)


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in SOURCES if has_rounds(name)])
def test_unit_full(name):
    """Random tests with fifty times the rounds: of the language, a million pairs."""
    run(release(), name, LIMIT_FULL_S, ACCEL_FULL="1")
