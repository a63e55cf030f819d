#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Four terminals share the traffic of two links. As root, after the build:
#
#     sh examples/four-terminals.sh [ORDER]
#
# The first terminal says what the group is to do and with which devices, the others name the group:
#
#     1  PFQ_GROUP=42 PFQ_COMPUTATION='ip >-> steer_flow' LD_PRELOAD=libpcap-accel.so tcpdump -n -i pfq:eth0:eth1
#     2  PFQ_GROUP=42 LD_PRELOAD=libpcap-accel.so tcpdump -n -i pfq
#     3  the same
#     4  the same
#
# Each is an unchanged tcpdump that knows nothing of the others. ORDER is the order in which they are
# started, such as 3142; without it, a random one. A client and a server then talk across the two links,
# 200 flows of 100 questions and answers, and what the terminals have printed is counted: every packet in
# one of them, both directions of a flow in the same. The exit code is 0 only if that is so.
#
# LIBRARY=/usr/local/lib/libpcap-accel/libpcap-accel.so in front takes an installed library.
set -eu

name=four-terminals
. "$(dirname "$0")/lab.sh"

flows=200
packets=100
order=${1:-$(shuf -e 1 2 3 4 | tr -d '\n')}

# terminal NUMBER: as a user starts it; -l has tcpdump write each line at once.
terminal() {
	case $1 in
	1)
		start terminal1 "$router" PFQ_GROUP=42 PFQ_COMPUTATION='ip >-> steer_flow' \
			LD_PRELOAD="$library" "$tcpdump" -n -l -i pfq:eth0:eth1
		echo "   terminal 1:  PFQ_GROUP=42 PFQ_COMPUTATION='ip >-> steer_flow' tcpdump -n -i pfq:eth0:eth1"
		;;
	*)
		start "terminal$1" "$router" PFQ_GROUP=42 LD_PRELOAD="$library" "$tcpdump" -n -l -i pfq
		echo "   terminal $1:  PFQ_GROUP=42 tcpdump -n -i pfq"
		;;
	esac
	await 'listening on'
}

# Who was there before terminal 1 learns within milliseconds what the group has become. All are ready
# when four sockets are in one kernel group with one and the same filter, and that is not "drop all".
await_group() {
	tries=0
	until [ "$(ip netns exec "$router" ss -0 -n -e -b |
		awk '{ sub(/ +$/, "") }
		     /fanout\(/ { group = 1 }
		     /bpf filter/ { if (group && !/\(1\): /) { n++; seen[$0] } group = 0 }
		     END { for (filter in seen) kinds++; print n "/" kinds }')" = 4/1 ]; do
		tries=$((tries + 1))
		[ $tries -lt 400 ] || die "the four have not become one group"
		sleep 0.05
	done
}

case $(echo "$order" | grep -o . | sort | tr -d '\n') in
1234) ;;
*) die "ORDER '$order': wrong (such as 3142: each of 1 to 4 once)" ;;
esac
begin
[ -f "$library" ] || die "${library:-libpcap-accel.so}: not there (sh examples/quickstart.sh builds it)"
try_namespaces
say "Three hosts"
make_network
start_server
choose_tcpdump

say "Four terminals on the router, in the order $order"
for number in $(echo "$order" | grep -o .); do
	terminal "$number"
done
await_group

say "The client talks with the server: $flows flows of $packets questions and answers"
talk $flows $packets
set -- "$work/terminal1.out" "$work/terminal2.out" "$work/terminal3.out" "$work/terminal4.out"
ip netns exec "$client" python3 "$examples/traffic.py" farewell "$@"
for number in 1 2 3 4; do
	echo "   terminal $number:"
	head -n 2 "$work/terminal$number.out" | sed 's/^/      /'
done

say "What the four have seen"
python3 "$examples/traffic.py" count $flows $packets "$@"
