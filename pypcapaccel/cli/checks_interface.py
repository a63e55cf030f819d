# SPDX-License-Identifier: BSD-3-Clause
"""What costs packets on an interface: rows of doctor's table. See checks.py.

Threads: none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .finding import Finding, fail, ok, warn
from .host import MIB, RING, Host

MAX_DESCRIPTORS = 1024  # more leave the L3 cache


def look_at_state(host: Host) -> Iterator[Finding]:
    state = host.text(host.net("operstate"))
    flags = max(host.number(host.net("flags"), 16), 0)
    if not flags & 1:
        yield fail(f"{host.iface} is down", f"ip link set dev {host.iface} up")
    elif state == "down":
        yield fail(f"{host.iface} has no link", "plug the cable in, or look at the other end")
    else:
        yield ok(f"{host.iface} is up")
    if flags & 0x100:
        yield warn(
            "promiscuous mode was set by hand, captures do it themselves",
            f"ip link set dev {host.iface} promisc off",
        )
    if host.exists(host.net("master")):
        yield warn(
            "it belongs to a bridge or a bond: capturing on both shows packets twice",
            "capture on one of them",
        )
    upper = [path.name[len("upper_") :] for path in host.glob(host.net("upper_*"))]
    if upper and not host.exists(host.net("master")):
        yield warn(
            f"{', '.join(upper)} is on top of it: capturing on both shows packets twice",
            "capture on one of them",
        )
    if not upper and not host.exists(host.net("master")) and not host.has_address:
        yield from _look_at_speech(host, flags)


def _look_at_speech(host: Host, flags: int) -> Iterator[Finding]:
    """What an interface says that is there to listen."""
    if not flags & 0x80:
        yield warn(
            "ARP is on: the host answers for its other addresses, and on this link it has none",
            f"ip link set dev {host.iface} arp off",
        )
    if host.number(f"/proc/sys/net/ipv6/conf/{host.iface}/disable_ipv6") == 0:
        yield warn(
            "IPv6 is on: the host itself speaks on the link",
            f"sysctl -w net.ipv6.conf.{host.iface}.disable_ipv6=1",
        )


OFFLOADS = {
    "large-receive-offload": (
        "fail",
        "lro",
        "it joins packets so that nobody can take them apart again",
    ),
    "generic-receive-offload": ("warn", "gro", "packets are joined before the captures see them"),
    "rx-gro-hw": ("warn", "rx-gro-hw", "the card joins packets"),
    "rx-udp-gro-forwarding": ("warn", "rx-udp-gro-forwarding", "UDP packets are joined"),
    "hw-tc-offload": ("warn", "hw-tc-offload", "packets may pass the host by"),
    "tcp-segmentation-offload": ("warn", "tso", "what the host sends is seen before it is cut"),
    "generic-segmentation-offload": ("warn", "gso", "what the host sends is seen before it is cut"),
    "ntuple-filters": ("warn", "ntuple", "the card chooses queues by itself, and reorders flows"),
}


def look_at_offloads(host: Host) -> Iterator[Finding]:
    if not host.features:
        yield warn("what the card does by itself is not known", "apt-get install ethtool")
        return
    wrong = False
    for name, (level, short, why) in OFFLOADS.items():
        if host.features.get(name) == "on":
            wrong = True
            yield Finding(level, f"{name} is on: {why}", f"ethtool -K {host.iface} {short} off")
    if not wrong:
        yield ok("packets arrive as they were on the wire")


def _is_symmetric(told: str) -> bool:
    key = re.search(r"((?:[0-9a-f]{2}:)+[0-9a-f]{2})", told)
    pairs = key.group(1).split(":") if key else []
    repeated = len(pairs) > 3 and all(byte == pairs[i % 2] for i, byte in enumerate(pairs))
    return repeated or re.search(r"symmetric-\w+: on", told) is not None


# As ethtool tells the fields that a card computes its hash of.
TO_MAC, FROM, TO = "L2DA", "IP SA", "IP DA"
FROM_PORT, TO_PORT = "L4 bytes 0 & 1", "L4 bytes 2 & 3"
PROTOCOLS = ("tcp4", "tcp6", "udp4", "udp6")


def _fields(told: str) -> set[str]:
    """Of `ethtool -n IFACE rx-flow-hash`; none where the driver does not say."""
    return {name for name in (TO_MAC, FROM, TO, FROM_PORT, TO_PORT) if f"\n{name}" in told}


def _look_at_fields(host: Host) -> Iterator[Finding]:
    """What the queues of a card are chosen by. TCP may have its ports in it: it is not sent in fragments."""
    fields = {name: _fields(host.ask_ethtool("-n", "rx-flow-hash", name)) for name in PROTOCOLS}
    one_way = [
        name
        for name, has in fields.items()
        if TO_MAC in has or (FROM in has) != (TO in has) or (FROM_PORT in has) != (TO_PORT in has)
    ]
    for kind, mended in (("tcp", "sdfn"), ("udp", "sd")):
        parted = [name for name in one_way if name.startswith(kind)]
        if parted:
            yield warn(
                f"the card's hash of {', '.join(parted)} is not the same for the two directions of a flow",
                _hash_of(host.iface, parted, mended),
            )
    with_ports = [
        name
        for name, has in fields.items()
        if name.startswith("udp") and name not in one_way and FROM_PORT in has
    ]
    if with_ports:
        yield warn(
            f"the card's hash of {', '.join(with_ports)} has the ports in it, "
            f"which fragments do not have: they may be in another queue than their flow",
            _hash_of(host.iface, with_ports, "sd"),
        )


def _hash_of(iface: str, names: list[str], fields: str) -> str:
    """The commands that set the fields."""
    return "; ".join(f"ethtool -N {iface} rx-flow-hash {name} {fields}" for name in names)


def look_at_queues(host: Host) -> Iterator[Finding]:
    queues = host.glob(host.net("queues/rx-*"))
    told = host.ask_ethtool("-x")
    fields = list(_look_at_fields(host)) if len(queues) > 1 else []
    yield from fields
    if len(queues) > 1 and not _is_symmetric(told):
        yield warn(
            f"{len(queues)} queues, and the two directions of a flow may be in different ones",
            f"ethtool -L {host.iface} combined 1, or: ethtool -X {host.iface} hkey {':'.join(['6D:5A'] * 20)}",
        )
    elif queues and not fields:
        yield ok(
            f"{len(queues)} receive queue{'s' if len(queues) > 1 else ''}, directions in order"
        )
    for queue in queues:
        mask = (queue / "rps_cpus").read_text().strip() if (queue / "rps_cpus").exists() else "0"
        if bin(int(mask.replace(",", "") or "0", 16)).count("1") > 1:
            yield warn(
                f"{queue.name} is spread over CPUs (RPS)",
                f"echo 0 >{host.net('queues')}/{queue.name}/rps_cpus",
            )


def look_at_node(host: Host) -> Iterator[Finding]:
    """Interrupts on the CPUs of the card's own memory node, and rings in its memory."""
    node = host.number(host.net("device/numa_node"))
    nodes = host.glob("/sys/devices/system/node/node[0-9]*")
    if node < 0 or len(nodes) < 2:
        yield ok("its memory is as near to every CPU")
        return
    near = f"/sys/devices/system/node/node{node}/cpulist"
    cpus = host.text(near)
    far = [
        path.name
        for path in host.glob(host.net("device/msi_irqs/*"))
        if host.cpus(f"/proc/irq/{path.name}/smp_affinity_list") - host.cpus(near)
    ]
    if far:
        yield warn(
            f"interrupts {', '.join(far)} of the card may come on CPUs of another memory node than its own ({node})",
            f"for i in {' '.join(far)}; do echo {cpus} >/proc/irq/$i/smp_affinity_list; done",
        )
    else:
        yield ok(f"its interrupts are on the CPUs of its memory node ({cpus})")
    yield from _look_at_memory(host, node)


def _look_at_memory(host: Host, node: int) -> Iterator[Finding]:
    """Of a memory node. Where it has none free, the kernel takes another's before it empties caches."""
    meminfo = host.text(f"/sys/devices/system/node/node{node}/meminfo")
    found = re.search(r"MemFree:\s*(\d+) kB", meminfo)
    if found and int(found.group(1)) * 1024 < RING * 11 // 10:
        yield warn(
            f"{int(found.group(1)) * 1024 // MIB} MiB are free on the card's memory node ({node}), a ring takes "
            f"{RING // MIB}: the rest would be on another",
            f"numactl --membind={node} PROGRAM, or: sysctl -w vm.drop_caches=1",
        )
    elif found:
        yield ok(f"{int(found.group(1)) * 1024 // MIB} MiB are free on its memory node ({node})")
    if host.long_pieces.get(node) == 0 and any(host.long_pieces.values()):
        yield warn(
            f"no free piece of memory on the card's memory node ({node}) is as long as a ring's block (1 MiB)",
            f"echo 1 >/sys/devices/system/node/node{node}/compact",
        )


def look_at_rings(host: Host) -> Iterator[Finding]:
    current = host.ask_ethtool("-g").partition("Current hardware settings")[2]
    found = re.search(r"^RX:\s*(\d+)", current, re.M)
    if found and int(found.group(1)) > MAX_DESCRIPTORS:
        yield warn(
            f"the card's ring has {found.group(1)} places, more than the CPU's cache keeps",
            f"ethtool -G {host.iface} rx {MAX_DESCRIPTORS}",
        )
    elif found:
        yield ok(f"the card's ring has {found.group(1)} places")
    if re.search(r"Adaptive RX: on", host.ask_ethtool("-c")):
        yield warn(
            "the card waits as long as it likes before it interrupts",
            f"ethtool -C {host.iface} adaptive-rx off rx-usecs 50",
        )
    if re.search(r"^RX:\s*on", host.ask_ethtool("-a"), re.M):
        yield warn(
            "pause frames hide that packets are lost", f"ethtool -A {host.iface} rx off tx off"
        )


_RX = r"(?:^|\.)rx.*"  # a counter of ethtool -S: rx_missed, port.rx_oversize, rx_oversize.nic
_CARD_LOSES = re.compile(_RX + r"(miss|no_buf|no_dma|out_of_buf|discard)")
COUNTERS = ("rx_dropped", "rx_missed_errors", "rx_fifo_errors", "rx_over_errors")


_CARD_REFUSES = re.compile(_RX + r"(long_length|too_?long|oversize|jabber)")
LENGTH_COUNTERS = ("rx_length_errors",)
JUMBO = 9000


def _lost(host: Host, counters: tuple[str, ...], of_card: re.Pattern[str]) -> str:
    """Those of the kernel's counters, and of what ethtool -S tells, that are not 0."""
    lost = {name: host.number(host.net(f"statistics/{name}")) for name in counters}
    for name, n in re.findall(r"^\s*([\w.]+): (\d+)$", host.ask_ethtool("-S"), re.M):
        if of_card.search(name) and name not in lost:
            lost[name] = int(n)
    return ", ".join(f"{name} {n}" for name, n in lost.items() if n > 0)


def look_at_drops(host: Host) -> Iterator[Finding]:
    shown = _lost(host, COUNTERS, _CARD_LOSES)
    if shown:
        yield warn(
            f"the interface has lost packets since it came up: {shown}",
            f"ethtool -S {host.iface} | grep -E 'miss|drop|no_buf'",
        )
    refused = _lost(host, LENGTH_COUNTERS, _CARD_REFUSES)
    if refused and host.number(host.net("mtu")) >= JUMBO:
        yield warn(
            f"the card has thrown frames away for their length, though its MTU is jumbo frames': {refused}",
            f"ethtool -S {host.iface} | grep -E 'long|short|size|jabber'",
        )
    elif refused:
        mtu = host.text(host.net("mtu")).strip() or "unknown"
        yield warn(
            f"the card has thrown frames away for their length, most likely longer than its MTU of {mtu}: {refused}",
            f"ip link set dev {host.iface} mtu {JUMBO}",
        )
    if not shown and not refused:
        yield ok("the interface has lost nothing")
