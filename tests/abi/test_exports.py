# SPDX-License-Identifier: BSD-3-Clause
"""What the shared objects export and need, against exports.list and against the system's libpcap.
A program that was linked with libpcap, with whichever flags, must start with us in its place."""

import ctypes
import re

import pytest

CLASSES = {"own", "composite", "split", "pure", "data"}

# Exported by us, not by every libpcap: with the reason. Nothing is tolerated the other way round.
BEYOND_SYSTEM = {
    **dict.fromkeys(
        [
            "pcap_open",
            "pcap_findalldevs_ex",
            "pcap_createsrcstr",
            "pcap_parsesrcstr",
            "pcap_setsampling",
        ],
        "remote capture in 1.10 (--enable-remote), everywhere from 1.11",
    ),
    **dict.fromkeys(
        [
            "pcap_remoteact_accept",
            "pcap_remoteact_accept_ex",
            "pcap_remoteact_close",
            "pcap_remoteact_cleanup",
            "pcap_remoteact_list",
        ],
        "remote capture (--enable-remote)",
    ),
}
OUR_PREFIX = "pcap_accel_"  # of pcap-accel.h


@pytest.fixture(scope="module")
def dynamic_symbols(run):
    """dynamic_symbols(path) -> {name: (type letter, size)} of what an object defines for others."""

    def read(path):
        symbols = {}
        for line in run("nm", "-D", "--defined-only", "-S", path).stdout.splitlines():
            words = line.split()
            symbols[words[-1]] = (words[-2], int(words[1], 16) if len(words) == 4 else 0)
        return symbols

    return read


@pytest.fixture(params=["preload", "0.8", "1"])
def shared_object(request, library, twins):
    """Each name under which the library is built."""
    return library if request.param == "preload" else twins / f"libpcap.so.{request.param}"


def test_every_row_has_a_known_class(exports):
    """exports.list uses its five classes and no other."""
    assert set(exports.values()) == CLASSES


def test_list_is_the_symbol_table(dynamic_symbols, shared_object, exports):
    """The objects export exactly what exports.list lists: nothing leaks, nothing is missing."""
    assert set(dynamic_symbols(shared_object)) == set(exports)


def test_functions_are_functions_and_variables_variables(dynamic_symbols, library, exports):
    """Rows of class data are objects in writable memory as libpcap's are, all others are code."""
    for name, (letter, _) in dynamic_symbols(library).items():
        assert letter == ("D" if exports[name] == "data" else "T"), name


def test_nothing_of_the_system_is_missing(dynamic_symbols, library, real):
    """Whatever the installed libpcap exports, we export: a program bound at start (BIND_NOW) dies
    otherwise."""
    assert set(dynamic_symbols(real)) - set(dynamic_symbols(library)) == set()


def test_what_we_add_has_a_reason(dynamic_symbols, library, real):
    """What we export and the installed libpcap does not is in the table of reasons."""
    added = set(dynamic_symbols(library)) - set(dynamic_symbols(real)) - set(BEYOND_SYSTEM)
    assert {name for name in added if not name.startswith(OUR_PREFIX)} == set()


def test_classes_of_the_two_tables_agree(repo, exports):
    """exports.list and the table of real functions speak of the same functions in the same way."""
    text = (repo / "libpcap-accel/src/core/real_functions.h").read_text()
    rows = {name: kind for kind, name in re.findall(r"\tX\((\w+), [^,]*?, (\w+),", text)}
    ours = {n: k for n, k in exports.items() if k != "data" and not n.startswith("pcap_accel_")}
    assert rows == ours


@pytest.mark.parametrize("name", ["pcap_version", "eproto_db"])
def test_variables_have_the_real_size(dynamic_symbols, library, real, name):
    """A program's copy relocation has the size that it was linked against; another one makes the
    loader warn or cut."""
    assert dynamic_symbols(library)[name][1] == dynamic_symbols(real)[name][1]


def test_pcap_version_is_1_10_3(dynamic_symbols, library):
    """pcap_version is 7 bytes, "1.10.3" and its NUL: a constant of the link, for it is copied
    before any of our code runs."""
    assert dynamic_symbols(library)["pcap_version"][1] == 7
    # data at rest, not something filled in at run time
    assert b"1.10.3\0" in library.read_bytes()


def test_eproto_db_has_the_real_content(run, library, real, preload):
    """The 13 entries of eproto_db are the installed library's, in its order."""
    script = (
        "import ctypes, sys\n"
        "class E(ctypes.Structure): _fields_=[('n',ctypes.c_char_p),('v',ctypes.c_ushort)]\n"
        "for e in (E*13).in_dll(ctypes.CDLL(sys.argv[1]),'eproto_db'): print(e.n, e.v)\n"
    )
    ours = run("python3", "-c", script, library, env=preload).stdout
    assert ours == run("python3", "-c", script, real).stdout
    assert ours.count("\n") == 13


def test_sonames(run, library, twins):
    """One object satisfies Debian's DT_NEEDED, its twin everybody else's."""
    for path, soname in [
        (library, "libpcap.so.0.8"),
        (twins / "libpcap.so.0.8", "libpcap.so.0.8"),
        (twins / "libpcap.so.1", "libpcap.so.1"),
    ]:
        assert f"soname: [{soname}]" in run("readelf", "-d", path).stdout, path


def test_needs_libc_only(run, shared_object, sanitized):
    """libc is the only needed library: whatever else we needed would be loaded into every program
    of the machine."""
    if sanitized:
        pytest.skip("built with a sanitizer, whose runtime is needed too")
    needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", shared_object).stdout)
    assert needed == ["libc.so.6"]


def test_no_symbol_versions(run, shared_object):
    """No version is defined, as libpcap defines none: a versioned symbol would be a new ABI."""
    assert "VERDEF" not in run("readelf", "-d", shared_object).stdout


def test_no_constructor(run, shared_object, sanitized):
    """.init_array holds the compiler's own frame_dummy and nothing of ours: no code runs in a
    program that never calls libpcap."""
    if sanitized:
        pytest.skip("built with a sanitizer, which registers its globals in a constructor")
    section = re.search(
        r"\.init_array\s+INIT_ARRAY\s+([0-9a-f]+)\s+\S+\s+([0-9a-f]+)",
        run("readelf", "-SW", shared_object).stdout,
    )
    address, size = int(section[1], 16), int(section[2], 16)
    assert size == ctypes.sizeof(ctypes.c_void_p)
    relocation = re.search(
        rf"^{address:016x}\s.*\s([0-9a-f]+)$", run("readelf", "-rW", shared_object).stdout, re.M
    )
    symbols = run("nm", shared_object).stdout
    assert re.search(rf"^0*{relocation[1]} t frame_dummy$", symbols, re.M)


def test_stack_is_not_executable(run, shared_object):
    """An executable stack in one library makes every thread's stack executable."""
    stack = re.search(r"GNU_STACK.*", run("readelf", "-lW", shared_object).stdout)[0]
    assert " RW " in stack


def test_no_text_relocations(run, shared_object):
    """The code is shared between processes and stays read-only."""
    assert "TEXTREL" not in run("readelf", "-d", shared_object).stdout


def test_stays_in_memory(run, shared_object):
    """dlclose() never unmaps us: the real library's table and its callbacks point here."""
    assert "NODELETE" in run("readelf", "-d", shared_object).stdout
