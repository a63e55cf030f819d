# SPDX-License-Identifier: BSD-3-Clause
"""Which engine serves a name: the alias map, the default engine, the log and pcap_accel_explain; and
that other names stay the system library's."""

import netlab
import pytest

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no engines")


def log_of(lab, tmp_path, device, **env):
    """What PCAP_ACCEL_LOG=info says about one open."""
    log = tmp_path / "log"
    log.unlink(missing_ok=True)
    lab.run(
        [lab.build.tool("open_close"), device, "0"],
        env=lab.accel_env(PCAP_ACCEL_LOG=f"info:{log}", **env),
    )
    return log.read_text() if log.exists() else ""


def capture(lab, device, **env):
    """Does the device deliver? And who serves it: ours has pcap_accel_stats."""
    running = lab.capture(device, env=env)
    lab.send("peer0", "-n", 50, "-r", 5000)
    result = running.stop()
    assert result.seen == set(range(50))
    return "accel" in result


def test_log_names_engine_and_reason(lab, tmp_path):
    """At info, one line a handle: which engine serves it."""
    text = log_of(lab, tmp_path, "afpacket:eth0")
    assert len([line for line in text.splitlines() if "afpacket" in line]) == 1
    assert "eth0" in text


def test_no_log_unless_asked(lab):
    """Nothing is printed unless PCAP_ACCEL_LOG asks for it."""
    done = lab.run([lab.build.tool("open_close"), "afpacket:eth0", "0"], env=lab.accel_env())
    assert done.stderr == ""


def test_plain_name_is_stock(lab, tmp_path):
    """An ordinary name is the system library's."""
    assert not capture(lab, "eth0")
    assert "afpacket" not in log_of(lab, tmp_path, "eth0")


def test_map(lab, tmp_path):
    """PCAP_ACCEL_MAP=eth0=afpacket:eth0: a program that asks for eth0 gets our engine."""
    env = {"PCAP_ACCEL_MAP": "eth0=afpacket:eth0"}
    assert capture(lab, "eth0", **env)
    assert "afpacket" in log_of(lab, tmp_path, "eth0", **env)
    assert not capture(lab, "any", **env)


def test_map_of_several(lab2):
    """A map of several names, with options that have commas."""
    env = {
        "PCAP_ACCEL_MAP": "eth1=afpacket:eth1?fanout=hash,group=7,eth0=afpacket:eth0?caplen=96",
    }
    assert capture(lab2, "eth0", **env)


def test_map_to_other_device(lab2):
    """A name can stand for several devices."""
    running = lab2.capture("eth0", env={"PCAP_ACCEL_MAP": "eth0=afpacket:eth0:eth1"})
    lab2.send("peer0", "-n", 50, "-r", 5000)
    lab2.send("peer1", "-n", 50, "-r", 5000, "-q", 50)
    assert running.stop().seen == set(range(100))


def test_default(lab):
    """PCAP_ACCEL_DEFAULT=afpacket: every Ethernet interface; `any` stays the system's."""
    env = {"PCAP_ACCEL_DEFAULT": "afpacket"}
    assert capture(lab, "eth0", **env)
    assert not capture(lab, "any", **env)


def test_default_leaves_other_links(lab):
    """A device without Ethernet headers is not mapped by PCAP_ACCEL_DEFAULT."""
    tun = lab.popen([lab.build.tool("tun_device"), "tun0", "1"], stdin=netlab.subprocess.PIPE)
    netlab.await_line(tun, "READY")
    result = lab.capture("tun0", env={"PCAP_ACCEL_DEFAULT": "afpacket"}).stop()
    assert "accel" not in result
    lab.end(tun)


def test_interface_named_like_us(lab):
    """An interface that is really called "afpacket" stays itself."""
    lab.ip("link", "set", "eth0", "down")
    lab.ip("link", "set", "eth0", "name", "afpacket")
    lab.ip("link", "set", "afpacket", "up")
    lab.wait_for_link("afpacket")
    assert not capture(lab, "afpacket")


@pytest.mark.parametrize("env", [{}, {"PCAP_ACCEL_DEFAULT": "afpacket"}], ids=["plain", "default"])
def test_list_of_devices(lab, env):
    """tcpdump -D lists what stock lists, in stock's order."""
    netlab.needs("tcpdump")
    stock = lab.run(["tcpdump", "-D"]).stdout
    assert lab.run(["tcpdump", "-D"], env=lab.accel_env(**env)).stdout == stock


def test_list_with_ours(lab):
    """PCAP_ACCEL_LIST=1 adds our names at the end."""
    netlab.needs("tcpdump")
    stock = lab.run(["tcpdump", "-D"]).stdout
    ours = lab.run(["tcpdump", "-D"], env=lab.accel_env(PCAP_ACCEL_LIST="1")).stdout
    assert ours.startswith(stock)
    assert "afpacket:eth0" in ours
