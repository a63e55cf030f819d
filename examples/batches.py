#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Packets in batches, each read in one call: examples/batches.py DEVICE PACKETS [FILTER]."""

from __future__ import annotations

import sys

import pypcapaccel


def main(device: str, packets: str, *words: str) -> None:
    n = n_batches = n_bytes = 0
    with pypcapaccel.open(device, filter=" ".join(words)) as capture:
        print("capturing on", device, flush=True)
        for batch in capture.batches():
            n += len(batch)
            n_batches += 1
            n_bytes += sum(packet.wirelen for packet in batch)
            if n >= int(packets):
                break
        dropped = capture.stats().dropped
    print(f"{n} packets of {n_bytes} bytes in {n_batches} batches, {dropped} dropped")


if __name__ == "__main__":
    main(*sys.argv[1:])
