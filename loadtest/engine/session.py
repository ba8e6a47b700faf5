"""One run of a verb, from its first file to its exit status: signals, folder, place, progress, report.

What was measured is kept however it ends: it is saved after every step, and Ctrl-C marks it as interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from loadtest.document import terminal
from loadtest.engine import environment, folder
from loadtest.engine.exit import Exit, Stop, sentence
from loadtest.engine.resume import go_on
from loadtest.engine.run import Environment, Results
from loadtest.engine.verb import Settings, Verb, described
from loadtest.places.place import Place
from loadtest.system import output, processes
from loadtest.system.errors import MeasurementError


@dataclass
class Session:
    """What a verb does between the beginning and the end, which are the same for all."""

    verb: Verb
    settings: Settings
    earlier: Results | None  # to go on with
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

    def _prepare(self) -> Results:
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
            os.sched_setaffinity(0, self.settings.load_cpus)
        except OSError as error:  # the cpuset has changed since --resume's run, or a sandbox forbids it
            cpus = ",".join(map(str, self.settings.load_cpus))
            raise Stop(Exit.environment, f"cannot run on CPU {cpus}: {error.strerror}") from error
        processes.prepare_limits()
        return found

    @property
    def _executables(self) -> list[str]:
        return sorted(self.verb.executables(self.settings))

    def _begin(self, now: Environment) -> Results:
        """Raises Stop when the earlier results are of other software or of another machine."""
        if self.earlier:
            return go_on(self.earlier, now)
        found: Results = self.verb.results(self.verb.name, now, described(self.settings, self.place))
        return found

    def _text(self, found: Results) -> str:
        return terminal.render(self.verb.document(found), terminal.width())

    def _measure(self, found: Results) -> Exit:
        started = time.monotonic() - found.seconds

        def save(amid: bool = False) -> None:
            found.seconds = time.monotonic() - started
            folder.save(found, self.directory, amid)

        found.state, lost = "running", ""
        try:
            save()
            self.verb.execute(found, self.place, self.directory, lambda: save(amid=True))
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

    def _show(self, found: Results, lost: str) -> Exit:
        """@param lost: why the files are not all that was measured; mostly ""."""
        _clear_line()
        path = self.directory / "results.json"
        try:
            output.show(folder.to_json(found) if self.as_json else self._text(found))
        except output.OutputError as error:
            lost = lost or f"{error}; the results are safe in {path}"
        output.tell(f"{environment.program()}: {lost}" if lost else f"results: {path}")
        if found.state == "interrupted":
            return Exit.interrupted
        return Exit.failed if lost else self.verb.status(found)


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
