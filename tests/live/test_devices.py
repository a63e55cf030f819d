# SPDX-License-Identifier: BSD-3-Clause
"""Several devices in one handle; devices that go down, up and away."""

import os

import netlab
import pytest

needs_engine = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has one device a handle")


@needs_engine
@pytest.mark.parametrize(
    "flags", [[], ["-I"], ["-n"]], ids=["blocking", "immediate", "nonblocking"]
)
def test_two_devices(lab2, flags):
    """One handle on two devices delivers all packets of both, once, in order of time.

    The senders share a CPU: where two receive at once, the kernel stamps packets before it puts them
    into the ring, and stamps may go back by some microseconds, as on stock's "any".
    """
    capture = lab2.capture("afpacket:eth0:eth1", *flags)
    cpu = str(min(os.sched_getaffinity(0)))
    send = ["taskset", "-c", cpu, lab2.build.tool("send_packets"), "-n", "3000", "-r", "20000"]
    senders = [
        lab2.popen([*send, "-i", f"peer{i}", "-q", q], where=netlab.SENDER)
        for i, q in ((0, "0"), (1, "3000"))
    ]
    for sender in senders:
        sender.wait(timeout=netlab.PATIENCE_S)
        netlab.living.remove(sender)
    result = capture.stop()
    assert result.seen == set(range(6000))
    assert (result["twice"], result["backwards"], result["drop"]) == (0, 0, 0)
    assert result["recv"] == 6000


@needs_engine
def test_only_these_devices(make_lab):
    """A third device is not captured, nor is lo."""
    lab = make_lab(3)
    capture = lab.capture("afpacket:eth0:eth2")
    for i in range(3):
        lab.send(f"peer{i}", "-n", 100, "-r", 5000, "-q", 1000 * i)
    lab.send("lo", "-n", 10, "-q", 5000, where=netlab.SENSOR)
    assert capture.stop().seen == set(range(100)) | set(range(2000, 2100))


@needs_engine
def test_ten_devices(make_lab):
    """Ten devices in one handle."""
    lab = make_lab(10)
    capture = lab.capture("afpacket:" + ":".join(f"eth{i}" for i in range(10)))
    for i in range(10):
        lab.send(f"peer{i}", "-n", 100, "-r", 10000, "-q", 100 * i)
    result = capture.stop()
    assert result.seen == set(range(1000))
    assert result["twice"] == 0


@needs_engine
def test_promiscuous_each(lab2):
    """All devices of the handle are promiscuous while it captures, none afterwards."""
    capture = lab2.capture("afpacket:eth0:eth1")
    assert [lab2.promiscuity(name) for name in ("eth0", "eth1")] == [1, 1]
    capture.stop()
    assert [lab2.promiscuity(name) for name in ("eth0", "eth1")] == [0, 0]


@needs_engine
def test_filter_on_two(lab2):
    """The program's filter holds on every device, and `ifindex` tells them apart."""
    index = lab2.ip("link", "show", "eth1").split(":")[0]
    capture = lab2.capture("afpacket:eth0:eth1", "-f", f"ifindex {index} and udp")
    lab2.send("peer0", "-n", 50, "-r", 5000)
    lab2.send("peer1", "-n", 50, "-r", 5000, "-q", 100)
    lab2.send("peer1", "-n", 50, "-r", 5000, "-q", 200, "-p", "tcp")
    assert capture.stop().seen == set(range(100, 150))


@needs_engine
def test_setfilter_on_two(lab2):
    """A filter that is set twice does not let other devices in."""
    capture = lab2.capture("afpacket:eth0", "-f", "udp", "-F", "ip", "-A", 10)
    lab2.send("peer0", "-n", 100, "-r", 5000)
    lab2.send("peer1", "-n", 100, "-r", 5000, "-q", 1000)
    assert capture.stop().seen == set(range(100))


@needs_engine
def test_inject_on_two(lab2):
    """With several devices, a packet is sent on the first."""
    peers = [lab2.capture(f"eth{i}", stock=True) for i in range(2)]
    ours = lab2.capture("afpacket:eth0:eth1", "-j", 10).stop()
    seen = [len(peer.stop().seen) for peer in peers]
    assert (ours["injected"], seen) == (10, [10, 0])


def test_link_down_and_up(lab):
    """A link that goes down does not end the capture: it goes on when the link is up again, and what
    was in the ring is still there."""
    capture = lab.capture("afpacket:eth0", "-a", "dispatch")
    lab.send("peer0", "-n", 100, "-r", 5000)
    lab.ip("link", "set", "eth0", "down")
    lab.ip("link", "set", "eth0", "up")
    lab.wait_for_link("eth0")
    lab.send("peer0", "-n", 100, "-r", 5000, "-q", 100)
    result = capture.stop()
    assert result.seen == set(range(200))
    assert result["rc"] != -1, result["error"]


@pytest.mark.parametrize("api", ["loop", "dispatch", "next_ex"])
@pytest.mark.parametrize("flags", [[], ["-n"]], ids=["blocking", "nonblocking"])
def test_removed(lab, api, flags):
    """A device that is removed ends the capture: -1, "The interface disappeared"."""
    capture = lab.capture("afpacket:eth0", "-a", api, *flags)
    lab.send("peer0", "-n", 10)
    lab.ip("link", "del", "eth0")
    result = capture.result()
    assert (result["rc"], result["error"]) == (-1, "The interface disappeared")
    assert result["stats_rc"] == 0


def test_removed_next(lab):
    """pcap_next has no error to return: NULL, and the text."""
    capture = lab.capture("afpacket:eth0", "-a", "next", "-n")
    lab.ip("link", "del", "eth0")
    result = capture.stop()
    assert result["error"] == "The interface disappeared"


@needs_engine
def test_one_of_two_down(lab2):
    """One device down: the other goes on, and the first comes back."""
    capture = lab2.capture("afpacket:eth0:eth1")
    lab2.ip("link", "set", "eth0", "down")
    lab2.send("peer1", "-n", 100, "-r", 5000)
    lab2.ip("link", "set", "eth0", "up")
    lab2.wait_for_link("eth0")
    lab2.send("peer0", "-n", 100, "-r", 5000, "-q", 100)
    result = capture.stop()
    assert result.seen == set(range(200))
