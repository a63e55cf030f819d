# SPDX-License-Identifier: BSD-3-Clause
"""On a Debian that was made a minute ago: README.md's installations, with nothing there but what README.md
names. Each test has a copy of one root folder, and mount and process namespaces of its own over it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import quickstart

REPO = Path(__file__).resolve().parents[2]
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")

# What an installed Debian has beside the kernel's file systems. All of it goes with the namespaces.
ENTER = """
mount --bind "$0" "$0" && cd "$0" && mount -t proc proc proc && mount --rbind /dev dev &&
mount --rbind /sys sys && mount -t tmpfs tmpfs run && exec chroot . "$@"
"""

LOOK = """
import pathlib, pypcapaccel
from pypcapaccel import _backend, pcapy
reader = pcapy.open_offline("/x.pcap")
packets = []
reader.loop(-1, lambda header, data: packets.append((header.getts(), data)))
batches = list(pypcapaccel.open(pathlib.Path("/x.pcap")).batches())
print(pypcapaccel.lib_path(), _backend.FAST, packets == [((7, 8), b"x" * 60)], len(batches[0]))
"""

pytestmark = pytest.mark.full

Run = Callable[..., str]


def mirror() -> tuple[str, str]:
    """(address, suite) of what this machine's own apt reads."""
    release = Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\w+)", release, re.M)
    if not found or not shutil.which("debootstrap"):
        pytest.skip("no debootstrap, or not a Debian (tests/packages.txt)")
    form = "$(RELEASE) $(COMPONENT) $(REPO_URI)"
    argv = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    lines = subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()
    for line in lines:
        suite, component, address = line.split()
        if (suite, component) == (found[1], "main"):
            return address, suite
    pytest.skip(f"apt knows no mirror of {found[1]} here")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root folder of a minimal Debian with Python, and with this machine's way to the registries."""
    address, suite = mirror()
    root = tmp_path_factory.mktemp("debian") / "root"
    argv = ["debootstrap", "--variant=minbase", "--include=python3,ca-certificates", suite]
    done = subprocess.run([*argv, root, address], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"debootstrap: {(done.stdout + done.stderr).splitlines()[-1]}")
    shutil.copy("/etc/resolv.conf", root / "etc")
    if Path("/", CERTIFICATES).exists():
        shutil.copy(Path("/", CERTIFICATES), root / CERTIFICATES)
    shutil.copytree(
        REPO, root / "src", ignore=shutil.ignore_patterns("build*", ".venv", ".git", ".cache")
    )
    header = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
    record = b"".join(n.to_bytes(4, "little") for n in (7, 8, 60, 60))
    (root / "x.pcap").write_bytes(header + record + b"x" * 60)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def debian(base: Path) -> Iterator[Run]:
    """debian(WORD, ...): what a command in a fresh copy of the root prints."""
    root = base.with_name("copy")
    subprocess.run(["cp", "-a", "--reflink=auto", base, root], check=True)
    proxies = {name: word for name, word in os.environ.items() if name.lower().endswith("_proxy")}
    env = {**proxies, "PATH": PATH, "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
    env["PIP_CERT"] = str(Path("/", CERTIFICATES))

    def run(*words: str) -> str:
        argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER]
        whole = [*argv, str(root), *words]
        done = subprocess.run(whole, capture_output=True, text=True, env=env, timeout=900)
        assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
        return done.stdout

    yield run
    shutil.rmtree(root)


def install(debian: Run, *packages: str) -> None:
    """Debian packages, and nothing that they only recommend."""
    debian("apt-get", "-q", "update")
    debian("apt-get", "-q", "-y", "--no-install-recommends", "install", *packages)


def make_venv(debian: Run) -> None:
    debian("python3", "-m", "venv", "/root/venv")
    try:
        debian("/root/venv/bin/pip", "download", "-q", "--no-deps", "-d", "/tmp", "cffi")
    except AssertionError as error:
        pytest.skip(f"no way to PyPI from here: {str(error).splitlines()[0]}")


def has(debian: Run, program: str) -> bool:
    return bool(debian("sh", "-c", f"command -v {program} || :"))


@pytest.mark.parametrize("headers", [(), ("libpython3-dev",)], ids=["plain", "Python.h"])
def test_pip_install(debian: Run, headers: tuple[str, ...]) -> None:
    """gcc, Python and libpcap's runtime: `pip install .` brings the library, found by itself, and the command;
    with Python.h the fast module too."""
    basic = ("gcc", "libc6-dev", "python3-pip", "python3-venv", "libpcap0.8")
    install(debian, *basic, *headers)
    assert not any(has(debian, program) for program in ("cmake", "make", "ninja", "git"))
    make_venv(debian)
    debian("/root/venv/bin/pip", "install", "-q", "/src")
    path, *rest = debian("/root/venv/bin/python", "-c", LOOK).split()
    assert re.fullmatch(r"/root/venv/lib.*/pypcapaccel/_lib/libpcap-accel\.so", path)
    assert rest == [str(bool(headers)), "True", "1"]
    wheel = debian("sh", "-c", "cat /root/venv/lib/*/site-packages/pypcapaccel-*/WHEEL")
    assert "Tag: py3-none-linux_" in wheel
    version = (REPO / "libpcap-accel" / "VERSION").read_text().strip()
    assert debian("/root/venv/bin/pcap-accel", "--version").split()[1] == version
    shown = debian("/root/venv/bin/pcap-accel", "run", "--dry-run", "--", "python3", "-V")
    assert path in shown


def test_cmake_install(debian: Run) -> None:
    """README.md's lines for C users: a program is built with pkg-config's words and runs, its pages are there."""
    install(debian, "gcc", "libc6-dev", "cmake", "make", "pkgconf", "libpcap0.8")
    steps = "cmake -S /src/libpcap-accel -B /b && cmake --build /b -j2 && cmake --install /b"
    debian("sh", "-ec", f"{steps} >&2")
    program = (
        "#include <stdio.h>\\n#include <pcap-accel.h>\\n"
        "int main(void) { puts(pcap_accel_version()); return 0; }\\n"
    )
    debian("sh", "-ec", f"printf '{program}' >/a.c")
    built = "gcc /a.c -o /a $(pkg-config --cflags --libs libpcap-accel) && /a"
    version = (REPO / "libpcap-accel" / "VERSION").read_text().strip()
    assert debian("sh", "-ec", built).strip() == version
    assert debian("pkg-config", "--modversion", "libpcap-accel").strip() == version
    pages = debian("sh", "-c", "cd /usr/local/share/man; ls */*").split()
    wanted = {
        f"man{page.suffix[1:]}/{page.name}" for page in (REPO / "libpcap-accel/man").glob("*.[1-9]")
    }
    assert wanted <= set(pages)


def test_quickstart(debian: Run) -> None:
    """With Python and nothing else."""
    programs = ("gcc", "make", "cmake", "tcpdump", "ip", "pip3")
    assert not any(has(debian, program) for program in programs)
    shown = debian("sh", "/src/examples/quickstart.sh")
    quickstart.check(shown)
    assert "pip install" in shown
    assert not debian("sh", "-c", "ls /tmp")
