# SPDX-License-Identifier: BSD-3-Clause
"""Bad input: each with its sentence and code, and nothing left of it: no descriptor, no mapping, no
packet socket, no promiscuous device."""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import netlab
import pytest

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: these are our sentences")

GENERIC, NO_DEVICE, NO_PERMISSION, NOT_UP = -1, -5, -8, -9


def attempt(lab, device, env=None, wrapper=(), rounds=3):
    """Open the device several times in one process; what it says, and what it leaves."""
    argv = [*wrapper, lab.build.tool("open_close"), device, rounds]
    done = lab.run(argv, env=lab.accel_env(**(env or {})), check=False)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
    assert done.stderr == "", "a guest does not print"
    result = json.loads(done.stdout)
    for what in (
        ("fds",) if lab.build.sanitizer else ("fds", "maps")
    ):  # a sanitizer maps as it likes
        before, after = result[what]
        assert before == after, f"{device[:80]}: {what}: {before} before, {after} after"
    assert lab.packet_sockets() == 0
    assert lab.promiscuity() == 0
    return result


def refused(lab, device, code, *words, **how):
    result = attempt(lab, device, **how)
    text = result["text"]
    assert result["code"] == code, f"{result['code']} {text}"
    for word in words:
        assert word in text, f"no '{word}' in: {text}"
    assert len(text) < 256
    return text


def test_good_device_leaves_nothing(lab):
    """The measure itself: a device that opens leaves nothing after pcap_close."""
    assert attempt(lab, "afpacket:eth0")["code"] == 0
    assert attempt(lab, "afpacket:any")["code"] == 0
    assert attempt(lab, "afpacket:eth0?fanout=hash,group=3")["code"] == 0


def test_unknown_device(lab):
    """A device that does not exist."""
    refused(lab, "afpacket:nosuch0", NO_DEVICE, "nosuch0")
    refused(lab, "afpacket:eth0:nosuch0", NO_DEVICE, "nosuch0")


def test_device_down(lab):
    """A device that is down."""
    lab.ip("link", "set", "eth0", "down")
    refused(lab, "afpacket:eth0", NOT_UP)


def test_one_of_two_down(lab2):
    """One of two devices is down: named."""
    lab2.ip("link", "set", "eth1", "down")
    refused(lab2, "afpacket:eth0:eth1", NOT_UP, "eth1")


def test_no_permission(lab):
    """Without CAP_NET_RAW."""
    drop = ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw"]
    refused(lab, "afpacket:eth0", NO_PERMISSION, "socket", "permitted", wrapper=drop)


NOBODY_WITH_NET_RAW = [
    "setpriv",
    "--reuid",
    "65534",
    "--regid",
    "65534",
    "--clear-groups",
    "--inh-caps",
    "-all,+net_raw",
    "--ambient-caps",
    "-all,+net_raw",
]


@pytest.fixture
def public(lab):
    """A lab whose library and tools lie where an ordinary user may read them: the repository may be
    in root's home."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shutil.copy(lab.build.library, folder)
    shutil.copytree(lab.build.folder / "tests" / "tools", folder / "tests" / "tools")
    lab.build = netlab.Build(folder)
    yield lab
    shutil.rmtree(folder)


def test_net_raw_is_enough(public):
    """CAP_NET_RAW alone is enough: an ordinary user who has it captures."""
    assert attempt(public, "afpacket:eth0", wrapper=NOBODY_WITH_NET_RAW)["code"] == 0


@pytest.mark.parametrize(
    "device, words",
    [
        ("afpacket:eth0?que=1", ["que"]),
        ("afpacket:eth0?bufer=1MiB", ["bufer", "buffer"]),
        ("afpacket:eth0?buffer=lots", ["lots"]),
        ("afpacket:eth0?buffer=1MB", ["1MB"]),
        ("afpacket:eth0?timeout=5", ["5"]),
        ("afpacket:eth0?timeout=5h", ["5h"]),
        ("afpacket:eth0?promisc=maybe", ["maybe"]),
        ("afpacket:eth0?caplen=300000", ["300000"]),
        ("afpacket:eth0?caplen=-1", ["-1"]),
        ("afpacket:eth0?fanout=sideways", ["sideways", "hash"]),
        ("afpacket:eth0?direction=up", ["up"]),
        ("afpacket:eth0?vlan=4096", ["4096"]),
        ("afpacket:eth0?block=3MiB", ["3MiB"]),
        ("afpacket:eth0?group=7,group=8", ["group"]),
        ("afpacket:eth0?=7", []),
        ("afpacket:eth0?group", ["group"]),
        ("afpacket:eth0?", []),
        ("afpacket:eth0?computation=ip", ["computation"]),
        ("afpacket:", []),
        ("afpacket::eth0", []),
        ("afpacket:eth0:", []),
        ("afpacket:averyveryverylongname0", ["averyveryverylongname0"]),
        ("afpacket:eth0@", []),
        ("afpacket:eth0@q9-3", []),
        ("afpacket:eth0:eth0", ["eth0"]),
    ],
)
def test_option(lab, device, words):
    """Unknown options, values, units and forms: the error names them."""
    refused(lab, device, GENERIC, *words)


@pytest.mark.parametrize(
    "map_text, words",
    [
        ("eth0=nosuch:eth0", ["nosuch"]),
        ("eth0", ["PCAP_ACCEL_MAP"]),
        ("=afpacket:eth0", ["PCAP_ACCEL_MAP"]),
    ],
)
def test_map(lab, map_text, words):
    """An alias map that cannot be understood, or that names an unknown engine."""
    refused(lab, "eth0", GENERIC, *words, env={"PCAP_ACCEL_MAP": map_text})


def test_default_engine(lab):
    """PCAP_ACCEL_DEFAULT with an unknown engine."""
    refused(lab, "eth0", GENERIC, "nosuch", env={"PCAP_ACCEL_DEFAULT": "nosuch"})


@pytest.mark.parametrize("name, value", [("PCAP_ACCEL_BUFFER", "lots"), ("PCAP_ACCEL_GROUP", "-3")])
def test_environment(lab, name, value):
    """A variable with a bad value: the error names it."""
    refused(lab, "afpacket:eth0", GENERIC, name, env={name: value})


def test_environment_of_another_engine(lab):
    """A variable of PFQ's does not disturb afpacket."""
    assert attempt(lab, "afpacket:eth0", env={"PFQ_GROUP": "x"})["code"] == 0


@pytest.fixture
def conf():
    """A path that is short enough to be in an error as a whole."""
    with tempfile.TemporaryDirectory(prefix="a", dir="/tmp") as folder:
        yield Path(folder) / "sensor.conf"


def test_conf(lab, conf):
    """A file that is right opens."""
    conf.write_text("# ours\nbuffer = 8MiB\ntimeout = 10ms\n")
    assert attempt(lab, f"afpacket/{conf}:eth0")["code"] == 0


def test_conf_missing(lab, conf):
    """A file that does not exist."""
    refused(lab, f"afpacket/{conf}:eth0", GENERIC, str(conf))


def test_conf_unreadable(public):
    """A file that may not be read."""
    conf = public.build.folder / "sensor.conf"
    conf.write_text("buffer = 8MiB\n")
    conf.chmod(0)
    device = f"afpacket/{conf}:eth0"
    refused(public, device, GENERIC, str(conf), wrapper=NOBODY_WITH_NET_RAW)


def test_conf_oversized(lab, conf):
    """A file of more than 64 KiB."""
    conf.write_text("# long\n" * 10000)
    refused(lab, f"afpacket/{conf}:eth0", GENERIC, str(conf))


@pytest.mark.parametrize(
    "data", [b"buffer = 8MiB\n\0\n", b"\x7fELF\x02\x01\x01\0", b"buffer = \xff\xfe\n"]
)
def test_conf_binary(lab, conf, data):
    """A file that is not text."""
    conf.write_bytes(data)
    refused(lab, f"afpacket/{conf}:eth0", GENERIC, str(conf))


def test_conf_looping(lab, conf):
    """A symbolic link to itself."""
    conf.symlink_to(conf)
    refused(lab, f"afpacket/{conf}:eth0", GENERIC, str(conf))


@pytest.mark.parametrize("special", ["/dev/zero", "/tmp", "/dev/stdin"])
def test_conf_special(lab, special):
    """A file that is none."""
    refused(lab, f"afpacket/{special}:eth0", GENERIC, special)


def test_conf_fifo(lab, conf):
    """A pipe that nobody writes to does not stop us."""
    os.mkfifo(conf)
    refused(lab, f"afpacket/{conf}:eth0", GENERIC, str(conf))


def test_conf_position(lab, conf):
    """A mistake in a file: line and column."""
    conf.write_text("buffer = 8MiB\n\nbufer = 8MiB\n")
    text = refused(lab, f"afpacket/{conf}:eth0", GENERIC, "bufer")
    assert re.search(r"sensor\.conf:3:\d+", text)


def test_ambient_conf(lab, conf):
    """PCAP_ACCEL_CONF names the ambient file: a mistake in it is an error of our devices."""
    conf.write_text("bufer = 8MiB\n")
    refused(lab, "afpacket:eth0", GENERIC, "bufer", env={"PCAP_ACCEL_CONF": str(conf)})


def test_ring_too_large(lab):
    """A ring that does not fit in memory is made smaller, and said so in explain; or refused. Nothing
    is left of it either way."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    result = attempt(lab, f"afpacket:eth0?buffer={min(2 * memory, 512 << 30) >> 20}MiB", rounds=1)
    assert result["code"] in (0, GENERIC)
    if result["code"]:
        assert "memory" in result["text"].lower()


def test_300_devices(lab):
    """300 devices in one name."""
    refused(lab, "afpacket:" + ":".join(f"eth{i}" for i in range(300)), GENERIC, "64")


def test_long_name(lab):
    """A name of 10,000 characters, in every place of the grammar."""
    for device in (
        "afpacket:" + "x" * 10000,
        "afpacket/" + "x" * 10000 + ":eth0",
        "afpacket:eth0?group=" + "1" * 10000,
        "afpacket:eth0?" + "x" * 10000 + "=1",
    ):
        refused(lab, device, GENERIC)


def test_odd_characters(lab):
    """Control characters and broken UTF-8 do not come back in the text."""
    for junk in ("\x01\x1b[31m", "é", "a b", "%s%n", '"'):
        text = refused(lab, f"afpacket:eth0?{junk}=1", GENERIC)
        assert not re.search(r"[\x00-\x1f]", text)
