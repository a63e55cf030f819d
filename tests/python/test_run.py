# SPDX-License-Identifier: BSD-3-Clause
"""pcap-accel run and env: what a program is started with, what is refused with which words, exit codes and
signals. The programs are real ones."""

import itertools
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import netlab
import pytest

from pypcapaccel.cli import CommandError, main, make_parser, target
from pypcapaccel.cli.quick import Reader

LIBRARY = os.environ.get("PCAP_ACCEL_LIB", "")


@pytest.fixture(scope="module")
def env(library):
    clean = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PCAP_", "PFQ_")) and k != "LD_PRELOAD"
    }
    clean["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    return {**clean, "PCAP_ACCEL_LIB": str(library)}


@pytest.fixture
def command(env):
    def run(*words, code=0, more=None, **options):
        argv = [sys.executable, "-m", "pypcapaccel", *map(str, words)]
        done = subprocess.run(
            argv, capture_output=True, text=True, env={**env, **(more or {})}, timeout=60, **options
        )
        assert done.returncode == code, (
            f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    return run


@pytest.fixture
def planned(env, monkeypatch, capsys):
    """The variables that a `run` would set; without a process of its own, which takes time."""

    def ask(*words, more=None):
        with monkeypatch.context() as here:
            here.setattr(os, "environ", {**env, **(more or {})})
            assert main(["run", "--dry-run", "--json", *map(str, words), "--", "true"]) == 0
        return json.loads(capsys.readouterr().out)["environment"]

    return ask


# ---- what is set ----


def test_variables(planned, library):
    assert planned() == {"PCAP_ACCEL_DEFAULT": "afpacket", "LD_PRELOAD": str(library)}
    grouped = planned("-g", 42, "--computation", "ip >-> steer_flow")
    assert grouped["PCAP_ACCEL_GROUP"] == "42"
    assert grouped["PCAP_ACCEL_COMPUTATION"] == "ip >-> steer_flow"
    assert grouped["PCAP_ACCEL_DEFAULT"] == "pfq"
    assert "PCAP_ACCEL_DEFAULT" not in planned("--engine", "none")
    assert planned("-g", 1, "--engine", "afpacket")["PCAP_ACCEL_DEFAULT"] == "afpacket"
    assert planned("-o", "buffer=1MiB", "-o", "vlan=1+2")["PCAP_ACCEL_VLAN"] == "1+2"
    assert planned("-o", "snaplen = 60")["PCAP_ACCEL_CAPLEN"] == "60", (
        "the library reads no other name"
    )
    assert planned("--log", "info")["PCAP_ACCEL_LOG"] == "info"


def test_what_the_environment_says_stays(planned):
    """Somebody's map is not overruled, but by --engine; another preload stays behind ours."""
    assert "PCAP_ACCEL_DEFAULT" not in planned(more={"PCAP_ACCEL_MAP": "eth0=pfq:eth0"})
    assert (
        planned("--engine", "pfq", more={"PCAP_ACCEL_DEFAULT": "afpacket"})["PCAP_ACCEL_DEFAULT"]
        == "pfq"
    )
    libc = "/lib/x86_64-linux-gnu/libc.so.6"
    if Path(libc).exists():
        assert planned(more={"LD_PRELOAD": libc})["LD_PRELOAD"].endswith(f".so:{libc}")


YAML = """\
version: 1
groups:
  - {group: 42, devices: [eth0, eth1], computation: steer_flow, ring: {buffer: 8MiB}, members: 3, vlan: [1, 2]}
  - {group: 7, caplen: 96}
map: {eth1: "afpacket:eth1"}
"""


def test_yaml(planned, command, tmp_path):
    path = tmp_path / "g.yaml"
    path.write_text(YAML)
    found = planned("-c", path, "-g", 42)
    assert found["PCAP_ACCEL_GROUP"] == "42" and found["PCAP_ACCEL_COMPUTATION"] == "steer_flow"
    assert found["PCAP_ACCEL_BUFFER"] == "8MiB" and found["PCAP_ACCEL_VLAN"] == "1+2"
    assert found["PCAP_ACCEL_MAP"] == "eth1=afpacket:eth1,eth0=pfq:eth0:eth1"
    assert (
        planned("-c", path, "-g", 42, more={"PFQ_CAPLEN": "1", "PCAP_ACCEL_BUFFER": "1MiB"}).get(
            "PCAP_ACCEL_BUFFER"
        )
        is None
    )
    assert "PCAP_ACCEL_CAPLEN" not in planned("-c", path, "-g", 7, more={"PFQ_CAPLEN": "60"})
    assert planned("-c", path, "-g", 7)["PCAP_ACCEL_CAPLEN"] == "96"
    shown = command("run", "--dry-run", "--json", "-c", path, "-g", 42, "--", "true").stdout
    assert json.loads(shown)["copies"] == 3
    error = command("run", "-c", path, "--", "true", code=125).stderr
    assert error == f"pcap-accel run: {path}: names 2 groups (choose one with -g: 42, 7)\n"


def test_conf_and_profile(planned, tmp_path):
    path = tmp_path / "x.conf"
    path.write_text("group = 3\nbuffer = 2MiB\n")
    found = planned("-c", path, "--profile", "sensor")
    assert found["PCAP_ACCEL_CONF"] == str(path) and found["PCAP_ACCEL_DEFAULT"] == "pfq"
    assert "PCAP_ACCEL_BUFFER" not in found, "the file goes before the profile"
    assert found["PCAP_ACCEL_TIMEOUT"] == "10ms"


def test_env_is_for_a_shell(env, library):
    argv = (
        f'eval "$({sys.executable} -m pypcapaccel env -g 9 --computation "ip >-> steer_flow")"; env'
    )
    out = subprocess.run(
        ["sh", "-c", argv], capture_output=True, text=True, env=env
    ).stdout.splitlines()
    assert "PCAP_ACCEL_GROUP=9" in out and "PCAP_ACCEL_COMPUTATION=ip >-> steer_flow" in out
    assert f"LD_PRELOAD={library}" in out


def test_the_library_is_in_front(command):
    netlab.needs("tcpdump")
    done = command("run", "--", "tcpdump", "--version")
    assert "libpcap-accel" in done.stdout + done.stderr


# ---- exit codes and signals ----


def test_exit_codes(command, tmp_path):
    command("run", "--", "sh", "-c", "exit 7", code=7)
    assert "nosuch: no such program" in command("run", "--", "nosuch", code=127).stderr
    plain = tmp_path / "plain"
    plain.write_text("x")
    assert f"{plain}: is not executable (chmod +x" in command("run", "--", plain, code=126).stderr
    assert "is not a file" in command("run", "--", tmp_path, code=126).stderr
    broken = tmp_path / "broken"
    broken.write_bytes(b"#!/nowhere/interpreter\n")
    broken.chmod(0o755)
    assert "/nowhere/interpreter is not there" in command("run", "--", broken, code=127).stderr
    assert "names no program" in command("run", code=125).stderr
    said = command("run", "--engne", "pfq", "--", "true", code=125).stderr
    assert "usage: pcap-accel run" in said and "unrecognized arguments: --engne" in said


def test_words_of_the_program_are_its_own(command):
    """Also those that look like ours, with and without `--`."""
    script = "import sys; print(sys.argv[1:])"
    for dashes in (["--"], []):
        out = command(
            "run", *dashes, sys.executable, "-c", script, "-g", "--", "--json", "-n"
        ).stdout
        assert out == "['-g', '--', '--json', '-n']\n"


def test_copies(command):
    out = command("run", "-g", 5, "-n", 3, "--", "sh", "-c", "echo {n} $PCAP_ACCEL_GROUP").stdout
    assert sorted(out.splitlines()) == ["0 5", "1 5", "2 5"]
    command("run", "-g", 5, "-n", 3, "--", "sh", "-c", "exit {n}0", code=command_code("10", "20"))


def command_code(*codes):
    class Any:
        def __eq__(self, other):
            return str(other) in codes

        __hash__ = None

    return Any()


def test_copies_that_cannot_start(command, tmp_path):
    bad = tmp_path / "bad"
    bad.write_bytes(b"\x7fELF" + bytes(60))
    bad.chmod(0o755)
    command("run", "-g", 1, "-n", 2, "--", bad, code=command_code("125", "126"))


LATER_FAILS = """
from pypcapaccel.cli import CommandError
from pypcapaccel.cli.copies import run_copies
try:
    run_copies("/bin/sleep", [["sleep", "60"], ["sleep", "61"], ["sleep", "x" * 200000]], {})
except CommandError as error:
    print(error, error.code)
"""


def test_copies_end_if_a_later_one_cannot_start(env):
    """Those that run get SIGTERM, and are waited for: else this would take a minute."""
    argv = [sys.executable, "-c", LATER_FAILS]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20)
    assert done.stdout == "/bin/sleep: Argument list too long 126\n", done.stderr


TWO_COPIES = [sys.executable, "-m", "pypcapaccel", "run", "-g", "5", "-n", "2", "--"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_reach_the_copies(env, number):
    """Sent to the launcher alone, each copy's handler sees it; then the codes come back."""
    script = (
        "import os, signal, sys\n"
        "def seen(number, frame): os.write(1, b'seen %d\\n' % number); sys.exit(9)\n"
        f"signal.signal({int(number)}, seen)\n"
        "os.write(1, b'ready\\n')\n"
        "while True: signal.pause()\n"
    )
    argv = [*TWO_COPIES, sys.executable, "-c", script]
    process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True)
    lines = [netlab.read_line(process) for _ in range(2)]
    assert lines == ["ready\n"] * 2
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert out == f"seen {int(number)}\n" * 2
    assert process.returncode == 9


def test_a_copy_that_is_killed(env):
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    argv = [*TWO_COPIES, sys.executable, "-c", script]
    assert subprocess.run(argv, env=env).returncode == 128 + signal.SIGKILL


EACH_INTERRUPT = """
import os, signal
waited = {signal.SIGINT, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, waited)
os.write(1, b"ready\\n")
while signal.sigwait(waited) == signal.SIGINT:
    os.write(1, b"interrupted\\n")
"""


def test_a_terminal_s_interrupt_comes_once(env):
    """Ctrl-C reaches the copies from the terminal: the launcher does not send it on a second time."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(sys.executable, [*TWO_COPIES, sys.executable, "-c", EACH_INTERRUPT], env)
    out = b""

    def read_until(text, times):
        nonlocal out
        deadline = time.monotonic() + netlab.PATIENCE_S
        while out.count(text) < times:
            assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], out
            out += os.read(terminal, 4096)

    read_until(b"ready", 2)
    # The launcher comes after the copies, which could not tell two pending interrupts from one. It takes the
    # interrupt before what is to end it, as that has a higher number, and so would the copies.
    os.kill(pid, signal.SIGSTOP)
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
    os.write(terminal, b"\x03")
    read_until(b"interrupted", 2)
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    while select.select([terminal], [], [], 0)[0]:
        try:
            out += os.read(terminal, 4096)
        except OSError:  # all was read
            break
    os.close(terminal)
    assert out.count(b"interrupted") == 2, out


# ---- what would silently not work ----


def refused(code, path, library, **options):
    with pytest.raises(CommandError) as error:
        target.check(str(path), str(library), **options)
    assert error.value.code == code
    return str(error.value)


def test_sudo(command):
    for name in ("sudo", "/usr/bin/doas", "pkexec"):
        base = Path(name).name
        error = command("run", "--", name, "tcpdump", code=125).stderr
        assert (
            error
            == f"pcap-accel run: {base} clears the environment (put it in front: {base} pcap-accel run -- PROGRAM)\n"
        )


def compiled(tmp_path, *options, name="program"):
    source = tmp_path / "main.c"
    source.write_text("int main(void) { return 0; }\n")
    done = subprocess.run(
        ["gcc", source, "-o", tmp_path / name, *options], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"gcc {' '.join(options)}: {done.stderr.splitlines()[0]}")
    return tmp_path / name


def test_static_programs(tmp_path, library):
    text = refused(125, compiled(tmp_path, "-static"), library)
    assert (
        "is statically linked" in text
        and "(use a build of it that links libpcap dynamically)" in text
    )
    script = tmp_path / "script"
    script.write_text(f"#!{tmp_path}/program\n")
    script.chmod(0o755)
    assert "program: is statically linked" in refused(125, script, library), "seen through a script"


def test_a_libpcap_of_its_own(tmp_path, library):
    program = compiled(tmp_path)
    program.write_bytes(program.read_bytes() + b"\0libpcap version %s\0")
    assert target.check(str(program), str(library))[0] == str(library)
    program.write_bytes(program.read_bytes() + b"\0libpcap version 1.10.1\0")
    assert "has a libpcap of its own built in" in refused(125, program, library)


def test_another_architecture(tmp_path, library):
    program = compiled(tmp_path)
    head = bytearray(program.read_bytes())
    head[18:20] = struct.pack("<H", 183 if head[18] != 183 else 62)
    program.write_bytes(head)
    text = refused(125, program, library)
    assert (
        "is a program for" in text
        and "the library is for" in text
        and "(build the library for" in text
    )


def test_set_uid_and_capabilities(tmp_path):
    """An ordinary user is refused, root is not: the loader ignores LD_PRELOAD for the one only."""
    folder = tmp_path / "open"
    folder.mkdir()
    tmp_path.chmod(0o755)
    program = compiled(folder)
    for how in (["chmod", "u+s"], ["chmod", "u-s,g+s"]):
        subprocess.run([*how, program], check=True)
        if os.statvfs(program).f_flag & os.ST_NOSUID:
            pytest.skip("the tests' folder is mounted nosuid")
        assert target.secure_reason(str(program), 0) is None
    subprocess.run(["chmod", "g-s,u+s", program], check=True)
    assert target.secure_reason(str(program), 12345) == "is set-uid"
    subprocess.run(["chmod", "u-s", program], check=True)
    assert target.secure_reason(str(program), 12345) is None
    if shutil.which("setcap"):
        subprocess.run(["setcap", "cap_net_raw+ep", program], check=True)
        assert target.secure_reason(str(program), 12345) == "has file capabilities"
        assert target.secure_reason(str(program), 0) is None


def test_set_gid(tmp_path):
    """To another group, root's programs are in the secure mode as well."""
    program = compiled(tmp_path)
    os.chown(program, 0, os.getgid() + 1)
    program.chmod(0o2755)
    if os.statvfs(program).f_flag & os.ST_NOSUID:
        pytest.skip("the tests' folder is mounted nosuid")
    assert target.secure_reason(str(program), 0) == "is set-gid"
    program.chmod(0o2745)  # without x for the group it means something else
    assert target.secure_reason(str(program), 0) is None


def test_secure_programs_are_refused(tmp_path, library, monkeypatch):
    """With the way out: install the library for all programs."""
    program = compiled(tmp_path)
    program.chmod(0o4755)
    if os.statvfs(program).f_flag & os.ST_NOSUID:
        pytest.skip("the tests' folder is mounted nosuid")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    text = refused(125, program, library)
    assert f"{program}: is set-uid, so the loader ignores" in text and "ld.so.conf.d" in text


def test_libraries_that_the_loader_cannot_take(library, monkeypatch):
    """Not readable, or on a file system without x."""
    with monkeypatch.context() as here:
        here.setattr(os, "access", lambda *_: False)
        assert "is not readable for this user (chmod" in refused(125, "/bin/sh", library)
    flags = SimpleNamespace(f_flag=os.ST_NOEXEC)
    monkeypatch.setattr(os, "statvfs", lambda _: flags)
    assert "mounted noexec (put it elsewhere)" in refused(125, "/bin/sh", library)


MAPS = """
#include <stdio.h>
int main(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	int c;

	while ((c = getc(file)) != EOF)
		putchar(c);
	return 0;
}
"""


def test_the_loader_agrees(tmp_path, library):
    """What is refused is what the loader ignores: as an ordinary user, with and without capabilities."""
    netlab.needs("setcap", "setpriv")
    shown = tmp_path / "maps.c"
    shown.write_text(MAPS)
    program, copy = tmp_path / "maps", tmp_path / "libpcap-accel.so"
    subprocess.run(["gcc", shown, "-o", program], check=True)
    shutil.copy(library, copy)
    for folder in [tmp_path, *list(tmp_path.parents)[:2]]:
        folder.chmod(0o755)
    copy.chmod(0o755)

    def is_loaded():
        argv = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", program]
        done = subprocess.run(argv, env={"LD_PRELOAD": str(copy)}, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"an ordinary user cannot run {program}")
        return str(copy) in done.stdout

    assert is_loaded() and target.secure_reason(str(program), 12345) is None
    subprocess.run(["setcap", "cap_dac_override+ep", program], check=True)
    if os.statvfs(program).f_flag & os.ST_NOSUID:
        pytest.skip("the tests' folder is mounted nosuid")
    assert not is_loaded() and target.secure_reason(str(program), 12345)


def test_apparmor(tmp_path, library):
    """A profile of the program's own, by its file, on a host that has AppArmor."""
    program = compiled(tmp_path)
    root = tmp_path / "root"
    (root / "sys/module/apparmor/parameters").mkdir(parents=True)
    enabled = root / "sys/module/apparmor/parameters/enabled"
    profiles = root / "etc/apparmor.d"
    profiles.mkdir(parents=True)
    enabled.write_text("Y\n")
    target.check(str(program), str(library), str(root))
    profile = profiles / str(program).lstrip("/").replace("/", ".")
    profile.write_text("")
    text = refused(125, program, library, root=str(root))
    assert (
        "AppArmor lets it load libraries from the system's folders only" in text and "cp " in text
    )
    enabled.write_text("N\n")
    target.check(str(program), str(library), str(root))
    enabled.write_text("Y\n")
    (profiles / "disable").mkdir()
    (profiles / "disable" / profile.name).write_text("")
    target.check(str(program), str(library), str(root))


def test_paths_that_the_loader_splits(tmp_path, library):
    for name in ("a b", "a:b"):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(library, folder)
        text = refused(125, "/bin/sh", folder / library.name)
        assert "LD_PRELOAD ends a path at a blank and at a colon" in text


def test_the_twin_for_another_soname(tmp_path, library):
    """A program that asks for libpcap.so.1 gets the file of that name, where it is installed."""
    elf = target.Elf(64, "x86_64", True, ("libpcap.so.1", "libc.so.6"))
    assert target.twin_for(elf, str(library)) == str(library.parent / "libpcap-accel/libpcap.so.1")
    alone = tmp_path / "libpcap-accel.so"
    assert target.twin_for(elf, str(alone)) == str(alone)
    assert target.twin_for(
        target.Elf(64, "x86_64", True, ("libpcap.so.0.8",)), str(library)
    ) == str(library)


def test_a_program_of_another_soname(tmp_path, library, command):
    """One that was linked with libpcap.so.1 runs on ours, though that file is libpcap.so.0.8."""
    stub, program = tmp_path / "libpcap.so.1", tmp_path / "program"
    call = "const char *pcap_lib_version(void)"
    (tmp_path / "stub.c").write_text(f'{call} {{ return "the other"; }}\n')
    (tmp_path / "main.c").write_text(
        f"#include <stdio.h>\n{call};\nint main(void) {{ puts(pcap_lib_version()); return 0; }}\n"
    )
    stub_argv = [
        "gcc",
        "-shared",
        "-fPIC",
        "-Wl,-soname,libpcap.so.1",
        tmp_path / "stub.c",
        "-o",
        stub,
    ]
    subprocess.run(stub_argv, check=True)
    subprocess.run(["gcc", tmp_path / "main.c", stub, "-o", program], check=True)
    more = {"LD_LIBRARY_PATH": str(tmp_path)}
    assert subprocess.run([program], env=more, capture_output=True).stdout == b"the other\n"
    assert "libpcap-accel" in command("run", "--", program, more=more).stdout
    planned = command("run", "--dry-run", "--json", "--", program, more=more).stdout
    assert json.loads(planned)["environment"]["LD_PRELOAD"].endswith("/libpcap.so.1")


def test_elf_is_read_as_readelf_does(library):
    netlab.needs("readelf")
    for path in (sys.executable, "/bin/sh", str(library), shutil.which("tcpdump") or "/bin/sh"):
        path = os.path.realpath(path)
        out = subprocess.run(["readelf", "-dl", path], capture_output=True, text=True).stdout
        needed = tuple(
            line.split("[")[1].rstrip("]") for line in out.splitlines() if "(NEEDED)" in line
        )
        elf = target.read_elf(path)
        assert elf.needed == needed, path
        assert elf.is_dynamic == ("INTERP" in out)


def test_damaged_programs(tmp_path):
    """Whatever is cut off or wrong: an answer or none, never an exception."""
    whole = Path("/bin/sh").read_bytes()[:4096]
    for cut in (0, 3, 4, 17, 40, 63, 64, 100, 500):
        path = tmp_path / "x"
        path.write_bytes(whole[:cut])
        target.read_elf(str(path))
    for i in range(4, 64):
        path.write_bytes(whole[:i] + b"\xff" + whole[i + 1 :])
        target.read_elf(str(path))
    assert target.read_elf("/nowhere") is None and target.read_elf("/") is None


# ---- mistakes ----


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-g", "x"], "--group: 'x' is not a number in range (0 to 65535)"),
        (["-g", "65536"], "--group: '65536' is not a number in range (0 to 65535)"),
        (["-n", "0", "-g", "1"], "-n '0': is not a number in range (1 to 256)"),
        (["-n", "2"], "-n 2: the copies share no group, each would capture everything (add -g N)"),
        (["-o", "buffer"], "--option 'buffer': is not KEY=VALUE (buffer=256MiB)"),
        (["-o", "bufer=1MiB"], "--option 'bufer': unknown option (did you mean 'buffer'?)"),
        (["-o", "map=a=b"], "--option 'map': is no option of a capture (set PCAP_ACCEL_MAP)"),
        (
            ["-n", "2", "-g", "1", "--engine", "xdp"],
            "-n 2: copies on xdp: need queues of their own (name them: -i 'xdp:eth0@q{n}')",
        ),
        (["-o", "group=x"], "--option 'group=x': 'x' is not a number (0 to 65535)"),
        (["-p", "sensr"], "no profile 'sensr' (did you mean 'sensor'?)"),
        (["-c", "/nowhere.yaml"], "/nowhere.yaml: No such file or directory"),
    ],
)
def test_mistakes(words, sentence, capsys):
    assert main(["run", *words, "--", "true"]) == 125
    assert capsys.readouterr().err == f"pcap-accel run: {sentence}\n"


def test_no_library(monkeypatch, capsys):
    monkeypatch.setenv("PCAP_ACCEL_LIB", "/nowhere/libpcap-accel.so")
    assert main(["run", "--", "true"]) == 125
    assert "/nowhere/libpcap-accel.so: no such file" in capsys.readouterr().err


def imported(env, code, *words):
    argv = [sys.executable, "-X", "importtime", "-c", code, *words]
    said = subprocess.run(argv, env=env, capture_output=True, text=True).stderr
    return {line.rpartition("|")[2].strip() for line in said.splitlines() if "|" in line}


def test_what_is_imported_to_start(env):
    """Nothing of Python's library but what reads files, and nothing of the package but what `run` is made of: that
    is what its start-up is short by."""
    code = "import sys; from pypcapaccel.cli import main; sys.exit(main())"  # `-m` imports more
    names = imported(env, code, "run", "-g", "1", "--", "true") - imported(env, "pass")
    assert "pypcapaccel.cli.target" in names
    ours = {name for name in names if name.startswith("pypcapaccel")}
    assert names - ours <= {"__future__", "errno", "mmap", "struct", "_struct"}
    cli = {f"pypcapaccel.cli.{name}" for name in ("run_", "environment", "target", "quick")}
    assert ours <= {
        "pypcapaccel",
        "pypcapaccel.cli",
        "pypcapaccel._find",
        "pypcapaccel.errors",
        *cli,
    }


WORDS = [
    "-g", "1", "--group", "--group=2", "--gro", "-g3", "-g=4", "--engine", "xdp", "--engine=frob", "--dry-run",
    "--json", "--json=1",
    "-o", "a=b", "--option=c=d", "", "-", "-x", "--log", "-n", "-h", "true", "--computation", "-5",
]  # fmt: skip


def test_words_are_argparses():
    """What is read without argparse is read as by it; what argparse refuses or answers is left to it."""
    module = __import__("pypcapaccel.cli.run_", fromlist=["run"])
    parser = make_parser(["run"])
    n_read = 0
    for words in itertools.product(WORDS, WORDS, ["-o", "true", "--json"], ["k=v"]):
        reader = Reader()
        module.add_arguments(reader)
        ours = reader.read(words)
        if ours is None:
            continue
        n_read += 1
        theirs = vars(parser.parse_args(["run", *words]))
        known = {"command", "function", "parser", "version"}
        assert vars(ours) == {k: v for k, v in theirs.items() if k not in known}, words
    assert n_read > 100


def test_rows_that_only_argparse_understands():
    """A subcommand with another kind of argument is read by argparse, whatever its words."""
    for names, row in ((["--n"], {"type": int}), (["word"], {}), (["-v"], {"action": "count"})):
        reader = Reader()
        reader.add_argument(*names, **row)
        assert reader.read([]) is None
