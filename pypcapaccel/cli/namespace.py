# SPDX-License-Identifier: BSD-3-Clause
"""A network namespace that has no name: it, and all that is in it, goes with the last process in it, however
that ended.

Threads: it is the calling thread's, and of what that starts.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import CommandError

__all__ = ["veth_pair"]

_PAIR = ("accel0", "accel1")
_CLONE_NEWNET = 0x40000000


def _call(name: str, *words: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*words) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _ip(*words: str) -> None:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
    except FileNotFoundError:
        raise CommandError("ip: no such program (apt-get install iproute2)") from None
    if done.returncode != 0:
        raise CommandError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def _settle() -> None:
    """Nobody but us is to speak on the pair."""
    for name in ("all", "default"):
        path = Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
        if path.exists():
            try:
                path.write_text("1")
            except OSError as error:
                raise CommandError(f"{path}: {error.strerror} (it has to be writable)") from None


@contextmanager
def veth_pair() -> Iterator[tuple[str, str]]:
    """The names of two interfaces: what is sent on one is received on the other. CommandError: what it needs."""
    with open("/proc/thread-self/ns/net", "rb") as home:  # noqa: PTH123 (a descriptor is wanted)
        try:
            _call("unshare", _CLONE_NEWNET)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise CommandError(
                    f"a network namespace cannot be made: {error.strerror}"
                ) from None
            raise CommandError(
                "a network namespace of its own needs CAP_SYS_ADMIN (run it as root)"
            ) from None
        try:
            _settle()
            first, second = _PAIR
            one = ("numtxqueues", "1", "numrxqueues", "1")
            _ip("link", "add", first, *one, "type", "veth", "peer", "name", second, *one)
            for name in _PAIR:
                _ip("link", "set", name, "up")
            yield _PAIR
        finally:
            _call("setns", home.fileno(), _CLONE_NEWNET)
