# SPDX-License-Identifier: BSD-3-Clause
"""pcap-accel doctor: each row says ok on a good host, and its own words on one where just that is wrong."""

import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import netlab
import pytest

from pypcapaccel.cli import checks, main, selftest
from pypcapaccel.cli.host import Host

GOOD = {
    "proc/sys/kernel/osrelease": "6.1.0-18-amd64",
    "proc/sys/net/core/bpf_jit_enable": "1",
    "proc/self/status": "Name:\tx\nCapEff:\t000001ffffffffff\n",
    "proc/mounts": "bpf /sys/fs/bpf bpf rw 0 0\n",
    "proc/sys/kernel/unprivileged_bpf_disabled": "2",
    "sys/kernel/btf/vmlinux": "",
    "sys/module/apparmor/parameters/enabled": "Y",
    "sys/devices/system/cpu/cpu0/cpuidle/state0/name": "POLL",
    "sys/devices/system/cpu/cpu0/cpuidle/state0/disable": "0",
    "sys/devices/system/cpu/cpu0/cpuidle/state1/name": "C6",
    "sys/devices/system/cpu/cpu0/cpuidle/state1/disable": "1",
    "sys/devices/system/node/node0/cpulist": "0-3,8",
    "sys/devices/system/node/node1/cpulist": "4-7",
    "sys/devices/system/node/node0/meminfo": "Node 0 MemTotal: 1 kB\nNode 0 MemFree:  800000 kB\n",
    "sys/class/net/eth0/device/numa_node": "0",
    "sys/class/net/eth0/device/msi_irqs/31": "",
    "proc/irq/31/smp_affinity_list": "2,8",
    "proc/meminfo": "MemTotal: 1 kB\nMemAvailable:  8000000 kB\n",
    "proc/buddyinfo": "Node 0, zone   Normal  1 1 1 1 1 1 1 1 1 1 1\n",
    "proc/1/comm": "init",
    "proc/net/softnet_stat": "0000ffff 00000000 00000000 0\n",
    "proc/net/packet": "sk RefCnt Type Proto Iface R Rmem User Inode\n",
    "proc/net/snmp": "Ip: InReceives ReasmFails\nIp: 10 0\n",
    "proc/sys/net/ipv6/conf/eth0/disable_ipv6": "1",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
    "sys/class/net/eth0/operstate": "up",
    "sys/class/net/eth0/flags": "0x1083",
    "sys/class/net/eth0/queues/rx-0/rps_cpus": "0",
    "sys/class/net/eth0/statistics/rx_dropped": "0",
}
FLOWS_USE = "These flows use these fields for computing Hash flow key:\n"
PORTS = "L4 bytes 0 & 1 [TCP/UDP src port]\nL4 bytes 2 & 3 [TCP/UDP dst port]\n"
ETHTOOL = {
    "-k": "Features for eth0:\nlarge-receive-offload: off\ngeneric-receive-offload: off\n"
    "hw-tc-offload: on [fixed]\nrx-checksumming: on\n",
    "-x": "RSS hash key:\n6d:5a:6d:5a:6d:5a:6d:5a\n",
    "-g": "Pre-set maximums:\nRX:\t\t4096\nCurrent hardware settings:\nRX:\t\t512\n",
    "-c": "Adaptive RX: off  TX: off\n",
    **{f"-n-{name}": f"{FLOWS_USE}IP SA\nIP DA\n{PORTS}\n" for name in ("tcp4", "tcp6")},
    **{f"-n-{name}": f"{FLOWS_USE}IP SA\nIP DA\n\n" for name in ("udp4", "udp6")},
    "-S": "NIC statistics:\n     rx_packets: 7\n     rx_missed_errors: 9\n     rx_out_of_buffer: 0\n",
    "-a": "Autonegotiate:\toff\nRX:\t\toff\n",
}

TWO_QUEUES = {"sys/class/net/eth0/queues/rx-1/rps_cpus": "0"}

# name: (what is changed, row, level, words, what mends it)
BAD = {
    "old kernel": ({"proc/sys/kernel/osrelease": "4.19.0"}, "kernel", "fail", "4.19.0 is older than 4.20", "newer"),
    "no jit": ({"proc/sys/net/core/bpf_jit_enable": "0"}, "kernel", "warn", "interpreted", "bpf_jit_enable=1"),
    "kernel of groups": ({"proc/sys/kernel/osrelease": "5.10.0"}, "kernel", "warn", "older than 5.12", "direction=in"),
    "no xdp": (
        {"proc/self/status": "CapEff:\t0000000000002000"},
        "privileges", "warn", "not capture on xdp: devices", "setcap",
    ),
    "no xdp for root of a container": (
        {"proc/self/status": "CapEff:\t0000000000003000"},
        "privileges", "warn", "not capture on xdp: devices", "cap_bpf",
    ),
    "no BTF": ({"sys/kernel/btf/vmlinux": None}, "BPF", "warn", "cannot tell VLAN tags", "CONFIG_DEBUG_INFO_BTF"),
    "no bpffs": ({"proc/mounts": "proc /proc proc rw 0 0"}, "BPF", "warn", "no file system for BPF", "mount -t bpf"),
    "BPF for all": (
        {"proc/sys/kernel/unprivileged_bpf_disabled": "0"},
        "BPF", "warn", "every user may load", "unprivileged_bpf_disabled=1",
    ),
    "AppArmor": (
        {"etc/apparmor.d/usr.bin.tcpdump": ""},
        "AppArmor", "warn", "AppArmor lets /usr/bin/tcpdump", "aa-disable /usr/bin/tcpdump",
    ),
    "deep sleep": (
        {"sys/devices/system/cpu/cpu0/cpuidle/state1/disable": "0"},
        "cpus", "warn", "sleep deeply (C6)", "cpupower idle-set",
    ),
    "groups unknown": ({"fanouts": None}, "groups", "warn", "is not known", "modprobe af_packet_diag"),
    "losses": (
        {"captures": [
            SimpleNamespace(program="x", pid=7, device="pfq:eth0", dropped=5, received=50),
            SimpleNamespace(program="y", pid=8, device="pfq:eth0", dropped=0, received=50),
        ]},
        "captures", "warn", "x (7) has lost 5 packets on pfq:eth0, 10.0 %", "PCAP_ACCEL_BUFFER",
    ),
    "far interrupts": (
        {"proc/irq/31/smp_affinity_list": "0-4"},
        "memory node", "warn", "interrupts 31 of the card", "for i in 31; do echo 0-3,8 >/proc/irq/$i",
    ),
    "no memory on its node": (
        {"sys/devices/system/node/node0/meminfo": "Node 0 MemTotal: 800000 kB\nNode 0 MemFree: 65536 kB\n"},
        "memory node", "warn", "64 MiB are free on the card's memory node (0)", "numactl --membind=0 ",
    ),
    "its node in pieces": (
        {"proc/buddyinfo": "Node 0, zone    DMA32  9 9 9 9 9 9 9 9 0 0 0\nNode 0, zone   Normal  9 9 9 9 9 9 9 9 0 0\n"
                           "Node 1, zone   Normal  0 0 0 0 0 0 0 0 0 0 1\n"},
        "memory node", "warn", "no free piece of memory on the card's memory node (0)", "node/node0/compact",
    ),
    "on top": ({"sys/class/net/eth0/upper_eth0.10": ""}, "interface", "warn", "eth0.10 is on top", "one of them"),
    "TSO": ({"-k": "tcp-segmentation-offload: on\n"}, "offloads", "warn", "before it is cut", "tso off"),
    "GSO": ({"-k": "generic-segmentation-offload: on\n"}, "offloads", "warn", "before it is cut", "gso off"),
    "card drops": ({"-S": "     rx_out_of_buffer: 3\n"}, "drops", "warn", "rx_out_of_buffer 3", "-S"),
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
    "a tick": (
        {"sys/devices/system/cpu/isolated": "4-6", "sys/devices/system/cpu/nohz_full": "2-4,6-8"},
        "isolated CPUs", "warn", "CPUs 2,3,7,8 are without a tick", "isolcpus=2,3,4,5,6,7,8",
    ),
    "backlog": ({"proc/net/softnet_stat": "ff 0000000a 0 0"}, "backlog", "warn", "10 packets were dropped", "backlog"),
    "budget": ({"proc/net/softnet_stat": "ff 0 0000000b 0"}, "backlog", "warn", "budget 11 times", "netdev_budget"),
    "other sockets": (
        {"proc/net/packet": "sk\nffff 3 3 0003 2 1 0 0 4711\nffff 3 3 0800 2 1 0 0 4712\n"},
        "packet sockets", "warn", "1 socket looks at all packets", "end those",
    ),
    "fragments": (
        {"proc/net/snmp": "Ip: InReceives ReasmFails\nIp: 10 3\n"},
        "fragments", "warn", "3 fragmented packets", "ipfrag_high_thresh",
    ),
    "down": ({"sys/class/net/eth0/flags": "0x1082"}, "interface", "fail", "eth0 is down", "ip link set dev eth0 up"),
    "no link": ({"sys/class/net/eth0/operstate": "down"}, "interface", "fail", "has no link", "cable"),
    "promisc": ({"sys/class/net/eth0/flags": "0x1183"}, "interface", "warn", "by hand", "promisc off"),
    "bridge": ({"sys/class/net/eth0/master": ""}, "interface", "warn", "bridge or a bond", "one of them"),
    "ARP": ({"sys/class/net/eth0/flags": "0x1003"}, "interface", "warn", "ARP is on", "ip link set dev eth0 arp off"),
    "IPv6": ({"proc/sys/net/ipv6/conf/eth0/disable_ipv6": "0"}, "interface", "warn", "IPv6 is on", "disable_ipv6=1"),
    "LRO": ({"-k": "large-receive-offload: on\n"}, "offloads", "fail", "nobody can take them apart", "lro off"),
    "GRO": ({"-k": "generic-receive-offload: on\n"}, "offloads", "warn", "packets are joined", "gro off"),
    "no ethtool": ({"-k": ""}, "offloads", "warn", "is not known", "apt-get install ethtool"),
    "queues": (
        {"-x": "RSS hash key:\n6d:5a:11:5a\n", "sys/class/net/eth0/queues/rx-1/rps_cpus": "0"},
        "queues", "warn", "2 queues, and the two directions", "ethtool -L eth0 combined 1",
    ),
    "ports of fragments": (
        {"-n-udp4": f"{FLOWS_USE}IP SA\nIP DA\n{PORTS}\n", **TWO_QUEUES},
        "queues", "warn", "hash of udp4 has the ports", "ethtool -N eth0 rx-flow-hash udp4 sd",
    ),
    "one direction's address": (
        {f"-n-{name}": f"{FLOWS_USE}IP SA\n\n" for name in ("tcp4", "tcp6")} | TWO_QUEUES,
        "queues", "warn", "hash of tcp4, tcp6 is not the same",
        "ethtool -N eth0 rx-flow-hash tcp4 sdfn; ethtool -N eth0 rx-flow-hash tcp6 sdfn",
    ),
    "one direction's port": (
        {"-n-udp6": f"{FLOWS_USE}IP SA\nIP DA\n{PORTS[:PORTS.index('L4 bytes 2')]}\n", **TWO_QUEUES},
        "queues", "warn", "hash of udp6 is not the same", "ethtool -N eth0 rx-flow-hash udp6 sd",
    ),
    "one direction's card": (
        {"-n-tcp6": f"{FLOWS_USE}L2DA\nIP SA\nIP DA\n\n", **TWO_QUEUES},
        "queues", "warn", "hash of tcp6 is not the same", "ethtool -N eth0 rx-flow-hash tcp6 sdfn",
    ),
    "RPS": ({"sys/class/net/eth0/queues/rx-0/rps_cpus": "3"}, "queues", "warn", "spread over CPUs", "echo 0"),
    "ring": ({"-g": "Current hardware settings:\nRX:\t\t4096\n"}, "card", "warn", "has 4096 places", "rx 1024"),
    "adaptive": ({"-c": "Adaptive RX: on\n"}, "card", "warn", "as long as it likes", "adaptive-rx off"),
    "pause": ({"-a": "RX:\t\ton\n"}, "card", "warn", "pause frames", "rx off"),
    "too long": (
        {"-S": "     rx_long_byte_count: 9\n     rx_oversize_pkts_phy: 3\n", "sys/class/net/eth0/mtu": "1500\n"},
        "drops", "warn", "MTU of 1500: rx_oversize_pkts_phy 3", "mtu 9000",
    ),
    "too long for jumbo frames": (
        {"-S": "     port.rx_oversize: 3\n     rx_jabber.nic: 4\n", "sys/class/net/eth0/mtu": "9000\n"},
        "drops", "warn", "MTU is jumbo frames': port.rx_oversize 3, rx_jabber.nic 4", "grep -E 'long|short",
    ),
    "length errors": (
        {"sys/class/net/eth0/statistics/rx_length_errors": "5"}, "drops", "warn", "rx_length_errors 5", "mtu 9000",
    ),
    "drops": ({"sys/class/net/eth0/statistics/rx_missed_errors": "5"}, "drops", "warn", "rx_missed_errors 5", "-S"),
}  # fmt: skip


ASKED = ("fanouts", "captures", "has_address")  # of a host: not from its files


@pytest.fixture
def host(tmp_path):
    """host(changes): a host in a folder, with an ethtool that answers from files."""

    def make(changes):
        root = tmp_path / "root"
        told = {name: changes[name] for name in ASKED if name in changes}
        files = {k: v for k, v in changes.items() if not k.startswith("-") and k not in told}
        for name, text in {**GOOD, **files}.items():
            if text is None:
                continue
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        answers = {**ETHTOOL, **{k: v for k, v in changes.items() if k.startswith("-")}}
        for option, text in answers.items():
            (tmp_path / f"answer{option}").write_text(text)
        ethtool = tmp_path / "ethtool"
        ethtool.write_text(
            f'#!/bin/sh\n[ "$2" = eth0 ] && exec cat "{tmp_path}/answer$1${{4:+-$4}}"\n'
        )
        ethtool.chmod(0o755)
        made = Host("eth0", str(root), str(ethtool))
        made.__dict__.update({"library": "/opt/libpcap-accel.so", **told})
        return made

    return make


def test_a_good_host(host):
    assert [f for _, f in checks.examine(host({})) if f.level != "ok"] == []


def test_good_in_another_way(host):
    """A profile that does not matter, states that are off, a card without counters of its own, long pieces
    of memory in one zone."""
    zones = "Node 0, zone    DMA32  0 0 0 0 0 0 0 0 1 0 0\nNode 0, zone   Normal  9 9 9 9 9 9 9 9 0 0 0\n"
    changes = {"etc/apparmor.d/usr.bin.tcpdump": "", "-S": "", "proc/buddyinfo": zones}
    made = host({**changes, "fanouts": {(7, "hash"): {"1"}}})
    made.__dict__["library"] = "/usr/lib/x86_64-linux-gnu/libpcap-accel/libpcap-accel.so"
    found = checks.examine(made)
    assert [f for _, f in found if f.level != "ok"] == []
    assert "fanout group 7 (hash) is in use by ?: another" in dict(found)["groups"].text


SILENT = {f"-n-{name}": "" for name in ("tcp4", "tcp6", "udp4", "udp6")}


@pytest.mark.parametrize("fields", [{}, SILENT], ids=["fields", "a driver that does not say"])
def test_good_queues(host, fields):
    """Fields that keep flows whole, and none told."""
    found = checks.examine(host({**TWO_QUEUES, **fields}))
    assert [f for _, f in found if f.level != "ok"] == []
    assert dict(found)["queues"].text == "2 receive queues, directions in order"


def test_fields_of_one_queue(host):
    """There it does not matter what they are."""
    found = checks.examine(host({"-n-udp4": f"{FLOWS_USE}IP SA\n{PORTS}\n"}))
    assert [f for _, f in found if f.level != "ok"] == []


@pytest.mark.parametrize("name", ["one direction's port", "ports of fragments"])
def test_bad_fields(host, name):
    """Mended by the addresses alone, and nothing is said to be in order."""
    found = [f for row, f in checks.examine(host(BAD[name][0])) if row == "queues"]
    assert [f.fix.rpartition(" ")[2] for f in found] == ["sd"]


@pytest.mark.parametrize(
    "used",
    [{"has_address": True}, BAD["bridge"][0], BAD["on top"][0]],
    ids=["address", "bridge", "on top"],
)
def test_an_interface_that_speaks(host, used):
    """One that the host itself uses may."""
    found = checks.examine(host({**BAD["ARP"][0], **BAD["IPv6"][0], **used}))
    assert not [f for _, f in found if "ARP" in f.text or "IPv6" in f.text]


def test_isolated_cpus(host):
    """Told where there are any. "(null)": what some kernels say for none."""
    folder = "sys/devices/system/cpu"
    found = dict(checks.examine(host({f"{folder}/isolated": "2-3", f"{folder}/nohz_full": "3"})))
    assert found["isolated CPUs"].level == "ok" and "CPUs 2-3 are" in found["isolated CPUs"].text
    none = host({f"{folder}/isolated": "", f"{folder}/nohz_full": "(null)"})
    assert "isolated CPUs" not in dict(checks.examine(none))


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
    assert main(["doctor", "--json", "xdp/x.conf:lo@q0?tap=yes"]) == code
    assert json.loads(capsys.readouterr().out)["interface"] == "lo"
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


# ---- on this kernel ----


def in_lab(lab, accel_build, code):
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PCAP_ACCEL_LIB": str(accel_build.library)}
    return json.loads(lab.run([sys.executable, "-c", code], env=env).stdout)


def test_addresses_are_the_kernel_s(lab, accel_build):
    """Of the sender, of the sensor, and of an interface that has only what IPv6 gave it, or nothing."""
    code = (
        "import json, subprocess; from pypcapaccel.cli.host import Host\n"
        "ip = lambda *words: subprocess.run(['ip', *words], check=True)\n"
        "seen = [Host('eth0').has_address, Host('nosuch').has_address]\n"
        "ip('link', 'add', 'd0', 'type', 'veth', 'peer', 'd1')\n"
        "open('/proc/sys/net/ipv6/conf/d0/disable_ipv6', 'w').write('0')\n"
        "for words in ((), ('fe80::1/64',), ('2001:db8::1/64',)):\n"
        "    [ip('addr', 'add', word, 'dev', 'd0', 'nodad') for word in words]\n"
        "    seen.append(Host('d0').has_address)\n"
        "ip('link', 'del', 'd0')\n"
        "print(json.dumps(seen))"
    )
    assert in_lab(lab, accel_build, code) == [True, True, False, False, True]


def test_fanout_groups_are_the_kernel_s(lab, accel_build):
    """Numbers, modes and members as they were asked for, by name and process."""
    members = [
        lab.capture(f"afpacket:eth0?fanout={mode}") for mode in ("hash,group=7", "cpu,group=300")
    ]
    members.append(lab.capture("afpacket:eth0?fanout=hash,group=7"))
    code = (
        "import json; from pypcapaccel.cli import checks; from pypcapaccel.cli.host import Host\n"
        "print(json.dumps([f.text for f in checks.look_at_groups(Host())]))"
    )
    first, second = in_lab(lab, accel_build, code)
    pids = sorted(f"capture_check ({members[i].pid})" for i in (0, 2))
    assert first.startswith(f"fanout group 7 (hash) is in use by {', '.join(pids)}: ")
    assert second.startswith(
        f"fanout group 300 (cpu) is in use by capture_check ({members[1].pid}): "
    )
    netlab.stop(*members)
    assert in_lab(lab, accel_build, code) == ["no program has a fanout group"]


def _remade(frame, *layers):
    """With the lengths and checksums that scapy computes for these layers."""
    again = frame.copy()
    for layer in layers:
        for field in {"chksum", "len", "plen"} & set(again[layer].fields if layer in again else ()):
            delattr(again[layer], field)
    return bytes(again)


@pytest.mark.parametrize("kind", selftest.KINDS)
def test_what_the_self_test_sends(kind):
    """Scapy is the oracle: lengths and checksums are right, and the second frame is the answer, or the rest."""
    pytest.importorskip("scapy")
    from scapy.layers.inet import IP, TCP, UDP, defragment
    from scapy.layers.inet6 import IPv6, defragment6
    from scapy.layers.l2 import Ether
    from scapy.layers.ppp import PPPoE

    ip = IPv6 if "ipv6" in kind else IP
    flows = list(selftest._flows(kind))
    assert len({frame for flow in flows for frame in flow}) == 2 * selftest.FLOWS
    for flow in flows:
        there, back = map(Ether, flow)
        if "fragment" in kind:
            assert (_remade(there, ip), _remade(back, ip)) == flow
            more = [end.flags.MF if ip is IP else end.payload.m for end in (there[ip], back[ip])]
            assert more == [1, 0]
            whole = defragment6([there, back]) if ip is IPv6 else defragment([there, back])[0]
            assert len(whole[UDP]) == whole[UDP].len and _remade(whole, UDP) == bytes(whole)
        else:
            assert tuple(_remade(end, PPPoE, ip, TCP, UDP) for end in (there, back)) == flow
            assert (back.src, back.dst) == (there.dst, there.src)
            assert (back[ip].src, back[ip].dst) == (there[ip].dst, there[ip].src)
            ports = [(end[ip].payload.sport, end[ip].payload.dport) for end in (there, back)]
            assert ports[0] == ports[1][::-1] and ports[0] != ports[1]


def test_self_test(capsys, monkeypatch, accel_build):
    """Groups keep their promise on this kernel; a mode that does not is found out."""
    monkeypatch.setenv("PCAP_ACCEL_LIB", str(accel_build.library))
    monkeypatch.setenv("PCAP_ACCEL_GROUP", "9")
    monkeypatch.setattr(selftest, "PATIENCE_S", 60)
    main(["doctor", "--self-test", "--json"])
    rows = [r for r in json.loads(capsys.readouterr().out)["checks"] if r["check"] == "self-test"]
    kept = "each packet is one member's, with its whole flow (udp, tcp, ipv6, fragment, ipv6 fragment, vlan"
    assert [(row["level"], row["text"]) for row in rows] == [
        ("ok", f"fanout=hash: {kept}, pppoe)"),
        ("ok", f"steer_flow: {kept})"),
    ]
    hash_ = selftest.METHODS[0]
    by_turns = hash_._replace(device="afpacket:{}?fanout=lb,group=7", kinds=("udp",))
    nobody = hash_._replace(device="pfq:{}?group=7,computation=tcp >-> steer_flow", kinds=("udp",))
    everybody = hash_._replace(device="pfq:{}?group=7", kinds=("udp",))
    monkeypatch.setattr(selftest, "METHODS", (by_turns, nobody, everybody))
    monkeypatch.setattr(selftest, "PATIENCE_S", 0.2)
    split, lost, twice = selftest.try_groups()
    # By turns, so all of them but where two frames have changed places on their way.
    assert split.level == "warn"
    assert int(re.search(r"(\d+) of 64 udp flows are split", split.text)[1]) > 32
    assert lost.level == "fail" and "of 128 udp packets 128 reached nobody, and 0 came" in lost.text
    assert twice.level == "fail" and "0 reached nobody, and 128 came twice" in twice.text
