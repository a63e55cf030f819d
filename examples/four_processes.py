#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Four processes share a link, each flow in one of them: examples/four_processes.py INTERFACE.

They are one group; the computation says who gets a packet: both directions of a flow go to the same process.
"""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.connection import Connection

import pypcapaccel

N = 4


def work(device: str, group: int, pipe: Connection) -> None:
    """One member: count the packets until somebody says stop and no more come."""
    n = 0
    with pypcapaccel.open(f"pfq:{device}", group=group, computation="ip >-> steer_flow") as capture:
        pipe.send("ready")
        for batch in capture.batches(timeout_ms=500):
            n += len(batch)
            if not batch and pipe.poll():
                break
    pipe.send(n)


def main(device: str) -> None:
    pipes = [multiprocessing.Pipe() for _ in range(N)]
    members = [
        multiprocessing.Process(target=work, args=(device, 42, theirs)) for _, theirs in pipes
    ]
    for member in members:
        member.start()
    for ours, _ in pipes:
        ours.recv()
    print("capturing; Enter ends it", flush=True)
    sys.stdin.readline()
    for ours, _ in pipes:
        ours.send("stop")
    for i, (ours, _) in enumerate(pipes):
        print(f"process {i}: {ours.recv()} packets", flush=True)
    for member in members:
        member.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
