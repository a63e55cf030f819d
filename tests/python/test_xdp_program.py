# SPDX-License-Identifier: BSD-3-Clause
"""pypcapaccel.xdp and `compile --engine xdp` show the program that a capture loads: of libpcap's own filter, and of as
many instructions as the kernel is given."""

import json
import re
import subprocess
import sys

import netlab
import pytest

from pypcapaccel import ComputationError, FilterError, cli, lang, xdp

FILTERS = ["udp port 53", "tcp[13] & 2 != 0", "not (arp or icmp)", "len > 100"]


@pytest.fixture
def command(capsys):
    def run(*words, code=0):
        try:
            is_code = cli.main(["compile", "--engine", "xdp", *words])
        except SystemExit as end:
            is_code = end.code
        said = capsys.readouterr()
        assert is_code == code, f"{words}: exit {is_code}\n{said.out}{said.err}"
        return said.err if code else said.out

    return run


def tcpdump(*words):
    netlab.needs("tcpdump")
    argv = ["tcpdump", "-y", "EN10MB", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("text", FILTERS)
def test_classic_part_is_tcpdumps(command, text):
    """In every form, and as the lines under which the eBPF stands."""
    assert command("-d", text) == tcpdump("-d", text)
    assert command("-dd", text).replace(" ", "") == tcpdump("-dd", text).replace(" ", "")
    assert command("-ddd", text) == tcpdump("-ddd", text)
    assert command("-d", "-s", "96", text) == tcpdump("-d", "-s", "96", text)
    shown = command(text)
    above = re.findall(r"^; filter (\(.*)$", shown, re.M)
    # "ret #0" is a place to jump to, and nothing where it is the last.
    assert [r for r in above if "ret      #0" not in r] == [
        r for r in tcpdump("-d", text).splitlines() if "ret      #0" not in r
    ]
    last = re.findall(r"^ *(\d+): ", shown, re.M)[-1]
    assert f"; eBPF: {int(last) + 1} instructions\n" in shown
    assert "; begin\n" in shown and "; accept\n" in shown and shown.endswith(": exit\n")


def test_a_text_is_a_filter_if_it_can_be(command):
    """Else a computation, whose predicates stand before the filter with -C."""
    assert xdp.program("udp").classic == numbers_of("udp")
    assert command("-d", "udp") == tcpdump("-d", "udp")
    predicates = lang.compile("ip >-> udp").program(0, "filter")
    both = xdp.program("port 53", "ip >-> udp").classic
    assert command("-ddd", "ip >-> udp").splitlines()[0] == str(len(predicates))
    assert xdp.program(computation="ip >-> udp").classic == predicates
    assert len(both) > len(predicates) and both[-1] == xdp.program("port 53").classic[-1]
    assert command("--size", "port 53", "-C", "ip >-> udp").startswith(f"classic: {len(both)} ")
    assert command("--size", "-C", "ip >-> udp") == command("--size", "ip >-> udp")


def numbers_of(text):
    lines = tcpdump("-ddd", text).splitlines()[1:]
    return tuple(lang.Instruction(*map(int, line.split())) for line in lines)


def test_what_becomes_of_packets(command):
    """The verdicts are the options': XDP_PASS is 2, XDP_DROP is 1; a tap has a ring and no sockets."""
    rest = "; rest\n *\\d+: w0 = {}\n"
    assert re.search(rest.format(2), command("udp"))
    assert re.search(rest.format(1), command("udp", "--rest", "drop"))
    tap = command("udp", "--tap")
    assert "call bpf_ringbuf_submit" in tap and "call bpf_redirect_map" not in tap
    assert "; keep (000) " in command("udp", "--keep") and "; keep (000)" not in tap


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["udp prot 53"], 1, 'filter "udp prot 53": can\'t parse filter expression: syntax error'),
        (["ip >-> upd"], 1, "unknown function 'upd' (did you mean 'udp'?)\n    ip >-> upd\n"),
        (["ip >-> steer_flow"], 1, "computation: divides packets among members, which is another"),
        (["steer_flow"], 1, "computation: divides packets among members, which is another"),
        (["ip6 protochain 6"], 1, "filter: instruction 18 jumps back, and an XDP program has no"),
        (["udp >-> ip", "-C", "ip"], 1, 'filter "udp >-> ip": can\'t parse filter expression: '),
        (["udp", "-C", "prot"], 1, "computation:1:1: unknown function 'prot'"),
        (["udp", "--tap", "--rest", "drop"], 2, "--tap copies, the host gets everything (leave"),
        (["udp", "--block"], 2, "--block: is not for --engine xdp (leave out --engine)"),
        (["udp", "-m", "2"], 2, "--members: is not for --engine xdp (leave out --engine)"),
        (["udp", "--engine", "pfq", "--tap"], 2, "--tap: is not for --engine pfq (add --engine"),
        (["udp", "-s", "0"], 2, "--snaplen 0: out of range (1 to 262144)"),
    ],
)
def test_refused(command, words, code, sentence):
    assert sentence in command(*words, code=code)


def test_refused_as_json(capsys):
    """With the place, as of the other engine."""
    for words, at in ((["ip >-> upd"], [1, 8]), (["udp prot 53"], [0, 0])):
        assert cli.main(["compile", "--engine", "xdp", "--json", *words]) == 1
        said = json.loads(capsys.readouterr().out)
        assert [said["line"], said["column"]] == at


def test_refused_in_python():
    for bad in ({"rest": "keep"}, {"snaplen": 0}, {"tap": True, "rest": "drop"}):
        with pytest.raises(ValueError):
            xdp.program("udp", **bad)
    with pytest.raises(FilterError, match="NUL"):
        xdp.program("udp\0")
    with pytest.raises(ComputationError) as caught:
        xdp.program("udp", "ip >-> upd")
    assert (caught.value.line, caught.value.column) == (1, 8)


LIVE = """
import sys, pypcapaccel
with pypcapaccel.open("xdp:eth0?attach=generic" + sys.argv[1], filter="udp port 53"):
    pass
"""


@pytest.mark.parametrize(
    ("option", "how"),
    [(",divert=force", {"keep": True}), (",tap=yes", {"tap": True})],
    ids=["keep", "tap"],
)
def test_is_what_is_loaded(lab, tmp_path, option, how):
    """The kernel is given as many instructions as are shown, for the filter and before it."""
    netlab.needs("strace")
    lab.ip("address", "flush", "dev", "eth0")
    trace = tmp_path / "trace"
    lab.run(["strace", "-f", "-e", "bpf", "-o", trace, sys.executable, "-c", LIVE, option])
    loaded = re.findall(
        r"BPF_PROG_LOAD, \{prog_type=BPF_PROG_TYPE_XDP.*?insn_cnt=(\d+)", trace.read_text()
    )
    assert int(loaded[-1]) == xdp.program("udp port 53", **how).n_extended
