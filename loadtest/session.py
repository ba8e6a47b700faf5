"""One run of a verb, from its first file to its exit status: signals, folder, place, progress, report.

What was measured is kept however it ends: it is saved after every step, and Ctrl-C marks it as interrupted.
"""

from __future__ import annotations

import datetime
import fcntl
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from loadtest import environment, folder, output
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
            _remove_if_empty(self.directory)

    def _prepare(self) -> Found:
        if sentence := environment.missing() or self.place.missing(self.executables):
            raise Stop(Exit.environment, sentence)
        try:
            self.place.prepare()
        except MeasurementError as error:
            raise Stop(Exit.failed, str(error)) from error
        try:
            found = self.begin(environment.stamp(self.place, self.executables))
        except MeasurementError as error:
            raise Stop(Exit.environment, f"a program that we need does not work: {error}") from error
        try:
            os.sched_setaffinity(0, self.load_cpus)
        except OSError as error:  # the cpuset has changed since --resume's run, or a sandbox forbids it
            cpus = ",".join(map(str, self.load_cpus))
            raise Stop(Exit.environment, f"cannot run on CPU {cpus}: {error.strerror}") from error
        processes.prepare_limits()
        return found

    def _measure(self, found: Found) -> Exit:
        started = time.monotonic() - found.seconds

        def save(amid: bool = False) -> None:
            found.seconds = time.monotonic() - started
            folder.save(found, self.directory, amid)

        found.state, lost = "running", ""
        try:
            save()
            self.execute(found, lambda: save(amid=True))
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

    def _show(self, found: Found, lost: str) -> Exit:
        """@param lost: why the files are not all that was measured; mostly ""."""
        _clear_line()
        path = self.directory / "results.json"
        try:
            output.show(folder.to_json(found) if self.as_json else self.render(found, width()))
        except output.OutputError as error:
            lost = lost or f"{error}; the results are safe in {path}"
        output.tell(f"{environment.program()}: {lost}" if lost else f"results: {path}")
        if found.state == "interrupted":
            return Exit.interrupted
        return Exit.failed if lost else self.status(found)


def claim(resume: Path | None, out: Path | None, suffix: str) -> Path:
    """A run's folder, made and locked: of an earlier run, of the user's choice, or results/TIME-SUFFIX. Raises Stop."""
    try:
        directory = folder.home(resume) if resume else out or _new_directory(suffix)
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(Exit.environment, f"{error.filename}: {error.strerror}; choose another with --out") from error
    lock(directory)
    if not resume:
        refuse_used(directory)  # by now somebody else may have had the same wish
    return directory.absolute()


def _new_directory(suffix: str) -> Path:
    """Two runs of the same second have two."""
    name = environment.ROOT / "results" / f"{datetime.datetime.now():%Y-%m-%dT%H-%M-%S}-{suffix}"
    name.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = name if number == 1 else name.with_name(f"{name.name}-{number}")
        try:
            path.mkdir()
            return path
        except FileExistsError:
            continue
    raise AssertionError


_locked: dict[Path, int] = {}


def lock(directory: Path) -> None:
    """Until this process ends, however it does. Raises Stop when another process has it."""
    path = directory.resolve()
    if path in _locked:
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Stop(Exit.usage, f"{directory} is in use by a run that has not ended") from None
    except OSError:
        pass  # network file systems may know no locks
    _locked[path] = descriptor


def refuse_used(out: Path) -> None:
    """One folder does not hold two runs, nor somebody else's files. Raises Stop."""
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir():
        raise Stop(Exit.usage, f"--out {out}: this is no folder")
    if (out / "results.json").exists():
        raise Stop(Exit.usage, f"--out {out}: there is a run in it; --resume {out} goes on with it")
    if any(out.iterdir()):
        raise Stop(Exit.usage, f"--out {out}: this folder is not empty")


def _remove_if_empty(directory: Path) -> None:
    """Nothing came of it."""
    try:
        directory.rmdir()
    except OSError:
        pass


def sentence(error: OSError, otherwise: Path | None = None) -> str:
    """@param otherwise: what it may have been about, where the system does not tell, as in writing to a full disk."""
    what = error.filename or otherwise
    reason = error.strerror or str(error)
    return f"{what}: {reason}" if what else reason


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
        output.tell("\r\x1b[K", end="")


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
            output.tell(f"\r\x1b[K{position} {text}, {left} left"[:200], end="")
            return
        group = text.partition(":")[0]
        if group != self._group:
            output.tell(f"{position} {group}, {left} left")
        self._group = group

    def _left(self, index: int) -> str:
        """As planned, corrected by how long the steps before took."""
        planned = sum(self.seconds[:index])
        pace = (time.monotonic() - self._started) / planned if index >= 3 else 1
        left = round(pace * sum(self.seconds[index:]))
        return f"{left // 60}:{left % 60:02}"
