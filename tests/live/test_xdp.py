# SPDX-License-Identifier: BSD-3-Clause
"""The AF_XDP engine under real programs: what is taken, what the host keeps, what is left behind.

A witness, the system's libpcap on the same interface, stands for the host: it sees what XDP passed on.
Between the two namespaces a veth pair may lose packets on a busy machine; it counts them, and so do we.
"""

import json
import re
import time

import netlab
import pytest

N = 2000
RATE = 10000


def lost_on_the_way(lab):
    """Packets that the pair itself has lost so far."""
    text = lab.run(["ip", "-j", "-s", "link", "show", "peer0"], where=netlab.SENDER).stdout
    there = lab.run(["ip", "-j", "-s", "link", "show", "eth0"]).stdout
    return (
        json.loads(text)[0]["stats64"]["tx"]["dropped"]
        + json.loads(there)[0]["stats64"]["rx"]["dropped"]
    )


def every(result, lab, n=N, first=0):
    """All n came, once each and in order, but for those that did not reach the interface."""
    missing = set(range(first, first + n)) - result.seen
    assert len(missing) <= lost_on_the_way(lab), f"lost: {sorted(missing)[:20]}"
    assert result.seen <= set(range(first, first + n))
    assert (result["twice"], result["backwards"], result["drop"]) == (0, 0, 0)


def start_tcpdump(lab, device, *argv, env=None):
    """A tcpdump that listens, and what it has said so far."""
    netlab.needs("tcpdump")
    words = ["tcpdump", "-n", "-l", "-i", device, *argv]
    tcpdump = lab.popen(words, env=lab.accel_env(**(env or {})))
    return tcpdump, netlab.await_line(tcpdump, f"listening on {device}", "stderr")


def finish(process):
    out, err = process.communicate(timeout=netlab.PATIENCE_S)
    netlab.living.remove(process)
    return process.returncode, out, err


def has_program(lab):
    return "prog/xdp" in lab.ip("-d", "link", "show", "eth0")


def await_no_program(lab):
    """The kernel takes a program off some time after its owner has ended."""
    deadline = time.monotonic() + netlab.PATIENCE_S
    while has_program(lab):
        assert time.monotonic() < deadline, lab.ip("-d", "link", "show", "eth0")


def refusal(lab, device, *options, env=None):
    """The sentence with which a capture is refused."""
    capture = lab.capture(device, *options, ready=False, env=env)
    code, out, err = finish(capture.process)
    assert code == 1, out + err
    await_no_program(lab)
    return out + err


@pytest.mark.parametrize(
    "options",
    [
        ["-a", "loop"],
        ["-a", "next"],
        ["-a", "next_ex", "-I"],
        ["-a", "dispatch", "-n"],
        ["-k"],
        ["-O"],
    ],
    ids=" ".join,
)
def test_every_packet_once(port, options):
    """Every packet arrives once, in order of time: by each reading function, blocking or not, in
    immediate mode, in a child of the process, through pcap_open_live."""
    capture = port.capture("xdp:eth0", "-f", "udp", *options)
    port.send("peer0", "-n", N, "-r", RATE, "-f", 50, "-b")
    every(capture.stop(), port)


@pytest.mark.parametrize(
    "device, user", [("xdp:eth0@q0", ()), ("xdp:eth0", ()), ("xdp:eth0", ("-Z", "root"))]
)
def test_tcpdump(port, device, user):
    """tcpdump gets what its filter matches, the host the rest, and afterwards the host gets all:
    also where tcpdump, as it does unasked, gives up root between compiling its filter and setting it."""
    witness = port.capture("eth0", stock=True)
    env = {"PCAP_ACCEL_LOG": "info"}
    tcpdump, said = start_tcpdump(port, device, "-c", "50", *user, "udp port 53", env=env)
    assert "instructions is translated" in said
    uid = port.run(["ps", "-o", "user=", "-p", str(tcpdump.pid)]).stdout.split()
    assert uid == (["root"] if user else ["tcpdump"])
    port.send("peer0", "-n", 100, "-r", RATE)
    port.send("peer0", "-n", 50, "-r", RATE, "-d", 53, "-q", 1000)
    while lost_on_the_way(port) and tcpdump.poll() is None:
        port.send("peer0", "-d", 53, "-q", 1000)
    code, out, err = finish(tcpdump)
    assert code == 0, err
    assert out.count(".53: ") == 50, out + err
    assert "50 packets captured" in err
    await_no_program(port)
    port.send("peer0", "-n", 50, "-r", RATE, "-d", 53, "-q", 2000)
    seen = witness.stop().seen
    missing = (set(range(100)) | set(range(2000, 2050))) - seen
    assert len(missing) <= lost_on_the_way(port)
    assert not seen & set(range(1000, 1050)) or lost_on_the_way(port)


@pytest.mark.parametrize("uid", [0, 65534], ids=["translated", "interpreted"])
def test_killed(port, uid):
    """kill -9 leaves nothing: no program, no promiscuity, and the host has its packets again."""
    capture = port.capture("xdp:eth0", "-u", uid, "-f", "udp")
    assert has_program(port)
    assert port.promiscuity() == 1
    port.end(capture.process, netlab.signal.SIGKILL)
    await_no_program(port)
    assert port.promiscuity() == 0
    witness = port.capture("eth0", stock=True)
    port.send("peer0", "-n", 100, "-r", RATE)
    assert len(witness.stop().seen) + lost_on_the_way(port) >= 100


@pytest.mark.parametrize("uid", [0, 65534], ids=["translated", "interpreted"])
@pytest.mark.parametrize("n, rate", [(20, RATE), pytest.param(500, 40000, marks=pytest.mark.full)])
def test_filter_changes_under_load(port, uid, n, rate):
    """Filter changes one after the other lose nothing and double nothing, and nothing comes that the
    new one rejects, whichever kind of program runs."""
    filters = ("-f", "udp", "-F", "udp port 7777 or udp port 7778", "-A", rate // 50, "-T", n)
    capture = port.capture("xdp:eth0?rx_slots=65536", "-u", uid, *filters)
    sender = port.sending("peer0", "-r", rate, "-f", 50)
    assert netlab.read_line(capture.process) == "CHANGED\n"
    out, _ = port.end(sender)
    result = capture.stop()
    every(result, port, json.loads(out)["sent"])
    assert (result["changes"], result["rejected"]) == (n, 0)


def test_host_lives_there(lab):
    """An interface with an address is refused, unless divert=force, which leaves the host its ARP."""
    if netlab.STOCK:
        pytest.skip("the system's libpcap has no AF_XDP")
    text = refusal(lab, "xdp:eth0")
    assert "would take packets from this host's own 'eth0': it has the address 10.77.0.1" in text
    capture = lab.capture("xdp:eth0?divert=force", "-f", "udp or arp")
    witness = lab.capture("eth0", stock=True)
    lab.send("peer0", "-n", 100, "-r", RATE, "-p", "arp")
    lab.send("peer0", "-n", 100, "-r", RATE, "-q", 500)
    kept, taken = netlab.stop(witness, capture)
    lost = lost_on_the_way(lab)
    assert not kept.seen & set(range(500, 600))
    assert len(kept.seen) + lost >= 100
    assert taken.seen <= set(range(500, 600))
    assert len(taken.seen) + lost >= 100


def test_host_lives_above(port):
    """The same where the address is that of a bridge: its ssh still comes in through the port, which has, as
    ports do, a link-local address alone."""
    port.run(["sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0"])
    port.ip("address", "add", "fe80::7/64", "dev", "eth0", "nodad")
    port.ip("link", "add", "br0", "type", "bridge")
    port.ip("address", "add", "10.77.200.1/24", "dev", "br0")  # where flow 0 goes
    port.ip("link", "set", "eth0", "master", "br0")
    assert "'eth0': it is a part of a bridge" in refusal(port, "xdp:eth0")
    capture = port.capture("xdp:eth0?divert=force", "-f", "tcp")
    witness = port.capture("eth0", stock=True)
    port.send("peer0", "-n", 50, "-r", RATE, "-p", "tcp", "-d", 22)
    port.send("peer0", "-n", 50, "-r", RATE, "-p", "tcp", "-d", 80, "-q", 500)
    kept, taken = netlab.stop(witness, capture)
    port.ip("link", "del", "br0")
    lost = lost_on_the_way(port)
    assert not kept.seen & set(range(500, 550))
    assert not taken.seen & set(range(50))
    assert len(kept.seen) + len(taken.seen) + lost >= 100


def test_rest(port):
    """rest=drop: what the filter rejects reaches nobody."""
    capture = port.capture("xdp:eth0?rest=drop", "-f", "udp port 7778")
    witness = port.capture("eth0", stock=True)
    port.send("peer0", "-n", 100, "-r", RATE, "-q", 500)
    port.send("peer0", "-n", 100, "-r", RATE, "-d", 7778)
    every(capture.stop(), port, 100)
    assert not witness.stop().seen


@pytest.mark.parametrize("mode, shown", [("native", " xdp "), ("generic", " xdpgeneric ")])
def test_attach(port, mode, shown):
    """The program is attached as was asked for, and captures."""
    capture = port.capture(f"xdp:eth0?attach={mode}", "-f", "udp")
    assert shown in port.ip("-d", "link", "show", "eth0")
    port.send("peer0", "-n", N, "-r", RATE)
    every(capture.stop(), port)


def test_options_reach_the_engine(port, tmp_path):
    """What serves a handle is said: frames, their size, how it is attached; from every source."""
    conf = tmp_path / "xdp.conf"
    conf.write_text("num_frames = 4096\nattach = generic\nzerocopy = no\n")
    log = tmp_path / "log"
    env = {"PCAP_ACCEL_LOG": f"info:{log}", "PCAP_ACCEL_FRAME_SIZE": "4096"}
    capture = port.capture(f"xdp/{conf}:eth0@q0", "-f", "udp", env=env)
    port.send("peer0", "-n", 100, "-r", RATE)
    every(capture.stop(), port, 100)
    assert "generic XDP, copied, 1 queue of 4096 frames of 4096 bytes" in log.read_text()


def test_zero_copy_refused(port):
    """A driver without zero copy, where it is required."""
    assert "the driver has no zero copy (would be: zc=auto)" in refusal(port, "xdp:eth0?zc=require")


def test_occupied(port):
    """A second capture on the interface is refused, and the first goes on."""
    first = port.capture("xdp:eth0", "-f", "udp")
    second = port.capture("xdp:eth0", ready=False)
    _, out, err = finish(second.process)
    assert re.search(r"program \d+ 'pcap_accel' of another process \(end that process", out + err)
    port.send("peer0", "-n", 100, "-r", RATE)
    every(first.stop(), port, 100)


@pytest.mark.parametrize("uid, how", [(0, "translated"), (65534, "interpreted")])
def test_privileges_given_up(port, uid, how):
    """The kernel takes a program from the privileged only. Who has given that up before the filter
    is set has it interpreted: what it matches is taken, the host gets the rest, or, with rest=drop,
    nobody; the log says which of the two it is."""
    env = {"PCAP_ACCEL_LOG": "info"}
    for device, rest in (("xdp:eth0", set(range(500, 600))), ("xdp:eth0?rest=drop", set())):
        witness = port.capture("eth0", stock=True)
        capture = port.capture(device, "-u", uid, "-f", "udp port 7778", env=env)
        port.send("peer0", "-n", 100, "-r", RATE, "-q", 500)
        port.send("peer0", "-n", 100, "-r", RATE, "-d", 7778)
        passed, taken = netlab.stop(witness, capture)
        every(taken, port, 100)
        assert passed.seen <= rest
        assert len(rest - passed.seen) <= lost_on_the_way(port)
        assert re.search(rf"the filter of \d+ instructions is {how}", taken.stderr), taken.stderr
        await_no_program(port)


def test_no_filter_without_privileges(port):
    """A filter that takes everything is the first program's: nothing is interpreted."""
    tcpdump, _ = start_tcpdump(port, "xdp:eth0", "-c", "50")
    while tcpdump.poll() is None:
        port.send("peer0", "-n", 50, "-r", RATE)
    assert finish(tcpdump)[0] == 0


def test_filter_of_a_tap(port):
    """What cannot be translated is refused by name; where packets are copied the library filters, and
    the next filter is the kernel's again."""
    text = refusal(port, "xdp:eth0", "-f", "ip protochain 17")
    assert "jumps back, and an XDP program has no loops" in text
    filters = ("-f", "ip protochain 17", "-F", "udp port 7777", "-A", 50)
    env = {"PCAP_ACCEL_LOG": "info"}
    capture = port.capture("xdp:eth0?tap=yes", *filters, env=env)
    port.send("peer0", "-n", 100, "-r", RATE, "-p", "arp", "-q", 500)
    port.send("peer0", "-n", 100, "-r", RATE)
    result = capture.stop()
    every(result, port, 100)
    kinds = re.findall(r"the filter of \d+ instructions is ([\w' ]+)", result.stderr)
    assert kinds == ["the library's", "translated"], result.stderr


@pytest.mark.parametrize("uid, filters", [(0, ()), (65534, ("-f", "udp port 7778 or tcp"))])
def test_computation(port, uid, filters):
    """Predicates apply before the program's filter: what they reject is the host's, with it or without;
    a function that does nothing is named in the log."""
    env = {"PFQ_COMPUTATION": "udp >-> kernel >-> port 7778", "PCAP_ACCEL_LOG": "info"}
    witness = port.capture("eth0", stock=True)
    capture = port.capture("xdp:eth0", "-u", uid, *filters, env=env)
    port.send("peer0", "-n", 50, "-r", RATE, "-q", 500)
    port.send("peer0", "-n", 50, "-r", RATE, "-q", 600, "-p", "tcp", "-d", 7778)
    port.send("peer0", "-n", 100, "-r", RATE, "-d", 7778)
    passed, taken = netlab.stop(witness, capture)
    every(taken, port, 100)
    rest = set(range(500, 550)) | set(range(600, 650))
    assert passed.seen <= rest
    assert len(rest - passed.seen) <= lost_on_the_way(port)
    assert "computation: kernel does nothing here\n" in taken.stderr


@pytest.mark.parametrize(
    "text, why",
    [
        ("udp >-> steer_flow", "xdp:eth0?fallback=afpacket: the computation steers packets"),
        ("udp >-> prot 7778", "computation:1:9: "),
    ],
)
def test_computation_refused(port, text, why):
    """A computation that divides packets, or is none, and packet sockets do not do without it."""
    said = refusal(port, "xdp:eth0?fallback=afpacket", env={"PFQ_COMPUTATION": text})
    assert why in said


def test_inject(port):
    """pcap_inject and pcap_sendpacket send through the transmit ring, past the host's packet sockets."""
    peer = port.capture("peer0", where=netlab.SENDER, stock=True)
    witness = port.capture("eth0", stock=True)
    ours = port.capture("xdp:eth0", "-f", "tcp", "-j", 10)
    ours, other, seen = netlab.stop(ours, peer, witness)
    assert (ours["injected"], ours["inject_failed"], ours["packets"]) == (10, 0, 0)
    assert not seen.seen
    assert other.seen == set(range(1000000, 1000010))


@pytest.mark.parametrize(
    "option, why", [("", "it has the address 10.77.0.1"), (",zc=require", "no zero copy")]
)
def test_fallback(lab, tmp_path, option, why):
    """Where XDP cannot be had, packet sockets copy what is received; the log says so, and why."""
    if netlab.STOCK:
        pytest.skip("the system's libpcap has no AF_XDP")
    if option:
        lab.ip("address", "flush", "dev", "eth0")
    log = tmp_path / "log"
    env = {"PCAP_ACCEL_LOG": f"info:{log}"}
    capture = lab.capture(f"xdp:eth0?fallback=afpacket{option}", "-f", "udp", env=env)
    assert not has_program(lab)
    witness = lab.capture("eth0", "-f", "udp", stock=True)
    lab.send("peer0", "-n", 100, "-r", RATE)
    lab.send("eth0", "-n", 100, "-r", RATE, "-q", 500, where=netlab.SENSOR)
    ours, all_of_it = netlab.stop(capture, witness)
    every(ours, lab, 100)
    assert ours.seen == all_of_it.seen & set(range(100))
    warning, served = log.read_text().splitlines()[:2]
    assert why in warning and warning.endswith("(fallback to afpacket)")
    assert ": fallback to afpacket, ring of " in served
    assert "no such interface" in refusal(lab, "xdp:none?fallback=afpacket")
