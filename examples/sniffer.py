#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A line for each packet: python3 examples/sniffer.py afpacket:eth0 [FILTER]. Ctrl-C ends it."""

from __future__ import annotations

import sys

import pypcapaccel


def main(device: str, *words: str) -> None:
    with pypcapaccel.open(device, filter=" ".join(words)) as capture:
        try:
            for packet in capture:
                seconds, nanoseconds = divmod(packet.ts_ns, 10**9)
                print(
                    f"{seconds}.{nanoseconds:09} {packet.wirelen:5} {packet.data[:14].hex(' ')}",
                    flush=True,
                )
        except KeyboardInterrupt:
            pass
        stats = capture.stats()
    print(f"{stats.received} received, {stats.dropped} dropped", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:] or ["afpacket:any"])
