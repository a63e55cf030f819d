# SPDX-License-Identifier: BSD-3-Clause
"""The C library's option table and its judgement of values, devices and files.

Threads: any.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .._lib import ffi_and_lib

__all__ = [
    "ENGINES",
    "Option",
    "Setting",
    "check_computation",
    "check_device",
    "check_value",
    "read_settings",
    "table",
]

ENGINES = {"afpacket": 1, "pfq": 2, "xdp": 4}
_ERRBUF_LEN = 256


@dataclass(frozen=True)
class Option:
    """A row of the table."""

    key: str
    type: str
    default: str
    help: str
    min: int
    max: int
    may_be_none: bool
    engines: tuple[str, ...]
    aliases: tuple[str, ...]
    env: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def is_list(self) -> bool:
        """Several values, joined by '+'."""
        return self.type in ("words", "numbers")


@dataclass(frozen=True)
class Setting:
    """A line of a key = value file. Columns count bytes, from 1."""

    key: str
    value: str
    mistake: str | None
    line: int
    column: int
    value_line: int
    value_column: int


def _texts(ffi: Any, listed: Any) -> tuple[str, ...]:
    found = []
    i = 0
    while listed and listed[i]:
        found.append(ffi.string(listed[i]).decode())
        i += 1
    return tuple(found)


@lru_cache(maxsize=1)
def table() -> dict[str, Option]:
    """The options by key, in the table's order."""
    ffi, lib = ffi_and_lib()
    raw = ffi.new("struct pcap_accel_option *")
    raw.size = ffi.sizeof("struct pcap_accel_option")
    found: dict[str, Option] = {}
    while lib.pcap_accel_get_option(len(found), raw) == 0:
        key, type_, default, help_ = (
            ffi.string(text).decode() for text in (raw.key, raw.type, getattr(raw, "def"), raw.help)
        )
        found[key] = Option(
            key,
            type_,
            default,
            help_,
            raw.min,
            raw.max,
            bool(raw.may_be_none),
            tuple(name for name, bit in ENGINES.items() if raw.engines & bit),
            _texts(ffi, raw.aliases),
            _texts(ffi, raw.env),
            _texts(ffi, raw.words),
        )
    return found


def _ask(call: Any) -> str | None:
    ffi, lib = ffi_and_lib()
    errbuf = ffi.new("char[]", _ERRBUF_LEN)
    return str(ffi.string(errbuf).decode(errors="replace")) if call(lib, errbuf) < 0 else None


def check_value(key: str, value: str, engine: str | None = None) -> str | None:
    """What is wrong with a value, "what (what would be right)", or None. Without an engine: of any."""
    if "\0" in value:
        return "there is a NUL character in it (text)"
    asked = engine or table()[key].engines[0]
    text = _ask(
        lambda lib, errbuf: lib.pcap_accel_check_option(
            asked.encode(), key.encode(), value.encode(), errbuf
        )
    )
    if text is None and key == "computation":
        return check_computation(value)
    return text and text.removeprefix(f"{asked}: ").removeprefix(f"{key}: ")


def check_computation(text: str) -> str | None:
    """What is wrong with a computation, with its line and column in it, or None."""
    from ..lang import check

    error = check(text) if text else None
    return (
        None if error is None else "at " + str(error).removeprefix("computation:").removeprefix(" ")
    )


def check_device(device: str) -> str | None:
    """What is wrong with a device string, or None."""
    if "\0" in device:
        return "there is a NUL character in it (text)"
    return _ask(lambda lib, errbuf: lib.pcap_accel_check_device(device.encode(), errbuf))


def read_settings(path: str, text: bytes, engine: str | None) -> tuple[Setting, ...] | str:
    """Every setting and mistake of a key = value file in order; a str: why it cannot be read at all."""
    ffi, lib = ffi_and_lib()
    keep = [ffi.new("char[]", path.encode(errors="replace")), ffi.from_buffer(text)]
    conf = ffi.new("struct pcap_accel_conf *")
    conf.path, conf.text, conf.len = keep[0], ffi.cast("char *", keep[1]), len(text)
    if engine:
        keep.append(ffi.new("char[]", engine.encode()))
        conf.engine = keep[2]
    out = ffi.new("struct pcap_accel_setting **")
    errbuf = ffi.new("char[]", _ERRBUF_LEN)
    n = lib.pcap_accel_read_settings(conf, out, errbuf)
    if n < 0:
        return str(ffi.string(errbuf).decode(errors="replace"))
    try:
        return tuple(
            Setting(
                ffi.string(s.key).decode(errors="replace"),
                ffi.string(s.value).decode(errors="replace"),
                ffi.string(s.mistake).decode(errors="replace") if s.mistake else None,
                s.line,
                s.column,
                s.value_line,
                s.value_column,
            )
            for s in out[0][0:n]
        )
    finally:
        lib.pcap_accel_free_settings(out[0], n)
