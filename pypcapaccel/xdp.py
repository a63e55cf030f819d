# SPDX-License-Identifier: BSD-3-Clause
"""The XDP program that a capture on ``xdp:`` would run, without a capture.

    >>> from pypcapaccel import xdp
    >>> print(xdp.program("udp port 53").text)
    ; begin
        0: *(u64 *)(r10 -8) = r1
    ...

Made by the C library, with what the engine itself uses. No privilege, no device, no packet is needed. What
only a device decides is left out: tags that it tells, packets longer than a frame, the host's addresses.

Threads: any; a Program is constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ._lib import ffi_and_lib
from .errors import ComputationError, FilterError
from .lang import Instruction, error_of

__all__ = ["Program", "program"]

_REPORT_LEN = 4096
_MAX_CLASSIC = 4096


@dataclass(frozen=True)
class Program:
    """An XDP program and what it was made from."""

    text: str
    """The extended instructions (eBPF), a line each, under the classic ones that they were made from."""
    classic: tuple[Instruction, ...]
    """Computation and filter as one classic program; empty: every packet."""
    n_keep: int
    """Classic instructions of the keep rules."""
    n_extended: int
    """Extended instructions of the whole."""

    def listing(self) -> str:
        """The classic program as ``tcpdump -d`` shows it."""
        ffi, lib = ffi_and_lib()
        insn = ffi.new("struct bpf_insn *")
        lines = []
        for i, row in enumerate(self.classic):
            insn.code, insn.jt, insn.jf, insn.k = row
            lines.append(ffi.string(lib.bpf_image(insn, i)).decode() + "\n")
        return "".join(lines)


def _text(ffi: Any, word: str, what: str) -> Any:
    if not isinstance(word, str):
        raise TypeError(f"a {what} is a str, not {type(word).__name__}")
    raw = word.encode()
    if b"\0" in raw:
        wrong = ComputationError if what == "computation" else FilterError
        raise wrong(f"{what}: there is a NUL character in it (text)")
    return ffi.new("char[]", raw)


def _error(report: str) -> FilterError | ComputationError:
    return error_of(report) if report.startswith("computation:") else FilterError(report.rstrip())


def program(
    filter: str = "",  # noqa: A002 (the word of pcap)
    computation: str = "",
    *,
    snaplen: int = 262144,
    rest: Literal["pass", "drop"] = "pass",
    tap: bool = False,
    keep: bool = False,
) -> Program:
    """The program of a capture with this pcap filter and this computation of predicates (PFQ/lang).

    ``rest`` and ``tap`` are the options of ``xdp:``, ``keep`` the rules that ``divert=force`` adds for ARP, ND,
    ssh, DNS and DHCP. ``snaplen`` in bytes. Raises FilterError or ComputationError for a mistake and for what
    cannot be translated, with the reason; ValueError.
    """
    if rest not in ("pass", "drop"):
        raise ValueError(f"rest={rest!r}: unknown (known: pass, drop)")
    if not 1 <= snaplen <= 262144:
        raise ValueError(f"snaplen {snaplen}: out of range (1 to 262144)")
    if tap and rest == "drop":
        raise ValueError("tap copies, the host gets everything (would be: rest='drop' without tap)")
    ffi, lib = ffi_and_lib()
    held = (_text(ffi, filter, "filter"), _text(ffi, computation, "computation"))
    insns = ffi.new("struct bpf_insn[]", _MAX_CLASSIC)
    what = ffi.new("struct pcap_accel_xdp *")
    what.size = ffi.sizeof("struct pcap_accel_xdp")
    what.filter, what.computation = held
    what.snaplen, what.drops_rest, what.taps, what.keeps = snaplen, rest == "drop", tap, keep
    what.insns, what.max_insns = insns, _MAX_CLASSIC
    report = ffi.new("char[]", _REPORT_LEN)
    size = lib.pcap_accel_dump_xdp(what, ffi.NULL, 0, report, _REPORT_LEN) + 1
    if size == 0:
        raise _error(ffi.string(report).decode(errors="replace"))
    text = ffi.new("char[]", size)
    if lib.pcap_accel_dump_xdp(what, text, size, report, _REPORT_LEN) < 0:
        raise _error(ffi.string(report).decode(errors="replace"))
    return Program(
        ffi.string(text).decode(errors="replace"),
        tuple(Instruction(i.code, i.jt, i.jf, i.k) for i in insns[0 : what.n_insns]),
        what.n_keep,
        what.n_extended,
    )
