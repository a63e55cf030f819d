# SPDX-License-Identifier: BSD-3-Clause
"""Packet capture on Linux with libpcap-accel.

``pypcapaccel.open("afpacket:eth0")`` is the capture API; ``open_live``, ``open_offline`` and their kin
are the API of pcapy; ``pypcapaccel.groups`` and ``pypcapaccel.lang`` are the groups and computations of
PFQ; the command is ``pcap-accel``.

Importing this module loads nothing: each name brings its module, and the C library, when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from typing import Any

    from ._group_stats import GroupStats, MemberStats
    from ._lib import lib_path, preload
    from .capture import HEADER, Batch, Capture, Packet, QueueStats, Stats, open
    from .errors import (
        AccelError,
        BPFError,
        ClosedError,
        ComputationError,
        ConfigError,
        DeviceError,
        FilterError,
        GroupError,
        InUseError,
        LibraryError,
        NoPermissionError,
        PcapError,
    )
    from .pcapy import (
        BPFProgram,
        Dumper,
        Pkthdr,
        Reader,
        compile,
        create,
        findalldevs,
        lookupdev,
        open_live,
        open_offline,
    )

__all__ = [
    "HEADER",
    "AccelError",
    "BPFError",
    "BPFProgram",
    "Batch",
    "Capture",
    "ClosedError",
    "ComputationError",
    "ConfigError",
    "DeviceError",
    "Dumper",
    "FilterError",
    "GroupError",
    "GroupStats",
    "InUseError",
    "LibraryError",
    "MemberStats",
    "NoPermissionError",
    "Packet",
    "PcapError",
    "Pkthdr",
    "QueueStats",
    "Reader",
    "Stats",
    "compile",
    "create",
    "findalldevs",
    "lib_path",
    "lookupdev",
    "open",
    "open_live",
    "open_offline",
    "preload",
]

_HOME = {
    **dict.fromkeys(__all__, "pcapy"),
    **dict.fromkeys(
        ["HEADER", "Batch", "Capture", "Packet", "QueueStats", "Stats", "open"], "capture"
    ),
    **dict.fromkeys(["GroupStats", "MemberStats"], "_group_stats"),
    **dict.fromkeys(["lib_path", "preload"], "_lib"),
    **dict.fromkeys([name for name in __all__ if name.endswith("Error")], "errors"),
}
_CONSTANTS = ("DLT_", "PCAP_D_", "PACKET_FANOUT_")  # pcapy's


def _version() -> str:
    from importlib.metadata import version

    return version("pypcapaccel")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _HOME or name.startswith(_CONSTANTS):
        from importlib import import_module  # with `warnings`: not on the way of every start

        value = getattr(import_module(f"{__name__}.{_HOME.get(name, 'pcapy')}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
