# SPDX-License-Identifier: BSD-3-Clause
"""What examples/quickstart.sh has to print, here (tests/live) and on a fresh Debian (tests/python)."""

from __future__ import annotations

import re


def check(out: str) -> None:
    """Packets in both directions, as many as were sent, and the accounting of four tcpdumps."""
    assert re.search(r"IP 10\.77\.0\.2\.\d+ > 10\.77\.1\.2\.20000: UDP", out)
    assert re.search(r"IP 10\.77\.1\.2\.20000 > 10\.77\.0\.2\.\d+: UDP", out)
    assert "pcap-accel run -- tcpdump" in out
    assert "16 packets captured" in out
    assert re.search(r"\b2000 packets of 303000 bytes in \d+ batches, 0 dropped", out), out
    assert "PFQ_COMPUTATION='ip >-> steer_flow' tcpdump -n -i pfq:eth0:eth1" in out
    for row, number in (("packets sent", 40000), ("lost", 0), ("seen twice", 0)):
        assert re.search(rf"{row} +{number}\b", out), out
    assert re.search(r"flows in two terminals +0\b", out), out
    seen = [int(n) for n in re.findall(r"seen in terminal \d +(\d+)", out)]
    assert len(seen) == 4 and sum(seen) == 40000 and min(seen) > 0
