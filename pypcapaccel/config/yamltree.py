# SPDX-License-Identifier: BSD-3-Clause
"""YAML as a tree of texts with places: no types, no anchors, no tags, no surprises.

Built from the parser's events, so that nothing is constructed and nothing recurses: a hostile file costs
what its length costs. Scalars are what was written: ``no``, ``1:20`` and ``010`` are texts.

Threads: none of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .mistakes import Mistake, raise_for

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_LEN", "Node", "parse"]

MAX_LEN = 256 * 1024  # bytes of a file
MAX_DEPTH = 16
MAX_NODES = 20000


@dataclass
class Node:
    """A scalar, a list or a mapping."""

    line: int
    column: int
    value: str | None = None
    """Of a scalar."""
    is_null: bool = False
    """A scalar that nothing, ``~`` or ``null`` was written for."""
    items: list[Node] | None = None
    """Of a list."""
    pairs: list[tuple[Node, Node]] | None = None
    """Of a mapping; keys are scalars."""

    @property
    def kind(self) -> str:
        """In words."""
        if self.value is not None:
            return "text"
        return "a list" if self.items is not None else "a mapping"


@dataclass
class _Builder:
    path: str
    lines: list[str]
    wrong: list[Mistake] = field(default_factory=list)
    open: list[Node] = field(default_factory=list)
    keys: list[Node | None] = field(
        default_factory=list
    )  # of each open mapping, the key that waits
    root: Node | None = None
    n_nodes: int = 0

    def mistake(self, line: int, column: int, text: str) -> Mistake:
        source = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return Mistake(self.path, line, column, text, source)

    def stop(self, line: int, column: int, text: str) -> None:
        raise_for([*self.wrong, self.mistake(line, column, text)])

    def add(self, node: Node) -> None:
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES:
            self.stop(node.line, node.column, f"too much in this file (at most {MAX_NODES} values)")
        if not self.open:
            self.root = node
            return
        top = self.open[-1]
        if top.items is not None:
            top.items.append(node)
        elif self.keys[-1] is None:
            if node.value is None:
                self.stop(node.line, node.column, f"{node.kind} cannot be a key (text)")
            self.keys[-1] = node
        else:
            assert top.pairs is not None
            top.pairs.append((self.keys[-1], node))
            self.keys[-1] = None

    def start(self, node: Node) -> None:
        self.add(node)
        self.open.append(node)
        self.keys.append(None)
        if len(self.open) > MAX_DEPTH:
            self.stop(node.line, node.column, f"nested too deep (at most {MAX_DEPTH} levels)")

    def end(self) -> None:
        self.open.pop()
        self.keys.pop()


def _loader() -> Any:
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _events(text: str, builder: _Builder) -> Iterator[Any]:
    import yaml

    try:
        yield from yaml.parse(text, Loader=_loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        what = (error.problem or error.context or "broken").strip()
        during = f" {error.context}" if error.problem and error.context else ""
        builder.stop(line, column, f"not YAML: {what}{during}")
    except yaml.YAMLError as error:  # of the reader: a character that YAML does not allow
        builder.stop(0, 0, f"not YAML: {str(error).splitlines()[0]}")


def _refuse_extras(event: Any, line: int, column: int, builder: _Builder) -> None:
    if getattr(event, "anchor", None) is not None:
        builder.wrong.append(
            builder.mistake(
                line, column, f"anchors are not for here (write it out, without '&{event.anchor}')"
            )
        )
    if getattr(event, "tag", None) is not None:
        builder.wrong.append(
            builder.mistake(line, column, f"tags are not for here (leave '{event.tag}' out)")
        )


def _scalar(event: Any, line: int, column: int) -> Node:
    plain = event.style is None or event.style == ""
    null = plain and event.value in ("", "~", "null", "Null", "NULL")
    return Node(line, column, value=event.value, is_null=null)


def _take(event: Any, builder: _Builder) -> None:
    import yaml

    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    if isinstance(event, yaml.AliasEvent):
        builder.stop(
            line, column, f"aliases are not for here (write out what '*{event.anchor}' stands for)"
        )
    elif isinstance(event, yaml.DocumentStartEvent) and builder.root is not None:
        builder.stop(line, column, "a second document (one a file)")
    elif isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent):
        _refuse_extras(event, line, column, builder)
        if isinstance(event, yaml.ScalarEvent):
            builder.add(_scalar(event, line, column))
        elif isinstance(event, yaml.SequenceStartEvent):
            builder.start(Node(line, column, items=[]))
        else:
            builder.start(Node(line, column, pairs=[]))
    elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
        builder.end()


def _decode(raw: bytes, path: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        raise_for([Mistake(path, line, column, "not UTF-8 (is this a text file?)")])
        raise


def parse(raw: bytes, path: str) -> tuple[Node | None, list[str], list[Mistake]]:
    """(tree, lines, mistakes that do not hinder reading on). ConfigError for what cannot be read."""
    if len(raw) > MAX_LEN:
        raise_for(
            [
                Mistake(
                    path, 0, 0, f"too large for a configuration file (at most {MAX_LEN // 1024}KiB)"
                )
            ]
        )
    text = _decode(raw, path)
    builder = _Builder(path, text.splitlines())
    for event in _events(text, builder):
        _take(event, builder)
    return builder.root, builder.lines, builder.wrong
