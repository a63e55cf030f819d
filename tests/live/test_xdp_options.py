# SPDX-License-Identifier: BSD-3-Clause
"""The options of the AF_XDP engine under a real capture: what the engine and the kernel make of them, that
packets arrive all the same, and the sentence where something cannot be had. Copies and sent packets too."""

import fcntl
from pathlib import Path

import netlab
import pytest
from test_xdp import RATE, every, lost_on_the_way, refusal

N = 300
HUGE = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


def engine_of(log: Path) -> str:
    """What the log says of the capture that began last."""
    said = [line for line in log.read_text().splitlines() if ": the filter of " not in line]
    return said[-1].partition(": ")[2]


@pytest.fixture
def captured(port, tmp_path):
    """A function that captures packets on eth0 with some options, and returns what serves it. They are
    fewer than the smallest of the rings holds: the reader may not run meanwhile."""

    def capture(device: str, *options) -> str:
        log = tmp_path / "log"
        running = port.capture(device, "-f", "udp", *options, env={"PCAP_ACCEL_LOG": f"info:{log}"})
        served = engine_of(log)
        port.send("peer0", "-n", 150, "-r", RATE, "-f", 50)
        every(running.stop(), port, 150)
        return served

    return capture


@pytest.mark.parametrize(
    "options, served",
    [
        ("buffer=1MiB,frame_size=4KiB,need_wakeup=no", "of 256 frames of 4096"),
        ("memory_limit=1MiB,busy_poll=20us,busy_budget=8", "of 256 frames"),
        ("rx_slots=1000,batch=1000,queue=0,timeout=1ms", "1 queue of 512 frames"),
        ("rx_ring=2048,fill_ring=32768,comp_ring=4096,tx_slots=64", "of 2048 frames"),
    ],
)
def test_memory(captured, options, served):
    """Frames, rings, batches, polling: the engine has what was asked for, and captures."""
    assert served in captured(f"xdp:eth0?{options}")


def test_lippycat_file(captured, tmp_path):
    """A file with lippycat's keys is one of ours."""
    conf = tmp_path / "lippycat.conf"
    conf.write_text(
        "interface = eth0\nuse_xdp = true\nxdp_queue_id = 0\nbuffer_size = 10000\ntimeout = 100ms\n"
        "enable_stats = true\nstats_interval = 10s\numem_size = 4194304\nnum_frames = 4096\n"
        "frame_size = 2048\nrx_ring_size = 2048\ntx_ring_size = 2048\nfill_ring_size = 2048\n"
        "comp_ring_size = 2048\nbatch_size = 64\nflags = 0\nbind_flags = 0\n"
    )
    assert "1 queue of 2048 frames of 2048 bytes" in captured(f"xdp/{conf}:eth0")


@pytest.fixture
def four_queues(lab, mode):
    """eth0 with four queues in both directions, and no address."""
    if netlab.STOCK:
        pytest.skip("the system's libpcap has no AF_XDP")
    lab.ip("link", "del", "eth0")
    sender = lab.names[netlab.SENDER]
    queues = ["numrxqueues", "4", "numtxqueues", "4"]
    lab.ip("link", "add", "eth0", *queues, "type", "veth", "peer", "name", "peer0", *queues)
    lab.ip("link", "set", "peer0", "netns", sender)
    for where, name in ((netlab.SENSOR, "eth0"), (netlab.SENDER, "peer0")):
        lab.ip("link", "set", name, "up", where=where)
    lab.wait_for_link("eth0")
    return lab


@pytest.mark.parametrize(
    "device, n_queues, n_frames",
    [
        ("xdp:eth0?buffer=8MiB", 4, 1024),
        ("xdp:eth0@q0+2-3?rx_slots=1536", 3, 512),
    ],
)
def test_queues(four_queues, tmp_path, device, n_queues, n_frames):
    """Queues that are named are ours, the others the host's; what was asked for is shared by them."""
    log = tmp_path / "log"
    env = {"PCAP_ACCEL_LOG": f"info:{log}"}
    witness = four_queues.capture("eth0", "-f", "udp", stock=True)
    capture = four_queues.capture(device, "-f", "udp", env=env)
    assert f"{n_queues} queue{'s' * (n_queues > 1)} of {n_frames} frames" in engine_of(log)
    warns = "'eth0' has 4 receive queues, of which 3 are captured" in log.read_text()
    assert warns == (n_queues == 3)
    four_queues.send("peer0", "-n", N, "-r", RATE, "-f", 50)
    ours, hosts = netlab.stop(capture, witness)
    assert not ours.seen & hosts.seen
    missing = set(range(N)) - ours.seen - hosts.seen
    assert len(missing) <= lost_on_the_way(four_queues)
    assert ours["backwards"] == 0
    assert [(name, frames) for name, _, frames, *_ in ours["queues"]] == [
        ("eth0", n_frames)
    ] * n_queues
    assert sum(delivered for *_, delivered, _ in ours["queues"]) == ours["packets"] + ours["stops"]
    assert sum(delivered > 0 for *_, delivered, _ in ours["queues"]) > 1
    assert {lost for *_, lost in ours["queues"]} == {0}


@pytest.fixture
def two_huge_pages():
    """Two huge pages more than there were, nobody else's: they are the whole machine's."""
    try:
        before = int(HUGE.read_text())
    except OSError:
        pytest.skip("this kernel has no huge pages of 2 MiB")
    with HUGE.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = int(HUGE.read_text())
        HUGE.write_text(str(before + 2))
        try:
            if int(HUGE.read_text()) != before + 2:
                pytest.skip("no memory for two huge pages")
            yield
        finally:
            HUGE.write_text(str(before))


def test_huge_pages(captured, port, two_huge_pages):
    """Frames in huge pages, which are free again afterwards; where they do not suffice it says how to get
    some."""
    free = HUGE.with_name("free_hugepages").read_text()
    text = refusal(port, "xdp:eth0?huge_pages=yes,rx_slots=1048576")
    assert "huge pages of 2 MiB are free (sysctl -w vm.nr_hugepages=" in text
    assert "of 512 frames" in captured("xdp:eth0?huge_pages=yes,rx_slots=512,tx_slots=64")
    assert HUGE.with_name("free_hugepages").read_text() == free


@pytest.mark.parametrize(
    "device, text",
    [
        ("xdp:eth0?tap=yes,rest=drop", "tap=yes copies, the host gets everything"),
        ("xdp:eth0?rx_ring=100", "rx_ring: '100' is not a power of two"),
    ],
)
def test_refused(port, device, text):
    """What XDP cannot do is refused, with what would be right."""
    assert text in refusal(port, device)


@pytest.mark.parametrize(
    "options",
    [["-a", "next"], ["-n"], ["-k"]],
    ids=" ".join,
)
def test_tap(lab, options):
    """tap=yes: the program sees what its filter matches, the host everything, also on an interface that
    it lives on."""
    if netlab.STOCK:
        pytest.skip("the system's libpcap has no AF_XDP")
    witness = lab.capture("eth0", "-f", "udp", stock=True)
    capture = lab.capture("xdp:eth0?tap=yes", "-f", "udp port 7778", *options)
    lab.send("peer0", "-n", N, "-r", RATE, "-q", 5000)
    lab.send("peer0", "-n", N, "-r", RATE, "-f", 50, "-d", 7778)
    ours, hosts = netlab.stop(capture, witness)
    every(ours, lab, N)
    assert ours.seen <= hosts.seen
    assert len(hosts.seen) + lost_on_the_way(lab) >= 2 * N


def test_tap_is_small(lab):
    """What a tap's ring has no room for is counted as dropped, and the host has it."""
    if netlab.STOCK:
        pytest.skip("the system's libpcap has no AF_XDP")
    n = 1000
    capture = lab.capture("xdp:eth0?tap=yes,buffer=64KiB", "-f", "udp")
    witness = lab.capture("eth0", "-f", "udp", stock=True)
    capture.signal(netlab.signal.SIGSTOP)
    lab.send("peer0", "-n", n, "-r", RATE)
    capture.signal(netlab.signal.SIGCONT)
    ours, hosts = netlab.stop(capture, witness)
    assert 0 < ours["drop"] <= n
    assert ours["packets"] + ours["drop"] + lost_on_the_way(lab) >= n
    assert ours["recv"] == ours["packets"] + ours["other"] + ours["stops"] + ours["drop"]
    assert len(hosts.seen) + lost_on_the_way(lab) >= n


def test_tap_after_privileges(lab):
    """A tap's filter holds also for a process that has given up its privileges."""
    if netlab.STOCK:
        pytest.skip("the system's libpcap has no AF_XDP")
    capture = lab.capture("xdp:eth0?tap=yes", "-u", 65534, "-f", "udp port 7778")
    lab.send("peer0", "-n", 100, "-r", RATE, "-q", 500)
    lab.send("peer0", "-n", 100, "-r", RATE, "-d", 7778)
    every(capture.stop(), lab, 100)


@pytest.mark.parametrize(
    "direction, how, tap",
    [
        ("in", "call", ""),
        ("out", "option", ""),
        ("inout", "call", ""),
        ("inout", "option", "?tap=yes"),
    ],
)
def test_direction(port, tmp_path, direction, how, tap):
    """Received packets, unless the program or an option asks for sent ones; out takes nothing from the
    host."""
    options = ["-d", direction] if how == "call" else []
    device = f"xdp:eth0{tap}"
    if how == "option":
        device += f"{',' if tap else '?'}direction={direction}"
    witness = port.capture("eth0", "-f", "udp", "-d", "in", stock=True)
    log = tmp_path / "log"
    capture = port.capture(device, "-f", "udp", *options, env={"PCAP_ACCEL_LOG": f"info:{log}"})
    assert ("tapped, 1 ring of 65536 KiB" in engine_of(log)) == bool(tap)
    assert (", sent packets" in engine_of(log)) == (how == "option")
    port.send("peer0", "-n", N, "-r", RATE)
    port.send("eth0", "-n", N, "-r", RATE, "-q", 5000, where=netlab.SENSOR)
    ours, hosts = netlab.stop(capture, witness)
    received, sent = set(range(N)), set(range(5000, 5000 + N))
    wanted = (received if direction != "out" else set()) | (sent if direction != "in" else set())
    assert ours.seen <= wanted
    assert len(wanted - ours.seen) <= lost_on_the_way(port)
    assert (ours["twice"], ours["drop"]) == (0, 0)
    if tap or direction == "out":
        assert len(received - hosts.seen) <= lost_on_the_way(port)
    else:
        assert not hosts.seen & received


def test_sent_filter(port):
    """Sent packets meet the filter too, and its change."""
    capture = port.capture("xdp:eth0", "-d", "out", "-f", "udp", "-F", "udp port 7778", "-A", 100)
    port.send("eth0", "-n", 100, "-r", RATE, where=netlab.SENSOR)
    port.send("eth0", "-n", 100, "-r", RATE, "-q", 500, where=netlab.SENSOR)
    port.send("eth0", "-n", 100, "-r", RATE, "-q", 1000, "-d", 7778, where=netlab.SENSOR)
    result = capture.stop()
    assert result.seen >= set(range(100)) | set(range(1000, 1100))
    assert result["rejected"] == 0


def test_link_flap_of_sent(port):
    """A link that goes away and comes back ends neither the received nor the sent packets."""
    capture = port.capture("xdp:eth0", "-d", "inout", "-f", "udp")
    for state in ("down", "up"):
        port.ip("link", "set", "eth0", state)
    port.wait_for_link("eth0")
    port.send("eth0", "-n", 100, "-r", RATE, "-q", 500, where=netlab.SENSOR)
    result = capture.stop()
    assert result.seen >= set(range(500, 600))


def test_more_queues(four_queues, tmp_path):
    """Queues that come into use under a capture are not captured: the log says so."""
    for where, name in ((netlab.SENSOR, "eth0"), (netlab.SENDER, "peer0")):
        four_queues.run(["ethtool", "-L", name, "rx", 2, "tx", 2], where=where)
    log = tmp_path / "log"
    capture = four_queues.capture("xdp:eth0", "-f", "udp", env={"PCAP_ACCEL_LOG": f"warning:{log}"})
    four_queues.run(["ethtool", "-L", "eth0", "rx", 4, "tx", 4])
    netlab.await_text(log, "'eth0' has 4 receive queues now, of which 2 are captured")
    capture.stop()
