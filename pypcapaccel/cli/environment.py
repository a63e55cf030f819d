# SPDX-License-Identifier: BSD-3-Clause
# ruff: noqa: PTH100, PTH120, PTH208
# (pathlib takes 5 ms to import, and this is on the way of every start)
"""The variables that put the library in front of a program and say what it shall do: for `run` and `env`.

Without a file, a profile or an option nothing but the library's path is looked for: neither the library nor
YAML is loaded, because `run` is to start fast.

Threads: none of its own.
"""

from __future__ import annotations

import os

from . import CommandError

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any

__all__ = ["Plan", "add_arguments", "make_plan", "profiles"]

ENGINES = ("afpacket", "pfq", "xdp", "none")
LEVELS = ("error", "warning", "info", "debug")
PREFIX = "PCAP_ACCEL_"


class Plan:
    """What a program is started with."""

    def __init__(self, library: str, changes: dict[str, str], copies: int) -> None:
        self.library = library
        self.changes = changes
        """Variables to set; LD_PRELOAD is not among them."""
        self.copies = copies
        """That the configuration asks for; 1: it does not."""
        self.group = changes.get(PREFIX + "GROUP")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that `run` and `env` share."""
    parser.add_argument(
        "-g", "--group", metavar="N", help="the group that the captures belong to, 0 to 65535"
    )
    parser.add_argument(
        "--computation", metavar="EXPR", help="PFQ/lang: who in the group gets which packets"
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="YAML (.yaml, .yml) or key = value")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help="what the names of Ethernet interfaces are captured with; none: only names like pfq:eth0. "
        "Default: pfq with a group or a computation, else afpacket",
    )
    parser.add_argument(
        "-p", "--profile", metavar="NAME", help="the options of a profile (see `config profiles`)"
    )
    parser.add_argument(
        "-o", "--option", metavar="KEY=VALUE", action="append", default=[],
        help="any option of pcap-accel.conf(5); may be repeated",
    )  # fmt: skip
    parser.add_argument("--log", choices=LEVELS, help="what the library says on stderr")


def profiles() -> dict[str, str]:
    """{name: path} of the profiles that come with the package."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in (f"{here}/_conf", f"{os.path.dirname(here)}/conf"):
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        return {n.removesuffix(".conf"): f"{folder}/{n}" for n in names if n.endswith(".conf")}
    return {}


def _profile_path(name: str) -> str:
    known = profiles()
    if name not in known:
        from ..config.mistakes import suggestion

        raise CommandError(f"no profile '{name}' {suggestion(name, known)}", 125)
    return known[name]


def _number(text: str, what: str, most: int) -> str:
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise CommandError(f"{what}: '{text}' is not a number in range (0 to {most})", 125)
    return str(int(text))


def _option(text: str) -> tuple[str, str]:
    """(variable, value) of KEY=VALUE. Judged here, because the library passes over variables that it does not
    know."""
    from ..config.mistakes import suggestion
    from ..config.options import check_value, table

    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise CommandError(f"--option '{text}': is not KEY=VALUE (buffer=256MiB)", 125)
    named = {name: o for o in table().values() for name in (o.key, *o.aliases)}
    option = named.get(key.lower())
    if option is None and key.lower() in ("map", "default", "log", "conf"):
        raise CommandError(
            f"--option '{key}': is no option of a capture (set {PREFIX}{key.upper()})", 125
        )
    if option is None:
        raise CommandError(f"--option '{key}': unknown option {suggestion(key, table())}", 125)
    mistake = check_value(option.key, value)
    if mistake:
        raise CommandError(f"--option '{text}': {mistake}", 125)
    return option.env[0], value


def _variables(thing: Any) -> dict[str, str]:
    """A group or settings as variables."""
    from ..config.model import given
    from ..config.options import table

    return {
        table()[key].env[0]: value if isinstance(value, str) else "+".join(value)
        for key, value in given(thing)
        if value
    }


def _is_set(variable: str, environ: Mapping[str, str]) -> bool:
    """By this name of the option, or by another."""
    from ..config.options import table

    for option in table().values():
        if variable in option.env:
            return any(environ.get(name) for name in option.env)
    return bool(environ.get(variable))


class _Maker:
    """A plan in the making: weaker sources are put in later and change nothing that is there."""

    def __init__(self, options: argparse.Namespace, environ: Mapping[str, str]) -> None:
        self.options, self.environ = options, environ
        self.changes: dict[str, str] = {}
        self.copies = 1
        self.engine: str | None = options.engine
        self.grouped = bool(options.group or options.computation)
        self.mapped = False

    def weak(self, variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            if name not in self.changes and not _is_set(name, self.environ):
                self.changes[name] = value

    def from_words(self) -> None:
        options = self.options
        if options.group is not None:
            self.changes[PREFIX + "GROUP"] = _number(options.group, "--group", 65535)
        if options.computation is not None:
            self.changes[PREFIX + "COMPUTATION"] = options.computation
        self.changes |= dict(map(_option, options.option))
        if options.log:
            self.changes[PREFIX + "LOG"] = options.log

    def from_file(self, path: str) -> None:
        from .. import config

        whole = config.load(path)
        group = self.choose(whole, path)
        if config.files.format_of(path) == "conf":
            self.changes[PREFIX + "CONF"] = os.path.abspath(path)
        else:
            self.weak(_variables(group or whole.settings))
            self.put_map(whole, group)
        self.grouped |= group is not None or whole.settings.computation is not None
        self.mapped |= bool(whole.map or whole.default)
        if group is not None:
            self.engine = self.engine or group.engine
            self.copies = group.members or 1

    def choose(self, whole: Any, path: str) -> Any:
        """The group that is meant, or None."""
        if self.options.group is not None:
            wanted = int(_number(self.options.group, "--group", 65535))
            return next((group for group in whole.groups if group.number == wanted), None)
        if len(whole.groups) > 1:
            numbers = ", ".join(str(group.number) for group in whole.groups)
            raise CommandError(
                f"{path}: names {len(whole.groups)} groups (choose one with -g: {numbers})", 125
            )
        return whole.groups[0] if whole.groups else None

    def put_map(self, whole: Any, group: Any) -> None:
        """Names of interfaces stand for the group's device, beside what the file maps itself."""
        aliases = list(whole.map)
        taken = {iface for iface, _ in aliases}
        if (
            group is not None
            and group.devices
            and self.options.engine in (None, group.engine, "pfq")
        ):
            device = f"{self.engine or group.engine or 'pfq'}:{':'.join(group.devices)}"
            names = (name.partition("@")[0] for name in group.devices)
            aliases += [(name, device) for name in names if name not in taken]
        if aliases:
            self.weak({PREFIX + "MAP": ",".join(f"{iface}={target}" for iface, target in aliases)})
            self.mapped = True
        if whole.default:
            self.weak({PREFIX + "DEFAULT": whole.default})

    def from_profile(self, name: str) -> None:
        from .. import config

        whole = config.load(_profile_path(name))
        group = whole.groups[0] if whole.groups else None
        kept = set()
        if PREFIX + "CONF" in self.changes:
            read = config.load(self.changes[PREFIX + "CONF"])
            kept = set(_variables(read.groups[0] if read.groups else read.settings))
        self.weak({k: v for k, v in _variables(group or whole.settings).items() if k not in kept})
        self.grouped |= group is not None

    def set_engine(self) -> None:
        """Which engine plain names of interfaces are captured with."""
        asked = self.options.engine
        environ = self.environ
        chosen = self.mapped or environ.get(PREFIX + "MAP") or environ.get(PREFIX + "DEFAULT")
        if asked is None and chosen:
            return
        engine = asked or self.engine or ("pfq" if self.grouped else "afpacket")
        if engine != "none":
            self.changes[PREFIX + "DEFAULT"] = engine
        if asked:
            self.changes.pop(PREFIX + "MAP", None)


def make_plan(options: argparse.Namespace, environ: Mapping[str, str]) -> Plan:
    """What the command line, the environment, a file and a profile ask for, in this order of strength."""
    from .._find import lib_path

    maker = _Maker(options, environ)
    maker.from_words()
    if options.config:
        maker.from_file(options.config)
    if options.profile:
        maker.from_profile(options.profile)
    maker.set_engine()
    return Plan(lib_path(), maker.changes, maker.copies)


def preload(library: str, environ: Mapping[str, str]) -> str:
    """LD_PRELOAD with the library in front of what is there."""
    rest = [word for word in environ.get("LD_PRELOAD", "").replace(" ", ":").split(":") if word]
    return ":".join([library, *(word for word in rest if word != library)])
