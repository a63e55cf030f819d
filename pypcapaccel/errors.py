# SPDX-License-Identifier: BSD-3-Clause
"""What can go wrong, as exceptions.

``PcapError`` and ``BPFError`` are those of the pcapy API, by their old names. Everything that this package
raises beyond pcapy is an ``AccelError``, which is a ``PcapError``, and where Python has a word for the
same thing (``OSError``, ``ValueError``, ...) it is that too. The text is one sentence: *object: what is
wrong (what would be right)*.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AccelError",
    "BPFError",
    "ClosedError",
    "ComputationError",
    "ConfigError",
    "DeviceError",
    "FilterError",
    "GroupError",
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


class ComputationError(AccelError, ValueError):
    """A computation (PFQ/lang) is wrong.

    ``str(error)`` is the sentence, ``error.report`` the sentence, the line of the text and a caret under the
    place; ``error.line`` and ``error.column`` count from 1, columns in bytes of UTF-8.
    """

    __module__ = "pypcapaccel"

    def __init__(self, text: str, report: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(text)
        self.report = report or text
        self.line = line
        self.column = column


class GroupError(AccelError):
    """A group does not exist, is in use, or cannot become what was asked for."""

    __module__ = "pypcapaccel"


class ConfigError(AccelError, ValueError):
    """A configuration file is wrong: ``str(error)`` is a line for each of ``error.mistakes``."""

    __module__ = "pypcapaccel"

    def __init__(self, text: str, mistakes: Sequence[object] = ()) -> None:
        super().__init__(text)
        self.mistakes = tuple(mistakes)
