# SPDX-License-Identifier: BSD-3-Clause
"""What a configuration says, whatever it was written in. THE table of both formats: a field is a key of the
YAML; with ``option`` in its metadata it is that option of the C library's table, a key of key = value files.

Threads: constant.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Config", "Fanout", "Group", "Ring", "Settings", "Transmit", "fields_of", "options_of"]

VERSION = "1"


def _option(key: str) -> Any:
    """An option of the C library's table, as text; None: not given."""
    return field(default=None, metadata={"option": key})


def _options(key: str) -> Any:
    """The same, of an option that is a list; None: not given."""
    return field(default=None, metadata={"option": key, "list": True})


@dataclass(frozen=True, kw_only=True)
class Ring:
    """Where packets wait."""

    buffer: str | None = _option("buffer")
    block: str | None = _option("block")
    timeout: str | None = _option("timeout")
    slots: str | None = _option("rx_slots")


@dataclass(frozen=True, kw_only=True)
class Transmit:
    """Sending."""

    slots: str | None = _option("tx_slots")
    batch: str | None = _option("tx_batch")
    queue: str | None = _option("tx_queue")
    node: str | None = _option("tx_node")
    qdisc_bypass: str | None = _option("qdisc_bypass")


@dataclass(frozen=True, kw_only=True)
class Fanout:
    """Groups of the engine afpacket."""

    mode: str | None = _option("fanout")
    flags: tuple[str, ...] | None = _options("fanout_flags")
    program: str | None = _option("fanout_program")
    max_members: str | None = _option("max_members")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options of captures. Values are texts as they were written; None: not given."""

    computation: str | None = _option("computation")
    vlan: tuple[str, ...] | None = _options("vlan")
    caplen: str | None = _option("caplen")
    promisc: str | None = _option("promisc")
    immediate: str | None = _option("immediate")
    direction: str | None = _option("direction")
    ring: Ring = field(default_factory=Ring, metadata={"part": Ring})
    transmit: Transmit = field(default_factory=Transmit, metadata={"part": Transmit})
    fanout: Fanout = field(default_factory=Fanout, metadata={"part": Fanout})
    options: tuple[tuple[str, str], ...] = field(default=(), metadata={"rest": True})
    """Options without a field of their own, by their names, sorted."""


@dataclass(frozen=True, kw_only=True)
class Group(Settings):
    """A group: what its members capture, and how."""

    group: str = field(metadata={"option": "group"})
    """Its number, as it was written."""
    engine: str | None = field(default=None, metadata={"engine": True})
    """``afpacket``, ``pfq`` or ``xdp``; None: not said."""
    devices: tuple[str, ...] = field(default=(), metadata={"devices": True})
    """Interfaces, each as on a device: ``eth0``, ``eth0@q0-3``."""
    members: int | None = field(default=None, metadata={"range": (1, 256)})
    """How many copies ``pcap-accel run`` starts."""

    @property
    def number(self) -> int:
        """Its number as the C library reads it: decimal, or hexadecimal after 0x."""
        return int(self.group, 16 if self.group.lower().startswith("0x") else 10)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole file."""

    groups: tuple[Group, ...] = field(default=(), metadata={"each": Group})
    settings: Settings = field(default_factory=Settings, metadata={"part": Settings})
    """Of captures that are in no group of this file."""
    map: tuple[tuple[str, str], ...] = field(default=(), metadata={"map": True})
    """What an interface's name stands for, in order: (``eth0``, ``pfq:eth0``)."""
    default: str | None = field(default=None, metadata={"engine": True})
    """The engine that every Ethernet interface is captured with."""


def fields_of(kind: type) -> dict[str, dataclasses.Field[Any]]:
    """The fields of one of the classes by name; Group begins with what names it."""
    own = {f.name: f for f in dataclasses.fields(kind)}
    first = [name for name in ("group", "engine", "devices", "members") if name in own]
    return {name: own[name] for name in [*first, *(name for name in own if name not in first)]}


def options_of(kind: type) -> set[str]:
    """Keys of the options that have a field in the class or its parts."""
    found = set()
    for f in dataclasses.fields(kind):
        if "option" in f.metadata:
            found.add(f.metadata["option"])
        elif "part" in f.metadata:
            found |= options_of(f.metadata["part"])
    return found


def given(thing: Any) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """(key, value) of every option that is given, those of the parts too."""
    for f in fields_of(type(thing)).values():
        value = getattr(thing, f.name)
        if "part" in f.metadata:
            yield from given(value)
        elif "rest" in f.metadata:
            yield from value
        elif "option" in f.metadata and value is not None:
            yield f.metadata["option"], value


def build(kind: type, options: dict[str, Any], **more: Any) -> Any:
    """One of the classes from options by key; those without a field go into ``options``."""
    values: dict[str, Any] = dict(more)
    for f in dataclasses.fields(kind):
        if "option" in f.metadata and f.metadata["option"] in options:
            values[f.name] = options[f.metadata["option"]]
        elif "part" in f.metadata:
            values[f.name] = build(f.metadata["part"], options)
        elif "rest" in f.metadata:
            known = options_of(kind) | {"group"}
            values[f.name] = tuple(sorted((k, v) for k, v in options.items() if k not in known))
    return kind(**values)
