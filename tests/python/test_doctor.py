# SPDX-License-Identifier: BSD-3-Clause
"""pcap-accel doctor: each row says ok on a good host, and its own words on one where just that is wrong."""

import json
from pathlib import Path

import pytest

from pypcapaccel.cli import checks, main
from pypcapaccel.cli.host import Host

GOOD = {
    "proc/sys/kernel/osrelease": "6.1.0-18-amd64",
    "proc/sys/net/core/bpf_jit_enable": "1",
    "proc/self/status": "Name:\tx\nCapEff:\t0000000000002000\n",
    "proc/meminfo": "MemTotal: 1 kB\nMemAvailable:  8000000 kB\n",
    "proc/buddyinfo": "Node 0, zone   Normal  1 1 1 1 1 1 1 1 1 1 1\n",
    "proc/1/comm": "init",
    "proc/net/softnet_stat": "0000ffff 00000000 00000000 0\n",
    "proc/net/packet": "sk RefCnt Type Proto Iface R Rmem User Inode\n",
    "proc/net/snmp": "Ip: InReceives ReasmFails\nIp: 10 0\n",
    "proc/sys/net/ipv6/conf/eth0/disable_ipv6": "1",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
    "sys/class/net/eth0/operstate": "up",
    "sys/class/net/eth0/flags": "0x1003",
    "sys/class/net/eth0/queues/rx-0/rps_cpus": "0",
    "sys/class/net/eth0/statistics/rx_dropped": "0",
}
ETHTOOL = {
    "-k": "Features for eth0:\nlarge-receive-offload: off\ngeneric-receive-offload: off\n"
    "hw-tc-offload: on [fixed]\nrx-checksumming: on\n",
    "-x": "RSS hash key:\n6d:5a:6d:5a:6d:5a:6d:5a\n",
    "-g": "Pre-set maximums:\nRX:\t\t4096\nCurrent hardware settings:\nRX:\t\t512\n",
    "-c": "Adaptive RX: off  TX: off\n",
    "-a": "Autonegotiate:\toff\nRX:\t\toff\n",
}

# name: (what is changed, row, level, words, what mends it)
BAD = {
    "old kernel": ({"proc/sys/kernel/osrelease": "4.19.0"}, "kernel", "fail", "4.19.0 is older than 4.20", "newer"),
    "no jit": ({"proc/sys/net/core/bpf_jit_enable": "0"}, "kernel", "warn", "interpreted", "bpf_jit_enable=1"),
    "no capability": ({"proc/self/status": "CapEff:\t0000000000000000"}, "privileges", "fail", "may not", "setcap"),
    "no memory": ({"proc/meminfo": "MemAvailable: 1024 kB"}, "memory", "fail", "1 MiB of memory", "BUFFER"),
    "in pieces": (
        {"proc/buddyinfo": "Node 0, zone   Normal  9 9 9 9 9 9 9 9 0 0 0"},
        "memory", "warn", "no free piece", "compact_memory",
    ),
    "irqbalance": ({"proc/7/comm": "irqbalance"}, "cpus", "warn", "irqbalance moves", "systemctl disable"),
    "governor": (
        {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave"},
        "cpus", "warn", "governor is powersave", "cpupower",
    ),
    "backlog": ({"proc/net/softnet_stat": "ff 0000000a 0 0"}, "backlog", "warn", "10 packets were dropped", "backlog"),
    "budget": ({"proc/net/softnet_stat": "ff 0 0000000b 0"}, "backlog", "warn", "budget 11 times", "netdev_budget"),
    "other sockets": (
        {"proc/net/packet": "sk\nffff 3 3 0003 2 1 0 0 4711\nffff 3 3 0800 2 1 0 0 4712\n"},
        "packet sockets", "warn", "1 sockets look at all packets", "end those",
    ),
    "fragments": (
        {"proc/net/snmp": "Ip: InReceives ReasmFails\nIp: 10 3\n"},
        "fragments", "warn", "3 fragmented packets", "ipfrag_high_thresh",
    ),
    "down": ({"sys/class/net/eth0/flags": "0x1002"}, "interface", "fail", "eth0 is down", "ip link set dev eth0 up"),
    "no link": ({"sys/class/net/eth0/operstate": "down"}, "interface", "fail", "has no link", "cable"),
    "promisc": ({"sys/class/net/eth0/flags": "0x1103"}, "interface", "warn", "by hand", "promisc off"),
    "bridge": ({"sys/class/net/eth0/master": ""}, "interface", "warn", "bridge or a bond", "one of them"),
    "IPv6": ({"proc/sys/net/ipv6/conf/eth0/disable_ipv6": "0"}, "interface", "warn", "IPv6 is on", "disable_ipv6=1"),
    "LRO": ({"-k": "large-receive-offload: on\n"}, "offloads", "fail", "nobody can take them apart", "lro off"),
    "GRO": ({"-k": "generic-receive-offload: on\n"}, "offloads", "warn", "packets are joined", "gro off"),
    "no ethtool": ({"-k": ""}, "offloads", "warn", "is not known", "apt-get install ethtool"),
    "queues": (
        {"-x": "RSS hash key:\n6d:5a:11:5a\n", "sys/class/net/eth0/queues/rx-1/rps_cpus": "0"},
        "queues", "warn", "2 queues, and the two directions", "ethtool -L eth0 combined 1",
    ),
    "RPS": ({"sys/class/net/eth0/queues/rx-0/rps_cpus": "3"}, "queues", "warn", "spread over CPUs", "echo 0"),
    "ring": ({"-g": "Current hardware settings:\nRX:\t\t4096\n"}, "card", "warn", "has 4096 places", "rx 1024"),
    "adaptive": ({"-c": "Adaptive RX: on\n"}, "card", "warn", "as long as it likes", "adaptive-rx off"),
    "pause": ({"-a": "RX:\t\ton\n"}, "card", "warn", "pause frames", "rx off"),
    "drops": ({"sys/class/net/eth0/statistics/rx_missed_errors": "5"}, "drops", "warn", "rx_missed_errors 5", "-S"),
}  # fmt: skip


@pytest.fixture
def host(tmp_path):
    """host(changes): a host in a folder, with an ethtool that answers from files."""

    def make(changes):
        root = tmp_path / "root"
        for name, text in {
            **GOOD,
            **{k: v for k, v in changes.items() if not k.startswith("-")},
        }.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        answers = {**ETHTOOL, **{k: v for k, v in changes.items() if k.startswith("-")}}
        for option, text in answers.items():
            (tmp_path / f"answer{option}").write_text(text)
        ethtool = tmp_path / "ethtool"
        ethtool.write_text(f'#!/bin/sh\n[ "$2" = eth0 ] && exec cat "{tmp_path}/answer$1"\n')
        ethtool.chmod(0o755)
        return Host("eth0", str(root), str(ethtool))

    return make


def test_a_good_host(host):
    assert [f for _, f in checks.examine(host({})) if f.level != "ok"] == []


@pytest.mark.parametrize(("changes", "row", "level", "words", "fix"), BAD.values(), ids=BAD)
def test_what_is_wrong(host, changes, row, level, words, fix):
    """One finding that is not ok, and it is this."""
    found = [(name, f) for name, f in checks.examine(host(changes)) if f.level != "ok"]
    assert len(found) == 1, found
    name, finding = found[0]
    assert (name, finding.level) == (row, level)
    assert words in finding.text and fix in finding.fix


def test_every_row_has_a_bad_host():
    assert {row for _, row, *_ in BAD.values()} == {check.name for check in checks.CHECKS}


def test_nothing_can_be_read(tmp_path):
    """An empty host: no exception, and nothing that is called good without having been seen."""
    found = checks.examine(Host("eth0", str(tmp_path), "/nowhere/ethtool"))
    assert {f.level for _, f in found} >= {"fail"}


def test_the_command(capsys):
    code = main(["doctor", "lo", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "pcap-accel.doctor.1" and found["interface"] == "lo"
    assert found["ok"] == (code == 0) == all(row["level"] != "fail" for row in found["checks"])
    assert {"library", "kernel", "interface"} <= {row["check"] for row in found["checks"]}
    main(["doctor"])
    out = capsys.readouterr().out
    assert "libpcap-accel.so: libpcap version" in out and "interface  " not in out
    for name in ("nosuch", "..", "a/b", ""):
        assert main(["doctor", name]) == 2
        assert f"{name}: no such interface (known: " in capsys.readouterr().err


def test_who_owns_a_socket():
    """A socket of ours is found by its inode, with our program's name."""
    import os
    import socket

    with socket.socket() as mine:
        inode = (
            str(Path(f"/proc/self/fd/{mine.fileno()}").readlink())
            .removeprefix("socket:[")
            .removesuffix("]")
        )
        name = Path("/proc/self/comm").read_text().strip()
        assert Host().owners({inode}) == {inode: f"{name} ({os.getpid()})"}
