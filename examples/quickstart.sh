#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Shows libpcap-accel at work on a fresh Debian with git and Python, as root:
#
#     sh examples/quickstart.sh
#
# Installs what is missing, builds, and lets real sockets talk in network namespaces of its own while the
# unchanged tcpdump looks on: first one on two links at once, then four that share the packets by a
# computation (four-terminals.sh). Ends within a minute after the build and leaves nothing but build/.
set -eu

name=quickstart
. "$(dirname "$0")/lab.sh"
root=$(dirname "$examples")

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

one_tcpdump() {
	say "One tcpdump on both links:  LD_PRELOAD=libpcap-accel.so tcpdump -n -i afpacket:eth0:eth1"
	start one "$router" LD_PRELOAD="$library" \
		"$tcpdump" -n -l -Q in -c 16 -i afpacket:eth0:eth1 port 20000
	await 'listening on'
	talk 4 1 2
	wait "$pid"
	sed 's/^/   /' "$work/one.out"
	sed -n 's/^\([0-9]* packets.*\)/   \1/p' "$work/one.err"
}

unset LIBRARY
library=$root/build/libpcap-accel.so
begin
install gcc libc6-dev cmake make libpcap0.8 tcpdump iproute2 python3
try_namespaces # before minutes are spent on the build
build
say "Three hosts in network namespaces"
make_network
start_server
choose_tcpdump
one_tcpdump
say "Four tcpdumps that share the packets:  sh examples/four-terminals.sh"
sh "$examples/four-terminals.sh"
say "That was it. Namespaces, processes and files are removed; the library is $library"
