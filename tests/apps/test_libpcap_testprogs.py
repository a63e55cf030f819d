# SPDX-License-Identifier: BSD-3-Clause
"""libpcap's own test programs, four times each: on the system's libpcap, on the same device with
us in front (where nothing may differ), and on our AF_PACKET and AF_XDP engines (where only what is in the
tables below may), the latter with --full also attached generically.

Each program is its one C file, compiled against the installed library when the test runs."""

import re
import shutil
import signal
import struct
import subprocess
from dataclasses import dataclass

import pytest

PROGRAMS = [
    "findalldevstest",
    "opentest",
    "reactivatetest",
    "selpolltest",
    "capturetest",
    "nonblocktest",
    "threadsignaltest",
    "writecaptest",
    "can_set_rfmon_test",
    "filtertest",
    "valgrindtest",
]

# threadsignaltest sleeps for a minute before it breaks the loop. Here it waits for a line of input.
WAITS_FOR_INPUT = (
    '#include <stdio.h>\n#include <unistd.h>\n#define sleep(n) (getchar(), 0)\n#include "{}"\n'
)

# The last is xdp too, without the driver's help.
ENGINES = ["afpacket", "xdp", "generic"]
MODES = ["preload", *ENGINES]


def cases(rows, full=lambda mode: mode == "generic"):
    """Of rows that end in a mode, which run only with --full."""
    return [pytest.param(*row, marks=pytest.mark.full if full(row[-1]) else ()) for row in rows]


ALL_MODES = cases([(mode,) for mode in ("stock", *MODES)])


@pytest.fixture(scope="module")
def programs(source, tmp_path_factory):
    """{name: path} of the compiled programs."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed: the programs are compiled by the test")
    tree = source("libpcap0.8")
    folder = tmp_path_factory.mktemp("testprogs")
    built = {}
    for name in PROGRAMS:
        text = folder / f"{name}.c"
        original = tree / "testprogs" / f"{name}.c"
        if name == "threadsignaltest":
            text.write_text(WAITS_FOR_INPUT.format(original))
        else:
            text.write_text(f'#include "{original}"\n')
        done = subprocess.run(
            ["gcc", "-w", f"-I{tree}", text, "-o", folder / name, "-lpcap", "-lpthread"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        built[name] = folder / name
    return built


@pytest.fixture
def device_and_env(wire, preload):
    """device_and_env(mode) -> what a program is given as its device, and its environment. For
    programs that choose the device themselves, the alias map brings them to the engine."""

    def choose(mode):
        if mode == "stock":
            return wire.device, {}
        if mode == "preload":
            return wire.device, preload
        # XDP is not for lo.
        devices = ["lo", wire.device] if mode == "afpacket" else [wire.device]
        engine = "xdp" if mode == "generic" else mode
        aliases = ",".join(f"{i}={engine}:{i}" for i in devices)
        # The device has an address, which XDP would refuse.
        env = {"PCAP_ACCEL_MAP": aliases, "PCAP_ACCEL_DIVERT": "force"}
        attach = {"PCAP_ACCEL_ATTACH": "generic"} if mode == "generic" else {}
        return f"{engine}:{wire.device}", {**preload, **env, **attach}

    return choose


# --- programs that end by themselves -------------------------------------------------------------


REMEDY = "our text behind the stock one says what is wrong and how to mend it"


@dataclass
class Case:
    """A command line, DEV where the device goes; and, where the engine's output differs from stock
    on purpose, (what it looks like, reason). The exit status never differs."""

    name: str
    argv: list
    on_purpose: tuple = ()


CASES = [
    Case("list", ["findalldevstest"]),
    Case("monitor mode", ["can_set_rfmon_test", "DEV"]),
    Case("monitor mode of nothing", ["can_set_rfmon_test", "PREFIXnosuch0"]),
    Case("open", ["opentest", "-i", "DEV"]),
    Case("open promiscuous", ["opentest", "-i", "DEV", "-p"]),
    Case("open short", ["opentest", "-i", "DEV", "-s", "100"]),
    Case("open by create", ["opentest", "-a", "-i", "DEV"]),
    Case("open with a buffer", ["opentest", "-a", "-i", "DEV", "-B", "4000"]),
    Case(
        "open in monitor mode",
        ["opentest", "-a", "-I", "-i", "DEV"],
        (r"opentest: va: That device doesn't support monitor mode\n\(va: .*\)\n", REMEDY),
    ),
    Case(
        "open nothing",
        ["opentest", "-i", "PREFIXnosuch0"],
        (r"opentest: nosuch0: No such device exists \(nosuch0: .*\)\n", REMEDY),
    ),
    Case(
        "open nothing by create",
        ["opentest", "-a", "-i", "PREFIXnosuch0"],
        (r"opentest: nosuch0: No such device exists\n\(nosuch0: .*\)\n", REMEDY),
    ),
    Case(
        "open what is down",
        ["opentest", "-i", "PREFIXvdown"],
        (r"opentest: vdown: That device is not up \(vdown: .*\)\n", REMEDY),
    ),
    Case(
        "open what is down by create",
        ["opentest", "-a", "-i", "PREFIXvdown"],
        (r"opentest: vdown: That device is not up\n\(vdown: .*\)\n", REMEDY),
    ),
    Case("activate twice", ["reactivatetest"]),
    Case("link types", ["writecaptest", "-L", "-i", "DEV"]),
    Case("wrong link type", ["writecaptest", "-i", "DEV", "-w", "/dev/null", "-y", "RAW"]),
    Case("wrong filter", ["writecaptest", "-i", "DEV", "-w", "/dev/null", "no", "such", "thing"]),
    Case("filters of all kinds", ["valgrindtest", "-i", "DEV"]),
    Case("filters of all kinds by create", ["valgrindtest", "-a", "-i", "DEV"]),
    Case("compile", ["filtertest", "EN10MB", "vlan", "and", "ip6", "or", "tcp", "port", "80"]),
    Case("compile plainly", ["filtertest", "-O", "LINUX_SLL2", "inbound", "or", "ifindex", "2"]),
]


@pytest.mark.parametrize(
    "mode", cases([("preload",), ("afpacket",), ("xdp",)], lambda m: m == "xdp")
)
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_ends_as_on_stock(wire, programs, device_and_env, case, mode):
    """Exit status and both streams are those of stock, with the engine's prefix left out of names;
    or the engine's output is what the table says."""

    def outcome(mode):
        device, env = device_and_env(mode)
        prefix = device[: -len(wire.device)]
        words = [w.replace("DEV", device).replace("PREFIX", prefix) for w in case.argv[1:]]
        status, out, err = wire.run(programs[case.argv[0]], *words, env=env)
        return status, re.sub("(afpacket|xdp):", "", out + err)

    stock_status, stock_text = outcome("stock")
    status, text = outcome(mode)
    assert status == stock_status
    if mode in ENGINES and case.on_purpose:
        assert re.fullmatch(case.on_purpose[0], text), text
        assert text != stock_text, "no longer different: the row can go"
    else:
        assert text == stock_text


# --- programs that read packets ------------------------------------------------------------------


def counted(lines):
    """Packets that the program says it counted, and whether each call returned that number."""
    pairs = [re.search(r"(\d+) packets seen, (\d+) packets counted", line) for line in lines]
    pairs = [(int(m[1]), int(m[2])) for m in pairs if m]
    return sum(c for _, c in pairs), all(s == c for s, c in pairs)


def dispatched(n):
    """A condition: n packets were counted, and the statistics behind them are printed too."""
    return lambda lines: counted(lines)[0] >= n and "ps_recv" in lines[-1]


def last_stats(lines):
    """The last line of pcap_stats()."""
    return [line for line in lines if "ps_recv" in line][-1]


CAPTURE = {
    "blocking": [],
    "immediate": ["-m"],
    "non-blocking": ["-n"],
    "interrupted calls restart": ["-r"],
}


@pytest.mark.parametrize("mode", ALL_MODES)
@pytest.mark.parametrize("how", CAPTURE)
def test_capturetest(wire, programs, device_and_env, how, mode):
    """All 100 packets are dispatched once; pcap_stats() has them all and no loss; a break from the
    signal handler ends the loop with -2. The same numbers with and without us."""
    device, env = device_and_env(mode)
    argv = [programs["capturetest"], "-s", "-b", *CAPTURE[how], "-t", "50", "-i", device]
    with wire.start(*argv, "udp", "port", "7777", env=env) as program:
        program.until_line("^Listening on")
        # In parts: stock's ring holds 32 packets in immediate mode.
        for sent in range(20, 101, 20):
            wire.send(20, first=sent - 20)
            assert program.until(dispatched(sent)), counted(program.lines)
        program.process.send_signal(signal.SIGINT)
        if how == "non-blocking" and mode not in ENGINES:
            # Stock looks at the flag only when a packet is there; the engine does at once.
            wire.send(1)
        status, lines = program.end()
    assert status == 0
    assert counted(lines) == (100, True)
    assert last_stats(lines) == "100 ps_recv, 0 ps_drop, 0 ps_ifdrop"
    assert lines[-1] == "Broken out of loop from SIGINT handler"


SELECT = {
    "dispatch": [],
    "select": ["-s"],
    "select, non-blocking": ["-s", "-n"],
    "select with a timeout": ["-s", "-t"],
    "poll": ["-p"],
    "poll, non-blocking": ["-p", "-n"],
    "poll with a timeout": ["-p", "-t"],
}

# What a descriptor may be said to be; anything else is an error condition.
GOOD_DESCRIPTOR = {
    "Select returned a descriptor: readable, no exceptional condition",
    "Poll returned a descriptor: readable, no exceptional condition, no disconnect, not invalid",
    "Select timed out: ",
    "Poll timed out",
}


# On stock's devices each lasts for its timeout of a second.
SELECT_CASES = [
    *cases([("dispatch", mode) for mode in ("stock", *MODES)]),
    *cases(
        [(how, mode) for how in SELECT if how != "dispatch" for mode in ("stock", *MODES)],
        lambda mode: mode not in ("afpacket", "xdp"),
    ),
]


@pytest.mark.parametrize(("how", "mode"), SELECT_CASES)
def test_selpolltest(wire, programs, device_and_env, how, mode):
    """The selectable descriptor becomes readable and only readable, every packet arrives through
    it, and each dispatch returns the number of its callbacks."""
    device, env = device_and_env(mode)
    argv = [programs["selpolltest"], *SELECT[how], "-i", device, "udp", "port", "7777"]
    with wire.start(*argv, env=env) as program:
        program.until_line("^Listening on")
        for part in range(5):
            wire.send(20, first=20 * part)
        assert program.until(lambda lines: counted(lines)[0] >= 100), counted(program.lines)
        program.process.send_signal(signal.SIGINT)
        status, lines = program.end()
    assert status == -signal.SIGINT
    assert counted(lines) == (100, True)
    said = {line for line in lines if "returned a descriptor" in line or "timed out" in line}
    assert {line.split("timed out: ")[0] for line in said} <= {
        line.split("timed out: ")[0] for line in GOOD_DESCRIPTOR
    }


@pytest.mark.parametrize("mode", ALL_MODES)
@pytest.mark.parametrize("wakeup", [True, False], ids=["with a signal", "without a signal"])
def test_threadsignaltest(wire, programs, device_and_env, wakeup, mode):
    """pcap_breakloop() from another thread ends a dispatch that waits for packets which never come,
    whether or not a signal helps."""
    device, env = device_and_env(mode)
    argv = [programs["threadsignaltest"], *([] if wakeup else ["-n"]), "-i", device]
    with wire.start(*argv, "udp", "port", "7778", env=env) as program:
        program.until_line("^Listening on")
        program.write("\n")
        status, lines = program.end()
    expected = {f"Listening on {device}", "Doing pcap_breakloop()", "", "Loop got broken"}
    if wakeup:
        expected |= {"Sending SIGUSR1"}
        # It arrives while the thread reads or when it is about to end: printed or not.
        lines = [line for line in lines if line != "Got SIGUSR1"]
    assert status == 0
    assert set(lines) == expected


@pytest.mark.parametrize("mode", ALL_MODES)
def test_nonblocktest(wire, programs, device_and_env, mode):
    """pcap_setnonblock() before and after activation, a break inside the callback, and its failure
    where the program has no descriptor left."""
    device, env = device_and_env(mode)
    with wire.start("prlimit", "--nofile=64", programs["nonblocktest"], "-i", device,
                    env=env) as program:  # fmt: skip
        # Its timeout is 0: stock delivers only when a block of 256 KiB is full, so send until the
        # break happened.
        for _ in range(200):
            if program.process.poll() is not None:
                break
            wire.send(1000)
        status, lines = program.end()
    assert status == 0
    assert lines[0].endswith(": using pcap_breakloop()")
    assert re.search(r"pcap_setnonblock failed as expected: .*: Too many open files", lines[1])
    assert len(lines) == 2


def payloads(path):
    """(link type, [number in each packet]) of a savefile."""
    data = path.read_bytes()
    magic, *_rest, link_type = struct.unpack_from("<IHHiIII", data)
    assert magic == 0xA1B2C3D4
    numbers, at = [], 24
    while at < len(data):
        caplen, length = struct.unpack_from("<II", data, at + 8)
        assert caplen == length == 60
        numbers.append(struct.unpack_from("!I", data, at + 16 + 42)[0])
        at += 16 + caplen
    return link_type, numbers


WRITE = cases([("EN10MB", 1, mode) for mode in ("stock", *MODES)])
# It sets no filter for this one and says that it listens before it reads: with XDP the host has what comes between.
WRITE += [("DOCSIS", 143, mode) for mode in ("stock", "preload", "afpacket")]


@pytest.mark.parametrize("link_type, number, mode", WRITE)
def test_writecaptest(wire, programs, device_and_env, tmp_path, mode, link_type, number):
    """A savefile written from a live handle has its link type, and every packet once, in order."""
    device, env = device_and_env(mode)
    path = tmp_path / "out.pcap"
    argv = [programs["writecaptest"], "-i", device, "-w", path, "-y", link_type]
    filters = ["udp", "port", "7777"] if link_type == "EN10MB" else []
    with wire.start(*argv, *filters, env=env) as program:
        program.until_line(f"^Listening on {device}, link-type {link_type}$")
        wire.send(100)

        def seen(lines):
            return sum(int(line.split()[0]) for line in lines if line.endswith("packets seen"))

        assert program.until(lambda lines: seen(lines) >= 100), program.lines
        program.process.send_signal(signal.SIGINT)
        status, lines = program.end()
    assert status == 0
    assert lines[-1] == "Broken out of loop from SIGINT handler"
    assert payloads(path) == (number, list(range(100)))
