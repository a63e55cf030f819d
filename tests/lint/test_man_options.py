# SPDX-License-Identifier: BSD-3-Clause
"""pcap-accel.conf(5) says of every option what the option table says, and nothing of others."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent / "libpcap-accel"
PAGE = TREE / "man" / "pcap-accel.conf.5"
PAGES = sorted((TREE / "man").glob("pcap-accel*.[57]"))


class Row(NamedTuple):
    """An option, as dump_options.c prints it."""

    key: str
    range: str
    default: str
    engines: list[str]
    aliases: list[str]
    env: list[str]
    words: list[str]
    help: str


def split(field: str) -> list[str]:
    return field.split(",") if field else []


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    program = tmp_path_factory.mktemp("options") / "dump_options"
    sources = [
        HERE / "dump_options.c",
        *(TREE / "src/base").glob("*.c"),
        *(TREE / "src/spec").glob("*.c"),
    ]
    compiler = os.environ.get("CC", "cc")
    subprocess.run(
        [compiler, "-std=gnu17", "-D_GNU_SOURCE", f"-I{TREE / 'src'}", *sources, "-o", program],
        check=True,
    )
    text = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    found = []
    for line in text.splitlines():
        key, range_, default, *lists, help_ = line.split("\t")
        found.append(Row(key, range_, default, *map(split, lists), help_))
    return found


def plain(text: str) -> str:
    """mdoc text without the escapes that the page uses."""
    return text.replace("\\-", "-").replace("\\&", "")


def entries() -> Iterator[tuple[str, str]]:
    """Key and text of each entry of the section OPTIONS."""
    section = PAGE.read_text().split(".Sh OPTIONS\n")[1].split(".Sh ")[0]
    parts = re.split(r"^\.It Cm (\S+)\n", section, flags=re.MULTILINE)
    yield from zip(parts[1::2], map(plain, parts[2::2]), strict=True)


def field(text: str, name: str) -> str:
    """The lines behind ".It NAME" up to the next macro that ends them, joined."""
    found = re.search(rf"^\.It {name}\n(.*?)^(?=\.It|\.El)", text, flags=re.MULTILINE | re.DOTALL)
    return " ".join(found.group(1).split()) if found else ""


def test_keys_in_order(rows: list[Row]) -> None:
    assert [key for key, _ in entries()] == [row.key for row in rows]


def test_each_row(rows: list[Row]) -> None:
    page = dict(entries())
    for row in rows:
        text = page[row.key]
        type_ = field(text, "Type")
        assert row.help + "." in text, f"{row.key}: help"
        if row.range:
            assert type_.endswith(f", {row.range}"), f"{row.key}: {type_!r}, not {row.range!r}"
        if row.words:
            assert split(type_.partition(": ")[2].replace(" ", "")) == row.words, (
                f"{row.key}: words"
            )
        assert field(text, "Default") == (row.default or "none"), f"{row.key}: default"
        assert split(field(text, "Engines").replace(" ", "")) == row.engines, f"{row.key}: engines"
        assert split(field(text, "Also").replace(" ", "")) == row.aliases, f"{row.key}: aliases"
        assert re.findall(r"\.Ev (\S+)", field(text, "Environment")) == row.env, (
            f"{row.key}: variables"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_mandoc(page: Path) -> None:
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(
        ["mandoc", "-Tlint", "-Wwarning", page], capture_output=True, text=True, check=False
    )
    assert not done.stdout, done.stdout
