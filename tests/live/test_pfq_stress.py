# SPDX-License-Identifier: BSD-3-Clause
"""Groups whose members come and are killed by the hundred while packets flow: then everything holds
that holds of a group that nobody has disturbed."""

import random

import netlab
import pytest
from test_pfq import STEER, Sender, members_of, settle, shared

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no PFQ groups")

DOUBLE = "double_steer_ip"
ENV = {"PFQ_GROUP": "42"}


def start(lab, buffer, device="pfq", **env):
    """A member that has not said yet that it captures."""
    env = {**ENV, "PCAP_ACCEL_BUFFER": buffer, **env}
    # The timeout: a ring of few blocks is to last while a reader waits for a processor.
    return lab.capture(device, "-t", "100", env=env, ready=False)


def await_ready(capture):
    line = netlab.read_line(capture.process)
    assert line.startswith("READY "), line + str(capture.process.communicate())


def kill(captures):
    for capture in captures:
        capture.process.kill()
    for capture in captures:
        capture.process.communicate(timeout=netlab.PATIENCE_S)
        netlab.living.remove(capture.process)


def take(dice, captures, n):
    """n of them, who are then no longer among them."""
    return [captures.pop(dice.randrange(len(captures))) for _ in range(n)]


def one_round(lab, dice, alive, joins, buffer):
    """Many join at once; a quarter is killed while joining, as many of those who are there, and one
    more process joins and leaves in order, twice."""
    coming = [start(lab, buffer) for _ in range(joins)]
    env = lab.accel_env(**ENV, PCAP_ACCEL_BUFFER=buffer)
    passing = lab.popen([lab.build.tool("open_close"), "pfq", "1"], env=env)
    kill(take(dice, coming, joins // 4))
    kill(take(dice, alive, min(len(alive), joins // 4)))
    for capture in coming:
        await_ready(capture)
    alive += coming
    lab.end(passing, 0)


# Members of two kernel groups have three rings each; and all change after each kill, which takes time.
@pytest.mark.parametrize(
    "rounds, joins, text, fanout, plain, buffer",
    [
        pytest.param(10, 20, STEER, 1, 0, "2MiB", id="steer"),
        pytest.param(1, 8, DOUBLE, 2, 1, "6MiB", id="double"),
        pytest.param(1, 20, DOUBLE, 2, 1, "6MiB", id="double, many", marks=pytest.mark.full),
    ],
)
def test_joins_and_kills(lab, tmp_path, rounds, joins, text, fanout, plain, buffer):
    """200 joins and 100 kills while packets flow: the living are counted rightly and share new packets
    by the rules; once they have gone nothing is left, and a new group is as the first."""
    dice = random.Random(7)
    alive = [start(lab, buffer, "pfq:eth0", PFQ_COMPUTATION=text)]
    alive += [start(lab, buffer) for _ in range(5)]
    for capture in alive:
        await_ready(capture)
    # Those who were there before the computation have changed to it: who is late at that may double.
    settle(lab, fanout=fanout * 6, plain=plain * 6)
    traffic = lab.sending("peer0", "-r", 2000, "-f", 200, "-b")
    for _ in range(rounds):
        one_round(lab, dice, alive, joins, buffer)
    lab.end(traffic)
    assert len(alive) == 6 + rounds * joins // 2
    settle(lab, fanout=fanout * len(alive), plain=plain * len(alive))
    assert members_of(lab, tmp_path)[0] == len(alive) + 1
    settle(lab, fanout=fanout * len(alive), plain=plain * len(alive))
    check_sharing(lab, text, alive)
    assert lab.packet_sockets() == 0
    assert lab.promiscuity() == 0
    assert members_of(lab, tmp_path) == (1, "none yet", "")
    fresh = [start(lab, buffer, "pfq:eth0", PFQ_COMPUTATION=text)]
    fresh += [start(lab, buffer) for _ in range(2)]
    for capture in fresh:
        await_ready(capture)
    settle(lab, fanout=fanout * 3, plain=plain * 3)
    check_sharing(lab, text, fresh)


def check_sharing(lab, text, captures):
    """New packets reach one member each, or the two of a double computation."""
    send = Sender(lab, first=8_000_000)
    numbers = send("-r", 4000, n=2000)
    results = netlab.stop(*captures)
    seen = [result.seen for result in results]
    if text == STEER:
        assert not any(result["twice"] for result in results)
        shared(seen, numbers)
        return
    # While members come and go the two kernel groups of a double group differ for a moment, and a
    # member may then have got a packet twice: asked are the new ones.
    for number in numbers:
        homes = sum(number in one for one in seen)
        assert 1 <= homes <= 2, f"{number} at {homes} members"
