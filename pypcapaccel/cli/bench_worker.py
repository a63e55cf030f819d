# SPDX-License-Identifier: BSD-3-Clause
"""The two processes that ``pcap-accel bench`` measures:

    python -m pypcapaccel.cli.bench_worker capture ENGINE IFACE
    python -m pypcapaccel.cli.bench_worker send IFACE SIZE SECONDS

The first captures as `tcpdump -w /dev/null` does: pcap_dispatch() with pcap_dump(), C from end to end. It
says "ready", and when its standard input ends, what it has counted. The second sends as fast as it can. Both
end when their standard input does, so that none outlives whoever started them.

Threads: the capture has one that reads and one that waits.
"""

from __future__ import annotations

import glob
import json
import os
import select
import sys
import threading
import time
from typing import Any

from .. import _handle
from .._lib import ffi_and_lib
from ..errors import PcapError
from . import CommandError, frames
from .sender import Sender

DRAIN_S = 0.3  # what is still on its way is there by then: three times the timeout below
TIMEOUT_MS = 100
SNAPLEN = 262144  # tcpdump's
FLOWS = 64
_ROUNDS = 8  # of the flows, between two looks at the clock
_PATIENCE_S = 10
_NAMES = ("libpcap.so.0.8", "libpcap.so.1", "libpcap.so")
_PLACES = ("/lib/*-linux-gnu*", "/usr/lib/*-linux-gnu*", "/usr/lib64", "/lib64", "/usr/lib", "/lib")


def _is_ours(ffi: Any, lib: Any) -> bool:
    try:
        return bool(lib.pcap_accel_version)
    except (AttributeError, ffi.error):
        return False


def stock(ffi: Any) -> Any:
    """The system's libpcap, and not ours under its name. CommandError if there is none."""
    folders = [folder for place in _PLACES for folder in sorted(glob.glob(place))]  # noqa: PTH207
    # By their paths first: by a bare name the loader gives what is loaded already, and that is ours.
    for path in (*(f"{folder}/{name}" for folder in folders for name in _NAMES), *_NAMES):
        try:
            lib = ffi.dlopen(path)
        except OSError:
            continue
        if not _is_ours(ffi, lib):
            return lib
    raise CommandError("libpcap: no library of the system's was found (apt-get install libpcap0.8)")


class Capture:
    """A handle that is read by a thread until it is told to stop."""

    def __init__(self, engine: str, iface: str) -> None:
        self.ffi, ours = ffi_and_lib()
        self.lib = stock(self.ffi) if engine == "libpcap" else ours
        self.device = iface if engine == "libpcap" else f"{engine}:{iface}"
        self.n_packets = 0
        self.error = ""
        self._stop = False
        self._open()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._begin_ns = time.process_time_ns()
        self._thread.start()

    def _open(self) -> None:
        lib, errbuf = self.lib, _handle.new_errbuf()
        self.pcap = lib.pcap_create(self.device.encode(), errbuf)
        if not self.pcap:
            raise CommandError(f"{self.device}: {_handle.text_of(errbuf)}")
        lib.pcap_set_snaplen(self.pcap, SNAPLEN)
        lib.pcap_set_promisc(self.pcap, 1)
        lib.pcap_set_timeout(self.pcap, TIMEOUT_MS)
        status = lib.pcap_activate(self.pcap)
        if status < 0:
            text = _handle.text_of(lib.pcap_geterr(self.pcap))
            text = text or _handle.text_of(lib.pcap_statustostr(status))
            raise CommandError(text if text.startswith(self.device) else f"{self.device}: {text}")
        self.dumper = lib.pcap_dump_open(self.pcap, os.devnull.encode())
        if not self.dumper:
            raise CommandError(f"{self.device}: {_handle.text_of(lib.pcap_geterr(self.pcap))}")

    def _read(self) -> None:
        dump = self.ffi.addressof(self.lib, "pcap_dump")
        user = self.ffi.cast("unsigned char *", self.dumper)
        while not self._stop:
            n = self.lib.pcap_dispatch(self.pcap, -1, dump, user)
            if n >= 0:
                self.n_packets += n
            elif not self._stop:
                self.error = _handle.text_of(self.lib.pcap_geterr(self.pcap))
                return

    def result(self) -> dict[str, Any]:
        """What it has counted, once it has read what was sent."""
        time.sleep(DRAIN_S)
        self._stop = True
        self.lib.pcap_breakloop(self.pcap)
        self._thread.join(_PATIENCE_S)
        cpu_ns = time.process_time_ns() - self._begin_ns
        stat = self.ffi.new("struct pcap_stat *")
        if self._thread.is_alive() or self.lib.pcap_stats(self.pcap, stat) < 0:
            return {"error": f"{self.device}: does not end"}
        self.lib.pcap_dump_close(self.dumper)
        self.lib.pcap_close(self.pcap)
        if self.error:
            return {"error": f"{self.device}: {self.error}"}
        version = _handle.text_of(self.lib.pcap_lib_version())
        return {
            "seen": self.n_packets,
            "dropped": stat.ps_drop,
            "cpu_ns": cpu_ns,
            "version": version,
        }


def _say(**what: Any) -> None:
    try:
        print(json.dumps(what), flush=True)
    except BrokenPipeError:  # whoever asked has gone
        os._exit(1)


def capture(engine: str, iface: str) -> None:
    """Capture until the standard input ends."""
    running = Capture(engine, iface)
    _say(ready=True)
    sys.stdin.read()
    _say(**running.result())


def _is_over() -> bool:
    """Has the standard input ended?"""
    return bool(select.select([0], [], [], 0)[0])


def send(iface: str, size: int, seconds: float) -> None:
    """Send for so long, or until the standard input ends."""
    packets = list(frames.craft("udp", FLOWS, size)) * _ROUNDS
    with Sender(iface) as sender:
        begin_ns, start = time.process_time_ns(), time.monotonic()
        while (now := time.monotonic()) - start < seconds and not _is_over():
            sender.send(packets)
        sender.flush()
        sent, _ = sender.counts()
        _say(sent=sent, seconds=now - start, cpu_ns=time.process_time_ns() - begin_ns)


def main(words: list[str]) -> None:
    """A line of JSON for each thing that is to be known, an error too."""
    try:
        if words[0] == "capture":
            capture(*words[1:])
        else:
            send(words[1], int(words[2]), float(words[3]))
    except (CommandError, PcapError) as error:
        _say(error=str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
