from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from loadtest.system import MeasurementError, processes, syscalls

COUNTED = "# started on Sat Nov 21 20:14:05 2026\n\n100522,,raw_syscalls:sys_enter,2003342547,100.00,,\n"
FORBIDDEN = """event syntax error: 'raw_syscalls:sys_enter'
                     \\___ can't access trace events

Error:\tNo permissions to read /sys/kernel/tracing/events/raw_syscalls/sys_enter
Hint:\tTry 'sudo mount -o remount,mode=755 /sys/kernel/tracing/'
"""
UNMOUNTED = """event syntax error: 'raw_syscalls:sys_enter'
                     \\___ unknown tracepoint

Error:\tUnable to find debugfs/tracefs
Hint:\tWas your kernel compiled with debugfs/tracefs support?
"""
PARANOID = """Error:
Access to performance monitoring and observability operations is limited.
Consider adjusting /proc/sys/kernel/perf_event_paranoid setting
"""


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Sets what the kernel allows, and whether we are root."""

    def set_up(paranoid: int, root: bool) -> None:
        (tmp_path / "paranoid").write_text(f"{paranoid}\n")
        monkeypatch.setattr(syscalls, "PARANOID", tmp_path / "paranoid")
        monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)

    return set_up


def test_the_count_is_the_first_field_of_its_line():
    assert syscalls.parse(COUNTED) == 100522


@pytest.mark.parametrize(
    "output",
    [
        "",
        "<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n",
        "<not supported>,,raw_syscalls:sys_enter,0,100.00,,\n",
        "77,,cycles,2003342547,100.00,,\n",
        "77,,raw_syscalls:sys_enter,1003342547,50.00,,\n",  # extrapolated from half the time
    ],
)
def test_what_was_not_counted_all_the_time_is_an_error(output):
    with pytest.raises(MeasurementError, match="perf counted no system calls"):
        syscalls.parse(output)


@pytest.mark.parametrize(
    ("stderr", "paranoid", "root", "fix"),
    [
        (FORBIDDEN, 2, False, "gid=$(id -g) /sys/kernel/tracing; sudo sysctl kernel.perf_event_paranoid=-1"),
        (FORBIDDEN, -1, False, "sudo mount -o remount,mode=755,gid=$(id -g) /sys/kernel/tracing"),
        (UNMOUNTED, 2, True, "sudo mount -t tracefs -o mode=755,gid=$(id -g) none /sys/kernel/tracing"),
        (PARANOID, 2, False, "sudo sysctl kernel.perf_event_paranoid=-1"),
        ("perf_event_open: Operation not permitted", 2, True, "docker run --cap-add PERFMON"),
        ("WARNING: perf not found for kernel 6.2.0-26", 2, True, "apt-get install linux-tools-$(uname -r)"),
    ],
)
def test_a_perf_that_does_not_count_is_a_sentence_that_ends_in_the_fix(machine, stderr, paranoid, root, fix):
    machine(paranoid, root)
    assert syscalls.explain(stderr).endswith(fix)


def test_a_perf_that_fails_otherwise_is_quoted(machine):
    machine(-1, True)
    assert "no idea" in syscalls.explain("no idea\n")


def test_a_missing_perf_is_a_sentence_with_the_fix(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert syscalls.available() == "perf is not installed; apt-get install linux-perf"


def test_a_load_on_the_same_cpu_is_not_counted_as_the_servers():
    with syscalls.counted([0], [0]) as counter:
        pass
    assert counter.count is None and "same CPU" in counter.problem


@pytest.fixture
def broken_perf(monkeypatch, tmp_path):
    perf = tmp_path / "perf"
    perf.write_text("#!/bin/sh\necho 'perf_event_open: Operation not permitted' >&2; exit 255\n")
    perf.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.usefixtures("broken_perf")
def test_a_perf_that_fails_costs_the_count_and_not_the_measurement():
    cpu = max(os.sched_getaffinity(0))
    measured = False
    with syscalls.counted([cpu + 1], [cpu]) as counter:
        measured = True
    assert measured and counter.count is None
    assert "perf" in counter.problem


@pytest.mark.usefixtures("broken_perf")
def test_a_perf_that_fails_is_not_available():
    assert syscalls.available().startswith("perf may not count")


@pytest.fixture
def cpus() -> tuple[int, int]:
    """One to count on, and another."""
    if sentence := syscalls.available():
        pytest.skip(sentence)
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        pytest.skip("takes two CPUs")
    return available[-1], available[0]


def calls(cpu: int, count: int) -> None:
    script = f"import os\nfor _ in range({count}): os.getppid()"
    processes.run(processes.pinned([cpu], [sys.executable, "-c", script]), timeout=60)


def test_the_calls_of_everyone_on_those_cpus_are_counted(cpus):
    counted, other = cpus
    with syscalls.counted([counted], [other]) as counter:
        calls(counted, 200_000)
    assert counter.count is not None, counter.problem
    assert counter.count >= 200_000


def test_a_process_on_another_cpu_is_not_counted(cpus):
    counted, other = cpus
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {other})
    try:
        with syscalls.counted([counted], [other]) as counter:
            calls(other, 3_000_000)
    finally:
        os.sched_setaffinity(0, before)
    assert counter.count is not None, counter.problem
    assert counter.count < 3_000_000  # others may use the counted CPU


def test_calls_before_and_after_are_not_counted(cpus):
    counted, other = cpus
    calls(counted, 3_000_000)
    with syscalls.counted([counted], [other]) as counter:
        pass
    calls(counted, 3_000_000)
    assert counter.count is not None, counter.problem
    assert counter.count < 3_000_000


def test_perf_counts_nothing_before_it_is_told_to_nor_afterwards(cpus):
    counted, other = cpus
    with syscalls.waiting_perf([counted], [other]) as perf:
        syscalls.order(perf, "ping")  # it is ready
        calls(counted, 1_000_000)
        syscalls.order(perf, "enable")
        syscalls.order(perf, "disable")
        calls(counted, 1_000_000)
        assert syscalls.parse(perf.end(signal.SIGINT, syscalls.PATIENCE).stderr) < 1_000_000


def test_an_error_in_the_block_ends_perf(cpus):
    with pytest.raises(RuntimeError), syscalls.counted(cpus[:1], cpus[1:]):
        raise RuntimeError
    assert not processes._live


def test_a_perf_that_is_killed_meanwhile_leaves_a_reason(cpus):
    with syscalls.counted(cpus[:1], cpus[1:]) as counter:
        [perf] = processes._live
        perf.signal(9)
        started = time.monotonic()
    assert counter.count is None and counter.problem
    assert time.monotonic() - started < 5
