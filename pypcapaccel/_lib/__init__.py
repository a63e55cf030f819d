# SPDX-License-Identifier: BSD-3-Clause
"""Finds the C library and opens it.

The library lies in this folder (a wheel, an installation), or where the distribution's record says
(an editable installation), or in the system; ``PCAP_ACCEL_LIB`` in the environment names another.
Finding it is _find.py's.

Threads: any. Opening is done once, under a lock.
"""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import Any

from .._decl import structures
from .._find import lib_path
from ..errors import LibraryError

__all__ = ["ffi_and_lib", "lib_path", "preload"]

_lock = threading.Lock()
_opened: tuple[Any, Any] | None = None


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


def _check_layout(path: str, ffi: Any, lib: Any) -> None:
    """The library was made from the same structures as our declarations."""
    for name in structures():
        kind = ffi.typeof(f"struct {name}")
        sizes = {f"struct {name}": ffi.sizeof(kind)}
        sizes |= {f"struct {name}.{field}": member.offset for field, member in kind.fields}
        for what, ours in sizes.items():
            its = lib.pcap_accel_get_layout(what.encode())
            if its not in (ours, -1):
                raise LibraryError(
                    f"{path}: {what} is at {its} bytes (this package has {ours}; both are to be of one version)"
                )


def _open() -> tuple[Any, Any]:
    from .._ffi import ffi

    path = lib_path()
    try:
        lib = ffi.dlopen(path)
    except OSError as error:
        raise LibraryError(f"{path}: cannot be loaded ({error})") from None
    try:
        found = ffi.string(lib.pcap_accel_version()).decode()
    except (AttributeError, ffi.error):
        raise LibraryError(f"{path}: is not libpcap-accel (it has no pcap_accel_version)") from None
    _check_version(path, found)
    _check_layout(path, ffi, lib)
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
