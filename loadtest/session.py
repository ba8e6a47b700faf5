"""One run of a verb, from its first file to its exit status: signals, folder, place, progress, report.

What was measured is kept however it ends: it is saved after every step, and Ctrl-C marks it as interrupted.
"""

from __future__ import annotations

import datetime
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from loadtest import environment, folder
from loadtest.places.place import Place
from loadtest.results import Environment, MeasurementError
from loadtest.system import processes


class Exit(IntEnum):
    ok = 0
    failed = 1
    usage = 2
    gate = 3
    invalid = 4
    environment = 5
    interrupted = 130


class Stop(Exception):
    """The end, with a sentence for stderr."""

    def __init__(self, status: Exit, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


Found = TypeVar("Found", bound=folder.AnyResults)


@dataclass
class Session(Generic[Found]):
    """What a verb does between the beginning and the end, which are the same for all."""

    place: Place
    directory: Path
    executables: Sequence[str]
    load_cpus: Sequence[int]  # for the harness itself
    begin: Callable[[Environment], Found]  # new results, or those to go on with
    execute: Callable[[Found, Callable[[], None]], None]  # calls the function it is given after every step
    render: Callable[[Found, int], str]
    status: Callable[[Found], Exit]
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

    def _prepare(self) -> Found:
        if sentence := environment.missing() or self.place.missing(self.executables):
            raise Stop(Exit.environment, sentence)
        make(self.directory)
        try:
            self.place.prepare()
        except MeasurementError as error:
            raise Stop(Exit.failed, str(error)) from error
        try:
            found = self.begin(environment.stamp(self.place, self.executables))
        except MeasurementError as error:
            raise Stop(Exit.environment, f"a program that we need does not work: {error}") from error
        os.sched_setaffinity(0, self.load_cpus)
        processes.prepare_limits()
        return found

    def _measure(self, found: Found) -> Exit:
        started = time.monotonic() - found.seconds

        def save(amid: bool = False) -> None:
            found.seconds = time.monotonic() - started
            folder.save(found, self.directory, amid)

        found.state = "running"
        try:
            save()
            self.execute(found, lambda: save(amid=True))
            found.state = "complete"
        except KeyboardInterrupt:
            found.state = "interrupted"
        except BaseException:
            found.state = "failed"
            save()
            raise
        finally:
            _ignore_signals()  # a second Ctrl-C must not leave half a report
            self.place.close()
        save()
        _clear_line()
        sys.stdout.write(folder.to_json(found) if self.as_json else self.render(found, width()))
        print(f"results: {self.directory / 'results.json'}", file=sys.stderr)
        return Exit.interrupted if found.state == "interrupted" else self.status(found)


def new_directory(suffix: str) -> Path:
    return environment.ROOT / "results" / f"{datetime.datetime.now():%Y-%m-%dT%H-%M-%S}-{suffix}"


def make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(Exit.environment, f"{directory}: {error.strerror}; choose another with --out") from error


def width() -> int:
    try:
        return max(100, min(120, os.get_terminal_size(sys.stdout.fileno()).columns))
    except OSError:
        return 120


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _clear_line() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@dataclass
class Progress:
    """What runs now, and how long it will go on; on stderr, one line of a terminal or one for each group of steps."""

    seconds: Sequence[float]  # of each step, as planned
    _started: float = field(default_factory=time.monotonic)
    _group: str = ""

    def show(self, index: int, text: str) -> None:
        """Before a step, described as "group: which"."""
        left = self._left(index)
        position = f"[{index + 1}/{len(self.seconds)}]"
        if sys.stderr.isatty():
            print(f"\r\x1b[K{position} {text}, {left} left"[:200], end="", file=sys.stderr, flush=True)
            return
        group = text.partition(":")[0]
        if group != self._group:
            print(f"{position} {group}, {left} left", file=sys.stderr, flush=True)
        self._group = group

    def _left(self, index: int) -> str:
        """As planned, corrected by how long the steps before took."""
        planned = sum(self.seconds[:index])
        pace = (time.monotonic() - self._started) / planned if index >= 3 else 1
        left = round(pace * sum(self.seconds[index:]))
        return f"{left // 60}:{left % 60:02}"
