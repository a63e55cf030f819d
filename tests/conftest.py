# SPDX-License-Identifier: BSD-3-Clause
"""Options and fixtures of all tests. ACCEL_BUILD names the build folder; without it, build/ of the
repository. The namespaces are netlab's."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import netlab
import pytest

REPO = Path(__file__).resolve().parents[1]


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also the tests that take minutes")


def pytest_configure():
    """A shell starts what is in its background deaf to SIGINT, and so would be every program here."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--full"):
        return
    skip = pytest.mark.skip(reason="takes minutes: only with --full")
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def repo():
    return REPO


@pytest.fixture(scope="session")
def full(request):
    """Was --full given?"""
    return request.config.getoption("--full")


@pytest.fixture(scope="session")
def accel_build():
    """The build under test, as a netlab.Build."""
    build = netlab.Build(Path(os.environ.get("ACCEL_BUILD", REPO / "build")).resolve())
    if not build.library.exists() and not netlab.STOCK:
        pytest.fail(f"{build.library}: not built (sh tests/run.sh, or set ACCEL_BUILD)")
    return build


@pytest.fixture(scope="session")
def build(accel_build):
    """The folder of the build under test."""
    return accel_build.folder


@pytest.fixture(scope="session")
def library(accel_build):
    """The library under the name that is preloaded."""
    return accel_build.library


@pytest.fixture
def make_lab(accel_build):
    """A factory of labs: make_lab(pairs=2). Each is removed at the end of the test."""
    labs = []

    def make(pairs=1):
        labs.append(netlab.Lab(accel_build, pairs))
        return labs[-1]

    yield make
    for lab in labs:
        lab.close()


@pytest.fixture
def lab(make_lab):
    """eth0 (10.77.0.1) in the sensor namespace, peer0 (10.77.0.2) in the sender's."""
    return make_lab()


@pytest.fixture
def lab2(make_lab):
    """Two pairs: eth0 and eth1, peer0 and peer1."""
    return make_lab(2)


@pytest.fixture(params=["native", pytest.param("generic", marks=pytest.mark.full)])
def mode(request, monkeypatch):
    """How XDP programs are attached, unless a device says it itself."""
    if request.param != "native":
        monkeypatch.setenv("PCAP_ACCEL_ATTACH", request.param)
    return request.param


@pytest.fixture
def port(lab, mode):
    """A lab whose eth0 has no address: the host does not live there."""
    if netlab.STOCK:
        pytest.skip("the system's libpcap has no AF_XDP")
    lab.ip("address", "flush", "dev", "eth0")
    return lab


@pytest.fixture(scope="module")
def bed(accel_build):
    """One lab of two pairs for all tests of a file, for groups: they are gone with their members. Its tests
    take it through a fixture that calls bed.end_all() behind each."""
    bed = netlab.Lab(accel_build, pairs=2)
    yield bed
    bed.close()


@pytest.fixture(scope="session", autouse=True)
def tcpdump_is_not_confined(tmp_path_factory):
    """Where AppArmor binds /usr/bin/tcpdump, by its path, to the system's libraries, the tests run a
    copy of it."""
    profiles = Path("/sys/kernel/security/apparmor/profiles")
    tcpdump = shutil.which("tcpdump")
    if tcpdump is None or not profiles.exists() or "tcpdump" not in profiles.read_text():
        return
    folder = tmp_path_factory.mktemp("programs")
    shutil.copy(tcpdump, folder)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"


def _promiscuous():
    """Devices of the namespace that the tests were started in, with how often they are promiscuous."""
    text = subprocess.run(["ip", "-d", "link"], capture_output=True, text=True).stdout
    return dict(re.findall(r"^\d+: ([^:@]+).*?promiscuity (\d+)", text, re.M | re.S))


@pytest.fixture(scope="session", autouse=True)
def nothing_left():
    """At the end of the run no namespace, process or promiscuous device of the tests is left."""
    before = _promiscuous()
    yield
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    left = [line for line in spaces.splitlines() if line.startswith(netlab.PREFIX)]
    assert not left, f"namespaces left behind: {left}"
    alive = [process.args for process in netlab.living if process.poll() is None]
    assert not alive, f"processes left behind: {alive}"
    assert _promiscuous() == before
