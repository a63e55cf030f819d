# SPDX-License-Identifier: BSD-3-Clause
"""C text as the lint tests see it: files, comments apart from code, functions, includes. A reader of
our own layout (functions begin and end at column 0), not a C parser."""

import re
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[2]
LIBRARY = REPO / "libpcap-accel"
SRC = LIBRARY / "src"

_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""", re.S
)
_NAME = re.compile(r"(\w+)\s*\(")
_ATTRIBUTE = re.compile(r"__attribute__\s*\(\(.*?\)\)|\bACCEL_[A-Z]+\s*\([^)]*\)", re.S)


class Function(NamedTuple):
    """A function's definition: first and last line, from 1, its head included."""

    name: str
    first: int
    last: int

    @property
    def n_lines(self):
        return self.last - self.first + 1


def sources(folder=SRC):
    """Every C file below a folder, in order."""
    return sorted(p for p in folder.rglob("*.[ch]"))


def name_of(path):
    """The path as a person would write it: from the repository's root."""
    return path.relative_to(REPO).as_posix() if path.is_relative_to(REPO) else str(path)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_of(text, keep_strings=False):
    """The text with its comments blanked out, and unless they are to be kept what strings hold. Lines
    and columns stay where they are."""

    def replace(match):
        if match["comment"]:
            return _blank(match[0])
        return match[0] if keep_strings else match[0][0] + _blank(match[0][1:-1]) + match[0][-1]

    return _TOKEN.sub(replace, text)


def without_directives(code):
    """Blank out preprocessor lines, with those that go on."""
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", lambda m: _blank(m[0]), code, flags=re.M)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def functions(text):
    """The functions that a file defines."""
    lines = without_directives(code_of(text)).split("\n")
    found, head, start = [], 0, None
    for i, line in enumerate(lines):
        if start is None and line.rstrip() == "{":
            start = i
        elif start is not None and line.rstrip() == "}":
            name = _NAME.search(_ATTRIBUTE.sub("", "\n".join(lines[head:start])))
            if name:
                found.append(Function(name[1], head + 1, i + 1))
            start, head = None, i + 1
        if start is None and (not line.strip() or line.rstrip().endswith((";", "}"))):
            head = i + 1
    return found


def includes(text):
    """(line, name, is it ours) of each #include."""
    code = code_of(text, keep_strings=True)
    return [
        (line_of(code, m.start()), m[2], m[1] == '"')
        for m in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', code, re.M)
    ]
