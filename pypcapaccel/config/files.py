# SPDX-License-Identifier: BSD-3-Clause
"""Configuration files by path and format.

Threads: any.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from .conf import dumps_conf, loads_conf
from .mistakes import Mistake, raise_for
from .strict import dumps_yaml, loads_yaml
from .yamltree import MAX_LEN

if TYPE_CHECKING:
    from .model import Config

__all__ = ["FORMATS", "convert", "dumps", "format_of", "load", "loads", "read"]

FORMATS = ("yaml", "conf")


def format_of(path: str | os.PathLike[str]) -> str:
    """By the name: "yaml" for .yaml and .yml, else "conf"."""
    return "yaml" if Path(path).suffix.lower() in (".yaml", ".yml") else "conf"


def read(path: str | os.PathLike[str]) -> bytes:
    """A regular file's bytes. ConfigError, which names the path, for what is none or too large."""
    name = os.fspath(path)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(
            f"{name}: {error.strerror}", (Mistake(name, 0, 0, error.strerror or ""),)
        ) from None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise_for([Mistake(name, 0, 0, "is not a file (a regular file)")])
    with os.fdopen(fd, "rb") as file:
        if status.st_size > MAX_LEN:
            raise_for(
                [
                    Mistake(
                        name,
                        0,
                        0,
                        f"too large for a configuration file (at most {MAX_LEN // 1024}KiB)",
                    )
                ]
            )
        return file.read(MAX_LEN + 1)


def loads(text: bytes | str, fmt: str, path: str = "<text>", engine: str | None = None) -> Config:
    """Read a text of one of FORMATS. Raises ConfigError with every mistake."""
    if fmt not in FORMATS:
        raise ValueError(f"no format {fmt!r} (known: {', '.join(FORMATS)})")
    return loads_yaml(text, path) if fmt == "yaml" else loads_conf(text, path, engine)


def load(path: str | os.PathLike[str], engine: str | None = None) -> Config:
    """Read a file: YAML by its name (.yaml, .yml), else key = value.

    `engine`: the file is one that a device of this engine names; None: the ambient file. Raises
    ConfigError with every mistake.
    """
    return loads(read(path), format_of(path), os.fspath(path), engine)


def dumps(config: Config, fmt: str, path: str = "<config>", *, lossy: bool = False) -> str:
    """The configuration as a text of one of FORMATS. Raises ConfigError for what it cannot hold."""
    if fmt not in FORMATS:
        raise ValueError(f"no format {fmt!r} (known: {', '.join(FORMATS)})")
    return dumps_yaml(config) if fmt == "yaml" else dumps_conf(config, path, lossy=lossy)


def convert(
    text: bytes | str, source: str, target: str, path: str = "<text>", *, lossy: bool = False
) -> str:
    """A text of one format as a text of another. Nothing is lost, or ConfigError says what would be."""
    return dumps(loads(text, source, path), target, path, lossy=lossy)
