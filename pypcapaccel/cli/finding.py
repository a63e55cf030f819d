# SPDX-License-Identifier: BSD-3-Clause
"""What a row of doctor's table says.

Threads: none of its own.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Finding", "fail", "ok", "warn"]


class Finding(NamedTuple):
    """What a row has seen."""

    level: str  # ok, warn, fail
    text: str
    fix: str = ""


def ok(text: str) -> Finding:
    return Finding("ok", text)


def warn(text: str, fix: str) -> Finding:
    return Finding("warn", text, fix)


def fail(text: str, fix: str) -> Finding:
    return Finding("fail", text, fix)
