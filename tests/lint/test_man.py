# SPDX-License-Identifier: BSD-3-Clause
"""The manual pages: there is one for each function of ours, they are well-formed, they say what the
header says, they are installed, and their examples compile."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from csource import LIBRARY, SRC, code_of, sources
from test_exports_list import OUR_PREFIX, listed

MAN = LIBRARY / "man"
HEADER = LIBRARY / "include/pcap-accel.h"
PAGES = sorted(MAN.glob("*.[1-9]"))
FUNCTION_PAGES = sorted(MAN.glob("*.3"))
SECTIONS_OF_3 = [
    "NAME", "LIBRARY", "SYNOPSIS", "DESCRIPTION", "RETURN VALUES", "THREADS", "EXAMPLES", "ERRORS",
    "SEE ALSO",
]  # fmt: skip


def page_id(path):
    return path.name


def lint(path):
    """What mandoc says of a page, or an empty text."""
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else ""


def sections(page):
    """{title: text} in the page's order."""
    parts = re.split(r"^\.Sh (.*)$", page, flags=re.M)
    return dict(zip((t.strip('"') for t in parts[1::2]), parts[2::2], strict=True))


def squeeze(text):
    """A declaration with the blanks that a person would leave."""
    return re.sub(r" ?([(),;*]) ?", r"\1", " ".join(text.split()))


def header_prototypes():
    """{name: declaration} of pcap-accel.h."""
    code = code_of(HEADER.read_text())
    found = re.findall(rf"^([\w ]+[ *]({OUR_PREFIX}\w+)\([^;]*\));", code, re.M)
    return {name: squeeze(whole) for whole, name in found}


def page_prototypes(page):
    """{name: declaration} of a synopsis: .Ft and the .Fn behind it."""
    found = {}
    for kind, name, rest in re.findall(r"^\.Ft (.*)\n\.Fn (\w+)(.*)$", page, re.M):
        parameters = re.findall(r'"([^"]*)"', rest)
        found[name] = squeeze(f"{kind} {name}({', '.join(parameters)})")
    return found


def functions_of(path):
    """The functions that a page of section 3 is about: the names under NAME."""
    return re.findall(r"^\.Nm (\w+)", sections(path.read_text())["NAME"], re.M)


def structures(text):
    """{name: [(type, member)]} of the public structures that a header or a page shows."""
    found = {}
    for name, body in re.findall(r"^struct (pcap_accel_\w+) \{\n(.*?)\n\};", text, re.M | re.S):
        rows = re.findall(r"([\w\s]+?[\s*]+)(\w+(?:\[\d+\])?);", body)
        found[name] = [(squeeze(kind), member) for kind, member in rows]
    return found


def examples(page):
    """The literal displays of EXAMPLES that are C, as the reader sees them."""
    text = sections(page).get("EXAMPLES", "")
    shown = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", text, re.M | re.S)
    return [s.replace("\\e", "\\").replace("\\-", "-") for s in shown if "#include" in s]


@pytest.fixture(scope="module")
def mandoc():
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed (apt-get install mandoc)")


def test_every_function_of_ours_has_a_page():
    """Each symbol that only we export stands in the NAME of one page in section 3, and nothing else
    does."""
    ours = [
        name for name, kind in listed().items() if name.startswith(OUR_PREFIX) and kind == "own"
    ]
    assert sorted(name for path in FUNCTION_PAGES for name in functions_of(path)) == sorted(ours)


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_mandoc_has_nothing_to_say(mandoc, path):
    """The page has no error and no warning of mandoc's."""
    assert lint(path) == ""


def test_mandoc_would_say_it(mandoc, tmp_path):
    """A page with an unknown macro's argument or without a name is not passed over."""
    bad = tmp_path / "bad.3"
    bad.write_text(".Dd November 21, 2026\n.Dt BAD 3\n.Os\n.Sh DESCRIPTION\n.Bl -tag\n.El x\n")
    assert "WARNING" in lint(bad)


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_page_begins_with_its_own_name(path):
    """Licence, title and NAME are those of the file; a page of several functions is called like one of
    them."""
    page = path.read_text()
    assert page.startswith('.\\" SPDX-License-Identifier: BSD-3-Clause\n')
    assert f".Dt {path.stem.upper()} {path.suffix[1:]}\n" in page
    assert re.search(rf"^\.Nm {re.escape(path.stem)}(?: ,)?$", sections(page)["NAME"], re.M)


@pytest.mark.parametrize("path", FUNCTION_PAGES, ids=page_id)
def test_function_page_is_complete(path):
    """A page of section 3 has the sections that a caller looks for, in one order."""
    assert list(sections(path.read_text())) == SECTIONS_OF_3


@pytest.mark.parametrize("path", FUNCTION_PAGES, ids=page_id)
def test_prototypes_are_the_headers(path):
    """The synopsis declares what pcap-accel.h declares, parameter names included."""
    page, header = page_prototypes(path.read_text()), header_prototypes()
    assert list(page) == functions_of(path)
    assert page == {name: header[name] for name in page}


def test_header_prototypes_are_found():
    """The reader of the header finds every function of ours: otherwise the comparison is of nothing."""
    assert sorted(header_prototypes()) == sorted(n for n in listed() if n.startswith(OUR_PREFIX))


def test_structures_are_the_headers():
    """Each structure of the header is shown by one page, with the members that it has, and each of
    them is explained."""
    header = structures(code_of(HEADER.read_text()))
    assert {"pcap_accel_stat", "pcap_accel_verdict"} <= set(header)
    shown = {}
    for path in FUNCTION_PAGES:
        text = path.read_text()
        page = structures(text)
        assert not set(page) & set(shown)
        shown.update(page)
        members = [re.sub(r"\[.*", "", m) for rows in page.values() for _, m in rows]
        explained = re.findall(r"^\.It Va (\w+)", text, re.M)
        assert explained == [m for m in members if m != "reserved"], path.name
    assert shown == header


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_examples_compile(path, tmp_path):
    """Every C example compiles without a warning, as it stands."""
    found = examples(path.read_text())
    assert found or path.suffix != ".3"
    for i, text in enumerate(found):
        source = tmp_path / f"example{i}.c"
        source.write_text(text)
        done = subprocess.run(
            [os.environ.get("CC", "cc"), "-std=gnu17", "-Wall", "-Wextra", "-Werror",
             f"-I{HEADER.parent}", "-c", source, "-o", tmp_path / "example.o"],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_every_page_is_installed(tmp_path):
    """cmake --install has each page in the folder of its section, and a page of several functions under
    the name of each."""
    if not shutil.which("cmake"):
        pytest.skip("cmake is not installed (apt-get install cmake)")
    done = subprocess.run(["cmake", "-S", LIBRARY, "-B", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rules = (tmp_path / "cmake_install.cmake").read_text()
    installed = set()
    for folder, files in re.findall(
        r'file\(INSTALL DESTINATION "([^"]*)"[^)]*? FILES([^)]*)\)', rules
    ):
        if "/man/man" in folder:
            installed |= {(folder[-1], f) for f in re.findall(r'"([^"]+)"', files)}
    links = {Path(f) for _, f in installed if f.startswith(str(tmp_path))}
    assert installed - {("3", str(f)) for f in links} == {(p.suffix[1:], str(p)) for p in PAGES}
    assert {f.stem: f.read_text() for f in links} == {
        name: f".so man3/{path.name}\n"
        for path in FUNCTION_PAGES
        for name in functions_of(path)
        if name != path.stem
    }


def test_references_exist():
    """A page that refers to one of ours refers to one that there is."""
    ours = {(path.stem, path.suffix[1:]) for path in PAGES}
    for path in PAGES:
        for name, section in re.findall(r"^\.Xr ([\w.-]+) (\d)", path.read_text(), re.M):
            if name.startswith(("pcap-accel", OUR_PREFIX)):
                assert (name, section) in ours, f"{path.name}: {name}({section})"


def test_variables_are_described():
    """pcap-accel(7) describes each variable that is not an option's: those of spec/option.c's list."""
    code = code_of((SRC / "spec/option.c").read_text(), keep_strings=True)
    table = re.search(r"other_variables\[\] = \{(.*?)\};", code, re.S)[1]
    described = re.findall(
        r"^\.It Ev (\w+)", sections((MAN / "pcap-accel.7").read_text())["ENVIRONMENT"], re.M
    )
    assert sorted(described) == sorted(re.findall(r'"(\w+)"', table))


def test_numbers_are_the_sources():
    """The numbers that pcap-accel(7) promises are those of the code: a default that changes there has
    to change here."""
    page = " ".join((MAN / "pcap-accel.7").read_text().split())
    for folder, pattern, sentence in [
        ("backend", r"DEFAULT_RETIRE_MS +(\d+)", "handed over within {} ms, and a read"),
        ("backend", r"IMMEDIATE_RETIRE_MS +(\d+)", "mode it is handed over within {} ms"),
        ("core", r"NONBLOCK_SLICE_MS +(\d+)", "ends it within {} ms"),
        ("spec", r"define ACCEL_MAX_IFACES +(\d+)", "At most {} interfaces"),
        ("spec", r'"(\d+)MiB", .help = "Ring memory', "ring of a handle is {} MiB"),
    ]:
        text = "".join(path.read_text() for path in sources(SRC / folder))
        value = re.search(pattern, text)
        assert value, f"{folder}/: {pattern} is not there"
        assert sentence.format(value[1]) in page, f"{folder}/: {value[0]}"
