# SPDX-License-Identifier: BSD-3-Clause
"""Groups of the engine ``pfq``: who captures what together, seen and changed from outside.

A group is a number of this user in this network namespace, with devices, a computation and members: any
processes that capture on ``pfq`` devices with that number. It lives as long as a member does; one that was
defined here lives until it is deleted.

    >>> from pypcapaccel import groups
    >>> groups.define(42, devices=["eth0", "eth1"], computation="ip >-> steer_flow")
    >>> for event in groups.watch(): ...

Everything is done by the C library. GroupError says what is wrong.

Threads: any.
"""

from __future__ import annotations

import os
import select
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._lib import ffi_and_lib
from .errors import GroupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "Group",
    "Member",
    "change",
    "define",
    "delete",
    "get",
    "list",
    "members",
    "numbers",
    "watch",
]

ERRBUF_LEN = 256
MAX_NUMBER = 65535


@dataclass(frozen=True)
class Member:
    """A capture that belongs to a group."""

    pid: int
    """As its own process sees it."""
    slot: int
    """Its place in the group; unique among the living."""
    since_ns: int
    """When it joined, in nanoseconds since 1970."""
    program: str
    device: str
    """As the program wrote it."""


@dataclass(frozen=True)
class Group:
    """What the members of a group have agreed on."""

    number: int
    devices: tuple[str, ...]
    """Empty: nobody has named one yet."""
    computation: str
    """As it was written; empty: every member gets every packet."""
    vlans: tuple[int, ...]
    """Ids that are captured; empty: all."""
    block: str
    """The building block: "copy", "steer", "mixed" or "double"."""
    persistent: bool
    """It outlives its members."""
    generation: int
    """Grows by one with each change."""
    n_members: int


def _check(number: int) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"a group is an int, not {type(number).__name__}")
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"group {number}: out of range (0 to {MAX_NUMBER})")
    return number


class _Call:
    """The library with room for an error's text."""

    def __init__(self) -> None:
        self.ffi, self.lib = ffi_and_lib()
        self.errbuf = self.ffi.new("char[]", ERRBUF_LEN)

    def check(self, result: int) -> int:
        if result < 0:
            raise GroupError(self.ffi.string(self.errbuf).decode(errors="replace"))
        return result

    def text(self, pointer: Any) -> str:
        return str(self.ffi.string(pointer).decode(errors="replace")) if pointer else ""


def _grow(call: _Call, ctype: str, ask: Any) -> Any:
    """What a call of the kind "at most n are written, how many there are" gives, as a cffi array."""
    n = 16
    while True:
        room = call.ffi.new(ctype, n)
        found = call.check(ask(room, n))
        if found <= n:
            return room[0:found]
        n = 2 * found


def numbers() -> tuple[int, ...]:
    """The groups that have a member or are persistent, ascending."""
    call = _Call()
    found = _grow(
        call, "uint16_t[]", lambda room, n: call.lib.pcap_accel_list_groups(room, n, call.errbuf)
    )
    return tuple(int(number) for number in found)


def list() -> tuple[Group, ...]:  # noqa: A001 (groups.list() is read with its module's name)
    """The groups that have a member or are persistent, by number."""
    found = []
    for number in numbers():
        try:
            found.append(get(number))
        except GroupError:  # it has gone since; whatever else is wrong, the next call says
            if number in numbers():
                raise
    return tuple(found)


def get(number: int) -> Group:
    """A group. GroupError if there is none of this number."""
    call = _Call()
    raw = call.ffi.new("struct pcap_accel_group *")
    raw.size = call.ffi.sizeof("struct pcap_accel_group")
    call.check(call.lib.pcap_accel_get_group(_check(number), raw, call.errbuf))
    try:
        devices, vlans = call.text(raw.devices), call.text(raw.vlans)
        return Group(
            number=raw.number,
            devices=tuple(devices.split(":")) if devices else (),
            computation=call.text(raw.computation),
            vlans=tuple(int(vlan) for vlan in vlans.split("+")) if vlans else (),
            block=call.text(raw.block),
            persistent=bool(raw.persistent),
            generation=raw.generation,
            n_members=raw.n_members,
        )
    finally:
        call.lib.pcap_accel_free_group(raw)


def members(number: int) -> tuple[Member, ...]:
    """The captures in a group, by slot."""
    call = _Call()
    _check(number)
    found = _grow(
        call,
        "struct pcap_accel_member[]",
        lambda room, n: call.lib.pcap_accel_list_members(number, room, n, call.errbuf),
    )
    return tuple(
        Member(m.pid, m.slot, m.since_ns, call.text(m.program), call.text(m.device)) for m in found
    )


def change(
    number: int,
    *,
    devices: Iterable[str] | None = None,
    computation: str | None = None,
    vlans: Iterable[int] | None = None,
    persistent: bool | None = None,
) -> None:
    """Change a group; None leaves as is. All members follow.

    Everything is checked before anything changes. An empty computation gives every member every packet,
    no vlans are all.
    """
    call = _Call()
    if isinstance(devices, str):
        raise TypeError("devices: a list of interfaces, not a str (['eth0', 'eth1'])")
    keep = {
        "devices": None if devices is None else ":".join(devices),
        "computation": computation,
        "vlans": None if vlans is None else "+".join(str(int(vlan)) for vlan in vlans),
    }
    raw = call.ffi.new("struct pcap_accel_group_change *")
    raw.size = call.ffi.sizeof("struct pcap_accel_group_change")
    texts = {}
    for name, text in keep.items():
        if text is not None and "\0" in text:
            raise ValueError(f"{name}: there is a NUL character in it (text)")
        texts[name] = call.ffi.NULL if text is None else call.ffi.new("char[]", text.encode())
        setattr(raw, name, texts[name])
    raw.persistent = -1 if persistent is None else int(persistent)
    call.check(call.lib.pcap_accel_set_group(_check(number), raw, call.errbuf))


def define(
    number: int,
    *,
    devices: Iterable[str] | None = None,
    computation: str | None = None,
    vlans: Iterable[int] | None = None,
) -> None:
    """Make a group that lives until it is deleted, or make one that is there so. None leaves as is."""
    change(number, devices=devices, computation=computation, vlans=vlans, persistent=True)


def delete(number: int) -> None:
    """Forget a persistent group. GroupError if it has members."""
    call = _Call()
    call.check(call.lib.pcap_accel_delete_group(_check(number), call.errbuf))


def watch(timeout: float | None = None) -> Iterator[tuple[Group, ...]]:
    """The groups now, and again after each change of any of them, for ever.

    With a timeout in seconds, also when nothing has changed for so long.
    """
    call = _Call()
    fd = call.check(call.lib.pcap_accel_watch_groups(call.errbuf))
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while True:
            yield list()
            poll.poll(None if timeout is None else timeout * 1000)
            try:
                while os.read(fd, 65536):
                    pass
            except BlockingIOError:
                pass
    finally:
        os.close(fd)
