"""Executes the steps of a run, of all its parts. Every step has a server of its own; every result is saved at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.engine import folder
from loadtest.engine.measurement import Bench, Measurement, Step, describe
from loadtest.engine.progress import Progress
from loadtest.engine.run import Failure, Part, Run
from loadtest.engine.verb import measurement_of
from loadtest.places.place import Place
from loadtest.statistics.validity import DISTURBED
from loadtest.system.errors import MeasurementError

# Steps that other load disturbed are repeated, so that a busy machine costs patience and not the afternoon.
REPEATS = 0.1  # of all steps
REPEATS_OF_A_STEP = 2


def remaining(run: Run) -> list[tuple[Part, Step]]:
    """Those that have no result yet, round by round. What a part measures once is in the first round, so that an
    interrupted run has something on every question."""
    todo: list[tuple[Part, Step]] = []
    for part in run.parts:
        done = {result.step for result in part.results}
        todo += [(part, step) for step in measurement_of(part).steps(part.settings) if step not in done]
    return sorted(todo, key=lambda one: one[1].round)  # which keeps the order inside a round


@dataclass
class Runner:
    run: Run
    place: Place
    directory: Path
    save: Callable[[], None]
    _failed: set[Hashable] = field(default_factory=set)
    _repeats_left: int = 0

    def execute(self) -> None:
        """What fails is left out from there on."""
        todo = remaining(self.run)
        self._repeats_left = max(2, int(REPEATS * len(todo)))
        progress = Progress([measurement_of(part).seconds(part.settings, step) for part, step in todo])
        for index, (part, step) in enumerate(todo):
            measurement = measurement_of(part)
            if measurement.key(step) in self._failed:
                continue
            progress.show(index, describe(step))
            bench = Bench(part.settings, self.place, self.directory)
            self._take(measurement, part, bench, step)
            self.save()
            for name, text in bench.printed.items():  # after the result: a disk may have no room for both
                folder.store_raw(self.directory, name, text)

    def _take(self, measurement: Measurement, part: Part, bench: Bench, step: Step) -> None:
        try:
            part.results.append(self._undisturbed(measurement, bench, step))
        except MeasurementError as error:
            self._failed.add(measurement.key(step))
            self.run.failures.append(Failure(step.contestant, describe(step), str(error)))

    def _undisturbed(self, measurement: Measurement, bench: Bench, step: Step) -> Any:
        result, repeats = measurement.measure(bench, step), 0
        while _is_disturbed(result) and self._repeats_left > 0 and repeats < REPEATS_OF_A_STEP:
            result, repeats = measurement.measure(bench, step), repeats + 1
            self._repeats_left -= 1
        result.repeats = repeats
        return result


def _is_disturbed(result: Any) -> bool:
    return result.disturbance is not None and result.disturbance.worst > DISTURBED
