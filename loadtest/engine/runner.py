"""One run of a verb, from its first file to its exit status: signals, place, steps, progress, report. Every step has a
server of its own. Or it is shown what would be executed: a dry run.

What was measured is kept however a run ends: it is saved after every step, and Ctrl-C marks it as interrupted.
"""

import os
import shlex
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from loadtest.contestants import contestants
from loadtest.document.figures import plural
from loadtest.engine import environment, folder, pages, provision
from loadtest.engine.measurement import MEASUREMENTS, Bench, Step, Verb, describe
from loadtest.engine.run import Exit, Failure, Part, Run, Stop, sentence
from loadtest.places import launch
from loadtest.places.launch import Place
from loadtest.system import MeasurementError, output, processes

# Steps that other load disturbed, or the client itself, are repeated, so that a busy machine costs patience and not the
# afternoon. Each measurement has its share, whatever was spent on those before it.
REPEATS = 0.1  # of its steps, but
LEAST_REPEATS = 2
REPEATS_OF_A_STEP = 2
BEGINNING_OF_LINE = "\r\x1b[K"  # of a terminal, which is empty then


@dataclass
class Session:
    verb: Verb
    parts: list[Part]  # to measure; those of the earlier run, where it goes on
    earlier: Run | None
    place: Place
    directory: Path
    as_json: bool = False
    needs: provision.Needs | None = None  # None: the place has all of it

    def run(self) -> Exit:
        """Raises Stop or MeasurementError when it cannot begin."""
        for number in (signal.SIGINT, signal.SIGTERM):  # a shell ignores SIGINT for its background jobs
            signal.signal(number, signal.default_int_handler)
        try:
            found = self._prepare()
            lost = self._measure(found)
        except KeyboardInterrupt:
            return Exit.interrupted
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C leaves no servers and no half of a report
                signal.signal(number, signal.SIG_IGN)
            self.place.close()
            with suppress(OSError):  # something came of it
                self.directory.rmdir()
        return self._show(found, lost)

    def _prepare(self) -> Run:
        """Raises Stop; also when the earlier results are of other software or of another machine."""
        if self.needs and not environment.missing():  # no build mends a kernel
            provision.provide(self.needs)
        needed = [MEASUREMENTS[part.measurement].executables(part.settings) for part in self.parts]
        executables = sorted(set().union(*needed))
        if missing := environment.missing() or self.verb.missing() or self.place.missing(executables):
            raise Stop(Exit.environment, missing)
        try:
            self.place.prepare()
        except MeasurementError as error:
            raise Stop(Exit.failed, str(error)) from error
        now = environment.stamp(self.place, executables)
        if self.earlier:
            found = folder.go_on(self.earlier, now)
        else:
            found = Run(self.verb.name, now, described(self.parts, self.place))
        cpus = found.parts[0].settings.cpus.load
        try:
            os.sched_setaffinity(0, cpus)
        except OSError as error:  # the cpuset has changed since --resume's run, or a sandbox forbids it
            names = ",".join(map(str, cpus))
            raise Stop(Exit.environment, f"cannot run on CPU {names}: {error.strerror}") from error
        processes.prepare()
        return found

    def _measure(self, found: Run) -> str:
        """Why the files do not get all that was measured; mostly ""."""
        began, keeper = time.monotonic() - found.seconds, folder.Keeper(self.directory)

        def save() -> None:
            found.seconds = time.monotonic() - began
            keeper.save(found)

        found.state = "running"
        try:
            save()
            execute(found, self.place, self.directory, save, self._tell_first)
            found.state = "complete"
        except KeyboardInterrupt:
            found.state = "interrupted"
        except OSError as error:  # mostly a full disk
            found.state = "failed"
            return sentence(error, self.directory)
        except BaseException:
            found.state = "failed"
            folder.save(found, self.directory)
            raise
        finally:
            found.seconds = time.monotonic() - began
        return ""

    def _tell_first(self, found: Run) -> None:
        """Where it cannot, the run goes on."""
        try:
            told = pages.made("the figures after one round", lambda: self.verb.first(found))
        except pages.ReportError as error:
            return output.tell(f"{self._line}{environment.program()}: {error}")
        if told:
            output.tell(f"{self._line}after one round: {told}")

    @property
    def _line(self) -> str:
        """Ends the line of progress on a terminal."""
        return BEGINNING_OF_LINE if sys.stderr.isatty() else ""

    def _show(self, found: Run, lost: str) -> Exit:
        """What was measured is safe before anything is made of it."""
        lost = self._save(found) or lost
        output.tell(self._line, end="")  # no progress any more
        trouble = self._report(found)
        lost = lost or trouble
        page = self.directory / pages.NAME
        output.tell(f"{environment.program()}: {lost}" if lost else f"results: {self._results}\npage: {page}")
        if found.state == "interrupted":
            return Exit.interrupted
        return Exit.failed if lost else self.verb.status(found)

    @property
    def _results(self) -> Path:
        return self.directory / "results.json"

    def _save(self, found: Run) -> str:
        """Why it could not be saved; mostly ""."""
        try:
            folder.save(found, self.directory)
        except OSError as error:
            folder.mark_as_failed(self.directory)
            return sentence(error, self.directory)
        return ""

    def _report(self, found: Run) -> str:
        """What went wrong first; mostly ""."""
        failed = pages.show(found, self.directory / pages.NAME, self.as_json, self.directory)
        return next(map(self._why, failed.values()), "")

    def _why(self, error: Exception) -> str:
        if isinstance(error, OSError):
            return sentence(error, self.directory)
        return f"{error}; the results are safe in {self._results}"


def described(parts: list[Part], place: Place) -> list[Part]:
    """With the facts of the contestants' models, as that place's servers tell them. Raises MeasurementError."""
    ask, found = cache(place.describe), []
    for part in parts:
        known = contestants.described(part.settings.contestants, ask)
        found.append(replace(part, settings=replace(part.settings, contestants=known)))
    return found


def remaining(run: Run) -> list[tuple[Part, Step]]:
    """Those that have no result yet, chapter by chapter, and there round by round. What a part measures once is in the
    first round, so that an interrupted run has something on every question of its chapter. Chapters are not mixed: they
    have different numbers of rounds, and what is compared is in one chapter, so that its rounds stay close together."""
    return [one for chapter in run.chapters for one in _by_round(chapter.parts)]


def _by_round(parts: Sequence[Part]) -> list[tuple[Part, Step]]:
    todo: list[tuple[Part, Step]] = []
    for part in parts:
        done = {result.step for result in part.results}
        todo += [(part, step) for step in MEASUREMENTS[part.measurement].steps(part.settings) if step not in done]
    return sorted(todo, key=lambda one: one[1].round)  # which keeps the order inside a round


def execute(
    run: Run, place: Place, directory: Path, save: Callable[[], None], first: Callable[[Run], None] = lambda run: None
) -> None:
    """What fails is left out from there on; a contestant that fails, of all parts of the same verb. `first` is called
    between the first round and the second."""
    todo, failed = remaining(run), set[tuple[str, Hashable]]()
    steps = Counter(part.measurement for part, _ in todo)
    repeats_left = {measurement: max(LEAST_REPEATS, int(REPEATS * count)) for measurement, count in steps.items()}
    progress = Progress([MEASUREMENTS[part.measurement].seconds(part.settings, step) for part, step in todo])
    for index, (part, step) in enumerate(todo):
        if index > 0 and todo[index - 1][1].round == 1 < step.round and {one.step.round for one in run.results} == {1}:
            first(run)
        measurement = MEASUREMENTS[part.measurement]
        if {(part.verb, measurement.key(step)), (part.verb, step.contestant)} & failed:
            continue
        progress.show(index, describe(step))
        bench = Bench(part.settings, place, directory, part.results)
        try:
            result, repeats = measurement.measure(bench, step), 0
            while result.spoiled and repeats_left[part.measurement] > 0 and repeats < REPEATS_OF_A_STEP:
                result, repeats = measurement.measure(bench, step), repeats + 1
                repeats_left[part.measurement] -= 1
            result.repeats = repeats
            part.results.append(result)
        except MeasurementError as error:
            failed.add((part.verb, measurement.key(step)))
            run.failures.append(Failure(step.contestant, describe(step), str(error)))
        save()
        for name, text in bench.printed.items():  # after the result: a disk may have no room for both
            folder.store_raw(directory, name, text)


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
            output.tell(f"{BEGINNING_OF_LINE}{position} {text}, {ending}"[:200], end="")
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
        measurement, settings = MEASUREMENTS[part.measurement], part.settings
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
