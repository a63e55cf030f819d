# SPDX-License-Identifier: BSD-3-Clause
"""pcap-accel-lang(7) says of every function what the table of functions says, in its order, and
nothing of others; its grammar is the parser's; its examples compile."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent / "libpcap-accel"
PAGE = TREE / "man" / "pcap-accel-lang.7"
PARSER = TREE / "src" / "lang" / "parse.h"

COMPILE = r"""
#include "base/err.h"
#include "lang/lang.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int pcap(void *ctx, const char *text, struct sock_filter **out, unsigned *n,
		struct accel_err *err)
{
	(void)ctx, (void)text, (void)err;
	*out = calloc(1, sizeof(**out));
	(*out)->code = BPF_RET | BPF_K;
	*n = 1;
	return 0;
}
int main(int argc, char **argv)
{
	struct accel_lang_options opt = {.compile_pcap = pcap};
	struct accel_lang *lang = NULL;
	struct accel_err err = {""};
	int rc = argc == 2 ? accel_lang_compile("text", argv[1], strlen(argv[1]), &opt, &lang, &err) : 1;
	fputs(err.text, stdout);
	accel_lang_free(lang);
	return rc != 0;
}
"""


class Row(NamedTuple):
    """A function, as dump_lang.c prints it."""

    name: str
    status: str
    since: str
    signature: str
    doc: str
    why: str
    example: str


def build(source: Path, program: Path) -> Path:
    """A program with the language's sources."""
    sources = [p for folder in ("base", "bpf", "lang") for p in (TREE / "src" / folder).glob("*.c")]
    subprocess.run(
        [os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE", f"-I{TREE / 'src'}", source, *sources,
         "-o", program],
        check=True,
    )  # fmt: skip
    return program


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    program = build(HERE / "dump_lang.c", tmp_path_factory.mktemp("lang") / "dump_lang")
    text = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return [Row(*line.split("\t")) for line in text.splitlines()]


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compile")
    (folder / "compile.c").write_text(COMPILE)
    return build(folder / "compile.c", folder / "compile")


def plain(text: str) -> str:
    """mdoc text without the escapes that the page uses."""
    return text.replace("\\(dq", '"').replace("\\-", "-").replace("\\&", "")


def since_text(row: Row) -> str:
    return "Ours." if row.since == "+" else f"PFQ {row.since}."


def entry_of(row: Row) -> str:
    """What the page must say of the function."""
    lines = [f".Dl {row.signature}", *re.split(r"(?<=\.) (?=[A-Z])", f"{row.doc}.")]
    if row.status == "no-op":
        lines.append(f"Does nothing here: {row.why}.")
    if row.status == "refused":
        lines.append(f"Refused: {row.why}.")
    lines.append(since_text(row))
    if row.example:
        lines.append(f".Dl {row.example}")
    return "\n".join(lines) + "\n"


def entries() -> list[tuple[str, str]]:
    """Name and text of each entry of the section FUNCTIONS."""
    section = PAGE.read_text().split(".Sh FUNCTIONS\n")[1].split("\n.Sh ")[0]
    parts = re.split(r"^\.It Cm (\S+)\n", section, flags=re.MULTILINE)
    texts = [re.split(r"^\.El$", plain(t), flags=re.MULTILINE)[0] for t in parts[2::2]]
    return list(zip(parts[1::2], texts, strict=True))


def test_functions_in_order(rows: list[Row]) -> None:
    """Each function of the table has an entry, in its order, and no other has."""
    assert [name for name, _ in entries()] == [row.name for row in rows]


def test_each_entry(rows: list[Row]) -> None:
    """Signature, meaning, reason, releases and example are the table's."""
    page = dict(entries())
    for row in rows:
        assert page[row.name] == entry_of(row), row.name


def test_examples_compile(rows: list[Row], compiler: Path) -> None:
    """Each example of the table, and each computation of the page, is one."""
    shown = re.findall(r"^\.It Li (.*)$", PAGE.read_text().split(".Sh EXAMPLES\n")[1], re.MULTILINE)
    texts = [plain(t.strip('"')) for t in shown] + [row.example for row in rows if row.example]
    assert len(shown) > 3
    for text in texts:
        done = subprocess.run([compiler, text], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}: {done.stdout}"


def test_errors_are_real(compiler: Path) -> None:
    """The errors that the page shows are those that there are."""
    section = PAGE.read_text().split(".Sh DIAGNOSTICS\n")[1].split("\n.Sh ")[0]
    shown = plain(
        re.search(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", section, re.M | re.S)[1]
    ).splitlines()
    done = subprocess.run([compiler, shown[1].strip()], capture_output=True, text=True, check=False)
    assert done.stdout == shown[0]


def grammar(text: str) -> list[str]:
    """Rules without their remarks."""
    found = []
    for line in text.splitlines():
        if ":=" in line or "|" in line:
            rule = re.sub(r"   +[a-z$].*$", "", line.removeprefix(" *").strip())
            found.append(" ".join(rule.split()))
    return found


def test_grammar_is_the_parsers() -> None:
    """The page shows the rules that open parse.h."""
    ours = PARSER.read_text().split("#ifndef")[0]
    page = PAGE.read_text().split(".Sh GRAMMAR\n")[1]
    shown = plain(re.search(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", page, re.M | re.S)[1])
    assert grammar(shown) == grammar(ours)
    assert len(grammar(shown)) > 8


def test_a_difference_is_seen(rows: list[Row]) -> None:
    """An entry with another word is not taken for the row's."""
    _, text = entries()[0]
    assert text.replace("member", "process") != entry_of(rows[0])
