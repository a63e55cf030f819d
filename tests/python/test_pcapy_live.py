# SPDX-License-Identifier: BSD-3-Clause
"""The pcapy API on live devices: of the system's libpcap and of ours, with both backends. The cases are
live_cases.py's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

EXPECTED: dict[str, Any] = {
    "idle": "True True 0 True",
    "signals": "over over over over",
    "close_in_callback": "1 pcap_is_closed",
    "close_by_thread": "ended True",
    "break_by_thread": "ended True False",
    "break_in_callback": "3 True",
    "raise_in_callback": "KeyError 3 True",
    "nested": "InUseError 0 1 3",
    "nonblock": "0 1 True 0",
    "created": "0 0 0 0 0 60 60 68 -4",
    "batches": "True",
    "filtered": "{7}",
    "fanout": "20 20",
    "descriptors": "0",
}


@pytest.fixture(scope="module")
def said(ask_live: Callable[..., dict[str, list[str]]]) -> dict[str, list[str]]:
    return ask_live("live_cases.py", "DEVICE", *EXPECTED)


@pytest.mark.parametrize("case", EXPECTED)
def test_case(said: dict[str, list[str]], case: str) -> None:
    assert said[case] == EXPECTED[case].split()
