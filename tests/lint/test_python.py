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

# Tests whose functions are annotated.
TYPED = [
    "conftest.py", "capture_cases.py", "live_cases.py", "run_upstream.py", "test_capture.py",
    "test_fresh_debian.py", "test_lib.py", "test_package.py", "test_pcapy.py", "test_pcapy_live.py",
    "test_pcapy_surface.py", "test_python_examples.py", "test_upstream.py",
]  # fmt: skip

# The functions of the other tests are for pytest's eyes only: their bodies are checked. What is not there
# fails the test that looks for it.
LOOSE = [
    "--allow-untyped-defs", "--allow-untyped-calls", "--allow-incomplete-defs",
    "--allow-any-generics", "--implicit-reexport", "--no-warn-return-any",
    *(f"--disable-error-code={what}" for what in ("index", "union-attr", "var-annotated", "str-bytes-safe")),
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


def mypy(kind, *words):
    cache = str(REPO / "build" / f"mypy-{kind}")
    path = ":".join(f"tests/{name}" for name in ("", "python", "live", "bench"))
    run("mypy", "--config-file", "pyproject.toml", "--cache-dir", cache, *words, MYPYPATH=path)


@pytest.mark.parametrize(
    "what",
    [
        ["pypcapaccel"],
        [f"tests/python/{name}" for name in TYPED],
        EXAMPLES,
        ["tests/bench", "tests/fuzz"],
    ],
    ids=["package", "tests", "examples", "bench"],
)
def test_mypy(what):
    mypy("strict", *what)


@pytest.mark.parametrize("what", ["tests", "tests/live"])
def test_mypy_of_bodies(what):
    mypy("loose", *LOOSE, *sorted(str(path) for path in (REPO / what).glob("*.py")))
