# SPDX-License-Identifier: BSD-3-Clause
"""What costs packets on a host, as a table: each row looks at one thing and says ok, warn or fail, with the
command that mends it. The figures behind the rows: libpcap-accel/README.md and the manuals of the drivers.

Threads: none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .host import Host

__all__ = ["CHECKS", "Check", "Finding", "examine"]

MIB = 1 << 20
RING = 64 * MIB  # of a capture, by default
MAX_DESCRIPTORS = 1024  # more leave the L3 cache
FIRST_KERNEL = (4, 20)  # PACKET_IGNORE_OUTGOING
CAP_NET_RAW = 13
ORDER_1MIB = 8  # pages of 4 KiB


class Finding(NamedTuple):
    """What a row has seen."""

    level: str  # ok, warn, fail
    text: str
    fix: str = ""


class Check(NamedTuple):
    """A row."""

    name: str
    of_interface: bool
    look: Callable[[Host], Iterator[Finding]]


def ok(text: str) -> Finding:
    return Finding("ok", text)


def warn(text: str, fix: str) -> Finding:
    return Finding("warn", text, fix)


def fail(text: str, fix: str) -> Finding:
    return Finding("fail", text, fix)


# ---- the host ----


def look_at_kernel(host: Host) -> Iterator[Finding]:
    release = host.text("/proc/sys/kernel/osrelease")
    numbers = tuple(int(n) for n in re.findall(r"\d+", release)[:2])
    if numbers and numbers < FIRST_KERNEL:
        yield fail(f"Linux {release} is older than 4.20", "install a newer kernel")
    else:
        yield ok(f"Linux {release}")
    jit = host.number("/proc/sys/net/core/bpf_jit_enable")
    if jit == 0:
        yield warn("packet filters are interpreted", "sysctl -w net.core.bpf_jit_enable=1")
    elif jit > 0:
        yield ok("packet filters are compiled by the kernel")


def look_at_privileges(host: Host) -> Iterator[Finding]:
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", host.text("/proc/self/status"), re.M)
    if found and int(found.group(1), 16) >> CAP_NET_RAW & 1:
        yield ok("this user may capture (CAP_NET_RAW)")
    else:
        yield fail(
            "this user may not capture: no CAP_NET_RAW",
            "run it as root, or: setcap cap_net_raw+ep PROGRAM",
        )


def look_at_memory(host: Host) -> Iterator[Finding]:
    found = re.search(r"^MemAvailable:\s*(\d+) kB", host.text("/proc/meminfo"), re.M)
    if found and int(found.group(1)) * 1024 < RING * 11 // 10:
        free = int(found.group(1)) // 1024
        yield fail(
            f"{free} MiB of memory are free, a ring takes 64",
            "PCAP_ACCEL_BUFFER=8MiB, or end other programs",
        )
    elif found:
        yield ok(f"{int(found.group(1)) // 1024} MiB of memory are free")
    blocks = [
        line.split()[4:]
        for line in host.text("/proc/buddyinfo").splitlines()
        if "Normal" in line or "DMA32" in line
    ]
    if blocks and not any(int(n) for block in blocks for n in block[ORDER_1MIB:]):
        yield warn(
            "no free piece of memory is as long as a ring's block (1 MiB)",
            "sysctl -w vm.compact_memory=1",
        )


def look_at_cpus(host: Host) -> Iterator[Finding]:
    if "irqbalance" in host.processes.values():
        yield warn(
            "irqbalance moves the interrupts of network cards", "systemctl disable --now irqbalance"
        )
    governors = {
        path.read_text().strip()
        for path in host.glob("/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")
    }
    slow = sorted(governors - {"performance"})
    if slow:
        yield warn(
            f"the CPUs' governor is {', '.join(slow)}", "cpupower frequency-set -g performance"
        )
    if "irqbalance" not in host.processes.values() and not slow:
        yield ok("nothing moves interrupts or slows the CPUs")


def look_at_softnet(host: Host) -> Iterator[Finding]:
    rows = [line.split() for line in host.text("/proc/net/softnet_stat").splitlines()]
    dropped = sum(int(row[1], 16) for row in rows if len(row) > 2)
    squeezed = sum(int(row[2], 16) for row in rows if len(row) > 2)
    if dropped:
        yield warn(
            f"{dropped} packets were dropped before any capture (backlog full)",
            "sysctl -w net.core.netdev_max_backlog=10000",
        )
    if squeezed:
        yield warn(
            f"the kernel ran out of its receive budget {squeezed} times",
            "sysctl -w net.core.netdev_budget=600 net.core.netdev_budget_usecs=8000",
        )
    if rows and not dropped and not squeezed:
        yield ok("no packet was dropped before the captures")


def look_at_packet_sockets(host: Host) -> Iterator[Finding]:
    rows = [line.split() for line in host.text("/proc/net/packet").splitlines()[1:]]
    everything = {row[8] for row in rows if len(row) > 8 and row[3] == "0003"}
    if not everything:
        yield ok("no other program looks at all packets")
        return
    owners = sorted(set(host.owners(everything).values()))
    who = ", ".join(owners) or "programs of other users"
    yield warn(
        f"{len(everything)} sockets look at all packets, each costs every packet 300 ns: {who}",
        "end those that are not needed",
    )


def look_at_fragments(host: Host) -> Iterator[Finding]:
    lines = [
        line.split() for line in host.text("/proc/net/snmp").splitlines() if line.startswith("Ip:")
    ]
    counters = dict(zip(*lines, strict=False)) if len(lines) == 2 else {}
    failed = int(counters.get("ReasmFails", 0))
    if failed:
        yield warn(
            f"{failed} fragmented packets could not be put together",
            "sysctl -w net.ipv4.ipfrag_high_thresh=67108864",
        )


# ---- an interface ----


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


def look_at_queues(host: Host) -> Iterator[Finding]:
    queues = host.glob(host.net("queues/rx-*"))
    told = host.ask_ethtool("-x")
    if len(queues) > 1 and not _is_symmetric(told):
        yield warn(
            f"{len(queues)} queues, and the two directions of a flow may be in different ones",
            f"ethtool -L {host.iface} combined 1, or: ethtool -X {host.iface} hkey {':'.join(['6D:5A'] * 20)}",
        )
    elif queues:
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


COUNTERS = ("rx_dropped", "rx_missed_errors", "rx_fifo_errors", "rx_over_errors")


def look_at_drops(host: Host) -> Iterator[Finding]:
    lost = {name: host.number(host.net(f"statistics/{name}")) for name in COUNTERS}
    bad = {name: n for name, n in lost.items() if n > 0}
    if bad:
        shown = ", ".join(f"{name} {n}" for name, n in bad.items())
        yield warn(
            f"the interface has lost packets since it came up: {shown}",
            f"ethtool -S {host.iface} | grep -E 'miss|drop|no_buf'",
        )
    else:
        yield ok("the interface has lost nothing")


CHECKS = (
    Check("kernel", False, look_at_kernel),
    Check("privileges", False, look_at_privileges),
    Check("memory", False, look_at_memory),
    Check("cpus", False, look_at_cpus),
    Check("backlog", False, look_at_softnet),
    Check("packet sockets", False, look_at_packet_sockets),
    Check("fragments", False, look_at_fragments),
    Check("interface", True, look_at_state),
    Check("offloads", True, look_at_offloads),
    Check("queues", True, look_at_queues),
    Check("card", True, look_at_rings),
    Check("drops", True, look_at_drops),
)


def examine(host: Host) -> list[tuple[str, Finding]]:
    """Every row that concerns it, in order: (name, finding)."""
    rows = [check for check in CHECKS if host.iface or not check.of_interface]
    return [(check.name, finding) for check in rows for finding in check.look(host)]
