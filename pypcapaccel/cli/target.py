# SPDX-License-Identifier: BSD-3-Clause
# ruff: noqa: PTH110, PTH116, PTH118, PTH120, PTH123
# (pathlib takes 5 ms to import, and this is on the way of every start)
"""A program that is to be started with the library in front: what it is, and whether the loader will do it.

The dynamic loader is silent about everything that keeps LD_PRELOAD from working; this module looks first.
Sources: ld.so(8) on secure-execution mode; execve(2); elf(5); capabilities(7).

Threads: none of its own. Imports nothing that takes time.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import struct

from . import CommandError

__all__ = ["Elf", "check", "find", "read_elf"]

NO_PROGRAM, NOT_EXECUTABLE, FAILED = 127, 126, 125
_MACHINES = {
    3: "i386",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv",
    21: "ppc64",
    22: "s390x",
}
_PT_DYNAMIC, _PT_INTERP, _DT_NEEDED, _DT_STRTAB, _DT_NULL, _PT_LOAD = 2, 3, 1, 5, 0, 1
_SUPERVISORS = ("sudo", "doas", "su", "pkexec", "runuser")
_OWN_VERSION = b"\0libpcap version "  # and a digit
_MAX_SCRIPTS = 4  # interpreters of interpreters, as the kernel


class Elf:
    """What matters of an ELF file."""

    def __init__(self, bits: int, machine: str, is_dynamic: bool, needed: tuple[str, ...]) -> None:
        self.bits = bits
        self.machine = machine
        self.is_dynamic = is_dynamic
        """Has it an interpreter, the dynamic loader?"""
        self.needed = needed
        """The libraries that it names."""


def find(name: str, path: str | None) -> str:
    """The file that execvp(3) would start. CommandError with 127 or 126, or 125 for sudo and its like."""
    base = name.rpartition("/")[2]
    if base in _SUPERVISORS:
        raise CommandError(
            f"{base} clears the environment (put it in front: {base} pcap-accel run -- PROGRAM)",
            FAILED,
        )
    if "/" in name:
        candidates = [name]
    else:
        candidates = [
            os.path.join(folder or ".", name) for folder in (path or os.defpath).split(":")
        ]
    refused = None
    for candidate in candidates:
        try:
            mode = os.stat(candidate).st_mode
        except OSError as error:
            if error.errno == errno.EACCES:
                refused = f"{candidate}: Permission denied"
            continue
        if not stat.S_ISREG(mode):
            refused = refused or f"{candidate}: is not a file (a program)"
        elif not os.access(candidate, os.X_OK):
            refused = refused or f"{candidate}: is not executable (chmod +x {candidate})"
        else:
            return candidate
    if refused and ("/" in name or len(candidates) == 1 or "not executable" in refused):
        raise CommandError(refused, NOT_EXECUTABLE)
    raise CommandError(f"{name}: no such program (a name in PATH, or a path)", NO_PROGRAM)


def _strings(data: mmap.mmap, at: int) -> str:
    end = data.find(b"\0", at, at + 4096)
    return data[at : max(end, at)].decode(errors="replace")


def _offset(loads: list[tuple[int, int, int]], address: int) -> int:
    for vaddr, offset, size in loads:
        if vaddr <= address < vaddr + size:
            return address - vaddr + offset
    return -1


def _needed(
    data: mmap.mmap,
    order: str,
    wide: bool,
    dynamic: tuple[int, int],
    loads: list[tuple[int, int, int]],
) -> tuple[str, ...]:
    entry = struct.Struct(order + ("qQ" if wide else "iI"))
    names, table = [], -1
    for at in range(dynamic[0], min(dynamic[0] + dynamic[1], len(data) - entry.size), entry.size):
        tag, value = entry.unpack_from(data, at)
        if tag == _DT_NULL:
            break
        if tag == _DT_NEEDED:
            names.append(value)
        elif tag == _DT_STRTAB:
            table = _offset(loads, value)
    return tuple(_strings(data, table + name) for name in names) if table >= 0 else ()


def _parse(data: mmap.mmap) -> Elf | None:
    if data[:4] != b"\x7fELF":
        return None
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
    machine = struct.unpack_from(order + "H", data, 18)[0]
    if wide:
        phoff = struct.unpack_from(order + "Q", data, 32)[0]
        phentsize, phnum = struct.unpack_from(order + "HH", data, 54)
    else:
        phoff = struct.unpack_from(order + "I", data, 28)[0]
        phentsize, phnum = struct.unpack_from(order + "HH", data, 42)
    dynamic, has_loader, loads = None, False, []
    for i in range(phnum):
        at = phoff + i * phentsize
        if wide:
            kind, _, offset, vaddr, _, size = struct.unpack_from(order + "IIQQQQ", data, at)
        else:
            kind, offset, vaddr, _, size = struct.unpack_from(order + "IIIII", data, at)
        if kind == _PT_INTERP:
            has_loader = True
        elif kind == _PT_DYNAMIC:
            dynamic = (offset, size)
        elif kind == _PT_LOAD:
            loads.append((vaddr, offset, size))
    needed = _needed(data, order, wide, dynamic, loads) if dynamic else ()
    return Elf(64 if wide else 32, _MACHINES.get(machine, f"machine {machine}"), has_loader, needed)


def read_elf(path: str) -> Elf | None:
    """None: not an ELF file, damaged, or not readable for us."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(data)
    except (OSError, ValueError, struct.error, IndexError, OverflowError):
        return None


def _interpreter(path: str) -> str | None:
    """Of a script: the program in its first line; `env NAME` is looked through."""
    try:
        with open(path, "rb") as file:
            head = file.read(256)
    except OSError:
        return None
    if head[:2] != b"#!":
        return None
    words = head[2:].split(b"\n")[0].decode(errors="replace").split()
    if not words:
        return None
    if words[0].rpartition("/")[2] == "env" and len(words) > 1:
        name = next((w for w in words[1:] if not w.startswith("-") and "=" not in w), None)
        return find(name, os.environ.get("PATH")) if name else None
    return words[0]


def _real(path: str) -> str:
    """The ELF file that the kernel starts for a path."""
    for _ in range(_MAX_SCRIPTS):
        interpreter = _interpreter(path)
        if interpreter is None:
            break
        path = interpreter
    return os.path.realpath(path)


# ---- what keeps the loader from doing it ----


def _no_new_privs() -> bool:
    try:
        with open("/proc/self/status") as file:
            return "NoNewPrivs:\t1" in file.read()
    except OSError:
        return False


def _system_wide(library: str) -> str:
    folder = os.path.dirname(library)
    return (
        f"install the library for all programs: cmake --install, then echo FOLDER >"
        f"/etc/ld.so.conf.d/00-pcap-accel.conf && ldconfig; it is in {folder}"
    )


def secure_reason(path: str, uid: int) -> str | None:
    """Why a program that this user starts would run in the loader's secure mode, which ignores
    LD_PRELOAD; or None."""
    status = os.stat(path)
    if os.statvfs(path).f_flag & os.ST_NOSUID or _no_new_privs():
        return None
    if status.st_mode & stat.S_ISUID and status.st_uid != uid:
        return "is set-uid"
    if (
        status.st_mode & stat.S_ISGID
        and status.st_mode & stat.S_IXGRP
        and status.st_gid != os.getgid()
    ):
        return "is set-gid"
    try:
        if uid != 0 and os.getxattr(path, "security.capability"):
            return "has file capabilities"
    except OSError:
        pass
    return None


def is_of_system(library: str) -> bool:
    """Is it where AppArmor's profiles let programs load libraries from?"""
    return library.startswith(("/usr/lib/", "/lib/", "/usr/lib64/", "/lib64/"))


def is_confined(path: str, root: str) -> bool:
    """Has AppArmor a profile of its own for the program? By its file, as distributions name them."""
    try:
        with open(root + "/sys/module/apparmor/parameters/enabled") as file:
            if file.read(1) != "Y":
                return False
    except OSError:
        return False
    profile = path.lstrip("/").replace("/", ".")
    folder = root + "/etc/apparmor.d"
    if os.path.exists(f"{folder}/disable/{profile}"):
        return False
    return any(os.path.exists(f"{folder}/{name}") for name in (profile, profile.rpartition(".")[2]))


def _check_confinement(path: str, library: str, root: str) -> None:
    if is_confined(path, root) and not is_of_system(library):
        raise CommandError(
            f"{path}: AppArmor lets it load libraries from the system's folders only, and ours is {library} "
            f"(install with -DCMAKE_INSTALL_PREFIX=/usr, or run a copy: cp {path} /tmp/)",
            FAILED,
        )


def _check_library(library: str) -> None:
    """Can the loader take it at all?"""
    if " " in library or ":" in library:
        raise CommandError(
            f"{library}: LD_PRELOAD ends a path at a blank and at a colon (put it elsewhere)",
            FAILED,
        )
    if not os.access(library, os.R_OK):
        raise CommandError(
            f"{library}: is not readable for this user (chmod a+rX its folders, or install it)",
            FAILED,
        )
    if os.statvfs(library).f_flag & os.ST_NOEXEC:
        raise CommandError(
            f"{library}: is on a file system mounted noexec (put it elsewhere)", FAILED
        )


def _check_elf(path: str, elf: Elf, library: str) -> None:
    ours = read_elf(library)
    if ours and (elf.bits, elf.machine) != (ours.bits, ours.machine):
        raise CommandError(
            f"{path}: is a program for {elf.machine} ({elf.bits} bits), the library is for {ours.machine} "
            f"({ours.bits} bits) (build the library for {elf.machine})",
            FAILED,
        )
    if not elf.is_dynamic:
        raise CommandError(
            f"{path}: is statically linked, so nothing can be put in front of its libpcap "
            "(use a build of it that links libpcap dynamically)",
            FAILED,
        )


def has_own_libpcap(path: str) -> bool:
    """Does a program without libpcap among its libraries have one built in?"""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            end = 0
            while (at := data.find(_OWN_VERSION, end)) >= 0:
                end = at + len(_OWN_VERSION)
                if data[end : end + 1].isdigit():
                    return True
            return False
    except (OSError, ValueError):
        return False


def twin_for(elf: Elf | None, library: str) -> str:
    """The library under the name that the program asks for, where both are installed."""
    if elf and "libpcap.so.1" in elf.needed and "libpcap.so.0.8" not in elf.needed:
        folder = os.path.dirname(library)
        for twin in (f"{folder}/libpcap.so.1", f"{folder}/libpcap-accel/libpcap.so.1"):
            if os.path.exists(twin):
                return twin
    return library


def check(path: str, library: str, root: str = "") -> tuple[str, list[str]]:
    """The library to preload for a program, and remarks. CommandError for what would silently not work."""
    _check_library(library)
    real = _real(path)
    if not os.path.exists(real):
        raise CommandError(f"{path}: its interpreter {real} is not there (install it)", NO_PROGRAM)
    reason = secure_reason(real, os.getuid())
    if reason:
        raise CommandError(
            f"{real}: {reason}, so the loader ignores what would be put in front ({_system_wide(library)})",
            FAILED,
        )
    _check_confinement(real, library, root)
    elf = read_elf(real)
    remarks = []
    if elf:
        _check_elf(real, elf, library)
        if not any(name.startswith("libpcap.so") for name in elf.needed):
            if has_own_libpcap(real):
                raise CommandError(
                    f"{real}: has a libpcap of its own built in, which nothing can be put in front of "
                    "(use a build of it that links libpcap dynamically)",
                    FAILED,
                )
            remarks.append(f"{real} does not link libpcap itself: what it starts or loads may")
    return twin_for(elf, library), remarks
