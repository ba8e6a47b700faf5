"""What a process tree has used, while its processes come and go: each CPU second is found once."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from conftest import BINARIES, eventually

from loadtest.system import MeasurementError, processes, procfs, usage
from loadtest.system.processes import Server, get
from loadtest.system.procfs import ProcessStat, Switches
from loadtest.system.usage import Usage, Window

TICK = procfs.TICK


@dataclass
class Made:
    """A process of a made-up machine."""

    clock: float
    parent: int = 0
    dead: float = 0.0
    faults: int = 0
    zombie: bool = False
    threads: int = 1
    waits: int = 5


@dataclass
class Machine:
    """Its processes, by pid. `then` happens while they are read: after so many looks."""

    made: dict[int, Made]
    then: dict[int, Callable[[], object]] = field(default_factory=dict)
    looks: int = 0

    def _look(self) -> None:
        self.looks += 1
        if event := self.then.get(self.looks):
            event()

    def children(self, pid: int) -> set[int]:
        self._look()
        return {child for child, one in self.made.items() if one.parent == pid}

    def stat(self, pid: int) -> ProcessStat | None:
        self._look()
        if not (one := self.made.get(pid)):
            return None
        dead = math.floor(one.dead / TICK + 1e-6) * TICK
        return ProcessStat(
            pid, "Z" if one.zombie else "S", 1, 0, one.parent, dead_children=dead, dead_faults=one.faults
        )

    def clock(self, pid: int) -> float | None:
        self._look()
        return self.made[pid].clock if pid in self.made else None

    def threads(self, pid: int) -> list[int]:
        return [100 * pid + number for number in range(self.made[pid].threads)] if pid in self.made else []

    def status(self, thread: int) -> str:
        one = self.made[thread // 100]
        return f"voluntary_ctxt_switches:\t{one.waits}\nnonvoluntary_ctxt_switches:\t1\n"

    def reap(self, pid: int) -> None:
        """Its parent waits for it."""
        if one := self.made.pop(pid, None):
            parent = self.made[one.parent]
            parent.dead, parent.faults = parent.dead + one.clock + one.dead, parent.faults + one.faults + 30


def tree() -> dict[int, Made]:
    """An acceptor, two connections' processes, and a request's child of the first."""
    return {1: Made(0.5), 2: Made(0.25, parent=1, dead=1.0), 3: Made(0.25, parent=1), 4: Made(0.06, parent=2)}


TRUTH = 0.5 + 0.25 + 1.0 + 0.25 + 0.06


def seconds(machine: Machine) -> float:
    found = usage.account(machine, 1)
    assert found is not None
    return found.seconds


def test_a_tree_has_the_time_of_all_its_processes_and_of_their_dead():
    assert seconds(Machine(tree())) == pytest.approx(TRUTH)


def looks_of_a_reading() -> int:
    machine = Machine(tree())
    usage.account(machine, 1)
    return machine.looks


@pytest.mark.parametrize("moment", range(1, looks_of_a_reading() + 1))
@pytest.mark.parametrize("gone", [(4,), (3,), (4, 2), (4, 3)])
def test_a_child_that_is_waited_for_at_any_moment_of_a_reading_is_found_once(moment, gone):
    machine = Machine(tree())
    machine.then = {moment: lambda: [machine.reap(pid) for pid in gone]}
    assert seconds(machine) == pytest.approx(TRUTH, abs=2 * TICK)


def test_children_that_end_one_after_another_under_a_reading_are_found_once():
    machine = Machine({1: Made(0.5), **{pid: Made(0.06, parent=1) for pid in range(2, 66)}})
    machine.then = {look: lambda pid=look - 100: machine.reap(pid) for look in range(102, 166)}
    assert seconds(machine) == pytest.approx(0.5 + 64 * 0.06, abs=2 * TICK)


def test_a_child_that_nobody_has_waited_for_yet_counts():
    made = tree()
    made[4].zombie = True
    assert seconds(Machine(made)) == pytest.approx(TRUTH)


def test_a_server_that_has_ended_has_no_time_but_an_error():
    with pytest.raises(MeasurementError, match="the CPU time of process 1 cannot be read: it has ended"):
        usage.read(1, Machine({}))


def test_switches_are_those_of_all_threads():
    made = tree()
    made[3].threads = 3
    assert usage.read(1, Machine(made)).switches == Switches(6 * 5, 6)


# --- a window


def between(before: Machine, after: Machine) -> Window:
    return Window(usage.read(1, before), usage.read(1, after))


def test_a_window_of_living_threads_tells_their_switches():
    later = tree()
    later[3].waits += 7
    window = between(Machine(tree()), Machine(later))
    assert (window.somebody_ended, window.switches) == (False, Switches(7, 0))


def test_a_child_of_less_than_a_tick_that_came_and_went_is_noticed():
    """Its switches are told nowhere, and its time is less than the parent's account shows."""
    machine = Machine(tree())
    machine.made[5] = Made(0.0001, parent=3, waits=9)
    machine.reap(5)
    window = between(Machine(tree()), machine)
    assert window.cpu_seconds == 0
    assert (window.somebody_ended, window.switches) == (True, None)


def test_a_process_that_is_no_longer_there_is_noticed():
    machine = Machine(tree())
    machine.reap(4)
    assert between(Machine(tree()), machine).switches is None


def test_a_window_is_as_long_as_from_reading_to_reading_however_late_they_were():
    window = Window(Usage(9.0, 9.01, 1.0), Usage(11.0, 11.03, 2.5))
    assert window.seconds == pytest.approx(2.01)
    assert window.unsure == pytest.approx(0.02)
    assert window.cpu_seconds == 1.5


def test_what_cpus_can_have_given_allows_for_ticks_and_for_slow_readings():
    window = Window(Usage(0.0, 0.0, 0.0), Usage(2.0, 2.0, 0.0))
    assert window.bearable(1) == pytest.approx(2.0 + usage.SAMPLED)
    assert window.bearable(2) == pytest.approx(2 * window.bearable(1))
    assert Window(Usage(0.0, 0.04, 0.0), Usage(2.0, 2.0, 0.0)).bearable(1) == pytest.approx(1.98 + 0.02 + usage.SAMPLED)
    dead = Window(Usage(0.0, 0.0, 0.0, parents=1), Usage(2.0, 2.0, 0.0, parents=1))
    assert dead.bearable(1) - window.bearable(1) == pytest.approx(2 * TICK)


def test_a_loop_needs_no_more_than_two_percent_of_tolerance():
    window = Window(Usage(0.0, 0.0005, 0.0), Usage(0.65, 0.6505, 0.0))
    assert window.bearable(1) <= 1.02 * window.seconds


# --- real processes


@pytest.fixture
def spinner():
    """Burns CPU time until it is ended; so does its child."""
    script = "import os\nos.fork()\nwhile True: pass"
    process = processes.Process([sys.executable, "-c", script], subprocess.DEVNULL, subprocess.DEVNULL)
    assert eventually(lambda: len(procfs.PROC.children(process.pid)) == 1)
    yield process
    processes.end_all()


def test_the_time_of_a_real_tree_is_what_wait4_says_in_the_end(spinner):
    time.sleep(0.3)
    used = usage.read(spinner.pid)
    assert used.parents == 0 and len(used.threads) == 2
    assert used.ended - used.began < 1
    children = procfs.PROC.children(spinner.pid)
    for child in children:
        os.kill(child, 9)
    at_least = usage.read(spinner.pid).cpu_seconds  # a zombie
    assert at_least >= used.cpu_seconds


def test_forks_by_the_thousand_are_counted_as_wait4_counts_them():
    """Children that live for less than a millisecond, read all the while."""
    script = (
        "import os, sys\n"
        "for _ in range(1500):\n"
        "    if not (pid := os.fork()):\n"
        "        sum(range(2000)); os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "print('done', flush=True); sys.stdin.read()\n"
    )
    with processes.Dialogue([sys.executable, "-c", script]) as process:
        seen: list[float] = []
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                seen.append(usage.read(process.pid).cpu_seconds)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            process.hear(60)
        finally:
            done.set()
            watcher.join()
        last = usage.read(process.pid)
        process.signal(9)
        assert process.ends_within(10)
        total = process.reap().cpu_seconds
    assert len(seen) > 3
    # never by a child more or less: no reading is below an earlier one, but for ticks that lag
    assert all(later >= earlier - 2 * TICK for earlier, later in zip(seen, seen[1:]))
    assert last.cpu_seconds == pytest.approx(total, abs=0.03)
    assert last.faults > 0


def test_two_readings_of_a_real_server_have_its_requests_between_them(log):
    with Server([str(BINARIES / "quartet-fork"), "--mode", "per-request", "--listen", "127.0.0.1:0"], log) as server:
        before = server.usage()
        assert before.faults == 0 and before.switches
        for _ in range(20):
            assert get(server.address, "/plaintext", 5) == (200, b"Hello, World!")
        assert eventually(lambda: server.usage().faults > 0)  # who answered was waited for
        window = Window(before, server.usage())
    assert window.cpu_seconds > 0
    assert window.somebody_ended and window.switches is None
