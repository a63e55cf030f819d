# SPDX-License-Identifier: BSD-3-Clause
"""Configurations: YAML for people with several groups, PFQ's ``key = value`` for one; both read into the
same frozen dataclasses.

    >>> from pypcapaccel import config
    >>> config.load("groups.yaml").groups[0].computation
    'ip >-> steer_flow'

A file is right as a whole or refused as a whole: ConfigError has every mistake, each with line, column, a
caret, and what would have been right. Values are texts as they were written: ``no`` and ``1:20`` stay what
they are. What an option may be is the C library's word, as is the reading of ``key = value``.

Threads: any; a Config is constant.
"""

from __future__ import annotations

from .conf import dumps_conf, loads_conf
from .editors import schema
from .files import FORMATS, convert, dumps, load, loads
from .mistakes import Mistake
from .model import Config, Fanout, Group, Ring, Settings, Transmit
from .strict import dumps_yaml, loads_yaml

__all__ = [
    "FORMATS",
    "Config",
    "Fanout",
    "Group",
    "Mistake",
    "Ring",
    "Settings",
    "Transmit",
    "convert",
    "dumps",
    "dumps_conf",
    "dumps_yaml",
    "load",
    "loads",
    "loads_conf",
    "loads_yaml",
    "schema",
]
