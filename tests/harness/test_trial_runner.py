"""How trials are executed: what is repeated, left out, saved and resumed. Nothing is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import samples

from loadtest.contestants.contestants import MODELS
from loadtest.engine import resume, verb
from loadtest.engine.exit import Exit, Stop
from loadtest.engine.run import Failure
from loadtest.statistics import validity
from loadtest.system.cpus import Disturbance
from loadtest.system.errors import MeasurementError
from loadtest.verbs.load.plan import TrialStep, steps
from loadtest.verbs.load.results import TrialResults
from loadtest.verbs.load.runner import REPEATS_OF_A_TRIAL, TrialRunner, remaining
from loadtest.verbs.load.verb import LATENCY

NO_PLACE: Any = None
QUIET, BUSY = Disturbance(0.01, 0.01, 0), Disturbance(validity.DISTURBED + 0.1, 0, 0)
TRIALS = len(list(steps(samples.settings())))


class Played(TrialRunner):
    """Trials with played disturbances, one for each attempt."""

    def __init__(self, found: TrialResults, disturbances: list[Disturbance] | None = None, broken: str = "") -> None:
        super().__init__(found, NO_PLACE, Path("nowhere"), self._keep, lambda name, text: None, self._show)
        self.disturbances = disturbances or []
        self.broken = broken
        self.saves: list[tuple[int, int]] = []
        self.shown: list[TrialStep] = []
        self.attempts = 0
        self.counted: list[TrialStep] = []

    def _keep(self) -> None:
        self.saves.append((len(self.results.trials), len(self.results.failures)))

    def _show(self, step: TrialStep) -> None:
        self.shown.append(step)

    def _measure(self, step: TrialStep):
        self.attempts += 1
        if step.cell.contestant == self.broken:
            raise MeasurementError("it did not start")
        disturbance = self.disturbances.pop(0) if self.disturbances else QUIET
        return samples.trial(step.cell, step.round, disturbance=disturbance, system_calls=None)

    def _count(self, step: TrialStep) -> tuple[float | None, str]:
        self.counted.append(step)
        return 2.5, ""


def new(**changes) -> TrialResults:
    return samples.trial_results(**{"trials": [], "state": "running", **changes})


def test_all_rounds_are_tried_in_their_order():
    runner = Played(new())
    runner.run()
    assert [(trial.round, trial.cell) for trial in runner.results.trials] == [
        (step.round, step.cell) for step in steps(samples.settings())
    ]
    assert runner.shown == list(steps(samples.settings()))


def test_a_disturbed_trial_is_repeated_until_it_is_quiet():
    runner = Played(new(), [BUSY, QUIET, QUIET])
    runner.run()
    first, second = runner.results.trials[:2]
    assert (first.disturbance, first.repeats) == (QUIET, 1)
    assert second.repeats == 0


def test_a_trial_that_stays_disturbed_is_kept_as_it_is():
    runner = Played(new(), [BUSY] * (REPEATS_OF_A_TRIAL + 1))
    runner.run()
    first, second = runner.results.trials[:2]
    assert (first.disturbance, first.repeats) == (BUSY, REPEATS_OF_A_TRIAL)
    assert second.disturbance == QUIET


def test_on_a_busy_machine_a_tenth_of_the_trials_is_repeated_and_no_more():
    runner = Played(new(), [BUSY] * 1000)
    runner.run()
    assert sum(trial.repeats for trial in runner.results.trials) == TRIALS // 10
    assert runner.attempts == TRIALS + TRIALS // 10


def test_system_calls_are_counted_once_for_every_cell_beside_its_first_round():
    runner = Played(new(), [BUSY, BUSY, QUIET])
    runner.run()
    assert runner.counted == [step for step in steps(samples.settings()) if step.round == 1]
    assert {(trial.round, trial.system_calls) for trial in runner.results.trials} == {
        (1, 2.5),
        *((number, None) for number in range(2, 9)),
    }


def test_system_calls_are_counted_beside_the_first_valid_trial():
    found = new()
    first = [step.cell for step in steps(found.settings) if step.round == 1]
    found.trials = [samples.trial(cell, 1, problems=["bad"], system_calls=None) for cell in first]
    runner = Played(found)
    runner.run()
    assert {step.round for step in runner.counted} == {2} and len(runner.counted) == 5


def test_results_are_saved_after_every_trial():
    runner = Played(new())
    runner.run()
    assert runner.saves == [(number, 0) for number in range(1, TRIALS + 1)]


def test_a_contestant_that_fails_is_left_out_and_the_others_go_on():
    runner = Played(new(), broken="threads")
    runner.run()
    assert [(one.contestant, one.reason) for one in runner.results.failures] == [("threads", "it did not start")]
    assert [step.cell.contestant for step in runner.shown].count("threads") == 1
    assert len(runner.results.trials) == TRIALS - samples.settings().rounds
    assert runner.saves[-1] == (len(runner.results.trials), 1)


def test_resuming_does_what_is_missing_and_nothing_twice():
    found = new()
    done = list(steps(found.settings))[:13]
    found.trials = [samples.trial(step.cell, step.round) for step in done]
    before = list(found.trials)
    runner = Played(found)
    runner.run()
    assert runner.attempts == TRIALS - 13
    assert found.trials[:13] == before
    assert remaining(found) == []


def test_what_failed_before_is_tried_again():
    found = new()
    Played(found, broken="threads").run()
    again = resume.go_on(found, samples.ENVIRONMENT)
    assert again.failures == []
    runner = Played(again)
    runner.run()
    assert {step.cell.contestant for step in runner.shown} == {"threads"}
    assert remaining(found) == []


def test_a_new_run_starts_with_its_settings_and_its_stamp():
    place: Any = SimpleNamespace(describe=samples.DESCRIBE)
    found = LATENCY.results("latency", samples.ENVIRONMENT, verb.described(samples.settings(MODELS), place))
    assert found.settings.contestants == samples.MODELS, "and the facts that the place's servers tell"
    assert (found.verb, found.environment, found.trials, found.state) == ("latency", samples.ENVIRONMENT, [], "running")


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
        resume.go_on(found, replace(samples.ENVIRONMENT, **changes))
    assert caught.value.status == Exit.usage
    assert found.failures, "a refused run is left as it was"
