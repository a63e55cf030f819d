# SPDX-License-Identifier: BSD-3-Clause
"""The capture API, with both backends: savefiles here, live devices by capture_cases.py."""

from __future__ import annotations

import gc
import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pypcapaccel

HERE = Path(__file__).parent
SaveFile = Callable[..., str]
NANO = 0xA1B23C4D


@pytest.fixture
def capture(backend: dict[str, ModuleType]) -> ModuleType:
    return backend["capture"]


def packets_of(n: int, seed: int = 1) -> list[tuple[int, int, bytes, int]]:
    rng = random.Random(seed)
    sizes = [rng.choice([0, 60, 60, 60, 1500, 9000]) for _ in range(n)]
    return [
        (i, rng.randrange(10**9), rng.randbytes(size), size + 4) for i, size in enumerate(sizes)
    ]


def facts(packets: list[tuple[int, int, bytes, int]]) -> list[tuple[int, bytes, int]]:
    return [(sec * 10**9 + nsec, data, length) for sec, nsec, data, length in packets]


@pytest.mark.parametrize("size", [1, 10, 4096])
def test_batches_are_the_file(capture: ModuleType, savefile: SaveFile, size: int) -> None:
    """Headers, data, items, iteration and lists say the same, and it is what is in the file."""
    packets = packets_of(500)
    seen = []
    for batch in capture.open(Path(savefile(packets, magic=NANO))).batches(size):
        assert 1 <= len(batch) <= size
        whole = [(p.ts_ns, bytes(p.data), p.wirelen) for p in batch]
        assert whole == [(p.ts_ns, bytes(p.data), p.wirelen) for p in batch[:]]
        assert [(ts, data) for ts, data, _ in whole] == batch.tolist()
        rows = capture.HEADER.iter_unpack(batch.headers)
        assert whole == [(ts, bytes(batch.data[at : at + n]), length) for ts, at, n, length in rows]
        assert batch[-1] == batch[len(batch) - 1]
        seen += whole
    assert seen == facts(packets)


def test_array(capture: ModuleType, savefile: SaveFile) -> None:
    """NumPy sees the headers where they are, and cannot write there."""
    numpy = pytest.importorskip("numpy", reason="NumPy is not installed")
    packets = packets_of(100)
    batch = capture.open(Path(savefile(packets))).read()
    array = batch.array
    assert array["caplen"].tolist() == [len(packet[2]) for packet in packets]
    assert array["len"].sum() == sum(packet[3] for packet in packets)
    assert numpy.shares_memory(array, numpy.frombuffer(batch.headers, "u1"))
    with pytest.raises(ValueError, match="read-only"):
        array["len"][0] = 1
    expected = facts(packets)
    del batch
    gc.collect()
    assert array["offset"].tolist()[-1] == sum(len(data) for _, data, _ in expected[:-1])


def test_views_cannot_be_written(capture: ModuleType, savefile: SaveFile) -> None:
    batch = capture.open(Path(savefile(packets_of(10)))).read()
    for view in (batch.data, batch.headers, batch[1].data):
        assert view.readonly


def test_kept_after_close(capture: ModuleType, savefile: SaveFile) -> None:
    """A batch outlives its capture: it has its own memory."""
    packets = packets_of(50)
    opened = capture.open(Path(savefile(packets, magic=NANO)))
    batches = list(opened.batches(5))
    opened.close()
    del opened
    gc.collect()
    assert [(p.ts_ns, bytes(p.data), p.wirelen) for b in batches for p in b] == facts(packets)


def test_end_of_file(capture: ModuleType, savefile: SaveFile) -> None:
    opened = capture.open(Path(savefile([])))
    assert len(opened.read()) == 0
    assert list(opened) == []
    assert list(opened.batches()) == []
    assert repr(opened.read()) == "<Batch of 0 packets, 0 bytes>"
    assert opened.read().tolist() == []
    assert opened.fileno() == -1


def test_truncated_file(capture: ModuleType, savefile: SaveFile) -> None:
    """What is whole comes, then the error."""
    path = Path(savefile(packets_of(3)))
    path.write_bytes(path.read_bytes()[:-1])
    opened = capture.open(path)
    assert len(opened.read()) == 2
    with pytest.raises(pypcapaccel.DeviceError, match="truncated"):
        opened.read()


def test_filter(capture: ModuleType, savefile: SaveFile) -> None:
    packets = [(i, 0, bytes([i]) * 60, 60) for i in range(10)]
    opened = capture.open(Path(savefile(packets)), filter="ether[0] > 6")
    assert [packet.data[0] for packet in opened] == [7, 8, 9]


def test_explain(capture: ModuleType, savefile: SaveFile) -> None:
    opened = capture.open(Path(savefile([])))
    assert opened.explain().startswith("libpcap:")
    assert (opened.link_type, opened.snaplen) == (1, 262144)
    with pytest.raises(pypcapaccel.AccelError, match="savefiles"):
        opened.stats()


def test_index(capture: ModuleType, savefile: SaveFile) -> None:
    batch = capture.open(Path(savefile(packets_of(3)))).read()
    for index in (3, -4):
        with pytest.raises(IndexError, match="it has 3"):
            batch[index]


BAD: list[tuple[dict[str, Any], Any, type[Exception], str]] = [
    ({}, "no-such-device", pypcapaccel.DeviceError, "no-such-device"),
    ({}, "afpacket:no-such", pypcapaccel.DeviceError, "no-such"),
    ({}, "afpacket:lo?que=1", pypcapaccel.DeviceError, "unknown option 'que'"),
    ({}, 5, TypeError, "neither a device's name nor a path"),
    ({}, "l\0o", ValueError, "null"),
    ({}, Path("/no/such/file"), pypcapaccel.DeviceError, "No such file"),
    ({}, Path("/"), pypcapaccel.DeviceError, "/"),
    ({"snaplen": 0}, "lo", ValueError, r"snaplen: 0 \(would be 1 .. 262144\)"),
    ({"snaplen": "x"}, "lo", TypeError, "snaplen: 'x' is not an int"),
    ({"timeout_ms": -1}, "lo", ValueError, "timeout_ms"),
    ({"buffer": 0}, "lo", ValueError, "buffer"),
    ({"buffer": "much"}, "afpacket:lo", pypcapaccel.DeviceError, "much"),
    ({"engine": "afp"}, "lo", ValueError, "known: afpacket, pfq, xdp"),
    ({"engine": "pfq"}, "xdp:lo", ValueError, "names its engine"),
    ({"computation": "a [1,2]"}, "lo", ValueError, "comma"),
    ({"group": 65536}, "pfq:lo", pypcapaccel.DeviceError, "65536"),
    ({"filter": "no such word"}, "lo", pypcapaccel.FilterError, "syntax error"),
    ({"filter": 5}, "lo", TypeError, "5"),
]


@pytest.mark.parametrize(("how", "source", "error", "text"), BAD)
def test_bad_arguments(
    capture: ModuleType,
    how: dict[str, Any],
    source: Any,
    error: type[Exception],
    text: str,
) -> None:
    """Each has its exception and its sentence."""
    with pytest.raises(error, match=text):
        capture.open(source, **how)


def test_max_packets(capture: ModuleType, savefile: SaveFile) -> None:
    with pytest.raises(ValueError, match="max_packets: 0 is less than 1"):
        capture.open(Path(savefile([]))).read(0)


def test_closed(capture: ModuleType, savefile: SaveFile) -> None:
    opened = capture.open(Path(savefile(packets_of(3))))
    with opened:
        pass
    opened.close()
    assert opened.closed
    for call in (
        opened.read,
        opened.stats,
        opened.explain,
        opened.fileno,
        opened.__enter__,
        lambda: next(iter(opened)),
        lambda: opened.inject(b""),
        lambda: opened.setfilter("ip"),
        lambda: opened.link_type,
    ):
        with pytest.raises(pypcapaccel.ClosedError, match="the capture is closed"):
            call()


def test_device_strings(capture: ModuleType) -> None:
    """Arguments become the device string."""
    make = capture._device
    assert make("eth0", None, {}) == "eth0"
    assert make("eth0", "xdp", {}) == "xdp:eth0"
    assert make("eth0", None, {"group": 7}) == "afpacket:eth0?group=7"
    assert make("eth0", None, {"computation": "steer_flow"}) == "pfq:eth0?computation=steer_flow"
    assert (
        make("pfq/a.conf:eth0?group=1", "pfq", {"wait": True}) == "pfq/a.conf:eth0?group=1,wait=yes"
    )


def test_record_is_the_librarys(capture: ModuleType) -> None:
    from pypcapaccel._lib import ffi_and_lib

    ffi, _ = ffi_and_lib()
    assert capture.HEADER.size == ffi.sizeof("struct pcap_accel_record")
    record = ffi.new("struct pcap_accel_record *", [1 << 40, 2, 3, 4])
    assert capture.HEADER.unpack(ffi.buffer(record)) == (1 << 40, 2, 3, 4)
    assert struct.calcsize(capture.HEADER.format) == 24


# ---- live ----

EXPECTED: dict[str, str] = {
    "batches": "True True True 60",
    "packets": "True True True True",
    "idle": "0 0 [] [] True",
    "asynchronous": "True []",
    "inject": "60 1 1 True refused",
    "filtered": "[5] [6] 40 68 True",
    "in_use": "InUseError 0",
    "recycled": "True 68",
}


@pytest.fixture(scope="module")
def said(ask_live: Callable[..., dict[str, list[str]]]) -> dict[str, list[str]]:
    return ask_live("capture_cases.py", "all", "DEVICE", *EXPECTED)


@pytest.mark.parametrize("case", EXPECTED)
def test_live(said: dict[str, list[str]], case: str) -> None:
    assert said[case] == EXPECTED[case].split()


def test_denied(ask_live: Callable[..., dict[str, list[str]]]) -> None:
    """To a process that has given its privileges up."""
    said = ask_live("capture_cases.py", "all", "DEVICE", "denied")
    assert said == {"denied": ["NoPermissionError", "True", "True"]}


def test_queues(lab: Any) -> None:
    lab.ip("address", "flush", "dev", "eth0")
    sender = lab.sending("peer0", "-r", 10000)
    out = lab.run([sys.executable, HERE / "capture_cases.py", "queues", "xdp:eth0"]).stdout
    lab.end(sender)
    assert " ".join(out.split()) == "eth0 0 True False True 0 True True [] [] [] closed"


def test_group(lab: Any, speedups: str) -> None:
    argv = [sys.executable, HERE / "capture_cases.py", "group", "eth0"]
    out = lab.run(argv, env={"PCAP_ACCEL_SPEEDUPS": speedups}).stdout
    assert out.split() == ["True", "True"]


LENT = {
    "lent": "True True 0 [] 0 True True True",
    "kept": "True True True True 0 True True 0",
    "forked": "0 True 0",
    "shared": "0 0",
}


@pytest.mark.parametrize("case", LENT)
def test_lent(lab: Any, speedups: str, case: str) -> None:
    argv = [sys.executable, HERE / "capture_cases.py", case, "afpacket:eth0"]
    if case == "kept":
        argv.append("100" if speedups == "1" else "10")
    out = lab.run(argv, env={"PCAP_ACCEL_SPEEDUPS": speedups}).stdout
    assert out.split() == LENT[case].split()


def test_lent_by_pfq(lab: Any, speedups: str) -> None:
    sender = lab.sending("peer0", "-s", 1500)
    argv = [sys.executable, HERE / "capture_cases.py", "lent_elsewhere", "pfq:eth0"]
    out = lab.run(argv, env={"PCAP_ACCEL_SPEEDUPS": speedups}).stdout
    lab.end(sender)
    assert out.split() == ["True"]


def test_lent_with_tags(lab: Any) -> None:
    sender = lab.sending("peer0", "-s", 1500, "-v", "0x8100:100")
    out = lab.run([sys.executable, HERE / "capture_cases.py", "tagged", "afpacket:eth0"]).stdout
    lab.end(sender)
    assert out.splitlines() == ["{('810000640800', 1500)}"]
