# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark of the Python package: its list of what is measured hangs together, and each way of reading
sees every packet. Nothing is timed."""

import json
import subprocess
import sys

import pytest
from csource import REPO

BENCH = REPO / "tests" / "bench"
sys.path.insert(0, str(BENCH))

from python_cases import BUSY, CASES, FILE, LIVE, LONG, OURS, PEERS, PLAIN, C  # noqa: E402
from python_measure import write_savefile  # noqa: E402
from python_reader import HOW  # noqa: E402

BY_NAME = {case.name: case for case in CASES}


def test_names_are_unique():
    assert len(BY_NAME) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case):
    """It can be run, and what it is compared with is measured in the same unit."""
    if case.library == C:
        assert case.how in ("loop", "next")
    else:
        library = "ours" if case.library in (OURS, PLAIN) else case.library
        assert library == "ours" or library in PEERS
        assert case.how in HOW
        assert case.how.startswith(f"{library}.")
    if case.beside is not None:
        assert BY_NAME[case.beside].traffic is case.traffic
        assert BY_NAME[case.beside].library == "pcapy-ng"
    assert case.of in ("ratio", "worst")
    assert case.goal is None or case.of == "worst" or case.beside is not None


def test_goals():
    """Those that the project has set itself."""
    goals = {case.name: (case.goal, case.beside, case.of) for case in CASES if case.goal}
    assert goals == {
        "file.ours.loop": (1.3, "file.pcapy-ng.loop", "ratio"),
        "file.plain.loop": (0.4, "file.pcapy-ng.loop", "ratio"),
        "file.ours.header": (2.5, "file.pcapy-ng.header", "ratio"),
        "file.ours.next": (1.2, "file.pcapy-ng.next", "ratio"),
        "file.ours.list": (1.6, "file.pcapy-ng.slices", "ratio"),
        "file.ours.batches": (0.9, "file.pcapy-ng.batch", "ratio"),
        "live.ours.batches": (0.5, "live.pcapy-ng.batch", "ratio"),
        "live-1500.ours.batches": (0.5, "live-1500.pcapy-ng.batch", "ratio"),
        "busy.ours.loop": (1.0, None, "worst"),
    }
    assert {BUSY.rounds, FILE.rounds, LIVE.rounds, LONG.rounds} == {10, None}


READERS = sorted(how for how in HOW if how.startswith(("ours.", "pcapy-ng.")))


@pytest.fixture(scope="module")
def savefile(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "few.pcap"
    write_savefile(str(path), 2500)  # more than two batches
    return path


@pytest.mark.parametrize("how", READERS)
def test_reader_counts(how, savefile):
    argv = [sys.executable, "-I", str(BENCH / "python_reader.py"), how, str(savefile)]
    done = subprocess.run(argv, input="go\n", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    ready, result = done.stdout.splitlines()
    assert ready == "ready"
    assert json.loads(result)["packets"] == 2500
