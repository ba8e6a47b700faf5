"""Executes the steps of a run, of all its parts. Every step has a server of its own; every result is saved at once.
Or shows what it would execute: a dry run."""

import shlex
import sys
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.document.figures import plural
from loadtest.engine import folder
from loadtest.engine.measurement import Bench, Measurement, Step, describe
from loadtest.engine.run import Failure, Part, Run
from loadtest.engine.verb import measurement_of
from loadtest.places import launch
from loadtest.places.launch import Place
from loadtest.system import MeasurementError, output

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
            try:
                part.results.append(self._undisturbed(measurement, bench, step))
            except MeasurementError as error:
                self._failed.add(measurement.key(step))
                self.run.failures.append(Failure(step.contestant, describe(step), str(error)))
            self.save()
            for name, text in bench.printed.items():  # after the result: a disk may have no room for both
                folder.store_raw(self.directory, name, text)

    def _undisturbed(self, measurement: Measurement, bench: Bench, step: Step) -> Any:
        result, repeats = measurement.measure(bench, step), 0
        while result.disturbed and self._repeats_left > 0 and repeats < REPEATS_OF_A_STEP:
            result, repeats = measurement.measure(bench, step), repeats + 1
            self._repeats_left -= 1
        result.repeats = repeats
        return result


@dataclass
class Progress:
    """What runs now, and how long it will go on; on stderr, one line of a terminal or one for each group of steps."""

    seconds: Sequence[float]  # of each step, as planned
    _started: float = field(default_factory=time.monotonic)
    _group: str = ""

    def show(self, index: int, text: str) -> None:
        """Before a step, described as "group: which". What is left is planned, corrected by the steps before."""
        planned = sum(self.seconds[:index])
        pace = (time.monotonic() - self._started) / planned if index >= 3 else 1
        left = round(pace * sum(self.seconds[index:]))
        position, ending = f"[{index + 1}/{len(self.seconds)}]", f"{left // 60}:{left % 60:02} left"
        group = text.partition(":")[0]
        if sys.stderr.isatty():
            output.tell(f"\r\x1b[K{position} {text}, {ending}"[:200], end="")
        elif group != self._group:
            output.tell(f"{position} {group}, {ending}")
        self._group = group


def commands(parts: Sequence[Part], binaries: Path) -> list[str]:
    """Every external command, ready to paste: of each step once, whatever the rounds; then how many steps there are,
    and how long they take. Files that servers need are written."""
    in_docker = ["# in Docker: these, without paths and taskset, each in a container", ""]
    lines = in_docker if parts[0].settings.runner == "docker" else []
    shown, rounds, seconds = set[tuple[str, str]](), [], 0.0
    for part in parts:
        measurement, settings = measurement_of(part), part.settings
        for step in measurement.steps(settings):
            rounds.append(step.round)
            seconds += measurement.seconds(settings, step)
            if (step.contestant, step.what) in shown:
                continue
            shown.add((step.contestant, step.what))
            address, server = launch.example(measurement.server(settings, step), binaries)
            asking = measurement.load(address, settings, step)
            lines += [f"# {step.contestant}: {step.what}", *map(shlex.join, [server, *asking]), ""]
    return [*lines, f"# {plural(len(rounds), 'step')} in {plural(max(rounds), 'round')}, about {seconds:.0f} s"]
