# SPDX-License-Identifier: BSD-3-Clause
"""How the library gets into programs, and that it finds the real libpcap behind itself from there:
preloaded, found in place of libpcap, opened late, in set-uid programs, in odd company.

The loader's configuration is only ever changed in a private mount namespace."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

OURS = ", libpcap-accel 0."
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
LIB_VERSION = (
    "import ctypes, sys\n"
    "library = ctypes.CDLL(sys.argv[1])\n"
    "library.pcap_lib_version.restype = ctypes.c_char_p\n"
    "print(library.pcap_lib_version().decode())\n"
)


@pytest.fixture
def private(run, needs):
    """private(script, env=...): run a shell script as root in a mount namespace of its own."""
    needs("unshare", "mount")
    if os.geteuid() != 0:
        pytest.skip("a mount namespace of one's own needs root")

    def run_script(script, **options):
        return run("unshare", "-m", "sh", "-ec", "mount --make-rprivate /\n" + script, **options)

    return run_script


@pytest.fixture
def configured(private, open_dir, twins, sanitized):
    """configured(name, script): run the script where /etc/ld.so.conf.d/NAME names our folder."""
    if sanitized:
        pytest.skip("a library with a sanitizer inside cannot replace one in a program without")
    shutil.copytree(twins, open_dir / "lib")
    shutil.copytree("/etc/ld.so.conf.d", open_dir / "conf.d")

    def run_script(name, script, **options):
        (open_dir / "conf.d" / name).write_text(f"{open_dir}/lib\n")
        setup = (
            f"mount --bind {open_dir}/conf.d /etc/ld.so.conf.d\n"
            "if [ -d /var/cache/ldconfig ]; then mount -t tmpfs none /var/cache/ldconfig; fi\n"
            f"/sbin/ldconfig -X -C {open_dir}/cache\n"
            f"mount --bind {open_dir}/cache /etc/ld.so.cache\n"
        )
        return private(setup + script, **options)

    return run_script


@pytest.fixture(params=["file capability", "set-uid"])
def secure_tcpdump(request, run, needs, open_dir):
    """A copy of tcpdump that the loader runs in secure mode when nobody starts it."""
    needs("tcpdump", "setcap", "setpriv")
    copy = open_dir / "tcpdump"
    shutil.copy(shutil.which("tcpdump"), copy)
    if request.param == "set-uid":
        copy.chmod(0o4755)
    elif run("setcap", "cap_net_raw=eip", copy, check=False).returncode != 0:
        pytest.skip("this file system keeps no capabilities")
    return copy


def last_line(text):
    return text.strip().splitlines()[-1]


# --- the ways in ---------------------------------------------------------------------------------


def test_preload(run, needs, preload):
    """LD_PRELOAD: tcpdump gets us, and the version text begins as the real one does."""
    needs("tcpdump")
    stock = run("tcpdump", "--version").stdout.splitlines()[1]
    ours = run("tcpdump", "--version", env=preload).stdout.splitlines()[1]
    assert ours.startswith(stock + OURS)


def test_replacement_by_search_path(run, needs, replace):
    """LD_LIBRARY_PATH: we are found as libpcap.so.0.8, and find the real one behind us."""
    needs("tcpdump")
    assert OURS in run("tcpdump", "--version", env=replace).stdout


def test_replacement_by_loader_configuration(configured, needs):
    """A file in ld.so.conf.d that sorts before the system's folders puts us in place."""
    needs("tcpdump")
    assert OURS in configured("00-pcap-accel.conf", "tcpdump --version").stdout


def test_configuration_that_sorts_late_does_not_win(configured, needs):
    """The same file under a name that sorts last changes nothing: the name matters."""
    needs("tcpdump")
    assert OURS not in configured("zz-pcap-accel.conf", "tcpdump --version").stdout


@pytest.mark.parametrize("name", ["libpcap.so.0.8", "libpcap.so.1"])
def test_opened_late_by_name(run, replace, name):
    """A program that opens libpcap by name (ctypes, masscan) gets us from the search path, and the
    real library is found although it is nowhere in the global scope."""
    assert OURS in run(sys.executable, "-c", LIB_VERSION, name, env=replace).stdout


def test_opened_late_under_preload(run, preload):
    """Preloaded, our soname satisfies a later dlopen() of libpcap.so.0.8."""
    assert OURS in run(sys.executable, "-c", LIB_VERSION, "libpcap.so.0.8", env=preload).stdout


def test_opened_by_path_alone(run, library, sanitized):
    """Nothing in the environment: a program that opens our file has a complete libpcap."""
    if sanitized:
        pytest.skip("the sanitizer's runtime must come first in a process")
    assert OURS in run(sys.executable, "-c", LIB_VERSION, library).stdout


def test_found_by_ctypes_util(run, preload):
    """ctypes.util.find_library("pcap"), scapy's and others' way to the name, leads to us."""
    script = LIB_VERSION.replace("sys.argv[1]", "find_library('pcap')")
    text = "from ctypes.util import find_library\n" + script
    assert OURS in run(sys.executable, "-c", text, env=preload).stdout


# --- programs on it ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["preload", "replace"])
@pytest.mark.parametrize("arguments", [["-w", "-"], ["-nn", "-e", "-vv"], ["-nn", "vlan 100"]])
def test_savefile_is_read_as_stock_reads_it(request, needs, savefile, how, arguments):
    """tcpdump -r with us writes the bytes that it writes without us, on both streams."""
    needs("tcpdump")
    env = request.getfixturevalue(how)

    def outcome(extra):
        done = subprocess.run(
            ["tcpdump", "-r", savefile, *arguments],
            env={**os.environ, **extra},
            capture_output=True,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr

    stock = outcome({})
    assert stock[0] == 0 and stock[1]
    assert outcome(env) == stock


def test_filters_compile_as_stock(run, needs, preload):
    """tcpdump -d prints the program that the real compiler makes."""
    needs("tcpdump")
    command = ["tcpdump", "-d", "-y", "EN10MB", "ip6 and tcp port 80 or vlan and udp"]
    assert run(*command, env=preload).stdout == run(*command).stdout


def test_devices_are_listed_as_stock_lists_them(run, needs, preload):
    """tcpdump -D: the same devices, in the same order, with the same texts."""
    needs("tcpdump")
    assert run("tcpdump", "-D", env=preload).stdout == run("tcpdump", "-D").stdout


def test_list_on_request_comes_last(run, needs, preload, private):
    """PCAP_ACCEL_LIST=1 adds a name for each Ethernet interface that is up, behind all others; any
    other value adds nothing."""
    needs("tcpdump", "ip")
    script = (
        "mount -t sysfs none /sys\n"
        "ip link add va type veth peer name vb\nip link set va up\nip link set vb up\n"
        "ip link set lo up\nip link add down0 type veth peer name down1\n"
        'tcpdump -D > /dev/null\nPCAP_ACCEL_LIST="$1" tcpdump -D\n'
    )

    def names(value):
        out = run("unshare", "-mn", "sh", "-ec", script, "sh", value, env=preload).stdout
        return [line.split(".", 1)[1].split(" ", 1) for line in out.splitlines()]

    stock, listed = names(""), names("1")
    assert names("yes") == stock
    assert listed[: len(stock)] == stock
    flags = dict(stock)
    added = dict(listed[len(stock) :])
    assert set(added) == {"afpacket:va", "afpacket:vb"}
    assert added["afpacket:va"] == "(AF_PACKET capture on va) " + flags["va"]


def test_scapy(run, preload):
    """scapy with conf.use_pcap opens a device and reads through us as it does through libpcap."""
    pythons = [sys.executable, "/usr/bin/python3"]
    usable = [p for p in pythons if run(p, "-c", "import scapy", check=False).returncode == 0]
    if not usable:
        pytest.skip("scapy is not installed")
    if os.geteuid() != 0:
        pytest.skip("capturing needs root")
    script = (
        "import socket, sys\n"
        "from scapy.config import conf\n"
        "conf.use_pcap = True\n"
        "from scapy.all import UDP, get_if_list\n"
        "from scapy.arch.libpcap import L2pcapListenSocket\n"
        "from scapy.libs.winpcapy import pcap_lib_version\n"
        "print(sorted(get_if_list()))\n"
        "s = L2pcapListenSocket(iface='lo', filter='udp port 7')\n"
        "out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "out.sendto(b'x' * 9, ('127.0.0.1', 7))\n"
        "packet = None\n"
        "while packet is None: packet = s.recv()\n"
        "print(bytes(packet[UDP].payload))\n"
        "print(pcap_lib_version().decode(), file=sys.stderr)\n"
    )
    prefix = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
    stock = run(*prefix, usable[0], "-c", script)
    ours = run(*prefix, usable[0], "-c", script, env=preload)
    assert ours.stdout == stock.stdout
    assert OURS in ours.stderr and OURS not in stock.stderr


# --- odd company ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reentry(cc, repo):
    return cc((repo / "tests/abi/reentry.c").read_text(), "-ldl")


@pytest.mark.parametrize("when", ["first", "after"])
def test_real_library_opened_by_path_beside_us(
    run, reentry, real, preload, tmp_path, sanitized, when
):
    """A program opens the system's libpcap by path while we are preloaded. If it does so first, the
    real library's calls of itself come to us and are sent straight back; if we were first, it is
    bound deep and they never come. The results are stock's either way."""
    if os.geteuid() != 0:
        pytest.skip("capturing needs root")
    stock = run(reentry, real, when).stdout
    # Whoever asks the real library itself gets its own handle, also for a name that is mapped to us.
    aliases = {"PCAP_ACCEL_MAP": "lo=afpacket:lo"}
    trace = {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(tmp_path / "bindings")}
    assert run(reentry, real, when, env={**preload, **aliases, **trace}).stdout == stock
    bindings = "".join(f.read_text() for f in tmp_path.glob("bindings.*"))
    # Its own use of pcap_create in pcap_open_live comes first, then what dlsym() was asked for.
    bound = re.findall(r"binding file \S*/libpcap\.so\S* \[0\] to (\S+) .*`pcap_create'", bindings)
    assert bound
    # A sanitizer forbids binding deep: then they come to us whoever was first.
    assert ("libpcap-accel" in bound[0]) == (when == "first" or sanitized)


@pytest.mark.parametrize("how", ["preload", "replace"])
def test_program_with_its_own_malloc(request, run, cc, repo, sanitized, how):
    """In a program with another malloc than libc's, all allocations and frees meet in that one: the
    real library is not bound deep there, or it would free with libc's what strdup() allocated with
    the program's."""
    if sanitized:
        pytest.skip("the sanitizer brings a malloc of its own")
    program = cc(
        (repo / "tests/abi/own_malloc.c").read_text(),
        "-rdynamic",
        "-lpcap",
        "-Wno-deprecated-declarations",
    )
    assert run(program, env=request.getfixturevalue(how)).stdout == "done\n"


def test_program_with_a_sanitizer(run, cc, replace):
    """AddressSanitizer ends a process that opens a library with RTLD_DEEPBIND: with its runtime in
    the process we do without."""
    text = (
        "#include <pcap/pcap.h>\n#include <stdio.h>\n"
        "int main(void) { pcap_if_t *d; char e[PCAP_ERRBUF_SIZE];\n"
        "if (pcap_findalldevs(&d, e) < 0) return 1; pcap_freealldevs(d);\n"
        "puts(pcap_lib_version()); return 0; }\n"
    )
    program = cc(text, "-fsanitize=address", "-lpcap")
    env = {**replace, "ASAN_OPTIONS": "detect_leaks=0"}
    assert OURS in run(program, env=env).stdout


def test_first_calls_in_many_threads(run, cc, replace):
    """Threads that are first together get the same table: one version text, one answer."""
    text = (
        "#include <pcap/pcap.h>\n#include <pthread.h>\n#include <stdio.h>\n"
        "static pthread_barrier_t b;\n"
        "static void *ask(void *arg) { (void)arg; pthread_barrier_wait(&b);\n"
        "return (void *)pcap_lib_version(); }\n"
        "int main(void) { pthread_t t[16]; void *first = NULL, *r; int same = 1;\n"
        "pthread_barrier_init(&b, NULL, 16);\n"
        "for (int i = 0; i < 16; i++) pthread_create(&t[i], NULL, ask, NULL);\n"
        "for (int i = 0; i < 16; i++) { pthread_join(t[i], &r); if (!first) first = r;\n"
        'same &= r == first; } puts(same ? first : "different"); return 0; }\n'
    )
    program = cc(text, "-lpcap", "-lpthread")
    for _ in range(20):
        assert OURS in run(program, env=replace).stdout


def test_loading_leaves_no_trace(run, cc, replace):
    """Finding the real library, after candidates that are not there, leaves errno and dlerror() as
    they were: a guest's failures are his own."""
    text = (
        "#include <dlfcn.h>\n#include <errno.h>\n#include <pcap/pcap.h>\n#include <stdio.h>\n"
        "int main(void) { errno = 77; pcap_statustostr(0); int e = errno;\n"
        'const char *d = dlerror(); printf("%d %s\\n", e, d ? d : "none"); return 0; }\n'
    )
    env = {**replace, "PCAP_ACCEL_LIBPCAP": "/no/such/libpcap.so"}
    assert run(cc(text, "-lpcap", "-ldl"), env=env).stdout == "77 none\n"


def test_stays_through_dlclose(run, replace):
    """A program may close and open us as often as it likes."""
    script = (
        "import ctypes, _ctypes\n"
        "for i in range(50):\n"
        "    library = ctypes.CDLL('libpcap.so.0.8')\n"
        "    library.pcap_lib_version.restype = ctypes.c_char_p\n"
        "    text = library.pcap_lib_version().decode()\n"
        "    _ctypes.dlclose(library._handle)\n"
        "print(text)\n"
    )
    assert OURS in run(sys.executable, "-c", script, env=replace).stdout


# --- which library is the real one ---------------------------------------------------------------


def test_another_copy_of_us_is_refused(run, needs, library, preload, tmp_path):
    """A copy of our own file, named as the real library, is not taken for it."""
    needs("tcpdump")
    copy = tmp_path / "libpcap.so.0.8"
    shutil.copy(library, copy)
    out = run("tcpdump", "--version", env={**preload, "PCAP_ACCEL_LIBPCAP": str(copy)}).stdout
    assert out.count(OURS) == 1


def test_our_own_file_under_another_name_is_refused(run, needs, library, preload, tmp_path):
    """The same for a link to the very file that is loaded."""
    needs("tcpdump")
    link = tmp_path / "libpcap.so.0.8"
    link.symlink_to(library)
    out = run("tcpdump", "--version", env={**preload, "PCAP_ACCEL_LIBPCAP": str(link)}).stdout
    assert out.count(OURS) == 1


def mapped(run, preload, wish):
    """Paths of all objects in a process that has asked us for the version."""
    script = LIB_VERSION + "print(open('/proc/self/maps').read())\n"
    env = {**preload, "PCAP_ACCEL_LIBPCAP": str(wish)}
    return run(sys.executable, "-c", script, "libpcap.so.0.8", env=env).stdout


def test_real_library_can_be_named(run, real, preload, tmp_path):
    """PCAP_ACCEL_LIBPCAP=/absolute/path goes before all other candidates."""
    copy = tmp_path / "another-libpcap.so"
    shutil.copy(real, copy)
    assert str(copy) in mapped(run, preload, copy)


def test_relative_name_is_ignored(run, real, preload, tmp_path, monkeypatch):
    """A relative PCAP_ACCEL_LIBPCAP would depend on where the program stands: it does not count."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(real, "another-libpcap.so")
    assert "another-libpcap" not in mapped(run, preload, "./another-libpcap.so")


def test_something_else_is_not_taken_for_libpcap(run, preload):
    """A library without pcap_create is passed over, and the search goes on."""
    out = mapped(run, preload, "/lib/x86_64-linux-gnu/libm.so.6")
    assert OURS in out


NO_REAL = """
import ctypes, sys
library, names = ctypes.CDLL(sys.argv[1]), sys.argv[2:]
text = ctypes.create_string_buffer(256)
library.pcap_lib_version.restype = library.pcap_statustostr.restype = ctypes.c_char_p
devices = ctypes.c_void_p(1)
print("devices", library.pcap_findalldevs(ctypes.byref(devices), text), devices.value, text.value)
for call in [(b"nosuch0", text), (b"eth0", text)]:
    text.value = b""
    library.pcap_create.restype = ctypes.c_void_p
    print("create", library.pcap_create(*call), text.value)
print("status", library.pcap_statustostr(-1))
print("version", library.pcap_lib_version().decode())
for name in names:
    getattr(library, name)(*[None] * 8)
print("done", len(names))
"""


def test_without_any_libpcap(private, real, library, exports, sanitized):
    """No libpcap on the machine: each function fails as it can, with a sentence where there is room
    for one, and nothing crashes."""
    if sanitized:
        pytest.skip("the sanitizer's runtime must come first in a process")
    # Asked with their arguments, or own code that needs a dumper, and stock's crash without too.
    others = {"pcap_findalldevs", "pcap_findalldevs_ex", "pcap_dump"}
    names = [
        name
        for name, kind in exports.items()
        if kind in ("pure", "own") and name not in others and not name.startswith("pcap_accel_")
    ]
    quoted = NO_REAL.replace("'", "'\\''")
    script = (
        f"mount --bind /dev/null {real.resolve()}\n"
        f"{sys.executable} -c '{quoted}' {library} {' '.join(names)}\n"
    )
    lines = private(script).stdout.splitlines()
    assert lines[0].startswith("devices -1 None b'pcap_findalldevs: no libpcap was found")
    for line in lines[1:3]:
        assert line.startswith("create None b'pcap_create: no libpcap was found")
    assert lines[3].startswith("status b'")
    assert lines[4].startswith("version libpcap version 1.10.3 (") and OURS in lines[4]
    assert lines[5] == f"done {len(names)}" and len(names) > 40


def test_functions_that_the_real_library_lacks(run, real, preload):
    """A function that this libpcap was built without fails with a text that names it."""
    if "pcap_open\n" in run("nm", "-D", "--defined-only", "--format=just-symbols", real).stdout:
        pytest.skip("this libpcap has remote capture: nothing is missing")
    script = (
        "import ctypes\nlibrary = ctypes.CDLL('libpcap.so.0.8')\n"
        "text = ctypes.create_string_buffer(256)\n"
        "print(library.pcap_remoteact_close(b'host', text), text.value.decode())\n"
    )
    out = run(sys.executable, "-c", script, env=preload).stdout
    assert out == f"-1 pcap_remoteact_close: not supported by {real_path(real)}\n"


def real_path(real):
    """The path by which we open it: Debian's /lib is a link to /usr/lib, where we look first."""
    usr = "/usr" + str(real)
    return usr if not str(real).startswith("/usr") and Path(usr).exists() else str(real)


# --- programs in secure mode (set-uid, file capabilities) ----------------------------------------


def test_secure_programs_ignore_a_preloaded_path(run, preload, secure_tcpdump):
    """The loader drops LD_PRELOAD with a slash silently: such a program runs on stock."""
    done = run(*NOBODY, secure_tcpdump, "--version", env=preload)
    assert OURS not in done.stdout and done.stderr == ""


def test_secure_programs_ignore_the_search_path(run, replace, secure_tcpdump):
    """LD_LIBRARY_PATH does not count there either."""
    assert OURS not in run(*NOBODY, secure_tcpdump, "--version", env=replace).stdout


@pytest.mark.parametrize("mode, taken", [("4755", True), ("755", False)])
def test_secure_programs_preload_a_bare_name(
    private, library, secure_tcpdump, open_dir, mode, taken, sanitized
):
    """A bare name in LD_PRELOAD is taken from a system folder only if the file there is set-uid."""
    if sanitized:
        pytest.skip("the sanitizer's runtime is not preloaded in secure mode")
    (open_dir / "layer").mkdir()
    folder = Path("/lib/x86_64-linux-gnu/libc.so.6").resolve().parent
    script = (
        f"mount -t tmpfs none {open_dir}/layer\nmkdir {open_dir}/layer/u {open_dir}/layer/w\n"
        f"mount -t overlay none {folder} -o "
        f"lowerdir={folder},upperdir={open_dir}/layer/u,workdir={open_dir}/layer/w\n"
        f"cp {library} {folder}/libpcap-accel-test.so\n"
        f"chmod {mode} {folder}/libpcap-accel-test.so\n"
        f"LD_PRELOAD=libpcap-accel-test.so {' '.join(NOBODY)} {secure_tcpdump} --version\n"
    )
    done = private(script)
    assert (OURS in done.stdout) == taken
    assert ("cannot be preloaded" in done.stderr) == (not taken)


def test_secure_programs_follow_the_loader_configuration(configured, secure_tcpdump):
    """The file in ld.so.conf.d serves them too: it is the way that the manual recommends."""
    script = " ".join([*NOBODY, str(secure_tcpdump), "--version"])
    assert OURS in configured("00-pcap-accel.conf", script).stdout


def files_opened(configured, program, open_dir, real, prefix=()):
    """What the program touches of files when every variable that names one is set to a trap."""
    trap = open_dir / "trap"
    trap.mkdir(mode=0o777)
    trap.chmod(0o777)
    shutil.copy(real, trap / "libpcap.so")
    (trap / "conf").write_text("buffer = 1MiB\n")
    env = {
        "PCAP_ACCEL_LIBPCAP": f"{trap}/libpcap.so",
        "PCAP_ACCEL_CONF": f"{trap}/conf",
        "PCAP_ACCEL_LOG": f"debug:{trap}/log",
    }
    script = (
        f"strace -f -u nobody -e trace=%file -o {open_dir}/trace "
        f"{program} -i afpacket:nosuch0 -c 1 || true\n"
    )
    configured("00-pcap-accel.conf", script, env=env)
    return (open_dir / "trace").read_text(), trap


def test_secure_programs_take_no_path_from_the_environment(
    configured, secure_tcpdump, open_dir, real, needs
):
    """In secure mode no variable leads us to a file: neither a library nor settings nor a log."""
    needs("strace")
    trace, trap = files_opened(configured, secure_tcpdump, open_dir, real)
    assert "libpcap.so.0.8" in trace and f"{open_dir}/lib" in trace
    assert str(trap) not in trace
    assert not (trap / "log").exists()


def test_ordinary_programs_do_take_them(configured, open_dir, real, needs):
    """The same program without privileges does follow all three: the trap above works."""
    needs("strace", "tcpdump")
    trace, trap = files_opened(configured, shutil.which("tcpdump"), open_dir, real)
    for name in ("libpcap.so", "conf", "log"):
        assert f'"{trap}/{name}"' in trace
