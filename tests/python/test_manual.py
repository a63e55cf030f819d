# SPDX-License-Identifier: BSD-3-Clause
"""Manual page and completions are what the parser says, and a shell completes with them."""

import subprocess
from pathlib import Path

import netlab
import pytest

from pypcapaccel.cli import COMMANDS, manual

TREE = Path(__file__).resolve().parents[2] / "libpcap-accel"


@pytest.mark.parametrize("kind", manual.FILES)
def test_files_are_current(kind, monkeypatch):
    """Else: `python -m pypcapaccel.cli.manual` with man, bash or zsh writes them."""
    monkeypatch.setenv("COLUMNS", "80")
    assert (TREE / manual.FILES[kind]).read_text() == getattr(manual, kind)()


def completed(*words, where="/sys/kernel/mm"):
    """What bash offers for the last word."""
    script = (
        f"source {TREE / manual.FILES['bash']}; COMP_WORDS=({' '.join(map(repr, words))}); "
        f"COMP_CWORD={len(words) - 1}; _pcap_accel; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=where)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes():
    netlab.needs("bash")
    assert set(COMMANDS) <= set(completed("pcap-accel", ""))
    assert completed("pcap-accel", "do") == ["doctor"]
    assert completed("pcap-accel", "run", "--eng") == ["--engine"]
    assert completed("pcap-accel", "run", "--engine", "x") == ["xdp"]
    assert "none" in completed("pcap-accel", "run", "-g", "1", "--engine", "")
    assert completed("pcap-accel", "compile", "--engine", "") == ["pfq", "xdp"]
    assert completed("pcap-accel", "groups", "change", "7", "--persistent", "y") == ["yes"]
    assert completed("pcap-accel", "groups", "de") == ["define", "delete"]
    assert completed("pcap-accel", "groups", "define", "--dev") == ["--devices"]
    assert "bash" in completed("pcap-accel", "run", "--", "bas")
    assert "lo" in completed("pcap-accel", "inject", "-i", "")


def test_zsh_reads_its_file():
    netlab.needs("zsh")
    path = TREE / manual.FILES["zsh"]
    assert subprocess.run(["zsh", "-n", path], capture_output=True, text=True).stderr == ""
