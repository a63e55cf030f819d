# SPDX-License-Identifier: BSD-3-Clause
"""The surface of pcapy-ng, asked of the real module and of ours: the same names and constants, and for each call
the same result, the same packets in the callback or the same kind of exception. TOLERATED has the
differences, each with its reason; it may hold nothing that does not differ."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import pypcapaccel

SaveFile = Callable[..., str]
PACKETS = [(1000 + i, i, bytes([i]) * (60 + i), 100 + i) for i in range(20)]

# m: the module. r: a reader of PACKETS. seen: a callback. facts(): what a packet is.
CALLS = """
m.open_live("lo", 1, 1)
m.open_live("lo", 1, 1, 1, 1)
m.open_live(device="lo", snaplen=1, promisc=1, to_ms=1)
m.open_live(5, 1, 1, 1)
m.open_live("lo", "1", 1, 1)
m.open_live("lo", 1.5, 1, 1)
m.open_live("lo", 1 << 31, 1, 1)
m.open_live("lo", 96, None, 1)
m.open_live("no-such-device", 1, 1, 1)
m.open_offline(b"x")
m.open_offline()
m.open_offline("a\\0b")
m.open_offline("/no/such/file")
m.create(None)
m.create()
m.create("no-such").activate()
m.create("no-such").set_snaplen(5)
m.create("no-such").set_promisc(1), m.create("x").set_timeout(4)
m.create("x").set_buffer_size(1), m.create("x").set_rfmon(0)
m.create("no-such").set_rfmon(1)
m.create("lo").getnet(), m.create("lo").getmask()
m.create("lo").datalink()
m.create("lo").getfd()
m.create("lo").stats()
m.create("lo").getnonblock()
m.create("lo").setnonblock(1)
m.create("lo").setdirection(1)
m.create("lo").sendpacket(b"x"*60)
m.create("lo").setfilter("ip")
m.findalldevs(a=1)
m.lookupdev(a=1)
m.BPFProgram()
m.BPFProgram("ip", 1, 2)
m.BPFProgram("ip", "x")
m.BPFProgram(filter="ip")
m.BPFProgram("ip").filter(bytearray(60))
m.BPFProgram("ip").filter()
m.BPFProgram("ip").filter("x")
m.BPFProgram("ip").get_bpf()
m.BPFProgram("").get_bpf()
m.BPFProgram("no such")
m.compile(1, 96, "ip", 1, 0).get_bpf()
m.compile(1, 96, "ip", 0, 0xffffffff).get_bpf()
m.compile(1, 96, "ip", 1, -1).get_bpf()
m.compile(1, 96, "ip", 1, 1<<40)
m.compile(1, 96, "ip", 1)
m.compile(1, 96, "no such", 1, 0)
m.compile(1, 96, 5, 1, 0)
m.compile(1, 96, "ip", "x", 0)
m.compile(99999, 96, "ip", 1, 0)
r.next()[0].getts()
r.next(1)
facts(r.next())
r.loop(3)
r.loop("x", print)
r.loop(cnt=1, callback=print)
r.loop(2, seen)
r.dispatch(2, seen)
r.dispatch(-1, seen)
r.dispatch(0, seen)
r.dispatch("x", seen)
r.dispatch(1, 5)
r.loop(-1, lambda a: 0)
r.loop(-1, lambda a, b: 1/0)
r.next_batch(0), r.next_batch(1)
r.next_batch(-5)
r.next_batch()
r.next_batch("x")
r.next_batch(3, 3)
r.next_batch(max_n=3)
r.next_batch(3)
r.loop_filtered(-1, lambda *a: None)
r.loop_filtered(-1, lambda *a: None, 0)
r.loop_filtered(-1, lambda *a: None, profile=1)
r.loop_filtered(-1, lambda *a: None, profile=2)
r.loop_filtered(-1, lambda *a: None, l2_offset=65)
r.loop_filtered(-1, lambda *a: None, l2_offset=-1)
r.loop_filtered(-1, lambda *a: None, addr_set="x")
r.loop_filtered(-1, lambda *a: None, addr_set=bytearray(4))
r.loop_filtered(-1, lambda *a: None, addr_set=b"abc")
r.loop_filtered(-1, lambda *a: None, dpi_ports=[80, "x"])
r.loop_filtered(-1, lambda *a: None, dpi_ports=5)
r.loop_filtered(-1, lambda *a: None, dpi_ports=[70000])
r.loop_filtered(-1, lambda *a: None, dpi_ports=[-1])
r.loop_filtered(-1, lambda *a: None, tls_ports=[70000, 443])
r.loop_filtered(-1, lambda *a: None, tls_ports=(443,), dpi_ports=())
r.loop_filtered(-1, lambda *a: None, dpi_ports={80})
r.loop_filtered(-1, lambda *a: None, dns_port=70000)
r.loop_filtered(-1, lambda *a: None, dns_port=-1)
r.loop_filtered(-1, lambda *a: None, flow_cutoff=-1)
r.loop_filtered(-1, lambda *a: None, flow_cutoff=1<<40)
r.loop_filtered(-1, lambda *a: None, admit_mask=-1)
r.loop_filtered(-1, lambda *a: None, admit_mask=1<<40)
r.loop_filtered(-1, lambda *a: None, admit_mask=7, nosuch=1)
r.loop_filtered(-1)
r.loop_filtered()
r.loop_filtered(-1, lambda *a: 1/0)
r.loop_filtered(5, lambda *a: None)
r.loop_filtered(0, lambda *a: None)
r.loop_filtered(-1, lambda *a: None, 7, b"", 0, None, None, 53, 14, 0)
r.loop_filtered(cnt=-1, cb=lambda *a: None)
r.loop_to_buffer(-1, bytearray(1000))
r.loop_to_buffer(-1, bytearray(10))
r.loop_to_buffer(-1, b"x"*1000)
r.loop_to_buffer(-1, "x")
r.loop_to_buffer(-1, memoryview(bytearray(3000)), profile=1)
r.loop_to_buffer(3, bytearray(3000), admit_mask=0)
r.loop_to_buffer(-1)
r.loop_to_buffer(cnt=-1, writable_buf=bytearray(99))
r.loop_to_buffer(-1, bytearray(3000)), r.filtered_stats()
r.filtered_stats(1)
r.set_fanout(1)
r.set_fanout()
r.set_fanout("x")
r.set_fanout(group_id=1, fanout_type=0)
r.set_fanout(1, 2, 3)
r.setfilter("ip")
r.setfilter("ip", 1)
r.setfilter()
r.setfilter(5)
r.setfilter("no such")
r.setfilter(bpf="ip")
r.stats()
r.stats(1)
r.datalink()
r.datalink(1)
r.getnet(), r.getmask()
r.getnet(1)
r.getmask(1)
r.getfd(1) > 0
r.getfd() > 0
r.setnonblock(1)
r.setnonblock(0)
r.setnonblock()
r.setnonblock("x")
r.getnonblock()
r.getnonblock(1)
r.setdirection(1)
r.setdirection("x")
r.setdirection(9)
r.dump_open()
r.dump_open("/no/such/x")
r.dump_open(5)
r.sendpacket(b"x"*60)
r.sendpacket("x")
r.sendpacket(bytearray(60))
r.sendpacket(memoryview(b"x"*60))
r.set_snaplen(5), r.set_promisc(1), r.set_timeout(1), r.set_buffer_size(9), r.set_rfmon(1)
r.set_snaplen("x")
r.set_snaplen()
r.activate()
r.activate(1)
r.close()
r.close(1)
r.close(), r.close()
r.close(), r.next()
r.close(), r.getnet()
r.close(), r.getmask()
r.close(), r.getfd()
r.close(), r.stats()
r.close(), r.setfilter("ip")
r.close(), r.loop(1, seen)
r.close(), r.dispatch(1, seen)
r.close(), r.next_batch(1)
r.close(), r.loop_filtered(1, seen)
r.close(), r.loop_to_buffer(1, bytearray(9))
r.close(), r.set_fanout(1)
r.close(), r.dump_open("x")
r.close(), r.sendpacket(b"x")
r.close(), r.set_snaplen(1)
r.close(), r.activate()
r.close(), r.getnonblock()
r.close(), r.setnonblock(1)
r.close(), r.setdirection(1)
r.close(), r.datalink()
r.__enter__() is r
r.__exit__(None, None, None)
r.__exit__()
r.close(), r.__enter__()
iter(r)
r.no_such
r.next()[0].no_such
setattr(r, "x", 1)
setattr(r.next()[0], "x", 1)
r.next()[0].getts(1)
r.next()[0].getlen(1)
r.dump_open("/dev/null").dump()
r.dump_open("/dev/null").dump(None, b"x")
r.dump_open("/dev/null").dump(r.next()[0], "x")
r.dump_open("/dev/null").dump(r.next()[0], bytearray(60))
r.dump_open("/dev/null").dump(*r.next())
r.dump_open("/dev/null").close(1)
""".strip().splitlines()

TOLERATED = {
    'm.create("lo").stats()': "theirs gives what lay in memory",
    'm.create("lo").getnonblock()': "theirs gives libpcap's error as the state",
    'm.create("lo").setdirection(1)': "theirs takes an error for success",
    "r.dispatch(-1, seen)": "theirs hands out the packets and says 0 at the file's end; ours says how many",
    "r.dispatch(0, seen)": "as above",
    "r.loop_to_buffer(-1, bytearray(3000)), r.filtered_stats()": "theirs counts loop_filtered() only",
    "r.datalink(1)": "theirs does not look at its arguments",
    "r.getnet(1)": "as above",
    "r.getmask(1)": "as above",
    "r.__exit__()": "as above",
    "r.next()[0].getts(1)": "as above",
    "r.next()[0].getlen(1)": "as above",
    'r.dump_open("/dev/null").close(1)': "as above",
}


@pytest.fixture(scope="module")
def real() -> ModuleType:
    reason = "pcapy-ng is not installed (tests/requirements.txt)"
    module: ModuleType = pytest.importorskip("pcapy", reason=reason)
    return module


def facts(packet: Any) -> tuple[object, ...]:
    header, data = packet
    return header.getts(), header.getcaplen(), header.getlen(), data


def answer(module: ModuleType, path: str, call: str) -> tuple[object, ...]:
    """What the call gives: its value or the kind of its exception, and the callback's packets."""
    packets: list[tuple[object, ...]] = []

    def seen(*packet: Any) -> None:
        packets.append((*facts(packet[:2]), *packet[2:]))

    names = {"m": module, "r": module.open_offline(path), "seen": seen, "facts": facts}
    try:
        value = eval(call, names)
    except ValueError as error:
        return "ValueError", str(error), packets
    except Exception as error:
        return "error", type(error).__name__, packets
    is_plain = "<" not in repr(value)  # an object of the module's own is only of a kind
    return "value", value if is_plain else type(value).__name__, packets


def test_names_and_constants(real: ModuleType, pcapy: ModuleType) -> None:
    """All there, also in pypcapaccel itself."""
    names = {name for name in vars(real) if not name.startswith("_")}
    assert names - set(dir(pcapy)) == set()
    numbers = {name: value for name in names if isinstance(value := getattr(real, name), int)}
    assert len(numbers) == 24
    assert {name: getattr(pcapy, name) for name in numbers} == numbers
    assert {name: getattr(pypcapaccel, name) for name in numbers} == numbers
    assert all(hasattr(pypcapaccel, name) for name in names)
    for name in ("PcapError", "BPFError"):
        assert getattr(pcapy, name).__bases__ == getattr(real, name).__bases__ == (Exception,)


def test_methods(real: ModuleType, pcapy: ModuleType, savefile: SaveFile) -> None:
    """Of the four kinds of objects."""
    path = savefile(PACKETS)

    def kinds(module: ModuleType) -> list[object]:
        reader = module.open_offline(path)
        return [
            reader,
            reader.next()[0],
            reader.dump_open("/dev/null"),
            module.BPFProgram("ip"),
        ]

    for theirs, ours in zip(kinds(real), kinds(pcapy), strict=True):
        assert set(dir(theirs)) - set(dir(ours)) == set()


def test_answers(real: ModuleType, pcapy: ModuleType, savefile: SaveFile) -> None:
    path = savefile(PACKETS)
    wrong = []
    for call in CALLS:
        theirs, ours = answer(real, path, call), answer(pcapy, path, call)
        if (theirs == ours) == (call in TOLERATED):
            wrong.append(f"{call}: theirs {theirs}, ours {ours}"[:400])
    assert not wrong, "\n".join(wrong)
    assert set(TOLERATED) <= set(CALLS)
