# SPDX-License-Identifier: BSD-3-Clause
"""``key = value`` files: read by the C library's parser, written so that it reads the same again.

Threads: any.
"""

from __future__ import annotations

import re
from typing import Any

from .mistakes import Mistake, raise_for
from .model import Config, Group, Settings, build, given, options_of
from .options import check_computation, read_settings, table

__all__ = ["dumps_conf", "loads_conf"]

MAX_LEN = 64 * 1024


def _mistake(path: str, text: bytes, line: int, column: int, sentence: str) -> Mistake:
    """Of the library's "PATH:LINE:COLUMN: what", whose place is that of the value or of the key."""
    place = re.match(r".*?:(\d+):(\d+): ", sentence)
    if place:
        line, column = int(place.group(1)), int(place.group(2))
        sentence = sentence[place.end() :]
    raw = text.split(b"\n")[line - 1].rstrip(b"\r")
    if line == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    in_characters = len(raw[: column - 1].decode(errors="replace")) + 1
    return Mistake(
        path, line, in_characters, sentence, raw.decode(errors="replace").replace("\t", " ")
    )


def _split(value: str) -> tuple[str, ...]:
    """The items of a list as the library reads them."""
    return (
        tuple(item.strip(" \t") for item in re.split(r"[+,]", value)) if value.strip(" \t") else ()
    )


def loads_conf(text: bytes | str, path: str = "<text>", engine: str | None = None) -> Config:
    """Read a file's text; `engine` is that of the device that names it, None: the ambient file.

    Raises ConfigError with every mistake.
    """
    raw = text.encode() if isinstance(text, str) else text
    # The path in errors is ours: the library's is short and without a colon, so that it can be taken off.
    settings = read_settings("F", raw, engine)
    if isinstance(settings, str):
        raise_for([Mistake(path, 0, 0, settings.removeprefix("F: "))])
        raise AssertionError("unreachable")
    mistakes = []
    for s in settings:
        wrong = s.mistake
        if s.key == "computation" and not wrong:
            wrong = check_computation(s.value)
            wrong = wrong and f"F:{s.value_line}:{s.value_column}: computation: {wrong}"
        if wrong:
            mistakes.append(_mistake(path, raw, s.line, s.column, wrong))
    raise_for(mistakes)
    options: dict[str, Any] = {}
    aliases = []
    default = None
    for s in settings:
        if s.key.lower().startswith("map."):
            aliases.append((s.key[4:], s.value))
        elif s.key.lower() == "default":
            default = s.value
        else:
            options[s.key] = _split(s.value) if table()[s.key].is_list else s.value
    options = _plain_rest(options)
    if "group" in options:
        found = (build(Group, options),)
        return Config(groups=found, map=tuple(aliases), default=default)
    return Config(settings=build(Settings, options), map=tuple(aliases), default=default)


def _plain_rest(options: dict[str, Any]) -> dict[str, Any]:
    """Lists without a field of their own are kept as text."""
    known = options_of(Group)
    return {
        key: "+".join(value) if key not in known and isinstance(value, tuple) else value
        for key, value in options.items()
    }


# ---- writing ----


def _quoted(value: str) -> str:
    plain = re.fullmatch(r"[^\s\"#\\](?:[^#\\\n]*[^\s\\#])?", value)
    if plain:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _cannot_hold(config: Config) -> list[str]:
    """What a key = value file has no place for."""
    found = []
    if len(config.groups) > 1:
        numbers = ", ".join(g.group for g in config.groups)
        found.append(
            f"groups: a key = value file is of one group (choose one with --group: {numbers})"
        )
    if config.groups and config.settings != Settings():
        found.append(
            "settings: a key = value file holds a group or settings (--lossy leaves the settings out)"
        )
    for i, group in enumerate(config.groups):
        here = f"groups[{i}]"
        if group.devices:
            device = f"pfq/FILE:{':'.join(group.devices)}"
            found.append(f"{here}.devices: goes on the device ({device}; --lossy leaves it out)")
        if group.engine:
            found.append(
                f"{here}.engine: goes on the device ({group.engine}/FILE:eth0; --lossy leaves it out)"
            )
        if group.members is not None:
            found.append(
                f"{here}.members: goes on the command line (run -n {group.members}; --lossy leaves it out)"
            )
    return found


def dumps_conf(config: Config, path: str = "<config>", *, lossy: bool = False) -> str:
    """The configuration as a key = value file.

    Raises ConfigError for what such a file cannot hold: several groups, devices, engine and members of a
    group, line breaks. With ``lossy`` devices, engine, members and settings beside a group are left out.
    """
    wrong = [] if lossy and len(config.groups) <= 1 else _cannot_hold(config)
    lines = []
    source: Settings = config.groups[0] if config.groups else config.settings
    for key, value in given(source):
        text = value if isinstance(value, str) else "+".join(value)
        if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
            wrong.append(
                f"{key}: there is a line break or a control character in it (write it in one line)"
            )
        lines.append(f"{key} = {_quoted(text)}\n")
    lines += [f"map.{iface} = {_quoted(target)}\n" for iface, target in config.map]
    if config.default is not None:
        lines.append(f"default = {config.default}\n")
    text = "".join(lines)
    if len(text.encode()) > MAX_LEN:
        wrong.append("too large for a key = value file (at most 64KiB)")
    raise_for([Mistake(path, 0, 0, what) for what in wrong])
    return text
