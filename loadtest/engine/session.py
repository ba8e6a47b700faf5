"""One run of a verb, from its first file to its exit status: signals, folder, place, progress, report.

What was measured is kept however it ends: it is saved after every step, and Ctrl-C marks it as interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from loadtest.contestants import contestants
from loadtest.contestants.facts import Describe
from loadtest.document import terminal
from loadtest.engine import environment, folder, report
from loadtest.engine.exit import Exit, Stop, sentence
from loadtest.engine.resume import go_on
from loadtest.engine.run import Environment, Part, Run
from loadtest.engine.runner import Runner
from loadtest.engine.verb import Verb, measurement_of
from loadtest.places.place import Place
from loadtest.system import output, processes
from loadtest.system.errors import MeasurementError


@dataclass
class Session:
    verb: Verb
    parts: list[Part]  # to measure
    earlier: Run | None  # to go on with, in place of these
    place: Place
    directory: Path
    as_json: bool = False

    def run(self) -> Exit:
        """Raises Stop when it cannot begin."""
        signal.signal(signal.SIGTERM, _interrupt)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for its background jobs
        try:
            return self._measure(self._prepare())
        except KeyboardInterrupt:
            return Exit.interrupted
        finally:
            _ignore_signals()  # a second Ctrl-C must not leave servers behind
            self.place.close()
            _remove_if_empty(self.directory)

    def _prepare(self) -> Run:
        if sentence := environment.missing() or self.place.missing(self._executables):
            raise Stop(Exit.environment, sentence)
        try:
            self.place.prepare()
        except MeasurementError as error:
            raise Stop(Exit.failed, str(error)) from error
        try:
            found = self._begin(environment.stamp(self.place, self._executables))
        except MeasurementError as error:
            raise Stop(Exit.environment, f"a program that we need does not work: {error}") from error
        try:
            cpus = ",".join(map(str, found.parts[0].settings.cpus.load))
            os.sched_setaffinity(0, found.parts[0].settings.cpus.load)
        except OSError as error:  # the cpuset has changed since --resume's run, or a sandbox forbids it
            raise Stop(Exit.environment, f"cannot run on CPU {cpus}: {error.strerror}") from error
        processes.prepare_limits()
        return found

    @property
    def _executables(self) -> list[str]:
        parts = self.earlier.parts if self.earlier else self.parts
        return sorted(set().union(*(measurement_of(part).executables(part.settings) for part in parts)))

    def _begin(self, now: Environment) -> Run:
        """Raises Stop when the earlier results are of other software or of another machine."""
        if self.earlier:
            return go_on(self.earlier, now)
        return Run(self.verb.name, now, described(self.parts, self.place))

    def _measure(self, found: Run) -> Exit:
        started = time.monotonic() - found.seconds

        def save(amid: bool = False) -> None:
            found.seconds = time.monotonic() - started
            folder.save(found, self.directory, amid)

        found.state, lost = "running", ""
        try:
            save()
            Runner(found, self.place, self.directory, lambda: save(amid=True)).execute()
            found.state = "complete"
        except KeyboardInterrupt:
            found.state = "interrupted"
        except OSError as error:  # mostly a full disk
            found.state, lost = "failed", sentence(error, self.directory)
        except BaseException:
            found.state = "failed"
            save()
            raise
        finally:
            _ignore_signals()  # a second Ctrl-C must not leave half a report
            self.place.close()
        try:
            save()
        except OSError as error:
            lost = lost or sentence(error, self.directory)
            folder.mark_as_failed(self.directory)
        return self._show(found, lost)

    def _show(self, found: Run, lost: str) -> Exit:
        """@param lost: why the files are not all that was measured; mostly ""."""
        _clear_line()
        path = self.directory / "results.json"
        try:
            output.show(
                folder.to_json(found) if self.as_json else terminal.render(report.document(found), terminal.width())
            )
        except output.OutputError as error:
            lost = lost or f"{error}; the results are safe in {path}"
        output.tell(f"{environment.program()}: {lost}" if lost else f"results: {path}")
        if found.state == "interrupted":
            return Exit.interrupted
        return Exit.failed if lost else self.verb.status(found)


def described(parts: list[Part], place: Place) -> list[Part]:
    """With the facts of the contestants' models, as that place's servers tell them. Raises MeasurementError."""
    ask = cache(place.describe)
    return [replace(part, settings=_described(part.settings, ask)) for part in parts]


def _described(settings: Any, ask: Describe) -> Any:
    return replace(settings, contestants=contestants.described(settings.contestants, ask))


def _remove_if_empty(directory: Path) -> None:
    """Nothing came of it."""
    try:
        directory.rmdir()
    except OSError:
        pass


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _clear_line() -> None:
    if sys.stderr.isatty():
        output.tell("\r\x1b[K", end="")
