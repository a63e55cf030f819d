# SPDX-License-Identifier: BSD-3-Clause
"""What doctor asks the host: files of /proc and /sys, and ethtool. Tests put another root under it.

Threads: none of its own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from .._find import lib_path
from .._pages import Page, read_pages
from ..errors import LibraryError
from . import packet_diag

__all__ = ["MIB", "RING", "Host"]

MIB = 1 << 20
RING = 64 * MIB  # of a capture, by default
_ORDER_1MIB = 8  # pages of 4 KiB
_PATIENCE_S = 10


class Host:
    """A host, or one interface of it."""

    def __init__(
        self, iface: str | None = None, root: str = "/", ethtool: str | None = None
    ) -> None:
        self.iface = iface or ""
        self.root = Path(root)
        self.is_real = root == "/"
        self.ethtool = (
            ethtool or shutil.which("ethtool") or shutil.which("ethtool", path="/sbin:/usr/sbin")
        )

    def text(self, path: str) -> str:
        """A file's text without blanks around it; "" if it cannot be read."""
        try:
            return (self.root / path.lstrip("/")).read_text(errors="replace").strip()
        except OSError:
            return ""

    def number(self, path: str, base: int = 10) -> int:
        """A file's number; -1 if there is none."""
        try:
            return int(self.text(path), base)
        except ValueError:
            return -1

    def cpus(self, path: str) -> set[int]:
        """A file's CPUs, told as 0-3,8."""
        found: set[int] = set()
        for part in self.text(path).split(","):
            first, dash, last = part.partition("-")
            if first.isdigit():
                found |= set(range(int(first), int(last if dash else first) + 1))
        return found

    def read(self, path: Path) -> str:
        """As text(), of a path that glob() found."""
        try:
            return path.read_text(errors="replace").strip()
        except OSError:
            return ""

    def exists(self, path: str) -> bool:
        return (self.root / path.lstrip("/")).exists()

    def glob(self, pattern: str) -> list[Path]:
        return sorted(self.root.glob(pattern.lstrip("/")))

    def net(self, name: str) -> str:
        """Path of an attribute of the interface."""
        return f"/sys/class/net/{self.iface}/{name}"

    def ask_ethtool(self, option: str, *words: str) -> str:
        """ethtool's answer; "" if it has none."""
        if not self.ethtool:
            return ""
        argv: Sequence[str] = [self.ethtool, option, self.iface, *words]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE_S)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout if done.returncode == 0 else ""

    @cached_property
    def features(self) -> dict[str, str]:
        """{"generic-receive-offload": "on"}; a fixed one is left out, because nobody can change it."""
        found = re.findall(r"^\s*([\w-]+): (on|off)( \[fixed\])?", self.ask_ethtool("-k"), re.M)
        return {name: value for name, value, fixed in found if not fixed}

    @cached_property
    def has_address(self) -> bool:
        """Has the interface an address, but for the one that IPv6 makes by itself? True where it is not known."""
        if not self.is_real:
            return False
        argv = ["ip", "-o", "address", "show", "dev", self.iface]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE_S)
        except (OSError, subprocess.TimeoutExpired):
            return True
        found = re.search(r"\binet |\binet6 .* scope (global|site|host)", done.stdout)
        return done.returncode != 0 or found is not None

    @cached_property
    def long_pieces(self) -> dict[int, int]:
        """{memory node: free pieces that are as long as a ring's block}."""
        found: dict[int, int] = {}
        zones = re.findall(
            r"^Node (\d+), zone +(?:Normal|DMA32) +(.*)", self.text("/proc/buddyinfo"), re.M
        )
        for node, n_free in zones:
            n_long = sum(int(n) for n in n_free.split()[_ORDER_1MIB:])
            found[int(node)] = found.get(int(node), 0) + n_long
        return found

    @cached_property
    def processes(self) -> dict[str, str]:
        """{pid: program}."""
        found = {}
        for path in self.glob("/proc/[0-9]*/comm"):
            try:
                found[path.parent.name] = path.read_text(errors="replace").strip()
            except OSError:
                continue
        return found

    @cached_property
    def library(self) -> str:
        """Where ours is; "" if nowhere."""
        try:
            return lib_path()
        except LibraryError:
            return ""

    @cached_property
    def captures(self) -> list[Page]:
        """The living captures with the library, of this user; for root, of all."""
        return list(read_pages()) if self.is_real else []

    @cached_property
    def fanouts(self) -> dict[tuple[int, str], set[str]] | None:
        """{(number, mode): inodes of the sockets} of this network namespace's groups; None: not known."""
        if not self.is_real:
            return {}
        try:
            return packet_diag.fanout_groups()
        except OSError:
            return None

    def owners(self, inodes: set[str]) -> dict[str, str]:
        """{inode of a socket: "program (pid)"}, of the processes that we may look at."""
        found = {}
        for path in self.glob("/proc/[0-9]*/fd/*"):
            try:
                target = str(path.readlink())
            except OSError:
                continue
            inode = target.removeprefix("socket:[").removesuffix("]")
            if target.startswith("socket:[") and inode in inodes:
                pid = path.parents[1].name
                found[inode] = f"{self.processes.get(pid, '?')} ({pid})"
        return found
