# SPDX-License-Identifier: BSD-3-Clause
"""clang-format is the judge of layout. Release 14, Debian 12's: releases differ in what they make of
the same .clang-format, so another one is not asked. Tables stand between clang-format off and on."""

import re
import shutil
import subprocess

import pytest
from csource import LIBRARY, REPO, name_of, sources

RELEASE = 14


@pytest.fixture(scope="module")
def formatter():
    """clang-format of the right release, or a skip that says which one there is."""
    seen = []
    for name in (f"clang-format-{RELEASE}", "clang-format"):
        path = shutil.which(name)
        if not path:
            continue
        version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        if re.search(rf"version {RELEASE}\.", version):
            return path
        seen.append(version.strip())
    pytest.skip(f"needs clang-format {RELEASE}; there is {seen or 'none'}")


def differs(formatter, *arguments, text=None):
    done = subprocess.run(
        [formatter, "--dry-run", "-Werror", "--style=file", *map(str, arguments)],
        input=text, capture_output=True, text=True, cwd=REPO,
    )  # fmt: skip
    return done.returncode != 0


def test_sources_are_formatted(formatter):
    """Every C file of the library is as clang-format would have written it
    (clang-format-14 -i FILE)."""
    files = [*sources(), *sorted((LIBRARY / "include").glob("*.h"))]
    if differs(formatter, *files):
        wrong = [name_of(path) for path in files if differs(formatter, path)]
        pytest.fail("\n".join(wrong))


@pytest.mark.parametrize(
    ("text", "is_wrong"),
    [
        ("int f(void)\n{\n\treturn 1;\n}\n", False),
        ("int f(void) {\n\treturn 1;\n}\n", True),
        ("int f(void)\n{\n        return 1;\n}\n", True),
        ("/* clang-format off */\nint a[] = {1,  2};\n/* clang-format on */\n", False),
    ],
)
def test_the_judge_is_asked(formatter, text, is_wrong):
    """The repository's own .clang-format is what is applied: kernel braces, tabs."""
    assert differs(formatter, "--assume-filename=libpcap-accel/src/x.c", text=text) == is_wrong
