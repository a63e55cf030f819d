# SPDX-License-Identifier: BSD-3-Clause
"""The place where the benchmark happens: two network namespaces, and the processes in them.

The namespaces have no name and no file: each lives in a child process that waits for the end of
its input, so they and the veth pairs vanish with the driver, however it ends. Every child is told
to die with its parent and is ended by its own process id.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

LINKS = ("eth0", "eth1")
PATIENCE_S = 60.0
PR_SET_PDEATHSIG = 1
# No router solicitations among the measured packets.
NO_IPV6 = """cd /proc/sys/net/ipv6/conf 2>/dev/null || exit 0
for f in all default; do echo 1 >$f/disable_ipv6; done"""

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something could not be set up or measured; the text is for the user."""


def cpus() -> tuple[int, int]:
    """The CPU of the sender and the CPU of the reader, the same one only if there is no other."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def _prepare(cpu: int | None) -> Callable[[], None]:
    def prepare() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})

    return prepare


class Child:
    """A process that speaks lines: what it prints is read with a time limit."""

    def __init__(self, argv: list[str], env: dict[str, str], cpu: int | None, log: Any) -> None:
        self.argv = argv
        self.log = log
        self.buffer = b""
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=env,
            bufsize=0,
            preexec_fn=_prepare(cpu),
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def stderr(self) -> str:
        # pread: the child shares the file's position.
        return os.pread(self.log.fileno(), 65536, 0).decode(errors="replace")

    def complaint(self, what: str) -> LabError:
        said = self.stderr().strip()
        return LabError(f"{' '.join(self.argv[3:])}: {what}" + (f": {said}" if said else ""))

    def line(self, patience: float = PATIENCE_S) -> str:
        assert self.process.stdout is not None
        end = time.monotonic() + patience
        while b"\n" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise self.complaint(f"silent for {patience:.0f} s")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise self.complaint("ended early")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def expect(self, word: str) -> None:
        line = self.line()
        if line != word:
            raise self.complaint(f"said {line!r} instead of {word!r}")

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")

    def result(self, patience: float = PATIENCE_S) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.line(patience))
        return parsed

    def finish(self, patience: float = PATIENCE_S) -> None:
        """Waits for the ordinary end."""
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise self.complaint(f"still running after {patience:.0f} s") from None
        if status != 0:
            raise self.complaint(f"ended with status {status}")

    def end(self) -> None:
        """Ends the process if it has not ended itself, and forgets it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


class Lab:
    """Two namespaces, `rx` and `tx`, joined by a veth pair for each of LINKS."""

    def __init__(self, scratch: str) -> None:
        self.scratch = scratch
        self.holders: dict[str, subprocess.Popen[bytes]] = {}
        self.sender_cpu, self.reader_cpu = cpus()

    def __enter__(self) -> Lab:
        try:
            for name in ("rx", "tx"):
                self._hold(name)
            for link in LINKS:
                self._join(link)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for holder in self.holders.values():
            assert holder.stdin is not None
            holder.stdin.close()
            holder.wait()
        self.holders.clear()

    def _hold(self, name: str) -> None:
        holder = subprocess.Popen(
            ["unshare", "--net", "cat"], stdin=subprocess.PIPE, preexec_fn=_prepare(None)
        )
        self.holders[name] = holder
        home = os.readlink("/proc/self/ns/net")
        end = time.monotonic() + 5
        while time.monotonic() < end and holder.poll() is None:
            if os.readlink(f"/proc/{holder.pid}/ns/net") != home:
                self.run(name, "sh", "-c", NO_IPV6)
                return
            time.sleep(0.01)
        raise LabError("no network namespace could be made (is this root?)")

    def _join(self, link: str, where: str = "rx", peer: str | None = None) -> None:
        """`link` in a namespace, and its peer, by default of the same name, in `tx`."""
        ends = {where: link, "tx": peer or link}
        peer_type = f"type veth peer name {ends['tx']} netns {self.holders['tx'].pid}"
        self.run(where, *f"ip link add {link} {peer_type}".split())
        for name, device in ends.items():
            self.run(name, "ip", "link", "set", "dev", device, "up")

    def lane(self, name: str) -> str:
        """A namespace for one of several arrangements that are measured side by side: what is sent
        on device `name` of `tx` is received on eth0 there, and nowhere else."""
        if name not in self.holders:
            self._hold(name)
            self._join("eth0", name, name)
        return name

    def _inside(self, name: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.holders[name].pid}/ns/net", "--"]

    def run(self, name: str, *argv: str) -> str:
        """What a command in a namespace prints."""
        done = subprocess.run(
            [*self._inside(name), *argv], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise LabError(f"{' '.join(argv)}: {done.stderr.strip()}")
        return done.stdout

    def dropped(self, link: str, where: str, way: str) -> int:
        """Packets that a device has dropped so far, of those that it should "receive" or "transmit"."""
        with open(f"/proc/{self.holders[where].pid}/net/dev", encoding="ascii") as lines:
            for line in lines:
                name, _, numbers = line.partition(":")
                if name.strip() == link:
                    return int(numbers.split()[{"receive": 3, "transmit": 11}[way]])
        raise LabError(f"{link} is not in /proc/net/dev")

    def backlog_drops(self, link: str, where: str = "rx") -> int:
        """Packets that the receiving CPU's backlog dropped before any socket could see them."""
        return self.dropped(link, where, "receive")

    @contextlib.contextmanager
    def pair(self, link: str) -> Iterator[None]:
        """One more pair between rx and tx, of this name at both ends, gone at the end of the block."""
        self._join(link)
        try:
            yield
        finally:
            self.run("rx", "ip", "link", "delete", "dev", link)

    @contextlib.contextmanager
    def on_one_cpu(self) -> Iterator[None]:
        """Inside the block, readers share the sender's CPU."""
        usual = self.reader_cpu
        self.reader_cpu = self.sender_cpu
        try:
            yield
        finally:
            self.reader_cpu = usual

    @contextlib.contextmanager
    def child(
        self,
        name: str,
        argv: list[str],
        preload: str | None = None,
        more_env: Mapping[str, str] | None = None,
        cpu: int | None = None,
    ) -> Iterator[Child]:
        """A child in namespace `name`, pinned to a CPU, gone at the end of the block."""
        wrap = ["env", f"LD_PRELOAD={preload}"] if preload else ["env"]
        ours = ("PCAP_ACCEL", "PFQ_", "LD_")
        env = {k: v for k, v in os.environ.items() if not k.startswith(ours)} | dict(more_env or {})
        if cpu is None:
            cpu = self.sender_cpu if name == "tx" else self.reader_cpu
        with tempfile.TemporaryFile(dir=self.scratch) as log:
            process = Child([*self._inside(name), *wrap, *argv], env, cpu, log)
            try:
                yield process
            finally:
                process.end()
