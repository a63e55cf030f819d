# SPDX-License-Identifier: BSD-3-Clause
"""The pcapy API without a network: savefiles, arguments, and the defects of pcapy-ng 2.1 that ours does not
have. With both backends."""

from __future__ import annotations

import os
import random
import resource
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SaveFile = Callable[..., str]
PACKETS = [(1000 + i, i, bytes([i]) * (60 + i), 100 + i) for i in range(100)]


def facts(header: Any, data: bytes) -> tuple[int, int, bytes, int]:
    """What savefile() was given."""
    assert header.getcaplen() == len(data)
    return (*header.getts(), data, header.getlen())


def read_all(reader: Any) -> list[tuple[int, int, bytes, int]]:
    seen: list[tuple[int, int, bytes, int]] = []
    reader.loop(-1, lambda header, data: seen.append(facts(header, data)))
    return seen


def test_ways_of_reading_agree(pcapy: ModuleType, savefile: SaveFile) -> None:
    """next, loop, dispatch and next_batch give what is in the file."""
    path = savefile(PACKETS)
    assert read_all(pcapy.open_offline(path)) == PACKETS
    reader = pcapy.open_offline(path)
    assert [facts(*reader.next()) for _ in PACKETS] == PACKETS
    assert reader.next() == (None, b"")
    reader, seen = pcapy.open_offline(path), []
    while reader.dispatch(7, lambda h, d: seen.append(facts(h, d))):
        pass
    assert seen == PACKETS
    data, meta = pcapy.open_offline(path).next_batch(1000)
    rows = struct.iter_unpack("=IIII", meta)
    assert [(s, u, data[at : at + n]) for s, u, at, n in rows] == [p[:3] for p in PACKETS]


READS = """
import sys
from pypcapaccel import pcapy

def n_reads():
    with open("/proc/self/io") as file:
        return int(file.read().split("syscr: ")[1].split()[0])

reader = pcapy.open_offline(sys.argv[1])
before = n_reads()
reader.loop(-1, lambda header, data: None)
print(n_reads() - before)
"""


@pytest.mark.parametrize("name", ["a file", "-"])
def test_files_are_read_in_large_pieces(speedups: str, savefile: SaveFile, name: str) -> None:
    """Of 64 KiB with the extension module, of stdio's 4 without. Standard input, which outlives the handle, is
    left as it is."""
    path = savefile([(1, 2, bytes(1000), 1000)] * 1000)
    argv = [sys.executable, "-c", READS, "-" if name == "-" else path]
    env = {**os.environ, "PCAP_ACCEL_SPEEDUPS": speedups, "PYTHONPATH": os.pathsep.join(sys.path)}
    env.pop("PYTHONUNBUFFERED", None)  # of standard input too
    with Path(path).open("rb") as file:
        done = subprocess.run(argv, stdin=file, env=env, cwd="/", capture_output=True, text=True)
    n = 1000 * 1016 // (1 << 16 if speedups == "1" and name != "-" else 1 << 12)
    assert n < int(done.stdout) < n + 8, done.stderr


def test_counts(pcapy: ModuleType, savefile: SaveFile) -> None:
    """cnt packets and no more, and the next read goes on there."""
    reader = pcapy.open_offline(savefile(PACKETS))
    seen: list[int] = []
    assert reader.loop(3, lambda h, _: seen.append(h.getts()[1])) is None
    assert reader.dispatch(2, lambda h, _: seen.append(h.getts()[1])) == 2
    seen.append(reader.next()[0].getts()[1])
    assert len(reader.next_batch(4)[1]) == 4 * 16
    reader.loop(0, lambda h, _: seen.append(h.getts()[1]))
    assert seen == [0, 1, 2, 3, 4, 5, *range(10, 100)]
    assert reader.dispatch(-1, print) == 0


def test_long_packets(pcapy: ModuleType, savefile: SaveFile) -> None:
    """Lengths from 0 to the longest, more than one batch holds (10: sizes passed as the wrong type)."""
    sizes = [0, 1, 65535, 262144] * 3
    packets = [(i, 0, random.Random(i).randbytes(n), n) for i, n in enumerate(sizes)]
    path = savefile(packets)
    assert read_all(pcapy.open_offline(path)) == packets
    data, meta = pcapy.open_offline(path).next_batch(len(packets))
    assert data == b"".join(packet[2] for packet in packets)
    assert len(meta) == 16 * len(packets)


def test_nanosecond_file(pcapy: ModuleType, savefile: SaveFile) -> None:
    """Always microseconds."""
    path = savefile([(5, 123456789, b"x" * 60, 60)], magic=0xA1B23C4D)
    assert pcapy.open_offline(path).next()[0].getts() == (5, 123456)


def test_truncated_file(pcapy: ModuleType, savefile: SaveFile) -> None:
    """What is whole comes, then libpcap's error."""
    path = Path(savefile(PACKETS[:3]))
    path.write_bytes(path.read_bytes()[:-1])
    for read in (
        lambda r, s: r.loop(-1, lambda _, d: s.append(d)),
        lambda r, s: [s.append(r.next()[1]) for _ in range(3)],
        lambda r, s: [s.append(r.next_batch(8)[0]) for _ in range(2)],
    ):
        seen: list[bytes] = []
        with pytest.raises(pcapy.PcapError, match="truncated"):
            read(pcapy.open_offline(str(path)), seen)
        assert b"".join(seen) == b"".join(packet[2] for packet in PACKETS[:2])


def test_filter_between_packets(pcapy: ModuleType, savefile: SaveFile) -> None:
    """A filter holds for the very next packet, also after a loop that an exception ended."""
    reader = pcapy.open_offline(savefile(PACKETS))

    def stop_at(header: Any, _: bytes) -> None:
        if header.getts()[1] == 4:
            raise StopIteration

    with pytest.raises(StopIteration):
        reader.loop(-1, stop_at)
    reader.setfilter("ether[0] = 9 or ether[0] = 3")
    assert [packet[1] for packet in read_all(reader)] == [9]


def test_pipe(pcapy: ModuleType, savefile: SaveFile, tmp_path: Path) -> None:
    """A savefile that comes through a pipe, slowly, does not stop other threads."""
    import os

    os.mkfifo(tmp_path / "pipe")
    content = Path(savefile(PACKETS[:2])).read_bytes()
    may_go_on = threading.Event()

    def write() -> None:
        with open(tmp_path / "pipe", "wb", buffering=0) as pipe:  # noqa: PTH123
            pipe.write(content[:-100])
            may_go_on.wait()  # set while the reader is in the middle of the file
            pipe.write(content[-100:])

    thread = threading.Thread(target=write)
    thread.start()
    reader = pcapy.open_offline(str(tmp_path / "pipe"))
    threading.Timer(0.05, may_go_on.set).start()
    assert read_all(reader) == PACKETS[:2]
    thread.join()


def test_pipe_taken_for_a_file(
    backend: dict[str, ModuleType], savefile: SaveFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes a file's place after that was looked at loses nothing by it."""
    monkeypatch.setattr(backend["_handle"], "may_block", lambda _: False)
    content = Path(savefile(PACKETS)).read_bytes()
    there, here = os.pipe()
    os.write(here, content)
    os.close(here)
    reader = backend["pcapy"].open_offline(f"/dev/fd/{there}")
    os.close(there)
    assert read_all(reader) == PACKETS


WAYS: dict[str, Callable[[Any], object]] = {
    "loop": lambda reader: reader.loop(-1, lambda *_: None),
    "dispatch": lambda reader: reader.dispatch(-1, lambda *_: None),
    "next": lambda reader: list(iter(reader.next, (None, b""))),
    "next_batch": lambda reader: list(iter(partial(reader.next_batch, 99), (b"", b""))),
    "batches": lambda capture: list(capture.batches(99)),
}


@pytest.fixture
def one_cpu() -> Iterator[None]:
    """This thread, and those that it starts, have one CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.parametrize("backend", ["speedups"], indirect=True)
@pytest.mark.parametrize("how", WAYS)
def test_no_turn_for_others(
    backend: dict[str, ModuleType], savefile: SaveFile, how: str, one_cpu: None
) -> None:
    """While packets are there the interpreter's lock is kept: where another thread is always busy, each time that
    it is given away costs a turn of that. (Of the plain twin, cffi gives it away at each call.) The other thread is
    of the real-time class and on the same CPU: it runs as soon as the lock is free, for however short a time."""
    path, is_capture = Path(savefile(PACKETS * 20)), how == "batches"
    module = backend["capture" if is_capture else "pcapy"]
    reader = module.open(path) if is_capture else module.open_offline(str(path))
    turn = threading.Lock()
    ran: list[str] = []

    def run() -> None:
        turn.acquire()
        ran.append(how)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # nobody is asked to give it away
    other = threading.Thread(target=run)
    try:
        with turn:
            other.start()
            assert other.native_id
            os.sched_setscheduler(other.native_id, os.SCHED_FIFO, os.sched_param(1))
        WAYS[how](reader)
        early = [*ran]
    except PermissionError:
        pytest.skip("no thread may be of the real-time class here (CAP_SYS_NICE)")
    finally:
        sys.setswitchinterval(before)
        other.join()
    assert (early, ran) == ([], [how])


# ---- the thirteen defects; 1 to 3 and 11 on live devices are test_pcapy_live.py's ----


def test_close_in_callback(pcapy: ModuleType, savefile: SaveFile) -> None:
    """3: crashed."""
    reader = pcapy.open_offline(savefile(PACKETS))
    seen: list[bytes] = []

    def callback(_: Any, data: bytes) -> None:
        seen.append(data)
        reader.close()

    reader.loop(-1, callback)
    assert len(seen) == 1
    for call in (reader.next, reader.datalink, reader.stats, reader.__enter__, reader.breakloop):
        with pytest.raises(ValueError, match="pcap is closed"):
            call()
    reader.close()


@pytest.mark.parametrize("method", ["loop", "dispatch", "loop_filtered"])
def test_callback_is_not_callable(pcapy: ModuleType, savefile: SaveFile, method: str) -> None:
    """4: SystemError."""
    reader = pcapy.open_offline(savefile(PACKETS))
    with pytest.raises(TypeError, match="callable"):
        getattr(reader, method)(1, 5)


def test_filtered_stats_before_any_run(pcapy: ModuleType, savefile: SaveFile) -> None:
    """5: what lay in memory."""
    reader = pcapy.open_offline(savefile(PACKETS))
    assert reader.filtered_stats() == (0,) * 5
    reader.loop_filtered(-1, lambda *_: None, profile=1)
    reader.close()
    assert reader.filtered_stats() == (100, 0, 0, 0, 100, 0, 0, 0)


def test_not_activated(pcapy: ModuleType) -> None:
    """6: looked like a timeout. activate() still gives libpcap's code."""
    reader = pcapy.create("no-such-device")
    for read in (reader.next, lambda: reader.loop(1, print), lambda: reader.next_batch(1)):
        with pytest.raises(pcapy.PcapError, match="activated"):
            read()
    assert reader.activate() == -5


def test_compile_error(pcapy: ModuleType) -> None:
    """7: read from freed memory."""
    for _ in range(100):
        with pytest.raises(pcapy.PcapError, match="syntax error"):
            pcapy.compile(pcapy.DLT_EN10MB, 96, "no such word", 1, 0)
    with pytest.raises(pcapy.BPFError, match="Couldn't compile BPF program"):
        pcapy.BPFProgram("no such word")


def test_filters_are_freed(pcapy: ModuleType, savefile: SaveFile) -> None:
    """8: 6.1 MiB for 20,000 calls."""
    reader = pcapy.open_offline(savefile(PACKETS))
    text = "ip host 10.0.0.1 or ip host 10.0.0.2 or ip host 10.0.0.3"
    for _ in range(1000):
        reader.setfilter(text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(8000):
        reader.setfilter(text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1024  # KiB; was 2500


def test_short_dump(pcapy: ModuleType, savefile: SaveFile, tmp_path: Path) -> None:
    """9: wrote what lay behind the bytes."""
    reader = pcapy.open_offline(savefile(PACKETS))
    dumper = reader.dump_open(str(tmp_path / "out.pcap"))
    header, data = reader.next()
    with pytest.raises(ValueError, match="59 bytes"):
        dumper.dump(header, data[:-1])
    with pytest.raises(pcapy.PcapError, match="Not a pkthdr object"):
        dumper.dump(None, data)
    dumper.dump(header, data)
    reader.close()  # a Dumper may outlive its Reader
    header, data = pcapy.open_offline(savefile(PACKETS[1:])).next()
    dumper.dump(header, data)
    dumper.close()
    dumper.close()
    with pytest.raises(pcapy.PcapError, match="closed"):
        dumper.dump(header, data)
    assert read_all(pcapy.open_offline(str(tmp_path / "out.pcap"))) == PACKETS[:2]


def test_breakloop(pcapy: ModuleType, savefile: SaveFile) -> None:
    """11: there was none."""
    reader = pcapy.open_offline(savefile(PACKETS))
    seen: list[int] = []

    def callback(header: Any, _: bytes) -> None:
        seen.append(header.getts()[1])
        if len(seen) in (5, 10):
            reader.breakloop()

    reader.loop(-1, callback)
    assert seen == list(range(5))
    reader.loop(5, callback)
    reader.loop(-1, callback)  # a break behind the last packet is this one's, as in libpcap
    assert seen == list(range(10))
    reader.loop(-1, callback)
    assert seen == list(range(100))
    reader.breakloop()
    assert reader.next() == (None, b"")


def test_attributes_are_of_the_type(pcapy: ModuleType) -> None:
    """12: each look-up made a str and went the old way."""
    for name in ("getts", "getcaplen", "getlen"):
        assert name in vars(pcapy.Pkthdr)


def test_end_of_file_keeps_none(pcapy: ModuleType, savefile: SaveFile) -> None:
    """13: took a reference to None each time."""
    reader, path = pcapy.open_offline(savefile([])), savefile(PACKETS)
    reader.next()
    before = sys.getrefcount(None)
    for _ in range(1000):
        reader.next()
    for _ in range(20):  # a callback's None is counted down as it was counted up: not, from 3.12 on
        pcapy.open_offline(path).loop(-1, lambda _, __: None)
    assert abs(sys.getrefcount(None) - before) < 100


# ---- arguments ----


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda m: m.open_live("lo", 1, 1), TypeError),
        (lambda m: m.open_live(device="lo", snaplen=1, promisc=1, to_ms=1), TypeError),
        (lambda m: m.open_live(5, 1, 1, 1), TypeError),
        (lambda m: m.open_live("lo", "1", 1, 1), TypeError),
        (lambda m: m.open_live("lo", 1 << 31, 1, 1), OverflowError),
        (lambda m: m.open_live("no-such-device", 1, 1, 1), "PcapError"),
        (lambda m: m.open_offline(Path("x")), TypeError),
        (lambda m: m.open_offline(b"x"), TypeError),
        (lambda m: m.open_offline("a\0b"), ValueError),
        (lambda m: m.open_offline("/no/such/file"), "PcapError"),
        (lambda m: m.create(None), TypeError),
        (lambda m: m.BPFProgram(), TypeError),
        (lambda m: m.BPFProgram("ip").filter(bytearray(60)), TypeError),
        (lambda m: m.Reader(), TypeError),
        (lambda m: m.Dumper(), TypeError),
        (lambda m: m.Pkthdr(), TypeError),
    ],
)  # fmt: skip
def test_wrong_arguments(pcapy: ModuleType, call: Callable[[Any], object], error: Any) -> None:
    with pytest.raises(pcapy.PcapError if error == "PcapError" else error):
        call(pcapy)


def test_program(pcapy: ModuleType) -> None:
    """Verdicts of a compiled filter."""
    program = pcapy.compile(pcapy.DLT_EN10MB, 1500, "ether[0] = 7", 1, 0)
    assert (program.filter(b"\7" * 60), program.filter(b"\6" * 60)) == (1500, 0)
    assert pcapy.BPFProgram("ip").filter(bytes(12) + b"\x08\x00" + bytes(40)) == 65536


def test_offline_answers(pcapy: ModuleType, savefile: SaveFile) -> None:
    with pcapy.open_offline(savefile(PACKETS)) as reader:
        assert (reader.getnet(), reader.getmask()) == ("0.0.0.0", "0.0.0.0")
        assert reader.datalink() == pcapy.DLT_EN10MB
        with pytest.raises(pcapy.PcapError, match="savefiles"):
            reader.stats()
        with pytest.raises(pcapy.PcapError, match="savefile"):
            reader.set_fanout(1)
        with pytest.raises(pcapy.PcapError):
            reader.sendpacket(b"x" * 60)
    with pytest.raises(ValueError, match="pcap is closed"):
        reader.next()


def test_devices(pcapy: ModuleType) -> None:
    assert "lo" in pcapy.findalldevs()
    assert pcapy.lookupdev() in pcapy.findalldevs()


# ---- classes ----


def random_packet(rng: random.Random) -> bytes:
    """Something like IPv4, often enough cut or broken."""
    tags = b"".join(
        rng.choice([b"\x81\x00", b"\x88\xa8"]) + b"\0\1" for _ in range(rng.choice([0, 0, 1, 2, 3]))
    )
    ports = struct.pack(">HH", rng.choice([53, 80, 443, 999, 5000]), rng.choice([53, 80, 443, 999]))
    l4 = ports + bytes(8) + bytes([rng.choice([0x50, 0x50, 0x80, 0x10]), rng.choice([2, 16, 24])])
    ip = bytes([rng.choice([0x45, 0x45, 0x45, 0x46, 0x44, 0x60]), 0]) + bytes(7)
    ip += bytes([rng.choice([6, 6, 17, 1])]) + b"\0\0"
    ip += b"\x0a\0\0" + bytes([rng.randrange(4)]) + b"\x0a\0\1" + bytes([rng.randrange(4)])
    packet = bytes(12) + tags + b"\x08\0" + ip + l4 + bytes(rng.choice([0, 6, 40]))
    return packet[: rng.choice([len(packet)] * 4 + [rng.randrange(len(packet) + 1)])]


@pytest.mark.parametrize("is_security", [False, True])
def test_classifier_twins_agree(is_security: bool) -> None:
    """csrc/classify.c and _classify.py, over random packets."""
    from pypcapaccel import _classify

    _speedups = pytest.importorskip(
        "pypcapaccel._speedups", reason="not built (Python 3.11 and Python.h are needed)"
    )
    rng = random.Random(7)
    wanted = b"\x0a\0\0\1\x0a\0\1\3\0\0\0\0\x0a\0\0\1\x01"
    words = (is_security, 14, 53, [80, 8080], [443], wanted, 3)
    fast, slow = _speedups.Classifier(*words), _classify.Classifier(*words)
    packets = [random_packet(rng) for _ in range(20000)]
    classes = [slow.classify(packet) for packet in packets]
    assert [fast.classify(packet) for packet in packets] == classes
    assert set(classes) == set(range(6 if is_security else 3))  # each class was there
