# SPDX-License-Identifier: BSD-3-Clause
"""Every function that takes a handle, in every state of the handle, on ours and on stock's handle of
the same veth. TOLERATED lists the differences, each with its reason; it may hold nothing that does
not differ."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import netlab
import pytest

# (state, call): reason. Only these may differ, and these must.
TOLERATED = {
    ("failed", "activate"): "stock reads a freed device name and crashes; ours fails again",
    ("failed", "set_tstamp_precision nano"): "stock has freed its list of precisions; ours has not",
    ("created", "sendpacket 60"): "stock says 0, which a program takes for sent",
    ("failed", "sendpacket 60"): "stock says 0, which a program takes for sent",
    ("created", "dump_fopen"): "stock 1.10.3 forgets the check that pcap_dump_open makes",
    ("failed", "dump_fopen"): "stock 1.10.3 forgets the check that pcap_dump_open makes",
    ("created", "dump_open_append"): "stock 1.10.3 forgets the check that pcap_dump_open makes",
    ("failed", "dump_open_append"): "stock 1.10.3 forgets the check that pcap_dump_open makes",
}

# Their text ends in whatever errno was before the call.
STALE_ERRNO = ("inject 0", "sendpacket 0", "sendpacket -1")

# The failed activation's own text names the device and a remedy; stock's is this.
OUR_FAILURE = re.compile(r"DEVICE: no such interface \(.*\)")


def parse(text, device):
    """NAME -> (result, geterr)."""
    answers = {}
    for line in text.splitlines():
        name, result, error = (line + "\t\t").split("\t")[:3]
        error = error.replace(device, "DEVICE").replace(netlab.plain(device), "DEVICE")
        error = re.sub(r"pcap_states\.\w+", "pcap_states.XXXXXX", error)
        if name in STALE_ERRNO:
            error = error.partition(":")[0]
        answers[name] = (result, OUR_FAILURE.sub("No such device exists", error))
    return answers


def start(lab, state, ours, interface):
    device = f"afpacket:{interface}" if ours and not netlab.STOCK else interface
    argv = [lab.build.tool("pcap_states"), device, state]
    return lab.popen(argv, env=lab.accel_env() if ours else {}, stdin=subprocess.PIPE), device


def finish(process, device):
    out, err = process.communicate("\n", timeout=4 * netlab.PATIENCE_S)
    netlab.living.remove(process)
    assert process.returncode == 0, out + err
    return parse(out, device)


def states(lab, state, interface="eth0"):
    """What stock says and what we say, asked at the same time; but for the reads of an idle link,
    which would see the packets that the other injects."""
    if state == "nonblock":
        return [finish(*start(lab, state, ours, interface)) for ours in (False, True)]
    started = [start(lab, state, ours, interface) for ours in (False, True)]
    if state == "removed":
        for process, _ in started:
            netlab.await_line(process, "REMOVE")
        lab.ip("link", "del", interface)
    return [finish(*one) for one in started]


def compare(state, stock, ours):
    tolerated = {call for where, call in TOLERATED if where == state}
    if netlab.STOCK:
        tolerated = set()
    different = {call for call in stock | ours if stock.get(call) != ours.get(call)}
    report = [
        f"{call}: stock {stock.get(call)}, ours {ours.get(call)}" for call in sorted(different)
    ]
    assert different - tolerated == set(), "\n".join(report)
    assert tolerated - different == set(), "tolerated, but no longer different"


def while_sent(lab, state):
    """The answers inside a callback, which somebody has to cause."""
    sender = lab.sending("peer0", "-r", 500)
    answers = states(lab, state)
    lab.end(sender)
    return answers


@pytest.fixture(scope="module")
def answers(accel_build):
    """{state: what stock and we say, when it is there}. All at once, each on a link of its own: a close
    waits for the kernel, not for a CPU."""
    asked = ["created", "failed", "activated", "nonblock", "callback", "thread", "removed"]
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(len(asked)))
        found = {}
        for state in asked:
            lab = netlab.Lab(accel_build, pairs=1)
            stack.callback(lab.close)
            ask = while_sent if state == "callback" else states
            rest = ["nosuch0"] if state == "failed" else []
            found[state] = pool.submit(ask, lab, state, *rest)
        yield found
        pool.shutdown()


def test_created(answers):
    """After pcap_create."""
    compare("created", *answers["created"].result())


def test_failed(answers):
    """After a pcap_activate that failed."""
    stock, ours = answers["failed"].result()
    compare("failed", stock, ours)
    if not netlab.STOCK:
        assert ours["activate"][0] == "-5"


def test_activated(answers):
    """After pcap_activate, on an idle link."""
    compare("activated", *answers["activated"].result())


def test_nonblock(answers):
    """After pcap_setnonblock, on an idle link: the reads too, for they return."""
    compare("nonblock", *answers["nonblock"].result())


def test_in_callback(answers):
    """Inside a callback of pcap_loop: every function but the reads themselves."""
    stock, ours = answers["callback"].result()
    compare("callback", stock, ours)
    assert len(ours) > 50


def test_second_thread(answers):
    """pcap_breakloop and pcap_stats from a second thread, while the first waits in pcap_loop."""
    stock, ours = answers["thread"].result()
    compare("thread", stock, ours)
    assert ours["loop after breakloop"][0] == "-2"


def test_after_error(answers):
    """After a read that failed because the device was removed."""
    stock, ours = answers["removed"].result()
    compare("removed", stock, ours)
    assert ours["the read"] == ("-1", "The interface disappeared")


def test_every_function_is_asked():
    """The tool calls every function that takes a handle (but pcap_close, which ends each)."""
    header = Path("/usr/include/pcap/pcap.h").read_text()
    takes = set(re.findall(r"\bpcap_(\w+)\s*\(pcap_t\s*\*", header))
    argv = ["gcc", "-print-file-name=libpcap.so"]
    stock = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    symbols = subprocess.run(["nm", "-D", "--defined-only", stock], capture_output=True, text=True)
    takes &= {name.removeprefix("pcap_") for name in symbols.stdout.split()}
    source = (Path(__file__).parents[1] / "tools" / "pcap_states.c").read_text()
    asked = set(re.findall(r"\bpcap_(\w+)\(p\b", source))
    not_asked = {
        "close": "ends every state",
        "perror": "prints pcap_geterr's text on stderr",
        "setsampling": "remote capture only; not exported by every libpcap",
    }
    assert takes - asked - set(not_asked) == set()
