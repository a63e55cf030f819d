# SPDX-License-Identifier: BSD-3-Clause
"""The handle of the real libpcap behind each of ours (core/model.h) is in no packet's way where many
programs share a device."""

import netlab
import pytest

LOOPBACK = 1
NO_PROTOCOL = "fffe"
GROUPS = [("afpacket:eth0?fanout=hash,group=7", {}), ("pfq:eth0", {"PFQ_GROUP": "42"})]


@pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no model")
@pytest.mark.parametrize("device, env", GROUPS)
def test_model_steps_aside(lab, device, env):
    """In a group its socket is bound to lo: each one on eth0 would be looked at for each packet of eth0.
    Filters are still compiled for eth0, the tag beside the packet."""
    env = {"PCAP_ACCEL_BUFFER": "2MiB", **env}
    capture = lab.capture(device, "-f", "vlan 5 and udp", env=env)
    rows = [row.split() for row in lab.run(["cat", "/proc/net/packet"]).stdout.splitlines()[1:]]
    models = [int(row[4]) for row in rows if row[3] == NO_PROTOCOL]
    assert models == [LOOPBACK]
    lab.send("peer0", "-n", 5, "-r", 1000)
    lab.send("peer0", "-n", 7, "-r", 1000, "-v", "0x8100:5")
    assert capture.stop()["packets"] == 7
