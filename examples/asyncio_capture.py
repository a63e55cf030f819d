#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Packets a second, printed by one task while another captures: examples/asyncio_capture.py DEVICE [SECONDS]."""

from __future__ import annotations

import asyncio
import sys

import pypcapaccel


async def count(capture: pypcapaccel.Capture, counted: list[int]) -> None:
    async for batch in capture.abatches():
        counted[0] += len(batch)


async def main(device: str, seconds: str = "10") -> None:
    counted = [0]
    with pypcapaccel.open(device) as capture:
        task = asyncio.create_task(count(capture, counted))
        for _ in range(int(seconds)):
            before = counted[0]
            await asyncio.sleep(1)
            print(counted[0] - before, "packets/s", flush=True)
        capture.breakloop()
        await task


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
