#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Shows libpcap-accel at work on a fresh Debian with git and Python, as root:
#
#     sh examples/quickstart.sh
#
# Installs what is missing and the Python package, which brings the library and the command pcap-accel, into
# build/venv; and lets real sockets talk in network namespaces of its own while the unchanged tcpdump looks
# on: first one on two links at once, then Python on both, then four tcpdumps that share the packets by a
# computation (four-terminals.sh). Ends within a minute after the installation and leaves nothing but
# what it installed: Debian's packages, and build/.
#
# PYTHON=FILE in front takes a Python that has the package already.
set -eu

name=quickstart
. "$(dirname "$0")/lab.sh"
root=$(dirname "$examples")
venv=$root/build/venv
python=${PYTHON:-$venv/bin/python}
command=$(dirname "$python")/pcap-accel

# install_packages PACKAGE...: Debian's, those that are missing.
install_packages() {
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

# A python3 that can make a virtual environment: the first in PATH, else Debian's.
make_venv() {
	for maker in python3 /usr/bin/python3; do
		"$venv/bin/python" -m pip --version && return
		rm -rf "$venv"
		"$maker" -m venv "$venv" || :
	done
	"$venv/bin/python" -m pip --version
}

install_package() {
	say "pip install .  (into build/venv)"
	{ make_venv && "$venv/bin/python" -m pip install "$root"; } >"$work/pip.log" 2>&1 || {
		tail -n 20 "$work/pip.log" >&2
		die "the installation failed"
	}
}

one_tcpdump() {
	say "One tcpdump on both links:  pcap-accel run -- tcpdump -n -i afpacket:eth0:eth1"
	start one "$router" "$command" run -- \
		"$tcpdump" -n -l -Q in -c 16 -i afpacket:eth0:eth1 port 20000
	await 'listening on'
	talk 4 1 2
	wait "$pid"
	sed 's/^/   /' "$work/one.out"
	sed -n 's/^\([0-9]* packets.*\)/   \1/p' "$work/one.err"
}

python_batches() {
	say "Python on both links:  python3 examples/batches.py afpacket:eth0:eth1?direction=in 2000 udp port 20000"
	start batches "$router" timeout 60 "$python" "$examples/batches.py" \
		'afpacket:eth0:eth1?direction=in' 2000 udp port 20000
	await 'capturing on'
	talk 50 20
	wait "$pid" || {
		cat "$work/batches.err" >&2
		die "batches.py failed"
	}
	sed -n 's/^[0-9]* packets/   &/p' "$work/batches.out"
}

begin
install_packages gcc libc6-dev libpcap0.8 tcpdump iproute2 python3 python3-venv ca-certificates
try_namespaces # before minutes are spent on the build
[ -n "${PYTHON:-}" ] || install_package
library=$("$python" -I -c 'import pypcapaccel; print(pypcapaccel.lib_path())')
say "Three hosts in network namespaces"
make_network
start_server
choose_tcpdump
one_tcpdump
python_batches
say "Four tcpdumps that share the packets:  sh examples/four-terminals.sh"
LIBRARY=$library sh "$examples/four-terminals.sh"
say "That was it. Namespaces, processes and files are removed, but for $command"
