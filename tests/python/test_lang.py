# SPDX-License-Identifier: BSD-3-Clause
"""pypcapaccel.lang says what the C library says, and refuses bad input in its own words."""

import pytest

from pypcapaccel import ComputationError, lang

UDP = bytes.fromhex(
    "020000000001020000000002 0800"  # Ethernet
    "4500001c00000000401100000a0000010a000002"  # 10.0.0.1 > 10.0.0.2, UDP
    "03e807d000080000"
)
ARP = bytes.fromhex("ffffffffffff020000000002 0806") + bytes(28)


def test_verdicts():
    """Steered, copied, dropped, doubled: each outcome of the language, and members within range."""
    steer = lang.compile("ip >-> steer_flow")
    said = steer.run(UDP, members=4)
    assert said.outcome == "one" and said.members[0] == said.values[0] % 4 and not said.any_one
    assert steer.run(ARP).outcome == "nobody" and steer.run(ARP).members == ()
    assert lang.run("udp", UDP).outcome == "all"
    assert lang.run("double_steer_ip", UDP, 5).outcome == "two"
    assert len(lang.run("double_steer_ip", UDP, 5).members) == 2
    assert lang.run("steer_rrobin", UDP).any_one


def test_a_verdict_in_words():
    assert str(lang.run("ip >-> steer_flow", ARP)) == "nobody"
    assert str(lang.run("udp", UDP)) == "all"
    assert str(lang.run("ip >-> steer_flow", UDP, 1)) == "member 0"
    assert str(lang.run("steer_rrobin", UDP)) == "any one member"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_frames_of_any_kind(kind):
    assert lang.run("udp", kind(UDP)).outcome == "all"


def test_forms():
    steer = lang.compile("ip >-> steer_flow")
    assert steer.block == "steer"
    assert steer.dump("tokens").startswith("0+2\tname\tip\n")
    assert "do steer_flow" in steer.dump("tree")
    assert steer.dump("code").startswith("part 0, filter:\n(000)")
    assert steer.notes == ()
    noted = lang.compile("tcp >-> log_packet")
    assert noted.notes[0].startswith("log_packet does nothing here")
    assert f"note: {noted.notes[0]}" in noted.explain()
    assert lang.explain("ip") == lang.compile("ip").explain()
    assert lang.dump("ip", "tree") == lang.compile("ip").dump("tree")


def test_programs_are_those_of_the_dump():
    """As many instructions as the dump of the blocks says, and the first opcode of each is a load."""
    steer = lang.compile("ip >-> steer_flow")
    filter_, fanout = steer.program(0, "filter"), steer.program(0, "fanout")
    assert f"filter of {len(filter_)} instructions, fanout program of {len(fanout)}" in steer.dump(
        "blocks"
    )
    assert filter_[-1].code == 0x06 and filter_[-1].k == 0xFFFFFFFF
    assert steer.program(1, "filter") == ()
    assert lang.compile("ip").program(0, "fanout") == ()


def test_an_error_shows_its_place():
    error = lang.check("ip >->\n  steer_flo")
    assert isinstance(error, ComputationError) and isinstance(error, ValueError)
    assert (
        str(error) == "computation:2:3: unknown function 'steer_flo' (did you mean 'steer_flow'?)"
    )
    assert (error.line, error.column) == (2, 3)
    assert error.report.splitlines()[1:] == ["      steer_flo", "      ^~~~~~~~~"]
    assert lang.check("ip") is None


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: lang.compile(""), ComputationError, "computation:1:1: the computation is empty"),
        (lambda: lang.compile("ip\0"), ComputationError, "computation: there is a NUL character"),
        (lambda: lang.compile(b"ip"), TypeError, "a computation is a str, not bytes"),
        (lambda: lang.compile("ip " * 30000), ComputationError, "too long|too large"),
        (lambda: lang.dump("ip", "forest"), ValueError, "no form 'forest' .known: tokens, tree,"),
        (lambda: lang.run("ip", UDP, 0), ValueError, "members 0: out of range .1 to 65536"),
        (lambda: lang.run("ip", "frame"), TypeError, "a frame is bytes, not str"),
        (lambda: lang.compile("ip").program(3, "filter"), ValueError, "part 3: out of range"),
        (
            lambda: lang.compile("ip").program(0, "x"),
            ValueError,
            "no program 'x' .known: filter, fanout",
        ),
        (lambda: lang.compile("ip").program(0, "filter", 0), ValueError, "members 0: out of range"),
    ],
)
def test_bad_input(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
