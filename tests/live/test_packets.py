# SPDX-License-Identifier: BSD-3-Clause
"""One device: which packets arrive, once each, whatever the API, the timeout, the snaplen."""

import netlab
import pytest

N = 2000
RATE = 40000  # packets a second: more than a block a timeout, and no overrun of a softirq queue


def seen_of(capture, lab, *options, n=N):
    lab.send("peer0", "-n", n, "-r", RATE, *options)
    return capture.stop()


def once(result, n=N):
    assert result.seen == set(range(n)), f"lost or strange: {result['seen']}"
    assert result["twice"] == 0
    assert result["backwards"] == 0
    assert result["cap_beyond_len"] == 0


@pytest.mark.parametrize("api", ["loop", "dispatch", "next", "next_ex"])
@pytest.mark.parametrize("mode", ["blocking", "nonblocking", "immediate"])
def test_every_packet_once(lab, api, mode):
    """Every packet arrives once, in order of time, through each reading function."""
    flags = {"blocking": [], "nonblocking": ["-n"], "immediate": ["-I"]}[mode]
    result = seen_of(lab.capture("afpacket:eth0", "-a", api, *flags), lab, "-f", 50, "-b")
    once(result)
    assert (result["recv"], result["drop"]) == (N, 0)


def test_open_live(lab):
    """pcap_open_live opens our devices."""
    once(seen_of(lab.capture("afpacket:eth0", "-O"), lab))


@pytest.mark.parametrize("protocol", ["udp", "tcp", "icmp", "arp"])
@pytest.mark.parametrize("family", [[], ["-6"]], ids=["ipv4", "ipv6"])
def test_protocols(lab, protocol, family):
    """All kinds of packets arrive whole: our bytes are stock's."""
    stock = lab.capture("eth0", "-x", 20, "-X", 256, stock=True)
    ours = lab.capture("afpacket:eth0", "-x", 20, "-X", 256)
    lab.send("peer0", "-n", 20, "-r", 2000, "-p", protocol, "-s", 200, *family)
    ours, stock = netlab.stop(ours, stock)
    assert len(ours["shown"]) == 20
    assert ours["shown"] == stock["shown"]


@pytest.mark.parametrize("size", [60, 61, 1024, 1514])
def test_sizes(lab, size):
    """Short and full frames arrive with their length."""
    result = seen_of(lab.capture("afpacket:eth0"), lab, "-s", size)
    once(result)
    assert result["len"] == result["caplen"] == [size, size]


def test_jumbo(lab):
    """Frames of 9000 bytes arrive whole."""
    for who, name in ((netlab.SENSOR, "eth0"), (netlab.SENDER, "peer0")):
        lab.ip("link", "set", name, "mtu", "9000", where=who)
    result = seen_of(lab.capture("afpacket:eth0"), lab, "-s", 9000, n=500)
    once(result, 500)
    assert result["caplen"] == [9000, 9000]


def test_jumbo_immediate(lab):
    """In immediate mode too."""
    for who, name in ((netlab.SENSOR, "eth0"), (netlab.SENDER, "peer0")):
        lab.ip("link", "set", name, "mtu", "9000", where=who)
    result = seen_of(lab.capture("afpacket:eth0", "-I"), lab, "-s", 9000, n=500)
    once(result, 500)
    assert result["caplen"] == [9000, 9000]


@pytest.mark.parametrize("snaplen", [1, 14, 60, 96, 1000])
@pytest.mark.parametrize("text", [None, "ip"], ids=["unfiltered", "filtered"])
def test_snaplen(lab, snaplen, text):
    """caplen is at most the snaplen, len is what was on the wire; as stock, byte by byte."""
    if text and snaplen < 14:
        pytest.skip("stock runs the filter once more, on what the snaplen has left")
    options = ["-s", snaplen, "-x", 5, "-X", 256, *(["-f", text] if text else [])]
    stock = lab.capture("eth0", *options, stock=True)
    ours = lab.capture("afpacket:eth0", *options)
    lab.send("peer0", "-n", 5, "-s", 700)
    ours, stock = netlab.stop(ours, stock)
    assert ours["caplen"] == stock["caplen"] == [min(snaplen, 700)] * 2
    assert ours["len"] == [700, 700]
    assert ours["shown"] == stock["shown"]


def test_caplen_option(lab):
    """caplen=96 on the device beats the program's snaplen."""
    result = seen_of(lab.capture("afpacket:eth0?caplen=96", "-s", 1000), lab, "-s", 500)
    once(result)
    assert result["caplen"] == [96, 96]
    assert result["len"] == [500, 500]


@pytest.mark.parametrize("timeout", [0, 1, 20, 200])
@pytest.mark.parametrize("flags", [[], ["-I"]], ids=["normal", "immediate"])
def test_one_packet_arrives(lab, timeout, flags):
    """A lone packet is delivered though nothing follows it, whatever the timeout: 0 too, for which
    stock waits until its block is full."""
    capture = lab.capture("afpacket:eth0", "-c", 1, "-t", timeout, *flags)
    lab.send("peer0")
    once(capture.result(), 1)


def test_timeout_fires(lab):
    """On an idle link a blocking pcap_dispatch returns 0 after the timeout, again and again."""
    capture = lab.capture("afpacket:eth0", "-a", "dispatch", "-t", 10, "-c", 1)
    process = lab.popen(["sleep", "0.3"])  # the idle time is what is tested, not a wait
    process.wait()
    lab.send("peer0")
    result = capture.result()
    once(result, 1)
    assert result["zero_reads"] > 2


def test_timeout_does_not_end_loop(lab):
    """pcap_loop does not return on a timeout."""
    capture = lab.capture("afpacket:eth0", "-a", "loop", "-t", 10, "-c", 1)
    lab.popen(["sleep", "0.3"]).wait()
    lab.send("peer0")
    result = capture.result()
    once(result, 1)
    assert (result["reads"], result["rc"]) == (1, 0)


@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("flags", [[], ["-I"]], ids=["normal", "immediate"])
def test_precision(lab, nano, flags):
    """Time stamps are of the asked precision, and of now."""
    import time

    before = time.time_ns()
    capture = lab.capture("afpacket:eth0", *flags, *(["-N"] if nano else []))
    result = seen_of(capture, lab)
    once(result)
    assert before - 10**9 < result["first_ns"] <= result["last_ns"] < time.time_ns() + 10**9
    if nano:
        assert result["coarse"] < N / 10  # one in a thousand is a whole microsecond by chance
    else:
        assert result["coarse"] == N


@pytest.mark.parametrize(
    "direction, expected", [("in", (1, 0)), ("out", (0, 1)), ("inout", (1, 1))]
)
@pytest.mark.parametrize("how", ["call", "option"])
def test_direction(lab, direction, expected, how):
    """pcap_setdirection, and the option, choose received packets, sent ones, or both."""
    if how == "call":
        capture = lab.capture("afpacket:eth0", "-d", direction)
    else:
        capture = lab.capture(f"afpacket:eth0?direction={direction}")
    lab.send("peer0", "-n", 100, "-r", 5000)
    lab.send("eth0", "-n", 100, "-r", 5000, "-q", 5000, where=netlab.SENSOR)
    result = capture.stop()
    received = len(result.seen & set(range(100)))
    sent = len(result.seen & set(range(5000, 5100)))
    assert (received, sent) == (100 * expected[0], 100 * expected[1])
    assert result["twice"] == 0


def test_loopback_once(lab):
    """On lo each packet is seen once, though the kernel shows it twice."""
    capture = lab.capture("afpacket:lo")
    lab.send("lo", "-n", 200, "-r", 5000, where=netlab.SENSOR)
    once(capture.stop(), 200)


def test_filter(lab):
    """A filter chooses."""
    capture = lab.capture("afpacket:eth0", "-f", "udp port 7778")
    lab.send("peer0", "-n", 100, "-r", 10000, "-d", 7777, "-q", 1000)
    lab.send("peer0", "-n", 100, "-r", 10000, "-d", 7778)
    result = capture.stop()
    once(result, 100)
    assert result["recv"] == 100


@pytest.mark.parametrize(
    "flags", [[], ["-I"], ["-n"]], ids=["blocking", "immediate", "nonblocking"]
)
def test_setfilter_under_traffic(lab, flags):
    """After pcap_setfilter has returned, nothing comes that the new filter rejects; what it accepts
    goes on coming."""
    sender = lab.sending("peer0", "-r", 20000, "-f", 200, "-b")
    capture = lab.capture(
        "afpacket:eth0", "-F", "src port 7777", "-A", 3000, "-c", 20000, "-a", "dispatch", *flags
    )
    result = capture.result()
    lab.end(sender)
    assert result["packets"] >= 20000
    assert result["rejected"] == 0


def test_setfilter_without_root(lab):
    """pcap_setfilter, reading and pcap_stats need no privilege: all of that was in pcap_activate."""
    capture = lab.capture("afpacket:eth0", "-u", 65534, "-f", "udp")
    result = seen_of(capture, lab)
    once(result)
    assert result["stats_rc"] == 0


def test_stats_accumulate(lab):
    """pcap_stats counts from activation, over many reads and calls."""
    capture = lab.capture("afpacket:eth0", "-a", "next_ex")
    for start in range(0, 3000, 1000):
        lab.send("peer0", "-n", 1000, "-r", RATE, "-q", start)
    result = capture.stop()
    once(result, 3000)
    assert (result["recv"], result["drop"], result["ifdrop"]) == (3000, 0, 0)
    if not netlab.STOCK:
        assert result["accel"]["received"] == result["accel"]["delivered"] == 3000


def test_stats_count_drops(lab):
    """ps_recv includes ps_drop: sent = delivered + dropped when the ring is too small for them."""
    capture = lab.capture("afpacket:eth0", "-B", 300000, "-F", "udp", "-A", 1 << 30)
    capture.signal(netlab.signal.SIGSTOP)
    lab.send("peer0", "-n", 5000, "-s", 1500, "-r", 50000)
    capture.signal(netlab.signal.SIGCONT)
    result = capture.stop()
    assert result["drop"] > 0
    assert result["recv"] == 5000
    assert result["packets"] == 5000 - result["drop"]


@pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: 2 MiB are one block without a timeout")
@pytest.mark.parametrize("flags", [["-I"], ["-t", 0]], ids=["immediate", "timeout 0"])
def test_trickle_while_stalled(lab, flags):
    """A program that stalls loses nothing of a trickle, each packet of which may take a block."""
    capture = lab.capture("afpacket:eth0", *flags)
    capture.signal(netlab.signal.SIGSTOP)
    lab.send("peer0", "-n", 250, "-r", 250)
    capture.signal(netlab.signal.SIGCONT)
    once(capture.stop(), 250)


@pytest.mark.parametrize("flags", [[], ["-I"]], ids=["normal", "immediate"])
def test_inject(lab, flags):
    """pcap_inject and pcap_sendpacket send; the handle does not see its own packets, the peer does,
    as with stock."""
    peer = lab.capture("eth0", where=netlab.SENSOR, stock=True)
    ours = lab.capture("afpacket:eth0", "-j", 10, *flags)
    ours, other = netlab.stop(ours, peer)
    assert (ours["injected"], ours["inject_failed"], ours["packets"]) == (10, 0, 0)
    assert other.seen == set(range(1000000, 1000010))
    if not netlab.STOCK:
        assert ours["accel"]["injected"] == 10


def test_dump(lab, tmp_path):
    """pcap_dump_open on our handle: a file as stock's, headers and packets."""
    ours, stock = tmp_path / "ours.pcap", tmp_path / "stock.pcap"
    one = lab.capture("afpacket:eth0", "-w", ours, "-s", 100)
    two = lab.capture("eth0", "-w", stock, "-s", 100, stock=True)
    lab.send("peer0", "-n", 300, "-r", 10000, "-s", 200)
    netlab.stop(one, two)
    assert records(ours) == records(stock)
    assert len(records(ours)[1]) == 300


def records(path):
    """The file header, and each packet without its time (two sockets, two clocks' readings)."""
    data = path.read_bytes()
    at, packets = 24, []
    while at < len(data):
        caplen = int.from_bytes(data[at + 8 : at + 12], "little")
        packets.append(data[at + 8 : at + 16 + caplen])
        at += 16 + caplen
    return data[:24], packets


def test_fork(lab):
    """The child of a process that activated reads; the parent waits."""
    once(seen_of(lab.capture("afpacket:eth0", "-k"), lab))


def test_not_promiscuous(lab):
    """-p means it: the device is promiscuous while we capture, unless the program says no."""
    assert lab.promiscuity() == 0
    capture = lab.capture("afpacket:eth0")
    assert lab.promiscuity() == 1
    capture.stop()
    assert lab.promiscuity() == 0
    capture = lab.capture("afpacket:eth0", "-P")
    assert lab.promiscuity() == 0
    capture.stop()


@pytest.mark.parametrize("engine", ["afpacket:any", "any"])
@pytest.mark.parametrize("dlt", ["LINUX_SLL", "LINUX_SLL2"])
def test_any(lab2, engine, dlt):
    """`any` captures from every device; afpacket:any too, cooked as stock's."""
    stock = lab2.capture("any", "-x", 40, "-X", 100, "-y", dlt, stock=True)
    ours = lab2.capture(engine, "-x", 40, "-X", 100, "-y", dlt)
    lab2.send("peer0", "-n", 10, "-r", 1000)
    lab2.send("peer1", "-n", 10, "-r", 1000, "-q", 10)
    ours, stock = netlab.stop(ours, stock)
    assert ours.seen == set(range(20))
    assert ours["shown"] == stock["shown"]


def test_tun(lab, tmp_path):
    """A device without Ethernet headers: raw IP, as stock."""
    tun = lab.popen([lab.build.tool("tun_device"), "tun0", "50"], stdin=netlab.subprocess.PIPE)
    netlab.await_line(tun, "READY")
    stock = lab.capture("tun0", "-x", 50, "-X", 100, stock=True)
    ours = lab.capture("afpacket:tun0", "-x", 50, "-X", 100)
    tun.stdin.write("\n")
    tun.stdin.flush()
    netlab.await_line(tun, "SENT")
    ours, stock = netlab.stop(ours, stock)
    lab.end(tun)
    assert len(ours["shown"]) == 50
    assert ours["shown"] == stock["shown"]
    assert ours["shown"][0][1].startswith("45")


@pytest.mark.parametrize("engine", ["", "afpacket:"])
def test_dump_and_stdio(lab, tmp_path, engine):
    """pcap_dump and its friends share their FILE with stdio: the dumper is a FILE."""
    env = lab.accel_env() if engine else {}
    device = "eth0" if netlab.STOCK else f"{engine}eth0"
    argv = [lab.build.tool("dump_calls"), device, "eth0", tmp_path / "dump.pcap"]
    assert lab.run(argv, env=env).stdout == "ok 15\n"


def test_two_handles(lab):
    """Two handles on one device each see every packet; a filter of one is not the other's."""
    one = lab.capture("afpacket:eth0", "-f", "udp")
    two = lab.capture("afpacket:eth0", "-f", "tcp")
    lab.send("peer0", "-n", 500, "-r", 10000)
    lab.send("peer0", "-n", 500, "-r", 10000, "-p", "tcp")
    for result in netlab.stop(one, two):
        once(result, 500)
