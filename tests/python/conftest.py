# SPDX-License-Identifier: BSD-3-Clause
"""The package is imported from the sources and opens the library of the build under test."""

import os
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))
os.environ.setdefault(
    "PCAP_ACCEL_LIB",
    str(Path(os.environ.get("ACCEL_BUILD", REPO / "build")).resolve() / "libpcap-accel.so"),
)
