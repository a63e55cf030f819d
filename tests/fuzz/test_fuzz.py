# SPDX-License-Identifier: BSD-3-Clause
"""Run each fuzzer for a while over a copy of its corpus.

The fuzzers are those of the build directory ACCEL_FUZZ_BUILD (default: build-fuzz of the repository),
made with clang, -DACCEL_FUZZ=ON and -DACCEL_SANITIZE=address. ACCEL_FUZZ_SECONDS (default 2, with --full
60) is for each of them. A finding is kept in tmp_path and printed with the fuzzer's own report.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("ACCEL_FUZZ_BUILD", HERE.parent.parent / "build-fuzz"))
NAMES = sorted(source.stem for source in HERE.glob("fuzz_*.c"))


def find_fuzzer(name: str) -> Path | None:
    """The program, wherever in the build tree CMake has put it."""
    found = [p for p in BUILD.rglob(name) if p.is_file() and os.access(p, os.X_OK)]
    return found[0] if found else None


@pytest.mark.parametrize("name", NAMES)
def test_has_seeds(name: str) -> None:
    corpus = HERE / "corpus" / name.removeprefix("fuzz_")
    assert any(corpus.iterdir()), f"{corpus} is empty"


@pytest.mark.parametrize("name", NAMES)
def test_fuzz(name: str, tmp_path: Path, full: bool) -> None:
    seconds = int(os.environ.get("ACCEL_FUZZ_SECONDS", "60" if full else "2"))
    program = find_fuzzer(name)
    if program is None:
        pytest.skip(f"{name} is not in {BUILD} (build with clang and -DACCEL_FUZZ=ON)")
    corpus = tmp_path / "corpus"
    shutil.copytree(HERE / "corpus" / name.removeprefix("fuzz_"), corpus)
    done = subprocess.run(
        [
            program,
            f"-max_total_time={seconds}",
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-print_final_stats=1",
            f"-artifact_prefix={tmp_path}/",
            corpus,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds + 60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert runs and int(runs[1]) > 100, done.stderr[-2000:]
