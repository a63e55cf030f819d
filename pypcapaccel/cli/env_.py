# SPDX-License-Identifier: BSD-3-Clause
"""Prints the variables that `run` would set, for a shell: eval "$(pcap-accel env -g 42)".

Threads: the main one.
"""

from __future__ import annotations

import argparse
import os

from .environment import add_arguments as add_shared
from .environment import make_plan, preload
from .output import add_json, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from shlex import quote

    plan = make_plan(options, os.environ)
    changes = {**plan.changes, "LD_PRELOAD": preload(plan.library, os.environ)}
    if options.json:
        print_json("env", environment=changes)
    else:
        for name, value in changes.items():
            print(f"export {name}={quote(value)}")
    return 0
