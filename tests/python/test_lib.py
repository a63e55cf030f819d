# SPDX-License-Identifier: BSD-3-Clause
"""The library is found, is the right one, and means what our declarations say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pypcapaccel import LibraryError, _decl, lib_path
from pypcapaccel._lib import ffi_and_lib

REPO = Path(__file__).resolve().parents[2]

# Declared otherwise than in the header, with the reason.
DIFFERENT = {"pcap_file": "FILE * is void * here: nobody looks into it"}

VERSION = (REPO / "libpcap-accel" / "VERSION").read_text().strip()
VERSION_CALL = f'const char *pcap_accel_version(void) {{ return "{VERSION}"; }}'
LAYOUT_CALL = """int pcap_accel_get_layout(const char *name)
{ return strcmp(name, "struct pcap_accel_batch.data") ? -1 : 8; }"""


def in_process(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import pypcapaccel\n{code}"],
        capture_output=True,
        text=True,
        env=env,
        cwd="/",
    )


def build(folder: Path, source: str) -> str:
    """A library of the given C text."""
    path = folder / "libpcap-accel.so"
    argv = ["gcc", "-shared", "-fPIC", "-xc", "-", "-o", str(path)]
    subprocess.run(argv, input=source, text=True, check=True)
    return str(path)


def test_installed_library_is_found() -> None:
    path = Path(lib_path())
    assert path.name == "libpcap-accel.so"
    assert path.is_absolute()
    assert in_process("print(pypcapaccel.lib_path())").stdout.strip() == str(path)


def test_environment_names_the_library(tmp_path: Path) -> None:
    """And a wrong name is an error, not another library."""
    link = tmp_path / "mine.so"
    link.symlink_to(lib_path())
    code = "print(pypcapaccel.lib_path())"
    assert in_process(code, PCAP_ACCEL_LIB=str(link)).stdout.strip() == lib_path()
    done = in_process(code, PCAP_ACCEL_LIB="/no/such.so")
    assert "/no/such.so: no such file" in done.stderr


def test_all_that_was_tried_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library is nowhere: the package's folder, the installation's, the system's."""
    beside = str(Path(_decl.__file__).with_name("_lib") / "libpcap-accel.so")
    monkeypatch.setattr("os.path.isfile", lambda _: False)
    with pytest.raises(LibraryError) as error:
        lib_path()
    text = str(error.value)
    assert text.startswith("libpcap-accel.so: not found ('pip install .' builds it, PCAP_ACCEL_LIB")
    tried = text.partition("tried: ")[2].split(", ")
    assert tried[0] == beside
    assert {f"/usr{local}/lib/libpcap-accel/libpcap-accel.so" for local in ("", "/local")} <= {
        *tried
    }
    assert len(tried) == len(set(tried))


def test_extension_module_is_built() -> None:
    """tests/run.sh has Python.h, of Debian's Python or of another: what the tests skip without the module is
    not skipped there."""
    if sys.version_info < (3, 11):
        pytest.skip("the module is for Python 3.11 and later")
    from pypcapaccel import _backend

    assert _backend.FAST


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("int unrelated;", "is not libpcap-accel"),
        ('const char *pcap_accel_version(void) { return "9.1.0"; }', "is version 9.1.0 "),
        (
            f"#include <string.h>\n{VERSION_CALL} {LAYOUT_CALL}",
            "struct pcap_accel_batch.data is at 8 bytes",
        ),
    ],
)
def test_wrong_library(tmp_path: Path, source: str, text: str) -> None:
    """Another library, another version, another header: LibraryError with its sentence."""
    code = "pypcapaccel.findalldevs()"
    done = in_process(code, PCAP_ACCEL_LIB=build(tmp_path, source))
    assert "LibraryError" in done.stderr
    assert text in done.stderr


def test_no_library_at_all(tmp_path: Path) -> None:
    (tmp_path / "x.so").write_text("not a library")
    done = in_process("pypcapaccel.findalldevs()", PCAP_ACCEL_LIB=str(tmp_path / "x.so"))
    assert "cannot be loaded" in done.stderr
    assert issubclass(LibraryError, ImportError)


def test_generated_declarations_are_current() -> None:
    """`python -m pypcapaccel._decl` writes _ffi.py."""
    assert _decl.generated() == Path(_decl.__file__).with_name("_ffi.py").read_text()


def prototypes() -> list[str]:
    """Every function that we declare, on one line."""
    text = " ".join((_decl.PCAP + _decl.ACCEL).split())
    text = re.sub(r"(typedef )?struct \w+ \{[^}]*\}( \w+)?;", "", text)
    found = re.findall(r"[^;{}]+?\b\w+\([^;]*\);", text)
    return [line.strip() for line in found if not line.strip().startswith("typedef")]


def test_declarations_are_the_headers(tmp_path: Path) -> None:
    """The compiler compares each prototype, size and offset with the real <pcap/pcap.h> and pcap-accel.h."""
    if not Path("/usr/include/pcap/pcap.h").exists():
        pytest.skip("libpcap's headers are not installed (libpcap0.8-dev)")
    ffi, _ = ffi_and_lib()
    lines = ["#include <pcap/pcap.h>", "#include <pcap-accel.h>", "#include <stddef.h>"]
    names = {line: re.search(r"(\w+)\(", line) for line in prototypes()}
    lines += [line for line, name in names.items() if name and name[1] not in DIFFERENT]
    assert len(lines) > 60
    for name in _decl.structures():
        kind: Any = ffi.typeof(f"struct {name}")
        lines.append(f'_Static_assert(sizeof(struct {name}) == {ffi.sizeof(kind)}, "{name}");')
        for field, at in kind.fields:
            lines.append(
                f'_Static_assert(offsetof(struct {name}, {field}) == {at.offset}, "{field}");'
            )
    source = tmp_path / "check.c"
    source.write_text("\n".join(lines) + "\n")
    include = REPO / "libpcap-accel" / "include"
    argv = ["gcc", "-std=gnu17", "-fsyntax-only", f"-I{include}", str(source)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_library_knows_every_structure() -> None:
    """pcap_accel_get_layout() answers for all that pcap-accel.h has, so the check at load is one."""
    ffi, lib = ffi_and_lib()
    for name in _decl.structures():
        if name.startswith("pcap_accel"):
            what = f"struct {name}"
            assert lib.pcap_accel_get_layout(what.encode()) == ffi.sizeof(what), name


@pytest.mark.parametrize("call, kind", [("read", "batch"), ("borrow", "borrowed")])
def test_batch_of_another_version(call: str, kind: str) -> None:
    """A structure that is smaller than the library's is refused, with what its size should be."""
    ffi, lib = ffi_and_lib()
    handle = lib.pcap_create(b"afpacket:lo", ffi.new("char[256]"))
    batch = ffi.new(f"struct pcap_accel_{kind} *", {"size": 8})
    assert getattr(lib, f"pcap_accel_{call}_batch")(handle, batch) == -1
    text = ffi.string(lib.pcap_geterr(handle)).decode()
    assert text == f"batch: size is too small (sizeof(struct pcap_accel_{kind}))"
    lib.pcap_close(handle)


def test_import_loads_nothing() -> None:
    """`import pypcapaccel` is light: the command starts with it."""
    code = "import sys; print([m for m in ('cffi', '_cffi_backend', 'yaml', 'numpy') if m in sys.modules])"
    assert in_process(code).stdout.strip() == "[]"
