# SPDX-License-Identifier: BSD-3-Clause
"""What the members of a capture's group have counted, out of their statistics pages.

Threads: any.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from ._pages import Page, read_pages
from .errors import GroupError

if TYPE_CHECKING:
    from .capture import Stats

__all__ = ["GroupStats", "MemberStats", "of_group"]

_MAX_DEVICE = 127  # bytes of it in a page


class MemberStats(NamedTuple):
    """A living member of a group."""

    pid: int  # as its own process sees it
    program: str
    device: str  # as the program wrote it
    stats: Stats


class GroupStats(NamedTuple):
    """What a group has counted."""

    number: int
    total: Stats  # the sum over the living members
    members: tuple[MemberStats, ...]


def _of_capture(pages: list[Page], name: str) -> list[Page]:
    """Those that may be the capture's: its name decides between several. Under a name of PCAP_ACCEL_MAP or
    PCAP_ACCEL_DEFAULT a page bears what that stands for."""
    own = [page for page in pages if page.pid == os.getpid() and page.group is not None]
    device = name.encode()[:_MAX_DEVICE].decode(errors="replace")
    return [page for page in own if page.device == device] or own[: len(own) == 1]


def _group_of(page: Page) -> tuple[object, ...]:
    """A number of a kind of groups, of one user in one network namespace."""
    folder = page.path.rpartition("/")[0]
    return page.group, page.engine, page.netns, folder


def of_group(name: str, own: Stats) -> GroupStats:
    """Of the group of this process's capture `name`, whose own counters are `own`. GroupError: it has none."""
    pages = list(read_pages())
    mine = _of_capture(pages, name)
    if not mine or mine[0].group is None:
        raise GroupError(f"{name}: is in no group, or keeps no statistics page (group=N)")

    def of(page: Page) -> Stats:
        # The page is up to 20 ms older than what it has counted itself, if it is clear whose page it is.
        if len(mine) == 1 and page is mine[0]:
            return own
        return type(own)(*(getattr(page, field) for field in own._fields))

    members = tuple(
        MemberStats(page.pid, page.program, page.device, of(page))
        for page in pages
        if _group_of(page) == _group_of(mine[0])
    )
    sums = (sum(counts) for counts in zip(*(member.stats for member in members), strict=True))
    return GroupStats(mine[0].group, type(own)(*sums), members)
