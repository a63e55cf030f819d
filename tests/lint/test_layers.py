# SPDX-License-Identifier: BSD-3-Clause
"""Who may include whom. The order of the layers is a table, and so is every other rule here."""

import fnmatch
import re

import pytest
from csource import SRC, code_of, includes, line_of, name_of, sources

# What a folder of src/ may include, itself among it. The order is that of the design: downwards only,
# and no two of the pure ones know each other but where it says so.
MAY_INCLUDE = {
    "base": {"base"},
    "spec": {"base", "spec"},
    "bpf": {"base", "bpf"},
    "lang": {"base", "bpf", "lang"},
    "kern": {"base", "bpf", "kern"},
    "backend": {"base", "spec", "bpf", "lang", "kern", "backend"},
    "core": {"base", "spec", "bpf", "lang", "kern", "backend", "core"},
    "api": {"base", "spec", "bpf", "lang", "kern", "backend", "core", "api"},
}

# The files of each engine. "" is what all engines share: it includes none of theirs.
ENGINES = {
    "": ("backend.[ch]", "request.[ch]", "reader*.[ch]"),
    "afpacket": ("afpacket*.[ch]",),
    "xdp": ("xdp*.[ch]",),
    "pfq": ("pfq*.[ch]",),
}

# Headers that a folder must do without, with the reason.
SYSTEM_CALLS = (
    "<fcntl.h>", "<poll.h>", "<sys/*.h>", "<unistd.h>", "<net/if.h>", "<sched.h>", "<signal.h>",
)  # fmt: skip
FORBIDDEN_HEADERS = {
    "base": (SYSTEM_CALLS, "base/ makes no system call"),
    "spec": (SYSTEM_CALLS, "spec/ makes no system call"),
    "bpf": (SYSTEM_CALLS, "bpf/ makes no system call"),
    "lang": (SYSTEM_CALLS, "lang/ makes no system call"),
    "kern": (("<pcap*",), "kern/ knows nothing of libpcap"),
    "backend": (("<pcap*",), "engines know nothing of the exported ABI"),
    "core": (("<pcap*",), "the public header is api/'s"),
    "api": (("<pcap/*", "<pcap.h>"), "building needs no header of libpcap"),
}

# Words that only some folders may know: (pattern, folders, reason).
KNOWN_ONLY_IN = [
    (r"\bPCAP_(ERROR(?!_?BUF)|WARNING)\w*", {"api"}, "below api/ a failure is -errno"),
    (r"\bACCEL_EXPORT\b", {"api"}, "only api/ exports"),
    (
        r"\bACCEL_CALLED_BY_REAL\b",
        {"api"},
        "only exported functions are called by the real library",
    ),
]


def engine_of(name):
    """The engine that a file of backend/ belongs to, "" if to all, None if to no row of the table."""
    for engine, patterns in ENGINES.items():
        if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            return engine
    return None


def judge_own(folder, name, target):
    """What is wrong with including "target" in src/FOLDER/NAME, or None."""
    to, _, file = target.partition("/")
    if to not in MAY_INCLUDE:
        return f"{target} is not FOLDER/FILE of a known folder"
    if to not in MAY_INCLUDE[folder]:
        return f"{folder}/ may not include {to}/ (may: {', '.join(sorted(MAY_INCLUDE[folder]))})"
    if folder == to == "backend" and engine_of(file) not in ("", engine_of(name)):
        return f"{target} is of another engine"
    return None


def judge_system(folder, target):
    """The same for <target>."""
    patterns, reason = FORBIDDEN_HEADERS[folder]
    if any(
        fnmatch.fnmatch(f"<{target}>", p.rstrip(">") + ("" if p.endswith("*") else ">"))
        for p in patterns
    ):
        return f"<{target}>: {reason}"
    return None


def judge(folder, name, text):
    """[(line, what is wrong)] of the file src/FOLDER/NAME with this text."""
    wrong = []
    for line, target, ours in includes(text):
        what = judge_own(folder, name, target) if ours else judge_system(folder, target)
        if what:
            wrong.append((line, what))
    return wrong


def in_folders():
    return [path for path in sources() if path.parent.parent == SRC]


def test_every_file_is_in_a_known_folder():
    """A C file lies in one of the layers, directly: anywhere else no rule would hold for it."""
    assert [name_of(p) for p in sources() if p.parent.parent != SRC] == []
    assert {p.parent.name for p in in_folders()} <= set(MAY_INCLUDE)


def test_every_engine_file_is_in_the_table():
    """Each file of backend/ belongs to one engine or to all: otherwise nothing keeps engines apart."""
    lost = [
        p.name for p in in_folders() if p.parent.name == "backend" and engine_of(p.name) is None
    ]
    assert lost == []


def test_the_table_has_no_cycle():
    """The layers are ordered: if one may include another, that one may not include it back."""
    for folder, below in MAY_INCLUDE.items():
        for other in below - {folder}:
            assert folder not in MAY_INCLUDE[other], f"{folder} and {other} include each other"


def test_includes_point_down():
    """No include goes against the order of the layers, sideways between engines, or from a pure layer
    to the kernel's interfaces."""
    wrong = [
        f"{name_of(path)}:{line}: {what}"
        for path in in_folders()
        for line, what in judge(path.parent.name, path.name, path.read_text())
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("pattern", "folders", "reason"), KNOWN_ONLY_IN, ids=["codes", "export", "caller"]
)
def test_words_stay_in_their_layer(pattern, folders, reason):
    """What belongs to one layer is not named in another."""
    wrong = []
    for path in in_folders():
        code = code_of(path.read_text())
        if path.parent.name not in folders:
            wrong += [
                f"{name_of(path)}:{line_of(code, m.start())}: {m[0]}: {reason}"
                for m in re.finditer(pattern, code)
            ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("folder", "name", "line"),
    [
        ("base", "str.c", '#include "bpf/cbpf.h"'),
        ("base", "str.c", "#include <unistd.h>"),
        ("spec", "conf.c", '#include "bpf/cbpf.h"'),
        ("spec", "conf.c", '#include "kern/file.h"'),
        ("spec", "conf.c", "#include <sys/stat.h>"),
        ("bpf", "op.c", '#include "spec/option.h"'),
        ("bpf", "op.c", '#include "kern/ring.h"'),
        ("lang", "lex.c", '#include "spec/option.h"'),
        ("kern", "psock.c", '#include "spec/device.h"'),
        ("kern", "psock.c", '#include "backend/backend.h"'),
        ("backend", "xdp.c", '#include "backend/afpacket.h"'),
        ("backend", "afpacket.c", '#include "backend/xdp_umem.h"'),
        ("backend", "backend.c", '#include "backend/afpacket.h"'),
        ("backend", "afpacket.c", '#include "core/log.h"'),
        ("backend", "afpacket.c", "#include <pcap-accel.h>"),
        ("core", "handle.c", '#include "api/ours.h"'),
        ("core", "handle.c", "#include <pcap-accel.h>"),
        ("api", "open.c", "#include <pcap/pcap.h>"),
        ("api", "open.c", '#include "pcap_codes.h"'),
    ],
)
def test_the_rules_catch(folder, name, line):
    """Each rule refuses an include that breaks it."""
    assert judge(folder, name, line + "\n"), line


@pytest.mark.parametrize(
    ("folder", "name", "line"),
    [
        ("backend", "afpacket_wait.c", '#include "backend/reader.h"'),
        ("backend", "reader.c", '#include "backend/backend.h"'),
        ("kern", "psock.c", "#include <sys/socket.h>"),
        ("core", "handle.c", '#include "backend/backend.h"'),
        ("api", "export.h", "#include <pcap-accel.h>"),
        ("base", "str.c", '/* #include "api/ours.h" */'),
    ],
)
def test_the_rules_let_pass(folder, name, line):
    """And none refuses one that keeps to it."""
    assert judge(folder, name, line + "\n") == []
