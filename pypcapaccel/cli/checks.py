# SPDX-License-Identifier: BSD-3-Clause
"""What costs packets on a host, as a table: each row looks at one thing and says ok, warn or fail, with the
command that mends it. The figures behind the rows: libpcap-accel/README.md and the manuals of the drivers.

Threads: none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from . import checks_interface as interface
from .finding import Finding, fail, ok, warn
from .host import RING, Host
from .target import is_confined, is_of_system

__all__ = ["CHECKS", "Check", "examine"]

FIRST_KERNEL = (4, 20)  # PACKET_IGNORE_OUTGOING
GROUP_KERNEL = (5, 12)  # PACKET_FANOUT_FLAG_IGNORE_OUTGOING
CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN, CAP_BPF = 12, 13, 21, 39
# C-state; waking from a deeper one takes longer than a ring's first packets may wait.
DEEPEST_SLEEP = 3


class Check(NamedTuple):
    """A row."""

    name: str
    of_interface: bool
    look: Callable[[Host], Iterator[Finding]]


def look_at_kernel(host: Host) -> Iterator[Finding]:
    release = host.text("/proc/sys/kernel/osrelease")
    numbers = tuple(int(n) for n in re.findall(r"\d+", release)[:2])
    if numbers and numbers < FIRST_KERNEL:
        yield fail(f"Linux {release} is older than 4.20", "install a newer kernel")
    elif numbers and numbers < GROUP_KERNEL:
        yield warn(
            f"Linux {release} is older than 5.12: groups see what the host sends, too",
            "install a newer kernel, or direction=in",
        )
    else:
        yield ok(f"Linux {release}")
    jit = host.number("/proc/sys/net/core/bpf_jit_enable")
    if jit == 0:
        yield warn("packet filters are interpreted", "sysctl -w net.core.bpf_jit_enable=1")
    elif jit > 0:
        yield ok("packet filters are compiled by the kernel")


def look_at_privileges(host: Host) -> Iterator[Finding]:
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", host.text("/proc/self/status"), re.M)
    has = int(found.group(1), 16) if found else 0
    if not has >> CAP_NET_RAW & 1:
        yield fail(
            "this user may not capture: no CAP_NET_RAW",
            "run it as root, or: setcap cap_net_raw+ep PROGRAM",
        )
        return
    yield ok("this user may capture (CAP_NET_RAW)")
    if not has >> CAP_NET_ADMIN & 1 or not has & (1 << CAP_BPF | 1 << CAP_SYS_ADMIN):
        yield warn(
            "this user may not capture on xdp: devices, which takes CAP_NET_ADMIN and CAP_BPF",
            "run it as root, or: setcap cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon+ep PROGRAM",
        )


def look_at_bpf(host: Host) -> Iterator[Finding]:
    has_btf = host.exists("/sys/kernel/btf/vmlinux")
    if has_btf:
        yield ok("the kernel describes its types (BTF), so xdp: devices tell VLAN tags")
    else:
        yield warn(
            "the kernel does not describe its types (BTF): xdp: devices cannot tell VLAN tags that a card took off",
            "install a kernel with CONFIG_DEBUG_INFO_BTF",
        )
    if not re.search(r"^\S+ \S+ bpf ", host.text("/proc/mounts"), re.M):
        yield warn(
            "no file system for BPF programs: bpftool cannot pin any, captures need none",
            "mount -t bpf bpf /sys/fs/bpf",
        )
    if host.number("/proc/sys/kernel/unprivileged_bpf_disabled") == 0:
        yield warn(
            "every user may load BPF programs; captures do not need it",
            "sysctl -w kernel.unprivileged_bpf_disabled=1",
        )


def look_at_apparmor(host: Host) -> Iterator[Finding]:
    for path in ("/usr/bin/tcpdump", "/usr/sbin/tcpdump"):
        if is_confined(path, str(host.root).rstrip("/")) and not is_of_system(host.library):
            yield warn(
                f"AppArmor lets {path} load libraries from the system's folders only, and ours is {host.library}",
                f"install it with -DCMAKE_INSTALL_PREFIX=/usr, or: aa-disable {path}",
            )
            return
    yield ok("AppArmor does not keep tcpdump from the library")


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
    if host.long_pieces and not any(host.long_pieces.values()):
        yield warn(
            "no free piece of memory is as long as a ring's block (1 MiB)",
            "sysctl -w vm.compact_memory=1",
        )


def _deep_states(host: Host) -> list[str]:
    """Names of sleeping states that are deeper than captures like, and in use."""
    found = []
    for path in host.glob("/sys/devices/system/cpu/cpu0/cpuidle/state*"):
        name = host.read(path / "name")
        depth = re.match(r"C(\d+)", name)
        if depth and int(depth.group(1)) > DEEPEST_SLEEP and host.read(path / "disable") == "0":
            found.append(name)
    return found


def look_at_cpus(host: Host) -> Iterator[Finding]:
    quiet = True
    if "irqbalance" in host.processes.values():
        quiet = False
        yield warn(
            "irqbalance moves the interrupts of network cards", "systemctl disable --now irqbalance"
        )
    governors = {
        host.read(path)
        for path in host.glob("/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")
    }
    slow = sorted(governors - {"performance"})
    if slow:
        quiet = False
        yield warn(
            f"the CPUs' governor is {', '.join(slow)}", "cpupower frequency-set -g performance"
        )
    deep = _deep_states(host)
    if deep:
        quiet = False
        yield warn(
            f"idle CPUs sleep deeply ({', '.join(deep)}), and the first packets wait until they wake",
            "cpupower idle-set -D 50",
        )
    if quiet:
        yield ok("nothing moves interrupts or slows the CPUs")


def look_at_isolated(host: Host) -> Iterator[Finding]:
    """CPUs that are kept from other programs; that none is, is nothing wrong."""
    isolated = host.cpus("/sys/devices/system/cpu/isolated")
    tickless = host.cpus("/sys/devices/system/cpu/nohz_full")
    shared = sorted(tickless - isolated)
    if shared:
        yield warn(
            f"CPUs {','.join(map(str, shared))} are without a tick (nohz_full), but not isolated: "
            f"a second program brings it back",
            f"boot with isolcpus={','.join(map(str, sorted(tickless | isolated)))}",
        )
    if isolated:
        told = host.text("/sys/devices/system/cpu/isolated")
        yield ok(
            f"CPUs {told} are isolated: a capture runs there if it is put there (taskset -c {told})"
        )


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
    n = len(everything)
    look = "1 socket looks" if n == 1 else f"{n} sockets look"
    yield warn(
        f"{look} at all packets, each costs every packet 300 ns: {who}",
        "end those that are not needed",
    )


def look_at_groups(host: Host) -> Iterator[Finding]:
    if host.fanouts is None:
        yield warn(
            "which fanout groups there are is not known", "run it as root; modprobe af_packet_diag"
        )
        return
    if not host.fanouts:
        yield ok("no program has a fanout group")
        return
    owners = host.owners({inode for inodes in host.fanouts.values() for inode in inodes})
    for (number, kind), inodes in sorted(host.fanouts.items()):
        who = ", ".join(sorted({owners.get(inode, "?") for inode in inodes}))
        yield ok(
            f"fanout group {number} ({kind}) is in use by {who}: another program takes another number"
        )


def look_at_captures(host: Host) -> Iterator[Finding]:
    losing = False
    for page in host.captures:
        if page.dropped:
            losing = True
            share = 100 * page.dropped / page.received if page.received else 0.0
            yield warn(
                f"{page.program} ({page.pid}) has lost {page.dropped} packets on {page.device}, {share:.1f} %: "
                f"its ring was full",
                "a larger ring (PCAP_ACCEL_BUFFER=256MiB), a filter, or more members of a group",
            )
    if not losing:
        yield ok(f"no packet is lost by captures with the library ({len(host.captures)} there)")


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


CHECKS = (
    Check("kernel", False, look_at_kernel),
    Check("privileges", False, look_at_privileges),
    Check("BPF", False, look_at_bpf),
    Check("AppArmor", False, look_at_apparmor),
    Check("memory", False, look_at_memory),
    Check("cpus", False, look_at_cpus),
    Check("isolated CPUs", False, look_at_isolated),
    Check("backlog", False, look_at_softnet),
    Check("packet sockets", False, look_at_packet_sockets),
    Check("groups", False, look_at_groups),
    Check("captures", False, look_at_captures),
    Check("fragments", False, look_at_fragments),
    Check("interface", True, interface.look_at_state),
    Check("offloads", True, interface.look_at_offloads),
    Check("queues", True, interface.look_at_queues),
    Check("memory node", True, interface.look_at_node),
    Check("card", True, interface.look_at_rings),
    Check("drops", True, interface.look_at_drops),
)


def examine(host: Host) -> list[tuple[str, Finding]]:
    """Every row that concerns it, in order: (name, finding)."""
    rows = [check for check in CHECKS if host.iface or not check.of_interface]
    return [(check.name, finding) for check in rows for finding in check.look(host)]
