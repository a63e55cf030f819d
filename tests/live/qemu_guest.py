# SPDX-License-Identifier: BSD-3-Clause
"""A virtual machine with network cards whose drivers know zero copy: QEMU and a Debian kernel, fetched once
into tests/.cache and never committed, and an initramfs with the library, test tools and a script.

Nothing of the machine that the tests run on is changed: QEMU runs from its unpacked packages, with their
own libraries, without KVM, and its cards are joined by hubs inside it."""

import gzip
import lzma
import re
import shutil
import stat
import subprocess
from pathlib import Path

import netlab
import pytest

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "qemu"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LEAST_KERNEL = (6, 18)  # igb has zero copy since 6.14, virtio-net since 6.11
SOURCES = f"""Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie trixie-backports
Components: main
Architectures: amd64
Signed-By: {KEYRING}
"""
FETCH_S, BOOT_S = 900, 600


# --- what is fetched -----------------------------------------------------------------------------


class Apt:
    """apt-get with sources, state and an empty list of installed packages of its own."""

    def __init__(self, folder):
        self.archives = folder / "cache" / "archives"
        for sub in (folder / "parts", folder / "state/lists/partial", self.archives / "partial"):
            sub.mkdir(parents=True)
        (folder / "parts" / "debian.sources").write_text(SOURCES)
        (folder / "status").touch()
        settings = {
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": folder / "parts",
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "root",
        }
        self.options = [w for key, value in settings.items() for w in ("-o", f"{key}={value}")]

    def run(self, command, *argv, cwd=None):
        whole = [command, *self.options, *argv]
        done = subprocess.run(whole, cwd=cwd, capture_output=True, text=True, timeout=FETCH_S)
        if done.returncode != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            pytest.skip(f"QEMU and a kernel cannot be fetched from Debian: {last}")
        return done.stdout

    def kernel(self):
        """The oldest package that is new enough."""
        names = self.run("apt-cache", "pkgnames", "linux-image-").split()
        found = [
            (m, n) for n in names if (m := re.fullmatch(r"linux-image-([\d.]+)\+deb\d+-amd64", n))
        ]
        versions = [(tuple(map(int, m[1].split("."))), name) for m, name in found]
        good = [(version, name) for version, name in versions if version >= LEAST_KERNEL]
        if not good:
            pytest.skip(f"Debian has no kernel from {LEAST_KERNEL} on: {sorted(versions)}")
        return min(good)[1]


def _fetch(folder):
    apt = Apt(folder / "apt")
    apt.run("apt-get", "-q", "update")
    wanted = ["qemu-system-x86", "busybox-static"]
    install = ["-q", "-y", "--no-install-recommends", "--download-only", "install"]
    apt.run("apt-get", *install, *wanted)
    apt.run("apt-get", "-q", "download", apt.kernel(), cwd=apt.archives)
    for package in sorted(apt.archives.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True)
    shutil.rmtree(folder / "apt")


def _root():
    """The folder with the unpacked packages, or skip with the reason."""
    netlab.needs("apt-get", "apt-cache", "dpkg-deb", "ethtool")
    if not KEYRING.exists():
        pytest.skip(f"{KEYRING} is not there: QEMU is fetched from Debian")
    if not (CACHE / "root").exists():
        fresh = CACHE.with_name("qemu-fresh")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        try:
            _fetch(fresh)
            shutil.rmtree(CACHE, ignore_errors=True)
            fresh.rename(CACHE)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return CACHE / "root"


# --- what it boots -------------------------------------------------------------------------------


def _modules(root, names):
    """{file name: contents} of these kernel modules and those that they need, which come first."""
    folder = next(root.glob("usr/lib/modules/*"))
    paths = {p.name.split(".")[0].replace("-", "_"): p for p in folder.rglob("*.ko*")}
    builtin = (folder / "modules.builtin").read_text().replace("-", "_")
    found = {}

    def add(name):
        if f"{name}.ko" in found or f"/{name}.ko" in builtin:
            return
        path = paths[name]
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        for needed in re.search(rb"\0depends=([^\0]*)\0", data)[1].decode().split(","):
            if needed:
                add(needed.replace("-", "_"))
        found[f"{name}.ko"] = data

    for name in names:
        add(name)
    return found


def _libraries(*programs):
    """Shared objects that they are linked to, by the path at which they are looked for."""
    text = "".join(
        subprocess.run(["ldd", p], capture_output=True, text=True, check=True).stdout
        for p in programs
    )
    return set(re.findall(r"(/\S+) \(0x", text))


def _entry(name, mode, data=b""):
    """A file of a cpio archive, Documentation/driver-api/early-userspace/buffer-format.rst."""
    fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def _archive(files):
    """An initramfs of {path: contents}; all of them may be executed."""
    folders = {str(parent) for path in files for parent in Path(path).parents} - {"."}
    entries = [
        _entry(name, stat.S_IFDIR | 0o755)
        for name in sorted({*folders, "proc", "sys", "dev", "run"})
    ]
    entries += [_entry(name, stat.S_IFREG | 0o755, data) for name, data in files.items()]
    return gzip.compress(b"".join([*entries, _entry("TRAILER!!!", 0)]), 1)


def _initramfs(root, build, script, modules):
    tools = [build.tool(name) for name in ("capture_check", "send_packets")]
    tools.append(shutil.which("ethtool"))
    files = {f"modules/{i:02}-{n}": d for i, (n, d) in enumerate(_modules(root, modules).items())}
    for path in (*tools, build.library):
        files[f"bin/{Path(path).name}"] = Path(path).read_bytes()
    for path in _libraries(*tools, build.library):
        files[path.lstrip("/")] = Path(path).read_bytes()
    files["bin/busybox"] = (root / "usr/bin/busybox").read_bytes()
    files["init"] = script.encode()
    return _archive(files)


def boot(build, folder, script, modules, cards):
    """Boot, run the script as init, and return what it wrote to the serial line. `cards` are QEMU's
    words for the network cards."""
    root = _root()
    (folder / "initramfs").write_bytes(_initramfs(root, build, script, modules))
    libraries = root / "usr/lib/x86_64-linux-gnu"
    argv = [
        libraries / "ld-linux-x86-64.so.2", "--library-path", f"{libraries}:{libraries}/pulseaudio",
        root / "usr/bin/qemu-system-x86_64",
        "-L", root / "usr/share/qemu", "-L", root / "usr/share/seabios",
        "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024",
        "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
        "-kernel", next(root.glob("boot/vmlinuz-*")), "-initrd", folder / "initramfs",
        "-append", "console=ttyS0 quiet panic=-1", *cards,
    ]  # fmt: skip
    done = subprocess.run(
        list(map(str, argv)), stdin=subprocess.DEVNULL, capture_output=True, timeout=BOOT_S
    )
    text = done.stdout.decode(errors="replace").replace("\r", "")
    assert done.returncode == 0, text + done.stderr.decode(errors="replace")
    return text
