"""What perf and strace print is read right."""
import os
import sys

from conftest import TOP

sys.path.insert(0, str(TOP / "bench"))

import profiles  # noqa: E402

PERF = """ferryd-worker      12
\tffffffff81 tcp_sendmsg
\tffffffff81 __sys_sendto
\tffffffff81 __x64_sys_sendto
\tffffffff81 do_syscall_64
\tffffffff81 entry_SYSCALL_64_after_hwframe
\t    7f0000 __send

ferryd-worker      13
\t    7f0000 __vfprintf_internal
\t    560000 answer

ferryd-agent   14
\tffffffff81 exit_to_user_mode_loop
\tffffffff81 do_syscall_64

"""
STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000200          10        20        10 accept4
 40.00    0.000100          10        10           sendto
------ ----------- ----------- --------- --------- ----------------
100.00    0.000300          10        30        10 total
"""


def test_samples_are_told_apart():
    assert list(profiles.samples(PERF)) == [("ferryd-worker", 12, "send"), ("ferryd-worker", 13, profiles.OWN),
                                            ("ferryd-agent", 14, profiles.OTHER)]


def test_others_of_that_name_do_not_count():
    me = os.getpid()
    assert profiles.is_anothers(me, {1})
    assert not profiles.is_anothers(me, {1, me})
    assert not profiles.is_anothers(1 << 30, {1})


def test_calls_are_counted():
    assert profiles.counted(STRACE) == {"accept4": 20, "send": 10}


def test_a_table_has_a_column_for_each_process_that_does_something():
    us = {"worker": {"send": 3.0, profiles.OWN: 1.0, "close": 0.1}, "agent": {"openat2": 0.5}, "master": {"write": 0.1}}
    lines = profiles.table(us, {"worker": {"send": 2.0}, "agent": {}}).splitlines()
    assert lines[0] == "| | worker, us | worker, calls | agent, us | agent, calls |"
    assert "| send | 3.0 | 2.0 |  |  |" in lines
    assert "| the rest | 0.1 |  |  |  |" in lines
    assert lines[-1] == "| **in all** | 4.1 | 2.0 | 0.5 |  |"
