"""One window: what the server used amid the load, by what the clients were answered meanwhile."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import samples
from conftest import BINARIES, SERVER, eventually

from loadtest.engine.measurement import Bench
from loadtest.engine.runner import REPEATS_OF_A_STEP
from loadtest.places.launch import Local
from loadtest.system import MeasurementError, cpus, procfs, syscalls, usage
from loadtest.system.cpus import CpuSets, Disturbance
from loadtest.system.processes import Ended, Server
from loadtest.system.procfs import Switches
from loadtest.system.scoreboard import Counts
from loadtest.system.usage import Usage
from loadtest.verbs.load import clients, measure
from loadtest.verbs.load.clients import LOAD_BEGINS, LOAD_ENDS, WINDOW_BEGINS, WINDOW_ENDS, Observed
from loadtest.verbs.load.measure import Look, Watch, counted_switches, window_problems
from loadtest.verbs.load.plan import Cell, TrialStep
from loadtest.verbs.load.results import values

CELL = Cell("epoll", "plaintext", 16)
SETS = CpuSets((1,), (0,))
QUIET = Disturbance(0.0, 0.0, 0.0)


def look(moment: float, cpu_seconds: float, took: float = 0.001, **more: Any) -> Look:
    return Look(Usage(moment, moment + took, cpu_seconds, **more), cpus.Reading(moment, 0.0, {}))


def watched(used: float = 0.75, seconds: float = 0.75, took: float = 0.001, **at_the_end: Any) -> Watch:
    """A load from 0 to 1 s, and a window in it from 0.1 s on. After the load the server works on, for a long time."""
    same = {"threads": frozenset({1}), "switches": Switches(100, 10), "faults": 0}
    server: Any = None
    looks = {
        LOAD_BEGINS: look(0.0, 5.0, **same),
        WINDOW_BEGINS: look(0.1, 5.1, took, **same),
        WINDOW_ENDS: look(0.1 + seconds, 5.1 + used, took, **(same | at_the_end)),
        LOAD_ENDS: look(1.2, 9.0, **(same | at_the_end)),
    }
    return Watch(server, looks)


def told(watch: Watch, *counts: int) -> Watch:
    """With what the server has counted until each moment."""
    for moment, count in zip((LOAD_BEGINS, WINDOW_BEGINS, WINDOW_ENDS, LOAD_ENDS), counts):
        watch.looks[moment] = replace(watch.looks[moment], counts=Counts(0, count))
    return watch


def work(watch: Watch, cpu_seconds: float = 9.0) -> measure.Work:
    return measure.work_of(watch, Ended(0, cpu_seconds), observed(), CELL, 1.0)


def test_what_a_server_of_ours_counts_in_the_window_is_what_its_cpu_time_is_divided_by():
    assert work(told(watched(), 0, 4, 29, 45)) == measure.Work(pytest.approx(0.75), 25)
    assert work(watched()) == measure.Work(pytest.approx(0.75), None)  # a peer
    assert work(told(watched(), 0, 4, 4, 4)).answers == 0, "a server that hangs is not taken for the clients' rate"


def test_where_many_processes_end_a_request_costs_what_it_did_over_the_servers_whole_life():
    """Its 16 connections have a process each, as every request has. Ticks have lost a part of 0.75 s."""
    watch = told(watched(0.6, faults=9, parents=17), 0, 4, 29, 45)
    end: Any = SimpleNamespace(counts=lambda: Counts(16, 46))  # after the drain
    watch.scoreboard = end
    found = work(watch, 5.0 + 62 * 0.03)
    assert found.answers == 25, "what was counted in the window"
    assert found.cpu_seconds == pytest.approx(25 * 0.03)
    assert found.unsure == pytest.approx(17 * 0.03 + 0.1 * 0.75), "each was in hand; and the price is an average"


def test_ticks_of_64_parents_are_neither_the_servers_work_nor_others():
    """Each one's user time is much less than a tick, and rounding takes off all of it, not half a tick."""
    watch = told(watched(0.3, faults=9, parents=65), 0, 300, 3000, 3900)
    end: Any = SimpleNamespace(counts=lambda: Counts(64, 3936))
    watch.scoreboard = end
    assert problems(watch, cpu_seconds=5.0 + 4000 * 0.00025) == []
    ended = watch.looks[LOAD_ENDS]
    watch.looks[LOAD_ENDS] = replace(ended, usage=replace(ended.usage, cpu_seconds=5.4))
    for moment, used in {LOAD_BEGINS: 0.0, LOAD_ENDS: 0.975}.items():
        reading = cpus.Reading(watch.looks[moment].usage.began, 0.0, {1: ticks(used), 0: ticks(0.0)})
        watch.looks[moment] = replace(watch.looks[moment], cpus=reading)
    assert watch.disturbance(SETS, 0.0, Ended(0, 5.0 + 4000 * 0.00025)).server_cpu == 0
    assert watch.disturbance(SETS, 0.0, Ended(0, 5.0 + 4000 * 0.00015)).server_cpu > 0.2
    (found,) = problems(watch, cpu_seconds=5.0 + 4000 * 0.00035)
    assert found.startswith("the server cannot have used 126% of its CPUs")


def test_a_price_that_varies_makes_no_server_use_more_than_it_has():
    """1.04 of the window's CPU seconds are within an average's error; all that one CPU had is shown."""
    watch = told(watched(0.3, faults=9, parents=65), 0, 300, 3000, 3900)
    end: Any = SimpleNamespace(counts=lambda: Counts(64, 3936))
    watch.scoreboard = end
    price = 1.04 * 0.75 / 2700
    found, window = work(watch, 5.0 + 4000 * price), watch.window
    assert found.cpu_seconds == pytest.approx(1.04 * 0.75)
    assert problems(watch, cpu_seconds=5.0 + 4000 * price) == []
    assert measure.believed(window, found, 1) == window.given(1) < found.cpu_seconds
    assert measure.believed(window, measure.Work(0.5), 1) == 0.5
    assert measure.believed(window, measure.Work(None), 1) is measure.believed(None, found, 1) is None


def ticks(busy: float) -> cpus.CpuTimes:
    return cpus.CpuTimes(0.0, 0.0, busy)


def test_where_few_processes_end_the_window_is_read_as_it_is():
    watch = told(watched(0.6, faults=9, parents=1), 0, 4, 29, 45)
    end: Any = SimpleNamespace(counts=lambda: Counts(16, 46))
    watch.scoreboard = end
    assert work(watch, 99.0) == measure.Work(pytest.approx(0.6), 25, 2 * procfs.TICK)


def observed(**client: Any) -> Observed:
    side = replace(samples.trial(CELL).client, **client)
    return Observed(side, "", 16, samples.TEN_NEWCOMERS, 0.5, 0.1, began=0.0)


# --- the figure


def test_work_after_the_window_is_not_charged_to_it():
    """1,000 answers and ten newcomers' in a second: 0.75 s of CPU are for 757.5 of them, whatever the drain takes."""
    window = watched().window
    trial = samples.trial(CELL, server_cpu_seconds=window.cpu_seconds, window_seconds=window.seconds)
    assert values(trial)["cpu"] == pytest.approx(0.75e6 / (1010 * 0.75))
    assert trial.server_share == pytest.approx(1.0)


def test_cpu_per_request_by_the_rate_of_answers_is_never_more_than_the_window_had():
    for requests in (10, 33, 1000, 100_000):
        trial = samples.trial(CELL, requests=requests, server_cpu_seconds=0.8, window_seconds=0.8)
        rate = (trial.client.requests + trial.newcomers.served) / trial.client.seconds
        assert values(trial)["cpu"] / 1e6 * rate == pytest.approx(1.0)


def test_a_client_that_waits_for_lost_answers_makes_no_request_dearer():
    """500 answers in a second's schedule, and two seconds more for a few that never came; 4 s CPU are for all 510."""
    watch, seen = watched(), observed(requests=500, seconds=3.0)
    answers = measure.told_answers(watch, seen, replace(CELL, rate=500.0), 1.0)
    trial = samples.trial(CELL, 500, server_cpu_seconds=0.75, window_seconds=0.75, answers=answers)
    assert values(trial)["cpu"] == pytest.approx(watch.whole.cpu_seconds * 1e6 / 510)
    punctual = replace(seen, client=replace(seen.client, seconds=1.04))
    assert measure.told_answers(watch, punctual, replace(CELL, rate=500.0), 1.0) is None


def test_a_trial_without_a_window_has_no_cost():
    trial = samples.trial(CELL, server_cpu_seconds=None, window_seconds=None, system_share=None, switches=None)
    costs = ("cpu", "cpu user", "cpu system", "voluntary switches", "involuntary switches")
    assert [values(trial)[name] for name in costs] == [None] * 5
    assert trial.server_share is None


# --- what is refused


def problems(watch: Watch, server_cpus: int = 1, cpu_seconds: float = 9.0) -> list[str]:
    return window_problems(watch, work(watch, cpu_seconds), server_cpus, load_ends=1.0)


def test_a_window_as_it_should_be_has_no_problem():
    assert problems(watched()) == []
    assert problems(watched(used=0.75 + usage.SAMPLED)) == []  # within a tick


def test_a_server_that_used_more_cpus_than_it_has_is_refused_loudly():
    (found,) = problems(watched(used=2.1 * 0.75))
    assert found.startswith("the server cannot have used 210% of its CPUs: 1.575 CPU s in 0.750 s on 1 (up to 10")
    assert problems(watched(used=1.05 * 0.75))[0].startswith("the server cannot have used 105% of its CPUs")
    assert problems(watched(used=2.1 * 0.75), server_cpus=2)[0].startswith("the server cannot have used 105%")
    assert problems(watched(used=2.0 * 0.75), server_cpus=2) == []


def test_a_window_that_ended_after_its_load_is_refused():
    assert "read 0.15 s after the load's end: this machine is too busy" in problems(watched(1.0, seconds=1.05))[0]


def test_a_window_whose_ends_took_too_long_to_read_is_refused():
    assert problems(watched(used=0.5, took=0.05))[0].startswith("reading the server's CPU time took 0.050 s, too long")


def test_a_server_that_died_has_no_window_and_a_problem_that_says_so():
    server: Any = SimpleNamespace(usage=lambda: (_ for _ in ()).throw(MeasurementError("it has ended")))
    watch = Watch(server)
    for moment in (LOAD_BEGINS, WINDOW_BEGINS, WINDOW_ENDS, LOAD_ENDS):
        watch.look(moment)
    assert problems(watch) == ["the server's CPU time was not read amid the load: it has ended"]
    assert watch.disturbance(SETS, 0.5, Ended(0, 9.0)).unknown and watch.system_share(SETS, QUIET) is None


def test_user_and_system_of_a_cpu_on_which_others_worked_too_are_not_the_servers():
    watch = watched()
    for moment, worked in ((WINDOW_BEGINS, 0.0), (WINDOW_ENDS, 2.0)):
        ticks = cpus.CpuTimes(0.0, 0.0, worked, worked)
        watch.looks[moment] = replace(watch.looks[moment], cpus=cpus.Reading(0.0, 0.0, {1: ticks}))
    assert watch.system_share(SETS, QUIET) == 0.5
    assert watch.system_share(SETS, Disturbance(0.2, 0.0, 0.0)) is None
    assert watch.system_share(SETS, Disturbance(0.0, 0.2, 0.0)) == 0.5


def test_who_asks_from_a_container_has_a_process_more():
    class Place:
        def __init__(self, name: str) -> None:
            self.name = name

    def of(name: str) -> float:
        place: Any = Place(name)
        return measure.clients_seconds(Bench(samples.settings(), place, Path("nowhere")), observed())

    assert of("local") == 0.5  # its own 0.1 s are this process's
    assert of("docker") == pytest.approx(0.6)


# --- context switches


def switches(watch: Watch, ended: Switches | None = Switches(5000, 500), cell: Cell = CELL, **client: Any) -> Any:
    return counted_switches(watch, Ended(0, 1.0, switches=ended), observed(**client), cell)


def test_switches_of_live_threads_are_those_in_the_window():
    found = switches(watched(switches=Switches(850, 60)))
    assert (found.count, found.answers, found.problem) == (Switches(750, 50), None, "")


DEAD = {"faults": 3000, "switches": Switches(101, 10)}


def test_where_processes_end_switches_are_the_servers_in_all_by_all_that_it_answered():
    """1,000 answers, ten newcomers', and 16 in hand when the clients left; the live ones' 101 are not the answer."""
    found = switches(watched(**DEAD))
    assert (found.count, found.answers) == (Switches(4900, 490), 1026)
    trial = samples.trial(CELL, switches=found.count, switches_answers=found.answers)
    assert values(trial)["voluntary switches"] == pytest.approx(4900 / 1026)


def test_at_a_constant_rate_nothing_is_in_hand_when_the_clients_leave():
    assert switches(watched(**DEAD), cell=replace(CELL, rate=1000.0)).answers == 1010


def test_where_processes_end_in_a_container_there_are_no_switches_but_a_reason():
    found = switches(watched(**DEAD), ended=None)
    assert (found.count, found.problem) == (
        None,
        "nobody counts the context switches of processes that have ended",
    )


def test_where_processes_end_and_answers_are_unknown_there_are_no_switches_but_a_reason():
    found = switches(watched(**DEAD), errors={"timed out": 30})
    assert found.count is None and "of many requests nobody knows" in found.problem
    assert switches(watched(**DEAD), errors={"timed out": 3}).count is not None
    assert switches(watched(**DEAD), asked=1030).count is None


# --- moments


def test_moments_come_in_time_beside_the_block_and_those_after_it_never():
    early, late = threading.Event(), threading.Event()
    with clients.at({0.05: early.set, 600.0: late.set}):
        assert early.wait(60)
    assert not late.is_set()


def test_what_a_moment_raises_is_raised_at_the_end_of_the_block():
    failing = threading.Event()

    def fail() -> None:
        failing.set()
        raise MeasurementError("the control group is gone")

    with pytest.raises(MeasurementError, match="the control group is gone"):
        with clients.at({0.01: fail}):
            assert failing.wait(60)


def test_two_moments_are_not_told_at_once():
    """In a container, question and answer go over one pipe."""
    inside, most = threading.Semaphore(1), []

    def tell(moment: str) -> None:
        most.append(inside.acquire(blocking=False))
        time.sleep(0.05)
        inside.release()

    one, other = (partial(clients._tell_in_turn, tell, moment) for moment in "ab")
    with clients.at({0.01: one, 0.02: other}):
        assert eventually(lambda: len(most) == 2)
    assert most == [True, True]


# --- system calls


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], tuple[Any, int]]:
    """Counts where others take those shares of the CPU, run by run: the answer, and the number of runs."""

    def count(disturbances: list[float]) -> tuple[Any, int]:
        left = list(disturbances)

        def run(*_: Any) -> tuple[float, Disturbance]:
            share = left.pop(0)
            return 3.0 + 300 * share, Disturbance(share, 0.0, 0.0)

        monkeypatch.setattr(measure, "_count_system_calls", run)
        bench: Any = SimpleNamespace(settings=samples.settings())
        return measure.count_system_calls(bench, TrialStep(1, CELL, True)), len(disturbances) - len(left)

    return count


def test_a_disturbed_count_of_system_calls_is_taken_again(counting):
    assert counting([0.0]) == ((3.0, ""), 1)
    assert counting([0.2, 0.0]) == ((3.0, ""), 2)


def test_a_count_that_stays_disturbed_is_no_number_but_a_reason(counting):
    (found, problem), runs = counting([0.1] * 10)
    assert (found, problem) == (None, "others took 10% of a CPU, after 2 more runs still")
    assert runs == 1 + REPEATS_OF_A_STEP


def test_a_count_without_perf_is_a_reason_at_once(monkeypatch, tmp_path, log):
    @contextmanager
    def without(*_: Any) -> Iterator[syscalls.Count]:
        yield syscalls.Count(problem="perf is not installed")

    monkeypatch.setattr(syscalls, "counted", without)
    seen = observed()
    monkeypatch.setattr(Server, "ask", lambda *_: seen)
    monkeypatch.setattr(Bench, "start", lambda *_: Server(SERVER, log))
    bench = Bench(samples.settings(), Local(BINARIES, log), tmp_path)
    assert measure.count_system_calls(bench, TrialStep(1, CELL, True)) == (None, "perf is not installed")


# --- a real server


def test_a_real_trial_has_its_window_amid_its_load(tmp_path: Path):
    """The bare loop under wrk: what it used per second is no more than its CPU, whatever this machine does beside."""
    chosen = replace(samples.settings(), budgets={1: CpuSets((max(AVAILABLE),), (min(AVAILABLE),))}, pace=PACE)
    bench = Bench(chosen, Local(BINARIES, tmp_path / "log"), tmp_path)
    trial = measure.measure(bench, TrialStep(1, replace(CELL, contestant="bare-epoll", connections=4)))
    assert trial.misread or 0 < trial.window_seconds < 1.0  # a machine that is too busy for it says so
    assert trial.misread or 0 < trial.server_share <= 1.1
    assert trial.switches and trial.switches_answers is None
    assert trial.newcomers.asked == sum(trial.newcomers.outcomes.values())


AVAILABLE = os.sched_getaffinity(0)
PACE = str(BINARIES / "quartet-pace")
