# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the Python package's tests. The package under test is the one that is installed beside pytest
(tests/run.sh does), with its own library."""

from __future__ import annotations

import importlib
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent

# `python -m pytest` puts the folder it is started in first, and in the repository that is the package's sources,
# which have no extension module.
sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != HERE.parents[1]]
pypcapaccel = importlib.import_module("pypcapaccel")

CACHE = HERE.parent / ".cache" / "python"
PCAPY_NG = "pcapy-ng==2.1.0"
_OURS = ("_backend", "_handle", "_source", "_classify", "_dumper", "pcapy", "capture")

IS_BUILT = (
    sys.version_info >= (3, 11) and find_spec("pypcapaccel._speedups") is not None
)  # the extension module

Packet = tuple[int, int, bytes, int]  # seconds, microseconds, bytes, bytes on the wire


def pytest_configure(config: pytest.Config) -> None:
    """What is tried at random is the same in every run, and much more of it with --full."""
    settings.register_profile(
        "project",
        max_examples=1000 if config.getoption("--full") else 100,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("project")


def _import_with(speedups: str) -> dict[str, ModuleType]:
    """The package's modules, imported afresh with one of the two backends."""
    names = [f"pypcapaccel.{name}" for name in _OURS]
    before = {name: sys.modules.pop(name, None) for name in names}
    os.environ["PCAP_ACCEL_SPEEDUPS"] = speedups
    try:
        for name in names:
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                assert error.name == name, error
        return {name.rpartition(".")[2]: sys.modules[name] for name in names if name in sys.modules}
    finally:
        del os.environ["PCAP_ACCEL_SPEEDUPS"]
        for name, module in before.items():
            if module is not None:
                sys.modules[name] = module
                setattr(pypcapaccel, name.rpartition(".")[2], module)


@pytest.fixture(scope="session", params=["speedups", "plain"])
def backend(request: pytest.FixtureRequest) -> dict[str, ModuleType]:
    """The package's modules by name, once with the extension module and once with its twin."""
    modules = _import_with("1" if request.param == "speedups" else "0")
    if (request.param == "speedups") != modules["_backend"].FAST:
        pytest.skip("the extension module was not built (Python 3.11 and Python.h are needed)")
    return modules


@pytest.fixture
def pcapy(backend: dict[str, ModuleType]) -> ModuleType:
    return backend["pcapy"]


@pytest.fixture(params=["1", "0"], ids=["speedups", "plain"])
def speedups(request: pytest.FixtureRequest) -> str:
    """The value of PCAP_ACCEL_SPEEDUPS for a process."""
    if request.param == "1" and not IS_BUILT:
        pytest.skip("the extension module was not built (Python 3.11 and Python.h are needed)")
    return str(request.param)


@pytest.fixture
def savefile(tmp_path: Path) -> Callable[..., str]:
    """savefile(packets): the path of a file that holds them."""

    def write(packets: Sequence[Packet], snaplen: int = 262144, magic: int = 0xA1B2C3D4) -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.pcap"
        with path.open("wb") as file:
            file.write(struct.pack("<IHHiIII", magic, 2, 4, 0, 0, snaplen, 1))
            for sec, usec, data, length in packets:
                file.write(struct.pack("<IIII", sec, usec, len(data), length) + data)
        return str(path)

    return write


@pytest.fixture(scope="session")
def upstream() -> Path:
    """The tests of pcapy-ng, from the registry, as they are."""
    folder = CACHE / PCAPY_NG.replace("==", "-")
    if not (folder / "tests").exists():
        folder.mkdir(parents=True, exist_ok=True)
        argv = [
            sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:",
            "-d", str(folder), PCAPY_NG,
        ]  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"{PCAPY_NG} cannot be had here: {done.stderr.splitlines()[-1]}")
        (archive,) = folder.glob("pcapy_ng-*.tar.gz")
        subprocess.run(["tar", "xf", archive, "--strip-components=1", "-C", folder], check=True)
    return folder / "tests"


@pytest.fixture(
    scope="module",
    params=[(device, way) for device in ("eth0", "afpacket:eth0") for way in ("1", "0")],
    ids=lambda param: f"{param[0]}-{'speedups' if param[1] == '1' else 'plain'}",
)
def ask_live(
    request: pytest.FixtureRequest, bed: Any
) -> Iterator[Callable[..., dict[str, list[str]]]]:
    """ask_live(SCRIPT, *words): what cases on a live device say, by their names: of the system's libpcap and of
    ours, with both backends. DEVICE among the words stands for the device."""
    device, way = request.param
    if way == "1" and not IS_BUILT:
        pytest.skip("the extension module was not built (Python 3.11 and Python.h are needed)")

    def ask(script: str, *words: object) -> dict[str, list[str]]:
        argv = [sys.executable, HERE / script]
        argv += [device if word == "DEVICE" else word for word in words]
        out = bed.run(argv, env={"PCAP_ACCEL_SPEEDUPS": way}).stdout
        return {name: rest for name, *rest in map(str.split, out.splitlines())}

    yield ask
    bed.end_all()
