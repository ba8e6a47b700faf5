"""What others took of our CPUs, on made-up machines whose truth is known, and on a real one."""

from __future__ import annotations

import gzip
import math
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import BINARIES

from loadtest.clients import wrk
from loadtest.statistics.validity import DISTURBED
from loadtest.system import cpus, processes, procfs, usage
from loadtest.system.cpus import CpuSets, CpuTimes, Reading
from loadtest.system.processes import Server, pinned
from loadtest.system.usage import Window

SETS = CpuSets((1,), (0,))
OLD = 100_000  # ticks of idle time and the like, so that the machine is no newborn


def stat(*, user: int = 0, system: int = 0, idle: int = 0, irq: int = 0, softirq: int = 0, steal: int = 0) -> str:
    """/proc/stat in ticks: CPU 0 rests, CPU 1 has that on top of an old machine's."""
    resting = f"{OLD} 0 {OLD} {OLD} 0 0 {OLD // 100} 0 0 0"
    return (
        f"cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 {resting}\n"
        f"cpu1 {OLD + user} 0 {OLD + system} {OLD + idle} 0 {irq} {OLD // 100 + softirq} {steal} 0 0\nintr 1 2 3\n"
    )


def reading(moment: float, text: str, own: float = 0.0) -> Reading:
    return Reading(moment, own, cpus.parse(text))


def others(seconds: float, ours: float, **ticks: int) -> float:
    """What they took of CPU 1 in so many seconds."""
    found = cpus.foreign(reading(0, stat()), reading(seconds, stat(**ticks)), [1], ours)
    assert found is not None
    return found


PROC_STAT = """cpu  9 9 9 9 9 9 9 9 0 0
cpu0 100 7 50 800 50 3 4 20 0 0
cpu12 0 0 0 400 0 0 0 0 0 0
intr 1 2 3
"""


def test_cpu_lines_are_read_by_number_and_waiting_for_io_is_idle():
    times = cpus.parse(PROC_STAT)
    assert times.keys() == {0, 12}
    seconds = CpuTimes(idle=8.5, steal=0.2, user=1.07, system=0.5, irq=0.03, softirq=0.04)
    assert [*vars(times[0]).values()] == pytest.approx([one * procfs.TICK * 100 for one in vars(seconds).values()])


def test_a_quiet_machine_whose_fields_do_not_sum_to_the_wall_time_is_not_disturbed():
    """A bare epoll at half a CPU: 2.96 of 3.11 s are told; nobody took the other 0.15 s."""
    assert others(3.11, ours=1.56, user=30, system=120, softirq=6, idle=140) == 0.0


def test_a_server_that_wakes_up_often_is_not_disturbed_by_its_own_wakeups():
    """The ticks miss much of what is short: 0.4 s ours, 0.25 s sampled, and 85 % of the time told."""
    assert others(2.0, ours=0.4, user=5, system=20, idle=145) == 0.0


@pytest.mark.parametrize("ours", [0.1, 0.6, 1.0, 1.4])
def test_a_process_that_spins_for_three_tenths_is_found(ours):
    spun = 0.6  # of two seconds
    busy = round((ours + spun) / procfs.TICK)
    found = others(2.0, ours, user=busy, idle=200 - busy)
    assert DISTURBED < found <= spun / 2.0


def test_a_spinner_beside_a_server_that_wants_the_whole_cpu_is_found_to_a_few_points():
    assert others(2.0, ours=1.4, user=60, system=140) == pytest.approx(0.3, abs=0.02)


def test_what_sampling_may_have_made_up_is_not_called_disturbed():
    """Ticks meet a CPU that is busy for half the time as a coin would; each tick counts for 1 / CONFIG_HZ."""
    random, seconds, alarms, tries = np.random.default_rng(1), 1.8, 0, 4000
    samples = round(seconds / usage.SAMPLED)
    for _ in range(tries):
        ticks = int(random.binomial(samples, 0.5) * usage.SAMPLED / procfs.TICK)
        alarms += others(seconds, ours=seconds / 2, user=ticks) > DISTURBED
    assert alarms <= tries / 1000 + 3 * math.sqrt(tries / 1000)


def test_interrupts_are_ours_where_they_are_in_our_processes_time():
    """No CONFIG_IRQ_TIME_ACCOUNTING: the tick found an interrupt in half a second of what the process's clock has."""
    assert others(2.0, ours=1.9, user=60, system=80, softirq=50, idle=10) == 0.0
    assert others(2.0, ours=1.2, user=60, system=80, softirq=50, idle=10) > 0.25


def test_interrupts_are_nobodys_where_the_kernel_takes_them_out_of_our_processes_time():
    """With it, half a second for packets of the load is in no process's time."""
    before, after = stat(irq=3000), stat(user=60, system=80, irq=3010, softirq=50)
    found = cpus.foreign(reading(0, before), reading(2, after), [1], 1.4)
    assert cpus.interrupts_apart(cpus.parse(after)) is True
    assert found == 0.0


# --- whether interrupts have a time of their own


def test_hard_interrupts_have_no_time_where_only_ticks_tell():
    assert cpus.interrupts_apart(cpus.parse(stat())) is False


def test_a_machine_that_has_just_started_or_a_file_that_is_made_up_cannot_tell():
    young = "cpu0 20 0 20 1000 0 0 3 0 0 0\n"
    made_up = f"cpu0 {OLD} 0 {OLD} {OLD} 0 0 0 0 0 0\n"
    assert cpus.interrupts_apart(cpus.parse(young)) is None
    assert cpus.interrupts_apart(cpus.parse(made_up)) is None
    assert cpus.interrupts_apart({}) is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("CONFIG_IRQ_TIME_ACCOUNTING=y\n", "yes"),
        ("CONFIG_VIRT_CPU_ACCOUNTING_NATIVE=y\n", "yes"),
        ("# CONFIG_IRQ_TIME_ACCOUNTING is not set\nCONFIG_HAVE_IRQ_TIME_ACCOUNTING=y\n", "no"),
        (None, "cannot be told"),
    ],
)
@pytest.mark.parametrize("name", ["config.gz", "config-6.1"])
def test_a_young_machine_is_told_by_the_kernels_configuration(monkeypatch, tmp_path, text, word, name):
    monkeypatch.setattr(cpus, "STAT", tmp_path / "stat")
    monkeypatch.setattr(cpus, "CONFIGS", (tmp_path / "absent", tmp_path / name))
    if text:
        (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    assert cpus.irq_time() == word


def test_counters_say_more_than_a_configuration(monkeypatch, tmp_path):
    """The kernel gives it up where the clock is not stable."""
    (tmp_path / "stat").write_text(stat())
    (tmp_path / "config").write_text("CONFIG_IRQ_TIME_ACCOUNTING=y\n")
    monkeypatch.setattr(cpus, "STAT", tmp_path / "stat")
    monkeypatch.setattr(cpus, "CONFIGS", (tmp_path / "config",))
    assert cpus.irq_time() == "no"


# --- both CPUs of a load


def test_server_and_load_are_looked_at_apart_and_the_harness_is_ours():
    busy = (f"cpu{cpu} {OLD + ticks} 0 {OLD} {OLD} 0 0 {OLD // 100} 0 0 0\n" for cpu, ticks in ((0, 150), (1, 175)))
    after = reading(2, "".join(busy), own=0.25)
    found = cpus.disturbance(reading(0, stat()), after, SETS, server=1.75, load=0.75)
    assert found.server_cpu == 0.0
    assert 0.15 < found.load_cpu <= 0.25  # 1.5 s busy, 0.75 s wrk's, 0.25 s the harness's
    assert found.steal == 0


def test_steal_is_that_of_the_worst_cpu_and_not_the_mean():
    found = cpus.disturbance(reading(0, stat()), reading(10, stat(steal=99)), SETS, server=0, load=0)
    assert found.steal == pytest.approx(0.099)
    assert found.worst > DISTURBED


def test_a_single_cpu_is_one_budget():
    found = cpus.disturbance(
        reading(0, stat()), reading(1, stat(user=90), own=0.1), CpuSets((1,), (1,)), server=0.5, load=0.3
    )
    assert found.worst == 0.0


def test_what_others_took_of_a_cpu_that_is_not_listed_is_unknown():
    """lxcfs counts from 0 where the cpuset is CPU 1; a CPU may also go offline in between."""

    def of(moment: float, *numbers: int) -> Reading:
        return Reading(moment, 0, {cpu: CpuTimes(0, 0, user=150 + moment) for cpu in numbers})

    for before, after in ((of(0, 0), of(1, 0)), (of(0, 0, 1), of(1, 0)), (of(1, 0), of(2, 0, 1))):
        found = cpus.disturbance(before, after, SETS, server=0.9, load=0)
        assert (found.server_cpu, found.steal, found.unknown) == (None, None, True)
        assert cpus.system_share(before, after, [1]) is None
    assert cpus.disturbance(of(0, 0, 1), of(1, 0), SETS, 0.9, 0).worst > 0.9  # of CPU 0
    assert not cpus.disturbance(of(0, 0, 1), of(1, 0, 1), SETS, 0, 0).unknown


def test_a_hidden_or_shortened_stat_lists_no_cpu(monkeypatch, tmp_path):
    monkeypatch.setattr(cpus, "STAT", tmp_path / "stat")
    assert cpus.read().cpus == {}
    (tmp_path / "stat").write_text("cpu  1 2 3 4\ncpu0 1 2 3 4\n")
    assert cpus.read().cpus == {}


def test_the_real_file_has_our_cpus():
    assert set(os.sched_getaffinity(0)) <= cpus.read().cpus.keys()


# --- user and system


def split(user: float, system: float, softirq: float = 0.0) -> float | None:
    after = Reading(9, 0, {1: CpuTimes(0, 0, user, system, 0.0, softirq)})
    return cpus.system_share(Reading(0, 0, {1: CpuTimes(0, 0)}), after, [1])


def test_the_kernels_share_is_that_of_the_time_the_cpus_worked():
    assert split(1, 2, 1) == 0.75


def test_user_and_system_take_a_hundred_ticks_of_work():
    enough = max(100 * usage.SAMPLED, 20 * procfs.TICK)
    assert split(0.0, 15 * usage.SAMPLED) is None  # "user 0.000" of 15 ticks
    assert split(0.5 * enough, 0.45 * enough) is None
    assert split(0.5 * enough, 0.5 * enough) == pytest.approx(0.5)
    assert split(0, 0) is None


def test_a_hundred_ticks_tell_a_share_to_some_five_points():
    random = np.random.default_rng(2)
    shares = random.binomial(cpus.SAMPLES, 0.5, 10_000) / cpus.SAMPLES
    assert np.std(shares) == pytest.approx(0.05, abs=0.002)


# --- a real machine


def test_a_real_spinner_beside_a_bare_epoll_is_found(log):
    """No test asks whether this machine is quiet without it: it may not be."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        pytest.skip("takes two CPUs")
    sets = CpuSets((available[-1],), (available[0],))
    command = pinned(sets.server, [str(BINARIES / "bare-epoll"), "--listen", "127.0.0.1:0"])
    spin = pinned(sets.server, [sys.executable, "-c", "while True: pass"])
    load = wrk.WrkLoad("/plaintext", 4, 1)
    with Server(command, log) as server:
        with processes.Process(spin, subprocess.DEVNULL, subprocess.DEVNULL):
            time.sleep(0.2)  # Python starts, and spins from then on
            begin, before = server.usage(), cpus.read()
            finished = wrk.measure(wrk.command(load, sets.load, server.address), load)
            end, after = server.usage(), cpus.read()
        found = cpus.disturbance(before, after, sets, Window(begin, end).cpu_seconds, finished.cpu_seconds)
    if found.server_cpu is None:
        pytest.skip("/proc/stat does not list our CPUs")
    assert found.server_cpu > DISTURBED
