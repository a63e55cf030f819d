# SPDX-License-Identifier: BSD-3-Clause
"""The Python package and its tests: ruff finds nothing, mypy --strict finds nothing. The settings are
pyproject.toml's."""

import os
import subprocess
import sys

import pytest
from csource import REPO

CHECKED = ["pypcapaccel", "tests", "tests/bench/run", "examples"]
EXAMPLES = sorted(f"examples/{path.name}" for path in (REPO / "examples").glob("*.py"))

# Tests whose functions are annotated; the others are for pytest's eyes only.
TYPED = [
    "conftest.py", "capture_cases.py", "live_cases.py", "run_upstream.py", "test_capture.py",
    "test_lib.py", "test_package.py", "test_pcapy.py", "test_pcapy_live.py",
    "test_python_examples.py", "test_upstream.py",
]  # fmt: skip


def run(*argv, **env):
    whole = [sys.executable, "-m", *argv]
    done = subprocess.run(
        whole, cwd=REPO, capture_output=True, text=True, env={**os.environ, **env}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff():
    run("ruff", "check", "--no-cache", *CHECKED)


def test_format():
    run("ruff", "format", "--check", "--no-cache", *CHECKED)


@pytest.mark.parametrize(
    "what", [["pypcapaccel"], [f"tests/python/{name}" for name in TYPED], EXAMPLES]
)
def test_mypy(what):
    cache = str(REPO / "build" / "mypy")
    settings = ["--config-file", "pyproject.toml", "--cache-dir", cache]
    run("mypy", *settings, *what, MYPYPATH="tests:tests/python")
