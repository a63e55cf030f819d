# SPDX-License-Identifier: BSD-3-Clause
# lab.sh - what the examples have in common; they read it with `.` and set $name, their own, before.
#
# Three hosts in network namespaces of their own: a client, a server, and between them a router, whose
# two links we capture. A packet comes in by eth0 on its way to the server and by eth1 on its way back,
# so that each is received once.
#
#     client 10.77.0.2 peer0 <--> eth0 10.77.0.1  router  10.77.1.1 eth1 <--> peer1 10.77.1.2 server

examples=$(cd "$(dirname "$0")" && pwd)
library=${LIBRARY:-}
for built in "$(dirname "$examples")"/build/libpcap-accel.so \
	"$(dirname "$examples")"/build/venv/lib/python3*/site-packages/pypcapaccel/_lib/libpcap-accel.so; do
	[ -n "$library" ] || [ ! -f "$built" ] || library=$built
done
router=accel-$name-$$-router
client=accel-$name-$$-client
server=accel-$name-$$-server
work=
records= # of the groups there: a tcpdump that has dropped root cannot remove the last
processes=

say() {
	printf '\n== %s\n' "$*"
}

die() {
	echo "$name: $*" >&2
	exit 1
}

# Whatever happens, nothing is left: no process, namespace or file.
begin() {
	[ "$(id -u)" = 0 ] || die "not root: capturing and network namespaces need it (sudo sh $0)"
	work=$(mktemp -d)
	trap clean_up EXIT
	trap 'exit 1' INT TERM
}

clean_up() {
	status=$?
	trap '' INT TERM
	trap - EXIT
	for pid in $processes; do
		kill "$pid" 2>/dev/null || :
	done
	wait
	for host in "$router" "$client" "$server"; do
		ip netns del "$host" 2>/dev/null || :
	done
	[ -z "$records" ] || rm -rf "$records"
	[ -z "$work" ] || rm -rf "$work"
	exit $status
}

try_namespaces() {
	ip netns add "$router" 2>"$work/netns.log" ||
		die "network namespaces are refused here: $(tail -n 1 "$work/netns.log")"
	ip netns del "$router"
}

# join LINK HOST: a link of the router's, and the host at its other end.
join() {
	ip -n "$router" link add "eth$1" type veth peer name "peer$1" netns "$2"
	ip -n "$router" address add "10.77.$1.1/24" dev "eth$1"
	ip -n "$2" address add "10.77.$1.2/24" dev "peer$1"
	ip -n "$router" link set "eth$1" up
	ip -n "$2" link set "peer$1" up
	ip -n "$2" route add default via "10.77.$1.1"
}

make_network() {
	for host in "$router" "$client" "$server"; do
		ip netns add "$host"
	done
	records=/run/pcap-accel/$(stat -L -c %i "/run/netns/$router")
	join 0 "$client"
	join 1 "$server"
	ip netns exec "$router" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	echo "   client 10.77.0.2  <-->  eth0 router eth1  <-->  server 10.77.1.2"
}

# start NAME HOST COMMAND...: in the background; $pid is its process id. What it writes is in files.
start() {
	output=$work/$1
	on=$2
	shift 2
	ip netns exec "$on" env "$@" >"$output.out" 2>"$output.err" &
	pid=$!
	processes="$processes $pid"
}

# await TEXT: until it is in what the process that was started last has written.
await() {
	until grep -q "$1" "$output.out" "$output.err"; do
		kill -0 "$pid" 2>/dev/null || {
			cat "$output.err" >&2
			die "$(basename "$output") has ended"
		}
		sleep 0.05
	done
}

start_server() {
	start server "$server" python3 "$examples/traffic.py" serve
	await serving
}

# talk FLOWS PACKETS...: the client with the server, see traffic.py.
talk() {
	ip netns exec "$client" python3 "$examples/traffic.py" talk "$@"
}

# AppArmor binds /usr/bin/tcpdump, by its path, to the libraries of the system.
choose_tcpdump() {
	tcpdump=tcpdump
	grep -qs tcpdump /sys/kernel/security/apparmor/profiles || return 0
	cp "$(command -v tcpdump)" "$work/tcpdump"
	tcpdump=$work/tcpdump
	echo "   (AppArmor lets tcpdump load system libraries only: a copy of it runs here)"
}
