"""One run of a verb, from its first file to its exit status: signals, folder, place, progress, report.

What was measured is kept however it ends: it is saved after every step, and Ctrl-C marks it as interrupted.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from loadtest.contestants import contestants
from loadtest.document import terminal
from loadtest.engine import environment, folder, report
from loadtest.engine.claim import go_on
from loadtest.engine.exit import Exit, Stop, sentence
from loadtest.engine.run import Part, Run
from loadtest.engine.runner import Runner
from loadtest.engine.verb import Verb, measurement_of
from loadtest.places.launch import Place
from loadtest.system import MeasurementError, output, processes


@dataclass
class Session:
    verb: Verb
    parts: list[Part]  # to measure; those of the earlier run, where it goes on
    earlier: Run | None
    place: Place
    directory: Path
    as_json: bool = False

    def run(self) -> Exit:
        """Raises Stop when it cannot begin."""
        for number in (signal.SIGINT, signal.SIGTERM):  # a shell ignores SIGINT for its background jobs
            signal.signal(number, signal.default_int_handler)
        try:
            return self._measure(self._prepare())
        except KeyboardInterrupt:
            return Exit.interrupted
        finally:
            _ignore_signals()  # a second Ctrl-C must not leave servers behind
            self.place.close()
            with suppress(OSError):  # something came of it
                self.directory.rmdir()

    def _prepare(self) -> Run:
        """Raises Stop; also when the earlier results are of other software or of another machine."""
        executables = sorted(set().union(*(measurement_of(part).executables(part.settings) for part in self.parts)))
        if missing := environment.missing() or self.place.missing(executables):
            raise Stop(Exit.environment, missing)
        try:
            self.place.prepare()
        except MeasurementError as error:
            raise Stop(Exit.failed, str(error)) from error
        try:
            now = environment.stamp(self.place, executables)
            parts = described(self.parts, self.place) if not self.earlier else []
        except MeasurementError as error:
            raise Stop(Exit.environment, f"a program that we need does not work: {error}") from error
        found = go_on(self.earlier, now) if self.earlier else Run(self.verb.name, now, parts)
        cpus = found.parts[0].settings.cpus.load
        try:
            os.sched_setaffinity(0, cpus)
        except OSError as error:  # the cpuset has changed since --resume's run, or a sandbox forbids it
            names = ",".join(map(str, cpus))
            raise Stop(Exit.environment, f"cannot run on CPU {names}: {error.strerror}") from error
        processes.prepare_limits()
        return found

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
        if sys.stderr.isatty():
            output.tell("\r\x1b[K", end="")  # no progress any more
        path = self.directory / "results.json"
        try:
            output.show(folder.to_json(found) if self.as_json else terminal.render(report.document(found)))
        except output.OutputError as error:
            lost = lost or f"{error}; the results are safe in {path}"
        output.tell(f"{environment.program()}: {lost}" if lost else f"results: {path}")
        if found.state == "interrupted":
            return Exit.interrupted
        return Exit.failed if lost else self.verb.status(found)


def described(parts: list[Part], place: Place) -> list[Part]:
    """With the facts of the contestants' models, as that place's servers tell them. Raises MeasurementError."""
    ask, found = cache(place.describe), []
    for part in parts:
        known = contestants.described(part.settings.contestants, ask)
        found.append(replace(part, settings=replace(part.settings, contestants=known)))
    return found


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
