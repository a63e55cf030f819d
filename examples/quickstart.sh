#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Shows libpcap-accel at work on a fresh Debian with git and Python, as root:
#
#     sh examples/quickstart.sh
#
# Installs what is missing, builds, makes two network namespaces joined by two veth pairs, lets real
# sockets talk across, and captures that with the unchanged tcpdump: first one on both links at once,
# then two that share the packets in a fanout group. Ends within a minute after the build and leaves
# nothing but build/.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
library=$root/build/libpcap-accel.so
left=accel-quickstart-$$-left   # the two hosts; we capture on this one
right=accel-quickstart-$$-right
work=
processes=

say() {
	printf '\n== %s\n' "$*"
}

die() {
	echo "quickstart: $*" >&2
	exit 1
}

clean_up() {
	status=$?
	trap - EXIT INT TERM
	for pid in $processes; do
		kill "$pid" 2>/dev/null || :
	done
	wait
	ip netns del "$left" 2>/dev/null || :
	ip netns del "$right" 2>/dev/null || :
	[ -z "$work" ] || rm -rf "$work"
	exit $status
}

# install PACKAGE...: those that are missing.
install() {
	missing=
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' ||
			missing="$missing $package"
	done
	[ -z "$missing" ] && return
	say "Installing$missing"
	command -v apt-get >/dev/null || die "no apt-get here; please install$missing"
	{
		apt-get -q update
		# shellcheck disable=SC2086
		DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing
	} >"$work/apt.log" 2>&1 || {
		tail -n 20 "$work/apt.log" >&2
		die "apt-get failed"
	}
}

# Before minutes are spent on the build.
try_namespaces() {
	ip netns add "$left" 2>"$work/netns.log" ||
		die "network namespaces are refused here: $(tail -n 1 "$work/netns.log")"
	ip netns del "$left"
}

build() {
	say "Building the library in build/"
	{
		cmake -S "$root/libpcap-accel" -B "$root/build" &&
			cmake --build "$root/build" -j "$(nproc)" --target pcap_accel
	} >"$work/build.log" 2>&1 || {
		tail -n 20 "$work/build.log" >&2
		die "the build failed"
	}
}

make_network() {
	say "Making two network namespaces joined by two veth pairs"
	ip netns add "$left"
	ip netns add "$right"
	for i in 0 1; do
		ip -n "$left" link add "eth$i" type veth peer name "peer$i" netns "$right"
		ip -n "$left" address add "10.77.$i.1/24" dev "eth$i"
		ip -n "$right" address add "10.77.$i.2/24" dev "peer$i"
		ip -n "$left" link set "eth$i" up
		ip -n "$right" link set "peer$i" up
		echo "   eth$i 10.77.$i.1  <-->  10.77.$i.2 peer$i"
	done
}

# capture NAME ARGUMENT...: tcpdump on the left, in the background, once it listens.
capture() {
	name=$1
	shift
	ip netns exec "$left" env LD_PRELOAD="$library" "$tcpdump" "$@" \
		>"$work/$name.out" 2>"$work/$name.err" &
	pid=$!
	processes="$processes $pid"
	until grep -q 'listening on' "$work/$name.err"; do
		kill -0 "$pid" 2>/dev/null || {
			cat "$work/$name.err" >&2
			die "tcpdump has ended"
		}
		sleep 0.05
	done
}

talk() {
	ip netns exec "$right" python3 "$work/traffic.py" talk "$@"
}

write_traffic() {
	cat >"$work/traffic.py" <<'EOF'
"""Both ends of the conversation, and the count of what tcpdump wrote of it."""
import re
import select
import socket
import struct
import sys
import time

LINKS = ("10.77.0.1", "10.77.1.1")
UDP, TCP = 7777, 8888


def listen():
    """Answers every datagram, and every TCP connection."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("", UDP))
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.bind(("", TCP))
    tcp.listen()
    print("listening", flush=True)
    while True:
        for ready in select.select([udp, tcp], [], [])[0]:
            if ready is tcp:
                connection, _ = tcp.accept()
                connection.sendall(b"welcome, " + connection.recv(100))
                connection.close()
            else:
                data, peer = udp.recvfrom(2000)
                udp.sendto(b"answer" + data[6:], peer)


def talk(packets, flows, connections):
    """Sends numbered datagrams of many flows over both links, each answered before the next but
    thirty is sent, and opens some TCP connections."""
    sockets = []
    for flow in range(flows):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.settimeout(5)
        one.connect((LINKS[flow % 2], UDP))
        sockets.append(one)
    for k in range(packets):
        sockets[k % flows].send(b"asking %04d %08d" % (k % flows, k))
        if k >= 30:
            sockets[(k - 30) % flows].recv(2000)
    for k in range(max(packets - 30, 0), packets):
        sockets[k % flows].recv(2000)
    for k in range(connections):
        one = socket.create_connection((LINKS[k % 2], TCP), 5)
        one.sendall(b"guest %d" % k)
        while one.recv(100):
            pass
        one.close()


def read(path):
    """(question or answer, number) and flow of each packet in a pcap file."""
    with open(path, "rb") as file:
        data = file.read()
    at = 24
    while at + 16 <= len(data):
        caplen = struct.unpack_from("=I", data, at + 8)[0]
        packet = data[at + 16 : at + 16 + caplen]
        at += 16 + caplen
        found = re.search(rb"(asking|answer) (\d{4}) (\d{8})", packet)
        if found and len(packet) == caplen:
            yield (found[1], int(found[3])), int(found[2])


def count(packets, flows, paths):
    """Waits until the files have it all, or ten seconds; then the table."""
    expected = {(kind, k) for kind in (b"asking", b"answer") for k in range(packets)}
    deadline = time.monotonic() + 10
    while True:
        seen = [list(read(path)) for path in paths]
        if sum(map(len, seen)) >= len(expected) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    every = [key for one in seen for key, _ in one]
    split = set.intersection(*({flow for _, flow in one} for one in seen))
    rows = [("packets sent", len(expected), f"{packets} questions, {packets} answers, {flows} flows")]
    for name, one in zip(("first", "second"), seen):
        rows.append((f"seen by the {name} tcpdump", len(one), f"{len({f for _, f in one})} flows"))
    rows.append(("lost", len(expected - set(every)), ""))
    rows.append(("seen twice", len(every) - len(set(every)), ""))
    rows.append(("flows in both tcpdumps", len(split), "both directions stay together"))
    for name, number, remark in rows:
        print(f"   {name:<26}{number:>8}   {remark}".rstrip())
    return 0 if set(every) == expected and len(every) == len(expected) else 1


what, *numbers = sys.argv[1:]
if what == "listen":
    listen()
elif what == "talk":
    talk(*map(int, numbers))
else:
    sys.exit(count(int(numbers[0]), int(numbers[1]), numbers[2:]))
EOF
}

start_listener() {
	ip netns exec "$left" python3 "$work/traffic.py" listen >"$work/listen.out" &
	processes="$processes $!"
	until grep -q listening "$work/listen.out"; do
		kill -0 $! 2>/dev/null || die "the listener has ended"
		sleep 0.05
	done
}

# AppArmor binds /usr/bin/tcpdump, by its path, to the libraries of the system.
choose_tcpdump() {
	tcpdump=tcpdump
	grep -qs tcpdump /sys/kernel/security/apparmor/profiles || return 0
	cp "$(command -v tcpdump)" "$work/tcpdump"
	tcpdump=$work/tcpdump
	echo "   (AppArmor lets tcpdump load system libraries only: a copy of it runs here)"
}

one_tcpdump() {
	device=afpacket:eth0:eth1
	say "One tcpdump on both links:  LD_PRELOAD=libpcap-accel.so tcpdump -n -i $device"
	capture one -n -l -c 16 -i "$device" 'udp port 7777 or tcp port 8888'
	talk 4 4 2
	wait "$pid"
	sed 's/^/   /' "$work/one.out"
	sed -n 's/^\([0-9]* packets.*\)/   \1/p' "$work/one.err"
}

two_tcpdumps() {
	device='afpacket:eth0:eth1?fanout=hash,group=7'
	n=20000
	say "Two tcpdumps share the packets:  tcpdump -i '$device' -w FILE, twice"
	for name in first second; do
		capture $name -n -U -i "$device" -w "$work/$name.pcap" udp port 7777
	done
	talk $n 100 0
	result=0
	python3 "$work/traffic.py" count $n 100 "$work/first.pcap" "$work/second.pcap" || result=1
	return $result
}

[ "$(id -u)" = 0 ] || die "not root: capturing and network namespaces need it (sudo sh $0)"
work=$(mktemp -d)
trap clean_up EXIT
trap 'exit 1' INT TERM
install gcc libc6-dev cmake make libpcap0.8 tcpdump iproute2 python3
try_namespaces
build
make_network
write_traffic
start_listener
choose_tcpdump
one_tcpdump
two_tcpdumps
say "That was it. Namespaces, processes and files are removed; the library is $library"
