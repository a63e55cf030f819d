# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the tests with other people's programs: their sources (fetched, never committed), the
library in front of them, and a network namespace with two ends of a wire and a sender.

ACCEL_BUILD names the build folder; without it, build/ of the repository."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
CACHE = REPO / "tests/.cache/sources"
SANITIZERS = {"libasan.so": "__asan_init", "libtsan.so": "__tsan_init"}


def output(*argv, **options):
    """Run a command that must succeed, and give its text."""
    done = subprocess.run(
        [str(a) for a in argv], capture_output=True, text=True, timeout=600, **options
    )
    assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


# --- the library ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def preload():
    """Environment that preloads the library, behind its sanitizer's runtime if it has one."""
    library = Path(os.environ.get("ACCEL_BUILD", REPO / "build")).resolve() / "libpcap-accel.so"
    if not library.exists():
        pytest.fail(f"{library}: not built (cmake --build, or set ACCEL_BUILD)")
    symbols = output("nm", "-D", "--undefined-only", library)
    first = [
        output("gcc", f"-print-file-name={name}").strip()
        for name, symbol in SANITIZERS.items()
        if symbol in symbols
    ]
    env = {"LD_PRELOAD": ":".join([*first, str(library)])}
    if first:
        env["ASAN_OPTIONS"] = "detect_leaks=0"
    return env


# --- sources of programs -------------------------------------------------------------------------


def source_entries():
    """The machine's own package sources, as entries for source packages: {file name: text}."""
    entries = {}
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for path in files:
        if path.suffix == ".list" and path.exists():
            lines = re.findall(r"^deb(\s.*)$", path.read_text(), re.M)
            entries[path.name] = "".join(f"deb-src{line}\n" for line in lines)
        elif path.suffix == ".sources":
            entries[path.name] = re.sub(r"(?m)^Types:.*$", "Types: deb-src", path.read_text())
    return entries


def apt_options(folder):
    """Options that keep apt's configuration and state in `folder`; /etc/apt stays as it is."""
    parts = folder / "sources.list.d"
    for sub in (parts, folder / "state/lists/partial", folder / "cache/archives/partial"):
        sub.mkdir(parents=True, exist_ok=True)
    for name, text in source_entries().items():
        (parts / name).write_text(text)
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": parts,
        "Dir::State": folder / "state",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def installed_source(package):
    """("name", "version") of the source that an installed package was built from."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${source:Package} ${source:Version}", package],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"{package} is not installed as a package: its source cannot be told")
    return done.stdout.split()


def fetch(name, version, folder):
    """Download and unpack a source package into `folder`, or skip with the reason."""
    options = apt_options(CACHE / "apt")
    for command in (
        ["apt-get", *options, "-q", "update"],
        ["apt-get", *options, "-q", "source", "--download-only", f"{name}={version}"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            pytest.skip(f"the source of {name} {version} cannot be obtained: {last}")
    (description,) = folder.glob("*.dsc")
    output("dpkg-source", "--no-check", "-x", description, folder / "tree")


@pytest.fixture(scope="session")
def source():
    """source(package) -> folder with the source that the installed package was built from."""

    def get(package):
        for command in ("dpkg-query", "apt-get", "dpkg-source"):
            if shutil.which(command) is None:
                pytest.skip(f"{command} is not installed: sources come by Debian's tools")
        name, version = installed_source(package)
        place = CACHE / f"{name}-{version.replace(':', '_')}"
        if not (place / "tree").exists():
            fresh = CACHE / f"fresh-{os.getpid()}"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            try:
                fetch(name, version, fresh)
                shutil.rmtree(place, ignore_errors=True)
                fresh.rename(place)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        return place / "tree"

    return get


# --- a wire --------------------------------------------------------------------------------------

SENDER = """
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
macs = bytes.fromhex('020000000001020000000002')
ip = bytes.fromhex('4500002000004000401126310a4d00020a4d0001')
udp = bytes.fromhex('1e601e61000c0000')
for line in sys.stdin:
    first, count = map(int, line.split())
    for i in range(first, first + count):
        s.send(macs + b'\\x08\\x00' + ip + udp + struct.pack('!I', i) + bytes(14))
    print('sent', flush=True)
"""


class Running:
    """A program that runs in the namespace, and what it has said so far, a line at a time."""

    def __init__(self, argv, env):
        self.lines = []
        self.news = threading.Condition()
        self.process = subprocess.Popen(
            [str(a) for a in argv],
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.news:
                self.lines.append(line.rstrip("\n"))
                self.news.notify_all()
        with self.news:
            self.news.notify_all()

    def until(self, condition, seconds=20):
        """Wait until condition(lines) holds; False if the time or the program ended before."""
        with self.news:
            return self.news.wait_for(lambda: condition(self.lines), seconds)

    def until_line(self, pattern, seconds=20):
        said = self.until(lambda lines: any(re.search(pattern, line) for line in lines), seconds)
        assert said, f"no line with {pattern!r}: {self.lines}"

    def write(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self, seconds=20):
        """Wait for the end; (exit status, all lines)."""
        status = self.process.wait(seconds)
        self.reader.join(seconds)
        return status, self.lines

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


class Wire:
    """A network namespace with a veth pair: programs listen on `device`, the sender is behind
    `far`; `down` is an Ethernet interface that is not up."""

    device, far, down = "va", "vb", "vdown"

    def __init__(self, name):
        self.name = name
        self.inside = ["ip", "netns", "exec", name]

    def open(self):
        output("ip", "netns", "add", self.name)
        output(
            *self.inside, "sh", "-ec",
            "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6\n"
            "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6\n"
            f"ip link set lo up\nip link add {self.device} type veth peer name {self.far}\n"
            f"ip link add {self.down} type veth peer name vdown2\n"
            f"ip addr add 10.77.0.1/24 dev {self.device}\n"
            f"ip link set {self.device} up\nip link set {self.far} up\n",
        )  # fmt: skip
        self.sender = Running([*self.inside, sys.executable, "-c", SENDER, self.far], {})

    def close(self):
        if hasattr(self, "sender"):
            self.sender.close()
        subprocess.run(["ip", "netns", "del", self.name], check=False)

    def send(self, count, first=0):
        """Send numbered UDP packets to port 7777; they are on the wire when this returns."""
        before = len(self.sender.lines)
        self.sender.write(f"{first} {count}\n")
        assert self.sender.until(lambda lines: len(lines) > before), self.sender.lines

    @contextlib.contextmanager
    def start(self, *argv, env):
        """Run a program inside, line-buffered; it is ended with the block."""
        running = Running([*self.inside, "stdbuf", "-oL", *argv], env)
        try:
            yield running
        finally:
            running.close()

    def run(self, *argv, env):
        """Run a program inside to its end: (exit status, stdout, stderr)."""
        done = subprocess.run(
            [*self.inside, *map(str, argv)],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="session")
def wire():
    """The wire, for the whole session; it is removed whatever happens."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces and capturing need root")
    made = Wire(f"abi-{os.getpid()}-apps")
    try:
        made.open()
        yield made
    finally:
        made.close()
