# SPDX-License-Identifier: BSD-3-Clause
"""Counts packets, with pypcapaccel."""

import sys

import pypcapaccel.pcapy as pcapy

reader = pcapy.open_live("afpacket:" + sys.argv[1], 65535, True, 100)
reader.setfilter("udp")
counted = [0]
reader.loop(int(sys.argv[2]), lambda header, _: counted.append(header.getlen()))
print(sum(counted), "bytes")
