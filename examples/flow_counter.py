#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Bytes of each IPv4 flow, counted with NumPy, a batch at a time: examples/flow_counter.py DEVICE [PACKETS].

The headers are an array where they lie, the packets' bytes another: no Python object is made of a packet.
"""

from __future__ import annotations

import socket
import sys
from collections import Counter

import numpy as np

import pypcapaccel

Flow = tuple[str, str]


def add_batch(batch: pypcapaccel.Batch, flows: Counter[Flow]) -> None:
    """Add the wire lengths of a batch to those of its flows."""
    headers, data = batch.array, np.frombuffer(batch.data, "u1")
    at = headers["offset"][headers["caplen"] >= 34].astype("i8")
    lengths = headers["len"][headers["caplen"] >= 34]
    is_ipv4 = (data[at + 12] == 8) & (data[at + 13] == 0)
    addresses = data[at[is_ipv4, None] + np.arange(26, 34)]
    keys, index = np.unique(addresses, axis=0, return_inverse=True)
    sums = np.bincount(index.ravel(), weights=lengths[is_ipv4], minlength=len(keys))
    for key, n_bytes in zip(keys, sums, strict=True):
        raw = key.tobytes()
        flows[socket.inet_ntoa(raw[:4]), socket.inet_ntoa(raw[4:])] += int(n_bytes)


def main(device: str, packets: str = "1000000") -> None:
    flows: Counter[Flow] = Counter()
    n = 0
    with pypcapaccel.open(device, snaplen=96) as capture:
        for batch in capture.batches():
            add_batch(batch, flows)
            n += len(batch)
            if n >= int(packets):
                break
    for (source, destination), n_bytes in flows.most_common(10):
        print(f"{source:15} -> {destination:15} {n_bytes:12} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
