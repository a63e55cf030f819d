# SPDX-License-Identifier: BSD-3-Clause
"""Tagged frames, side by side with stock on the same veth: what is shown, and which filter matches.
The kernel takes the outer tag out of a received frame before filters run; frames that this host sends
through a packet socket keep it. Stock's answers are the reference, recorded in no table here."""

import netlab
import pytest

TAGS = {
    "untagged": [],
    "one": ["-v", "0x8100:100"],
    "priority": ["-v", "0x8100:57445"],  # priority 7, id 101
    "qinq": ["-v", "0x88a8:200,0x8100:100"],
    "qinq-9100": ["-v", "0x9100:200,0x8100:100"],
    "double-8100": ["-v", "0x8100:200,0x8100:100"],
    "triple": ["-v", "0x88a8:300,0x8100:200,0x8100:100"],
}
FILTERS = [
    "",
    "ip",
    "udp port 7777",
    "vlan",
    "vlan 100",
    "vlan 200",
    "vlan and ip",
    "vlan and udp port 7777",
    "vlan 200 and vlan 100",
    "vlan 200 and vlan 100 and ip",
    "not vlan",
    "ether proto 0x8100",
    "ether[12:2] = 0x0800",
    "len <= 70",
]


def both(lab, device, stock, *options, send, where):
    """Result of ours and of stock, for the same packets."""
    captures = [
        lab.capture(stock, "-x", 3, "-X", 128, *options, stock=True),
        lab.capture(device, "-x", 3, "-X", 128, *options),
    ]
    interface = "peer0" if where == netlab.SENDER else "eth0"
    lab.send(interface, "-n", 3, "-s", 90, *send, where=where)
    return netlab.stop(*captures)


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("where", [netlab.SENDER, netlab.SENSOR], ids=["received", "sent"])
def test_shown(lab, tags, where):
    """A tagged frame is delivered as stock delivers it: tags put back, with their TPID."""
    stock, ours = both(lab, "afpacket:eth0", "eth0", send=TAGS[tags], where=where)
    assert ours["shown"] == stock["shown"]
    assert len(ours["shown"]) == 3


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("snaplen", [13, 14, 18, 40])
def test_cut(lab, tags, snaplen):
    """With a short snaplen too."""
    options = ["-s", snaplen]
    stock, ours = both(lab, "afpacket:eth0", "eth0", *options, send=TAGS[tags], where=netlab.SENDER)
    assert ours["shown"] == stock["shown"]


@pytest.mark.parametrize("where", [netlab.SENDER, netlab.SENSOR], ids=["received", "sent"])
@pytest.mark.parametrize("text", FILTERS, ids=lambda text: text or "none")
def test_filter(lab, text, where):
    """A filter on our live handle matches what it matches on stock's, for every kind of tag."""
    captures = [
        lab.capture("eth0", "-f", text, stock=True),
        lab.capture("afpacket:eth0", "-f", text),
    ]
    interface = "peer0" if where == netlab.SENDER else "eth0"
    for i, send in enumerate(TAGS.values()):
        lab.send(interface, "-n", 3, "-q", 10 * i, *send, where=where)
    stock, ours = netlab.stop(*captures)
    assert named(ours) == named(stock)


@pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: its first block knows no direction")
@pytest.mark.parametrize("device", ["afpacket:eth0", "afpacket:any"])
@pytest.mark.parametrize("text", ["inbound", "outbound"])
@pytest.mark.parametrize("where", [netlab.SENDER, netlab.SENSOR], ids=["received", "sent"])
def test_direction_filter(lab, device, text, where):
    """`inbound` and `outbound` hold for every packet. (Stock evaluates the filter itself for the block
    that was open when the filter came, and knows no direction there: no reference for a test.)"""
    capture = lab.capture(device, "-f", text)
    interface = "peer0" if where == netlab.SENDER else "eth0"
    for i, send in enumerate(TAGS.values()):
        lab.send(interface, "-n", 3, "-q", 10 * i, *send, where=where)
    matches = (text == "inbound") == (where == netlab.SENDER)
    assert named(capture.stop()) == dict.fromkeys(TAGS, 3 if matches else 0)


def named(result):
    """Which kinds of frames arrived, and how many of each."""
    return {name: len([n for n in result.seen if n // 10 == i]) for i, name in enumerate(TAGS)}


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("dlt", ["LINUX_SLL", "LINUX_SLL2"])
def test_any(lab, tags, dlt):
    """Cooked: version 1 gets its tag back at offset 14, version 2 loses it, as stock."""
    options = ["-y", dlt]
    stock, ours = both(lab, "afpacket:any", "any", *options, send=TAGS[tags], where=netlab.SENDER)
    assert ours["shown"] == stock["shown"]


@pytest.mark.parametrize("dlt", ["LINUX_SLL", "LINUX_SLL2"])
@pytest.mark.parametrize("text", ["ip", "udp port 7777", "not ip6", "arp"])
def test_any_filter(lab, dlt, text):
    """Filters on the cooked handle match what stock's match."""
    captures = [
        lab.capture("any", "-y", dlt, "-f", text, stock=True),
        lab.capture("afpacket:any", "-y", dlt, "-f", text),
    ]
    for i, send in enumerate(TAGS.values()):
        lab.send("peer0", "-n", 3, "-q", 10 * i, *send)
    stock, ours = netlab.stop(*captures)
    assert named(ours) == named(stock)


@pytest.mark.parametrize("dlt", ["LINUX_SLL", "LINUX_SLL2"])
def test_any_no_vlan_filter(lab, dlt):
    """`vlan` does not compile on a cooked handle, in stock's words."""
    words = []
    for device, stock in (("any", True), ("afpacket:any", False)):
        capture = lab.capture(device, "-y", dlt, "-f", "vlan", stock=stock, ready=False)
        words.append(capture.result()["error"])
    assert words[0] == words[1]
    assert "VLAN" in words[0]


@pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no vlan option")
@pytest.mark.parametrize(
    "option, expected", [("100", {1}), ("200", {3, 4, 5}), ("100+300", {1, 6})]
)
def test_option(lab, option, expected):
    """vlan=100+300 keeps these ids of the outer tag, and nothing else."""
    capture = lab.capture(f"afpacket:eth0?vlan={option}")
    for i, send in enumerate(TAGS.values()):
        lab.send("peer0", "-n", 3, "-q", 10 * i, *send)
    assert {n // 10 for n in capture.stop().seen} == expected
