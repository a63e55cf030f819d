# SPDX-License-Identifier: BSD-3-Clause
"""Counts, pcap_breakloop, signals and empty rings: what the reading functions return, as stock does.
The differences are on purpose."""

import netlab
import pytest

# What stock answers, but where ON_PURPOSE says otherwise.
EXPECTED = {
    "break_before_dispatch": "rc=-2 seen=0 all=20",
    "break_before_dispatch_nonblock": "rc=-2 seen=0",
    "break_before_loop": "rc=-2 seen=0 rc=0 seen=5",
    "break_before_next": "NULL packet",
    "break_before_next_ex": "rc=-2 rc=1",
    "break_empty_nonblock": "rc=0",
    "break_keeps_errno": "errno=12345",
    "break_twice_is_once": "rc=-2 rc=1",
    "dispatch_break_in_callback": "rc=-2 seen=3 all=20",
    "dispatch_count": "same=1 atmost=1 all=20",
    "dispatch_zero_is_all": "same=1 some=1",
    "idle_dispatch": "stuck",
    "idle_next_ex": "stuck",
    "loop_break_in_callback": "rc=-2 seen=3 all=20",
    "loop_break_in_last_callback": "rc=-2 seen=5",
    "loop_count": "rc=0 seen=7 rc=0 seen=20",
    "next_all": "packets=20",
    "nonblock_dispatch": "same=1 some=1",
    "nonblock_empty": "dispatch=0 next_ex=0 next=NULL",
    "signal_break_loop": "rc=-2",
    "signal_break_loop_nonblock": "stuck, or rc=-2 where the signal hits its poll()",
    "signal_break_next_ex": "rc=-2",
    "signal_without_break": "rc=0 seen=5",
    "thread_break_loop": "rc=-2",
    "thread_break_loop_nonblock": "stuck",
    "thread_break_once": "rc=-2",
}

# case: (ours, why)
ON_PURPOSE = {
    "break_empty_nonblock": ("rc=-2", "stock forgets to look at the flag"),
    "idle_dispatch": ("rc=0", "timeouts fire"),
    "idle_next_ex": ("rc=0", "timeouts fire"),
    "signal_break_loop_nonblock": ("rc=-2", "stock spins and does not see the break"),
    "thread_break_loop_nonblock": ("rc=-2", "stock spins and does not see the break"),
}


def run(lab, device, case, env):
    argv = [lab.build.tool("pcap_reads"), device, "eth0", case]
    return lab.run(argv, env=env).stdout.strip()


@pytest.mark.parametrize("case", EXPECTED)
def test_reads(lab, case):
    """Our answer is stock's, or better on purpose."""
    if netlab.STOCK:
        pytest.skip("ACCEL_STOCK: there is no ours")
    expected = ON_PURPOSE.get(case, (EXPECTED[case],))[0]
    assert run(lab, "afpacket:eth0", case, lab.accel_env()) == expected


@pytest.mark.parametrize("case", sorted(set(EXPECTED) - set(ON_PURPOSE)))
def test_stock(lab, case):
    """EXPECTED is what the system's libpcap says, today and here."""
    assert run(lab, "eth0", case, {}) == EXPECTED[case]


def test_every_case_is_expected(accel_build):
    """The table has every case of the tool."""
    argv = [accel_build.tool("pcap_reads")]
    cases = netlab.subprocess.run(argv, capture_output=True, text=True).stdout.split()
    assert set(cases) == set(EXPECTED)
