# SPDX-License-Identifier: BSD-3-Clause
"""Finds the C library and opens it.

The library lies in this folder (a wheel, an installation), or where the distribution's record says
(an editable installation), or in the system; ``PCAP_ACCEL_LIB`` in the environment names another.
Finding it needs neither cffi nor the library, so that ``pcap-accel run`` starts fast.

Threads: any. Opening is done once, under a lock.
"""

from __future__ import annotations

import ctypes
import os
import sysconfig
import threading
from pathlib import Path
from typing import Any

from ..errors import LibraryError

__all__ = ["ffi_and_lib", "lib_path", "preload"]

_NAME = "libpcap-accel.so"
_lock = threading.Lock()
_opened: tuple[Any, Any] | None = None


def _beside() -> list[Path]:
    return [Path(__file__).with_name(_NAME)]


def _of_distribution() -> list[Path]:
    """Where the installed distribution's record has the library: in an editable installation it is not
    beside the sources."""
    from importlib.metadata import PackageNotFoundError, files

    try:
        listed = files("pypcapaccel") or []
    except PackageNotFoundError:
        return []
    return [Path(str(file.locate())) for file in listed if file.name == _NAME]


def _of_system() -> list[Path]:
    multiarch = sysconfig.get_config_var("MULTIARCH")
    folders = ["/usr/local/lib", "/usr/local/lib64", "/usr/lib64", "/usr/lib"]
    if multiarch:
        folders[1:1] = [f"/usr/local/lib/{multiarch}", f"/usr/lib/{multiarch}"]
    return [Path(folder, "libpcap-accel", _NAME) for folder in folders]


def lib_path() -> str:
    """The absolute path of ``libpcap-accel.so``.

    The first that exists of: ``$PCAP_ACCEL_LIB``, beside this package, the record of the installed
    distribution, the system's folders. Raises LibraryError, with everything that was tried.
    """
    named = os.environ.get("PCAP_ACCEL_LIB")
    if named:
        if Path(named).is_file():
            return str(Path(named).resolve())
        raise LibraryError(
            f"{named}: no such file (PCAP_ACCEL_LIB names it; without that, the installed one is taken)"
        )
    tried: list[Path] = []
    for places in (_beside, _of_distribution, _of_system):
        for path in places():
            if path.is_file():
                return str(path.resolve())
            tried.append(path)
    raise LibraryError(
        f"{_NAME}: not found ('pip install .' builds it, PCAP_ACCEL_LIB names one); tried: "
        + ", ".join(map(str, tried))
    )


def _wanted_version() -> str:
    """The package's own version, which the library's must agree with in its first two numbers."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pypcapaccel")
    except PackageNotFoundError:  # imported from the sources
        return Path(__file__).parents[2].joinpath("libpcap-accel", "VERSION").read_text().strip()


def _check_version(path: str, found: str) -> None:
    wanted = _wanted_version()
    if found.split(".")[:2] != wanted.split(".")[:2]:
        series = ".".join(wanted.split(".")[:2])
        raise LibraryError(f"{path}: is version {found} (this package needs {series}.*)")


def _open() -> tuple[Any, Any]:
    from .._ffi import ffi

    path = lib_path()
    try:
        lib = ffi.dlopen(path)
    except OSError as error:
        raise LibraryError(f"{path}: cannot be loaded ({error})") from None
    try:
        found = ffi.string(lib.pcap_accel_version()).decode()
    except AttributeError:
        raise LibraryError(f"{path}: is not libpcap-accel (it has no pcap_accel_version)") from None
    _check_version(path, found)
    return ffi, lib


def ffi_and_lib() -> tuple[Any, Any]:
    """(ffi, lib): cffi's object for our declarations and the opened library. Raises LibraryError."""
    global _opened
    if _opened is None:
        with _lock:
            if _opened is None:
                _opened = _open()
    return _opened


def preload() -> str:
    """Put the library in front of libpcap in this process, as LD_PRELOAD would: extension modules that are
    imported afterwards (pcapy, pypcap, cypcap) capture through it. Returns its path.

    What is already loaded stays on the libpcap that it has. Raises LibraryError.
    """
    path = lib_path()
    try:
        ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise LibraryError(f"{path}: cannot be loaded ({error})") from None
    return path
