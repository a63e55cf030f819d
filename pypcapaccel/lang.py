# SPDX-License-Identifier: BSD-3-Clause
"""Computations (PFQ/lang) without a capture: checked, shown in every intermediate form, run over frames.

    >>> from pypcapaccel import lang
    >>> lang.compile("ip >-> steer_flow").run(frame, members=4)
    Verdict(outcome='one', members=(2,), any_one=False, ...)

Everything is done by the C library, whose parser, checker and interpreter these are. No privilege, no
packet, no group is needed.

Threads: any; a Computation is constant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from ._lib import ffi_and_lib
from .errors import ComputationError

__all__ = [
    "FORMS",
    "Computation",
    "Instruction",
    "Verdict",
    "check",
    "compile",
    "dump",
    "explain",
    "run",
]

FORMS = ("tokens", "tree", "blocks", "code", "notes", "syntax")  # enum pcap_accel_form
"""The intermediate forms: a token a line; the typed tree; building block, outcomes and sizes; the programs
as ``tcpdump -d`` shows them; what does nothing here, and why."""

MAX_PARTS = 3
"""Sockets that a member has at most."""

_REPORT_LEN = 4096
_OUTCOMES: tuple[Outcome, ...] = ("nobody", "all", "one", "two")
Outcome = Literal["nobody", "all", "one", "two"]


class Instruction(NamedTuple):
    """One instruction of classic BPF."""

    code: int
    jt: int
    jf: int
    k: int


@dataclass(frozen=True)
class Verdict:
    """What becomes of a frame in a group."""

    outcome: Outcome
    """Who gets it."""
    members: tuple[int, ...]
    """Their indices; empty for nobody, and for all."""
    any_one: bool
    """Which member is the kernel's choice (``steer_rrobin``); then ``members`` says nothing."""
    values: tuple[int, ...]
    """What the fanout programs return; the kernel takes them modulo the number of members."""
    classes: int
    """Bit i: members of class i may have it. Captures are of class 0."""

    def __str__(self) -> str:
        if self.any_one:
            return "any one member"
        if self.outcome in ("nobody", "all"):
            return self.outcome
        return "member " + " and ".join(map(str, self.members))


def _bytes_of(text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"a computation is a str, not {type(text).__name__}")
    raw = text.encode()
    if b"\0" in raw:
        raise ComputationError("computation: there is a NUL character in it (text)")
    return raw


def error_of(report: str) -> ComputationError:
    """The C library's report of a mistake as an exception."""
    sentence = report.partition("\n")[0]
    place = re.match(r"computation:(\d+):(\d+): ", sentence)
    line, column = map(int, place.groups()) if place else (0, 0)
    return ComputationError(sentence, report.rstrip(), line, column)


class Computation:
    """A compiled computation. Made by :func:`compile`."""

    def __init__(self, text: str) -> None:
        self.text = text
        """As it was written."""
        raw = _bytes_of(text)
        self._ffi, self._lib = ffi_and_lib()
        out = self._ffi.new("struct pcap_accel_computation **")
        report = self._ffi.new("char[]", _REPORT_LEN)
        if self._lib.pcap_accel_compile_computation(raw, out, report, _REPORT_LEN):
            raise error_of(self._ffi.string(report).decode(errors="replace"))
        self._c: Any = self._ffi.gc(out[0], self._lib.pcap_accel_free_computation)

    def __repr__(self) -> str:
        return f"Computation({self.text!r})"

    def dump(self, form: str) -> str:
        """One of FORMS as text. ValueError for another."""
        if form not in FORMS:
            raise ValueError(f"no form {form!r} (known: {', '.join(FORMS)})")
        which = FORMS.index(form)
        size = self._lib.pcap_accel_dump_computation(self._c, which, self._ffi.NULL, 0) + 1
        text = self._ffi.new("char[]", size)
        self._lib.pcap_accel_dump_computation(self._c, which, text, size)
        return str(self._ffi.string(text).decode(errors="replace"))

    @cached_property
    def block(self) -> str:
        """The building block: "copy", "steer", "mixed" or "double"."""
        return self.dump("blocks").partition("\n")[0].removeprefix("block: ")

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each function in it that does nothing here, with the reason."""
        return tuple(self.dump("notes").splitlines())

    def explain(self) -> str:
        """What it needs and what its members get, in a few lines."""
        return self.dump("blocks") + "".join(f"note: {note}\n" for note in self.notes)

    def program(
        self, part: int, kind: Literal["filter", "fanout"], members: int = 2
    ) -> tuple[Instruction, ...]:
        """The program of a member's socket ``part`` (0 to MAX_PARTS - 1); empty if there is none.

        Filters of ``double_steer_*`` depend on the number of members. ValueError for numbers out of
        range.
        """
        if kind not in ("filter", "fanout"):
            raise ValueError(f"no program {kind!r} (known: filter, fanout)")
        if not 0 <= part < MAX_PARTS:
            raise ValueError(f"part {part}: out of range (0 to {MAX_PARTS - 1})")
        _check_members(members)
        which = 1 if kind == "fanout" else 0
        null = self._ffi.NULL
        n = self._lib.pcap_accel_get_program(self._c, part, which, members, null, 0)
        if n < 0:
            raise ComputationError("computation: its program is too long for the kernel")
        insns = self._ffi.new("struct bpf_insn[]", max(n, 1))
        self._lib.pcap_accel_get_program(self._c, part, which, members, insns, n)
        return tuple(Instruction(i.code, i.jt, i.jf, i.k) for i in insns[0:n])

    def run(self, frame: bytes | bytearray | memoryview, members: int = 2) -> Verdict:
        """What becomes of a received Ethernet frame in a group of so many members.

        Said by an interpreter, not by the kernel. A group without members is a ValueError.
        """
        _check_members(members)
        if isinstance(frame, str):
            raise TypeError("a frame is bytes, not str")
        data = self._ffi.from_buffer(frame)
        verdict = self._ffi.new("struct pcap_accel_verdict *")
        verdict.size = self._ffi.sizeof("struct pcap_accel_verdict")
        if self._lib.pcap_accel_run_computation(self._c, data, len(data), members, verdict):
            raise MemoryError("computation: no memory to run it")
        outcome = _OUTCOMES[verdict.outcome]
        n = {"one": 1, "two": 2}.get(outcome, 0)
        return Verdict(
            outcome,
            () if verdict.any_one else (verdict.member, verdict.member2)[:n],
            bool(verdict.any_one),
            (verdict.value, verdict.value2)[:n],
            verdict.classes,
        )


def _check_members(members: int) -> None:
    if not 1 <= members <= 65536:
        raise ValueError(f"members {members}: out of range (1 to 65536)")


def compile(text: str) -> Computation:  # noqa: A001 (the word of re and of pcap)
    """Compile. Raises ComputationError, whose ``report`` shows the place."""
    return Computation(text)


def check(text: str) -> ComputationError | None:
    """What is wrong with it, or None."""
    try:
        Computation(text)
    except ComputationError as error:
        return error
    return None


def explain(text: str) -> str:
    """What it needs and what its members get, in a few lines. Raises ComputationError."""
    return Computation(text).explain()


def dump(text: str, form: str) -> str:
    """One of its intermediate FORMS. Raises ComputationError."""
    return Computation(text).dump(form)


def run(text: str, frame: bytes | bytearray | memoryview, members: int = 2) -> Verdict:
    """What becomes of a received Ethernet frame. Raises ComputationError."""
    return Computation(text).run(frame, members)
