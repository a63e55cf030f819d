# SPDX-License-Identifier: BSD-3-Clause
"""YAML into the dataclasses and back, strictly: every key known and there once, every value judged, every
mistake reported at its place.

Threads: any.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from . import options
from .mistakes import MAX_MISTAKES, Mistake, raise_for, suggestion
from .model import VERSION, Config, Group, fields_of, options_of
from .yamltree import Node, parse

__all__ = ["dumps_yaml", "loads_yaml"]


@dataclass
class _Reader:
    path: str
    lines: list[str]
    wrong: list[Mistake] = field(default_factory=list)

    def mistake(self, node: Node, where: str, text: str) -> None:
        source = self.lines[node.line - 1] if 0 < node.line <= len(self.lines) else ""
        whole = f"{where}: {text}" if where else text
        self.wrong.append(Mistake(self.path, node.line, node.column, whole, source))
        if len(self.wrong) >= MAX_MISTAKES:
            raise_for(self.wrong)

    # ---- shapes ----

    def pairs(
        self, node: Node, where: str, known: list[str] | None
    ) -> dict[str, tuple[Node, Node]]:
        """{key: (key's node, value)} of a mapping; unknown and double keys are mistakes."""
        if node.pairs is None:
            self.mistake(node, where, f"{_shown(node)} is not a mapping (KEY: VALUE)")
            return {}
        found: dict[str, tuple[Node, Node]] = {}
        for key, value in node.pairs:
            name = key.value or ""
            here = _join(where, name)
            if name in found:
                self.mistake(key, here, f"is there twice (first in line {found[name][0].line})")
            elif known is not None and name not in known:
                self.mistake(key, here, f"unknown key {suggestion(name, known)}")
            else:
                found[name] = (key, value)
        return found

    def text(self, node: Node, where: str) -> str | None:
        if node.value is None:
            self.mistake(node, where, f"is {node.kind} (text)")
        elif node.is_null:
            self.mistake(
                node, where, 'there is no value (leave the key out, or "" for an empty text)'
            )
        else:
            return node.value
        return None

    def texts(self, node: Node, where: str) -> list[tuple[Node, str, str]]:
        """(node, place, text) of the items of a list; a single text is a list of one."""
        if node.pairs is not None:
            self.mistake(node, where, "is a mapping (a list: [A, B])")
            return []
        items = [node] if node.items is None else node.items
        found = []
        for i, item in enumerate(items):
            here = where if node.items is None else f"{where}[{i}]"
            text = self.text(item, here)
            if text is not None:
                found.append((item, here, text))
        return found

    # ---- values ----

    def option(self, node: Node, where: str, key: str, engine: str | None) -> str | None:
        text = self.text(node, where)
        if text is None:
            return None
        wrong = options.check_value(key, text, engine)
        if wrong:
            self.mistake(node, where, wrong)
            return None
        return text

    def option_list(self, node: Node, where: str, key: str, engine: str | None) -> tuple[str, ...]:
        found = []
        for item, here, text in self.texts(node, where):
            if re.search(r"[+,]", text):
                self.mistake(item, here, f"'{text}' is more than one (one an item: [A, B])")
                continue
            wrong = options.check_value(key, text, engine)
            if wrong or not text:
                self.mistake(item, here, wrong or "is empty (leave the item out)")
            found.append(text)
        return tuple(found)

    def engine(self, node: Node, where: str) -> str | None:
        text = self.text(node, where)
        if text is not None and text not in options.ENGINES:
            self.mistake(
                node, where, f"unknown engine '{text}' {suggestion(text, options.ENGINES)}"
            )
            return None
        return text

    def devices(self, node: Node, where: str, engine: str | None) -> tuple[str, ...]:
        found: list[str] = []
        asked = engine or "pfq"
        for item, here, text in self.texts(node, where):
            if re.search(r"[:?/,]", text) or not text:
                self.mistake(
                    item, here, f"'{text}' is no interface's name (one an item: [eth0, eth1])"
                )
                continue
            wrong = options.check_device(f"{asked}:{text}")
            if wrong:
                self.mistake(item, here, re.sub(r"^.*?: column \d+: ", "", wrong))
            elif text in found:
                self.mistake(item, here, f"'{text}' is named twice (name it once)")
            found.append(text)
        return tuple(found)

    def number(self, node: Node, where: str, least: int, most: int) -> int | None:
        text = self.text(node, where)
        if text is None:
            return None
        if not re.fullmatch(r"0|[1-9][0-9]{0,8}", text) or not least <= int(text) <= most:
            self.mistake(node, where, f"'{text}' is not a number in range ({least} to {most})")
            return None
        return int(text)

    def aliases(self, node: Node, where: str) -> tuple[tuple[str, str], ...]:
        found = []
        for name, (key, value) in self.pairs(node, where, None).items():
            here = _join(where, name)
            target = self.text(value, here)
            if target is None:
                continue
            if not name or re.search(r"[\s:/?@,^=#]", name):
                self.mistake(key, here, f"'{name}' is no interface's name")
                continue
            wrong = options.check_device(target)
            if wrong:
                self.mistake(value, here, wrong)
            found.append((name, target))
        return tuple(found)

    def rest(
        self, node: Node, where: str, kind: type, engine: str | None
    ) -> tuple[tuple[str, str], ...]:
        """Options that have no field."""

        known = [key for key in options.table() if key not in options_of(kind) | {"group"}]
        found = []
        for name, (_, value) in self.pairs(node, where, known).items():
            text = self.option(value, _join(where, name), name, engine)
            if text is not None:
                found.append((name, text))
        return tuple(sorted(found))

    # ---- structures ----

    def field(self, f: Any, node: Node, where: str, kind: type, engine: str | None) -> Any:
        how = f.metadata
        if "part" in how:
            return self.structure(how["part"], node, where, engine)
        if "rest" in how:
            return self.rest(node, where, kind, engine)
        if "option" in how:
            read = self.option_list if "list" in how else self.option
            return read(node, where, how["option"], engine)
        if "devices" in how:
            return self.devices(node, where, engine)
        if "map" in how:
            return self.aliases(node, where)
        if "range" in how:
            return self.number(node, where, *how["range"])
        if "each" in how:
            return self.each(node, where, how["each"])
        return self.engine(node, where)

    def each(self, node: Node, where: str, kind: type) -> tuple[Any, ...]:
        if node.items is None:
            self.mistake(node, where, f"{_shown(node)} is not a list (- KEY: VALUE)")
            return ()
        found = [
            self.structure(kind, item, f"{where}[{i}]", None) for i, item in enumerate(node.items)
        ]
        self.once(node.items, found, where)
        return tuple(thing for thing in found if thing is not None)

    def once(self, items: list[Node], groups: list[Any], where: str) -> None:
        first: dict[int, int] = {}
        for i, (item, group) in enumerate(zip(items, groups, strict=True)):
            if group is None:
                continue
            if group.number in first:
                text = f"is there twice (first in line {first[group.number]})"
                self.mistake(item, f"{where}[{i}]", f"group {group.number} {text}")
            first.setdefault(group.number, item.line)

    def structure(self, kind: type, node: Node, where: str, engine: str | None) -> Any:
        """One of the dataclasses; None if a key that it must have is missing or wrong."""
        known = fields_of(kind)
        names = [*(["version"] if kind is Config else []), *known]
        pairs = self.pairs(node, where, names)
        if kind is Config:
            self.version(node, pairs)
        if kind is Group and "engine" in pairs:
            engine = (
                pairs["engine"][1].value if pairs["engine"][1].value in options.ENGINES else None
            )
        values = {
            name: self.field(known[name], value, _join(where, name), kind, engine)
            for name, (_, value) in pairs.items()
            if name in known
        }
        if kind is Group and node.pairs is not None and "group" not in pairs:
            self.mistake(node, _join(where, "group"), "is missing (a number, 0 to 65535)")
        if kind is Group and values.get("group") is None:
            return None
        return kind(**{name: value for name, value in values.items() if value is not None})

    def version(self, node: Node, pairs: dict[str, tuple[Node, Node]]) -> None:
        if node.pairs is None:
            return
        if "version" not in pairs:
            self.mistake(node, "version", f"is missing (version: {VERSION})")
        elif pairs["version"][1].value != VERSION:
            value = pairs["version"][1]
            self.mistake(
                value, "version", f"{_shown(value)} is not known here (version: {VERSION})"
            )


def _join(where: str, name: str) -> str:
    short = name if len(name) <= 40 else name[:37] + "..."
    short = "".join(c if c.isprintable() else "?" for c in short)
    return f"{where}.{short}" if where else short


def _shown(node: Node) -> str:
    if node.value is None:
        return node.kind
    text = node.value if len(node.value) <= 40 else node.value[:37] + "..."
    return f"'{''.join(c if c.isprintable() else '?' for c in text)}'"


def loads_yaml(text: bytes | str, path: str = "<text>") -> Config:
    """Read a YAML text. Raises ConfigError with every mistake."""
    raw = text.encode() if isinstance(text, str) else text
    tree, lines, wrong = parse(raw, path)
    reader = _Reader(path, lines, wrong)
    if tree is None:
        raise_for([*wrong, Mistake(path, 0, 0, f"is empty (version: {VERSION})")])
        raise AssertionError("unreachable")
    config = reader.structure(Config, tree, "", None)
    raise_for(reader.wrong)
    assert isinstance(config, Config)
    return config


# ---- writing ----

_NOT_PLAIN = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}


def _escaped(c: str) -> str:
    if c in '"\\':
        return "\\" + c
    if c == "\n":
        return "\\n"
    if c == "\t":
        return "\\t"
    if c.isprintable() and c not in "\ufeff\ufffe\uffff":
        return c
    n = ord(c)
    return f"\\x{n:02x}" if n < 0x100 else f"\\u{n:04x}" if n < 0x10000 else f"\\U{n:08x}"


def _scalar(text: str) -> str:
    """As another reader of YAML takes it too: quoted where it would not be a text or a number."""
    if re.fullmatch(r"0|[1-9][0-9]{0,18}", text):
        return text
    if re.fullmatch(r"[1-9][0-9]*(KiB|MiB|GiB|us|ms|s)", text):
        return text
    if (
        re.fullmatch(r"[A-Za-z_]([A-Za-z0-9_./@:-]*[A-Za-z0-9_])?", text)
        and text.lower() not in _NOT_PLAIN
    ):
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _list(texts: tuple[str, ...]) -> str:
    return "[" + ", ".join(map(_scalar, texts)) + "]"


def _mapping(pairs: tuple[tuple[str, str], ...], indent: str) -> list[str]:
    return [f"{indent}{_scalar(key)}: {_scalar(value)}\n" for key, value in pairs]


def _is_given(f: Any, value: Any) -> bool:
    return bool(value != f.metadata["part"]()) if "part" in f.metadata else bool(value)


def _lines(thing: Any, indent: str) -> list[str]:
    """A dataclass as the lines of a mapping; what is not given is left out."""
    out = []
    for f in fields_of(type(thing)).values():
        value = getattr(thing, f.name)
        if value is None or ("option" not in f.metadata and not _is_given(f, value)):
            continue
        if "part" in f.metadata:
            out += [f"{indent}{f.name}:\n", *_lines(value, indent + "  ")]
        elif "rest" in f.metadata or "map" in f.metadata:
            out += [f"{indent}{f.name}:\n", *_mapping(value, indent + "  ")]
        elif "each" in f.metadata:
            out.append(f"{indent}{f.name}:\n")
            for item in value:
                lines = _lines(item, indent + "    ")
                out += [f"{indent}  - {lines[0].lstrip()}", *lines[1:]]
        elif isinstance(value, tuple):
            out.append(f"{indent}{f.name}: {_list(value)}\n")
        else:
            out.append(f"{indent}{f.name}: {_scalar(str(value))}\n")
    return out


def dumps_yaml(config: Config) -> str:
    """The configuration as YAML, which loads_yaml() reads the same again."""
    return f"version: {VERSION}\n" + "".join(_lines(config, ""))
