# SPDX-License-Identifier: BSD-3-Clause
"""What can go wrong, as exceptions.

``PcapError`` and ``BPFError`` are those of the pcapy API, by their old names. Everything that this package
raises beyond pcapy is an ``AccelError``, which is a ``PcapError``, and where Python has a word for the
same thing (``OSError``, ``ValueError``, ...) it is that too. The text is one sentence: *object: what is
wrong (what would be right)*.
"""

from __future__ import annotations

__all__ = [
    "AccelError",
    "BPFError",
    "ClosedError",
    "DeviceError",
    "FilterError",
    "InUseError",
    "LibraryError",
    "NoPermissionError",
    "PcapError",
]


class PcapError(Exception):
    """libpcap refused, or a capture broke. The text is libpcap's."""

    __module__ = "pypcapaccel"


class BPFError(Exception):
    """A filter program could not be compiled (pcapy's name)."""

    __module__ = "pypcapaccel"


class AccelError(PcapError):
    """Base of the exceptions of everything beyond the pcapy API."""

    __module__ = "pypcapaccel"


class LibraryError(AccelError, ImportError):
    """The C library was not found, cannot be loaded, or is of another version."""

    __module__ = "pypcapaccel"


class DeviceError(AccelError, OSError):
    """The device does not exist, is down, has gone, or its string is not understood."""

    __module__ = "pypcapaccel"


class NoPermissionError(DeviceError, PermissionError):
    """The capture needs CAP_NET_RAW (and, for some devices, CAP_NET_ADMIN)."""

    __module__ = "pypcapaccel"


class FilterError(AccelError, ValueError):
    """A filter expression is wrong."""

    __module__ = "pypcapaccel"


class ClosedError(AccelError, ValueError):
    """The capture, or what was made of it, is closed."""

    __module__ = "pypcapaccel"


class InUseError(AccelError, RuntimeError):
    """Another thread, or the caller's own callback, is inside the same capture."""

    __module__ = "pypcapaccel"
