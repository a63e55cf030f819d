# SPDX-License-Identifier: BSD-3-Clause
"""pcap-accel's subcommands that need no network: what they print, their JSON, their exit codes, their words for
bad input. `run` and `env` have test_run.py."""

import json
import re
import struct

import pytest

from pypcapaccel import cli

UDP = "020000000001 020000000002 0800 4500001c00000000401100000a0000010a000002 03e807d000080000"
ARP = "ffffffffffff 020000000002 0806" + "00" * 28


@pytest.fixture
def command(capsys):
    def run(*words, code=0):
        try:
            is_code = cli.main([str(word) for word in words])
        except SystemExit as end:
            is_code = end.code
        said = capsys.readouterr()
        assert is_code == code, f"{words}: exit {is_code}\n{said.out}{said.err}"
        return said

    return run


@pytest.fixture
def asked(command):
    """A command's JSON, which is one object that names its schema."""

    def run(*words, code=0):
        found = json.loads(command(*words, "--json", code=code).out)
        assert found["schema"].startswith("pcap-accel.")
        return found

    return run


def test_help(command):
    """Every command is listed and has help that says more than its usage."""
    out = command("--help").out
    for name, line in cli.COMMANDS.items():
        assert name in out and line.split()[0] in out
        said = command(name, "--help").out
        assert len(said.splitlines()) > 6 and "Threads" not in said
    for name in ("groups define", "config check", "config convert", "config schema"):
        said = command(*name.split(), "--help").out
        assert re.search(r"^[A-Z][^.]+\.$", said, re.M) and max(map(len, said.splitlines())) < 101
    assert "usage:" in command(code=2).out
    assert command("--version").out.startswith("pcap-accel ")


def test_unknown_words(command):
    assert "invalid choice: 'frob'" in command("frob", code=2).err
    assert "'--' is for run (leave" in command("devices", "--", "x", code=2).err


# ---- compile ----


def test_compile(command, asked):
    out = command("compile", "ip >-> steer_flow").out
    assert out.startswith(
        "block: steer\neach packet goes to nobody or one member\npart 0: fanout, filter of "
    )
    assert command("compile", "ip", "--block").out == "copy\n"
    assert command("compile", "ip", "--form", "tree").out.startswith("")
    found = asked("compile", "ip >-> steer_flow")
    assert found["block"] == "steer" and set(found["sizes"]) == {"part 0, filter", "part 0, fanout"}
    n = found["sizes"]["part 0, filter"]
    assert (
        f"part 0, filter: {n} instructions\n"
        in command("compile", "ip >-> steer_flow", "--size").out
    )


def test_listings_are_one_program(command):
    """-d, -dd and -ddd show the same instructions."""
    human = command("compile", "udp", "-d").out.splitlines()[1:]
    c = [line for line in command("compile", "udp", "-dd").out.splitlines() if line.startswith("{")]
    numbers = command("compile", "udp", "-ddd").out.splitlines()
    assert len(human) == len(c) == int(numbers[0]) == len(numbers) - 1
    for ours, theirs in zip(c, numbers[1:], strict=True):
        assert [int(word.strip("{} ,"), 0) for word in ours.split()[1:-1]] == [
            int(w) for w in theirs.split()
        ]


def test_compile_tries_packets(command, asked, tmp_path):
    assert command("compile", "udp", "--packet", UDP).out == "all\n"
    assert command("compile", "udp", "--packet", ARP, code=1).out == "nobody\n"
    assert asked("compile", "ip >-> steer_flow", "--packet", UDP, "-m", 1)["packets"][0][
        "members"
    ] == [0]
    path = tmp_path / "x.pcap"
    frames = [bytes.fromhex(UDP.replace(" ", "")), bytes.fromhex(ARP.replace(" ", ""))]
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            file.write(struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame)
    found = asked("compile", "ip >-> steer_flow", "--pcap", path, "-m", 3, code=1)["pcap"]
    assert (
        found["packets"] == 2
        and found["outcomes"] == {"one": 1, "nobody": 1}
        and sum(found["members"]) == 1
    )
    assert "2 packets" in command("compile", "udp", "--pcap", path, code=1).out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (
            ["ip >-> steer_flo"],
            1,
            "computation:1:8: unknown function 'steer_flo' (did you mean 'steer_flow'?)\n",
        ),
        (["ip", "--packet", "xyz"], 2, "--packet 'xyz': is not hexadecimal"),
        (["ip", "--packet", "00" * 65536], 2, "--packet: too long (at most 65535 bytes)"),
        (["ip", "-m", "0"], 2, "--members 0: out of range (1 to 65536)"),
        (["ip", "--pcap", "/nowhere"], 1, "/nowhere: No such file or directory"),
        (["ip", "--pcap", "/etc/passwd"], 1, "/etc/passwd: unknown file format"),
    ],
)
def test_compile_refuses(command, words, code, sentence):
    assert sentence in command("compile", *words, code=code).err


def test_an_error_in_json(asked):
    found = asked("compile", "ip >->\n x", code=1)
    assert (found["line"], found["column"]) == (2, 2) and "unknown function 'x'" in found["error"]


# ---- config ----


def test_config_check(command, asked, tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.conf"
    good.write_text("version: 1\ngroups: [{group: 1, computation: ip}]\n")
    bad.write_text("grup = 1\nbuffer = x\n")
    command("config", "check", good)
    err = command("config", "check", good, bad, code=1).err
    assert err.startswith(
        f"{bad}:1:1: unknown option 'grup' (did you mean 'group'?)\n    grup = 1\n    ^\n"
    )
    found = asked("config", "check", good, bad, code=1)["files"]
    assert [len(file["mistakes"]) for file in found] == [0, 2]
    assert found[1]["mistakes"][1]["line"] == 2


def test_config_convert(command, tmp_path):
    conf, yaml = tmp_path / "x.conf", tmp_path / "x.yaml"
    conf.write_text("group = 7\ncomputation = ip >-> steer_flow\n")
    yaml.write_text(command("config", "convert", conf).out)
    assert command("config", "convert", yaml).out == conf.read_text()
    yaml.write_text("version: 1\ngroups: [{group: 1, devices: [eth0]}, {group: 2, caplen: 96}]\n")
    assert (
        "is of one group (choose one with --group: 1, 2)"
        in command("config", "convert", yaml, code=1).err
    )
    assert command("config", "convert", yaml, "--group", 2).out == "group = 2\ncaplen = 96\n"
    assert "goes on the device" in command("config", "convert", yaml, "--group", 1, code=1).err
    assert command("config", "convert", yaml, "--group", 1, "--lossy").out == "group = 1\n"
    assert (
        f"{yaml}: no group 3 (known: 1, 2)"
        in command("config", "convert", yaml, "--group", 3, code=1).err
    )


def test_config_lists(command, asked):
    rows = [line.split()[:4] for line in command("config", "options").out.splitlines()]
    assert ["buffer", "size", "64MiB", "4KiB"] in rows and ["tap", "bool", "no", "yes|no"] in rows
    assert ["direction", "word", "inout", "in|out|inout"] in rows and [
        "timeout",
        "time",
        "0",
        "0",
    ] in rows
    assert {row["key"] for row in asked("config", "options")["options"]} >= {"buffer", "group"}
    assert json.loads(command("config", "schema").out)["$defs"]
    assert {"sensor", "low-latency", "high-throughput"} <= set(
        asked("config", "profiles")["profiles"]
    )


# ---- devices ----


def test_devices(command, asked):
    found = {device["name"]: device for device in asked("devices", "-a")["devices"]}
    assert found["lo"]["kind"] == "loopback" and found["lo"]["captured_as"] == ["afpacket:lo"]
    assert "afpacket:lo" in command("devices", "-a").out


# ---- groups ----


def test_groups_refuse(command):
    assert (
        "group 65536: out of range (0 to 65535)" in command("groups", "define", 65536, code=2).err
    )
    assert "names no group" in command("groups", "define", code=2).err
    assert "nothing to change" in command("groups", "change", 1, code=2).err
    assert (
        "is no list of VLAN ids (10+20)"
        in command("groups", "define", 1, "--vlan", "x", code=2).err
    )
