# SPDX-License-Identifier: BSD-3-Clause
"""The Python package and its tests: ruff finds nothing, mypy --strict finds nothing. The settings are
pyproject.toml's."""

import os
import subprocess
import sys

import pytest
from csource import REPO

CHECKED = ["pypcapaccel", "tests/python"]

# Tests without annotations, older than the rule.
UNTYPED = ("test_config.py", "test_groups.py", "test_lang.py")


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


@pytest.mark.parametrize("what", CHECKED)
def test_mypy(what):
    files = sorted(p for p in (REPO / what).rglob("*.py") if p.name not in (*UNTYPED, "_ffi.py"))
    settings = ["--config-file", "pyproject.toml", "--cache-dir", str(REPO / "build" / "mypy")]
    run("mypy", *settings, *map(str, files), MYPYPATH="tests:tests/python")
