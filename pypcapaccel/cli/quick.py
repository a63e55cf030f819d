# SPDX-License-Identifier: BSD-3-Clause
"""Reads a plain command line without argparse, whose import takes as long as all else that `run` does: by the same
`add_argument` calls, so that there is one table of options. What is not plain (help, mistakes, abbreviations) it
leaves to argparse.

Threads: none of its own. Imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["Options", "Reader"]

_UNDERSTOOD = {"action", "choices", "default", "dest", "help", "metavar", "nargs"}


class Options:
    """As argparse.Namespace: a subcommand's words by name."""


class _NotPlainError(Exception):
    """It is argparse's."""


class Reader:
    """Stands in for the ArgumentParser of one subcommand."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Any]] = {}
        self._options = Options()
        self._rest: str | None = None
        self._is_plain = True

    def add_argument(self, *names: str, **row: Any) -> None:
        """As argparse's, of which it understands what `run` uses."""
        if not names[0].startswith("-"):
            self._is_plain &= row.get("nargs") == "..." and self._rest is None
            self._rest = names[0]
            setattr(self._options, names[0], [])
            return
        action = row.get("action")
        self._is_plain &= set(row) <= _UNDERSTOOD - {"nargs"}
        self._is_plain &= action in (None, "append", "store_true")
        long = next((name for name in names if name.startswith("--")), names[0])
        row["dest"] = row.get("dest") or long.lstrip("-").replace("-", "_")
        default = row.get("default")
        if action == "store_true":
            default = False
        setattr(self._options, row["dest"], default)
        for name in names:
            self._rows[name] = row

    def read(self, words: Sequence[str]) -> Options | None:
        """None: argparse is to read them, or to say what is wrong with them."""
        try:
            return self._read(list(words)) if self._is_plain else None
        except _NotPlainError:
            return None

    def _read(self, words: list[str]) -> Options:
        at = 0
        while at < len(words):
            if not words[at].startswith("-"):
                if self._rest is None:
                    raise _NotPlainError
                setattr(self._options, self._rest, words[at:])
                break
            at = self._option(words, at)
        return self._options

    def _option(self, words: list[str], at: int) -> int:
        """The one there; where the next word is."""
        name, equals, value = words[at].partition("=")
        row = self._rows.get(name)
        if row is None:
            raise _NotPlainError
        action = row.get("action")
        if action == "store_true":
            if equals:
                raise _NotPlainError
            setattr(self._options, row["dest"], True)
            return at + 1
        if not equals:
            at += 1
            if at == len(words) or words[at].startswith("-"):
                raise _NotPlainError
            value = words[at]
        if row.get("choices") and value not in row["choices"]:
            raise _NotPlainError
        if action == "append":
            value = [*getattr(self._options, row["dest"]), value]  # type: ignore[assignment]
        setattr(self._options, row["dest"], value)
        return at + 1
