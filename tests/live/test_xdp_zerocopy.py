# SPDX-License-Identifier: BSD-3-Clause
"""Zero copy: the drivers of this machine may have none, so a virtual machine with cards that do is booted.
Under a minute, and half a minute more the first time, when QEMU and a kernel are fetched (250 MB)."""

import collections
import json

import netlab
import pytest
import qemu_guest

pytestmark = pytest.mark.full

N = 2000
CARDS = {"igb0": "02:00:00:00:00:10", "igb1": "02:00:00:00:00:11",
         "vio0": "02:00:00:00:00:20", "vio1": "02:00:00:00:00:21"}  # fmt: skip

# The first of each pair is captured on, the second sends. virtio-net has no zero copy without the DMA API,
# which it uses where iommu_platform is on.
MACHINE = f"""
-netdev hubport,id=n0,hubid=0 -device igb,netdev=n0,mac={CARDS["igb0"]},romfile=
-netdev hubport,id=n1,hubid=0 -device virtio-net-pci,netdev=n1,mac={CARDS["igb1"]},romfile=
-netdev hubport,id=n2,hubid=1
-device virtio-net-pci,netdev=n2,mac={CARDS["vio0"]},romfile=,iommu_platform=on,disable-legacy=on
-netdev hubport,id=n3,hubid=1 -device virtio-net-pci,netdev=n3,mac={CARDS["vio1"]},romfile=
""".split()

SCRIPT = f"""#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /run
for module in /modules/*; do insmod $module; done

name() {{ # MAC NAME: call the card so, and bring it up
	for path in /sys/class/net/*; do
		[ $(cat $path/address) = $1 ] || continue
		ip link set ${{path##*/}} name $2
		echo 1 >/proc/sys/net/ipv6/conf/$2/disable_ipv6
		ip link set $2 up
	done
}}
{"".join(f"name {mac} {card}{chr(10)}" for card, mac in CARDS.items())}
await() {{ # FILE PATTERN: wait until a line of the file is like this
	until grep -q "$2" $1 2>/dev/null; do sleep 0.1; done
}}

# A driver sets up its queues anew for a program, and the link comes back some time after.
capture() {{ # NAME CARD PEER OPTIONS [OF THE SENDER]
	export PCAP_ACCEL_LOG=info:/run/$1.log
	LD_PRELOAD=/bin/libpcap-accel.so capture_check -f "udp or vlan" -x 1 "xdp:$2?$4" >/run/$1.out 2>/run/$1.err &
	ours=$!
	until grep -q . /run/$1.out; do sleep 0.1; done
	if grep -q READY /run/$1.out; then
		await /sys/class/net/$2/carrier 1
		await /sys/class/net/$3/carrier 1
		send_packets -i $3 -n {N} -r 1000 -f 50 $5 >/dev/null
		kill $ours
	fi
	wait $ours
	tell $1
}}

tell() {{ # NAME
	mv /run/$1.out /run/$1.result
	for what in result log err peer; do
		grep -v READY /run/$1.$what | while read -r line; do echo "$1 $what $line"; done
	done
}}

send() {{ # NAME CARD PEER OPTIONS: through the ring of the card
	export PCAP_ACCEL_LOG=info:/run/$1.log
	capture_check $3 >/run/$1.peer &
	peer=$!
	await /run/$1.peer READY
	LD_PRELOAD=/bin/libpcap-accel.so capture_check -f udp -j 100 "xdp:$2?$4" >/run/$1.out &
	ours=$!
	await /run/$1.out READY
	kill $ours $peer # they read what is there before they end
	wait $ours $peer
	tell $1
}}

capture igb igb0 igb1 zc=require
capture virtio vio0 vio1 zc=require
capture generic igb0 igb1 attach=generic
capture copied igb0 igb1 zc=no
capture none igb1 igb0 zc=require
capture auto igb1 igb0 zc=auto
send sending vio0 vio1 zc=require
capture tagged igb0 igb1 zc=require "-v 0x8100:100"
ethtool -K igb0 rxvlan off
capture in-band igb0 igb1 zc=require "-v 0x8100:100"
ip link add link igb0 name igb0.5 type vlan id 5
ip addr add 10.5.5.1/24 dev igb0.5
capture vlan igb0 igb1 zc=auto
echo finished
poweroff -f
"""


@pytest.fixture(scope="module")
def said(accel_build, tmp_path_factory):
    """What the machine has said: {(who, what): lines}. Booted once for all tests."""
    if accel_build.sanitizer:
        pytest.skip("the sanitizer's runtime is not in the virtual machine")
    folder = tmp_path_factory.mktemp("guest")
    text = qemu_guest.boot(accel_build, folder, SCRIPT, ["igb", "virtio_net", "8021q"], MACHINE)
    assert "\nfinished\n" in text, text
    found = collections.defaultdict(str)
    for line in text.splitlines():
        who, what, rest = (line + "  ").split(" ", 2)
        found[who, what] += rest.strip() + "\n"
    return found


def result(said, who, what="result"):
    values = json.loads(said[who, what])
    return netlab.Result(values, 0, said[who, "err"])


def all_came(said, who):
    found = result(said, who)
    assert (found["error"], found.seen) == ("", set(range(N)))
    assert (found["twice"], found["drop"]) == (0, 0)  # two queues, two CPUs: stamps may step back


@pytest.mark.parametrize("who, queues", [("igb", "2 queues"), ("virtio", "1 queue")])
def test_zero_copy(said, who, queues):
    """A driver with zero copy serves us with it, on all its queues, and every packet comes once."""
    all_came(said, who)
    assert f"native XDP, zero copy, {queues} of " in said[who, "log"]


@pytest.mark.parametrize(
    "who, how", [("generic", "generic XDP, "), ("copied", "native XDP, copied, ")]
)
def test_not_chosen(said, who, how):
    """The same card, attached generically, or with its packets copied, because somebody wants it so."""
    all_came(said, who)
    assert how in said[who, "log"]


def test_not_there(said):
    """A card without: copied where that may be, refused where zero copy is required."""
    all_came(said, "auto")
    assert "native XDP, copied, " in said["auto", "log"]
    refused = result(said, "none")
    assert (refused["activate"], refused["packets"]) == (-1, 0)
    assert refused["error"].startswith("xdp:igb1?zc=require: ")


def test_sends(said):
    """Through the transmit ring, without a copy of the kernel's."""
    assert "native XDP, zero copy, " in said["sending", "log"]
    assert result(said, "sending")["injected"] == 100
    assert result(said, "sending", "peer").seen == set(range(1000000, 1000100))


def test_tags(said):
    """igb takes VLAN tags off and its driver tells nobody: that is said, with the way out, which works."""
    all_came(said, "tagged")
    warning = "'igb0' takes VLAN tags off and its driver does not tell them, so they are not seen"
    assert f"{warning} (ethtool -K igb0 rxvlan off)" in said["tagged", "log"]
    assert result(said, "tagged")["shown"][0][1][24:28] == "0800"
    all_came(said, "in-band")
    assert "tags" not in said["in-band", "log"]
    assert result(said, "in-band")["shown"][0][1][24:32] == "81000064"


def test_host_lives_in_a_vlan(said):
    """What a VLAN's address gets comes in through the card below it. The machine's own kernel may have no VLANs."""
    refused = result(said, "vlan")
    assert (refused["activate"], refused["packets"]) == (-1, 0)
    assert "'igb0.5', which lies on it, has the address 10.5.5.1" in refused["error"]
