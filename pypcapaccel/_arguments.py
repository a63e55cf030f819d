# SPDX-License-Identifier: BSD-3-Clause
"""Arguments of the pcapy API as C takes them, with C's errors.

Threads: any.
"""

from __future__ import annotations

from typing import Any


def c_int(value: Any) -> int:
    """An argument as C's int, with C's errors."""
    number = value.__index__() if hasattr(value, "__index__") else None
    if number is None:
        raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")
    if not -(2**31) <= number < 2**31:
        raise OverflowError("Python int too large to convert to C int")
    return int(number)


def c_str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"argument must be str, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError("embedded null character")
    return value
