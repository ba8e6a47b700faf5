"""How a plan is executed: what is repeated, what is left out, what is kept. Nothing is started."""

from __future__ import annotations

from typing import Any

import pytest
import samples

from loadtest.system.cpus import Disturbance
from loadtest.system.errors import MeasurementError
from loadtest.verbs.tour import plan
from loadtest.verbs.tour.plan import LoadStep, Step
from loadtest.verbs.tour.results import TourResults
from loadtest.verbs.tour.runner import REPEATS_OF_A_RUN, Runner

NO_PLACE: Any = None
QUIET, BUSY = Disturbance(0.01, 0.01, 0), Disturbance(0.5, 0, 0)


class Played(Runner):
    """Load steps with played disturbances, one for each attempt; other steps do nothing."""

    def __init__(self, disturbances: list[Disturbance], broken: str = "") -> None:
        self.disturbances = disturbances
        self.broken = broken
        self.saves: list[int] = []
        self.shown: list[str] = []
        found = TourResults("tour", samples.ENVIRONMENT, samples.PLAN)
        super().__init__(samples.PLAN, NO_PLACE, found, self._save, self._show)

    def _save(self) -> None:
        self.saves.append(len(self.results.loads))

    def _show(self, index: int, step: Step) -> None:
        self.shown.append(step.contestant.name)

    def _execute(self, step: Step) -> None:
        if step.contestant.name == self.broken:
            raise MeasurementError("it did not start")
        if isinstance(step, LoadStep):
            super()._execute(step)

    def _load(self, step: LoadStep):
        disturbance = self.disturbances.pop(0) if self.disturbances else QUIET
        return samples.load_run(step.contestant.name, step.round, step.cell.name, disturbance=disturbance)


@pytest.fixture
def load_steps() -> int:
    return sum(isinstance(step, LoadStep) for step in plan.steps(samples.PLAN))


def test_a_disturbed_run_is_repeated_until_it_is_quiet():
    runner = Played([BUSY, QUIET, QUIET])
    runner.run()
    first, second = runner.results.loads[:2]
    assert (first.disturbance, first.repeats) == (QUIET, 1)
    assert second.repeats == 0


def test_a_run_that_stays_disturbed_is_kept_as_it_is():
    runner = Played([BUSY] * (REPEATS_OF_A_RUN + 1))
    runner.run()
    assert (runner.results.loads[0].disturbance, runner.results.loads[0].repeats) == (BUSY, REPEATS_OF_A_RUN)
    assert runner.results.loads[1].disturbance == QUIET


def test_on_a_busy_machine_a_tenth_of_the_runs_is_repeated_and_no_more(load_steps):
    runner = Played([BUSY] * 1000)
    runner.run()
    assert sum(run.repeats for run in runner.results.loads) == load_steps // 10
    assert len(runner.results.loads) == load_steps


def test_results_are_saved_after_every_step(load_steps):
    runner = Played([])
    runner.run()
    assert len(runner.saves) == len(list(plan.steps(samples.PLAN)))
    assert runner.saves[:3] == [1, 2, 3]
    assert runner.saves[-1] == load_steps


def test_a_contestant_that_fails_is_left_out_and_the_others_go_on():
    runner = Played([], broken="threads")
    runner.run()
    assert [(one.contestant, one.reason) for one in runner.results.failures] == [("threads", "it did not start")]
    assert runner.shown.count("threads") == 1
    assert runner.shown.count("epoll") == runner.shown.count("coroutines") > 6
