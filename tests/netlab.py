# SPDX-License-Identifier: BSD-3-Clause
"""Two network namespaces joined by veth pairs, and programs in them.

A sensor namespace (eth0, eth1, ... are captured on) and a sender namespace (peer0, peer1, ... are sent
on). IPv6 and GRO are off, so that nothing crosses but what a test sends. Everything that a lab makes
bears the process id of the test run and is removed by close(), whatever happened.

With ACCEL_STOCK=1 in the environment nothing is preloaded and "afpacket:eth0" is "eth0": the same
tests then tell what the system's libpcap does, as far as it knows the words.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

PATIENCE_S = 60
SENSOR, SENDER = "sensor", "sender"
STOCK = os.environ.get("ACCEL_STOCK") == "1"
PREFIX = f"accel{os.getpid()}"

_counter = itertools.count()
living: list[subprocess.Popen] = []  # every process a lab started and that nobody has waited for


@dataclasses.dataclass(frozen=True)
class Build:
    """Where a build of the library, its test tools and the environment to preload it are."""

    folder: Path

    @property
    def library(self) -> Path:
        return self.folder / "libpcap-accel.so"

    def tool(self, name: str) -> str:
        path = self.folder / "tests" / "tools" / name
        assert path.exists(), f"{path}: not built (sh tests/run.sh builds it)"
        return str(path)

    @functools.cached_property
    def sanitizer(self) -> str:
        """The sanitizer's runtime that the library needs in front of it, or ''."""
        if not self.library.exists():
            return ""
        symbols = subprocess.run(["nm", "-D", self.library], capture_output=True, text=True).stdout
        for name, symbol in (("libasan.so", "__asan_init"), ("libtsan.so", "__tsan_init")):
            if symbol in symbols:
                argv = ["gcc", f"-print-file-name={name}"]
                found = subprocess.run(argv, capture_output=True, text=True, check=True)
                return found.stdout.strip()
        return ""

    def preload(self, *first: str) -> dict[str, str]:
        """The environment that puts the library, and `first` before it, in front of libpcap."""
        if not self.sanitizer:
            return {"LD_PRELOAD": ":".join([*first, str(self.library)])}
        return {
            "LD_PRELOAD": ":".join([self.sanitizer, *first, str(self.library)]),
            # The programs are not ours to free for. A sanitizer's own exit code is seen by nobody
            # if the program has one of its own to report: abort instead.
            "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
            "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
            "TSAN_OPTIONS": "halt_on_error=1:abort_on_error=1",
        }


class Lab:
    """The two namespaces. `sensor` and `sender` are their names."""

    def __init__(self, build: Build, pairs: int = 1) -> None:
        number = next(_counter)
        self.build = build
        self.names = {who: f"{PREFIX}-{number}-{who}" for who in (SENSOR, SENDER)}
        self.processes: list[subprocess.Popen] = []
        try:
            for name in self.names.values():
                _command("ip", "netns", "add", name)
            for who in (SENSOR, SENDER):
                self._settle(who)
            for i in range(pairs):
                self.add_pair(i)
        except BaseException:
            self.close()
            raise

    def _settle(self, who: str) -> None:
        off = "for d in all default; do echo 1 >/proc/sys/net/ipv6/conf/$d/disable_ipv6; done"
        self.run(["sh", "-c", f"[ ! -d /proc/sys/net/ipv6 ] || {{ {off}; }}"], where=who)
        self.ip("link", "set", "lo", "up", where=who)

    def add_pair(self, i: int) -> None:
        """eth<i> in the sensor, 10.77.<i>.1; peer<i> in the sender, 10.77.<i>.2."""
        sender = self.names[SENDER]
        argv = f"link add eth{i} type veth peer name peer{i} netns {sender}".split()
        self.ip(*argv)
        for who, name, host in ((SENSOR, f"eth{i}", 1), (SENDER, f"peer{i}", 2)):
            self.ip("address", "add", f"10.77.{i}.{host}/24", "dev", name, where=who)
            self.run(["ethtool", "-K", name, "gro", "off"], where=who)
        for who, name in ((SENSOR, f"eth{i}"), (SENDER, f"peer{i}")):
            self.ip("link", "set", name, "up", where=who)
        self.wait_for_link(f"eth{i}")

    def wait_for_link(self, name: str, state: str = "UP", where: str = SENSOR) -> None:
        """`ip monitor` would be an event; asking until it is so is enough for a test bed."""
        deadline = time.monotonic() + PATIENCE_S
        while f"state {state}" not in self.ip("link", "show", name, where=where):
            assert time.monotonic() < deadline, f"{name} does not become {state}"

    def ip(self, *argv: str, where: str = SENSOR) -> str:
        return _command("ip", "-n", self.names[where], *argv)

    def popen(self, argv, *, where=SENSOR, env=None, cwd=None, **options) -> subprocess.Popen:
        """Start a program in a namespace. Its pid is the program's own: `ip netns exec`, `env` and
        setpriv replace themselves."""
        words = [f"{key}={value}" for key, value in (env or {}).items()]
        whole = ["ip", "netns", "exec", self.names[where], "env", *words, *map(str, argv)]
        options = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "stdin": subprocess.DEVNULL,
            "text": True,
            **options,
        }
        process = subprocess.Popen(whole, cwd=cwd, **options)
        self.processes.append(process)
        living.append(process)
        return process

    def run(
        self, argv, *, check=True, timeout=PATIENCE_S, **options
    ) -> subprocess.CompletedProcess:
        """Run a program in a namespace to its end."""
        process = self.popen(argv, **options)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{argv}: still running after {timeout} s\n{out}{err}") from None
        finally:
            living.remove(process)
        if check:
            assert process.returncode == 0, f"{argv}: exit {process.returncode}\n{out}{err}"
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def accel_env(self, **more: str) -> dict[str, str]:
        return {**({} if STOCK else self.build.preload()), **more}

    def send(self, peer: str = "peer0", *options, where: str = SENDER) -> dict:
        """send_packets to its end: what it says it sent."""
        argv = [self.build.tool("send_packets"), "-i", peer, *map(str, options)]
        return json.loads(self.run(argv, where=where).stdout)

    def sending(self, peer: str = "peer0", *options, where: str = SENDER) -> subprocess.Popen:
        """send_packets in the background; end it with lab.end()."""
        argv = [self.build.tool("send_packets"), "-i", peer, "-n", "0", *map(str, options)]
        return self.popen(argv, where=where)

    def end(self, process: subprocess.Popen, sig: int = signal.SIGTERM) -> tuple[str, str]:
        """Signal a process that this lab started, by its pid, and wait for it."""
        if process.poll() is None:
            process.send_signal(sig)
        out, err = process.communicate(timeout=PATIENCE_S)
        if process in living:
            living.remove(process)
        return out, err

    def end_all(self) -> None:
        """End what a failed test has left running: the lab is the next one's."""
        for process in self.processes:
            if process.poll() is None:
                self.end(process, signal.SIGKILL)
        self.processes.clear()

    def capture(self, device: str, *options, **how) -> Capture:
        """capture_check on a device, once it says that it captures."""
        return Capture(self, device, *options, **how)

    def promiscuity(self, name: str = "eth0", where: str = SENSOR) -> int:
        text = self.ip("-d", "link", "show", name, where=where)
        return int(re.search(r"promiscuity (\d+)", text).group(1))

    def packet_sockets(self, where: str = SENSOR) -> int:
        text = self.run(["cat", "/proc/net/packet"], where=where).stdout
        return len(text.splitlines()) - 1

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
            if process in living:
                living.remove(process)
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


class Capture:
    """A running capture_check."""

    def __init__(self, lab, device, *options, where=SENSOR, stock=False, env=None, ready=True):
        self.lab = lab
        self.device = plain(device) if stock or STOCK else device
        whole = {} if stock or STOCK else lab.build.preload()
        argv = [lab.build.tool("capture_check"), *map(str, options), self.device]
        self.process = lab.popen(argv, where=where, env={**whole, **(env or {})})
        self.pid = self.process.pid
        if not ready:
            return
        line = read_line(self.process)
        if line.startswith("READY "):
            self.pid = int(line.split()[1])  # after a fork, the child's
        else:
            rest, err = self.process.communicate(timeout=PATIENCE_S)
            raise AssertionError(f"{self.device} {options}: not READY: {line}{rest}{err}")

    def signal(self, sig: int = signal.SIGTERM) -> None:
        os.kill(self.pid, sig)

    def result(self) -> Result:
        """Wait until it ends by itself."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        if self.process in living:
            living.remove(self.process)
        assert out.strip(), f"{self.device}: exit {self.process.returncode}, no result: {err}"
        return Result(json.loads(out.strip().splitlines()[-1]), self.process.returncode, err)

    def stop(self) -> Result:
        """SIGTERM; it reads what is left, and reports."""
        self.signal()
        return self.result()


def stop(*captures: Capture) -> list[Result]:
    """SIGTERM to all, then their results: they read what is left at the same time."""
    for capture in captures:
        capture.signal()
    return [capture.result() for capture in captures]


class Result(dict):
    """What capture_check reports, with the sequence numbers as a set."""

    def __init__(self, values: dict, exit_code: int, stderr: str) -> None:
        super().__init__(values)
        self.exit_code = exit_code
        self.stderr = stderr

    @property
    def seen(self) -> set[int]:
        return expand(self["seen"])

    @property
    def flows(self) -> tuple[set[int], set[int]]:
        return expand(self["forward"]), expand(self["backward"])


def expand(ranges) -> set[int]:
    return {n for first, last in ranges for n in range(first, last + 1)}


def plain(device: str) -> str:
    """The device without our engine: what stock is asked for."""
    return re.sub(r"^afpacket:", "", device).partition("?")[0]


def read_line(
    process: subprocess.Popen, timeout: float = PATIENCE_S, stream: str = "stdout"
) -> str:
    """The next line of a process' output, or '' at its end. Fails when none comes in time. Reads byte
    by byte: what follows stays in the pipe for communicate()."""
    fd = getattr(process, stream).fileno()
    deadline = time.monotonic() + timeout
    line = b""
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            raise AssertionError(f"{process.args}: no line within {timeout} s (so far: {line!r})")
        byte = os.read(fd, 1)
        if not byte:
            break
        line += byte
    return line.decode(errors="replace")


def count_packets(path: Path) -> int:
    """Whole packets in a pcap file that may still be growing."""
    data = path.read_bytes() if path.exists() else b""
    at, n = 24, 0
    while at + 16 <= len(data):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        n += at <= len(data)
    return n


def await_packets(paths: list[Path], n: int) -> None:
    """Wait until pcap files that others write hold n packets in all."""
    deadline = time.monotonic() + PATIENCE_S
    while (now := sum(count_packets(path) for path in paths)) < n:
        assert time.monotonic() < deadline, f"{now} of {n} packets in {paths}"
        time.sleep(0.02)  # between two looks


def await_text(path: Path, text: str) -> None:
    """Wait until a file that another process writes holds the text."""
    deadline = time.monotonic() + PATIENCE_S
    while text not in (path.read_text() if path.exists() else ""):
        assert time.monotonic() < deadline, f"no '{text}' in {path}"
        time.sleep(0.02)  # between two looks


def await_line(process: subprocess.Popen, text: str, stream: str = "stdout") -> str:
    """Read lines up to the one with `text`; returns all of them."""
    lines = ""
    while True:
        line = read_line(process, stream=stream)
        assert line, f"{process.args}: ended before '{text}' came:\n{lines}"
        lines += line
        if text in line:
            return lines


def needs(*commands: str) -> None:
    """Skip, with the reason, where a program is not installed."""
    import pytest

    for command in commands:
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not installed")


def _command(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout
