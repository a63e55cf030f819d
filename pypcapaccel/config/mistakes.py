# SPDX-License-Identifier: BSD-3-Clause
"""What is wrong with a file, and where. Threads: none of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Mistake", "raise_for", "suggestion"]

_SHOWN = 160  # characters of a source line


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in a file."""

    path: str
    line: int
    """From 1; 0: of the file as a whole."""
    column: int
    """From 1, in characters."""
    text: str
    """What is wrong (what would be right)."""
    source: str = ""
    """The line."""

    @property
    def sentence(self) -> str:
        """``FILE:LINE:COLUMN: what is wrong (what would be right)``."""
        return (
            f"{self.path}:{self.line}:{self.column}: {self.text}"
            if self.line
            else f"{self.path}: {self.text}"
        )

    def __str__(self) -> str:
        """The sentence, the line, a caret."""
        if not self.line or len(self.source) > _SHOWN or not self.source.isprintable():
            return self.sentence
        return f"{self.sentence}\n    {self.source}\n    {' ' * (self.column - 1)}^"


MAX_MISTAKES = 100
"""With more a file is not what its name says: the rest is not even looked for."""


def raise_for(mistakes: Sequence[Mistake]) -> None:
    """ConfigError with all of them, in the order of the file; nothing if there are none."""
    if mistakes:
        ordered = sorted(mistakes, key=lambda m: (m.line, m.column))
        if len(ordered) >= MAX_MISTAKES:
            more = Mistake(
                ordered[0].path, 0, 0, f"there may be more mistakes (these are {MAX_MISTAKES})"
            )
            ordered = [*ordered[:MAX_MISTAKES], more]
        raise ConfigError("\n".join(map(str, ordered)), ordered)


def _distance(a: str, b: str) -> int:
    """Letters to change, put in, take out or swap with their neighbour, at least."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def suggestion(word: str, known: Iterable[str]) -> str:
    """``(did you mean 'X'?)`` if one is near, else ``(known: ...)``."""
    names = list(known)
    ranked = sorted((_distance(word[:64].lower(), name), name) for name in names)
    if ranked and ranked[0][0] <= 2 and ranked[0][0] < len(word):
        return f"(did you mean '{ranked[0][1]}'?)"
    near = [
        name for name in names if len(word) > 2 and (name.startswith(word) or word.startswith(name))
    ]
    return f"(did you mean '{near[0]}'?)" if near else f"(known: {', '.join(names)})"
