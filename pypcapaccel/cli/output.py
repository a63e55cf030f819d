# SPDX-License-Identifier: BSD-3-Clause
"""Tables, JSON and colours of the command's output.

Threads: none of its own.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

__all__ = ["add_json", "coloured", "print_json", "printable", "quantity", "table"]


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def print_json(schema: str, **content: Any) -> None:
    """One object, whose `schema` names what it is; one line where somebody else reads it."""
    import json

    indent = 2 if sys.stdout.isatty() else None
    print(json.dumps({"schema": f"pcap-accel.{schema}.1", **content}, indent=indent), flush=True)


def printable(text: object) -> str:
    """What another process has written, for a terminal: nothing in it is a command to that."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


def table(rows: Iterable[Sequence[object]], head: Sequence[str], right: Iterable[int] = ()) -> str:
    """Rows in columns; those of the indices in `right` end together."""
    cells = [list(head), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    at_right = set(right)
    lines = []
    for row in cells:
        padded = [
            c.rjust(w) if i in at_right else c.ljust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip() + "\n")
    return "".join(lines)


def quantity(n: float) -> str:
    """1234567 -> 1.23M: three digits that a person reads."""
    for unit in ("", "k", "M", "G", "T"):
        if n < 999.5:
            return (
                f"{n:.0f}{unit}"
                if n >= 99.95 or unit == ""
                else f"{n:.2g}{unit}"
                if n < 0.1
                else f"{n:.3g}{unit}"
            )
        n /= 1000
    return f"{n:.0f}P"


def coloured(text: str, code: str) -> str:
    """With ANSI colour on a terminal, unless NO_COLOR is set."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return f"\033[{code}m{text}\033[0m"
