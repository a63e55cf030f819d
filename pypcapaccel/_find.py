# SPDX-License-Identifier: BSD-3-Clause
# ruff: noqa: PTH113, PTH118, PTH120
"""Finds the C library's file. On the way of every start of ``pcap-accel run``, so it imports next to nothing:
pathlib alone would take 5 ms.

Threads: any.
"""

from __future__ import annotations

import os
import sys

from .errors import LibraryError

__all__ = ["LIBRARY_NAME", "lib_path"]

LIBRARY_NAME = "libpcap-accel.so"


def _beside() -> list[str]:
    return [os.path.join(os.path.dirname(__file__), "_lib", LIBRARY_NAME)]


def _of_editable() -> list[str]:
    """An editable installation has the sources here and what was built in site-packages: the record below says
    so too, but takes 30 ms to read."""
    return [
        os.path.join(folder, "pypcapaccel", "_lib", LIBRARY_NAME) for folder in sys.path if folder
    ]


def _of_distribution() -> list[str]:
    """Where the installed distribution's record has the library: in an editable installation it is not
    beside the sources."""
    from importlib.metadata import PackageNotFoundError, files

    try:
        listed = files("pypcapaccel") or []
    except PackageNotFoundError:
        return []
    return [str(file.locate()) for file in listed if file.name == LIBRARY_NAME]


def _of_system() -> list[str]:
    import sysconfig

    multiarch = sysconfig.get_config_var("MULTIARCH")
    folders = ["/usr/local/lib", "/usr/local/lib64", "/usr/lib64", "/usr/lib"]
    if multiarch:
        folders[1:1] = [f"/usr/local/lib/{multiarch}", f"/usr/lib/{multiarch}"]
    return [os.path.join(folder, "libpcap-accel", LIBRARY_NAME) for folder in folders]


def lib_path() -> str:
    """The absolute path of ``libpcap-accel.so``.

    The first that exists of: ``$PCAP_ACCEL_LIB``, beside this package, the record of the installed
    distribution, the system's folders. Raises LibraryError, with everything that was tried.
    """
    named = os.environ.get("PCAP_ACCEL_LIB")
    if named:
        if os.path.isfile(named):
            return os.path.realpath(named)
        raise LibraryError(
            f"{named}: no such file (PCAP_ACCEL_LIB names it; without that, the installed one is taken)"
        )
    tried: list[str] = []
    for places in (_beside, _of_editable, _of_distribution, _of_system):
        for path in places():
            if os.path.isfile(path):
                return os.path.realpath(path)
            tried.append(path)
    raise LibraryError(
        f"{LIBRARY_NAME}: not found ('pip install .' builds it, PCAP_ACCEL_LIB names one); tried: "
        + ", ".join(dict.fromkeys(tried))
    )
