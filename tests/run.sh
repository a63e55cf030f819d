#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Installs what the tests need, builds, runs everything:
#
#     sh tests/run.sh [--full] [arguments of pytest]
#
# As root, on Debian or Ubuntu, with nothing there but git and Python. Makes .venv/ and build*/ in the
# repository, logs in build/log/. Ends with pytest's own summary and its exit code.
#
#   build/        gcc, Release, tests and tools       build-fuzz/   clang, ASan+UBSan, libFuzzer
#   build-asan/   gcc, ASan+UBSan, tests              build-tsan/   gcc, TSan, tests (--full)
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
log=$root/build/log
jobs=$(nproc 2>/dev/null || echo 2)
full=no
for argument in "$@"; do
	[ "$argument" = --full ] && full=yes
done

die() {
	echo "tests/run.sh: $*" >&2
	exit 1
}

# step NAME COMMAND...: one line; the log's end if it fails.
step() {
	name=$1
	shift
	echo "== $name"
	"$@" >"$log/$name.log" 2>&1 && return
	tail -n 40 "$log/$name.log" >&2
	die "$name failed; all of it is in $log/$name.log"
}

missing_packages() {
	sed 's/#.*//' tests/packages.txt | while read -r package; do
		[ -z "$package" ] && continue
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' ||
			echo "$package"
	done
	# clang's sanitizers and libFuzzer are a package of clang's own version.
	version=$(clang --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
	if [ -n "$version" ] &&
	   ! ls "/usr/lib/llvm-$version"/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a >/dev/null 2>&1; then
		echo "libclang-rt-$version-dev"
	fi
}

install_packages() {
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086
	apt-get -q update && apt-get -q -y --no-install-recommends install $1
}

# A python3 that can make a virtual environment: the first in PATH, else Debian's.
make_venv() {
	for python in python3 /usr/bin/python3; do
		rm -rf .venv
		"$python" -m venv .venv && .venv/bin/python -m pip install -q -r tests/requirements.txt &&
			cp tests/requirements.txt .venv/ && return
	done
	return 1
}

# build DIRECTORY OPTION...
build() {
	directory=$1
	shift
	cmake -S libpcap-accel -B "$directory" "$@" && cmake --build "$directory" -j "$jobs"
}

[ "$(id -u)" = 0 ] ||
	die "not root: capturing and network namespaces need it (sudo sh tests/run.sh)"
mkdir -p "$log"

packages=$(missing_packages | tr '\n' ' ')
if [ -n "$packages" ]; then
	command -v apt-get >/dev/null || die "no apt-get to install with; missing: $packages"
	step apt install_packages "$packages"
	# clang may just have come, and its version is known only now.
	packages=$(missing_packages | tr '\n' ' ')
	[ -z "$packages" ] || step apt-again install_packages "$packages"
fi
probe=accel-probe-$$
ip netns add "$probe" 2>"$log/netns.log" ||
	die "network namespaces are refused here ($(tail -n 1 "$log/netns.log"))"
ip netns del "$probe"

cmp -s tests/requirements.txt .venv/requirements.txt || step venv make_venv
step build build build -DCMAKE_BUILD_TYPE=Release -DACCEL_TESTS=ON -DACCEL_WERROR=ON
step build-asan build build-asan -DACCEL_SANITIZE=address -DACCEL_TESTS=ON
step build-fuzz build build-fuzz -DCMAKE_C_COMPILER=clang -DACCEL_WERROR=ON -DACCEL_FUZZ=ON -DACCEL_SANITIZE=address
# Into .venv, from one more build folder, which the next run finds again.
step python .venv/bin/python -m pip install -q --no-build-isolation -C build-dir=build/python .
[ $full = no ] || step build-tsan build build-tsan -DACCEL_SANITIZE=thread -DACCEL_TESTS=ON

echo "== pytest"
exec .venv/bin/python -m pytest -c tests/pytest.ini --rootdir tests tests "$@"
