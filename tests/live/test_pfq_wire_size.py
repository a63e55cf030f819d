# SPDX-License-Identifier: BSD-3-Clause
"""Filters and the kernel's memory for them (net.core.optmem_max), which kernels before 6.8 have a sixth
of: what fits is served, while one filter replaces another too; what does not is refused with its size."""

import re

import netlab
import pytest

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no PFQ groups")

OLD_OPTMEM = 20480
SYSCTL = "/proc/sys/net/core/optmem_max"
N = 20
# Filters as long as functions make them.
LARGE = ["par (shift steer_flow) steer_flow", 'steer_local_net "10.0.0.0" 8 32', "double_steer_ip"]
ALTERNATIVES = " ".join(
    f"(filter (tcp_source .== {i} .&&. ip_ttl .> 3 .&&. tcp_hdrlen .== 20) >-> steer_local_net"
    f' "10.0.0.0" 8 24)'
    for i in range(8)
)
TOO_LARGE = f"par8 {ALTERNATIVES}"


@pytest.fixture
def small(lab):
    """A namespace with the memory of an older kernel."""
    if lab.run(["test", "-e", SYSCTL], check=False).returncode:
        pytest.skip(f"{SYSCTL} is not a namespace's own on this kernel")
    lab.run(["sh", "-c", f"echo {OLD_OPTMEM} >{SYSCTL}"])
    return lab


def env(text):
    return {"PFQ_GROUP": "7", "PFQ_COMPUTATION": text, "PCAP_ACCEL_BUFFER": "2MiB"}


@pytest.mark.parametrize("text", LARGE)
def test_what_fits(small, text):
    """Its own filter, set later, also runs in the kernel: what it refuses is not counted."""
    capture = small.capture("pfq:eth0", "-f", "tcp port 7777 or arp", env=env(text))
    small.send("peer0", "-n", N, "-p", "udp", "-f", N)
    small.send("peer0", "-n", N, "-p", "tcp", "-f", N)
    result = capture.stop()
    assert (result["recv"], result["packets"], result["error"]) == (N, N, "")


def test_what_does_not(small):
    """The error says how large it is."""
    capture = small.capture("pfq:eth0", env=env(TOO_LARGE), ready=False)
    result = capture.result()
    assert result["activate"] < 0
    found = re.fullmatch(
        r"pfq:eth0: the filter of (\d+) instructions is too large for the kernel \(a shorter "
        r"computation, or more net\.core\.optmem_max\)",
        result["error"],
    )
    assert found, result["error"]
    assert 500 < int(found[1]) <= 4096


def test_the_same_fits_elsewhere(lab):
    """Where there is more memory it is served."""
    capture = lab.capture("pfq:eth0", env=env(TOO_LARGE))
    assert capture.stop()["error"] == ""
