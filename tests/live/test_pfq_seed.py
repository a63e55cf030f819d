# SPDX-License-Identifier: BSD-3-Clause
"""The README of PFQ's libpcap, row by row: its syntax of devices, its variables, its configuration
file, and its examples run as they stand there, with what tcpdump prints on a terminal as the account
of who got what."""

import os
import pty
import re
import select
import time

import netlab
import pytest
from test_pfq import FLOWS, README_FILE, Sender, member, seen_by, settle, shared

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no PFQ groups")


@pytest.fixture
def lab(bed):
    yield bed
    bed.end_all()


class Terminal:
    """A command line in a terminal of its own: `VARIABLE=value... tcpdump ...`."""

    def __init__(self, lab, line, cwd=None, **env):
        words = line.split()
        while "=" in words[0]:
            key, _, value = words.pop(0).partition("=")
            env[key] = value.strip("'")
        self.lab, self.text = lab, b""
        self.screen, keyboard = pty.openpty()
        self.process = lab.popen(words, env=lab.accel_env(**env), cwd=cwd, stdout=keyboard)
        os.close(keyboard)
        netlab.await_line(self.process, "listening on", "stderr")

    def read(self, timeout=0.0):
        """What has been printed since; False when there was nothing."""
        if not select.select([self.screen], [], [], timeout)[0]:
            return False
        try:
            more = os.read(self.screen, 65536)
        except OSError:  # the program has closed it
            return False
        self.text += more
        return bool(more)

    def packets(self):
        """(source, destination) of each IPv4 packet on the screen."""
        return re.findall(rb"^\S+ IP (\S+) > ([^\s:]+):", self.text, re.M)

    def interrupt(self):
        self.process.send_signal(netlab.signal.SIGINT)
        while self.process.poll() is None or self.read():
            self.read(0.05)
        os.close(self.screen)
        self.lab.end(self.process)
        return self.packets()


def await_packets(terminals, n):
    deadline = time.monotonic() + netlab.PATIENCE_S
    while (now := sum(len(one.packets()) for one in terminals)) < n:
        assert time.monotonic() < deadline, f"{now} of {n} packets"
        for one in terminals:
            while one.read(0.02):
                pass


def each_flow_at_one(found):
    """No flow, in either direction, is on two screens."""
    flows = [{frozenset(packet) for packet in one} for one in found]
    for i, one in enumerate(flows):
        for other in flows[i + 1 :]:
            assert not one & other
    return flows


# ---- examples ----


def test_single_session(lab):
    """Single tcpdump session: both devices, everything."""
    netlab.needs("tcpdump")
    one = Terminal(lab, "PFQ_GROUP=42 tcpdump -n -i pfq:eth0:eth1")
    send = Sender(lab)
    n = len(send() | send(peer="peer1"))
    await_packets([one], n)
    assert len(one.interrupt()) == n


def test_configuration_file(lab, tmp_path):
    """tcpdump using pfq-pcap.conf configuration file, in the folder where that is; a second one, for
    the file names a group, shares its IPv4 packets."""
    netlab.needs("tcpdump")
    (tmp_path / "pfq-pcap.conf").write_text(README_FILE)
    line = "tcpdump -n -i pfq/pfq-pcap.conf:eth0:eth1"
    both = [Terminal(lab, line, cwd=tmp_path) for _ in range(2)]
    settle(lab, fanout=2)
    send = Sender(lab)
    send("-6")
    n = len(send() | send(peer="peer1"))
    await_packets(both, n)
    found = [one.interrupt() for one in both]
    assert sum(map(len, found)) == n
    assert all(each_flow_at_one(found))


def test_load_balancing(lab, tmp_path):
    """Load balancing TCP/UDP flows: the master sets computation and devices, additional instances
    specify only the group."""
    netlab.needs("tcpdump")
    line = "PFQ_GROUP=42 PFQ_COMPUTATION=steer_flow tcpdump -n -i pfq:eth0:eth1"
    all_ = [Terminal(lab, line)]
    all_ += [Terminal(lab, "PFQ_GROUP=42 tcpdump -n -i pfq") for _ in range(3)]
    settle(lab, fanout=4)
    send = Sender(lab)
    n = len(send() | send("-p", "tcp", peer="peer1"))
    await_packets(all_, n)
    found = [one.interrupt() for one in all_]
    assert sum(map(len, found)) == n
    flows = each_flow_at_one(found)
    assert all(flows)
    assert sum(map(len, flows)) == FLOWS  # UDP and TCP have the same addresses and ports


def test_load_balancing_as_it_is_printed(lab, tmp_path):
    """The README writes PFQ_GORUP for the additional instances. With PFQ they silently captured
    nothing; here they capture nothing and the log says both why and what was meant."""
    netlab.needs("tcpdump")
    log = tmp_path / "log"
    line = "PFQ_GROUP=42 PFQ_COMPUTATION=steer_flow tcpdump -n -i pfq:eth0:eth1"
    master = Terminal(lab, line)
    settle(lab, fanout=1)
    others = [
        Terminal(lab, "PFQ_GORUP=42 tcpdump -n -i pfq", PCAP_ACCEL_LOG=f"warning:{log}")
        for _ in range(3)
    ]
    n = len(Sender(lab)())
    await_packets([master], n)
    assert [len(one.interrupt()) for one in [master, *others]] == [n, 0, 0, 0]
    said = log.read_text()
    assert said.count("PFQ_GORUP: unknown variable (did you mean PFQ_GROUP?)\n") == 3
    for group in (32768, 32769, 32770):
        assert said.count(f"pfq: group {group} has no device yet: nothing is received") == 1


# ---- devices: pfq[/config_file]:[device[:device[:device..]]] ----


@pytest.mark.parametrize(
    "device, devices",
    [
        ("pfq:eth0", "eth0"),
        ("pfq:eth0:eth1", "eth0:eth1"),
        ("pfq", "none yet"),
        ("pfq:", "none yet"),
        ("pfq/FILE", "none yet"),
        ("pfq/FILE:", "none yet"),
        ("pfq/FILE:eth1", "eth1"),
        ("pfq/FILE:eth0:eth1", "eth0:eth1"),
    ],
)
def test_device_syntax(lab, tmp_path, device, devices):
    """Each form of the README's grammar: the devices, and the group of the file where there is one."""
    (tmp_path / "my.conf").write_text("group = 11\n")
    log = tmp_path / "log"
    env = {"PCAP_ACCEL_LOG": f"info:{log}", "PFQ_GROUP": "42"}
    name = device.replace("FILE", f"{tmp_path}/my.conf")
    seen_by(member(lab, name, group=None, **env))
    group = 11 if "FILE" in device else 42
    assert f"group {group} (1 member), devices {devices}, computation ''" in log.read_text()


# ---- variables, and the same as keys of a file ----

ROWS = [  # variable, key, value, the line of what serves the handle
    ("PFQ_GROUP", "group", "11", "group = 11"),
    ("PFQ_CAPLEN", "caplen", "64", "caplen = 64"),
    ("PFQ_RX_SLOTS", "rx_slots", "4096", "rx_slots = 4096"),
    ("PFQ_TX_SLOTS", "tx_slots", "4096", "tx_slots = 4096"),
    ("PFQ_TX_QUEUE", "tx_queue", "0", "tx_queue = 0"),
    ("PFQ_TX_NODE", "tx_node", "1", "tx_node = 1"),
    ("PFQ_TX_BATCH", "tx_batch", "8", "tx_batch = 8"),
    ("PFQ_COMPUTATION", "computation", "ip >-> steer_flow", "computation = ip >-> steer_flow"),
    ("PFQ_VLAN", "vlan", "0", "vlan = 0"),
]


def test_every_variable_of_the_readme_is_a_row():
    """Nothing of the README's table is left out here."""
    named = {row[0] for row in ROWS}
    words = "GROUP CAPLEN RX_SLOTS TX_SLOTS TX_QUEUE TX_NODE TX_BATCH COMPUTATION"
    assert {f"PFQ_{word}" for word in words.split()} <= named


@pytest.mark.parametrize("variable, key, value, line", ROWS, ids=[row[0] for row in ROWS])
def test_variable(lab, tmp_path, variable, key, value, line):
    """Each variable, and its key in a file, is taken, and the capture says from where."""
    (tmp_path / "my.conf").write_text(f"{key} = {value}\n")
    tool = lab.build.tool("pfq_explain")
    for device, env, source in [
        ("pfq:eth0", {variable: value}, "the environment"),
        (f"pfq/{tmp_path}/my.conf:eth0", {}, "the device's file"),
    ]:
        said = lab.run([tool, device], env=lab.accel_env(**env)).stdout
        assert f"  {line} (from {source})\n" in said, said


def test_rx_slots(lab):
    """PFQ_RX_SLOTS is room for so many packets of the interface's length."""
    tool = lab.build.tool("pfq_explain")
    for slots in (1024, 4096, 16384):
        said = lab.run([tool, "pfq:eth0"], env=lab.accel_env(PFQ_RX_SLOTS=str(slots))).stdout
        kib = int(re.search(r"1 ring of (\d+) KiB", said)[1])
        assert slots * 1500 <= kib * 1024 < slots * 2000


def test_tx_batch(lab):
    """With PFQ_TX_BATCH, packets leave in batches, the last ones when the handle is closed."""
    other = lab.capture("afpacket:peer0?direction=in", where=netlab.SENDER)
    sender = member(lab, "pfq:eth0", "-j", 100, PFQ_TX_BATCH="32", PFQ_TX_SLOTS="64")
    result = netlab.stop(sender)[0]
    assert [result["injected"], result["inject_failed"]] == [100, 0]
    assert other.stop()["packets"] == 100


def test_vocabulary(lab):
    """Each word that a user of that release could write is taken."""
    words = """unit ip ip6 udp tcp icmp udp6 tcp6 icmp6 flow vlan no_frag no_more_frag steer_link
        steer_vlan steer_ip steer_ip6 steer_flow drop broadcast kernel crc16 log_buff log_packet rtp
        steer_rtp"""
    tool = lab.build.tool("pfq_groups")
    for word in words.split():
        argv = [tool, "set", "42", "persistent=1", f"computation={word} >-> {word}"]
        assert lab.run(argv, env=lab.accel_env()).stdout == '{"rc": 0}\n', word
    lab.run([tool, "delete", "42"], env=lab.accel_env())


def test_order_of_file_and_environment(lab, tmp_path):
    """A file that is named on the device is nearer than the environment: its computation counts."""
    (tmp_path / "my.conf").write_text("group = 11\ncomputation = steer_flow\n")
    env = {"PFQ_COMPUTATION": "drop", "PFQ_GROUP": "12"}
    first = member(lab, f"pfq/{tmp_path}/my.conf:eth0", group=None, **env)
    second = member(lab, group=11)
    settle(lab, fanout=2)
    numbers = Sender(lab)()
    shared(seen_by(first, second), numbers)
