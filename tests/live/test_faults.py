# SPDX-License-Identifier: BSD-3-Clause
"""Every allocation and every system call of an open fails once: the open fails with a code and a
text, or works all the same, and leaves nothing."""

import errno
import itertools
from concurrent.futures import ThreadPoolExecutor

import netlab
import pytest

DEVICES = {
    "one": "afpacket:eth0",
    "two": "afpacket:eth0:eth1",
    "any": "afpacket:any",
    "group": "afpacket:eth0?fanout=hash,group={error}",
    "immediate": "afpacket:eth0?immediate=yes",
    "file": "afpacket/{conf}:eth0?caplen=96",
}
ERRORS = [errno.ENOMEM, errno.EPERM]
STOCK_HAS = [which for which in DEVICES if which not in ("two", "file")]
CASES = list(itertools.product(ERRORS, STOCK_HAS if netlab.STOCK else DEVICES))


def attempts(lab, device, error, start):
    """One row for each call that was made to fail."""
    fault = lab.build.folder / "tests" / "tools" / "preload_fault.so"
    env = {"LD_PRELOAD": str(fault)} if netlab.STOCK else lab.build.preload(str(fault))
    device = netlab.plain(device) if netlab.STOCK else device
    argv = [lab.build.tool("fault_open"), device, error, start]
    done = lab.run(argv, env=env, check=False, timeout=4 * netlab.PATIENCE_S)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    last = rows[-1] if rows else "none"
    assert done.returncode == 0, f"exit {done.returncode} after {last}\n{done.stderr}"
    return rows


@pytest.fixture(scope="module")
def started(bed, tmp_path_factory):
    """{case: its rows, when they are there}. All at once: each close waits for the kernel, not for a CPU."""
    conf = tmp_path_factory.mktemp("conf") / "sensor.conf"
    conf.write_text("buffer = 4MiB\n")
    with ThreadPoolExecutor(len(CASES) + 1) as pool:
        device = DEVICES["one"]
        refused = pool.submit(attempts, bed, device, errno.EPERM, "activate")
        yield {"refused": refused} | {
            (error, which): pool.submit(
                attempts, bed, DEVICES[which].format(conf=conf, error=error), error, "create"
            )
            for error, which in CASES
        }


@pytest.mark.parametrize(
    ("error", "which"), CASES, ids=lambda word: errno.errorcode.get(word, word)
)
def test_each_call_fails(bed, started, error, which):
    """No call of pcap_create and pcap_activate can fail without a text, a leak or a dead handle."""
    rows = started[error, which].result()
    wrong = []
    for row in rows[:-1]:
        _, function, code, works, fds, allocations, *text = row
        text = "".join(text)
        if fds != "0" or (allocations != "0" and not bed.build.sanitizer):
            wrong.append((row, "left behind"))
        elif code == "0" and works != "works":
            wrong.append((row, "opened, but of no use"))
        elif code != "0" and (code[0] not in "-c" or len(text) < 10):
            wrong.append((row, "no code below 0 with a text"))
        elif function.endswith("alloc") and code != "0" and "memory" not in text.lower():
            wrong.append((row, "does not say that memory was short"))
    assert not wrong, "\n".join(f"{why}: {row}" for row, why in wrong)
    functions = {row[1] for row in rows}
    assert {"socket", "setsockopt", "bind", "mmap"} <= functions
    # A sanitizer's runtime has the allocator for itself.
    assert bed.build.sanitizer or "malloc" in functions
    failed = {row[1] for row in rows if row[2] != "0"}
    assert {"socket", "setsockopt", "bind", "mmap"} <= failed, "a failure goes unnoticed"


def test_permission_code(started):
    """The packet socket that is refused is PCAP_ERROR_PERM_DENIED."""
    codes = [row[2] for row in started["refused"].result() if row[1] == "socket"]
    assert "-8" in codes


def test_nothing_is_left(bed, started):
    """When all have ended, the kernel has no socket of theirs and no promiscuous device."""
    for rows in started.values():
        rows.result()
    assert bed.packet_sockets() == 0
    assert bed.promiscuity() == 0
