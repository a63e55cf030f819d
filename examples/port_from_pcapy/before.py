# SPDX-License-Identifier: BSD-3-Clause
"""Counts packets, with pcapy."""

import sys

import pcapy

reader = pcapy.open_live(sys.argv[1], 65535, True, 100)
reader.setfilter("udp")
counted = [0]
reader.loop(int(sys.argv[2]), lambda header, _: counted.append(header.getlen()))
print(sum(counted), "bytes")
