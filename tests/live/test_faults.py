# SPDX-License-Identifier: BSD-3-Clause
"""Every allocation and every system call of an open fails once: the open fails with a code and a
text, or works all the same, and leaves nothing."""

import errno

import netlab
import pytest

DEVICES = {
    "one": "afpacket:eth0",
    "two": "afpacket:eth0:eth1",
    "any": "afpacket:any",
    "group": "afpacket:eth0?fanout=hash,group=5",
    "immediate": "afpacket:eth0?immediate=yes",
    "file": "afpacket/{conf}:eth0?caplen=96",
}


def attempts(lab, device, error, start):
    """One row for each call that was made to fail."""
    fault = lab.build.folder / "tests" / "tools" / "preload_fault.so"
    env = {"LD_PRELOAD": str(fault)} if netlab.STOCK else lab.build.preload(str(fault))
    device = netlab.plain(device) if netlab.STOCK else device
    argv = [lab.build.tool("fault_open"), device, error, start]
    done = lab.run(argv, env=env, check=False)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    last = rows[-1] if rows else "none"
    assert done.returncode == 0, f"exit {done.returncode} after {last}\n{done.stderr}"
    return rows


@pytest.mark.parametrize("which", DEVICES)
@pytest.mark.parametrize("error", ["ENOMEM", "EPERM"])
def test_each_call_fails(lab2, tmp_path, which, error):
    """No call of pcap_create and pcap_activate can fail without a text, a leak or a dead handle."""
    conf = tmp_path / "sensor.conf"
    conf.write_text("buffer = 4MiB\n")
    if netlab.STOCK and which in ("two", "file"):
        pytest.skip("ACCEL_STOCK: ours only")
    device = DEVICES[which].format(conf=conf)
    rows = attempts(lab2, device, getattr(errno, error), "create")
    wrong = []
    for row in rows[:-1]:
        _, function, code, works, fds, allocations, *text = row
        text = "".join(text)
        if fds != "0" or (allocations != "0" and not lab2.build.sanitizer):
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
    assert lab2.build.sanitizer or "malloc" in functions
    failed = {row[1] for row in rows if row[2] != "0"}
    assert {"socket", "setsockopt", "bind", "mmap"} <= failed, "a failure goes unnoticed"
    assert lab2.packet_sockets() == 0
    assert lab2.promiscuity() == 0


def test_permission_code(lab):
    """The packet socket that is refused is PCAP_ERROR_PERM_DENIED."""
    rows = attempts(lab, "afpacket:eth0", errno.EPERM, "activate")
    codes = [row[2] for row in rows if row[1] == "socket"]
    assert "-8" in codes
