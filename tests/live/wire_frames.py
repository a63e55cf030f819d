# SPDX-License-Identifier: BSD-3-Clause
"""Frames of flows, in every shape that decides who gets a packet: IPv4, IPv6, tags, fragments, tunnels,
broadcasts, and what is no IP. Each carries the stamp of tests/tools/stamp.h with its own number.

A receiving kernel takes an outer tag 0x8100 or 0x88a8 out of a frame before any socket sees it, as a
network card does: such a tag is beside the packet. One of 0x9100, and whatever is further in, stays in
band."""

import random
import struct
from dataclasses import dataclass

MARK = 0xACCE1E7A
GATEWAY = bytes.fromhex("0277000000fe")
BROADCAST_MAC = b"\xff" * 6
TCP, UDP, ICMP, IPIP, SCTP, FRAGMENT, ICMP6 = 6, 17, 1, 4, 132, 44, 58


@dataclass(frozen=True)
class End:
    mac: bytes
    ip4: bytes
    ip6: bytes
    port: int


@dataclass(frozen=True)
class Packet:
    """One packet of a flow: from whom to whom, and its number."""

    number: int
    flow: int
    back: bool
    src: End
    dst: End

    @property
    def stamp(self):
        return struct.pack("!IIQ", MARK, self.flow | self.back << 31, self.number)


def flow_ends(flow):
    """The two ends of a flow. Some are in 10/8, some in 10.0.0/24, some behind the gateway."""
    dice = random.Random(flow)

    def end(nets, macs):
        net = dice.choice(nets)
        host = bytes([*net, *dice.randbytes(4 - len(net))])
        ip6 = bytes.fromhex("20010db8") + bytes([0, net[-1]]) + dice.randbytes(10)
        mac = dice.choice(macs) or b"\x02\x77" + dice.randbytes(4)
        return End(mac, host, ip6, dice.choice([53, 80, 443, dice.randrange(1024, 65536)]))

    client = end([(10,), (10, 0, 0), (172, 16)], [None])
    return client, end([(10,), (10, 0, 0), (192, 168), (8, 8)], [GATEWAY, None, None])


def ether(packet, proto, payload, *tags, dst=None):
    head = (dst or packet.dst.mac) + packet.src.mac
    for tpid, tci in tags:
        head += struct.pack("!HH", tpid, tci)
    return (head + struct.pack("!H", proto) + payload).ljust(60, b"\0")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def ip4(packet, proto, payload, fragment=0, dst=None):
    head = struct.pack(
        "!BBHHHBBH",
        0x45,
        packet.number & 255,
        20 + len(payload),
        packet.flow,
        fragment,
        64,
        proto,
        0,
    )
    addresses = packet.src.ip4 + (dst or packet.dst.ip4)
    return head[:10] + struct.pack("!H", checksum(head + addresses)) + addresses + payload


def ip6(packet, proto, payload, fragment=None):
    if fragment is not None:
        payload = struct.pack("!BBHI", proto, 0, fragment, packet.flow) + payload
        proto = FRAGMENT
    head = struct.pack("!IHBB", 0x60000000, len(payload), proto, 64)
    return head + packet.src.ip6 + packet.dst.ip6 + payload


def udp(packet, src=None, dst=None, head=b""):
    data = head + packet.stamp
    ports = struct.pack("!HH", src or packet.src.port, dst or packet.dst.port)
    return ports + struct.pack("!HH", 8 + len(data), 0) + data


def tcp(packet):
    ports = struct.pack("!HH", packet.src.port, packet.dst.port)
    return ports + struct.pack("!IIBBHHH", packet.number, 0, 0x50, 0x10, 1024, 0, 0) + packet.stamp


def icmp(packet):
    return struct.pack("!BBHHH", 0 if packet.back else 8, 0, 0, packet.flow, 1) + packet.stamp


def icmp6(packet):
    return struct.pack("!BBHHH", 129 - (not packet.back), 0, 0, packet.flow, 1) + packet.stamp


def sctp(packet):
    return struct.pack("!HHII", packet.src.port, packet.dst.port, 1, 0) + packet.stamp


def rtp(packet):
    """Ports that differ by the direction, as those of a call do."""
    src, dst = (2 * (1000 + packet.flow + end) for end in (packet.back, not packet.back))
    return udp(packet, src, dst, bytes([0x80, 0, 0, 1]) + bytes(8))


def sip(packet):
    return udp(packet, *((packet.src.port, 5060) if packet.back else (5060, packet.dst.port)))


def v4(packet, payload=tcp, proto=TCP, *tags):
    return ether(packet, 0x0800, ip4(packet, proto, payload(packet)), *tags)


def v6(packet, payload=tcp, proto=TCP, *tags):
    return ether(packet, 0x86DD, ip6(packet, proto, payload(packet)), *tags)


def inner(packet):
    """Both ends of what is within are another pair."""
    return ip4(packet, TCP, tcp(packet), dst=packet.dst.ip4[::-1])


def later(packet):
    """What follows a later fragment's header is payload that could be ports: never the flow's."""
    return struct.pack("!II", packet.number, ~packet.number & 0xFFFFFFFF) + packet.stamp


MORE, AT_64 = 0x2000, 8
CTAG, STAG, OLD = 0x8100, 0x88A8, 0x9100

MAIN = {
    "ip udp": lambda p: v4(p, udp, UDP),
    "ip6 tcp": v6,
    "vlan tcp": lambda p: v4(p, tcp, TCP, (CTAG, 0x6000 | 5)),
    "vlan in band": lambda p: v4(p, udp, UDP, (OLD, 100)),
    "qinq udp6": lambda p: v6(p, udp, UDP, (STAG, 7), (CTAG, 5)),
    "first fragment": lambda p: ether(p, 0x0800, ip4(p, UDP, udp(p), MORE)),
    "later fragment": lambda p: ether(p, 0x0800, ip4(p, UDP, later(p), AT_64)),
    "later fragment6": lambda p: ether(p, 0x86DD, ip6(p, UDP, later(p), AT_64 << 3)),
}
OTHER = {
    "tcp": v4,
    "icmp": lambda p: v4(p, icmp, ICMP),
    "sctp": lambda p: v4(p, sctp, SCTP),
    "udp6": lambda p: v6(p, udp, UDP),
    "icmp6": lambda p: v6(p, icmp6, ICMP6),
    "first fragment6": lambda p: ether(p, 0x86DD, ip6(p, UDP, udp(p), 1)),
    "fragment in a vlan": lambda p: ether(p, 0x0800, ip4(p, UDP, later(p), AT_64), (CTAG, 100)),
    "fragment6 in qinq": lambda p: ether(p, 0x86DD, ip6(p, UDP, udp(p), 1), (STAG, 7), (CTAG, 5)),
    "qinq of one type": lambda p: v4(p, tcp, TCP, (CTAG, 7), (CTAG, 100)),
    "two tags in band": lambda p: v6(p, tcp, TCP, (OLD, 7), (CTAG, 5)),
    "three tags": lambda p: v4(p, udp, UDP, (STAG, 7), (CTAG, 5), (CTAG, 100)),
    "four tags": lambda p: v4(p, udp, UDP, (STAG, 7), (CTAG, 5), (CTAG, 100), (CTAG, 1)),
    "priority": lambda p: v4(p, tcp, TCP, (CTAG, 0xE000)),
    "arp": lambda p: ether(
        p,
        0x0806,
        bytes.fromhex("0001080006040002") + p.src.mac + p.src.ip4 + p.dst.mac + p.dst.ip4 + p.stamp,
    ),
    "no ip": lambda p: ether(p, 0x88CC, bytes(20) + p.stamp),
    "broadcast mac": lambda p: ether(p, 0x0800, ip4(p, UDP, udp(p)), dst=BROADCAST_MAC),
    "broadcast ip": lambda p: ether(
        p, 0x0800, ip4(p, UDP, udp(p), dst=b"\xff" * 4), dst=BROADCAST_MAC
    ),
    "multicast": lambda p: ether(
        p, 0x0800, ip4(p, UDP, udp(p), dst=bytes([224, 0, 1, 5])), dst=bytes.fromhex("01005e000105")
    ),
    "tunnel": lambda p: v4(p, inner, IPIP),
    "rtp": lambda p: v4(p, rtp, UDP),
    "sip": lambda p: v4(p, sip, UDP),
}
KINDS = MAIN | OTHER


class Frames:
    """A file of frames, as group_wire and lang_oracle read it, and what stands in its lines."""

    def __init__(self):
        self.lines = []
        self.names = []

    def add(self, kind, flow, device):
        """Both directions of the flow, each on a device of its own as behind a tap."""
        there, here = flow_ends(flow)
        for back, src, dst in ((False, there, here), (True, here, there)):
            packet = Packet(len(self.lines), flow, back, src, dst)
            peer = f"peer{device ^ back}"
            self.lines.append(f"{peer} {KINDS[kind](packet).hex()}\n")
            self.names.append(f"{kind}, flow {flow}{', back' * back}, on {peer}")

    def write(self, path):
        path.write_text("".join(self.lines))
