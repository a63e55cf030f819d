# SPDX-License-Identifier: BSD-3-Clause
"""The files in conf/ for the engine pfq, each as a user runs it: two tcpdumps that name it by its path
relative to where they are, and what each of them then sees."""

from typing import Any

import netlab
import pytest
from test_pfq import Dump, Sender, copied, lab, settle, shared, unseen  # noqa: F401

pytestmark = pytest.mark.skipif(netlab.STOCK, reason="ACCEL_STOCK: stock has no PFQ groups")

IPV6, ARP, TCP = ["-6"], ["-p", "arp"], ["-p", "tcp"]
DNS = ["-d", 53]


def tagged(vlan):
    return ["-v", f"0x8100:{vlan}"]


# Who of two members gets a packet; what the group does not get; and what it gets, of which kind.
PROFILES: dict[str, Any] = {
    "pfq-ids.conf:eth0:eth1": (shared, [IPV6, ARP], [[], TCP, tagged(5)]),
    "pfq-dns.conf:eth0:eth1": (shared, [[], [*TCP, *DNS], [*IPV6, *DNS], ARP], [DNS]),
    "pfq-vlan.conf:eth0:eth1": (shared, [[], tagged(101), ARP], [tagged(100), tagged(200)]),
    "pfq-copy.conf:eth0:eth1": (copied, [], [[], TCP, IPV6, ARP, tagged(5)]),
}


@pytest.mark.parametrize("name", PROFILES)
def test_profile(repo, lab, tmp_path, name):  # noqa: F811
    """tcpdump -i pfq/conf/NAME.conf:eth0:eth1, twice: each packet at one of them, or at both, and what
    the file keeps out at nobody."""
    netlab.needs("tcpdump")
    rule, unwanted, wanted = PROFILES[name]
    dumps = [Dump(lab, tmp_path, i, f"pfq/conf/{name}", cwd=repo) for i in range(2)]
    settle(lab, **{"plain" if rule is copied else "fanout": 2})
    send = Sender(lab)
    others = set().union(
        *(send(*kind, peer=peer) for kind in unwanted for peer in ("peer0", "peer1"))
    )
    numbers = set().union(
        *(send(*kind, peer=peer) for kind in wanted for peer in ("peer0", "peer1"))
    )
    copies = 2 if rule is copied else 1
    netlab.await_packets([dump.path for dump in dumps], copies * len(numbers))
    stamps = [[number for number, _ in dump.stop()] for dump in dumps]
    seen = [set(one) for one in stamps]
    assert [len(one) for one in stamps] == [len(one) for one in seen], "twice in one of them"
    rule(seen, numbers)
    unseen(seen, others)
    assert all(seen)
