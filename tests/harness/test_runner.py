"""How steps are executed: what is repeated, left out, saved and resumed. Nothing is started."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import samples

from loadtest.contestants.contestants import MODELS
from loadtest.engine import folder, measurement
from loadtest.engine.measurement import MEASUREMENTS, Bench, Step, describe
from loadtest.engine.run import Exit, Failure, Part, Run, Stop
from loadtest.engine.runner import LEAST_REPEATS, REPEATS_OF_A_STEP, described, execute, remaining
from loadtest.statistics import validity
from loadtest.system import MeasurementError
from loadtest.system.cpus import Disturbance
from loadtest.verbs.crash.measure import CRASH
from loadtest.verbs.load import plan
from loadtest.verbs.load.verb import LOAD

NO_PLACE: Any = None
QUIET, BUSY = Disturbance(0.01, 0.01, 0), Disturbance(validity.DISTURBED + 0.1, 0, 0)
STEPS = list(plan.steps(samples.settings()))


class Played:
    """Trials with played disturbances, one for each attempt."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, disturbances: list[Disturbance] | None = None, broken: str = ""
    ):
        self.disturbances = disturbances or []
        self.broken = broken
        self.attempts: list[Step] = []
        self.saves: list[tuple[int, int]] = []
        self.stored: list[str] = []
        monkeypatch.setitem(MEASUREMENTS, "load", replace(LOAD, measure=self._measure))
        monkeypatch.setattr("loadtest.engine.folder.store_raw", lambda directory, name, text: self.stored.append(name))

    def _measure(self, bench: Bench, step: Any) -> Any:
        self.attempts.append(step)
        if step.contestant == self.broken:
            raise MeasurementError("it did not start")
        bench.printed[f"{len(self.attempts)}.json"] = "{}"
        disturbance = self.disturbances.pop(0) if self.disturbances else QUIET
        return replace(samples.trial(step.cell, step.round, disturbance=disturbance), step=step)

    def __call__(self, run: Run | None = None) -> Run:
        found = run or new()
        save = lambda: self.saves.append((len(found.results), len(found.failures)))  # noqa: E731
        execute(found, NO_PLACE, Path("nowhere"), save)
        return found


def new(**changes: Any) -> Run:
    return samples.run(Part("load", samples.settings()), state="running", **changes)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    yield lambda *arguments, **named: Played(monkeypatch, *arguments, **named)


def test_all_rounds_are_tried_in_their_order(play):
    found = play()()
    assert [result.step for result in found.results] == STEPS


def test_what_is_measured_once_follows_the_first_round(play):
    first, second = Part("load", samples.settings(rounds=2)), Part("load", samples.settings(rounds=1, seed=2))
    assert [step.round for _, step in remaining(samples.run(first, second))] == [1] * 10 + [2] * 5
    assert [part for part, _ in remaining(samples.run(first, second))] == [first] * 5 + [second] * 5 + [first] * 5


def test_a_disturbed_step_is_repeated_until_it_is_quiet(play):
    first, second = play([BUSY, QUIET, QUIET])().results[:2]
    assert (first.disturbance, first.repeats) == (QUIET, 1)
    assert second.repeats == 0


def test_a_trial_that_its_own_client_spoiled_is_repeated_and_not_one_that_the_server_did():
    late = samples.trial(STEPS[0].cell)
    late.client.problems = ["the schedule was not kept"]
    died = samples.trial(STEPS[0].cell)
    died.problems = ["the server exited with status 3"]
    assert (late.spoiled, died.spoiled, samples.trial(STEPS[0].cell).spoiled) == (True, False, False)
    assert samples.trial(STEPS[0].cell, misread=True).spoiled


def test_a_step_that_stays_disturbed_is_kept_as_it_is(play):
    first, second = play([BUSY] * (REPEATS_OF_A_STEP + 1))().results[:2]
    assert (first.disturbance, first.repeats) == (BUSY, REPEATS_OF_A_STEP)
    assert second.disturbance == QUIET


def test_on_a_busy_machine_a_tenth_of_the_steps_is_repeated_and_no_more(play):
    played = play([BUSY] * 1000)
    found = played()
    assert sum(result.repeats for result in found.results) == len(STEPS) // 10
    assert len(played.attempts) == len(STEPS) + len(STEPS) // 10


def test_what_the_loads_spend_on_a_busy_machine_is_not_taken_from_the_faults(play, monkeypatch):
    unlucky = lambda bench, step: samples.crash(step, samples.SEGV, unlucky=True)  # noqa: E731
    monkeypatch.setitem(MEASUREMENTS, "crash", replace(CRASH, measure=unlucky))
    loads, faults = Part("load", samples.settings()), Part("crash", samples.crash_settings((samples.SEGV,)))
    play([BUSY] * 1000)(samples.run(loads, faults, state="running"))
    spent = [sum(result.repeats for result in part.results) for part in (loads, faults)]
    assert spent == [len(STEPS) // 10, LEAST_REPEATS] and len(faults.results) < 10 * LEAST_REPEATS


def test_who_minds_no_other_load_is_not_repeated(play):
    played = play([None] * len(STEPS))
    played()
    assert played.attempts == STEPS


def test_between_the_first_round_and_the_second_there_is_a_first_figure(play):
    seen, played, found = [], play(), new()
    execute(found, NO_PLACE, Path("nowhere"), lambda: None, lambda run: seen.append(len(run.results)))
    assert seen == [5]
    assert len(played.attempts) == len(STEPS)


def test_results_are_saved_after_every_step_and_what_was_printed_after_them(play):
    played = play()
    played()
    assert played.saves == [(number, 0) for number in range(1, len(STEPS) + 1)]
    assert played.stored == [f"{number}.json" for number in range(1, len(STEPS) + 1)]


def test_a_contestant_that_fails_is_left_out_and_the_others_go_on(play):
    played = play(broken="threads")
    found = played()
    step = next(step for step in STEPS if step.contestant == "threads")
    assert found.failures == [Failure("threads", describe(step), "it did not start")]
    assert [step.contestant for step in played.attempts].count("threads") == 1
    assert len(found.results) == len(STEPS) - samples.settings().rounds
    assert played.saves[-1] == (len(found.results), 1)


def test_resuming_does_what_is_missing_and_nothing_twice(play):
    found = new()
    found.parts[0].results += [replace(samples.trial(step.cell), step=step) for step in STEPS[:13]]
    before, played = list(found.results), play()
    played(found)
    assert played.attempts == STEPS[13:]
    assert found.results[:13] == before
    assert remaining(found) == []


def test_what_failed_before_is_tried_again(play):
    found = play(broken="threads")()
    again = folder.go_on(found, samples.ENVIRONMENT)
    assert again.failures == []
    played = play()
    played(again)
    assert {step.contestant for step in played.attempts} == {"threads"}
    assert remaining(found) == []


def test_a_new_run_has_the_facts_that_the_places_servers_tell():
    place: Any = SimpleNamespace(describe=samples.DESCRIBE)
    (found,) = described([Part("load", samples.settings(MODELS))], place)
    assert found.settings.contestants == samples.MODELS


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"commit": "fedcba"}, "cannot resume: commit was abcdef and is fedcba; one run cannot hold both"),
        ({"versions": {"wrk": "4.2.0"}}, "cannot resume: wrk was 4.1.0 and is 4.2.0"),
        ({"versions": {"wrk": "4.1.0", "nginx": "1.22"}}, "cannot resume: nginx was absent and is 1.22"),
        ({"cpu_model": "Another CPU"}, "cannot resume: cpu model was Sample CPU and is Another CPU"),
        ({"kernel": "6.9"}, "cannot resume: kernel was 6.1 and is 6.9"),
    ],
)
def test_other_software_or_another_machine_cannot_go_on_with_a_run(changes, sentence):
    found = new(failures=[Failure("epoll", "round 1", "it did not start")])
    with pytest.raises(Stop, match=sentence) as caught:
        folder.go_on(found, replace(samples.ENVIRONMENT, **changes))
    assert caught.value.status == Exit.usage
    assert found.failures, "a refused run is left as it was"


def test_a_cell_is_invalid_when_none_of_its_rounds_is_valid():
    found = samples.trial_run()
    found.results[0].problems = ["bad"]
    assert measurement.status(found) == Exit.ok
    for trial in found.results:
        trial.problems = ["bad"] if trial.cell.contestant == "nginx" else []
    assert measurement.status(found) == Exit.invalid
