# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the ABI tests: where the library is, where the system's is, how to run a program with
either. ACCEL_BUILD names the build folder; without it, build/ of the repository."""

import os
import re
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SANITIZERS = {"libasan.so": "__asan_init", "libtsan.so": "__tsan_init"}


def run_program(*argv, env=None, check=True, **options):
    """Run a command with the test's own environment plus `env`; text in and out."""
    whole = {**os.environ, **(env or {})}
    done = subprocess.run(
        [str(a) for a in argv], env=whole, capture_output=True, text=True, timeout=120, **options
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


@pytest.fixture(scope="session")
def run():
    """run(*argv, env=..., check=...) -> CompletedProcess with text. A fixture, not an import: that
    works with every import mode of pytest."""
    return run_program


@pytest.fixture(scope="session")
def needs():
    """needs(*commands): skip, with the reason, where one of these programs is not installed."""

    def check(*commands):
        for command in commands:
            if shutil.which(command) is None:
                pytest.skip(f"{command} is not installed")

    return check


@pytest.fixture(scope="session")
def repo():
    return REPO


@pytest.fixture(scope="session")
def build():
    folder = Path(os.environ.get("ACCEL_BUILD", REPO / "build")).resolve()
    if not (folder / "libpcap-accel.so").exists():
        pytest.fail(f"{folder}/libpcap-accel.so: not built (cmake --build, or set ACCEL_BUILD)")
    return folder


@pytest.fixture(scope="session")
def library(build):
    """The library under the name that is preloaded."""
    return build / "libpcap-accel.so"


@pytest.fixture(scope="session")
def twins(build):
    """The folder with libpcap.so.0.8 and libpcap.so.1, as LD_LIBRARY_PATH takes it."""
    return build / "libpcap-accel"


@pytest.fixture(scope="session")
def sanitized(library):
    """Was the library built with a sanitizer? Then it needs more than libc, on purpose."""
    symbols = run_program("nm", "-D", "--undefined-only", library).stdout
    return any(symbol in symbols for symbol in SANITIZERS.values())


@pytest.fixture(scope="session")
def preload(library):
    """Environment that preloads the library, behind its sanitizer's runtime if it has one."""
    symbols = run_program("nm", "-D", "--undefined-only", library).stdout
    first = [
        run_program("gcc", f"-print-file-name={name}").stdout.strip()
        for name, symbol in SANITIZERS.items()
        if symbol in symbols
    ]
    env = {"LD_PRELOAD": ":".join([*first, str(library)])}
    if first:
        env["ASAN_OPTIONS"] = "detect_leaks=0"
    return env


@pytest.fixture(scope="session")
def replace(twins, sanitized):
    """Environment in which the loader finds our twins before the system's libpcap."""
    if sanitized:
        pytest.skip("a library with a sanitizer inside cannot replace one in a program without")
    return {"LD_LIBRARY_PATH": str(twins)}


@pytest.fixture(scope="session")
def real():
    """The system's libpcap, by the loader's own list."""
    for line in run_program("/sbin/ldconfig", "-p").stdout.splitlines():
        found = re.match(r"\s*libpcap\.so\.(0\.8|1) .*=> (.*)", line)
        if found:
            return Path(found[2])
    pytest.skip("this system has no libpcap")


@pytest.fixture(scope="session")
def exports(repo):
    """exports.list as {name: class}."""
    rows = {}
    for line in (repo / "libpcap-accel/exports.list").read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            name, kind = words
            assert name not in rows, f"{name} is listed twice"
            rows[name] = kind
    return rows


@pytest.fixture(scope="session")
def cc(tmp_path_factory):
    """Compile C text into a program: cc(text, *flags) -> its path."""
    folder = tmp_path_factory.mktemp("cc")
    count = 0

    def compile_text(text, *flags, compiler="gcc"):
        nonlocal count
        count += 1
        source, program = folder / f"p{count}.c", folder / f"p{count}"
        source.write_text(text)
        run_program(compiler, "-std=gnu17", "-Wall", source, "-o", program, *flags)
        return program

    return compile_text


@pytest.fixture
def open_dir():
    """A folder that every user may enter; pytest's own are for their owner alone."""
    path = Path(tempfile.mkdtemp(prefix="accel-abi-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def savefile(tmp_path_factory):
    """A savefile of three small UDP packets, one with a VLAN tag."""
    ip = bytes.fromhex("4500001d00004000401126340a4d00010a4d0002") + bytes.fromhex(
        "1e611e620009000078"
    )
    macs = bytes.fromhex("0200000000020200000000 01".replace(" ", ""))
    frames = [
        macs + b"\x08\x00" + ip,
        macs + b"\x81\x00\x00\x64\x08\x00" + ip,
        macs + b"\x08\x00" + ip + bytes(20),
    ]
    path = tmp_path_factory.mktemp("savefile") / "three.pcap"
    with path.open("wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for i, frame in enumerate(frames):
            f.write(struct.pack("<IIII", 1700000000 + i, i, len(frame), len(frame)) + frame)
    return path
