# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark's own Python: a virtual environment with the stock peers, as the registry has them, and with
this tree's package."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from lab import LabError
from python_cases import OTHER_NEEDS, PEERS

# What the reader's interpreter says about itself. The peers are imported: one that does not load is not there.
_ASK = """
import importlib.metadata, json, platform, sys
names, found = json.loads(sys.argv[1]), {"python": platform.python_version()}
for name, module in names.items():
    try:
        __import__(module)
        found[name] = importlib.metadata.version(name)
    except Exception as error:
        found[name + " error"] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""
_ASK_OURS = """
import json, pypcapaccel, pypcapaccel._backend
print(json.dumps({"library": pypcapaccel.lib_path(), "fast": pypcapaccel._backend.FAST,
                  "version": pypcapaccel.__version__}))
"""
_MODULES = {"pcapy-ng": "pcapy", "pypcap": "pcap", "cypcap": "cypcap", "scapy": "scapy"}


@dataclass
class PythonEnv:
    """Where the interpreter is, and why a peer cannot be measured."""

    folder: Path
    missing: dict[str, str] = field(default_factory=dict)  # of a library: why
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def ask(self, script: str, *argv: str, **env: str) -> dict[str, str]:
        """What a script in there prints, as JSON."""
        whole = [self.python, "-I", "-c", script, *argv]
        done = subprocess.run(
            whole, capture_output=True, text=True, check=False, env={**_own_environment(), **env}
        )
        if done.returncode != 0:
            raise LabError(f"{self.python}: {done.stderr.strip()}")
        answer: dict[str, str] = json.loads(done.stdout)
        return answer

    def install(self, *what: str) -> str:
        """The last line of why it failed, '' if it did not."""
        argv = [self.python, "-m", "pip", "--disable-pip-version-check", "install", "-q", *what]
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, env=_own_environment()
        )
        if done.returncode == 0:
            return ""
        return (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]


def _own_environment() -> dict[str, str]:
    """Without what would change the package, or where it is built."""
    theirs = ("PYTHON", "PCAP_ACCEL", "PFQ_", "LD_")
    return {key: value for key, value in os.environ.items() if not key.startswith(theirs)}


def _install_peers(env: PythonEnv) -> None:
    """Each alone: one that does not build must not hinder the others."""
    there = env.ask(_ASK, json.dumps(_MODULES))
    for name, requirement in PEERS.items():
        if there.get(name) != requirement.partition("==")[2]:
            why = env.install(requirement)
            if why:
                env.missing[name] = f"pip install {requirement}: {why}"
    there = env.ask(_ASK, json.dumps(_MODULES))
    for name in PEERS:
        if f"{name} error" in there:
            env.missing.setdefault(name, there[f"{name} error"])
    env.facts["python"] = there["python"]
    env.facts["peers"] = ", ".join(f"{name} {there.get(name, '-')}" for name in PEERS)


def prepare(folder: Path, tree: Path, interpreter: str, library: str | None) -> PythonEnv:
    """Makes the environment where it is not there, and installs this tree's package afresh."""
    env = PythonEnv(folder)
    if not Path(env.python).exists():
        done = subprocess.run(
            [interpreter, "-m", "venv", str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise LabError(f"{interpreter} -m venv {folder}: {done.stdout}{done.stderr}")
    _install_peers(env)
    why = env.install(*OTHER_NEEDS)
    if not why:
        why = env.install("--no-deps", "--force-reinstall", str(tree))
    if why:
        raise LabError(f"pip install {tree}: {why}")
    ours = env.ask(_ASK_OURS, **({"PCAP_ACCEL_LIB": library} if library else {}))
    fast = "with _speedups" if ours["fast"] else "without _speedups: no Python.h"
    env.facts["ours"] = f"pypcapaccel {ours['version']} {fast}, {ours['library']}"
    return env
