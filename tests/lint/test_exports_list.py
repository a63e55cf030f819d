# SPDX-License-Identifier: BSD-3-Clause
"""exports.list as a text: rows, groups, and the two places that must say the same. What the built
objects make of it is tests/abi's."""

import re

import pytest
from csource import LIBRARY, code_of, functions

EXPORTS = LIBRARY / "exports.list"
HEADER = LIBRARY / "include/pcap-accel.h"
TABLE = LIBRARY / "src/core/real_functions.h"

# The comment that opens a group, by how it begins, and the one class of its rows.
GROUPS = {
    "Ours.": "own",
    "By name.": "composite",
    "By handle.": "split",
    "The real library's.": "pure",
    "Variables.": "data",
}
OUR_PREFIX = "pcap_accel_"
CLASS_COLUMN = 43
ROW = re.compile(r"([a-z]\w*)( +)([a-z]+)(?: +# \S.*)?")


def rows(text):
    """[(group, name, class)] of the list. A row that is none raises ValueError with its number."""
    found, group = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            opens = [g for g in GROUPS if line.startswith(f"# {g}")]
            group = opens[0] if opens else group
            continue
        m = ROW.fullmatch(line)
        if not m or len(m[1]) + len(m[2]) != CLASS_COLUMN or m[3] not in GROUPS.values():
            raise ValueError(f"exports.list:{number}: '{line}' is no row 'name class # remark'")
        found.append((group, m[1], m[3]))
    return found


def grouped_names():
    """[(group, name, class)], also of rows that are badly laid out: that is another test's."""
    found, group = [], None
    for line in EXPORTS.read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            found.append((group, *words[:2]))
        group = next((g for g in GROUPS if line.startswith(f"# {g}")), group)
    return found


def listed():
    """{name: class} without regard to how the rows are laid out."""
    lines = [line.split("#")[0].split() for line in EXPORTS.read_text().splitlines()]
    return {words[0]: words[1] for words in lines if words}


def table_rows():
    """{name: class} of the X-macro table of the real library's functions."""
    text = code_of(TABLE.read_text())
    return {m[2]: m[1] for m in re.finditer(r"\bX\((\w+), [^,()]+?, (\w+), \(", text)}


def declared():
    """The functions that pcap-accel.h declares."""
    return re.findall(rf"\b({OUR_PREFIX}\w+)\(", code_of(HEADER.read_text()))


def test_rows_are_well_formed():
    """Each row is a name, a class in its column, and at most a remark; the classes are the five."""
    rows(EXPORTS.read_text())


def test_rows_stand_in_their_group():
    """Rows are grouped by class, under the comment that says so."""
    lost = [(name, kind) for group, name, kind in grouped_names() if GROUPS.get(group) != kind]
    assert lost == []


def test_no_name_twice():
    """A name has one class."""
    names = [name for _, name, _ in grouped_names()]
    assert sorted(names) == sorted(set(names))


def test_the_classes_are_explained():
    """The list's opening comment explains each class that it uses, and no other."""
    opening = EXPORTS.read_text().split("\n\n")[0]
    assert set(re.findall(r"^#   (\w+)  ", opening, re.M)) == set(GROUPS.values())


def test_it_agrees_with_the_table_of_real_functions():
    """Every function that is not only ours stands in core/real_functions.h with the same class, and
    every row there in the list: the one makes the linker's map, the other the calls."""
    expected = {n: k for n, k in listed().items() if k != "data" and not n.startswith(OUR_PREFIX)}
    assert table_rows() == expected


def test_what_is_ours_is_declared():
    """The rows that no libpcap has are the functions of pcap-accel.h."""
    ours = sorted(name for name in listed() if name.startswith(OUR_PREFIX))
    assert ours == sorted(declared())
    assert {listed()[name] for name in ours} == {"own"}


def test_every_function_of_ours_is_defined_once():
    """Each row that is not the real library's, a variable or made of a macro has one definition in
    api/."""
    defined = []
    for path in sorted((LIBRARY / "src/api").glob("*.c")):
        text = path.read_text()
        defined += [f.name for f in functions(text)]
        defined += re.findall(r"^(?:SETTER|ASK_MODEL)\((\w+)", code_of(text), re.M)
    for name, kind in listed().items():
        if kind in ("own", "composite", "split"):
            assert defined.count(name) == 1, name


@pytest.mark.parametrize(
    "line",
    [
        "pcap_dump own",
        "pcap_dump                                  ours",
        "pcap_dump                                  own        remark without its sign",
        "  pcap_dump                                own",
        "pcap_dump                                  own own",
    ],
)
def test_bad_rows_are_caught(line):
    """What is no row is named with its line."""
    with pytest.raises(ValueError, match=r"exports\.list:2"):
        rows(f"# Ours.\n{line}\n")
